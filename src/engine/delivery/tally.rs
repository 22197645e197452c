//! Numbered lines as they are, counted here: for stores that cannot count them soundly themselves.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Question, RUNS, Run, Runs,
    line::{self, END, Fields, KINDS},
    number::{MOST, whole},
};

/// Namespace, pod, node and run.
type Key = (String, String, String, String);

#[derive(Default)]
struct Seen {
    numbers: BTreeSet<u64>,
    newest: Option<Timestamp>,
    ended: bool,
}

/// What was seen so far.
#[derive(Default)]
pub struct Tally {
    runs: BTreeMap<Key, Seen>,
    is_cut: bool,
}

impl Tally {
    /// Counts a line of the zone. One that is not numbered is none; one that cannot be read is told.
    pub fn add(&mut self, line: &Map<String, Value>, time: Option<Timestamp>, fields: &Fields, question: &Question) {
        let text = |key: &str| line.get(key).and_then(Value::as_str);
        let Some(kind) = text(fields.kind).filter(|kind| KINDS.contains(kind)) else { return };
        if text(fields.zone) != Some(question.zone) {
            return;
        }
        let name = |key: &str| line::name(line.get(key));
        let key = (|| Some((name(fields.namespace)?, name(fields.pod)?, name(fields.node)?, name(fields.run)?)))();
        let number = line.get(fields.seq).and_then(whole).filter(|number| *number <= MOST);
        let time = time.filter(|time| line::is_within(*time, question));
        let (Some(key), Some(number), Some(time)) = (key, number, time) else {
            self.is_cut = true;
            return;
        };
        if self.runs.len() >= RUNS && !self.runs.contains_key(&key) {
            self.is_cut = true;
            return;
        }
        let seen = self.runs.entry(key).or_default();
        seen.numbers.insert(number);
        seen.newest = seen.newest.max(Some(time));
        seen.ended |= kind == END;
    }

    /// There is more than was read.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// All of it.
    pub fn runs(self) -> Runs {
        let run = |((namespace, pod, node, run), seen): (Key, Seen)| {
            let (first, last) = (*seen.numbers.first()?, *seen.numbers.last()?);
            let (count, newest) = (seen.numbers.len() as u64, seen.newest?);
            Some(Run { namespace, pod, node, run, first, last, count, newest, ended: seen.ended })
        };
        Runs { runs: self.runs.into_iter().filter_map(run).collect(), is_cut: self.is_cut }
    }
}
