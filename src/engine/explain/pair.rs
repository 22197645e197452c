//! A pair of ends: whether a connection is allowed, what decides, and whether a flow declares it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;

use super::{Explanation, requirements_of};
use crate::{
    api::Protocol,
    engine::{
        Resolution, Snapshot, compare,
        policy::Policy,
        reach::{
            Answer, Direction, End, Reach,
            sets::{Peers, Ports, Traffic},
            words::few,
        },
    },
};

/// A connection: whether it is allowed, what decides, and whether a flow declares it.
pub fn pair(
    snapshot: &Snapshot,
    resolution: &Resolution,
    (from, to): (&End, &End),
    ports: &[(Protocol, u16)],
    now: Timestamp,
) -> Explanation {
    let declared = compare::declared(snapshot, resolution, now);
    let reach = Reach::with_declared(snapshot, declared.clone());
    let mut explanation = Explanation::new(format!("{from} to {to}"));
    let zone = |end: &End| match end {
        End::Pod { namespace, .. } => resolution.zone_of(namespace).map(str::to_string),
        End::Address(_) => None,
    };
    let place = |end: &End| zone(end).map_or_else(|| "in no zone".to_string(), |zone| format!("in zone {zone}"));
    explanation.say("ends", format!("{from} is {}, {to} is {}", place(from), place(to)));
    for (protocol, port) in ports {
        let answer = reach.probe(from, to, *protocol, *port);
        let mut lines = vec![verdict(&answer, *protocol, *port)];
        lines.extend(answer.decided_by.iter().map(|by| format!("decided by {by}")));
        lines.extend(
            answer
                .unread
                .iter()
                .map(|name| format!("{name} is not understood in all; with it the answer may be another")),
        );
        let [accepts, opens] = flows_of(&reach, &declared, (from, to), (*protocol, *port));
        let mut is_bare = false;
        for (end, flows, what) in [(to, accepts, "accepts"), (from, opens, "opens")] {
            let Some(zone) = zone(end) else { continue };
            is_bare |= flows.is_empty();
            lines.push(match flows.as_slice() {
                [] => format!("at the end that {what} it, zone {zone} declares no flow for it"),
                flows => format!("at the end that {what} it, zone {zone} declares it: {}", few(flows)),
            });
        }
        if is_on_host(snapshot, from) || is_on_host(snapshot, to) {
            lines.push(
                "one of them uses the network of its node: no policy holds there, whatever flows say".to_string(),
            );
        } else if zone(from).is_some() || zone(to).is_some() {
            lines.push(advice(&answer, is_bare).to_string());
        }
        explanation.all("port", lines);
    }
    if ports.is_empty() {
        explanation.say("port", "The second end declares no port; name one, as in a/b->c/d:8443.");
    }
    let mut wanted = BTreeSet::new();
    wanted.extend(zone(to).map(|_| "1.3.1"));
    wanted.extend(zone(from).map(|_| "1.3.2"));
    let wanted: Vec<&str> = wanted.into_iter().collect();
    explanation.all("requirements", requirements_of(&wanted));
    explanation
}

fn verdict(answer: &Answer, protocol: Protocol, port: u16) -> String {
    let what = match (answer.allowed, answer.egress, answer.ingress) {
        (true, ..) => "allowed",
        (false, false, false) => "denied at both ends",
        (false, false, true) => "denied at the end that opens it",
        (false, true, false) => "denied at the end that accepts it",
        (false, true, true) => "denied: each end allows it, but not by the same family of addresses",
    };
    format!("{} {port}: {what}", protocol.as_str())
}

fn advice(answer: &Answer, is_bare: bool) -> &'static str {
    match (answer.allowed, is_bare) {
        (true, true) => "to do: declare a flow with its need, or take away what allows it",
        (true, false) => "to do: nothing",
        (false, true) => "to do: nothing; if it is needed, declare a flow, and not a policy by hand",
        (false, false) => {
            "to do: look at the end that denies it: its zone has to declare the flow too, or a policy of another kind stands before it"
        }
    }
}

/// The pod is on the network of its node.
fn is_on_host(snapshot: &Snapshot, end: &End) -> bool {
    let End::Pod { namespace, name } = end else { return false };
    let mut pods = snapshot.pods.iter().filter(|pod| pod.namespace() == namespace && pod.name() == name);
    pods.any(|pod| pod.shares.network)
}

/// The flows that declare a connection at the end that accepts it, and at the end that opens it.
fn flows_of(
    reach: &Reach,
    declared: &BTreeMap<String, Vec<Arc<Policy>>>,
    ends: (&End, &End),
    port: (Protocol, u16),
) -> [Vec<String>; 2] {
    let class = |end: &End| match end {
        End::Pod { namespace, name } => reach.population.pod(&format!("{namespace}/{name}")).map(|(_, class)| class),
        End::Address(ip) => {
            reach.population.at(*ip).and_then(|pod| reach.population.pod(&pod.key)).map(|(_, class)| class)
        }
    };
    let peers = |end: &End| match (class(end), end) {
        (Some(class), _) => Peers::of_pods(&[class].into_iter().collect()),
        (None, End::Address(ip)) => Peers::of_addresses([*ip]),
        (None, End::Pod { .. }) => Peers::default(),
    };
    let mut ports = Ports::default();
    ports.add(port.0, port.1..=port.1);
    let (from, to) = ends;
    [(to, from, Direction::Ingress), (from, to, Direction::Egress)].map(|(own, other, direction)| {
        let traffic = Traffic { peers: peers(other), ports: ports.clone() };
        class(own).map(|class| compare::flows(reach, declared, class, direction, &traffic)).unwrap_or_default()
    })
}
