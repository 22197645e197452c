//! What is known of the logs of each zone: what keeps forwarders from their configuration, and what stores said.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use super::Hub;
use crate::{
    api::names,
    engine::{
        collected::{Collection, Said},
        declaration::Declaration,
        desired::admission::{
            Kind,
            sidecars::{Handover, LivePolicies},
        },
        guards,
        pod::Pod,
    },
};

/// Letters of the name of a configuration: its prefix and sixteen of a digest.
const NAME: usize = names::CONFIGURATION_PREFIX.len() + 16;

/// What is known of the logs.
#[derive(Default)]
pub struct Collected(RwLock<Known>);

#[derive(Default)]
struct Known {
    trouble: BTreeMap<String, String>,
    /// By zone and sink.
    said: BTreeMap<(String, String), Answer>,
}

struct Answer {
    at: Instant,
    said: Said,
    /// It was told as old.
    is_old: bool,
}

/// An answer that is older proves nothing any more.
const OLD: Duration = Duration::from_secs(120);

impl Collected {
    /// What keeps the configurations of these zones from being in place, and of no others. True when that is new.
    pub fn set_trouble(&self, trouble: BTreeMap<String, String>) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut known.trouble, trouble) != known.trouble
    }

    /// What the store of a sink said. True when that is other than before.
    pub fn put(&self, zone: &str, sink: &str, said: Said) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let answer = Answer { at: Instant::now(), said, is_old: false };
        let key = (zone.to_string(), sink.to_string());
        let is_new = known.said.get(&key).is_none_or(|before| before.is_old || before.said != answer.said);
        known.said.insert(key, answer);
        is_new
    }

    /// Forgets sinks that are not asked any more.
    pub fn retain(&self, is_asked: impl Fn(&str, &str) -> bool) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.said.retain(|(zone, sink), _| is_asked(zone, sink));
    }

    /// Takes answers for none that have become too old. True where there is such a one.
    pub fn grow_old(&self) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut grew = false;
        for answer in known.said.values_mut().filter(|answer| !answer.is_old && answer.at.elapsed() > OLD) {
            answer.said = Said::silent(&format!("it has not answered for {} s", OLD.as_secs()));
            answer.is_old = true;
            grew = true;
        }
        grew
    }

    /// All of it, by zone.
    pub fn all(&self) -> BTreeMap<String, Arc<Collection>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: BTreeMap<String, Collection> = BTreeMap::new();
        for ((zone, sink), answer) in &known.said {
            all.entry(zone.clone()).or_default().stores.insert(sink.clone(), answer.said.clone());
        }
        for (zone, why) in &known.trouble {
            all.entry(zone.clone()).or_default().trouble = Some(why.clone());
        }
        all.into_iter().map(|(zone, collection)| (zone, Arc::new(collection))).collect()
    }
}

impl Hub {
    /// Which declarations have their configuration everywhere. A zone that wants forwarders keeps the one before until the next one is
    /// there. Where that changes, the zone's policies are looked at again. `unchanged` says for how long a zone's policies have said what
    /// they say.
    pub fn set_configured<'a>(
        &self,
        wanted: impl Iterator<Item = &'a String>,
        everywhere: impl Iterator<Item = (String, Arc<Declaration>)>,
        mut unchanged: impl FnMut(&str, &LivePolicies) -> Duration,
    ) {
        let wanted: BTreeSet<&String> = wanted.collect();
        let mut changed: BTreeSet<String> = BTreeSet::new();
        let policies = self.all_guards();
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let configured = &mut world.cluster.configured;
            changed.extend(configured.keys().filter(|zone| !wanted.contains(zone)).cloned());
            configured.retain(|zone, _| wanted.contains(zone));
            for (zone, declaration) in everywhere {
                let live = LivePolicies::read(&zone, policies.iter().map(AsRef::as_ref));
                let unchanged = unchanged(&zone, &live);
                let before = configured.get(&zone);
                let next = Handover::next(before, declaration, &live, unchanged);
                if before.is_none_or(|before| !before.is_same(&next)) {
                    changed.insert(zone.clone());
                    configured.insert(zone, next);
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

    /// The configurations that something names still, by namespace and name: a pod, what adds
    /// it to the pods of a zone, or a policy that an earlier operator left.
    pub fn used_configurations(&self) -> HashSet<(String, String)> {
        let pods = self.pods.all();
        let of_pods = pods.iter().filter(|pod| !pod.ended).filter_map(|pod| {
            let name = pod.forwarding.as_ref()?.configuration.as_deref()?;
            Some((pod.namespace().to_string(), name.to_string()))
        });
        let mut used: HashSet<_> = of_pods.collect();
        let added = self.resolved(|_, cluster| {
            let both = |(zone, one): (&String, &Handover)| {
                let names = [Some(one.adding()), one.beside()].into_iter().flatten();
                (zone.clone(), names.filter_map(|one| guards::collecting(one)).collect::<Vec<_>>())
            };
            cluster.configured.iter().map(both).collect::<Vec<_>>()
        });
        for (zone, names) in added {
            let named = |namespace: String| names.iter().map(move |name| (namespace.clone(), name.clone()));
            used.extend(self.members_of(&zone).into_iter().flat_map(named));
        }
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
