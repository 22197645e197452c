//! Evicts pods that run where they may not (`spec.hosting.evictMisplaced`): one after the other, through the eviction API, so that
//! disruption budgets hold. The judgement says which; each is read once more before.

use std::{collections::HashMap, sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::runtime::events::{Event, EventType};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    apply::{Applier, Done},
    error::Error,
    events::Teller,
    hub::Hub,
    metrics::Metrics,
};
use crate::engine::{
    evictions::Eviction,
    misplaced::{self, Misplaced},
    plan,
    pod::Pod,
};

/// Two evictions are at least this far apart, in the whole cluster.
const PACE: Duration = Duration::from_secs(5);
/// So long a pod, or the pods of a zone, is left alone after an eviction that failed, and a namespace after one that worked.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// Evicts one pod after the other.
pub struct Evictor {
    hub: Arc<Hub>,
    applier: Applier,
    metrics: Arc<Metrics>,
    teller: Teller,
    due: watch::Receiver<Vec<Eviction>>,
    /// When a pod could not be evicted, such as by its disruption budget, when a zone's pods were not allowed to be, and when one
    /// of a namespace was.
    lately: HashMap<String, Instant>,
}

impl Evictor {
    /// Evicts what the judgement puts on this list.
    pub fn new(
        hub: Arc<Hub>,
        applier: Applier,
        metrics: Arc<Metrics>,
        teller: Teller,
        due: watch::Receiver<Vec<Eviction>>,
    ) -> Self {
        Evictor { hub, applier, metrics, teller, due, lately: HashMap::new() }
    }

    /// Runs until dropped. Each judgement makes a new list, and there is one every few seconds while there is something on it.
    pub async fn run(mut self) -> Error {
        loop {
            if self.due.changed().await.is_err() {
                return Error::Ended("the evictor");
            }
            let due = self.due.borrow_and_update().clone();
            self.lately.retain(|_, at| at.elapsed() < LEFT_ALONE);
            let is_left_alone = |eviction: &&Eviction| {
                let Eviction { zone, namespace, .. } = eviction;
                let about = [subject(eviction), plan::eviction_subject(zone), plan::namespace_subject(namespace)];
                about.iter().any(|about| self.lately.contains_key(about))
            };
            let Some(eviction) = due.iter().find(|eviction| !is_left_alone(eviction)) else { continue };
            if !self.applier.may_write() || !self.hub.deaf().is_empty() {
                continue;
            }
            self.evict(eviction).await;
            self.hub.wake();
            sleep(PACE).await;
        }
    }

    async fn evict(&mut self, eviction: &Eviction) {
        let Eviction { zone, namespace, name, .. } = eviction;
        let (subject, of_zone) = (subject(eviction), plan::eviction_subject(zone));
        match self.applier.evict(namespace, name, |pod| self.is_to_leave(zone, pod)).await {
            Ok(Done::Deleted) => {
                self.metrics.count_write("evict", "evict");
                self.hub.failures.clear(&of_zone);
                tracing::info!(zone, pod = subject, why = why(eviction), "evicted");
                self.tell(eviction);
                self.lately.insert(plan::namespace_subject(namespace), Instant::now());
            }
            Ok(_) => {}
            Err(error) => {
                self.metrics.count_error("evict", error.category());
                tracing::warn!(zone, error = error.chain(), "will try again");
                if error.category() == "forbidden" {
                    // The first one is told; another pod is no news.
                    if !self.hub.failures.has(&of_zone) {
                        self.hub.failures.add(&of_zone, &error);
                    }
                    self.lately.insert(of_zone, Instant::now());
                } else if error.is_answer() {
                    self.hub.failures.clear(&of_zone);
                }
                self.lately.insert(subject, Instant::now());
            }
        }
    }

    /// As things are now.
    fn is_to_leave(&self, zone: &str, pod: &Pod) -> bool {
        self.hub.resolved(|resolution, cluster| {
            let declaration = resolution.zone(zone).and_then(|zone| zone.declaration.as_deref());
            let operator = &cluster.operator_namespace;
            let why = declaration.and_then(|declaration| {
                misplaced::is_to_leave(declaration, resolution, operator, pod, Timestamp::now())
            });
            why.is_some()
        })
    }

    fn tell(&self, eviction: &Eviction) {
        let Some(zone) = self.hub.zone_store().get(&eviction.zone) else { return };
        let pod = ObjectReference {
            api_version: Some("v1".to_string()),
            kind: Some("Pod".to_string()),
            namespace: Some(eviction.namespace.clone()),
            name: Some(eviction.name.clone()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: EventType::Normal,
            reason: "MisplacedPodEvicted".to_string(),
            note: Some(format!("{}: {}.", subject(eviction), why(eviction))),
            action: "Evicted".to_string(),
            secondary: Some(pod),
        };
        self.teller.tell(&zone.metadata, event);
    }
}

fn subject(eviction: &Eviction) -> String {
    format!("Pod/{}/{}", eviction.namespace, eviction.name)
}

fn why(eviction: &Eviction) -> &'static str {
    match eviction.why {
        Misplaced::Off => "a pod of the zone on a node that is none of the zone's",
        Misplaced::Foreign | Misplaced::System | Misplaced::Static => "a pod of others on a node of the zone",
    }
}
