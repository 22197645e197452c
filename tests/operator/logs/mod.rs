//! The zone's logs: forwarders get their configuration, stores are asked, and what they say is judged. No kubelet runs here: pods say
//! through their status that their sidecars run, and their numbered lines come from the test.

mod bad_sinks;
mod credentials;
mod delivery;
mod lines;
mod restart;
mod rights;
mod stub;

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::Pod,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use pcizone::api::{Finding, PciZone};
use serde_json::{Value, json};
use testbed::Options;

use crate::support::{Bed, ask_for, bare_zone};

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/components/logs/rbac.yaml");
const SINK: &str = "https://otlp.example.com:4318";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// A store is asked twice a minute, and may take its time for each of three questions.
const ROUND: Duration = Duration::from_secs(120);

/// A cluster without operator, in which pods need no ServiceAccount.
async fn bed() -> Bed {
    let bed = Bed::with(Options {
        audit: true,
        apiserver_args: vec!["--disable-admission-plugins=ServiceAccount".to_string()],
        ..Options::default()
    })
    .await;
    bed.shop().await;
    bed
}

async fn install_component(bed: &Bed) {
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
}

/// `spec.segmentation` with the flow by which a zone's pods reach its sink.
fn segmentation(zone: &str) -> String {
    format!(
        "  segmentation:
    flows:
    - name: logs
      need: The audit trail goes to the store of the security team.
      owner: platform-team
      approvedBy: security@example.com
      ticket: PAY-7
      reviewedAt: 2026-10-01T00:00:00Z
      expiresAt: 2099-04-01T00:00:00Z
      from: {{zone: {zone}}}
      to: {{cidrs: [203.0.113.0/28]}}
      ports: [{{port: 4318}}]
"
    )
}

/// A zone that enforces, with a forwarder and one sink. `store` is a YAML map.
fn zone(name: &str, namespaces: &str, sink: &str, store: &str) -> String {
    let (start, segmentation) = (bare_zone(name, "Enforce", &format!("{{names: {namespaces}}}")), segmentation(name));
    format!(
        "{start}{segmentation}  hosting: {{nodes: {{selector: {{matchLabels: {{node-restriction.kubernetes.io/pool: pci}}}}}}}}
  logging:
    standardOutput: Unused
    forwarder: {{kind: OpenTelemetry, image: \"registry.example.com/otelcol@{DIGEST}\"}}
    linger: {{image: \"registry.example.com/pcizone@{DIGEST}\"}}
    sinks:
    - {{name: siem, otlp: {{url: \"{sink}\"}}, flow: logs, store: {store}}}
"
    )
}

fn pods(bed: &Bed, namespace: &str) -> Api<Pod> {
    Api::namespaced(bed.client.clone(), namespace)
}

/// Makes a pod, and gives it as the API server has it.
async fn make(bed: &Bed, namespace: &str, name: &str) -> Pod {
    let spec = json!({ "containers": [{ "name": "app", "image": "registry.example.com/app" }] });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
    pods(bed, namespace).create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap()
}

/// The sidecar of a pod is in this state, as the kubelet would say.
async fn set_linger(bed: &Bed, namespace: &str, name: &str, state: Value) {
    let linger = json!({ "name": "pcizone-linger", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state });
    let status = json!({ "status": { "phase": "Running", "initContainerStatuses": [linger] } });
    pods(bed, namespace).patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

/// Makes a pod whose sidecar runs for some minutes.
async fn run(bed: &Bed, namespace: &str, name: &str) {
    make(bed, namespace, name).await;
    let since = Timestamp::now().checked_sub(SignedDuration::from_mins(5)).unwrap();
    set_linger(bed, namespace, name, json!({ "running": { "startedAt": format!("{since:.0}") } })).await;
}

/// The configuration that a pod's forwarder has.
fn configuration(pod: &Pod) -> Option<String> {
    let mut volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.find_map(|volume| Some(volume.config_map.as_ref()?.name.clone()))
}

/// Waits until new pods get a forwarder; none is made.
async fn until_forwarding(bed: &Bed, namespace: &str) -> String {
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let spec = json!({ "containers": [{ "name": "app", "image": "registry.example.com/app" }] });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "dry" }, "spec": spec });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    ask_for(ROUND, "new pods get a forwarder", async || {
        let made = pods(bed, namespace).create(&dry, &pod).await.map_err(|error| error.to_string())?;
        configuration(&made).ok_or_else(|| "none".to_string())
    })
    .await
}

/// What is found in a zone, as far as its status shows it.
fn findings(zone: &PciZone) -> &[Finding] {
    zone.status.as_ref().map_or(&[], |status| &status.top_findings)
}

fn found<'a>(zone: &'a PciZone, id: &str, subject: &str) -> Option<&'a Finding> {
    findings(zone).iter().find(|finding| finding.id == id && finding.subject == subject)
}

/// In a few words, for whoever reads why a test failed.
fn told(zone: &PciZone) -> String {
    let lines = findings(zone).iter().map(|one| format!("{} {}: {}\n", one.id, one.subject, one.message));
    let logs = zone.status.as_ref().and_then(|status| status.logs.as_ref());
    format!("{}{:#?}", lines.collect::<String>(), logs)
}

/// Waits for a finding, and gives its message.
async fn until_found(bed: &Bed, zone: &str, id: &str, subject: &str) -> String {
    ask_for(ROUND, &format!("{id} on {subject}"), async || {
        let zone = bed.zone(zone).await;
        found(&zone, id, subject).map(|finding| finding.message.clone()).ok_or_else(|| told(&zone))
    })
    .await
}
