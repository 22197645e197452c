//! What was found, with nothing said twice: each kind once, each message once, and its subjects below.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{About, objects::Object};
use crate::{
    api::{FindingId, FindingState, Severity},
    engine::checks::Found,
};

/// Characters of a message or of evidence.
const TEXT: usize = 1000;

/// Everything of one id that was found in a zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kind {
    /// The id.
    pub id: FindingId,
    /// The state of the worst of them.
    pub state: FindingState,
    /// The severity of the worst of them.
    pub severity: Severity,
    /// What the id means.
    pub description: &'static str,
    /// What to do.
    pub remediation: &'static str,
    /// How many there are, of whatever state.
    pub total: usize,
    /// How many of them are not shown.
    pub more: usize,
    /// Those that say the same together, worst first.
    pub groups: Vec<Group>,
}

/// Findings that differ only in what they are about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Violated, unproven or accepted.
    pub state: FindingState,
    /// How bad it is.
    pub severity: Severity,
    /// Until when it is accepted.
    pub accepted_until: Option<Timestamp>,
    /// Requirements that they speak to.
    pub requirements: Vec<&'static str>,
    /// What is wrong.
    pub message: String,
    /// How many there are.
    pub total: usize,
    /// How many of them are not shown.
    pub more: usize,
    /// What they are about.
    pub subjects: Vec<Subject>,
}

/// What a finding is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The object.
    #[serde(flatten)]
    pub object: Object,
    /// What was seen.
    pub evidence: String,
    /// When it was first seen.
    pub since: Timestamp,
}

/// How many kinds these are.
pub(super) fn kinds(found: &[Found]) -> usize {
    found.iter().map(|one| one.id).collect::<BTreeSet<_>>().len()
}

/// The findings of a zone.
pub(super) fn findings(about: &About) -> Vec<Kind> {
    let mut by_id: BTreeMap<FindingId, Vec<&Found>> = BTreeMap::new();
    for one in about.found {
        by_id.entry(one.id).or_default().push(one);
    }
    let mut kinds: Vec<Kind> = by_id.into_iter().filter_map(|(id, found)| kind(about, id, &found)).collect();
    kinds.sort_by_key(|kind| (kind.state, kind.severity, kind.id));
    kinds
}

/// What two findings of one id have in common where they are told together; it is also their order.
type Key<'a> = (FindingState, Severity, Option<Timestamp>, &'static [&'static str], &'a str);

/// The findings of a zone come worst first.
fn kind(about: &About, id: FindingId, found: &[&Found]) -> Option<Kind> {
    let worst = found.first()?;
    let mut groups: BTreeMap<Key, Vec<&Found>> = BTreeMap::new();
    for one in found {
        let key = (one.state, one.severity, one.accepted_until, one.requirements, one.message.as_str());
        groups.entry(key).or_default().push(one);
    }
    let mut room = about.bounds.subjects;
    let mut shown = Vec::new();
    for ((state, severity, accepted_until, requirements, message), all) in groups {
        if room == 0 {
            break;
        }
        let subjects: Vec<Subject> = all.iter().take(room).map(|one| subject(about, one)).collect();
        room -= subjects.len();
        shown.push(Group {
            state,
            severity,
            accepted_until,
            requirements: requirements.to_vec(),
            message: cut(message),
            total: all.len(),
            more: all.len() - subjects.len(),
            subjects,
        });
    }
    let there: usize = shown.iter().map(|group| group.subjects.len()).sum();
    Some(Kind {
        id,
        state: worst.state,
        severity: worst.severity,
        description: id.description(),
        remediation: id.remediation(),
        total: found.len(),
        more: found.len() - there,
        groups: shown,
    })
}

fn subject(about: &About, one: &Found) -> Subject {
    Subject {
        object: Object::of_subject(about.snapshot, &one.subject),
        evidence: cut(&one.evidence),
        since: one.since.unwrap_or(about.now),
    }
}

/// A long text names very many objects; its beginning names the first of them, and it says that it was cut.
pub(super) fn cut(text: &str) -> String {
    let size = text.chars().count();
    if size <= TEXT {
        return text.to_string();
    }
    let beginning: String = text.chars().take(TEXT).collect();
    format!("{beginning}… ({} more characters)", size - TEXT)
}

impl Kind {
    /// How many say something that is not shown at all.
    pub fn unlisted(&self) -> usize {
        self.total - self.groups.iter().map(|group| group.total).sum::<usize>().min(self.total)
    }
}
