//! Images: what a real API server with the real definitions of reports lets in, what the operator finds, and when.

mod clock;
mod many;
mod scans;

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use testbed::Options;

use crate::support::Bed;

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/components/scanning/rbac.yaml");
const APP: &str = "registry.example.com/pci/app";

/// A cluster with the definitions of the Trivy Operator and of openreports.io and with the component's rights; no operator runs, and pods
/// need no ServiceAccount.
async fn bed() -> Bed {
    let bed = Bed::with(Options {
        audit: true,
        apiserver_args: vec!["--disable-admission-plugins=ServiceAccount".to_string()],
        ..Options::default()
    })
    .await;
    bed.shop().await;
    for (folder, names) in [
        (
            testbed::trivy_operator().unwrap(),
            ["vulnerabilityreports.aquasecurity.github.io", "sbomreports.aquasecurity.github.io"],
        ),
        (testbed::open_reports().unwrap(), ["reports.openreports.io", "clusterreports.openreports.io"]),
    ] {
        let folder = folder.display().to_string();
        bed.kubectl(&["apply", "--server-side", "--filename", &folder]).await;
        for name in names {
            bed.kubectl(&["wait", "--for=condition=Established", &format!("crd/{name}"), "--timeout=30s"]).await;
        }
    }
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    bed
}

/// A zone that asks for this of images.
fn zone(scanning: &str) -> String {
    format!(
        "apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {{name: cde}}
spec:
  mode: Enforce
  scope: {{namespaces: {{names: [vault]}}}}
  scanning: {scanning}
"
    )
}

/// A digest, by a number.
fn digest(number: usize) -> String {
    format!("sha256:{number:064x}")
}

fn vulnerability(id: &str, severity: &str, published: &str) -> Value {
    json!({
        "vulnerabilityID": id, "resource": "openssl", "installedVersion": "3.0.1", "fixedVersion": "3.0.2", "severity": severity,
        "publishedDate": published, "lastModifiedDate": published, "title": "a title of the usual length, which nobody here reads",
        "primaryLink": format!("https://avd.example.com/{id}"), "links": [], "target": "app (debian 12)", "class": "os-pkgs",
    })
}

/// A report of the Trivy Operator.
fn scan(number: usize, at: Timestamp, vulnerabilities: &[Value]) -> Value {
    let count = |severity: &str| vulnerabilities.iter().filter(|one| one["severity"] == severity).count();
    json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
        "metadata": { "name": format!("replicaset-{number}-app"), "namespace": "vault" },
        "report": {
            "artifact": { "repository": "pci/app", "digest": digest(number) },
            "registry": { "server": "registry.example.com" },
            "os": { "family": "debian", "name": "12.5" },
            "scanner": { "name": "Trivy", "vendor": "Aqua Security", "version": "0.68.0" },
            "summary": {
                "criticalCount": count("CRITICAL"), "highCount": count("HIGH"), "mediumCount": count("MEDIUM"), "lowCount": count("LOW"),
                "unknownCount": 0,
            },
            "updateTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "vulnerabilities": vulnerabilities,
        },
    })
}

fn bill(number: usize, at: Timestamp) -> Value {
    json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "SbomReport",
        "metadata": { "name": format!("replicaset-{number}-app"), "namespace": "vault" },
        "report": {
            "artifact": { "repository": "pci/app", "digest": digest(number) },
            "registry": { "server": "registry.example.com" },
            "scanner": { "name": "Trivy", "vendor": "Aqua Security", "version": "0.68.0" },
            "summary": { "componentsCount": 1, "dependenciesCount": 0 },
            "updateTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "components": { "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {}, "components": [{ "type": "library", "name": "openssl", "version": "3.0.1" }], "dependencies": [] },
        },
    })
}

/// Server-side apply of a report.
async fn put(bed: &Bed, report: &Value) {
    let text = |pointer| report.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind");
    let gvk = GroupVersionKind::gvk("aquasecurity.github.io", "v1alpha1", kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", kind.to_lowercase()));
    let api: Api<DynamicObject> = Api::namespaced_with(bed.client.clone(), text("/metadata/namespace"), &resource);
    let params = PatchParams::apply("trivy-operator").force();
    api.patch(text("/metadata/name"), &params, &Patch::Apply(report)).await.unwrap();
}

/// What the API server says of a new pod with this image: nothing, or why not.
async fn starts(bed: &Bed, image: &str) -> Result<(), String> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "row", "namespace": "vault" },
        "spec": { "containers": [{ "name": "app", "image": image }] },
    });
    let args = ["create", "--dry-run=server", "--filename", "-"];
    let answer = bed.cluster.kubectl().run_stdin(&args, &pod.to_string()).await;
    answer.map(drop).map_err(|error| format!("{error:#}"))
}

/// Waits until it starts, or is refused for this.
async fn until_starts(bed: &Bed, image: &str, wanted: Result<(), &str>) {
    crate::support::ask(&format!("{image}: {wanted:?}"), async || {
        let answer = starts(bed, image).await;
        let is_it = match (&answer, wanted) {
            (Ok(()), Ok(())) => true,
            (Err(text), Err(wanted)) => text.contains(wanted),
            _ => false,
        };
        if is_it { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}
