//! The statuses of zones, as a watch shows them to whoever looks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Api, Client, ResourceExt as _,
    core::{ApiResource, DynamicObject},
    runtime::{WatchStreamExt as _, watcher},
};
use pcizone::api::{PciZone, PciZoneStatus};
use serde_json::Value;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Duration, Instant, timeout_at},
};

/// What was seen of a zone.
#[derive(Clone, Debug)]
struct Seen {
    /// The present status as it was sent.
    sent: Value,
    status: PciZoneStatus,
    at: Instant,
}

#[derive(Default)]
struct All {
    latest: BTreeMap<String, Seen>,
    statuses: usize,
    largest: usize,
}

/// Follows all zones.
pub(super) struct Statuses {
    all: Arc<Mutex<All>>,
    changes: watch::Sender<()>,
    task: AbortHandle,
}

impl Statuses {
    pub(super) fn watch(client: &Client) -> Self {
        let all: Arc<Mutex<All>> = Arc::default();
        let changes = watch::Sender::new(());
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<PciZone>(&()));
        let task = tokio::spawn({
            let (all, changes) = (Arc::clone(&all), changes.clone());
            async move {
                let mut zones = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
                loop {
                    match zones.try_next().await {
                        Ok(Some(zone)) => all.lock().unwrap_or_else(PoisonError::into_inner).take(&zone),
                        // A watch that fails is tried again by itself.
                        Err(_) => continue,
                        Ok(None) => return,
                    }
                    changes.send_replace(());
                }
            }
        });
        Statuses { all, changes, task: task.abort_handle() }
    }

    /// Waits until the status of a zone is as wanted, and says when it was seen so.
    pub(super) async fn until(
        &self,
        zone: &str,
        what: &str,
        limit: Duration,
        is: impl Fn(&PciZoneStatus) -> bool,
    ) -> Result<Instant> {
        let mut changes = self.changes.subscribe();
        let end = Instant::now() + limit;
        loop {
            let seen = self.all.lock().unwrap_or_else(PoisonError::into_inner).latest.get(zone).cloned();
            if let Some(seen) = seen.as_ref().filter(|seen| is(&seen.status)) {
                return Ok(seen.at);
            }
            if timeout_at(end, changes.changed()).await.is_err() {
                let seen = seen.map(|seen| seen.sent).unwrap_or_default();
                bail!("{what}: not within {} s; the status of {zone} is {seen}", limit.as_secs());
            }
        }
    }

    /// Bytes of the largest of all, and how many were seen.
    pub(super) fn largest(&self) -> (usize, usize) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        (all.largest, all.statuses)
    }
}

impl All {
    /// Most versions of a zone that differ in something else have the same status.
    fn take(&mut self, zone: &DynamicObject) {
        let Some(sent) = zone.data.get("status") else { return };
        let name = zone.name_any();
        if self.latest.get(&name).is_some_and(|seen| seen.sent == *sent) {
            return;
        }
        let Ok(status) = serde_json::from_value(sent.clone()) else { return };
        self.statuses += 1;
        self.largest = self.largest.max(sent.to_string().len());
        self.latest.insert(name, Seen { sent: sent.clone(), status, at: Instant::now() });
    }
}

impl Drop for Statuses {
    fn drop(&mut self) {
        self.task.abort();
    }
}
