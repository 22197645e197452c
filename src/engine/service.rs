//! Services and endpoints, as far as they lead around a NetworkPolicy. Small, like pods.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::{
    api::{core::v1, discovery::v1 as discovery},
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
        util::intstr::IntOrString,
    },
};

use super::key;
use crate::api::Protocol;

/// Label of an EndpointSlice that names who writes it.
pub const SLICE_WRITER: &str = "endpointslice.kubernetes.io/managed-by";
/// The controller that writes most of them, from the pods of a Service: they lead nowhere else.
pub const SLICE_CONTROLLER: &str = "endpointslice-controller.k8s.io";

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its namespace and name, with a slash between.
    pub key: Box<str>,
    /// The labels of its pods, by key; none where somebody else says where it leads.
    pub selector: Box<[(Box<str>, Box<str>)]>,
    /// Its ports.
    pub ports: Box<[ServicePort]>,
    /// Where it leads besides to pods in the cluster; `None` for most.
    pub leads: Option<Box<Leads>>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number at the addresses of the Service.
    pub number: u16,
    /// Its name, by which a route may mean it.
    pub name: Option<Box<str>>,
    /// The port of the pods.
    pub target: Target,
    /// The port of every node, if it has one.
    pub node_port: Option<u16>,
}

/// The port of a pod that a port of a Service leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The same number for every pod.
    Number(u16),
    /// Each pod has its own number for this name.
    Name(Box<str>),
}

/// Label of Endpoints that no slice is to be made of.
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Annotation of Endpoints that are no more than the lock of a leader; no slice is made of them either.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// Where a Service leads besides to pods in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leads {
    /// Ports of every node lead in.
    pub node_ports: bool,
    /// A load balancer leads in.
    pub load_balancer: Option<LoadBalancer>,
    /// Addresses that it takes for itself lead in.
    pub external_ips: Box<[IpAddr]>,
    /// Its pods see the address of a client outside, not that of a node.
    pub keeps_clients: bool,
    /// It is an alias of this name.
    pub alias: Option<Box<str>>,
}

/// The load balancer of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its addresses, as far as the nodes themselves take what is sent there.
    pub addresses: Box<[IpAddr]>,
    /// Whom it lets through; everybody where there are none.
    pub ranges: Box<[IpNet]>,
}

impl Service {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        key::namespace(&self.key)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        key::name(&self.key)
    }

    /// All its pods are among those that a selector means: it equals the selector or narrows it. What it does not name, its
    /// pods may have or not.
    pub fn narrows(&self, selector: &LabelSelector) -> bool {
        let has = |key: &str| self.selector.iter().find(|(own, _)| &**own == key).map(|(_, value)| &**value);
        let one_of = |requirement: &LabelSelectorRequirement, value: &str| {
            requirement.values.iter().flatten().any(|allowed| allowed == value)
        };
        let sure = |requirement: &LabelSelectorRequirement| match requirement.operator.as_str() {
            "In" => has(&requirement.key).is_some_and(|value| one_of(requirement, value)),
            "NotIn" => has(&requirement.key).is_some_and(|value| !one_of(requirement, value)),
            "Exists" => has(&requirement.key).is_some(),
            _ => false,
        };
        let labels = selector.match_labels.iter().flatten().all(|(key, value)| has(key) == Some(value));
        !self.selector.is_empty() && labels && selector.match_expressions.iter().flatten().all(sure)
    }

    /// Its endpoints are written from its selector, by the controllers of the cluster. Without one they write nothing, and what
    /// says that they did was written by somebody else.
    pub fn is_followed(&self) -> bool {
        let is_alias = self.leads.as_ref().is_some_and(|leads| leads.alias.is_some());
        !self.selector.is_empty() && !is_alias
    }

    /// The addresses at which the nodes themselves take traffic for it, besides its own in the cluster.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let leads = self.leads.iter();
        leads.flat_map(|leads| {
            let balanced = leads.load_balancer.iter().flat_map(|balancer| &balancer.addresses);
            leads.external_ips.iter().chain(balanced).copied()
        })
    }
}

impl Leads {
    /// Namespaces that its alias points into, if it is a name of the cluster: of a Service, of one of its pods, or of a pod.
    pub fn alias_into(&self) -> impl Iterator<Item = &str> {
        let labels: Vec<&str> = self.alias.as_deref().unwrap_or_default().split('.').collect();
        let after = labels.clone().into_iter().skip(1);
        labels.into_iter().zip(after).filter(|(_, kind)| ["svc", "pod"].contains(kind)).map(|(namespace, _)| namespace)
    }
}

impl From<v1::Service> for Service {
    fn from(service: v1::Service) -> Self {
        let spec = service.spec.unwrap_or_default();
        let status = service.status.and_then(|status| status.load_balancer).unwrap_or_default();
        let is = |kind: &str| spec.type_.as_deref() == Some(kind);
        let ports: Box<[ServicePort]> = spec.ports.iter().flatten().filter_map(port).collect();
        // A node gives what comes to the address of a proxy back to the proxy.
        let balanced = status.ingress.into_iter().flatten().filter(|at| at.ip_mode.as_deref() != Some("Proxy"));
        let balanced: Box<[IpAddr]> = balanced.filter_map(|at| at.ip?.parse().ok()).collect();
        let has_node_ports = ports.iter().any(|port| port.node_port.is_some());
        let allocates = is("LoadBalancer") && spec.allocate_load_balancer_node_ports != Some(false);
        let ranges = spec.load_balancer_source_ranges.iter().flatten();
        let leads = Leads {
            node_ports: is("NodePort") || allocates || has_node_ports,
            // A node asks for no type: an address in the status is enough.
            load_balancer: (is("LoadBalancer") || !balanced.is_empty()).then(|| LoadBalancer {
                addresses: balanced,
                ranges: ranges.filter_map(|range| range.trim().parse::<IpNet>().ok()).map(|net| net.trunc()).collect(),
            }),
            external_ips: spec.external_ips.iter().flatten().filter_map(|ip| ip.parse().ok()).collect(),
            keeps_clients: false,
            alias: spec.external_name.as_deref().filter(|_| is("ExternalName")).map(Into::into),
        };
        let leads_nowhere = leads == Leads::default();
        let leads = Leads { keeps_clients: spec.external_traffic_policy.as_deref() == Some("Local"), ..leads };
        let selector = spec.selector.unwrap_or_default().into_iter();
        Service {
            key: key::of(&service.metadata),
            selector: selector.map(|(key, value)| (key.into(), value.into())).collect(),
            ports,
            leads: (!leads_nowhere).then(|| Box::new(leads)),
        }
    }
}

/// What no API server takes is left out.
fn port(port: &v1::ServicePort) -> Option<ServicePort> {
    let number = number(port.port)?;
    let target = match &port.target_port {
        None | Some(IntOrString::Int(0)) => Target::Number(number),
        Some(IntOrString::Int(target)) => Target::Number(self::number(*target)?),
        Some(IntOrString::String(name)) => Target::Name(name.as_str().into()),
    };
    Some(ServicePort {
        protocol: Protocol::or_tcp(port.protocol.as_deref())?,
        number,
        name: port.name.as_deref().map(Into::into),
        target,
        node_port: port.node_port.and_then(self::number),
    })
}

fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|number| *number != 0)
}

/// Addresses that a Service sends traffic to, and that the controllers of EndpointSlices and Endpoints did not write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Its namespace and name, with a slash between.
    pub key: Box<str>,
    /// Name of the Service.
    pub service: Box<str>,
    /// Where the traffic goes.
    pub addresses: Vec<IpAddr>,
    /// On which ports; without a number on every one.
    pub ports: Box<[(Protocol, Option<u16>)]>,
    /// It stands in Endpoints, of which a controller makes a slice.
    pub mirrored: bool,
}

impl Slice {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        if self.mirrored { "Endpoints" } else { "EndpointSlice" }
    }

    /// Its subject in findings.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind(), self.key)
    }

    /// What slices would be made of Endpoints: one of each subset.
    pub fn of_endpoints(endpoints: v1::Endpoints) -> impl Iterator<Item = Self> {
        let key = key::of(&endpoints.metadata);
        let labels = endpoints.metadata.labels.iter().flatten();
        let annotations = endpoints.metadata.annotations.iter().flatten();
        let skips = labels.into_iter().any(|(key, value)| key == SKIP_MIRROR && value == "true");
        let is_lock = annotations.into_iter().any(|(key, _)| key == LEADER);
        let subsets = endpoints.subsets.filter(|_| !skips && !is_lock).into_iter().flatten();
        subsets.map(move |subset| {
            let addresses = subset.addresses.iter().chain(&subset.not_ready_addresses).flatten();
            let port = |port: &v1::EndpointPort| Some((Protocol::or_tcp(port.protocol.as_deref())?, number(port.port)));
            Slice {
                key: key.clone(),
                service: key::name(&key).into(),
                addresses: addresses.filter_map(|address| address.ip.parse().ok()).collect(),
                ports: subset.ports.iter().flatten().filter_map(port).collect(),
                mirrored: true,
            }
        })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        key::namespace(&self.key)
    }

    /// The key of its Service.
    pub fn service_key(&self) -> Box<str> {
        format!("{}/{}", self.namespace(), self.service).into_boxed_str()
    }

    /// Its addresses are those of the API server, which writes them itself.
    pub fn is_of_api_server(&self) -> bool {
        &*self.key == "default/kubernetes" && &*self.service == "kubernetes"
    }
}

impl From<discovery::EndpointSlice> for Slice {
    fn from(slice: discovery::EndpointSlice) -> Self {
        let addresses = slice.endpoints.iter().flatten().flat_map(|endpoint| &endpoint.addresses);
        let addresses = addresses.filter_map(|address| address.parse().ok()).collect();
        let labels = slice.metadata.labels.as_ref();
        let service =
            labels.and_then(|labels| labels.get("kubernetes.io/service-name")).map_or("", String::as_str).into();
        let port = |port: &discovery::EndpointPort| {
            Some((Protocol::read(port.protocol.as_deref())?, port.port.and_then(number)))
        };
        let ports = slice.ports.iter().flatten().filter_map(port).collect();
        Slice { key: key::of(&slice.metadata), service, addresses, ports, mirrored: false }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(spec: &Value, status: &Value) -> Service {
        let service = json!({ "metadata": { "namespace": "vault", "name": "a" }, "spec": spec, "status": status });
        serde_json::from_value::<v1::Service>(service).unwrap().into()
    }

    fn leads(spec: &Value) -> Option<Box<Leads>> {
        service(spec, &json!({})).leads
    }

    #[test]
    fn most_services_lead_nowhere_else() {
        for spec in [
            json!({}),
            json!({ "type": "ClusterIP", "selector": { "app": "a" } }),
            json!({ "externalIPs": [] }),
            json!({ "type": "ClusterIP", "externalName": "left.over.example.com" }),
        ] {
            assert_eq!(leads(&spec), None, "{spec}");
        }
        assert_eq!(leads(&json!({ "externalIPs": ["203.0.113.1"] })).unwrap().external_ips.len(), 1);
    }

    #[test]
    fn ports_of_nodes_are_opened_by_type_or_by_a_port_that_has_one() {
        let ports = |node_port: Value| json!([{ "port": 80, "nodePort": node_port }]);
        let balancer = |allocates: Value, ports: Value| json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": allocates, "ports": ports });
        for (spec, node_ports) in [
            (json!({ "type": "NodePort" }), true),
            (json!({ "type": "NodePort", "ports": ports(json!(30080)) }), true),
            (balancer(Value::Null, Value::Null), true),
            (balancer(json!(true), Value::Null), true),
            (balancer(json!(false), ports(Value::Null)), false),
            (balancer(json!(false), ports(json!(0))), false),
            // Taking the wish away takes no port away.
            (balancer(json!(false), ports(json!(30080))), true),
            (json!({ "externalIPs": ["203.0.113.1"] }), false),
        ] {
            assert_eq!(leads(&spec).unwrap().node_ports, node_ports, "{spec}");
        }
    }

    #[test]
    fn an_address_of_a_load_balancer_counts_where_the_nodes_take_it() {
        let at = |ip: &str, mode: Value| json!({ "loadBalancer": { "ingress": [{ "ip": ip, "ipMode": mode }] } });
        let name = json!({ "loadBalancer": { "ingress": [{ "hostname": "lb.example.com" }] } });
        for (kind, status, addresses) in [
            ("LoadBalancer", at("203.0.113.1", Value::Null), &["203.0.113.1"][..]),
            ("LoadBalancer", at("203.0.113.1", json!("VIP")), &["203.0.113.1"]),
            ("LoadBalancer", at("203.0.113.1", json!("Proxy")), &[]),
            ("LoadBalancer", name, &[]),
            ("ClusterIP", at("203.0.113.1", Value::Null), &["203.0.113.1"]),
        ] {
            let service = service(&json!({ "type": kind }), &status);
            let found: Vec<String> = service.addresses().map(|ip| ip.to_string()).collect();
            assert_eq!(found, addresses, "{kind} {status}");
            assert!(service.leads.unwrap().load_balancer.is_some(), "{kind} {status}");
        }
    }

    #[test]
    fn a_port_leads_to_the_same_number_unless_it_says_another() {
        for (target, wanted) in [
            (Value::Null, Target::Number(80)),
            (json!(0), Target::Number(80)),
            (json!(8080), Target::Number(8080)),
            (json!("http"), Target::Name("http".into())),
        ] {
            let service = service(&json!({ "ports": [{ "port": 80, "targetPort": target }] }), &json!({}));
            assert_eq!(service.ports[0].target, wanted, "{target}");
        }
        assert!(service(&json!({ "ports": [{ "port": 80, "targetPort": 70000 }] }), &json!({})).ports.is_empty());
    }

    #[test]
    fn an_alias_may_point_into_the_cluster() {
        for (name, into) in [
            ("web.vault.svc", &["vault"][..]),
            ("web.vault.svc.cluster.local.", &["vault"]),
            ("web-0.web.vault.svc.cluster.local", &["vault"]),
            ("web-0.svcs.vault.svc.cluster.local", &["vault"]),
            ("_http._tcp.web.vault.svc", &["vault"]),
            ("10-0-0-5.vault.pod.cluster.local", &["vault"]),
            ("web.svc.vault.svc", &["web", "vault"]),
            ("web.vault.example.com", &[]),
            ("example.com", &[]),
        ] {
            let leads = leads(&json!({ "type": "ExternalName", "externalName": name })).unwrap();
            assert_eq!(leads.alias_into().collect::<Vec<_>>(), into, "{name}");
        }
    }

    #[test]
    fn a_service_is_declared_when_it_equals_or_narrows() {
        let requirement = |operator: &str, values: Value| json!({ "matchExpressions": [{ "key": "tier", "operator": operator, "values": values }] });
        let app = json!({ "app": "checkout" });
        let both = json!({ "app": "checkout", "tier": "front" });
        for (selector, flow, declared) in [
            (&app, json!({ "matchLabels": { "app": "checkout" } }), true),
            (&both, json!({ "matchLabels": { "app": "checkout" } }), true),
            (&app, json!({ "matchLabels": { "app": "checkout", "tier": "front" } }), false),
            (&app, json!({ "matchLabels": { "app": "vault" } }), false),
            (&app, json!({}), true),
            (&json!({}), json!({}), false),
            (&both, requirement("In", json!(["front", "back"])), true),
            (&both, requirement("In", json!(["back"])), false),
            (&app, requirement("In", json!(["front"])), false),
            (&both, requirement("NotIn", json!(["back"])), true),
            (&app, requirement("NotIn", json!(["back"])), false),
            (&both, requirement("Exists", json!(null)), true),
            (&app, requirement("Exists", json!(null)), false),
            (&app, requirement("DoesNotExist", json!(null)), false),
        ] {
            let service = service(&json!({ "selector": selector }), &json!({}));
            let flow_selector: LabelSelector = serde_json::from_value(flow.clone()).unwrap();
            assert_eq!(service.narrows(&flow_selector), declared, "{selector} {flow}");
        }
    }
}
