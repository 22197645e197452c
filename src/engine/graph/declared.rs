//! Edges of policies: flows, name servers, and what is open beyond both.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::LabelSelector, jiff::Timestamp};

use super::{Edge, EdgeChange, EdgeKind, EdgeState, all_of};
use crate::{
    api::{Dns, Flow, Peer, Protocol},
    engine::{
        Resolution,
        compare::Move,
        declaration::{Declaration, flow_ports},
        desired::policies,
        reach::{
            Terms,
            described::pods_with,
            sets::Ports,
            words::{few, ports},
        },
        resolve::Zone,
        snapshot::Cluster,
    },
};

/// An edge of this kind, about which nothing is known yet.
pub(super) fn edge(kind: EdgeKind, zone: &str, name: impl Into<String>) -> Edge {
    Edge {
        kind,
        zone: zone.to_string(),
        name: name.into(),
        from: String::new(),
        to: String::new(),
        ports: String::new(),
        state: EdgeState::Open,
        account_data: false,
        need: None,
        owner: None,
        approval: None,
        expires_at: None,
        change: EdgeChange::Same,
    }
}

/// The flows of a zone.
pub(super) fn flows(
    declaration: &Declaration,
    zone: &Zone,
    resolution: &Resolution,
    cluster: &Cluster,
    now: Timestamp,
) -> Vec<Edge> {
    declaration.flows.iter().map(|one| flow(declaration, zone, one, resolution, cluster, now)).collect()
}

/// A flow of a zone.
pub fn flow(
    declaration: &Declaration,
    zone: &Zone,
    flow: &Flow,
    resolution: &Resolution,
    cluster: &Cluster,
    now: Timestamp,
) -> Edge {
    let reasons = policies::unresolvable(declaration, flow, &zone.namespaces.declared, resolution, cluster);
    let state = if flow.expires_at.0 <= now {
        EdgeState::Ended
    } else if reasons.is_empty() {
        EdgeState::Open
    } else {
        EdgeState::Unresolved
    };
    Edge {
        from: peer(&flow.from),
        to: peer(&flow.to),
        ports: ports(&flow_ports(flow)),
        state,
        account_data: flow.account_data,
        need: Some(flow.need.clone()),
        owner: Some(flow.owner.clone()),
        approval: Some(format!("{} under {}", flow.approved_by, flow.ticket)),
        expires_at: Some(flow.expires_at.0),
        ..edge(EdgeKind::Flow, &declaration.name, &flow.name)
    }
}

/// The name servers of a zone.
pub(super) fn names(declaration: &Declaration) -> Edge {
    let Dns { namespace, pod_selector, ports: numbers_of, cidrs } = &declaration.dns;
    let terms = Terms::read(&LabelSelector::from(pod_selector)).unwrap_or_default();
    let servers = pods_with(&terms, namespace);
    let to = if cidrs.is_empty() { servers } else { format!("{servers} and {}", few(cidrs)) };
    let both = numbers_of.iter().flat_map(|port| [Protocol::UDP, Protocol::TCP].map(|protocol| (protocol, *port)));
    Edge {
        from: all_of(&declaration.name),
        to,
        ports: ports(&numbers(both)),
        need: Some("Names of Services are looked up there.".to_string()),
        ..edge(EdgeKind::Names, &declaration.name, "name servers")
    }
}

/// What is open and not declared; one edge for each end.
pub(super) fn beyond(one: &Move) -> Vec<Edge> {
    let Some(zone) = &one.zone else { return Vec::new() };
    let to_other = |other: &String| {
        let (from, to) = if one.direction == "ingress" { (other, &one.pods) } else { (&one.pods, other) };
        Edge {
            from: from.clone(),
            to: to.clone(),
            ports: one.ports.clone(),
            ..edge(EdgeKind::Undeclared, zone, &one.by)
        }
    };
    one.ends.iter().map(to_other).collect()
}

/// An end of a flow, in words.
pub fn peer(peer: &Peer) -> String {
    if let Some(namespace) = &peer.namespace {
        let selector = peer.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default();
        return pods_with(&Terms::read(&selector).unwrap_or_default(), namespace);
    }
    if let Some(zone) = &peer.zone {
        return all_of(zone);
    }
    if peer.internet == Some(true) {
        return "the internet".to_string();
    }
    if peer.api_server == Some(true) {
        return "the API server".to_string();
    }
    peer.cidrs.join(", ")
}

fn numbers(all: impl Iterator<Item = (Protocol, i32)>) -> Ports {
    let mut ports = Ports::default();
    for (protocol, number) in all {
        if let Ok(number) = u16::try_from(number) {
            ports.add(protocol, number..=number);
        }
    }
    ports
}
