//! What a well-known controller takes for one object per namespace: kube-controller-manager's publisher of the root
//! certificate, with its throttle lifted, beside the same writes by the bare client.

use std::time::Duration;

use anyhow::{Context as _, Result};
use testbed::AuditEvent;

use crate::bench::{
    bed::Bed,
    figure::{Figure, Goal, Kind},
    group::Group,
    progress,
    stats::{Spread, interleaved_ratios},
    zone,
};

/// What the controller names its objects; the bare client's name is as long.
const PUBLISHED: &str = "kube-root-ca.crt";
const STAND_IN: &str = "benches-root.crt";
const ARGUMENTS: [&str; 3] =
    ["--controllers=root-ca-certificate-publisher-controller", "--kube-api-qps=100000", "--kube-api-burst=100000"];
const END: Duration = Duration::from_secs(20);

/// No operator runs meanwhile.
pub(in crate::bench) async fn measure(bed: &mut Bed, rounds: usize) -> Result<Group> {
    let certificate = certificate(bed)?;
    let mut floors = vec![floor(bed, &certificate).await?];
    let mut runs = Vec::new();
    for _ in 0..rounds {
        runs.push(publisher(bed).await?);
        floors.push(floor(bed, &certificate).await?);
    }
    Ok(Group {
        figures: vec![
            Figure {
                name: "ratio",
                what: "root-CA publisher, throttle lifted: first request → last acknowledged ÷ floor",
                spread: Spread::new("× floor", interleaved_ratios(&runs, &floors)),
                goal: Goal::None,
                kind: Kind::Compared,
            },
            Figure {
                name: "seconds",
                what: "the same in seconds; says something of this machine only",
                spread: Spread::new("s", runs),
                goal: Goal::None,
                kind: Kind::Timed,
            },
        ],
        floor: Some(Spread::new("s", floors)),
        notes: vec!["one ConfigMap per namespace; the floor is the same ConfigMaps by the bare client".to_string()],
        ..Group::new("yardstick")
    })
}

/// The certificate that the controller publishes.
fn certificate(bed: &Bed) -> Result<String> {
    let path = bed.cluster.config_dir().join("ca.crt");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

async fn floor(bed: &Bed, certificate: &str) -> Result<f64> {
    progress::step("Create a ConfigMap in all namespaces by the bare client (floor)");
    let seconds = bed.bare.create_config_maps(&bed.namespaces, STAND_IN, certificate).await?;
    progress::note(&format!("{seconds:.2} s"));
    bed.bare.delete_config_maps(&bed.namespaces, STAND_IN).await?;
    Ok(seconds)
}

async fn publisher(bed: &mut Bed) -> Result<f64> {
    progress::step("The same by kube-controller-manager's root-CA publisher");
    bed.log.begin(&bed.admin).await?;
    let mut controllers = bed.cluster.start_controllers(&ARGUMENTS).await?;
    let is_it = |event: &AuditEvent| {
        event.resource == "configmaps" && event.verb == "create" && event.user.contains("root-ca-cert-publisher")
    };
    let limit = zone::patience(bed.namespaces.len());
    let mut first = None;
    let mut missing: std::collections::BTreeSet<String> = bed.namespaces.iter().cloned().collect();
    let last = bed.log.until(limit, "a ConfigMap of the root-CA publisher in every namespace", |event| {
        if !is_it(event) {
            return false;
        }
        first = Some(first.map_or(event.received.0, |first| event.received.0.min(first)));
        event.code < 300 && missing.remove(&event.namespace) && missing.is_empty()
    });
    let last = last.await.map_err(|error| anyhow::anyhow!("{error:#}\n{}", controllers.log_tail()))?;
    controllers.stop(END).await?;
    let seconds = last.completed.0.duration_since(first.unwrap_or(last.received.0)).as_secs_f64();
    progress::note(&format!("{seconds:.2} s"));
    bed.bare.delete_config_maps(&bed.namespaces, PUBLISHED).await?;
    Ok(seconds)
}
