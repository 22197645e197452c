//! The rounds of one zone, one after the other.
//!
//! ```text
//!  set up ─▶ wait until it is due ─▶ allow ─▶ remove ─▶ have the pods end ─▶ read what they tell ─▶ judge ─▶ set up …
//! ```
//! The pods of the next round stand before it is due: a node whose network agent is gone cannot start any, and just that is to be seen.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{
    Shared,
    stage::{self, Stage},
};
use crate::{
    api::{FindingId, SegmentationTest, TestResult, names},
    controllers::error::Error,
    engine::{
        self, Resolution, Snapshot,
        canary::{
            about,
            objects::{self, Part},
            round::{Round, Target},
            verdict::{Expected, Seen, verdict},
        },
        change::short_digest,
        desired::policies,
        reach::{End, Reach, words::few},
    },
};

/// How long the pods are looked at before anything is allowed.
const BEFORE: Duration = Duration::from_secs(5);
/// Before pods end by themselves, others take their place.
const STAND: Duration = Duration::from_secs(6_000);
/// How soon a round that did not show what must be is followed by the next.
const AGAIN: Duration = Duration::from_secs(60);
/// How soon what could not be set up is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// How often it is looked whether a round is due.
const LOOK: Duration = Duration::from_secs(2);

/// The canary of one zone.
pub struct ZoneCanary {
    /// Name of the zone.
    pub zone: String,
    /// What all of them share.
    pub shared: Arc<Shared>,
}

/// What is found out of the cluster for a round.
struct Scene {
    round: Option<Round>,
    every: Duration,
}

impl ZoneCanary {
    /// Round after round, until dropped. What stands then is removed by whoever dropped it.
    pub async fn run(self) {
        let mut number = 0_u64;
        // What asked for a round before the last one began.
        let mut answered = None;
        loop {
            match self.turn(number, &mut answered).await {
                Ok(()) => number = number.wrapping_add(1),
                Err(error) => {
                    self.shared.metrics.count_error("canary", error.category());
                    let why = match error.category() {
                        "forbidden" => {
                            "was not tested: the operator may not make pods for it; install its component canary"
                                .to_string()
                        }
                        _ => format!("was not tested: {}", error.chain()),
                    };
                    tracing::warn!(zone = self.zone, error = error.chain(), "the canary cannot run; it is tried again");
                    self.put_off(&why);
                    sleep(RETRY).await;
                }
            }
        }
    }

    fn put_off(&self, why: &str) {
        if self.shared.hub.tested.put_off(&self.zone, why) {
            self.shared.hub.wake();
        }
    }

    /// Sets a round up, plays it when it is due, and takes everything away again.
    async fn turn(&self, number: u64, answered: &mut Option<String>) -> Result<(), Error> {
        let Scene { round, every } = self.scene(number).await?;
        let Some(round) = round else {
            self.put_off("was not tested: the zone has no namespace under protection, or no node of it takes pods");
            sleep(RETRY).await;
            return Ok(());
        };
        self.shared.live(&round.id, true);
        let played = self.play(&round, every, answered).await;
        let cleared = stage::clear(&self.shared.applier, &round).await;
        self.shared.live(&round.id, false);
        let test = played?;
        cleared?;
        if let Some(test) = test {
            tracing::info!(zone = self.zone, result = ?test.result, "{}", test.message);
            self.shared.hub.tested.put(&self.zone, test);
            self.shared.hub.wake();
        }
        Ok(())
    }

    async fn scene(&self, number: u64) -> Result<Scene, Error> {
        let (hub, zone) = (Arc::clone(&self.shared.hub), self.zone.clone());
        let id = short_digest(&format!("{zone}/{}/{}", Timestamp::now(), std::process::id()));
        let scene = move || {
            let snapshot = hub.snapshot(Vec::new(), Vec::new());
            let resolution = engine::resolve(&snapshot);
            let operator = &snapshot.cluster.operator_namespace;
            let mut round = resolution.zone(&zone).and_then(|one| {
                Round::new(&zone, &id, operator, &objects::candidates(&snapshot, &resolution, one), number)
            });
            if let Some(round) = &mut round {
                take_flows(round, &snapshot, &resolution);
            }
            let every = resolution.zone(&zone).and_then(|one| one.declaration.as_deref());
            let every = every.map_or(60, |declaration| declaration.canary.every_minutes);
            Scene { round, every: Duration::from_secs(60 * u64::try_from(every).unwrap_or(60)) }
        };
        tokio::task::spawn_blocking(scene).await.map_err(|_| Error::Ended("the look for a round of the canary"))
    }

    async fn play(
        &self,
        round: &Round,
        every: Duration,
        answered: &mut Option<String>,
    ) -> Result<Option<SegmentationTest>, Error> {
        let mut stage = Stage { round, applier: &self.shared.applier, pods: self.shared.pods.clone() };
        let targets = stage.set_up(&self.shared.image).await?;
        let stood = Instant::now();
        sleep(BEFORE).await;
        while !self.is_due(every) && self.request() == *answered {
            if stood.elapsed() > STAND {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
        *answered = self.request();
        // Flows are tried as they are now; where they are others, the pods that stand have the wrong ports.
        let Some((digest, expected)) = self.expect(round, &targets).await? else { return Ok(None) };
        let settings = self.shared.hub.tested.settings();
        let removed_at = stage.open_and_close(&targets).await?;
        let (asked, heard) = stage.collect().await?;
        let ended_at = Timestamp::now();
        let (removed_at, targets, expected) = (Some(removed_at), &*targets, &*expected);
        Ok(Some(verdict(&Seen { round, targets, expected, asked, heard, removed_at, ended_at, digest, settings })))
    }

    /// What asks for a round now: the annotation as it is, which decides nothing else.
    fn request(&self) -> Option<String> {
        let zone = self.shared.hub.zone_store().get(&self.zone)?;
        zone.metadata.annotations.as_ref()?.get(names::CANARY_REQUEST).cloned()
    }

    /// A round is due: by the clock, after a change, or because the last one did not show what must be.
    fn is_due(&self, every: Duration) -> bool {
        let Some(test) = self.shared.hub.tested.get(&self.zone) else { return true };
        let age = Duration::try_from(Timestamp::now().duration_since(test.tested_at.0)).unwrap_or_default();
        let wait = if test.result == TestResult::Enforced { every } else { AGAIN };
        let report = self.shared.reported.borrow().clone();
        let zone = report.iter().flat_map(|report| &report.zones).find(|zone| zone.name == self.zone);
        let is_stale =
            zone.is_some_and(|zone| zone.findings.iter().any(|found| found.id == FindingId::SegmentationProbeStale));
        age >= wait || is_stale
    }

    /// What the engine says of each target, and what it says that of. Nothing where the flows of the round are not as they were.
    async fn expect(&self, round: &Round, targets: &[Target]) -> Result<Option<(String, Vec<Expected>)>, Error> {
        let (hub, round, targets) = (Arc::clone(&self.shared.hub), round.clone(), targets.to_vec());
        let expect = move || {
            let snapshot = hub.snapshot(Vec::new(), Vec::new());
            let resolution = engine::resolve(&snapshot);
            let mut now = round.clone();
            take_flows(&mut now, &snapshot, &resolution);
            if now.trials != round.trials {
                return None;
            }
            let digest = resolution.zone(&round.zone).map(|zone| about::digest(&snapshot, zone)).unwrap_or_default();
            let reach = Reach::new(&snapshot);
            let end = |at: usize, part: Part| {
                let post = round.posts.get(at)?;
                Some(End::Pod { namespace: round.namespace(post).to_string(), name: round.pod_name(at, part) })
            };
            let expected = |target: &Target| {
                let ends = end(target.from, Part::Prober).zip(end(target.to, Part::Listener));
                let answer = ends.map(|(from, to)| reach.probe(&from, &to, target.protocol, target.port));
                match answer {
                    Some(answer) if !answer.unread.is_empty() => Expected::Unsure(few(&answer.unread)),
                    Some(answer) if answer.allowed => {
                        // Its own policy outside is there in every round, under another name.
                        let is_own = |policy: &&String| policy.contains(names::CANARY_PREFIX);
                        let others = answer.decided_by.iter().filter(|policy| !is_own(policy)).cloned();
                        Expected::Open(few(&others.collect::<Vec<_>>()))
                    }
                    _ => Expected::Closed,
                }
            };
            Some((digest, targets.iter().map(expected).collect()))
        };
        tokio::task::spawn_blocking(expect).await.map_err(|_| Error::Ended("the look at what the canary is to see"))
    }
}

fn take_flows(round: &mut Round, snapshot: &Snapshot, resolution: &Resolution) {
    let zone = resolution.zone(&round.zone).and_then(|one| one.declaration.as_deref());
    let compiled = zone
        .map(|zone| policies::desired(zone, &round.inside, resolution, &snapshot.cluster, Timestamp::now()))
        .unwrap_or_default();
    round.try_flows(compiled.values());
}
