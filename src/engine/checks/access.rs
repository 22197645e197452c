//! Access: who can change what is sealed, and whether somebody did (PCI DSS 7.2.1, 7.2.5).

use super::{Case, Found};
use crate::{
    api::{FindingId, names},
    engine::{access, change::count, plan::zone_subject},
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
    let acknowledged = access::acknowledged(case.declaration, case.now);
    for holder in access::holders(&case.snapshot.roles, &case.snapshot.bindings, case.name) {
        let shown: Vec<&str> = holder.subjects.iter().take(NAMED).map(String::as_str).collect();
        let more = match holder.subjects.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (id, end) = if acknowledged.is_some_and(|until| holder.since <= until) {
            (FindingId::BreakGlassAcknowledged, "; acknowledged")
        } else {
            (FindingId::BreakGlassByWildcard, "")
        };
        let many = count(holder.subjects.len(), "subject");
        let message =
            format!("{many} may change what is sealed by a wildcard of a role: {}{more}{end}.", shown.join(", "));
        let found_one = Found::new(id, format!("ClusterRoleBinding/{}", holder.binding), message);
        found.push(found_one.with_evidence(format!("ClusterRole/{}, changed {}", holder.role, holder.since)));
    }
}
