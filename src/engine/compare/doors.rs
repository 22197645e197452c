//! Ways in that no NetworkPolicy governs, and that are there on one side only. A pod's own node is always one, and says nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Side, twins::Twins};
use crate::engine::reach::{
    Reach,
    doors::{Door, Kind, Services, doors},
    words::{few, ports},
};

/// A way in that opens or closes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoorMove {
    /// The object that makes it.
    pub by: String,
    /// The way in, in words.
    pub door: String,
    /// The pods behind it, by namespace and name.
    pub pods: Vec<String>,
    /// Their ports that it leads to, in words.
    pub ports: String,
    /// All of it in a sentence.
    pub words: String,
}

/// What is new, and what is gone.
pub(super) fn compare(
    twins: &Twins,
    before: &Side,
    after: &Side,
    is_meant: &dyn Fn(&str) -> bool,
) -> (Vec<DoorMove>, Vec<DoorMove>) {
    let (was, is) = (all(before, &twins.before, is_meant), all(after, &twins.after, is_meant));
    let only = |some: &BTreeSet<Key>, others: &BTreeSet<Key>, verb: &str| {
        some.difference(others).map(|key| said(key, verb)).collect()
    };
    (only(&is, &was, "opens"), only(&was, &is, "closes"))
}

type Key = (String, String, Vec<String>, String);

fn all(side: &Side, reach: &Reach, is_meant: &dyn Fn(&str) -> bool) -> BTreeSet<Key> {
    let services = Services::new(side.snapshot);
    let all = doors(side.snapshot, reach, &services, is_meant);
    let outer = all.iter().filter(|door| !matches!(door.kind, Kind::OwnNode { .. }));
    // One for each object: the classes of its pods say nothing here.
    let mut merged: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
    for door in outer {
        let on = ports(&door.ports);
        merged.entry((door.by(), door.words(), on)).or_default().extend(keys(door));
    }
    let key = |((by, door, on), mut pods): ((String, String, String), Vec<String>)| {
        pods.sort();
        pods.dedup();
        (by, door, pods, on)
    };
    merged.into_iter().map(key).collect()
}

fn keys<'d>(door: &'d Door) -> impl Iterator<Item = String> + 'd {
    door.to.iter().map(|pod| pod.key.to_string())
}

fn said((by, door, pods, on): &Key, verb: &str) -> DoorMove {
    let words = format!("{verb} a door to pods {} on {on}: {door} ({by})", few(pods));
    DoorMove { by: by.clone(), door: door.clone(), pods: pods.clone(), ports: on.clone(), words }
}
