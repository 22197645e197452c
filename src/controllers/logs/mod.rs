//! The zone's logs: forwarders get their configuration, and stores are asked.
//!
//! ```text
//!  zones ─▶ configurations ─▶ ConfigMaps ─▶ hub: every namespace has it ─▶ the policy names it
//!       └─▶ stores: one task for each sink ─▶ hub: what arrives, how long it is kept ─▶ judgement
//! ```

mod configurations;
mod credentials;
mod stores;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use self::{credentials::Credentials, stores::Shared};
use super::{apply::Applier, error::Error, hub::Hub, metrics::Metrics};

/// How often it is looked which zones have stores.
const LOOK: Duration = Duration::from_secs(2);

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
        let (to, live) = watch::channel(super::config_maps::Seen::default());
        tokio::join!(
            configurations::follow(self.client.clone(), Arc::clone(&self.hub), to),
            configurations::keep(&self, live),
            self.ask(),
        );
        Error::Ended("what keeps logs")
    }

    /// One task for each sink of each zone, while this replica leads.
    async fn ask(&self) {
        let (hub, credentials) = (Arc::clone(&self.hub), Credentials::new(self.credentials.clone()));
        let shared = Arc::new(Shared { hub, credentials });
        let mut asking: BTreeMap<(String, String), AbortHandle> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            sleep(LOOK).await;
            if !self.applier.may_write() || !self.hub.is_complete() {
                asking.clear();
                tasks.abort_all();
                while tasks.join_next().await.is_some() {}
                // By the time that this replica leads again it is old.
                self.hub.collected.retain(|_, _| false);
                continue;
            }
            while tasks.try_join_next().is_some() {}
            asking.retain(|_, task| !task.is_finished());
            for (zone, sink) in self.sinks() {
                let (task, shared) = ((zone.clone(), sink.clone()), Arc::clone(&shared));
                asking.entry(task).or_insert_with(|| tasks.spawn(stores::ask(zone, sink, shared)));
            }
            self.hub.collected.retain(|zone, sink| asking.contains_key(&(zone.to_string(), sink.to_string())));
            if self.hub.collected.grow_old() {
                self.hub.wake();
            }
        }
    }

    /// The sinks of all zones, by zone and name.
    fn sinks(&self) -> Vec<(String, String)> {
        self.hub.resolved(|resolution, _| {
            let declared = resolution.zones().filter_map(|(name, zone)| Some((name, zone.answering()?)));
            let living = declared.filter(|(_, zone)| !zone.deleting);
            let sinks = living.flat_map(|(name, zone)| {
                let sinks = zone.logs.iter().flat_map(|logs| &logs.sinks);
                sinks.map(|sink| (name.to_string(), sink.name.clone())).collect::<Vec<_>>()
            });
            sinks.collect()
        })
    }
}
