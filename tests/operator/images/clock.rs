//! Thirty days pass without any event.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use pcizone::{
    api::{PciZone, names},
    engine::images::report::{Level, Vulnerability},
};
use serde_json::json;

use super::{APP, bed, digest, put, scan, until_starts, vulnerability, zone};

const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

fn has(id: &'static str) -> impl Fn(&PciZone) -> bool {
    move |zone| zone.status.iter().flat_map(|status| &status.top_findings).any(|found| found.id == id)
}

/// An earlier operator has seen the fix almost thirty days ago, and kept that.
#[tokio::test(flavor = "multi_thread")]
async fn a_fix_is_overdue_at_its_instant() {
    let mut bed = bed().await;
    let due = Timestamp::now() + SignedDuration::from_secs(40);
    let due: Timestamp = due.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().parse().unwrap();
    let published = "2026-01-01T00:00:00Z";
    let known = Vulnerability::new(Level::Critical, "CVE-2026-1", "openssl", "3.0.2", None).on("debian");
    let list = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "pcizone-cde-images", "namespace": "pcizone-system",
            "labels": { names::MANAGED_BY: names::MANAGED_BY_VALUE, names::ZONE_LABEL: "cde" },
        },
        "data": { known.key.to_string(): (due - MONTH).to_string() },
    });
    bed.apply(&list.to_string()).await;
    put(&bed, &scan(1, Timestamp::now(), &[vulnerability("CVE-2026-1", "CRITICAL", published)])).await;
    let image = format!("{APP}@{}", digest(1));
    bed.apply(&zone("{registries: [registry.example.com/pci], admission: Overdue, sbom: Optional}")).await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "vault" },
        "spec": { "nodeName": "pci-1", "containers": [{ "name": "app", "image": image }] },
    });
    bed.apply(&pod.to_string()).await;
    bed.start_operator().await;
    bed.until_zone("cde", "since when it can be fixed is not known", has("ImageFixDateUnproven")).await;
    until_starts(&bed, &image, Ok(())).await;
    assert!(Timestamp::now() < due, "the machine is too slow for this test");

    let overdue = bed.until_zone("cde", "the fix is overdue", has("ImageCriticalOverdue")).await;
    let told = Timestamp::now();
    let found =
        overdue.status.unwrap().top_findings.into_iter().find(|found| found.id == "ImageCriticalOverdue").unwrap();
    eprintln!("told {:.2} s after the instant; dated {}", told.duration_since(due).as_secs_f64(), found.since.0);
    assert!(told >= due && found.since.0 >= due, "{found:?}");
    assert!(found.evidence.contains("VulnerabilityReport/vault/"), "{found:?}");
    until_starts(&bed, &image, Err("(ImageCriticalOverdue)")).await;
    eprintln!("refused {:.2} s after the instant at the latest", Timestamp::now().duration_since(due).as_secs_f64());
}
