//! Since when fixes are known. No report tells it: a scanner says of each vulnerability whether it can be fixed now. So the first time that a
//! report here said so is kept, and what came before that is bounded by the day of publication (PCI DSS 6.3.3).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;

use super::report::{Level, Scan, Vulnerability};

/// Fixes that are kept of one zone.
pub const FIXES: usize = 4_000;

/// Since when the fixes of a zone are known, by a key of vulnerability and package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fixes {
    known: BTreeMap<Arc<str>, Timestamp>,
    /// There are more than are kept.
    is_full: bool,
}

impl Fixes {
    /// Those that were kept, by their keys.
    pub fn read<'a>(kept: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let entry = |(key, since): (&'a str, &str)| Some((Arc::from(key), since.parse().ok()?));
        Fixes { known: kept.filter_map(entry).take(FIXES).collect(), is_full: false }
    }

    /// What is to be kept.
    pub fn kept(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.known.iter().map(|(key, since)| (&**key, *since))
    }

    /// Takes in what another one knows: the earlier date counts.
    pub fn merge(&mut self, other: &Fixes) {
        for (key, at) in &other.known {
            if let Some(since) = self.known.get_mut(key) {
                *since = (*since).min(*at);
            } else if self.known.len() < FIXES {
                self.known.insert(Arc::clone(key), *at);
            } else {
                self.is_full = true;
            }
        }
    }

    /// Learns what scans say at `now`; what none of them says any more goes where the space is needed.
    pub fn learn<'a>(&mut self, scans: impl Iterator<Item = &'a Scan>, now: Timestamp) {
        let mut said: BTreeMap<Arc<str>, (Level, Timestamp)> = BTreeMap::new();
        for scan in scans {
            // Nobody scans in the future.
            let at = scan.at.min(now);
            for one in scan.fixable.iter() {
                let (worst, since) = said.entry(Arc::clone(&one.key)).or_insert((one.severity, at));
                (*worst, *since) = (one.severity.min(*worst), at.min(*since));
            }
        }
        self.is_full = false;
        let mut unknown = BTreeSet::new();
        for (key, (severity, at)) in &said {
            match self.known.get_mut(key) {
                Some(since) => *since = (*since).min(*at),
                None => {
                    unknown.insert((*severity, *at, Arc::clone(key)));
                }
            }
        }
        if self.known.len() + unknown.len() > FIXES {
            self.known.retain(|key, _| said.contains_key(key));
        }
        // The worst first.
        for (_, at, key) in unknown {
            if self.known.len() >= FIXES {
                self.is_full = true;
                break;
            }
            self.known.insert(key, at);
        }
    }

    /// Since when a fix is known, where a scan of `at` says that there is one.
    pub fn since(&self, one: &Vulnerability, at: Timestamp) -> Timestamp {
        self.known.get(&one.key).map_or(at, |since| at.min(*since))
    }

    /// Not all could be kept: how long those have been known is not known.
    pub fn is_full(&self) -> bool {
        self.is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn vulnerability(id: &str, package: &str) -> Vulnerability {
        Vulnerability::new(Level::Critical, id, package, "2", None)
    }

    fn scan(day: &str, fixable: &[Vulnerability]) -> Scan {
        let at = at(&format!("2026-{day}T00:00:00Z"));
        Scan { at, scanner: "Trivy".into(), fixable: fixable.into(), unfixed_critical: 0, is_cut: false }
    }

    #[test]
    fn the_first_report_of_a_fix_counts_whatever_later_ones_say() {
        let (one, other) = (vulnerability("CVE-2026-1", "openssl"), vulnerability("CVE-2026-1", "zlib"));
        let now = at("2026-11-27T00:00:00Z");
        let mut fixes = Fixes::default();
        fixes.learn([scan("11-03", std::slice::from_ref(&one)), scan("11-02", std::slice::from_ref(&one))].iter(), now);
        fixes.learn([scan("11-20", &[one.clone(), other.clone()])].iter(), now);
        let later = at("2026-11-25T00:00:00Z");
        assert_eq!(fixes.since(&one, later), at("2026-11-02T00:00:00Z"));
        assert_eq!(fixes.since(&other, later), at("2026-11-20T00:00:00Z"));
        assert_eq!(fixes.since(&vulnerability("CVE-2026-2", "zlib"), later), later, "as late as it may have been");
        // They outlive the operator.
        let kept: Vec<(String, String)> = fixes.kept().map(|(key, since)| (key.into(), since.to_string())).collect();
        let read = Fixes::read(kept.iter().map(|(key, since)| (key.as_str(), since.as_str())));
        assert_eq!(read, fixes);
        assert!(kept.iter().all(|(key, _)| key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))));
    }

    #[test]
    fn a_scan_of_the_future_is_one_of_now() {
        let one = vulnerability("CVE-2026-1", "openssl");
        let now = at("2026-11-27T00:00:00Z");
        let mut fixes = Fixes::default();
        fixes.learn([scan("12-24", std::slice::from_ref(&one))].iter(), now);
        assert_eq!(fixes.since(&one, at("2026-12-24T00:00:00Z")), now);
    }

    #[test]
    fn what_does_not_fit_is_told_and_what_is_gone_makes_room() {
        let now = at("2026-11-27T00:00:00Z");
        let many = |letter: &str, count: usize| -> Vec<Vulnerability> {
            (0..count).map(|number| vulnerability(&format!("CVE-{letter}-{number}"), "p")).collect()
        };
        let mut fixes = Fixes::default();
        fixes.learn([scan("11-01", &many("a", FIXES))].iter(), now);
        assert!(!fixes.is_full());
        fixes.learn([scan("11-01", &many("a", FIXES)), scan("11-02", &many("b", 1))].iter(), now);
        assert!(fixes.is_full());
        fixes.learn([scan("11-02", &many("b", 10))].iter(), now);
        assert!(!fixes.is_full());
        assert_eq!(fixes.kept().count(), 10);
        assert_ne!(vulnerability("CVE 2026/1", "p").key, vulnerability("CVE_2026_1", "p").key);
    }
}
