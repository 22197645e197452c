//! Evicts pods that run where they may not (`spec.hosting.evictMisplaced`): one after the other, through the eviction API, so that
//! disruption budgets hold. The judgement says which; each is read once more before.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::runtime::events::{Event, EventType};
use tokio::{sync::watch, time::sleep};

use super::{
    apply::{Applier, Done},
    error::Error,
    events::Teller,
    hub::Hub,
    memory::Failures,
    metrics::Metrics,
};
use crate::engine::{
    misplaced::{self, Eviction, Misplaced},
    plan,
    pod::Pod,
};

/// Two evictions are at least this far apart, in the whole cluster.
const PACE: Duration = Duration::from_secs(5);

/// Evicts one pod after the other.
pub struct Evictor {
    hub: Arc<Hub>,
    applier: Applier,
    metrics: Arc<Metrics>,
    teller: Teller,
    due: watch::Receiver<Vec<Eviction>>,
    /// Pods that could not be evicted, such as by their disruption budget.
    failed: Failures,
    /// Zones whose pods may not be evicted.
    refused: BTreeSet<String>,
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
        Evictor { hub, applier, metrics, teller, due, failed: Failures::default(), refused: BTreeSet::new() }
    }

    /// Runs until dropped. Each judgement makes a new list, and there is one every few seconds while there is something on it.
    pub async fn run(mut self) -> Error {
        loop {
            if self.due.changed().await.is_err() {
                return Error::Ended("the evictor");
            }
            let due = self.due.borrow_and_update().clone();
            self.forgive(&due);
            // Who never failed comes first, so that one that cannot be evicted holds up nobody.
            let tried = |eviction: &&Eviction| self.failed.wait(&subject(eviction));
            let ready = due.iter().filter(|eviction| tried(eviction).is_none_or(|wait| wait.is_zero()));
            let Some(eviction) = ready.min_by_key(|eviction| tried(eviction).is_some()) else { continue };
            if !self.applier.may_write() || !self.hub.deaf().is_empty() {
                continue;
            }
            self.evict(eviction).await;
            self.hub.wake();
            sleep(PACE).await;
        }
    }

    /// What is not on the list any more failed for the last time.
    fn forgive(&mut self, due: &[Eviction]) {
        let pods: BTreeSet<String> = due.iter().map(subject).collect();
        self.failed.retain(|failed| pods.contains(failed));
        let zones: BTreeSet<&str> = due.iter().map(|eviction| eviction.zone.as_str()).collect();
        let over: Vec<String> = self.refused.iter().filter(|zone| !zones.contains(zone.as_str())).cloned().collect();
        for zone in over {
            self.allow(&zone);
        }
    }

    async fn evict(&mut self, eviction: &Eviction) {
        let Eviction { zone, namespace, name, .. } = eviction;
        let subject = subject(eviction);
        let done = self.applier.evict(namespace, name, |pod| self.is_to_leave(zone, pod)).await;
        match &done {
            Ok(Done::Deleted) => {
                self.metrics.count_write("evict", "evict");
                tracing::info!(zone, pod = subject, why = why(eviction), "evicted");
                self.tell(eviction);
            }
            Ok(_) => {}
            Err(error) => {
                self.metrics.count_error("evict", error.category());
                let delay = self.failed.add(&subject, error);
                tracing::warn!(zone, error = error.chain(), ?delay, "will try again");
            }
        }
        match done {
            Err(error) if error.category() == "forbidden" => {
                self.hub.failures.add(&plan::eviction_subject(zone), &error);
                self.refused.insert(zone.clone());
            }
            _ => self.allow(zone),
        }
    }

    fn allow(&mut self, zone: &str) {
        self.hub.failures.clear(&plan::eviction_subject(zone));
        self.refused.remove(zone);
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
