//! Which guards of each zone were seen at work, and whether that is still so.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

/// What was seen of each zone's guards.
#[derive(Default)]
pub struct InForce(RwLock<BTreeMap<String, Seen>>);

#[derive(Default)]
struct Seen {
    /// Those that were at work, by a digest of them all.
    digest: Option<String>,
    /// Others are being written.
    changing: bool,
    /// How often it was forgotten.
    epoch: u64,
}

impl InForce {
    /// How often what is in force of a zone was forgotten so far; to be asked before it is looked for.
    pub fn epoch(&self, zone: &str) -> u64 {
        self.look(|all| all.get(zone).map(|seen| seen.epoch).unwrap_or_default())
    }

    /// These guards of a zone were seen at work, unless something happened to them since that epoch.
    pub fn note(&self, zone: &str, digest: String, epoch: u64) {
        self.change(zone, |seen| {
            if seen.epoch == epoch {
                (seen.digest, seen.changing) = (Some(digest), false);
            }
        });
    }

    /// These guards of a zone were seen at work.
    pub fn is(&self, zone: &str, digest: &str) -> bool {
        self.look(|all| all.get(zone).is_some_and(|seen| seen.digest.as_deref() == Some(digest)))
    }

    /// Some guards of a zone were seen at work, and nothing was seen since that takes them away.
    pub fn has(&self, zone: &str) -> bool {
        self.look(|all| all.get(zone).is_some_and(|seen| seen.digest.is_some()))
    }

    /// Something happened to the guards of a zone: they have to be seen anew.
    pub fn forget(&self, zone: &str) {
        self.change(zone, |seen| (seen.digest, seen.epoch) = (None, seen.epoch + 1));
    }

    /// Others are being written.
    pub fn note_changing(&self, zone: &str) {
        self.change(zone, |seen| seen.changing = seen.digest.is_some());
    }

    /// What the live guards say and what the API server acts by may be two things. Not before anything was seen: those that were
    /// there before this operator have been at work since long.
    pub fn is_unsure(&self, zone: &str) -> bool {
        self.look(|all| all.get(zone).is_some_and(|seen| seen.changing || seen.digest.is_none() && seen.epoch > 0))
    }

    /// The digests of those that were seen at work, by zone.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let digest = |(zone, seen): (&String, &Seen)| Some((zone.clone(), seen.digest.clone()?));
        self.look(|all| all.iter().filter_map(digest).collect())
    }

    fn look<T>(&self, look: impl FnOnce(&BTreeMap<String, Seen>) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, zone: &str, change: impl FnOnce(&mut Seen)) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(zone.to_string()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_for_before_it_was_broken_is_not_in_force() {
        let guards = InForce::default();
        let epoch = guards.epoch("cde");
        assert!(!guards.has("cde") && !guards.is_unsure("cde"), "nothing happened yet");
        guards.forget("cde");
        guards.note("cde", "1".to_string(), epoch);
        assert!(!guards.has("cde") && guards.is_unsure("cde"));
        guards.note("cde", "1".to_string(), guards.epoch("cde"));
        assert!(guards.is("cde", "1") && !guards.is("cde", "2") && !guards.is_unsure("cde"));
    }

    #[test]
    fn while_others_are_written_the_earlier_ones_hold_but_nobody_is_accused_by_them() {
        let guards = InForce::default();
        guards.note("cde", "1".to_string(), 0);
        guards.note_changing("cde");
        assert!(guards.has("cde") && guards.is_unsure("cde"));
        guards.note("cde", "2".to_string(), 0);
        assert!(guards.is("cde", "2") && !guards.is_unsure("cde"));
        assert_eq!(guards.digests(), BTreeMap::from([("cde".to_string(), "2".to_string())]));
    }
}
