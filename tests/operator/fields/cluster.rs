//! Zones that are all alike, so that every edit of the table has an object of its own.

use futures::future::join_all;
use kube::api::{Patch, PatchParams, PostParams};
use pcizone::{
    api::{PciZone, names},
    engine::desired::admission::{Kind, guard_name},
};
use serde_json::{Value, json};
use testbed::create_node;

use super::table::Target;
use crate::support::Bed;

/// Zones that are made at once.
const AT_ONCE: usize = 16;
const LABELS: [&str; 3] = [names::MANAGED_BY, names::ZONE_LABEL, names::FLOW_LABEL];

/// Name of a zone, of its namespace and of its node.
pub fn name(slot: usize) -> String {
    format!("f-{slot}")
}

/// Where an object of a zone is.
pub fn path(target: Target, slot: usize) -> String {
    let name = name(slot);
    match target {
        Target::Policy(policy) => format!("/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies/{policy}"),
        Target::Namespace => format!("/api/v1/namespaces/{name}"),
        Target::Node => format!("/api/v1/nodes/{name}"),
        Target::Zone => format!("/apis/pcizone.dev/v1alpha1/pcizones/{name}"),
        Target::Guard(kind, guard) => {
            format!("/apis/{}/{}/{}/{}", Kind::GROUP, Kind::VERSION, kind.plural(), guard_name(&name, guard))
        }
    }
}

/// How findings name it.
pub fn subject(target: Target, slot: usize) -> String {
    let name = name(slot);
    match target {
        Target::Policy(policy) => format!("NetworkPolicy/{name}/{policy}"),
        Target::Namespace => format!("Namespace/{name}"),
        Target::Node => format!("Node/{name}"),
        Target::Zone => format!("PciZone/{name}"),
        Target::Guard(kind, guard) => format!("{}/{}", kind.as_str(), guard_name(&name, guard)),
    }
}

fn zone(slot: usize, has_node: bool) -> PciZone {
    let name = name(slot);
    let pods = |app: &str| {
        let expression = json!({ "key": "tier", "operator": "In", "values": ["one", "two"] });
        json!({ "namespace": name, "podSelector": { "matchLabels": { "app": app }, "matchExpressions": [expression] } })
    };
    let ports = json!([{ "port": 8443 }, { "port": 8444, "protocol": "UDP" }]);
    let flow = |flow: &str, from: Value, to: Value| {
        json!({
            "name": flow, "need": "Checkout stores card numbers as tokens in the vault.", "owner": "payments-team",
            "approvedBy": "security@example.com", "ticket": "PAY-1423", "reviewedAt": "2026-10-01T00:00:00Z",
            "expiresAt": "2099-04-01T00:00:00Z", "from": from, "to": to, "ports": ports,
        })
    };
    let everywhere = json!({ "internet": true });
    let flows = json!([
        flow("pods", pods("web"), pods("db")),
        flow("more", pods("web"), pods("db")),
        flow("zone", json!({ "zone": name }), json!({ "zone": name })),
        flow("net-in", everywhere.clone(), pods("web")),
        flow("net-out", pods("web"), everywhere),
    ]);
    let mut zone = json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": name },
        "spec": {
            "mode": "Enforce", "scope": { "namespaces": { "names": [name] } }, "segmentation": { "flows": flows },
        },
    });
    if has_node {
        zone["spec"]["hosting"] = json!({ "nodes": { "names": [name] } });
    }
    serde_json::from_value(zone).expect("a zone")
}

/// Makes so many zones, the first of them with a node, and waits until they are in place.
pub async fn fill(bed: &Bed, zones: usize, nodes: usize) {
    // Nodes first: their addresses are left out of the flows from and to everywhere.
    for slot in 0..nodes {
        create_node(&bed.client, &name(slot), &[]).await.unwrap();
        let theirs = json!({
            "metadata": { "annotations": { "example.com/by": "us" } },
            "spec": { "taints": [{ "key": "example.com/first", "effect": "NoSchedule" }] },
        });
        bed.nodes().patch(&name(slot), &PatchParams::default(), &Patch::Merge(&theirs)).await.unwrap();
    }
    let make = async |slot: usize| {
        let namespace = json!({ "metadata": { "name": name(slot), "annotations": { "example.com/by": "us" } } });
        let namespace = serde_json::from_value(namespace).unwrap();
        bed.namespaces().create(&PostParams::default(), &namespace).await.unwrap();
        bed.zones().create(&PostParams::default(), &zone(slot, slot < nodes)).await.unwrap();
        bed.until_ready(&name(slot)).await;
    };
    // Some at a time: each brings two dozen admission policies, which the API server has to compile.
    let slots: Vec<usize> = (0..zones).collect();
    for some in slots.chunks(AT_ONCE) {
        join_all(some.iter().map(|slot| make(*slot))).await;
    }
}

/// What of an object is ours: the rest is for others to change.
pub fn ours(target: Target, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let label = |key: &str| metadata["labels"].get(key).cloned();
    // Somebody else may be on record beside us, and the record be no more than our name.
    let entries = metadata["managedFields"].as_array();
    let is_ours =
        |entry: &&Value| entry["manager"].as_str().is_some_and(|name| name.starts_with(names::MANAGER_PREFIX));
    let recorded = entries.into_iter().flatten().any(|entry| is_ours(&entry));
    match target {
        Target::Policy(_) | Target::Guard(..) => json!({
            "spec": object["spec"], "owners": metadata.get("ownerReferences"), "recorded": recorded,
            "labels": json!(LABELS.map(label)),
        }),
        Target::Namespace => json!({ "label": label(names::ZONE_LABEL), "recorded": recorded }),
        Target::Node => {
            let taints = object["spec"]["taints"].as_array().into_iter().flatten();
            let taints = taints.filter(|taint| taint["key"] == names::NODE_TAINT);
            let taints: Vec<_> = taints.map(|taint| json!([taint["value"], taint["effect"]])).collect();
            json!({ "label": label(names::NODE_LABEL), "taints": taints, "recorded": recorded })
        }
        Target::Zone => {
            let finalizers = metadata["finalizers"].as_array().into_iter().flatten();
            json!({ "armed": finalizers.into_iter().any(|finalizer| finalizer == names::FINALIZER) })
        }
    }
}
