//! What has to be done by when: reviews, renewals, confirmations.

use super::{
    checks::{Case, people},
    dates::{REVIEW_INTERVAL, later},
    shown::{MESSAGE, bounded, seconds},
};
use crate::api::Obligation;

const OBLIGATIONS: usize = 10;

/// The nearest ones.
pub(super) fn obligations(case: &Case) -> Vec<Obligation> {
    let mut obligations: Vec<Obligation> = case
        .declaration
        .open_flows(case.now)
        .flat_map(|flow| {
            let review = later(flow.reviewed_at.0, REVIEW_INTERVAL);
            [
                (review, format!("Review flow {}.", flow.name)),
                (flow.expires_at.0, format!("Renew flow {} or let it close.", flow.name)),
            ]
        })
        .map(|(due, action)| Obligation { requirement: "1.2.7".to_string(), action, due: seconds(due) })
        .collect();
    let admits = case.declaration.admits.iter().filter(|admit| admit.expires_at.0 > case.now);
    obligations.extend(admits.map(|admit| Obligation {
        requirement: "12.5.2".to_string(),
        action: format!("Review why {} of {} runs on the zone's nodes.", admit.workload, admit.namespace),
        due: seconds(admit.expires_at.0),
    }));
    // What is overdue is still to be done.
    obligations.extend(case.declaration.exceptions.iter().map(|exception| Obligation {
        requirement: "12.3.2".to_string(),
        action: bounded(
            &format!("End the exception {} on {}.", exception.finding.as_str(), exception.subject),
            MESSAGE,
        ),
        due: seconds(exception.expires_at.0),
    }));
    obligations.extend(case.declaration.attestations.iter().filter_map(|one| {
        let requirement = one.control.requirements(case.declaration.entity_type).last()?;
        let action = format!("Carry out and attest {} again.", one.control.as_str());
        Some(Obligation { requirement: (*requirement).to_string(), action, due: seconds(one.valid_until.0) })
    }));
    let entity = case.declaration.entity_type;
    let confirmation = case.declaration.scope_confirmation.as_ref().map(|one| people::due(entity, one));
    obligations.extend(confirmation.map(|due| Obligation {
        requirement: people::requirement(entity).to_string(),
        action: "Confirm the scope.".to_string(),
        due: seconds(due),
    }));
    obligations.sort_by(|a, b| (&a.due, &a.action).cmp(&(&b.due, &b.action)));
    obligations.truncate(OBLIGATIONS);
    obligations
}
