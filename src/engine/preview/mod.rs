//! What Enforce would write, and what it would cut off: every zone taken to enforce, before anything of it is carried out.
//!
//! ```text
//!  Snapshot ─┬──────────────────────────────────▶ reach now ──┐
//!            └─ every zone to Enforce ─▶ settle ─┬▶ reach then ┴─▶ what is cut off
//!                                                └▶ writes, in order
//! ```
//! The writes are those that the operator makes, from the same functions; `status.plan` counts them by the same acts and
//! names them in the same words.

mod cut;
mod objects;
mod why;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

pub use cut::Cut;
pub use objects::{by_hand, manifests};

use super::{
    change,
    guards::zones_of,
    plan::{Act, Write},
    resolve,
    resolve::{Resolution, Zone},
    settled,
    snapshot::{Snapshot, ZoneRecord},
};
use crate::api::{Mode, names};

/// What Enforce would do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The zones, in the order of the snapshot.
    pub zones: Vec<Planned>,
    /// Connections that are possible now and would not be any more.
    pub cut: Vec<Cut>,
}

/// What Enforce would write for one zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// The mode that it has; `None` where it cannot be read.
    pub mode: Option<Mode>,
    /// Why nothing can be told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold: Option<String>,
    /// A change that waits for its confirmation, and with it what it would write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// Our finalizer is put on it first.
    pub arms: bool,
    /// How many objects would be created.
    pub create: usize,
    /// How many objects, labels and taints would be changed.
    pub update: usize,
    /// How many objects, labels and taints would be removed.
    pub delete: usize,
    /// The writes, in order.
    pub writes: Vec<Step>,
}

/// One write.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What is done.
    pub verb: &'static str,
    /// To which object, as `Kind/name` or `Kind/namespace/name`.
    pub object: String,
    /// Why.
    pub why: String,
    /// What of the object is changed, as it is; null where there is nothing.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// The same as it would be; null where nothing stays.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub after: Value,
    #[serde(skip)]
    act: Act,
    /// It can be said by an object that is applied.
    #[serde(skip)]
    applies: bool,
}

/// Looks ahead. The snapshot is one in which nothing was carried out.
pub fn preview(snapshot: &Snapshot, now: Timestamp) -> Preview {
    let mut enforced = snapshot.clone();
    enforced.zones = snapshot.zones.iter().cloned().map(enforce).collect();
    let resolution = resolve(&enforced);
    settled::arm(&mut enforced, &resolution);
    let armed: BTreeSet<String> = newly_armed(snapshot, &enforced);
    // What is there already is not written again because a dump does not say who wrote it.
    let enforced = settled::as_is(enforced, now);
    let resolution = resolve(&enforced);
    let mut steps: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    let then = settled::settle(enforced, now, |snapshot, resolution, write| {
        let zone = zone_of(write, resolution);
        let declaration = zone.as_deref().and_then(|zone| resolution.zone(zone)).and_then(Zone::answer);
        let (before, after) = objects::sides(write, snapshot);
        let step = Step {
            verb: write.verb(),
            object: write.subject(),
            why: why::why(write, declaration, now),
            before,
            after,
            act: write.act(),
            applies: objects::applies(write),
        };
        steps.entry(zone.unwrap_or_default()).or_default().push(step);
    });
    let mut planned = |record: &ZoneRecord| {
        let writes = steps.remove(record.name()).unwrap_or_default();
        let of = |act| writes.iter().filter(|step| step.act == act).count();
        let zone = resolution.zone(record.name());
        Planned {
            name: record.name().to_string(),
            mode: mode(record),
            untold: untold(record, zone),
            pending: zone.and_then(change::pending).map(|change| change.message),
            arms: armed.contains(record.name()),
            create: of(Act::Create),
            update: of(Act::Update),
            delete: of(Act::Delete),
            writes,
        }
    };
    let zones = snapshot.zones.iter().map(&mut planned).collect();
    let members = resolution.namespaces().filter(|(_, claim)| claim.is_member()).map(|(name, _)| name).collect();
    Preview { zones, cut: cut::cut(snapshot, &then, &members) }
}

impl Preview {
    /// Something would be written.
    pub fn writes(&self) -> bool {
        self.zones.iter().any(|zone| zone.arms || !zone.writes.is_empty())
    }
}

/// The same zone in Enforce, in all its topics. One that is being deleted protects no more whatever its mode.
fn enforce(mut record: ZoneRecord) -> ZoneRecord {
    if let ZoneRecord::Readable(zone) = &mut record {
        let spec = &mut Arc::make_mut(zone).spec;
        spec.mode = Mode::Enforce;
        spec.segmentation.mode = None;
        if let Some(hosting) = &mut spec.hosting {
            hosting.mode = None;
        }
    }
    record
}

fn newly_armed(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    let pairs = before.zones.iter().zip(&after.zones);
    pairs.filter(|(before, after)| !before.is_armed() && after.is_armed()).map(|(_, zone)| zone.name().into()).collect()
}

fn mode(record: &ZoneRecord) -> Option<Mode> {
    match record {
        ZoneRecord::Readable(zone) => Some(zone.spec.mode),
        ZoneRecord::Unreadable { .. } => None,
    }
}

fn untold(record: &ZoneRecord, zone: Option<&Zone>) -> Option<String> {
    match record {
        ZoneRecord::Unreadable { error, .. } => Some(format!("the spec cannot be read: {error}")),
        ZoneRecord::Readable(_) => zone
            .is_none_or(Zone::has_no_namespace)
            .then(|| "it has no namespace in what was given, so what it would protect cannot be told".to_string()),
    }
}

/// The zone that a write is made for.
fn zone_of(write: &Write, resolution: &Resolution) -> Option<String> {
    if let Write::Guard(write) = write {
        let mut zones = zones_of(write.guard()).into_iter();
        return zones.find(|zone| resolution.zone(zone).is_some()).map(str::to_string);
    }
    let claim = match write.node() {
        Some(node) => resolution.node(node),
        None => resolution.namespace(write.namespace()?),
    };
    let claimed = claim.and_then(|claim| claim.zone.clone());
    claimed.or_else(|| match write {
        // What somebody forged: the zone that it names.
        Write::UnlabelNamespace { zone, .. } => Some(zone.clone()),
        Write::PatchNode { .. } | Write::LabelNode { .. } => {
            resolution.zones().next().map(|(name, _)| name.to_string())
        }
        Write::CreatePolicy(policy) => policy.metadata.labels.as_ref()?.get(names::ZONE_LABEL).cloned(),
        Write::ReplacePolicy { live, .. } | Write::DeletePolicy(live) => {
            live.metadata.labels.as_ref()?.get(names::ZONE_LABEL).cloned()
        }
        Write::LabelNamespace { .. } | Write::SetPodSecurity { .. } | Write::Guard(_) => None,
    })
}
