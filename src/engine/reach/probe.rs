//! One connection: is it allowed, and what decides.

use std::net::IpAddr;

use super::{
    End, Reach,
    population::{Class, family},
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
    /// A pod and its class, with the address by which it was asked for.
    Pod(&'a Pod, u32, Option<IpAddr>),
    Address(IpAddr),
    /// A pod that has ended, or none of this name.
    Nobody,
}

/// A connection, as a rule at one of its ends sees it.
struct Connection<'r> {
    other: Other,
    family: Family,
    /// Where the address of the other end is not known, it is taken to be in every network.
    is_anywhere: bool,
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
            Other::Class(class) => {
                rule.peers.pods(self.family).contains(class) || self.is_anywhere && rule.peers.has_any(self.family)
            }
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
            (Found::Pod(from, ..), Found::Pod(to, ..)) if from.key == to.key => open("own pod"),
            _ if self.is_own_node(from, to) => open("own node"),
            _ => {
                let mut answer = self.by_policies(from, to, protocol, port);
                if !answer.allowed && may_share_node(from, to) {
                    answer.decided_by.push("allowed if on the same node".to_string());
                }
                Answer { unread: self.unread_of(from, to), ..answer }
            }
        }
    }

    fn unread_of(&self, from: Found, to: Found) -> Vec<String> {
        let is_end = |classes: &Classes| {
            [from, to].into_iter().any(|end| matches!(end, Found::Pod(_, class, _) if classes.contains(class)))
        };
        let unread = self.unread.iter().filter(|unread| is_end(&unread.may_select));
        let mut names: Vec<String> = unread.map(|unread| unread.name.to_string()).collect();
        names.dedup();
        names
    }

    fn find(&self, end: &End) -> Found<'_> {
        match end {
            End::Pod { namespace, name } => match self.population.pod(&format!("{namespace}/{name}")) {
                Some((pod, class)) => Found::Pod(pod, class, None),
                None => Found::Nobody,
            },
            End::Address(ip) => match self.population.at(*ip).and_then(|pod| self.population.pod(&pod.key)) {
                Some((pod, class)) => Found::Pod(pod, class, Some(*ip)),
                None => Found::Address(*ip),
            },
        }
    }

    /// Traffic between a pod and its node is always allowed, and who uses the network of a node is the node.
    fn is_own_node(&self, from: Found, to: Found) -> bool {
        let pod = |end: Found| match end {
            Found::Pod(pod, ..) => pod.node.as_deref().map(str::to_string),
            Found::Address(_) | Found::Nobody => None,
        };
        let host = |end: Found| match end {
            Found::Pod(pod, ..) => pod.node.as_deref().filter(|_| pod.shares.network).map(str::to_string),
            Found::Address(address) => self.nodes.get(&address).map(ToString::to_string),
            Found::Nobody => None,
        };
        let on = |one: Found, other: Found| pod(one).is_some_and(|node| host(other) == Some(node));
        on(from, to) || on(to, from)
    }

    fn by_policies(&self, from: Found, to: Found, protocol: Protocol, port: u16) -> Answer {
        let accepts = match to {
            Found::Pod(_, class, _) => self.population.class(class),
            Found::Address(_) | Found::Nobody => None,
        };
        let decide = |family: Family, direction: Direction, is_anywhere: bool| {
            let (own, other) = match direction {
                Direction::Ingress => (to, from),
                Direction::Egress => (from, to),
            };
            let Found::Pod(_, own, _) = own else { return Decision::Open };
            let other = match other {
                Found::Pod(_, class, _) => Other::Class(class),
                Found::Address(address) => Other::Address(address),
                Found::Nobody => return Decision::Open,
            };
            self.decide(own, direction, &Connection { other, family, is_anywhere, accepts, protocol, port })
        };
        let tries = self.families(from, to).into_iter().map(|family| {
            let mut hinges = Vec::new();
            let mut decide = |direction: Direction, other: Found| {
                let decision = decide(family, direction, false);
                if let Some(name) = without_address(other)
                    && decide(family, direction, true).allows() != decision.allows()
                {
                    hinges.push(format!("address of {name} unknown"));
                }
                decision
            };
            let (egress, ingress) = (decide(Direction::Egress, to), decide(Direction::Ingress, from));
            let mut decided_by = egress.words(Direction::Egress);
            decided_by.extend(ingress.words(Direction::Ingress));
            let (egress, ingress) = (egress.allows(), ingress.allows());
            (Answer { ingress, egress, allowed: ingress && egress, decided_by, ..Answer::default() }, hinges)
        });
        // Of two families the one that is open counts.
        let better = |(one, mut hinges): (Answer, Vec<String>), (two, others): (Answer, Vec<String>)| {
            let (ingress, egress) = (one.ingress || two.ingress, one.egress || two.egress);
            let (best, hinges) = match (one.allowed, two.allowed) {
                (true, _) => (one, hinges),
                (false, true) => (two, others),
                (false, false) => {
                    hinges.extend(others);
                    (one, hinges)
                }
            };
            (Answer { ingress, egress, ..best }, hinges)
        };
        let (mut answer, mut hinges) = tries.reduce(better).unwrap_or_default();
        hinges.sort();
        hinges.dedup();
        answer.decided_by.append(&mut hinges);
        answer
    }

    /// Families of addresses by which two ends can talk.
    fn families(&self, from: Found, to: Found) -> Vec<Family> {
        let has = |end: Found, wanted| match end {
            Found::Pod(_, _, Some(address)) | Found::Address(address) => family(address) == wanted,
            Found::Pod(pod, _, None) => self.population.has(pod, wanted),
            Found::Nobody => false,
        };
        let common = [Family::V4, Family::V6].into_iter().filter(|family| has(from, *family) && has(to, *family));
        let mut common: Vec<Family> = common.collect();
        // A rule that names addresses does not mean a pod that cannot be talked to by one.
        if common.is_empty() {
            common.push(Family::Unknown);
        }
        common
    }
}

/// One of two pods uses the network of its node, and nobody knows whether that is the other one's node.
fn may_share_node(from: Found, to: Found) -> bool {
    let (Found::Pod(from, ..), Found::Pod(to, ..)) = (from, to) else { return false };
    (from.shares.network || to.shares.network) && (from.node.is_none() || to.node.is_none())
}

/// The name of a pod whose addresses are not known.
fn without_address(end: Found<'_>) -> Option<&str> {
    match end {
        Found::Pod(pod, ..) => pod.ips.is_empty().then_some(&*pod.key),
        Found::Address(_) | Found::Nobody => None,
    }
}
