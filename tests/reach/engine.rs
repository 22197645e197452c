//! The engine as a judge: a connection by the policies and rules that decide, and the same by the sets of what is allowed.

use std::sync::Arc;

use pcizone::{
    api,
    engine::{
        Snapshot,
        pod::Pod,
        policy::Policy,
        reach::{self, Reach},
    },
};

use crate::{
    Probe,
    oracle::{Cluster, End, Protocol, Verdict},
};

/// Looks at a cluster.
pub fn judge(cluster: &Cluster, ask: &mut dyn FnMut(&Probe)) {
    let snapshot = snapshot(cluster);
    let reach = Reach::new(&snapshot);
    ask(&|from, to, protocol, port| {
        let answer = reach.probe(&end(from), &end(to), self::protocol(protocol), port);
        assert!(!answer.decided_by.is_empty(), "nothing is said of what decides");
        Verdict { ingress: answer.ingress, egress: answer.egress, allowed: answer.allowed }
    });
}

/// The same cluster as the engine sees it.
pub fn snapshot(cluster: &Cluster) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for namespace in &cluster.namespaces {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        snapshot.namespaces.insert(name, Arc::new(namespace.clone()));
    }
    for node in &cluster.nodes {
        let name = node.metadata.name.clone().unwrap_or_default();
        snapshot.nodes.insert(name, Arc::new(node.clone()));
    }
    snapshot.pods = cluster.pods.iter().map(|pod| Arc::new(Pod::from(pod.clone()))).collect();
    for policy in &cluster.policies {
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        // An API server knows none without a spec; the engine takes one for unreadable.
        let mut policy = policy.clone();
        policy.spec.get_or_insert_default();
        snapshot.policies.entry(namespace).or_default().push(Arc::new(Policy::from(policy)));
    }
    snapshot
}

fn end(end: &End) -> reach::End {
    match end {
        End::Pod(namespace, name) => reach::End::Pod { namespace: namespace.clone(), name: name.clone() },
        End::Address(address) => reach::End::Address(*address),
    }
}

fn protocol(protocol: Protocol) -> api::Protocol {
    match protocol {
        Protocol::Tcp => api::Protocol::TCP,
        Protocol::Udp => api::Protocol::UDP,
        Protocol::Sctp => api::Protocol::SCTP,
    }
}
