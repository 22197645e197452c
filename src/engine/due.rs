//! Whether a plan is to be carried out now, and which of its writes once some of them are not made.

use kube::core::ObjectMeta;

use super::{
    plan::{Stance, Write},
    resolve::Resolution,
    snapshot::ZoneRecord,
};
use crate::api::names;

/// Whether a plan is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Keep the protection of this zone.
    Protect(String),
    /// Take the protection of a zone away.
    Release(Release),
    /// Remove what somebody forged.
    Clean,
    /// Not now: the zone only observes, or is not armed yet.
    NotNow,
}

/// A confirmed release, and the state of the zone that was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Name of the zone.
    pub zone: String,
    /// UID of the zone.
    pub uid: String,
    /// Generation of the zone.
    pub generation: i64,
    /// The zone is being deleted.
    pub deleting: bool,
    /// How many changes were confirmed before.
    pub confirmed_changes: i64,
    /// What the annotation must say.
    pub digest: String,
}

impl Due {
    /// What a stance comes to.
    pub fn new(stance: Stance, resolution: &Resolution) -> Self {
        match stance {
            // The finalizer comes first: without it a deletion of the zone would leave everything behind.
            Stance::Protect(zone) if !zone.armed => Due::NotNow,
            Stance::Protect(zone) | Stance::Hold { zone, .. } => Due::Protect(zone.name.clone()),
            Stance::Observe(_) => Due::NotNow,
            Stance::Release(zone) => Due::Release(Release {
                zone: zone.name.clone(),
                uid: zone.uid.clone(),
                generation: zone.generation,
                deleting: zone.deleting,
                confirmed_changes: zone.confirmed_changes,
                digest: resolution.zone(&zone.name).map(|zone| zone.digest().to_string()).unwrap_or_default(),
            }),
            Stance::Leave => Due::Clean,
        }
    }
}

impl Release {
    /// True when the zone as it is now is the one that was confirmed, still carries the confirmation, and did not
    /// use it up with an earlier change.
    pub fn is_confirmed_by(&self, live: &ZoneRecord) -> bool {
        let Release { zone: _, uid, generation, deleting, confirmed_changes, digest } = self;
        let metadata = live.metadata();
        let confirmation = metadata.annotations.as_ref().and_then(|annotations| annotations.get(names::CONFIRM_CHANGE));
        metadata.uid.as_ref() == Some(uid)
            && metadata.generation == Some(*generation)
            && metadata.deletion_timestamp.is_some() == *deleting
            && live.status().map_or(0, |status| status.confirmed_changes) == *confirmed_changes
            && confirmation == Some(digest)
    }

    /// Whether the zone still declares this namespace or node, as it is now.
    pub fn is_wanted(&self, resolution: &Resolution, kind: &str, live: &ObjectMeta) -> bool {
        let Some(declaration) = resolution.zone(&self.zone).and_then(|zone| zone.declaration.as_deref()) else {
            return true;
        };
        if kind == "Node" {
            declaration.dedicates() && declaration.nodes.as_ref().is_some_and(|nodes| nodes.matches(live))
        } else {
            declaration.segments() && declaration.namespaces.matches(live)
        }
    }
}

/// The way through the writes of a plan. What protects goes on past a write that is not made, as far as that one
/// leaves the others true; what takes away stops there, because it goes in order.
#[derive(Debug)]
pub struct Course {
    protects: bool,
    denies: bool,
    ended: bool,
}

impl Course {
    /// Before the first write.
    pub fn new(due: &Due) -> Self {
        Course { protects: matches!(due, Due::Protect(_)), denies: true, ended: false }
    }

    /// Whether this write is to be made.
    pub fn admits(&self, write: &Write) -> bool {
        // The label says that the default deny is there.
        !self.ended && (self.denies || !matches!(write, Write::LabelNamespace { .. }))
    }

    /// This write is not made, because our own last one to the same object was not seen yet.
    pub fn put_off(&mut self, write: &Write) {
        self.ended |= !self.protects && is_in_order(write);
    }

    /// This write was not made. One refused policy keeps no other from being repaired or closed.
    pub fn miss(&mut self, write: &Write) {
        // A default deny that only says something wrong of itself is in force.
        self.denies &= !(write.denies_by_default() && write.is_urgent());
        self.ended |= !self.protects && is_in_order(write);
    }

    /// No further write would work.
    pub fn end(&mut self) {
        self.ended = true;
    }
}

/// Guards go with nothing left that they guard, each by itself.
fn is_in_order(write: &Write) -> bool {
    !matches!(write, Write::Guard(_))
}

#[cfg(test)]
mod tests {
    use kube::core::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::engine::policy::Policy;

    #[test]
    fn a_confirmation_that_was_used_confirms_nothing_more() {
        let release = Release {
            zone: "cde".to_string(),
            uid: "uid-cde".to_string(),
            generation: 2,
            deleting: false,
            confirmed_changes: 1,
            digest: "sha256:1".to_string(),
        };
        let zone = |carried_out: i64, digest: &str| {
            let zone: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
                "metadata": { "name": "cde", "uid": "uid-cde", "generation": 2,
                              "annotations": { names::CONFIRM_CHANGE: digest } },
                "status": { "confirmedChanges": carried_out },
            }))
            .unwrap();
            ZoneRecord::read(zone)
        };
        assert!(release.is_confirmed_by(&zone(1, "sha256:1")));
        assert!(!release.is_confirmed_by(&zone(2, "sha256:1")), "the change was carried out meanwhile");
        assert!(!release.is_confirmed_by(&zone(1, "sha256:2")), "something else is confirmed now");
    }

    #[test]
    fn a_default_deny_that_is_not_there_is_not_spoken_of() {
        let policy = |name: &str| {
            let mut policy = Policy::default();
            policy.metadata.name = Some(name.to_string());
            Write::CreatePolicy(Box::new(policy))
        };
        let label = Write::LabelNamespace {
            namespace: "vault".to_string(),
            uid: "uid-vault".to_string(),
            zone: "cde".to_string(),
            adopt: false,
        };
        let protect = || Course::new(&Due::Protect("cde".to_string()));

        let mut course = protect();
        course.miss(&policy("pcizone-flow-a-egress"));
        assert!(course.admits(&label));
        course.miss(&policy(names::BASELINE));
        assert!(course.admits(&policy("pcizone-flow-b-egress")) && !course.admits(&label));

        let mut mislabelled = Policy::default();
        mislabelled.metadata.name = Some(names::BASELINE.to_string());
        let desired = Box::new(mislabelled.clone());
        mislabelled.metadata.labels = Some([(names::FLOW_LABEL.to_string(), "a".to_string())].into());
        let mut course = protect();
        course.miss(&Write::ReplacePolicy { live: mislabelled.into(), desired });
        assert!(course.admits(&label), "it denies all the same");

        let mut course = protect();
        course.end();
        assert!(!course.admits(&policy(names::BASELINE)));

        let mut course = Course::new(&Due::Clean);
        course.miss(&label);
        assert!(!course.admits(&label), "what is taken away goes in order");
    }
}
