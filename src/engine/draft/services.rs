//! Flows to what Services and routes open outside, and between pods of the zone that nothing isolates yet.

use std::collections::BTreeSet;

use super::Collected;
use crate::{
    api::{Peer, Selector},
    engine::{
        Snapshot,
        reach::{
            Direction, Reach,
            doors::{self, Kind, Services},
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
        let internet = Peer { internet: Some(true), ..Peer::default() };
        all.add(&internet, &end(service), &door.ports, &place);
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

fn end(service: &Service) -> Peer {
    let labels = service.selector.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let selector = Selector { match_labels: labels, ..Selector::default() };
    Peer {
        namespace: Some(service.namespace().to_string()),
        pod_selector: (selector != Selector::default()).then_some(selector),
        ..Peer::default()
    }
}
