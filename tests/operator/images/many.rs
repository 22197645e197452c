//! Many pods and many images: each gets its own verdict, in little memory and with few writes.

use std::{collections::BTreeMap, path::Path, time::Instant};

use futures::{StreamExt, stream};
use k8s_openapi::{
    api::core::v1::Pod,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{APP, bed, bill, digest, put, scan, vulnerability, zone};
use crate::support::{Bed, Program, ask_for};

const PODS: usize = 2_000;
const IMAGES: usize = 300;
/// Vulnerabilities of each image.
const EACH: usize = 150;
const AT_ONCE: usize = 16;
const LONG: std::time::Duration = std::time::Duration::from_secs(300);

/// What becomes of an image, by its number: those of the first two hundred are proven.
fn kind(image: usize) -> &'static str {
    match image {
        0..200 => "proven",
        200..240 => "stale",
        240..270 => "overdue",
        _ => "unscanned",
    }
}

/// The last of the proven ones have their evidence in a report of openreports.io.
fn is_open(image: usize) -> bool {
    (180..200).contains(&image)
}

fn open_report(image: usize, now: Timestamp) -> Value {
    let result = |category: &str, more: (&str, &str)| {
        json!({
            "source": "Trivy Vulnerability", "policy": category, "category": category, "result": "pass",
            "timestamp": { "seconds": now.as_second(), "nanos": 0 },
            "properties": {
                "artifact.digest": digest(image), "artifact.repository": "pci/app", "registry.server": "registry.example.com", more.0: more.1,
            },
        })
    };
    json!({
        "apiVersion": "openreports.io/v1alpha1", "kind": "Report", "metadata": { "name": format!("app-{image}"), "namespace": "vault" },
        "source": "Trivy Vulnerability",
        "results": [result("Vulnerability Scan", ("a", "b")), result("Bill of Materials", ("sbom", "CycloneDX"))],
    })
}

async fn report(bed: &Bed, image: usize, now: Timestamp) {
    if is_open(image) {
        return bed.apply(&open_report(image, now).to_string()).await;
    }
    let days = |days: i64| now - SignedDuration::from_hours(24 * days);
    let mut all: Vec<Value> = (0..EACH)
        .map(|number| vulnerability(&format!("CVE-2026-{image}{number:04}"), "MEDIUM", "2026-01-01T00:00:00Z"))
        .collect();
    let at = match kind(image) {
        "proven" => now,
        "stale" => days(9),
        "overdue" => {
            all.push(vulnerability("CVE-2026-9", "CRITICAL", "2026-01-01T00:00:00Z"));
            days(40)
        }
        _ => return,
    };
    put(bed, &scan(image, at, &all)).await;
    put(bed, &bill(image, at)).await;
}

async fn pod(bed: &Bed, number: usize) {
    let pods: Api<Pod> = Api::namespaced(bed.client.clone(), "vault");
    let name = format!("pod-{number}");
    let image = format!("{APP}@{}", digest(number % IMAGES));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "vault" },
        "spec": { "nodeName": "pci-1", "containers": [{ "name": "app", "image": image }] },
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let status = json!({ "status": { "phase": "Running", "containerStatuses": [{
        "name": "app", "image": image, "imageID": image, "containerID": "containerd://1", "ready": true, "restartCount": 0,
    }] } });
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

/// Findings about images, by id: how many, and of which kind of images they are.
async fn findings(program: &Program) -> Result<BTreeMap<String, BTreeMap<&'static str, usize>>, String> {
    let report: Value = serde_json::from_str(&program.page("/report").await).map_err(|error| error.to_string())?;
    let all = report["zones"][0]["findings"].as_array().ok_or("no zone was judged")?;
    let mut found: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for one in all {
        let subject = one["subject"].as_str().unwrap_or_default();
        let Some((_, hex)) = subject.strip_prefix("Image/").and_then(|image| image.split_once("@sha256:")) else {
            continue;
        };
        let image = usize::from_str_radix(hex, 16).map_err(|error| error.to_string())?;
        *found
            .entry(one["id"].as_str().unwrap_or_default().to_string())
            .or_default()
            .entry(kind(image))
            .or_default() += 1;
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thousand_pods_each_image_gets_its_own_verdict() {
    let bed = bed().await;
    let now = Timestamp::now();
    stream::iter(0..IMAGES).for_each_concurrent(AT_ONCE, |image| report(&bed, image, now)).await;
    stream::iter(0..PODS).for_each_concurrent(AT_ONCE, |number| pod(&bed, number)).await;

    let program = Program::start(&bed, Path::new("/nonexistent")).await;
    ask_for(LONG, "the operator knows the pods", async || {
        let metrics = program.metrics().await;
        if metrics.contains("pcizone_judgement_seconds_count") { Ok(()) } else { Err(metrics) }
    })
    .await;
    let bare = program.memory();
    let started = Instant::now();
    bed.apply(&zone("{registries: [registry.example.com/pci], admission: Overdue}")).await;
    let wanted: BTreeMap<String, BTreeMap<&str, usize>> = [
        ("ImageCriticalOverdue", vec![("overdue", 30)]),
        ("ImageScanStale", vec![("overdue", 30), ("stale", 40)]),
        ("ImageUnscanned", vec![("unscanned", 30)]),
        ("SbomMissing", vec![("unscanned", 30)]),
    ]
    .into_iter()
    .map(|(id, of)| (id.to_string(), of.into_iter().collect()))
    .collect();
    ask_for(LONG, "each image has its verdict", async || {
        let found = findings(&program).await?;
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let seconds = started.elapsed().as_secs_f64();
    let images = bed.zone("cde").await.status.unwrap().images.unwrap();
    assert_eq!((images.running, images.scanned, images.overdue), (300, 200, 30));
    let metrics = program.metrics().await;
    let of = |series: &str| metrics.lines().find(|line| line.starts_with(series)).unwrap_or_default().to_string();
    eprintln!(
        "{PODS} pods, {IMAGES} images, {} scans of {EACH} vulnerabilities, 20 reports of openreports.io: all verdicts after {seconds:.1} s; memory {} MB, {} MB before the zone\n{}\n{}",
        IMAGES - 30 - 20,
        program.memory() / 1_000_000,
        bare / 1_000_000,
        of("pcizone_judgement_seconds_sum"),
        of("pcizone_judgement_seconds_count"),
    );

    // A change of one report is one write of the list, and one of the status.
    let writes = || async {
        let metrics = program.metrics().await;
        let lines = metrics.lines().filter(|line| line.starts_with("pcizone_writes_total") && line.contains("images"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let before = writes().await;
    let early = now - SignedDuration::from_hours(24 * 35);
    put(&bed, &scan(0, early, &[vulnerability("CVE-2026-8", "CRITICAL", "2026-01-01T00:00:00Z")])).await;
    ask_for(LONG, "one more is overdue", async || {
        let found = findings(&program).await?;
        let proven = found.get("ImageCriticalOverdue").and_then(|of| of.get("proven"));
        if proven == Some(&1) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    ask_for(LONG, "admission is told", async || {
        let now = writes().await;
        if now > before { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    assert_eq!(writes().await, before + 1);
}
