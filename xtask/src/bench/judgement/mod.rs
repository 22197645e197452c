//! What a judgement costs, in memory and without a cluster: who can reach whom, and all findings.

pub(super) mod cluster;

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use pcizone::engine::{
    self, Snapshot,
    reach::{Direction, Reach},
};

use super::{
    figure::{Figure, Goal, Kind},
    group::Group,
    proc, progress,
    stats::Spread,
};

/// How large the cluster is, and how often it is judged.
pub(super) struct Size {
    /// Namespaces; pods and policies are twice as many.
    pub(super) namespaces: usize,
    /// Judgements of which the median is taken.
    pub(super) rounds: usize,
}

/// Times of a size, in milliseconds.
#[derive(Default)]
struct Times {
    reach: Vec<f64>,
    findings: Vec<f64>,
    whole: Vec<f64>,
    one: Vec<f64>,
}

pub(super) fn measure(size: &Size) -> Result<Vec<Group>> {
    let now = Timestamp::from_second(1_790_000_000)?;
    progress::step("Judge a cluster in memory");
    let before = proc::memory(std::process::id())?.resident;
    let large = cluster::of(size.namespaces, now)?;
    let held = proc::memory(std::process::id())?.resident;
    let small = cluster::of(size.namespaces / 10, now)?;
    // In turns, so that a slow moment of the machine meets both.
    let (mut of_large, mut of_small) = (Times::default(), Times::default());
    for _ in 0..size.rounds {
        judge(&large, now, &mut of_large);
        judge(&small, now, &mut of_small);
    }
    let peak = proc::memory(std::process::id())?.peak;
    let times = |unit: &[f64]| Spread::new("s", unit.iter().map(|ms| ms / 1000.0).collect());
    let tenfold = of_large.whole.iter().zip(&of_small.whole).map(|(large, small)| large / small).collect();
    let figure = |name, what, spread, goal| Figure { name, what, spread, goal, kind: Kind::Timed };
    let mib = |kib: f64| Spread::new("MiB", vec![kib / 1024.0]);
    let memory = |name, what, kib| Figure { name, what, spread: mib(kib), goal: Goal::None, kind: Kind::Untimed };
    Ok(vec![Group {
        figures: vec![
            figure(
                "whole_s",
                "who can reach whom, in both directions for every pod, and all findings",
                times(&of_large.whole),
                Goal::AtMost(2.0),
            ),
            figure("reach_s", "of it: who can reach whom", times(&of_large.reach), Goal::None),
            figure(
                "findings_s",
                "of it: all findings of all zones, as the operator judges them",
                times(&of_large.findings),
                Goal::None,
            ),
            figure(
                "tenfold",
                "the same for ten times the objects, as a multiple",
                Spread::new("x", tenfold),
                Goal::AtMost(12.0),
            ),
            figure(
                "one_ms",
                "what the pods of one namespace may send and receive, once the rest is known",
                Spread::new("ms", of_large.one.clone()),
                Goal::None,
            ),
            memory("cluster_mib", "resident memory for the objects of the large cluster", held - before),
            memory("judging_mib", "highest memory beyond that while both were judged", peak - held),
        ],
        ..Group::new("judgement")
    }])
}

fn judge(snapshot: &Snapshot, now: Timestamp, times: &mut Times) {
    let ms = |since: Instant| since.elapsed().as_secs_f64() * 1000.0;
    let started = Instant::now();
    let reach = Reach::new(snapshot);
    for (class, _) in reach.population.classes() {
        for direction in Direction::BOTH {
            black_box(reach.effective(class, direction));
        }
    }
    let reached = ms(started);
    let one = Instant::now();
    if let Some(classes) = snapshot.namespaces.keys().next().and_then(|name| reach.population.within(name)) {
        for class in classes {
            for direction in Direction::BOTH {
                black_box(reach.effective(class, direction));
            }
        }
    }
    times.one.push(ms(one));
    drop(reach);
    let started = Instant::now();
    black_box(engine::evaluate(snapshot, &engine::resolve(snapshot), now));
    let found = ms(started);
    times.reach.push(reached);
    times.findings.push(found);
    times.whole.push(reached + found);
}
