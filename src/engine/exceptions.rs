//! Exceptions: which findings somebody accepted for now, and what is to be said of the exceptions themselves.
//!
//! Only what is violated is accepted. What is unproven never is: what cannot be seen does not pass.

use k8s_openapi::jiff::Timestamp;

use super::{
    checks::Found,
    dates::{EXPIRY_WARNING, earlier},
};
use crate::api::{Exception, FindingId, FindingState, Severity};

/// An exception, and what it came upon.
struct Use<'a> {
    exception: &'a Exception,
    /// It accepts something.
    accepts: bool,
    /// It matches something that is unproven.
    unproven: bool,
    /// It is over; the worst of what it accepted and no other accepts.
    reopened: Option<Severity>,
}

/// Marks the findings that are accepted at `now`, and adds what is found about the exceptions.
pub fn accept(exceptions: &[Exception], found: &mut Vec<Found>, now: Timestamp) {
    let unused = |exception| Use { exception, accepts: false, unproven: false, reopened: None };
    let mut uses: Vec<Use> = exceptions.iter().map(unused).collect();
    for one in found.iter_mut().filter(|one| one.id.is_acceptable()) {
        judge(&mut uses, one, now);
    }
    found.extend(uses.iter().filter_map(|used| told(used, now)));
}

/// The instants at which that changes by the clock alone.
pub fn instants(exceptions: &[Exception]) -> impl Iterator<Item = Timestamp> {
    exceptions.iter().map(|one| one.expires_at.0).flat_map(|end| [end, earlier(end, EXPIRY_WARNING)])
}

fn judge(uses: &mut [Use], one: &mut Found, now: Timestamp) {
    let mut meant: Vec<&mut Use> =
        uses.iter_mut().filter(|used| is_about(used.exception, one.id, &one.subject)).collect();
    if one.state == FindingState::Unproven {
        for used in meant {
            used.unproven = true;
        }
        return;
    }
    let live = meant.iter_mut().filter(|used| is_live(used.exception, now));
    let live = live.map(|used| {
        used.accepts = true;
        used.exception.expires_at.0
    });
    one.accepted_until = live.max();
    if one.accepted_until.is_some() {
        one.state = FindingState::Accepted;
        return;
    }
    for used in meant {
        used.reopened = Some(used.reopened.map_or(one.severity, |worst| worst.min(one.severity)));
    }
}

/// The exception is about this finding, whether it accepts it or not.
pub(crate) fn is_about(exception: &Exception, id: FindingId, subject: &str) -> bool {
    exception.finding == id && matches(&exception.subject, subject)
}

/// It is not over.
pub(crate) fn is_live(exception: &Exception, now: Timestamp) -> bool {
    exception.expires_at.0 > now
}

fn told(used: &Use, now: Timestamp) -> Option<Found> {
    let Use { exception, accepts, unproven, reopened } = used;
    let end = exception.expires_at.0;
    let subject = format!("Exception/{}/{}", exception.finding.as_str(), exception.subject);
    if let Some(severity) = reopened {
        let message = format!("It ended at {end}, and what it accepted is violated again.");
        return Some(Found::new(FindingId::ExceptionExpired, subject, message).with_severity(*severity));
    }
    if !accepts {
        let message = if *unproven {
            "It matches only what is unproven, and that is never accepted."
        } else if is_live(exception, now) {
            "It matches nothing that is violated."
        } else {
            "It is over, and what it accepted is violated no more."
        };
        return Some(Found::new(FindingId::ExceptionUnused, subject, message));
    }
    (earlier(end, EXPIRY_WARNING) <= now).then(|| {
        let message = format!("It ends at {end}, and what it accepts is violated again at that instant.");
        Found::new(FindingId::ExceptionExpiringSoon, subject, message)
    })
}

/// Whether a pattern matches a text. A `*` stands for any characters but a slash; all others stand for themselves, which no
/// crate for globs can be told, and names of users have brackets and question marks in them.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut patterns, mut texts) = (pattern.split('/'), text.split('/'));
    loop {
        match (patterns.next(), texts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(text)) if matches_part(pattern, text) => {}
            (_, _) => return false,
        }
    }
}

/// The first place where a piece fits is the best one, but for the last piece, which belongs at the end.
fn matches_part(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text.strip_suffix(last) else { return false };
    for piece in middle.split('*') {
        match text.split_once(piece) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    const POD: &str = "Pod/vault/vault-0";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-24T08:00:00Z")
    }

    fn exception(finding: FindingId, subject: &str, end: &str) -> Exception {
        Exception {
            finding,
            subject: subject.to_string(),
            need: "The vendor's agent needs it until release 4.".to_string(),
            risk_analysis: "RA-17".to_string(),
            owner: None,
            approved_by: "ciso@example.com".to_string(),
            expires_at: Time(at(end)),
        }
    }

    fn found(id: FindingId, subject: &str) -> Found {
        Found::new(id, subject, "It is so.")
    }

    /// Ids, subjects, states and severities, as they come out.
    fn after(exceptions: &[Exception], mut found: Vec<Found>) -> Vec<(FindingId, String, FindingState, Severity)> {
        accept(exceptions, &mut found, now());
        found.into_iter().map(|one| (one.id, one.subject, one.state, one.severity)).collect()
    }

    #[test]
    fn a_star_stands_for_anything_within_a_part() {
        for (pattern, text, wanted) in [
            ("Pod/vault/vault-0", POD, true),
            ("Pod/vault/vault-1", POD, false),
            ("Pod/vault/*", POD, true),
            ("Pod/*/vault-0", POD, true),
            ("Pod/*", POD, false),
            ("Pod/*/*/*", POD, false),
            ("*", POD, false),
            ("Pod/vault/vault-*", POD, true),
            ("Pod/vault/vault-0*", POD, true),
            ("Pod/vault/*-0", POD, true),
            ("Pod/vault/*-1", POD, false),
            ("Pod/vault/v*t-*", POD, true),
            ("Pod/vault/*a*u*0", POD, true),
            ("Pod/vault/*u*a*u*0", POD, false),
            ("Pod/vault/**", POD, true),
            ("Pod/vault/vault-0*0", POD, false),
            ("Pod/vault/vault", POD, false),
            ("Pod/vault", POD, false),
            ("Pod/vault/vault.0", POD, false),
            ("Pod/vault/vault-?", POD, false),
            ("pod/vault/*", POD, false),
            ("Pod/v/aab*aab", "Pod/v/aabaab", true),
            ("Pod/v/aab*aab", "Pod/v/aab", false),
            ("User/*", "User/é[x]?", true),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_is_violated_is_accepted_and_only_what_is_meant() {
        let id = FindingId::PodPlacementNotEnforced;
        let exceptions = [exception(id, "Pod/vault/*", "2027-04-01T00:00:00Z")];
        let others = [found(id, "Pod/checkout/a"), found(FindingId::HostNetworkPod, POD)];
        let found = [vec![found(id, POD)], others.to_vec()].concat();
        assert_eq!(
            after(&exceptions, found),
            [
                (id, POD.to_string(), FindingState::Accepted, Severity::Medium),
                (id, "Pod/checkout/a".to_string(), FindingState::Violated, Severity::Medium),
                (FindingId::HostNetworkPod, POD.to_string(), FindingState::Violated, Severity::Critical),
            ]
        );
    }

    #[test]
    fn at_its_end_it_accepts_nothing_any_more_and_is_as_bad_as_the_worst_of_it() {
        let id = FindingId::HostNetworkPod;
        let subject = |pattern: &str| format!("Exception/HostNetworkPod/{pattern}");
        for (end, state, told) in [
            ("2026-11-24T08:00:00Z", FindingState::Violated, Some((FindingId::ExceptionExpired, Severity::Critical))),
            (
                "2026-11-24T08:00:00.000000001Z",
                FindingState::Accepted,
                Some((FindingId::ExceptionExpiringSoon, Severity::Low)),
            ),
            ("2026-12-24T08:00:00Z", FindingState::Accepted, Some((FindingId::ExceptionExpiringSoon, Severity::Low))),
            ("2026-12-24T08:00:00.000000001Z", FindingState::Accepted, None),
        ] {
            let exceptions = [exception(id, "Pod/vault/*", end)];
            let told = told.map(|(told, bad)| (told, subject("Pod/vault/*"), FindingState::Violated, bad));
            let wanted: Vec<_> = [(id, POD.to_string(), state, Severity::Critical)].into_iter().chain(told).collect();
            assert_eq!(after(&exceptions, vec![found(id, POD)]), wanted, "{end}");
        }
        let instants: Vec<Timestamp> = instants(&[exception(id, POD, "2027-01-01T00:00:00Z")]).collect();
        assert_eq!(instants, [at("2027-01-01T00:00:00Z"), at("2026-12-02T00:00:00Z")]);
    }

    #[test]
    fn an_exception_that_accepts_nothing_is_told() {
        let violated = FindingId::HostNetworkPod;
        let unproven = FindingId::PodPredatesPolicy;
        let used = FindingId::BreakGlassUsed;
        for (exception, found) in [
            (exception(violated, "Pod/vault/*", "2027-04-01T00:00:00Z"), None),
            (exception(violated, "Pod/vault/*", "2026-11-24T08:00:00Z"), None),
            (exception(unproven, "Namespace/vault", "2027-04-01T00:00:00Z"), Some("Namespace/vault")),
            (exception(used, "PciZone/cde", "2027-04-01T00:00:00Z"), Some("PciZone/cde")),
        ] {
            let id = exception.finding;
            let before: Vec<Found> = found.map(|subject| super::tests::found(id, subject)).into_iter().collect();
            let state = before.first().map(|one| one.state);
            let after = after(std::slice::from_ref(&exception), before);
            let kept = after.first().filter(|_| found.is_some()).map(|(_, _, state, _)| *state);
            assert_eq!(kept, state, "{}", id.as_str());
            let last = after.last().map(|(id, _, state, bad)| (*id, *state, *bad));
            assert_eq!(last, Some((FindingId::ExceptionUnused, FindingState::Violated, Severity::Low)));
        }
    }

    #[test]
    fn of_two_that_match_the_one_that_lasts_longer_counts() {
        let id = FindingId::HostNetworkPod;
        let over = exception(id, POD, "2026-11-01T00:00:00Z");
        let short = exception(id, "Pod/vault/*", "2027-02-01T00:00:00Z");
        let long = exception(id, "Pod/*/*", "2027-04-01T00:00:00Z");
        let mut found = vec![found(id, POD)];
        accept(&[over, long, short], &mut found, now());
        let told: Vec<_> = found.iter().map(|one| (one.id, one.state)).collect();
        assert_eq!(
            told,
            [(id, FindingState::Accepted), (FindingId::ExceptionUnused, FindingState::Violated)],
            "the one that is over reopens nothing"
        );
        assert_eq!(found[0].accepted_until, Some(at("2027-04-01T00:00:00Z")));
    }
}
