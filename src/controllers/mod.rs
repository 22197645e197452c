//! The operator: the effects around the engine.
//!
//! ```text
//!  hub ─┬─ keys ─▶ namespaces, nodes, zones ─▶ apply ─▶ API server     repair, one object at a time
//!       └─ tick ─▶ judge ───────────────────▶ apply ─▶ status          judgement, all zones together
//! ```

mod apply;
mod canary;
mod config_maps;
mod error;
mod events;
mod evict;
mod http;
mod hub;
mod images;
mod judge;
mod leader;
mod lenient;
mod logs;
mod memory;
mod metrics;
mod namespaces;
mod nodes;
mod open_reports;
mod plans;
mod queue;
mod repair;
pub mod rights;
mod server;
mod traffic;
mod webhook;
mod zones;

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures::Stream;
use kube::{Client, Config, ResourceExt, client::ClientBuilder};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

pub use canary::Image;
pub use error::Error;
pub use hub::served;
pub use webhook::Address;

use apply::Applier;
use canary::Canary;
use events::Teller;
use evict::Evictor;
use hub::{Hub, Store};
use images::Images;
use judge::Judge;
use leader::Election;
use logs::Logs;
use memory::{Incidents, Pace};
use metrics::Metrics;
use open_reports::Writer;
use queue::Action;
use repair::Context;
use traffic::{Traffic, TrafficLayer};
use webhook::Webhook;

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
    /// Where metrics, the report and health are served.
    pub listener: TcpListener,
    /// Where API servers without sound mutating policies find the webhook; without it pods there have to be placed by their
    /// templates.
    pub webhook: Option<(SocketAddr, Address)>,
    /// Where the image of the canary's pods comes from; without it there is no canary.
    pub canary: Option<Image>,
    /// The folder with what is shown to log stores.
    pub log_stores: PathBuf,
}

/// Runs the operator until `shutdown` is ready or a part of it fails.
pub async fn run(settings: Settings, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let Settings { mut config, namespace, identity, listener, webhook, canary, log_stores: credentials } = settings;
    config.connect_timeout = Some(Duration::from_secs(5));
    // Repeats below the gate would go on after the lease is lost; each part tries again by itself.
    config.default_retry = false;
    let traffic = Arc::new(Traffic::default());
    let metrics = Arc::new(Metrics::default());
    let layer = TrafficLayer { traffic: Arc::clone(&traffic), metrics: Arc::clone(&metrics) };
    let client: Client =
        ClientBuilder::try_from(config).map_err(|error| Error::Client(Box::new(error)))?.with_layer(&layer).build();

    let (hub, keys, watches) = Hub::new(&client, &namespace, Arc::clone(&traffic));
    let (election, gate) = Election::join(client.clone(), &namespace, &identity, traffic);
    let applier = Applier::new(client.clone(), gate.clone());
    let incidents = Arc::new(Incidents::default());
    let context = |controller, kind| {
        Arc::new(Context {
            hub: Arc::clone(&hub),
            applier: applier.clone(),
            metrics: Arc::clone(&metrics),
            incidents: Arc::clone(&incidents),
            pace: Pace::default(),
            controller,
            kind,
        })
    };
    let (missing_rights, rights) = watch::channel(Vec::new());
    let teller = Teller::new(client.clone(), &identity);
    let (evictions, due) = watch::channel(Vec::new());
    let judge = Judge::new(
        Arc::clone(&hub),
        applier.clone(),
        Arc::clone(&metrics),
        Arc::clone(&incidents),
        rights,
        teller.clone(),
        evictions,
    );
    let (reported, on_canary) = (judge.reported(), judge.reported());
    let writer = Writer::new(Arc::clone(&hub), client.clone(), applier.clone(), Arc::clone(&metrics), judge.reported());
    let evictor = Evictor::new(Arc::clone(&hub), applier.clone(), Arc::clone(&metrics), teller, due);
    // Each in a task of its own: no repair waits for a judgement, nor for another kind. All end with this set.
    let mut parts = JoinSet::new();
    parts.spawn(watches);
    parts.spawn(Arc::clone(&hub).follow_reports(client.clone()));
    parts.spawn({
        let (hub, metrics) = (Arc::clone(&hub), Arc::clone(&metrics));
        async move { http::serve(listener, hub, metrics, reported).await.err().unwrap_or(Error::Ended("the HTTP server")) }
    });
    parts.spawn(judge.run());
    parts.spawn(evictor.run());
    parts.spawn(writer.run());
    parts.spawn(follow_leadership(gate.clone(), Arc::clone(&hub), Arc::clone(&metrics)));
    parts.spawn({
        let (hub, client, applier, metrics) = (Arc::clone(&hub), client.clone(), applier.clone(), Arc::clone(&metrics));
        Logs { hub, client, applier, metrics, credentials }.run()
    });
    parts.spawn({
        let (hub, client, applier, metrics) = (Arc::clone(&hub), client.clone(), applier.clone(), Arc::clone(&metrics));
        Images { hub, client, applier, metrics, namespace: namespace.clone() }.run()
    });
    if let Some(image) = canary {
        let canary = Canary {
            hub: Arc::clone(&hub),
            client: client.clone(),
            applier: applier.clone(),
            metrics: Arc::clone(&metrics),
            reported: on_canary,
            namespace: namespace.clone(),
            image,
        };
        parts.spawn(canary.run());
    }
    if let Some((listen, address)) = webhook {
        let (client, namespace) = (client.clone(), namespace.clone());
        let webhook = Webhook { client, namespace, hub: Arc::clone(&hub), gate: gate.clone(), address };
        parts.spawn(webhook.run(listen));
    }
    parts.spawn(follow_rights(client, namespace, Arc::clone(&hub), missing_rights));
    parts.spawn(keep(
        context("namespaces", "Namespace"),
        hub.namespace_store(),
        keys.namespaces,
        namespaces::reconcile,
    ));
    parts.spawn(keep(context("nodes", "Node"), hub.node_store(), keys.nodes, nodes::reconcile));
    parts.spawn(keep(context("zones", "PciZone"), hub.zone_store(), keys.zones, zones::reconcile));

    let result = tokio::select! {
        ended = parts.join_next() => Err(match ended {
            Some(Ok(error)) => error,
            Some(Err(_)) | None => Error::Ended("a part of the operator"),
        }),
        () = shutdown => Ok(()),
    };
    // No new writes; those under way end; then the lease goes to the next replica at once.
    gate.close();
    applier.drain().await;
    parts.shutdown().await;
    election.leave().await;
    result
}

/// Runs a controller as soon as the stores are filled: on half-filled ones "not there" would mean nothing.
async fn keep<K, F, Fut>(
    context: Arc<Context>,
    store: Arc<Store<K>>,
    keys: impl Stream<Item = String> + Send + 'static,
    reconcile: F,
) -> Error
where
    K: ResourceExt + Clone + PartialEq + Send + Sync + 'static,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Action, Error>> + Send + 'static,
{
    context.hub.until_synced().await;
    repair::run(context, store, keys, reconcile).await;
    Error::Ended("a controller")
}

/// Has everything looked at when this replica begins to lead.
async fn follow_leadership(mut gate: leader::Gate, hub: Arc<Hub>, metrics: Arc<Metrics>) -> Error {
    let mut leading = false;
    loop {
        match gate.changed().await {
            Some(true) if leading => {
                // The gate may have been closed for a moment between two looks.
                if hub.take_missed() {
                    hub.enqueue_all();
                }
                continue;
            }
            Some(now) if now == leading => continue,
            Some(now) => leading = now,
            None => return Error::Ended("the leader election"),
        }
        metrics.set_leading(leading);
        if leading {
            tracing::info!("this replica leads");
            hub.until_synced().await;
            hub.take_missed();
            hub.enqueue_all();
        } else {
            // What others write meanwhile is not known.
            hub.settled.clear();
            tracing::warn!("this replica does not lead any more and writes nothing");
        }
    }
}

async fn follow_rights(client: Client, namespace: String, hub: Arc<Hub>, missing: watch::Sender<Vec<String>>) -> Error {
    loop {
        let brought = hub.brought();
        let again = match rights::missing(&client, &namespace, &brought).await {
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
        let begun = Instant::now();
        while hub.brought() == brought && begun.elapsed() < again {
            sleep(RIGHTS_MISSING).await;
        }
    }
}
