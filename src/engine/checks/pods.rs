//! Pods: where they run, and what of their node they share. One finding per workload, so that it stays the same while one pod
//! takes the place of another.

use std::collections::BTreeMap;

use super::{Case, Found, hardening};
use crate::{
    api::{FindingId, names},
    engine::{
        change::count,
        misplaced::{Misplaced, misplaced},
        ownership,
        plan::namespace_subject,
        pod::Pod,
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let mut seen: BTreeMap<(FindingId, String), Vec<&Pod>> = BTreeMap::new();
    for pod in &case.pods {
        for id in ids(case, pod) {
            seen.entry((id, pod.subject())).or_default().push(pod);
        }
    }
    found.extend(seen.into_iter().map(|((id, subject), pods)| of_workload(case, id, subject, &pods)));
    earlier(case, found);
}

/// What is wrong with a pod.
fn ids(case: &Case, pod: &Pod) -> Vec<FindingId> {
    let operator = &case.snapshot.cluster.operator_namespace;
    let place = misplaced(case.declaration, case.resolution, operator, pod, case.now);
    let mut ids: Vec<FindingId> = place.into_iter().map(id).collect();
    ids.extend(hardening::ids(case, pod, is_own(case, pod)));
    if !is_own(case, pod) {
        return ids;
    }
    if place.is_none() && pod.node.is_some() && case.declaration.nodes.is_some() && !asks_for_zone(case, pod) {
        ids.push(FindingId::PodPlacementNotEnforced);
    }
    ids
}

fn id(place: Misplaced) -> FindingId {
    match place {
        Misplaced::Off => FindingId::PodOffZoneNode,
        Misplaced::Foreign => FindingId::ForeignPodOnZoneNode,
        Misplaced::System => FindingId::SystemPodOnZoneNode,
        Misplaced::Static => FindingId::StaticPodOnZoneNode,
    }
}

fn is_own(case: &Case, pod: &Pod) -> bool {
    case.has_namespace(pod.namespace())
}

fn asks_for_zone(case: &Case, pod: &Pod) -> bool {
    pod.zone.as_deref() == Some(case.name)
}

fn of_workload(case: &Case, id: FindingId, subject: String, pods: &[&Pod]) -> Found {
    let is_own = pods.first().is_some_and(|pod| is_own(case, pod));
    let does = match id {
        FindingId::PodOffZoneNode => "of the zone, and on a node that is none of the zone's",
        FindingId::ForeignPodOnZoneNode => "of others, and on a node of the zone",
        FindingId::SystemPodOnZoneNode => "on a node of the zone, and not named in spec.hosting.admits",
        FindingId::StaticPodOnZoneNode => "on a node of the zone, by a file on that node that no admission has seen",
        FindingId::PodPlacementNotEnforced => "of the zone, and asks for none of its nodes; it is on one by chance",
        _ => &hardening::does(id, is_own),
    };
    let message = match pods.len() {
        1 => format!("One pod is {does}."),
        many => format!("{many} pods are {does}."),
    };
    // The first by name: the next judgement names the same.
    let example = pods.first().map(|pod| {
        let node = pod.node.as_deref().unwrap_or("no node yet");
        let seen = hardening::seen(case, id, pod).map(|seen| format!("{seen}; ")).unwrap_or_default();
        format!("{seen}pod {}, node {node}, made {}", pod.name(), pod.created)
    });
    Found::new(id, subject, message).with_evidence(example.unwrap_or_default())
}

/// Pods that were there before their namespace denied anything: no rule reaches back to a connection that is open.
fn earlier(case: &Case, found: &mut Vec<Found>) {
    let mut earlier: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in case.pods.iter().filter(|pod| is_own(case, pod)) {
        let policies = case.snapshot.policies.get(pod.namespace()).into_iter().flatten();
        let mut baseline = policies.filter(|policy| policy.metadata.name.as_deref() == Some(names::BASELINE));
        let baseline = baseline.find(|policy| ownership::is_managed(&policy.metadata));
        let since = baseline.and_then(|policy| policy.metadata.creation_timestamp.as_ref());
        if since.is_some_and(|since| pod.created < since.0) {
            earlier.entry(pod.namespace()).or_default().push(pod);
        }
    }
    for (namespace, pods) in earlier {
        let message = format!("{}, older than the namespace's default deny.", count(pods.len(), "pod"));
        let example = pods.first().map(|pod| format!("pod {}, made {}", pod.name(), pod.created)).unwrap_or_default();
        found.push(
            Found::new(FindingId::PodPredatesPolicy, namespace_subject(namespace), message).with_evidence(example),
        );
    }
}
