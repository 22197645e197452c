//! The zone's logs: forwarders get their configuration, and stores are asked.
//!
//! ```text
//!  zones ─▶ configurations ─▶ ConfigMaps ─▶ hub: every namespace has it ─▶ the policy names it
//!       └─▶ stores: one task for each zone ─▶ hub: what arrives, how long it is kept ─▶ judgement
//! ```

mod configurations;

use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;

use super::{apply::Applier, error::Error, hub::Hub, metrics::Metrics};

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
}

impl Logs {
    /// Runs until dropped.
    pub async fn run(self) -> Error {
        self.hub.until_synced().await;
        let (to, live) = watch::channel(configurations::Seen::default());
        tokio::join!(
            configurations::follow(self.client.clone(), Arc::clone(&self.hub), to),
            configurations::keep(&self, live)
        );
        Error::Ended("the configurations of log forwarders")
    }
}
