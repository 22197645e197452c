//! Policies of other kinds than NetworkPolicy, and what they depend on: read once, kept as far as they decide.

mod admin;
mod calico;
mod cilium;
mod cluster_network_policy;
mod making;
mod order;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use kube::core::DynamicObject;
use serde_json::Value;

pub use cluster_network_policy::ClusterPolicy;
pub use making::Unread;
pub use order::stages;
pub use read::Trouble;

use calico::{CalicoPolicy, NetworkSet, Tier};
use cilium::{CiliumRule, CiliumSubject};

use super::Selectors;
use crate::{
    api::names,
    engine::{intake, key, ownership, snapshot::Snapshot},
};

/// A kind of policy, or of what policies depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `policy.networking.k8s.io`: before and behind NetworkPolicies, for the whole cluster.
    ClusterNetworkPolicy,
    /// What came before it, for the tier Admin.
    AdminNetworkPolicy,
    /// The same for the tier Baseline.
    BaselineAdminNetworkPolicy,
    /// Cilium's, for a namespace.
    CiliumNetworkPolicy,
    /// Cilium's, for the whole cluster.
    CiliumClusterwideNetworkPolicy,
    /// Calico's, for a namespace.
    CalicoNetworkPolicy,
    /// Calico's, for the whole cluster.
    CalicoGlobalNetworkPolicy,
    /// Where Calico's policies are asked in order.
    CalicoTier,
    /// Networks that Calico's policies select by label.
    CalicoNetworkSet,
    /// The same for the whole cluster.
    CalicoGlobalNetworkSet,
    /// An interface of a node, which Calico's policies select by label.
    CalicoHostEndpoint,
}

impl Kind {
    /// The name in subjects. Where another group has a kind of the same name, ours says whose it is.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Kind::AdminNetworkPolicy => "AdminNetworkPolicy",
            Kind::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Kind::CiliumNetworkPolicy => "CiliumNetworkPolicy",
            Kind::CiliumClusterwideNetworkPolicy => "CiliumClusterwideNetworkPolicy",
            Kind::CalicoNetworkPolicy => "CalicoNetworkPolicy",
            Kind::CalicoGlobalNetworkPolicy => "CalicoGlobalNetworkPolicy",
            Kind::CalicoTier => "CalicoTier",
            Kind::CalicoNetworkSet => "CalicoNetworkSet",
            Kind::CalicoGlobalNetworkSet => "CalicoGlobalNetworkSet",
            Kind::CalicoHostEndpoint => "CalicoHostEndpoint",
        }
    }

    /// The kind of objects that are taken in as these; none where they are something else.
    pub fn of(kind: intake::Kind) -> Option<Self> {
        use intake::Kind as K;
        Some(match kind {
            K::ClusterNetworkPolicy => Kind::ClusterNetworkPolicy,
            K::AdminNetworkPolicy => Kind::AdminNetworkPolicy,
            K::BaselineAdminNetworkPolicy => Kind::BaselineAdminNetworkPolicy,
            K::CiliumNetworkPolicy => Kind::CiliumNetworkPolicy,
            K::CiliumClusterwideNetworkPolicy => Kind::CiliumClusterwideNetworkPolicy,
            K::CalicoNetworkPolicy | K::CalicoStoredNetworkPolicy => Kind::CalicoNetworkPolicy,
            K::CalicoGlobalNetworkPolicy | K::CalicoStoredGlobalNetworkPolicy => Kind::CalicoGlobalNetworkPolicy,
            K::CalicoTier | K::CalicoStoredTier => Kind::CalicoTier,
            K::CalicoNetworkSet | K::CalicoStoredNetworkSet => Kind::CalicoNetworkSet,
            K::CalicoGlobalNetworkSet | K::CalicoStoredGlobalNetworkSet => Kind::CalicoGlobalNetworkSet,
            K::CalicoHostEndpoint | K::CalicoStoredHostEndpoint => Kind::CalicoHostEndpoint,
            _ => return None,
        })
    }
}

/// A policy of another kind, or what such policies depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name with a slash between; nothing before the slash where the kind has no namespaces.
    pub key: Box<str>,
    /// The field manager that wrote last.
    pub manager: Option<Box<str>>,
    body: Body,
}

/// What an object says.
#[derive(Clone, Debug, PartialEq)]
enum Body {
    Cluster(ClusterPolicy),
    Cilium(Vec<CiliumRule>),
    Calico(CalicoPolicy),
    Tier(Tier),
    Set(NetworkSet),
    /// Calico shows a policy of another kind.
    Shown,
}

/// Each once: what Calico keeps in one group it may show in the other too. The last one counts.
pub fn distinct(all: Vec<Arc<Other>>) -> Vec<Arc<Other>> {
    let mut all: Vec<_> = all.into_iter().rev().collect();
    all.sort_by(|one, other| one.identity().cmp(&other.identity()));
    all.dedup_by(|one, other| one.identity() == other.identity());
    all
}

/// A kind that is there and whose objects cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The kind.
    pub kind: Kind,
    /// Why.
    pub why: String,
}

impl Other {
    /// Reads an object.
    pub fn read(kind: Kind, object: DynamicObject) -> Self {
        let DynamicObject { metadata, mut data, .. } = object;
        let manager = ownership::last_rival(&metadata).map(Box::from);
        let namespace = metadata.namespace.as_deref();
        let name = metadata.name.as_deref().unwrap_or_default();
        let key = key::of(&metadata);
        let mut spec = || data.get_mut("spec").map(Value::take).unwrap_or_default();
        let body = match kind {
            Kind::ClusterNetworkPolicy | Kind::AdminNetworkPolicy | Kind::BaselineAdminNetworkPolicy => {
                Body::Cluster(ClusterPolicy::read(kind, spec()))
            }
            Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy => {
                Body::Cilium(cilium::read(namespace, data))
            }
            Kind::CalicoNetworkPolicy | Kind::CalicoGlobalNetworkPolicy if calico::is_shown(name) => Body::Shown,
            Kind::CalicoNetworkPolicy | Kind::CalicoGlobalNetworkPolicy => {
                Body::Calico(calico::policy(namespace, spec()))
            }
            Kind::CalicoTier => Body::Tier(calico::tier(spec())),
            Kind::CalicoNetworkSet | Kind::CalicoGlobalNetworkSet | Kind::CalicoHostEndpoint => {
                let labels = metadata.labels.clone().unwrap_or_default();
                Body::Set(calico::network_set(kind, namespace, labels, &spec()))
            }
        };
        Other { kind, key, manager, body }
    }

    /// The policy, as `Kind/namespace/name` or `Kind/name`.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.key.trim_start_matches('/'))
    }

    /// It says the same, whoever wrote it.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.kind, &self.key, &self.body) == (other.kind, &other.key, &other.body)
    }

    /// It is a policy, and may hold for pods of a namespace.
    pub fn may_concern(&self, namespace: &str) -> bool {
        let is_policy = matches!(self.body, Body::Cluster(_) | Body::Cilium(_) | Body::Calico(_));
        is_policy && self.namespace().is_none_or(|own| own == namespace)
    }

    /// Its namespace, if it has one.
    fn namespace(&self) -> Option<&str> {
        Some(key::namespace(&self.key)).filter(|namespace| !namespace.is_empty())
    }

    /// Its name.
    fn name(&self) -> &str {
        self.key.split_once('/').map_or(&self.key, |(_, name)| name)
    }

    /// What is the same in both groups in which Calico may show one object: in one of them the tier is a part of the name.
    fn identity(&self) -> (Kind, &str, &str, &str) {
        let (namespace, name) = self.key.split_once('/').unwrap_or(("", &self.key));
        match &self.body {
            Body::Calico(policy) => (self.kind, namespace, &policy.tier, policy.bare(name)),
            _ => (self.kind, namespace, "", name),
        }
    }

    /// Networks that it names.
    pub fn networks(&self, snapshot: &Snapshot) -> Vec<IpNet> {
        let one = |addresses: &mut dyn Iterator<Item = IpAddr>| addresses.map(IpNet::from).collect::<Vec<_>>();
        match &self.body {
            Body::Cluster(policy) => {
                let nodes = snapshot.nodes.values().filter(|_| policy.means_nodes());
                policy.networks().chain(one(&mut nodes.flat_map(|node| making::addresses(node)))).collect()
            }
            Body::Cilium(rules) => {
                let asks = rules.iter().any(CiliumRule::means_api_server);
                let servers = snapshot.cluster.api_server.iter().copied().filter(|_| asks);
                rules.iter().flat_map(CiliumRule::networks).chain(one(&mut servers.into_iter())).collect()
            }
            Body::Calico(policy) => policy.networks().collect(),
            Body::Set(set) => set.nets.clone(),
            Body::Tier(_) | Body::Shown => Vec::new(),
        }
    }

    /// Labels of pods that it would hold for in some namespaces, where none of those that run is one. A policy for the whole
    /// cluster that means some pods of any namespace does not mean those of any one in particular.
    pub fn would<'n>(
        &self,
        snapshot: &Snapshot,
        namespaces: &[&'n str],
        running: &BTreeMap<&str, BTreeSet<&BTreeMap<String, String>>>,
    ) -> Vec<(&'n str, BTreeMap<String, String>)> {
        let own = self.namespace();
        let there = |namespace: &str| running.get(namespace).into_iter().flatten();
        let labels_of = |namespace: &str| {
            let object = snapshot.namespaces.get(namespace);
            let mut labels = object.and_then(|object| object.metadata.labels.clone()).unwrap_or_default();
            labels.insert(names::NAMESPACE_NAME.to_string(), namespace.to_string());
            labels
        };
        let by_selectors = |selectors: &Selectors, namespace: &'n str| {
            let is_aimed = !selectors.namespaces.is_empty() || selectors.pods.is_empty();
            let is_for = is_aimed && selectors.namespaces.matches(&labels_of(namespace));
            let is_there = there(namespace).any(|labels| selectors.pods.matches(labels));
            (is_for && !is_there).then(|| selectors.pods.example()).flatten()
        };
        let one = |namespace: &'n str| -> Vec<BTreeMap<String, String>> {
            match &self.body {
                Body::Cluster(policy) => {
                    policy.subject.iter().filter_map(|subject| by_selectors(subject, namespace)).collect()
                }
                Body::Cilium(rules) => {
                    let subjects = rules.iter().filter_map(|rule| match &rule.subject {
                        CiliumSubject::Pods(selectors) => Some(selectors),
                        CiliumSubject::Nodes | CiliumSubject::Unknown => None,
                    });
                    subjects.filter_map(|subject| by_selectors(subject, namespace)).collect()
                }
                Body::Calico(policy) => {
                    let Some(subject) = &policy.subject else { return Vec::new() };
                    let is_for = policy.is_aimed() && policy.is_for(namespace, &labels_of(namespace));
                    let is_there = there(namespace).any(|labels| subject.expr.means(namespace, labels));
                    (is_for && !is_there).then(|| policy.example()).flatten().into_iter().collect()
                }
                Body::Tier(_) | Body::Set(_) | Body::Shown => Vec::new(),
            }
        };
        let mine = namespaces.iter().filter(|namespace| own.is_none_or(|own| own == **namespace));
        mine.flat_map(|namespace| one(namespace).into_iter().map(move |labels| (*namespace, labels))).collect()
    }
}
