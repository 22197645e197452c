//! What each event changes, and who has to look again. Each costs the same at any size of the cluster, but for
//! a change of a zone's declaration.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::ServiceCIDR,
};
use kube::{ResourceExt, core::DynamicObject, runtime::watcher::Event};

use super::{
    Hub, World,
    facts::{Touched, affected, changes_peers, confirmed, dependents, fingerprint, means, newly_confirmed},
};
use crate::engine::{
    Resolution,
    desired::admission::Guard,
    facts::{all_ranges, api_server, service_ranges},
    guards,
    misplaced::concerned,
    plan,
    pod::Pod,
    policy::Policy,
    service::Slice,
    snapshot::{Cluster, ZoneRecord, node_ranges},
};

impl Hub {
    /// Derives everything from the stores.
    pub(super) fn rebuild(&self) {
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let world = &mut *world;
            world.zones = self.read_zones().into_iter().map(|zone| (zone.name().to_string(), zone)).collect();
            let ranges = |node: &Arc<Node>| (node.name_any(), node_ranges(node));
            world.node_ranges = self.nodes.all().iter().map(ranges).collect();
            world.cluster = Cluster {
                operator_namespace: self.operator_namespace.clone(),
                operator_user: self.server.get().map(|server| server.user.clone()).unwrap_or_default(),
                mutates: self.mutates(),
                api_server: api_server(&self.slices.all()),
                services: service_ranges(&self.service_ranges.all()),
                nodes: all_ranges(world.node_ranges.values()),
                configured: std::mem::take(&mut world.cluster.configured),
                listed: std::mem::take(&mut world.cluster.listed),
            };
            self.resolve(world);
        }
        // A relist tells of no deletions.
        self.settled.retain(|subject| self.exists(subject));
        self.failures.retain(|subject| self.exists(subject));
        self.enqueue_all();
    }

    fn exists(&self, subject: &str) -> bool {
        match subject.split_once('/') {
            Some(("Namespace", name)) => self.namespaces.get(name).is_some(),
            Some(("Node", name)) => self.nodes.get(name).is_some(),
            Some(("PciZone" | "Eviction", name)) => self.zones.get(name).is_some(),
            Some(_) | None => false,
        }
    }

    fn resolve(&self, world: &mut World) {
        let zones: Vec<ZoneRecord> = world.zones.values().cloned().collect();
        let memory = world.resolution.memory().clone();
        let mut resolution = Resolution::new(&zones, &self.operator_namespace, memory);
        resolution.fill_guards(&self.all_guards());
        resolution.fill(&self.all_namespaces(), |namespace| self.policies_in(namespace), &self.all_nodes());
        world.resolution = resolution;
    }

    pub(super) fn on_zone(&self, event: &Event<DynamicObject>) {
        let (name, record) = match event {
            Event::Apply(zone) => (zone.name_any(), Some(ZoneRecord::read(zone.clone()))),
            Event::Delete(zone) => {
                self.forget(&plan::zone_subject(&zone.name_any()));
                (zone.name_any(), None)
            }
            Event::InitDone => return self.rebuild(),
            Event::Init | Event::InitApply(_) => return,
        };
        let mut touched = BTreeSet::new();
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let after = record.as_ref().map(fingerprint);
            let before = match record {
                Some(record) => world.zones.insert(name.clone(), record),
                None => world.zones.remove(&name),
            };
            if before.as_ref().map(fingerprint) == after {
                // Somebody else may have written its status.
                return self.wake();
            }
            let changed = BTreeSet::from([name.clone()]);
            touched.extend(affected(&world.resolution, &changed));
            self.resolve(&mut world);
            touched.extend(affected(&world.resolution, &changed));
        }
        touched.insert(Touched::Zone(name));
        self.enqueue(touched);
    }

    pub(super) fn on_namespace(&self, event: &Event<Namespace>) {
        match event {
            Event::Apply(namespace) => self.take_in_namespace(&namespace.name_any(), Some(namespace)),
            Event::Delete(namespace) => {
                self.forget(&plan::namespace_subject(&namespace.name_any()));
                self.take_in_namespace(&namespace.name_any(), None);
            }
            Event::InitDone => self.rebuild(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    /// What is known of an object that is gone says nothing about a later one of the same name.
    fn forget(&self, subject: &str) {
        self.settled.forget(subject);
        self.failures.clear(subject);
    }

    pub(super) fn on_policy(&self, event: &Event<Policy>) {
        let policy = match event {
            Event::Apply(policy) => policy,
            Event::Delete(policy) => {
                self.awaited.gone(&plan::policy_subject(policy), policy.metadata.resource_version.as_deref());
                policy
            }
            Event::InitDone => return self.rebuild(),
            Event::Init | Event::InitApply(_) => return,
        };
        self.wake();
        let namespace = policy.namespace().unwrap_or_default();
        if let Some(object) = self.namespaces.get(&namespace) {
            self.take_in_namespace(&namespace, Some(&object));
        }
    }

    /// Pods are only judged, and most concern no zone.
    pub(super) fn on_pod(&self, event: &Event<Pod>) {
        match event {
            Event::Apply(pod) | Event::Delete(pod) => {
                let concerns = self.resolved(|resolution, _| concerned(resolution, pod).iter().any(Option::is_some));
                if concerns {
                    self.wake();
                }
            }
            Event::InitDone => self.wake(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    /// These are only judged, and change seldom.
    pub(super) fn on_judged<K>(&self, event: &Event<K>) {
        if !matches!(event, Event::Init | Event::InitApply(_)) {
            self.wake();
        }
    }

    fn take_in_namespace(&self, name: &str, namespace: Option<&Namespace>) {
        let mut touched = BTreeSet::from([Touched::Namespace(name.to_string())]);
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let before = world.resolution.namespace(name).cloned();
            let confirmed = confirmed(&world.resolution);
            let policies = self.policies_in(name);
            let changed = if let Some(namespace) = namespace {
                world.resolution.set_namespace(namespace, &policies)
            } else {
                world.resolution.remove_namespace(name)
            };
            if changed {
                let after = world.resolution.namespace(name);
                let zones = before.iter().chain(after).filter_map(|claim| claim.zone.clone()).collect();
                if changes_peers(before.as_ref(), after) {
                    touched.extend(dependents(&world.resolution, |peer| means(peer, name, &zones)));
                }
                touched.extend(zones.into_iter().map(Touched::Zone));
                touched.extend(affected(&world.resolution, &newly_confirmed(&world.resolution, &confirmed)));
            }
        }
        self.enqueue(touched);
    }

    pub(super) fn on_node(&self, event: &Event<Node>) {
        let (node, exists) = match event {
            Event::Apply(node) => (node, true),
            Event::Delete(node) => (node, false),
            Event::InitDone => return self.rebuild(),
            Event::Init | Event::InitApply(_) => return,
        };
        let name = node.name_any();
        if !exists {
            self.forget(&plan::node_subject(&name));
        }
        let mut touched = BTreeSet::from([Touched::Node(name.clone())]);
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let before = world.resolution.node(&name).and_then(|claim| claim.zone.clone());
            let confirmed = confirmed(&world.resolution);
            let changed = if exists { world.resolution.set_node(node) } else { world.resolution.remove_node(&name) };
            if changed {
                let after = world.resolution.node(&name).and_then(|claim| claim.zone.clone());
                touched.extend(before.into_iter().chain(after).map(Touched::Zone));
                touched.extend(affected(&world.resolution, &newly_confirmed(&world.resolution, &confirmed)));
            }
            let ranges = exists.then(|| node_ranges(node));
            if ranges.as_ref() != world.node_ranges.get(&name) {
                match ranges {
                    Some(ranges) => world.node_ranges.insert(name, ranges),
                    None => world.node_ranges.remove(&name),
                };
                world.cluster.nodes = all_ranges(world.node_ranges.values());
                let zone = world.resolution.node(node.metadata.name.as_deref().unwrap_or_default());
                touched.extend(zone.and_then(|claim| claim.zone.clone()).map(Touched::Zone));
                touched.extend(dependents(&world.resolution, |peer| peer.internet == Some(true)));
            }
        }
        self.enqueue(touched);
    }

    pub(super) fn on_guard(&self, event: &Event<Guard>) {
        let guard = match event {
            Event::Apply(guard) => guard,
            Event::Delete(guard) => {
                self.awaited.gone(&guard.subject(), guard.metadata.resource_version.as_deref());
                guard
            }
            Event::InitDone => return self.rebuild(),
            Event::Init | Event::InitApply(_) => return,
        };
        // What somebody deleted or changed has to be seen at work again when it is back.
        let mut touched = BTreeSet::new();
        for zone in guards::zones_of(guard) {
            if matches!(event, Event::Delete(_)) || self.differs(zone, guard) {
                self.in_force.forget(zone);
            }
            touched.insert(Touched::Zone(zone.to_string()));
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let confirmed = confirmed(&world.resolution);
            world.resolution.set_guarded(zone, guards::guarded(zone, &self.guards_of(zone)));
            touched.extend(affected(&world.resolution, &newly_confirmed(&world.resolution, &confirmed)));
        }
        self.enqueue(touched);
    }

    pub(super) fn on_slice(&self, event: &Event<Slice>) {
        if matches!(event, Event::Init | Event::InitApply(_)) {
            return;
        }
        let addresses = api_server(&self.slices.all());
        let touched = {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            if world.cluster.api_server == addresses {
                // It may lead into a zone.
                return self.wake();
            }
            world.cluster.api_server = addresses;
            dependents(&world.resolution, |peer| peer.api_server == Some(true))
        };
        self.enqueue(touched);
    }

    pub(super) fn on_service_range(&self, event: &Event<ServiceCIDR>) {
        if matches!(event, Event::Init | Event::InitApply(_)) {
            return;
        }
        let ranges = service_ranges(&self.service_ranges.all());
        let touched = {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            if world.cluster.services == ranges {
                return;
            }
            world.cluster.services = ranges;
            dependents(&world.resolution, |peer| peer.internet == Some(true))
        };
        self.enqueue(touched);
    }
}
