//! Agents on the nodes: does each node of the zone have one that reads standard output, and one that watches at run time, where the
//! zone declares them (PCI DSS 10.2.1, 10.4.1.1, 11.5.1). Whether they read and send what they should is not seen here.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Found, hosting};
use crate::{
    api::{Falco, FindingId, Logging},
    engine::{
        plan::{node_subject, zone_subject},
        pod::Pod,
        readiness::Readiness,
        retention::answer::shown,
    },
};

/// What a pod of an agent does for its node; the best comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    NotReady,
    Leaving,
    There,
}

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let Some(logs) = &case.declaration.logs else { return };
    let nodes = nodes(case);
    if let Some(agent) = &logs.node_agent {
        let lacks = "what pods there write to standard output is not collected";
        found.extend(blind(case, &nodes, FindingId::LogAgentBlindNode, &agent.namespace, &agent.daemon_set, lacks));
    }
    if let Some(sensor) = &logs.runtime_sensor {
        let Falco { namespace, daemon_set, .. } = &sensor.falco;
        let lacks = "nothing there is watched at run time";
        found.extend(blind(case, &nodes, FindingId::RuntimeSensorBlindNode, namespace, daemon_set, lacks));
        found.extend(kept(case, logs, &sensor.falco));
    }
}

/// The nodes that are ready and belong to the zone; where it declares none, those that its pods run on. A node that was not shown is
/// none of them.
fn nodes<'a>(case: &'a Case) -> BTreeSet<&'a str> {
    let own = &case.zone.nodes;
    let is_shared = case.declaration.nodes.is_none() && own.held.is_empty();
    let run_on = case.pods.iter().filter(|pod| is_shared && case.has_namespace(pod.namespace()));
    let run_on = run_on.filter_map(|pod| pod.node.as_deref());
    let nodes: BTreeSet<&str> = own.declared.iter().chain(&own.held).map(String::as_str).chain(run_on).collect();
    let is_up = |name: &&str| case.snapshot.nodes.get(*name).is_some_and(|node| !hosting::is_down(node));
    nodes.into_iter().filter(is_up).collect()
}

/// The nodes without a pod of a `DaemonSet` that is ready: at most as many as the zone has, like other findings about nodes.
fn blind(
    case: &Case,
    nodes: &BTreeSet<&str>,
    id: FindingId,
    namespace: &str,
    daemon_set: &str,
    lacks: &str,
) -> Vec<Found> {
    let owner = format!("DaemonSet/{daemon_set}");
    let is_of = |pod: &&Pod| !pod.ended && pod.owner.as_deref() == Some(&*owner);
    let pods: Vec<&Pod> = case.snapshot.pods_in(namespace).filter(is_of).collect();
    // It stands for a DaemonSet in a file of which no pod was shown: that would come to every node.
    if pods.iter().any(|pod| pod.node.is_none() && pod.ready == Readiness::Unknown) {
        return Vec::new();
    }
    let mut best: BTreeMap<&str, (State, &Pod)> = BTreeMap::new();
    for pod in &pods {
        let Some(node) = pod.node.as_deref() else { continue };
        let seen = (state(pod), *pod);
        let known = best.entry(node).or_insert(seen);
        if seen.0 > known.0 {
            *known = seen;
        }
    }
    let what = format!("DaemonSet {}/{}", shown(namespace), shown(daemon_set));
    let blind = nodes.iter().filter_map(|node| {
        let seen = best.get(node);
        let why = match seen {
            Some((State::There, _)) => return None,
            Some((State::Leaving, _)) => format!("The pod of {what} on the node is being deleted"),
            Some((State::NotReady, _)) => format!("The pod of {what} on the node is not ready"),
            None => format!("No pod of {what} is on the node"),
        };
        let evidence = match seen {
            Some((_, pod)) => format!("pod {}", pod.name()),
            None if pods.is_empty() => "it has no pod on any node".to_string(),
            None => String::new(),
        };
        Some(Found::new(id, node_subject(node), format!("{why}, so {lacks}.")).with_evidence(evidence))
    });
    blind.collect()
}

/// Of a manifest that no API server has seen nothing tells that it is not ready: it counts as there.
fn state(pod: &Pod) -> State {
    match pod.ready {
        _ if pod.leaving.is_some() => State::Leaving,
        Readiness::Ready | Readiness::Unknown => State::There,
        Readiness::Not => State::NotReady,
    }
}

/// Whether what the sensor sees is kept is only said, by the name of a sink; that it arrives there nobody asked.
fn kept(case: &Case, logs: &Logging, falco: &Falco) -> Option<Found> {
    let message = match &falco.sink {
        None => "Where what the runtime sensor sees is kept is not said: spec.logging.runtimeSensor.falco.sink names no sink."
            .to_string(),
        Some(name) if logs.sinks.iter().any(|sink| sink.name == *name) => return None,
        Some(name) => format!(
            "spec.logging.runtimeSensor.falco.sink names the sink {}, which spec.logging.sinks does not have.",
            shown(name)
        ),
    };
    Some(Found::new(FindingId::RuntimeEventsUnproven, zone_subject(case.name), message))
}
