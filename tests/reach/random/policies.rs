//! NetworkPolicies of every form that the API server admits, and a few that it would not.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};

use super::{
    focus::Focus,
    objects::{KEYS, NAME_KEY, NAMES, NAMESPACES, ipv4, ipv6},
};

pub(super) fn policies(focus: &Focus) -> impl Strategy<Value = Vec<NetworkPolicy>> {
    vec((select(focus.namespaces.to_vec()), option::weighted(0.96, spec(focus))), 0..=6).prop_map(|policies| {
        let object = |(index, (namespace, spec)): (usize, (&str, Option<NetworkPolicySpec>))| NetworkPolicy {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_string()),
                name: Some(format!("policy-{index}")),
                ..ObjectMeta::default()
            },
            spec,
        };
        policies.into_iter().enumerate().map(object).collect()
    })
}

fn spec(focus: &Focus) -> impl Strategy<Value = NetworkPolicySpec> {
    let types: [Option<&[&str]>; 7] = [
        None,
        None,
        Some(&[]),
        Some(&["Ingress"]),
        Some(&["Egress"]),
        Some(&["Ingress", "Egress"]),
        Some(&["Ingress", "Egress"]),
    ];
    // Most policies are about many pods, or there would be little to see.
    let subjects = prop_oneof![
        2 => Just(None),
        4 => Just(Some(LabelSelector::default())),
        4 => selector(pod_key().boxed()).prop_map(Some),
    ];
    (subjects, select(types.to_vec()), rules(focus), rules(focus)).prop_map(|(pod_selector, types, ingress, egress)| {
        let ingress = ingress
            .map(|rules| rules.into_iter().map(|(from, ports)| NetworkPolicyIngressRule { from, ports }).collect());
        let egress =
            egress.map(|rules| rules.into_iter().map(|(to, ports)| NetworkPolicyEgressRule { to, ports }).collect());
        let policy_types = types.map(|types| types.iter().map(ToString::to_string).collect());
        NetworkPolicySpec { pod_selector, policy_types, ingress, egress }
    })
}

/// Peers and ports, of either direction.
type Rule = (Option<Vec<NetworkPolicyPeer>>, Option<Vec<NetworkPolicyPort>>);

fn rules(focus: &Focus) -> impl Strategy<Value = Option<Vec<Rule>>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Vec::new())),
        1 => Just(Some(vec![(None, None)])),
        8 => vec(rule(focus), 1..=2).prop_map(Some),
    ]
}

fn rule(focus: &Focus) -> impl Strategy<Value = Rule> {
    let peers = prop_oneof![
        focus.all_peers => Just(None),
        1 => Just(Some(Vec::new())),
        6 => vec(peer(focus), 1..=2).prop_map(Some),
    ];
    let ports = prop_oneof![
        focus.all_ports => Just(None),
        1 => Just(Some(Vec::new())),
        6 => vec(port(focus), 1..=2).prop_map(Some),
    ];
    (peers, ports)
}

fn peer(focus: &Focus) -> impl Strategy<Value = NetworkPolicyPeer> {
    let pods = || selector(pod_key().boxed());
    let namespaces = || selector(namespace_key().boxed());
    let selectors = |namespace_selector, pod_selector| NetworkPolicyPeer {
        namespace_selector,
        pod_selector,
        ..NetworkPolicyPeer::default()
    };
    prop_oneof![
        2 => pods().prop_map(move |pods| selectors(None, Some(pods))),
        2 => namespaces().prop_map(move |namespaces| selectors(Some(namespaces), None)),
        3 => (namespaces(), pods()).prop_map(move |(namespaces, pods)| selectors(Some(namespaces), Some(pods))),
        focus.blocks => block().prop_map(|block| NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() }),
    ]
}

/// A key and the values that it may be asked for.
type Key = (&'static str, &'static [&'static str]);

fn pod_key() -> impl Strategy<Value = Key> {
    select(KEYS.map(|key| (key, ["x", "y", "z"].as_slice())).to_vec())
}

fn namespace_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        1 => pod_key(),
        1 => Just((NAME_KEY, NAMESPACES.as_slice())),
    ]
}

fn selector(key: BoxedStrategy<Key>) -> impl Strategy<Value = LabelSelector> {
    let label =
        (key.clone(), 0_usize..2).prop_map(|((key, values), index)| (key.to_string(), values[index].to_string()));
    let labels = vec(label, 0..=1).prop_map(|labels| labels.into_iter().collect());
    let expressions = vec(expression(key), 0..=2);
    (option::of(labels), option::of(expressions))
        .prop_map(|(match_labels, match_expressions)| LabelSelector { match_labels, match_expressions })
}

fn expression(key: BoxedStrategy<Key>) -> impl Strategy<Value = LabelSelectorRequirement> {
    let operators = select(vec!["In", "NotIn", "NotIn", "Exists", "DoesNotExist"]);
    // Of which values, by their place.
    let indexes = subsequence(vec![0_usize, 1, 2], 1..=2);
    (key, operators, indexes).prop_map(|((key, values), operator, indexes)| {
        let values = indexes.into_iter().map(|index| values[index].to_string()).collect();
        LabelSelectorRequirement {
            key: key.to_string(),
            operator: operator.to_string(),
            values: matches!(operator, "In" | "NotIn").then_some(values),
        }
    })
}

/// Around the addresses of pods and nodes. An exception lies within its block.
fn block() -> impl Strategy<Value = IPBlock> {
    let lengths = || select(vec![4_u8, 4, 4, 3, 3, 2, 1, 0]);
    let length = prop_oneof![6 => lengths().prop_map(Some), 1 => Just(None)];
    let exceptions = prop_oneof![3 => Just(Vec::new()), 2 => vec((0_u8..16, lengths()), 1..=2)];
    (any::<bool>(), 0_u8..16, length, prop::bool::weighted(0.1), exceptions).prop_map(
        |(six, number, host_bits, sloppy, exceptions)| {
            let bits = if six { 128 } else { 32 };
            let address = |number| if six { ipv6(number) } else { ipv4(number) };
            // The half of all addresses that has the pods, or just a few around one.
            let length = host_bits.map_or(1, |host_bits| bits - host_bits);
            let cidr = net(address(number), length);
            let exception = |(other, host_bits): (u8, u8)| {
                let within = [other, number].map(address).into_iter().find(|address| cidr.contains(address))?;
                let length = (bits - host_bits).max(length + 1);
                (length <= bits).then(|| net(within, length).trunc().to_string())
            };
            let except: Vec<String> = exceptions.into_iter().filter_map(exception).collect();
            let cidr = if sloppy { cidr } else { cidr.trunc() };
            IPBlock { cidr: cidr.to_string(), except: (!except.is_empty()).then_some(except) }
        },
    )
}

fn net(address: IpAddr, length: u8) -> IpNet {
    IpNet::new(address, length).expect("the length is one of the family")
}

fn port(focus: &Focus) -> impl Strategy<Value = NetworkPolicyPort> {
    let protocol = select(vec![None, None, None, Some("TCP"), Some("UDP"), Some("SCTP")]);
    let number = |number| IntOrString::Int(number);
    // Now and then before the first.
    let last = 79..=83;
    let name = select(vec![NAMES[0], NAMES[0], NAMES[0], NAMES[1], NAMES[1], "none"]);
    let port = prop_oneof![
        1 => Just((None, None)),
        3 => (80..=82).prop_map(move |first| (Some(number(first)), None)),
        3 => (80..=82, last).prop_map(move |(first, last)| (Some(number(first)), Some(last))),
        focus.names => name.prop_map(|name| (Some(IntOrString::String(name.to_string())), None)),
    ];
    (protocol, port).prop_map(|(protocol, (port, end_port))| NetworkPolicyPort {
        protocol: protocol.map(String::from),
        port,
        end_port,
    })
}
