//! Answers of Loki.

use serde_json::{Value, json};

use super::{All, Answer, Cut, Row, Store, Unknown, at, ok, with};

pub fn store() -> Store {
    Store::Loki { tenant: "fake".to_string() }
}

fn line(seq: impl Into<Value>, kind: &str) -> Value {
    json!({ "time": "2026-11-26T20:30:00Z", "pcizone": kind, "zone": "cde", "namespace": "vault", "pod": "web-1", "node": "pci-1", "run": "r1", "seq": seq.into() })
}

fn answer(lines: &[String]) -> Value {
    later(0, lines)
}

/// The same for a page, after so many lines.
fn later(after: i128, lines: &[String]) -> Value {
    let first = at("2026-11-26T20:30:00Z").as_nanosecond() - after * 1_000_000;
    let values: Vec<Value> =
        (0..).zip(lines).map(|(n, text)| json!([(first - n * 1_000_000).to_string(), text])).collect();
    let streams =
        if values.is_empty() { json!([]) } else { json!([{ "stream": { "zone": "cde" }, "values": values }]) };
    json!({ "status": "success", "data": { "resultType": "streams", "result": streams, "stats": {} } })
}

fn page(numbers: impl Iterator<Item = u64>) -> Answer {
    ok(answer(&numbers.map(|seq| line(seq, "heartbeat").to_string()).collect::<Vec<_>>()).to_string())
}

fn page_after(after: i128, numbers: impl Iterator<Item = u64>) -> Answer {
    ok(later(after, &numbers.map(|seq| line(seq, "heartbeat").to_string()).collect::<Vec<_>>()).to_string())
}

pub fn base() -> Vec<Answer> {
    vec![page([9, 8, 7, 6, 4, 3, 2, 1, 0].into_iter())]
}

pub fn rows() -> Vec<Row> {
    let run = |last: u64, count: u64, ended: bool| vec![("web-1", 0, last, count, ended)];
    let texts = |lines: &[String]| vec![ok(answer(lines).to_string())];
    let both = || [line(1, "heartbeat").to_string(), line(0, "start").to_string()];
    let beside = |text: String| texts(&[&[text], &both()[..]].concat());
    let field = |key: &str, value: Value| {
        let mut line = line(2, "heartbeat");
        line[key] = value;
        beside(line.to_string())
    };
    let changed = |pointer: &str, value: Value| {
        let mut answer = answer(&both());
        *answer.pointer_mut(pointer).unwrap() = value;
        vec![ok(answer.to_string())]
    };
    let wrapped = |key: &str| {
        let lines: Vec<String> =
            both().iter().map(|line| json!({ key: line, "stream": "stdout" }).to_string()).collect();
        texts(&lines)
    };
    let mut warned = answer(&both());
    warned["warnings"] = json!(["a part of the ingesters\u{202e} did not answer"]);
    let all = || All(run(1, 2, false));
    let cut = || Cut(run(1, 2, false));
    let stopped = || {
        let mut answer = answer(&(0..2000).map(|seq| line(seq, "heartbeat").to_string()).collect::<Vec<_>>());
        for value in answer.pointer_mut("/data/result/0/values").unwrap().as_array_mut().unwrap() {
            value[0] = json!((at("2026-11-26T21:00:00Z").as_nanosecond() - 1).to_string());
        }
        ok(answer.to_string())
    };
    let rows = vec![
        ("all there", texts(&[line(2, "end").to_string(), both()[0].clone(), both()[1].clone()]), All(run(2, 3, true))),
        ("one is missing", base(), All(run(9, 9, false))),
        ("some twice", vec![page([2, 1, 1, 0, 0].into_iter())], All(run(2, 3, false))),
        ("nothing found", texts(&[]), All(vec![])),
        ("lines within a field of a line", wrapped("log"), all()),
        ("the same by another name", wrapped("message"), all()),
        ("two pages", vec![page((1..2001).rev()), page_after(1999, (0..2).rev())], All(run(2000, 2001, false))),
        ("a page that is not followed", vec![page(0..2000)], Unknown("not in this row")),
        ("eight pages", (0..8).map(|n| page_after(n * 1999, 0..2000)).collect(), Cut(run(1999, 2000, false))),
        ("a page of one moment", vec![stopped()], Cut(run(1999, 2000, false))),
        ("more than a page has", vec![page(0..2001)], Unknown("more lines than were asked for")),
        ("a line of an application", beside("GET /cards, says pcizone".to_string()), all()),
        ("a numbered line that is cut off", beside(r#"{"pcizone":"heartbeat","zone":"cd"#.to_string()), cut()),
        ("a numbered line with something before it", beside(format!("stdout F {}", line(2, "end"))), cut()),
        ("the same within a field", beside(format!("x {}", json!({ "log": line(2, "end").to_string() }))), cut()),
        ("another kind of line", field("pcizone", json!("birthday")), all()),
        ("another zone in the line", field("zone", json!("dev")), all()),
        ("no node", field("node", json!(null)), cut()),
        ("a number that is NaN", field("seq", json!("NaN")), cut()),
        ("a number like 1.7e3", field("seq", json!(1.7e3)), All(run(1700, 3, false))),
        ("a number below zero", field("seq", json!(-1)), cut()),
        ("a number beyond all", field("seq", json!(1e300)), cut()),
        ("a pod that is a list", field("pod", json!(["web-1"])), cut()),
        ("a run that is too long", field("run", json!("r".repeat(254))), cut()),
        (
            "a line of another time",
            changed("/data/result/0/values/0/0", json!("1")),
            Cut(vec![("web-1", 0, 0, 1, false)]),
        ),
        (
            "a line before all time",
            changed("/data/result/0/values/0/0", json!("-1")),
            Unknown("a line that cannot be read"),
        ),
        (
            "a time that is a number",
            changed("/data/result/0/values/0/0", json!(1)),
            Unknown("a line that cannot be read"),
        ),
        (
            "a line that is a number",
            changed("/data/result/0/values/0/1", json!(1)),
            Unknown("a line that cannot be read"),
        ),
        ("a stream without lines", changed("/data/result/0/values", json!({})), Unknown("a stream without lines")),
        ("series", changed("/data/resultType", json!("matrix")), Unknown("has no streams")),
        ("streams that are an object", changed("/data/result", json!({})), Unknown("has no streams")),
        ("an answer that is none", changed("/status", json!("error")), Unknown("does not say that it is one")),
        ("a warning", vec![ok(warned.to_string())], Unknown("has a warning: “a part of the ingesters")),
        ("no tenant", vec![with(401, "no org id")], Unknown("refuses the credentials (401): “no org id”")),
        ("too much at once", vec![with(429, "too many outstanding requests")], Unknown("status 429")),
    ];
    rows.into_iter().map(|(name, replies, says)| (name, store(), replies, says)).collect()
}
