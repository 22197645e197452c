//! An object out of its content, and what of the content has no place in it.

use serde_ignored::Path;
use serde_json::{Error, Map, Value};

use super::{SHOWN, fault::Field};
use crate::engine::intake::{Kind, Object};

/// Fields that decide nothing here.
const IDLE: [&str; 2] = ["metadata", "status"];

/// Reads an object. Fields that its kind does not have go to `unknown`, but for those of metadata and status.
pub(super) fn read(kind: Kind, content: &Value, unknown: &mut Vec<Field>) -> Result<Object, Error> {
    let result = with_unknown(kind, content, unknown);
    if result.is_ok() {
        return result;
    }
    // An entry that is null is one that says nothing, as API servers read it.
    let mut filled = content.clone();
    if !fill(&mut filled) {
        return result;
    }
    unknown.clear();
    with_unknown(kind, &filled, unknown)
}

fn with_unknown(kind: Kind, content: &Value, unknown: &mut Vec<Field>) -> Result<Object, Error> {
    let mut note = |path: Path| {
        if !is_idle(&path) {
            // Beyond what is shown they are only counted: there may be very many.
            let is_shown = unknown.len() < SHOWN;
            unknown.push(if is_shown { field(&path) } else { Field::default() });
        }
    };
    kind.read(serde_ignored::Deserializer::new(content, &mut note))
}

/// Puts empty maps in the place of entries of lists that are null; true where there was one.
fn fill(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => map.values_mut().fold(false, |any, value| fill(value) | any),
        Value::Array(list) => list.iter_mut().fold(false, |any, value| {
            let is_null = value.is_null();
            if is_null {
                *value = Value::Object(Map::new());
            }
            is_null | fill(value) | any
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_idle(path: &Path) -> bool {
    match path {
        Path::Root => false,
        Path::Map { parent: Path::Root, key } => IDLE.contains(&key.as_str()),
        Path::Seq { parent, .. }
        | Path::Map { parent, .. }
        | Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => is_idle(parent),
    }
}

fn field(path: &Path) -> Field {
    match path {
        Path::Root => Field::default(),
        Path::Seq { parent, index } => field(parent).index(*index),
        Path::Map { parent, key } => field(parent).key(key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => field(parent),
    }
}
