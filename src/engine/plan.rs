//! From what is there to what must be there: the writes, in order.
//!
//! Pure: a plan says what to write and does not write. An empty plan means "in place". Each write is one
//! request; whoever carries it out reads the live object again before anything protective is removed.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node, Taint},
        networking::v1::NetworkPolicySpec,
    },
    jiff::Timestamp,
};

pub use super::write::{Act, Write, eviction_subject, namespace_subject, node_subject, policy_subject, zone_subject};
use super::write::{is_baseline, is_owned};
use super::{
    declaration::Declaration,
    desired::{node, pod_security, policies},
    memory::Before,
    ownership,
    policy::Policy,
    resolve::{Claim, Resolution, Zone},
    snapshot::Cluster,
};
use crate::api::names;

/// What is to be done about an object.
#[derive(Clone, Copy, Debug)]
pub enum Stance<'a> {
    /// Keep the zone's protection on it, as declared.
    Protect(&'a Declaration),
    /// Keep the protection that it has: what the zone declares now takes it away, and nobody confirmed that.
    Hold {
        /// The last declaration in force, or the present one where that is not known.
        zone: &'a Declaration,
        /// It is the last declaration in force.
        known: bool,
    },
    /// Take the zone's protection from it; the user confirmed that.
    Release(&'a Declaration),
    /// The zone only observes: nothing is written; the plan says what Enforce would write.
    Observe(&'a Declaration),
    /// Nothing to do: no zone answers for it, or its zone cannot be read.
    Leave,
}

/// What is to be done about a namespace.
pub fn namespace_stance<'a>(resolution: &'a Resolution, name: &str) -> Stance<'a> {
    let enforces = |zone: &Zone| zone.wanted_namespaces().is_some();
    stance(resolution, resolution.namespace(name), enforces, |before| before.segmented.as_deref())
}

/// What is to be done about a node.
pub fn node_stance<'a>(resolution: &'a Resolution, name: &str) -> Stance<'a> {
    let enforces = |zone: &Zone| zone.wanted_nodes().is_some();
    stance(resolution, resolution.node(name), enforces, |before| before.dedicated.as_deref())
}

fn stance<'a>(
    resolution: &'a Resolution,
    claim: Option<&Claim>,
    enforces: impl Fn(&Zone) -> bool,
    last_in_force: impl Fn(&'a Before) -> Option<&'a Declaration>,
) -> Stance<'a> {
    let Some((claim, zone)) = claim.and_then(|claim| Some((claim, resolution.zone(claim.zone.as_deref()?)?))) else {
        return Stance::Leave;
    };
    let Some(declaration) = zone.answer() else {
        return Stance::Leave;
    };
    if claim.declared && enforces(zone) {
        return Stance::Protect(declaration);
    }
    match (claim.held, claim.residue) {
        (true, _) | (_, true) if zone.is_confirmed() => Stance::Release(declaration),
        (true, _) => {
            let zone = last_in_force(&zone.before);
            Stance::Hold { zone: zone.unwrap_or(declaration), known: zone.is_some() }
        }
        (false, _) if claim.declared => Stance::Observe(declaration),
        (false, _) => Stance::Leave,
    }
}

/// The writes that bring a namespace to what its zone declares.
pub fn plan_namespace(
    stance: Stance,
    namespace: &Namespace,
    live: &[Arc<Policy>],
    resolution: &Resolution,
    cluster: &Cluster,
    now: Timestamp,
) -> Vec<Write> {
    if is_terminating(namespace) {
        // Nothing may be created there, and its policies stay until the pods are gone (KEP-5080).
        return Vec::new();
    }
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    match stance {
        Stance::Protect(zone) | Stance::Observe(zone) | Stance::Hold { zone, .. } => {
            let mut desired = policies::desired(zone, name, resolution, cluster, now);
            if let Stance::Hold { known: false, .. } = stance {
                // What was open before is not known: nothing is opened that is not open now.
                let is_live = |name: &str| live.iter().any(|policy| policy.metadata.name.as_deref() == Some(name));
                desired.retain(|name, _| name == names::BASELINE || is_live(name));
            }
            let mut writes = policy_writes(desired, live);
            writes.extend(pod_security::raise(zone, namespace));
            if !is_labelled(namespace, &zone.name) {
                let uid = namespace.metadata.uid.clone().unwrap_or_default();
                let adopt = ownership::zone_label(namespace) == Some(zone.name.as_str());
                let (namespace, zone) = (name.to_string(), zone.name.clone());
                writes.push(Write::LabelNamespace { namespace, uid, zone, adopt });
            }
            writes
        }
        Stance::Release(zone) => release(zone, namespace, live),
        Stance::Leave => forged_label(namespace, live, resolution),
    }
}

/// The default deny first, because one write protects a namespace; then what is there, then what is missing.
fn policy_writes(mut desired: BTreeMap<String, Policy>, live: &[Arc<Policy>]) -> Vec<Write> {
    let mut writes = Vec::new();
    for policy in live {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        match desired.remove(name) {
            Some(wanted) if policy_matches(policy, &wanted) => {}
            Some(wanted) => writes.push(Write::ReplacePolicy { live: Arc::clone(policy), desired: Box::new(wanted) }),
            None if ownership::is_managed(&policy.metadata) => writes.extend(remove(policy)),
            None => {}
        }
    }
    writes.extend(desired.into_values().map(|policy| Write::CreatePolicy(Box::new(policy))));
    writes.sort_by_key(|write| (order(write), write.subject()));
    writes
}

fn order(write: &Write) -> u8 {
    match write {
        write if write.denies_by_default() => 0,
        Write::ReplacePolicy { .. } => 1,
        Write::DeletePolicy(_) => 2,
        Write::CreatePolicy(_) => 3,
        Write::LabelNamespace { .. }
        | Write::UnlabelNamespace { .. }
        | Write::SetPodSecurity { .. }
        | Write::LabelNode { .. }
        | Write::PatchNode { .. }
        | Write::Guard(_) => 4,
    }
}

/// Takes a policy of ours away. One that somebody put a finalizer on stays for as long as they like, and what
/// it allows with it, so it is emptied first.
fn remove(live: &Arc<Policy>) -> Vec<Write> {
    let mut writes = Vec::new();
    if live.metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty()) {
        let spec = live.spec.as_ref();
        let empty = NetworkPolicySpec {
            pod_selector: spec.and_then(|spec| spec.pod_selector.clone()),
            policy_types: spec.and_then(|spec| spec.policy_types.clone()),
            ingress: None,
            egress: None,
        };
        let mut emptied = Policy { metadata: live.metadata.clone(), spec: Some(Arc::new(empty)) };
        emptied.metadata.managed_fields = None;
        if emptied.spec != live.spec {
            writes.push(Write::ReplacePolicy { live: Arc::clone(live), desired: Box::new(emptied) });
        }
    }
    if live.metadata.deletion_timestamp.is_none() {
        writes.push(Write::DeletePolicy(Arc::clone(live)));
    }
    writes
}

/// The live policy is what is desired, and we are on record as its writer; what others added to its labels and
/// annotations does not matter. An owner does: with it the policy would go.
pub fn policy_matches(live: &Policy, desired: &Policy) -> bool {
    says_what_it_must(live, desired) && ownership::wrote(&live.metadata)
}

/// The same, whoever is on record as its writer.
pub fn says_what_it_must(live: &Policy, desired: &Policy) -> bool {
    let labels = desired.metadata.labels.iter().flatten();
    let labelled = labels.clone().all(|(key, value)| ownership::label(&live.metadata, key) == Some(value));
    let claims_flow = ownership::label(&live.metadata, names::FLOW_LABEL).is_some();
    let is_flow = ownership::label(&desired.metadata, names::FLOW_LABEL).is_some();
    let as_declared = labelled && claims_flow == is_flow && live.spec == desired.spec;
    as_declared && !is_owned(live)
}

/// The live policy may be written over: its name is one of ours, or it says that it is ours. Others' policies stay
/// as they are, also when they were ours when the write was planned.
pub fn may_replace(live: &Policy) -> bool {
    let name = live.metadata.name.as_deref().unwrap_or_default();
    is_baseline(live) || name.starts_with(names::FLOW_PREFIX) || ownership::is_managed(&live.metadata)
}

/// The live policy is the one whose deletion was planned. Somebody may have exchanged it meanwhile.
pub fn may_delete(live: &Policy, planned: &Policy) -> bool {
    let zone = ownership::managed_zone(&live.metadata);
    live.metadata.uid == planned.metadata.uid
        && zone == ownership::managed_zone(&planned.metadata)
        && ownership::is_managed(&live.metadata)
}

/// Label first, because it says that the namespace is protected; the default deny last.
fn release(zone: &Declaration, namespace: &Namespace, live: &[Arc<Policy>]) -> Vec<Write> {
    // Before the label goes: without it nobody would look here again.
    let mut writes: Vec<Write> = pod_security::put_back(namespace).into_iter().collect();
    if ownership::zone_label(namespace) == Some(zone.name.as_str()) {
        writes.push(unlabel(namespace, &zone.name));
    }
    let ours = live.iter().filter(|p| ownership::managed_zone(&p.metadata) == Some(zone.name.as_str()));
    let mut deletes: Vec<_> = ours
        .filter(|policy| policy.metadata.deletion_timestamp.is_none())
        .map(|policy| Write::DeletePolicy(Arc::clone(policy)))
        .collect();
    deletes.sort_by_key(|write| (write.subject().ends_with(names::BASELINE), write.subject()));
    writes.extend(deletes);
    writes
}

/// A zone label that somebody else put on a namespace that was never protected: guards would believe it.
fn forged_label(namespace: &Namespace, live: &[Arc<Policy>], resolution: &Resolution) -> Vec<Write> {
    let Some(zone) = ownership::zone_label(namespace) else { return Vec::new() };
    if ownership::owns_label(&namespace.metadata, names::ZONE_LABEL) {
        // Another replica protected it, and what this one knows of the zone is older than that.
        return Vec::new();
    }
    let protected = live.iter().any(|policy| ownership::managed_zone(&policy.metadata) == Some(zone));
    let enforced = resolution.zone(zone).is_some_and(|zone| zone.wanted_namespaces().is_some());
    if protected || !enforced {
        return Vec::new();
    }
    vec![unlabel(namespace, zone)]
}

fn unlabel(namespace: &Namespace, zone: &str) -> Write {
    Write::UnlabelNamespace {
        namespace: namespace.metadata.name.clone().unwrap_or_default(),
        zone: zone.to_string(),
        resource_version: namespace.metadata.resource_version.clone().unwrap_or_default(),
    }
}

/// The namespace carries the zone's label, and we wrote it.
pub fn is_labelled(namespace: &Namespace, zone: &str) -> bool {
    ownership::zone_label(namespace) == Some(zone) && ownership::owns_label(&namespace.metadata, names::ZONE_LABEL)
}

/// The namespace is being deleted.
pub fn is_terminating(namespace: &Namespace) -> bool {
    namespace.metadata.deletion_timestamp.is_some()
        || namespace.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Terminating"))
}

/// The write that brings a node to what its zone declares. Label and taints go together in one request, so
/// there is no moment with the one and without the other.
pub fn plan_node(stance: Stance, node: &Node, resolution: &Resolution) -> Option<Write> {
    if node.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let label = ownership::label(&node.metadata, names::NODE_LABEL);
    let patch = |label: Option<&str>, taints: Vec<Taint>| Write::PatchNode {
        node: node.metadata.name.clone().unwrap_or_default(),
        label: label.map(str::to_string),
        taints,
        resource_version: node.metadata.resource_version.clone().unwrap_or_default(),
    };
    match stance {
        Stance::Protect(zone) | Stance::Observe(zone) | Stance::Hold { zone, .. } => {
            let keep = matches!(stance, Stance::Hold { .. });
            let in_place = label == Some(zone.name.as_str()) && node::is_tainted(zone, node, keep);
            if !in_place {
                return Some(patch(Some(&zone.name), node::desired_taints(zone, node, keep)));
            }
            // A patch that changes nothing makes no owner, and what is not ours is not held; an apply does.
            let ours = ownership::owns_label(&node.metadata, names::NODE_LABEL);
            (!ours).then(|| Write::LabelNode {
                node: node.metadata.name.clone().unwrap_or_default(),
                uid: node.metadata.uid.clone().unwrap_or_default(),
                resource_version: node.metadata.resource_version.clone().unwrap_or_default(),
                zone: zone.name.clone(),
            })
        }
        Stance::Release(_) => {
            let clean = label.is_none() && node::our_taints(node).next().is_none();
            (!clean).then(|| patch(None, node::foreign_taints(node)))
        }
        Stance::Leave => {
            // A label that somebody else put there would draw the zone's pods to a foreign node.
            let forged = label.and_then(|zone| resolution.zone(zone)).is_some_and(|zone| zone.wanted_nodes().is_some());
            let untainted = node::our_taints(node).next().is_none();
            (forged && untainted).then(|| patch(None, node::foreign_taints(node)))
        }
    }
}
