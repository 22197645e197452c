//! What forms say in the same words.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Zone;
pub(super) use super::columns::plain as line;
use crate::api::{Finding, FindingId, Reason};

/// Name of the program in forms that name one.
pub(super) const TOOL: &str = "PciZone";
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The standard, as tags and names of requirements have it.
pub(super) const STANDARD: &str = "PCI DSS v4.0.1";

/// Something of a zone that no finding tells, although the zone is not as it should be.
pub(super) struct Note {
    /// One word.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

/// The zone was not judged.
pub(super) const UNJUDGED: &str = "Unjudged";
/// The zone is not in place.
pub(super) const NOT_IN_PLACE: &str = "NotInPlace";

/// What of a zone no finding tells.
pub(super) fn notes(zone: &Zone) -> Vec<Note> {
    if let Some(why) = zone.unjudged() {
        return vec![Note { kind: UNJUDGED, message: why.to_string() }];
    }
    let is_untold = |condition: &&Condition| condition.reason != Reason::Violated.as_str();
    let note = |condition: &Condition| Note {
        kind: NOT_IN_PLACE,
        message: format!("{} is {}: {}", condition.type_, condition.status, condition.message),
    };
    zone.not_in_place().filter(is_untold).map(note).collect()
}

/// The id of a finding, if this version knows it. It wrote the finding, so it does.
pub(super) fn known(finding: &Finding) -> Option<FindingId> {
    FindingId::ALL.iter().copied().find(|id| id.as_str() == finding.id)
}

/// Until when a finding is accepted, in words.
pub(super) fn acceptance(finding: &Finding) -> Option<String> {
    finding.accepted_until.as_ref().map(|until| format!("accepted by an exception of the zone until {}", until.0))
}
