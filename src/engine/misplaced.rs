//! Which pods run where they may not, and which of them are to be evicted.
//!
//! The guards keep a pod from getting there. What they do not reach is judged here: pods that were there before, static pods,
//! whatever `kube-system` brings along, and workloads whose time is over.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
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
    match (own, here) {
        (true, false) => (pod.node.is_some() && has_nodes()).then_some(Misplaced::Off),
        (_, true) if pod.is_static => Some(Misplaced::Static),
        (false, true) if strangers::names_workload(zone, pod.namespace(), pod.owner.as_deref(), now) => None,
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

/// Whether a zone wants this pod away. Not while what comes in its place may land there again: only where hosting is
/// enforced, and by guards that were seen at work.
pub fn is_to_leave(
    zone: &Declaration,
    resolution: &Resolution,
    operator_namespace: &str,
    pod: &Pod,
    now: Timestamp,
) -> Option<Misplaced> {
    let wants = zone.evict_misplaced && zone.armed && zone.dedicates() && zone.segments();
    if !wants || zone.hosting != Mode::Enforce || zone.segmentation != Mode::Enforce || pod.leaving || pod.ended {
        return None;
    }
    let why = misplaced(zone, resolution, operator_namespace, pod, now)?;
    matches!(why, Misplaced::Off | Misplaced::Foreign).then_some(why).filter(|_| !pod.is_static)
}

/// How soon it is looked again while a pod is to leave: what it waits for may concern no zone, and then nothing tells of it.
pub const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// What of a zone's pods is to be evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evictions {
    /// Now.
    pub now: Vec<Eviction>,
    /// There are more, and something has to happen before.
    pub later: bool,
}

/// The pods of each zone that are to be evicted; at most one of each namespace now. The next one waits until no pod of its
/// namespace leaves or looks for a node. Where a zone has no node, its pods stay where they are.
pub fn evictions<'a>(
    snapshot: &Snapshot,
    resolution: &Resolution,
    by_zone: &BTreeMap<&'a str, Vec<&Pod>>,
    now: Timestamp,
) -> BTreeMap<&'a str, Evictions> {
    let mut evictions: BTreeMap<&str, Evictions> = BTreeMap::new();
    let mut taken = waiting(snapshot);
    let operator = &snapshot.cluster.operator_namespace;
    for (name, pods) in by_zone {
        let Some(zone) = resolution.zone(name) else { continue };
        let Some(declaration) = zone.declaration.as_deref() else { continue };
        if !snapshot.in_force.contains_key(*name) {
            continue;
        }
        let has_node = zone.nodes.declared.iter().any(|node| snapshot.nodes.contains_key(node));
        for pod in pods {
            let why = is_to_leave(declaration, resolution, operator, pod, now);
            let Some(why) = why.filter(|why| has_node || *why != Misplaced::Off) else { continue };
            let of_zone = evictions.entry(name).or_default();
            if !taken.insert(pod.namespace()) {
                of_zone.later = true;
                continue;
            }
            let (namespace, name) = (pod.namespace().to_string(), pod.name().to_string());
            of_zone.now.push(Eviction { zone: declaration.name.clone(), namespace, name, why });
        }
    }
    evictions
}

/// Namespaces in which a pod leaves or has no node yet. A `DaemonSet`'s pod has one node or none, and takes no other
/// pod's place.
fn waiting(snapshot: &Snapshot) -> BTreeSet<&str> {
    let waits = |pod: &&Pod| !pod.ended && (pod.leaving || pod.node.is_none() && !pod.is_of_daemon_set());
    snapshot.pods.iter().map(AsRef::as_ref).filter(waits).map(Pod::namespace).collect()
}
