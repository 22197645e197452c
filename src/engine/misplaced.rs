//! Which pods run where they may not, and which of them are to be evicted.
//!
//! The guards keep a pod from getting there. What they do not reach is judged here: pods that were there before, static pods,
//! whatever `kube-system` brings along, and workloads whose time is over.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
    checks::{Case, segmentation::later},
    declaration::Declaration,
    desired::admission::strangers,
    pod::Pod,
    resolve::{Claim, Resolution, Zone},
    snapshot::Snapshot,
};
use crate::api::{Mode, names};

/// What is wrong with where a pod runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misplaced {
    /// The zone's, on a node that is not.
    Off,
    /// Somebody else's, on a node of the zone.
    Foreign,
    /// What the cluster or the operator itself needs, on a node of the zone.
    System,
    /// Started by a file on a node of the zone.
    Static,
}

/// Pods of a snapshot by the zones that they concern: those of its namespaces, and those on its nodes.
pub fn by_zone<'a>(snapshot: &'a Snapshot, resolution: &'a Resolution) -> BTreeMap<&'a str, Vec<&'a Pod>> {
    let mut all: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    // What has ended runs nowhere.
    for pod in snapshot.pods.iter().map(AsRef::as_ref).filter(|pod| !pod.ended) {
        let [own, here] = concerned(resolution, pod);
        for zone in own.into_iter().chain(here.filter(|zone| Some(*zone) != own)) {
            all.entry(zone).or_default().push(pod);
        }
    }
    all
}

/// The zone that a pod belongs to, and that of the node it is on.
pub fn concerned<'a>(resolution: &'a Resolution, pod: &Pod) -> [Option<&'a str>; 2] {
    let of = |claim: Option<&'a Claim>| claim.filter(|claim| claim.is_member())?.zone.as_deref();
    [of(resolution.namespace(pod.namespace())), pod.node.as_deref().and_then(|node| of(resolution.node(node)))]
}

/// What is wrong with where a pod runs, seen from one zone.
pub fn misplaced(
    zone: &Declaration,
    resolution: &Resolution,
    operator_namespace: &str,
    pod: &Pod,
    now: Timestamp,
) -> Option<Misplaced> {
    let [own, here] = concerned(resolution, pod).map(|found| found == Some(zone.name.as_str()));
    let has_nodes = || zone.nodes.is_some() || resolution.zone(&zone.name).is_some_and(has_nodes);
    let system = [names::SYSTEM_NAMESPACE, operator_namespace];
    let is_admitted = || strangers::admit_of(zone, pod).is_some_and(|admit| admit.expires_at.0 > now);
    match (own, here) {
        (true, false) => (pod.node.is_some() && has_nodes()).then_some(Misplaced::Off),
        (_, true) if pod.is_static => (!is_admitted()).then_some(Misplaced::Static),
        (false, true) if is_admitted() => None,
        (false, true) if system.contains(&pod.namespace()) => Some(Misplaced::System),
        (false, true) => Some(Misplaced::Foreign),
        (_, _) => None,
    }
}

fn has_nodes(zone: &Zone) -> bool {
    !zone.nodes.declared.is_empty() || !zone.nodes.held.is_empty()
}

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

/// Whether a zone wants this pod away. Only where what comes in its place cannot land there again: hosting is enforced, and the pod's
/// namespace, or the node that it is on, is under the zone's protection. What was admitted until a while ago is told and not
/// evicted: nobody's network goes because a date has passed.
pub fn is_to_leave(
    zone: &Declaration,
    resolution: &Resolution,
    operator_namespace: &str,
    pod: &Pod,
    now: Timestamp,
) -> Option<Misplaced> {
    let enforces = zone.hosting == Mode::Enforce && zone.segmentation == Mode::Enforce;
    let wants = zone.evict_misplaced && zone.armed && zone.dedicates() && enforces && !pod.is_static;
    if !wants || pod.leaving.is_some() || pod.ended {
        return None;
    }
    let why = misplaced(zone, resolution, operator_namespace, pod, now)?;
    let held = |claim: Option<&Claim>| claim.is_some_and(|claim| claim.held);
    let stays_away = match why {
        Misplaced::Off => held(resolution.namespace(pod.namespace())),
        Misplaced::Foreign => {
            pod.node.as_deref().is_some_and(|node| held(resolution.node(node)))
                && strangers::admit_of(zone, pod).is_none()
        }
        Misplaced::System | Misplaced::Static => false,
    };
    stays_away.then_some(why)
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
