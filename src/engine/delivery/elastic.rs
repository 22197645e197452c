//! Elasticsearch and `OpenSearch`: one aggregation of all runs, page by page. First it is asked under which names texts can be
//! counted: without a template they are `text` with a `keyword` beside, with many a template they are `keyword` themselves.
//!
//! The number of different numbers is an estimate there, so it is checked against what the lines add up to. A run of which it is not known
//! is left out, and that something is left out is told.
//!
//! `OpenSearch` is asked live by tests/delivery.rs. Elasticsearch never was: it rests on the published shapes.

mod capabilities;
mod count;
mod page;

use serde_json::{Map, Value, json};

use self::capabilities::Names;
use super::{
    PAGES, Question, RUNS, Runs, SAMPLES,
    line::{ELASTIC, END, Fields, KINDS},
};
use crate::engine::retention::{
    Answers,
    names::{argument, index},
};

/// Runs of a page: as many pages as are asked for have as many as are told.
const PAGE: usize = RUNS / PAGES;

/// The paths that are to be asked for.
pub fn requests(name: &str, question: &Question, answers: &Answers) -> Vec<String> {
    let Ok(first) = capabilities::path(name, question) else { return Vec::new() };
    let mut paths = vec![first];
    let mut after = None;
    let Ok(Some(names)) = Names::read(name, question, answers) else { return paths };
    while paths.len() <= PAGES {
        let Ok(path) = search(name, &page_body(question, &names, after.as_ref())) else { break };
        let page = page::read(&path, question, answers);
        paths.push(path);
        match page.ok().and_then(|page| page.next) {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    paths
}

/// What it has.
pub fn runs(name: &str, question: &Question, answers: &Answers) -> Result<Runs, String> {
    let Some(names) = Names::read(name, question, answers)? else { return Ok(Runs::default()) };
    let mut found = Runs::default();
    let (mut after, mut lines) = (None, 0);
    for _ in 0..PAGES {
        let page = page::read(&search(name, &page_body(question, &names, after.as_ref()))?, question, answers)?;
        found.runs.extend(page.runs.runs);
        found.is_cut |= page.runs.is_cut;
        lines += page.lines;
        after = page.next;
        if after.is_none() {
            // Lines without one of the names are in no run.
            found.is_cut |= lines < page.total;
            return Ok(found);
        }
    }
    found.is_cut = true;
    Ok(found)
}

/// The paths for records.
pub fn sample_requests(name: &str, question: &Question, answers: &Answers) -> Vec<String> {
    let Ok(first) = capabilities::path(name, question) else { return Vec::new() };
    let path =
        Names::zone(name, question, answers).ok().flatten().and_then(|zone| sample_path(name, question, &zone).ok());
    [first].into_iter().chain(path).collect()
}

/// Records.
pub fn samples(name: &str, question: &Question, answers: &Answers) -> Result<Vec<Map<String, Value>>, String> {
    let Some(zone) = Names::zone(name, question, answers)? else { return Ok(Vec::new()) };
    page::records(&sample_path(name, question, &zone)?, answers)
}

fn sample_path(name: &str, question: &Question, zone: &str) -> Result<String, String> {
    let Fields { kind, time, .. } = ELASTIC;
    let body = json!({
        "size": SAMPLES,
        "sort": [{ time: "desc" }],
        "query": { "bool": {
            "filter": [{ "term": { zone: question.zone } }, within(question)],
            "must_not": [{ "exists": { "field": kind } }],
        } },
    });
    search(name, &body)
}

fn page_body(question: &Question, names: &Names, after: Option<&Map<String, Value>>) -> Value {
    let Fields { time, .. } = ELASTIC;
    let sources: Vec<Value> =
        names.keys().into_iter().map(|(key, field)| json!({ key: { "terms": { "field": field } } })).collect();
    let mut composite = json!({ "size": PAGE, "sources": sources });
    if let (Some(composite), Some(after)) = (composite.as_object_mut(), after) {
        composite.insert("after".to_string(), Value::Object(after.clone()));
    }
    json!({
        "size": 0,
        "track_total_hits": true,
        "query": { "bool": { "filter": [
            { "term": { &names.zone: question.zone } },
            { "terms": { &names.kind: KINDS } },
            within(question),
        ] } },
        "aggs": { "runs": { "composite": composite, "aggs": {
            "lines": { "extended_stats": { "field": &names.seq } },
            "numbers": { "cardinality": { "field": &names.seq, "precision_threshold": 40000 } },
            "newest": { "max": { "field": time } },
            "ends": { "filter": { "term": { &names.kind: END } } },
        } } },
    })
}

fn within(question: &Question) -> Value {
    let Question { since, until, .. } = question;
    json!({ "range": { ELASTIC.time: { "gte": since.to_string(), "lt": until.to_string() } } })
}

/// A GET with a body: servers take it from an argument too, and a proxy would drop a body. An index of another time is to be left out
/// before it is searched: its texts may be mapped so that they cannot be counted, and then its shards fail.
fn search(name: &str, body: &Value) -> Result<String, String> {
    Ok(format!("/{}/_search?pre_filter_shard_size=1&{}", index(name)?, source(body)))
}

fn source(body: &Value) -> String {
    format!("source_content_type=application%2Fjson&source={}", argument(&body.to_string()))
}
