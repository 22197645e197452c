//! What a report says of a digest decides whether it starts.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::ConfigMap,
    jiff::{SignedDuration, Timestamp},
};
use kube::{Api, ResourceExt};

use super::{APP, bed, bill, digest, put, scan, until_starts, vulnerability, zone};
use crate::support::{Bed, ask, ask_for, is};

const LIST: &str = "pcizone-cde-images";

fn lists(bed: &Bed) -> Api<ConfigMap> {
    Api::namespaced(bed.client.clone(), "pcizone-system")
}

/// Its digests, by their last digit.
async fn listed(bed: &Bed) -> BTreeMap<String, String> {
    let data = lists(bed).get(LIST).await.unwrap().data.unwrap_or_default();
    let digests = data.into_iter().filter(|(key, _)| key.len() == 64);
    digests.map(|(key, value)| (key.trim_start_matches('0').to_string(), value)).collect()
}

async fn version(bed: &Bed) -> Option<String> {
    lists(bed).get(LIST).await.unwrap().resource_version()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_scanners_report_decides_what_starts() {
    let mut bed = bed().await;
    bed.start_operator().await;
    bed.apply(&zone("{registries: [registry.example.com/pci], admission: Proven, reports: {writers: [trivy-system/trivy-operator]}}")).await;
    bed.until_ready("cde").await;
    let image = |number: usize| format!("{APP}@{}", digest(number));
    until_starts(&bed, &image(1), Err("(ImageUnscanned)")).await;
    // Which of two policies speaks is up to the API server.
    until_starts(&bed, "docker.io/library/nginx", Err("zone cde: the image docker.io/library/nginx")).await;
    until_starts(&bed, &format!("{APP}:1"), Err("zone cde: the image registry.example.com/pci/app:1")).await;

    let now = Timestamp::now();
    put(&bed, &scan(1, now, &[vulnerability("CVE-2026-1", "HIGH", "2026-11-01T00:00:00Z")])).await;
    put(&bed, &bill(1, now)).await;
    until_starts(&bed, &image(1), Ok(())).await;
    until_starts(&bed, &image(2), Err("(ImageUnscanned)")).await;
    let first = listed(&bed).await;
    assert_eq!(first.keys().collect::<Vec<_>>(), ["1"], "{first:?}");

    // A report that is as old as this says nothing any more.
    let old = now - SignedDuration::from_hours(8 * 24);
    put(&bed, &scan(2, old, &[])).await;
    until_starts(&bed, &image(2), Err("(ImageScanStale)")).await;
    put(&bed, &scan(2, now, &[])).await;
    until_starts(&bed, &image(2), Ok(())).await;

    // It is written when something changes and at no other time.
    let before = version(&bed).await;
    bed.operator()
        .looks_after("pcizone_judgement_seconds_count", bed.kubectl(&["label", "namespace", "vault", "a=b"]))
        .await;
    put(&bed, &scan(2, now, &[])).await;
    bed.stop_operator().await;
    bed.start_operator().await;
    bed.operator().until_leading().await;
    bed.until_ready("cde").await;
    until_starts(&bed, &image(1), Ok(())).await;
    assert_eq!(version(&bed).await, before, "a restart writes nothing");

    // Whoever breaks the glass takes everything away for a moment; nothing starts meanwhile.
    bed.kubectl(&["delete", "configmap", LIST, "--namespace=pcizone-system"]).await;
    let again = ask("the list is there again", async || {
        assert!(super::starts(&bed, &image(9)).await.is_err(), "what nobody scanned starts");
        lists(&bed).get(LIST).await.map(|_| ()).map_err(|error| error.to_string())
    });
    again.await;
    until_starts(&bed, &image(1), Ok(())).await;

    // With the zone it goes.
    bed.kubectl(&["delete", "pz", "cde", "--wait=false"]).await;
    bed.confirm("cde").await;
    ask_for(std::time::Duration::from_secs(150), "the list is gone", async || match lists(&bed).get_opt(LIST).await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|one| one.map(|one| one.name_any())))),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_component_the_zone_says_which_right_is_missing() {
    let mut bed = bed().await;
    bed.kubectl(&["delete", "--filename", super::COMPONENT]).await;
    bed.start_operator().await;
    bed.apply(&zone("{registries: [registry.example.com/pci], admission: Proven}")).await;
    let told = |id: &'static str| {
        move |zone: &pcizone::api::PciZone| {
            let findings = zone.status.iter().flat_map(|status| &status.top_findings);
            findings.filter(|found| found.id == id).any(|found| found.message.contains("components/scanning"))
        }
    };
    bed.until_zone("cde", "reports are unread", told("ScanEvidenceUnread")).await;
    bed.until_zone("cde", "admission is not told", told("WriteRefused")).await;
    let zone = bed.until_zone("cde", "it is not ready", |zone| is(zone, "Ready", "False")).await;
    assert!(is(&zone, "ImagesScanned", "Unknown"), "{:?}", zone.status);
    // References are refused all the same.
    until_starts(&bed, "nginx", Err("(ImageRegistryNotAllowed)")).await;
    bed.kubectl(&["apply", "--filename", super::COMPONENT]).await;
    ask_for(std::time::Duration::from_secs(150), "it is in place", async || {
        let zone = bed.zone("cde").await;
        if is(&zone, "Ready", "True") { Ok(()) } else { Err(format!("{:?}", zone.status)) }
    })
    .await;
    until_starts(&bed, &format!("{APP}@{}", digest(1)), Err("(ImageUnscanned)")).await;
}
