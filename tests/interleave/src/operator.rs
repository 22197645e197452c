//! One replica: what its watches showed it, and what it makes of that with the engine. It does what
//! `src/controllers` does around the engine, without a clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::{Namespace, Node};
use pcizone::{
    api::{PciZone, names},
    engine::{
        Resolution,
        memory::Memory,
        policy::Policy,
        snapshot::{Cluster, ZoneRecord},
    },
};

use crate::server::{Server, key};

/// The four watches. Each may be behind by itself.
#[derive(Clone, Copy, Debug)]
pub enum Watch {
    Zones,
    Namespaces,
    Nodes,
    Policies,
}

pub const WATCHES: [Watch; 4] = [Watch::Zones, Watch::Namespaces, Watch::Nodes, Watch::Policies];

/// One replica.
#[derive(Clone, Default)]
pub struct Operator {
    pub zones: BTreeMap<String, Arc<PciZone>>,
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
    pub nodes: BTreeMap<String, Arc<Node>>,
    pub policies: BTreeMap<String, Vec<Arc<Policy>>>,
    pub resolution: Resolution,
    pub awaited: Awaited,
    /// The last version of each zone that this replica saw in force, for the checks.
    pub in_force: BTreeMap<String, Arc<PciZone>>,
    /// UIDs of policies that this replica deleted a moment ago, for the checks.
    pub deleted: BTreeSet<String>,
    /// How many events each watch has shown.
    shown: [usize; 4],
}

impl Operator {
    /// A new process: it lists everything and remembers nothing.
    pub fn start(server: &Server) -> Self {
        let mut operator = Operator::default();
        operator.list(server);
        operator
    }

    /// Lists everything anew, as after a 410. What is remembered stays.
    pub fn list(&mut self, server: &Server) {
        self.zones.clone_from(&server.zones.live);
        self.namespaces.clone_from(&server.namespaces.live);
        self.nodes.clone_from(&server.nodes.live);
        self.policies.clear();
        for policy in server.policies.live.values() {
            let namespace = policy.metadata.namespace.clone().unwrap_or_default();
            self.policies.entry(namespace).or_default().push(Arc::clone(policy));
        }
        self.shown = [
            server.zones.events.len(),
            server.namespaces.events.len(),
            server.nodes.events.len(),
            server.policies.events.len(),
        ];
        self.resolve();
    }

    fn resolve(&mut self) {
        let uid = |zone: Option<&Arc<PciZone>>| zone.and_then(|zone| zone.metadata.uid.clone());
        self.in_force.retain(|name, zone| uid(self.zones.get(name)) == uid(Some(zone)));
        for zone in self.zones.values().filter(|zone| is_in_force(zone)) {
            self.in_force.insert(key(zone.as_ref()), Arc::clone(zone));
        }
        let zones: Vec<ZoneRecord> = self.zones.values().map(|zone| ZoneRecord::Readable(Arc::clone(zone))).collect();
        let memory: Memory = self.resolution.memory().clone();
        let mut resolution = Resolution::new(&zones, names::OPERATOR_NAMESPACE, memory);
        let policies = |name: &str| self.policies.get(name).cloned().unwrap_or_default();
        resolution.fill(&self.namespaces, policies, &self.nodes);
        self.resolution = resolution;
    }

    /// The next event of a watch. False when it has shown everything.
    pub fn hear(&mut self, server: &Server, watch: Watch) -> bool {
        let shown = self.shown[watch as usize];
        match watch {
            Watch::Zones => {
                let Some(event) = server.zones.events.get(shown) else { return false };
                let name = key(event.object.as_ref());
                if event.exists {
                    self.zones.insert(name, Arc::clone(&event.object));
                } else {
                    self.zones.remove(&name);
                }
                self.resolve();
            }
            Watch::Namespaces => {
                let Some(event) = server.namespaces.events.get(shown) else { return false };
                let name = key(event.object.as_ref());
                if event.exists {
                    self.namespaces.insert(name.clone(), Arc::clone(&event.object));
                    self.take_in(&name);
                } else {
                    self.namespaces.remove(&name);
                    self.resolution.remove_namespace(&name);
                }
            }
            Watch::Nodes => {
                let Some(event) = server.nodes.events.get(shown) else { return false };
                let name = key(event.object.as_ref());
                if event.exists {
                    self.resolution.set_node(&event.object);
                    self.nodes.insert(name, Arc::clone(&event.object));
                } else {
                    self.nodes.remove(&name);
                    self.resolution.remove_node(&name);
                }
            }
            Watch::Policies => {
                let Some(event) = server.policies.events.get(shown) else { return false };
                let policy = &event.object;
                let namespace = policy.metadata.namespace.clone().unwrap_or_default();
                let policies = self.policies.entry(namespace.clone()).or_default();
                policies.retain(|known| known.metadata.name != policy.metadata.name);
                if event.exists {
                    policies.push(Arc::clone(policy));
                    policies.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
                } else {
                    self.awaited.gone(&key(policy.as_ref()), number(policy.metadata.resource_version.as_deref()));
                }
                self.take_in(&namespace);
            }
        }
        self.shown[watch as usize] += 1;
        true
    }

    /// Everything was shown, and the watches begin anew.
    pub fn forget_events(&mut self) {
        self.shown = [0; 4];
    }

    /// All watches show everything.
    pub fn catch_up(&mut self, server: &Server) {
        for watch in WATCHES {
            while self.hear(server, watch) {}
        }
    }

    /// So long that our own writes are waited for no more: what the watches show counts again, however old it is.
    pub fn time_passes(&mut self) {
        self.awaited = Awaited::default();
        self.deleted.clear();
    }

    fn take_in(&mut self, name: &str) {
        if let Some(namespace) = self.namespaces.get(name) {
            let policies = self.policies.get(name).map(Vec::as_slice).unwrap_or_default();
            self.resolution.set_namespace(namespace, policies);
        }
    }

    pub fn policies_in(&self, namespace: &str) -> &[Arc<Policy>] {
        self.policies.get(namespace).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn policy(&self, namespace: &str, name: &str) -> Option<&Policy> {
        let is_it = |policy: &&Arc<Policy>| policy.metadata.name.as_deref() == Some(name);
        self.policies_in(namespace).iter().find(is_it).map(AsRef::as_ref)
    }
}

/// The zone is to protect namespaces.
pub fn is_in_force(zone: &PciZone) -> bool {
    let mode = zone.spec.segmentation.mode.unwrap_or(zone.spec.mode);
    mode.protects() && zone.metadata.deletion_timestamp.is_none()
}

/// Facts about the cluster, the same for all runs.
pub fn cluster() -> Cluster {
    Cluster {
        operator_namespace: names::OPERATOR_NAMESPACE.to_string(),
        api_server: vec!["10.96.0.1".parse().expect("an address")],
        services: vec!["10.96.0.0/12".parse().expect("a network")],
        nodes: vec!["203.0.113.7/32".parse().expect("a network")],
        ..Cluster::default()
    }
}

pub fn number(version: Option<&str>) -> Option<u64> {
    version.and_then(|version| version.parse().ok())
}

/// Our own writes that the watches have not shown, as in `src/controllers/memory.rs`. Time passes where the test
/// says so.
#[derive(Clone, Default)]
pub struct Awaited(BTreeMap<String, Own>);

#[derive(Clone, Copy)]
struct Own {
    version: Option<u64>,
    deleted: bool,
}

impl Awaited {
    pub fn wrote(&mut self, subject: &str, version: Option<u64>) {
        self.0.insert(subject.to_string(), Own { version, deleted: false });
    }

    pub fn deleted(&mut self, subject: &str, version: Option<u64>) {
        self.0.insert(subject.to_string(), Own { version, deleted: true });
    }

    fn gone(&mut self, policy: &str, version: Option<u64>) {
        let subject = format!("NetworkPolicy/{policy}");
        if self.0.get(&subject).is_some_and(|own| !own.deleted && version >= own.version) {
            self.0.remove(&subject);
        }
    }

    pub fn is_behind(&self, subject: &str, version: Option<u64>) -> bool {
        let Some(own) = self.0.get(subject) else { return false };
        if own.deleted { version.is_some() && version <= own.version } else { version < own.version }
    }

    /// Our own last write deleted it.
    pub fn is_deleted(&self, subject: &str) -> bool {
        self.0.get(subject).is_some_and(|own| own.deleted)
    }
}
