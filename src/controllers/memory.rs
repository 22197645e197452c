//! What the operator remembers between two looks: what was in place, what was tampered with, what failed.
//! Losing it costs nothing but a name in a finding or a request too many.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use crate::engine::{recent, snapshot::Incident};

/// Incidents remembered at most; a status shows fewer.
const INCIDENTS: usize = 500;
/// How long the watches are waited for.
pub const AWAITED: Duration = Duration::from_secs(2);
/// First delay after a failure; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// Longest delay.
const LAST_DELAY: Duration = Duration::from_secs(60);

/// Fingerprints of what was seen in place, by name.
#[derive(Default)]
pub struct Ledger(Mutex<HashMap<String, u64>>);

impl Ledger {
    /// It is in place as this fingerprint says.
    pub fn settle(&self, name: &str, fingerprint: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), fingerprint);
    }

    /// It was in place with this fingerprint before.
    pub fn was_settled(&self, name: &str, fingerprint: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name) == Some(&fingerprint)
    }

    /// Nothing is known any more.
    pub fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Our own writes that the watches may not have shown yet, by subject. What was planned from an older object
/// would be written a second time for nothing.
#[derive(Default)]
pub struct Awaited(Mutex<HashMap<String, Own>>);

/// One of our writes.
struct Own {
    /// Version that the object got; `None` when it was deleted.
    version: Option<String>,
    at: Instant,
}

impl Awaited {
    /// It was written just now.
    pub fn add(&self, subject: String, version: Option<String>) {
        let own = Own { version, at: Instant::now() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(subject, own);
    }

    /// The watch showed that the object of this version is gone.
    pub fn gone(&self, subject: &str, version: Option<&str>) {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_later = |own: &Own| own.version.as_deref().is_none_or(|ours| !is_older(version, ours));
        if awaited.get(subject).is_some_and(is_later) {
            awaited.remove(subject);
        }
    }

    /// What was planned from the object in this version (`None`: from its absence) was planned before our own
    /// last write. Bounded: a watch that stays behind must not keep a repair back.
    pub fn is_behind(&self, subject: &str, version: Option<&str>) -> bool {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.retain(|_, own| own.at.elapsed() < AWAITED);
        match awaited.get(subject).map(|own| own.version.as_deref()) {
            Some(Some(ours)) => is_older(version, ours),
            Some(None) => version.is_some(),
            None => false,
        }
    }
}

/// Resource versions of one kind compare as numbers (KEP-5504). What is no number is older unless it is equal.
fn is_older(version: Option<&str>, than: &str) -> bool {
    let number = |text: &str| text.parse::<u128>().ok();
    match version {
        None => true,
        Some(version) => match (number(version), number(than)) {
            (Some(version), Some(than)) => version < than,
            (None, _) | (_, None) => version != than,
        },
    }
}

/// What somebody else did lately, newest last, once per object.
#[derive(Default)]
pub struct Incidents(Mutex<VecDeque<Incident>>);

impl Incidents {
    /// Remembers an incident.
    pub fn add(&self, incident: Incident) {
        let mut incidents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        incidents.retain(|known| (&known.zone, &known.subject) != (&incident.zone, &incident.subject));
        if incidents.len() >= INCIDENTS {
            incidents.pop_front();
        }
        incidents.push_back(incident);
    }

    /// Those that are still to be reported.
    pub fn recent(&self, now: Timestamp) -> Vec<Incident> {
        let mut incidents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent(incidents.make_contiguous(), now).cloned().collect()
    }
}

/// Failures in a row, by name.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    /// It worked.
    pub fn clear(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// It failed; how long to wait before the next try.
    pub fn delay(&self, name: &str) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(name.to_string()).or_default();
        *count = count.saturating_add(1);
        FIRST_DELAY.saturating_mul(1 << (*count - 1).min(16)).min(LAST_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited(version: Option<&str>) -> Awaited {
        let awaited = Awaited::default();
        awaited.add("Namespace/vault".to_string(), version.map(str::to_string));
        awaited
    }

    #[test]
    fn only_what_was_planned_before_our_own_write_is_behind() {
        let awaited = awaited(Some("100"));
        let is_behind = |version| awaited.is_behind("Namespace/vault", version);
        assert!(is_behind(None) && is_behind(Some("99")));
        assert!(!is_behind(Some("100")) && !is_behind(Some("101")));
        assert!(!awaited.is_behind("Namespace/checkout", None), "we wrote nothing there");
    }

    #[test]
    fn what_somebody_deleted_after_our_write_is_repaired_at_once() {
        let awaited = awaited(Some("100"));
        awaited.gone("Namespace/vault", Some("99"));
        assert!(awaited.is_behind("Namespace/vault", None), "that was an earlier deletion");
        awaited.gone("Namespace/vault", Some("101"));
        assert!(!awaited.is_behind("Namespace/vault", None));
    }

    #[test]
    fn our_own_deletion_is_made_once() {
        let awaited = awaited(None);
        assert!(awaited.is_behind("Namespace/vault", Some("100")));
        assert!(!awaited.is_behind("Namespace/vault", None));
        awaited.gone("Namespace/vault", Some("101"));
        assert!(!awaited.is_behind("Namespace/vault", Some("102")), "it was created anew");
    }
}
