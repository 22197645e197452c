//! What is known of the logs of each zone: what keeps forwarders from their configuration, and what stores said.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use super::Hub;
use crate::{
    api::names,
    engine::{collected::Collection, declaration::Declaration, desired::admission::Kind, guards, pod::Pod},
};

/// Letters of the name of a configuration: its prefix and sixteen of a digest.
const NAME: usize = names::CONFIGURATION_PREFIX.len() + 16;

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
    pub fn set_trouble(&self, trouble: BTreeMap<String, String>) -> bool {
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
    /// Which declarations have their configuration everywhere. A zone that wants forwarders keeps the one before until the next one is
    /// there. Where that changes, the zone's policies are looked at again.
    pub fn set_configured<'a>(
        &self,
        wanted: impl Iterator<Item = &'a String>,
        everywhere: impl Iterator<Item = (String, Arc<Declaration>)>,
    ) {
        let wanted: BTreeSet<&String> = wanted.collect();
        let mut changed: BTreeSet<String> = BTreeSet::new();
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let configured = &mut world.cluster.configured;
            changed.extend(configured.keys().filter(|zone| !wanted.contains(zone)).cloned());
            configured.retain(|zone, _| wanted.contains(zone));
            for (zone, declaration) in everywhere {
                let says = |one: &Arc<Declaration>| (one.uid.clone(), one.generation);
                let before = configured.insert(zone.clone(), Arc::clone(&declaration));
                if before.as_ref().map(says) != Some(says(&declaration)) {
                    changed.insert(zone);
                }
            }
        }
        for zone in &changed {
            self.enqueue_zone(zone);
        }
        if !changed.is_empty() {
            self.wake();
        }
    }

    /// The pods in the namespaces of a zone.
    pub fn pods_of(&self, zone: &str) -> Vec<Arc<Pod>> {
        self.members_of(zone).iter().flat_map(|namespace| self.pods.within(namespace)).collect()
    }

    fn members_of(&self, zone: &str) -> Vec<String> {
        self.resolved(|resolution, _| {
            let zone = resolution.zone(zone);
            zone.into_iter().flat_map(|zone| zone.namespaces.declared.union(&zone.namespaces.held).cloned()).collect()
        })
    }

    /// The configurations that something names still, by namespace and name: a pod, or a policy by which the pods of a zone get it.
    pub fn used_configurations(&self) -> HashSet<(String, String)> {
        let pods = self.pods.all();
        let of_pods = pods.iter().filter(|pod| !pod.ended).filter_map(|pod| {
            let name = pod.forwarding.as_ref()?.configuration.as_deref()?;
            Some((pod.namespace().to_string(), name.to_string()))
        });
        let mut used: HashSet<_> = of_pods.collect();
        for guard in self.all_guards().iter().filter(|guard| guard.kind == Kind::Mutating) {
            let text = guard.spec.to_string();
            let names = text.match_indices(names::CONFIGURATION_PREFIX).filter_map(|(at, _)| text.get(at..at + NAME));
            let names: BTreeSet<&str> = names.collect();
            for zone in guards::zones_of(guard) {
                let members = self.members_of(zone);
                used.extend(
                    members
                        .iter()
                        .flat_map(|namespace| names.iter().map(|name| (namespace.clone(), (*name).to_string()))),
                );
            }
        }
        used
    }
}
