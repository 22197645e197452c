//! A value of which no more is read than an object may hold, and no key with two values where it is kept.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Bytes of text that count like a node.
const NODE: usize = 16;

/// Reads a value, and counts its nodes down.
#[derive(Clone, Copy)]
pub(super) struct Bounded<'a> {
    /// Nodes that may still come.
    pub(super) left: &'a Cell<usize>,
    /// The value is kept; otherwise it is only passed over.
    pub(super) keep: bool,
}

impl Bounded<'_> {
    fn count<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(1 + bytes / NODE).ok_or_else(|| E::custom("the object is too large"))?;
        self.left.set(left);
        Ok(())
    }

    fn scalar<E: Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        self.count(0)?;
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that is none cannot be stored"))?;
        self.scalar(number)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.count(value.len())?;
        Ok(if self.keep { Value::String(value.to_string()) } else { Value::Null })
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.count(value.len())?;
        Ok(Value::String(value))
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.count(0)?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            if self.keep {
                values.push(value);
            }
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.count(0)?;
        let mut map = Map::new();
        if !self.keep {
            while entries.next_key::<IgnoredAny>()?.is_some() {
                entries.next_value_seed(self)?;
            }
            return Ok(Value::Null);
        }
        while let Some(key) = entries.next_key::<String>()? {
            self.count(key.len())?;
            insert(&mut map, key, entries.next_value_seed(self)?)?;
        }
        Ok(Value::Object(map))
    }
}

/// Which of two values of one key counts is a guess that nobody should have to make: kubectl and Helm take the last, others
/// refuse both. The same value twice, as charts write it that merge labels, leaves nothing to guess.
pub(super) fn insert<E: Error>(map: &mut Map<String, Value>, key: String, value: Value) -> Result<(), E> {
    if map.get(&key).is_some_and(|before| *before != value) {
        return Err(E::custom(format_args!("{key:?} is there twice, with different values")));
    }
    map.insert(key, value);
    Ok(())
}
