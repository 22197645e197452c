//! The images of a zone in its status.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{RoundMode, Timestamp, TimestampRound, Unit},
};

use super::{Judgement, Verdict as Stands, accepted, number, worst};
use crate::{
    api::{ConditionType, FindingState, ImagesStatus, Reason, Severity},
    engine::{
        checks::{Case, Found, Topic, topic},
        dates::seconds,
        images::verdict::Verdict,
    },
};

/// Whether the zone's images are what they should be.
pub(super) fn scanned(case: &Case, found: &[Found]) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::ImagesScanned, verdict, reason, message);
    if case.declaration.images.is_none() {
        return judge(
            Stands::Unknown,
            Reason::NotDeclared,
            "The zone declares no scanning (spec.scanning).".to_string(),
        );
    }
    if case.zone.has_no_namespace() {
        return judge(Stands::Unknown, Reason::MatchesNothing, "The zone has no namespace.".to_string());
    }
    // Low is worth knowing; nothing is missed by it.
    let of = |state| {
        let about = |f: &&Found| topic(f.id) == Topic::Scanning && f.severity != Severity::Low;
        found.iter().filter(about).filter(move |f| f.state == state)
    };
    if of(FindingState::Violated).next().is_some() {
        return judge(Stands::False, Reason::Violated, worst(of(FindingState::Violated)));
    }
    if of(FindingState::Unproven).next().is_some() {
        return judge(Stands::Unknown, Reason::Unproven, worst(of(FindingState::Unproven)));
    }
    if let Some(why) = case.snapshot.untold.get(case.name) {
        return judge(Stands::Unknown, Reason::Unproven, format!("Admission is not told what reports say: {why}."));
    }
    let (reason, note) = accepted(found.iter().filter(|f| topic(f.id) == Topic::Scanning), Reason::Proven);
    let message = format!(
        "Every image that runs comes from where it may, has a fresh scan, and no fix of it is overdue{note}. What scanners do not know is not looked at."
    );
    judge(Stands::True, reason, message)
}

/// Nothing where the zone declares nothing about images.
pub(super) fn status(case: &Case) -> Option<ImagesStatus> {
    let verdicts: Vec<_> = case.images.as_ref()?.verdicts().collect();
    let scans: Option<Vec<Timestamp>> = verdicts.iter().map(|one| Some(one.scan?.1.at)).collect();
    let is_overdue = |one: &&&Verdict| one.fixes.iter().any(|fix| fix.is_overdue(case.now));
    let due = verdicts.iter().flat_map(|one| &one.fixes).map(|fix| fix.due).filter(|due| *due > case.now);
    let untold = case.images.iter().flat_map(|images| images.own.values()).filter(|one| one.is_untold).count();
    let scans = scans.filter(|_| untold == 0);
    Some(ImagesStatus {
        running: number(verdicts.len() + untold),
        scanned: number(verdicts.iter().filter(|one| one.is_fresh(case.now)).count()),
        overdue: number(verdicts.iter().filter(is_overdue).count()),
        oldest_scan: scans.and_then(|scans| scans.into_iter().min()).map(|at| Time(hour(at))),
        next_fix: due.min().map(|at| Time(seconds(at))),
    })
}

/// Scanners go round; not each of their steps is worth a write.
fn hour(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc)).unwrap_or(at)
}
