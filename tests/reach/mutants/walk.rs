//! Reaches all parts of a kind, wherever they are in a cluster.

use k8s_openapi::{
    api::{
        core::v1::{Container, PodSpec, PodStatus},
        networking::v1::{NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::oracle::Cluster;

pub(super) fn specs(cluster: &mut Cluster, change: impl FnMut(&mut NetworkPolicySpec)) {
    cluster.policies.iter_mut().filter_map(|policy| policy.spec.as_mut()).for_each(change);
}

/// Keeps the rules, of both directions, that are to be kept.
pub(super) fn rules(
    cluster: &mut Cluster,
    mut keep: impl FnMut(&mut Option<Vec<NetworkPolicyPeer>>, &mut Option<Vec<NetworkPolicyPort>>) -> bool,
) {
    specs(cluster, |spec| {
        spec.ingress.iter_mut().for_each(|rules| rules.retain_mut(|rule| keep(&mut rule.from, &mut rule.ports)));
        spec.egress.iter_mut().for_each(|rules| rules.retain_mut(|rule| keep(&mut rule.to, &mut rule.ports)));
    });
}

pub(super) fn peers(cluster: &mut Cluster, mut change: impl FnMut(&mut Vec<NetworkPolicyPeer>)) {
    rules(cluster, |peers, _| {
        peers.iter_mut().for_each(&mut change);
        true
    });
}

pub(super) fn ports(cluster: &mut Cluster, mut change: impl FnMut(&mut Vec<NetworkPolicyPort>)) {
    rules(cluster, |_, ports| {
        ports.iter_mut().for_each(&mut change);
        true
    });
}

pub(super) fn selectors(cluster: &mut Cluster, mut change: impl FnMut(&mut LabelSelector)) {
    specs(cluster, |spec| spec.pod_selector.iter_mut().for_each(&mut change));
    peers(cluster, |peers| {
        for peer in peers {
            peer.pod_selector.iter_mut().chain(&mut peer.namespace_selector).for_each(&mut change);
        }
    });
}

pub(super) fn pods(cluster: &mut Cluster, mut change: impl FnMut(&mut PodSpec, &mut PodStatus)) {
    for pod in &mut cluster.pods {
        change(pod.spec.get_or_insert_default(), pod.status.get_or_insert_default());
    }
}

pub(super) fn containers(cluster: &mut Cluster, mut change: impl FnMut(&mut Container)) {
    pods(cluster, |spec, _| {
        spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()).for_each(&mut change);
    });
}
