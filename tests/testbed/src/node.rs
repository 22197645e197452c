//! Makes simulated nodes: API objects for rules and the scheduler to act on.
//! Nothing runs there: pods that are bound to such a node stay Pending for ever.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

/// Admission puts this on every new node, and a controller that may not be running here takes it away.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Attempts against other writers of the node.
const ATTEMPTS: u32 = 10;

/// Creates a simulated node: Ready, schedulable, with addresses and a pod range of its own, and nothing behind it.
///
/// Create nodes one after the other: the ranges are chosen by looking at the nodes that exist.
pub async fn create_node(client: &Client, name: &str, labels: &[(&str, &str)]) -> Result<Node> {
    let nodes: Api<Node> = Api::all(client.clone());
    let existing = nodes.list(&ListParams::default()).await.context("cannot list the nodes")?;
    let taken: Vec<String> = existing.items.into_iter().filter_map(|node| node.spec?.pod_cidr).collect();
    let (number, range) = (1..=254)
        .map(|number| (number, format!("10.244.{number}.0/24")))
        .find(|(_, range)| !taken.contains(range))
        .context("there are 254 simulated nodes already")?;

    let mut all_labels = BTreeMap::from([
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
    ]);
    all_labels.extend(labels.iter().copied());
    let node = serde_json::from_value(json!({
        "metadata": { "name": name, "labels": all_labels },
        "spec": { "podCIDR": range, "podCIDRs": [range] },
    }))
    .context("cannot describe the node")?;
    nodes.create(&PostParams::default(), &node).await.with_context(|| format!("cannot create the node {name}"))?;

    let amounts = json!({ "cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi" });
    let status = json!({ "status": {
        "addresses": [
            { "type": "InternalIP", "address": format!("198.51.100.{number}") },
            { "type": "Hostname", "address": name },
        ],
        "capacity": amounts,
        "allocatable": amounts,
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "reason": "Simulated",
            "message": "made by the testbed; nothing runs here",
        }],
    }});
    nodes
        .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .with_context(|| format!("cannot set the status of the node {name}"))?;
    remove_not_ready(&nodes, name).await
}

async fn remove_not_ready(nodes: &Api<Node>, name: &str) -> Result<Node> {
    for _ in 0..ATTEMPTS {
        let mut node = nodes.get(name).await.with_context(|| format!("cannot read the node {name}"))?;
        let taints = node.spec.as_mut().and_then(|spec| spec.taints.as_mut());
        let Some(taints) = taints.filter(|taints| taints.iter().any(|taint| taint.key == NOT_READY)) else {
            return Ok(node);
        };
        taints.retain(|taint| taint.key != NOT_READY);
        match nodes.replace(name, &PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => return other.with_context(|| format!("cannot make the node {name} schedulable")),
        }
    }
    bail!("the node {name} changed {ATTEMPTS} times while its taint {NOT_READY} was being removed")
}
