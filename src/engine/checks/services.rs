//! Services and endpoints that lead around a NetworkPolicy (PCI DSS 1.4.1, 1.4.2). The guards refuse new ones; these were there
//! before, or the guards could not see where they lead.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Case, Found};
use crate::{
    api::{FindingId, Flow},
    engine::{
        service::{Leads, Slice},
        snapshot::node_ranges,
    },
};

/// Addresses in a message.
const NAMED: usize = 3;

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    for service in &case.snapshot.services {
        let Some(leads) = &service.leads else { continue };
        let subject = || format!("Service/{}", service.key);
        if case.has_namespace(service.namespace()) {
            found.extend(
                inside(case, service.namespace(), leads).map(|(id, message)| Found::new(id, subject(), message)),
            );
        } else if let Some(namespace) = leads.alias_into().find(|namespace| case.has_namespace(namespace)) {
            let message = format!("It is an alias of a Service in namespace {namespace} of the zone.");
            found.push(Found::new(FindingId::ExternalNameIntoZone, subject(), message));
        }
    }
    let outside = |slice: &&std::sync::Arc<Slice>| !case.has_namespace(slice.namespace()) && !slice.is_of_api_server();
    let slices: Vec<_> = case.snapshot.slices.iter().filter(outside).collect();
    if !slices.is_empty() {
        let addresses = Addresses::new(case);
        found.extend(slices.into_iter().filter_map(|slice| addresses.reached(slice)));
    }
}

fn inside<'a>(
    case: &'a Case,
    namespace: &'a str,
    leads: &'a Leads,
) -> impl Iterator<Item = (FindingId, &'static str)> + 'a {
    let declared = case.declaration.open_flows(case.now).any(|flow| is_door(flow, namespace, leads));
    let leads_out = case.declaration.open_flows(case.now).any(|flow| {
        flow.from.namespace.as_deref() == Some(namespace)
            && (flow.to.internet == Some(true) || !flow.to.cidrs.is_empty())
    });
    let doors = [
        (leads.node_port, FindingId::NodePortExposed, "It opens a port of every node, and no flow declares that."),
        (leads.load_balancer, FindingId::LoadBalancerExposed, "It has an address outside, and no flow declares that."),
        (
            leads.external_ips,
            FindingId::ExternalIpsUsed,
            "It takes addresses outside for itself, and no flow declares that.",
        ),
    ];
    let doors = doors.into_iter().map(move |(is, id, message)| (is && !declared, id, message));
    let alias = (
        leads.alias.is_some() && !leads_out,
        FindingId::ExternalNameFromZone,
        "It is an alias of a name elsewhere, and no flow leads out of this namespace.",
    );
    doors.chain([alias]).filter(|(is, _, _)| *is).map(|(_, id, message)| (id, message))
}

/// The Service is the door of a flow from outside.
fn is_door(flow: &Flow, namespace: &str, leads: &Leads) -> bool {
    let from_outside = flow.from.internet == Some(true) || !flow.from.cidrs.is_empty();
    let pods = flow.to.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default();
    from_outside && flow.to.namespace.as_deref() == Some(namespace) && leads.narrows(&pods)
}

/// Where pods and nodes of the zone are reached.
struct Addresses {
    pods: BTreeSet<IpAddr>,
    nodes: Vec<IpNet>,
}

impl Addresses {
    fn new(case: &Case) -> Self {
        let own = case.pods.iter().filter(|pod| case.has_namespace(pod.namespace()));
        let nodes = case.zone.nodes.declared.union(&case.zone.nodes.held);
        let ranges = nodes.filter_map(|node| case.snapshot.nodes.get(node)).flat_map(|node| node_ranges(node));
        Addresses { pods: own.flat_map(|pod| pod.ips.iter().copied()).collect(), nodes: ranges.collect() }
    }

    fn reached(&self, slice: &Slice) -> Option<Found> {
        let is_ours = |ip: &&IpAddr| self.pods.contains(*ip) || self.nodes.iter().any(|net| net.contains(*ip));
        let ours: Vec<String> = slice.addresses.iter().filter(is_ours).take(NAMED).map(ToString::to_string).collect();
        (!ours.is_empty()).then(|| {
            let message =
                "It was not written by the controller of EndpointSlices, and points to pods or nodes of the zone.";
            Found::new(FindingId::EndpointsPointIntoZone, format!("EndpointSlice/{}", slice.key), message)
                .with_evidence(format!("addresses: {}", ours.join(", ")))
        })
    }
}
