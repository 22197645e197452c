//! Answers that are none, of every store alike, and values that are none in each place of an answer.

use serde_json::{Value, json};

use super::{Answer, Run, Runs, assert_told, bases, found, ok, with};
use crate::engine::retention::BODY;

/// What a server may send instead of an answer.
fn instead() -> Vec<(&'static str, Answer)> {
    vec![
        ("401", with(401, r#"{"error":"unauthorized"}"#)),
        ("403", with(403, r#"{"message":"Not authorized"}"#)),
        ("404", with(404, "")),
        ("429", with(429, "slow down")),
        ("500", with(500, "java.lang.OutOfMemoryError: Java heap space\n\tat a.b.C")),
        ("503 that looks like an answer", with(503, r#"{"indices":[],"fields":{}}"#)),
        ("302", with(302, "")),
        ("204", with(204, "")),
        ("206", with(206, r#"{"preview":false,"lastrow":true}"#)),
        ("a login", ok("<!DOCTYPE html><html><title>Sign in</title></html>")),
        ("nothing", ok("")),
        ("space", ok(" \n\t ")),
        ("null", ok("null")),
        ("a number", ok("17")),
        ("a text", ok("\"all there\"")),
        ("a list", ok("[]")),
        ("an empty object", ok("{}")),
        ("two objects", ok("{}\n{}")),
        ("NaN", ok("NaN")),
        ("deep lists", ok("[".repeat(100_000))),
        ("deep objects", ok("{\"a\":".repeat(100_000))),
        ("deep and closed", ok(format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)))),
        ("half of a character", ok("{\"a\":\"\\ud800\"}")),
        ("control characters", with(500, "\u{0}\u{1b}[2J\u{202e}evil\u{200b}\r\n")),
        ("control characters that are an answer", ok("{\"\u{1b}[2J\":\"\u{202e}\"}")),
        ("many empty lines", ok("\n".repeat(BODY))),
        ("many lines", ok("{}\n".repeat(30_000))),
        ("too long", ok(" ".repeat(BODY + 1))),
        ("much too long", ok("x".repeat(10 * BODY))),
        ("silence", Answer::Silent("connection refused\u{1b}[31m".to_string())),
        ("a long reason", Answer::Silent("timed out ".repeat(10_000))),
    ]
}

/// Nothing is known, or it is told that something is not.
fn is_open(found: &Result<Runs, String>) -> bool {
    found.as_ref().map_or(true, |runs| runs.is_cut)
}

/// No run of more than two lines is whole.
fn is_gapless(found: &Result<Runs, String>) -> bool {
    let is_whole = |run: &Run| run.missing() == 0 && run.count > 2;
    found.as_ref().is_ok_and(|runs| !runs.is_cut && runs.runs.iter().any(is_whole))
}

#[test]
fn what_is_no_answer_leaves_it_open() {
    let mut number = 0;
    for (store, replies) in bases() {
        for place in 0..replies.len() {
            for (what, answer) in instead() {
                let mut changed = replies.clone();
                changed[place] = answer;
                let found = found(&store, &changed);
                let name = format!("{} {place} {what}", store.product());
                assert_told(&name, &found);
                assert!(is_open(&found), "{name}: {found:?}");
                number += 1;
            }
        }
    }
    assert!(number > 250, "{number}");
}

#[test]
fn an_answer_that_is_a_byte_too_long_is_none() {
    for (store, replies) in bases() {
        for place in 0..replies.len() {
            let mut changed = replies.clone();
            if let Some(Answer::Body { text, .. }) = changed.get_mut(place) {
                text.push_str(&" ".repeat(BODY - text.len()));
            }
            assert!(!is_open(&found(&store, &changed)), "{} {place}: it is as long as is read", store.product());
            if let Some(Answer::Body { text, .. }) = changed.get_mut(place) {
                text.push(' ');
            }
            let found = found(&store, &changed);
            assert!(
                found.as_ref().is_err_and(|why| why.contains("longer than")),
                "{} {place}: {found:?}",
                store.product()
            );
        }
    }
}

/// Values that are none where another one is wanted, and some that are one in another form.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(""),
        json!("NaN"),
        json!("inf"),
        json!("-Infinity"),
        json!(-1),
        json!(-1.5),
        json!(1.7e3),
        json!("1.7e3"),
        json!(1e300),
        json!("1e999"),
        json!(u64::MAX),
        json!("9".repeat(400)),
        json!("x".repeat(100_000)),
        json!("\u{0}\u{202e}\u{1b}[2J"),
        json!([]),
        json!([[[[[[]]]]]]),
        json!({}),
        json!({ "value": { "value": { "value": 1 } } }),
        json!(["cde", "cde"]),
    ]
}

/// Where in an object something stands.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(list) => list.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in below {
        let place = format!("{at}/{key}");
        found.push(place.clone());
        places(value, &place, found);
    }
}

/// The answer with other values in these places; where a store sends lines, there is one here.
fn but(answer: &Answer, changes: &[(&str, &Value)]) -> Option<Answer> {
    let Answer::Body { text, .. } = answer else { return None };
    let mut value: Value = serde_json::from_str(text).unwrap();
    for (place, with) in changes {
        *value.pointer_mut(place)? = (*with).clone();
    }
    Some(ok(value.to_string()))
}

fn all_places(answer: &Answer) -> Vec<String> {
    let Answer::Body { text, .. } = answer else { return Vec::new() };
    let mut found = Vec::new();
    places(&serde_json::from_str(text).unwrap(), "", &mut found);
    found
}

#[test]
fn a_wrong_value_in_any_place_makes_nothing_whole() {
    let mut number = 0;
    for (store, replies) in bases() {
        for (n, answer) in replies.iter().enumerate() {
            for place in all_places(answer) {
                for value in values() {
                    let mut changed = replies.clone();
                    changed[n] = but(answer, &[(&place, &value)]).unwrap();
                    let found = found(&store, &changed);
                    let name =
                        format!("{} {n} {place} {}", store.product(), value.to_string().get(..40).unwrap_or_default());
                    assert_told(&name, &found);
                    assert!(!is_gapless(&found), "{name}: {found:?}");
                    number += 1;
                }
            }
        }
    }
    assert!(number > 5000, "{number}");
}

/// Two at once, in the answer that has the runs: what one alone does not let pass, another one could.
#[test]
fn two_wrong_values_make_nothing_whole() {
    let mut number = 0;
    // The second one is read as the first is.
    for (store, replies) in bases().into_iter().filter(|(store, _)| store.product() != "Elasticsearch") {
        let n = usize::from(store.product() == "OpenSearch");
        let is_one_of_many =
            |place: &str| place.contains("/values/") || place.contains("/datarows/") || place.contains("/schema/");
        let places: Vec<String> = all_places(&replies[n])
            .into_iter()
            .filter(|place| !is_one_of_many(place) || place.contains("/4"))
            .collect();
        let values: Vec<Value> = values().into_iter().filter(|value| value.to_string().len() < 50).collect();
        for (one, first) in places.iter().enumerate() {
            for (two, second) in places.iter().enumerate().skip(one + 1) {
                for m in 0..4 {
                    let value = &values[(one * 3 + two + m * 5) % values.len()];
                    let other = &values[(one + two * 5 + m * 7) % values.len()];
                    let Some(answer) = but(&replies[n], &[(first, value), (second, other)]) else { continue };
                    let mut changed = replies.clone();
                    changed[n] = answer;
                    let found = found(&store, &changed);
                    assert!(!is_gapless(&found), "{} {first} {value} {second} {other}: {found:?}", store.product());
                    number += 1;
                }
            }
        }
    }
    assert!(number > 3000, "{number}");
}
