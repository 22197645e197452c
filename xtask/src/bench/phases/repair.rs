//! Baseline policies are deleted one by one; how long until each is back, as a multiple of the round trip of one
//! write by the bare client. Deletions and bare writes take turns, and so do the large and a small cluster.
//!
//! A repair takes from the deletion's acknowledgement to that of the creation, both by the API server's clock in the
//! audit log. The round trip is the client's, from the request to the answer: that is what "one write" costs whoever
//! makes it. What the audit log says of the same writes leaves out the way there and back, and stands beside it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use pcizone::api::names;
use testbed::AuditEvent;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::bench::{
    bare,
    bed::Bed,
    counts,
    figure::{Figure, Goal, Kind},
    group::Group,
    meter::Cpu,
    objects, progress,
    stats::{Spread, block_medians, percentile},
    subject::{self, Subject},
};

/// How long one repair may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The operator writes twice a second to one object, after five times in a row: more would measure that.
const APART: Duration = Duration::from_secs(1);
/// Coprime to any number of namespaces: all are met in an order that looks like none.
const STRIDE: usize = 7919;
/// Parts of the run whose medians tell how quiet it was.
const BLOCKS: usize = 5;
/// How often it is looked whether something was judged; judgements are a second apart.
const LOOK: Duration = Duration::from_millis(250);

/// One side of the comparison.
#[derive(Default)]
struct Side {
    /// Milliseconds.
    repairs: Vec<f64>,
    /// Milliseconds of bare writes, by the client's clock.
    bare: Vec<f64>,
    /// When each namespace was met last.
    met: BTreeMap<usize, Instant>,
}

pub(in crate::bench) async fn measure(
    (large, subject): (&mut Bed, &Subject),
    (small, small_subject): (&mut Bed, &Subject),
    repairs: usize,
) -> Result<(Group, Group)> {
    progress::step(&format!(
        "Repair {repairs} deleted policies, and as many in a cluster of {}",
        small.namespaces.len()
    ));
    let judged = [subject, small_subject].map(|subject| Judgements::watch(subject.address()));
    let mut sides = [Side::default(), Side::default()];
    large.log.begin(&large.admin).await?;
    small.log.begin(&small.admin).await?;
    let before = Cpu::now(&large.cluster, Some(subject.id()))?;
    for number in 0..repairs {
        for (bed, side) in [&mut *large, &mut *small].into_iter().zip(&mut sides) {
            repair(bed, side, number).await?;
            bare_write(bed, side, number).await?;
        }
    }
    let cpu = Cpu::now(&large.cluster, Some(subject.id()))?.since(before);
    let [judge, least] = judged;
    let (judge, least) = (judge.end().await, least.end().await);
    // What is written too much may come a moment later; the status comes within a second.
    sleep(APART).await;
    let events = large.log.end(&large.admin).await?;
    let [large_side, small_side] = sides;
    let is_bare = |event: &&AuditEvent| event.user == bare::USER && event.verb == "create";
    let served: Vec<f64> = events.iter().filter(is_bare).map(|event| event.duration().as_secs_f64() * 1000.0).collect();
    Ok((group(&large_side, &small_side, &served, &events, cpu), judge_group(judge, least)))
}

/// Deletes a policy and waits until it is back.
async fn repair(bed: &mut Bed, side: &mut Side, number: usize) -> Result<()> {
    let index = number.wrapping_mul(STRIDE) % bed.namespaces.len();
    let namespace = bed.namespaces.get(index).context("no namespace of that number")?.clone();
    if let Some(met) = side.met.insert(index, Instant::now()) {
        sleep(APART.saturating_sub(met.elapsed())).await;
        side.met.insert(index, Instant::now());
    }
    bare::delete(&bed.bare.policies(&namespace), names::BASELINE).await?;
    let is_it = |event: &AuditEvent, verb: &str| {
        event.resource == "networkpolicies" && event.namespace == namespace && event.verb == verb && event.code < 300
    };
    // The log tells of both in the order of their ends, which may be the other way round.
    let (mut deleted, mut created) = (None, None);
    let what = format!("that the policy of {namespace} is back");
    let both = bed.log.until_soon(PATIENCE, &what, |event| {
        if is_it(event, "delete") {
            deleted = Some(event.completed.0);
        }
        // A creation has its name in the body only.
        if is_it(event, "create") && event.user == counts::OPERATOR {
            created = Some(event.completed.0);
        }
        deleted.is_some() && created.is_some()
    });
    both.await?;
    if let (Some(deleted), Some(created)) = (deleted, created) {
        side.repairs.push(created.duration_since(deleted).as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// Creates a policy like it where no zone is, and takes it away again.
async fn bare_write(bed: &Bed, side: &mut Side, number: usize) -> Result<()> {
    let name = format!("benches-bare-{number:03}");
    let policy = objects::stand_in(objects::OUTSIDE, &name)?;
    let api = bed.bare.policies(objects::OUTSIDE);
    let started = Instant::now();
    bare::create(&api, &policy).await?;
    side.bare.push(started.elapsed().as_secs_f64() * 1000.0);
    bare::delete(&api, &name).await
}

#[expect(clippy::cast_precision_loss, reason = "some hundred")]
fn group(large: &Side, small: &Side, served: &[f64], events: &[AuditEvent], cpu: Cpu) -> Group {
    let (p50, p99) = (percentile(&large.repairs, 50.0), percentile(&large.repairs, 99.0));
    let (round_trip, served) = (percentile(&large.bare, 50.0), percentile(served, 50.0));
    let per_repair = |is: fn(&AuditEvent) -> bool| {
        Spread::new("per repair", vec![counts::count(events, is) as f64 / large.repairs.len() as f64])
    };
    let timed = |name, what, value, unit, goal| {
        let kind = if unit == "ms" { Kind::Timed } else { Kind::Compared };
        Figure { name, what, spread: Spread::new(unit, value), goal, kind }
    };
    let counted = |name, what, spread, goal| Figure { name, what, spread, goal, kind: Kind::Untimed };
    let blocks = |of: fn(&[f64]) -> f64| -> Vec<f64> {
        let size = large.repairs.len().div_ceil(BLOCKS).max(1);
        let pairs = large.repairs.chunks(size).zip(large.bare.chunks(size));
        pairs.map(|(repairs, bare)| of(repairs) / percentile(bare, 50.0)).collect()
    };
    let mut p50_rtts = timed(
        "p50_rtts",
        "deletion acknowledged → creation acknowledged ÷ median round trip of one bare write",
        blocks(|repairs| percentile(repairs, 50.0)),
        "round trips",
        Goal::AtMost(1.5),
    );
    // The spread is that of parts of the run; the figure is that of all of it.
    p50_rtts.spread.whole = Some(p50 / round_trip);
    Group {
        figures: vec![
            p50_rtts,
            timed(
                "p99_rtts",
                "the same for the slowest of a hundred",
                vec![p99 / round_trip],
                "round trips",
                Goal::AtMost(3.0),
            ),
            timed(
                "scale",
                "p50 here ÷ p50 in the small cluster",
                vec![p50 / percentile(&small.repairs, 50.0)],
                "×",
                Goal::AtMost(1.2),
            ),
            counted("writes", "writes that protect", per_repair(counts::is_protective), Goal::Exactly(1.0)),
            counted("reads", "objects or lists read", per_repair(counts::is_operators_read), Goal::Exactly(0.0)),
            counted(
                "status_writes",
                "writes of the status and of Events",
                per_repair(|event| counts::is_operators_write(event) && !counts::is_protective(event)),
                Goal::None,
            ),
            timed("p50_ms", "p50 in milliseconds; says something of this machine only", vec![p50], "ms", Goal::None),
            timed(
                "p50_served",
                "p50 ÷ median time of a bare write within the API server, without the way there and back",
                vec![p50 / served],
                "×",
                Goal::None,
            ),
        ],
        floor: Some(Spread { whole: Some(round_trip), ..Spread::new("ms", block_medians(&large.bare, BLOCKS)) }),
        cpu: Some(cpu),
        requests: Some(counts::by_user(events)),
        notes: vec![
            "the floor is the round trip of one bare write: medians of consecutive parts of the run".to_string(),
            "writes leave out what tells people: the status, at most once a second, and an Event for each repair"
                .to_string(),
        ],
        ..Group::new("repair")
    }
}

fn judge_group(judge: Vec<f64>, least: Vec<f64>) -> Group {
    Group {
        figures: vec![Figure {
            name: "ms",
            what: "judging the whole snapshot, in the running operator while policies are repaired",
            spread: Spread::new("ms", judge),
            goal: Goal::AtMost(250.0),
            kind: Kind::Timed,
        }],
        floor: Some(Spread::new("ms", least)),
        notes: vec![
            "from pcizone_judgement_seconds, one run per judgement; the floor is the same in the small cluster"
                .to_string(),
        ],
        ..Group::new("judge")
    }
}

/// Watches how long each judgement takes.
struct Judgements {
    stop: Arc<Notify>,
    task: tokio::task::JoinHandle<Vec<f64>>,
}

impl Judgements {
    fn watch(address: SocketAddr) -> Self {
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut times = Vec::new();
            let mut before = subject::judgements(address).await.ok();
            while timeout(LOOK, stopped.notified()).await.is_err() {
                let Ok(now) = subject::judgements(address).await else { continue };
                if let Some((count, seconds)) = before {
                    let judged = now.0 - count;
                    if judged > 0.5 {
                        times.push((now.1 - seconds) / judged * 1000.0);
                    }
                }
                before = Some(now);
            }
            times
        });
        Judgements { stop, task }
    }

    /// Milliseconds of each.
    async fn end(self) -> Vec<f64> {
        self.stop.notify_one();
        self.task.await.unwrap_or_default()
    }
}
