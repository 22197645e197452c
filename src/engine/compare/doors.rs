//! Ways in that no NetworkPolicy governs, and that are there on one side only. A pod's own node is always one, and says nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{Side, twins::Twins};
use crate::{
    api::FindingId,
    engine::{
        answers,
        reach::{
            Reach,
            doors::{Door, Kind, Services, Way, doors},
            words::{few, ports},
        },
        route,
    },
};

/// A way in that opens or closes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoorMove {
    /// The object that makes it.
    pub by: String,
    /// The way in, in words.
    pub door: String,
    /// The pods behind it, by namespace and name.
    pub pods: Vec<String>,
    /// Their ports that it leads to, in words.
    pub ports: String,
    /// The declared flows and the exceptions that speak of it; none where nobody answers for it.
    pub flows: Vec<String>,
    /// All of it in a sentence.
    pub words: String,
}

/// What a door is told by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    by: String,
    door: String,
    on: String,
    /// Whom it lets through, by every name and address.
    detail: String,
    pods: Vec<String>,
}

/// Doors, and who answers for each.
type Doors = BTreeMap<Key, Vec<String>>;

/// What is new, and what is gone.
pub(super) fn compare(
    twins: &Twins,
    before: &Side,
    after: &Side,
    is_meant: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> (Vec<DoorMove>, Vec<DoorMove>) {
    let (was, is) = (all(before, &twins.before, is_meant, now), all(after, &twins.after, is_meant, now));
    let only = |some: &Doors, others: &Doors, verb: &str| -> Vec<DoorMove> {
        let mut moves: Vec<DoorMove> = some
            .iter()
            .filter(|(key, _)| !others.contains_key(key))
            .map(|(key, flows)| said(key, flows, verb))
            .collect();
        // What nobody answers for comes first.
        moves.sort_by(|one, other| (!one.flows.is_empty(), one).cmp(&(!other.flows.is_empty(), other)));
        moves
    };
    (only(&is, &was, "opens"), only(&was, &is, "closes"))
}

fn all(side: &Side, reach: &Reach, is_meant: &dyn Fn(&str) -> bool, now: Timestamp) -> Doors {
    let services = Services::new(side.snapshot);
    let all = doors(side.snapshot, reach, &services, is_meant);
    let outer = all.iter().filter(|door| !matches!(door.kind, Kind::OwnNode { .. }));
    // One for each object: the classes of its pods say nothing here.
    let mut merged: BTreeMap<Key, (BTreeSet<String>, Vec<String>)> = BTreeMap::new();
    for door in outer {
        let key = Key {
            by: door.by(),
            door: door.words(),
            on: ports(&door.ports),
            detail: detail(&door.kind),
            pods: Vec::new(),
        };
        let (pods, flows) = merged.entry(key).or_default();
        pods.extend(door.to.iter().map(|pod| pod.key.to_string()));
        flows.extend(answering(side, door, now));
    }
    let door = |(key, (pods, flows)): (Key, (BTreeSet<String>, Vec<String>))| {
        let flows: BTreeSet<String> = flows.into_iter().collect();
        (Key { pods: pods.into_iter().collect(), ..key }, flows.into_iter().collect())
    };
    merged.into_iter().map(door).collect()
}

/// Flows and exceptions of the zone that speak of a door.
fn answering(side: &Side, door: &Door, now: Timestamp) -> Vec<String> {
    let namespace = door.to.first().map(|pod| pod.namespace()).unwrap_or_default();
    let zone = side.zone(namespace).and_then(|name| side.resolution.zone(name));
    let Some(declaration) = zone.and_then(|zone| zone.declaration.as_deref()) else { return Vec::new() };
    let flows = match &door.kind {
        // On its node's network a pod is open on every port, and what is written by hand leads past flows.
        Kind::HostNetwork | Kind::Endpoints(_) => Vec::new(),
        _ => answers::declaring(declaration, door, &door.to, now),
    };
    let exceptions = answers::excepted(declaration, FindingId::ALL, &door.by(), now);
    flows.into_iter().chain(exceptions).map(|answer| answer.declared_in).collect()
}

/// All that a door says of whom it lets through, where its words are short.
fn detail(kind: &Kind) -> String {
    let list = |all: Vec<String>| all.join(", ");
    match kind {
        Kind::Service { service, way, .. } => {
            let leads = service.leads.as_deref();
            match way {
                Way::NodePort => String::new(),
                Way::LoadBalancer => {
                    let ranges = leads.and_then(|leads| leads.load_balancer.as_ref()).map(|one| &one.ranges);
                    let ranges: Vec<String> = ranges.into_iter().flatten().map(ToString::to_string).collect();
                    if ranges.is_empty() { "everybody".to_string() } else { list(ranges) }
                }
                Way::ExternalIp => {
                    list(leads.into_iter().flat_map(|leads| &leads.external_ips).map(ToString::to_string).collect())
                }
            }
        }
        Kind::Route { route, service } => {
            let backends = || route.backends.iter().filter(|backend| backend.service == service.key);
            let paths: BTreeSet<String> =
                backends().flat_map(|backend| &backend.paths).map(ToString::to_string).collect();
            let hosts = list(route.hosts());
            if backends().any(|backend| backend.paths.is_empty()) {
                return hosts;
            }
            let paths = list(paths.into_iter().collect());
            // The paths of an Ingress name their hosts.
            if route.kind == route::Kind::Ingress { paths } else { format!("{hosts}: {paths}") }
        }
        Kind::OwnNode { .. } | Kind::HostNetwork | Kind::HostPort(..) | Kind::Endpoints(_) => String::new(),
    }
}

fn said(key: &Key, flows: &[String], verb: &str) -> DoorMove {
    let Key { by, door, on, detail, pods } = key;
    let whom =
        if detail.is_empty() || door.contains(detail.as_str()) { String::new() } else { format!(", for {detail}") };
    let coverage = match (verb, flows) {
        ("opens", []) => "; nobody answers for it".to_string(),
        (_, []) => String::new(),
        (_, flows) => format!("; declared by {}", few(flows)),
    };
    let words = format!("{verb} a door to pods {} on {on}: {door}{whom} ({by}){coverage}", few(pods));
    DoorMove { by: by.clone(), door: door.clone(), pods: pods.clone(), ports: on.clone(), flows: flows.to_vec(), words }
}
