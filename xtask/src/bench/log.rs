//! The audit log of a cluster, as far as it is new.

use std::time::Duration;

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use testbed::{AuditEvent, AuditReader};
use tokio::time::{Instant, sleep};

/// Time between two looks while something long is waited for: reading costs time on a core that is measured.
const LONG_PAUSE: Duration = Duration::from_millis(50);
const SHORT_PAUSE: Duration = Duration::from_millis(2);
/// How long a line may take to reach the log.
const LINE: Duration = Duration::from_secs(10);

/// The requests since a phase began.
pub(super) struct Log {
    reader: AuditReader,
    events: Vec<AuditEvent>,
    looked: usize,
    markers: usize,
}

impl Log {
    pub(super) fn new(reader: AuditReader) -> Self {
        Log { reader, events: Vec::new(), looked: 0, markers: 0 }
    }

    /// Forgets everything that was asked so far. What is asked from now on is kept until the next call.
    pub(super) async fn begin(&mut self, client: &Client) -> Result<()> {
        self.end(client).await.map(drop)
    }

    /// Everything that was asked since the beginning of the phase.
    pub(super) async fn end(&mut self, client: &Client) -> Result<Vec<AuditEvent>> {
        // A line may come later than its answer. A request that is made now comes behind what was answered before.
        self.markers += 1;
        let marker = format!("bench-marker-{}", self.markers);
        Api::<ConfigMap>::default_namespaced(client.clone()).get_opt(&marker).await?;
        self.until(LINE, "the request that ends a phase", |event| event.name == marker).await?;
        // Not the last: others may go on asking.
        self.events.remove(self.looked.saturating_sub(1));
        self.looked = 0;
        Ok(std::mem::take(&mut self.events))
    }

    /// Waits until a request that was not looked at before is the one, and gives it. Each is looked at once.
    pub(super) async fn until(
        &mut self,
        limit: Duration,
        what: &str,
        is: impl FnMut(&AuditEvent) -> bool,
    ) -> Result<AuditEvent> {
        self.search(limit, LONG_PAUSE, what, is).await
    }

    /// The same for something that is over soon.
    pub(super) async fn until_soon(
        &mut self,
        limit: Duration,
        what: &str,
        is: impl FnMut(&AuditEvent) -> bool,
    ) -> Result<AuditEvent> {
        self.search(limit, SHORT_PAUSE, what, is).await
    }

    async fn search(
        &mut self,
        limit: Duration,
        pause: Duration,
        what: &str,
        mut is: impl FnMut(&AuditEvent) -> bool,
    ) -> Result<AuditEvent> {
        let end = Instant::now() + limit;
        loop {
            while let Some(event) = self.events.get(self.looked) {
                self.looked += 1;
                if is(event) {
                    return Ok(event.clone());
                }
            }
            let new = self.reader.read()?;
            if !new.is_empty() {
                self.events.extend(new);
                continue;
            }
            if Instant::now() >= end {
                bail!("waited {} s, but the audit log does not show {what}", limit.as_secs());
            }
            sleep(pause).await;
        }
    }

    /// Waits until no such request comes for a while.
    pub(super) async fn until_quiet(
        &mut self,
        limit: Duration,
        quiet: Duration,
        what: &str,
        is: impl Fn(&AuditEvent) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if self.until(quiet, what, &is).await.is_err() {
                return Ok(());
            }
        }
        bail!("waited {} s, but there are still {what}", limit.as_secs())
    }
}
