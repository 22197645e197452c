//! The operator: the effects around the engine.
//!
//! ```text
//!  hub ─┬─ keys ─▶ namespaces, nodes, zones ─▶ apply ─▶ API server     repair, one object at a time
//!       └─ tick ─▶ judge ───────────────────▶ apply ─▶ status          judgement, all zones together
//! ```

mod apply;
mod error;
mod http;
mod hub;
mod judge;
mod leader;
mod memory;
mod metrics;
mod namespaces;
mod nodes;
mod repair;
pub mod rights;
mod traffic;
mod trim;
mod zones;

use std::{future::Future, sync::Arc, time::Duration};

use kube::{Client, Config, client::ClientBuilder};
use tokio::{net::TcpListener, sync::watch, time::sleep};

pub use error::Error;

use apply::Applier;
use hub::Hub;
use judge::Judge;
use leader::Election;
use memory::{Failures, Incidents, Ledger};
use metrics::Metrics;
use repair::Context;
use traffic::{Traffic, TrafficLayer};

/// How soon rights are looked at again while some are missing.
const RIGHTS_MISSING: Duration = Duration::from_secs(10);
/// How soon rights are looked at again while none is missing.
const RIGHTS_COMPLETE: Duration = Duration::from_secs(600);

/// What an operator needs to run.
pub struct Settings {
    /// How the API server is reached.
    pub config: Config,
    /// The operator's own namespace: its Lease lives there, and it is never a member of a zone.
    pub namespace: String,
    /// Name of this replica.
    pub identity: String,
    /// Where metrics and health are served.
    pub listener: TcpListener,
}

/// Runs the operator until `shutdown` is ready or a part of it fails.
pub async fn run(settings: Settings, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let Settings { mut config, namespace, identity, listener } = settings;
    config.connect_timeout = Some(Duration::from_secs(5));
    let traffic = Arc::new(Traffic::default());
    let metrics = Arc::new(Metrics::default());
    let layer = TrafficLayer { traffic: Arc::clone(&traffic), metrics: Arc::clone(&metrics) };
    let client: Client =
        ClientBuilder::try_from(config).map_err(|error| Error::Client(Box::new(error)))?.with_layer(&layer).build();

    let (hub, keys, watches) = Hub::new(&client, &namespace, Arc::clone(&traffic));
    let serving = http::serve(listener, Arc::clone(&hub), Arc::clone(&metrics));
    let mut serving = std::pin::pin!(serving);
    let mut watches = std::pin::pin!(watches);
    let mut shutdown = std::pin::pin!(shutdown);

    // Health is served from the first moment on, also while the election cannot be joined yet.
    let joined = join(&client, &namespace, &identity, &traffic);
    let (election, gate) = tokio::select! {
        joined = joined => joined,
        error = &mut watches => return Err(error),
        served = &mut serving => return served,
        () = &mut shutdown => return Ok(()),
    };

    let applier = Applier::new(client.clone(), gate.clone());
    let incidents = Arc::new(Incidents::default());
    let context = |controller| {
        Arc::new(Context {
            hub: Arc::clone(&hub),
            applier: applier.clone(),
            metrics: Arc::clone(&metrics),
            incidents: Arc::clone(&incidents),
            ledger: Ledger::default(),
            failures: Failures::default(),
            controller,
        })
    };
    let (missing_rights, rights) = watch::channel(Vec::new());
    let judge = Judge::new(
        client.clone(),
        &identity,
        Arc::clone(&hub),
        applier.clone(),
        Arc::clone(&metrics),
        Arc::clone(&incidents),
        rights,
    );
    let repair = async {
        // On a half-filled store "not there" would mean nothing.
        hub.until_synced().await;
        tokio::join!(
            repair::run(context("namespaces"), hub.namespace_store(), keys.namespaces, namespaces::reconcile),
            repair::run(context("nodes"), hub.node_store(), keys.nodes, nodes::reconcile),
            repair::run(context("zones"), hub.zone_store(), keys.zones, zones::reconcile),
        );
        Error::Ended("a controller")
    };
    let result = tokio::select! {
        error = &mut watches => Err(error),
        served = &mut serving => served,
        error = repair => Err(error),
        error = judge.run() => Err(error),
        error = follow_leadership(gate.clone(), &hub, &metrics) => Err(error),
        error = follow_rights(&client, &namespace, missing_rights) => Err(error),
        () = &mut shutdown => Ok(()),
    };
    // No new writes; those under way end; then the lease goes to the next replica at once.
    gate.close();
    applier.drain().await;
    drop((applier, gate));
    election.leave().await;
    result
}

async fn join(client: &Client, namespace: &str, identity: &str, traffic: &Arc<Traffic>) -> (Election, leader::Gate) {
    loop {
        match Election::join(client.clone(), namespace, identity, Arc::clone(traffic)).await {
            Ok(joined) => return joined,
            Err(error) => tracing::warn!(error = error.chain(), "will try again"),
        }
        sleep(Duration::from_secs(2)).await;
    }
}

/// Has everything looked at when this replica begins to lead.
async fn follow_leadership(mut gate: leader::Gate, hub: &Hub, metrics: &Metrics) -> Error {
    let mut leading = false;
    loop {
        match gate.changed().await {
            Some(now) if now == leading => continue,
            Some(now) => leading = now,
            None => return Error::Ended("the leader election"),
        }
        metrics.set_leading(leading);
        if leading {
            tracing::info!("this replica leads");
            hub.until_synced().await;
            hub.enqueue_all();
        } else {
            tracing::warn!("this replica does not lead any more and writes nothing");
        }
    }
}

async fn follow_rights(client: &Client, namespace: &str, missing: watch::Sender<Vec<String>>) -> Error {
    loop {
        let again = match rights::missing(client, namespace).await {
            Ok(now) => {
                for right in &now {
                    tracing::error!("the operator may not {right}; apply the RBAC objects from deploy/");
                }
                let again = if now.is_empty() { RIGHTS_COMPLETE } else { RIGHTS_MISSING };
                missing.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
                again
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "rights could not be checked");
                RIGHTS_MISSING
            }
        };
        sleep(again).await;
    }
}
