//! The zone's logs: forwarders get their configuration, and stores are asked.
//!
//! ```text
//!  zones ─▶ configurations ─▶ ConfigMaps ─▶ hub: every namespace has it ─▶ the policy names it
//!       └─▶ stores: one task for each zone ─▶ hub: what arrives, how long it is kept ─▶ judgement
//! ```

mod configurations;
mod credentials;
mod stores;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::{Semaphore, watch},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use self::{credentials::Credentials, stores::Shared};
use super::{apply::Applier, error::Error, hub::Hub, metrics::Metrics};

/// How often it is looked which zones have stores.
const LOOK: Duration = Duration::from_secs(2);
/// Stores that are asked at one moment, of all zones together.
const TURNS: usize = 64;

/// Keeps configurations in place, and asks stores.
pub struct Logs {
    /// What is known.
    pub hub: Arc<Hub>,
    /// The client, for a watch of the configurations.
    pub client: Client,
    /// What writes.
    pub applier: Applier,
    /// What counts.
    pub metrics: Arc<Metrics>,
    /// The folder with what is shown to stores.
    pub credentials: PathBuf,
}

impl Logs {
    /// Runs until dropped.
    pub async fn run(self) -> Error {
        self.hub.until_synced().await;
        let (to, live) = watch::channel(configurations::Seen::default());
        tokio::join!(
            configurations::follow(self.client.clone(), Arc::clone(&self.hub), to),
            configurations::keep(&self, live),
            self.ask(),
        );
        Error::Ended("what keeps logs")
    }

    /// One task for each zone with stores, while this replica leads.
    async fn ask(&self) {
        let (hub, credentials) = (Arc::clone(&self.hub), Credentials::new(self.credentials.clone()));
        let shared = Arc::new(Shared { hub, credentials, turns: Semaphore::new(TURNS) });
        let mut asking: BTreeMap<String, AbortHandle> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            sleep(LOOK).await;
            if !self.applier.may_write() || !self.hub.is_complete() {
                asking.clear();
                tasks.abort_all();
                while tasks.join_next().await.is_some() {}
                // By the time that this replica leads again it is old.
                self.hub.collected.retain(|_| false);
                continue;
            }
            let zones: Vec<String> =
                self.hub.resolved(|resolution, _| resolution.zones().map(|(name, _)| name.to_string()).collect());
            while tasks.try_join_next().is_some() {}
            asking.retain(|_, task| !task.is_finished());
            for zone in zones.iter().filter(|zone| stores::declared(&self.hub, zone).is_some()) {
                if !asking.contains_key(zone) {
                    asking.insert(zone.clone(), tasks.spawn(stores::ask(zone.clone(), Arc::clone(&shared))));
                }
            }
            self.hub.collected.retain(|zone| asking.contains_key(zone));
        }
    }
}
