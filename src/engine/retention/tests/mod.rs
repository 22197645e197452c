//! Answers of log stores, each with the verdict that follows.
//!
//! These are stubs: each answer is written after the shape that the vendor publishes for its API. Those in `recorded` are none: they say
//! from which server and version they are. Tests that run a store are in tests/retention.rs.

mod elasticsearch;
mod graylog;
mod hostile;
mod loki;
mod mutations;
mod opensearch;
mod recorded;
mod s3;
mod splunk;
mod victorialogs;

use super::{Answer, Answers, Store, Verdict, Wanted};

/// What a verdict has to say. A text has to be in what it tells.
#[derive(Debug)]
enum Says {
    Kept(Option<i64>, Option<i64>, &'static str),
    TooShort(i64, &'static str),
    SearchableTooShort(i64, &'static str),
    Unproven(&'static str),
}

use Says::{Kept, SearchableTooShort, TooShort, Unproven};

/// A row of a table.
type Row = (&'static str, Store, Answers, Says);

/// Answers with status 200, by path.
fn ok(answers: &[(&str, &str)]) -> Answers {
    let body = |text: &str| Answer::Body { status: 200, text: text.to_string() };
    answers.iter().map(|(path, text)| ((*path).to_string(), body(text))).collect()
}

/// The same with another answer.
fn but(mut answers: Answers, path: &str, status: u16, text: &str) -> Answers {
    answers.insert(path.to_string(), Answer::Body { status, text: text.to_string() });
    answers
}

fn fits(verdict: &Verdict, says: &Says) -> bool {
    match (verdict, says) {
        (Verdict::Kept { days, searchable_days, note }, Kept(wanted, at_hand, text)) => {
            let note = note.as_deref().unwrap_or_default();
            (days, searchable_days) == (wanted, at_hand) && note.contains(text) && note.is_empty() == text.is_empty()
        }
        (Verdict::TooShort { days, why }, TooShort(wanted, text))
        | (Verdict::SearchableTooShort { days, why }, SearchableTooShort(wanted, text)) => {
            days == wanted && why.contains(text)
        }
        (Verdict::Unproven(why), Unproven(text)) => why.contains(text),
        _ => false,
    }
}

/// All that a verdict tells, in one text.
fn told(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Kept { note, .. } => note.as_deref().unwrap_or_default(),
        Verdict::TooShort { why, .. } | Verdict::SearchableTooShort { why, .. } | Verdict::Unproven(why) => why,
    }
}

/// What is told is bounded and harmless, whatever the server sent.
fn assert_told(name: &str, verdict: &Verdict) {
    let told = told(verdict);
    let hides = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}');
    assert!(told.len() <= 1200 && !told.contains(hides), "{name}: {told:?}");
    assert!(told.is_empty() || told.ends_with(['.', '…', '?', '!']), "{name}: no sentence: {told}");
}

fn all() -> Vec<Row> {
    [
        elasticsearch::rows(),
        opensearch::rows(),
        splunk::rows(),
        graylog::rows(),
        loki::rows(),
        victorialogs::rows(),
        s3::rows(),
        recorded::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn each_answer_has_its_verdict() {
    let rows = all();
    assert!(rows.len() >= 100, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (name, store, answers, says) in rows {
        let verdict = store.verdict(&answers, Wanted::default());
        if !fits(&verdict, &says) {
            wrong.push(format!("{name}\n   is {verdict:?}\n  not {says:?}"));
        }
        assert_told(name, &verdict);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_kept_for_a_year_is_too_short_for_two() {
    let two_years = Wanted { days: 730, searchable_days: 90 };
    for (name, store, answers, says) in all() {
        if let Kept(Some(days), ..) = says
            && days < 730
        {
            let verdict = store.verdict(&answers, two_years);
            assert!(!matches!(verdict, Verdict::Kept { .. }), "{name}: {verdict:?}");
        }
    }
}

/// What a verdict is about is asked for, step by step, each path once, and then nothing more is.
#[test]
fn what_a_verdict_reads_is_asked_for() {
    for (name, store, answers, says) in all() {
        let mut given = Answers::new();
        for step in 0.. {
            assert!(step < 5, "{name}: it asks for ever");
            let paths = store.requests(&given);
            if paths.is_empty() {
                break;
            }
            for path in paths {
                let answer = answers.get(&path).cloned().unwrap_or(Answer::Silent("not in this row".to_string()));
                assert!(given.insert(path.clone(), answer).is_none(), "{name}: {path} twice");
            }
        }
        let verdict = store.verdict(&given, Wanted::default());
        assert!(fits(&verdict, &says), "{name}, by what was asked for, is {verdict:?}");
    }
}
