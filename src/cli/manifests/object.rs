//! Objects out of a document, one by one as it is read: the document itself, or the entries of a list.
//!
//! Of a kind that does not decide nothing is kept. Kind and version mostly come first, so mostly it is known before
//! anything else is read.

use std::{cell::Cell, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::value::{Bounded, insert};
use crate::engine::intake::Kind;

/// The most nodes that one object may have: more than fits into etcd, and few enough to be held.
pub(super) const NODES: usize = 400_000;

/// The most nodes of entries that wait for their list to say what they are.
const WAITING: usize = 4 * NODES;

/// The most lists within lists.
const LISTS: usize = 8;

/// An object as it was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Its `apiVersion`; empty where it has none.
    pub(super) api_version: String,
    /// Its `kind`; empty where it has none.
    pub(super) kind: String,
    /// The line of the document that it begins in, where that is known.
    pub(super) line: Option<u64>,
    /// Its number in the list that it stands in.
    pub(super) item: Option<usize>,
    /// Everything in it; nothing where its kind does not decide.
    pub(super) content: Map<String, Value>,
    /// How many nodes that is.
    pub(super) nodes: usize,
}

impl Read {
    /// API group; empty for the first one.
    pub(super) fn group(&self) -> &str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// The version in its group.
    pub(super) fn version(&self) -> &str {
        self.api_version.rsplit_once('/').map_or(&self.api_version, |(_, version)| version)
    }

    fn has_type(&self) -> bool {
        !self.kind.is_empty() && !self.api_version.is_empty()
    }

    /// Its kind is known, and it is a list.
    fn is_list(&self) -> bool {
        self.kind.ends_with("List")
    }

    /// Its kind is known, and it does not decide. What only has another group than ours is told apart later.
    fn is_idle(&self) -> bool {
        self.has_type() && !Kind::ALL.iter().any(|kind| kind.as_str() == self.kind)
    }
}

/// Reads a document; every object in it is given to `each`.
pub(super) struct Objects<'a> {
    each: &'a mut dyn FnMut(Read),
    item: Option<usize>,
    lists: usize,
    /// What it is where it does not say that: an entry of a list of one kind.
    otherwise: Option<(&'a str, &'a str)>,
}

impl<'a> Objects<'a> {
    pub(super) fn new(each: &'a mut dyn FnMut(Read)) -> Self {
        Objects { each, item: None, lists: 0, otherwise: None }
    }
}

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    /// A document without anything in it.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.item {
            None => Ok(()),
            Some(item) => Err(E::custom(format_args!("items[{item}] is null and no Kubernetes object"))),
        }
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let what = "a list is no Kubernetes object; give the objects one by one, or as items of a kind: List";
        Err(A::Error::custom(what))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        scalar()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        scalar()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        scalar()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        scalar()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        scalar()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let left = Cell::new(NODES);
        let mut read = Read { item: self.item, ..Read::default() };
        if let Some((api_version, kind)) = self.otherwise {
            adopt(&mut read, api_version, kind);
        }
        let mut waiting = Waiting::default();
        let mut items = None;
        while let Some(key) = fields.next_key::<String>()? {
            match key.as_str() {
                "apiVersion" | "kind" => {
                    let Spanned { value, referenced, .. } = fields.next_value::<Spanned<Text>>()?;
                    let line = (referenced != Location::UNKNOWN).then(|| referenced.line());
                    read.line = read.line.into_iter().chain(line).min();
                    let Text(Some(text)) = value else {
                        return Err(A::Error::custom(format_args!("{key} is no text")));
                    };
                    if self.otherwise.is_some() {
                        read.content.remove(&key);
                    }
                    insert(&mut read.content, key.clone(), Value::String(text.clone()))?;
                    if key == "kind" { read.kind = text } else { read.api_version = text }
                }
                "items" if read.is_list() || read.kind.is_empty() => {
                    if items.is_some() {
                        return Err(A::Error::custom("\"items\" is there twice"));
                    }
                    let each = &mut *self.each;
                    let seed = Items { each, list: &read, waiting: &mut waiting, lists: self.lists + 1 };
                    items = Some(fields.next_value_seed(seed)?);
                }
                _ if read.is_idle() => drop(fields.next_value_seed(Bounded { left: &left, keep: false })?),
                _ => insert(&mut read.content, key, fields.next_value_seed(Bounded { left: &left, keep: true })?)?,
            }
        }
        read.nodes = NODES.saturating_sub(left.get());
        if read.is_list() && read.has_type() {
            for mut item in waiting.objects {
                adopt_from(&mut item, &read);
                (self.each)(item);
            }
            return Ok(());
        }
        if items.is_some_and(|items| items > 0) {
            let what = "it has items and is no list: a kind that is one ends with List";
            return Err(A::Error::custom(what));
        }
        if read.is_idle() {
            read.content.clear();
        }
        (self.each)(read);
        Ok(())
    }
}

fn scalar<E: Error>() -> Result<(), E> {
    Err(E::custom("a single value is no Kubernetes object"))
}

/// Entries that do not say what they are, of a list that has not said it yet either.
#[derive(Default)]
struct Waiting {
    objects: Vec<Read>,
    nodes: usize,
}

/// The entries of a list. The value is how many there are.
struct Items<'a> {
    each: &'a mut dyn FnMut(Read),
    list: &'a Read,
    waiting: &'a mut Waiting,
    lists: usize,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of Kubernetes objects")
    }

    fn visit_unit<E: Error>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_none<E: Error>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
        if self.lists > LISTS {
            return Err(A::Error::custom(format_args!("more than {LISTS} lists within lists")));
        }
        let of = self.list.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        let otherwise = of.filter(|_| self.list.has_type()).map(|kind| (self.list.api_version.as_str(), kind));
        let mut number = 0;
        loop {
            let mut take = |read: Read| {
                if read.kind.is_empty() && read.api_version.is_empty() && !self.list.has_type() {
                    self.waiting.nodes += read.nodes;
                    self.waiting.objects.push(read);
                } else {
                    (self.each)(read);
                }
            };
            let objects = Objects { each: &mut take, item: Some(number), lists: self.lists, otherwise };
            if list.next_element_seed(objects)?.is_none() {
                return Ok(number);
            }
            if self.waiting.nodes > WAITING {
                return Err(A::Error::custom("the list is too long to say what it is of only behind its items"));
            }
            number += 1;
        }
    }
}

/// In a list of one kind, such as an API server gives, the entries do not say what they are.
fn adopt_from(item: &mut Read, list: &Read) {
    if let Some(kind) = list.kind.strip_suffix("List").filter(|kind| !kind.is_empty()) {
        adopt(item, &list.api_version, kind);
    }
}

fn adopt(item: &mut Read, api_version: &str, kind: &str) {
    (item.kind, item.api_version) = (kind.to_string(), api_version.to_string());
    item.content.insert("kind".to_string(), Value::String(item.kind.clone()));
    item.content.insert("apiVersion".to_string(), Value::String(item.api_version.clone()));
}

/// A text; `None` for anything else.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Text, E> {
                Ok(Text(Some(value.to_string()).filter(|text| !text.is_empty())))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_unit<E: Error>(self) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_none<E: Error>(self) -> Result<Text, E> {
                Ok(Text(None))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}
