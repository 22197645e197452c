//! A cluster in memory, of the kinds that a judgement reads: one zone, pods of two templates in each namespace, the zone's own
//! default deny and a policy of somebody else beside it.

use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::{
    api::{core::v1, networking::v1::NetworkPolicy},
    jiff::Timestamp,
};
use kube::core::DynamicObject;
use pcizone::engine::{
    self, Snapshot,
    pod::{Common, Pod},
    policy::{Policy, Specs},
    snapshot::ZoneRecord,
};
use serde_json::{Value, json};

use crate::bench::objects::{self, namespace_name};

/// Pods in each namespace.
pub(super) const PODS: usize = 2;

/// A cluster of so many namespaces, twice as many pods and twice as many policies, all of one zone.
pub(super) fn of(namespaces: usize, now: Timestamp) -> Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let zone: DynamicObject = serde_json::from_value(json!(objects::zone()?))?;
    snapshot.zones.push(ZoneRecord::read(zone));
    let (mut common, mut specs) = (Common::default(), Specs::default());
    for number in 0..namespaces {
        let name = namespace_name(number);
        snapshot.namespaces.insert(name.clone(), Arc::new(objects::namespace(&name)?));
        for (index, app) in (0..PODS).zip(["web", "store"]) {
            let pod = Pod::from(serde_json::from_value::<v1::Pod>(pod(&name, app, number * PODS + index))?);
            snapshot.pods.push(Arc::new(common.share(pod)));
        }
    }
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
