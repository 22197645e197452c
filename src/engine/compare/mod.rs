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
mod sentence;
mod traffic;
mod twins;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{
    Resolution, checks::Found, desired::policies, evaluate, policy::Policy, resolve, shown, snapshot::Snapshot,
};
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
    /// What was found and is not any more.
    pub settled: Vec<Raised>,
    /// Policies that are not understood in all: with them more may differ.
    pub unread: Vec<String>,
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
    /// Something opens that no flow covers, or a requirement is violated that was not.
    pub fn is_worse(&self) -> bool {
        let violated = |raised: &Raised| raised.finding.state == FindingState::Violated;
        self.opens.iter().any(|opening| opening.flows.is_empty()) || self.raised.iter().any(violated)
    }

    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Difference { unread: self.unread.clone(), ..Difference::default() }
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
    let has_zones = !base.zones.is_empty() || !head.zones.is_empty();
    let is_meant = |namespace: &str| !has_zones || before.zone(namespace).is_some() || after.zone(namespace).is_some();
    let twins = twins::Twins::new(&before, &after);
    let opens = traffic::openings(&twins, &before, &after, &is_meant);
    let closes = traffic::closings(&twins, &before, &after, &is_meant);
    let (doors_opened, doors_closed) = doors::compare(&twins, &before, &after, &is_meant);
    let (raised, settled) = findings(&before, &after, now);
    let unread: BTreeSet<String> = [&twins.before, &twins.after]
        .into_iter()
        .flat_map(|reach| &reach.unread)
        .map(|one| one.name.to_string())
        .collect();
    Difference {
        opens,
        closes,
        doors_opened,
        doors_closed,
        declared: declared::compare(&before, &after),
        raised,
        settled,
        unread: unread.into_iter().collect(),
    }
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

/// What is found on one side only, or is worse on the other one.
fn findings(before: &Side, after: &Side, now: Timestamp) -> (Vec<Raised>, Vec<Raised>) {
    let all = |side: &Side| -> Vec<(String, Found)> {
        let evaluations = evaluate(side.snapshot, &side.resolution, now);
        evaluations
            .into_iter()
            .flat_map(|(zone, evaluation)| evaluation.findings.into_iter().map(move |found| (zone.clone(), found)))
            .collect()
    };
    let (before, after) = (all(before), all(after));
    let key = |(zone, found): &(String, Found)| (zone.clone(), found.id, found.subject.clone());
    // Two of one id about one object differ by what they say.
    let rank = |(_, found): &(String, Found)| (found.state, found.severity, found.message.clone());
    let by = |all: &[(String, Found)]| {
        let mut by: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in all {
            by.entry(key(one)).or_default().push(rank(one));
        }
        by
    };
    let (was, is) = (by(&before), by(&after));
    let worst = |ranks: &[(FindingState, crate::api::Severity, String)]| {
        ranks.iter().map(|(state, severity, _)| (*state, *severity)).min()
    };
    let raised = after.iter().filter(|one| match was.get(&key(one)) {
        None => true,
        Some(ranks) => worst(ranks).is_none_or(|worst| (one.1.state, one.1.severity) < worst),
    });
    let settled = before.iter().filter(|one| !is.contains_key(&key(one)));
    let shown = |(zone, found): &(String, Found)| Raised { zone: zone.clone(), finding: shown::whole(found) };
    (raised.map(shown).collect(), settled.map(shown).collect())
}
