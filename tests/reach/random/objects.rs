//! Namespaces, nodes and pods.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use super::focus::Focus;
use crate::oracle::End;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerPort, Namespace, Node, NodeAddress, NodeStatus, Pod, PodIP, PodSpec, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
};

/// Pods and policies may be in each of them, whether or not there is an object of it.
pub(super) const NAMESPACES: [&str; 4] = ["a", "b", "c", "d"];
/// Of pods and of namespaces, so that whoever takes the ones for the others is found out.
pub(super) const KEYS: [&str; 2] = ["app", "tier"];
pub(super) const NAME_KEY: &str = "kubernetes.io/metadata.name";
/// Of ports.
pub(super) const NAMES: [&str; 2] = ["http", "alt"];
const PODS: u8 = 7;
const NODES: [(&str, u8); 2] = [("n1", 8), ("n2", 9)];
/// How far from its address the host name of a node is.
const HOST_NAMES: u8 = 4;
/// The addresses of nodes, and those of their host names.
pub(super) const NODE_NUMBERS: [u8; 4] = [8, 9, 12, 13];

pub(super) fn ipv4(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

pub(super) fn ipv6(number: u8) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()))
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(select(KEYS.map(String::from).to_vec()), select(vec!["x".to_string(), "y".to_string()]), 0..=2)
}

pub(super) fn namespaces() -> impl Strategy<Value = Vec<Namespace>> {
    let drafts = vec((labels(), prop::bool::weighted(0.2)), NAMESPACES.len());
    (subsequence(NAMESPACES.to_vec(), 1..=NAMESPACES.len()), drafts).prop_map(|(names, drafts)| {
        let object = |(name, (mut labels, named)): (&str, (BTreeMap<_, _>, bool))| {
            if named {
                labels.insert(NAME_KEY.to_string(), name.to_string());
            }
            let labels = (!labels.is_empty()).then_some(labels);
            let metadata = ObjectMeta { name: Some(name.to_string()), labels, ..ObjectMeta::default() };
            Namespace { metadata, ..Namespace::default() }
        };
        NAMESPACES.into_iter().zip(drafts).filter(|(name, _)| names.contains(name)).map(object).collect()
    })
}

/// A host name that is an address is none of the node.
pub(super) fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let types = vec!["InternalIP", "ExternalIP", "Hostname"];
    let drafts = vec(vec((select(types), any::<bool>()), 1..=3), NODES.len());
    (subsequence(NODES.to_vec(), 0..=NODES.len()), drafts).prop_map(|(nodes, drafts)| {
        let object = |((name, number), addresses): ((&str, u8), Vec<(&str, bool)>)| {
            let address = |(kind, six): (&str, bool)| {
                let number = if kind == "Hostname" { number + HOST_NAMES } else { number };
                let address = if six { ipv6(number) } else { ipv4(number) };
                NodeAddress { type_: kind.to_string(), address: address.to_string() }
            };
            let addresses = Some(addresses.into_iter().map(address).collect());
            Node {
                metadata: ObjectMeta { name: Some(name.to_string()), ..ObjectMeta::default() },
                status: Some(NodeStatus { addresses, ..NodeStatus::default() }),
                ..Node::default()
            }
        };
        NODES.into_iter().zip(drafts).filter(|(node, _)| nodes.contains(node)).map(object).collect()
    })
}

/// What is drawn of a pod; the rest follows from its number.
#[derive(Clone, Debug)]
struct Draft {
    namespace: &'static str,
    labels: BTreeMap<String, String>,
    containers: Vec<Vec<ContainerPort>>,
    /// Whether it keeps running, and its ports.
    init_container: Option<(bool, Vec<ContainerPort>)>,
    /// IPv4, IPv6.
    families: (bool, bool),
    phase: Option<&'static str>,
    host_network: bool,
    node: Option<(&'static str, u8)>,
    terminating: bool,
    /// Once it has ended, the address is somebody else's.
    lost_address: bool,
}

pub(super) fn pods(focus: &Focus) -> impl Strategy<Value = Vec<Pod>> {
    let spec = (
        select(focus.namespaces.to_vec()),
        labels(),
        vec(vec(port(), 0..=2), 1..=2),
        option::weighted(0.6, (any::<bool>(), vec(port(), 1..=2))),
        prop::bool::weighted(0.15),
        option::weighted(0.8, select(vec![NODES[0], NODES[0], NODES[0], NODES[1], ("", 0)])),
    );
    let ended = prop_oneof![7 => select(vec![None, Some("Running"), Some("Pending")]), 1 => select(vec![Some("Succeeded"), Some("Failed")])];
    let status = (select(focus.families.to_vec()), ended, prop::bool::weighted(0.1), any::<bool>());
    let draft = (spec, status).prop_map(
        |(
            (namespace, labels, containers, init_container, host_network, node),
            (families, phase, terminating, lost_address),
        )| Draft {
            namespace,
            labels,
            containers,
            init_container,
            families,
            phase,
            host_network,
            node,
            terminating,
            lost_address,
        },
    );
    let numbers = subsequence((1..=PODS).collect::<Vec<_>>(), 1..=usize::from(PODS));
    (numbers, vec(draft, usize::from(PODS))).prop_map(|(numbers, drafts)| {
        let drafts = (1..=PODS).zip(drafts).filter(|(number, _)| numbers.contains(number));
        drafts.map(|(number, draft)| pod(number, draft)).collect()
    })
}

fn port() -> impl Strategy<Value = ContainerPort> {
    let protocol = select(vec![None, None, None, None, Some("TCP"), Some("UDP"), Some("SCTP")]);
    (option::weighted(0.9, select(NAMES.to_vec())), 80..=81, protocol).prop_map(|(name, container_port, protocol)| {
        ContainerPort {
            name: name.map(String::from),
            container_port,
            protocol: protocol.map(String::from),
            ..ContainerPort::default()
        }
    })
}

fn pod(number: u8, draft: Draft) -> Pod {
    let has_ended = matches!(draft.phase, Some("Succeeded" | "Failed"));
    let number_of_address = match draft.node {
        Some((_, number)) if draft.host_network && number > 0 => number,
        // No two that run have the same.
        _ if has_ended && draft.lost_address => number % PODS + 1,
        _ => number,
    };
    let (four, six) = draft.families;
    let ips = [four.then(|| ipv4(number_of_address)), six.then(|| ipv6(number_of_address))];
    let ips: Vec<PodIP> = ips.into_iter().flatten().map(|ip| PodIP { ip: ip.to_string() }).collect();
    let container = |name: String, ports: Vec<ContainerPort>| Container {
        name,
        ports: (!ports.is_empty()).then_some(ports),
        ..Container::default()
    };
    let containers = draft.containers.into_iter().enumerate();
    let init_container = draft.init_container.map(|(keeps_running, ports)| Container {
        restart_policy: keeps_running.then(|| "Always".to_string()),
        ..container("init".to_string(), ports)
    });
    Pod {
        metadata: ObjectMeta {
            namespace: Some(draft.namespace.to_string()),
            name: Some(format!("p{number}")),
            labels: (!draft.labels.is_empty()).then_some(draft.labels),
            deletion_timestamp: draft.terminating.then_some(Time(Timestamp::UNIX_EPOCH)),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: containers.map(|(index, ports)| container(format!("c{index}"), ports)).collect(),
            init_containers: init_container.map(|container| vec![container]),
            host_network: draft.host_network.then_some(true),
            node_name: draft.node.map(|(name, _)| name.to_string()),
            ..PodSpec::default()
        }),
        status: Some(PodStatus {
            phase: draft.phase.map(String::from),
            pod_ips: (!ips.is_empty()).then_some(ips),
            ..PodStatus::default()
        }),
    }
}

pub(super) fn end(pod: &Pod) -> End {
    let metadata = pod.metadata.clone();
    End::Pod(metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default())
}

pub(super) fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let ips = pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten());
    ips.filter_map(|ip| ip.ip.parse().ok()).collect()
}
