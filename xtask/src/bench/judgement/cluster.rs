//! A cluster in memory, of the kinds that a judgement reads: one zone, pods of two templates in each namespace, the zone's own
//! default deny and a policy of somebody else beside it.

use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::{api::networking::v1::NetworkPolicy, jiff::Timestamp};
use pcizone::engine::{
    self, Snapshot,
    intake::{Intake, Kind},
    policy::{Policy, Specs},
};
use serde_json::{Value, json};

use crate::bench::objects::{self, namespace_name};

/// Pods in each namespace.
const PODS: usize = 2;

/// A cluster of so many namespaces, twice as many pods and twice as many policies, all of one zone; with a Service and a
/// binding to a ClusterRole in each.
pub(in crate::bench) fn of(namespaces: usize, now: Timestamp) -> Result<Snapshot> {
    let mut intake = Intake::new(Snapshot { is_kept: true, ..Snapshot::default() });
    let mut take = |kind: Kind, object: Value| -> Result<()> {
        intake.take(kind.read(object)?);
        Ok(())
    };
    take(Kind::PciZone, json!(objects::zone()?))?;
    take(Kind::ClusterRole, view())?;
    for number in 0..namespaces {
        let name = namespace_name(number);
        take(Kind::Namespace, json!(objects::namespace(&name)?))?;
        for (index, app) in (0..PODS).zip(["web", "store"]) {
            take(Kind::Pod, pod(&name, app, number * PODS + index))?;
        }
        take(Kind::Service, service(&name))?;
        take(Kind::RoleBinding, binding(&name))?;
    }
    let mut snapshot = intake.finish(now);
    let mut specs = Specs::default();
    let resolution = engine::resolve(&snapshot);
    let zone = resolution.zone(objects::ZONE).and_then(|zone| zone.answer());
    for number in 0..namespaces {
        let name = namespace_name(number);
        let desired =
            zone.map(|zone| engine::desired::policies::desired(zone, &name, &resolution, &snapshot.cluster, now));
        let foreign: NetworkPolicy = serde_json::from_value(foreign(&name, number, namespaces))?;
        let policies = desired.into_iter().flat_map(std::collections::BTreeMap::into_values);
        let policies = policies.chain([Policy::from(foreign)]).map(|policy| Arc::new(specs.share(policy))).collect();
        snapshot.policies.insert(name, policies);
    }
    Ok(snapshot)
}

fn pod(namespace: &str, app: &str, number: usize) -> Value {
    let (a, b, c) = (number / 65_536 % 256, number / 256 % 256, number % 256);
    json!({
        "metadata": { "namespace": namespace, "name": format!("{app}-0"), "labels": { "app": app, "pod-template-hash": "5d4f8c7b9" } },
        "spec": { "nodeName": format!("node-{}", number % 100), "containers": [{ "name": "app", "ports": [{ "name": "http", "containerPort": 8080 }] }] },
        "status": { "phase": "Running", "podIPs": [{ "ip": format!("10.{a}.{b}.{c}") }] },
    })
}

fn service(namespace: &str) -> Value {
    json!({
        "metadata": { "namespace": namespace, "name": "web" },
        "spec": { "clusterIP": "None", "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }] },
    })
}

fn view() -> Value {
    let rule = json!({ "apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "watch"] });
    json!({ "metadata": { "name": "view" }, "rules": [rule] })
}

fn binding(namespace: &str) -> Value {
    json!({
        "metadata": { "namespace": namespace, "name": "team" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": format!("{namespace}-team") }],
    })
}

/// Policies as people write them: about the neighbours, other namespaces, networks, ports by name.
fn foreign(namespace: &str, number: usize, namespaces: usize) -> Value {
    let other = namespace_name((number + 1) % namespaces);
    let spec = match number % 4 {
        0 => json!({ "podSelector": { "matchLabels": { "app": "store" } }, "ingress": [{
            "from": [{ "podSelector": { "matchLabels": { "app": "web" } } }], "ports": [{ "port": "http" }] }] }),
        1 => json!({ "podSelector": {}, "ingress": [{
            "from": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": other } } }], "ports": [{ "port": 8080 }] }] }),
        2 => json!({ "podSelector": { "matchLabels": { "app": "web" } }, "policyTypes": ["Egress"], "egress": [{
            "to": [{ "ipBlock": { "cidr": format!("198.51.{}.0/24", number % 256) } }], "ports": [{ "port": 443 }] }] }),
        _ => json!({ "podSelector": {}, "ingress": [{
            "from": [{ "namespaceSelector": { "matchLabels": { "app.kubernetes.io/part-of": "shop" } }, "podSelector": { "matchLabels": { "app": "web" } } }] }] }),
    };
    json!({ "metadata": { "namespace": namespace, "name": "team" }, "spec": spec })
}
