//! The rounds of one zone, one after the other.
//!
//! ```text
//!  set up ─▶ wait until it is due ─▶ allow ─▶ remove ─▶ have the pods end ─▶ read what they tell ─▶ judge ─▶ set up …
//! ```
//! The pods of the next round stand before it is due: a node whose network agent is gone cannot start any, and just that is to be seen.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{Shared, pods::Pods};
use crate::{
    api::{FindingId, SegmentationTest, TestResult, names},
    controllers::{
        apply::canary::{Kind, Piece, Told},
        error::Error,
    },
    engine::{
        self,
        canary::{
            about,
            objects::{self, Part},
            report::Report,
            round::{PORT, Round, Target},
            verdict::{Expected, Seen, verdict},
        },
        change::short_digest,
        reach::{End, Reach, words::few},
    },
};

/// How long pods may take to start.
const START: Duration = Duration::from_secs(60);
/// How long the pods are looked at before anything is allowed.
const BEFORE: Duration = Duration::from_secs(5);
/// How long the policy that allows is there at most: the thirty seconds in which one has to come into force, and the pace of those who
/// ask.
const ALLOWED: Duration = Duration::from_secs(40);
/// How long is looked at most after it was removed: the thirty seconds in which that has to come into force.
const AFTER: Duration = Duration::from_secs(32);
/// How long pods may take to end and to tell.
const END: Duration = Duration::from_secs(25);
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
        let cleared = self.clear(&round).await;
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
            let round = resolution.zone(&zone).and_then(|one| {
                Round::new(&zone, &id, operator, &objects::candidates(&snapshot, &resolution, one), number)
            });
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
        let applier = &self.shared.applier;
        applier.put_piece(Kind::NetworkPolicy, round.standing()).await?;
        for (at, post) in round.posts.iter().enumerate() {
            applier.put_piece(Kind::Pod, round.listener(at, post, &self.shared.image)).await?;
        }
        let mut pods = self.shared.pods.clone();
        let listens =
            |pods: &Pods| round.posts.iter().enumerate().all(|(at, _)| told(pods, round, at, Part::Listener).runs);
        until(&mut pods, START, listens).await;
        let addresses = round.addresses(|namespace, name| {
            let key = (namespace.to_string(), name.to_string());
            self.shared
                .pods
                .borrow()
                .get(&key)
                .filter(|told| told.runs)
                .map(|told| told.addresses.clone())
                .unwrap_or_default()
        });
        let targets = round.targets(&addresses);
        let askers: Vec<usize> =
            (0..round.posts.len()).filter(|at| targets.iter().any(|target| target.from == *at)).collect();
        for at in &askers {
            if let Some(post) = round.posts.get(*at) {
                applier.put_piece(Kind::Pod, round.prober(*at, post, &self.shared.image, &targets)).await?;
            }
        }
        let asks = |pods: &Pods| askers.iter().all(|at| told(pods, round, *at, Part::Prober).runs);
        until(&mut pods, START, asks).await;
        let stood = Instant::now();
        sleep(BEFORE).await;
        while !self.is_due(every) && self.request() == *answered {
            if stood.elapsed() > STAND {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
        *answered = self.request();
        let (digest, expected) = self.expect(round, &targets).await?;
        applier.put_piece(Kind::NetworkPolicy, round.allowing()).await?;
        let all_answered = |pods: &Pods| askers.iter().all(|at| told(pods, round, *at, Part::Prober).started);
        until(&mut pods, ALLOWED, all_answered).await;
        applier.delete_piece(&policy(round, &round.inside)).await?;
        let removed_at = Timestamp::now();
        let closed = |pods: &Pods| askers.iter().all(|at| told(pods, round, *at, Part::Prober).message.is_some());
        until(&mut pods, AFTER, closed).await;
        // Those who ask end first: that nobody listens any more is no news.
        for part in [Part::Prober, Part::Listener] {
            self.delete_pods(round, part).await?;
            let ended = |pods: &Pods| {
                (0..round.posts.len()).map(|at| told(pods, round, at, part)).all(|told| told.gone || !told.runs)
            };
            until(&mut pods, END, ended).await;
        }
        let known = pods.borrow().clone();
        let reports = |part: Part, all: &mut dyn Iterator<Item = usize>| -> BTreeMap<usize, Result<Report, String>> {
            all.map(|at| (at, report(&told(&known, round, at, part)))).collect()
        };
        let seen = Seen {
            round,
            targets: &targets,
            expected: &expected,
            asked: reports(Part::Prober, &mut (0..round.posts.len())),
            heard: reports(Part::Listener, &mut (0..round.posts.len())),
            removed_at: Some(removed_at),
            ended_at: Timestamp::now(),
            digest,
        };
        Ok(Some(verdict(&seen)))
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

    /// What the engine says of each target, and what it says that of.
    async fn expect(&self, round: &Round, targets: &[Target]) -> Result<(String, Vec<Expected>), Error> {
        let (hub, round, targets) = (Arc::clone(&self.shared.hub), round.clone(), targets.to_vec());
        let expect = move || {
            let snapshot = hub.snapshot(Vec::new(), Vec::new());
            let resolution = engine::resolve(&snapshot);
            let digest = resolution.zone(&round.zone).map(|zone| about::digest(&snapshot, zone)).unwrap_or_default();
            let reach = Reach::new(&snapshot);
            let end = |at: usize, part: Part| {
                let post = round.posts.get(at)?;
                Some(End::Pod { namespace: round.namespace(post).to_string(), name: round.pod_name(at, part) })
            };
            let expected = |target: &Target| {
                let ends = end(target.from, Part::Prober).zip(end(target.to, Part::Listener));
                let answer = ends.map(|(from, to)| reach.probe(&from, &to, target.protocol, PORT));
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
            (digest, targets.iter().map(expected).collect())
        };
        tokio::task::spawn_blocking(expect).await.map_err(|_| Error::Ended("the look at what the canary is to see"))
    }

    async fn clear(&self, round: &Round) -> Result<(), Error> {
        for namespace in [&round.inside, &round.outside] {
            self.shared.applier.delete_piece(&policy(round, namespace)).await?;
        }
        for part in [Part::Prober, Part::Listener] {
            self.delete_pods(round, part).await?;
        }
        Ok(())
    }

    async fn delete_pods(&self, round: &Round, part: Part) -> Result<(), Error> {
        for (at, _) in round.posts.iter().enumerate() {
            self.shared.applier.delete_piece(&pod(round, at, part)).await?;
        }
        Ok(())
    }
}

fn policy(round: &Round, namespace: &str) -> Piece {
    Piece {
        kind: Kind::NetworkPolicy,
        namespace: namespace.to_string(),
        name: round.policy_name(),
        round: round.id.clone(),
    }
}

fn pod(round: &Round, at: usize, part: Part) -> Piece {
    let namespace = round.posts.get(at).map(|post| round.namespace(post)).unwrap_or_default().to_string();
    Piece { kind: Kind::Pod, namespace, name: round.pod_name(at, part), round: round.id.clone() }
}

fn told(pods: &Pods, round: &Round, at: usize, part: Part) -> Told {
    let Piece { namespace, name, .. } = pod(round, at, part);
    pods.get(&(namespace, name)).cloned().unwrap_or_default()
}

fn report(told: &Told) -> Result<Report, String> {
    match &told.message {
        Some(message) => Report::read(message),
        None if told.runs => Err("it did not end in time".to_string()),
        None => Err(format!(
            "it did not start in {} s ({})",
            START.as_secs(),
            told.waits.as_deref().unwrap_or("no reason is told")
        )),
    }
}

/// Waits until the pods are so, for so long at most.
async fn until(pods: &mut watch::Receiver<Pods>, limit: Duration, is: impl Fn(&Pods) -> bool) {
    // Time that is up shows in what the pods tell; an end of the watch ends the operator.
    let _ = timeout(limit, pods.wait_for(|pods| is(pods))).await;
}
