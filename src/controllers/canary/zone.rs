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
            cycle::{Cycle, Step},
            objects::{self, Part},
            round::{Round, Target},
            verdict::{Expected, Seen, verdict},
        },
        change::short_digest,
        desired::policies::{self, End as Side},
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

/// What is looked for before and after a round, in words.
const EXPECTATION: &str = "the look at what the canary is to see";

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
    namespaces: usize,
    every: Duration,
}

/// How far the rounds of a zone are.
#[derive(Default)]
struct Course {
    /// Says whose turn it is. Who did not pass has the next turn too.
    number: u64,
    cycle: Cycle,
    /// The request that was answered last.
    answered: Option<String>,
    /// Rounds in a row that failed.
    failed: usize,
}

impl ZoneCanary {
    /// Round after round, until dropped. What stands then is removed by whoever dropped it.
    pub async fn run(self) {
        let mut course = Course { answered: self.answered(), ..Course::default() };
        loop {
            if let Err(error) = self.turn(&mut course).await {
                self.shared.metrics.count_error("canary", error.category());
                tracing::warn!(
                    zone = self.zone,
                    error = error.chain(),
                    "a round of the canary failed; another follows"
                );
                sleep(RETRY).await;
            }
        }
    }

    fn put_off(&self, why: &str) {
        if self.shared.hub.tested.put_off(&self.zone, why) {
            self.shared.hub.wake();
        }
    }

    /// The request that the last result answers, also of an earlier operator.
    fn answered(&self) -> Option<String> {
        let test = self.shared.hub.tested.get(&self.zone);
        test.map_or_else(|| self.request(), |test| test.request.clone())
    }

    /// Sets a round up, plays it when it is due, and takes everything away again.
    async fn turn(&self, course: &mut Course) -> Result<(), Error> {
        let Scene { round, namespaces, every } = self.scene(course.number).await?;
        let Some(round) = round else {
            self.put_off("was not tested: the zone has no namespace under protection, or no node of it takes pods");
            sleep(RETRY).await;
            return Ok(());
        };
        let playing = self.shared.hub.tested.play(&round.id);
        let played = self.play(&round, every, course).await;
        let cleared = stage::clear(&self.shared.applier, &round).await;
        drop(playing);
        if let Err(error) = played.and(cleared) {
            // One namespace that takes no pods, by a quota or a webhook, keeps no other from its turn.
            course.number = course.number.wrapping_add(1);
            course.failed += 1;
            if course.failed >= namespaces {
                self.put_off(&format!("was not tested: {}", error.chain()));
            }
            return Err(error);
        }
        course.failed = 0;
        Ok(())
    }

    async fn scene(&self, number: u64) -> Result<Scene, Error> {
        let zone = self.zone.clone();
        let id = short_digest(&format!("{zone}/{}/{}", Timestamp::now(), std::process::id()));
        self.look("the look for a round of the canary", move |snapshot, resolution| {
            let one = resolution.zone(&zone);
            let every = one.and_then(|one| one.declaration.as_deref());
            let every = every.map_or(60, |declaration| declaration.canary.every_minutes);
            Scene {
                round: draft(&zone, &id, number, snapshot, resolution),
                namespaces: one.map_or(0, |one| one.namespaces.declared.len()),
                every: Duration::from_secs(60 * u64::try_from(every).unwrap_or(60)),
            }
        })
        .await
    }

    /// Looks at the cluster as it is now, where that holds nobody up.
    async fn look<T: Send + 'static>(
        &self,
        what: &'static str,
        look: impl FnOnce(&Snapshot, &Resolution) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let hub = Arc::clone(&self.shared.hub);
        let look = move || {
            let snapshot = hub.snapshot(Vec::new(), Vec::new());
            let resolution = engine::resolve(&snapshot);
            look(&snapshot, &resolution)
        };
        tokio::task::spawn_blocking(look).await.map_err(|_| Error::Ended(what))
    }

    async fn play(&self, round: &Round, every: Duration, course: &mut Course) -> Result<(), Error> {
        let mut stage = Stage { round, applier: &self.shared.applier, pods: self.shared.pods.clone() };
        let targets = stage.set_up(&self.shared.image).await?;
        let stood = Instant::now();
        sleep(BEFORE).await;
        while !course.cycle.is_open()
            && !self.is_due(every)
            && self.request() == course.answered
            && !stage.has_ended(&targets)
        {
            if stood.elapsed() > STAND {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        let request = self.request();
        // Where nodes or flows are others by now, those that stand are the wrong ones.
        let Some(outlook) = self.outlook(round, &targets, course.number).await? else { return Ok(()) };
        let settings = self.shared.hub.tested.settings();
        let (allowed_at, removed_at) = stage.open_and_close(&targets).await?;
        let (asked, heard) = stage.collect().await?;
        let Outlook { digest, expected } = &outlook;
        let test = verdict(&Seen {
            round,
            targets: &targets,
            expected,
            asked,
            heard,
            allowed_at,
            removed_at,
            ended_at: Timestamp::now(),
            digest: digest.clone(),
            settings,
            request: request.as_deref(),
        });
        // What others changed while it was played is not what the plug-in did. Its pods are gone, so targets are not looked at again.
        if test.result == TestResult::NotEnforced
            && self.about(round, course.number).await?.as_ref() != Some(&outlook.digest)
        {
            tracing::info!(
                zone = self.zone,
                "policies or nodes changed during a round of the canary; it is played again"
            );
            return Ok(());
        }
        self.show(round, test, request, course);
        Ok(())
    }

    fn show(&self, round: &Round, test: SegmentationTest, request: Option<String>, course: &mut Course) {
        tracing::info!(zone = self.zone, result = ?test.result, "{}", test.message);
        if test.result == TestResult::Enforced {
            course.number = course.number.wrapping_add(1);
        }
        let test = match course.cycle.take(round, test) {
            Step::Over(test) => {
                course.answered = request;
                test
            }
            // What was shown before, of the same, holds until the nodes that are missing had their turn.
            Step::GoesOn(test) if self.is_shown(&test) => return,
            Step::GoesOn(test) => test,
        };
        self.shared.hub.tested.put(&self.zone, test);
        self.shared.hub.wake();
    }

    fn is_shown(&self, test: &SegmentationTest) -> bool {
        let about = |test: &SegmentationTest| (test.digest.clone(), test.settings_digest.clone());
        let last = self.shared.hub.tested.get(&self.zone);
        last.is_some_and(|last| last.result == TestResult::Enforced && about(&last) == about(test))
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

    /// What the engine says of each target, and what it says that of. Nothing where the round would be another one now.
    async fn outlook(&self, round: &Round, targets: &[Target], number: u64) -> Result<Option<Outlook>, Error> {
        let (round, targets) = (round.clone(), targets.to_vec());
        self.look(EXPECTATION, move |snapshot, resolution| {
            let digest = about_now(&round, number, snapshot, resolution)?;
            let reach = Reach::new(snapshot);
            let expected = targets.iter().map(|target| expected(&reach, &round, target)).collect();
            Some(Outlook { digest, expected })
        })
        .await
    }

    /// What the round is about now. Nothing where it would be another one.
    async fn about(&self, round: &Round, number: u64) -> Result<Option<String>, Error> {
        let round = round.clone();
        self.look(EXPECTATION, move |snapshot, resolution| about_now(&round, number, snapshot, resolution)).await
    }
}

fn about_now(round: &Round, number: u64, snapshot: &Snapshot, resolution: &Resolution) -> Option<String> {
    let is_same = draft(&round.zone, &round.id, number, snapshot, resolution).as_ref() == Some(round);
    let digest = || resolution.zone(&round.zone).map(|zone| about::digest(snapshot, zone)).unwrap_or_default();
    is_same.then(digest)
}

/// What is to be seen, and what it is about.
struct Outlook {
    digest: String,
    expected: Vec<Expected>,
}

/// The round of this number as things are.
fn draft(zone: &str, id: &str, number: u64, snapshot: &Snapshot, resolution: &Resolution) -> Option<Round> {
    let one = resolution.zone(zone)?;
    let candidates = objects::candidates(snapshot, resolution, one);
    let mut round = Round::new(zone, id, &snapshot.cluster.operator_namespace, &candidates, number)?;
    let (cluster, now) = (&snapshot.cluster, Timestamp::now());
    let compiled =
        one.declaration.as_deref().map(|zone| policies::desired(zone, &round.inside, resolution, cluster, now));
    round.try_flows(compiled.unwrap_or_default().values());
    Some(round)
}

/// What the engine says of a target, whatever the round's own policies say.
fn expected(reach: &Reach, round: &Round, target: &Target) -> Expected {
    let end = |at: usize, part: Part| {
        let post = round.posts.get(at)?;
        Some(End::Pod { namespace: round.namespace(post).to_string(), name: round.pod_name(at, part) })
    };
    let ends = end(target.from, Part::Prober).zip(end(target.to, Part::Listener));
    let Some(answer) = ends.map(|(from, to)| reach.probe(&from, &to, target.protocol, target.port)) else {
        return Expected::Closed;
    };
    if !answer.unread.is_empty() {
        return Expected::Unsure(few(&answer.unread));
    }
    if !answer.allowed {
        return Expected::Closed;
    }
    // The policy of the pods outside is there in every round.
    let standing = format!("NetworkPolicy/{}/{}", round.outside, round.policy_name(0));
    let others: Vec<String> = answer.decided_by.into_iter().filter(|policy| *policy != standing).collect();
    let of_flow = target.flow.as_ref().map(|flow| {
        [Side::To, Side::From]
            .map(|side| format!("NetworkPolicy/{}/{}", round.inside, policies::flow_policy_name(flow, side)))
    });
    let is_declared = of_flow.is_some_and(|own| !others.is_empty() && others.iter().all(|policy| own.contains(policy)));
    if is_declared { Expected::Declared } else { Expected::Open(few(&others)) }
}
