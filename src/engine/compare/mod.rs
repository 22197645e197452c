//! What a change opens and closes: two clusters side by side, in words.
//!
//! ```text
//!  base, head ──▶ twins: the same classes of pods on both sides
//!             ──▶ traffic: what pods may receive and send, one side without the other
//!             ──▶ doors, declared, findings: what is new, and what is gone
//! ```
//! Compared is what the pods of zones may receive and send; without any zone, what all pods may.

mod declared;
mod doors;
mod findings;
mod sentence;
mod traffic;
mod twins;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{Resolution, desired::policies, policy::Policy, resolve, snapshot::Snapshot};
use crate::api::{Finding, FindingState};

pub use declared::Declared;
pub use doors::DoorMove;
pub use traffic::{Move, flows};

/// What differs between two clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Traffic that was not allowed and is now.
    pub opens: Vec<Move>,
    /// Traffic that was allowed and is not any more.
    pub closes: Vec<Move>,
    /// Ways in that no NetworkPolicy governs, and that are new.
    pub doors_opened: Vec<DoorMove>,
    /// Those that are gone.
    pub doors_closed: Vec<DoorMove>,
    /// What zones declare otherwise.
    pub declared: Vec<Declared>,
    /// What is found and was not, or is worse.
    pub raised: Vec<Raised>,
    /// What is found in both, and says something else now; what it was before stands behind it.
    pub reworded: Vec<Reworded>,
    /// What was found and is not any more, in zones that are still there.
    pub settled: Vec<Raised>,
    /// Policies that are not understood in all: with them more may differ.
    pub unread: Vec<Unread>,
}

/// A finding that says something else than before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reworded {
    /// The zone.
    pub zone: String,
    /// The finding.
    pub finding: Finding,
    /// What it said before.
    pub was: String,
    /// No opening, closing or door tells what it is about.
    pub is_told_here_alone: bool,
}

/// A policy that is not understood in all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// The policy.
    pub policy: String,
    /// It is new, or says something else: what that opens is not known.
    pub is_changed: bool,
}

/// A finding of a zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Raised {
    /// The zone.
    pub zone: String,
    /// The finding.
    pub finding: Finding,
}

impl Difference {
    /// Something opens that no flow covers, or a requirement is violated that was not; or what opens cannot be told.
    pub fn is_worse(&self) -> bool {
        let violated = |raised: &Raised| raised.finding.state == FindingState::Violated;
        self.opens.iter().any(|opening| opening.flows.is_empty())
            || self.doors_opened.iter().any(|door| door.flows.is_empty())
            || self.declared.iter().any(|declared| declared.weakens)
            || self.raised.iter().any(violated)
            || self.reworded.iter().any(Reworded::is_worse)
            || self.unread.iter().any(|unread| unread.is_changed)
    }

    /// Nothing differs, as far as policies are understood.
    pub fn is_empty(&self) -> bool {
        let unread: Vec<Unread> = self.unread.iter().filter(|unread| !unread.is_changed).cloned().collect();
        *self == Difference { unread, ..Difference::default() }
    }
}

impl Reworded {
    /// It may have become worse, and nothing else tells.
    pub fn is_worse(&self) -> bool {
        self.is_told_here_alone && self.finding.state == FindingState::Violated
    }
}

/// One of the two clusters.
struct Side<'a> {
    snapshot: &'a Snapshot,
    resolution: Resolution,
    /// What each namespace of a zone declares.
    declared: BTreeMap<String, Vec<Arc<Policy>>>,
}

impl<'a> Side<'a> {
    fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let resolution = resolve(snapshot);
        let declared = declared(snapshot, &resolution, now);
        Side { snapshot, resolution, declared }
    }

    /// The zone of a namespace.
    fn zone(&self, namespace: &str) -> Option<&str> {
        self.resolution.zone_of(namespace)
    }
}

/// The policies that each namespace of a zone is to have.
pub fn declared(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> BTreeMap<String, Vec<Arc<Policy>>> {
    let of = |name: &String| {
        let zone = resolution.zone(resolution.zone_of(name)?)?.declaration.as_deref()?;
        let desired = policies::desired(zone, name, resolution, &snapshot.cluster, now);
        Some((name.clone(), desired.into_values().map(Arc::new).collect()))
    };
    snapshot.namespaces.keys().filter_map(of).collect()
}

/// Compares two clusters as they are at one moment.
pub fn compare(base: &Snapshot, head: &Snapshot, now: Timestamp) -> Difference {
    let (before, after) = (Side::new(base, now), Side::new(head, now));
    let has_members = !before.declared.is_empty() || !after.declared.is_empty();
    let is_meant =
        |namespace: &str| !has_members || before.zone(namespace).is_some() || after.zone(namespace).is_some();
    let twins = twins::Twins::new(&before, &after);
    let opens = traffic::openings(&twins, &before, &after, &is_meant);
    let closes = traffic::closings(&twins, &before, &after, &is_meant);
    let (doors_opened, doors_closed) = doors::compare(&twins, &before, &after, &is_meant, now);
    let findings = findings::compare(&before, &after, now);
    Difference {
        opens,
        closes,
        doors_opened,
        doors_closed,
        declared: declared::compare(&before, &after, &findings.unjudged),
        raised: findings.raised,
        reworded: findings.reworded,
        settled: findings.settled,
        unread: unread(&twins, base, head),
    }
}

/// Policies that are not understood in all, and which of them differ.
fn unread(twins: &twins::Twins, base: &Snapshot, head: &Snapshot) -> Vec<Unread> {
    let names =
        [&twins.before, &twins.after].into_iter().flat_map(|reach| &reach.unread).map(|one| one.name.to_string());
    let names: BTreeSet<String> = names.collect();
    let of = |snapshot: &Snapshot, name: &str| snapshot.others.iter().find(|other| other.subject() == name).cloned();
    let unread = |policy: String| {
        let (was, is) = (of(base, &policy), of(head, &policy));
        // Who wrote it last does not matter.
        let is_changed = is.as_ref().is_some_and(|is| was.is_none_or(|was| !was.says_the_same(is)));
        Unread { policy, is_changed }
    };
    names.into_iter().map(unread).collect()
}

/// What is open for the pods of zones that no flow declares, as what opens when the policies of others are added to what is
/// declared.
pub fn beyond(snapshot: &Snapshot, now: Timestamp) -> Vec<Move> {
    let after = Side::new(snapshot, now);
    let mut alone = snapshot.clone();
    for (namespace, policies) in &after.declared {
        alone.policies.insert(namespace.clone(), policies.clone());
    }
    alone.others.clear();
    alone.hidden_kinds.clear();
    let before = Side { snapshot: &alone, resolution: after.resolution.clone(), declared: after.declared.clone() };
    let twins = twins::Twins::new(&before, &after);
    let is_meant = |namespace: &str| after.zone(namespace).is_some();
    let mut moves = traffic::openings(&twins, &before, &after, &is_meant);
    moves.retain(|one| one.flows.is_empty());
    moves
}
