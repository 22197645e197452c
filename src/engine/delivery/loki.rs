//! Loki: the lines themselves, newest first, page by page. It cannot count different numbers without a series for each, of which it
//! allows five hundred. Streams have to have the label `zone`. Whoever asks names the tenant beside the path.
//!
//! After the published shapes; it was never asked live.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    PAGES, Question, Runs, SAMPLES,
    line::{Fields, KINDS, LOKI},
    tally::Tally,
};
use crate::engine::retention::{
    Answers,
    answer::{json, shown},
    names::argument,
};

const PATH: &str = "/loki/api/v1/query_range";
/// Lines of a page: fewer than Loki gives by default, and than an answer of a mebibyte has.
const PAGE: usize = 2000;

/// The paths that are to be asked for.
pub fn requests(question: &Question, answers: &Answers) -> Vec<String> {
    let mut paths = Vec::new();
    let mut until = nanoseconds(question.until);
    while paths.len() < PAGES {
        let path = numbered(question, until);
        let next = lines(answers, &path, PAGE).ok().and_then(|lines| before(&lines, until));
        paths.push(path);
        match next {
            Some(next) => until = next,
            None => break,
        }
    }
    paths
}

/// What it has.
pub fn runs(question: &Question, answers: &Answers) -> Result<Runs, String> {
    let mut tally = Tally::default();
    let mut until = nanoseconds(question.until);
    for _ in 0..PAGES {
        let lines = lines(answers, &numbered(question, until), PAGE)?;
        for line in &lines {
            match record(&line.text) {
                Some(record) => tally.add(&record, Timestamp::from_nanosecond(line.time).ok(), &LOKI, question),
                None if looks_numbered(&line.text) => tally.cut(),
                None => {}
            }
        }
        if lines.len() < PAGE {
            return Ok(tally.runs());
        }
        let Some(next) = before(&lines, until) else { break };
        until = next;
    }
    tally.cut();
    Ok(tally.runs())
}

/// The path for records.
pub fn sample_requests(question: &Question) -> Vec<String> {
    let until = nanoseconds(question.until);
    vec![path(question, &format!("!= \"{}\"", LOKI.kind), until, SAMPLES)]
}

/// Records. A line that is no JSON has no fields.
pub fn samples(question: &Question, answers: &Answers) -> Result<Vec<Map<String, Value>>, String> {
    let mut records = Vec::new();
    for path in sample_requests(question) {
        let timed = |line: Line| {
            let mut record = record(&line.text).unwrap_or_default();
            record.entry("_time").or_insert_with(|| line.time.to_string().into());
            record
        };
        records.extend(lines(answers, &path, SAMPLES)?.into_iter().map(timed));
    }
    Ok(records)
}

fn numbered(question: &Question, until: i128) -> String {
    path(question, &format!("|= \"{}\"", LOKI.kind), until, PAGE)
}

fn path(question: &Question, filter: &str, until: i128, limit: usize) -> String {
    let Fields { zone, .. } = LOKI;
    let query = argument(&format!("{{{zone}=\"{}\"}} {filter}", question.zone));
    let since = nanoseconds(question.since);
    format!("{PATH}?direction=backward&limit={limit}&start={since}&end={until}&query={query}")
}

fn nanoseconds(time: Timestamp) -> i128 {
    time.as_nanosecond()
}

struct Line {
    time: i128,
    text: String,
}

/// Until when the next page goes: the oldest moment of this one may have more lines than are on it.
fn before(lines: &[Line], until: i128) -> Option<i128> {
    let oldest = lines.iter().map(|line| line.time).min()?;
    Some(oldest.saturating_add(1)).filter(|next| lines.len() >= PAGE && *next < until)
}

fn lines(answers: &Answers, path: &str, limit: usize) -> Result<Vec<Line>, String> {
    let answer = json(answers, path)?;
    let unclear = |what: &str| format!("The answer of {PATH} {what}");
    if answer.get("status").is_none_or(|status| status != "success") {
        return Err(unclear("does not say that it is one"));
    }
    if let Some(warning) = answer.get("warnings").and_then(|warnings| warnings.get(0)) {
        return Err(unclear(&format!("has a warning: “{}”", shown(warning.as_str().unwrap_or_default()))));
    }
    let data = answer.get("data").filter(|data| data.get("resultType").is_some_and(|kind| kind == "streams"));
    let streams = data.and_then(|data| data.get("result")).and_then(Value::as_array);
    let streams = streams.ok_or_else(|| unclear("has no streams"))?;
    let mut lines = Vec::new();
    for stream in streams {
        let values =
            stream.get("values").and_then(Value::as_array).ok_or_else(|| unclear("has a stream without lines"))?;
        for value in values {
            let text = |n: usize| value.get(n).and_then(Value::as_str);
            let time = text(0).and_then(|time| time.parse().ok()).filter(|time: &i128| *time >= 0);
            let (Some(time), Some(text)) = (time, text(1)) else {
                return Err(unclear("has a line that cannot be read"));
            };
            lines.push(Line { time, text: text.to_string() });
        }
    }
    if lines.len() > limit {
        return Err(unclear("has more lines than were asked for"));
    }
    Ok(lines)
}

/// Whether a line that is no JSON was to be a numbered one: a forwarder may have cut it off, or put something before it.
fn looks_numbered(text: &str) -> bool {
    let has = |word: &str| text.contains(&format!("\"{word}\"")) || text.contains(&format!("\\\"{word}\\\""));
    has(LOKI.kind) && KINDS.into_iter().any(has)
}

/// The object that a line is, or that it carries in one of the fields in which forwarders put a line.
fn record(text: &str) -> Option<Map<String, Value>> {
    let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
    let outer = object(text)?;
    if outer.contains_key(LOKI.kind) {
        return Some(outer);
    }
    let inner = ["log", "message", "body", "line"].iter().find_map(|key| object(outer.get(*key)?.as_str()?));
    Some(inner.unwrap_or(outer))
}
