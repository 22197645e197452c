//! How long it takes from the request for a pod to the first act of its application, beside sidecars and without.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, ListParams, LogParams, PostParams},
};
use serde_json::json;

use super::{SOON, bed::Bed, pods};
use crate::site::OUTSIDE;

const PODS: usize = 20;

/// Measures it, in turns, and tells the figures. Pods without sidecars are outside the zone, on the other node of the same machine.
pub async fn delay(bed: &Bed) -> Result<()> {
    let client = bed.site.cluster.control_plane().admin_client().await?;
    let (inside, outside): (Api<Pod>, Api<Pod>) =
        (Api::namespaced(client.clone(), "vault"), Api::namespaced(client, "shop"));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for number in 0..PODS {
        without.push(one(bed, &outside, number).await?);
        with.push(one(bed, &inside, number).await?);
    }
    for (what, all) in [("without sidecars", &mut without), ("with them", &mut with)] {
        all.sort_by(f64::total_cmp);
        let shown = (at(all, 50), at(all, 95), all.first().copied().unwrap_or_default());
        bed.say(&format!("start {what}: median {:.2} s, p95 {:.2} s, least {:.2} s", shown.0, shown.1, shown.2));
    }
    let more = |percent| at(&with, percent) - at(&without, percent);
    bed.say(&format!("more with sidecars: median {:.2} s, p95 {:.2} s", more(50), more(95)));
    for pods in [&inside, &outside] {
        pods.delete_collection(&DeleteParams::default(), &ListParams::default().labels("app=start")).await?;
    }
    Ok(())
}

/// The least value that so many percent of all are not above.
fn at(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

/// Seconds of this machine's own clock, which its containers show too.
fn uptime(text: &str) -> Result<f64> {
    Ok(text.split_whitespace().next().context("no time")?.parse()?)
}

async fn one(bed: &Bed, pods: &Api<Pod>, number: usize) -> Result<f64> {
    let name = format!("start-{number}");
    let mut spec = pods::spec("start", "cat /proc/uptime\ntrap 'exit 0' TERM\nsleep infinity & wait\n", "Never");
    if pods.resource_url().contains("/shop/") {
        spec["nodeSelector"] = json!({ "kubernetes.io/hostname": bed.site.cluster.node(OUTSIDE).name() });
    }
    let pod = json!({ "metadata": { "name": name, "labels": { "app": "start" } }, "spec": spec });
    let asked = uptime(&fs::read_to_string("/proc/uptime")?)?;
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    let log = LogParams { container: Some("app".to_owned()), ..LogParams::default() };
    let started = Instant::now();
    loop {
        if let Ok(said) = pods.logs(&name, &log).await
            && said.ends_with('\n')
        {
            return Ok(uptime(&said)? - asked);
        }
        ensure!(started.elapsed() < SOON, "{name} does not start\n{}", bed.explain("start").await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
