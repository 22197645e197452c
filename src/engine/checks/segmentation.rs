//! Segmentation: are the declared policies in place, and does anything else open.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;

use super::{Case, Found, scope::rival};
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
        // Our labels on a policy that we never wrote hide nothing.
        if let Write::DeletePolicy(policy) = write
            && !ownership::wrote(&policy.metadata)
        {
            found.extend(opens(policy));
        }
    }
    let members: BTreeSet<String> = case.zone.namespaces.declared.union(&case.zone.namespaces.held).cloned().collect();
    for namespace in &members {
        for policy in case.snapshot.policies.get(namespace).into_iter().flatten() {
            if ownership::is_managed(&policy.metadata) {
                found.extend(held_up(policy));
            } else {
                found.extend(opens(policy));
            }
        }
    }
    if !members.is_empty() {
        let message = "The policies are in the API server; whether the network plug-in enforces them was not tested.";
        found.push(Found::new(FindingId::CniEnforcementUnproven, format!("PciZone/{}", case.name), message));
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

/// Policies only add: one foreign policy can undo the default deny.
fn opens(policy: &Policy) -> Option<Found> {
    let Some(spec) = &policy.spec else {
        let message = "This policy cannot be read, so what it allows is not known.";
        return Some(Found::new(FindingId::PolicyUnmanagedWidens, policy_subject(policy), message));
    };
    let ingress = spec.ingress.iter().flatten().map(|rule| rule.from.as_deref().unwrap_or_default());
    let egress = spec.egress.iter().flatten().map(|rule| rule.to.as_deref().unwrap_or_default());
    let rules: Vec<&[NetworkPolicyPeer]> = ingress.chain(egress).collect();
    let evidence = rival(&policy.metadata);
    if rules.iter().any(|peers| peers.is_empty() || peers.iter().any(is_everybody)) {
        let message = "This policy, which no flow declares, opens the namespace to or from everybody.";
        return Some(Found::new(FindingId::PolicyAllowsWorld, policy_subject(policy), message).with_evidence(evidence));
    }
    (!rules.is_empty()).then(|| {
        let message = "This policy allows traffic and no flow declares it; it was not compared with the flows.";
        Found::new(FindingId::PolicyUnmanagedWidens, policy_subject(policy), message).with_evidence(evidence)
    })
}

fn is_everybody(peer: &NetworkPolicyPeer) -> bool {
    let all = |selector: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector| {
        selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
    };
    let any_namespace = peer.namespace_selector.as_ref().is_some_and(all) && peer.pod_selector.as_ref().is_none_or(all);
    let block = peer.ip_block.as_ref().and_then(|block| block.cidr.parse::<ipnet::IpNet>().ok());
    // Halves of everything count as everything.
    any_namespace || block.is_some_and(|net| net.prefix_len() <= 1)
}
