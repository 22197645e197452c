//! The fields of a kind, as the API server itself describes them.

use std::collections::BTreeSet;

use serde_json::Value;

/// Every field below a schema: `spec`, `spec.ingress[].from`, and so on.
pub fn fields(document: &Value, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let schema = &document["components"]["schemas"][name];
    assert!(schema.is_object(), "there is no schema {name}");
    collect(document, schema, "", &mut found);
    found
}

/// Every field below a part of a schema.
pub fn collect(document: &Value, schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    let schema = resolved(document, schema);
    if let Some(items) = schema.get("items") {
        return collect(document, items, &format!("{at}[]"), found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let field = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        found.insert(field.clone());
        collect(document, property, &field, found);
    }
}

/// Follows `$ref`, also behind `allOf`, where defaults and descriptions stand beside it.
pub fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref")).and_then(Value::as_str);
    match reference {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere"),
        None => schema,
    }
}
