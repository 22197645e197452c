//! Graylog (5.1 or later), by its scripting API: the messages themselves, newest first, since its aggregation by GET tells fifteen values of
//! a field and not that there are more. They are looked for in all streams that the credentials may read: an index set cannot be asked for.
//!
//! After the published shapes; it was never asked live.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{
    Question, Runs, SAMPLES, lacking,
    line::{Fields, GRAYLOG, KINDS},
    number::moment,
    tally::Tally,
};
use crate::engine::retention::{
    Answers,
    answer::{json, shown},
    names::argument,
};

const PATH: &str = "/api/search/messages";
/// Messages of a page, and pages: a search goes to ten thousand, no further.
const PAGE: usize = 2000;
const PAGES: usize = 5;
/// How long a time there may be between the asked time and the moment of asking: it can be asked about a time until now only.
const SLACK: i64 = 24 * 60;

/// The paths that are to be asked for.
pub fn requests(question: &Question, answers: &Answers) -> Vec<String> {
    let mut paths = Vec::new();
    for page in 0..PAGES {
        let path = numbered(question, page);
        let is_last = !messages(answers, &path, question, PAGE).is_ok_and(|messages| messages.len() >= PAGE);
        paths.push(path);
        if is_last {
            break;
        }
    }
    paths
}

/// What it has.
pub fn runs(question: &Question, answers: &Answers) -> Result<Runs, String> {
    let mut tally = Tally::default();
    for page in 0..PAGES {
        let messages = messages(answers, &numbered(question, page), question, PAGE)?;
        for message in &messages {
            let time = message.get(GRAYLOG.time).and_then(moment);
            tally.add(message, time, &GRAYLOG, question);
        }
        if messages.len() < PAGE {
            return Ok(tally.runs());
        }
    }
    tally.cut();
    Ok(tally.runs())
}

/// The path for records. What Graylog itself puts into each message is not asked for.
pub fn sample_requests(question: &Question) -> Vec<String> {
    let fields: Vec<String> =
        lacking::names().filter(|name| *name != "source").map(|name| name.replace('.', "_")).collect();
    let fields = format!("timestamp,message,full_message,{}", fields.join(","));
    vec![path(question, &format!("NOT _exists_:{}", GRAYLOG.kind), &fields, 0, SAMPLES)]
}

/// Records.
pub fn samples(question: &Question, answers: &Answers) -> Result<Vec<Map<String, Value>>, String> {
    let paths = sample_requests(question);
    let read = |path: &String| messages(answers, path, question, SAMPLES);
    paths.iter().map(read).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
}

fn numbered(question: &Question, page: usize) -> String {
    let Fields { kind, zone, namespace, pod, node, run, seq, time } = GRAYLOG;
    let kinds = KINDS.map(|kind| format!("\"{kind}\"")).join(" OR ");
    let fields = [time, kind, zone, namespace, pod, node, run, seq].join(",");
    path(question, &format!("{kind}:({kinds})"), &fields, page * PAGE, PAGE)
}

fn path(question: &Question, filter: &str, fields: &str, from: usize, size: usize) -> String {
    let Question { zone, since, until } = question;
    let Fields { zone: field, time, .. } = GRAYLOG;
    let at = |moment: &Timestamp| moment.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
    let query = format!("{field}:\"{zone}\" AND {time}:[\"{}\" TO \"{}\"}} AND {filter}", at(since), at(until));
    let minutes = until.duration_since(*since).as_mins().saturating_add(SLACK);
    format!("{PATH}?query={}&timerange={minutes}m&fields={fields}&from={from}&size={size}", argument(&query))
}

/// Messages by the names of their fields. What is told as “-” is not there.
fn messages(
    answers: &Answers,
    path: &str,
    question: &Question,
    limit: usize,
) -> Result<Vec<Map<String, Value>>, String> {
    let answer = json(answers, path)?;
    let unclear = |what: &str| format!("The answer of {PATH} {what}");
    let range = |end: &str| {
        let time = answer.get("metadata")?.get("effective_timerange")?.get(end)?;
        time.as_str()?.parse::<Timestamp>().ok()
    };
    let (Some(from), Some(to)) = (range("from"), range("to")) else {
        return Err(unclear("does not say which time it is about"));
    };
    // A moment that lies ahead of the server's clock is none for which lines could be missing.
    let ahead = SignedDuration::from_secs(60);
    if from > question.since || to.checked_add(ahead).is_ok_and(|to| to < question.until) {
        let words = shown(&format!("{from} to {to}"));
        return Err(unclear(&format!(
            "is about {words} alone: its search may be limited in time, or was asked too late"
        )));
    }
    let schema = answer.get("schema").and_then(Value::as_array).ok_or_else(|| unclear("has no schema"))?;
    let names: Option<Vec<&str>> = schema.iter().map(|entry| entry.get("field")?.as_str()).collect();
    let names = names.ok_or_else(|| unclear("has a schema that is not known"))?;
    let rows = answer.get("datarows").and_then(Value::as_array).filter(|rows| rows.len() <= limit);
    let rows = rows.ok_or_else(|| unclear("has no rows that were asked for"))?;
    let message = |row: &Value| {
        let cells = row.as_array().filter(|cells| cells.len() == names.len())?;
        let there = names.iter().zip(cells).filter(|(_, cell)| **cell != *"-");
        Some(there.map(|(name, cell)| ((*name).to_string(), cell.clone())).collect())
    };
    let messages: Option<Vec<Map<String, Value>>> = rows.iter().map(message).collect();
    messages.ok_or_else(|| unclear("has a row that does not fit its schema"))
}
