//! Which change touches what.

use std::collections::BTreeSet;

use crate::{
    api::{Flow, Peer, names},
    engine::{
        Resolution,
        resolve::{Claim, Members},
        snapshot::ZoneRecord,
    },
};

/// Something that has to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touched {
    Namespace(String),
    Node(String),
    Zone(String),
}

/// What of a zone decides; its status and what others annotate do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    uid: Option<String>,
    generation: Option<i64>,
    deleting: bool,
    armed: bool,
    confirmation: Option<String>,
    confirmed_changes: i64,
}

pub(super) fn fingerprint(zone: &ZoneRecord) -> Fingerprint {
    let metadata = zone.metadata();
    let annotations = metadata.annotations.as_ref();
    Fingerprint {
        uid: metadata.uid.clone(),
        generation: metadata.generation,
        deleting: metadata.deletion_timestamp.is_some(),
        armed: zone.is_armed(),
        confirmation: annotations.and_then(|annotations| annotations.get(names::CONFIRM_CHANGE)).cloned(),
        confirmed_changes: zone.status().map(|status| status.confirmed_changes).unwrap_or_default(),
    }
}

/// Zones whose change is confirmed as it stands. That may begin and end with their members.
pub(super) fn confirmed(resolution: &Resolution) -> BTreeSet<String> {
    resolution.zones().filter(|(_, zone)| zone.is_confirmed()).map(|(name, _)| name.to_string()).collect()
}

/// Zones that are confirmed now and were not before: what leaves them has to be looked at again.
pub(super) fn newly_confirmed(resolution: &Resolution, before: &BTreeSet<String>) -> BTreeSet<String> {
    confirmed(resolution).difference(before).cloned().collect()
}

/// Whether flows that mean this namespace, or its zone, are to be looked at again.
pub(super) fn changes_peers(before: Option<&Claim>, after: Option<&Claim>) -> bool {
    let member_of = |claim: Option<&Claim>| claim.filter(|claim| claim.is_member())?.zone.clone();
    before.is_some() != after.is_some() || member_of(before) != member_of(after)
}

/// Everything around some zones, and what flows with them depends on.
pub(super) fn affected(resolution: &Resolution, zones: &BTreeSet<String>) -> BTreeSet<Touched> {
    let mut touched = dependents(resolution, |peer| peer.zone.as_ref().is_some_and(|zone| zones.contains(zone)));
    for zone in zones.iter().filter_map(|name| resolution.zone(name)) {
        let Members { declared, held, residue, contested, handed_over, left_out: _ } = &zone.namespaces;
        for members in [declared, held, residue, contested, handed_over] {
            touched.extend(members.iter().cloned().map(Touched::Namespace));
        }
        let Members { declared, held, residue, contested, handed_over, left_out: _ } = &zone.nodes;
        for members in [declared, held, residue, contested, handed_over] {
            touched.extend(members.iter().cloned().map(Touched::Node));
        }
    }
    touched
}

/// Namespaces that hold a policy for a flow with such a peer.
pub(super) fn dependents(resolution: &Resolution, is_meant: impl Fn(&Peer) -> bool) -> BTreeSet<Touched> {
    let mut touched = BTreeSet::new();
    for (_, zone) in resolution.zones() {
        let Some(declaration) = zone.answer() else { continue };
        let meant = |flow: &&Flow| is_meant(&flow.from) || is_meant(&flow.to);
        for flow in declaration.flows.iter().filter(meant) {
            for peer in [&flow.from, &flow.to] {
                if let Some(namespace) = &peer.namespace {
                    touched.insert(Touched::Namespace(namespace.clone()));
                }
                if peer.zone.as_deref() == Some(declaration.name.as_str()) {
                    let members = zone.namespaces.declared.union(&zone.namespaces.held);
                    touched.extend(members.cloned().map(Touched::Namespace));
                }
            }
        }
    }
    touched
}

pub(super) fn means(peer: &Peer, namespace: &str, zones: &BTreeSet<String>) -> bool {
    peer.namespace.as_deref() == Some(namespace) || peer.zone.as_ref().is_some_and(|zone| zones.contains(zone))
}
