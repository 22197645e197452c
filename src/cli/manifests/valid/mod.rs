//! What no API server would take. Told here, because nobody asks one.

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::{
    api::{
        core::v1::{Endpoints, PodSpec},
        discovery::v1::EndpointSlice,
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
        Object::Pod(pod) => pods(pod.spec.as_ref(), &spec, report),
        Object::EndpointSlice(slice) => endpoint_slice(slice, report),
        Object::Endpoints(endpoints) => self::endpoints(endpoints, report),
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
        | Object::Service(_)
        | Object::ClusterRole(_)
        | Object::ClusterRoleBinding(_)
        | Object::Ingress(_)
        | Object::HTTPRoute(_)
        | Object::GRPCRoute(_)
        | Object::TLSRoute(_)
        | Object::TCPRoute(_)
        | Object::UDPRoute(_)
        | Object::ReferenceGrant(_)
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
        | Object::Role(_)
        | Object::RoleBinding(_)
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
        // RBAC allows more in names than a DNS name has, but nowhere what separates names in a path.
        Some(name) if name.contains(['/', '%']) || name.len() > NAME || name == "." || name == ".." => {
            report(&at.key("name"), format!("{name:?} is no name"));
        }
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
    let cidr = block.cidr.parse::<IpNet>();
    if cidr.is_err() {
        report(&at.key("cidr"), format!("{:?} is no network such as 203.0.113.0/24", block.cidr));
    }
    for (number, text) in block.except.iter().flatten().enumerate() {
        let at = at.key("except").index(number);
        match (text.parse::<IpNet>(), &cidr) {
            (Err(_), _) => report(&at, format!("{text:?} is no network such as 203.0.113.64/26")),
            (Ok(except), Ok(cidr)) if !cidr.contains(&except) || cidr.prefix_len() == except.prefix_len() => {
                report(&at, format!("{text} is no smaller network within {cidr}"));
            }
            (Ok(_), _) => {}
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
        for (port_number, port) in container.ports.iter().flatten().enumerate() {
            let at = at.key(list).index(number).key("ports").index(port_number);
            if !PORTS.contains(&port.container_port) {
                report(&at.key("containerPort"), format!("{} is no port; 1 to 65535 are", port.container_port));
            }
            if Protocol::read(port.protocol.as_deref()).is_none() {
                let protocol = port.protocol.as_deref().unwrap_or_default();
                report(&at.key("protocol"), format!("{protocol:?} is unknown; {PROTOCOLS}"));
            }
        }
    }
}

fn endpoint_slice(slice: &EndpointSlice, report: &mut dyn FnMut(&Field, String)) {
    // Names are allowed in slices of that type, and lead where nobody can tell.
    if slice.address_type == "FQDN" {
        return;
    }
    for (number, endpoint) in slice.endpoints.iter().flatten().enumerate() {
        for (address_number, address) in endpoint.addresses.iter().enumerate() {
            if address.parse::<std::net::IpAddr>().is_err() {
                let at = Field::of("endpoints").index(number).key("addresses").index(address_number);
                report(&at, format!("{address:?} is no address"));
            }
        }
    }
}

fn endpoints(endpoints: &Endpoints, report: &mut dyn FnMut(&Field, String)) {
    for (number, subset) in endpoints.subsets.iter().flatten().enumerate() {
        let at = Field::of("subsets").index(number);
        for (list, addresses) in [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            for (number, address) in addresses.iter().flatten().enumerate() {
                if address.ip.parse::<std::net::IpAddr>().is_err() {
                    report(&at.key(list).index(number).key("ip"), format!("{:?} is no address", address.ip));
                }
            }
        }
    }
}

fn service_range(range: &ServiceCIDR, report: &mut dyn FnMut(&Field, String)) {
    let cidrs = range.spec.as_ref().and_then(|spec| spec.cidrs.as_ref());
    for (number, cidr) in cidrs.into_iter().flatten().enumerate() {
        if cidr.parse::<IpNet>().is_err() {
            report(&Field::of("spec.cidrs").index(number), format!("{cidr:?} is no network such as 10.96.0.0/12"));
        }
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
