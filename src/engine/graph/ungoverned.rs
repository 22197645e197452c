//! Edges that no NetworkPolicy governs: doors of hosts, Services and routes, and rights at the API server.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::{Edge, EdgeKind, all_of, declared::edge};
use crate::{
    api::FindingId,
    engine::{
        Resolution, Snapshot,
        answers::{self, Answer},
        change::count,
        checks::Found,
        reach::{
            Reach, Terms,
            described::pods_with,
            doors::{Door, Kind, Services, doors as doors_of},
            words::{few, ports},
        },
        resolve::Zone,
    },
};

/// Rights that lead into pods, and what they are called in a picture.
const RIGHTS: [(FindingId, &str); 6] = [
    (FindingId::ExecGranted, "exec and attach"),
    (FindingId::PortForwardGranted, "port-forward"),
    (FindingId::PodOrServiceProxyGranted, "proxy"),
    (FindingId::DebugGranted, "containers for debugging"),
    (FindingId::ImpersonateOrEscalateGranted, "acting as somebody else, or granting more"),
    (FindingId::BlanketAdminBinding, "every right there is"),
];

/// The doors into the pods of zones. Nodes of one zone are one end: each lets itself through to its own pods, whatever policies
/// say.
pub(super) fn doors(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> Vec<Edge> {
    let reach = Reach::new(snapshot);
    let services = Services::new(snapshot);
    let all = doors_of(snapshot, &reach, &services, |namespace| resolution.zone_of(namespace).is_some());
    let mut nodes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut edges = Vec::new();
    for door in &all {
        let zones: BTreeSet<&str> = door.to.iter().filter_map(|pod| resolution.zone_of(pod.namespace())).collect();
        for zone in zones {
            if let Kind::OwnNode { node, .. } = &door.kind {
                nodes.entry(zone).or_default().insert(node);
            } else {
                edges.push(outer(door, zone, &reach, resolution, now));
            }
        }
    }
    let zones: BTreeSet<&str> = resolution.zones().map(|(name, _)| name).collect();
    edges.extend(zones.into_iter().map(|zone| {
        let named = nodes.get(zone).map(BTreeSet::len).unwrap_or_default();
        let from = if named == 0 {
            "the node of each pod".to_string()
        } else {
            format!("the node of each pod ({})", count(named, "node"))
        };
        Edge {
            from,
            to: all_of(zone),
            ports: "every port".to_string(),
            need: Some("The kubelet probes its pods; no NetworkPolicy denies a node its own pods.".to_string()),
            ..edge(EdgeKind::Door, zone, "own node")
        }
    }));
    edges
}

fn outer(door: &Door, zone: &str, reach: &Reach, resolution: &Resolution, now: Timestamp) -> Edge {
    let keys = door.to.iter().filter(|pod| resolution.zone_of(pod.namespace()) == Some(zone)).map(|pod| &*pod.key);
    let classes = keys.filter_map(|key| reach.population.pod(key)).map(|(_, class)| class).collect();
    let from = match &door.kind {
        Kind::HostNetwork | Kind::HostPort(..) => format!("{} of {}", door.words(), door.by()),
        _ => door.words(),
    };
    let to = match &door.kind {
        Kind::Service { service, .. } | Kind::Route { service, .. } if !service.selector.is_empty() => {
            let labels = service.selector.iter().map(|(key, value)| (&**key, &**value));
            pods_with(&Terms::labels(labels), service.namespace())
        }
        _ => reach.described(&classes),
    };
    let declaration = resolution.zone(zone).and_then(|zone| zone.declaration.as_deref());
    let answers = declaration.map(|declaration| {
        let flows = match &door.kind {
            // On its node's network a pod is open on every port, and what is written by hand leads past flows.
            Kind::HostNetwork | Kind::Endpoints(_) => Vec::new(),
            _ => answers::declaring(declaration, door, &door.to, now),
        };
        flows.into_iter().chain(answers::excepted(declaration, FindingId::ALL, &door.by(), now))
    });
    let edge = Edge { from, to, ports: ports(&door.ports), ..edge(EdgeKind::Door, zone, door.by()) };
    answered(edge, answers.into_iter().flatten().next())
}

/// What a flow or an exception says of an edge.
fn answered(edge: Edge, answer: Option<Answer>) -> Edge {
    let Some(Answer { owner, approved_by, control, declared_in, until }) = answer else { return edge };
    let approval = approved_by.map(|by| format!("{by} by {declared_in}"));
    Edge { need: Some(control), owner, approval, expires_at: until, ..edge }
}

/// Rights to get into pods through the API server: whoever has one is past every policy.
pub(super) fn rights(name: &str, zone: &Zone, found: &[Found], now: Timestamp) -> Vec<Edge> {
    let right = |(id, word): &(FindingId, &str)| {
        let by: Vec<String> = found.iter().filter(|one| one.id == *id).map(|one| one.subject.clone()).collect();
        let answer = |subject: &String| {
            let declaration = zone.declaration.as_deref()?;
            answers::excepted(declaration, &[*id], subject, now).into_iter().next()
        };
        // One that nobody answers for is not hidden behind those that somebody does.
        let (borne, bare): (Vec<_>, Vec<_>) =
            by.into_iter().map(|by| (answer(&by), by)).partition(|(answer, _)| answer.is_some());
        let edge = |by: String, answer| {
            let edge = Edge {
                from: "people and programs, through the API server".to_string(),
                to: all_of(name),
                ports: (*word).to_string(),
                ..edge(EdgeKind::ApiServer, name, by)
            };
            answered(edge, answer)
        };
        let bare: Vec<String> = bare.into_iter().map(|(_, by)| by).collect();
        let together = (!bare.is_empty()).then(|| edge(few(&bare), None));
        together.into_iter().chain(borne.into_iter().map(|(answer, by)| edge(by, answer))).collect::<Vec<_>>()
    };
    RIGHTS.iter().flat_map(right).collect()
}
