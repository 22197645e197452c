//! The repair path: event → key → plan → writes. It never waits for the judgement.
//!
//! One module per kind says what a key needs; what they share is here.

use std::{sync::Arc, time::Duration};

use futures::Stream;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::ResourceExt;

use super::{
    apply::{Applier, Done},
    error::Error,
    hub::{Hub, Store},
    memory::{AWAITED, Incidents, Pace},
    metrics::Metrics,
    plans::Planned,
    queue::{self, Action},
};
use crate::engine::{
    drift::{self, Drift},
    due::{Course, Due, Release},
    plan::Write,
    snapshot::Incident,
};

/// A look at everything even when no event asks for it; costs no request when nothing changed.
const SAFETY_NET: Duration = Duration::from_secs(300);
/// How soon it is looked again whether the watches are heard.
const DEAF: Duration = Duration::from_secs(5);
/// Objects of one kind that are repaired at once. An API server gets no faster with more, and its fairness keeps others
/// from waiting for us.
const CONCURRENCY: usize = 64;

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
    /// How fast each object is written to.
    pub pace: Pace,
    /// Name of the controller, for metrics.
    pub controller: &'static str,
    /// Kind of the objects.
    pub kind: &'static str,
}

/// Runs a controller until its queue ends.
pub async fn run<K, F, Fut>(
    context: Arc<Context>,
    store: Arc<Store<K>>,
    keys: impl Stream<Item = String> + Send + 'static,
    reconcile: F,
) where
    K: ResourceExt + Clone + PartialEq + Send + Sync + 'static,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let look = |name: String| {
        let (object, context) = (store.get(&name), Arc::clone(&context));
        let reconcile = &reconcile;
        async move {
            // An object that is gone needs nothing.
            let object = object?;
            context.metrics.count_reconcile(context.controller);
            if !context.applier.may_write() {
                context.hub.miss();
                return None;
            }
            let subject = format!("{}/{name}", context.kind);
            match reconcile(object, Arc::clone(&context)).await {
                Ok(again) => Some(again),
                Err(error) => Some(Action::requeue(context.fail(&subject, &error))),
            }
        }
    };
    queue::run(keys, CONCURRENCY, look).await;
}

impl Context {
    /// Carries out the writes of a plan, in order, and says when to look again. `owner` is the metadata of the
    /// namespace or node.
    pub async fn carry_out(&self, planned: Planned, owner: &ObjectMeta) -> Result<Action, Error> {
        let name = owner.name.clone().unwrap_or_default();
        let subject = format!("{}/{name}", self.kind);
        if let Some(action) = self.instead(&planned, &subject, &name).await? {
            return Ok(action);
        }
        let Planned { due, writes, fingerprint, next } = planned;
        let settled = self.hub.settled.was_settled(&subject, fingerprint);
        if !settled {
            // The declaration changed; what was in place before says nothing any more.
            self.hub.settled.forget(&subject);
        }
        let mut again: Option<Duration> = None;
        let mut sooner = |delay: Duration| again = Some(again.map_or(delay, |again| again.min(delay)));
        let (mut failed, mut wrote) = (None, false);
        let mut course = Course::new(&due);
        for write in &writes {
            let target = write.subject();
            if !course.admits(write) {
                continue;
            }
            // The label lets pods in, so what they are checked by is there first. It is looked again when it is.
            if let Write::LabelNamespace { zone, .. } = write
                && !self.hub.in_force.has(zone)
            {
                continue;
            }
            // A label speaks of the default deny, and the watch may show one still that we deleted ourselves.
            let deleted = write.speaks_of().is_some_and(|subject| self.hub.awaited.is_deleted(&subject));
            if deleted || self.hub.awaited.is_behind(&target, write.planned_from(owner)) {
                course.put_off(write);
                sooner(AWAITED);
                continue;
            }
            if let Err(wait) = self.pace.take(&target, write.is_urgent()) {
                course.miss(write);
                sooner(wait);
                continue;
            }
            let drift = match &due {
                Due::Protect(zone) => drift::drift(write, owner, settled).map(|drift| (zone, drift)),
                Due::Release(_) | Due::Clean | Due::NotNow => None,
            };
            match self.applier.write(write).await {
                Ok(done) => {
                    wrote = true;
                    let is_ours = matches!(done, Done::Written(_) | Done::Deleted);
                    match (done, write.planned_from(owner)) {
                        (Done::Written(Some(version)) | Done::Found(Some(version)), _) => {
                            self.hub.awaited.wrote(target, version);
                        }
                        (Done::Deleted | Done::Gone, Some(last)) => self.hub.awaited.deleted(target, last.to_string()),
                        (_, _) => {}
                    }
                    if !is_ours {
                        // Somebody else did it, such as another replica; nothing is to be told of it.
                        continue;
                    }
                    self.metrics.count_write(self.controller, write.verb());
                    tracing::info!(controller = self.controller, "{} {}", write.verb(), write.subject());
                    if let Some((zone, drift)) = drift {
                        self.metrics.count_incident(zone);
                        self.report(zone, drift);
                    }
                }
                Err(error) => {
                    // If it happened, the next look finds everything in place and would have nothing to tell.
                    if let Some((zone, drift)) = drift.filter(|_| error.may_have_happened()) {
                        self.report(zone, drift);
                    }
                    if error.is_about_one_object() {
                        course.miss(write);
                    } else {
                        course.end();
                    }
                    failed = failed.or(Some(error));
                }
            }
        }
        match failed {
            // One look is one failure, however many writes it was about.
            Some(error) => {
                if wrote {
                    // It gets on, one write a look if need be; what failed before is no reason to wait longer.
                    self.succeed(&subject);
                }
                sooner(self.fail(&subject, &error));
            }
            None if wrote => self.succeed(&subject),
            None => {}
        }
        Ok(match again {
            Some(delay) => Action::requeue(next.map_or(delay, |next| delay.min(until(next)))),
            None => later(&name, next),
        })
    }

    /// When to look again where the writes of a plan are not to be made now.
    async fn instead(&self, planned: &Planned, subject: &str, name: &str) -> Result<Option<Action>, Error> {
        let Planned { due, writes, fingerprint, next } = planned;
        if writes.is_empty() {
            self.hub.settled.settle(subject, *fingerprint);
            self.succeed(subject);
            return Ok(Some(later(name, *next)));
        }
        if let Some(wait) = self.hub.failures.asked_to_wait(subject) {
            return Ok(Some(Action::requeue(wait)));
        }
        Ok(match due {
            Due::NotNow => {
                self.succeed(subject);
                Some(later(name, *next))
            }
            // What is known may be old, and nothing is taken away on old knowledge.
            Due::Release(_) | Due::Clean if !self.hub.deaf().is_empty() => Some(Action::requeue(DEAF)),
            Due::Release(release) if !self.may_release(release, name).await? => Some(later(name, *next)),
            Due::Protect(_) | Due::Release(_) | Due::Clean => None,
        })
    }

    /// Whether what was confirmed is still what the API server has: the annotation may be gone since the event,
    /// the spec may be another, and the object may be declared again.
    async fn may_release(&self, release: &Release, name: &str) -> Result<bool, Error> {
        if !self.applier.is_confirmed(release).await? {
            tracing::info!(zone = release.zone, "what was confirmed has changed; the protection stays");
            return Ok(false);
        }
        let Some(live) = self.applier.live(self.kind, name).await? else { return Ok(false) };
        Ok(!self.hub.resolved(|resolution, _| release.is_wanted(resolution, self.kind, &live)))
    }

    /// Notes that nothing fails any more.
    pub fn succeed(&self, subject: &str) {
        self.hub.failures.clear(subject);
    }

    /// Notes a failure; returns how long to wait.
    fn fail(&self, subject: &str, error: &Error) -> Duration {
        if matches!(error, Error::NotLeading) {
            self.hub.miss();
            return SAFETY_NET;
        }
        self.metrics.count_error(self.controller, error.category());
        let delay = self.hub.failures.add(subject, error);
        self.hub.wake();
        tracing::warn!(controller = self.controller, subject, error = error.chain(), ?delay, "will try again");
        delay
    }

    fn report(&self, zone: &str, drift: Drift) {
        let Drift { subject, tampering, manager, seal } = drift;
        tracing::warn!(zone, subject, ?tampering, manager, "somebody else changed it; it was put back");
        let sealed = seal.is_some_and(|seal| self.hub.refuses(zone, seal));
        let zone = zone.to_string();
        self.incidents.add(Incident { zone, subject, tampering, sealed, manager, at: Timestamp::now() });
        self.hub.wake();
    }
}

/// When to look again although nothing happens: at the next expiry, else some minutes later.
pub fn later(name: &str, next: Option<Timestamp>) -> Action {
    let unasked = SAFETY_NET + jitter(name);
    Action::requeue(next.map_or(unasked, |next| until(next).min(unasked)))
}

/// How long it is until then; no time at all when it has passed meanwhile.
fn until(at: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_until(at)).unwrap_or_default()
}

/// Spreads the safety net over a minute, by name, so that not everything is looked at in one moment.
fn jitter(name: &str) -> Duration {
    let sum: u64 = name.bytes().map(u64::from).sum();
    Duration::from_millis(sum.wrapping_mul(7919) % 60_000)
}
