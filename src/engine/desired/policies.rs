//! The NetworkPolicies of a namespace: one that denies by default, and one per end of a flow.
//!
//! Written only in the zone's own namespaces; the other end of a flow gets its policy when its own zone
//! declares the flow too. What cannot be resolved compiles to nothing: a doubt never opens.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    Resource,
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta},
        util::intstr::IntOrString,
    },
    jiff::Timestamp,
};

use serde_json::json;

use super::networks::{self, Block};
use crate::{
    api::{Dns, Flow, Peer, Port, names},
    engine::{
        declaration::{self, Declaration},
        ownership,
        policy::Policy,
        resolve::Resolution,
        snapshot::Cluster,
    },
};

/// Names in one `In` list; a peer that resolves to more gets several lists.
const CHUNK: usize = 500;

/// One of the two ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The pods that accept the connection: an ingress policy.
    To,
    /// The pods that open the connection: an egress policy.
    From,
}

/// Why a flow, or an end of it, is closed although it is declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unresolvable {
    /// The namespace does not exist.
    NoNamespace(String),
    /// There is no such zone, or it has no namespace.
    EmptyZone(String),
    /// The addresses of the API server are not known.
    NoApiServer,
    /// Neither end lies in the zone.
    Elsewhere,
}

/// The policies of one namespace of a zone, by name. The baseline is always among them.
pub fn desired(
    zone: &Declaration,
    namespace: &str,
    resolution: &Resolution,
    cluster: &Cluster,
    now: Timestamp,
) -> BTreeMap<String, Policy> {
    let mut policies = BTreeMap::new();
    let mut put = |policy: Policy| {
        policies.insert(policy.metadata.name.clone().unwrap_or_default(), policy);
    };
    put(baseline(zone, namespace));
    for flow in zone.open_flows(now) {
        for end in ends_in(zone, flow, namespace) {
            if let Ok(policy) = flow_policy(zone, flow, end, namespace, resolution, cluster) {
                put(policy);
            }
        }
    }
    policies
}

/// The ends of a flow whose policies belong into a namespace of the zone.
pub fn ends_in(zone: &Declaration, flow: &Flow, namespace: &str) -> impl Iterator<Item = End> {
    let lies_in =
        |peer: &Peer| peer.namespace.as_deref() == Some(namespace) || peer.zone.as_deref() == Some(zone.name.as_str());
    let to = lies_in(&flow.to).then_some(End::To);
    let from = lies_in(&flow.from).then_some(End::From);
    to.into_iter().chain(from)
}

/// Name of the policy for one end of a flow.
pub fn flow_policy_name(flow: &str, end: End) -> String {
    let direction = match end {
        End::To => "ingress",
        End::From => "egress",
    };
    format!("{}{flow}-{direction}", names::FLOW_PREFIX)
}

fn baseline(zone: &Declaration, namespace: &str) -> Policy {
    let spec = NetworkPolicySpec {
        pod_selector: Some(LabelSelector::default()),
        policy_types: Some(vec!["Ingress".to_string(), "Egress".to_string()]),
        egress: Some(vec![dns(&zone.dns)]),
        ingress: None,
    };
    policy(zone, namespace, names::BASELINE.to_string(), None, spec)
}

fn dns(dns: &Dns) -> NetworkPolicyEgressRule {
    let pods = NetworkPolicyPeer {
        namespace_selector: Some(namespace_named(&dns.namespace)),
        pod_selector: Some(LabelSelector::from(&dns.pod_selector)),
        ip_block: None,
    };
    let mut to = vec![pods];
    to.extend(networks::blocks(declaration::networks(&dns.cidrs)).iter().map(block_peer));
    let ports = dns.ports.iter().flat_map(|port| ["UDP", "TCP"].map(|protocol| policy_port(protocol, *port)));
    NetworkPolicyEgressRule { ports: Some(ports.collect()), to: Some(to) }
}

fn flow_policy(
    zone: &Declaration,
    flow: &Flow,
    end: End,
    namespace: &str,
    resolution: &Resolution,
    cluster: &Cluster,
) -> Result<Policy, Unresolvable> {
    let (own, other) = match end {
        End::To => (&flow.to, &flow.from),
        End::From => (&flow.from, &flow.to),
    };
    let peers = Some(peers(other, resolution, cluster)?);
    let ports = Some(flow.ports.iter().map(|Port { protocol, port }| policy_port(protocol.as_str(), *port)).collect());
    let pod_selector = Some(own.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default());
    let spec = match end {
        End::To => NetworkPolicySpec {
            pod_selector,
            policy_types: Some(vec!["Ingress".to_string()]),
            ingress: Some(vec![NetworkPolicyIngressRule { from: peers, ports }]),
            egress: None,
        },
        End::From => NetworkPolicySpec {
            pod_selector,
            policy_types: Some(vec!["Egress".to_string()]),
            egress: Some(vec![NetworkPolicyEgressRule { to: peers, ports }]),
            ingress: None,
        },
    };
    Ok(policy(zone, namespace, flow_policy_name(&flow.name, end), Some(&flow.name), spec))
}

/// The live metadata kept, our labels and spec exchanged. Nobody owns it: an owner that goes, or never was, would
/// have the garbage collector take the policy away.
pub fn replacement(desired: &Policy, mut live: Policy) -> Policy {
    let labels = live.metadata.labels.get_or_insert_default();
    for key in [names::MANAGED_BY, names::ZONE_LABEL, names::FLOW_LABEL] {
        labels.remove(key);
    }
    labels.extend(desired.metadata.labels.clone().unwrap_or_default());
    live.metadata.owner_references = None;
    // Absent means: the API server keeps its own record.
    let (labels, spec) = (json!(desired.metadata.labels), json!(desired.spec.as_deref()));
    let record = || ownership::record(names::MANAGER_NAMESPACES, NetworkPolicy::API_VERSION, &labels, &spec);
    live.metadata.managed_fields = (!ownership::wrote(&live.metadata)).then(|| vec![record()]);
    live.spec.clone_from(&desired.spec);
    live
}

/// Why a flow is closed, end by end; empty when both its ends resolve.
pub fn unresolvable(
    zone: &Declaration,
    flow: &Flow,
    members: &BTreeSet<String>,
    resolution: &Resolution,
    cluster: &Cluster,
) -> BTreeSet<Unresolvable> {
    let lies_in = |peer: &Peer| {
        peer.namespace.as_ref().is_some_and(|name| members.contains(name)) || peer.zone.as_ref() == Some(&zone.name)
    };
    let mut reasons: BTreeSet<_> =
        [&flow.from, &flow.to].into_iter().filter_map(|peer| peers(peer, resolution, cluster).err()).collect();
    if reasons.is_empty() && !lies_in(&flow.from) && !lies_in(&flow.to) {
        reasons.insert(Unresolvable::Elsewhere);
    }
    reasons
}

/// The namespaces that a peer means, by name; `None` when it means addresses.
pub fn peer_namespaces(peer: &Peer, resolution: &Resolution) -> Option<BTreeSet<String>> {
    if let Some(namespace) = &peer.namespace {
        return Some([namespace.clone()].into());
    }
    let zone = peer.zone.as_ref()?;
    let Some(zone) = resolution.zone(zone) else { return Some(BTreeSet::new()) };
    Some(zone.namespaces.declared.union(&zone.namespaces.held).cloned().collect())
}

fn peers(peer: &Peer, resolution: &Resolution, cluster: &Cluster) -> Result<Vec<NetworkPolicyPeer>, Unresolvable> {
    if let Some(namespace) = &peer.namespace {
        // A name that nobody has yet would open to whoever takes it.
        if !resolution.has_namespace(namespace) {
            return Err(Unresolvable::NoNamespace(namespace.clone()));
        }
        return Ok(vec![NetworkPolicyPeer {
            namespace_selector: Some(namespace_named(namespace)),
            pod_selector: peer.pod_selector.as_ref().map(LabelSelector::from),
            ip_block: None,
        }]);
    }
    if let Some(zone) = &peer.zone {
        let names: Vec<String> = peer_namespaces(peer, resolution).unwrap_or_default().into_iter().collect();
        if names.is_empty() {
            return Err(Unresolvable::EmptyZone(zone.clone()));
        }
        return Ok(names.chunks(CHUNK).map(namespaces_named).collect());
    }
    if peer.api_server == Some(true) {
        if cluster.api_server.is_empty() {
            return Err(Unresolvable::NoApiServer);
        }
        return Ok(networks::hosts(&cluster.api_server).iter().map(block_peer).collect());
    }
    let blocks = if peer.internet == Some(true) {
        networks::internet(cluster)
    } else {
        networks::blocks(declaration::networks(&peer.cidrs))
    };
    if blocks.is_empty() {
        // An empty list of peers would mean everybody.
        return Err(Unresolvable::Elsewhere);
    }
    Ok(blocks.iter().map(block_peer).collect())
}

fn namespaces_named(names: &[String]) -> NetworkPolicyPeer {
    let requirement = LabelSelectorRequirement {
        key: names::NAMESPACE_NAME.to_string(),
        operator: "In".to_string(),
        values: Some(names.to_vec()),
    };
    let selector = LabelSelector { match_expressions: Some(vec![requirement]), match_labels: None };
    NetworkPolicyPeer { namespace_selector: Some(selector), ..NetworkPolicyPeer::default() }
}

fn namespace_named(name: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(names::NAMESPACE_NAME.to_string(), name.to_string())].into()),
        match_expressions: None,
    }
}

fn block_peer(block: &Block) -> NetworkPolicyPeer {
    let except: Vec<String> = block.except.iter().map(ToString::to_string).collect();
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: block.cidr.to_string(), except: (!except.is_empty()).then_some(except) }),
        ..NetworkPolicyPeer::default()
    }
}

fn policy_port(protocol: &str, port: i32) -> NetworkPolicyPort {
    NetworkPolicyPort { port: Some(IntOrString::Int(port)), protocol: Some(protocol.to_string()), end_port: None }
}

fn policy(zone: &Declaration, namespace: &str, name: String, flow: Option<&str>, spec: NetworkPolicySpec) -> Policy {
    let mut labels = BTreeMap::from([
        (names::MANAGED_BY.to_string(), names::MANAGED_BY_VALUE.to_string()),
        (names::ZONE_LABEL.to_string(), zone.name.clone()),
    ]);
    if let Some(flow) = flow {
        labels.insert(names::FLOW_LABEL.to_string(), flow.to_string());
    }
    Policy {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_string()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(Arc::new(spec)),
    }
}
