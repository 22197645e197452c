//! The repair path: event → key → plan → writes. It never waits for the judgement.
//!
//! One module per kind says what a key needs; what they share is here.

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::{
    Resource,
    runtime::{
        controller::{self, Action, applier},
        reflector::{ObjectRef, Store},
    },
};

use super::{
    apply::Applier,
    error::Error,
    hub::{Due, Hub},
    memory::{AWAITED, Failures, Incidents, Ledger},
    metrics::Metrics,
};
use crate::engine::{
    drift::{self, Drift},
    plan::Write,
    snapshot::Incident,
};

/// A look at everything even when no event asks for it; costs no request when nothing changed.
const SAFETY_NET: Duration = Duration::from_secs(300);
/// Objects of one kind that are repaired at once.
const CONCURRENCY: u16 = 16;

/// What every controller needs.
pub struct Context {
    /// What is known.
    pub hub: Arc<Hub>,
    /// What writes.
    pub applier: Applier,
    /// What counts.
    pub metrics: Arc<Metrics>,
    /// What somebody else did.
    pub incidents: Arc<Incidents>,
    /// What was in place.
    pub ledger: Ledger,
    /// What failed.
    pub failures: Failures,
    /// Name of the controller, for metrics.
    pub controller: &'static str,
}

/// Runs a controller until its queue ends.
pub async fn run<K, F, Fut>(
    context: Arc<Context>,
    store: Store<K>,
    keys: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    reconcile: F,
) where
    K: Resource + Clone + Send + Sync + 'static,
    K::DynamicType: std::fmt::Debug + Eq + std::hash::Hash + Clone + Unpin + Send + Sync,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let requests = keys.map(Ok::<_, std::convert::Infallible>);
    let look = move |object: Arc<K>, context: Arc<Context>| {
        let reconcile = reconcile.clone();
        Box::pin(async move {
            let name = object.meta().name.clone().unwrap_or_default();
            let action = reconcile(object, Arc::clone(&context)).await?;
            context.failures.clear(&name);
            Ok(action)
        })
    };
    let config = controller::Config::default().concurrency(CONCURRENCY);
    applier(look, on_error, context, store, requests, config)
        // An object that is gone needs nothing; other errors were reported by `on_error`.
        .for_each(|_| async {})
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube calls")]
fn on_error<K: Resource>(object: Arc<K>, error: &Error, context: Arc<Context>) -> Action {
    let name = object.meta().name.clone().unwrap_or_default();
    if matches!(error, Error::NotLeading) {
        return Action::await_change();
    }
    context.metrics.count_error(context.controller, error.category());
    let delay = context.failures.delay(&name);
    tracing::warn!(controller = context.controller, name, error = error.chain(), ?delay, "will try again");
    Action::requeue(delay)
}

/// A plan for one object.
pub struct Planned<'a> {
    /// Whether to write now.
    pub due: Due,
    /// In order.
    pub writes: &'a [Write],
    /// Of what must be there.
    pub fingerprint: u64,
    /// When the plan changes by the clock alone.
    pub next: Option<Timestamp>,
    /// Metadata of the namespace or node.
    pub owner: &'a ObjectMeta,
}

impl Context {
    /// Carries out the writes of a plan, in order, and says when to look again.
    pub async fn carry_out(&self, planned: Planned<'_>) -> Result<Action, Error> {
        let Planned { due, writes, fingerprint, next, owner } = planned;
        let name = owner.name.clone().unwrap_or_default();
        if writes.is_empty() {
            self.ledger.settle(&name, fingerprint);
            return Ok(later(&name, next));
        }
        match &due {
            Due::NotNow => return Ok(later(&name, next)),
            // The annotation may be gone since the event: what opens is checked again.
            Due::Release(zone, digest) if !self.applier.is_confirmed(zone, digest).await? => {
                tracing::info!(zone, "the confirmation was withdrawn; the protection stays");
                return Ok(later(&name, next));
            }
            Due::Protect(_) | Due::Release(..) | Due::Clean => {}
        }
        let is_behind = |write: &&Write| self.hub.awaited.is_behind(&write.subject(), write.planned_from(owner));
        let (behind, writes): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(is_behind);
        let settled = self.ledger.was_settled(&name, fingerprint);
        if !settled {
            // The declaration changed; what was in place before says nothing any more.
            self.ledger.forget(&name);
        }
        for write in writes {
            let version = self.applier.write(write).await?;
            self.hub.awaited.add(write.subject(), version);
            self.metrics.count_write(self.controller, write.verb());
            tracing::info!(controller = self.controller, "{} {}", write.verb(), write.subject());
            if let (Due::Protect(zone), Some(drift)) = (&due, drift::drift(write, owner, settled)) {
                self.report(zone, drift);
            }
        }
        if behind.is_empty() { Ok(later(&name, next)) } else { Ok(Action::requeue(AWAITED)) }
    }

    fn report(&self, zone: &str, drift: Drift) {
        let Drift { subject, tampering, manager } = drift;
        tracing::warn!(zone, subject, ?tampering, manager, "somebody else changed it; it was put back");
        self.metrics.count_incident(zone);
        self.incidents.add(Incident { zone: zone.to_string(), subject, tampering, manager, at: Timestamp::now() });
        self.hub.wake();
    }
}

/// When to look again although nothing happens: at the next expiry, else some minutes later.
pub fn later(name: &str, next: Option<Timestamp>) -> Action {
    let until = next.map(|at| Timestamp::now().duration_until(at)).and_then(|d| Duration::try_from(d).ok());
    let unasked = SAFETY_NET + jitter(name);
    Action::requeue(until.map_or(unasked, |until| until.min(unasked)))
}

/// Spreads the safety net over a minute, by name, so that not everything is looked at in one moment.
fn jitter(name: &str) -> Duration {
    let sum: u64 = name.bytes().map(u64::from).sum();
    Duration::from_millis(sum.wrapping_mul(7919) % 60_000)
}
