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
    desired::admission::{self, Guard, Kind, Modes, Surroundings},
    due::Due,
    ownership,
    plan::Write,
    resolve::Zone,
    snapshot::Cluster,
};
use crate::api::{Mode, names};

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
    pub desired: Vec<Guard>,
    /// Tells one such set from another.
    pub digest: String,
    /// When it changes by the clock alone.
    pub next: Option<Timestamp>,
}

/// What holds for a topic of a zone.
enum InForce<'a> {
    /// This declaration.
    Declared(&'a Declaration),
    /// What was declared before: the change was not confirmed.
    Held(&'a Declaration),
    /// What was declared before, and that is not known.
    Unknown,
    /// Nothing.
    Nothing,
}

impl<'a> InForce<'a> {
    fn declaration(&self) -> Option<&'a Declaration> {
        match self {
            InForce::Declared(declaration) | InForce::Held(declaration) => Some(declaration),
            InForce::Unknown | InForce::Nothing => None,
        }
    }
}

fn in_force<'a>(zone: &'a Zone, wanted: bool, leaves: bool, before: Option<&'a Arc<Declaration>>) -> InForce<'a> {
    match (zone.answer(), before) {
        (Some(declaration), _) if wanted => InForce::Declared(declaration),
        (_, Some(before)) if leaves && !zone.is_confirmed() => InForce::Held(before),
        (_, None) if leaves && !zone.is_confirmed() => InForce::Unknown,
        (_, _) => InForce::Nothing,
    }
}

/// The declaration of hosting by which pods are placed now; rests on that of segmentation, which labels the namespaces.
pub fn placing(zone: &Zone) -> Option<&Declaration> {
    let (segmentation, hosting) = topics(zone);
    segmentation.declaration().and(hosting.declaration())
}

fn topics(zone: &Zone) -> (InForce<'_>, InForce<'_>) {
    let leaves = zone.leaving_namespaces().next().is_some();
    let segmentation = in_force(zone, zone.wanted_namespaces().is_some(), leaves, zone.before.segmented.as_ref());
    let leaves = zone.leaving_nodes().next().is_some();
    (segmentation, in_force(zone, zone.wanted_nodes().is_some(), leaves, zone.before.dedicated.as_ref()))
}

/// The writes that bring the guards of a zone to what it declares. `ranges` are the pod ranges and addresses of a node.
pub fn plan(
    zone: &Zone,
    cluster: &Cluster,
    ranges: impl Fn(&str) -> Vec<IpNet>,
    live: &[Arc<Guard>],
    now: Timestamp,
) -> Guarding {
    let (segmentation, hosting) = topics(zone);
    let mut guarding =
        Guarding { due: Due::NotNow, writes: Vec::new(), desired: Vec::new(), digest: String::new(), next: None };
    if matches!(segmentation, InForce::Unknown) || matches!(hosting, InForce::Unknown) {
        // What is there stays as it is until the change is confirmed.
        return guarding;
    }
    let observed = zone.answer().filter(|zone| zone.nodes.is_some());
    let hosting = hosting.declaration().or(observed.filter(|zone| !zone.hosting.protects()));
    let segmentation = segmentation.declaration();
    guarding.due = match (segmentation, zone.answer()) {
        (Some(_), Some(answer)) if !answer.armed => Due::NotNow,
        (Some(zone), _) => Due::Protect(zone.name.clone()),
        // Nothing carries the zone's label any more, so they guard nothing.
        (None, _) => Due::Clean,
    };
    let nodes: BTreeSet<&str> = zone.nodes.declared.union(&zone.nodes.held).map(String::as_str).collect();
    let ranges: Vec<IpNet> = nodes.iter().flat_map(|node| ranges(node)).collect();
    let around = Surroundings {
        operator: &cluster.operator_user,
        operator_namespace: &cluster.operator_namespace,
        nodes,
        ranges: IpNet::aggregate(&ranges),
        mutates: cluster.mutates,
    };
    // Until the change is confirmed they go on to refuse.
    let held = |live: Option<Mode>| live.filter(|_| zone.is_weakening() && !zone.is_confirmed()).unwrap_or_default();
    let modes = Modes {
        segmentation: segmentation
            .map(|zone| zone.segmentation)
            .unwrap_or_default()
            .max(held(zone.guarded.segmentation)),
        hosting: hosting.map(|zone| zone.hosting).unwrap_or_default().max(held(zone.guarded.hosting)),
    };
    guarding.desired = admission::desired(segmentation, hosting, modes, &around, now);
    let all: Vec<_> = guarding.desired.iter().map(|guard| (guard.subject(), &guard.spec)).collect();
    guarding.digest = change::short_digest(&json!(all).to_string());
    guarding.writes = writes(&guarding.desired, live);
    let flows = segmentation.and_then(|zone| zone.next_expiry(now));
    let admits = hosting.into_iter().flat_map(|zone| &zone.admits).map(|admit| admit.expires_at.0);
    guarding.next = flows.into_iter().chain(admits.filter(|end| *end > now)).min();
    guarding
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
    let mut labels = desired.metadata.labels.iter().flatten();
    let labelled = labels.all(|(key, value)| ownership::label(&live.metadata, key) == Some(value));
    let owned = live.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    labelled && !owned && live.spec == desired.spec && ownership::wrote(&live.metadata)
}

/// The live guard with our labels and spec.
pub fn replacement(desired: &Guard, mut live: Guard) -> Guard {
    live.metadata.labels.get_or_insert_default().extend(desired.metadata.labels.clone().unwrap_or_default());
    live.metadata.owner_references = None;
    live.metadata.managed_fields = None;
    live.spec.clone_from(&desired.spec);
    live
}

/// The zone that a guard is of: by its label, or by its name where somebody took that away.
pub fn zone_of(guard: &Guard) -> Option<&str> {
    let named = guard.name().strip_prefix("pcizone-").and_then(|rest| rest.rsplit_once('-')).map(|(zone, _)| zone);
    ownership::label(&guard.metadata, names::ZONE_LABEL).or(named)
}
