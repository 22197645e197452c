//! The judgement path: everything at one moment → the engine → status, events, metrics.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    apply::{Applier, Left},
    error::Error,
    events::{self, Teller},
    hub::Hub,
    memory::{Failures, Incidents},
    metrics::Metrics,
};
use crate::{
    api::{ConditionType, PciZoneStatus},
    engine::{
        self, Evaluation, Snapshot,
        canary::objects,
        checks::Found,
        evictions::Eviction,
        ownership, plan,
        report::{Report, ZoneReport},
        snapshot::ZoneRecord,
    },
};

/// Changes that come within this time are judged together.
const SETTLE: Duration = Duration::from_millis(50);
/// Two judgements are at least this far apart.
const PAUSE: Duration = Duration::from_secs(1);
/// A judgement even when nothing asks for it.
const SAFETY_NET: Duration = Duration::from_secs(300);
/// Statuses written at once.
const PUBLISHED_AT_ONCE: usize = 8;

/// Name and UID of a zone.
type Identity = (String, Option<String>);
type Published = HashMap<Identity, PciZoneStatus>;
/// What everybody may read of the last judgement; `None` while this replica does not judge.
pub type Reported = Option<Arc<Report>>;

/// Judges all zones.
pub struct Judge {
    /// What is known.
    pub hub: Arc<Hub>,
    /// What writes.
    pub applier: Applier,
    /// What counts.
    pub metrics: Arc<Metrics>,
    /// What somebody else did.
    pub incidents: Arc<Incidents>,
    /// Rights that are missing.
    pub missing_rights: watch::Receiver<Vec<String>>,
    /// What publishes events.
    pub teller: Teller,
    /// Pods that are to be evicted.
    pub evictions: watch::Sender<Vec<Eviction>>,
    /// The full list of findings.
    report: watch::Sender<Reported>,
    /// What the last judgement found in each zone, by its name and UID. One that is made anew starts with nothing.
    judged: HashMap<Identity, Arc<[Found]>>,
    /// Unreadable versions of zones that were told by an event.
    told: Mutex<HashSet<(Option<String>, Option<i64>)>>,
    /// The last status of each zone, by its name and UID, that this replica wrote or found in place.
    published: Published,
    /// Zones in whose status the last write left something of others. The next one takes it out: two at a time would be
    /// more than one in a second.
    strays: HashSet<Identity>,
    /// Statuses that could not be written, by zone. One that is refused holds up none of the others.
    failures: Failures,
}

impl Judge {
    /// A judge.
    pub fn new(
        hub: Arc<Hub>,
        applier: Applier,
        metrics: Arc<Metrics>,
        incidents: Arc<Incidents>,
        missing_rights: watch::Receiver<Vec<String>>,
        teller: Teller,
        evictions: watch::Sender<Vec<Eviction>>,
    ) -> Self {
        Judge {
            hub,
            applier,
            metrics,
            incidents,
            missing_rights,
            teller,
            evictions,
            report: watch::Sender::new(None),
            judged: HashMap::new(),
            told: Mutex::default(),
            published: HashMap::new(),
            strays: HashSet::new(),
            failures: Failures::default(),
        }
    }

    /// Where the full list of findings is read.
    pub fn reported(&self) -> watch::Receiver<Reported> {
        self.report.subscribe()
    }

    /// Judges after every change, until dropped.
    pub async fn run(mut self) -> Error {
        let mut ticks = self.hub.ticks();
        ticks.mark_changed();
        let mut next = Instant::now() + SAFETY_NET;
        loop {
            tokio::select! {
                changed = ticks.changed() => if changed.is_err() { return Error::Ended("the judge") },
                changed = self.missing_rights.changed() => if changed.is_err() { return Error::Ended("the judge") },
                () = sleep_until(next) => {}
            }
            sleep(SETTLE).await;
            ticks.mark_unchanged();
            let holds = if self.applier.may_write() { self.judge().await } else { self.miss() };
            // The pause is a part of it, or every instant would be met a second late.
            next = Instant::now() + holds;
            sleep(PAUSE).await;
        }
    }

    /// Judges once; returns how long the judgement holds by itself.
    async fn judge(&mut self) -> Duration {
        let now = Timestamp::now();
        let missing = self.missing_rights.borrow_and_update().clone();
        let (hub, incidents) = (Arc::clone(&self.hub), self.incidents.recent(now));
        let started = Instant::now();
        let (published, judged) = (self.published.clone(), self.judged.clone());
        let judged = tokio::task::spawn_blocking(move || {
            let mut snapshot = hub.snapshot(missing, incidents);
            let rounds = hub.tested.known();
            snapshot.pods.retain(|pod| !objects::is_own(pod, |round| rounds.contains(round)));
            let zones = snapshot.zones.clone();
            let found = |zone: &ZoneRecord| Some((zone.name().to_string(), Arc::clone(judged.get(&identity(zone))?)));
            snapshot.judged = zones.iter().filter_map(found).collect();
            snapshot.zones = snapshot.zones.into_iter().map(|zone| as_published(zone, &published)).collect();
            let evaluations = evaluate(&snapshot, hub.is_complete() && hub.knows_fixes(), now);
            (zones, evaluations)
        });
        let (zones, mut evaluations) = match judged.await {
            Ok(judged) => judged,
            Err(error) => {
                // What protects is repaired all the same; that nothing is judged shows in the metrics and the log.
                self.metrics.count_error("judge", "panic");
                tracing::error!(%error, "the judgement broke off, so no status is written; this is a fault of the operator");
                return PAUSE;
            }
        };
        if !self.applier.may_write() {
            return self.miss();
        }
        self.metrics.set_judgement(started.elapsed().as_secs_f64(), &evaluations, now);
        self.tell_all(&zones, &mut evaluations, now);
        self.evictions.send_replace(evaluations.values().flat_map(|one| one.evictions.iter().cloned()).collect());
        // What was written last before a failure is still what was written last.
        let known: HashSet<Identity> = zones.iter().map(identity).collect();
        self.published.retain(|zone, _| known.contains(zone));
        let there: HashSet<String> = zones.iter().flat_map(|zone| [name(zone), version(zone)]).collect();
        self.failures.retain(|failed| there.contains(failed));
        let due = zones.iter().filter(|zone| self.wait(zone).is_none_or(|wait| wait.is_zero()));
        let due: Vec<_> = due.filter_map(|zone| Some(self.publish(zone, evaluations.get(zone.name())?))).collect();
        let published: Vec<_> = stream::iter(due).buffer_unordered(PUBLISHED_AT_ONCE).collect().await;
        self.strays.clear();
        for (identity, status, left) in published.into_iter().flatten() {
            if left == Left::Strays {
                self.strays.insert(identity.clone());
            }
            self.published.insert(identity, status);
        }
        if !self.strays.is_empty() {
            // No event comes where the write changed nothing.
            return Duration::ZERO;
        }
        let again = zones.iter().filter_map(|zone| self.wait(zone));
        let until = |at| Duration::try_from(Timestamp::now().duration_until(at)).unwrap_or_default();
        let next = evaluations.values().filter_map(|evaluation| evaluation.next).map(until);
        next.chain(again).min().map_or(SAFETY_NET, |next| next.min(SAFETY_NET))
    }

    /// Nothing is said while this replica does not lead; it is judged again as soon as it does. What others say
    /// meanwhile is not known.
    fn miss(&mut self) -> Duration {
        self.published.clear();
        self.strays.clear();
        self.judged.clear();
        self.report.send_replace(None);
        self.hub.miss();
        SAFETY_NET
    }

    /// Gives everything that was found out to be read, and keeps it for the dates.
    fn tell_all(&mut self, zones: &[ZoneRecord], evaluations: &mut BTreeMap<String, Evaluation>, now: Timestamp) {
        self.judged.clear();
        // Without any evaluation nothing was judged yet, unless there is no zone.
        if !zones.is_empty() && evaluations.is_empty() || !self.hub.is_complete() && zones.is_empty() {
            self.report.send_replace(None);
            return;
        }
        let identities: HashMap<&str, Identity> = zones.iter().map(|zone| (zone.name(), identity(zone))).collect();
        let zone = |(name, evaluation): (&String, &mut Evaluation)| {
            let findings: Arc<[Found]> = std::mem::take(&mut evaluation.findings).into();
            if let Some(identity) = identities.get(name.as_str()) {
                self.judged.insert(identity.clone(), Arc::clone(&findings));
            }
            ZoneReport { name: name.clone(), unjudged: unjudged(&evaluation.status), findings }
        };
        let zones = evaluations.iter_mut().map(zone).collect();
        self.report.send_replace(Some(Arc::new(Report { judged_at: now, zones })));
    }

    /// How long it is until the status of a zone may be written, where that failed.
    fn wait(&self, zone: &ZoneRecord) -> Option<Duration> {
        self.failures.wait(&version(zone)).max(self.failures.asked_to_wait(&name(zone)))
    }

    /// Writes a status where another one is, by one write at most. Returns the status that is there now, and what else is.
    async fn publish(
        &self,
        record: &ZoneRecord,
        evaluation: &Evaluation,
    ) -> Result<(Identity, PciZoneStatus, Left), Error> {
        let (identity, status) = (identity(record), evaluation.status.clone());
        if record.status().map(PciZoneStatus::without_foreign).as_ref() == Some(&status) {
            self.failures.clear(&version(record));
            return Ok((identity, status, Left::Nothing));
        }
        let written = if self.strays.contains(&identity) {
            self.applier.clean_status(record, &status).await.map(|()| Left::Nothing)
        } else {
            self.applier.set_status(record, &status).await
        };
        let left = written.inspect_err(|error| self.note_failure(record, &status, error))?;
        self.failures.clear(&version(record));
        self.failures.clear(&name(record));
        for event in events::between(record.status(), &status) {
            self.teller.tell(record.metadata(), event);
        }
        Ok((identity, status, left))
    }

    /// Remembers that a status could not be written, and for how long to wait.
    fn note_failure(&self, record: &ZoneRecord, status: &PciZoneStatus, error: &Error) {
        if matches!(error, Error::NotLeading) {
            return self.hub.miss();
        }
        self.metrics.count_error("judge", error.category());
        let delay = self.failures.add(&version(record), error);
        if error.retry_after().is_some() {
            self.failures.add(&name(record), error);
        }
        let zone = record.name();
        tracing::warn!(zone, error = error.chain(), ?delay, "the status could not be written; it is tried again");
        self.tell_unreadable(record, status);
    }

    /// The API server takes no status for an object whose fields are of other types than the schema says. Then an
    /// event is the only place that is left, once for each version of the spec.
    fn tell_unreadable(&self, record: &ZoneRecord, status: &PciZoneStatus) {
        if let ZoneRecord::Readable(_) = record {
            return;
        }
        let version = (record.metadata().uid.clone(), record.metadata().generation);
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(version) {
            for event in events::between(None, status).into_iter().filter(|event| event.action == "Ready") {
                self.teller.tell(record.metadata(), event);
            }
        }
    }
}

/// A zone, however it is declared: what the API server asked for holds for all its versions.
fn name(zone: &ZoneRecord) -> String {
    plan::zone_subject(zone.name())
}

/// A zone as it is declared now. What was refused of an earlier version says nothing about this one.
fn version(zone: &ZoneRecord) -> String {
    let metadata = zone.metadata();
    let (uid, generation) = (metadata.uid.as_deref().unwrap_or_default(), metadata.generation.unwrap_or_default());
    format!("{}/{uid}/{generation}", zone.name())
}

fn identity(zone: &ZoneRecord) -> Identity {
    (zone.name().to_string(), zone.metadata().uid.clone())
}

/// Why a zone could not be judged.
fn unjudged(status: &PciZoneStatus) -> Option<String> {
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    ready.filter(|_| status.findings.is_none()).map(|condition| condition.message.clone())
}

/// The zone with the status that this replica wrote last, whatever somebody made of it since. Of a status that it
/// did not write, and others had a hand in, only what nothing else knows is taken: the count of confirmed changes, and a broken
/// glass. That one may be forged says too much at worst, and can be acknowledged. What the canary showed is shown again by its next
/// round; failures before that are lost then, but for the log and the Events that told them.
fn as_published(zone: ZoneRecord, published: &Published) -> ZoneRecord {
    let live = zone.status().map(PciZoneStatus::without_foreign);
    let trusted = match published.get(&identity(&zone)) {
        Some(status) => Some(status.clone()),
        None if ownership::is_status_shared(zone.metadata()) => live.as_ref().map(|live| PciZoneStatus {
            confirmed_changes: live.confirmed_changes,
            break_glass: live.break_glass.clone(),
            ..PciZoneStatus::default()
        }),
        None => return zone,
    };
    if live == trusted { zone } else { zone.with_status(trusted) }
}

fn evaluate(snapshot: &Snapshot, synced: bool, now: Timestamp) -> BTreeMap<String, Evaluation> {
    if synced {
        return engine::evaluate(snapshot, &engine::resolve(snapshot), now);
    }
    // Nothing is known of the cluster; only what keeps it from being known can be said.
    if snapshot.missing_rights.is_empty() { BTreeMap::new() } else { engine::blind(snapshot, now) }
}
