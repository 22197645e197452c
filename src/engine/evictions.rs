//! Which misplaced pods are to be evicted now.

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
    checks::Case,
    dates::later,
    misplaced::{Misplaced, is_to_leave},
    snapshot::Snapshot,
};

/// A pod to evict, and for which zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// The zone.
    pub zone: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
    /// Why.
    pub why: Misplaced,
}

/// How soon it is looked again while a pod is to leave: what it waits for may concern no zone, and then nothing tells of it.
pub const AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// How long a pod that does not go away holds up others of its namespace.
const STUCK: SignedDuration = SignedDuration::from_mins(5);

/// Which pods of a zone are to be evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evictions {
    /// Any of these, one at a time.
    pub now: Vec<Eviction>,
    /// There are more, and something has to happen before.
    pub later: bool,
}

/// Namespaces that wait for what an eviction, or something else, set off.
#[derive(Debug, Default)]
pub struct Waiting<'a> {
    /// A pod leaves.
    leaving: BTreeSet<&'a str>,
    /// A pod has no node yet.
    homeless: BTreeSet<&'a str>,
}

impl<'a> Waiting<'a> {
    /// Looks at all pods.
    pub fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let mut waiting = Waiting::default();
        for pod in snapshot.pods.iter().filter(|pod| !pod.ended) {
            if pod.leaving.is_some_and(|until| now < later(until, STUCK)) {
                waiting.leaving.insert(pod.namespace());
            }
            // A DaemonSet's pod has one node or none, and takes no other pod's place.
            if pod.node.is_none() && pod.leaving.is_none() && !pod.is_of_daemon_set() {
                waiting.homeless.insert(pod.namespace());
            }
        }
        waiting
    }

    /// Whether a pod of a namespace has to wait. What others cannot place is no reason to leave their pods where they may not be.
    fn holds_up(&self, namespace: &str, why: Misplaced) -> bool {
        self.leaving.contains(namespace) || why == Misplaced::Off && self.homeless.contains(namespace)
    }
}

/// The pods that are to be evicted, of those that concern the zone. Nothing while the guards are not seen at work, or a node
/// of the zone is not in place; and where none is there, its own pods stay where they are.
pub fn evictions(case: &Case, waiting: &Waiting) -> Evictions {
    let mut evictions = Evictions::default();
    if !case.declaration.evict_misplaced || case.is_guarding_late() || !case.node_writes.is_empty() {
        return evictions;
    }
    let has_node = case.zone.nodes.held.iter().any(|node| case.snapshot.nodes.contains_key(node));
    let operator = &case.snapshot.cluster.operator_namespace;
    for pod in &case.pods {
        let why = is_to_leave(case.declaration, case.resolution, operator, pod, case.now);
        let Some(why) = why.filter(|why| has_node || *why != Misplaced::Off) else { continue };
        if waiting.holds_up(pod.namespace(), why) {
            evictions.later = true;
            continue;
        }
        let (namespace, name) = (pod.namespace().to_string(), pod.name().to_string());
        evictions.now.push(Eviction { zone: case.name.to_string(), namespace, name, why });
    }
    evictions
}
