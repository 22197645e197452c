//! Services and endpoints that lead around a NetworkPolicy (PCI DSS 1.3.2, 1.4.1, 1.4.2). The guards refuse most new ones; these
//! were there before, or the guards could not see where they lead.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    Case, Found,
    exposure::{Exposure, is_own, is_public},
};
use crate::{
    api::{FindingId, Flow, Protocol},
    engine::{
        declaration::networks,
        reach::{
            doors::{self, Way},
            sets::{Peers, Ports},
            words::{self, few},
        },
        service::{Leads, Service, ServicePort, Slice},
        snapshot::node_ranges,
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    for service in case.members().flat_map(|namespace| case.around.services.within(namespace)) {
        if let Some(leads) = &service.leads {
            found.extend(open(case, service, leads));
            found.extend(alias_of_others(case, service, leads));
        }
        found.extend(written_by_hand(case, service));
    }
    let taken = Taken::new(case);
    for service in &case.snapshot.services {
        let Some(leads) = &service.leads else { continue };
        if let Some(namespace) = leads.alias_into().find(|namespace| case.has_namespace(namespace))
            && !case.has_namespace(service.namespace())
        {
            let message = format!("It is an alias of a Service in namespace {namespace} of the zone.");
            found.push(Found::new(FindingId::ExternalNameIntoZone, subject(service), message));
        }
        found.extend(taken.by(service));
    }
    let outside = |slice: &&std::sync::Arc<Slice>| !case.has_namespace(slice.namespace()) && !slice.is_of_api_server();
    let slices: Vec<_> = case.snapshot.slices.iter().filter(outside).collect();
    if !slices.is_empty() {
        let addresses = Addresses::new(case);
        found.extend(slices.into_iter().filter_map(|slice| addresses.reached(slice)));
    }
}

fn subject(service: &Service) -> String {
    format!("Service/{}", service.key)
}

/// What a Service of the zone opens outside.
fn open(case: &Case, service: &Service, leads: &Leads) -> Vec<Found> {
    let ways: Vec<Way> = Way::of(leads).collect();
    if ways.is_empty() {
        return Vec::new();
    }
    let exposure = Exposure::new(case, service, &service.ports, is_public);
    let found = |id, message: String| {
        Found::new(id, subject(service), message).with_evidence(exposure.rest().unwrap_or_default())
    };
    if let Some(missing) = &exposure.missing {
        let balances = ways.contains(&Way::LoadBalancer);
        // The ports that a load balancer opens on the nodes are told with it.
        let ways = ways.iter().filter(|way| **way != Way::NodePort || !balances);
        let (to, from_nodes) = (exposure.to(missing), node_ports(&exposure.leading(service, missing)));
        let undeclared = |way: &Way| {
            let (id, from) = match way {
                Way::NodePort => (FindingId::NodePortExposed, from_nodes.clone()),
                Way::LoadBalancer if leads.node_ports => {
                    (FindingId::LoadBalancerExposed, format!("its load balancer, and from {from_nodes},"))
                }
                Way::LoadBalancer => (FindingId::LoadBalancerExposed, "its load balancer".to_string()),
                Way::ExternalIp => (FindingId::ExternalIpsUsed, addresses(&leads.external_ips)),
            };
            found(id, format!("It leads from {from} to {to}, and no flow declares that."))
        };
        return ways.map(undeclared).collect();
    }
    let narrower = exposure.by_networks().map(|exposure| narrower(service, leads, &exposure));
    narrower.into_iter().flatten().map(|(id, message)| found(id, message)).collect()
}

/// Where a Service lets more clients through than the flows name, all of them by networks.
fn narrower(service: &Service, leads: &Leads, exposure: &Exposure) -> Vec<(FindingId, String)> {
    let mut all = Vec::new();
    let allowed: Vec<String> = exposure.flows.iter().flat_map(|flow| &flow.from.cidrs).cloned().collect();
    let (flows, to) = (exposure.flow_names(), exposure.to(&exposure.ports));
    let mut is_filtered = false;
    if let Some(balancer) = &leads.load_balancer {
        let nets = IpNet::aggregate(&networks(&allowed));
        let wider = balancer.ranges.iter().filter(|range| !nets.iter().any(|net| net.contains(*range)));
        let wider: Vec<String> = wider.map(ToString::to_string).collect();
        let who = if balancer.ranges.is_empty() { "everybody".to_string() } else { few(&wider) };
        is_filtered = !balancer.ranges.is_empty() && wider.is_empty();
        // A policy that sees the client does the same as ranges do.
        if !wider.is_empty() || balancer.ranges.is_empty() && !leads.keeps_clients {
            let named = few(&allowed);
            let nodes = node_ports(&exposure.leading(service, &exposure.ports));
            let besides = leads.node_ports && !leads.keeps_clients;
            let lets = if besides { format!(" and {nodes} let") } else { " lets".to_string() };
            let message = format!("Its load balancer{lets} {who} through to {to}, and {flows} only {named}.");
            all.push((FindingId::LoadBalancerExposed, message));
        }
    }
    if leads.keeps_clients {
        return all;
    }
    if is_filtered && leads.node_ports {
        let from = node_ports(&exposure.leading(service, &exposure.ports));
        let message = format!(
            "Besides its load balancer it leads from {from} to {to}, where no source ranges hold and {flows} cannot tell clients apart."
        );
        all.push((FindingId::NodePortExposed, message));
    }
    if !is_filtered || !leads.external_ips.is_empty() {
        let message =
            format!("The address of a node may stand for that of a client at {to}, and {flows} names clients.");
        all.push((FindingId::SourceAddressObscured, message));
    }
    all
}

fn node_ports(some: &[&ServicePort]) -> String {
    let known = Way::NodePort.ports(some.iter().copied());
    if known.is_empty() {
        "a port of every node".to_string()
    } else {
        format!("{} of every node", words::ports(&known))
    }
}

fn addresses(all: &[IpAddr]) -> String {
    let kind = if all.len() == 1 { "an address that it takes" } else { "addresses that it takes" };
    format!("{}, {kind} for itself,", few(&all.iter().map(ToString::to_string).collect::<Vec<_>>()))
}

fn alias_of_others(case: &Case, service: &Service, leads: &Leads) -> Option<Found> {
    let leads_out = |flow: &Flow| {
        flow.from.namespace.as_deref() == Some(service.namespace())
            && (flow.to.internet == Some(true) || !flow.to.cidrs.is_empty())
    };
    if leads.alias.is_none() || case.declaration.open_flows(case.now).any(leads_out) {
        return None;
    }
    let message = "It is an alias of a name elsewhere, and no flow leads out of this namespace.";
    Some(Found::new(FindingId::ExternalNameFromZone, subject(service), message))
}

/// Endpoints by which what is sent to a Service of the zone goes elsewhere.
fn written_by_hand(case: &Case, service: &Service) -> Option<Found> {
    let slices: Vec<&Slice> = case.around.services.by_hand(service).collect();
    let is_ours = |ip: &IpAddr| case.reach.population.at(*ip).is_some_and(|pod| case.has_namespace(pod.namespace()));
    let elsewhere: BTreeSet<IpAddr> =
        slices.iter().flat_map(|slice| &slice.addresses).filter(|ip| !is_ours(ip)).copied().collect();
    if elsewhere.is_empty() {
        return None;
    }
    let flows = case.declaration.open_flows(case.now).filter(|flow| is_own(case, &flow.from));
    let declared: Vec<IpNet> = flows.flat_map(|flow| networks(&flow.to.cidrs)).collect();
    let undeclared = elsewhere.iter().filter(|ip| !declared.iter().any(|net| net.contains(*ip)));
    let undeclared: Vec<String> = undeclared.map(ToString::to_string).collect();
    (!undeclared.is_empty()).then(|| {
        let on = service.ports.iter().map(|port| (port.protocol, port.number));
        let on = on_ports(&doors::ports(on));
        let message = format!("What is sent to it{on} goes to {} too, and no flow declares that.", few(&undeclared));
        let slices: Vec<String> = slices.iter().map(|slice| slice.subject()).collect();
        Found::new(FindingId::ZoneServiceHasManualEndpoints, subject(service), message)
            .with_evidence(format!("written by hand: {}", few(&slices)))
    })
}

fn on_ports(ports: &Ports) -> String {
    if ports.is_empty() { String::new() } else { format!(" on {}", words::ports(ports)) }
}

/// Where flows lead out of the zone by address. A Service that takes such an address for itself gets what the zone's pods send
/// there (CVE-2020-8554).
struct Taken<'a> {
    exits: Vec<Exit>,
    case: &'a Case<'a>,
}

/// Addresses to which pods of the zone may send, and on which ports.
struct Exit {
    name: String,
    to: Peers,
    ports: BTreeSet<(Protocol, u16)>,
}

impl Exit {
    fn new(name: String, nets: &[IpNet], ports: impl Iterator<Item = (Protocol, u16)>) -> Self {
        let to = IpNet::aggregate(&nets.to_vec()).iter().map(Peers::of_network).reduce(|all, one| all.or(&one));
        Exit { name, to: to.unwrap_or_default(), ports: ports.collect() }
    }
}

impl<'a> Taken<'a> {
    fn new(case: &'a Case<'a>) -> Self {
        let number = |port: i32| u16::try_from(port).ok();
        let dns = &case.declaration.dns;
        let dns_ports = dns.ports.iter().filter_map(|port| number(*port));
        let dns_ports = dns_ports.flat_map(|port| [(Protocol::UDP, port), (Protocol::TCP, port)]);
        let mut exits = vec![Exit::new("the zone's DNS".to_string(), &networks(&dns.cidrs), dns_ports)];
        for flow in case.declaration.open_flows(case.now).filter(|flow| is_own(case, &flow.from)) {
            let api_server = case.snapshot.cluster.api_server.iter().filter(|_| flow.to.api_server == Some(true));
            let mut nets = networks(&flow.to.cidrs);
            nets.extend(api_server.map(|ip| IpNet::from(*ip)));
            let ports = flow.ports.iter().filter_map(|port| Some((port.protocol, number(port.port)?)));
            exits.push(Exit::new(format!("flow {}", flow.name), &nets, ports));
        }
        exits.retain(|exit| !exit.to.has_no_address());
        Taken { exits, case }
    }

    fn by(&self, service: &Service) -> Option<Found> {
        let met = |exit: &Exit| -> Vec<(Protocol, u16)> {
            let ports = service.ports.iter().map(|port| (port.protocol, port.number));
            ports.filter(|port| exit.ports.contains(port)).collect()
        };
        let (ip, exit, on) = service.addresses().find_map(|ip| {
            let exits = self.exits.iter().filter(|exit| exit.to.has_address(ip));
            exits.map(|exit| (ip, exit, met(exit))).find(|(.., on)| !on.is_empty())
        })?;
        let pods = self.case.around.services.pods(service, &self.case.reach.population);
        let pods: Vec<String> = pods.iter().map(|pod| pod.key.to_string()).collect();
        let to = if pods.is_empty() { "no pod now".to_string() } else { few(&pods) };
        let (on, name) = (words::ports(&doors::ports(on)), &exit.name);
        let message = format!(
            "It takes {ip} on {on} for itself, where {name} leads: what the zone's pods send there goes to {to}."
        );
        Some(Found::new(FindingId::ExternalIpInterceptsZone, subject(service), message))
    }
}

/// Where pods and nodes of the zone are reached.
struct Addresses<'a> {
    pods: BTreeSet<IpAddr>,
    nodes: Vec<IpNet>,
    case: &'a Case<'a>,
}

impl<'a> Addresses<'a> {
    fn new(case: &'a Case<'a>) -> Self {
        let own = case.pods.iter().filter(|pod| case.has_namespace(pod.namespace()));
        let nodes = case.zone.nodes.declared.union(&case.zone.nodes.held);
        let ranges = nodes.filter_map(|node| case.snapshot.nodes.get(node)).flat_map(|node| node_ranges(node));
        Addresses { pods: own.flat_map(|pod| pod.ips.iter().copied()).collect(), nodes: ranges.collect(), case }
    }

    fn reached(&self, slice: &Slice) -> Option<Found> {
        let is_ours = |ip: &&IpAddr| self.pods.contains(*ip) || self.nodes.iter().any(|net| net.contains(*ip));
        let word = |ip: &IpAddr| match self.case.reach.population.at(*ip) {
            Some(pod) => format!("{ip} of {}", pod.key),
            None => ip.to_string(),
        };
        let ours: Vec<String> = slice.addresses.iter().filter(is_ours).map(word).collect();
        (!ours.is_empty()).then(|| {
            let message =
                "It was not written by the controller of EndpointSlices, and points to pods or nodes of the zone.";
            Found::new(FindingId::EndpointsPointIntoZone, slice.subject(), message)
                .with_evidence(format!("addresses: {}", few(&ours)))
        })
    }
}
