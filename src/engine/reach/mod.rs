//! Who can reach whom: what all policies together allow, as sets, and which of them decides.
//!
//! ```text
//!  pods ──▶ Population: classes of pods that no policy tells apart
//!  policies ──compile──▶ Stage, Stage, … ──▶ decide (one connection) · effective (everything, as sets)
//! ```
//! The rules are those of `networking.k8s.io/v1`, and of the kinds in `other`. What no policy governs (the own node, host
//! networks, Services, routes) are doors; the API server is another file's.

pub mod doors;
mod end;
mod labels;
mod latent;
pub mod other;
mod population;
mod probe;
mod rules;
pub mod sets;
mod stages;
pub mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

pub use end::End;
pub use labels::{Labels, Term, Terms};
pub use latent::Latent;
pub use population::{Class, Population};
pub use probe::Answer;
pub use rules::{Action, Compiled, Compiler, Direction, Origin, Rule, Saying, Selectors};
pub use stages::{Allow, By, Effective, Stage};

use ipnet::IpNet;

use self::{
    other::Unread,
    rules::{networks, selector},
    sets::{Ports, Traffic},
};
use super::{policy::Policy, snapshot::Snapshot};

/// Who can reach whom in a cluster.
#[derive(Debug)]
pub struct Reach<'a> {
    /// The pods.
    pub population: Population<'a>,
    /// What decides, in order.
    stages: Vec<Stage>,
    /// What of policies of other kinds is not understood.
    pub unread: Vec<Unread>,
    /// The policies of each stage that hold for each class.
    holding: Vec<Vec<Holding>>,
    nodes: BTreeMap<IpAddr, &'a str>,
    everything: Traffic,
    /// Policies to compare with, which are not in force.
    declared: BTreeMap<String, Vec<Compiled>>,
    declared_specs: BTreeMap<String, Vec<Arc<Policy>>>,
}

/// A policy that holds for a class: the stage and its place there.
type Holding = (usize, usize);

impl<'a> Reach<'a> {
    /// Looks at a cluster.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self::with_declared(snapshot, BTreeMap::new())
    }

    /// Looks at a cluster, and at policies by namespace that are not in force, to compare with.
    pub fn with_declared(snapshot: &'a Snapshot, declared_specs: BTreeMap<String, Vec<Arc<Policy>>>) -> Self {
        let live = || snapshot.policies.values().flatten();
        let mut named: BTreeSet<IpNet> =
            live().filter_map(|policy| policy.spec.as_deref()).flat_map(networks).collect();
        let specs = declared_specs.values().flatten().filter_map(|policy| policy.spec.as_deref());
        named.extend(specs.flat_map(networks));
        named.extend(snapshot.others.iter().flat_map(|other| other.networks(snapshot)));
        let mut running: BTreeMap<&str, BTreeSet<&BTreeMap<String, String>>> = BTreeMap::new();
        for pod in snapshot.pods.iter().filter(|pod| !pod.ended && !pod.shares.network) {
            running.entry(pod.namespace()).or_default().insert(&pod.labels);
        }
        let would = live().filter_map(|policy| {
            let namespace = policy.metadata.namespace.as_deref()?;
            let selector = selector(policy.spec.as_deref()?)?;
            let mut there = running.get(namespace).into_iter().flatten();
            let selects_nobody = !there.any(|labels| selector.matches(labels));
            selects_nobody.then(|| selector.example()).flatten().map(|labels| (namespace, labels))
        });
        let zones: Vec<&str> = declared_specs.keys().filter_map(|name| member(snapshot, name)).collect();
        let others = snapshot.others.iter().flat_map(|other| other.would(snapshot, &zones, &running));
        // What may hold for any pod may hold for those to come.
        let has_others = !snapshot.others.is_empty() || !snapshot.hidden_kinds.is_empty();
        let empty = zones.iter().filter(|name| has_others && !running.contains_key(**name));
        let empty = empty.map(|name| (*name, BTreeMap::new()));
        let would: Vec<_> = would.chain(others).chain(empty).collect();
        let population = Population::new(snapshot, named, would);
        let mut compiler = Compiler::new(&population);
        let policies = live().map(|policy| compiler.network_policy(policy)).collect();
        let declared = declared_specs.iter().map(|(namespace, policies)| {
            (namespace.clone(), policies.iter().map(|policy| compiler.network_policy(policy)).collect())
        });
        let declared = declared.collect();
        let (stages, unread) = other::stages(&mut compiler, snapshot, policies);
        let holding = holding(&population, &stages);
        // What a node says of itself counts before what its pods say of it.
        let mut nodes: BTreeMap<IpAddr, &str> = BTreeMap::new();
        for pod in snapshot.pods.iter().filter(|pod| !pod.ended) {
            let Some(node) = pod.node.as_deref() else { continue };
            let own = pod.ips.iter().filter(|_| pod.shares.network);
            nodes.extend(own.chain(pod.host_ips.iter()).map(|ip| (*ip, node)));
        }
        nodes.extend(snapshot.nodes.iter().flat_map(|(name, node)| {
            let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
            let of_host = addresses.filter(|address| ["InternalIP", "ExternalIP"].contains(&address.type_.as_str()));
            of_host.filter_map(move |address| Some((address.address.parse().ok()?, name.as_str())))
        }));
        let everything = Traffic { peers: population.everybody(), ports: Ports::all() };
        Reach { population, stages, unread, holding, nodes, everything, declared, declared_specs }
    }

    /// The policies that hold for a class, stage by stage.
    fn holding(&self, class: u32, stage: usize) -> impl Iterator<Item = &Compiled> {
        let all = usize::try_from(class).ok().and_then(|class| self.holding.get(class));
        let here = all.into_iter().flatten().filter(move |(at, _)| *at == stage);
        here.filter_map(|(stage, policy)| self.stages.get(*stage)?.policies.get(*policy))
    }
}

fn holding(population: &Population, stages: &[Stage]) -> Vec<Vec<Holding>> {
    let mut all: Vec<Vec<Holding>> = population.classes().map(|_| Vec::new()).collect();
    for (at, stage) in stages.iter().enumerate() {
        for (place, policy) in stage.policies.iter().enumerate() {
            for class in &policy.subject {
                if let Some(holding) = usize::try_from(class).ok().and_then(|class| all.get_mut(class)) {
                    holding.push((at, place));
                }
            }
        }
    }
    all
}

/// The name of a namespace, as long as the snapshot lives.
fn member<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a str> {
    snapshot.namespaces.get_key_value(name).map(|(name, _)| name.as_str())
}
