//! Which pods run where they may not, and which of them a zone wants away.
//!
//! The guards keep a pod from getting there. What they do not reach is judged here: pods that were there before, static pods,
//! whatever `kube-system` brings along, and workloads whose time is over.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

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
    let is_admitted = || is_admitted(zone, pod, now);
    match (own, here) {
        (true, false) => (pod.node.is_some() && has_nodes()).then_some(Misplaced::Off),
        (_, true) if pod.is_static => (!is_admitted()).then_some(Misplaced::Static),
        (false, true) if is_admitted() => None,
        (false, true) if system.contains(&pod.namespace()) => Some(Misplaced::System),
        (false, true) => Some(Misplaced::Foreign),
        (_, _) => None,
    }
}

/// The zone admits the workload of the pod to its nodes.
pub fn is_admitted(zone: &Declaration, pod: &Pod, now: Timestamp) -> bool {
    strangers::admit_of(zone, pod).is_some_and(|admit| admit.expires_at.0 > now)
}

fn has_nodes(zone: &Zone) -> bool {
    !zone.nodes.declared.is_empty() || !zone.nodes.held.is_empty()
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
