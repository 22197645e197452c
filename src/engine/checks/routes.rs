//! Ingresses and routes of the Gateway API that lead into the zone, and what lets them (PCI DSS 1.3.1, 1.4.2, 4.2.1). A gateway
//! that carries a route is a deputy: policies let it through, whoever wrote the route.

use std::collections::BTreeMap;

use super::{
    Case, Found,
    exposure::{Exposure, is_from_outside},
};
use crate::{
    api::FindingId,
    engine::{
        reach::words::few,
        route::{Grant, Route},
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    for route in &case.snapshot.routes {
        found.extend(judge(case, route));
    }
    let own = case.snapshot.grants.iter().filter(|grant| case.has_namespace(grant.namespace()));
    found.extend(own.filter_map(|grant| granted(case, grant)));
}

fn judge(case: &Case, route: &Route) -> Option<Found> {
    let mut backends: BTreeMap<&str, (_, Vec<_>)> = BTreeMap::new();
    let services = &case.around.services;
    for (service, port) in services.of_route(route).filter(|(service, _)| case.has_namespace(service.namespace())) {
        backends.entry(&service.key).or_insert((service, Vec::new())).1.push(port);
    }
    if backends.is_empty() {
        return None;
    }
    let comes = |flow: &_| is_from_outside(case, flow);
    let undeclared = backends.values().filter_map(|(service, ports)| {
        let exposure = Exposure::new(case, service, ports.iter().copied(), comes);
        Some(format!("{} by Service {}", exposure.to(exposure.missing.as_ref()?), service.key))
    });
    let undeclared: Vec<String> = undeclared.collect();
    let hosts = few(&route.hosts());
    if let Some(first) = undeclared.first() {
        let message = format!("It leads to {first} for {hosts}, and no flow from outside the zone does.");
        let found = Found::new(FindingId::IngressExposesZone, route.subject(), message);
        let rest = undeclared.get(1..).unwrap_or_default();
        return Some(if rest.is_empty() { found } else { found.with_evidence(format!("also: {}", rest.join("; "))) });
    }
    let plain = route.plain();
    (!plain.is_empty()).then(|| {
        let to: Vec<String> = backends.keys().map(ToString::to_string).collect();
        let message = format!("It serves {} without TLS, from Service {}.", few(&plain), few(&to));
        Found::new(FindingId::IngressWithoutTls, route.subject(), message)
    })
}

/// A grant by which others decide what leads into the zone.
fn granted(case: &Case, grant: &Grant) -> Option<Found> {
    let others = grant.from.iter().filter(|from| !case.has_namespace(&from.namespace));
    let others: Vec<String> = others.map(|from| format!("{} of namespace {}", from.kind, from.namespace)).collect();
    if others.is_empty() || grant.to.is_empty() {
        return None;
    }
    let named: Option<Vec<String>> = grant.to.iter().map(|to| to.as_deref().map(str::to_string)).collect();
    let to = named.map_or_else(|| "every Service".to_string(), |names| format!("Service {}", few(&names)));
    let message = format!("It lets every {} lead to {to} of namespace {}.", few(&others), grant.namespace());
    Some(Found::new(FindingId::CrossNamespaceReferenceGrant, format!("ReferenceGrant/{}", grant.key), message))
}
