//! Who may reach whom under NetworkPolicies: the engine against a table of cases and against an oracle.
//!
//! The oracle answers one question after the other, straight from the documented rules, and knows nothing of the
//! engine.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test ends where something is not as expected")]

mod oracle;
mod recipes;

use oracle::{Cluster, End, Protocol, Verdict};

/// Whoever says what may reach what.
type Judge<'a> = dyn Fn(&Cluster, &End, &End, Protocol, u16) -> Verdict + 'a;

/// The engine. It is plugged in here and nowhere else: until it is there, the oracle stands in for it.
fn engine(cluster: &Cluster, from: &End, to: &End, protocol: Protocol, port: u16) -> Verdict {
    oracle::probe(cluster, from, to, protocol, port)
}

#[test]
fn the_engine_agrees_with_every_case() {
    let wrong = recipes::disagreements(&engine);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_oracle_agrees_with_every_case() {
    let wrong = recipes::disagreements(&oracle::probe);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(recipes::count() >= 80, "only {} cases were found", recipes::count());
}
