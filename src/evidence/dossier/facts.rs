//! What is looked up once for all zones: their pods, and the doors into them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::names,
    engine::{
        Resolution, Snapshot,
        misplaced::concerned,
        pod::Pod,
        reach::{
            Reach,
            doors::{self, Door, Services},
        },
        resolve::Claim,
        route,
    },
};

/// What there is around the zones.
pub(super) struct Surroundings<'a> {
    zones: BTreeMap<&'a str, Facts<'a>>,
}

/// What there is around one zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts<'a> {
    /// Pods of its namespaces.
    pub(super) pods: usize,
    /// Pods of others on its nodes.
    pub(super) strangers: usize,
    /// All of these pods, by namespace and name.
    pub(super) here: Vec<&'a Pod>,
    /// Some pod is labelled as a store of account data.
    pub(super) has_stores: bool,
    /// Some Ingress leads into it.
    pub(super) has_ingresses: bool,
    /// Doors into it, each with the pods of the zone behind it.
    pub(super) doors: Vec<Door<'a>>,
}

impl<'a> Surroundings<'a> {
    /// Looks at a cluster.
    pub(super) fn new(snapshot: &'a Snapshot, resolution: &'a Resolution) -> Self {
        let mut zones: BTreeMap<&str, Facts> = BTreeMap::new();
        for pod in snapshot.pods.iter().filter(|pod| !pod.ended) {
            let [own, here] = concerned(resolution, pod);
            if let Some(zone) = own {
                let facts = zones.entry(zone).or_default();
                facts.pods += 1;
                facts.here.push(pod);
                facts.has_stores |= pod.labels.get(names::ROLE_LABEL).is_some_and(|role| role == names::CHD_STORE);
            }
            if let Some(zone) = here.filter(|zone| own != Some(zone)) {
                let facts = zones.entry(zone).or_default();
                facts.strangers += 1;
                facts.here.push(pod);
            }
        }
        let zone_of = |namespace: &str| {
            let claim: Option<&'a Claim> = resolution.namespace(namespace).filter(|claim| claim.is_member());
            claim.and_then(|claim| claim.zone.as_deref())
        };
        let services = Services::new(snapshot);
        for route in snapshot.routes.iter().filter(|route| route.kind == route::Kind::Ingress) {
            let into: BTreeSet<&str> =
                services.of_route(route).filter_map(|(service, _)| zone_of(service.namespace())).collect();
            for zone in into {
                zones.entry(zone).or_default().has_ingresses = true;
            }
        }
        let reach = Reach::new(snapshot);
        for door in doors::doors(snapshot, &reach, &services, |namespace| zone_of(namespace).is_some()) {
            let mut behind: BTreeMap<&str, Vec<&'a Pod>> = BTreeMap::new();
            for pod in &door.to {
                if let Some(zone) = zone_of(pod.namespace()) {
                    behind.entry(zone).or_default().push(pod);
                }
            }
            for (zone, to) in behind {
                zones.entry(zone).or_default().doors.push(Door { to, ..door.clone() });
            }
        }
        Surroundings { zones }
    }

    /// What there is around a zone.
    pub(super) fn of(&self, zone: &str) -> Facts<'a> {
        self.zones.get(zone).cloned().unwrap_or_default()
    }
}
