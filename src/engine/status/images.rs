//! The images of a zone in its status.

use super::{Judgement, Verdict as Stands, accepted, worst};
use crate::{
    api::{ConditionType, FindingState, Reason, Severity},
    engine::checks::{Case, Found, Topic, topic},
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
    let (reason, note) = accepted(found.iter().filter(|f| topic(f.id) == Topic::Scanning), Reason::Proven);
    let message = format!(
        "Every image that runs comes from where it may, has a fresh scan, and no fix of it is overdue{note}. What scanners do not know is not looked at."
    );
    judge(Stands::True, reason, message)
}
