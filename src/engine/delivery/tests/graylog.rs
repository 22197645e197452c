//! Answers of Graylog.

use serde_json::{Value, json};

use super::{All, Answer, Cut, Row, Store, Unknown, ok, with};

pub fn store() -> Store {
    Store::Graylog { index_set: "pci".to_string() }
}

const FIELDS: [&str; 8] = ["timestamp", "pcizone", "zone", "namespace", "pod", "node", "run", "seq"];

fn cells(seq: impl Into<Value>, kind: &str) -> Value {
    json!(["2026-11-26T20:30:00.000Z", kind, "cde", "vault", "web-1", "pci-1", "r1", seq.into()])
}

fn answer(rows: &[Value]) -> Value {
    let schema: Vec<Value> = FIELDS
        .iter()
        .map(|field| json!({ "column_type": "field", "type": "string", "field": field, "name": field }))
        .collect();
    json!({
        "schema": schema,
        "datarows": rows,
        "metadata": { "effective_timerange": { "from": "2026-11-25T20:00:00.000Z", "to": "2026-11-26T21:00:05.000Z", "type": "absolute" } },
    })
}

fn page(numbers: impl Iterator<Item = u64>) -> Answer {
    let rows: Vec<Value> = numbers.map(|seq| cells(seq, "heartbeat")).collect();
    ok(answer(&rows).to_string())
}

pub fn base() -> Vec<Answer> {
    vec![page([0, 1, 2, 3, 4, 6, 7, 8, 9].into_iter())]
}

pub fn rows() -> Vec<Row> {
    let run = |last: u64, count: u64, ended: bool| vec![("web-1", 0, last, count, ended)];
    let lines = |rows: &[Value]| vec![ok(answer(rows).to_string())];
    let beside = |row: Value| lines(&[cells(0, "start"), cells(1, "heartbeat"), row]);
    let cell = |n: usize, value: Value| {
        let mut row = cells(2, "heartbeat");
        row[n] = value;
        beside(row)
    };
    let changed = |pointer: &str, value: Value| {
        let mut answer = answer(&[cells(0, "start"), cells(1, "heartbeat")]);
        *answer.pointer_mut(pointer).unwrap() = value;
        vec![ok(answer.to_string())]
    };
    let all = || All(run(1, 2, false));
    let cut = || Cut(run(1, 2, false));
    let rows = vec![
        ("all there", lines(&[cells(0, "start"), cells(1, "heartbeat"), cells(2, "end")]), All(run(2, 3, true))),
        ("one is missing", base(), All(run(9, 9, false))),
        ("some twice", vec![page([0, 1, 1, 0, 2].into_iter())], All(run(2, 3, false))),
        (
            "numbers as texts and in other forms",
            lines(&[cells("0", "start"), cells(1.0, "heartbeat"), cells("2e0", "end")]),
            All(run(2, 3, true)),
        ),
        ("nothing found", lines(&[]), All(vec![])),
        ("two pages", vec![page(0..2000), page(2000..2001)], All(run(2000, 2001, false))),
        ("a page and nothing behind it", vec![page(0..2000), page(0..0)], All(run(1999, 2000, false))),
        ("a page that is not followed", vec![page(0..2000)], Unknown("not in this row")),
        ("five pages", (0..5).map(|n| page(n * 2000..(n + 1) * 2000)).collect(), Cut(run(9999, 10_000, false))),
        ("more than a page has", vec![page(0..2001)], Unknown("no rows that were asked for")),
        ("another kind of line", cell(1, json!("birthday")), all()),
        ("another zone", cell(2, json!("CDE")), all()),
        ("no zone", cell(2, json!("-")), all()),
        ("no node", cell(5, json!("-")), cut()),
        ("no number", cell(7, json!("-")), cut()),
        ("a number that is NaN", cell(7, json!("NaN")), cut()),
        ("a number below zero", cell(7, json!(-2)), cut()),
        ("half a number", cell(7, json!(1.5)), cut()),
        ("numbers in a list", cell(7, json!([2, 3])), cut()),
        ("a number beyond all", cell(7, json!(u64::MAX)), cut()),
        ("a pod with a control character", cell(4, json!("web\u{1b}")), cut()),
        ("a line of another time", cell(0, json!("2026-11-26T22:00:00.000Z")), cut()),
        ("a line without a time", cell(0, json!("-")), cut()),
        ("a row that is too short", beside(json!(["2026-11-26T20:30:00.000Z"])), Unknown("does not fit its schema")),
        ("a row that is an object", beside(json!({})), Unknown("does not fit its schema")),
        ("no schema", changed("/schema", json!(null)), Unknown("has no schema")),
        ("a schema of texts", changed("/schema", json!(["timestamp"])), Unknown("a schema that is not known")),
        ("no rows", changed("/datarows", json!({})), Unknown("no rows that were asked for")),
        (
            "a time that is cut off",
            changed("/metadata/effective_timerange/from", json!("2026-11-26T20:30:00.000Z")),
            Unknown("may be limited in time"),
        ),
        (
            "a time that ends too soon",
            changed("/metadata/effective_timerange/to", json!("2026-11-26T20:30:00.000Z")),
            Unknown("may be limited in time"),
        ),
        ("a time that is not told", changed("/metadata", json!({})), Unknown("which time it is about")),
        ("CSV", vec![ok("\"timestamp\",\"pcizone\"\n")], Unknown("is no JSON")),
        (
            "no right",
            vec![with(403, r#"{"type":"ApiError","message":"Not authorized"}"#)],
            Unknown("see docs/retention.md"),
        ),
        (
            "before version 5.1",
            vec![with(404, r#"{"type":"ApiError","message":"HTTP 404 Not Found"}"#)],
            Unknown("(404)"),
        ),
    ];
    rows.into_iter().map(|(name, replies, says)| (name, store(), replies, says)).collect()
}
