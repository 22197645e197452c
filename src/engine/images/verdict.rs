//! What scanners say of one image, by its digest, at one moment.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
    fixes::Fixes,
    report::{Level, Report, Scan, Statement, Vulnerability, What},
};
use crate::{
    api::{FixWithinDays, ImageAdmission, Scanning},
    engine::dates::{earlier, later},
};

/// By how much the clock of a scanner may go ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);
/// Scans of one scanner that are no further apart are one.
const TOGETHER: SignedDuration = SignedDuration::from_mins(30);
const DAY: i64 = 24;

/// What was said of an image: a report and its statement.
pub type Said<'a> = (&'a Report, &'a Statement);

/// What holds of an image.
#[derive(Clone, Debug, Default)]
pub struct Verdict<'a> {
    /// The newest scan, and the report with it.
    pub scan: Option<(&'a Report, &'a Scan)>,
    /// A scan that lies in the future, where there is no other.
    pub ahead: Option<(&'a Report, Timestamp)>,
    /// Until when the newest scan is new enough.
    pub fresh_until: Option<Timestamp>,
    /// Fixes with their times, the worst and then the longest due first.
    pub fixes: Vec<Fix<'a>>,
    /// There are vulnerabilities that were not kept.
    pub is_cut: bool,
    /// A bill of materials is there.
    pub has_sbom: bool,
    /// Who signed it.
    pub signed_by: Vec<&'a Arc<str>>,
}

/// Until when an image may start, by what is looked at; nothing where it sets no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its scan is new enough.
    pub fresh: Option<Timestamp>,
    /// No fix of something critical is overdue.
    pub critical: Option<Timestamp>,
    /// No other fix is.
    pub others: Option<Timestamp>,
}

/// A fix that has to be in place by a time.
#[derive(Clone, Copy, Debug)]
pub struct Fix<'a> {
    /// What it mends.
    pub of: &'a Vulnerability,
    /// Since when it is known at the latest.
    pub since: Timestamp,
    /// From when on it is overdue.
    pub due: Timestamp,
    /// From when on it may be overdue; nothing where that is not known at all.
    pub perhaps: Option<Timestamp>,
}

impl Fix<'_> {
    /// It is overdue.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.due <= now
    }

    /// It may be overdue: how long it is known is not.
    pub fn may_be_overdue(&self, now: Timestamp) -> bool {
        !self.is_overdue(now) && self.perhaps.is_none_or(|perhaps| perhaps <= now)
    }
}

impl<'a> Verdict<'a> {
    /// Judges what was said of one digest.
    pub fn of(said: &[Said<'a>], rules: &Scanning, fixes: &Fixes, now: Timestamp) -> Self {
        let mut verdict = Verdict::default();
        // Of each scanner the last word.
        let mut newest: BTreeMap<&str, (&'a Report, &'a Scan)> = BTreeMap::new();
        for (report, statement) in said {
            match &statement.what {
                What::Sbom => verdict.has_sbom = true,
                What::Signed { by } => verdict.signed_by.push(by),
                What::Scan(scan) if scan.at > later(now, AHEAD) => verdict.ahead = Some((report, scan.at)),
                What::Scan(scan) => {
                    let last = newest.entry(&scan.scanner).or_insert((report, scan));
                    if scan.at > last.1.at {
                        *last = (report, scan);
                    }
                }
            }
        }
        // What a scanner says of one image at one time may be spread over several reports.
        let is_last =
            |scan: &Scan| newest.get(&*scan.scanner).is_some_and(|(_, last)| later(scan.at, TOGETHER) >= last.at);
        let scans = said.iter().filter_map(|(_, statement)| match &statement.what {
            What::Scan(scan) if scan.at <= later(now, AHEAD) && is_last(scan) => Some(scan),
            _ => None,
        });
        for scan in scans {
            verdict.is_cut |= scan.is_cut;
            verdict.fixes.extend(of_scan(scan, &rules.fix_within_days, fixes));
        }
        verdict.fixes.sort_by(|a, b| (a.of.severity, a.due, &a.of.id).cmp(&(b.of.severity, b.due, &b.of.id)));
        verdict.fixes.dedup_by(|a, b| a.of.key == b.of.key);
        verdict.scan = newest.into_values().max_by_key(|(_, scan)| scan.at);
        let age = SignedDuration::from_hours(i64::from(rules.reports.max_age_days) * DAY);
        verdict.fresh_until = verdict.scan.map(|(_, scan)| later(scan.at, age));
        verdict
    }

    /// The newest scan is new enough.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    /// Until when admission lets it start; `None` where it is told nothing of it.
    pub fn limits(&self, admission: ImageAdmission) -> Option<Limits> {
        let due = |is: fn(Level) -> bool| self.fixes.iter().filter(|fix| is(fix.of.severity)).map(|fix| fix.due).min();
        let is_proven = admission == ImageAdmission::Proven;
        let limits = Limits {
            fresh: self.fresh_until.filter(|_| is_proven),
            critical: due(|level| level == Level::Critical),
            others: due(|level| level != Level::Critical),
        };
        let is_told = match admission {
            ImageAdmission::References => false,
            ImageAdmission::Overdue => limits.critical.is_some() || limits.others.is_some(),
            ImageAdmission::Proven => limits.fresh.is_some(),
        };
        is_told.then_some(limits)
    }

    /// The instants at which it changes by the clock alone.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        let fixes = self.fixes.iter().flat_map(|fix| fix.perhaps.into_iter().chain([fix.due]));
        let ahead = self.ahead.map(|(_, at)| earlier(at, AHEAD));
        fixes.chain(self.fresh_until).chain(ahead)
    }
}

fn of_scan<'a>(scan: &'a Scan, days: &FixWithinDays, fixes: &Fixes) -> impl Iterator<Item = Fix<'a>> {
    scan.fixable.iter().filter_map(move |of| {
        let time = SignedDuration::from_hours(i64::from(within(of.severity, days)?) * DAY);
        let since = fixes.since(of, scan.at);
        // A fix that was seen before the day of publication was known then.
        let perhaps = of.published.map(|published| later(published.min(since), time));
        Some(Fix { of, since, due: later(since, time), perhaps })
    })
}

/// Days; `None` where there is no time.
fn within(severity: Level, days: &FixWithinDays) -> Option<i32> {
    match severity {
        Level::Critical => Some(days.critical),
        Level::High => Some(days.high),
        Level::Medium => days.medium,
        Level::Low => days.low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::intake::Kind;

    fn at(text: &str) -> Timestamp {
        let text = if text.contains('T') { text.to_string() } else { format!("{text}T00:00:00Z") };
        text.parse().unwrap()
    }

    fn report() -> Report {
        Report { kind: Kind::Pod, namespace: "vault".into(), name: "a".into(), says: Vec::new() }
    }

    fn scan(scanner: &str, day: &str, fixable: &[Vulnerability]) -> Statement {
        let scan =
            Scan { at: at(day), scanner: scanner.into(), fixable: fixable.into(), unfixed_critical: 0, is_cut: false };
        Statement { digest: None, image: "a".into(), what: What::Scan(scan) }
    }

    fn critical(id: &str, published: Option<&str>) -> Vulnerability {
        Vulnerability::new(Level::Critical, id, "p", "2", published.map(at))
    }

    /// Whether it is fresh, what is overdue, and what may be.
    fn judged(statements: &[Statement], fixes: &Fixes, now: &str) -> (bool, Vec<String>, Vec<String>) {
        let report = report();
        let said: Vec<Said> = statements.iter().map(|one| (&report, one)).collect();
        let verdict = Verdict::of(&said, &Scanning::default(), fixes, at(now));
        let names = |is: &dyn Fn(&Fix) -> bool| {
            verdict.fixes.iter().filter(|fix| is(fix)).map(|fix| fix.of.id.to_string()).collect()
        };
        let now = at(now);
        (verdict.is_fresh(now), names(&|fix| fix.is_overdue(now)), names(&|fix| fix.may_be_overdue(now)))
    }

    #[test]
    fn a_fix_is_overdue_thirty_days_after_it_was_known_and_unproven_from_publication_on() {
        let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let one = || critical("CVE-1", Some("2026-10-01"));
        let mut fixes = Fixes::default();
        let first = scan("Trivy", "2026-10-20", &[one()]);
        let What::Scan(seen) = &first.what else { unreachable!() };
        fixes.learn([seen].into_iter(), at("2026-10-20"));
        // The scan that is there; the moment; what is overdue, what may be.
        let rows = [
            ("2026-10-30", "2026-10-30T23:59:59Z", ids(&[]), ids(&[])),
            ("2026-10-30", "2026-10-31", ids(&[]), ids(&["CVE-1"])),
            ("2026-11-17", "2026-11-18T23:59:59.999Z", ids(&[]), ids(&["CVE-1"])),
            ("2026-11-17", "2026-11-19", ids(&["CVE-1"]), ids(&[])),
        ];
        for (scanned, now, overdue, perhaps) in rows {
            assert_eq!(judged(&[scan("Trivy", scanned, &[one()])], &fixes, now), (true, overdue, perhaps), "{now}");
        }
        // Nobody knows since when: what was published long ago may be overdue at once, what tells no day too.
        let nothing = Fixes::default();
        for published in [None, Some("2026-01-01")] {
            let said = [scan("Trivy", "2026-11-17", &[critical("CVE-2", published)])];
            assert_eq!(judged(&said, &nothing, "2026-11-18"), (true, ids(&[]), ids(&["CVE-2"])), "{published:?}");
        }
        // A scan that is old enough itself proves it without anything that was kept.
        let said = [scan("Trivy", "2026-09-01", &[critical("CVE-3", None)])];
        assert_eq!(judged(&said, &nothing, "2026-11-18"), (false, ids(&["CVE-3"]), ids(&[])));
    }

    #[test]
    fn of_each_scanner_the_last_word_counts() {
        let fixes = Fixes::default();
        let old = "2026-09-01";
        let (mended, other) = (critical("mended", None), critical("other", None));
        let said = [
            scan("Trivy", old, std::slice::from_ref(&mended)),
            scan("Trivy", "2026-11-17", &[]),
            scan("Grype", old, std::slice::from_ref(&other)),
        ];
        let (fresh, overdue, _) = judged(&said, &fixes, "2026-11-18");
        assert_eq!((fresh, overdue), (true, vec!["other".to_string()]));
    }

    #[test]
    fn a_scan_is_fresh_for_a_week_and_none_of_the_future_counts() {
        let fixes = Fixes::default();
        let fresh = |day: &str, now: &str| judged(&[scan("Trivy", day, &[])], &fixes, now).0;
        assert!(fresh("2026-11-01", "2026-11-07T23:59:59.999Z"));
        assert!(!fresh("2026-11-01", "2026-11-08"));
        assert!(fresh("2026-11-01T00:05:00Z", "2026-11-01"), "clocks differ");
        assert!(!fresh("2026-12-01", "2026-11-01"));
    }

    #[test]
    fn admission_lets_it_start_until_something_is_too_old_or_overdue() {
        let report = report();
        let statement = scan("Trivy", "2026-11-01", &[critical("CVE-1", Some("2026-10-31"))]);
        let mut fixes = Fixes::default();
        let What::Scan(seen) = &statement.what else { unreachable!() };
        let limits = |fixes: &Fixes, admission| {
            Verdict::of(&[(&report, &statement)], &Scanning::default(), fixes, at("2026-11-02")).limits(admission)
        };
        let (fresh, critical) = (Some(at("2026-11-08")), Some(at("2026-12-01")));
        assert_eq!(limits(&fixes, ImageAdmission::Proven), Some(Limits { fresh, critical, others: None }));
        assert_eq!(limits(&fixes, ImageAdmission::Overdue), Some(Limits { fresh: None, critical, others: None }));
        assert_eq!(limits(&fixes, ImageAdmission::References), None);
        let early = Scan { at: at("2026-10-03"), ..seen.clone() };
        fixes.learn([&early].into_iter(), at("2026-11-02"));
        let critical = Some(at("2026-11-02"));
        assert_eq!(limits(&fixes, ImageAdmission::Proven), Some(Limits { fresh, critical, others: None }));
        assert_eq!(Verdict::default().limits(ImageAdmission::Proven), None);
        assert_eq!(Verdict::default().limits(ImageAdmission::Overdue), None);
    }
}
