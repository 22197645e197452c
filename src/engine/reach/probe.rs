//! One connection: is it allowed, and what decides.

use std::net::IpAddr;

use super::{
    End, Reach,
    population::{Class, address},
    rules::{Compiled, Direction, Rule},
    sets::{Classes, Family},
    stages::Seen,
};
use crate::{api::Protocol, engine::pod::Pod};

/// Names of policies in an answer.
const NAMED: usize = 8;

/// Whether a connection is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The end that accepts may receive it.
    pub ingress: bool,
    /// The end that opens may send it.
    pub egress: bool,
    /// It is allowed: both, by the same family of addresses.
    pub allowed: bool,
    /// The policies and rules that decide, or what else does.
    pub decided_by: Vec<String>,
    /// Policies that may hold for one of its ends and are not understood in all: with them the answer may be another one.
    pub unread: Vec<String>,
}

/// What decides about one end of a connection.
#[derive(Debug)]
pub(super) enum Decision<'r> {
    /// A rule allows it.
    Allowed(&'r Compiled, &'r Rule),
    /// A rule denies it.
    Denied(&'r Compiled, &'r Rule),
    /// No rule allows it, and these policies deny what no rule allows.
    Isolated(Vec<&'r Compiled>),
    /// No policy says anything about it.
    Open,
}

impl Decision<'_> {
    fn allows(&self) -> bool {
        matches!(self, Decision::Allowed(..) | Decision::Open)
    }

    fn words(&self, direction: Direction) -> Vec<String> {
        match self {
            Decision::Allowed(policy, rule) | Decision::Denied(policy, rule) => {
                vec![format!("{} {}", policy.name, rule.field)]
            }
            Decision::Isolated(policies) => {
                policies.iter().take(NAMED).map(|policy| format!("{} {}", policy.name, direction.as_str())).collect()
            }
            Decision::Open => vec![format!("no policy for {}", direction.as_str())],
        }
    }
}

/// An end that was looked up.
#[derive(Clone, Copy)]
enum Found<'a> {
    Pod(&'a Pod, u32),
    Address(IpAddr),
    /// A pod that has ended, or none of this name.
    Nobody,
}

/// A connection, as a rule at one of its ends sees it.
struct Connection<'r> {
    other: Other,
    family: Family,
    /// The pods that accept it.
    accepts: Option<&'r Class<'r>>,
    protocol: Protocol,
    port: u16,
}

#[derive(Clone, Copy)]
enum Other {
    Class(u32),
    Address(IpAddr),
}

impl Seen for Connection<'_> {
    fn is_meant(&self, rule: &Rule) -> bool {
        let peer = match self.other {
            Other::Class(class) => rule.peers.pods(self.family).contains(class),
            Other::Address(address) => rule.peers.has_address(address),
        };
        let named = || {
            let ports = self.accepts.iter().filter(|class| !class.host_network).flat_map(|class| class.ports.iter());
            let mut ports = ports.filter(|port| port.protocol == self.protocol && port.number == self.port);
            ports.any(|port| rule.means(self.protocol, port.name.as_deref()))
        };
        peer && (rule.numbers.has(self.protocol, self.port) || named())
    }
}

impl Reach<'_> {
    /// Asks for one connection. An end that does not run has none.
    pub fn probe(&self, from: &End, to: &End, protocol: Protocol, port: u16) -> Answer {
        let (from, to) = (self.find(from), self.find(to));
        let open = |reason: &str| {
            let decided_by = vec![reason.to_string()];
            Answer { ingress: true, egress: true, allowed: true, decided_by, ..Answer::default() }
        };
        match (from, to) {
            (Found::Nobody, _) | (_, Found::Nobody) => {
                Answer { decided_by: vec!["an end does not run".to_string()], ..Answer::default() }
            }
            (Found::Pod(from, _), Found::Pod(to, _)) if from.key == to.key => open("own pod"),
            _ if self.is_own_node(from, to) => open("own node"),
            _ => Answer { unread: self.unread_of(from, to), ..self.by_policies(from, to, protocol, port) },
        }
    }

    fn unread_of(&self, from: Found, to: Found) -> Vec<String> {
        let is_end = |classes: &Classes| {
            [from, to].into_iter().any(|end| matches!(end, Found::Pod(_, class) if classes.contains(class)))
        };
        let unread = self.unread.iter().filter(|unread| is_end(&unread.may_select));
        let mut names: Vec<String> = unread.map(|unread| unread.name.to_string()).collect();
        names.dedup();
        names
    }

    fn find(&self, end: &End) -> Found<'_> {
        match end {
            End::Pod { namespace, name } => match self.population.pod(&format!("{namespace}/{name}")) {
                Some((pod, class)) => Found::Pod(pod, class),
                None => Found::Nobody,
            },
            End::Address(ip) => match self.population.at(*ip).and_then(|pod| self.population.pod(&pod.key)) {
                Some((pod, class)) => Found::Pod(pod, class),
                None => Found::Address(*ip),
            },
        }
    }

    /// Traffic between a pod and its node is always allowed, and who uses the network of a node is the node.
    fn is_own_node(&self, from: Found, to: Found) -> bool {
        let pod = |end: Found| match end {
            Found::Pod(pod, _) => pod.node.as_deref().map(str::to_string),
            Found::Address(_) | Found::Nobody => None,
        };
        let host = |end: Found| match end {
            Found::Pod(pod, _) => pod.node.as_deref().filter(|_| pod.shares.network).map(str::to_string),
            Found::Address(address) => self.nodes.get(&address).map(ToString::to_string),
            Found::Nobody => None,
        };
        let on = |one: Found, other: Found| pod(one).is_some_and(|node| host(other) == Some(node));
        on(from, to) || on(to, from)
    }

    fn by_policies(&self, from: Found, to: Found, protocol: Protocol, port: u16) -> Answer {
        let accepts = match to {
            Found::Pod(_, class) => self.population.class(class),
            Found::Address(_) | Found::Nobody => None,
        };
        let decide = |family: Family, direction: Direction| {
            let (own, other) = match direction {
                Direction::Ingress => (to, from),
                Direction::Egress => (from, to),
            };
            let Found::Pod(_, own) = own else { return Decision::Open };
            let other = match other {
                Found::Pod(_, class) => Other::Class(class),
                Found::Address(address) => Other::Address(address),
                Found::Nobody => return Decision::Open,
            };
            self.decide(own, direction, &Connection { other, family, accepts, protocol, port })
        };
        let tries = families(from, to).into_iter().map(|family| {
            let (egress, ingress) = (decide(family, Direction::Egress), decide(family, Direction::Ingress));
            let mut decided_by = egress.words(Direction::Egress);
            decided_by.extend(ingress.words(Direction::Ingress));
            let (egress, ingress) = (egress.allows(), ingress.allows());
            Answer { ingress, egress, allowed: ingress && egress, decided_by, ..Answer::default() }
        });
        // Of two families the one that is open counts.
        let better = |one: Answer, two: Answer| {
            let (ingress, egress) = (one.ingress || two.ingress, one.egress || two.egress);
            let best = if two.allowed && !one.allowed { two } else { one };
            Answer { ingress, egress, ..best }
        };
        tries.reduce(better).unwrap_or_default()
    }
}

/// Families of addresses by which two ends can talk.
fn families(from: Found, to: Found) -> Vec<Family> {
    let has = |end: Found, family| match end {
        Found::Pod(pod, _) => address(pod, family).is_some(),
        Found::Address(address) => address.is_ipv4() == (family == Family::V4),
        Found::Nobody => false,
    };
    let known = [Family::V4, Family::V6].into_iter().filter(|family| has(from, *family) && has(to, *family));
    let mut known: Vec<Family> = known.collect();
    // A rule that names addresses does not mean a pod whose address is not known.
    if known.is_empty() {
        known.push(Family::Unknown);
    }
    known
}
