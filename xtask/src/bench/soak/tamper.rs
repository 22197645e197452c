//! What an administrator does to an object of the operator's.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use pcizone::api::{PciZone, names};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::objects,
    mirror::{Mirror, key},
};

/// How long the zone may take to be in place.
const PROTECTED: Duration = Duration::from_secs(120);
/// Who does it.
const MANAGER: &str = "soak-administrator";

/// An object of which something is the operator's.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Policy { namespace: String, name: String },
    Namespace(String),
    Node(String),
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tampering {
    Delete,
    Widen,
    Unlabel,
    Relabel,
    Untaint,
}

impl Tampering {
    pub(super) fn any(target: &Target) -> Self {
        let ways: &[Tampering] = match target {
            Target::Policy { .. } => &[Tampering::Delete, Tampering::Widen],
            Target::Namespace(_) => &[Tampering::Unlabel, Tampering::Relabel],
            Target::Node(_) => &[Tampering::Unlabel, Tampering::Relabel, Tampering::Untaint],
        };
        fastrand::choice(ways).copied().unwrap_or(Tampering::Unlabel)
    }
}

impl Target {
    pub(super) fn key(&self) -> String {
        match self {
            Target::Policy { namespace, name } => key("NetworkPolicy", namespace, name),
            Target::Namespace(name) => key("Namespace", "", name),
            Target::Node(name) => key("Node", "", name),
        }
    }
}

/// A zone of all namespaces and nodes, with flows between each namespace and the next.
pub(super) async fn protect(client: &Client, namespaces: &[String], nodes: usize) -> Result<()> {
    let mut zone = serde_json::to_value(objects::zone()?).context("cannot describe the zone")?;
    let pairs = namespaces.iter().zip(namespaces.iter().skip(1)).step_by(10);
    let flows: Vec<Value> = pairs
        .enumerate()
        .map(|(number, (from, to))| {
            json!({
                "name": format!("flow-{number}"), "need": "The shop hands each order on to the next step.", "owner": "payments-team",
                "approvedBy": "security@example.com", "ticket": "PAY-1",
                "reviewedAt": "2026-10-01T00:00:00Z", "expiresAt": "2099-01-01T00:00:00Z",
                "from": { "namespace": from }, "to": { "namespace": to }, "ports": [{ "port": 8443 }],
            })
        })
        .collect();
    let names: Vec<String> = (0..nodes).map(objects::node_name).collect();
    let spec = zone.get_mut("spec").and_then(Value::as_object_mut).context("the zone has no spec")?;
    spec.insert("segmentation".to_string(), json!({ "flows": flows }));
    spec.insert("hosting".to_string(), json!({ "nodes": { "names": names } }));
    let zone: PciZone = serde_json::from_value(zone).context("cannot describe the zone")?;
    let zones: Api<PciZone> = Api::all(client.clone());
    zones.create(&PostParams::default(), &zone).await.context("cannot create the zone")?;
    let is_ready = |zone: Option<&PciZone>| {
        let conditions = zone.and_then(|zone| zone.status.as_ref()).map(|status| &status.conditions);
        conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    match timeout(PROTECTED, await_condition(zones, &zone.name_any(), is_ready)).await {
        Ok(ready) => ready.map(drop).context("cannot watch the zone"),
        Err(_) => bail!("the zone was not in place within {} s", PROTECTED.as_secs()),
    }
}

/// Every object of the operator's.
pub(super) fn targets(mirror: &Mirror, nodes: usize) -> Result<Vec<Target>> {
    let mut targets: Vec<Target> = (0..nodes).map(|number| Target::Node(objects::node_name(number))).collect();
    for key in mirror.keys() {
        let mut parts = key.splitn(3, '/').map(str::to_string);
        let (Some(kind), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("{key} is no name of an object");
        };
        let ours = mirror.get(&key).and_then(|seen| seen.ours).unwrap_or_default();
        match kind.as_str() {
            "NetworkPolicy" if name.starts_with("pcizone-") && namespace != names::OPERATOR_NAMESPACE => {
                targets.push(Target::Policy { namespace, name });
            }
            "Namespace" if ours.is_string() => targets.push(Target::Namespace(name)),
            _ => {}
        }
    }
    Ok(targets)
}

/// Tampers with an object, and waits until it is as it was. Returns how long that took.
pub(super) async fn tamper(
    client: &Client,
    mirror: &Mirror,
    target: &Target,
    tampering: Tampering,
    limit: Duration,
) -> Result<Duration> {
    let key = target.key();
    let seen = mirror.get(&key).and_then(|seen| Some((seen.version, seen.ours?)));
    let (before, wanted) = seen.with_context(|| format!("{key} is not there before it is tampered with"))?;
    let changed = change(client, target, tampering).await;
    let changed = changed.with_context(|| format!("cannot tamper with {key}"))?;
    let at = Instant::now();
    mirror.until(&key, changed.unwrap_or(before), &wanted, limit).await.map(|()| at.elapsed())
}

/// Returns the version with the change in it; nothing tells it of a deletion.
async fn change(client: &Client, target: &Target, tampering: Tampering) -> Result<Option<u64>> {
    let params = PatchParams { field_manager: Some(MANAGER.to_string()), ..PatchParams::default() };
    let label = |key: &str| {
        let value = if tampering == Tampering::Relabel { json!("somebody-else") } else { Value::Null };
        json!({ "metadata": { "labels": { key: value } } })
    };
    let version = match target {
        Target::Policy { namespace, name } => {
            let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
            if tampering == Tampering::Delete {
                policies.delete(name, &DeleteParams::default()).await?;
                return Ok(None);
            }
            let open = json!({ "spec": { "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}] } });
            policies.patch(name, &params, &Patch::Merge(&open)).await?.resource_version()
        }
        Target::Namespace(name) => {
            let namespaces: Api<Namespace> = Api::all(client.clone());
            namespaces.patch(name, &params, &Patch::Merge(&label(names::ZONE_LABEL))).await?.resource_version()
        }
        Target::Node(name) => {
            let nodes: Api<Node> = Api::all(client.clone());
            let patch = match tampering {
                Tampering::Untaint => json!({ "spec": { "taints": null } }),
                _ => label(names::NODE_LABEL),
            };
            nodes.patch(name, &params, &Patch::Merge(&patch)).await?.resource_version()
        }
    };
    version.and_then(|version| version.parse().ok()).map(Some).context("the answer names no version")
}
