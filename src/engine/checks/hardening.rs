//! What a pod could do to the nodes of a zone, and from there to everything on them (PCI DSS 2.2.3, 2.2.6).

use super::{Case, access::some};
use crate::{
    api::FindingId,
    engine::{desired::node::our_taints, misplaced, ownership, pod::Pod, powers::HostPath},
};

/// Paths, capabilities and containers in a piece of evidence.
const LISTED: usize = 3;

/// What is wrong with a pod of the zone, or one of others on its nodes that the zone does not admit.
pub(super) fn ids(case: &Case, pod: &Pod, is_own: bool) -> Vec<FindingId> {
    if !is_own && misplaced::is_admitted(case.declaration, pod, case.now) {
        return Vec::new();
    }
    let (powers, shares) = (&pod.powers, pod.shares);
    let has_path = |leads: bool| powers.paths.iter().any(|path| path.leads_to_runtime() == leads);
    let everybodys = [
        (shares.processes, FindingId::HostNamespacesShared),
        (powers.privileged, FindingId::PrivilegedPodOnZoneNode),
        (powers.host_process, FindingId::WindowsHostProcess),
        (has_path(true), FindingId::RuntimeSocketMounted),
        (has_path(false), FindingId::HostPathMounted),
        (past_scheduler(case, pod).is_some(), FindingId::PodBypassesScheduler),
    ];
    let own = [
        (shares.network, FindingId::HostNetworkPod),
        (shares.port, FindingId::HostPortExposed),
        (!powers.capabilities.is_empty(), FindingId::DangerousCapability),
        (!powers.added.is_empty(), FindingId::EphemeralContainerPresent),
        (powers.networks.is_some(), FindingId::SecondaryNetworkUnfiltered),
    ];
    let others = [
        (shares.network, FindingId::HostNetworkPodOnZoneNode),
        (powers.tolerates_everything(), FindingId::PodToleratesEverything),
    ];
    let whose = if is_own { own.as_slice() } else { others.as_slice() };
    everybodys.iter().chain(whose).filter(|(is_so, _)| *is_so).map(|(_, id)| *id).collect()
}

/// What is wrong, behind "One pod is".
pub(super) fn does(id: FindingId, is_own: bool) -> String {
    let does = match id {
        FindingId::HostNetworkPod => "and uses the network of its node",
        FindingId::HostPortExposed => "and opens a port of its node",
        FindingId::HostNamespacesShared => "and shares processes or memory with its node",
        FindingId::HostNetworkPodOnZoneNode => "and on the network of that node",
        FindingId::PrivilegedPodOnZoneNode => "with a privileged container",
        FindingId::WindowsHostProcess => "with a container that is a process of its node",
        FindingId::RuntimeSocketMounted => {
            "with the socket of the container runtime mounted, or a directory that has it"
        }
        FindingId::HostPathMounted => "with files of its node mounted",
        FindingId::PodBypassesScheduler => "and where the scheduler would not have placed it",
        FindingId::PodToleratesEverything => "and tolerates every taint",
        FindingId::DangerousCapability => "with capabilities that reach past a container",
        FindingId::EphemeralContainerPresent => "with a container that was added while it ran",
        _ => {
            "with further network interfaces, for which no NetworkPolicy holds; whether a MultiNetworkPolicy does was not read"
        }
    };
    let whose = if is_own { "of the zone," } else { "of others, on a node of the zone," };
    format!("{whose} {does}")
}

/// What was seen of it.
pub(super) fn seen(case: &Case, id: FindingId, pod: &Pod) -> Option<String> {
    let powers = &pod.powers;
    let paths = |leads: bool| {
        let paths = powers.paths.iter().filter(|path| path.leads_to_runtime() == leads).map(path);
        some(&paths.collect::<Vec<_>>(), LISTED)
    };
    match id {
        FindingId::RuntimeSocketMounted => Some(paths(true)),
        FindingId::HostPathMounted => Some(paths(false)),
        FindingId::DangerousCapability => Some(some(&powers.capabilities, LISTED)),
        FindingId::EphemeralContainerPresent => Some(format!("container {}", some(&powers.added, LISTED))),
        FindingId::SecondaryNetworkUnfiltered => powers.networks.as_deref().map(|asked| format!("networks {asked}")),
        FindingId::PodBypassesScheduler => past_scheduler(case, pod),
        _ => None,
    }
}

fn path(HostPath { read_only, path }: &HostPath) -> String {
    format!("{path} ({})", if *read_only { "read-only" } else { "writable" })
}

/// Why the scheduler would not have placed a pod on the node of the zone that it is on. Only of pods that came after the node was
/// written last: before that its labels and taints may have been others. Kubelets ask no scheduler for static pods.
fn past_scheduler(case: &Case, pod: &Pod) -> Option<String> {
    let [_, here] = misplaced::concerned(case.resolution, pod);
    let node = case.snapshot.nodes.get(pod.node.as_deref()?)?;
    let is_younger = ownership::last_write(&node.metadata).is_some_and(|written| pod.created > written);
    if here != Some(case.name) || pod.is_static || !is_younger {
        return None;
    }
    let mut taints = our_taints(node).filter(|taint| taint.value.as_deref() == Some(case.name));
    if let Some(taint) = taints.find(|taint| !pod.powers.tolerates(case.name, &taint.effect)) {
        return Some(format!("it does not tolerate {}={}:{}", taint.key, case.name, taint.effect));
    }
    let mut selector = pod.powers.selector.iter();
    let missed = selector.find(|(key, value)| ownership::label(&node.metadata, key) != Some(value));
    missed.map(|(key, value)| format!("it selects {key}={value}"))
}
