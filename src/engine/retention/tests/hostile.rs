//! Answers that are none, of every store alike.

use super::{Answer, Answers, Store, Verdict, Wanted, all, assert_told};
use crate::engine::retention::BODY;

const LOGIN: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>…</form></body></html>";

/// What a server may send instead of an answer.
fn instead() -> Vec<(&'static str, Answer)> {
    let body = |status, text: &str| Answer::Body { status, text: text.to_string() };
    vec![
        (
            "401",
            body(
                401,
                r#"{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}"#,
            ),
        ),
        ("403", body(403, r#"{"type":"ApiError","message":"Not authorized"}"#)),
        ("404", body(404, "")),
        ("429", body(429, "slow down")),
        ("500", body(500, "java.lang.OutOfMemoryError: Java heap space\n\tat a.b.C")),
        ("503 that looks like an answer", body(503, r#"{"index_sets":[]}"#)),
        ("302", body(302, "")),
        ("204", body(204, "")),
        ("a login", body(200, LOGIN)),
        ("nothing", body(200, "")),
        ("space", body(200, " \n\t ")),
        ("null", body(200, "null")),
        ("a number", body(200, "365")),
        ("a text", body(200, "\"365d\"")),
        ("a list", body(200, "[]")),
        ("an empty object", body(200, "{}")),
        ("deep lists", body(200, &"[".repeat(100_000))),
        ("deep objects", body(200, &"{\"a\":".repeat(100_000))),
        ("deep in YAML", body(200, &"a: {".repeat(10_000))),
        ("deep elements", body(200, &"<a>".repeat(100_000))),
        ("control characters", body(500, "\u{0}\u{1b}[2J\u{202e}evil\u{200b}\r\n")),
        ("silence", Answer::Silent("connection refused\u{1b}[31m".to_string())),
        ("a long reason", Answer::Silent("timed out ".repeat(10_000))),
    ]
}

/// Whatever a server sends instead of one of its answers, what was a pass may stay one only where the answer was not needed.
#[test]
fn what_is_no_answer_is_never_a_pass() {
    let mut number = 0;
    for (name, store, answers, _) in all() {
        for path in answers.keys() {
            for (what, answer) in instead() {
                let mut changed = answers.clone();
                changed.insert(path.clone(), answer);
                let verdict = store.verdict(&changed, Wanted::default());
                number += 1;
                assert_told(&format!("{name}, {path}, {what}"), &verdict);
                let mut without = answers.clone();
                without.remove(path);
                let is_needed =
                    store.verdict(&answers, Wanted::default()) != store.verdict(&without, Wanted::default());
                let is_pass = matches!(verdict, Verdict::Kept { .. });
                assert!(!is_pass || !is_needed, "{name}: {path} with {what} is {verdict:?}");
            }
        }
    }
    assert!(number > 2000, "{number}");
}

#[test]
fn what_is_too_long_is_not_read() {
    let text = |text: String| Answer::Body { status: 200, text };
    for (store, answers, _) in super::mutations::bases() {
        for path in answers.keys() {
            let Some(Answer::Body { text: whole, .. }) = answers.get(path) else { continue };
            let padded = format!("{whole}{}", " ".repeat(BODY + 1 - whole.len()));
            for long in [padded, "x".repeat(10 * BODY), "é".repeat(BODY), "[".repeat(BODY)] {
                let mut changed = answers.clone();
                changed.insert(path.clone(), text(long));
                let verdict = store.verdict(&changed, Wanted::default());
                assert!(!matches!(verdict, Verdict::Kept { .. }), "{store:?}: {path} is {verdict:?}");
                assert_told(path, &verdict);
            }
        }
    }
}

/// A pass is none where its answers are a byte longer than what is read, even if only by space.
#[test]
fn a_pass_that_is_too_long_is_none() {
    let mut number = 0;
    for (name, store, mut answers, says) in all() {
        if !matches!(says, super::Kept(..)) {
            continue;
        }
        number += 1;
        for answer in answers.values_mut() {
            if let Answer::Body { text, .. } = answer {
                text.push_str(&" ".repeat(BODY + 1 - text.len()));
            }
        }
        let verdict = store.verdict(&answers, Wanted::default());
        assert!(matches!(verdict, Verdict::Unproven(_)), "{name}: {verdict:?}");
    }
    assert!(number > 60, "{number}");
}

#[test]
fn without_answers_nothing_is_proven_and_something_is_asked_for() {
    for (name, store, ..) in all() {
        let verdict = store.verdict(&Answers::new(), Wanted::default());
        assert!(matches!(verdict, Verdict::Unproven(_)), "{name}: {verdict:?}");
    }
}

#[test]
fn names_from_a_server_stay_one_part_of_a_path() {
    let store = Store::Elasticsearch { name: "logs".to_string() };
    let stream = |policy: &str| {
        let policy = serde_json::to_string(policy).unwrap();
        let text = format!(
            r#"{{"data_streams":[{{"name":"logs","indices":[{{"index_name":".ds-1","index_uuid":"u","prefer_ilm":true,"ilm_policy":{policy},"managed_by":"Index Lifecycle Management"}}],"next_generation_managed_by":"Unmanaged"}}]}}"#
        );
        Answers::from([("/_data_stream/logs".to_string(), Answer::Body { status: 200, text })])
    };
    for (policy, wanted) in [
        ("a/../../_security/user", Some("/_ilm/policy/a%2F..%2F..%2F_security%2Fuser")),
        ("a?pretty#x", Some("/_ilm/policy/a%3Fpretty%23x")),
        ("ünï", Some("/_ilm/policy/%C3%BCn%C3%AF")),
        ("..", None),
        ("a\r\nHost: evil", None),
        ("*", None),
        ("a,b", None),
        ("", None),
    ] {
        let paths = store.requests(&stream(policy));
        let asked = paths.iter().find(|path| path.starts_with("/_ilm/policy/"));
        assert_eq!(asked.map(String::as_str), wanted, "{policy:?}");
        assert!(matches!(store.verdict(&stream(policy), Wanted::default()), Verdict::Unproven(_)));
    }
}

#[test]
fn no_number_of_indices_asks_for_more_than_the_bound() {
    let store = Store::OpenSearch { name: "logs".to_string() };
    let names: Vec<String> =
        (0..5000).map(|n| format!(r#"{{"index_name":".ds-logs-{n:06}","index_uuid":"u"}}"#)).collect();
    let text = format!(r#"{{"data_streams":[{{"name":"logs","indices":[{}]}}]}}"#, names.join(","));
    let answers = Answers::from([("/_data_stream/logs".to_string(), Answer::Body { status: 200, text })]);
    let paths = store.requests(&answers);
    assert!(paths.len() < super::super::REQUESTS, "{}", paths.len());
    assert!(paths.iter().all(|path| path.len() < 4000));
    assert!(matches!(store.verdict(&answers, Wanted::default()), Verdict::Unproven(_)));
}
