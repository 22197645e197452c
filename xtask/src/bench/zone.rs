//! The zone: created, waited for, deleted with the confirmation that this needs.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, bail};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pcizone::api::{PciZone, names};
use serde_json::json;
use testbed::AuditEvent;
use tokio::time::{Instant, sleep};

use super::{bed::Bed, counts, objects};

const PAUSE: Duration = Duration::from_millis(200);

/// Protecting and taking back may take so long.
pub(super) fn patience(namespaces: usize) -> Duration {
    Duration::from_secs(60) + Duration::from_millis(40) * u32::try_from(namespaces).unwrap_or(u32::MAX)
}

/// Creates the zone. Returns the seconds from the acknowledgement of that to the acknowledgement of the label of the
/// last namespace.
pub(super) async fn protect(bed: &mut Bed) -> Result<f64> {
    let zones: Api<PciZone> = Api::all(bed.admin.clone());
    zones.create(&PostParams::default(), &objects::zone()?).await.context("cannot create the zone")?;
    let limit = patience(bed.namespaces.len());
    let is_created = |event: &AuditEvent| event.resource == "pcizones" && event.verb == "create";
    let created = bed.log.until(limit, "the zone's creation", is_created).await?;
    let mut missing: BTreeSet<String> = bed.namespaces.iter().cloned().collect();
    let what = "that every namespace is labelled";
    let last = bed.log.until(limit, what, |event| {
        let labels = counts::is_operators_write(event) && event.resource == "namespaces" && event.code < 300;
        labels && missing.remove(&event.name) && missing.is_empty()
    });
    let last = last.await?;
    Ok(last.completed.0.duration_since(created.completed.0).as_secs_f64())
}

/// Deletes the zone, confirms that, and waits until nothing of it is left.
pub(super) async fn remove(bed: &Bed) -> Result<()> {
    let zones: Api<PciZone> = Api::all(bed.admin.clone());
    zones.delete(objects::ZONE, &DeleteParams::default()).await.context("cannot delete the zone")?;
    let limit = patience(bed.namespaces.len());
    let end = Instant::now() + limit;
    let mut confirmed = None;
    while Instant::now() < end {
        let Some(zone) = zones.get_opt(objects::ZONE).await.context("cannot read the zone")? else { return Ok(()) };
        let digest = zone.status.and_then(|status| status.change).map(|change| change.digest);
        if digest.is_some() && digest != confirmed {
            let patch = json!({ "metadata": { "annotations": { names::CONFIRM_CHANGE: digest } } });
            let patched = zones.patch(objects::ZONE, &PatchParams::default(), &Patch::Merge(&patch)).await;
            patched.context("cannot confirm the deletion of the zone")?;
            confirmed = digest;
        }
        sleep(PAUSE).await;
    }
    bail!("the zone was not gone {} s after its deletion", limit.as_secs())
}
