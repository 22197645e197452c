//! What the operator remembers between two looks: what was in place, what was tampered with, what failed.
//! Losing it costs nothing but a name in a finding or a request too many.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::error::Error;
use crate::engine::{recent, snapshot::Incident};

/// Incidents remembered at most; a status shows fewer.
const INCIDENTS: usize = 500;
/// How long the watches are waited for.
pub const AWAITED: Duration = Duration::from_secs(2);
/// First delay after a failure; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// Longest delay while the API server does not answer: it may be back at any moment.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Longest delay after the API server said no.
const LONGEST_DELAY_REFUSED: Duration = Duration::from_secs(60);
/// Writes to one object in a row, before they are paced.
const BURST: f64 = 5.0;
/// Writes to one object a second after that. Whoever fights back is outlasted and not outrun.
const WRITES_PER_SECOND: f64 = 2.0;
/// The same for what protects nothing: there a quarrel costs more than it is worth.
const CALM_WRITES_PER_SECOND: f64 = 1.0 / 60.0;
/// Entries from which on what is out of date is swept out.
const MANY: usize = 1024;

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

    /// Nothing is known of anything any more.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Nothing is known any more of what is not to be kept.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| keep(name));
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
    /// The version that it made, or the last one that it took away.
    version: String,
    deleted: bool,
    at: Instant,
}

impl Awaited {
    /// It was written just now, and has this version.
    pub fn wrote(&self, subject: String, version: String) {
        self.add(subject, Own { version, deleted: false, at: Instant::now() });
    }

    /// It was deleted just now, and had this version or a later one.
    pub fn deleted(&self, subject: String, version: String) {
        self.add(subject, Own { version, deleted: true, at: Instant::now() });
    }

    fn add(&self, subject: String, own: Own) {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if awaited.len() > MANY {
            awaited.retain(|_, own| own.at.elapsed() < AWAITED);
        }
        awaited.insert(subject, own);
    }

    /// The watch showed that the object of this version is gone.
    pub fn gone(&self, subject: &str, version: Option<&str>) {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if awaited.get(subject).is_some_and(|own| !own.deleted && !is_older(version, &own.version)) {
            awaited.remove(subject);
        }
    }

    /// Our own last write deleted it, and the watch may show it still.
    pub fn is_deleted(&self, subject: &str) -> bool {
        let awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.get(subject).is_some_and(|own| own.deleted && own.at.elapsed() < AWAITED)
    }

    /// What was planned from the object in this version (`None`: from its absence) was planned before our own
    /// last write. Bounded: a watch that stays behind must not keep a repair back.
    pub fn is_behind(&self, subject: &str, version: Option<&str>) -> bool {
        let awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = awaited.get(subject).filter(|own| own.at.elapsed() < AWAITED) else { return false };
        if own.deleted {
            version.is_some_and(|version| version == own.version || is_older(Some(version), &own.version))
        } else {
            is_older(version, &own.version)
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

/// What could not be written lately, by object.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<String, Failure>>);

struct Failure {
    in_a_row: u32,
    reason: String,
    /// When it is tried again by itself.
    next: Instant,
    /// The API server asked not to be asked before.
    not_before: Option<Instant>,
}

impl Failures {
    /// It worked.
    pub fn clear(&self, subject: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
    }

    /// It failed the last time.
    pub fn has(&self, subject: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(subject)
    }

    /// What is not to be kept never failed.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|subject, _| keep(subject));
    }

    /// It failed; how long to wait before the next try.
    pub fn add(&self, subject: &str, error: &Error) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failures.entry(subject.to_string()).or_insert(Failure {
            in_a_row: 0,
            reason: String::new(),
            next: Instant::now(),
            not_before: None,
        });
        failure.in_a_row = failure.in_a_row.saturating_add(1);
        failure.reason = error.chain();
        failure.not_before = error.retry_after().map(|wait| Instant::now() + wait);
        let longest = if error.is_refusal() { LONGEST_DELAY_REFUSED } else { LONGEST_DELAY };
        let delay = FIRST_DELAY.saturating_mul(1 << (failure.in_a_row - 1).min(16)).min(longest);
        let delay = delay.max(error.retry_after().unwrap_or_default());
        failure.next = Instant::now() + delay;
        delay
    }

    /// How long it is until the next try, which may be due already; `None` where nothing failed.
    pub fn wait(&self, subject: &str) -> Option<Duration> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(failures.get(subject)?.next.saturating_duration_since(Instant::now()))
    }

    /// How long the API server still wants to be left alone about this; whatever happens meanwhile.
    pub fn asked_to_wait(&self, subject: &str) -> Option<Duration> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = failures.get(subject)?.not_before?.saturating_duration_since(Instant::now());
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// Why the last try failed.
    pub fn reasons(&self) -> BTreeMap<String, String> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().map(|(subject, failure)| (subject.clone(), failure.reason.clone())).collect()
    }
}

/// How fast each object was written to lately: a bucket of tokens each, and one for what can wait.
#[derive(Default)]
pub struct Pace(Mutex<HashMap<(String, bool), Bucket>>);

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn filled(self, urgent: bool) -> f64 {
        (self.tokens + self.at.elapsed().as_secs_f64() * rate(urgent)).min(BURST)
    }
}

fn rate(urgent: bool) -> f64 {
    if urgent { WRITES_PER_SECOND } else { CALM_WRITES_PER_SECOND }
}

impl Pace {
    /// Takes a token, or says how long to wait for the next one.
    pub fn take(&self, subject: &str, urgent: bool) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > MANY {
            buckets.retain(|(_, urgent), bucket| bucket.filled(*urgent) < BURST);
        }
        let key = (subject.to_string(), urgent);
        let tokens = buckets.get(&key).map_or(BURST, |bucket| bucket.filled(urgent));
        if tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - tokens) / rate(urgent)));
        }
        buckets.insert(key, Bucket { tokens: tokens - 1.0, at: Instant::now() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "Namespace/vault";

    #[test]
    fn only_what_was_planned_before_our_own_write_is_behind() {
        let awaited = Awaited::default();
        awaited.wrote(VAULT.to_string(), "100".to_string());
        let is_behind = |version| awaited.is_behind(VAULT, version);
        assert!(is_behind(None) && is_behind(Some("99")));
        assert!(!is_behind(Some("100")) && !is_behind(Some("101")));
        assert!(!awaited.is_behind("Namespace/checkout", None), "we wrote nothing there");
    }

    #[test]
    fn what_somebody_deleted_after_our_write_is_repaired_at_once() {
        let awaited = Awaited::default();
        awaited.wrote(VAULT.to_string(), "100".to_string());
        awaited.gone(VAULT, Some("99"));
        assert!(awaited.is_behind(VAULT, None), "that was an earlier deletion");
        awaited.gone(VAULT, Some("101"));
        assert!(!awaited.is_behind(VAULT, None));
    }

    #[test]
    fn our_own_deletion_is_made_once() {
        let awaited = Awaited::default();
        awaited.deleted(VAULT.to_string(), "100".to_string());
        awaited.gone(VAULT, Some("101"));
        assert!(awaited.is_behind(VAULT, Some("100")), "planned before the watch showed it");
        assert!(awaited.is_deleted(VAULT), "whatever the watch shows");
        assert!(!awaited.is_behind(VAULT, None));
        assert!(!awaited.is_behind(VAULT, Some("102")), "it was created anew");
        awaited.wrote(VAULT.to_string(), "103".to_string());
        assert!(!awaited.is_deleted(VAULT), "we wrote it after that");
    }

    const BASELINE: &str = "NetworkPolicy/vault/pcizone-baseline";

    #[tokio::test(start_paused = true)]
    async fn whoever_fights_back_is_answered_at_a_bounded_pace() {
        let pace = Pace::default();
        let burst = (0..100).filter(|_| pace.take(BASELINE, true).is_ok()).count();
        assert_eq!(burst, 5);
        assert!(pace.take("NetworkPolicy/checkout/pcizone-baseline", true).is_ok(), "others are not held up");
        let wait = pace.take(BASELINE, true).expect_err("no token is left");
        tokio::time::advance(wait).await;
        assert!(pace.take(BASELINE, true).is_ok());
        assert!(pace.take(BASELINE, true).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_wait_waits_and_holds_up_nothing_that_cannot() {
        let pace = Pace::default();
        let burst = (0..100).filter(|_| pace.take(BASELINE, false).is_ok()).count();
        assert_eq!(burst, 5);
        assert!(pace.take(BASELINE, true).is_ok(), "it may be widened in the middle of a quarrel about a label");
        let wait = pace.take(BASELINE, false).expect_err("no token is left");
        assert!(wait > Duration::from_secs(30), "{wait:?}");
    }
}
