//! Splunk (9.0.1 or later), by a search whose results are streamed: rows of JSON, of which the last one says that it is. A search that
//! some of its peers did not answer says so in a message, and is no answer.
//!
//! After the published shapes; it was never asked live, and neither was whether every version takes this search by GET.

use serde_json::{Map, Value};

use super::{
    Question, RUNS, Runs, SAMPLES,
    line::{END, Fields, KINDS, SPLUNK},
    rows,
};
use crate::engine::retention::{Answers, answer::shown, names::argument};

const PATH: &str = "/services/search/v2/jobs/export";

/// The path that is to be asked for.
pub fn requests(index: &str, question: &Question) -> Vec<String> {
    grouped(index, question).into_iter().collect()
}

/// What it has.
pub fn runs(index: &str, question: &Question, answers: &Answers) -> Result<Runs, String> {
    let mut found = results(answers, &grouped(index, question)?)?;
    let is_cut = found.len() > RUNS;
    found.truncate(RUNS);
    // It compares without case, so another zone's rows may be among them.
    found.retain(|row| {
        row.get(SPLUNK.zone)
            .and_then(Value::as_str)
            .is_none_or(|zone| zone == question.zone || !zone.eq_ignore_ascii_case(question.zone))
    });
    let mut runs = rows::runs(found.iter(), &SPLUNK, question);
    runs.is_cut |= is_cut;
    Ok(runs)
}

/// The path for records.
pub fn sample_requests(index: &str, question: &Question) -> Vec<String> {
    sample_path(index, question).into_iter().collect()
}

/// Records: the fields of an event are in its raw text, where that is JSON.
pub fn samples(index: &str, question: &Question, answers: &Answers) -> Result<Vec<Map<String, Value>>, String> {
    let record = |mut result: Map<String, Value>| {
        let raw = result.remove("_raw");
        let raw = raw.as_ref().and_then(Value::as_str).and_then(|raw| serde_json::from_str(raw).ok());
        let mut record: Map<String, Value> = raw.unwrap_or_default();
        record.extend(result.remove("_time").map(|time| ("_time".to_string(), time)));
        record
    };
    Ok(results(answers, &sample_path(index, question)?)?.into_iter().map(record).collect())
}

fn grouped(index: &str, question: &Question) -> Result<String, String> {
    let Fields { kind, zone, namespace, pod, node, run, seq, time } = SPLUNK;
    let kinds = KINDS.map(|kind| format!("\"{kind}\"")).join(",");
    let by = [zone, namespace, pod, node, run].join(", ");
    let query = format!(
        "{} {kind} IN ({kinds}) | stats min({seq}) as first, max({seq}) as last, dc({seq}) as number, max({time}) as newest, count(eval({kind}=\"{END}\")) as ends by {by} | head {}",
        of_zone(index, question)?,
        RUNS + 1
    );
    Ok(path(&query))
}

fn sample_path(index: &str, question: &Question) -> Result<String, String> {
    let query = format!("{} NOT {}=* | head {SAMPLES} | fields _time, _raw", of_zone(index, question)?, SPLUNK.kind);
    Ok(path(&query))
}

/// Values stand for themselves: an index with a star would be several, and quotes do not keep a star from being one.
fn of_zone(index: &str, question: &Question) -> Result<String, String> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if index.is_empty() || index.len() > 80 || !index.bytes().all(is_plain) {
        return Err(format!("“{}” is not the name of one index", shown(index)));
    }
    let Question { zone, since, until } = question;
    let seconds = |milliseconds: i64| format!("{}.{:03}", milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
    let (since, until) = (seconds(since.as_millisecond()), seconds(until.as_millisecond()));
    Ok(format!("search index=\"{index}\" earliest={since} latest={until} {}=\"{zone}\"", SPLUNK.zone))
}

fn path(query: &str) -> String {
    format!("{PATH}?output_mode=json&preview=false&search={}", argument(query))
}

/// The results, without what was told before they were complete.
fn results(answers: &Answers, path: &str) -> Result<Vec<Map<String, Value>>, String> {
    let mut results = Vec::new();
    let mut is_last = false;
    for mut line in rows::objects(answers, path)? {
        let unread = Value::Null;
        let messages = match line.get("messages") {
            None => &[],
            Some(Value::Array(messages)) => messages.as_slice(),
            Some(_) => std::slice::from_ref(&unread),
        };
        let kind = |message: &Value| message.get("type").and_then(Value::as_str).map(str::to_ascii_uppercase);
        let trouble = messages.iter().find(|message| !matches!(kind(message).as_deref(), Some("INFO" | "DEBUG")));
        if let Some(trouble) = trouble {
            let words = trouble.get("text").and_then(Value::as_str).unwrap_or("no words");
            return Err(format!("{PATH} has a message: “{}”", shown(words)));
        }
        if line.get("preview") == Some(&Value::Bool(true)) {
            continue;
        }
        let is_message = line.contains_key("messages") && !line.contains_key("result");
        // Only the last row says so; what comes after it, or instead of it, was not meant to be the end.
        is_last = if is_message { is_last } else { line.get("lastrow") == Some(&Value::Bool(true)) };
        match line.remove("result") {
            Some(Value::Object(result)) => results.push(result),
            None => {}
            Some(_) => return Err(format!("The answer of {PATH} has a result that is no object")),
        }
    }
    if !is_last {
        return Err(format!("The answer of {PATH} does not come to its last row"));
    }
    Ok(results)
}
