//! What of a Service a flow from outside declares.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Case;
use crate::{
    api::{Flow, Peer},
    engine::{
        declaration,
        pod::Pod,
        reach::{
            doors::targets,
            sets::Ports,
            words::{self, few},
        },
        service::{Service, ServicePort},
    },
};

/// Pods behind a Service, and what of it is declared.
pub(super) struct Exposure<'a> {
    /// The pods.
    pub(super) pods: Vec<&'a Pod>,
    /// Their ports.
    pub(super) ports: Ports,
    /// The flows that lead there.
    pub(super) flows: Vec<&'a Flow>,
    /// Ports to which none of them leads; `None` when all are declared.
    pub(super) missing: Option<Ports>,
}

impl<'a> Exposure<'a> {
    /// Looks at some ports of a Service, and at flows that come from where it is meant.
    pub(super) fn new<'s>(
        case: &Case<'a>,
        service: &Service,
        some: impl IntoIterator<Item = &'s ServicePort>,
        comes: impl Fn(&Flow) -> bool,
    ) -> Self {
        let pods = case.around.services.pods(service, &case.reach.population);
        let all = targets(some, &pods);
        let flows = case.declaration.open_flows(case.now);
        let flows: Vec<&Flow> = flows.filter(|flow| comes(flow) && leads_to(case, flow, service)).collect();
        let declared = flow_ports(&flows);
        let left = all.minus(&declared);
        let missing = (flows.is_empty() || !left.is_empty()).then_some(left);
        Exposure { pods, ports: all, flows, missing }
    }

    /// What of it is declared by networks alone. On the other ports whoever is on the internet may come in.
    pub(super) fn by_networks(&self) -> Option<Self> {
        let is_internet = |flow: &&&Flow| flow.from.internet == Some(true);
        let internet: Vec<&Flow> = self.flows.iter().filter(is_internet).copied().collect();
        let ports = self.ports.minus(&flow_ports(&internet));
        let meets = |flow: &&&Flow| ports.is_empty() || !flow_ports(&[**flow]).and(&ports).is_empty();
        let flows = self.flows.iter().filter(|flow| !is_internet(flow)).filter(meets).copied().collect();
        let is_left = internet.is_empty() || !ports.is_empty();
        is_left.then(|| Exposure { pods: self.pods.clone(), flows, ports, missing: None })
    }

    /// Ports of the Service that lead to some ports of its pods; all where nothing is known of where they lead.
    pub(super) fn leading<'s>(&self, service: &'s Service, to: &Ports) -> Vec<&'s ServicePort> {
        let leads = |port: &&ServicePort| to.is_empty() || !targets([*port], &self.pods).and(to).is_empty();
        service.ports.iter().filter(leads).collect()
    }

    /// The pods, on some of their ports.
    pub(super) fn to(&self, some: &Ports) -> String {
        let names: Vec<String> = self.pods.iter().map(|pod| pod.key.to_string()).collect();
        let pods = if names.is_empty() { "pods that are not there yet".to_string() } else { few(&names) };
        if some.is_empty() { pods } else { format!("{pods} on {}", words::ports(some)) }
    }

    /// All of the pods, where they are more than a message names.
    pub(super) fn rest(&self) -> Option<String> {
        let names: Vec<String> = self.pods.iter().map(|pod| pod.key.to_string()).collect();
        let all = names.join(", ");
        (few(&names) != all).then(|| format!("pods: {all}"))
    }

    /// The flows, in words.
    pub(super) fn flow_names(&self) -> String {
        let names: Vec<String> = self.flows.iter().map(|flow| flow.name.clone()).collect();
        format!("{} {}", if names.len() == 1 { "flow" } else { "flows" }, few(&names))
    }
}

fn flow_ports(flows: &[&Flow]) -> Ports {
    flows.iter().fold(Ports::default(), |all, flow| all.or(&declaration::flow_ports(flow)))
}

/// Every pod behind the Service is one that the flow leads to.
fn leads_to(case: &Case, flow: &Flow, service: &Service) -> bool {
    let pods = flow.to.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default();
    let there = flow.to.namespace.as_deref() == Some(service.namespace()) || flow.to.zone.as_deref() == Some(case.name);
    there && service.narrows(&pods)
}

/// The flow comes from addresses outside the cluster.
pub(super) fn is_public(flow: &Flow) -> bool {
    flow.from.internet == Some(true) || !flow.from.cidrs.is_empty()
}

/// The flow comes from outside the zone, or from pods of the zone to which another flow comes from outside, such as those of
/// a gateway.
pub(super) fn is_from_outside(case: &Case, flow: &Flow) -> bool {
    let is_outside = |peer: &Peer| !is_own(case, peer);
    let mut open = case.declaration.open_flows(case.now);
    is_outside(&flow.from) || open.any(|first| is_outside(&first.from) && meets(case, &first.to, &flow.from))
}

/// Some pods of the zone are meant by both.
fn meets(case: &Case, one: &Peer, other: &Peer) -> bool {
    let is_zone = |peer: &Peer| peer.zone.as_deref() == Some(case.name);
    let pods = |peer: &Peer| peer.pod_selector.clone();
    let same_pods = pods(one).is_none() || pods(other).is_none() || pods(one) == pods(other);
    let same_namespace = is_zone(one) || is_zone(other) || one.namespace == other.namespace;
    is_own(case, one) && is_own(case, other) && same_namespace && same_pods
}

/// The peer lies in the zone.
pub(super) fn is_own(case: &Case, peer: &Peer) -> bool {
    peer.zone.as_deref() == Some(case.name) || peer.namespace.as_deref().is_some_and(|name| case.has_namespace(name))
}
