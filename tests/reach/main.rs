//! Who may reach whom under NetworkPolicies: the engine against a table of cases and against an oracle.
//!
//! The oracle answers one question after the other, straight from the documented rules, and knows nothing of the
//! engine. `PROPTEST_CASES=100000 cargo test --test reach` compares the two for longer.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as expected"
)]

mod differences;
mod engine;
mod mutants;
mod oracle;
mod random;
mod recipes;

use oracle::{Cluster, End, Protocol, Verdict};
use proptest::test_runner::{Config, RngSeed};

/// Says whether one end may reach another.
type Probe<'a> = dyn Fn(&End, &End, Protocol, u16) -> Verdict + 'a;
/// Looks at a cluster, once, and is asked then.
type Judge<'a> = dyn Fn(&Cluster, &mut dyn FnMut(&Probe)) + 'a;

fn oracle(cluster: &Cluster, ask: &mut dyn FnMut(&Probe)) {
    ask(&|from, to, protocol, port| oracle::probe(cluster, from, to, protocol, port));
}

#[test]
fn the_engine_agrees_with_every_case() {
    let wrong = recipes::disagreements(&engine::judge);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_engine_agrees_with_the_oracle() {
    if let Err(disagreement) = random::compare(&engine::judge, Config::default().cases) {
        panic!("{disagreement}");
    }
}

#[test]
fn the_oracle_agrees_with_every_case() {
    let wrong = recipes::disagreements(&oracle);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(recipes::count() >= 80, "only {} cases were found", recipes::count());
}

#[test]
fn the_cases_find_every_mutant() {
    let missed: Vec<&str> = mutants::all()
        .filter(|mutant| {
            let judge = |cluster: &Cluster, ask: &mut dyn FnMut(&Probe)| mutant.judge(cluster, ask);
            recipes::disagreements(&judge).is_empty()
        })
        .map(|mutant| mutant.name)
        .collect();
    assert!(missed.is_empty(), "no case is about: {}", missed.join("; "));
}

#[test]
fn random_clusters_find_every_mutant_and_show_a_small_one() {
    for mutant in mutants::all() {
        let judge = |cluster: &Cluster, ask: &mut dyn FnMut(&Probe)| mutant.judge(cluster, ask);
        // What is found is not to depend on luck.
        let found = random::search(&judge, 3000, RngSeed::Fixed(3));
        let Err(disagreement) = found else { panic!("no random cluster is about: {}", mutant.name) };
        let Cluster { pods, policies, .. } = &disagreement.cluster;
        assert!(pods.len() <= 2 && policies.len() <= 2, "{} could be shown on less:\n{disagreement}", mutant.name);
    }
}
