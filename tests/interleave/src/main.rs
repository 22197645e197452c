//! Random interleavings around the pure engine: drift, changes of zones, watches that are behind, writes that fail or
//! whose answer is lost, replicas that end and two that write at once.
//!
//! After every single write what protects is there still, and nothing is open that is not declared. Left in peace,
//! the replicas write for a bounded number of looks and never again.
//!
//! `PCIZONE_RUNS` says how many runs; `PCIZONE_SEED` replays the run of that seed, and tells what happened.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as expected"
)]

mod checks;
mod fields;
mod ledger;
mod operator;
mod people;
mod run;
mod server;
mod shell;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use run::{Counts, Run};

/// Runs without optimisation.
const RUNS: u64 = 20_000;

#[test]
fn every_interleaving_comes_to_rest_and_nothing_opens_on_the_way() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("PCIZONE_SEED") {
        println!("{:?}", Run::new(seed, true).run());
        return;
    }
    let runs = number("PCIZONE_RUNS").unwrap_or(RUNS);
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut counts = Counts::default();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                break;
            }
            if let Ok(run) = catch_unwind(AssertUnwindSafe(|| Run::new(seed, false).run())) {
                counts.add(run);
            } else {
                failed.store(true, Ordering::Relaxed);
                eprintln!(
                    "run {seed} failed; to see it: PCIZONE_SEED={seed} cargo test --package interleave -- --nocapture"
                );
            }
        }
        counts
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let counts = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut counts = Counts::default();
        for worker in workers {
            counts.add(worker.join().expect("a worker catches what fails"));
        }
        counts
    });
    println!("{runs} runs: {counts:?}");
    assert!(!failed.load(Ordering::Relaxed), "a run failed, see above");
    let Counts { writes, conflicts, failed, lost, crashes, releases, held, rounds } = counts;
    let all = [writes, conflicts, failed, lost, crashes, releases, held, u64::from(rounds)];
    assert!(runs < 1000 || all.iter().all(|count| *count > 0), "something never happened: {counts:?}");
}
