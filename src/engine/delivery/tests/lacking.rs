//! What records lack, of every store, and by which names it is known.

use serde_json::{Value, json};

use super::{Answer, Store, answered, elastic, graylog, loki, ok, question, splunk, with};
use crate::engine::delivery::{
    Element::{self, Event, Object, Origin, Outcome, Time, User},
    lacking, sample_requests,
};

const ALL: [Element; 6] = [User, Event, Time, Outcome, Origin, Object];

fn lacks(store: &Store, replies: &[Answer]) -> Result<Option<Vec<Element>>, String> {
    let question = question();
    let answers = answered(|answers| sample_requests(store, &question, answers), replies);
    lacking(store, &question, &answers)
}

fn of(records: &[Value]) -> Result<Option<Vec<Element>>, String> {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    lacks(&Store::VictoriaLogs, &[ok(lines.join("\n"))])
}

#[test]
fn a_record_lacks_what_no_field_of_it_has() {
    let deep = (0..60).fold(json!({ "user": "kim" }), |inner, _| json!({ "a": inner }));
    for (name, record, wanted) in [
        (
            "the Elastic Common Schema",
            json!({ "@timestamp": "t", "user.name": "kim", "event.action": "read", "event.outcome": "success", "source.ip": "192.0.2.7", "url.path": "/cards" }),
            vec![],
        ),
        (
            "the same in objects",
            json!({ "@timestamp": "t", "user": { "name": "kim" }, "event": { "action": "read", "outcome": "success" }, "source": { "ip": "192.0.2.7" }, "url": { "path": "/cards" } }),
            vec![],
        ),
        (
            "an event of Kubernetes",
            json!({ "stageTimestamp": "t", "user": { "username": "kim" }, "verb": "get", "responseStatus": { "code": 200 }, "sourceIPs": ["192.0.2.7"], "objectRef": { "resource": "secrets" } }),
            vec![],
        ),
        (
            "JSON within a text",
            json!({ "_time": "t", "_msg": "x", "log": "{\"user\":\"kim\",\"action\":\"read\",\"result\":\"ok\",\"ip\":\"192.0.2.7\",\"path\":\"/\"}" }),
            vec![],
        ),
        ("nothing", json!({}), ALL.to_vec()),
        ("a text", json!({ "_time": "t", "_msg": "GET /cards by kim" }), vec![User, Event, Outcome, Origin, Object]),
        (
            "fields that say nothing",
            json!({ "user": "", "action": null, "time": "-", "outcome": " ", "ip": [], "path": [null] }),
            ALL.to_vec(),
        ),
        ("too deep", deep, ALL.to_vec()),
        (
            "where it was read from",
            json!({ "log.file.name": "app.log", "log.file.path": "/x", "log": { "file": { "path": "/x" }, "file.name": "x" }, "attributes": { "log.file.name": "x" } }),
            ALL.to_vec(),
        ),
        ("a failure is an outcome", json!({ "success": false }), vec![User, Event, Time, Origin, Object]),
    ] {
        assert_eq!(of(&[record]), Ok(Some(wanted)), "{name}");
    }
}

#[test]
fn of_the_newest_records_that_which_lacks_least_counts() {
    let text = json!({ "_time": "t", "_msg": "listening" });
    let event =
        json!({ "_time": "t", "user": "kim", "action": "read", "outcome": "success", "ip": "192.0.2.7", "path": "/" });
    assert_eq!(of(&[text.clone(), event.clone(), text.clone()]), Ok(Some(vec![])));
    let late: Vec<Value> = std::iter::repeat_n(text.clone(), 10).chain([event.clone()]).collect();
    assert_eq!(of(&late), Ok(Some(vec![User, Event, Outcome, Origin, Object])), "more than ten are not looked at");
    let mut numbered = event;
    numbered["pcizone"] = json!("heartbeat");
    assert_eq!(of(&[numbered.clone(), text]), Ok(Some(vec![User, Event, Outcome, Origin, Object])));
    assert_eq!(of(&[numbered]), Ok(None));
    assert_eq!(of(&[]), Ok(None));
}

#[test]
fn each_store_tells_its_records() {
    let record = json!({ "user": "kim", "action": "read", "outcome": "success", "ip": "192.0.2.7" });
    let whole = json!({ "timed_out": false, "_shards": { "total": 1, "successful": 1, "failed": 0 } });
    let hits = |hits: Value| {
        let mut answer = whole.clone();
        answer["hits"] = json!({ "hits": hits });
        ok(answer.to_string())
    };
    let caps = || ok(elastic::keywords().to_string());
    let event = json!({ "preview": false, "lastrow": true, "result": { "_time": "2026-11-26 20:30:00", "_raw": record.to_string() } });
    let time = json!({ "from": "2026-11-25T20:00:00.000Z", "to": "2026-11-26T21:00:00.000Z" });
    let message = json!({
        "schema": [{ "field": "timestamp" }, { "field": "user" }, { "field": "action" }, { "field": "outcome" }, { "field": "ip" }, { "field": "path" }],
        "datarows": [["2026-11-26T20:30:00.000Z", "kim", "read", "success", "192.0.2.7", "-"]],
        "metadata": { "effective_timerange": time },
    });
    let streams = json!({ "status": "success", "data": { "resultType": "streams", "result": [{ "stream": {}, "values": [["1795725000000000000", record.to_string()]] }] } });
    let mut source = record.clone();
    source["@timestamp"] = json!("2026-11-26T20:30:00Z");
    for (name, store, replies, wanted) in [
        ("elastic", elastic::store(), vec![caps(), hits(json!([{ "_source": source }]))], Ok(Some(vec![Object]))),
        ("elastic, nothing", elastic::store(), vec![caps(), hits(json!([]))], Ok(None)),
        (
            "elastic, no source",
            elastic::store(),
            vec![caps(), hits(json!([{ "_id": "x" }]))],
            Err("no records as they were sent"),
        ),
        ("splunk", splunk::store(), vec![ok(event.to_string())], Ok(Some(vec![Object]))),
        ("splunk, cut off", splunk::store(), vec![ok("")], Err("does not come to its last row")),
        ("graylog", graylog::store(), vec![ok(message.to_string())], Ok(Some(vec![Object]))),
        ("loki", loki::store(), vec![ok(streams.to_string())], Ok(Some(vec![Object]))),
        ("loki, refused", loki::store(), vec![with(403, "")], Err("see docs/retention.md")),
        ("victorialogs", Store::VictoriaLogs, vec![ok(record.to_string())], Ok(Some(vec![Time, Object]))),
        ("victorialogs, garbage", Store::VictoriaLogs, vec![ok("garbage")], Err("no JSON")),
    ] {
        match (lacks(&store, &replies), wanted) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{name}"),
            (Err(why), Err(words)) => assert!(why.contains(words), "{name}: {why}"),
            (found, wanted) => panic!("{name} is {found:?} and not {wanted:?}"),
        }
    }
}
