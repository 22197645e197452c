//! Who can reach whom: what all policies together allow, as sets, and which of them decides.
//!
//! ```text
//!  pods ──▶ Population: classes of pods that no policy tells apart
//!  policies ──compile──▶ Stage, Stage, … ──▶ decide (one connection) · effective (everything, as sets)
//! ```
//! The rules are those of `networking.k8s.io/v1`, and of the kinds in `other`. What no policy governs (the own node, host
//! networks, Services, routes) are doors; the API server is another file's.

pub mod described;
pub mod doors;
mod end;
mod labels;
mod latent;
pub mod other;
mod partition;
mod population;
mod probe;
mod public;
mod rules;
pub mod sets;
mod stages;
pub mod words;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

pub use end::End;
pub use labels::{Labels, Term, Terms};
pub use latent::Latent;
pub use partition::Partition;
pub use population::{Class, Population};
pub use probe::Answer;
pub use public::public_share;
pub use rules::{Action, Compiled, Compiler, Direction, Origin, Rule, Saying, Selectors, says};
pub use stages::{Allow, By, Effective, Stage};

use self::{
    other::Unread,
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
        let partition = Partition::new(snapshot, &declared_specs);
        Self::parted(snapshot, declared_specs, &partition)
    }

    /// The same, with pods told apart by what else matters.
    pub fn parted(
        snapshot: &'a Snapshot,
        declared_specs: BTreeMap<String, Vec<Arc<Policy>>>,
        partition: &Partition,
    ) -> Self {
        let population = Population::new(snapshot, partition);
        let mut compiler = Compiler::new(&population);
        let policies = snapshot.policies.values().flatten().map(|policy| compiler.network_policy(policy)).collect();
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

    /// Every policy, in the order in which they are asked.
    pub fn policies(&self) -> impl Iterator<Item = &Compiled> {
        self.stages.iter().flat_map(|stage| &stage.policies)
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
