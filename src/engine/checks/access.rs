//! Access: who can change what is sealed, and whether somebody did (PCI DSS 7.2.1, 7.2.5).

use super::{Case, Found};
use crate::{
    api::{FindingId, names},
    engine::{access, plan::zone_subject},
};

/// Names in a message.
const NAMED: usize = 3;

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    if let Some(used) = &case.break_glass {
        let message = format!(
            "Somebody with the right to break glass changed what is sealed; it was put back. To acknowledge: kubectl annotate pz {} {}={} --overwrite",
            case.name,
            names::ACKNOWLEDGE,
            used.last_used.0,
        );
        let mut one = Found::new(FindingId::BreakGlassUsed, zone_subject(case.name), message);
        one.since = Some(used.first_used.0);
        found.push(one.with_evidence(format!("last {} at {}, {}", used.subject, used.last_used.0, used.evidence)));
    }
    if !case.declaration.segments() && !case.declaration.dedicates() {
        return;
    }
    let holders = access::holders(&case.snapshot.roles, &case.snapshot.bindings, case.name);
    let digest = access::digest(&holders);
    let acknowledged = case.declaration.acknowledged_holders.as_ref() == Some(&digest);
    for holder in holders {
        let (id, end) = if acknowledged {
            (FindingId::BreakGlassAcknowledged, "acknowledged".to_string())
        } else {
            let annotation = format!("{}={digest}", names::ACKNOWLEDGE_HOLDERS);
            (FindingId::BreakGlassByWildcard, format!("all such bindings are acknowledged by {annotation}"))
        };
        let message = format!(
            "They may change what is sealed, by a wildcard of ClusterRole {}: {}.",
            holder.role,
            some(&holder.subjects, NAMED)
        );
        found.push(Found::new(id, format!("ClusterRoleBinding/{}", holder.binding), message).with_evidence(end));
    }
}

/// Some names, and how many more.
pub(super) fn some(names: &[impl AsRef<str>], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
