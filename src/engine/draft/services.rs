//! Flows to what Services and routes open outside, and between pods of the zone that nothing isolates yet.

use std::collections::BTreeSet;

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::IPBlock;

use super::{Collected, policies::networks};
use crate::{
    api::{Peer, Selector},
    engine::{
        Snapshot,
        reach::{
            Direction, Reach,
            doors::{self, Kind, Services, Way},
        },
        service::Service,
    },
};

pub(super) fn collect(
    snapshot: &Snapshot,
    reach: &Reach,
    services: &Services,
    zone: &str,
    members: &BTreeSet<String>,
    all: &mut Collected,
) {
    for door in doors::doors(snapshot, reach, services, |namespace| members.contains(namespace)) {
        let (service, place) = match &door.kind {
            Kind::Service { service, .. } | Kind::Route { service, .. } => (service, door.words()),
            Kind::OwnNode { .. } => continue,
            Kind::HostNetwork | Kind::HostPort(..) | Kind::Endpoints(_) => {
                all.leave(format!("{} opens {}; no flow governs that", door.by(), door.words()));
                continue;
            }
        };
        let ranges = service.leads.iter().filter_map(|leads| leads.load_balancer.as_ref()).flat_map(|one| &one.ranges);
        let ranges: Vec<&IpNet> = ranges.collect();
        let clients = match &door.kind {
            Kind::Service { way: Way::LoadBalancer, .. } => clients(&ranges, &place, all),
            Kind::Service { way: Way::NodePort, .. } if !ranges.is_empty() => {
                all.leave(format!("{place} leads past its loadBalancerSourceRanges; say who it is needed for"));
                Vec::new()
            }
            _ => vec![internet()],
        };
        for from in clients {
            all.add(&from, &end(service), &door.ports, &place);
        }
    }
    for service in members.iter().flat_map(|namespace| services.within(namespace)) {
        let pods = services.pods(service, &reach.population);
        let classes = pods.iter().filter_map(|pod| reach.population.pod(&pod.key));
        let is_open = classes.map(|(_, class)| class).any(|class| !reach.is_isolated(class, Direction::Ingress));
        if is_open && !service.selector.is_empty() {
            let within = Peer { zone: Some(zone.to_string()), ..Peer::default() };
            let place = format!("Service/{}, which nothing isolates", service.key);
            all.add(&within, &end(service), &doors::targets(&service.ports, &pods), &place);
        }
    }
}

fn internet() -> Peer {
    Peer { internet: Some(true), ..Peer::default() }
}

/// Whom a load balancer lets through; everybody where it names nobody.
fn clients(ranges: &[&IpNet], place: &str, all: &mut Collected) -> Vec<Peer> {
    let mut cidrs = BTreeSet::new();
    for range in ranges {
        match networks(&IPBlock { cidr: range.to_string(), except: None }) {
            Ok(None) => return vec![internet()],
            Ok(Some(some)) => cidrs.extend(some),
            Err(why) => all.leave(format!("{place}: {why}")),
        }
    }
    if ranges.is_empty() {
        return vec![internet()];
    }
    let some = Peer { cidrs: cidrs.into_iter().collect(), ..Peer::default() };
    if some.cidrs.is_empty() { Vec::new() } else { vec![some] }
}

fn end(service: &Service) -> Peer {
    let labels = service.selector.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let selector = Selector { match_labels: labels, ..Selector::default() };
    Peer {
        namespace: Some(service.namespace().to_string()),
        pod_selector: (selector != Selector::default()).then_some(selector),
        ..Peer::default()
    }
}
