//! What opens and closes between two random clusters, by the sets of the engine and by the oracle, pair by pair.

use std::{collections::BTreeSet, net::IpAddr};

use k8s_openapi::api::core::v1::Pod;
use pcizone::engine::compare::{Move, compare};
use proptest::{
    prelude::*,
    test_runner::{Config, TestError, TestRunner},
};

use crate::{
    engine::snapshot,
    oracle::{self, Cluster, End},
    random::{self, Case, Disagreement},
};

/// A cluster and what becomes of it: other policies, other labels of namespaces, pods that go, come, and get others' labels.
fn changes() -> impl Strategy<Value = (Case, Cluster)> {
    (random::case(), random::case(), 0_usize..8, 0_usize..8, any::<[bool; 4]>()).prop_map(
        |(case, other, one, two, [policies, namespaces, labels, gone])| {
            let mut after = case.cluster.clone();
            if policies {
                after.policies = other.cluster.policies;
            } else if !after.policies.is_empty() {
                after.policies.remove(one % after.policies.len());
            }
            if namespaces {
                after.namespaces = other.cluster.namespaces;
            }
            let count = after.pods.len();
            if labels && count > 1 {
                let taken = after.pods[two % count].metadata.labels.clone();
                after.pods[one % count].metadata.labels = taken;
            }
            if gone && count > 1 {
                after.pods.remove(two % count);
            }
            (case, after)
        },
    )
}

/// Pods that may receive or send something after which they might not before, by direction.
fn gained(case: &Case, before: &Cluster, after: &Cluster) -> BTreeSet<(&'static str, String)> {
    let mut gained = BTreeSet::new();
    let name = |end: &End| match end {
        // No policy holds for pods on the network of their node.
        End::Pod(namespace, name) => {
            let spec = pod(case, end)?.spec.as_ref()?;
            (spec.host_network != Some(true)).then(|| format!("{namespace}/{name}"))
        }
        End::Address(_) => None,
    };
    let questions = case.ends.iter().flat_map(|from| case.ends.iter().map(move |to| (from, to)));
    for ((from, to), (protocol, port)) in questions.flat_map(|pair| case.ports.iter().map(move |port| (pair, port))) {
        // What a node may always do with its pods, and a pod with itself, is under no policy and not compared.
        // An address is a pod's in one of them and nobody's in the other.
        let moves = |end: &End| {
            let owners = [before, after].map(|cluster| cluster.pods.iter().filter(|pod| has(pod, end)).count());
            owners[0] != owners[1]
        };
        if moves(from) || moves(to) {
            continue;
        }
        let stay = [before, after].iter().all(|cluster| is_there(cluster, from) && is_there(cluster, to));
        let is_apart = |end: &End| node(case, end).is_none_or(str::is_empty);
        if !stay && (from == to || !is_apart(from) || !is_apart(to)) {
            continue;
        }
        let ask = |cluster: &Cluster| {
            // An end that is not there receives and sends nothing, and so does the other one with it.
            let is_there = is_there(cluster, from) && is_there(cluster, to);
            if is_there { oracle::probe(cluster, from, to, *protocol, *port) } else { oracle::NEVER }
        };
        let (was, is) = (ask(before), ask(after));
        if is.ingress && !was.ingress {
            gained.extend(name(to).map(|name| ("ingress", name)));
        }
        if is.egress && !was.egress {
            gained.extend(name(from).map(|name| ("egress", name)));
        }
    }
    gained
}

/// The node of an end; what is no pod may be any node.
fn node<'c>(case: &'c Case, end: &End) -> Option<&'c str> {
    match end {
        End::Pod(..) => pod(case, end)?.spec.as_ref()?.node_name.as_deref(),
        End::Address(_) => Some("any"),
    }
}

fn pod<'c>(case: &'c Case, end: &End) -> Option<&'c Pod> {
    let End::Pod(namespace, name) = end else { return None };
    let is =
        |pod: &&Pod| (pod.metadata.namespace.as_ref(), pod.metadata.name.as_ref()) == (Some(namespace), Some(name));
    case.cluster.pods.iter().find(is)
}

/// The address is one of the pod's.
fn has(pod: &Pod, end: &End) -> bool {
    let End::Address(address) = end else { return false };
    let ips = pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten());
    ips.filter_map(|ip| ip.ip.parse::<IpAddr>().ok()).any(|ip| ip == *address)
}

fn is_there(cluster: &Cluster, end: &End) -> bool {
    let End::Pod(namespace, name) = end else { return true };
    let mut pods = cluster.pods.iter().map(|pod| &pod.metadata);
    pods.any(|pod| pod.namespace.as_ref() == Some(namespace) && pod.name.as_ref() == Some(name))
}

fn told(moves: &[Move]) -> BTreeSet<(&'static str, String)> {
    // What only pods to come may do is said of pods that are there on both sides.
    let now = moves.iter().filter(|one| !one.peers.ends_with("(none now)"));
    now.flat_map(|one| one.names.iter().map(|name| (one.direction, name.clone()))).collect()
}

#[test]
fn whatever_opens_or_closes_is_told() {
    let config = Config { failure_persistence: None, max_shrink_iters: 5_000, ..Config::default() };
    let outcome = TestRunner::new(config).run(&changes(), |(case, after)| {
        let (was, is) = (snapshot(&case.cluster), snapshot(&after));
        let now = "2026-11-24T08:00:00Z".parse().expect("a time");
        let there = compare(&was, &is, now);
        let missing: Vec<_> = gained(&case, &case.cluster, &after).difference(&told(&there.opens)).cloned().collect();
        prop_assert!(missing.is_empty(), "opens and is not told: {missing:?}\n{:#?}", there.opens);
        let missing: Vec<_> = gained(&case, &after, &case.cluster).difference(&told(&there.closes)).cloned().collect();
        prop_assert!(missing.is_empty(), "closes and is not told: {missing:?}\n{:#?}", there.closes);
        // The way back closes what the way there opens.
        let back = compare(&is, &was, now);
        prop_assert_eq!(told(&there.opens), told(&back.closes));
        prop_assert_eq!(told(&there.closes), told(&back.opens));
        prop_assert!(compare(&was, &was, now).is_empty());
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(what, (case, after))) => {
            let before = Disagreement { what: what.message().to_string(), cluster: case.cluster };
            panic!("{before}\nafter it:\n{}", Disagreement { what: String::new(), cluster: after });
        }
        Err(TestError::Abort(reason)) => panic!("no clusters can be drawn: {reason}"),
    }
}
