//! Scope: are the declared objects there, and are they this zone's alone.

use super::{Case, Found};
use crate::{
    api::FindingId,
    engine::{ownership, plan::is_terminating, resolve::Claim},
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    for name in &case.declaration.namespaces.names {
        if !case.resolution.has_namespace(name) {
            let message = "The zone declares this namespace, but it does not exist.";
            found.push(Found::new(FindingId::NamespaceMissing, format!("Namespace/{name}"), message));
        }
    }
    for name in &case.zone.namespaces.contested {
        let holder = case.resolution.namespace(name).and_then(|claim| claim.zone.as_deref()).unwrap_or_default();
        let message = format!("Zone {holder} has this namespace already.");
        found.push(Found::new(FindingId::NamespaceClaimedTwice, format!("Namespace/{name}"), message));
    }
    for name in &case.zone.nodes.contested {
        let holder = case.resolution.node(name).and_then(|claim| claim.zone.as_deref()).unwrap_or_default();
        let message = format!("Zone {holder} has this node already.");
        found.push(Found::new(FindingId::NodeSharedByZones, format!("Node/{name}"), message));
    }
    undeclared(case, found);
}

/// Namespaces that carry the zone's name without being declared: leaving ones and what was slipped in.
fn undeclared(case: &Case, found: &mut Vec<Found>) {
    let is_own =
        |name: &&String| case.resolution.namespace(name).is_some_and(|claim| claim.zone.as_deref() == Some(case.name));
    for name in case.zone.leaving_namespaces().filter(is_own) {
        let message = "The zone no longer declares this namespace; its protection stays until the change is confirmed.";
        found.push(Found::new(FindingId::NamespaceNotDeclared, format!("Namespace/{name}"), message));
    }
    for (name, namespace) in &case.snapshot.namespaces {
        let policies = case.snapshot.policies.get(name).map(Vec::as_slice).unwrap_or_default();
        let named = ownership::zone_label(namespace) == Some(case.name)
            || policies.iter().any(|policy| ownership::managed_zone(&policy.metadata) == Some(case.name));
        // One that a zone answers for is being handed over; one that is going away takes everything with it.
        let answered = case.resolution.namespace(name).is_some_and(Claim::is_member);
        if named && !answered && !is_terminating(namespace) {
            let message =
                "It carries the zone's label or policies, but no zone declares it; they are left as they are.";
            found.push(
                Found::new(FindingId::NamespaceNotDeclared, format!("Namespace/{name}"), message)
                    .with_evidence(rival(&namespace.metadata)),
            );
        }
    }
}

/// The field manager of the last foreign write, in words.
pub(super) fn rival(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> String {
    ownership::last_rival(metadata).map(|manager| format!("last other field manager: {manager}")).unwrap_or_default()
}
