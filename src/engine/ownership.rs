//! Who wrote what: read from an object's managed fields.
//!
//! Field managers are names that clients give themselves. They tell honest mistakes apart from our own
//! writes; they do not stop somebody who lies, and nothing is opened on their word alone.

use k8s_openapi::{
    api::core::v1::Namespace,
    apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta},
    jiff::Timestamp,
};
use serde_json::{Map, Value, json};

use crate::api::{ConditionType, names};

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref().is_some_and(|manager| manager.starts_with(names::MANAGER_PREFIX))
}

/// The entry owns the field at this path, such as `["f:spec"]`. Also where only the [`digest`] of it is left.
fn owns(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    match entry.fields_v1.as_ref().map(|fields| &fields.0) {
        Some(Value::String(kept)) => *kept == path.join("/"),
        Some(tree) => path.iter().try_fold(tree, |tree, field| tree.get(field)).is_some(),
        None => false,
    }
}

/// True when one of our managers owns the label.
pub fn owns_label(metadata: &ObjectMeta, label: &str) -> bool {
    let field = format!("f:{label}");
    let path = ["f:metadata", "f:labels", &field];
    metadata.managed_fields.iter().flatten().any(|entry| is_ours(entry) && owns(entry, &path))
}

/// Leaves of the managed fields only what the functions on labels, specs and rivals read here: our latest entry and
/// the latest of others, each with the one field that decides in place of a tree of maps. `label` is the one that
/// [`owns_label`] will be asked for. What is left is not to be sent to the API server.
pub fn digest(metadata: &mut ObjectMeta, label: Option<&str>) {
    let owned = label.filter(|label| owns_label(metadata, label)).map(|label| format!("f:metadata/f:labels/f:{label}"));
    let shared = is_spec_shared(metadata).then(|| "f:spec".to_string());
    let mut entries = metadata.managed_fields.take().unwrap_or_default();
    entries.retain(|entry| entry.subresource.is_none());
    // The last of those that are equally late is the one that counts, here as there.
    let latest = |ours: bool| entries.iter().filter(|entry| is_ours(entry) == ours).max_by_key(|entry| time(entry));
    let brief = |entry: &ManagedFieldsEntry, field: Option<String>| ManagedFieldsEntry {
        manager: entry.manager.clone(),
        time: entry.time.clone(),
        fields_v1: field.map(|field| FieldsV1(Value::String(field))),
        ..ManagedFieldsEntry::default()
    };
    let ours = latest(true).map(|entry| brief(entry, owned));
    // A rival who wrote before us decides nothing any more.
    let others = latest(false).filter(|rival| latest(true).is_none_or(|ours| time(rival) >= time(ours)));
    let others = others.map(|entry| brief(entry, shared));
    let kept: Vec<_> = ours.into_iter().chain(others).collect();
    metadata.managed_fields = (!kept.is_empty()).then_some(kept);
}

fn time(entry: &ManagedFieldsEntry) -> Option<Timestamp> {
    entry.time.as_ref().map(|time| time.0)
}

/// True when one of our managers wrote the object or a part of it.
pub fn wrote(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(is_ours)
}

/// True when nothing tells who wrote the object, as in a dump without its managed fields. An API server always tells.
pub fn is_writer_unknown(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.as_ref().is_none_or(Vec::is_empty)
}

/// The record of our own writing labels and spec. An empty record stays empty for ever, and whoever comes next would stay
/// unnamed; so we begin a new one.
pub fn record(manager: &str, api_version: &str, labels: &Value, spec: &Value) -> ManagedFieldsEntry {
    let fields = |value: &Value| -> Map<String, Value> {
        value.as_object().into_iter().flatten().map(|(key, _)| (format!("f:{key}"), json!({}))).collect()
    };
    let (labels, spec) = (fields(labels), fields(spec));
    ManagedFieldsEntry {
        manager: Some(manager.to_string()),
        operation: Some("Update".to_string()),
        api_version: Some(api_version.to_string()),
        fields_type: Some("FieldsV1".to_string()),
        fields_v1: Some(FieldsV1(json!({ "f:metadata": { "f:labels": labels }, "f:spec": spec }))),
        ..ManagedFieldsEntry::default()
    }
}

/// True when a manager that is not ours owns a part of the spec. To be asked only where there is a [`last_rival`].
pub fn is_spec_shared(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| !is_ours(entry) && owns(entry, &["f:spec"]))
}

/// True when a manager that is not ours owns a part of a zone's status. Others may have conditions of their own.
pub fn is_status_shared(metadata: &ObjectMeta) -> bool {
    let is_foreign_condition = |field: &String| {
        let key = field.strip_prefix("k:").and_then(|key| serde_json::from_str::<Value>(key).ok());
        key.and_then(|key| Some(!ConditionType::is_ours(key.get("type")?.as_str()?))).unwrap_or_default()
    };
    let owns_ours = |(field, inner): (&String, &Value)| match field.as_str() {
        "." => false,
        "f:conditions" => {
            let mut conditions = inner.as_object().into_iter().flatten().map(|(field, _)| field);
            conditions.any(|field| field != "." && !is_foreign_condition(field))
        }
        _ => true,
    };
    metadata.managed_fields.iter().flatten().filter(|entry| !is_ours(entry)).any(|entry| {
        let status = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:status")?.as_object());
        entry.subresource.as_deref() == Some("status") && status.into_iter().flatten().any(owns_ours)
    })
}

/// The manager of the latest write that was not ours, unless we wrote later. Writes of status do not count.
pub fn last_rival(metadata: &ObjectMeta) -> Option<&str> {
    let entries = || metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    let rival = entries().filter(|entry| !is_ours(entry)).max_by_key(|entry| time(entry))?;
    let ours = entries().filter(|entry| is_ours(entry)).max_by_key(|entry| time(entry));
    // Times are whole seconds: in the same second the rival is the one who changed something.
    let later = ours.is_none_or(|ours| time(rival) >= time(ours));
    if later { rival.manager.as_deref() } else { None }
}

/// When the object itself was written last, as far as its managers tell; a status does not count.
pub fn last_write(metadata: &ObjectMeta) -> Option<Timestamp> {
    metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none()).filter_map(time).max()
}

/// The zone that a namespace says it belongs to.
pub fn zone_label(namespace: &Namespace) -> Option<&str> {
    label(&namespace.metadata, names::ZONE_LABEL)
}

/// Value of a label.
pub fn label<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// True when the object says that it is wholly ours.
pub fn is_managed(metadata: &ObjectMeta) -> bool {
    label(metadata, names::MANAGED_BY) == Some(names::MANAGED_BY_VALUE)
}

/// The zone of an object that is wholly ours.
pub fn managed_zone(metadata: &ObjectMeta) -> Option<&str> {
    is_managed(metadata).then(|| label(metadata, names::ZONE_LABEL)).flatten()
}
