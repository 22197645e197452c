//! `VictoriaLogs`, by `LogsQL`. It counts exactly, and has neither a mark at the end of an answer nor one for an answer that finds
//! nothing. So the runs are counted by a second question, asked after the first.
//!
//! Asked live by tests/delivery.rs.

use serde_json::{Map, Value};

use super::{
    Question, RUNS, Runs, SAMPLES,
    line::{END, Fields, KINDS, VICTORIA_LOGS},
    number::whole,
    rows,
};
use crate::engine::retention::{Answers, names::argument};

const PATH: &str = "/select/logsql/query";

/// The paths that are to be asked for.
pub fn requests(question: &Question) -> Vec<String> {
    vec![grouped(question), counted(question)]
}

/// What it has.
pub fn runs(question: &Question, answers: &Answers) -> Result<Runs, String> {
    let found = rows::objects(answers, &grouped(question))?;
    let all = match rows::objects(answers, &counted(question))?.as_slice() {
        [row] => row.get("runs").and_then(whole),
        _ => None,
    };
    let all = all.ok_or_else(|| format!("The answer of {PATH} does not count the runs"))?;
    let number = found.len() as u64;
    if number > all || number > RUNS as u64 {
        return Err(format!(
            "The answer of {PATH} has {number} runs of {all}: it is not complete, or not of one moment"
        ));
    }
    let mut runs = rows::runs(found.iter(), &VICTORIA_LOGS, question);
    runs.is_cut |= number < all;
    Ok(runs)
}

/// The path for records.
pub fn sample_requests(question: &Question) -> Vec<String> {
    let Fields { kind, time, .. } = VICTORIA_LOGS;
    vec![path(&format!("{} !{kind}:* | sort by ({time} desc) | limit {SAMPLES}", of_zone(question)))]
}

/// Records.
pub fn samples(question: &Question, answers: &Answers) -> Result<Vec<Map<String, Value>>, String> {
    let paths = sample_requests(question);
    paths.iter().map(|path| rows::objects(answers, path)).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
}

fn of_zone(question: &Question) -> String {
    let Question { zone, since, until } = question;
    let Fields { zone: field, time, .. } = VICTORIA_LOGS;
    format!("{time}:[{since}, {until}) {field}:=\"{zone}\"")
}

fn numbered(question: &Question) -> String {
    let kinds = KINDS.map(|kind| format!("\"{kind}\"")).join(",");
    format!("{} {}:in({kinds})", of_zone(question), VICTORIA_LOGS.kind)
}

fn keys() -> String {
    let Fields { zone, namespace, pod, node, run, .. } = VICTORIA_LOGS;
    [zone, namespace, pod, node, run].join(", ")
}

fn grouped(question: &Question) -> String {
    let Fields { kind, seq, time, .. } = VICTORIA_LOGS;
    path(&format!(
        "{} | stats by ({}) min({seq}) as first, max({seq}) as last, count_uniq({seq}) as number, max({time}) as newest, count() if ({kind}:=\"{END}\") as ends | limit {RUNS}",
        numbered(question),
        keys()
    ))
}

fn counted(question: &Question) -> String {
    path(&format!("{} | stats count_uniq({}) as runs", numbered(question), keys()))
}

fn path(query: &str) -> String {
    format!("{PATH}?query={}", argument(query))
}
