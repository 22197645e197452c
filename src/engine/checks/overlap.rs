//! Flows that say what another one says already. Closing one of them would close nothing, so they are reviewed for nothing.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Case, Found, flows::subject};
use crate::{
    api::{FindingId, Flow, Peer, Selector},
    engine::{
        declaration::networks,
        resolve::{Resolution, Zone},
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let mut open: Vec<&Flow> = case.declaration.open_flows(case.now).collect();
    open.sort_by_key(|flow| &flow.name);
    for flow in &open {
        let others = open.iter().filter(|other| other.name != flow.name);
        let mut covering = others.filter(|other| covers(other, flow, case.resolution));
        let is_same = |other: &&&Flow| covers(flow, other, case.resolution);
        let (same, wider): (Vec<&&Flow>, Vec<&&Flow>) = covering.by_ref().partition(is_same);
        if let Some(other) = wider.first() {
            let message = format!("Flow {} opens all that it opens, and more.", other.name);
            found.push(Found::new(FindingId::FlowShadowed, subject(case, flow), message));
        } else if let Some(other) = same.first().filter(|other| other.name < flow.name) {
            let message = format!("Flow {} opens just the same.", other.name);
            found.push(Found::new(FindingId::FlowDuplicate, subject(case, flow), message));
        }
    }
}

/// The one flow opens all that the other opens.
pub(super) fn covers(theirs: &Flow, ours: &Flow, resolution: &Resolution) -> bool {
    ours.ports.iter().all(|port| theirs.ports.contains(port))
        && covers_end(&theirs.from, &ours.from, resolution)
        && covers_end(&theirs.to, &ours.to, resolution)
}

/// The one end means all that the other means, whether they name a namespace or its zone.
fn covers_end(theirs: &Peer, ours: &Peer, resolution: &Resolution) -> bool {
    let is_pods = |peer: &Peer| peer.namespace.is_some() || peer.zone.is_some();
    if !is_pods(theirs) || !is_pods(ours) {
        let Peer { internet, api_server, .. } = ours;
        let same = (&theirs.internet, &theirs.api_server) == (internet, api_server);
        return same && is_pods(theirs) == is_pods(ours) && covers_networks(&theirs.cidrs, &ours.cidrs);
    }
    let wanted = |peer: &Peer| peer.pod_selector.clone().filter(|selector| *selector != Selector::default());
    let selects = wanted(theirs).is_none_or(|theirs| wanted(ours) == Some(theirs));
    selects && covers_namespaces(theirs, ours, resolution)
}

/// One by one, because a zone may have thousands: most ends differ by the first.
fn covers_namespaces(theirs: &Peer, ours: &Peer, resolution: &Resolution) -> bool {
    if ours.zone.is_some() && ours.zone == theirs.zone {
        return true;
    }
    let members = |zone: &Option<String>| resolution.zone(zone.as_deref()?);
    let has = |zone: &Zone, name: &str| zone.namespaces.declared.contains(name) || zone.namespaces.held.contains(name);
    let covers = |name: &String| {
        theirs.namespace.as_ref() == Some(name) || members(&theirs.zone).is_some_and(|zone| has(zone, name))
    };
    match (&ours.namespace, members(&ours.zone)) {
        (Some(name), _) => covers(name),
        // Of a zone without namespaces nothing is opened, so nothing is said of it.
        (None, Some(zone)) => {
            let mut names = zone.namespaces.declared.union(&zone.namespaces.held).peekable();
            names.peek().is_some() && names.all(covers)
        }
        (None, None) => false,
    }
}

fn covers_networks(theirs: &[String], ours: &[String]) -> bool {
    if theirs == ours {
        return true;
    }
    let theirs: BTreeSet<IpNet> = networks(theirs).into_iter().collect();
    networks(ours).iter().all(|ours| theirs.iter().any(|theirs| theirs.contains(ours)))
}
