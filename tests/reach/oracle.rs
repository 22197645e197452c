//! Decides whether one connection is allowed, from the documented rules of NetworkPolicies, pair by pair.
//!
//! It is to be trusted by reading: one question at a time, every object looked at anew, nothing prepared, nothing
//! remembered. It must share nothing with the engine that it judges.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use k8s_openapi::{
    api::{
        core::v1::{ContainerPort, Namespace, Node, Pod},
        networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

/// All objects that have a say.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// A pod may live in a namespace that is not among them.
    pub namespaces: Vec<Namespace>,
    /// For their addresses: a pod may run on a node that is not among them.
    pub nodes: Vec<Node>,
    /// Running or ended.
    pub pods: Vec<Pod>,
    /// Of all namespaces.
    pub policies: Vec<NetworkPolicy>,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Namespace and name.
    Pod(String, String),
    /// Somewhere, perhaps at a pod.
    Address(IpAddr),
}

/// What NetworkPolicies tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What an entry of `ports` means that says nothing.
    Tcp,
    /// As it is.
    Udp,
    /// As it is.
    Sctp,
}

impl Protocol {
    /// As it is written in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// Whether a connection may be opened. Answers to it are always allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The destination lets it in, in some address family.
    pub ingress: bool,
    /// The source lets it out, in some address family.
    pub egress: bool,
    /// Both do, in the same address family.
    pub allowed: bool,
}

const ALWAYS: Verdict = Verdict { ingress: true, egress: true, allowed: true };
/// Nothing gets through.
pub const NEVER: Verdict = Verdict { ingress: false, egress: false, allowed: false };

/// Whether `from` may open a connection to that port of `to`.
pub fn probe(cluster: &Cluster, from: &End, to: &End, protocol: Protocol, port: u16) -> Verdict {
    let ends = (from, to);
    let (from, to) = (side(cluster, from), side(cluster, to));
    if has_ended(from) || has_ended(to) {
        return NEVER;
    }
    if is_same_pod(from, to) || is_node_of(cluster, from, to) || is_node_of(cluster, to, from) {
        return ALWAYS;
    }
    let mut verdict = NEVER;
    for (from_address, to_address) in tries(cluster, ends, from, to) {
        let source = Peer { side: from, address: from_address };
        let destination = Peer { side: to, address: to_address };
        let egress = lets_out(cluster, from, destination, protocol, port);
        let ingress = lets_in(cluster, to, source, protocol, port);
        verdict.egress |= egress;
        verdict.ingress |= ingress;
        verdict.allowed |= egress && ingress;
    }
    verdict
}

/// An end that was looked up.
#[derive(Clone, Copy)]
enum Side<'a> {
    Pod(&'a Pod),
    Address(IpAddr),
}

/// The other end, as the policies of this end see it.
#[derive(Clone, Copy)]
struct Peer<'a> {
    side: Side<'a>,
    /// What an ipBlock is compared with.
    address: Option<Seat>,
}

/// Where a pod is.
#[derive(Clone, Copy)]
enum Seat {
    At(IpAddr),
    /// The manifest of the pod does not tell its address; it has one of this family.
    SomewhereInV4,
    SomewhereInV6,
}

impl Seat {
    fn is_v4(self) -> bool {
        match self {
            Self::At(address) => address.is_ipv4(),
            Self::SomewhereInV4 => true,
            Self::SomewhereInV6 => false,
        }
    }
}

// Ends.

/// The address of a running pod is that pod, unless the pod shares it with its node.
fn side<'a>(cluster: &'a Cluster, end: &End) -> Side<'a> {
    match end {
        End::Pod(namespace, name) => {
            let found = cluster.pods.iter().find(|pod| namespace_of(pod) == namespace && name_of(pod) == name);
            let Some(pod) = found else { panic!("there is no pod {namespace}/{name}") };
            Side::Pod(pod)
        }
        End::Address(address) => {
            let is_at =
                |pod: &&Pod| !is_ended_pod(pod) && !is_host_network(pod) && addresses_of_pod(pod).contains(address);
            cluster.pods.iter().find(is_at).map_or(Side::Address(*address), Side::Pod)
        }
    }
}

fn has_ended(side: Side) -> bool {
    match side {
        Side::Pod(pod) => is_ended_pod(pod),
        Side::Address(_) => false,
    }
}

/// A pod cannot block access to itself.
fn is_same_pod(from: Side, to: Side) -> bool {
    match (from, to) {
        (Side::Pod(from), Side::Pod(to)) => namespace_of(from) == namespace_of(to) && name_of(from) == name_of(to),
        (Side::Address(_), _) | (_, Side::Address(_)) => false,
    }
}

/// Traffic to and from the node where a pod runs is always allowed. `host` is that node when it is one of its
/// addresses or a pod in its network.
fn is_node_of(cluster: &Cluster, host: Side, guest: Side) -> bool {
    let Side::Pod(guest) = guest else { return false };
    let Some(node) = node_of(guest) else { return false };
    match host {
        Side::Pod(host) => is_host_network(host) && node_of(host) == Some(node),
        Side::Address(address) => node_at(cluster, address).as_deref() == Some(node),
    }
}

/// The node that has an address: by its own word, or else by that of a running pod on it.
fn node_at(cluster: &Cluster, address: IpAddr) -> Option<String> {
    let is_there = |node: &&Node| addresses_of_node(node).contains(&address);
    if let Some(node) = cluster.nodes.iter().find(is_there) {
        return node.metadata.name.clone();
    }
    let tells = |pod: &&Pod| {
        !is_ended_pod(pod)
            && node_of(pod).is_some()
            && (host_addresses_of_pod(pod).contains(&address)
                || is_host_network(pod) && addresses_of_pod(pod).contains(&address))
    };
    cluster.pods.iter().find(tells).and_then(node_of).map(str::to_string)
}

/// The addresses that the ends may have in a connection. Between two pods it goes by a family that both have; where
/// there is none, neither end has an address that an ipBlock could match. Who asks for an address means that one.
fn tries(cluster: &Cluster, ends: (&End, &End), from: Side, to: Side) -> Vec<(Option<Seat>, Option<Seat>)> {
    let (from, to) = match (from, to) {
        (Side::Pod(from), Side::Pod(to)) => (from, to),
        (Side::Address(from), Side::Address(to)) => return vec![(Some(Seat::At(from)), Some(Seat::At(to)))],
        (Side::Address(from), Side::Pod(_)) => return vec![(Some(Seat::At(from)), None)],
        (Side::Pod(_), Side::Address(to)) => return vec![(None, Some(Seat::At(to)))],
    };
    let mut tries = Vec::new();
    for from in seats(cluster, ends.0, from) {
        for to in seats(cluster, ends.1, to) {
            if from.is_v4() == to.is_v4() {
                tries.push((Some(from), Some(to)));
            }
        }
    }
    if tries.is_empty() { vec![(None, None)] } else { tries }
}

/// A pod of unknown address has one of every family in which a running pod of the cluster has one, or of both.
fn seats(cluster: &Cluster, end: &End, pod: &Pod) -> Vec<Seat> {
    if let End::Address(address) = end {
        return vec![Seat::At(*address)];
    }
    let addresses = addresses_of_pod(pod);
    if !addresses.is_empty() {
        return addresses.into_iter().map(Seat::At).collect();
    }
    let running = cluster.pods.iter().filter(|pod| !is_ended_pod(pod));
    let all: Vec<IpAddr> = running.flat_map(addresses_of_pod).collect();
    let both = [
        (Seat::SomewhereInV4, all.iter().any(IpAddr::is_ipv4)),
        (Seat::SomewhereInV6, all.iter().any(IpAddr::is_ipv6)),
    ];
    both.into_iter().filter(|(_, is_there)| *is_there || all.is_empty()).map(|(seat, _)| seat).collect()
}

// Policies.

fn lets_in(cluster: &Cluster, to: Side, source: Peer, protocol: Protocol, port: u16) -> bool {
    let policies = policies_of(cluster, to, "Ingress");
    policies.is_empty()
        || policies.iter().any(|(namespace, spec)| {
            spec.ingress.iter().flatten().any(|rule| {
                matches_peers(cluster, namespace, rule.from.as_deref(), source)
                    && matches_ports(rule.ports.as_deref(), to, protocol, port)
            })
        })
}

fn lets_out(cluster: &Cluster, from: Side, destination: Peer, protocol: Protocol, port: u16) -> bool {
    let policies = policies_of(cluster, from, "Egress");
    policies.is_empty()
        || policies.iter().any(|(namespace, spec)| {
            spec.egress.iter().flatten().any(|rule| {
                matches_peers(cluster, namespace, rule.to.as_deref(), destination)
                    && matches_ports(rule.ports.as_deref(), destination.side, protocol, port)
            })
        })
}

/// Namespace and spec of the policies that isolate it in this direction. Without any it is not isolated.
fn policies_of(cluster: &Cluster, side: Side, direction: &str) -> Vec<(String, NetworkPolicySpec)> {
    let pod = match side {
        Side::Pod(pod) if !is_host_network(pod) => pod,
        Side::Pod(_) | Side::Address(_) => return Vec::new(),
    };
    let mut policies = Vec::new();
    for policy in &cluster.policies {
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        // The API server reads a policy without spec as one with an empty spec.
        let spec = policy.spec.clone().unwrap_or_default();
        let selector = spec.pod_selector.clone().unwrap_or_default();
        if namespace == namespace_of(pod)
            && matches_selector(&selector, &labels_of(pod))
            && types_of(&spec).iter().any(|policy_type| policy_type == direction)
        {
            policies.push((namespace, spec));
        }
    }
    policies
}

fn types_of(spec: &NetworkPolicySpec) -> Vec<String> {
    let given = spec.policy_types.clone().unwrap_or_default();
    let has_egress_rules = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty());
    match (given.is_empty(), has_egress_rules) {
        (false, _) => given,
        (true, false) => vec!["Ingress".to_string()],
        (true, true) => vec!["Ingress".to_string(), "Egress".to_string()],
    }
}

fn matches_peers(cluster: &Cluster, policy_namespace: &str, peers: Option<&[NetworkPolicyPeer]>, peer: Peer) -> bool {
    match peers {
        None | Some([]) => true,
        Some(peers) => peers.iter().any(|item| matches_peer(cluster, policy_namespace, item, peer)),
    }
}

fn matches_peer(cluster: &Cluster, policy_namespace: &str, item: &NetworkPolicyPeer, peer: Peer) -> bool {
    if let Some(block) = &item.ip_block {
        return peer.address.is_some_and(|seat| is_in_block(block, seat));
    }
    let pod = match peer.side {
        Side::Pod(pod) if !is_host_network(pod) => pod,
        Side::Pod(_) | Side::Address(_) => return false,
    };
    match (&item.namespace_selector, &item.pod_selector) {
        (None, None) => false,
        (None, Some(pods)) => namespace_of(pod) == policy_namespace && matches_selector(pods, &labels_of(pod)),
        (Some(namespaces), None) => matches_selector(namespaces, &labels_of_namespace(cluster, namespace_of(pod))),
        (Some(namespaces), Some(pods)) => {
            matches_selector(namespaces, &labels_of_namespace(cluster, namespace_of(pod)))
                && matches_selector(pods, &labels_of(pod))
        }
    }
}

/// Whatever the address of a pod is, the block of all addresses has it. Of no other block that can be said.
fn is_in_block(block: &IPBlock, seat: Seat) -> bool {
    let address = match seat {
        Seat::At(address) => address,
        Seat::SomewhereInV4 | Seat::SomewhereInV6 => {
            let has_no_exception = block.except.iter().flatten().next().is_none();
            let is_all = |range: IpNet| range.prefix_len() == 0 && range.addr().is_ipv4() == seat.is_v4();
            return has_no_exception && block.cidr.parse().is_ok_and(is_all);
        }
    };
    let contains = |range: &str| range.parse::<IpNet>().is_ok_and(|range| range.contains(&address));
    contains(&block.cidr) && !block.except.iter().flatten().any(|except| contains(except))
}

fn matches_ports(ports: Option<&[NetworkPolicyPort]>, to: Side, protocol: Protocol, port: u16) -> bool {
    match ports {
        None | Some([]) => true,
        Some(ports) => ports.iter().any(|item| matches_port(item, to, protocol, port)),
    }
}

fn matches_port(item: &NetworkPolicyPort, to: Side, protocol: Protocol, port: u16) -> bool {
    if item.protocol.as_deref().unwrap_or("TCP") != protocol.name() {
        return false;
    }
    let port = i32::from(port);
    match &item.port {
        None => true,
        Some(IntOrString::Int(first)) => *first <= port && port <= item.end_port.unwrap_or(*first),
        // Which port has the name is up to the destination. What is no pod of its own names none.
        Some(IntOrString::String(name)) => match to {
            Side::Pod(pod) if !is_host_network(pod) => ports_of(pod).iter().any(|declared| {
                declared.name.as_ref() == Some(name)
                    && declared.protocol.as_deref().unwrap_or("TCP") == protocol.name()
                    && declared.container_port == port
            }),
            Side::Pod(_) | Side::Address(_) => false,
        },
    }
}

fn matches_selector(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let has_labels = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let has_expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = labels.get(&expression.key);
        let is_listed = value.is_some_and(|value| expression.values.iter().flatten().any(|listed| listed == value));
        match expression.operator.as_str() {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            // The API server admits no other.
            _ => false,
        }
    });
    has_labels && has_expressions
}

// Objects.

fn namespace_of(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

fn name_of(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn labels_of(pod: &Pod) -> BTreeMap<String, String> {
    pod.metadata.labels.clone().unwrap_or_default()
}

/// The API server gives every namespace its name as a label.
fn labels_of_namespace(cluster: &Cluster, name: &str) -> BTreeMap<String, String> {
    let object = cluster.namespaces.iter().find(|namespace| namespace.metadata.name.as_deref() == Some(name));
    let mut labels = object.and_then(|namespace| namespace.metadata.labels.clone()).unwrap_or_default();
    labels.entry("kubernetes.io/metadata.name".to_string()).or_insert(name.to_string());
    labels
}

fn is_host_network(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.host_network == Some(true))
}

/// Its containers run no more. One that terminates still has them.
fn is_ended_pod(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())
}

fn addresses_of_pod(pod: &Pod) -> Vec<IpAddr> {
    let ips = pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten());
    ips.filter_map(|ip| ip.ip.parse().ok()).collect()
}

fn host_addresses_of_pod(pod: &Pod) -> Vec<IpAddr> {
    let Some(status) = &pod.status else { return Vec::new() };
    let hosts = status.host_ips.iter().flatten().map(|host| &host.ip).chain(&status.host_ip);
    hosts.filter_map(|ip| ip.parse().ok()).collect()
}

fn addresses_of_node(node: &Node) -> Vec<IpAddr> {
    let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    addresses
        .filter(|address| matches!(address.type_.as_str(), "InternalIP" | "ExternalIP"))
        .filter_map(|address| address.address.parse().ok())
        .collect()
}

/// Of the containers that keep running: an init container does when it restarts always.
fn ports_of(pod: &Pod) -> Vec<&ContainerPort> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten()).collect()
}
