//! Why: a finding, a flow or a pair of ends, what decides, which requirement it speaks to, and what to do.

mod flow;
mod pair;

use serde::Serialize;

use super::{Evaluation, checks::Found};
use crate::api::{FindingId, Severity, requirements};

pub use flow::flow;
pub use pair::pair;

/// Objects of one kind of finding that are named.
const SUBJECTS: usize = 50;

/// An explanation: what it is about, and what there is to say, under a label each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What is explained.
    pub about: String,
    /// What there is to say.
    pub said: Vec<Said>,
}

/// Some lines under a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// The label.
    pub label: &'static str,
    /// The lines.
    pub lines: Vec<String>,
}

impl Explanation {
    fn new(about: impl Into<String>) -> Self {
        Explanation { about: about.into(), said: Vec::new() }
    }

    fn say(&mut self, label: &'static str, line: impl Into<String>) {
        self.all(label, vec![line.into()]);
    }

    fn all(&mut self, label: &'static str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.said.push(Said { label, lines });
        }
    }
}

/// What a kind of finding means, whatever the cluster.
pub fn kind(id: FindingId) -> Explanation {
    let mut explanation = Explanation::new(id.as_str());
    explanation.say("what", id.description());
    explanation.say("how bad", format!("{:?}; {:?} unless the finding says otherwise", id.severity(), id.state()));
    explanation.all("requirements", requirements_of(id.requirements()));
    explanation.say("what to do", id.remediation());
    let accepted = if id.is_acceptable() {
        "An exception of the zone can accept it for a reason and until a date (spec.exceptions)."
    } else {
        "No exception can accept it."
    };
    explanation.say("exceptions", accepted);
    explanation
}

/// The findings of a kind in a cluster, all or those about one object.
pub fn findings<'e>(
    id: FindingId,
    subject: Option<&str>,
    evaluations: impl Iterator<Item = (&'e String, &'e Evaluation)>,
) -> Explanation {
    let mut explanation = kind(id);
    let mut told = 0;
    for (zone, evaluation) in evaluations {
        let is_meant = |found: &&Found| found.id == id && subject.is_none_or(|subject| found.subject == subject);
        for found in evaluation.findings.iter().filter(is_meant) {
            told += 1;
            if told > SUBJECTS {
                continue;
            }
            let lines = [
                format!("{} in zone {zone}: {:?}, {:?}", found.subject, found.severity, found.state),
                found.message.clone(),
                found.evidence.clone(),
            ];
            explanation.all("found", lines.into_iter().filter(|line| !line.is_empty()).collect());
        }
    }
    if told == 0 {
        explanation.say("found", "Nowhere in what was looked at.");
    } else if told > SUBJECTS {
        explanation.say("found", format!("and {} more; pcizone check has all", told - SUBJECTS));
    }
    explanation
}

fn requirements_of(numbers: &[&str]) -> Vec<String> {
    let all = numbers.iter().filter_map(|number| requirements::find(number));
    all.map(|one| format!("{}: {}", one.number, one.summary)).collect()
}

/// The ids of findings, worst first, for whoever mistyped one.
pub fn near(text: &str) -> Vec<&'static str> {
    let wanted = text.to_ascii_lowercase();
    let mut near: Vec<(Severity, &'static str)> = FindingId::ALL
        .iter()
        .filter(|id| id.as_str().to_ascii_lowercase().contains(&wanted))
        .map(|id| (id.severity(), id.as_str()))
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, id)| id).collect()
}
