//! What tells pods apart, besides what they are: the networks that policies name, and pods that policies would select.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ipnet::IpNet;

use super::{
    Population,
    rules::{networks, selector},
};
use crate::engine::{policy::Policy, snapshot::Snapshot};

/// What tells pods apart. Two clusters that are parted by the same are compared class by class.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// Networks: two pods of one class lie on the same side of each.
    pub(super) networks: BTreeSet<IpNet>,
    /// Pods that a policy would select and that are not there: namespace and labels.
    pub(super) would: BTreeSet<(String, BTreeMap<String, String>)>,
    /// Running pods, by `namespace/name`, that are told apart for another reason.
    pub(super) apart: HashMap<String, u32>,
}

impl Partition {
    /// What the policies of a cluster need, and policies by namespace that are compared with them.
    pub fn new(snapshot: &Snapshot, declared: &BTreeMap<String, Vec<Arc<Policy>>>) -> Self {
        let live = || snapshot.policies.values().flatten();
        let mut named: BTreeSet<IpNet> =
            live().filter_map(|policy| policy.spec.as_deref()).flat_map(networks).collect();
        let specs = declared.values().flatten().filter_map(|policy| policy.spec.as_deref());
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
        let zones: Vec<&str> = declared.keys().filter_map(|name| member(snapshot, name)).collect();
        let others = snapshot.others.iter().flat_map(|other| other.would(snapshot, &zones, &running));
        // What may hold for any pod may hold for those to come.
        let has_others = !snapshot.others.is_empty() || !snapshot.hidden_kinds.is_empty();
        let empty = zones.iter().filter(|name| has_others && !running.contains_key(**name));
        let empty = empty.map(|name| (*name, BTreeMap::new()));
        let would = would.chain(others).chain(empty).map(|(namespace, labels)| (namespace.to_string(), labels));
        Partition { networks: named, would: would.collect(), apart: HashMap::new() }
    }

    /// Pods of every value that the selectors of NetworkPolicies name, also where others that they mean are there: a change of one
    /// value is a change for those to come.
    pub fn with_each_value(mut self, snapshot: &Snapshot) -> Self {
        let mut running: BTreeMap<&str, BTreeSet<&BTreeMap<String, String>>> = BTreeMap::new();
        for pod in snapshot.pods.iter().filter(|pod| !pod.ended && !pod.shares.network) {
            running.entry(pod.namespace()).or_default().insert(&pod.labels);
        }
        for policy in snapshot.policies.values().flatten() {
            let (Some(namespace), Some(spec)) = (policy.metadata.namespace.as_deref(), policy.spec.as_deref()) else {
                continue;
            };
            let Some(terms) = selector(spec) else { continue };
            for one in terms.each_value().into_iter().chain(terms.each_exception()) {
                let is_there = running.get(namespace).into_iter().flatten().any(|labels| one.matches(labels));
                if let Some(labels) = one.example().filter(|_| !is_there) {
                    self.would.insert((namespace.to_string(), labels));
                }
            }
        }
        self
    }

    /// What both need.
    pub fn and(mut self, other: Self) -> Self {
        self.networks.extend(other.networks);
        self.would.extend(other.would);
        self
    }

    /// Pods of one class are of one class in another cluster too, or are not there.
    pub fn as_in(&self, other: &Population) -> Self {
        let classes = other.classes().flat_map(|(number, class)| class.pods.iter().map(move |pod| (pod, number)));
        let apart = classes.map(|(pod, number)| (pod.key.to_string(), number)).collect();
        Partition { apart, ..self.clone() }
    }
}

/// The name of a namespace that is there, or that a policy lies in, as long as the snapshot lives.
pub(super) fn member<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a str> {
    let namespace = snapshot.namespaces.get_key_value(name).map(|(name, _)| name.as_str());
    namespace.or_else(|| snapshot.policies.get_key_value(name).map(|(name, _)| name.as_str()))
}
