//! Whether a PciZone is as its definition demands. An API server checks the same before it takes one.

use std::{collections::BTreeSet, net::IpAddr, sync::OnceLock};

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;
use kube::core::{
    DynamicObject,
    cel::{ErrorKind, Validator},
};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::fault::{Field, Step};
use crate::{
    api::crd,
    engine::{intake::Kind, snapshot::ZoneRecord},
};

/// What an API server checks by itself in every object.
const COMMON: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Tells everything that an API server would refuse.
pub(super) fn check(zone: &DynamicObject, report: &mut dyn FnMut(&Field, String)) {
    let mut refused = Vec::new();
    let version = zone.types.as_ref().map(|types| types.api_version.as_str()).unwrap_or_default();
    // What other versions demand is not known here.
    if version == Kind::PciZone.api_version() {
        let mut content = json!(zone);
        // Nobody applies a status.
        content.as_object_mut().map(|content| content.remove("status"));
        let mut note = |field: &Field, message: String| refused.push((field.clone(), message));
        structure(schema(), &content, &Field::default(), &mut note);
        rules(&content, &mut note);
    }
    if refused.is_empty()
        && let ZoneRecord::Unreadable { error, .. } = ZoneRecord::read(zone.clone())
    {
        refused.push((Field::of("spec"), error));
    }
    for (field, message) in refused {
        report(&field, message);
    }
}

/// The schema of the definition that is shipped.
fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let version = crd().spec.versions.into_iter().next();
        let mut schema = json!(version.and_then(|version| version.schema?.open_api_v3_schema));
        respell(&mut schema);
        schema
    })
}

/// The library spells the field `namespace` in rules as API servers once did.
fn respell(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(rule)) = map.get_mut("rule")
                && let Ok(namespace) = Regex::new(r"\.namespace\b")
            {
                *rule = namespace.replace_all(rule, ".__namespace__").into_owned();
            }
            map.values_mut().for_each(respell);
        }
        Value::Array(list) => list.iter_mut().for_each(respell),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes out fields that are null, as an API server does.
pub(super) fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(prune);
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn structure(schema: &Value, value: &Value, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let wanted = schema["type"].as_str().unwrap_or_default();
    match (wanted, value) {
        ("object", Value::Object(map)) => object(schema, map, at, report),
        ("array", Value::Array(list)) => array(schema, list, at, report),
        ("string", Value::String(text)) => string(schema, text, at, report),
        ("integer" | "number", Value::Number(number)) => {
            let number = number.as_f64().unwrap_or_default();
            let below = schema["minimum"].as_f64().filter(|least| number < *least);
            let above = schema["maximum"].as_f64().filter(|most| number > *most);
            match (below, above) {
                (Some(least), _) => report(at, format!("{number} is less than {least}")),
                (_, Some(most)) => report(at, format!("{number} is more than {most}")),
                (None, None) if wanted == "integer" && number.fract() != 0.0 => {
                    report(at, format!("{number} is no whole number"));
                }
                (None, None) => {}
            }
        }
        ("boolean", Value::Bool(_)) | ("", _) => {}
        (_, _) => report(at, format!("it must be of type {wanted}")),
    }
}

fn object(schema: &Value, map: &Map<String, Value>, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let is_root = at.0.is_empty();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for key in required.filter(|key| !map.contains_key(*key)) {
        report(&at.key(key), "it is missing".to_string());
    }
    if let Some(most) = most(&schema["maxProperties"]).filter(|most| map.len() > *most) {
        report(at, format!("it has {} entries, and {most} are the most", map.len()));
    }
    let others = &schema["additionalProperties"];
    for (key, value) in map.iter().filter(|(key, _)| !is_root || !COMMON.contains(&key.as_str())) {
        let at = at.key(key);
        match schema["properties"].get(key) {
            Some(schema) => structure(schema, value, &at, report),
            None if others.is_object() => structure(others, value, &at, report),
            None => report(&at, "there is no such field".to_string()),
        }
    }
}

fn array(schema: &Value, list: &[Value], at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let count = list.len();
    if let Some(least) = most(&schema["minItems"]).filter(|least| count < *least) {
        report(at, format!("it has {count} entries, and needs {least}"));
    }
    if let Some(most) = most(&schema["maxItems"]).filter(|most| count > *most) {
        report(at, format!("it has {count} entries, and {most} are the most"));
    }
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    let identity = |value: &Value| match (schema["x-kubernetes-list-type"].as_str(), keys) {
        (Some("set"), _) => Some(value.to_string()),
        (Some("map"), Some(keys)) => Some(
            keys.iter().map(|key| value[key.as_str().unwrap_or_default()].to_string()).collect::<Vec<_>>().join(" "),
        ),
        (_, _) => None,
    };
    let mut seen = BTreeSet::new();
    for (number, value) in list.iter().enumerate() {
        let at = at.index(number);
        structure(&schema["items"], value, &at, report);
        if let Some(identity) = identity(value)
            && !seen.insert(identity.clone())
        {
            report(&at, format!("{identity} is there twice"));
        }
    }
}

fn string(schema: &Value, text: &str, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.iter().any(|one| one == text)
    {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        return report(at, format!("{text:?} is none of {}", allowed.join(", ")));
    }
    let length = text.chars().count();
    if let Some(least) = most(&schema["minLength"]).filter(|least| length < *least) {
        report(at, format!("it has {length} characters, and needs {least}"));
    } else if let Some(most) = most(&schema["maxLength"]).filter(|most| length > *most) {
        report(at, format!("it has {length} characters, and {most} are the most"));
    } else if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        report(at, format!("{text:?} does not match {pattern}"));
    } else if schema["format"] == "date-time" && (text.parse::<Timestamp>().is_err() || text.contains(":60")) {
        report(at, format!("{text:?} is no moment"));
    }
}

fn most(bound: &Value) -> Option<usize> {
    bound.as_u64().and_then(|bound| usize::try_from(bound).ok())
}

/// The rules in CEL. One that cannot be judged here is left to the API server.
fn rules(content: &Value, report: &mut dyn FnMut(&Field, String)) {
    networks(content, &Field::default(), report);
    let Err(errors) = Validator::new().validate(schema(), content, None) else { return };
    for error in errors.into_vec().into_iter().filter(|error| error.kind == ErrorKind::ValidationFailure) {
        report(&field(&error.field_path), error.message);
    }
}

/// Addresses with zeros in front, which the library reads and an API server does not.
fn networks(value: &Value, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let at = at.key(key);
                for (number, cidr) in value.as_array().filter(|_| key == "cidrs").into_iter().flatten().enumerate() {
                    let address = cidr.as_str().and_then(|cidr| cidr.split('/').next()).unwrap_or_default();
                    if cidr.as_str().is_some_and(|cidr| cidr.parse::<IpNet>().is_ok())
                        && address.parse::<IpAddr>().is_err()
                    {
                        report(&at.index(number), format!("{address:?} is no address: no number in it begins with 0"));
                    }
                }
                networks(value, &at, report);
            }
        }
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                networks(value, &at.index(number), report);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A way as it is written: `spec.flows[0].from`.
fn field(path: &str) -> Field {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    Field(steps.map(|step| step.parse().map_or_else(|_| Step::Key(step.to_string()), Step::Index)).collect())
}
