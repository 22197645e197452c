//! What policies of other kinds are compiled with, and what comes of it.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;

use super::read::{NamedPorts, Trouble};
use crate::{
    api::names,
    engine::{
        reach::{
            Action, Compiled, Compiler, Population, Rule, Selectors, Terms,
            sets::{Classes, Peers},
        },
        snapshot::Snapshot,
    },
};

/// A part of a policy that is not understood.
#[derive(Clone, Debug)]
pub struct Unread {
    /// The policy, as `Kind/namespace/name` or `Kind/name`.
    pub name: Arc<str>,
    /// What is not understood, and why.
    pub trouble: Trouble,
    /// The pods that it may concern.
    pub may_select: Classes,
}

/// Policies as they were compiled, by where they are asked.
#[derive(Default)]
pub struct Made {
    /// Of the tier Admin, by priority.
    pub admin: Vec<(u32, Compiled)>,
    /// Asked before those beside NetworkPolicies: they only deny.
    pub denials: Vec<Compiled>,
    /// Asked with NetworkPolicies.
    pub beside: Vec<Compiled>,
    /// Of Calico's tiers, by order and name of the tier, and in it by order and name.
    pub tiers: Vec<(Order, Order, Compiled)>,
    /// Of the tier Baseline, by priority.
    pub baseline: Vec<(u32, Compiled)>,
    /// What is not understood.
    pub unread: Vec<Unread>,
}

/// A place among others: by number, where there is one, then by name.
#[derive(Clone, Debug)]
pub struct Order {
    /// The number; infinite where there is none.
    pub number: f64,
    /// The name.
    pub name: String,
}

impl Order {
    /// Compares two places.
    pub fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number.total_cmp(&other.number).then_with(|| self.name.cmp(&other.name))
    }
}

impl Made {
    /// Notes what is not understood of a policy, once for each place.
    pub fn unread(&mut self, name: &Arc<str>, trouble: Trouble, may_select: &Classes) {
        self.unread.push(Unread { name: Arc::clone(name), trouble, may_select: may_select.clone() });
    }
}

/// What policies are compiled with.
pub struct Making<'m, 'p, 'a> {
    compiler: &'m mut Compiler<'p, 'a>,
    /// The cluster.
    pub snapshot: &'a Snapshot,
    nodes: Peers,
    pods: Peers,
}

impl<'m, 'p, 'a> Making<'m, 'p, 'a> {
    /// Begins.
    pub fn new(compiler: &'m mut Compiler<'p, 'a>, snapshot: &'a Snapshot) -> Self {
        let nodes = Peers::of_addresses(snapshot.nodes.values().flat_map(|node| addresses(node)));
        let running = snapshot.pods.iter().filter(|pod| !pod.ended);
        let pods = Peers::of_addresses(running.flat_map(|pod| pod.ips.iter().copied()));
        Making { compiler, snapshot, nodes, pods }
    }

    /// The pods of the cluster.
    pub fn population(&self) -> &'p Population<'a> {
        self.compiler.population()
    }

    /// Classes that selectors mean.
    pub fn select(&self, selectors: &Selectors) -> Classes {
        self.population().select(Some(&selectors.namespaces), &selectors.pods)
    }

    /// Every class that a policy can mean: of a namespace, or of all.
    pub fn within(&self, namespace: Option<&str>) -> Classes {
        let namespaces = namespace.map(|name| Terms::label(names::NAMESPACE_NAME, name)).unwrap_or_default();
        self.population().select(Some(&namespaces), &Terms::default())
    }

    /// Everybody.
    pub fn everybody(&self) -> Arc<Peers> {
        self.compiler.everybody()
    }

    /// Some pods, as peers.
    pub fn pods(&mut self, selectors: &Selectors) -> Arc<Peers> {
        self.compiler.pods(selectors)
    }

    /// Every address, but for those of pods.
    pub fn addresses(&self) -> Peers {
        self.everybody().without_pods()
    }

    /// The addresses of all nodes.
    pub fn node_addresses(&self) -> Peers {
        self.nodes.clone()
    }

    /// All nodes: their addresses, and the pods that use them.
    pub fn nodes(&self) -> Peers {
        self.population().present(&self.population().on_hosts()).or(&self.nodes)
    }

    /// The addresses of some nodes, with the pods that use them.
    pub fn chosen_nodes(&self, terms: &Terms) -> Peers {
        let nodes = self.snapshot.nodes.values();
        let chosen = nodes.filter(|node| terms.matches(&node.metadata.labels.clone().unwrap_or_default()));
        self.networks(chosen.flat_map(|node| addresses(node)).map(IpNet::from))
    }

    /// The API servers.
    pub fn api_servers(&self) -> Peers {
        self.networks(self.snapshot.cluster.api_server.iter().copied().map(IpNet::from))
    }

    /// Some networks, with the pods in them.
    pub fn networks(&self, networks: impl IntoIterator<Item = IpNet>) -> Peers {
        let all = networks.into_iter().map(|net| self.population().network(&net));
        all.fold(Peers::default(), |all, one| all.or(&one))
    }

    /// Some addresses of pods or nodes are among them.
    pub fn covers_cluster(&self, peers: &Peers) -> bool {
        !peers.and(&self.nodes.or(&self.pods)).has_no_address()
    }
}

/// A rule.
pub fn rule(field: &str, action: Action, peers: Peers, selectors: Vec<Selectors>, ports: &NamedPorts) -> Rule {
    let NamedPorts { numbers, named, any } = ports.clone();
    Rule { field: field.to_string(), action, peers: peers.into(), numbers, named, any_port: any, selectors }
}

/// The addresses of a node. A host name that looks like one is none.
pub fn addresses(node: &Node) -> impl Iterator<Item = IpAddr> {
    let all = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    all.filter(|address| address.type_.ends_with("IP")).filter_map(|address| address.address.parse().ok())
}
