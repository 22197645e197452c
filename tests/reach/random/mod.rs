//! Small random clusters in which every rule of NetworkPolicies matters, and two judges compared on them.
//!
//! All names, labels, ports and addresses come from a few, so that what policies ask for is often there, and as often
//! just not. Pods are drawn by number: a number is a name and an address, so that a case shrinks and the pods that
//! stay are what they were.

mod focus;
mod objects;
mod policies;

use std::{fmt, net::IpAddr};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed, TestError, TestRunner},
};
use serde::Serialize;

use focus::Focus;

use crate::{
    Judge,
    oracle::{self, Cluster, End, Protocol},
};

/// How often a case may be made smaller before it is shown.
const SHRINKS: u32 = 20_000;

/// A cluster and what is asked about it: each end to each other end, on each port.
#[derive(Clone, Debug)]
pub struct Case {
    /// The cluster.
    pub cluster: Cluster,
    /// Who asks, and is asked for.
    pub ends: Vec<End>,
    /// On which ports.
    pub ports: Vec<(Protocol, u16)>,
}

/// The smallest case found on which the judge is not of the opinion of the oracle.
#[derive(Debug)]
pub struct Disagreement {
    /// Who asked what, and what the two said.
    pub what: String,
    /// Where.
    pub cluster: Cluster,
}

/// Compares the engine with the oracle on so many random clusters.
pub fn compare(engine: &Judge, cases: u32) -> Result<(), Disagreement> {
    search(engine, cases, Config::default().rng_seed)
}

/// As `compare`, with a say in which clusters are drawn.
pub fn search(engine: &Judge, cases: u32, rng_seed: RngSeed) -> Result<(), Disagreement> {
    let config = Config { cases, rng_seed, max_shrink_iters: SHRINKS, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&case(), |case| match first_disagreement(&case, engine) {
        None => Ok(()),
        Some(what) => Err(TestCaseError::fail(what)),
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(what, case)) => {
            Err(Disagreement { what: what.message().to_string(), cluster: case.cluster })
        }
        Err(TestError::Abort(reason)) => panic!("no clusters can be drawn: {reason}"),
    }
}

fn first_disagreement(case: &Case, engine: &Judge) -> Option<String> {
    let Case { cluster, ends, ports } = case;
    let mut disagreement = None;
    engine(cluster, &mut |probe| {
        let questions = ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to)));
        let mut questions = questions.flat_map(|(from, to)| ports.iter().map(move |port| (from, to, port)));
        disagreement = questions.find_map(|(from, to, (protocol, port))| {
            let expected = oracle::probe(cluster, from, to, *protocol, *port);
            let verdict = probe(from, to, *protocol, *port);
            (verdict != expected).then(|| {
                let protocol = protocol.name();
                format!("{from:?} to {to:?} on {protocol} {port}: expected {expected:?}, got {verdict:?}")
            })
        });
    });
    disagreement
}

/// A random case.
pub fn case() -> impl Strategy<Value = Case> {
    prop_oneof![
        2 => case_of(&focus::EVERYTHING),
        2 => case_of(&focus::SELECTORS),
        3 => case_of(&focus::ADDRESSES),
        2 => case_of(&focus::PORTS),
    ]
}

fn case_of(focus: &Focus) -> impl Strategy<Value = Case> {
    // Those that pods and policies speak of, and the ones next to them.
    let port = select(vec![80_u16, 80, 80, 81, 81, 81, 82, 79, 83]);
    let ports = vec((protocol(), port), 1..=4);
    let cluster = (objects::namespaces(), objects::nodes(), objects::pods(focus), policies::policies(focus));
    let ends = (vec(address(), 0..=3), prop::bool::weighted(0.3));
    (cluster, ends, ports).prop_map(
        |((namespaces, nodes, pods, policies), (addresses, with_addresses_of_pods), ports)| {
            let mut ends: Vec<End> = pods.iter().map(objects::end).collect();
            ends.extend(addresses.into_iter().map(End::Address));
            if with_addresses_of_pods {
                ends.extend(pods.iter().flat_map(objects::addresses).map(End::Address));
            }
            Case { cluster: Cluster { namespaces, nodes, pods, policies }, ends, ports }
        },
    )
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

/// Of pods, of nodes, in blocks, and next to all that.
fn address() -> impl Strategy<Value = IpAddr> {
    let number = prop_oneof![0_u8..16, 1_u8..8, select(objects::NODE_NUMBERS.to_vec())];
    let addresses = (number, any::<bool>())
        .prop_map(|(number, six)| if six { objects::ipv6(number) } else { objects::ipv4(number) });
    prop_oneof![
        9 => addresses,
        1 => Just(IpAddr::from([198, 51, 100, 7])),
    ]
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Cluster { namespaces, nodes, pods, policies } = &self.cluster;
        writeln!(f, "{}", self.what)?;
        documents(f, namespaces)?;
        documents(f, nodes)?;
        documents(f, pods)?;
        documents(f, policies)
    }
}

/// As manifests, to be made a case of the table.
fn documents<T: Serialize>(f: &mut fmt::Formatter, objects: &[T]) -> fmt::Result {
    for object in objects {
        let yaml = serde_saphyr::to_string(object).map_err(|_| fmt::Error)?;
        write!(f, "---\n{yaml}")?;
    }
    Ok(())
}
