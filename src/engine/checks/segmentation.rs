//! Segmentation: are the declared policies in place, and does anything else open.

use std::collections::BTreeSet;

use super::{Case, Found};
use crate::{
    api::{FindingId, names},
    engine::{
        ownership,
        plan::{Write, policy_subject},
        policy::Policy,
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    for write in &case.namespace_writes {
        found.extend(not_in_place(write));
    }
    let members: BTreeSet<String> = case.zone.namespaces.declared.union(&case.zone.namespaces.held).cloned().collect();
    for namespace in &members {
        for policy in case.snapshot.policies.get(namespace).into_iter().flatten() {
            if ownership::is_managed(&policy.metadata) {
                found.extend(held_up(policy));
            }
        }
    }
}

/// A write that is still to be made shows what is missing.
fn not_in_place(write: &Write) -> Option<Found> {
    match write {
        Write::CreatePolicy(policy) if policy.metadata.name.as_deref() == Some(names::BASELINE) => {
            let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
            let message = "Nothing denies traffic by default in this namespace.";
            let evidence = format!("there is no NetworkPolicy {}", names::BASELINE);
            Some(
                Found::new(FindingId::DefaultDenyMissing, format!("Namespace/{namespace}"), message)
                    .with_evidence(evidence),
            )
        }
        Write::ReplacePolicy { live, .. } => {
            let rival = ownership::last_rival(&live.metadata)?;
            let message = "It is not what the zone declares.";
            Some(
                Found::new(FindingId::ManagedPolicyTampered, write.subject(), message)
                    .with_evidence(format!("field manager: {rival}")),
            )
        }
        Write::LabelNamespace { namespace, .. } => {
            let message = "The namespace lacks the zone's label, or somebody else wrote it.";
            Some(Found::new(FindingId::NamespaceUnlabelled, format!("Namespace/{namespace}"), message))
        }
        Write::SetPodSecurity { namespace, record: Some(_), .. } => {
            let message = "The namespace holds its pods to a weaker Pod Security Standard than the zone declares.";
            Some(Found::new(FindingId::PodSecurityTooWeak, format!("Namespace/{namespace}"), message))
        }
        Write::CreatePolicy(_)
        | Write::SetPodSecurity { .. }
        | Write::DeletePolicy(_)
        | Write::UnlabelNamespace { .. }
        | Write::LabelNode { .. }
        | Write::PatchNode { .. }
        | Write::Guard(_) => None,
    }
}

/// A finalizer keeps a policy in force for as long as somebody likes, also after the end of its flow.
fn held_up(policy: &Policy) -> Option<Found> {
    let finalizers = policy.metadata.finalizers.as_ref().filter(|finalizers| !finalizers.is_empty())?;
    let message = "Somebody put a finalizer on it, so it cannot be removed when its time comes; it is emptied then.";
    let found = Found::new(FindingId::ManagedPolicyTampered, policy_subject(policy), message);
    Some(found.with_evidence(format!("finalizers: {}", finalizers.join(", "))))
}
