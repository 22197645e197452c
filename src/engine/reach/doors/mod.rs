//! Ways into pods that no NetworkPolicy governs: their own node, its network and its ports, what Services open outside, routes,
//! and endpoints that somebody wrote by hand.
//!
//! A door says what stands there, not that a connection comes through: where the client's address is lost on the way, it is
//! up to the network plug-in whether a policy sees it. Doors of the API server, such as exec and port-forward, are none: they
//! are rights.

mod services;

use std::{collections::BTreeMap, net::IpAddr};

use services::by_name;
pub use services::{Services, ports, targets};

use super::{
    Reach,
    sets::Ports,
    words::{self, few},
};
use crate::{
    api::Protocol,
    engine::{
        pod::Pod,
        route::Route,
        service::{Leads, Service, ServicePort, Slice},
        snapshot::Snapshot,
    },
};

/// A way into pods.
#[derive(Clone, Debug)]
pub struct Door<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// The pods behind it, by namespace and name; never none.
    pub to: Vec<&'a Pod>,
    /// Their ports that it leads to.
    pub ports: Ports,
}

/// What a door is.
#[derive(Clone, Debug)]
pub enum Kind<'a> {
    /// The node that the pods are on.
    OwnNode {
        /// Its name.
        node: &'a str,
        /// Pods that use its network, and so are let through as it is.
        others: Vec<&'a Pod>,
    },
    /// The pods use the network of their node.
    HostNetwork,
    /// A port of the node that the pods are on.
    HostPort(Protocol, u16),
    /// A Service that is open outside.
    Service {
        /// The Service.
        service: &'a Service,
        /// How.
        way: Way,
        /// Its ports there; none where they are not known.
        at: Ports,
    },
    /// An Ingress, or a route of the Gateway API.
    Route {
        /// The route.
        route: &'a Route,
        /// The Service that it leads to.
        service: &'a Service,
    },
    /// Endpoints in another namespace that somebody wrote by hand.
    Endpoints(&'a Slice),
}

/// How a Service is open outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// By ports of every node.
    NodePort,
    /// By a load balancer.
    LoadBalancer,
    /// By addresses that it takes for itself.
    ExternalIp,
}

impl Way {
    /// Each way in which a Service is open.
    pub fn of(leads: &Leads) -> impl Iterator<Item = Way> {
        let node_ports = leads.node_ports.then_some(Way::NodePort);
        let load_balancer = leads.load_balancer.is_some().then_some(Way::LoadBalancer);
        let external_ip = (!leads.external_ips.is_empty()).then_some(Way::ExternalIp);
        node_ports.into_iter().chain(load_balancer).chain(external_ip)
    }

    /// Ports of a Service that are open in this way, as they are there.
    pub fn ports<'s>(self, some: impl IntoIterator<Item = &'s ServicePort>) -> Ports {
        let open = |port: &ServicePort| match self {
            Way::NodePort => Some((port.protocol, port.node_port?)),
            Way::LoadBalancer | Way::ExternalIp => Some((port.protocol, port.number)),
        };
        ports(some.into_iter().filter_map(open))
    }
}

impl Door<'_> {
    /// The object that makes the door, as `Kind/name` or `Kind/namespace/name`.
    pub fn by(&self) -> String {
        match &self.kind {
            Kind::OwnNode { node, .. } => format!("Node/{node}"),
            Kind::HostNetwork | Kind::HostPort(..) => self.to.first().map(|pod| pod.subject()).unwrap_or_default(),
            Kind::Service { service, .. } => format!("Service/{}", service.key),
            Kind::Route { route, .. } => route.subject(),
            Kind::Endpoints(slice) => slice.subject(),
        }
    }

    /// The door in words.
    pub fn words(&self) -> String {
        let on = |ports: &Ports| if ports.is_empty() { String::new() } else { format!(" on {}", words::ports(ports)) };
        match &self.kind {
            Kind::OwnNode { node, others } if others.is_empty() => format!("node {node} itself"),
            Kind::OwnNode { node, others } => format!("node {node} itself and, on its network, {}", names(others)),
            Kind::HostNetwork => "the network of its node".to_string(),
            Kind::HostPort(protocol, port) => format!("{} {port} of its node", protocol.as_str()),
            Kind::Service { service, way: Way::NodePort, at } => {
                format!("every node{} by Service {}", on(at), service.key)
            }
            Kind::Service { service, way: Way::LoadBalancer, at } => {
                format!("the load balancer{} of Service {}", on(at), service.key)
            }
            Kind::Service { service, way: Way::ExternalIp, at } => {
                let addresses = service.leads.iter().flat_map(|leads| &leads.external_ips);
                let addresses: Vec<String> = addresses.map(IpAddr::to_string).collect();
                format!("{}{}, taken by Service {}", few(&addresses), on(at), service.key)
            }
            Kind::Route { route, service } => {
                format!("{} {} for {} by Service {}", route.kind.as_str(), route.key, few(&route.hosts()), service.key)
            }
            Kind::Endpoints(slice) => format!("{} {}, written by hand", slice.kind(), slice.key),
        }
    }
}

fn names(pods: &[&Pod]) -> String {
    few(&pods.iter().map(|pod| pod.key.to_string()).collect::<Vec<_>>())
}

/// Doors into the pods of the namespaces that are meant: of nodes by name, of pods, of Services, of routes, of endpoints.
pub fn doors<'a>(
    snapshot: &'a Snapshot,
    reach: &Reach<'a>,
    services: &Services<'a>,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<Door<'a>> {
    let mut doors = of_nodes(snapshot, &is_meant);
    for (_, class) in reach.population.classes().filter(|(_, class)| !class.pods.is_empty()) {
        if !is_meant(class.namespace) {
            continue;
        }
        let to = || class.pods.clone();
        if class.host_network {
            doors.push(Door { kind: Kind::HostNetwork, to: to(), ports: Ports::all() });
            continue;
        }
        for port in class.ports.iter() {
            let Some(host) = port.host else { continue };
            let ports = ports([(port.protocol, port.number)]);
            doors.push(Door { kind: Kind::HostPort(port.protocol, host), to: to(), ports });
        }
    }
    let open = snapshot.services.iter().filter(|service| is_meant(service.namespace()));
    for (service, leads) in open.filter_map(|service| Some((service, service.leads.as_deref()?))) {
        let pods = services.pods(service, &reach.population);
        let ports = targets(&service.ports, &pods);
        doors.extend(Way::of(leads).filter(|_| !pods.is_empty()).map(|way| Door {
            kind: Kind::Service { service, way, at: way.ports(&service.ports) },
            to: pods.clone(),
            ports: ports.clone(),
        }));
    }
    for route in &snapshot.routes {
        let mut backends: BTreeMap<&str, (&Service, Vec<_>)> = BTreeMap::new();
        for (service, port) in services.of_route(route).filter(|(service, _)| is_meant(service.namespace())) {
            backends.entry(&service.key).or_insert((service, Vec::new())).1.push(port);
        }
        for (service, ports) in backends.into_values() {
            let to = services.pods(service, &reach.population);
            let ports = targets(ports, &to);
            doors.push(Door { kind: Kind::Route { route, service }, to, ports });
        }
    }
    for slice in snapshot.slices.iter().filter(|slice| !slice.is_of_api_server()) {
        let there = slice.addresses.iter().filter_map(|ip| reach.population.at(*ip));
        let others = there.filter(|pod| pod.namespace() != slice.namespace() && is_meant(pod.namespace()));
        doors.push(Door { kind: Kind::Endpoints(slice), to: by_name(others), ports: of_slice(slice) });
    }
    doors.retain(|door| !door.to.is_empty());
    doors
}

/// Each node lets itself, and what uses its network, through to its pods.
fn of_nodes<'a>(snapshot: &'a Snapshot, is_meant: &impl Fn(&str) -> bool) -> Vec<Door<'a>> {
    let mut nodes: BTreeMap<&str, (Vec<&Pod>, Vec<&Pod>)> = BTreeMap::new();
    for pod in snapshot.pods.iter().filter(|pod| !pod.ended) {
        let Some(node) = pod.node.as_deref() else { continue };
        let (others, to) = nodes.entry(node).or_default();
        if pod.shares.network {
            others.push(pod);
        } else if is_meant(pod.namespace()) {
            to.push(pod);
        }
    }
    let door = |(node, (others, to)): (&'a str, (Vec<&'a Pod>, Vec<&'a Pod>))| Door {
        kind: Kind::OwnNode { node, others: by_name(others.into_iter()) },
        to: by_name(to.into_iter()),
        ports: Ports::all(),
    };
    nodes.into_iter().map(door).collect()
}

fn of_slice(slice: &Slice) -> Ports {
    let mut ports = Ports::default();
    for (protocol, number) in &slice.ports {
        ports.add(*protocol, number.unwrap_or_default()..=number.unwrap_or(u16::MAX));
    }
    ports
}

#[cfg(test)]
mod tests;
