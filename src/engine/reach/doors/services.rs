//! Services by name, the pods that they lead to, and what by their own words may lead to them.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::Protocol,
    engine::{
        pod::Pod,
        reach::{Population, Terms, sets::Ports},
        route::{Grant, Port, Route},
        service::{Service, ServicePort, Slice, Target},
        snapshot::Snapshot,
    },
};

/// Services, and what says where they lead.
#[derive(Debug, Default)]
pub struct Services<'a> {
    by_key: HashMap<&'a str, &'a Service>,
    within: HashMap<&'a str, Vec<&'a Service>>,
    by_hand: HashMap<String, Vec<&'a Slice>>,
    grants: HashMap<&'a str, Vec<&'a Grant>>,
}

impl<'a> Services<'a> {
    /// Looks at a cluster.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut services = Services::default();
        for service in &snapshot.services {
            services.by_key.insert(&service.key, service);
            services.within.entry(service.namespace()).or_default().push(service);
        }
        for slice in snapshot.slices.iter().filter(|slice| !slice.service.is_empty() && !slice.is_of_api_server()) {
            let service = format!("{}/{}", slice.namespace(), slice.service);
            services.by_hand.entry(service).or_default().push(slice);
        }
        for grant in &snapshot.grants {
            services.grants.entry(grant.namespace()).or_default().push(grant);
        }
        services
    }

    /// The Services of a namespace.
    pub fn within(&self, namespace: &str) -> impl Iterator<Item = &'a Service> {
        self.within.get(namespace).into_iter().flatten().copied()
    }

    /// Endpoints of a Service that somebody wrote by hand.
    pub fn by_hand(&self, service: &Service) -> impl Iterator<Item = &'a Slice> {
        self.by_hand.get(&*service.key).into_iter().flatten().copied()
    }

    /// Pods that a Service leads to, by namespace and name: those that its selector means, and those at addresses that somebody
    /// wrote by hand. Without those on the network of their node, which need no Service.
    pub fn pods(&self, service: &Service, population: &Population<'a>) -> Vec<&'a Pod> {
        let selector = service.selector.iter().map(|(key, value)| (&**key, &**value));
        let selected = (!service.selector.is_empty())
            .then(|| population.select_within(service.namespace(), &Terms::labels(selector)));
        let selected = selected.iter().flat_map(|classes| classes.iter().filter_map(|class| population.class(class)));
        let selected = selected.flat_map(|class| class.pods.iter().copied());
        let written = self.by_hand(service).flat_map(|slice| &slice.addresses).filter_map(|ip| population.at(*ip));
        by_name(selected.chain(written))
    }

    /// Services that a route leads to, with the port of each. A route of another namespace leads nowhere that nobody grants,
    /// and none to a port that a Service does not have.
    pub fn of_route(&self, route: &'a Route) -> impl Iterator<Item = (&'a Service, &'a ServicePort)> {
        let backends = route.backends.iter().filter(|_| route.attached);
        backends.filter_map(|backend| {
            let service = *self.by_key.get(&*backend.service)?;
            let granted = || {
                let mut grants = self.grants.get(service.namespace()).into_iter().flatten();
                grants.any(|grant| grant.allows(route, service.name()))
            };
            let has = |port: &&ServicePort| {
                let named = match &backend.port {
                    Port::Number(number) => port.number == *number,
                    Port::Name(name) => port.name.as_ref() == Some(name),
                };
                named && port.protocol == route.kind.protocol()
            };
            let port = service.ports.iter().find(has)?;
            (service.namespace() == route.namespace() || granted()).then_some((service, port))
        })
    }
}

/// Ports of pods that some ports of a Service lead to.
pub fn targets<'s>(ports: impl IntoIterator<Item = &'s ServicePort>, pods: &[&Pod]) -> Ports {
    let mut all = Ports::default();
    for port in ports {
        for number in numbers(port, pods) {
            all.add(port.protocol, number..=number);
        }
    }
    all
}

fn numbers(port: &ServicePort, pods: &[&Pod]) -> BTreeSet<u16> {
    match &port.target {
        Target::Number(number) => [*number].into(),
        Target::Name(name) => {
            let declared = pods.iter().flat_map(|pod| pod.ports.iter());
            let meant = declared.filter(|own| own.protocol == port.protocol && own.name.as_ref() == Some(name));
            meant.map(|own| own.number).collect()
        }
    }
}

/// Ports by number.
pub fn ports(all: impl IntoIterator<Item = (Protocol, u16)>) -> Ports {
    all.into_iter().fold(Ports::default(), |mut ports, (protocol, number)| {
        ports.add(protocol, number..=number);
        ports
    })
}

/// Each once, by namespace and name.
pub(super) fn by_name<'a>(pods: impl Iterator<Item = &'a Pod>) -> Vec<&'a Pod> {
    let mut pods: Vec<&Pod> = pods.collect();
    pods.sort_by(|one, other| one.key.cmp(&other.key));
    pods.dedup_by(|one, other| one.key == other.key);
    pods
}
