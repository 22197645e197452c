//! Which canaries stand where, and who tries to reach whom.
//!
//! ```text
//!   node of the zone              next node of the zone        node outside
//!  ┌───────────────────┐         ┌───────────────────┐       ┌───────────────────┐
//!  │ prober ─▶ listener│ ──────▶ │ prober    listener│ ────▶ │ prober    listener│
//!  │            ▲    ▲ │         └───────────────────┘ ◀──── └───────────────────┘
//!  │       kubelet   └─│── from outside, by ingress rules alone; to outside, by egress rules alone
//!  └───────────────────┘
//! ```

use std::collections::BTreeMap;

use super::flows::Trial;
use crate::api::Protocol;

/// Nodes outside that take part in one round.
pub const MOST_OUTSIDE: usize = 2;
/// Nodes of a zone for each of those; the next ones take part in the next round. What each pod asks must fit into its message.
pub const INSIDE_FOR_EACH: usize = 8;
/// The port on which listeners listen.
pub const PORT: u16 = 47471;

/// A node where a pair of pods stands: one that listens and one that asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Post {
    /// The node.
    pub node: String,
    /// In the zone, by its namespace; or outside.
    pub is_inside: bool,
}

/// A round: where canaries stand and who asks whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The zone.
    pub zone: String,
    /// A value that no round had before: the label of the pods.
    pub id: String,
    /// How often all nodes in all namespaces had their turn: it says whose turn it is among flows.
    pub turn: u64,
    /// The namespace of the zone's pods.
    pub inside: String,
    /// The namespace of the others.
    pub outside: String,
    /// The zone declares nodes, which carry its label.
    pub has_nodes: bool,
    /// All nodes of the zone that have their turn in this round or another one.
    pub nodes: Vec<String>,
    /// Nodes of the zone where none can stand.
    pub left_out: Vec<String>,
    /// Where they stand.
    pub posts: Vec<Post>,
    /// From which post to which.
    pub ways: Vec<(usize, usize)>,
    /// Flows that are tried besides.
    pub trials: Vec<Trial>,
}

/// One address and protocol of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// From which post.
    pub from: usize,
    /// To which post.
    pub to: usize,
    /// By which protocol.
    pub protocol: Protocol,
    /// To which address of the listener.
    pub address: std::net::IpAddr,
    /// To which port.
    pub port: u16,
    /// The flow whose policy is tried by a copy of it; the others go by a policy of the canary's own.
    pub flow: Option<String>,
}

/// What may take part.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Nodes of the zone that pods can start on, by name. Where the zone declares none: those where its pods are.
    pub inside: Vec<String>,
    /// Nodes of the zone that no pod can start on, because they are not ready.
    pub left_out: Vec<String>,
    /// Nodes outside that pods can start on, by name.
    pub outside: Vec<String>,
    /// Namespaces of the zone that deny by default, by name.
    pub namespaces: Vec<String>,
    /// The zone declares nodes.
    pub has_nodes: bool,
}

impl Round {
    /// The round of this number. The nodes come first, batch by batch; when all had their turn, the next namespace does. Nothing where the
    /// zone has no namespace or no node.
    pub fn new(zone: &str, id: &str, operator_namespace: &str, candidates: &Candidates, number: u64) -> Option<Self> {
        let Candidates { inside, left_out, outside, namespaces, has_nodes } = candidates;
        let batch = INSIDE_FOR_EACH * outside.len().clamp(1, MOST_OUTSIDE);
        let batches = inside.len().div_ceil(batch).max(1) as u64;
        let turn = number / batches;
        let namespace = from_turn(namespaces, turn).next()?.clone();
        let start = (number % batches).saturating_mul(batch as u64);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let chosen: Vec<String> = inside.iter().skip(start).take(batch).cloned().collect();
        if chosen.is_empty() {
            return None;
        }
        // No more than there are nodes to ask them.
        let outside = from_turn(outside, number.wrapping_mul(MOST_OUTSIDE as u64));
        let outside: Vec<String> = outside.take(MOST_OUTSIDE.min(chosen.len())).cloned().collect();
        let post = |is_inside: bool| move |node: String| Post { node, is_inside };
        let (zone_posts, others) = (chosen.len(), outside.len());
        let posts: Vec<Post> = chosen.into_iter().map(post(true)).chain(outside.into_iter().map(post(false))).collect();
        let mut ways = Vec::new();
        for one in 0..zone_posts {
            // Two pods of one host, and of two.
            ways.push((one, one));
            if zone_posts > 1 {
                ways.push((one, (one + 1) % zone_posts));
            }
            if others > 0 {
                let other = zone_posts + one % others;
                ways.extend([(other, one), (one, other)]);
            }
        }
        ways.sort_unstable();
        Some(Round {
            zone: zone.to_string(),
            id: id.to_string(),
            turn: turn / namespaces.len() as u64,
            inside: namespace,
            outside: operator_namespace.to_string(),
            has_nodes: *has_nodes,
            nodes: inside.clone(),
            left_out: left_out.clone(),
            posts,
            ways,
            trials: Vec::new(),
        })
    }

    /// The namespace of a post's pods.
    pub fn namespace(&self, post: &Post) -> &str {
        if post.is_inside { &self.inside } else { &self.outside }
    }

    /// What is tried, by number: each way by each protocol and each address of its listener.
    pub fn targets(&self, addresses: &BTreeMap<usize, Vec<std::net::IpAddr>>) -> Vec<Target> {
        let of = |post: usize| addresses.get(&post).into_iter().flatten();
        let shared = |from: usize, to: usize| {
            // An address of a family that the one who asks has not got cannot be asked.
            of(to).filter(move |address| of(from).any(|own| own.is_ipv4() == address.is_ipv4()))
        };
        let own = self.ways.iter().flat_map(|&(from, to)| {
            shared(from, to).flat_map(move |address| {
                [Protocol::TCP, Protocol::UDP].map(|protocol| Target {
                    from,
                    to,
                    protocol,
                    address: *address,
                    port: PORT,
                    flow: None,
                })
            })
        });
        let of_flows = self.trials.iter().flat_map(|trial| {
            shared(trial.from, trial.to).map(|address| Target {
                from: trial.from,
                to: trial.to,
                protocol: trial.protocol,
                address: *address,
                port: trial.port,
                flow: Some(trial.flow.clone()),
            })
        });
        own.chain(of_flows).collect()
    }

    /// A target in words: `the zone on a → outside on b by TCP over IPv4`.
    pub fn words(&self, target: &Target) -> String {
        let name = |at: usize| {
            let post = self.posts.get(at);
            let place = if post.is_some_and(|post| post.is_inside) { "the zone on" } else { "outside on" };
            format!("{place} {}", post.map(|post| post.node.as_str()).unwrap_or_default())
        };
        let family = if target.address.is_ipv4() { "IPv4" } else { "IPv6" };
        let protocol = target.protocol.as_str();
        let flow =
            target.flow.as_ref().map(|flow| format!(", port {} of flow {flow}", target.port)).unwrap_or_default();
        format!("{} → {} by {protocol} over {family}{flow}", name(target.from), name(target.to))
    }
}

/// All of them, once, from the one whose turn it is.
pub(super) fn from_turn<T>(all: &[T], start: u64) -> impl Iterator<Item = &T> {
    let start = start.checked_rem(all.len() as u64).unwrap_or_default();
    all.iter().cycle().skip(usize::try_from(start).unwrap_or_default()).take(all.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{prefix}{number:02}")).collect()
    }

    fn candidates(inside: usize, outside: usize) -> Candidates {
        Candidates {
            left_out: Vec::new(),
            inside: names("z", inside),
            outside: names("o", outside),
            namespaces: names("ns", 3),
            has_nodes: true,
        }
    }

    fn ways(round: &Round) -> Vec<String> {
        let name = |at: &usize| round.posts[*at].node.clone();
        round.ways.iter().map(|(from, to)| format!("{}>{}", name(from), name(to))).collect()
    }

    #[test]
    fn every_node_is_asked_from_outside_from_itself_and_from_the_node_before_it() {
        for (inside, outside, wanted) in [
            (1, 1, &["z00>z00", "z00>o00", "o00>z00"][..]),
            (1, 0, &["z00>z00"]),
            (2, 1, &["z00>z00", "z00>z01", "z00>o00", "z01>z00", "z01>z01", "z01>o00", "o00>z00", "o00>z01"]),
        ] {
            let round = Round::new("cde", "r", "pcizone-system", &candidates(inside, outside), 0).unwrap();
            assert_eq!(ways(&round), wanted, "{inside} {outside}");
        }
        assert_eq!(Round::new("cde", "r", "x", &candidates(0, 3), 0), None);
        assert_eq!(Round::new("cde", "r", "x", &Candidates { namespaces: Vec::new(), ..candidates(1, 1) }, 0), None);
    }

    #[test]
    fn rounds_take_every_node_in_turn_and_then_the_next_namespace_and_stay_small() {
        let candidates = candidates(50, 3);
        let rounds: Vec<Round> =
            (0..8).map(|number| Round::new("cde", "r", "pcizone-system", &candidates, number).unwrap()).collect();
        let mut seen = std::collections::BTreeSet::new();
        for round in &rounds[..4] {
            let inside = round.posts.iter().filter(|post| post.is_inside);
            assert!(inside.into_iter().all(|post| seen.insert(post.node.clone())), "each node once");
        }
        assert_eq!(seen.len(), 50, "every node had its turn");
        let namespaces: Vec<&str> = rounds.iter().map(|round| round.inside.as_str()).collect();
        assert_eq!(namespaces, ["ns00", "ns00", "ns00", "ns00", "ns01", "ns01", "ns01", "ns01"]);
        assert_eq!(Round::new("cde", "r", "x", &candidates, 12).unwrap().turn, 1);
    }

    #[test]
    fn every_pod_asks_no_more_than_fits_and_every_post_asks() {
        let ip = |text: &str| text.parse().unwrap();
        for (inside, outside) in [(1, 1), (1, 2), (1, 5), (2, 2), (16, 1), (16, 2), (40, 1), (40, 5), (9, 0)] {
            let mut round = Round::new("cde", "r", "x", &candidates(inside, outside), 0).unwrap();
            let both = || vec![ip("10.0.0.1"), ip("fd00::1")];
            let trial = |from: usize, to: usize| Trial {
                flow: "f".to_string(),
                from,
                to,
                protocol: Protocol::TCP,
                port: 1,
                copies: Vec::new(),
            };
            let last = round.posts.len() - 1;
            round.trials = vec![trial(last, 0); super::super::flows::MOST_TRIALS];
            let targets = round.targets(&(0..round.posts.len()).map(|post| (post, both())).collect());
            for post in 0..round.posts.len() {
                let asked = targets.iter().filter(|target| target.from == post).count();
                assert!((1..=48).contains(&asked), "{inside} {outside}: post {post} asks {asked}");
            }
        }
    }

    #[test]
    fn every_address_that_both_ends_have_is_tried_by_both_protocols() {
        let round = Round::new("cde", "r", "pcizone-system", &candidates(1, 1), 0).unwrap();
        let ip = |text: &str| text.parse().unwrap();
        let both = vec![ip("10.0.0.1"), ip("fd00::1")];
        let targets = round.targets(&BTreeMap::from([(0, both), (1, vec![ip("10.0.1.1")])]));
        let words: Vec<String> = targets.iter().map(|target| round.words(target)).collect();
        assert_eq!(
            words,
            [
                "the zone on z00 → the zone on z00 by TCP over IPv4",
                "the zone on z00 → the zone on z00 by UDP over IPv4",
                "the zone on z00 → the zone on z00 by TCP over IPv6",
                "the zone on z00 → the zone on z00 by UDP over IPv6",
                "the zone on z00 → outside on o00 by TCP over IPv4",
                "the zone on z00 → outside on o00 by UDP over IPv4",
                "outside on o00 → the zone on z00 by TCP over IPv4",
                "outside on o00 → the zone on z00 by UDP over IPv4",
            ]
        );
    }
}
