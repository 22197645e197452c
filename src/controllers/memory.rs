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

/// Our own writes that the watches have not shown yet, by subject. Until they do, the store is behind, and
/// the same write would be made again for nothing.
#[derive(Default)]
pub struct Awaited(Mutex<HashMap<String, Instant>>);

impl Awaited {
    /// It was written just now.
    pub fn add(&self, subject: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(subject, Instant::now());
    }

    /// The watch showed it, as it is or gone.
    pub fn seen(&self, subject: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
    }

    /// The watch has still to show it. Bounded: a watch that stays behind must not keep a repair back.
    pub fn contains(&self, subject: &str) -> bool {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.retain(|_, since| since.elapsed() < AWAITED);
        awaited.contains_key(subject)
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
