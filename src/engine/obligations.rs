//! What has to be done by when: reviews, renewals, confirmations.

use k8s_openapi::jiff::Timestamp;

use super::{
    checks::people,
    dates::{REVIEW_INTERVAL, later},
    declaration::Declaration,
    shown::{MESSAGE, bounded, seconds},
};
use crate::api::Obligation;

const OBLIGATIONS: usize = 10;

/// The nearest ones.
pub(super) fn nearest(declaration: &Declaration, now: Timestamp) -> Vec<Obligation> {
    let mut obligations = all(declaration, now);
    obligations.truncate(OBLIGATIONS);
    obligations
}

/// Until when a flow has to be reviewed.
pub fn review_due(reviewed: Timestamp) -> Timestamp {
    later(reviewed, REVIEW_INTERVAL)
}

/// Until when the scope has to be confirmed again; `None` where it never was.
pub fn confirmation_due(declaration: &Declaration) -> Option<Timestamp> {
    declaration.scope_confirmation.as_ref().map(|one| people::due(declaration.entity_type, one))
}

/// All of them, the nearest first.
pub fn all(declaration: &Declaration, now: Timestamp) -> Vec<Obligation> {
    let mut obligations: Vec<Obligation> = declaration
        .open_flows(now)
        .flat_map(|flow| {
            let review = review_due(flow.reviewed_at.0);
            [
                (review, format!("Review flow {}.", flow.name)),
                (flow.expires_at.0, format!("Renew flow {} or let it close.", flow.name)),
            ]
        })
        .map(|(due, action)| Obligation { requirement: "1.2.7".to_string(), action, due: seconds(due) })
        .collect();
    let admits = declaration.admits.iter().filter(|admit| admit.expires_at.0 > now);
    obligations.extend(admits.map(|admit| Obligation {
        requirement: "12.5.2".to_string(),
        action: format!("Review why {} of {} runs on the zone's nodes.", admit.workload, admit.namespace),
        due: seconds(admit.expires_at.0),
    }));
    // What is overdue is still to be done.
    obligations.extend(declaration.exceptions.iter().map(|exception| Obligation {
        requirement: "12.3.2".to_string(),
        action: bounded(
            &format!("End the exception {} on {}.", exception.finding.as_str(), exception.subject),
            MESSAGE,
        ),
        due: seconds(exception.expires_at.0),
    }));
    obligations.extend(declaration.attestations.iter().filter_map(|one| {
        let requirement = one.control.requirements(declaration.entity_type).last()?;
        let action = format!("Carry out and attest {} again.", one.control.as_str());
        Some(Obligation {
            requirement: (*requirement).to_string(),
            action,
            due: seconds(people::attested_until(declaration.entity_type, one)),
        })
    }));
    let entity = declaration.entity_type;
    obligations.extend(confirmation_due(declaration).map(|due| Obligation {
        requirement: people::requirement(entity).to_string(),
        action: "Confirm the scope.".to_string(),
        due: seconds(due),
    }));
    obligations.sort_by(|a, b| (&a.due, &a.action).cmp(&(&b.due, &b.action)));
    obligations
}
