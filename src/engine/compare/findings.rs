//! What is found on one side only, is worse on the other, or says something else there.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::{Raised, Reworded, Side};
use crate::{
    api::FindingId,
    engine::{checks::Found, evaluate, shown, snapshot::ZoneRecord},
};

/// Findings side by side.
pub(super) struct Findings {
    pub(super) raised: Vec<Raised>,
    pub(super) reworded: Vec<Reworded>,
    pub(super) settled: Vec<Raised>,
    /// How much was found in zones that are not there any more.
    pub(super) unjudged: BTreeMap<String, usize>,
}

type Key<'a> = (&'a str, FindingId, &'a str);

pub(super) fn compare(before: &Side, after: &Side, now: Timestamp) -> Findings {
    let (was, is) = (all(before, now), all(after, now));
    let (known, here) = (by_key(&was), by_key(&is));
    let zones: BTreeSet<&str> = after.snapshot.zones.iter().map(ZoneRecord::name).collect();
    let mut findings =
        Findings { raised: Vec::new(), reworded: Vec::new(), settled: Vec::new(), unjudged: BTreeMap::new() };
    for (zone, found) in &is {
        let Some(others) = known.get(&key(zone, found)) else {
            findings.raised.push(raised(zone, found));
            continue;
        };
        let worst = others.iter().map(|other| (other.state, other.severity)).min();
        if worst.is_some_and(|worst| (found.state, found.severity) < worst) {
            findings.raised.push(raised(zone, found));
        } else if !others.iter().any(|other| (&other.message, &other.evidence) == (&found.message, &found.evidence)) {
            findings.reworded.push(Reworded {
                zone: zone.clone(),
                finding: shown::whole(found),
                was: others.first().map(|other| other.message.clone()).unwrap_or_default(),
                is_told_here_alone: !is_told_as_traffic(found.id),
            });
        }
    }
    for (zone, found) in &was {
        if !zones.contains(zone.as_str()) {
            *findings.unjudged.entry(zone.clone()).or_default() += 1;
        } else if !here.contains_key(&key(zone, found)) {
            findings.settled.push(raised(zone, found));
        }
    }
    let worst_first =
        |one: &Raised| (one.finding.state, one.finding.severity, one.finding.id.clone(), one.finding.subject.clone());
    findings.raised.sort_by_key(worst_first);
    findings.settled.sort_by_key(worst_first);
    findings
}

fn all(side: &Side, now: Timestamp) -> Vec<(String, Found)> {
    let evaluations = evaluate(side.snapshot, &side.resolution, now);
    let of = |(zone, evaluation): (String, crate::engine::Evaluation)| {
        evaluation.findings.into_iter().map(move |found| (zone.clone(), found))
    };
    evaluations.into_iter().flat_map(of).collect()
}

fn key<'a>(zone: &'a str, found: &'a Found) -> Key<'a> {
    (zone, found.id, &found.subject)
}

fn by_key(all: &[(String, Found)]) -> BTreeMap<Key<'_>, Vec<&Found>> {
    let mut by: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (zone, found) in all {
        by.entry(key(zone, found)).or_default().push(found);
    }
    by
}

fn raised(zone: &str, found: &Found) -> Raised {
    Raised { zone: zone.to_string(), finding: shown::whole(found) }
}

/// What it says of other pods or ports, openings, closings and doors say too, and whether that is more or less.
fn is_told_as_traffic(id: FindingId) -> bool {
    matches!(
        id,
        FindingId::PolicyAllowsWorld
            | FindingId::PolicyUnmanagedWidens
            | FindingId::PolicyAllowsAllNamespaces
            | FindingId::PolicyPortsMissing
            | FindingId::PolicyIpBlockCoversCluster
            | FindingId::PeerSelectorMutableLabel
            | FindingId::EgressReachesMetadata
            | FindingId::ClusterPolicyOverridesDeny
            | FindingId::CniPolicyWidens
            | FindingId::UndeclaredConnectedNamespace
            | FindingId::PodNotIsolatedIngress
            | FindingId::PodNotIsolatedEgress
            | FindingId::HostNetworkPod
            | FindingId::HostPortExposed
            | FindingId::NodePortExposed
            | FindingId::LoadBalancerExposed
            | FindingId::ExternalIpsUsed
            | FindingId::IngressExposesZone
            | FindingId::ChdStoreReachable
    )
}
