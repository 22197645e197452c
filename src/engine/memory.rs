//! What is remembered from one look to the next: what was held, and what zones declared before.
//!
//! Losing it is safe: an object that was stripped while nobody looked keeps its policies and is a finding.

use std::{collections::BTreeMap, sync::Arc};

use super::{declaration::Declaration, resolve::Claim, snapshot::ZoneRecord};

/// What earlier looks showed and the objects may not show any more. Without it somebody who takes away the
/// selector's label, our label and the policies would get around the confirmation.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(super) namespaces: BTreeMap<String, Held>,
    pub(super) nodes: BTreeMap<String, Held>,
    /// What each zone declared before.
    declared: BTreeMap<String, Before>,
}

/// What a zone declared before.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The last that could be read. It holds while the zone cannot be read.
    pub readable: Option<Arc<Declaration>>,
    /// The last in which segmentation was in force. It holds while leaving Enforce waits for confirmation.
    pub segmented: Option<Arc<Declaration>>,
    /// The last in which hosting was in force.
    pub dedicated: Option<Arc<Declaration>>,
}

/// An object that a zone held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) uid: Option<String>,
    pub(super) zone: String,
}

impl Memory {
    /// Forgets zones that are gone.
    pub(super) fn keep_zones(&mut self, zones: &[ZoneRecord]) {
        self.declared.retain(|name, _| zones.iter().any(|record| record.name() == name));
    }

    /// How many changes of a zone were confirmed as far as that was seen: the status may have been set back.
    pub(super) fn confirmed_changes(&self, zone: &Declaration) -> i64 {
        let seen = self.declared.get(&zone.name).and_then(|before| before.readable.as_ref());
        let seen = seen.filter(|seen| seen.uid == zone.uid).map(|seen| seen.confirmed_changes);
        seen.unwrap_or_default().max(zone.confirmed_changes)
    }

    /// Notes a declaration; returns what the zone declared until now.
    pub(super) fn declare(&mut self, record: &ZoneRecord, declaration: Option<&Arc<Declaration>>) -> Before {
        let uid = record.metadata().uid.as_deref().unwrap_or_default();
        let before = self.declared.entry(record.name().to_string()).or_default();
        if before.readable.as_ref().is_some_and(|declaration| declaration.uid != uid) {
            *before = Before::default();
        }
        if let Some(declaration) = declaration {
            before.readable = Some(Arc::clone(declaration));
            if declaration.segments() {
                before.segmented = Some(Arc::clone(declaration));
            }
            if declaration.dedicates() {
                before.dedicated = Some(Arc::clone(declaration));
            }
        }
        before.clone()
    }

    /// Notes whether a zone holds an object.
    pub(super) fn note(held: &mut BTreeMap<String, Held>, name: &str, uid: Option<&String>, claim: &Claim) {
        match claim.zone.as_ref().filter(|_| claim.held) {
            Some(zone) => held.insert(name.to_string(), Held { uid: uid.cloned(), zone: zone.clone() }),
            None => held.remove(name),
        };
    }
}
