//! Answers of Elasticsearch and `OpenSearch`.

use serde_json::{Value, json};

use super::{All, Answer, Cut, Row, Says, Store, Unknown, ok, with};

pub fn store() -> Store {
    Store::OpenSearch { name: "logs-pci".to_string() }
}

/// What `_field_caps` says of fields and their types.
pub fn fields(types: &[(&str, &str)]) -> Value {
    let mut fields = json!({});
    for (name, kind) in types {
        fields[*name][*kind] = json!({ "type": kind, "searchable": true, "aggregatable": *kind != "text" });
    }
    json!({ "indices": [".ds-logs-pci-000001"], "fields": fields })
}

const TEXTS: [&str; 6] = ["pcizone", "zone", "namespace", "pod", "node", "run"];

pub fn keywords() -> Value {
    let mut types: Vec<(&str, &str)> = TEXTS.iter().map(|name| (*name, "keyword")).collect();
    types.extend([("seq", "long"), ("@timestamp", "date")]);
    fields(&types)
}

fn but(mut value: Value, pointer: &str, with: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = with;
    value
}

/// A run with these lines.
fn bucket(pod: &str, lines: &[u64], estimate: u64, ended: bool) -> Value {
    let (first, last) = (lines.iter().min().unwrap(), lines.iter().max().unwrap());
    let sum: u64 = lines.iter().sum();
    let squares: u64 = lines.iter().map(|line| line * line).sum();
    json!({
        "key": { "namespace": "vault", "pod": pod, "node": "pci-1", "run": "r1" },
        "doc_count": lines.len(),
        "lines": { "count": lines.len(), "min": first, "max": last, "sum": sum, "sum_of_squares": squares },
        "numbers": { "value": estimate },
        "newest": { "value": 1.795_725e12, "value_as_string": "2026-11-26T20:30:00.000Z" },
        "ends": { "doc_count": u64::from(ended) },
    })
}

fn page(buckets: &[Value]) -> Value {
    let lines: u64 = buckets.iter().filter_map(|bucket| bucket["doc_count"].as_u64()).sum();
    let mut runs = json!({ "buckets": buckets });
    if let Some(last) = buckets.last() {
        runs["after_key"] = last["key"].clone();
    }
    json!({
        "took": 3, "timed_out": false,
        "_shards": { "total": 2, "successful": 2, "skipped": 1, "failed": 0 },
        "hits": { "total": { "value": lines, "relation": "eq" }, "max_score": null, "hits": [] },
        "aggregations": { "runs": runs },
    })
}

fn pages(from: usize, number: usize) -> Value {
    let buckets: Vec<Value> = (from..from + number).map(|n| bucket(&format!("p-{n:05}"), &[7], 1, false)).collect();
    page(&buckets)
}

const LACKING: [u64; 9] = [0, 1, 2, 3, 4, 6, 7, 8, 9];

pub fn base() -> Vec<Answer> {
    replies(&[keywords(), page(&[bucket("web-1", &LACKING, 9, false)])])
}

fn replies(values: &[Value]) -> Vec<Answer> {
    values.iter().map(|value| ok(value.to_string())).collect()
}

/// What one run becomes.
fn one(bucket: Value) -> Vec<Answer> {
    replies(&[keywords(), page(&[bucket])])
}

fn caps(value: Value) -> Vec<Answer> {
    replies(&[value, page(&[])])
}

type Reply = (&'static str, Vec<Answer>, Says);

pub fn rows() -> Vec<Row> {
    let rows = [counts(), mappings(), parts(), several()].concat();
    let mut rows: Vec<Row> = rows.into_iter().map(|(name, replies, says)| (name, store(), replies, says)).collect();
    rows.extend([
        ("no such index", store(), vec![with(404, r#"{"error":{"type":"index_not_found_exception","reason":"no such index [logs-pci]"},"status":404}"#)], Unknown("(404): “no such index [logs-pci]”")),
        ("no right", store(), vec![with(403, r#"{"error":{"type":"security_exception","reason":"no permissions for [indices:data/read/field_caps]"},"status":403}"#)], Unknown("see docs/retention.md")),
        ("no right to search", store(), vec![ok(keywords().to_string()), with(403, "{}")], Unknown("see docs/retention.md")),
        ("several indices", Store::OpenSearch { name: "logs-*".to_string() }, base(), Unknown("name exactly one")),
    ]);
    rows
}

fn whole() -> Value {
    bucket("web-1", &(0..10).collect::<Vec<_>>(), 10, true)
}

fn run(last: u64, count: u64, ended: bool) -> Says {
    All(vec![("web-1", 0, last, count, ended)])
}

/// How a run is counted, and what cannot be one.
fn counts() -> Vec<Reply> {
    let numbers: Vec<u64> = (0..10).collect();
    let in_bucket = |pointer: &str, with: Value| one(but(whole(), pointer, with));
    vec![
        ("all there", one(bucket("web-1", &numbers, 10, true)), run(9, 10, true)),
        ("all there, and two numbers share a hash", one(bucket("web-1", &numbers, 9, false)), run(9, 10, false)),
        ("one is missing", base(), run(9, 9, false)),
        ("one is missing, another twice", one(bucket("web-1", &[0, 1, 2, 2, 4], 4, false)), run(4, 4, false)),
        ("the same sum and squares", one(bucket("web-1", &[0, 2, 2, 3, 3, 4, 7, 7], 5, false)), run(7, 5, false)),
        ("all there, some twice", one(bucket("web-1", &[0, 0, 1, 2, 2], 3, false)), run(2, 3, false)),
        ("whole numbers in other forms", in_bucket("/numbers/value", json!(1e1)), run(9, 10, true)),
        ("nobody", caps(keywords()), All(vec![])),
        ("more numbers than there can be", in_bucket("/numbers/value", json!(11)), Cut(vec![])),
        ("an estimate that is NaN", in_bucket("/numbers/value", json!("NaN")), Cut(vec![])),
        ("a newest line of tomorrow", in_bucket("/newest/value", json!(1.795_81e12)), Cut(vec![])),
        ("a newest line of yesterday", in_bucket("/newest/value", json!(1.795_6e12)), Cut(vec![])),
        ("no newest line", in_bucket("/newest/value", json!(null)), Cut(vec![])),
        ("a least number below zero", in_bucket("/lines/min", json!(-1.0)), Cut(vec![])),
        ("a greatest number beyond all", in_bucket("/lines/max", json!(1e300)), Cut(vec![])),
        ("a greatest number below the least", in_bucket("/lines/min", json!(12)), Cut(vec![])),
        ("half a number", in_bucket("/lines/max", json!(9.5)), Cut(vec![])),
        ("a pod that is a number", in_bucket("/key/pod", json!(7)), Cut(vec![])),
        ("no node", in_bucket("/key/node", json!("")), Cut(vec![])),
        ("a name that is too long", in_bucket("/key/run", json!("r".repeat(254))), Cut(vec![])),
    ]
}

/// How fields are mapped.
fn mappings() -> Vec<Reply> {
    let full = || page(&[whole()]);
    let mut beside = vec![("seq", "long"), ("@timestamp", "date")];
    beside.extend(TEXTS.iter().map(|name| (*name, "text")));
    let texts = fields(&beside);
    let names: Vec<String> = TEXTS.iter().map(|name| format!("{name}.keyword")).collect();
    beside.extend(names.iter().map(|name| (name.as_str(), "keyword")));
    let mut both = keywords();
    both["fields"]["zone"]["text"] = json!({ "type": "text" });
    let mut unmapped = keywords();
    unmapped["fields"]["zone"]["unmapped"] = json!({ "type": "unmapped" });
    let removed = |field: &str| {
        let mut caps = keywords();
        caps["fields"].as_object_mut().unwrap().remove(field);
        caps
    };
    vec![
        ("texts with a keyword beside", replies(&[fields(&beside), full()]), run(9, 10, true)),
        ("a field that an index does not have", replies(&[unmapped, full()]), run(9, 10, true)),
        ("no numbered line was ever there", caps(removed("pcizone")), All(vec![])),
        ("no index", caps(json!({ "indices": [], "fields": {} })), All(vec![])),
        ("texts alone", caps(texts), Unknown("mapped as text and cannot be counted")),
        ("both in two indices", caps(both), Unknown("mapped as keyword and text")),
        ("a node that nothing has", caps(removed("node")), Unknown("No index has the field node")),
        ("a number that is none", caps(removed("seq")), Unknown("seq is mapped as nothing")),
        (
            "a number as a keyword",
            caps(but(keywords(), "/fields/seq", json!({ "keyword": {} }))),
            Unknown("and long or integer"),
        ),
        (
            "a time as a text",
            caps(but(keywords(), "/fields/@timestamp", json!({ "text": {} }))),
            Unknown("and date or date_nanos"),
        ),
        (
            "a field whose types are a list",
            caps(but(keywords(), "/fields/zone", json!(["keyword"]))),
            Unknown("the type of zone"),
        ),
        ("fields that are a list", caps(but(keywords(), "/fields", json!([]))), Unknown("does not tell the fields")),
        (
            "indices that failed",
            caps({
                let mut caps = keywords();
                caps["failed_indices"] = json!(1);
                caps
            }),
            Unknown("does not tell the fields"),
        ),
        ("fields of no index", caps(json!({ "fields": {} })), Unknown("does not tell the fields")),
    ]
}

/// What only a part of the store answered.
fn parts() -> Vec<Reply> {
    let full = || page(&[whole()]);
    let changed = |pointer: &str, with: Value| replies(&[keywords(), but(full(), pointer, with)]);
    let in_bucket = |pointer: &str, with: Value| one(but(whole(), pointer, with));
    let mut cut = full();
    cut["hits"]["total"]["value"] = json!(11);
    let mut partial = full();
    partial["is_partial"] = json!(true);
    let mut early = full();
    early["terminated_early"] = json!(true);
    let mut clusters = full();
    clusters["_clusters"] = json!({ "total": 2, "successful": 1, "skipped": 1 });
    let mut shards = full();
    shards["_shards"] = json!({ "total": 2, "successful": 1, "failed": 1, "failures": [{ "reason": { "reason": "Text fields are not optimised" } }] });
    vec![
        (
            "a shard that failed",
            replies(&[keywords(), shards]),
            Unknown("Only 1 of 2 shards answered /logs-pci/_search: “Text fields"),
        ),
        ("shards that are not told", changed("/_shards", json!(null)), Unknown("which shards answered")),
        ("no time left", changed("/timed_out", json!(true)), Unknown("ran out of time")),
        ("time that is not told", changed("/timed_out", json!("false")), Unknown("ran out of time")),
        ("ended early", replies(&[keywords(), early]), Unknown("is partial")),
        ("partial", replies(&[keywords(), partial]), Unknown("is partial")),
        ("a cluster that did not answer", replies(&[keywords(), clusters]), Unknown("is partial")),
        (
            "more lines than are counted",
            changed("/hits/total/relation", json!("gte")),
            Unknown("how many lines were found"),
        ),
        ("lines in no run", replies(&[keywords(), cut]), Cut(vec![("web-1", 0, 9, 10, true)])),
        ("fewer lines than in runs", changed("/hits/total/value", json!(3)), Unknown("does not count its lines")),
        ("lines that are not counted", in_bucket("/doc_count", json!(-1)), Unknown("does not count its lines")),
        ("no runs", changed("/aggregations", json!({})), Unknown("no runs that were asked for")),
        (
            "runs that are an object",
            changed("/aggregations/runs/buckets", json!({})),
            Unknown("no runs that were asked for"),
        ),
    ]
}

/// Several runs, and several pages.
fn several() -> Vec<Reply> {
    let mut two = vec![keywords(), pages(0, 250), pages(250, 1)];
    let total = json!(251);
    for page in &mut two[1..] {
        page["hits"]["total"]["value"] = total.clone();
    }
    let mut no_key = pages(0, 250);
    no_key["aggregations"]["runs"].as_object_mut().unwrap().remove("after_key");
    vec![
        ("more runs than a page has", replies(&[keywords(), pages(0, 251)]), Unknown("no runs that were asked for")),
        ("a page and one more", replies(&two), All((0..251).map(|n| (pod(n), 7, 7, 1, false)).collect())),
        ("a page that is not followed", replies(&two[..2]), Unknown("not in this row")),
        ("a page without a key", replies(&[keywords(), no_key]), Unknown("where the next page goes on")),
        (
            "the same run on both pages",
            replies(&[
                two[0].clone(),
                two[1].clone(),
                but(two[2].clone(), "/aggregations/runs/buckets/0/key/pod", json!("p-00000")),
            ]),
            Unknown("the same run of a pod twice"),
        ),
        (
            "the same run twice",
            replies(&[keywords(), page(&[whole(), bucket("web-1", &[1], 1, false)])]),
            Unknown("the same run of a pod twice"),
        ),
        (
            "a run that cannot be, beside one that can",
            replies(&[keywords(), page(&[bucket("web 1\u{1b}", &[1], 1, false), bucket("web-2", &[1], 1, false)])]),
            Cut(vec![("web-2", 1, 1, 1, false)]),
        ),
    ]
}

fn pod(n: usize) -> &'static str {
    Box::leak(format!("p-{n:05}").into_boxed_str())
}
