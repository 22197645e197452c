//! Writes findings as reports where `openreports.io` is installed, from the same judgement as the status.
//!
//! ```text
//!  judgement ─▶ what must be there ─┐
//!  list, now and then ─▶ what is ───┴─▶ what differs ─▶ a few writes, and a pause
//! ```
//! They protect nothing, so nothing waits for them: without the kinds nothing is written, and without the rights that is told
//! in the log and counted.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use kube::Client;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    apply::{Applier, Done, REPORTS_VERSION},
    error::Error,
    hub::{Hub, Refusal, served_resource},
    judge::Reported,
    metrics::Metrics,
};
use crate::engine::{
    open_reports::{self, Key},
    plan,
    report::Report,
    rights::OPEN_REPORTS_GROUP,
};

/// Two rounds are at least this far apart.
const PAUSE: Duration = Duration::from_secs(5);
/// Writes of one round, so that thousands of namespaces take their time.
const WRITES: usize = 50;
const AT_ONCE: usize = 4;
/// How soon it is looked again whether the kinds are there and may be written.
const ABSENT: Duration = Duration::from_secs(60);
/// How soon it is looked again at what is there: somebody may have changed it.
const LIST_AGAIN: Duration = Duration::from_secs(600);
/// So long a report is left alone that could not be written, or is somebody else's.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// Writes reports.
pub struct Writer {
    hub: Arc<Hub>,
    client: Client,
    applier: Applier,
    metrics: Arc<Metrics>,
    reported: watch::Receiver<Reported>,
    known: Known,
    left_alone: HashMap<Key, Instant>,
    /// Reports of others that have the name of one of ours, as was told.
    foreign: HashSet<Key>,
}

/// What is known of the reports that are there.
enum Known {
    /// Nothing yet, or not any more.
    Nothing,
    /// They cannot be written, as was found at that moment, and why; without a reason because there are no such kinds.
    Out(Instant, Option<String>),
    /// What they say, as they were listed at that moment and written since.
    Listed(Instant, BTreeMap<Key, String>),
}

impl Writer {
    /// One that writes what the judge reports.
    pub fn new(
        hub: Arc<Hub>,
        client: Client,
        applier: Applier,
        metrics: Arc<Metrics>,
        reported: watch::Receiver<Reported>,
    ) -> Self {
        Writer {
            hub,
            client,
            applier,
            metrics,
            reported,
            known: Known::Nothing,
            left_alone: HashMap::new(),
            foreign: HashSet::new(),
        }
    }

    /// Runs until dropped.
    pub async fn run(mut self) -> Error {
        let mut more = false;
        loop {
            if !more {
                tokio::select! {
                    changed = self.reported.changed() => if changed.is_err() { return Error::Ended("the writer of reports") },
                    () = sleep(ABSENT) => {}
                }
            }
            let report = self.reported.borrow_and_update().clone();
            let report = report.filter(|_| self.applier.may_write() && self.hub.is_complete());
            more = if let Some(report) = report {
                self.round(&report).await
            } else {
                // What others write meanwhile is not known.
                self.known = Known::Nothing;
                false
            };
            sleep(PAUSE).await;
        }
    }

    /// Writes some of what differs. Returns true when there is more.
    async fn round(&mut self, report: &Report) -> bool {
        self.look().await;
        let Known::Listed(_, known) = &self.known else { return false };
        self.left_alone.retain(|_, at| at.elapsed() < LEFT_ALONE);
        let mut desired = self.desired(report);
        let is_left_alone = |key: &Key| self.left_alone.contains_key(key);
        let gone = known.keys().filter(|key| !desired.contains_key(*key) && !is_left_alone(key)).cloned();
        let gone: Vec<(Key, Option<Value>)> = gone.map(|key| (key, None)).collect();
        desired.retain(|key, report| known.get(key) != Some(&open_reports::digest(report)) && !is_left_alone(key));
        let due = gone.into_iter().chain(desired.into_iter().map(|(key, report)| (key, Some(report))));
        let mut due: Vec<_> = due.collect();
        let more = due.len() > WRITES;
        due.truncate(WRITES);
        let applier = self.applier.clone();
        let write = |(key, report): (Key, Option<Value>)| {
            let applier = applier.clone();
            async move {
                let done = match &report {
                    Some(report) => applier.put_report(&key, report).await,
                    None => applier.delete_report(&key).await,
                };
                (key, report.as_ref().map(open_reports::digest), done)
            }
        };
        let done: Vec<_> = stream::iter(due.into_iter().map(write)).buffer_unordered(AT_ONCE).collect().await;
        for (key, digest, done) in done {
            self.note(key, digest, done);
        }
        more
    }

    /// Takes in what came of a write.
    fn note(&mut self, key: Key, digest: Option<String>, done: Result<Done, Error>) {
        let Known::Listed(_, known) = &mut self.known else { return };
        match (done, digest) {
            (Ok(Done::Written(_)), Some(digest)) => {
                self.foreign.remove(&key);
                let verb = if known.insert(key, digest).is_some() { "update" } else { "create" };
                self.metrics.count_write("open-reports", verb);
            }
            (Ok(Done::Deleted), _) => {
                known.remove(&key);
                self.metrics.count_write("open-reports", "delete");
            }
            (Ok(Done::Found(_)), _) => {
                known.remove(&key);
                if self.foreign.insert(key.clone()) {
                    tracing::warn!(
                        report = key.subject(),
                        "somebody else has a report of this name; it is left as it is"
                    );
                }
                self.left_alone.insert(key, Instant::now());
            }
            (Ok(Done::Gone | Done::Written(_)), _) => {
                known.remove(&key);
            }
            // It is listed again when this replica leads again.
            (Err(Error::NotLeading), _) => self.known = Known::Nothing,
            (Err(error), _) => {
                self.metrics.count_error("open-reports", error.category());
                tracing::warn!(report = key.subject(), error = error.chain(), "will try again");
                self.left_alone.insert(key, Instant::now());
                if error.category() == "refused" {
                    // The kinds may be gone.
                    self.known = Known::Nothing;
                }
            }
        }
    }

    /// Looks at what is there, if that is not known or is old.
    async fn look(&mut self) {
        let before = match &self.known {
            Known::Listed(at, _) if at.elapsed() < LIST_AGAIN => return,
            Known::Out(at, _) if at.elapsed() < ABSENT => return,
            Known::Listed(..) => Some(true),
            Known::Out(_, why) => why.as_ref().map(|_| false),
            Known::Nothing => None,
        };
        let now = Instant::now();
        self.known = match self.list().await {
            Ok(Some(reports)) => {
                if before != Some(true) {
                    tracing::info!("findings are written as reports of {OPEN_REPORTS_GROUP}");
                }
                Known::Listed(now, reports.into_iter().collect())
            }
            Ok(None) => Known::Out(now, None),
            Err((category, why)) => {
                self.metrics.count_error("open-reports", category);
                if before != Some(false) {
                    tracing::warn!(
                        why,
                        "findings are not written as reports; where a right is missing: deploy/kustomize/components/open-reports"
                    );
                }
                Known::Out(now, Some(why))
            }
        };
    }

    /// `None`: there are no such kinds.
    async fn list(&self) -> Result<Option<Vec<(Key, String)>>, (&'static str, String)> {
        for plural in ["reports", "clusterreports"] {
            match served_resource((OPEN_REPORTS_GROUP, plural), &[REPORTS_VERSION], &self.client).await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(Refusal::Forbidden(why)) => return Err(("forbidden", why)),
                Err(Refusal::Passing(why)) => return Err(("unreachable", why)),
            }
        }
        self.applier.list_reports().await.map(Some).map_err(|error| (error.category(), error.chain()))
    }

    /// The reports that must be there.
    fn desired(&self, report: &Report) -> BTreeMap<Key, Value> {
        let zones = self.hub.zone_store();
        let namespaces = self.hub.namespace_store();
        // Nothing may be created where everything goes.
        let stays = |name: &&String| namespaces.get(name).is_some_and(|namespace| !plan::is_terminating(&namespace));
        let uids: BTreeMap<&str, String> = report
            .zones
            .iter()
            .filter_map(|zone| Some((zone.name.as_str(), zones.get(&zone.name)?.metadata.uid.clone()?)))
            .collect();
        let members = self.hub.resolved(|resolution, _| {
            let members = |name: &str| {
                let members = resolution.zone(name).map(|zone| &zone.namespaces);
                members.map(|members| members.declared.union(&members.held).cloned().collect()).unwrap_or_default()
            };
            report.zones.iter().map(|zone| members(&zone.name)).collect::<Vec<Vec<String>>>()
        });
        let reported = report.zones.iter().zip(members).filter_map(|(zone, members)| {
            let namespaces = members.iter().filter(stays).cloned().collect();
            Some(open_reports::Reported { report: zone, uid: uids.get(zone.name.as_str())?, namespaces })
        });
        open_reports::reports(reported)
    }
}
