//! Flows that NetworkPolicies declare today, whoever wrote them.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use k8s_openapi::{
    api::networking::v1::{IPBlock, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::Collected;
use crate::{
    api::{Dns, Operator, Peer, Protocol, Requirement, Selector},
    engine::{
        Snapshot,
        pod::Pod,
        reach::{
            Direction, Reach, Terms,
            described::pods_with,
            public_share, says,
            sets::{Peers, Ports},
            words,
        },
    },
};

/// Namespaces that one selector may mean.
const NAMESPACES: usize = 20;
/// Networks of one end.
const CIDRS: usize = 64;
/// From which part of the public addresses on it is the internet, in thousandths.
const INTERNET: u128 = 900;

pub(super) fn collect(snapshot: &Snapshot, reach: &Reach, members: &BTreeSet<String>, all: &mut Collected) {
    let Dns { namespace, pod_selector, .. } = Dns::default();
    let names = Peer { namespace: Some(namespace), pod_selector: Some(pod_selector), ..Peer::default() };
    for namespace in members {
        for policy in snapshot.policies.get(namespace).into_iter().flatten() {
            let name = policy.metadata.name.as_deref().unwrap_or_default();
            let Some(spec) = policy.spec.as_deref() else {
                all.leave(format!("NetworkPolicy/{namespace}/{name} cannot be read"));
                continue;
            };
            let own = Peer {
                namespace: Some(namespace.clone()),
                pod_selector: spec.pod_selector.as_ref().and_then(selector),
                ..Peer::default()
            };
            let terms = spec.pod_selector.as_ref().and_then(Terms::read).unwrap_or_default();
            let pods = pods_with(&terms, namespace);
            // Rules of a direction that the policy does not name decide nothing.
            let of = |direction| says(spec, direction).then_some(spec);
            let ingress = of(Direction::Ingress).into_iter().flat_map(|spec| spec.ingress.iter().flatten());
            for (index, rule) in ingress.enumerate() {
                let place = format!("NetworkPolicy/{namespace}/{name} ingress[{index}]");
                let ports = ports(rule.ports.as_deref(), &pods_of(reach, &own));
                if rule.from.as_deref().unwrap_or_default().is_empty() {
                    let open = opened(rule.ports.as_deref(), &ports);
                    all.leave(format!("{place} lets everybody reach {pods} on {open}; say who needs that"));
                }
                for from in ends(reach, namespace, rule.from.as_deref(), &place, all) {
                    all.add(&from, &own, &ports, &place);
                }
            }
            let egress = of(Direction::Egress).into_iter().flat_map(|spec| spec.egress.iter().flatten());
            for (index, rule) in egress.enumerate() {
                let place = format!("NetworkPolicy/{namespace}/{name} egress[{index}]");
                let asks_names = is_for_names(rule.ports.as_deref());
                if rule.to.as_deref().unwrap_or_default().is_empty() {
                    let open = opened(rule.ports.as_deref(), &ports(rule.ports.as_deref(), &[]));
                    all.leave(format!("{place} lets {pods} reach everybody on {open}; say whom they need"));
                }
                for to in ends(reach, namespace, rule.to.as_deref(), &place, all) {
                    // A zone lets its pods ask its name servers without a flow.
                    if asks_names && to == names {
                        continue;
                    }
                    let ports = ports(rule.ports.as_deref(), &pods_of(reach, &to));
                    all.add(&own, &to, &ports, &place);
                }
            }
        }
    }
}

/// The ports of a rule that names no ends, in words.
fn opened(named: Option<&[NetworkPolicyPort]>, numbers: &Ports) -> String {
    if named.unwrap_or_default().is_empty() {
        return "every port".to_string();
    }
    let words = words::ports(numbers);
    if words.is_empty() { "ports by name".to_string() } else { words }
}

/// The ends that a rule means; what a flow cannot say is left.
fn ends(reach: &Reach, own: &str, peers: Option<&[NetworkPolicyPeer]>, place: &str, all: &mut Collected) -> Vec<Peer> {
    let peers = peers.unwrap_or_default();
    let mut ends = Vec::new();
    let mut cidrs = BTreeSet::new();
    for peer in peers {
        if let Some(block) = &peer.ip_block {
            match networks(block) {
                Ok(None) => ends.push(Peer { internet: Some(true), ..Peer::default() }),
                Ok(Some(some)) => cidrs.extend(some),
                Err(why) => all.leave(format!("{place}: {why}")),
            }
            continue;
        }
        let pod_selector = peer.pod_selector.as_ref().and_then(selector);
        let end = |namespace: String| Peer {
            namespace: Some(namespace),
            pod_selector: pod_selector.clone(),
            ..Peer::default()
        };
        let Some(namespaces) = &peer.namespace_selector else {
            ends.push(end(own.to_string()));
            continue;
        };
        let terms = Terms::read(namespaces).unwrap_or_default();
        let meant = reach.population.namespaces(&terms);
        let names: Vec<&str> = meant.iter().filter_map(|number| reach.population.namespace(number)).collect();
        if terms.is_empty() {
            all.leave(format!("{place} means every namespace; say which need it"));
        } else if names.is_empty() {
            all.leave(format!("{place} means namespaces with {}, and there are none", terms.words()));
        } else if names.len() > NAMESPACES {
            all.leave(format!("{place} means {} namespaces; say which need it", names.len()));
        } else {
            ends.extend(names.into_iter().map(|name| end(name.to_string())));
        }
    }
    if !cidrs.is_empty() {
        ends.push(Peer { cidrs: cidrs.into_iter().collect(), ..Peer::default() });
    }
    ends
}

/// The networks of a block; `None` where it is the internet, and why where no flow can name them.
pub(super) fn networks(block: &IPBlock) -> Result<Option<Vec<String>>, String> {
    let read =
        |text: &String| text.parse::<IpNet>().map(|net| net.trunc()).map_err(|_| format!("{text} is no network"));
    let net = read(&block.cidr)?;
    let cut = block.except.iter().flatten().map(read).collect::<Result<Vec<_>, _>>()?;
    let whole = Peers::of_network(&net);
    let some = cut.iter().fold(whole, |left, cut| left.minus(&Peers::of_network(cut)));
    if public_share(&some) >= INTERNET {
        return Ok(None);
    }
    let v4 = some.v4.ranges().flat_map(|range| ipnet::Ipv4Subnets::new(*range.start(), *range.end(), 0).map(IpNet::V4));
    let v6 = some.v6.ranges().flat_map(|range| ipnet::Ipv6Subnets::new(*range.start(), *range.end(), 0).map(IpNet::V6));
    let nets: Vec<IpNet> = v4.chain(v6).take(CIDRS + 1).collect();
    let is_wide = |net: &IpNet| net.prefix_len() < if net.addr().is_ipv4() { 8 } else { 16 };
    if nets.iter().any(is_wide) {
        return Err(format!("{} is wider than a flow may name; say which addresses are needed", block.cidr));
    }
    if nets.len() > CIDRS {
        return Err(format!("{} without its exceptions is more than {CIDRS} networks", block.cidr));
    }
    Ok(Some(nets.iter().map(ToString::to_string).collect()))
}

/// The running pods of an end in the cluster.
fn pods_of<'a>(reach: &Reach<'a>, end: &Peer) -> Vec<&'a Pod> {
    let Some(namespace) = end.namespace.as_deref() else { return Vec::new() };
    let selector = end.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default();
    let classes = reach.population.select_within(namespace, &Terms::read(&selector).unwrap_or_default());
    classes.iter().filter_map(|class| reach.population.class(class)).flat_map(|class| class.pods.clone()).collect()
}

/// Ports of a rule by number; where it names none, those that the pods which accept declare.
fn ports(ports: Option<&[NetworkPolicyPort]>, accepting: &[&Pod]) -> Ports {
    let declared = || accepting.iter().flat_map(|pod| pod.ports.iter());
    let mut all = Ports::default();
    let some = ports.unwrap_or_default();
    if some.is_empty() {
        declared().for_each(|port| all.add(port.protocol, port.number..=port.number));
        return all;
    }
    for port in some {
        let Some(protocol) = Protocol::read(port.protocol.as_deref()) else { continue };
        match &port.port {
            None => all.add(protocol, 0..=u16::MAX),
            Some(IntOrString::Int(number)) => {
                let end = port.end_port.unwrap_or(*number);
                if let (Ok(first), Ok(last)) = (u16::try_from(*number), u16::try_from(end))
                    && first <= last
                {
                    all.add(protocol, first..=last);
                }
            }
            Some(IntOrString::String(name)) => {
                let named = declared().filter(|one| one.protocol == protocol && one.name.as_deref() == Some(name));
                named.for_each(|one| all.add(protocol, one.number..=one.number));
            }
        }
    }
    all
}

fn is_for_names(ports: Option<&[NetworkPolicyPort]>) -> bool {
    let some = ports.unwrap_or_default();
    let is_asked = |port: &NetworkPolicyPort| {
        let protocol = Protocol::read(port.protocol.as_deref());
        port.port == Some(IntOrString::Int(53)) && port.end_port.is_none() && protocol != Some(Protocol::SCTP)
    };
    !some.is_empty() && some.iter().all(is_asked)
}

/// A selector as a zone writes it; `None` where it means everything.
fn selector(selector: &LabelSelector) -> Option<Selector> {
    let operator = |text: &str| match text {
        "In" => Some(Operator::In),
        "NotIn" => Some(Operator::NotIn),
        "Exists" => Some(Operator::Exists),
        "DoesNotExist" => Some(Operator::DoesNotExist),
        _ => None,
    };
    let expressions = selector.match_expressions.iter().flatten().filter_map(|one| {
        let (key, values) = (one.key.clone(), one.values.clone().unwrap_or_default());
        Some(Requirement { key, operator: operator(&one.operator)?, values })
    });
    let match_labels: BTreeMap<String, String> = selector.match_labels.clone().unwrap_or_default();
    let all = Selector { match_labels, match_expressions: expressions.collect() };
    (all != Selector::default()).then_some(all)
}
