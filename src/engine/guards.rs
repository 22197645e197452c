//! What is to be done about the guards of a zone: its admission policies and their bindings.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    change,
    declaration::Declaration,
    desired::admission::{self, Guard, Kind, Modes, Surroundings, sidecars::Handover},
    due::Due,
    forwarder,
    images::gate,
    ownership,
    plan::Write,
    resolve::Zone,
    snapshot::Cluster,
};
use crate::api::{ImageAdmission, Mode, names};

/// One request about a guard.
#[derive(Clone, Debug, PartialEq)]
pub enum GuardWrite {
    /// Create it.
    Create(Box<Guard>),
    /// Put labels and spec right, keeping the rest of its metadata.
    Replace {
        /// As it is.
        live: Arc<Guard>,
        /// As it must be.
        desired: Box<Guard>,
    },
    /// Delete it.
    Delete(Arc<Guard>),
}

impl GuardWrite {
    /// The guard that is there; for a new one what it will be.
    pub fn guard(&self) -> &Guard {
        match self {
            GuardWrite::Create(guard) => guard,
            GuardWrite::Replace { live, .. } | GuardWrite::Delete(live) => live,
        }
    }
}

/// What the live admission policies of a zone do, by topic; `None` where there are none of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// Those of segmentation.
    pub segmentation: Option<Mode>,
    /// Those of hosting.
    pub hosting: Option<Mode>,
}

/// Reads off a zone's live guards what they do. One of each topic speaks for all of it.
pub fn guarded(zone: &str, live: &[Arc<Guard>]) -> Guarded {
    let acts = |guard: &str| {
        let name = admission::guard_name(zone, guard);
        let is_it = |guard: &&Arc<Guard>| guard.kind == Kind::ValidatingBinding && guard.name() == name;
        let binding = live.iter().find(is_it).filter(|binding| ownership::wrote(&binding.metadata))?;
        let actions = binding.spec.get("validationActions").and_then(Value::as_array)?;
        let does = |action: &str| actions.iter().any(|does| does == action);
        Some(if does("Deny") {
            Mode::Enforce
        } else if does("Warn") {
            Mode::Warn
        } else {
            Mode::Observe
        })
    };
    Guarded { segmentation: acts(admission::POLICIES), hosting: acts(admission::PLACEMENT) }
}

/// What a zone's guards need.
#[derive(Clone, Debug)]
pub struct Guarding {
    /// Whether to write.
    pub due: Due,
    /// In order.
    pub writes: Vec<Write>,
    /// What must be there.
    pub desired: Arc<Vec<Guard>>,
    /// Tells one such set from another.
    pub digest: String,
    /// When it changes by the clock alone.
    pub next: Option<Timestamp>,
}

/// What holds for a topic of a zone.
enum InForce<'a> {
    /// This declaration.
    Declared(&'a Arc<Declaration>),
    /// What was declared before: something has its protection still.
    Held(&'a Arc<Declaration>),
    /// What was declared before, and that is not known.
    Unknown,
    /// Nothing.
    Nothing,
}

impl<'a> InForce<'a> {
    fn declaration(&self) -> Option<&'a Arc<Declaration>> {
        match self {
            InForce::Declared(declaration) | InForce::Held(declaration) => Some(declaration),
            InForce::Unknown | InForce::Nothing => None,
        }
    }
}

fn in_force<'a>(zone: &'a Zone, wanted: bool, leaves: bool, before: Option<&'a Arc<Declaration>>) -> InForce<'a> {
    match (zone.answering(), before) {
        (Some(declaration), _) if wanted => InForce::Declared(declaration),
        // Also when that is confirmed, until the last object is released.
        (_, Some(before)) if leaves => InForce::Held(before),
        (_, None) if leaves => InForce::Unknown,
        (_, _) => InForce::Nothing,
    }
}

/// The declaration of hosting by which pods are placed now; rests on that of segmentation, which labels the namespaces.
pub fn placing(zone: &Zone) -> Option<&Declaration> {
    let (segmentation, hosting) = topics(zone);
    segmentation.declaration().and(hosting.declaration()).map(Arc::as_ref)
}

/// The declaration by which pods are to get forwarders.
pub fn forwarding(zone: &Zone) -> Option<&Arc<Declaration>> {
    let (segmentation, _) = topics(zone);
    segmentation.declaration().filter(|zone| collects(zone))
}

fn topics(zone: &Zone) -> (InForce<'_>, InForce<'_>) {
    let leaves = zone.leaving_namespaces().next().is_some();
    let segmentation = in_force(zone, zone.wanted_namespaces().is_some(), leaves, zone.before.segmented.as_ref());
    let leaves = zone.leaving_nodes().next().is_some();
    (segmentation, in_force(zone, zone.wanted_nodes().is_some(), leaves, zone.before.dedicated.as_ref()))
}

/// What the guards of a zone are computed from.
#[derive(Clone, Debug)]
struct Sources {
    segmentation: Option<Arc<Declaration>>,
    hosting: Option<Arc<Declaration>>,
    modes: Modes,
    nodes: BTreeSet<String>,
    ranges: Vec<IpNet>,
    /// By which pods get forwarders.
    forwarding: Option<Handover>,
    /// The list of digests that may start is there.
    scans: bool,
}

impl Sources {
    /// A generation of a zone declares one thing.
    fn is_same(&self, other: &Sources) -> bool {
        let generation = |of: &Option<Arc<Declaration>>| of.as_ref().map(|of| (of.uid.clone(), of.generation));
        generation(&self.segmentation) == generation(&other.segmentation)
            && generation(&self.hosting) == generation(&other.hosting)
            && self.modes == other.modes
            && self.nodes == other.nodes
            && self.ranges == other.ranges
            && self.scans == other.scans
            && match (&self.forwarding, &other.forwarding) {
                (Some(one), Some(other)) => one.is_same(other),
                (one, other) => one.is_none() && other.is_none(),
            }
    }
}

/// The guards of a zone as they were computed last. That costs as much as the zone has names, and each of its namespaces
/// that changes sides asks for it.
#[derive(Clone, Debug, Default)]
pub struct Memo(Option<Computed>);

#[derive(Clone, Debug)]
struct Computed {
    sources: Sources,
    at: Timestamp,
    /// When they change by the clock alone.
    next: Option<Timestamp>,
    desired: Arc<Vec<Guard>>,
    digest: String,
}

impl Memo {
    /// A live guard is other than was computed last.
    pub fn differs(&self, live: &Guard) -> bool {
        let is_it = |desired: &&Guard| (desired.kind, desired.name()) == (live.kind, live.name());
        let known = self.0.as_ref().map(|known| known.desired.iter().find(is_it));
        known.is_some_and(|desired| desired.is_none_or(|desired| !matches(live, desired)))
    }

    fn compute(&mut self, sources: Sources, cluster: &Cluster, now: Timestamp) -> Computed {
        let holds = |known: &&Computed| {
            known.at <= now && known.next.is_none_or(|next| now < next) && known.sources.is_same(&sources)
        };
        if let Some(known) = self.0.as_ref().filter(holds) {
            return known.clone();
        }
        let Sources { segmentation, hosting, modes, nodes, ranges, forwarding, scans } = &sources;
        let around = Surroundings {
            operator: &cluster.operator_user,
            operator_namespace: &cluster.operator_namespace,
            nodes: nodes.iter().map(String::as_str).collect(),
            ranges: IpNet::aggregate(ranges),
            mutates: cluster.mutates,
            forwarding: forwarding.as_ref(),
            scans: *scans,
        };
        let desired = admission::desired(segmentation.as_deref(), hosting.as_deref(), *modes, &around, now);
        let all: Vec<_> = desired.iter().map(|guard| (guard.subject(), &guard.spec)).collect();
        let digest = change::short_digest(&json!(all).to_string());
        let flows = segmentation.as_ref().and_then(|zone| zone.next_expiry(now));
        let admits = hosting.iter().flat_map(|zone| &zone.admits).map(|admit| admit.expires_at.0);
        let images = segmentation.iter().flat_map(|zone| gate::ends(zone, now));
        let next = flows.into_iter().chain(admits.filter(|end| *end > now)).chain(images).min();
        let computed = Computed { sources, at: now, next, desired: Arc::new(desired), digest };
        self.0 = Some(computed.clone());
        computed
    }
}

/// The writes that bring the guards of a zone to what it declares. `ranges` are the pod ranges and addresses of a node.
pub fn plan(
    zone: &Zone,
    cluster: &Cluster,
    ranges: impl Fn(&str) -> Vec<IpNet>,
    live: &[Arc<Guard>],
    memo: &mut Memo,
    now: Timestamp,
) -> Guarding {
    let (segmentation, hosting) = topics(zone);
    if matches!(segmentation, InForce::Unknown) || matches!(hosting, InForce::Unknown) {
        // What is there stays as it is until the change is confirmed.
        let desired = Arc::default();
        return Guarding { due: Due::NotNow, writes: Vec::new(), desired, digest: String::new(), next: None };
    }
    let observed = zone.answering().filter(|zone| zone.nodes.is_some() && !zone.hosting.protects());
    let hosting = hosting.declaration().or(observed);
    let segmentation = segmentation.declaration();
    let due = match (segmentation, zone.answer()) {
        (Some(_), Some(answer)) if !answer.armed => Due::NotNow,
        (Some(zone), _) => Due::Protect(zone.name.clone()),
        // Nothing carries the zone's label any more, so they guard nothing.
        (None, _) => Due::Clean,
    };
    let mut nodes: BTreeSet<String> = zone.nodes.declared.union(&zone.nodes.held).cloned().collect();
    // A node that is declared by name may be named before it is there.
    let named = hosting.and_then(|zone| zone.nodes.as_ref()).into_iter().flat_map(|nodes| &nodes.names);
    nodes.extend(named.cloned());
    // Until the change is confirmed they go on to refuse.
    let held = |live: Option<Mode>| live.filter(|_| zone.is_weakening() && !zone.is_confirmed()).unwrap_or_default();
    let mode = |declared: Option<Mode>, live| declared.unwrap_or_default().max(held(live));
    let modes = Modes {
        segmentation: mode(segmentation.map(|zone| zone.segmentation), zone.guarded.segmentation),
        hosting: mode(hosting.map(|zone| zone.hosting), zone.guarded.hosting),
        scanning: segmentation.map(|zone| zone.scanning).unwrap_or_default(),
        logging: segmentation.map(|zone| zone.logging).unwrap_or_default(),
    };
    let ranges = nodes.iter().flat_map(|node| ranges(node)).collect();
    let wanted = segmentation.filter(|zone| collects(zone));
    let forwarding = wanted.and_then(|zone| cluster.configured.get(&zone.name)).cloned();
    // Nothing was everywhere yet as far as this operator has seen: what an earlier one left goes on.
    let kept = wanted.filter(|_| forwarding.is_none()).map(|zone| admission::guard_name(&zone.name, admission::LOGS));
    let live: Vec<_> = live.iter().filter(|guard| kept.as_deref() != Some(guard.name())).map(Arc::clone).collect();
    let scans = segmentation.is_some_and(|zone| {
        let has_list = || cluster.listed.contains(&zone.name) || asked_for_scans(zone, &live);
        asks_for_scans(zone) && (wants_proof(zone) || has_list())
    });
    let (segmentation, hosting) = (segmentation.cloned(), hosting.cloned());
    let sources = Sources { segmentation, hosting, modes, nodes, ranges, forwarding, scans };
    let Computed { desired, digest, next, .. } = memo.compute(sources, cluster, now);
    Guarding { due, writes: writes(&desired, &live), desired, digest, next }
}

/// What reports say of images is to be asked when a pod is made.
pub fn asks_for_scans(zone: &Declaration) -> bool {
    let protects = zone.scanning.protects() && zone.segmentation.protects();
    protects && zone.images.as_ref().is_some_and(|images| images.admission != ImageAdmission::References)
}

/// Nothing starts that is not proven, so nothing does while there is no list.
fn wants_proof(zone: &Declaration) -> bool {
    zone.images.as_ref().is_some_and(|images| images.admission == ImageAdmission::Proven)
}

/// It was asked so far. The policy stays while its list is away, which is made again: without it everything would start meanwhile.
fn asked_for_scans(zone: &Declaration, live: &[Arc<Guard>]) -> bool {
    let name = admission::guard_name(&zone.name, admission::SCANS);
    live.iter().any(|guard| guard.kind == Kind::ValidatingBinding && guard.name() == name)
}

/// The zone's pods are to get forwarders.
fn collects(zone: &Declaration) -> bool {
    let protects = zone.logging.protects() && zone.segmentation.protects();
    protects && zone.logs.as_ref().is_some_and(forwarder::is_declared)
}

/// Name of the configuration that the zone's forwarders are to have; `None` where it has none.
pub fn collecting(zone: &Declaration) -> Option<String> {
    let logs = zone.logs.as_ref().filter(|_| collects(zone))?;
    Some(forwarder::configuration_name(&forwarder::render(&zone.name, logs)?))
}

/// The writes to the guards of a zone that only observes, were it to enforce.
pub fn in_enforce(
    zone: &Zone,
    cluster: &Cluster,
    ranges: impl Fn(&str) -> Vec<IpNet>,
    live: &[Arc<Guard>],
    memo: &mut Memo,
    now: Timestamp,
) -> Vec<Write> {
    let Some(declaration) = zone.answering().filter(|_| zone.only_observes()) else { return Vec::new() };
    let mut nodes = zone.nodes.declared.clone();
    nodes.extend(declaration.nodes.iter().flat_map(|nodes| &nodes.names).cloned());
    let ranges = nodes.iter().flat_map(|node| ranges(node)).collect();
    let mode = Mode::Enforce;
    let modes = Modes { segmentation: mode, hosting: mode, scanning: mode, logging: mode };
    let (segmentation, hosting) = (Some(Arc::clone(declaration)), Some(Arc::clone(declaration)));
    // Its configuration is written first.
    let forwarding = Some(Handover::Steady(Arc::clone(declaration)));
    // And so is the list of its images.
    let scans = asks_for_scans(declaration);
    let sources = Sources { segmentation, hosting, modes, nodes, ranges, forwarding, scans };
    let Computed { desired, .. } = memo.compute(sources, cluster, now);
    writes(&desired, live)
}

/// What patches before what checks, so that nothing is refused for a moment that will be put right the next; a binding
/// after its policy when they come, and before it when they go.
fn writes(desired: &[Guard], live: &[Arc<Guard>]) -> Vec<Write> {
    let mut wanted: BTreeMap<(Kind, &str), &Guard> =
        desired.iter().map(|guard| ((guard.kind, guard.name()), guard)).collect();
    let mut writes = Vec::new();
    let mut deletes = Vec::new();
    for guard in live {
        match wanted.remove(&(guard.kind, guard.name())) {
            Some(desired) if matches(guard, desired) => {}
            Some(desired) => {
                writes.push(GuardWrite::Replace { live: Arc::clone(guard), desired: Box::new(desired.clone()) });
            }
            None if ownership::is_managed(&guard.metadata) && guard.metadata.deletion_timestamp.is_none() => {
                deletes.push(GuardWrite::Delete(Arc::clone(guard)));
            }
            None => {}
        }
    }
    writes.extend(wanted.into_values().map(|guard| GuardWrite::Create(Box::new(guard.clone()))));
    let order = |kind: Kind| match kind {
        Kind::Mutating => 0,
        Kind::MutatingBinding => 1,
        Kind::Validating => 2,
        Kind::ValidatingBinding => 3,
    };
    writes.sort_by_key(|write| (order(write.guard().kind), write.guard().name().to_string()));
    deletes.sort_by_key(|write| (std::cmp::Reverse(order(write.guard().kind)), write.guard().name().to_string()));
    writes.into_iter().chain(deletes).map(Write::Guard).collect()
}

/// The live guard is what is desired, and we are on record as its writer.
pub fn matches(live: &Guard, desired: &Guard) -> bool {
    says_what_it_must(live, desired) && ownership::wrote(&live.metadata)
}

/// The same, whoever is on record as its writer.
pub fn says_what_it_must(live: &Guard, desired: &Guard) -> bool {
    let mut labels = desired.metadata.labels.iter().flatten();
    let labelled = labels.all(|(key, value)| ownership::label(&live.metadata, key) == Some(value));
    let owned = live.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    labelled && !owned && live.spec == desired.spec
}

/// The live guard with our labels and spec.
pub fn replacement(desired: &Guard, mut live: Guard) -> Guard {
    live.metadata.labels.get_or_insert_default().extend(desired.metadata.labels.clone().unwrap_or_default());
    live.metadata.owner_references = None;
    // Absent means: the API server keeps its own record.
    let api_version = format!("{}/{}", Kind::GROUP, Kind::VERSION);
    let labels = json!(desired.metadata.labels);
    let record = || ownership::record(names::MANAGER_GUARDS, &api_version, &labels, &desired.spec);
    live.metadata.managed_fields = (!ownership::wrote(&live.metadata)).then(|| vec![record()]);
    live.spec.clone_from(&desired.spec);
    live
}

/// The zones that a guard concerns: that of its name, which nobody can change, and that of its label.
pub fn zones_of(guard: &Guard) -> BTreeSet<&str> {
    let named = guard.name().strip_prefix("pcizone-").and_then(|rest| rest.rsplit_once('-')).map(|(zone, _)| zone);
    named.into_iter().chain(ownership::label(&guard.metadata, names::ZONE_LABEL)).collect()
}
