//! Answers of log stores, each with the runs that follow.
//!
//! These are stubs: each answer is written after the shape that the vendor publishes for its API. Tests that run a store are in
//! tests/delivery.rs.

mod elastic;
mod graylog;
mod hostile;
mod lacking;
mod loki;
mod mutations;
mod requests;
mod splunk;
mod victorialogs;

use k8s_openapi::jiff::Timestamp;

use super::{Question, Run, Runs, requests, runs};
use crate::engine::retention::{Answer, Answers, Store};

/// What is to be told of a run of pod `web-1`, or of another one where it is named.
type Told = (&'static str, u64, u64, u64, bool);

/// What follows from answers. A text has to be in what an error tells.
#[derive(Clone, Debug)]
enum Says {
    /// All of these, and nothing else is there.
    All(Vec<Told>),
    /// These, and there may be more.
    Cut(Vec<Told>),
    Unknown(&'static str),
}

use Says::{All, Cut, Unknown};

/// A row of a table: answers in the order in which they are asked for.
type Row = (&'static str, Store, Vec<Answer>, Says);

fn question() -> Question<'static> {
    Question { zone: "cde", since: at("2026-11-26T20:00:00Z"), until: at("2026-11-26T21:00:00Z") }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ok(text: impl Into<String>) -> Answer {
    Answer::Body { status: 200, text: text.into() }
}

fn with(status: u16, text: &str) -> Answer {
    Answer::Body { status, text: text.to_string() }
}

/// What is asked for, each path once, is answered in this order, until nothing more is.
fn answered(asks: impl Fn(&Answers) -> Vec<String>, replies: &[Answer]) -> Answers {
    let mut replies = replies.iter();
    let mut answers = Answers::new();
    for step in 0.. {
        assert!(step < 12, "it asks for ever");
        let paths = asks(&answers);
        if paths.is_empty() {
            break;
        }
        for path in paths {
            let reply = replies.next().cloned().unwrap_or(Answer::Silent("not in this row".to_string()));
            assert!(answers.insert(path.clone(), reply).is_none(), "{path} twice");
        }
    }
    answers
}

fn found(store: &Store, replies: &[Answer]) -> Result<Runs, String> {
    let question = question();
    let answers = answered(|answers| requests(store, &question, answers), replies);
    runs(store, &question, &answers)
}

fn fits(found: &Result<Runs, String>, says: &Says) -> bool {
    let told = |run: &Run, (pod, first, last, count, ended): &Told| {
        (run.pod.as_str(), run.first, run.last, run.count, run.ended) == (*pod, *first, *last, *count, *ended)
    };
    let same = |runs: &Runs, wanted: &[Told]| {
        runs.runs.len() == wanted.len() && runs.runs.iter().zip(wanted).all(|(run, wanted)| told(run, wanted))
    };
    match (found, says) {
        (Ok(runs), All(wanted)) => !runs.is_cut && same(runs, wanted),
        (Ok(runs), Cut(wanted)) => runs.is_cut && same(runs, wanted),
        (Err(why), Unknown(text)) => why.contains(text),
        _ => false,
    }
}

/// What is told is bounded and harmless, whatever the server sent.
fn assert_told(name: &str, found: &Result<Runs, String>) {
    let hides = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}');
    match found {
        Err(why) => assert!(!why.is_empty() && why.len() <= 1200 && !why.contains(hides), "{name}: {why:?}"),
        Ok(runs) => {
            assert!(runs.runs.len() <= super::RUNS, "{name}");
            assert!(runs.runs.is_sorted(), "{name}");
            for run in &runs.runs {
                let names = [&run.namespace, &run.pod, &run.node, &run.run];
                assert!(names.iter().all(|name| name.len() <= 253 && !name.contains(hides)), "{name}: {run:?}");
                assert!(run.count > 0 && run.count <= run.last - run.first + 1, "{name}: {run:?}");
                let Question { since, until, .. } = question();
                assert!((since..=until).contains(&run.newest), "{name}: {run:?}");
            }
        }
    }
}

fn all() -> Vec<Row> {
    [elastic::rows(), victorialogs::rows(), splunk::rows(), graylog::rows(), loki::rows()].concat()
}

/// A store of each kind with a run that lacks a number, and nothing else.
fn bases() -> Vec<(Store, Vec<Answer>)> {
    vec![
        (elastic::store(), elastic::base()),
        (Store::Elasticsearch { name: "logs".to_string() }, elastic::base()),
        (Store::VictoriaLogs, victorialogs::base()),
        (splunk::store(), splunk::base()),
        (graylog::store(), graylog::base()),
        (loki::store(), loki::base()),
    ]
}

#[test]
fn each_answer_has_its_runs() {
    let rows = all();
    assert!(rows.len() >= 110, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (name, store, replies, says) in rows {
        let found = found(&store, &replies);
        if !fits(&found, &says) {
            wrong.push(format!("{} {name}\n   is {found:?}\n  not {says:?}", store.product()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_told_is_bounded_and_possible() {
    for (name, store, replies, _) in all() {
        assert_told(name, &found(&store, &replies));
    }
}

#[test]
fn a_base_lacks_a_number() {
    for (store, replies) in bases() {
        let found = found(&store, &replies).unwrap();
        let missing: Vec<u64> = found.runs.iter().map(Run::missing).collect();
        assert_eq!((missing, found.is_cut), (vec![1], false), "{}", store.product());
    }
}
