//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.
//!
//! Of all policies that hold for a pod, what one denies is denied, and what one allows beside that is allowed; NetworkPolicies
//! are asked together with them. A direction about which a policy says something is closed but for that, unless the policy
//! says otherwise. What HTTP, DNS or TLS narrow further counts as open: a connection can be opened.

mod compile;
mod raw;
mod selector;

use ipnet::IpNet;
use serde_json::Value;

pub(super) use compile::compile;

use super::read::{NamedPorts, Trouble, items};
use crate::engine::reach::Selectors;

/// One of the rules of a policy, which has one or several.
#[derive(Clone, Debug, PartialEq)]
pub struct CiliumRule {
    /// The pods that it holds for.
    pub subject: CiliumSubject,
    /// About connections to them.
    pub ingress: CiliumSide,
    /// About connections of them.
    pub egress: CiliumSide,
    /// What is not understood.
    pub trouble: Vec<Trouble>,
}

/// Whom a rule holds for.
#[derive(Clone, Debug, PartialEq)]
pub enum CiliumSubject {
    /// Pods.
    Pods(Selectors),
    /// Nodes, and with them the pods that use their network.
    Nodes,
    /// That is not understood.
    Unknown,
}

/// What a rule says about one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CiliumSide {
    /// What it allows.
    pub allows: Vec<CiliumEntry>,
    /// What it denies.
    pub denies: Vec<CiliumEntry>,
    /// It says something.
    pub says: bool,
    /// What nothing allows is denied.
    pub isolates: bool,
}

/// Peers on ports.
#[derive(Clone, Debug, PartialEq)]
pub struct CiliumEntry {
    /// Where it stands.
    pub field: String,
    /// Who is at the other end; one of them.
    pub peers: Vec<CiliumPeer>,
    /// On which ports.
    pub ports: NamedPorts,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq)]
pub enum CiliumPeer {
    /// Pods.
    Pods(Selectors),
    /// Addresses outside the cluster.
    Block(IpNet, Vec<IpNet>),
    /// What has a name.
    Entity(Entity),
}

/// What has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// Everybody.
    All,
    /// Everything outside the cluster.
    World,
    /// Of it, what has an IPv4 address.
    WorldV4,
    /// Of it, what has an IPv6 address.
    WorldV6,
    /// Everything in the cluster.
    Cluster,
    /// Nodes.
    Nodes,
    /// API servers.
    ApiServer,
}

/// Reads the rules of a policy; without namespace it is for the whole cluster.
pub fn read(namespace: Option<&str>, mut data: Value) -> Vec<CiliumRule> {
    let mut take = |name: &str| data.get_mut(name).map(Value::take).filter(|value| !value.is_null());
    let (spec, specs) = (take("spec"), take("specs"));
    let mut rules: Vec<CiliumRule> = spec.into_iter().map(|spec| raw::rule("spec", namespace, spec)).collect();
    rules.extend(
        items(specs.as_ref()).map(|(index, spec)| raw::rule(&format!("specs[{index}]"), namespace, spec.clone())),
    );
    if rules.is_empty() {
        let trouble = vec![Trouble::new("spec", "there is none")];
        let (subject, ingress, egress) = (CiliumSubject::Unknown, CiliumSide::default(), CiliumSide::default());
        rules.push(CiliumRule { subject, ingress, egress, trouble });
    }
    rules
}

impl CiliumRule {
    fn entries(&self) -> impl Iterator<Item = &CiliumEntry> {
        [&self.ingress, &self.egress].into_iter().flat_map(|side| side.allows.iter().chain(&side.denies))
    }

    /// Networks that it names.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        self.entries().flat_map(|entry| &entry.peers).flat_map(|peer| match peer {
            CiliumPeer::Block(net, except) => std::iter::once(*net).chain(except.iter().copied()).collect(),
            CiliumPeer::Pods(_) | CiliumPeer::Entity(_) => Vec::new(),
        })
    }

    /// It means API servers by their addresses.
    pub fn means_api_server(&self) -> bool {
        let mut peers = self.entries().flat_map(|entry| &entry.peers);
        peers.any(|peer| matches!(peer, CiliumPeer::Entity(Entity::ApiServer | Entity::Cluster)))
    }
}
