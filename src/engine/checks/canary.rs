//! What the canary showed on real nodes, for how long that holds, and the record of failures (PCI DSS 10.7.2, 10.7.3, 11.4.5).

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use super::{Case, Found};
use crate::{
    api::{ControlFailure, FindingId, PciZoneStatus, SegmentationTest, TestFailure, TestResult},
    engine::{change::count, dates::later, declaration::Declaration, shown::bounded},
};

/// What a round is, and what it is not.
pub const LIMITS: &str = "It supports PCI DSS 11.4.5 and is no penetration test.";
/// Bytes of what failed and of its cause.
const SAID: usize = 160;
/// Failures that stay on record.
const MOST_FAILURES: usize = 5;

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    if case.members().next().is_none() {
        return;
    }
    let zone = format!("PciZone/{}", case.name);
    let new = |id, message: String| Found::new(id, zone.clone(), message);
    // What is known to enforce nothing needs no test.
    let idle = case.around.enforces_nothing.as_ref();
    if let Some(plug_in) = idle {
        let message = "The network plug-in enforces no NetworkPolicy, and no engine that does was found beside it.";
        found.push(new(FindingId::CniNoEnforcement, message.to_string()).with_evidence(plug_in));
    }
    let Some(test) = test(case) else {
        if idle.is_none() {
            let why = case.snapshot.untested.get(case.name).map_or("was not tested", |untested| &untested.why);
            let message =
                format!("The policies are in the API server; whether the network plug-in enforces them {why}.");
            found.push(new(FindingId::CniEnforcementUnproven, message));
        }
        return;
    };
    let evidence = || evidence(test);
    match (test.result, test.failure) {
        (TestResult::NotEnforced, Some(TestFailure::Everything)) if idle.is_none() => {
            found.push(new(FindingId::CniNoEnforcement, test.message.clone()).with_evidence(evidence()));
        }
        (TestResult::NotEnforced, Some(failure)) if idle.is_none() => {
            found.push(new(FindingId::SegmentationProbeFailed, test.message.clone()).with_evidence(evidence()));
            if failure == TestFailure::OneFamily {
                found.push(new(FindingId::DualStackAsymmetry, test.message.clone()).with_evidence(evidence()));
            }
        }
        (TestResult::Enforced, _) => {}
        _ if idle.is_some() => {}
        // What others opened stands in findings of its own; that nothing could be shown stays to be said.
        _ => found.push(new(FindingId::CniEnforcementUnproven, test.message.clone()).with_evidence(evidence())),
    }
    if let Some(why) = stale(case, test) {
        found.push(new(FindingId::SegmentationProbeStale, why).with_evidence(evidence()));
    }
    if test.open_at_start > 0 {
        let ways = count(usize::try_from(test.open_at_start).unwrap_or(usize::MAX), "way");
        let message = format!(
            "{ways} of the canary's pods could be gone for a moment after they started, before their policies held."
        );
        found.push(new(FindingId::PodStartsBeforeEnforcement, message).with_evidence(evidence()));
    }
    for failure in &case.failures {
        if failure.cause.is_none() {
            let ended =
                failure.ended_at.as_ref().map_or("it goes on".to_string(), |end| format!("it ended at {}", end.0));
            let message = format!("Segmentation failed at {}, {ended}, and nobody has told why.", failure.started_at.0);
            found.push(new(FindingId::ControlFailureUnexplained, message).with_evidence(failure.what.clone()));
        }
    }
}

/// What the canary showed last, as far as it is known.
pub fn test<'a>(case: &'a Case) -> Option<&'a SegmentationTest> {
    case.test.as_ref()
}

/// It was shown, lately and since the last change, that everything is enforced.
pub fn is_proven(case: &Case) -> bool {
    let is_shown = |test: &SegmentationTest| test.result == TestResult::Enforced && stale(case, test).is_none();
    case.around.enforces_nothing.is_none() && test(case).is_some_and(is_shown)
}

/// Why a result does not hold any more.
fn stale(case: &Case, test: &SegmentationTest) -> Option<String> {
    // What failed goes on until it is shown that it does not.
    if test.result == TestResult::NotEnforced {
        return None;
    }
    let at = test.tested_at.0;
    if until(case.declaration.canary.max_age_hours, test) <= case.now {
        return Some(format!(
            "The canary's last round was at {at}, more than {} ago.",
            hours(case.declaration.canary.max_age_hours)
        ));
    }
    if test.digest != case.about {
        return Some(format!(
            "Policies, nodes or network agents changed since the canary's last round, which was at {at}."
        ));
    }
    // Who cannot read them now, or could not then, does not know of a change.
    let (then, now) = (test.settings_digest.as_ref(), case.snapshot.settings.as_ref());
    then.zip(now)
        .filter(|(then, now)| then != now)
        .map(|_| format!("Settings of the network plug-in changed since the canary's last round, which was at {at}."))
}

/// When a result ends to prove anything.
pub fn until(max_age_hours: i32, test: &SegmentationTest) -> Timestamp {
    later(test.tested_at.0, SignedDuration::from_hours(i64::from(max_age_hours)))
}

fn hours(n: i32) -> String {
    count(usize::try_from(n).unwrap_or_default(), "hour")
}

fn evidence(test: &SegmentationTest) -> String {
    let sample = if test.sample.is_empty() { String::new() } else { format!("; {}", test.sample.join("; ")) };
    format!("round {} in {} at {}{sample}", test.round, test.namespace, test.tested_at.0)
}

/// The failures on record, the newest first.
pub(super) fn failures(
    previous: Option<&PciZoneStatus>,
    test: Option<&SegmentationTest>,
    declaration: &Declaration,
) -> Vec<ControlFailure> {
    let mut all = previous.map(|status| status.control_failures.clone()).unwrap_or_default();
    let is_open = |failure: &ControlFailure| failure.ended_at.is_none();
    if let Some(test) = test {
        let at = || Time(test.tested_at.0);
        match (test.result, test.failure) {
            (TestResult::NotEnforced, Some(_)) if !all.iter().any(is_open) => {
                all.insert(
                    0,
                    ControlFailure {
                        started_at: at(),
                        ended_at: None,
                        what: bounded(&test.message, SAID),
                        cause: None,
                    },
                );
            }
            (TestResult::Enforced, _) => {
                all.iter_mut().filter(|failure| is_open(failure)).for_each(|failure| failure.ended_at = Some(at()));
            }
            _ => {}
        }
    }
    if let Some((start, why)) = &declaration.failure_cause {
        let named = all.iter_mut().filter(|failure| failure.started_at.0 == *start);
        named.for_each(|failure| failure.cause = Some(bounded(why, SAID)));
    }
    // Those that are explained and over go first.
    while all.len() > MOST_FAILURES {
        let over = all.iter().rposition(|failure| failure.cause.is_some() && failure.ended_at.is_some());
        all.remove(over.unwrap_or(all.len() - 1));
    }
    all
}
