//! One answer of `_search`: whether it is whole, its runs, and from where the next page goes on.

use serde_json::{Map, Value};

use super::{
    PAGE, Question,
    count::{Reckoned, numbers},
};
use crate::engine::{
    delivery::{
        Run, Runs, SAMPLES,
        line::{self, ELASTIC, Fields},
        number::{milliseconds, real, whole},
        rows::short,
    },
    retention::{
        Answers,
        answer::{json, shown},
    },
};

/// A page of runs.
pub struct Page {
    pub runs: Runs,
    /// Lines in all runs of it.
    pub lines: u64,
    /// Lines that were found, on whatever page.
    pub total: u64,
    /// The last key, where there may be more.
    pub next: Option<Map<String, Value>>,
}

/// The page that a path was asked for.
pub fn read(path: &str, question: &Question, answers: &Answers) -> Result<Page, String> {
    let answer = json(answers, path)?;
    check(&answer, path)?;
    let total = total(&answer, path)?;
    let at = |key: &str| answer.get("aggregations")?.get("runs")?.get(key);
    let buckets = at("buckets").and_then(Value::as_array).filter(|buckets| buckets.len() <= PAGE);
    let buckets = buckets.ok_or_else(|| format!("The answer of {} has no runs that were asked for", short(path)))?;
    let count = |bucket: &Value| bucket.get("doc_count").and_then(whole);
    let lines: Option<u64> = buckets.iter().map(count).sum();
    let lines = lines.filter(|lines| *lines <= total);
    let lines = lines.ok_or_else(|| format!("The answer of {} does not count its lines", short(path)))?;
    let next = if buckets.len() == PAGE { Some(next(at("after_key"), path)?) } else { None };
    let runs: Vec<Run> = buckets.iter().filter_map(|bucket| run(bucket, question)).collect();
    let is_cut = runs.len() < buckets.len();
    Ok(Page { runs: Runs { runs, is_cut }, lines, total, next })
}

/// Records as they were sent.
pub fn records(path: &str, answers: &Answers) -> Result<Vec<Map<String, Value>>, String> {
    let answer = json(answers, path)?;
    check(&answer, path)?;
    let hits = answer.get("hits").and_then(|hits| hits.get("hits")).and_then(Value::as_array);
    let sources = hits.filter(|hits| hits.len() <= SAMPLES).and_then(|hits| {
        hits.iter().map(|hit| hit.get("_source").and_then(Value::as_object).cloned()).collect::<Option<Vec<_>>>()
    });
    sources.ok_or_else(|| format!("The answer of {} has no records as they were sent", short(path)))
}

/// Where a part of the store did not answer, nothing is known.
fn check(answer: &Map<String, Value>, path: &str) -> Result<(), String> {
    let name = short(path);
    let shards = |key: &str| answer.get("_shards").and_then(|shards| shards.get(key)).and_then(whole);
    match (shards("total"), shards("successful"), shards("failed")) {
        (Some(all), Some(successful), Some(0)) if all == successful => {}
        (Some(all), Some(successful), Some(_)) => {
            let why = answer.get("_shards").and_then(|shards| shards.pointer("/failures/0/reason/reason"));
            let why = why.and_then(Value::as_str).map(|why| format!(": “{}”", shown(why))).unwrap_or_default();
            return Err(format!("Only {successful} of {all} shards answered {name}{why}"));
        }
        _ => return Err(format!("The answer of {name} does not say which shards answered")),
    }
    if answer.get("timed_out") != Some(&Value::Bool(false)) {
        return Err(format!("{name} ran out of time, or does not say whether it did"));
    }
    let is = |key: &str| answer.get(key).is_some_and(|value| *value != Value::Bool(false));
    let clusters = answer.get("_clusters").and_then(|clusters| clusters.get("skipped"));
    if is("terminated_early") || is("is_partial") || clusters.is_some_and(|skipped| *skipped != 0) {
        return Err(format!("The answer of {name} is partial"));
    }
    Ok(())
}

/// How many lines were found, all of them counted.
fn total(answer: &Map<String, Value>, path: &str) -> Result<u64, String> {
    let total = answer.get("hits").and_then(|hits| hits.get("total"));
    let is_all = total.and_then(|total| total.get("relation")).is_some_and(|relation| relation == "eq");
    let number = total.filter(|_| is_all).and_then(|total| whole(total.get("value")?));
    number.ok_or_else(|| format!("The answer of {} does not say how many lines were found", short(path)))
}

fn next(after: Option<&Value>, path: &str) -> Result<Map<String, Value>, String> {
    let Fields { namespace, pod, node, run, .. } = ELASTIC;
    let after = after.and_then(Value::as_object);
    let keys = [namespace, pod, node, run].map(|key| Some((key.to_string(), line::name(after?.get(key))?.into())));
    let keys: Option<Map<String, Value>> = keys.into_iter().collect();
    keys.ok_or_else(|| format!("The answer of {} does not say where the next page goes on", short(path)))
}

/// None where the numbers cannot be, or are not known.
fn run(bucket: &Value, question: &Question) -> Option<Run> {
    let Fields { namespace, pod, node, run, .. } = ELASTIC;
    let name = |key: &str| line::name(bucket.get("key")?.get(key));
    let of = |stats: &str, key: &str| bucket.get(stats)?.get(key);
    let read = || {
        let run = Run {
            namespace: name(namespace)?,
            pod: name(pod)?,
            node: name(node)?,
            run: name(run)?,
            first: whole(of("lines", "min")?)?,
            last: whole(of("lines", "max")?)?,
            count: whole(of("numbers", "value")?)?,
            newest: milliseconds(of("newest", "value")?)?,
            ended: whole(of("ends", "doc_count")?)? > 0,
        };
        let reckoned = Reckoned {
            first: run.first,
            last: run.last,
            lines: whole(of("lines", "count")?)?,
            estimate: run.count,
            sum: real(of("lines", "sum")?)?,
            squares: real(of("lines", "sum_of_squares")?)?,
        };
        line::possible(Run { count: numbers(&reckoned)?, ..run }, question)
    };
    read()
}
