//! Services and endpoints, as far as they lead around a NetworkPolicy. Small, like pods.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::{
    api::{core::v1, discovery::v1 as discovery},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
};

use super::key;

/// Label of an EndpointSlice that names who writes it.
pub const SLICE_WRITER: &str = "endpointslice.kubernetes.io/managed-by";
/// The controller that writes most of them, from the pods of a Service: they lead nowhere else.
pub const SLICE_CONTROLLER: &str = "endpointslice-controller.k8s.io";

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its namespace and name, with a slash between.
    pub key: Box<str>,
    /// Where it leads besides to pods in the cluster; `None` for most.
    pub leads: Option<Box<Leads>>,
}

/// Where a Service leads besides to pods in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leads {
    /// A port of every node leads in.
    pub node_port: bool,
    /// An address of a load balancer leads in.
    pub load_balancer: bool,
    /// Addresses that it takes for itself lead in.
    pub external_ips: bool,
    /// It is an alias of this name.
    pub alias: Option<String>,
    /// The labels of its pods.
    pub selector: BTreeMap<String, String>,
}

impl Service {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        key::namespace(&self.key)
    }
}

impl Leads {
    /// Namespaces that its alias points into, if it is a name of the cluster: of a Service, of one of its pods, or of a pod.
    pub fn alias_into(&self) -> impl Iterator<Item = &str> {
        let labels: Vec<&str> = self.alias.as_deref().unwrap_or_default().split('.').collect();
        let after = labels.clone().into_iter().skip(1);
        labels.into_iter().zip(after).filter(|(_, kind)| ["svc", "pod"].contains(kind)).map(|(namespace, _)| namespace)
    }

    /// All its pods are among those that a selector means: it equals the selector or narrows it. What it does not name, its
    /// pods may have or not.
    pub fn narrows(&self, selector: &LabelSelector) -> bool {
        let has = |key: &str| self.selector.get(key);
        let one_of = |requirement: &LabelSelectorRequirement, value: &String| {
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
}

impl From<v1::Service> for Service {
    fn from(service: v1::Service) -> Self {
        let spec = service.spec.unwrap_or_default();
        let is = |kind: &str| spec.type_.as_deref() == Some(kind);
        let alias = spec.external_name.clone().filter(|_| is("ExternalName"));
        let leads = Leads {
            node_port: is("NodePort"),
            load_balancer: is("LoadBalancer"),
            external_ips: spec.external_ips.as_ref().is_some_and(|all| !all.is_empty()),
            alias,
            selector: BTreeMap::new(),
        };
        let leads_nowhere = leads == Leads::default();
        let leads = Leads { selector: spec.selector.unwrap_or_default(), ..leads };
        Service { key: key::of(&service.metadata), leads: (!leads_nowhere).then(|| Box::new(leads)) }
    }
}

/// Addresses that a Service sends traffic to, and that the controller of EndpointSlices did not write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Its namespace and name, with a slash between.
    pub key: Box<str>,
    /// Name of the Service.
    pub service: Box<str>,
    /// Where the traffic goes.
    pub addresses: Vec<IpAddr>,
}

impl Slice {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        key::namespace(&self.key)
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
        Slice { key: key::of(&slice.metadata), service, addresses }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn leads(spec: &Value) -> Option<Box<Leads>> {
        let service = json!({ "metadata": { "namespace": "vault", "name": "a" }, "spec": spec });
        Service::from(serde_json::from_value::<v1::Service>(service).unwrap()).leads
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
        assert!(leads(&json!({ "type": "NodePort" })).unwrap().node_port);
        assert!(leads(&json!({ "type": "LoadBalancer" })).unwrap().load_balancer);
        assert!(leads(&json!({ "externalIPs": ["203.0.113.1"] })).unwrap().external_ips);
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
            let leads = leads(&json!({ "type": "NodePort", "selector": selector })).unwrap();
            let flow_selector: LabelSelector = serde_json::from_value(flow.clone()).unwrap();
            assert_eq!(leads.narrows(&flow_selector), declared, "{selector} {flow}");
        }
    }
}
