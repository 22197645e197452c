//! Services and endpoints.

use ipnet::IpNet;
use k8s_openapi::{
    api::{
        core::v1::{Endpoints, Service, ServicePort},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{address, is_port_name, port_number, protocol};
use crate::cli::manifests::fault::Field;

const TYPES: [&str; 5] = ["", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"];

pub(super) fn service(service: &Service, report: &mut dyn FnMut(&Field, String)) {
    let at = Field::of("spec");
    let Some(spec) = &service.spec else { return };
    let kind = spec.type_.as_deref().unwrap_or_default();
    if !TYPES.contains(&kind) {
        report(&at.key("type"), format!("{kind:?} is none of ClusterIP, NodePort, LoadBalancer and ExternalName"));
    }
    if kind == "ExternalName" && spec.external_name.as_deref().is_none_or(str::is_empty) {
        report(&at.key("externalName"), "it is missing".to_string());
    }
    for (number, one) in spec.ports.iter().flatten().enumerate() {
        port(one, &at.key("ports").index(number), report);
    }
    for (number, ip) in spec.external_ips.iter().flatten().enumerate() {
        address(ip, &at.key("externalIPs").index(number), report);
    }
    for (number, range) in spec.load_balancer_source_ranges.iter().flatten().enumerate() {
        if range.trim().parse::<IpNet>().is_err() {
            let at = at.key("loadBalancerSourceRanges").index(number);
            report(&at, format!("{range:?} is no network such as 203.0.113.0/24"));
        }
    }
}

fn port(port: &ServicePort, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    port_number(port.port, &at.key("port"), report);
    protocol(port.protocol.as_deref().unwrap_or_default(), at, report);
    // Zero is what nobody says.
    if let Some(node) = port.node_port.filter(|node| *node != 0) {
        port_number(node, &at.key("nodePort"), report);
    }
    match &port.target_port {
        Some(IntOrString::Int(number)) if *number != 0 => port_number(*number, &at.key("targetPort"), report),
        Some(IntOrString::String(name)) if !name.is_empty() && !is_port_name(name) => {
            report(&at.key("targetPort"), format!("{name:?} is no name of a port"));
        }
        Some(_) | None => {}
    }
}

pub(super) fn endpoint_slice(slice: &EndpointSlice, report: &mut dyn FnMut(&Field, String)) {
    // Names are allowed in slices of that type, and lead where nobody can tell.
    if slice.address_type == "FQDN" {
        return;
    }
    for (number, endpoint) in slice.endpoints.iter().flatten().enumerate() {
        for (address_number, one) in endpoint.addresses.iter().enumerate() {
            address(one, &Field::of("endpoints").index(number).key("addresses").index(address_number), report);
        }
    }
}

pub(super) fn endpoints(endpoints: &Endpoints, report: &mut dyn FnMut(&Field, String)) {
    for (number, subset) in endpoints.subsets.iter().flatten().enumerate() {
        let at = Field::of("subsets").index(number);
        for (list, addresses) in [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            for (number, one) in addresses.iter().flatten().enumerate() {
                address(&one.ip, &at.key(list).index(number).key("ip"), report);
            }
        }
        for (number, port) in subset.ports.iter().flatten().enumerate() {
            let at = at.key("ports").index(number);
            port_number(port.port, &at.key("port"), report);
            protocol(port.protocol.as_deref().unwrap_or_default(), &at, report);
        }
    }
}
