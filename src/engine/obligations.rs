//! What has to be done by when: reviews, renewals, confirmations.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::{
    checks::people,
    dates::{REVIEW_INTERVAL, later},
    declaration::Declaration,
    images::zone::Images,
    shown::{MESSAGE, bounded, seconds},
};
use crate::api::Obligation;

const OBLIGATIONS: usize = 10;
/// Fixes among them: a zone may have more than there is space for, and people's duties are to be seen beside them.
const FIXES: usize = 3;

/// The nearest ones, with the fixes of images.
pub(super) fn nearest(declaration: &Declaration, images: Option<&Images>, now: Timestamp) -> Vec<Obligation> {
    let mut obligations = with_fixes(declaration, images, now);
    obligations.truncate(OBLIGATIONS);
    obligations
}

/// The nearest date of each requirement. Of a zone with many flows that is more than the nearest ones tell.
pub(super) fn due(declaration: &Declaration, images: Option<&Images>, now: Timestamp) -> BTreeMap<String, Timestamp> {
    let mut due = BTreeMap::new();
    for one in with_fixes(declaration, images, now) {
        due.entry(one.requirement).or_insert(one.due.0);
    }
    due
}

fn with_fixes(declaration: &Declaration, images: Option<&Images>, now: Timestamp) -> Vec<Obligation> {
    let mut obligations = all(declaration, now);
    let mut fixes: Vec<Obligation> = images.into_iter().flat_map(fixes).collect();
    sort(&mut fixes);
    fixes.truncate(FIXES);
    obligations.extend(fixes);
    sort(&mut obligations);
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
    sort(&mut obligations);
    obligations
}

fn sort(obligations: &mut [Obligation]) {
    obligations.sort_by(|a, b| (&a.due, &a.action).cmp(&(&b.due, &b.action)));
}

/// The next fix of each image that the zone's pods run.
pub fn fixes(images: &Images) -> impl Iterator<Item = Obligation> {
    images.own.iter().filter_map(|(named, one)| {
        let fixes = one.verdicts.iter().flat_map(|(_, verdict)| &verdict.fixes);
        let first = fixes.min_by_key(|fix| fix.due)?;
        let image = one.subject(named);
        let action = format!("Fix {} ({}) in {image}.", first.of.id, first.of.severity.as_str());
        Some(Obligation {
            requirement: "6.3.3".to_string(),
            action: bounded(&action, MESSAGE),
            due: seconds(first.due),
        })
    })
}
