//! NetworkPolicy and GlobalNetworkPolicy of Calico, and what they depend on.
//!
//! Tiers are asked in their order, the policies of a tier in theirs, and the first rule that means a connection decides:
//! `Pass` leaves it to the next tier. What no rule of a tier means is denied if one of its policies holds for the pod, unless
//! the tier says otherwise. NetworkPolicies lie in the tier `default`.

mod compile;
mod parser;
mod raw;
mod selector;

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;

pub(super) use compile::compile;
pub use compile::{DEFAULT_ORDER, Tiers};
pub use selector::Expr;

use super::{
    Kind,
    read::{NamedPorts, Trouble, network},
};
use crate::engine::reach::Action;

/// The tier of policies that name none.
pub const DEFAULT: &str = "default";

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct CalicoPolicy {
    /// The namespace that it is for, if it is not for all.
    pub namespace: Option<Box<str>>,
    /// Its tier.
    pub tier: Box<str>,
    /// Its place in the tier.
    pub order: Option<f64>,
    /// The pods that it holds for; `None` where that is not understood.
    pub subject: Option<Endpoints>,
    /// Its rules for connections to them.
    pub ingress: Option<Vec<CalicoRule>>,
    /// Its rules for connections of them.
    pub egress: Option<Vec<CalicoRule>>,
    /// What is not understood.
    pub trouble: Vec<Trouble>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct CalicoRule {
    /// Where it stands.
    pub field: String,
    /// What it does.
    pub action: Action,
    /// Who is at the other end.
    pub peer: CalicoPeer,
    /// On which ports.
    pub ports: NamedPorts,
}

/// Who is at the other end. All that is said must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CalicoPeer {
    /// Only of this family of addresses: 4 or 6.
    pub family: Option<u8>,
    /// In one of these networks.
    pub nets: Option<Vec<IpNet>>,
    /// In none of these networks.
    pub not_nets: Vec<IpNet>,
    /// What a selector means.
    pub endpoints: Option<Endpoints>,
    /// What a selector does not mean.
    pub not: Option<Expr>,
}

/// Pods and named networks, by labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    /// Of which namespaces.
    pub scope: Scope,
    /// Which of them.
    pub expr: Expr,
}

/// Namespaces.
#[derive(Clone, Debug, PartialEq)]
pub enum Scope {
    /// Any, and none.
    Any,
    /// One.
    One(Box<str>),
    /// Those that a selector means.
    Chosen(Expr),
}

/// A tier.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Its place.
    pub order: Option<f64>,
    /// What none of its rules means is left to the next tier.
    pub passes: bool,
    /// What is not understood.
    pub trouble: Vec<Trouble>,
}

/// Networks that policies select by label.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSet {
    /// Its namespace, if it has one.
    pub namespace: Option<Box<str>>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The networks.
    pub nets: Vec<IpNet>,
}

/// How the names of policies begin that Calico makes of those of other kinds, and of which.
const SHOWN: [(&str, Kind); 4] = [
    ("kcnp.", Kind::ClusterNetworkPolicy),
    ("kanp.", Kind::AdminNetworkPolicy),
    ("kbanp.", Kind::BaselineAdminNetworkPolicy),
    ("knp.default.", Kind::CalicoNetworkPolicy),
];

/// Calico makes a policy of this name of one of another kind.
pub fn is_shown(name: &str) -> bool {
    SHOWN.iter().any(|(prefix, _)| name.starts_with(prefix))
}

/// The kind and the name of the policy that Calico shows by this name; a NetworkPolicy where that is no kind of ours.
pub fn shown(name: &str) -> Option<(Option<Kind>, &str)> {
    let (prefix, kind) = SHOWN.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    let rest = name.strip_prefix(prefix)?;
    if *kind == Kind::CalicoNetworkPolicy {
        return Some((None, rest));
    }
    // The tier stands between.
    Some((Some(*kind), rest.split_once('.')?.1))
}

/// Reads a policy.
pub fn policy(namespace: Option<&str>, spec: Value) -> CalicoPolicy {
    raw::policy(namespace, spec)
}

/// Reads a tier.
pub fn tier(spec: Value) -> Tier {
    raw::tier(spec)
}

/// Reads networks with labels; of an interface of a node those that it is expected to have.
pub fn network_set(kind: Kind, namespace: Option<&str>, labels: BTreeMap<String, String>, spec: &Value) -> NetworkSet {
    let field = if kind == Kind::CalicoHostEndpoint { "expectedIPs" } else { "nets" };
    let nets = spec.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let nets = nets.filter_map(|net| network(field, net).ok()).collect();
    NetworkSet { namespace: namespace.map(Box::from), labels, nets }
}

impl CalicoPolicy {
    /// Its name without its tier, which is a part of it in one of the two groups.
    pub fn bare<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(&*self.tier).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name)
    }

    /// Networks that it names.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        let rules = [&self.ingress, &self.egress].into_iter().flatten().flatten();
        rules.flat_map(|rule| rule.peer.nets.iter().flatten().chain(&rule.peer.not_nets).copied())
    }
}
