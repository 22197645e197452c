//! One watch per kind, kept in trimmed stores, and who has to look again when something changes.
//!
//! ```text
//!  watch ─▶ store ─▶ Resolution ─▶ keys of namespaces, nodes, zones ─▶ repair
//!                        └───────▶ tick ─────────────────────────────▶ judgement
//! ```
//! Plain reflectors on purpose: kube's shared streams never dispatch deletions to their subscribers, and a
//! deleted policy is just what must be seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::{
    Stream, StreamExt,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    future::{BoxFuture, select_all},
};
use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node},
        discovery::v1::EndpointSlice,
        networking::v1::{NetworkPolicy, ServiceCIDR},
    },
    jiff::Timestamp,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{error::Error, memory::Awaited, metrics::Metrics, traffic::Traffic, trim};
use crate::{
    api::{Flow, PciZone, Peer},
    engine::{
        Resolution, Snapshot,
        desired::policies,
        plan::{self, Stance},
        snapshot::{Cluster, Incident, ZoneRecord, node_ranges},
    },
};

/// How long one watch request lasts, in seconds. Each end is heard as a sign of life, so this bounds how
/// long a quiet cluster stays silent.
pub const WATCH_SECONDS: u32 = 40;
/// A watch that was not heard for longer is stale.
const STALE: Duration = Duration::from_secs(60);

/// The kinds that are watched, by their plural names.
const RESOURCES: [&str; 6] = ["pcizones", "namespaces", "nodes", "networkpolicies", "endpointslices", "servicecidrs"];

/// Everything that is known of the cluster.
pub struct Hub {
    zones: Store<DynamicObject>,
    namespaces: Store<Namespace>,
    nodes: Store<Node>,
    policies: Store<NetworkPolicy>,
    slices: Store<EndpointSlice>,
    services: Store<ServiceCIDR>,
    world: RwLock<World>,
    queues: Queues,
    tick: watch::Sender<()>,
    synced: watch::Sender<bool>,
    /// Our own writes that the watches may not have shown yet.
    pub awaited: Awaited,
    traffic: Arc<Traffic>,
    operator_namespace: String,
}

/// What is derived from the stores, event by event.
#[derive(Default)]
struct World {
    resolution: Resolution,
    zones: BTreeMap<String, Fingerprint>,
    policy_names: BTreeMap<String, BTreeSet<String>>,
    node_ranges: BTreeMap<String, Vec<ipnet::IpNet>>,
    cluster: Cluster,
}

/// What of a zone decides; its status does not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint {
    uid: Option<String>,
    generation: Option<i64>,
    deleting: bool,
    finalizers: Option<Vec<String>>,
    annotations: Option<BTreeMap<String, String>>,
    confirmed_changes: i64,
}

struct Queues {
    namespaces: UnboundedSender<ObjectRef<Namespace>>,
    nodes: UnboundedSender<ObjectRef<Node>>,
    zones: UnboundedSender<ObjectRef<DynamicObject>>,
}

/// Keys of what has to be looked at again.
pub struct Keys {
    /// Namespaces.
    pub namespaces: UnboundedReceiver<ObjectRef<Namespace>>,
    /// Nodes.
    pub nodes: UnboundedReceiver<ObjectRef<Node>>,
    /// Zones.
    pub zones: UnboundedReceiver<ObjectRef<DynamicObject>>,
}

/// The watches of a hub; they run as long as this future is polled.
pub type Watches = BoxFuture<'static, Error>;

/// The API resource of PciZones.
pub fn zone_resource() -> ApiResource {
    ApiResource::erase::<PciZone>(&())
}

impl Hub {
    /// Sets up stores and watches. Nothing is watched before the watches are polled.
    pub fn new(client: &Client, operator_namespace: &str, traffic: Arc<Traffic>) -> (Arc<Self>, Keys, Watches) {
        let zones = Writer::new(zone_resource());
        let namespaces = Writer::default();
        let nodes = Writer::default();
        let policies = Writer::default();
        let slices = Writer::default();
        let services = Writer::default();
        let (namespace_keys, namespace_queue) = unbounded();
        let (node_keys, node_queue) = unbounded();
        let (zone_keys, zone_queue) = unbounded();
        let hub = Arc::new(Hub {
            zones: zones.as_reader(),
            namespaces: namespaces.as_reader(),
            nodes: nodes.as_reader(),
            policies: policies.as_reader(),
            slices: slices.as_reader(),
            services: services.as_reader(),
            world: RwLock::default(),
            queues: Queues { namespaces: namespace_keys, nodes: node_keys, zones: zone_keys },
            tick: watch::Sender::new(()),
            synced: watch::Sender::new(false),
            awaited: Awaited::default(),
            traffic,
            operator_namespace: operator_namespace.to_string(),
        });
        let all = watcher::Config::default().timeout(WATCH_SECONDS);
        let api_server = all.clone().labels("kubernetes.io/service-name=kubernetes");
        let watches = vec![
            hub.follow(Api::all_with(client.clone(), &zone_resource()), all.clone(), zones, |_| (), Hub::on_zone),
            hub.follow(Api::all(client.clone()), all.clone(), namespaces, trim::namespace, Hub::on_namespace),
            hub.follow(Api::all(client.clone()), all.clone(), nodes, trim::node, Hub::on_node),
            hub.follow(Api::all(client.clone()), all.clone(), policies, trim::policy, Hub::on_policy),
            hub.follow(Api::namespaced(client.clone(), "default"), api_server, slices, |_| (), Hub::on_slice),
            hub.follow(Api::all(client.clone()), all, services, |_| (), Hub::on_service_range),
            Box::pin(Arc::clone(&hub).sync()),
        ];
        let watches = async move { select_all(watches).await.0 };
        let keys = Keys { namespaces: namespace_queue, nodes: node_queue, zones: zone_queue };
        (hub, keys, Box::pin(watches))
    }

    fn follow<K>(
        self: &Arc<Self>,
        api: Api<K>,
        config: watcher::Config,
        writer: Writer<K>,
        trim: fn(&mut K),
        on: fn(&Hub, &Event<K>),
    ) -> BoxFuture<'static, Error>
    where
        K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
        K::DynamicType: Eq + Hash + Clone + Send + Sync,
    {
        let hub = Arc::clone(self);
        Box::pin(async move {
            let events = watcher::watcher(api, config).default_backoff().modify(trim).reflect(writer);
            hub.dispatch(events, on).await;
            Error::Ended("a watch")
        })
    }

    async fn dispatch<K>(&self, events: impl Stream<Item = watcher::Result<Event<K>>>, on: fn(&Hub, &Event<K>)) {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                // Before everything is synced the stores fill up; then all is derived at once.
                Ok(event) if *self.synced.borrow() => {
                    on(self, &event);
                    self.tick.send_replace(());
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a watch failed and is tried again"),
            }
        }
    }

    /// Waits until every store is filled, then derives everything from them.
    async fn sync(self: Arc<Self>) -> Error {
        let ready = async {
            self.zones.wait_until_ready().await?;
            self.namespaces.wait_until_ready().await?;
            self.nodes.wait_until_ready().await?;
            self.policies.wait_until_ready().await?;
            self.slices.wait_until_ready().await?;
            self.services.wait_until_ready().await
        };
        if ready.await.is_err() {
            return Error::Ended("a store");
        }
        // From here on events are handled one by one; what came in between is in the stores already.
        self.synced.send_replace(true);
        self.rebuild();
        tracing::info!("all watches are synced");
        futures::future::pending().await
    }

    /// Waits until every watch is synced.
    pub async fn until_synced(&self) {
        // The sender lives as long as the hub.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// True when every watch is synced.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// A receiver that wakes up whenever something changed.
    pub fn ticks(&self) -> watch::Receiver<()> {
        self.tick.subscribe()
    }

    /// Has everything judged again.
    pub fn wake(&self) {
        self.tick.send_replace(());
    }

    /// The watches that are not synced or were not heard lately, in words.
    pub fn deaf(&self) -> Vec<String> {
        let mut deaf = Vec::new();
        if !self.is_synced() {
            deaf.push("not every watch is synced yet".to_string());
        }
        for resource in RESOURCES {
            match self.traffic.silence(resource) {
                None => deaf.push(format!("{resource}: never heard")),
                Some(silence) if silence > STALE => {
                    deaf.push(format!("{resource}: not heard for {} s", silence.as_secs()));
                }
                Some(_) => {}
            }
        }
        deaf
    }

    /// Puts the silence of every watch into the metrics.
    pub fn note_silence(&self, metrics: &Metrics) {
        for resource in RESOURCES {
            if let Some(silence) = self.traffic.silence(resource) {
                metrics.set_silence(resource, i64::try_from(silence.as_secs()).unwrap_or(i64::MAX));
            }
        }
    }

    /// The store of namespaces.
    pub fn namespace_store(&self) -> Store<Namespace> {
        self.namespaces.clone()
    }

    /// The store of nodes.
    pub fn node_store(&self) -> Store<Node> {
        self.nodes.clone()
    }

    /// The store of zones.
    pub fn zone_store(&self) -> Store<DynamicObject> {
        self.zones.clone()
    }

    /// Zones as they are known.
    pub fn zones(&self) -> Vec<ZoneRecord> {
        let mut zones: Vec<_> = self.zones.state().iter().map(|zone| ZoneRecord::read((**zone).clone())).collect();
        zones.sort_by(|a, b| a.name().cmp(b.name()));
        zones
    }

    /// Looks at what was resolved. Short: events wait meanwhile.
    pub fn resolved<T>(&self, look: impl FnOnce(&Resolution, &Cluster) -> T) -> T {
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        look(&world.resolution, &world.cluster)
    }

    /// NetworkPolicies of a namespace.
    pub fn policies_in(&self, namespace: &str) -> Vec<Arc<NetworkPolicy>> {
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        self.policies_of(&world, namespace)
    }

    fn policies_of(&self, world: &World, namespace: &str) -> Vec<Arc<NetworkPolicy>> {
        let names = world.policy_names.get(namespace).into_iter().flatten();
        names.filter_map(|name| self.policies.get(&ObjectRef::new(name).within(namespace))).collect()
    }

    /// Everything at one moment, for the judgement.
    pub fn snapshot(&self, missing_rights: Vec<String>, incidents: Vec<Incident>) -> Snapshot {
        let mut policies: BTreeMap<String, Vec<Arc<NetworkPolicy>>> = BTreeMap::new();
        for policy in self.policies.state() {
            policies.entry(policy.namespace().unwrap_or_default()).or_default().push(policy);
        }
        for policies in policies.values_mut() {
            policies.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        }
        let cluster = self.resolved(|_, cluster| cluster.clone());
        Snapshot {
            zones: self.zones(),
            namespaces: self.namespaces.state().into_iter().map(|ns| (ns.name_any(), ns)).collect(),
            nodes: self.nodes.state().into_iter().map(|node| (node.name_any(), node)).collect(),
            policies,
            cluster,
            missing_rights,
            incidents,
        }
    }

    /// Has everything looked at again: after a relist, and when this replica begins to lead.
    pub fn enqueue_all(&self) {
        for namespace in self.namespaces.state() {
            self.enqueue_namespace(&namespace.name_any());
        }
        for node in self.nodes.state() {
            self.enqueue_node(&node.name_any());
        }
        for zone in self.zones.state() {
            self.enqueue_zone(&zone.name_any());
        }
        self.tick.send_replace(());
    }

    fn enqueue_namespace(&self, name: &str) {
        // Fails only when the operator ends.
        let _ = self.queues.namespaces.unbounded_send(ObjectRef::new(name));
    }

    fn enqueue_node(&self, name: &str) {
        let _ = self.queues.nodes.unbounded_send(ObjectRef::new(name));
    }

    fn enqueue_zone(&self, name: &str) {
        let _ = self.queues.zones.unbounded_send(ObjectRef::new_with(name, zone_resource()));
    }

    /// Derives everything from the stores.
    fn rebuild(&self) {
        let zones = self.zones();
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let world = &mut *world;
            world.zones = zones.iter().map(|zone| (zone.name().to_string(), fingerprint(zone))).collect();
            world.policy_names.clear();
            for policy in self.policies.state() {
                let names = world.policy_names.entry(policy.namespace().unwrap_or_default()).or_default();
                names.insert(policy.name_any());
            }
            let ranges = |node: &Arc<Node>| (node.name_any(), node_ranges(node));
            world.node_ranges = self.nodes.state().iter().map(ranges).collect();
            world.cluster = Cluster {
                operator_namespace: self.operator_namespace.clone(),
                api_server: api_server(&self.slices.state()),
                services: service_ranges(&self.services.state()),
                nodes: all_ranges(&world.node_ranges),
            };
            self.resolve(world, &zones);
        }
        self.enqueue_all();
    }

    fn resolve(&self, world: &mut World, zones: &[ZoneRecord]) {
        let mut resolution = Resolution::new(zones, &self.operator_namespace);
        for _ in 0..2 {
            // Twice, as in engine::resolve.
            for namespace in self.namespaces.state() {
                resolution.set_namespace(&namespace, &self.policies_of(world, &namespace.name_any()));
            }
            for node in self.nodes.state() {
                resolution.set_node(&node);
            }
        }
        world.resolution = resolution;
    }

    fn on_zone(&self, event: &Event<DynamicObject>) {
        if matches!(event, Event::Init | Event::InitApply(_)) {
            return;
        }
        let zones = self.zones();
        let now: BTreeMap<String, Fingerprint> =
            zones.iter().map(|zone| (zone.name().to_string(), fingerprint(zone))).collect();
        let mut touched = BTreeSet::new();
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let names = now.keys().chain(world.zones.keys());
            let changed: BTreeSet<String> =
                names.filter(|name| now.get(*name) != world.zones.get(*name)).cloned().collect();
            if changed.is_empty() {
                return;
            }
            let before = affected(&world.resolution, &changed);
            self.resolve(&mut world, &zones);
            world.zones = now;
            let after = affected(&world.resolution, &changed);
            touched.extend(before);
            touched.extend(after);
            touched.extend(changed.into_iter().map(Touched::Zone));
        }
        self.enqueue(touched);
    }

    fn on_namespace(&self, event: &Event<Namespace>) {
        match event {
            Event::Apply(namespace) => self.take_in_namespace(&namespace.name_any(), Some(namespace)),
            Event::Delete(namespace) => self.take_in_namespace(&namespace.name_any(), None),
            Event::InitDone => self.rebuild(),
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn on_policy(&self, event: &Event<NetworkPolicy>) {
        let (policy, exists) = match event {
            Event::Apply(policy) => (policy, true),
            Event::Delete(policy) => (policy, false),
            Event::InitDone => return self.rebuild(),
            Event::Init | Event::InitApply(_) => return,
        };
        if !exists {
            self.awaited.gone(&plan::policy_subject(policy), policy.metadata.resource_version.as_deref());
        }
        let namespace = policy.namespace().unwrap_or_default();
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let names = world.policy_names.entry(namespace.clone()).or_default();
            if exists {
                names.insert(policy.name_any());
            } else {
                names.remove(&policy.name_any());
            }
        }
        if let Some(object) = self.namespaces.get(&ObjectRef::new(&namespace)) {
            self.take_in_namespace(&namespace, Some(&object));
        }
    }

    fn take_in_namespace(&self, name: &str, namespace: Option<&Namespace>) {
        let mut touched = BTreeSet::from([Touched::Namespace(name.to_string())]);
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let before = world.resolution.namespace(name).cloned();
            let policies = self.policies_of(&world, name);
            let changed = if let Some(namespace) = namespace {
                world.resolution.set_namespace(namespace, &policies)
            } else {
                world.policy_names.remove(name);
                world.resolution.remove_namespace(name)
            };
            if changed {
                let after = world.resolution.namespace(name);
                let zones = before.iter().chain(after).filter_map(|claim| claim.zone.clone()).collect();
                touched.extend(dependents(&world.resolution, |peer| names(peer, name, &zones)));
                touched.extend(zones.into_iter().map(Touched::Zone));
            }
        }
        self.enqueue(touched);
    }

    fn on_node(&self, event: &Event<Node>) {
        let (node, exists) = match event {
            Event::Apply(node) => (node, true),
            Event::Delete(node) => (node, false),
            Event::InitDone => return self.rebuild(),
            Event::Init | Event::InitApply(_) => return,
        };
        let name = node.name_any();
        let mut touched = BTreeSet::from([Touched::Node(name.clone())]);
        {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let before = world.resolution.node(&name).and_then(|claim| claim.zone.clone());
            let changed = if exists { world.resolution.set_node(node) } else { world.resolution.remove_node(&name) };
            if changed {
                let after = world.resolution.node(&name).and_then(|claim| claim.zone.clone());
                touched.extend(before.into_iter().chain(after).map(Touched::Zone));
            }
            let ranges = exists.then(|| node_ranges(node));
            if ranges.as_ref() != world.node_ranges.get(&name) {
                match ranges {
                    Some(ranges) => world.node_ranges.insert(name, ranges),
                    None => world.node_ranges.remove(&name),
                };
                world.cluster.nodes = all_ranges(&world.node_ranges);
                touched.extend(dependents(&world.resolution, |peer| peer.internet == Some(true)));
            }
        }
        self.enqueue(touched);
    }

    fn on_slice(&self, event: &Event<EndpointSlice>) {
        if matches!(event, Event::Init | Event::InitApply(_)) {
            return;
        }
        let addresses = api_server(&self.slices.state());
        let touched = {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            if world.cluster.api_server == addresses {
                return;
            }
            world.cluster.api_server = addresses;
            dependents(&world.resolution, |peer| peer.api_server == Some(true))
        };
        self.enqueue(touched);
    }

    fn on_service_range(&self, event: &Event<ServiceCIDR>) {
        if matches!(event, Event::Init | Event::InitApply(_)) {
            return;
        }
        let ranges = service_ranges(&self.services.state());
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

    fn enqueue(&self, touched: impl IntoIterator<Item = Touched>) {
        for touched in touched {
            match touched {
                Touched::Namespace(name) => self.enqueue_namespace(&name),
                Touched::Node(name) => self.enqueue_node(&name),
                Touched::Zone(name) => self.enqueue_zone(&name),
            }
        }
    }

    /// The writes that a namespace needs now, and when to look again.
    pub fn plan_namespace(&self, namespace: &Namespace, now: Timestamp) -> NamespacePlan {
        let name = namespace.name_any();
        let live = self.policies_in(&name);
        self.resolved(|resolution, cluster| {
            let stance = plan::namespace_stance(resolution, &name);
            let writes = plan::plan_namespace(stance, namespace, &live, resolution, cluster, now);
            let desired = match stance {
                Stance::Protect(zone) => policies::desired(zone, &name, resolution, cluster, now),
                Stance::Release(_) | Stance::Observe(_) | Stance::Leave => BTreeMap::new(),
            };
            NamespacePlan {
                due: Due::new(stance, resolution),
                writes,
                fingerprint: hash(&desired),
                next: next(stance, now),
            }
        })
    }

    /// The write that a node needs now.
    pub fn plan_node(&self, node: &Node) -> NodePlan {
        self.resolved(|resolution, _| {
            let stance = plan::node_stance(resolution, &node.name_any());
            let fingerprint = match stance {
                Stance::Protect(zone) => hash(&(&zone.name, &zone.taint_effects)),
                Stance::Release(_) | Stance::Observe(_) | Stance::Leave => 0,
            };
            NodePlan {
                due: Due::new(stance, resolution),
                write: plan::plan_node(stance, node, resolution),
                fingerprint,
            }
        })
    }
}

/// What a namespace needs.
pub struct NamespacePlan {
    /// Whether to write now.
    pub due: Due,
    /// In order.
    pub writes: Vec<plan::Write>,
    /// Of what must be there.
    pub fingerprint: u64,
    /// When a flow closes.
    pub next: Option<Timestamp>,
}

/// What a node needs.
pub struct NodePlan {
    /// Whether to write now.
    pub due: Due,
    /// One request.
    pub write: Option<plan::Write>,
    /// Of what must be there.
    pub fingerprint: u64,
}

/// Whether a plan is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Keep the protection of this zone.
    Protect(String),
    /// Take the protection of this zone away, as confirmed by this digest.
    Release(String, String),
    /// Remove what somebody forged.
    Clean,
    /// Not now: the zone only observes, or is not armed yet.
    NotNow,
}

impl Due {
    fn new(stance: Stance, resolution: &Resolution) -> Self {
        match stance {
            // The finalizer comes first: without it a deletion of the zone would leave everything behind.
            Stance::Protect(zone) if zone.armed => Due::Protect(zone.name.clone()),
            Stance::Protect(_) | Stance::Observe(_) => Due::NotNow,
            Stance::Release(zone) => {
                let digest = resolution.zone(&zone.name).map(|zone| zone.digest().to_string());
                Due::Release(zone.name.clone(), digest.unwrap_or_default())
            }
            Stance::Leave => Due::Clean,
        }
    }
}

fn next(stance: Stance, now: Timestamp) -> Option<Timestamp> {
    match stance {
        Stance::Protect(zone) => zone.next_expiry(now),
        Stance::Release(_) | Stance::Observe(_) | Stance::Leave => None,
    }
}

fn hash(value: &impl serde::Serialize) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    struct Sink(DefaultHasher);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut sink = Sink(DefaultHasher::new());
    // Cannot fail: the sink takes everything, and the values are plain data.
    let _ = serde_json::to_writer(&mut sink, value);
    sink.0.finish()
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    Namespace(String),
    Node(String),
    Zone(String),
}

fn fingerprint(zone: &ZoneRecord) -> Fingerprint {
    let metadata = zone.metadata();
    Fingerprint {
        uid: metadata.uid.clone(),
        generation: metadata.generation,
        deleting: metadata.deletion_timestamp.is_some(),
        finalizers: metadata.finalizers.clone(),
        annotations: metadata.annotations.clone(),
        confirmed_changes: zone.status().map(|status| status.confirmed_changes).unwrap_or_default(),
    }
}

/// Everything around some zones, and what flows with them depends on.
fn affected(resolution: &Resolution, zones: &BTreeSet<String>) -> BTreeSet<Touched> {
    let mut touched = dependents(resolution, |peer| peer.zone.as_ref().is_some_and(|zone| zones.contains(zone)));
    for zone in zones.iter().filter_map(|name| resolution.zone(name)) {
        for members in [&zone.namespaces.declared, &zone.namespaces.held, &zone.namespaces.contested] {
            touched.extend(members.iter().cloned().map(Touched::Namespace));
        }
        for members in [&zone.nodes.declared, &zone.nodes.held, &zone.nodes.contested] {
            touched.extend(members.iter().cloned().map(Touched::Node));
        }
    }
    touched
}

/// Namespaces that hold a policy for a flow with such a peer.
fn dependents(resolution: &Resolution, is_meant: impl Fn(&Peer) -> bool) -> BTreeSet<Touched> {
    let mut touched = BTreeSet::new();
    for (_, zone) in resolution.zones() {
        let Some(declaration) = &zone.declaration else { continue };
        let meant = |flow: &&Flow| is_meant(&flow.from) || is_meant(&flow.to);
        for flow in declaration.flows.iter().filter(meant) {
            for peer in [&flow.from, &flow.to] {
                if let Some(namespace) = &peer.namespace {
                    touched.insert(Touched::Namespace(namespace.clone()));
                }
                if peer.zone.as_deref() == Some(declaration.name.as_str()) {
                    let members = zone.namespaces.declared.union(&zone.namespaces.held);
                    touched.extend(members.cloned().map(Touched::Namespace));
                }
            }
        }
    }
    touched
}

fn names(peer: &Peer, namespace: &str, zones: &BTreeSet<String>) -> bool {
    peer.namespace.as_deref() == Some(namespace) || peer.zone.as_ref().is_some_and(|zone| zones.contains(zone))
}

fn api_server(slices: &[Arc<EndpointSlice>]) -> Vec<IpAddr> {
    let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter().flatten());
    let mut addresses: Vec<IpAddr> =
        endpoints.flat_map(|endpoint| &endpoint.addresses).filter_map(|address| address.parse().ok()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

fn service_ranges(ranges: &[Arc<ServiceCIDR>]) -> Vec<ipnet::IpNet> {
    let cidrs = ranges.iter().filter_map(|range| range.spec.as_ref()?.cidrs.as_ref()).flatten();
    let mut ranges: Vec<ipnet::IpNet> = cidrs.filter_map(|cidr| cidr.parse().ok()).collect();
    ranges.sort();
    ranges.dedup();
    ranges
}

fn all_ranges(ranges: &BTreeMap<String, Vec<ipnet::IpNet>>) -> Vec<ipnet::IpNet> {
    let mut all: Vec<ipnet::IpNet> = ranges.values().flatten().copied().collect();
    all.sort();
    all.dedup();
    all
}
