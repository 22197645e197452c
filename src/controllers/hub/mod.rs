//! One watch per kind, kept in trimmed stores, and who has to look again when something changes.
//!
//! ```text
//!  watch ─▶ store ─▶ Resolution ─▶ keys of namespaces, nodes, zones ─▶ repair
//!                        └───────▶ tick ─────────────────────────────▶ judgement
//! ```

mod collected;
mod events;
mod facts;
mod images;
mod in_force;
mod optional;
mod reports;
mod store;
mod tested;
mod watch;
mod watches;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::ServiceCIDR,
};
use kube::{
    Client, ResourceExt,
    core::{ApiResource, DynamicObject},
    runtime::watcher::Event,
};
use tokio::sync::watch as channel;

use super::{
    error::Error,
    memory::{Awaited, Failures, Ledger},
    metrics::Metrics,
    server::Server,
    traffic::Traffic,
};
use crate::{
    api::PciZone,
    engine::{
        Resolution, Snapshot,
        access::{Binding, Role},
        canary::objects,
        desired::admission::{Guard, Kind},
        drift::Seal,
        guards::{self, Memo},
        images::report::Report,
        intake,
        pod::Pod,
        policy::Policy,
        reach::other::{self, Other},
        route::{self, Grant, Route},
        service::{Service, Slice},
        snapshot::{Cluster, Incident, Unseen, ZoneRecord},
    },
};
use collected::Collected;
use facts::Touched;
use images::KnownImages;
use in_force::InForce;
use optional::OptionalStore;
use tested::Tested;

pub use optional::{Refusal, served, served_resource};
pub use store::Store;

/// How long one watch request lasts, in seconds. Each end is heard as a sign of life, so this bounds how
/// long a quiet cluster stays silent.
pub const WATCH_SECONDS: u32 = 40;
/// A watch that was not heard for longer is stale.
const STALE: Duration = Duration::from_secs(60);

/// The kinds that are watched, by their plural names.
const RESOURCES: [&str; 13] = [
    "pcizones",
    "namespaces",
    "nodes",
    "networkpolicies",
    "pods",
    "clusterroles",
    "clusterrolebindings",
    "roles",
    "rolebindings",
    "services",
    "endpointslices",
    "ingresses",
    "servicecidrs",
];

/// Everything that is known of the cluster.
pub struct Hub {
    zones: Arc<Store<DynamicObject>>,
    namespaces: Arc<Store<Namespace>>,
    nodes: Arc<Store<Node>>,
    policies: Arc<Store<Policy>>,
    pods: Arc<Store<Pod>>,
    services: Store<Service>,
    slices: Store<Slice>,
    cluster_roles: Store<Role>,
    cluster_bindings: Store<Binding>,
    ingresses: Store<Route>,
    roles: Store<Role>,
    bindings: Store<Binding>,
    service_ranges: Arc<Store<ServiceCIDR>>,
    others: Vec<(other::Kind, OptionalStore<Other>)>,
    routes: Vec<(route::Kind, OptionalStore<Route>)>,
    grants: OptionalStore<Grant>,
    reports: Vec<OptionalStore<Report>>,
    departed: reports::Departed,
    guards: BTreeMap<Kind, Store<Guard>>,
    /// Known before anything is planned.
    server: OnceLock<Server>,
    /// Which guards of each zone were seen at work.
    pub in_force: InForce,
    /// What the canary showed.
    pub tested: Tested,
    /// What is known of logs.
    pub collected: Collected,
    /// What is kept of images.
    pub images: KnownImages,
    memos: Mutex<BTreeMap<String, Memo>>,
    world: RwLock<World>,
    queues: Queues,
    tick: channel::Sender<()>,
    synced: channel::Sender<bool>,
    complete: AtomicBool,
    /// Our own writes that the watches may not have shown yet.
    pub awaited: Awaited,
    /// What was seen in place.
    pub settled: Ledger,
    /// What could not be written.
    pub failures: Failures,
    /// Something was not looked at because this replica did not lead at that moment.
    missed: AtomicBool,
    traffic: Arc<Traffic>,
    operator_namespace: String,
}

/// Pod ranges and addresses of each node, as it tells them.
pub type Ranges = BTreeMap<String, Vec<ipnet::IpNet>>;

/// What is derived from the stores, event by event.
#[derive(Default)]
struct World {
    resolution: Resolution,
    zones: BTreeMap<String, ZoneRecord>,
    node_ranges: Ranges,
    cluster: Cluster,
}

struct Queues {
    namespaces: UnboundedSender<String>,
    nodes: UnboundedSender<String>,
    zones: UnboundedSender<String>,
}

/// Keys of what has to be looked at again.
pub struct Keys {
    /// Namespaces.
    pub namespaces: UnboundedReceiver<String>,
    /// Nodes.
    pub nodes: UnboundedReceiver<String>,
    /// Zones.
    pub zones: UnboundedReceiver<String>,
}

/// The API resource of PciZones.
pub fn zone_resource() -> ApiResource {
    ApiResource::erase::<PciZone>(&())
}

/// The API resource of a kind of guard.
pub fn guard_resource(kind: Kind) -> ApiResource {
    ApiResource::erase::<Guard>(&kind)
}

impl Hub {
    /// Sets up stores and watches. Nothing is watched before the watches are polled; they run as long as they are.
    pub fn new(
        client: &Client,
        operator_namespace: &str,
        traffic: Arc<Traffic>,
    ) -> (Arc<Self>, Keys, impl Future<Output = Error> + Send + 'static) {
        let (namespace_keys, namespace_queue) = unbounded();
        let (node_keys, node_queue) = unbounded();
        let (zone_keys, zone_queue) = unbounded();
        let hub = Arc::new(Hub {
            zones: Arc::default(),
            namespaces: Arc::default(),
            nodes: Arc::default(),
            policies: Arc::default(),
            pods: Arc::default(),
            services: Store::default(),
            slices: Store::default(),
            cluster_roles: Store::default(),
            cluster_bindings: Store::default(),
            ingresses: Store::default(),
            roles: Store::default(),
            bindings: Store::default(),
            service_ranges: Arc::default(),
            others: optional::others(),
            routes: optional::routes(),
            grants: OptionalStore::new(intake::Kind::ReferenceGrant),
            reports: reports::stores(),
            departed: reports::Departed::default(),
            guards: Kind::ALL.into_iter().map(|kind| (kind, Store::default())).collect(),
            server: OnceLock::new(),
            in_force: InForce::default(),
            tested: Tested::default(),
            collected: Collected::default(),
            images: KnownImages::default(),
            memos: Mutex::default(),
            world: RwLock::default(),
            queues: Queues { namespaces: namespace_keys, nodes: node_keys, zones: zone_keys },
            tick: channel::Sender::new(()),
            synced: channel::Sender::new(false),
            complete: AtomicBool::new(false),
            awaited: Awaited::default(),
            settled: Ledger::default(),
            failures: Failures::default(),
            missed: AtomicBool::new(false),
            traffic,
            operator_namespace: operator_namespace.to_string(),
        });
        let watches = watches::run(Arc::clone(&hub), client.clone());
        let keys = Keys { namespaces: namespace_queue, nodes: node_queue, zones: zone_queue };
        (hub, keys, watches)
    }

    /// Everything is known that is judged.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Takes an event in. Before everything is synced the stores fill up; then all is derived at once.
    fn hear<K>(&self, event: &Event<K>, on: fn(&Hub, &Event<K>)) {
        if self.is_synced() {
            on(self, event);
        }
    }

    /// Waits until every watch is synced by which something is kept in place.
    pub async fn until_synced(&self) {
        // The sender lives as long as the hub.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// True when they are.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// A receiver that wakes up whenever something changed.
    pub fn ticks(&self) -> channel::Receiver<()> {
        self.tick.subscribe()
    }

    /// Has everything judged again.
    pub fn wake(&self) {
        self.tick.send_replace(());
    }

    /// Notes that something was not looked at because this replica did not lead at that moment.
    pub fn miss(&self) {
        self.missed.store(true, Ordering::Release);
    }

    /// Whether something was missed since this was last asked.
    pub fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }

    fn watched_guards(&self) -> impl Iterator<Item = (&Kind, &Store<Guard>)> {
        let mutates = self.mutates();
        self.guards.iter().filter(move |(kind, _)| mutates || !kind.mutates())
    }

    /// The API server knows mutating policies that are sound.
    pub fn mutates(&self) -> bool {
        self.server.get().is_some_and(|server| server.mutates)
    }

    fn resources(&self) -> impl Iterator<Item = &'static str> {
        RESOURCES.into_iter().chain(self.watched_guards().map(|(kind, _)| kind.plural()))
    }

    /// The guards of a zone.
    pub fn guards_of(&self, zone: &str) -> Vec<Arc<Guard>> {
        self.all_guards().into_iter().filter(|guard| guards::zones_of(guard).contains(zone)).collect()
    }

    fn all_guards(&self) -> Vec<Arc<Guard>> {
        self.guards.values().flat_map(Store::all).collect()
    }

    /// A guard is other than was computed last.
    fn differs(&self, zone: &str, guard: &Guard) -> bool {
        self.memos.lock().unwrap_or_else(PoisonError::into_inner).get(zone).is_some_and(|memo| memo.differs(guard))
    }

    /// The guards of a zone refuse, as they are now. Where they were changed, or are new, that is not known before they were seen
    /// at work; what was done before this operator came was done under those that are there.
    pub fn refuses(&self, zone: &str, seal: Seal) -> bool {
        let unsure = self.in_force.is_unsure(zone);
        !unsure && self.resolved(|resolution, _| resolution.zone(zone).is_some_and(|zone| seal.refuses(zone.guarded)))
    }

    /// The watches that are not synced or were not heard lately, in words.
    pub fn deaf(&self) -> Vec<String> {
        let mut deaf = Vec::new();
        if !self.is_synced() {
            deaf.push("not every watch is synced yet".to_string());
        }
        for resource in self.resources() {
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

    /// What keeps this replica from judging, in words: a deaf watch, or what was not listed yet.
    pub fn unready(&self) -> Vec<String> {
        let mut unready = self.deaf();
        if self.is_synced() && !self.is_complete() {
            unready.push("not everything that is judged was listed yet".to_string());
        }
        unready
    }

    /// Puts the silence of every watch into the metrics.
    pub fn note_silence(&self, metrics: &Metrics) {
        let brought = self.brought().into_iter().chain(self.report_kinds()).map(intake::Kind::resource);
        for resource in self.resources().chain(brought) {
            if let Some(silence) = self.traffic.silence(resource) {
                metrics.set_silence(resource, i64::try_from(silence.as_secs()).unwrap_or(i64::MAX));
            }
        }
    }

    /// The store of namespaces.
    pub fn namespace_store(&self) -> Arc<Store<Namespace>> {
        Arc::clone(&self.namespaces)
    }

    /// The store of nodes.
    pub fn node_store(&self) -> Arc<Store<Node>> {
        Arc::clone(&self.nodes)
    }

    /// The store of zones.
    pub fn zone_store(&self) -> Arc<Store<DynamicObject>> {
        Arc::clone(&self.zones)
    }

    /// Looks at what was resolved. Short: events wait meanwhile.
    pub fn resolved<T>(&self, look: impl FnOnce(&Resolution, &Cluster) -> T) -> T {
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        look(&world.resolution, &world.cluster)
    }

    /// The same with the ranges of nodes, and what was computed last of a zone's guards.
    pub fn remembered<T>(&self, zone: &str, look: impl FnOnce(&Resolution, &Cluster, &Ranges, &mut Memo) -> T) -> T {
        let mut memos = self.memos.lock().unwrap_or_else(PoisonError::into_inner);
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        memos.retain(|zone, _| world.zones.contains_key(zone));
        look(&world.resolution, &world.cluster, &world.node_ranges, memos.entry(zone.to_string()).or_default())
    }

    /// NetworkPolicies of a namespace, but for those of an earlier one of its name.
    pub fn policies_in(&self, name: &str) -> Vec<Arc<Policy>> {
        let mut policies = self.policies.within(name);
        if let Some(namespace) = self.namespaces.get(name) {
            policies.retain(|policy| !policy.is_older_than(&namespace));
        }
        policies
    }

    fn all_namespaces(&self) -> BTreeMap<String, Arc<Namespace>> {
        self.namespaces.all().into_iter().map(|namespace| (namespace.name_any(), namespace)).collect()
    }

    fn all_nodes(&self) -> BTreeMap<String, Arc<Node>> {
        self.nodes.all().into_iter().map(|node| (node.name_any(), node)).collect()
    }

    /// Everything at one moment, for the judgement.
    pub fn snapshot(&self, missing_rights: Vec<String>, incidents: Vec<Incident>) -> Snapshot {
        let mut policies: BTreeMap<String, Vec<Arc<Policy>>> = BTreeMap::new();
        let (namespaces, nodes) = (self.all_namespaces(), self.all_nodes());
        let rounds = self.tested.known();
        for policy in self.policies.all() {
            let name = policy.namespace().unwrap_or_default();
            // It opens something to nobody but the canary's own pods, for as long as a round tries that. What opens a way for those
            // outside the zone is there all the time.
            if name != self.operator_namespace && objects::is_control(&policy, |round| rounds.contains(round)) {
                continue;
            }
            if !namespaces.get(&name).is_some_and(|namespace| policy.is_older_than(namespace)) {
                policies.entry(name).or_default().push(policy);
            }
        }
        let failures = self.failures.reasons();
        let (tests, untested) = self.tested.all();
        let guards = self.all_guards();
        let (pods, services, slices) = (self.pods.all(), self.services.all(), self.slices.all());
        let (mut roles, mut bindings) = (self.cluster_roles.all(), self.cluster_bindings.all());
        roles.extend(self.roles.all());
        bindings.extend(self.bindings.all());
        let (routes, grants) = (self.all_routes(), self.grants.all());
        let (others, hidden_kinds) = (self.all_others(), self.hidden_kinds());
        let (reports, unread_reports) = (self.all_reports(), self.unread_reports());
        let computed = self.memos.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Events, and with them repairs, wait as long as this is held.
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        // Before the first derivation the zones are only in the store.
        let zones = if self.is_synced() { world.zones.values().cloned().collect() } else { self.read_zones() };
        Snapshot {
            zones,
            namespaces,
            nodes,
            policies,
            others,
            hidden_kinds,
            pods,
            services,
            slices,
            routes,
            grants,
            roles,
            bindings,
            guards,
            computed,
            in_force: self.in_force.digests(),
            cluster: world.cluster.clone(),
            unseen: Unseen::default(),
            is_kept: true,
            fixes: self.images.fixes(),
            untold: self.images.trouble(),
            reports,
            unread_reports,
            report_kinds: self.report_kinds(),
            is_live: false,
            missing_rights,
            incidents,
            failures,
            memory: world.resolution.memory().clone(),
            judged: BTreeMap::new(),
            tests,
            untested,
            settings: self.tested.settings(),
            collected: self.collected.all(),
        }
    }

    fn read_zones(&self) -> Vec<ZoneRecord> {
        self.zones.all().iter().map(|zone| ZoneRecord::read((**zone).clone())).collect()
    }

    /// Has everything looked at again: after a relist, and when this replica begins to lead.
    pub fn enqueue_all(&self) {
        for namespace in self.namespaces.all() {
            self.enqueue_namespace(&namespace.name_any());
        }
        for node in self.nodes.all() {
            self.enqueue_node(&node.name_any());
        }
        for zone in self.zones.all() {
            self.enqueue_zone(&zone.name_any());
        }
        self.wake();
    }

    /// Has the namespaces and nodes of a zone looked at again.
    pub fn enqueue_members(&self, zone: &str) {
        let touched = self.resolved(|resolution, _| facts::affected(resolution, &BTreeSet::from([zone.to_string()])));
        self.enqueue(touched);
    }

    /// Has these looked at again, and everything judged.
    fn enqueue(&self, touched: impl IntoIterator<Item = Touched>) {
        self.wake();
        for touched in touched {
            match touched {
                Touched::Namespace(name) => self.enqueue_namespace(&name),
                Touched::Node(name) => self.enqueue_node(&name),
                Touched::Zone(name) => self.enqueue_zone(&name),
            }
        }
    }

    fn enqueue_namespace(&self, name: &str) {
        // Fails only when the operator ends.
        let _ = self.queues.namespaces.unbounded_send(name.to_string());
    }

    fn enqueue_node(&self, name: &str) {
        let _ = self.queues.nodes.unbounded_send(name.to_string());
    }

    fn enqueue_zone(&self, name: &str) {
        let _ = self.queues.zones.unbounded_send(name.to_string());
    }
}
