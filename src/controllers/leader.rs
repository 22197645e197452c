//! One replica writes. The others watch and are ready to take over.
//!
//! The lease is an optimisation, not a lock: two leaders write the same bytes. Still a replica stops writing
//! at once when it loses the lease, also when it only cannot reach the API server to renew it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::{sync::watch, task::JoinHandle};

use super::{error::Error, traffic::Traffic};
use crate::api::names;

/// How long a lease holds without renewal.
const DURATION: Duration = Duration::from_secs(15);
/// How long before its end it is renewed.
const GRACE: Duration = Duration::from_secs(5);

/// How often the age of the lease is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Says whether this replica may write.
#[derive(Clone)]
pub struct Gate {
    leading: watch::Receiver<bool>,
    traffic: Arc<Traffic>,
    closed: Arc<AtomicBool>,
}

impl Gate {
    /// True when this replica may write now.
    pub fn is_open(&self) -> bool {
        let renewed = self.traffic.since_renewal().is_some_and(|age| age < DURATION);
        *self.leading.borrow() && renewed && !self.closed.load(Ordering::Acquire)
    }

    /// Ends writing for good.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Waits until this may have changed; `None` when the election ended. An expired lease sends no signal,
    /// so the wait is bounded.
    pub async fn changed(&mut self) -> Option<bool> {
        match tokio::time::timeout(LOOK, self.leading.changed()).await {
            Ok(Err(_)) => None,
            Ok(Ok(())) | Err(_) => Some(self.is_open()),
        }
    }
}

/// A running election.
pub struct Election {
    task: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

impl Election {
    /// Takes part in the election. `identity` names this replica.
    pub async fn join(
        client: Client,
        namespace: &str,
        identity: &str,
        traffic: Arc<Traffic>,
    ) -> Result<(Self, Gate), Error> {
        let manager = LeaseManagerBuilder::new(client, names::OPERATOR)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(DURATION.as_secs())
            .with_grace(GRACE.as_secs())
            .with_field_manager("pcizone/leader")
            .build()
            .await
            .map_err(|source| Error::Lease {
                namespace: namespace.to_string(),
                name: names::OPERATOR.to_string(),
                source: Box::new(source),
            })?;
        let (leading, task) = manager.watch().await;
        Ok((Election { task }, Gate { leading, traffic, closed: Arc::default() }))
    }

    /// Waits for the release of the lease. The lease manager releases it when every [`Gate`] is gone.
    pub async fn leave(self) {
        // Bounded: a lease that cannot be released runs out by itself.
        if tokio::time::timeout(GRACE, self.task).await.is_err() {
            tracing::warn!("the lease was not released in time; it runs out in {} s", DURATION.as_secs());
        }
    }
}
