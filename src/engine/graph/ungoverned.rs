//! Edges that no NetworkPolicy governs: doors of hosts, Services and routes, and rights at the API server.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, EdgeKind, all_of, declared::edge};
use crate::{
    api::FindingId,
    engine::{
        Resolution, Snapshot,
        change::count,
        checks::Found,
        reach::{
            Reach, Terms,
            described::pods_with,
            doors::{Door, Kind, Services, doors as doors_of},
            words::{few, ports},
        },
    },
};

/// Rights that lead into pods, and what they are called in a picture.
const RIGHTS: [(FindingId, &str); 3] = [
    (FindingId::ExecGranted, "exec and attach"),
    (FindingId::PortForwardGranted, "port-forward"),
    (FindingId::PodOrServiceProxyGranted, "proxy"),
];

/// The doors into the pods of zones. Nodes of one zone are one end: each lets itself through to its own pods, whatever policies
/// say.
pub(super) fn doors(snapshot: &Snapshot, resolution: &Resolution) -> Vec<Edge> {
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
                edges.push(outer(door, zone, &reach, resolution));
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

fn outer(door: &Door, zone: &str, reach: &Reach, resolution: &Resolution) -> Edge {
    let keys = door.to.iter().filter(|pod| resolution.zone_of(pod.namespace()) == Some(zone)).map(|pod| &*pod.key);
    let classes = keys.filter_map(|key| reach.population.pod(key)).map(|(_, class)| class).collect();
    let from = match &door.kind {
        Kind::HostPort(..) => format!("{} of {}", door.words(), door.by()),
        _ => door.words(),
    };
    let to = match &door.kind {
        Kind::Service { service, .. } | Kind::Route { service, .. } if !service.selector.is_empty() => {
            let labels = service.selector.iter().map(|(key, value)| (&**key, &**value));
            pods_with(&Terms::labels(labels), service.namespace())
        }
        _ => reach.described(&classes),
    };
    Edge { from, to, ports: ports(&door.ports), ..edge(EdgeKind::Door, zone, door.by()) }
}

/// Rights to get into pods through the API server: whoever has one is past every policy.
pub(super) fn rights(name: &str, found: &[Found]) -> Vec<Edge> {
    let right = |(id, word): &(FindingId, &str)| {
        let by: Vec<String> = found.iter().filter(|one| one.id == *id).map(|one| one.subject.clone()).collect();
        (!by.is_empty()).then(|| Edge {
            from: "people and programs, through the API server".to_string(),
            to: all_of(name),
            ports: (*word).to_string(),
            ..edge(EdgeKind::ApiServer, name, few(&by))
        })
    };
    RIGHTS.iter().filter_map(right).collect()
}
