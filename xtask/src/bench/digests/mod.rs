//! What it costs to ask about digests when a pod is made, by the ways in which a policy can know them.
//!
//! ```text
//!  floor ─▶ references ─▶ list ─▶ literal ─▶ floor ─▶ …      each turn: dry runs of a pod's creation by one client
//! ```
//! `list` is the way of the product: the policy reads a `ConfigMap`. `literal` is the same policy with the digests in its own text. In both one
//! digest is exchanged again and again, to see how long that takes until it is in force.

mod bed;
mod ways;

use anyhow::Result;
use tokio::time::Instant;

use super::{
    bed::within,
    figure::{Figure, Goal, Kind},
    group::Group,
    proc, progress,
    stats::{Spread, interleaved_differences, percentile},
};
use bed::Bed;
use ways::Way;

/// How often everything is done.
pub(super) struct Size {
    pub(super) rounds: usize,
    /// Pods of a turn.
    pub(super) pods: usize,
    /// Exchanged digests of a turn.
    pub(super) changes: usize,
}

/// Digests in the list.
const SIZES: [(usize, &str); 3] = [(300, "digests_300"), (3000, "digests_3000"), (10_000, "digests_10000")];
/// Creations that open connections and fill caches.
const WARM_UP: usize = 50;

/// What one way did in one turn.
#[derive(Clone, Debug, Default)]
struct Turn {
    /// Milliseconds of each creation.
    pods: Vec<f64>,
    /// CPU time of the API server for each, in milliseconds.
    cpu: f64,
    /// Milliseconds from the write of each exchanged digest until pods are answered by it.
    changes: Vec<f64>,
}

/// `servers` and `others` are the cores of the API server with its etcd, and of everything else.
pub(super) async fn measure(size: &Size, servers: &[usize], others: &[usize]) -> Result<Vec<Group>> {
    progress::step("Start a cluster for lists of digests");
    proc::pin_self(servers)?;
    let bed = within(super::PHASE, "preparing the cluster for digests", Bed::start()).await?;
    proc::pin_self(others)?;
    let mut groups = Vec::new();
    for (digests, name) in SIZES {
        groups.push(within(super::PHASE, "digests", Box::pin(turns(&bed, size, digests, name))).await?);
    }
    Ok(groups)
}

async fn turns(bed: &Bed, size: &Size, digests: usize, name: &'static str) -> Result<Group> {
    let mut all: [Vec<Turn>; 4] = Default::default();
    for round in 0..=size.rounds {
        for (way, turns) in Way::ALL.into_iter().zip(&mut all) {
            // One more of the floor: each turn is compared with the two around it.
            if round < size.rounds || way == Way::Floor {
                progress::step(&format!("{digests} digests, turn {}: {}", round + 1, way.text()));
                turns.push(turn(bed, size, way, digests).await?);
            }
        }
    }
    Ok(group(name, &all))
}

async fn turn(bed: &Bed, size: &Size, way: Way, digests: usize) -> Result<Turn> {
    bed.go_by(way, digests).await?;
    for _ in 0..WARM_UP {
        bed.create(digests).await?;
    }
    let mut turn = Turn::default();
    let before = bed.cpu()?;
    for _ in 0..size.pods {
        let started = Instant::now();
        bed.create(digests).await?;
        turn.pods.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    turn.cpu = (bed.cpu()? - before) * 1000.0 / f64::from(u32::try_from(size.pods)?);
    if way.knows_digests() {
        for change in 0..size.changes {
            turn.changes.push(bed.exchange(way, digests, change % 2 == 0).await?);
        }
    }
    progress::note(&format!(
        "p50 {:.2} ms, API server {:.2} ms CPU, changes p50 {:.0} ms",
        percentile(&turn.pods, 50.0),
        turn.cpu,
        percentile(&turn.changes, 50.0)
    ));
    Ok(turn)
}

/// Figures of one number of digests.
fn group(name: &'static str, all: &[Vec<Turn>; 4]) -> Group {
    let [floor, references, list, literal] = all;
    let p50 = |turn: &Turn| percentile(&turn.pods, 50.0);
    let p99 = |turn: &Turn| percentile(&turn.pods, 99.0);
    let cpu = |turn: &Turn| turn.cpu;
    let added = |name, what, turns: &[Turn], goal, of: fn(&Turn) -> f64| {
        let [with, without] = [turns, floor].map(|turns| turns.iter().map(of).collect::<Vec<_>>());
        let spread = Spread::new("ms", interleaved_differences(&with, &without));
        Figure { name, what, spread, goal, kind: Kind::ComparedWith(Spread::new("ms", without)) }
    };
    let changed = |name, what, turns: &[Turn]| {
        let spread = Spread::new("ms", turns.iter().flat_map(|turn| turn.changes.clone()).collect());
        Figure { name, what, spread, goal: Goal::None, kind: Kind::Timed }
    };
    let figures = vec![
        added("references_p50_added_ms", "a pod's creation: no digest is asked about", references, Goal::None, p50),
        added(
            "list_p50_added_ms",
            "the digests are in a ConfigMap that the policy reads",
            list,
            Goal::AtMost(1.0),
            p50,
        ),
        added("literal_p50_added_ms", "the digests are in the policy itself", literal, Goal::None, p50),
        added("references_p99_added_ms", "the slowest of a hundred", references, Goal::None, p99),
        added("list_p99_added_ms", "the same", list, Goal::None, p99),
        added("literal_p99_added_ms", "the same", literal, Goal::None, p99),
        added("references_cpu_added_ms", "CPU time of the API server per pod", references, Goal::None, cpu),
        added("list_cpu_added_ms", "the same", list, Goal::None, cpu),
        added("literal_cpu_added_ms", "the same", literal, Goal::None, cpu),
        changed(
            "list_change_ms",
            "a digest is exchanged in the ConfigMap: from the write until pods are answered by it",
            list,
        ),
        changed("literal_change_ms", "a digest is exchanged in the policy", literal),
    ];
    Group { figures, ..Group::new(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_compared_with_the_floors_around_it() {
        let turn = |ms: f64, changes: &[f64]| Turn { pods: vec![ms; 10], cpu: ms / 2.0, changes: changes.to_vec() };
        let all = [
            vec![turn(2.0, &[]), turn(2.2, &[])],
            vec![turn(2.3, &[])],
            vec![turn(2.6, &[5.0, 7.0])],
            vec![turn(4.1, &[900.0])],
        ];
        let group = group("digests_300", &all);
        for (name, wanted) in [
            ("references_p50_added_ms", 0.2),
            ("list_p99_added_ms", 0.5),
            ("literal_cpu_added_ms", 1.0),
            ("list_change_ms", 6.0),
            ("literal_change_ms", 900.0),
        ] {
            let found = group.figures.iter().find(|figure| figure.name == name).unwrap();
            assert!((found.spread.median() - wanted).abs() < 1e-9, "{name}: {:?}", found.spread);
        }
    }
}
