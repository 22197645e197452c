//! Whether the numbered lines of a zone's pods arrive in a log store: what to ask it, and what its answers say. What could not be read, or
//! is not understood, is no answer, and never "all there".
//!
//! ```text
//!  Store, Question ──requests──▶ paths ──(asked elsewhere)──▶ Answers ──┬──requests──▶ further paths, page by page
//!                                                                       └──runs──────▶ Runs
//! ```
//! It asks nothing itself and knows no time. Whoever can write into the store can forge lines; what is found here shows that a way is
//! open, not that nobody lies.

mod elastic;
mod graylog;
mod lacking;
mod line;
mod loki;
mod number;
mod rows;
mod splunk;
mod tally;
#[cfg(test)]
mod tests;
mod victorialogs;

use k8s_openapi::jiff::Timestamp;

pub use self::lacking::Element;
use super::retention::{Answers, Store, answer::shown};

/// Runs that are asked for, at most.
pub const RUNS: usize = 2000;
/// Pages of an answer that are asked for, at most.
const PAGES: usize = 8;
/// Records that are looked at for their fields.
const SAMPLES: usize = 10;
/// The longest name of a zone, in bytes.
const ZONE: usize = 253;

/// What is asked: the zone, and from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The zone, as its lines name it.
    pub zone: &'a str,
    /// From this moment on.
    pub since: Timestamp,
    /// Until before this moment.
    pub until: Timestamp,
}

/// One run of a pod's numbered lines, as a store has it within the asked time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The node.
    pub node: String,
    /// One start of the container.
    pub run: String,
    /// The least number.
    pub first: u64,
    /// The greatest number.
    pub last: u64,
    /// How many different numbers there are.
    pub count: u64,
    /// When the newest line was written.
    pub newest: Timestamp,
    /// Whether its last line is there, after which nothing follows.
    pub ended: bool,
}

impl Run {
    /// Numbers that are missing between the first and the last one.
    pub fn missing(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1).saturating_sub(self.count)
    }
}

/// What a store has of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Sorted by namespace, pod, node and run.
    pub runs: Vec<Run>,
    /// There is more than this: more runs than are asked for, or lines that cannot be read. A run that is not here may be there all the same.
    pub is_cut: bool,
}

/// The paths that are still to be asked for, after these answers. None are left once all is known that can be.
pub fn requests(store: &Store, question: &Question, answers: &Answers) -> Vec<String> {
    if check(question).is_err() {
        return Vec::new();
    }
    let paths = match store {
        Store::Elasticsearch { name } | Store::OpenSearch { name } => elastic::requests(name, question, answers),
        Store::Splunk { index } => splunk::requests(index, question),
        Store::Graylog { .. } => graylog::requests(question, answers),
        Store::Loki { .. } => loki::requests(question, answers),
        Store::VictoriaLogs => victorialogs::requests(question),
        Store::S3 { .. } => Vec::new(),
    };
    unasked(paths, answers)
}

/// What the store has. An error says why that is not known, with the server's own words where it has some.
pub fn runs(store: &Store, question: &Question, answers: &Answers) -> Result<Runs, String> {
    check(question)?;
    let mut found = match store {
        Store::Elasticsearch { name } | Store::OpenSearch { name } => elastic::runs(name, question, answers),
        Store::Splunk { index } => splunk::runs(index, question, answers),
        Store::Graylog { .. } => graylog::runs(question, answers),
        Store::Loki { .. } => loki::runs(question, answers),
        Store::VictoriaLogs => victorialogs::runs(question, answers),
        Store::S3 { .. } => Err(no_records()),
    }?;
    found.runs.sort();
    let key = |run: &Run| (run.namespace.clone(), run.pod.clone(), run.node.clone(), run.run.clone());
    if found.runs.windows(2).any(|pair| matches!(pair, [a, b] if key(a) == key(b))) {
        return Err("The answer has the same run of a pod twice".to_string());
    }
    found.is_cut |= found.runs.len() > RUNS;
    found.runs.truncate(RUNS);
    Ok(found)
}

/// The paths that are still to be asked for before [`lacking`] can tell.
pub fn sample_requests(store: &Store, question: &Question, answers: &Answers) -> Vec<String> {
    if check(question).is_err() {
        return Vec::new();
    }
    let paths = match store {
        Store::Elasticsearch { name } | Store::OpenSearch { name } => elastic::sample_requests(name, question, answers),
        Store::Splunk { index } => splunk::sample_requests(index, question),
        Store::Graylog { .. } => graylog::sample_requests(question),
        Store::Loki { .. } => loki::sample_requests(question),
        Store::VictoriaLogs => victorialogs::sample_requests(question),
        Store::S3 { .. } => Vec::new(),
    };
    unasked(paths, answers)
}

/// What PCI DSS 10.2.2 asks of a record and the zone's newest records lack. Not each line of a log is an event of an audit trail, so of
/// the newest few the one counts that lacks least. None where the zone has no record but numbered lines.
pub fn lacking(store: &Store, question: &Question, answers: &Answers) -> Result<Option<Vec<Element>>, String> {
    check(question)?;
    let records = match store {
        Store::Elasticsearch { name } | Store::OpenSearch { name } => elastic::samples(name, question, answers),
        Store::Splunk { index } => splunk::samples(index, question, answers),
        Store::Graylog { .. } => graylog::samples(question, answers),
        Store::Loki { .. } => loki::samples(question, answers),
        Store::VictoriaLogs => victorialogs::samples(question, answers),
        Store::S3 { .. } => Err(no_records()),
    }?;
    Ok(lacking::least(records.iter().filter(|record| !line::is_numbered(record)).take(SAMPLES)))
}

fn no_records() -> String {
    "S3 cannot be asked for records".to_string()
}

fn unasked(mut paths: Vec<String>, answers: &Answers) -> Vec<String> {
    paths.retain(|path| !answers.contains_key(path));
    paths.truncate(PAGES + 1);
    paths
}

/// A zone is named in the languages of five products. What stands for something else in one of them is refused before it is quoted.
fn check(question: &Question) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let zone = question.zone;
    let begins = zone.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || zone.len() > ZONE || !zone.chars().all(is_plain) {
        return Err(format!("“{}” is no name of a zone, so its lines cannot be asked for", shown(zone)));
    }
    if question.since >= question.until {
        return Err("The time that is asked about ends before it begins".to_string());
    }
    Ok(())
}
