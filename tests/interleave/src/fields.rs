//! Managed fields, as far as the operator reads them: who owns which label, and who wrote into the spec.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value};

const UPDATE: &str = "Update";
const APPLY: &str = "Apply";

/// Notes an ordinary write: whoever changes a label owns it, and nobody else does any more.
pub fn update(before: &ObjectMeta, after: &mut ObjectMeta, manager: &str, spec: bool) {
    let mut entries = after.managed_fields.take().unwrap_or_default();
    let (old, new) = (before.labels.iter().flatten(), after.labels.iter().flatten());
    let gone = old.filter(|(key, _)| label(after, key).is_none()).map(|(key, _)| key);
    let changed: Vec<&String> =
        new.filter(|(key, value)| label(before, key) != Some(value)).map(|(key, _)| key).collect();
    for key in gone.chain(changed.iter().copied()) {
        disown(&mut entries, key);
    }
    for key in changed {
        own(&mut entries, manager, UPDATE, key);
    }
    if spec {
        entry(&mut entries, manager, UPDATE).insert("f:spec".to_string(), Value::Object(Map::new()));
    }
    entries.retain(|entry| !is_empty(entry));
    after.managed_fields = Some(entries);
}

/// Notes a server-side apply of a label by force: it makes an owner also where it changes nothing.
pub fn apply(before: &ObjectMeta, after: &mut ObjectMeta, manager: &str, key: &str) {
    let mut entries = after.managed_fields.take().unwrap_or_default();
    if label(before, key) != label(after, key) {
        disown(&mut entries, key);
    }
    own(&mut entries, manager, APPLY, key);
    entries.retain(|entry| !is_empty(entry));
    after.managed_fields = Some(entries);
}

fn label<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a String> {
    metadata.labels.as_ref()?.get(key)
}

fn fields(entry: &mut ManagedFieldsEntry) -> Option<&mut Map<String, Value>> {
    entry.fields_v1.as_mut()?.0.as_object_mut()
}

fn labels(fields: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    fields.get_mut("f:metadata")?.get_mut("f:labels")?.as_object_mut()
}

fn disown(entries: &mut [ManagedFieldsEntry], key: &str) {
    let field = format!("f:{key}");
    for fields in entries.iter_mut().filter_map(fields) {
        if labels(fields).is_some_and(|labels| labels.remove(&field).is_some() && labels.is_empty()) {
            fields.remove("f:metadata");
        }
    }
}

fn own(entries: &mut Vec<ManagedFieldsEntry>, manager: &str, operation: &str, key: &str) {
    let fields = entry(entries, manager, operation);
    let metadata = fields.entry("f:metadata").or_insert_with(|| Value::Object(Map::new()));
    metadata["f:labels"][format!("f:{key}")] = Value::Object(Map::new());
}

fn entry<'a>(entries: &'a mut Vec<ManagedFieldsEntry>, manager: &str, operation: &str) -> &'a mut Map<String, Value> {
    let is_it = |entry: &ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some(operation)
    };
    let index = entries.iter().position(is_it).unwrap_or_else(|| {
        entries.push(ManagedFieldsEntry {
            manager: Some(manager.to_string()),
            operation: Some(operation.to_string()),
            fields_v1: Some(FieldsV1(Value::Object(Map::new()))),
            ..ManagedFieldsEntry::default()
        });
        entries.len() - 1
    });
    fields(&mut entries[index]).expect("fields are a map")
}

fn is_empty(entry: &ManagedFieldsEntry) -> bool {
    entry.fields_v1.as_ref().and_then(|fields| fields.0.as_object()).is_none_or(Map::is_empty)
}
