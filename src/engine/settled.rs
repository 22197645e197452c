//! A cluster as it will be once the operator has carried out what the zones declare.
//!
//! It says what the operator would make of objects that nobody applied yet. It neither waits nor fails: every write
//! succeeds, and nobody else does anything meanwhile.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::core::v1::Namespace,
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, Time},
    jiff::Timestamp,
};
use serde_json::{Value, json};

use super::{
    Resolution,
    arming::{Arming, arming},
    desired::admission::{Guard, sidecars::Handover},
    due::Due,
    guards::{self, GuardWrite, Guarding, Memo},
    ownership,
    plan::{self, Write},
    policy::Policy,
    resolve,
    resolve::Zone,
    snapshot::{Snapshot, ZoneRecord, node_ranges},
};
use crate::api::names;

/// Rounds after which it ends in any case: a first one arms, the next protect, and each confirmed hand-over takes one.
const ROUNDS: usize = 12;

/// The cluster with every write made that is due at `now`. Zones that only observe have none.
pub fn settled(snapshot: Snapshot, now: Timestamp) -> Snapshot {
    settle(snapshot, now, |_, _, _| {})
}

/// The same, and each write is told before it is made, with the cluster as it is then and whose each object is.
pub(super) fn settle(
    mut snapshot: Snapshot,
    now: Timestamp,
    mut tell: impl FnMut(&Snapshot, &Resolution, &Write),
) -> Snapshot {
    for _ in 0..ROUNDS {
        let resolution = resolve(&snapshot);
        snapshot.memory = resolution.memory().clone();
        let armed = arm(&mut snapshot, &resolution);
        configure(&mut snapshot, &resolution);
        let writes = due(&snapshot, &resolution, now);
        if !armed && writes.is_empty() {
            break;
        }
        for write in writes {
            tell(&snapshot, &resolution, &write);
            make(&mut snapshot, write, now);
        }
    }
    in_force(snapshot, now)
}

/// The cluster exactly as it is, as far as objects show that: who wrote them may be left out of a dump.
pub fn as_is(mut snapshot: Snapshot, now: Timestamp) -> Snapshot {
    let resolution = resolve(&snapshot);
    configure(&mut snapshot, &resolution);
    for write in due(&snapshot, &resolution, now) {
        if is_for_the_record(&snapshot, &write) {
            make(&mut snapshot, write, now);
        }
    }
    in_force(snapshot, now)
}

/// The object is as we would write it, and nothing tells who wrote it. Whatever it says, more than the zone declares is not
/// taken for ours.
fn is_for_the_record(snapshot: &Snapshot, write: &Write) -> bool {
    let is_unknown = |metadata: &ObjectMeta| ownership::is_writer_unknown(metadata);
    match write {
        Write::LabelNamespace { namespace, adopt, .. } => {
            *adopt && snapshot.namespaces.get(namespace).is_some_and(|namespace| is_unknown(&namespace.metadata))
        }
        Write::LabelNode { node, .. } => snapshot.nodes.get(node).is_some_and(|node| is_unknown(&node.metadata)),
        Write::ReplacePolicy { live, desired } => is_unknown(&live.metadata) && plan::says_what_it_must(live, desired),
        Write::Guard(GuardWrite::Replace { live, desired }) => {
            is_unknown(&live.metadata) && guards::says_what_it_must(live, desired)
        }
        Write::CreatePolicy(_)
        | Write::DeletePolicy(_)
        | Write::UnlabelNamespace { .. }
        | Write::SetPodSecurity { .. }
        | Write::PatchNode { .. }
        | Write::Guard(GuardWrite::Create(_) | GuardWrite::Delete(_)) => false,
    }
}

/// The cluster with those guards taken to be in force that are in place: objects do not show whether they are.
fn in_force(mut snapshot: Snapshot, now: Timestamp) -> Snapshot {
    let resolution = resolve(&snapshot);
    for (name, guarding) in guarding(&snapshot, &resolution, now) {
        if guarding.writes.is_empty() && matches!(guarding.due, Due::Protect(_)) {
            snapshot.in_force.insert(name, guarding.digest);
        }
    }
    snapshot
}

/// Takes the configurations of forwarders and the lists of images to be in place: they come before all that names them, and are not shown here.
fn configure(snapshot: &mut Snapshot, resolution: &Resolution) {
    let named =
        |(name, zone): (&str, &Zone)| Some((name.to_string(), Handover::Steady(Arc::clone(guards::forwarding(zone)?))));
    snapshot.cluster.configured = resolution.zones().filter_map(named).collect();
    snapshot.cluster.listed = resolution.zones().map(|(name, _)| name.to_string()).collect();
}

/// Puts the finalizer on zones that are to protect something. Returns true when there was one to put on.
pub(super) fn arm(snapshot: &mut Snapshot, resolution: &Resolution) -> bool {
    let mut armed = false;
    for record in &mut snapshot.zones {
        let zone = resolution.zone(record.name());
        let wanted = zone.is_some_and(|zone| arming(zone, record.is_armed()) == Arming::Arm);
        if let ZoneRecord::Readable(zone) = record
            && wanted
        {
            Arc::make_mut(zone).metadata.finalizers.get_or_insert_default().push(names::FINALIZER.to_string());
            armed = true;
        }
    }
    armed
}

/// Everything that is to be written now.
fn due(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> Vec<Write> {
    let is_due = |stance| Due::new(stance, resolution) != Due::NotNow;
    let mut writes = Vec::new();
    for (name, namespace) in &snapshot.namespaces {
        let stance = plan::namespace_stance(resolution, name);
        if is_due(stance) {
            let live = snapshot.policies.get(name).map(Vec::as_slice).unwrap_or_default();
            writes.extend(plan::plan_namespace(stance, namespace, live, resolution, &snapshot.cluster, now));
        }
    }
    for (name, node) in &snapshot.nodes {
        let stance = plan::node_stance(resolution, name);
        writes.extend(plan::plan_node(stance, node, resolution).filter(|_| is_due(stance)));
    }
    let guards = guarding(snapshot, resolution, now).into_values().filter(|guarding| guarding.due != Due::NotNow);
    writes.extend(guards.flat_map(|guarding| guarding.writes));
    writes
}

fn guarding(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> BTreeMap<String, Guarding> {
    let ranges = |node: &str| snapshot.nodes.get(node).map(|node| node_ranges(node)).unwrap_or_default();
    let plan = |(name, zone): (&str, &Zone)| {
        let live = snapshot.guards.iter().filter(|guard| guards::zones_of(guard).contains(name));
        let live: Vec<_> = live.map(Arc::clone).collect();
        let guarding = guards::plan(zone, &snapshot.cluster, ranges, &live, &mut Memo::default(), now);
        (name.to_string(), guarding)
    };
    resolution.zones().map(plan).collect()
}

/// What the API server makes of a write.
fn make(snapshot: &mut Snapshot, write: Write, now: Timestamp) {
    match write {
        Write::CreatePolicy(policy) => {
            let mut policy = *policy;
            own(&mut policy.metadata, names::MANAGER_NAMESPACES, &Value::Null, now);
            policy.metadata.creation_timestamp = Some(Time(now));
            let namespace = policy.metadata.namespace.clone().unwrap_or_default();
            snapshot.policies.entry(namespace).or_default().push(Arc::new(policy));
        }
        Write::ReplacePolicy { live, desired } => {
            let replaced = replaced(&live, *desired, now);
            if let Some(policy) = policies(snapshot, &live).iter_mut().find(|policy| is_it(policy, &live)) {
                *policy = Arc::new(replaced);
            }
        }
        Write::DeletePolicy(live) => delete(policies(snapshot, &live), &live, now),
        Write::LabelNamespace { namespace, zone, .. } => {
            edit_namespace(snapshot, &namespace, |namespace| {
                label(&mut namespace.metadata, names::MANAGER_NAMESPACES, names::ZONE_LABEL, Some(&zone), now);
            });
        }
        Write::UnlabelNamespace { namespace, .. } => {
            edit_namespace(snapshot, &namespace, |namespace| {
                label(&mut namespace.metadata, names::MANAGER_NAMESPACES, names::ZONE_LABEL, None, now);
            });
        }
        Write::SetPodSecurity { namespace, level, record, .. } => {
            edit_namespace(snapshot, &namespace, |namespace| {
                set(namespace.metadata.labels.get_or_insert_default(), names::POD_SECURITY, level);
                set(namespace.metadata.annotations.get_or_insert_default(), names::POD_SECURITY_BEFORE, record);
            });
        }
        Write::LabelNode { node, zone, .. } => {
            if let Some(node) = snapshot.nodes.get_mut(&node) {
                let node = Arc::make_mut(node);
                label(&mut node.metadata, names::MANAGER_NODES, names::NODE_LABEL, Some(&zone), now);
            }
        }
        Write::PatchNode { node, label: zone, taints, .. } => {
            if let Some(node) = snapshot.nodes.get_mut(&node) {
                let node = Arc::make_mut(node);
                label(&mut node.metadata, names::MANAGER_NODES, names::NODE_LABEL, zone.as_deref(), now);
                node.spec.get_or_insert_default().taints = (!taints.is_empty()).then_some(taints);
            }
        }
        Write::Guard(write) => make_guard(&mut snapshot.guards, write, now),
    }
}

fn make_guard(guards: &mut Vec<Arc<Guard>>, write: GuardWrite, now: Timestamp) {
    let is_it = |live: &Guard, other: &Guard| live.kind == other.kind && live.name() == other.name();
    let owned = |mut guard: Guard| {
        guard.metadata.managed_fields = None;
        own(&mut guard.metadata, names::MANAGER_GUARDS, &Value::Null, now);
        Arc::new(guard)
    };
    match write {
        GuardWrite::Create(guard) => guards.push(owned(*guard)),
        GuardWrite::Replace { live, desired } => {
            if let Some(guard) = guards.iter_mut().find(|guard| is_it(guard, &live)) {
                *guard = owned(guards::replacement(&desired, (*live).clone()));
            }
        }
        GuardWrite::Delete(live) => guards.retain(|guard| !is_it(guard, &live)),
    }
}

fn policies<'a>(snapshot: &'a mut Snapshot, live: &Policy) -> &'a mut Vec<Arc<Policy>> {
    snapshot.policies.entry(live.metadata.namespace.clone().unwrap_or_default()).or_default()
}

/// What carries a finalizer stays until somebody takes that away.
fn delete(policies: &mut Vec<Arc<Policy>>, live: &Policy, now: Timestamp) {
    policies.retain_mut(|policy| {
        let is_held = policy.metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty());
        if is_it(policy, live) && is_held {
            Arc::make_mut(policy).metadata.deletion_timestamp = Some(Time(now));
        }
        !is_it(policy, live) || is_held
    });
}

fn is_it(policy: &Policy, live: &Policy) -> bool {
    policy.metadata.name == live.metadata.name
}

/// A replacement takes every field over, and keeps what others put beside our labels.
fn replaced(live: &Policy, desired: Policy, now: Timestamp) -> Policy {
    let mut metadata = live.metadata.clone();
    let labels = metadata.labels.get_or_insert_default();
    labels.remove(names::FLOW_LABEL);
    labels.extend(desired.metadata.labels.unwrap_or_default());
    metadata.owner_references = None;
    metadata.managed_fields = None;
    own(&mut metadata, names::MANAGER_NAMESPACES, &Value::Null, now);
    Policy { metadata, spec: desired.spec }
}

fn edit_namespace(snapshot: &mut Snapshot, name: &str, edit: impl FnOnce(&mut Namespace)) {
    if let Some(namespace) = snapshot.namespaces.get_mut(name) {
        edit(Arc::make_mut(namespace));
    }
}

fn label(metadata: &mut ObjectMeta, manager: &str, key: &str, value: Option<&str>, now: Timestamp) {
    set(metadata.labels.get_or_insert_default(), key, value.map(str::to_string));
    own(metadata, manager, &value.map_or(Value::Null, |value| json!({ key: value })), now);
}

fn set(map: &mut BTreeMap<String, String>, key: &str, value: Option<String>) {
    match value {
        Some(value) => map.insert(key.to_string(), value),
        None => map.remove(key),
    };
}

/// Notes that we wrote, and these labels among the rest.
fn own(metadata: &mut ObjectMeta, manager: &str, labels: &Value, now: Timestamp) {
    let entries = metadata.managed_fields.get_or_insert_default();
    entries.retain(|entry| entry.manager.as_deref() != Some(manager));
    let record = ownership::record(manager, "v1", labels, &Value::Null);
    entries.push(ManagedFieldsEntry { time: Some(Time(now)), ..record });
}
