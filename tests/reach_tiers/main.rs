//! Who may reach whom where policies of other kinds than NetworkPolicy have a say: tables of cases for each kind, an oracle
//! for the tiers Admin and Baseline, and whether the two ways to ask the engine agree.
//!
//! `PROPTEST_CASES=10000 cargo test --test reach_tiers` compares for longer.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as expected"
)]

mod cluster;
mod oracle;
mod random;
mod recipes;

use cluster::{agree, snapshot};
use pcizone::{
    api::Protocol,
    engine::reach::{
        End, Reach,
        other::{Hidden, Kind},
    },
};
use proptest::{prelude::*, test_runner::TestRunner};
use random::{ENDS, PORTS};
use serde_json::Value;

#[test]
fn every_case_is_as_expected_and_both_ways_to_ask_agree() {
    let mut wrong = Vec::new();
    for (kind, recipes) in recipes::ALL {
        assert!(recipes.len() >= 15, "only {} cases for {kind}", recipes.len());
        for recipe in *recipes {
            wrong.extend(recipe.wrong().into_iter().map(|what| format!("{kind}: {}: {what}", recipe.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_be_seen_may_concern_every_pod() {
    let mut snapshot = snapshot(&recipes::town());
    snapshot.hidden_kinds.push(Hidden { kind: Kind::CiliumNetworkPolicy, why: "not allowed".to_string() });
    let reach = Reach::new(&snapshot);
    let end = |text: &str| text.parse::<End>().expect("an end");
    let answer = reach.probe(&end("shop/web"), &end("ip:198.51.100.7"), Protocol::TCP, 80);
    assert!(answer.allowed, "{answer:?}");
    assert_eq!(answer.unread, ["CiliumNetworkPolicy"]);
}

/// Each end to each other end on each port; the first answer that is not the oracle's.
fn disagreement(objects: &[Value]) -> Option<String> {
    let snapshot = snapshot(objects);
    let reach = Reach::new(&snapshot);
    for from in ENDS {
        for to in ENDS {
            for (protocol, port) in PORTS {
                let expected = oracle::probe(objects, from, to, protocol.as_str(), *port);
                let end = |text: &str| text.parse::<End>().expect("an end");
                let answer = reach.probe(&end(from), &end(to), *protocol, *port);
                let said = (answer.ingress, answer.egress);
                if said != expected {
                    let port = format!("{} {port}", protocol.as_str());
                    return Some(format!("{from} to {to} on {port}: expected {expected:?}, got {answer:?}"));
                }
            }
        }
    }
    None
}

fn compare(strategy: impl Strategy<Value = Vec<Value>>, ask: impl Fn(&[Value]) -> Option<String>) {
    let outcome = TestRunner::default().run(&strategy, |objects| match ask(&objects) {
        None => Ok(()),
        Some(what) => Err(TestCaseError::fail(what)),
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn the_engine_says_of_tiers_what_the_oracle_says() {
    compare(random::tiers(), disagreement);
}

#[test]
fn both_ways_to_ask_the_engine_agree_whatever_the_policies() {
    compare(random::everything(), |objects| {
        let snapshot = snapshot(objects);
        agree(&Reach::new(&snapshot), &snapshot)
    });
}
