//! What of an object a write changes, before and after; and the objects to apply.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Namespace, Node},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Step;
use crate::{
    api::names,
    engine::{
        desired::{
            admission::{Guard, Kind},
            policies,
        },
        guards::{self, GuardWrite},
        plan::Write,
        snapshot::Snapshot,
    },
};

/// What others keep about an object, or the API server does.
const METADATA: [&str; 4] = ["name", "namespace", "labels", "ownerReferences"];

/// What of an object a write changes: as it is, and as it would be. Null where there is no such object.
pub(super) fn sides(write: &Write, snapshot: &Snapshot) -> (Value, Value) {
    match write {
        Write::CreatePolicy(policy) => (Value::Null, bare(policy)),
        Write::ReplacePolicy { live, desired } => {
            (bare(live.as_ref()), bare(policies::replacement(desired, live.as_ref().clone())))
        }
        Write::DeletePolicy(live) => (bare(live.as_ref()), Value::Null),
        Write::LabelNamespace { namespace, zone, .. } => {
            let side = |value| labels_of("Namespace", namespace, &[(names::ZONE_LABEL, value)]);
            (side(namespace_label(snapshot, namespace, names::ZONE_LABEL)), side(Some(zone)))
        }
        Write::UnlabelNamespace { namespace, zone, .. } => {
            let side = |value| labels_of("Namespace", namespace, &[(names::ZONE_LABEL, value)]);
            (side(Some(zone)), side(None))
        }
        Write::SetPodSecurity { namespace, level, record, .. } => {
            let side = |level, record| {
                let mut object = labels_of("Namespace", namespace, &[(names::POD_SECURITY, level)]);
                if let Some(record) = record {
                    put(&mut object, "annotations", json!({ names::POD_SECURITY_BEFORE: record }));
                }
                object
            };
            let before =
                namespace_of(snapshot, namespace).and_then(|namespace| namespace.metadata.annotations.as_ref());
            let before = before.and_then(|annotations| annotations.get(names::POD_SECURITY_BEFORE));
            let live = namespace_label(snapshot, namespace, names::POD_SECURITY);
            (side(live, before), side(level.as_ref(), record.as_ref()))
        }
        Write::LabelNode { node, zone, .. } => {
            let side = labels_of("Node", node, &[(names::NODE_LABEL, Some(zone))]);
            (side.clone(), side)
        }
        Write::PatchNode { node, label, taints, .. } => {
            let side = |label, taints: Value| {
                let mut object = labels_of("Node", node, &[(names::NODE_LABEL, label)]);
                if let Some(object) = object.as_object_mut() {
                    object.insert("spec".to_string(), json!({ "taints": taints }));
                }
                object
            };
            let live = node_of(snapshot, node);
            let before = live.and_then(|node| node.spec.as_ref()?.taints.clone()).unwrap_or_default();
            let live = live.and_then(|node| label_of(&node.metadata, names::NODE_LABEL));
            (side(live, json!(before)), side(label.as_ref(), json!(taints)))
        }
        Write::Guard(GuardWrite::Create(guard)) => (Value::Null, guard_object(guard)),
        Write::Guard(GuardWrite::Replace { live, desired }) => {
            (guard_object(live), guard_object(&guards::replacement(desired, live.as_ref().clone())))
        }
        Write::Guard(GuardWrite::Delete(live)) => (guard_object(live), Value::Null),
    }
}

/// The write can be said by an object that is applied: nothing has to go.
pub(super) fn applies(write: &Write) -> bool {
    match write {
        Write::CreatePolicy(_)
        | Write::ReplacePolicy { .. }
        | Write::LabelNamespace { .. }
        | Write::LabelNode { .. }
        | Write::PatchNode { label: Some(_), .. }
        | Write::SetPodSecurity { level: Some(_), record: Some(_), .. }
        | Write::Guard(GuardWrite::Create(_) | GuardWrite::Replace { .. }) => true,
        Write::DeletePolicy(_)
        | Write::UnlabelNamespace { .. }
        | Write::PatchNode { label: None, .. }
        | Write::SetPodSecurity { .. }
        | Write::Guard(GuardWrite::Delete(_)) => false,
    }
}

/// The objects to apply, each once, in the order of its last write: to apply a part of one takes away the others.
pub fn manifests<'a>(steps: impl Iterator<Item = &'a Step>) -> Vec<Value> {
    let mut objects: BTreeMap<&str, (usize, Value)> = BTreeMap::new();
    for (number, step) in steps.enumerate().filter(|(_, step)| step.applies) {
        let (last, object) = objects.entry(&step.object).or_default();
        *last = number;
        let after = step.after.clone();
        // What a policy was before is nothing beside what it is to be; labels come together.
        if object.is_null() || after.get("spec").is_some() {
            *object = after;
        } else {
            json_patch::merge(object, &after);
        }
    }
    let mut objects: Vec<_> = objects.into_values().collect();
    objects.sort_by_key(|(last, _)| *last);
    objects.into_iter().map(|(_, object)| object).collect()
}

/// What cannot be applied, because something has to go.
pub fn by_hand<'a>(steps: impl Iterator<Item = &'a Step>) -> impl Iterator<Item = String> {
    steps.filter(|step| !step.applies).map(|step| format!("{} {}", step.verb, step.object))
}

fn bare(object: impl Serialize) -> Value {
    let mut object = json!(object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, value| METADATA.contains(&key.as_str()) && !value.is_null());
    }
    object
}

fn guard_object(guard: &Guard) -> Value {
    let Guard { kind, metadata, spec, probe: _ } = guard;
    let api_version = format!("{}/{}", Kind::GROUP, Kind::VERSION);
    bare(json!({ "apiVersion": api_version, "kind": kind.as_str(), "metadata": metadata, "spec": spec }))
}

/// Of a namespace or node only these labels, where they have a value.
fn labels_of(kind: &str, name: &str, labels: &[(&str, Option<&String>)]) -> Value {
    let there = labels.iter().filter_map(|(key, value)| Some(((*key).to_string(), json!(value.as_ref()?))));
    let labels: Map<String, Value> = there.collect();
    let mut object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
    if !labels.is_empty() {
        put(&mut object, "labels", Value::Object(labels));
    }
    object
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert(key.to_string(), value);
    }
}

fn namespace_of<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Namespace> {
    snapshot.namespaces.get(name).map(AsRef::as_ref)
}

fn node_of<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Node> {
    snapshot.nodes.get(name).map(AsRef::as_ref)
}

fn namespace_label<'a>(snapshot: &'a Snapshot, name: &str, key: &str) -> Option<&'a String> {
    namespace_of(snapshot, name).and_then(|namespace| label_of(&namespace.metadata, key))
}

fn label_of<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a String> {
    metadata.labels.as_ref()?.get(key)
}
