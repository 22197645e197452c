//! A first zone for a cluster that runs already: flows as they are declared by policies and opened by Services today. Each is a
//! question to people, and none is an answer: what it is needed for, nobody but them can say.

mod policies;
mod services;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Snapshot, graph,
    reach::{Direction, Reach, doors::Services, sets::Ports},
};
use crate::api::{Peer, Protocol, Selector};

/// Ports of one flow.
const PORTS: u32 = 20;
/// Flows of one zone.
const FLOWS: usize = 500;

/// Flows to be decided about, and what could not be put as a flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The flows.
    pub flows: Vec<DraftFlow>,
    /// What is open and no flow can say, in words.
    pub left: Vec<String>,
    /// Policies of other kinds that may decide too, which nothing was drafted of.
    pub others: Vec<String>,
}

/// A flow without need, owner or approval.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftFlow {
    /// A name that no other has.
    pub name: String,
    /// Where it was found: policies and Services.
    pub found_in: BTreeSet<String>,
    /// Who opens the connection.
    pub from: Peer,
    /// Who accepts it.
    pub to: Peer,
    /// On which ports.
    pub ports: BTreeSet<(Protocol, u16)>,
}

/// What is collected: ports by their ends, because one flow may be found in several places.
#[derive(Default)]
struct Collected {
    flows: Vec<DraftFlow>,
    left: BTreeSet<String>,
}

impl Collected {
    /// Takes in a flow, or says why it is none.
    fn add(&mut self, from: &Peer, to: &Peer, ports: &Ports, found_in: &str) {
        let all: u32 = Protocol::ALL.iter().map(|one| ports.of(*one).len()).sum();
        if all == 0 || all > PORTS {
            let what = if all == 0 { "names no port that is there" } else { "opens more than 20 ports" };
            self.leave(format!("{found_in} {what}: {} to {}", words(from), words(to)));
            return;
        }
        let numbers = Protocol::ALL.iter().flat_map(|one| ports.of(*one).iter().map(move |port| (*one, port)));
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.from == *from && flow.to == *to) {
            flow.found_in.insert(found_in.to_string());
            flow.ports.extend(numbers);
            return;
        }
        self.flows.push(DraftFlow {
            name: String::new(),
            found_in: [found_in.to_string()].into(),
            from: from.clone(),
            to: to.clone(),
            ports: numbers.collect(),
        });
    }

    fn leave(&mut self, what: String) {
        self.left.insert(what);
    }
}

/// Drafts the flows of a zone with these namespaces.
pub fn draft(snapshot: &Snapshot, zone: &str, members: &BTreeSet<String>) -> Draft {
    let mut all = Collected::default();
    let reach = Reach::new(snapshot);
    let services = Services::new(snapshot);
    policies::collect(snapshot, &reach, members, &mut all);
    services::collect(snapshot, &reach, &services, zone, members, &mut all);
    for namespace in members {
        open(&reach, namespace, &mut all);
    }
    Draft { others: others(snapshot, members), ..named(all) }
}

/// Policies that are no NetworkPolicies: what they say is more than flows can.
fn others(snapshot: &Snapshot, members: &BTreeSet<String>) -> Vec<String> {
    let concerns = snapshot.others.iter().filter(|other| members.iter().any(|namespace| other.may_concern(namespace)));
    let hidden =
        snapshot.hidden_kinds.iter().map(|hidden| format!("all of kind {}: {}", hidden.kind.as_str(), hidden.why));
    let all: BTreeSet<String> = concerns.map(|other| other.subject()).chain(hidden).collect();
    all.into_iter().collect()
}

/// What nothing denies today: nobody can tell from objects who uses it.
fn open(reach: &Reach, namespace: &str, all: &mut Collected) {
    for direction in Direction::BOTH {
        let classes = reach.population.within(namespace).into_iter().flatten();
        let is_open = |class: &u32| {
            let is_pod = reach.population.class(*class).is_some_and(|one| !one.host_network && !one.pods.is_empty());
            is_pod && !reach.is_isolated(*class, direction)
        };
        let open = classes.filter(is_open).collect();
        let what = match direction {
            Direction::Ingress => "accept connections from everybody; say who needs that",
            Direction::Egress => "open connections to everybody; say whom they need",
        };
        let pods = reach.described(&open);
        if !pods.is_empty() {
            all.leave(format!("{pods} {what}"));
        }
    }
}

/// Gives every flow a name, in an order that does not depend on where it was found first.
fn named(mut all: Collected) -> Draft {
    all.flows.sort_by_key(|flow| (words(&flow.from), words(&flow.to)));
    let more = all.flows.len().saturating_sub(FLOWS);
    all.flows.truncate(FLOWS);
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for flow in &mut all.flows {
        let name: String = format!("{}-to-{}", short(&flow.from), short(&flow.to)).chars().take(56).collect();
        let name = name.trim_end_matches('-').to_string();
        let times = used.entry(name.clone()).or_default();
        *times += 1;
        flow.name = if *times == 1 { name } else { format!("{name}-{times}") };
    }
    if more > 0 {
        all.leave(format!("and {more} more flows: a zone has 500 at most, so split it"));
    }
    Draft { flows: all.flows, left: all.left.into_iter().collect(), others: Vec::new() }
}

/// An end for a name: a DNS label.
fn short(peer: &Peer) -> String {
    let value = |selector: &Selector| selector.match_labels.values().next().cloned();
    let text = match peer {
        Peer { namespace: Some(namespace), pod_selector: Some(selector), .. } => {
            let app = value(selector).unwrap_or_else(|| "some".to_string());
            if app == *namespace { app } else { format!("{namespace}-{app}") }
        }
        Peer { namespace: Some(namespace), .. } => namespace.clone(),
        Peer { zone: Some(zone), .. } => zone.clone(),
        Peer { internet: Some(true), .. } => "internet".to_string(),
        Peer { api_server: Some(true), .. } => "api-server".to_string(),
        Peer { cidrs, .. } => cidrs.first().cloned().unwrap_or_default(),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).collect();
    text.trim_matches('-').to_string()
}

/// An end in words.
fn words(peer: &Peer) -> String {
    graph::peer(peer)
}
