//! Segmentation: are the declared policies in place, does anything else open, and are the flows in order.

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{Case, Found};
use crate::{
    api::{FindingId, Flow, Peer, names},
    engine::{
        desired::policies::{self, Unresolvable},
        ownership,
        plan::{Write, policy_subject},
        policy::Policy,
    },
};

/// A review is due every six months (PCI DSS 1.2.7).
pub const REVIEW_INTERVAL: SignedDuration = SignedDuration::from_hours(183 * 24);
/// How long before its end a flow is reported.
pub const EXPIRY_WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);

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
    for flow in &case.declaration.flows {
        dates(case, flow, found);
        if flow.expires_at.0 > case.now {
            resolves(case, flow, &members, found);
            found.extend(mirrored(case, flow, &members));
        }
        let is_open = flow.expires_at.0 > case.now && !case.snapshot.cluster.api_server.is_empty();
        if flow.to.api_server.is_some() && is_open {
            let message =
                "It is open by address; whether the network plug-in matches the API server by address was not tested.";
            found.push(Found::new(FindingId::FlowToApiServerUnproven, subject(case, flow), message));
        }
    }
    let zone = || format!("PciZone/{}", case.name);
    if let Some(plug_in) = case.around.enforces_nothing.as_ref().filter(|_| !members.is_empty()) {
        let message = "The network plug-in enforces no NetworkPolicy, and no engine that does was found beside it.";
        found.push(Found::new(FindingId::CniNoEnforcement, zone(), message).with_evidence(plug_in));
    } else if !members.is_empty() {
        let message = "The policies are in the API server; whether the network plug-in enforces them was not tested.";
        found.push(Found::new(FindingId::CniEnforcementUnproven, zone(), message));
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

fn dates(case: &Case, flow: &Flow, found: &mut Vec<Found>) {
    let (reviewed, expires) = (flow.reviewed_at.0, flow.expires_at.0);
    if expires <= case.now {
        let message = format!("It ended at {expires} and is closed.");
        found.push(Found::new(FindingId::FlowExpired, subject(case, flow), message));
        return;
    }
    if earlier(expires, EXPIRY_WARNING) <= case.now {
        let message = format!("It ends at {expires} and closes at that instant.");
        found.push(Found::new(FindingId::FlowExpiringSoon, subject(case, flow), message));
    }
    if reviewed > case.now {
        let message = format!("Its last review is dated {reviewed}, which has not come yet.");
        found.push(Found::new(FindingId::FlowReviewOverdue, subject(case, flow), message));
    }
    if later(reviewed, REVIEW_INTERVAL) <= case.now {
        let message = format!("It was last reviewed at {reviewed}; a review is due every six months.");
        found.push(Found::new(FindingId::FlowReviewOverdue, subject(case, flow), message));
    }
}

/// An instant earlier by a duration; the first instant there is when that lies before it.
pub fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// An instant later by a duration; the last instant there is when that lies after it.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn resolves(case: &Case, flow: &Flow, members: &BTreeSet<String>, found: &mut Vec<Found>) {
    let reasons = policies::unresolvable(case.declaration, flow, members, case.resolution, &case.snapshot.cluster);
    let Some(reason) = reasons.into_iter().next() else { return };
    let message = match reason {
        Unresolvable::NoNamespace(name) => format!("Namespace {name} does not exist, so the flow is closed."),
        Unresolvable::EmptyZone(name) => {
            format!("Zone {name} does not exist or has no namespace, so the flow is closed.")
        }
        Unresolvable::NoApiServer => {
            "The addresses of the API server are not known, so the flow is closed.".to_string()
        }
        Unresolvable::Elsewhere => "Neither end lies in this zone, so nothing is written for the flow.".to_string(),
    };
    found.push(Found::new(FindingId::FlowUnresolvable, subject(case, flow), message));
}

/// A flow between two zones needs both: each zone writes only its own end.
fn mirrored(case: &Case, flow: &Flow, members: &BTreeSet<String>) -> Option<Found> {
    let other_zone = |peer: &Peer| {
        if let Some(zone) = &peer.zone {
            return (zone != case.name).then(|| zone.clone());
        }
        let namespace = peer.namespace.as_ref().filter(|name| !members.contains(*name))?;
        case.resolution.namespace(namespace)?.zone.clone()
    };
    let zone = other_zone(&flow.from).or_else(|| other_zone(&flow.to))?;
    let declaration = case.resolution.zone(&zone)?.declaration.as_deref()?;
    let same = |theirs: &Flow| {
        theirs.expires_at.0 > case.now
            && same_end(&theirs.from, &flow.from, case)
            && same_end(&theirs.to, &flow.to, case)
            && flow.ports.iter().all(|port| theirs.ports.contains(port))
    };
    if declaration.flows.iter().any(same) {
        return None;
    }
    let message = format!("The other end lies in zone {zone}, which does not declare this flow.");
    Some(Found::new(FindingId::FlowBetweenZonesUndeclaredOneSide, subject(case, flow), message))
}

/// The two declarations mean the same pods, whether they name a namespace or its zone.
fn same_end(theirs: &Peer, ours: &Peer, case: &Case) -> bool {
    let namespaces = |peer: &Peer| policies::peer_namespaces(peer, case.resolution);
    let covers = match (namespaces(theirs), namespaces(ours)) {
        (Some(theirs), Some(ours)) => ours.is_subset(&theirs),
        (None, None) => theirs == ours,
        _ => false,
    };
    covers && (theirs.pod_selector.is_none() || theirs.pod_selector == ours.pod_selector)
}

fn subject(case: &Case, flow: &Flow) -> String {
    format!("Flow/{}/{}", case.name, flow.name)
}
