//! One answer of `_search`: whether it is whole, its runs, and from where the next page goes on.

use serde_json::{Map, Value};

use super::{PAGE, Question};
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

/// Up to here an estimate never says more numbers than there are.
const EXACT: u64 = 5000;

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
    let runs: Vec<Run> =
        buckets.iter().map(|bucket| run(bucket, question)).filter_map(Result::transpose).collect::<Result<_, _>>()?;
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

/// None where the numbers cannot be.
fn run(bucket: &Value, question: &Question) -> Result<Option<Run>, String> {
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
        let sums = (real(of("lines", "sum")?)?, real(of("lines", "sum_of_squares")?)?);
        Some((whole(of("lines", "count")?)?, sums, run))
    };
    let Some((lines, sums, mut run)) = read() else { return Ok(None) };
    let Some(span) = run.last.checked_sub(run.first).and_then(|span| span.checked_add(1)) else { return Ok(None) };
    if lines == 0 || run.count == 0 {
        return Ok(None);
    }
    run.count = if lines == span && is_sum(sums, run.first, run.last) {
        span
    } else if lines == span && run.count >= span {
        // As many lines as numbers, and not these: one is there twice, and another is missing.
        span.saturating_sub(1).max(1)
    } else if lines > span && run.count > EXACT {
        return Err(format!(
            "Of pod {} there are {lines} lines for {span} numbers, too many to tell copies from what is missing: ask about a shorter time",
            shown(&run.pod)
        ));
    } else {
        run.count.min(lines).min(span)
    };
    Ok(line::possible(run, question))
}

/// Whether lines add up to what all numbers from the first to the last one do, and so do their squares.
fn is_sum((sum, squares): (f64, f64), first: u64, last: u64) -> bool {
    let (first, last) = (u128::from(first), u128::from(last));
    let below = |n: u128| n * (n + 1) / 2;
    let squares_below = |n: u128| n * (n + 1) * (2 * n + 1) / 6;
    let less = first.saturating_sub(1);
    let wanted = if first == 0 {
        (below(last), squares_below(last))
    } else {
        (below(last) - below(less), squares_below(last) - squares_below(less))
    };
    #[expect(clippy::cast_precision_loss, reason = "the store reckons in doubles too")]
    let is_close = |is: f64, wanted: u128| (is - wanted as f64).abs() <= wanted as f64 * 1e-15;
    is_close(sum, wanted.0) && is_close(squares, wanted.1)
}
