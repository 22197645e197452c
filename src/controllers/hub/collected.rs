//! What is known of the logs of each zone: what keeps forwarders from their configuration, and what stores said.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use super::Hub;
use crate::engine::{collected::Collection, pod::Pod, snapshot::Cluster};

/// What is known of the logs.
#[derive(Default)]
pub struct Collected(RwLock<Known>);

#[derive(Default)]
struct Known {
    trouble: BTreeMap<String, String>,
    said: BTreeMap<String, Arc<Collection>>,
}

impl Collected {
    /// What keeps the configurations of these zones from being in place, and of no others. True when that is new.
    pub fn set_trouble(&self, zones: &[String], why: Option<&str>) -> bool {
        let trouble = zones.iter().filter_map(|zone| Some((zone.clone(), why?.to_string()))).collect();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut known.trouble, trouble) != known.trouble
    }

    /// What the stores of a zone said. True when that is other than before.
    pub fn put(&self, zone: &str, collection: Collection) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.said.get(zone).is_none_or(|before| **before != collection);
        known.said.insert(zone.to_string(), Arc::new(collection));
        is_new
    }

    /// Forgets zones that are not there any more, or have no sinks.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).said.retain(|zone, _| is_there(zone));
    }

    /// All of it, by zone.
    pub fn all(&self) -> BTreeMap<String, Arc<Collection>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = known.said.clone();
        for (zone, why) in &known.trouble {
            let one = all.entry(zone.clone()).or_default();
            Arc::make_mut(one).trouble = Some(why.clone());
        }
        all
    }
}

impl Hub {
    /// Which configuration every namespace of a zone has. Where that changes, the zone's policies are looked at again.
    pub fn set_configured(&self, configured: BTreeMap<String, String>) {
        let changed: Vec<String> = {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let Cluster { configured: before, .. } = &mut world.cluster;
            let zones: std::collections::BTreeSet<&String> = before.keys().chain(configured.keys()).collect();
            let changed =
                zones.into_iter().filter(|zone| before.get(*zone) != configured.get(*zone)).cloned().collect();
            *before = configured;
            changed
        };
        for zone in &changed {
            self.enqueue_zone(zone);
        }
        if !changed.is_empty() {
            self.wake();
        }
    }

    /// The pods in the namespaces of a zone.
    pub fn pods_of(&self, zone: &str) -> Vec<Arc<Pod>> {
        let namespaces: Vec<String> = self.resolved(|resolution, _| {
            let zone = resolution.zone(zone);
            zone.into_iter().flat_map(|zone| zone.namespaces.declared.union(&zone.namespaces.held).cloned()).collect()
        });
        namespaces.iter().flat_map(|namespace| self.pods.within(namespace)).collect()
    }

    /// The configurations that pods have, by namespace and name.
    pub fn used_configurations(&self) -> HashSet<(String, String)> {
        let pods = self.pods.all();
        let used = pods.iter().filter(|pod| !pod.ended).filter_map(|pod| {
            let name = pod.forwarding.as_ref()?.configuration.as_deref()?;
            Some((pod.namespace().to_string(), name.to_string()))
        });
        used.collect()
    }
}
