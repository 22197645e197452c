//! The objects of a prepared cluster, and those that the bare client writes. Of the kind and size that they have in
//! earnest, since the size of an object is what most of the cost of a watch depends on.

use anyhow::{Context as _, Result};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Namespace, Node, Pod},
        networking::v1::NetworkPolicy,
    },
    jiff::Timestamp,
};
use pcizone::{
    api::{PciZone, names},
    engine::{Resolution, declaration::Declaration, desired::policies, snapshot::Cluster},
};
use serde_json::{Value, json};

/// Name of the zone.
pub(super) const ZONE: &str = "bench";
/// Label of the namespaces that belong to it.
const MEMBER_LABEL: &str = "bench.pcizone.dev/scope";
/// A namespace that does not belong to it.
pub(super) const OUTSIDE: &str = "bench-outside";
/// Name of the bare client's policies in namespaces that have the operator's: as long as [`names::BASELINE`].
pub(super) const STAND_IN: &str = "benches-baseline";
/// Images on a node; a kubelet reports at most 50.
const IMAGES: usize = 16;

pub(super) fn namespace_name(number: usize) -> String {
    format!("team-{number:05}")
}

pub(super) fn namespace(name: &str) -> Result<Namespace> {
    let labels = json!({ MEMBER_LABEL: ZONE, "app.kubernetes.io/part-of": "shop", "team": name });
    let labels = if name == OUTSIDE { Value::Null } else { labels };
    read(json!({ "metadata": { "name": name, "labels": labels } }), "a namespace")
}

/// A zone of all namespaces.
pub(super) fn zone() -> Result<PciZone> {
    let zone = json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
        "metadata": { "name": ZONE },
        "spec": { "mode": "Enforce", "scope": { "namespaces": { "selector": { "matchLabels": { MEMBER_LABEL: ZONE } } } } },
    });
    read(zone, "the zone")
}

/// A zone of all namespaces that has every guard: members by label and by name, a flow, nodes by name, a Pod Security
/// Standard, a workload of others that it admits.
pub(super) fn guarded_zone(nodes: usize) -> Result<PciZone> {
    let (first, second) = (namespace_name(0), namespace_name(1));
    let nodes: Vec<String> = (0..nodes).map(node_name).collect();
    let zone = json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
        "metadata": { "name": ZONE },
        "spec": {
            "mode": "Enforce",
            "scope": { "namespaces": { "names": [first], "selector": { "matchLabels": { MEMBER_LABEL: ZONE } } } },
            "segmentation": { "flows": [{
                "name": "checkout-to-vault",
                "need": "Checkout exchanges card numbers for tokens in the vault.",
                "owner": "payments-team", "approvedBy": "security@example.com", "ticket": "PAY-1423",
                "reviewedAt": "2026-10-01T00:00:00Z", "expiresAt": "2099-04-01T00:00:00Z",
                "from": { "namespace": first, "podSelector": { "matchLabels": { "app": "checkout" } } },
                "to": { "namespace": second, "podSelector": { "matchLabels": { "app": "vault" } } },
                "ports": [{ "port": 8443 }],
            }] },
            "hosting": {
                "nodes": { "names": nodes },
                "podSecurity": "Baseline",
                "admits": [{
                    "namespace": OUTSIDE, "workload": "DaemonSet/sensor",
                    "need": "The runtime sensor watches every node of the zone.",
                    "owner": "security-team", "expiresAt": "2099-04-01T00:00:00Z",
                }],
            },
        },
    });
    read(zone, "the zone with every guard")
}

/// The policy that the operator writes into a namespace.
pub(super) fn baseline(namespace: &str) -> Result<NetworkPolicy> {
    let declaration = Declaration::new(&zone()?);
    let (resolution, cluster) = (Resolution::default(), Cluster::default());
    let mut desired = policies::desired(&declaration, namespace, &resolution, &cluster, Timestamp::now());
    desired.remove(names::BASELINE).map(NetworkPolicy::from).context("the engine wants no baseline policy")
}

/// The same under names that mean nothing to the operator, and are as long.
pub(super) fn stand_in(namespace: &str, name: &str) -> Result<NetworkPolicy> {
    let mut policy = baseline(namespace)?;
    policy.metadata.name = Some(name.to_string());
    let labels = policy.metadata.labels.get_or_insert_default();
    labels.insert(names::MANAGED_BY.to_string(), "benches".to_string());
    Ok(policy)
}

/// The merge patch that labels a namespace as the zone's, or takes the label away.
pub(super) fn label_patch(zone: Option<&str>) -> Value {
    json!({ "metadata": { "labels": { names::ZONE_LABEL: zone } } })
}

/// As the root-CA publisher writes it.
pub(super) fn config_map(namespace: &str, name: &str, certificate: &str) -> Result<ConfigMap> {
    let map = json!({
        "metadata": {
            "name": name, "namespace": namespace,
            "annotations": { "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters." },
        },
        "data": { "ca.crt": certificate },
    });
    read(map, "a ConfigMap")
}

pub(super) fn node_name(number: usize) -> String {
    format!("node-{number:05}")
}

/// A node with what a kubelet says of it, about 5 KB.
pub(super) fn node(number: usize) -> Result<Node> {
    let name = node_name(number);
    let (high, low) = (number / 250, number % 250 + 1);
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let images: Vec<Value> = (0..IMAGES)
        .map(|image| {
            let digest = format!("{image:04x}").repeat(16);
            json!({
                "names": [
                    format!("registry.example.com/platform/component-{image}@sha256:{digest}"),
                    format!("registry.example.com/platform/component-{image}:v1.{image}.0"),
                ],
                "sizeBytes": 10_000_000 + image,
            })
        })
        .collect();
    let amounts = json!({ "cpu": "16", "memory": "65843356Ki", "pods": "110", "ephemeral-storage": "103880232Ki", "hugepages-2Mi": "0" });
    let node = json!({
        "metadata": { "name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "m6i.4xlarge", "topology.kubernetes.io/zone": format!("zone-{}", number % 3),
        } },
        "spec": { "podCIDR": format!("10.{high}.{low}.0/24"), "podCIDRs": [format!("10.{high}.{low}.0/24")] },
        "status": {
            "addresses": [
                { "type": "InternalIP", "address": format!("198.18.{high}.{low}") },
                { "type": "Hostname", "address": name },
            ],
            "capacity": amounts, "allocatable": amounts,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "nodeInfo": {
                "machineID": "ec2a0e1f6f4d4a3f8d6e5b7c8a9b0c1d", "systemUUID": "ec2a0e1f-6f4d-4a3f-8d6e-5b7c8a9b0c1d",
                "bootID": "0f9d8c7b-6a5e-4d3c-2b1a-09f8e7d6c5b4", "kernelVersion": "6.12.0-1-cloud-amd64",
                "osImage": "Debian GNU/Linux 13 (trixie)", "containerRuntimeVersion": "containerd://2.1.0",
                "kubeletVersion": "v1.37.2", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
            },
            "images": images,
        },
    });
    read(node, "a node")
}

/// A pod that is bound to a node.
pub(super) fn pod(number: usize, namespace: &str, node: &str) -> Result<Pod> {
    let pod = json!({
        "metadata": { "name": format!("checkout-7d4b9c6f5-{number:05}"), "namespace": namespace, "labels": {
            "app": "checkout", "app.kubernetes.io/name": "checkout", "pod-template-hash": "7d4b9c6f5",
        } },
        "spec": {
            "nodeName": node,
            "containers": [{
                "name": "checkout", "image": "registry.example.com/shop/checkout:v1.2.3",
                "ports": [{ "containerPort": 8443 }],
                "env": [{ "name": "VAULT_ADDRESS", "value": "https://vault.example.com" }],
                "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "128Mi" } },
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    });
    read(pod, "a pod")
}

fn read<T: serde::de::DeserializeOwned>(value: Value, what: &str) -> Result<T> {
    serde_json::from_value(value).with_context(|| format!("cannot describe {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_size_that_they_have_in_earnest() {
        let node = json!(node(7).unwrap()).to_string().len();
        assert!((4_500..6_500).contains(&node), "{node}");
        let (ours, stand_in) = (json!(baseline("a").unwrap()), json!(stand_in("a", STAND_IN).unwrap()));
        assert_eq!(ours.to_string().len(), stand_in.to_string().len());
        assert_eq!(ours["spec"], stand_in["spec"]);
        assert_eq!(ours["metadata"]["name"], names::BASELINE);
    }
}
