//! What people have to say from time to time: that the scope is right (PCI DSS 12.5.2), and that what no API shows was done.

use k8s_openapi::jiff::Timestamp;

use super::{Case, Found};
use crate::{
    api::{Attestation, Confirmation, Control, EntityType, FindingId},
    engine::{
        dates::{EXPIRY_WARNING, earlier, months_later},
        declaration::Declaration,
        plan::zone_subject,
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    scope(case, found);
    for attestation in &case.declaration.attestations {
        found.extend(attested(case, attestation));
    }
}

/// The instants at which that changes by the clock alone.
pub(in crate::engine) fn instants(declaration: &Declaration) -> impl Iterator<Item = Timestamp> {
    let confirmation = declaration.scope_confirmation.as_ref();
    let confirmed = confirmation.into_iter().flat_map(|one| [one.confirmed_at.0, due(declaration.entity_type, one)]);
    let attested = declaration.attestations.iter().flat_map(|one| {
        let end = attested_until(declaration.entity_type, one);
        [one.at.0, end, earlier(end, EXPIRY_WARNING)]
    });
    confirmed.chain(attested)
}

/// When the scope has to be confirmed again.
pub(in crate::engine) fn due(entity: EntityType, confirmation: &Confirmation) -> Timestamp {
    let months = match entity {
        EntityType::Merchant => 12,
        EntityType::ServiceProvider => 6,
    };
    months_later(confirmation.confirmed_at.0, months)
}

/// Until when an attestation holds: as it says, and no longer than the standard does.
pub fn attested_until(entity: EntityType, attestation: &Attestation) -> Timestamp {
    let due = attestation.control.months(entity).map(|months| months_later(attestation.at.0, months));
    due.map_or(attestation.valid_until.0, |due| due.min(attestation.valid_until.0))
}

/// Somebody attested it, and that holds now.
pub(super) fn is_attested(case: &Case, control: Control) -> bool {
    let holds = |one: &Attestation| {
        one.control == control && one.at.0 <= case.now && case.now < attested_until(case.declaration.entity_type, one)
    };
    case.declaration.attestations.iter().any(holds)
}

/// The requirement that says how often the scope is confirmed.
pub(in crate::engine) fn requirement(entity: EntityType) -> &'static str {
    match entity {
        EntityType::Merchant => "12.5.2",
        EntityType::ServiceProvider => "12.5.2.1",
    }
}

fn scope(case: &Case, found: &mut Vec<Found>) {
    let entity = case.declaration.entity_type;
    let overdue = |message: String| {
        let requirements: &[&str] = match entity {
            EntityType::Merchant => &["12.5.2"],
            EntityType::ServiceProvider => &["12.5.2", "12.5.2.1"],
        };
        Found::new(FindingId::ScopeConfirmationOverdue, zone_subject(case.name), message)
            .with_requirements(requirements)
    };
    let Some(confirmation) = &case.declaration.scope_confirmation else {
        found.push(overdue("The scope was never confirmed: spec.scope.confirmation is not set.".to_string()));
        return;
    };
    let at = confirmation.confirmed_at.0;
    if at > case.now {
        found.push(overdue(format!("The confirmation of the scope is dated {at}, which has not come yet.")));
    } else if due(entity, confirmation) <= case.now {
        let every = match entity {
            EntityType::Merchant => "twelve",
            EntityType::ServiceProvider => "six",
        };
        found.push(overdue(format!("The scope was last confirmed at {at}; that is due every {every} months.")));
    }
    // Which nodes were confirmed cannot be compared with nodes that nobody showed.
    let is_shown = case.declaration.nodes.is_none() || !case.snapshot.unseen.nodes;
    if confirmation.digest != case.scope_digest && is_shown {
        let message = format!("The zone's namespaces, nodes or flows are not those that were confirmed at {at}.");
        let one = Found::new(FindingId::ScopeChangedSinceConfirmation, zone_subject(case.name), message);
        found.push(one.with_evidence(format!("digest now: {}", case.scope_digest)));
    }
}

fn attested(case: &Case, attestation: &Attestation) -> Option<Found> {
    let (at, end) = (attestation.at.0, attested_until(case.declaration.entity_type, attestation));
    let (id, message) = if end <= case.now {
        (FindingId::AttestationExpired, format!("What {} said of {at} held until {end}.", attestation.by))
    } else if at > case.now {
        (FindingId::AttestationExpired, format!("It is dated {at}, which has not come yet."))
    } else if earlier(end, EXPIRY_WARNING) <= case.now {
        (FindingId::AttestationExpiringSoon, format!("It holds until {end}."))
    } else {
        return None;
    };
    let subject = format!("Attestation/{}/{}", case.name, attestation.control.as_str());
    let requirements = attestation.control.requirements(case.declaration.entity_type);
    Some(Found::new(id, subject, message).with_requirements(requirements))
}
