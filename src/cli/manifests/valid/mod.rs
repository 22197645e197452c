//! What no API server would take. Told here, because nobody asks one.

mod bindings;
mod routes;
mod services;

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use k8s_openapi::{
    api::{
        core::v1::{PodSpec, PodStatus},
        networking::v1::{IPBlock, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec, ServiceCIDR},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{fault::Field, schema};
use crate::{
    api::Protocol,
    engine::intake::{Kind, Object, Scope},
};

const PORTS: std::ops::RangeInclusive<i32> = 1..=65535;
const PROTOCOLS: &str = "TCP, UDP and SCTP are the protocols";
const RBAC: &str = "rbac.authorization.k8s.io";
const NAME: usize = 253;
const LABEL: usize = 63;

/// Tells everything about an object that no API server would take.
pub(super) fn check(object: &Object, report: &mut dyn FnMut(&Field, String)) {
    metadata(object.kind(), object.metadata(), report);
    let spec = Field::of("spec");
    match object {
        Object::PciZone(zone) => schema::check(zone, report),
        Object::NetworkPolicy(policy) => {
            if let Some(policy) = &policy.spec {
                network_policy(policy, &spec, report);
            }
        }
        Object::Pod(pod) => {
            pods(pod.spec.as_ref(), &spec, report);
            addresses(pod.status.as_ref(), report);
        }
        Object::Service(service) => services::service(service, report),
        Object::EndpointSlice(slice) => services::endpoint_slice(slice, report),
        Object::Endpoints(endpoints) => services::endpoints(endpoints, report),
        Object::Ingress(ingress) => routes::ingress(ingress, report),
        Object::HTTPRoute(one)
        | Object::GRPCRoute(one)
        | Object::TLSRoute(one)
        | Object::TCPRoute(one)
        | Object::UDPRoute(one)
        | Object::ReferenceGrant(one) => routes::of_gateways(one, report),
        Object::ClusterRoleBinding(one) => {
            bindings::binding(object.kind(), &one.role_ref, one.subjects.as_deref(), report);
        }
        Object::RoleBinding(one) => {
            bindings::binding(object.kind(), &one.role_ref, one.subjects.as_deref(), report);
        }
        Object::ServiceCIDR(range) => service_range(range, report),
        Object::Deployment(one) => template(one.spec.as_ref().and_then(|s| s.template.spec.as_ref()), report),
        Object::StatefulSet(one) => template(one.spec.as_ref().and_then(|s| s.template.spec.as_ref()), report),
        Object::DaemonSet(one) => template(one.spec.as_ref().and_then(|s| s.template.spec.as_ref()), report),
        Object::Job(one) => template(one.spec.as_ref().and_then(|s| s.template.spec.as_ref()), report),
        Object::ReplicaSet(one) => {
            template(one.spec.as_ref().and_then(|s| s.template.as_ref()?.spec.as_ref()), report);
        }
        Object::ReplicationController(one) => {
            template(one.spec.as_ref().and_then(|s| s.template.as_ref()?.spec.as_ref()), report);
        }
        Object::CronJob(one) => {
            let pod = one.spec.job_template.spec.as_ref().and_then(|job| job.template.spec.as_ref());
            pods(pod, &Field::of("spec.jobTemplate.spec.template.spec"), report);
        }
        Object::Namespace(_)
        | Object::Node(_)
        | Object::ClusterRole(_)
        | Object::ClusterNetworkPolicy(_)
        | Object::AdminNetworkPolicy(_)
        | Object::BaselineAdminNetworkPolicy(_)
        | Object::CiliumNetworkPolicy(_)
        | Object::CiliumClusterwideNetworkPolicy(_)
        | Object::CalicoStoredNetworkPolicy(_)
        | Object::CalicoStoredGlobalNetworkPolicy(_)
        | Object::CalicoStoredTier(_)
        | Object::CalicoStoredNetworkSet(_)
        | Object::CalicoStoredGlobalNetworkSet(_)
        | Object::CalicoStoredHostEndpoint(_)
        | Object::CalicoNetworkPolicy(_)
        | Object::CalicoGlobalNetworkPolicy(_)
        | Object::CalicoTier(_)
        | Object::CalicoNetworkSet(_)
        | Object::CalicoGlobalNetworkSet(_)
        | Object::CalicoHostEndpoint(_)
        | Object::VulnerabilityReport(_)
        | Object::ClusterVulnerabilityReport(_)
        | Object::SbomReport(_)
        | Object::ClusterSbomReport(_)
        | Object::Report(_)
        | Object::ClusterReport(_)
        | Object::PolicyReport(_)
        | Object::ClusterPolicyReport(_)
        | Object::Role(_)
        | Object::ValidatingAdmissionPolicy(_)
        | Object::ValidatingAdmissionPolicyBinding(_)
        | Object::MutatingAdmissionPolicy(_)
        | Object::MutatingAdmissionPolicyBinding(_) => {}
    }
}

fn metadata(kind: Kind, metadata: &ObjectMeta, report: &mut dyn FnMut(&Field, String)) {
    let at = Field::of("metadata");
    match metadata.name.as_deref() {
        None | Some("") => report(&at.key("name"), "it is missing".to_string()),
        Some(name) if !is_name(kind, name) => report(&at.key("name"), format!("{name:?} is no name")),
        Some(_) => {}
    }
    if kind.scope() == Scope::Namespaced {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        if !is_dns_label(namespace) {
            report(&at.key("namespace"), format!("{namespace:?} is no name of a namespace"));
        }
    }
    labels(metadata.labels.as_ref(), &at.key("labels"), report);
}

fn is_name(kind: Kind, name: &str) -> bool {
    if kind.group() == RBAC {
        // More than a DNS name has, but not what separates names in a path.
        !name.contains(['/', '%']) && ![".", ".."].contains(&name) && name.len() <= NAME
    } else if kind == Kind::Namespace || kind == Kind::Service {
        is_dns_label(name)
    } else {
        name.len() <= NAME && name.split('.').all(is_domain_part)
    }
}

fn labels(labels: Option<&BTreeMap<String, String>>, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    for (key, value) in labels.into_iter().flatten() {
        if !is_label_key(key) {
            report(&at.key(key), format!("{key:?} is no label key"));
        } else if !is_label_value(value) {
            report(&at.key(key), format!("{value:?} is no label value"));
        }
    }
}

fn network_policy(spec: &NetworkPolicySpec, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    if let Some(pods) = &spec.pod_selector {
        selector(pods, &at.key("podSelector"), report);
    }
    for (number, kind) in spec.policy_types.iter().flatten().enumerate() {
        if !["Ingress", "Egress"].contains(&kind.as_str()) {
            let message = format!("{kind:?} is none of Ingress and Egress");
            report(&at.key("policyTypes").index(number), message);
        }
    }
    for (number, rule) in spec.ingress.iter().flatten().enumerate() {
        let at = at.key("ingress").index(number);
        rule_of(rule.from.as_deref(), &at.key("from"), rule.ports.as_deref(), &at.key("ports"), report);
    }
    for (number, rule) in spec.egress.iter().flatten().enumerate() {
        let at = at.key("egress").index(number);
        rule_of(rule.to.as_deref(), &at.key("to"), rule.ports.as_deref(), &at.key("ports"), report);
    }
}

fn rule_of(
    peers: Option<&[NetworkPolicyPeer]>,
    peers_at: &Field,
    ports: Option<&[NetworkPolicyPort]>,
    ports_at: &Field,
    report: &mut dyn FnMut(&Field, String),
) {
    for (number, one) in peers.into_iter().flatten().enumerate() {
        peer(one, &peers_at.index(number), report);
    }
    for (number, one) in ports.into_iter().flatten().enumerate() {
        port(one, &ports_at.index(number), report);
    }
}

fn peer(peer: &NetworkPolicyPeer, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let NetworkPolicyPeer { ip_block, namespace_selector, pod_selector } = peer;
    match (ip_block, namespace_selector.is_some() || pod_selector.is_some()) {
        (None, false) => report(at, "one of ipBlock, namespaceSelector and podSelector must be there".to_string()),
        (Some(_), true) => report(at, "ipBlock goes with no selector".to_string()),
        (Some(_), false) | (None, true) => {}
    }
    if let Some(namespaces) = namespace_selector {
        selector(namespaces, &at.key("namespaceSelector"), report);
    }
    if let Some(pods) = pod_selector {
        selector(pods, &at.key("podSelector"), report);
    }
    if let Some(block) = ip_block {
        networks(block, &at.key("ipBlock"), report);
    }
}

fn networks(block: &IPBlock, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let cidr = network(&block.cidr, "203.0.113.0/24", &at.key("cidr"), report);
    for (number, text) in block.except.iter().flatten().enumerate() {
        let at = at.key("except").index(number);
        let except = network(text, "203.0.113.64/26", &at, report);
        if let Some((cidr, except)) = cidr.zip(except)
            && (!cidr.contains(&except) || cidr.prefix_len() == except.prefix_len())
        {
            report(&at, format!("{text} is no smaller network within {cidr}"));
        }
    }
}

fn port(port: &NetworkPolicyPort, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    if Protocol::read(port.protocol.as_deref()).is_none() {
        let protocol = port.protocol.as_deref().unwrap_or_default();
        report(&at.key("protocol"), format!("{protocol:?} is unknown; {PROTOCOLS}"));
    }
    match &port.port {
        Some(IntOrString::Int(number)) if !PORTS.contains(number) => {
            report(&at.key("port"), format!("{number} is no port; 1 to 65535 are"));
        }
        Some(IntOrString::String(name)) if !is_port_name(name) => {
            let message = "a name has at most 15 small letters, digits and single '-', and a letter among them";
            report(&at.key("port"), format!("{name:?} is no name of a port: {message}"));
        }
        Some(_) | None => {}
    }
    let Some(end) = port.end_port else { return };
    let message = match &port.port {
        None => "it needs port, where the range begins".to_string(),
        Some(IntOrString::String(_)) => "it does not go with a port by name".to_string(),
        Some(IntOrString::Int(first)) if end < *first => format!("{end} is below port {first}"),
        Some(IntOrString::Int(_)) if !PORTS.contains(&end) => format!("{end} is no port; 1 to 65535 are"),
        Some(IntOrString::Int(_)) => return,
    };
    report(&at.key("endPort"), message);
}

fn selector(selector: &LabelSelector, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    labels(selector.match_labels.as_ref(), &at.key("matchLabels"), report);
    for (number, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        let at = at.key("matchExpressions").index(number);
        if !is_label_key(&requirement.key) {
            report(&at.key("key"), format!("{:?} is no label key", requirement.key));
        }
        let is_empty = requirement.values.as_ref().is_none_or(Vec::is_empty);
        match (requirement.operator.as_str(), is_empty) {
            ("In" | "NotIn", true) => report(&at.key("values"), format!("{} needs values", requirement.operator)),
            ("Exists" | "DoesNotExist", false) => {
                report(&at.key("values"), format!("{} takes no values", requirement.operator));
            }
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            (operator, _) => {
                report(&at.key("operator"), format!("{operator:?} is none of In, NotIn, Exists and DoesNotExist"));
            }
        }
        for (number, value) in requirement.values.iter().flatten().enumerate() {
            if !is_label_value(value) {
                report(&at.key("values").index(number), format!("{value:?} is no label value"));
            }
        }
    }
}

fn template(spec: Option<&PodSpec>, report: &mut dyn FnMut(&Field, String)) {
    pods(spec, &Field::of("spec.template.spec"), report);
}

fn pods(spec: Option<&PodSpec>, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let Some(spec) = spec else { return report(at, "it is missing".to_string()) };
    let of = |list: &'static str| move |(number, container)| (list, number, container);
    let containers = spec.containers.iter().enumerate().map(of("containers"));
    let inits = spec.init_containers.iter().flatten().enumerate().map(of("initContainers"));
    for (list, number, container) in containers.chain(inits) {
        for (nth, port) in container.ports.iter().flatten().enumerate() {
            let at = at.key(list).index(number).key("ports").index(nth);
            port_number(port.container_port, &at.key("containerPort"), report);
            // Zero is what nobody says.
            if let Some(host) = port.host_port.filter(|host| *host != 0) {
                port_number(host, &at.key("hostPort"), report);
            }
            protocol(port.protocol.as_deref().unwrap_or_default(), &at, report);
        }
    }
}

fn addresses(status: Option<&PodStatus>, report: &mut dyn FnMut(&Field, String)) {
    let Some(status) = status else { return };
    let at = Field::of("status");
    if let Some(ip) = status.pod_ip.as_deref().filter(|ip| !ip.is_empty()) {
        address(ip, &at.key("podIP"), report);
    }
    for (number, ip) in status.pod_ips.iter().flatten().enumerate() {
        address(&ip.ip, &at.key("podIPs").index(number).key("ip"), report);
    }
}

/// An IPv4 address within IPv6 is one to some who read it, and another to others.
fn address(text: &str, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    match text.parse::<IpAddr>() {
        Err(_) => report(at, format!("{text:?} is no address")),
        Ok(IpAddr::V6(ip)) => {
            if let Some(ip) = ip.to_ipv4_mapped() {
                report(at, format!("{text:?} is an IPv4 address within IPv6; write {ip}"));
            }
        }
        Ok(IpAddr::V4(_)) => {}
    }
}

fn network(text: &str, such: &str, at: &Field, report: &mut dyn FnMut(&Field, String)) -> Option<IpNet> {
    let network = text.parse::<IpNet>();
    match network {
        Err(_) => report(at, format!("{text:?} is no network such as {such}")),
        Ok(IpNet::V6(v6)) if v6.addr().to_ipv4_mapped().is_some() => {
            report(at, format!("{text:?} is an IPv4 address within IPv6; write a network of IPv4"));
        }
        Ok(_) => {}
    }
    network.ok()
}

fn port_number(number: i32, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    if !PORTS.contains(&number) {
        report(at, format!("{number} is no port; 1 to 65535 are"));
    }
}

/// Where an empty one is TCP.
fn protocol(protocol: &str, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    if Protocol::or_tcp(Some(protocol)).is_none() {
        report(&at.key("protocol"), format!("{protocol:?} is unknown; {PROTOCOLS}"));
    }
}

fn service_range(range: &ServiceCIDR, report: &mut dyn FnMut(&Field, String)) {
    let cidrs = range.spec.as_ref().and_then(|spec| spec.cidrs.as_ref());
    for (number, cidr) in cidrs.into_iter().flatten().enumerate() {
        network(cidr, "10.96.0.0/12", &Field::of("spec.cidrs").index(number), report);
    }
}

fn is_dns_label(text: &str) -> bool {
    let is_outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_word(text, LABEL, is_outer, |byte| byte == b'-')
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_name(text)
}

fn is_label_name(text: &str) -> bool {
    is_word(text, LABEL, |byte| byte.is_ascii_alphanumeric(), |byte| b"-_.".contains(&byte))
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => domain.len() <= NAME && domain.split('.').all(is_domain_part) && is_label_name(name),
        None => is_label_name(text),
    }
}

fn is_domain_part(text: &str) -> bool {
    let is_outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_word(text, NAME, is_outer, |byte| byte == b'-')
}

fn is_port_name(text: &str) -> bool {
    let is_outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let has_letter = text.bytes().any(|byte| byte.is_ascii_lowercase());
    is_word(text, 15, is_outer, |byte| byte == b'-') && has_letter && !text.contains("--")
}

/// It is not empty and not too long, begins and ends with one kind of byte, and has others only between.
fn is_word(text: &str, most: usize, is_outer: impl Fn(u8) -> bool, is_inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| is_outer(*first) && is_outer(*last));
    ends && bytes.len() <= most && bytes.iter().all(|byte| is_outer(*byte) || is_inner(*byte))
}
