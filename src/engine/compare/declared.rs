//! What zones declare otherwise: their mode, their members, their flows, and every other field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::Side;
use crate::{
    api::{Flow, Mode, PciZone},
    engine::{change::count, reach::words::few, snapshot::ZoneRecord},
};

/// The longest that a value is shown.
const LONGEST: usize = 60;
/// Fields of a zone that are told one by one.
const FIELDS: usize = 20;

/// Nothing looks there any more.
const GONE: &str = "the zone is gone";
const UNREADABLE: &str = "the zone cannot be read";
/// What a cluster does with what opens.
const CONFIRMED: &str = "; in a cluster that takes effect only once somebody confirms it";

/// A change of what a zone declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// The zone.
    pub zone: String,
    /// What differs, in a sentence.
    pub words: String,
    /// Something is not protected or not judged any more.
    pub weakens: bool,
}

/// Zone by zone.
/// `unjudged`: how much was found in zones that are gone.
pub(super) fn compare(before: &Side, after: &Side, unjudged: &BTreeMap<String, usize>) -> Vec<Declared> {
    let (was, is) = (zones(before), zones(after));
    let names: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
    let mut all = Vec::new();
    for name in names {
        let mut say = |words: String| {
            let weakens = words.ends_with(CONFIRMED) || words.starts_with(GONE) || words.starts_with(UNREADABLE);
            all.push(Declared { zone: name.to_string(), words, weakens });
        };
        if let Some(None) = is.get(name) {
            say(format!("{UNREADABLE}, so nothing of it is judged"));
        }
        match (was.get(name), is.get(name)) {
            (None, Some(_)) => say("the zone is new".to_string()),
            (Some(_), None) => {
                let found = unjudged.get(name).copied().unwrap_or_default();
                say(format!(
                    "{GONE}, and what it protected with it; {} in it are judged no longer",
                    count(found, "finding")
                ));
            }
            (Some(Some(was)), Some(Some(is))) => zone(was, is, &mut say),
            _ => {}
        }
        members(name, before, after, &mut say);
    }
    all
}

fn zones<'s>(side: &'s Side) -> BTreeMap<&'s str, Option<&'s PciZone>> {
    let zone = |record: &'s ZoneRecord| match record {
        ZoneRecord::Readable(zone) => (record.name(), Some(&**zone)),
        ZoneRecord::Unreadable { .. } => (record.name(), None),
    };
    side.snapshot.zones.iter().map(zone).collect()
}

/// Namespaces and nodes that a zone gains or loses.
fn members(zone: &str, before: &Side, after: &Side, say: &mut impl FnMut(String)) {
    let of = |side: &Side| {
        let zone = side.resolution.zone(zone);
        let none = BTreeSet::new;
        zone.map_or_else(|| (none(), none()), |zone| (zone.namespaces.declared.clone(), zone.nodes.declared.clone()))
    };
    let enforces = |side: &Side| side.resolution.zone(zone).is_some_and(|zone| !zone.only_observes());
    let ((namespaces_were, nodes_were), (namespaces, nodes)) = (of(before), of(after));
    for (kind, was, is) in [("namespace", &namespaces_were, &namespaces), ("node", &nodes_were, &nodes)] {
        for (one_does, many_do, some, others) in [("enters", "enter", is, was), ("leaves", "leave", was, is)] {
            let confirmed = if one_does == "leaves" && enforces(before) { CONFIRMED } else { "" };
            let moved: Vec<String> = some.difference(others).cloned().collect();
            match moved.as_slice() {
                [] => {}
                [one] => say(format!("{kind} {one} {one_does} the zone{confirmed}")),
                many => say(format!("{kind}s {} {many_do} the zone{confirmed}", few(many))),
            }
        }
    }
}

fn zone(was: &PciZone, is: &PciZone, say: &mut impl FnMut(String)) {
    if was.spec.mode != is.spec.mode {
        let weakens = was.spec.mode == Mode::Enforce;
        let confirmed = if weakens { CONFIRMED } else { "" };
        say(format!("its mode changes from {:?} to {:?}{confirmed}", was.spec.mode, is.spec.mode));
    }
    flows(was, is, say);
    let rest = |zone: &PciZone| {
        let mut spec = serde_json::to_value(&zone.spec).unwrap_or_default();
        if let Value::Object(spec) = &mut spec {
            spec.remove("mode");
            if let Some(Value::Object(segmentation)) = spec.get_mut("segmentation") {
                segmentation.remove("flows");
            }
        }
        spec
    };
    let mut fields = Vec::new();
    differ("spec", &rest(was), &rest(is), &mut fields);
    let more = fields.len().saturating_sub(FIELDS);
    fields.into_iter().take(FIELDS).for_each(&mut *say);
    if more > 0 {
        say(format!("and {more} more of its fields differ"));
    }
}

fn flows(was: &PciZone, is: &PciZone, say: &mut impl FnMut(String)) {
    let by_name = |zone: &PciZone| -> BTreeMap<String, Flow> {
        zone.spec.segmentation.flows.iter().map(|flow| (flow.name.clone(), flow.clone())).collect()
    };
    let (were, are) = (by_name(was), by_name(is));
    let names: BTreeSet<&String> = were.keys().chain(are.keys()).collect();
    for name in names {
        match (were.get(name), are.get(name)) {
            (None, Some(flow)) => say(format!(
                "flow {name} is new; need: {} (owner {}, approved by {}, ticket {}, until {})",
                flow.need, flow.owner, flow.approved_by, flow.ticket, flow.expires_at.0
            )),
            (Some(_), None) => say(format!("flow {name} is gone")),
            (Some(one), Some(other)) => {
                let json = |flow: &Flow| serde_json::to_value(flow).unwrap_or_default();
                let mut fields = Vec::new();
                differ("", &json(one), &json(other), &mut fields);
                fields.into_iter().take(FIELDS).for_each(|field| say(format!("flow {name}: {field}")));
            }
            (None, None) => {}
        }
    }
}

/// Fields that differ, each in words.
fn differ(path: &str, was: &Value, is: &Value, fields: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differ(&path, was.get(key).unwrap_or(&Value::Null), is.get(key).unwrap_or(&Value::Null), fields);
            }
        }
        (was, is) if was == is => {}
        (Value::Null, is) => fields.push(format!("{path} is now {}", short(is))),
        (was, Value::Null) => fields.push(format!("{path} is gone, it was {}", short(was))),
        (Value::Array(was), Value::Array(is)) => {
            let only = |some: &[Value], others: &[Value]| -> Vec<String> {
                some.iter().filter(|one| !others.contains(one)).map(short).collect()
            };
            let (gone, new) = (only(was, is), only(is, was));
            let said = |verb: &str, some: &[String]| (!some.is_empty()).then(|| format!("{verb} {}", few(some)));
            let parts: Vec<String> = [said("gains", &new), said("loses", &gone)].into_iter().flatten().collect();
            let parts = if parts.is_empty() { "has another order".to_string() } else { parts.join(" and ") };
            fields.push(format!("{path} {parts}"));
        }
        (was, is) => {
            let (one, other) = (short(was), short(is));
            let same = if one == other { ", behind what is shown" } else { "" };
            fields.push(format!("{path} changes from {one} to {other}{same}"));
        }
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    format!("{}…", text.chars().take(LONGEST).collect::<String>())
}
