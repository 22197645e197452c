//! Why something is written, in a sentence.

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{Flow, names},
    engine::{
        declaration::Declaration,
        desired::admission::Guard,
        guards::GuardWrite,
        ownership,
        plan::Write,
        policy::Policy,
        write::{is_baseline, is_owned},
    },
};

/// Why a write is made for a zone.
pub(super) fn why(write: &Write, zone: Option<&Declaration>, now: Timestamp) -> String {
    match write {
        Write::CreatePolicy(policy) => purpose(policy, zone),
        Write::ReplacePolicy { live, desired } => format!("{}. {}", difference(live, desired), purpose(desired, zone)),
        Write::DeletePolicy(live) => left_over(live, zone, now),
        Write::LabelNamespace { .. } => {
            "Says that the default deny is there; the admission policies of the zone go by it.".to_string()
        }
        Write::UnlabelNamespace { .. } => "The namespace is not protected by that zone.".to_string(),
        Write::SetPodSecurity { record: Some(_), .. } => {
            "The zone declares it (spec.hosting.podSecurity), and the namespace is below.".to_string()
        }
        Write::SetPodSecurity { record: None, .. } => "The zone does not hold it any more.".to_string(),
        Write::LabelNode { .. } => "The label is right, and on record as somebody else's.".to_string(),
        Write::PatchNode { label: Some(_), .. } => {
            "A node of the zone (spec.hosting.nodes): its pods come here, and no others.".to_string()
        }
        Write::PatchNode { label: None, .. } => "Not a node of that zone.".to_string(),
        Write::Guard(GuardWrite::Delete(_)) => "The zone has nothing that this would guard.".to_string(),
        Write::Guard(GuardWrite::Create(guard)) => task(guard, zone),
        Write::Guard(GuardWrite::Replace { live, desired }) => {
            let reason = if live.spec == desired.spec {
                "On record as somebody else's"
            } else {
                "Is not what the zone declares"
            };
            format!("{reason}. {}", task(desired, zone))
        }
    }
}

fn purpose(policy: &Policy, zone: Option<&Declaration>) -> String {
    if is_baseline(policy) {
        return "Denies everything in both directions but DNS.".to_string();
    }
    let name = ownership::label(&policy.metadata, names::FLOW_LABEL).unwrap_or_default();
    let lets_in = policy.metadata.name.as_deref().is_some_and(|name| name.ends_with("-ingress"));
    let what = if lets_in { "Lets in" } else { "Lets out" };
    let need = flow(name, zone).map(|flow| format!(": {}", flow.need)).unwrap_or_default();
    let end = if need.ends_with('.') { "" } else { "." };
    format!("{what} what the flow {name} declares{need}{end}")
}

fn flow<'a>(name: &str, zone: Option<&'a Declaration>) -> Option<&'a Flow> {
    zone?.flows.iter().find(|flow| flow.name == name)
}

fn difference(live: &Policy, desired: &Policy) -> &'static str {
    if live.spec != desired.spec {
        "Is not what the zone declares"
    } else if is_owned(live) {
        "Would go with its owner"
    } else if ownership::managed_zone(&live.metadata) == ownership::managed_zone(&desired.metadata) {
        "On record as somebody else's"
    } else {
        "Does not say whose it is"
    }
}

fn left_over(live: &Policy, zone: Option<&Declaration>, now: Timestamp) -> String {
    let name = ownership::label(&live.metadata, names::FLOW_LABEL).unwrap_or_default();
    match flow(name, zone).map(|flow| flow.expires_at.0) {
        Some(end) if end <= now => format!("Its flow {name} ended at {end}."),
        _ => "Says that it is ours, and the zone does not declare it here.".to_string(),
    }
}

/// What a guard is for.
fn task(guard: &Guard, zone: Option<&Declaration>) -> String {
    if matches!(guard.kind.as_str(), "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") {
        return "Puts the policy of its name to work.".to_string();
    }
    let prefix = zone.map(|zone| format!("pcizone-{}-", zone.name)).unwrap_or_default();
    let patches = guard.kind.mutates();
    let task = match guard.name().strip_prefix(&prefix).unwrap_or_default() {
        "gate" | "gatebylabel" => "No pod in a namespace of the zone before its default deny.",
        "pods" => "No pod of the zone on the network, ports or processes of its node.",
        "policies" => "Nobody else changes the NetworkPolicies of the operator.",
        "namespaces" => "Nobody else changes the zone's label of namespaces.",
        "zone" => "Nobody else takes the finalizer from the zone.",
        "changes" => "Warns of changes of the zone that wait for a confirmation.",
        "definition" => "Nobody deletes the kind PciZone while zones protect.",
        "services" => "No Service opens a door that no flow declares.",
        "aliases" => "No Service elsewhere leads into the zone by another name.",
        "endpoints" => "No endpoints by hand that lead into the zone.",
        "placement" if patches => "Gives the zone's pods its node selector and toleration.",
        "placement" => "No pod of the zone on other nodes.",
        "strangers" if patches => "Keeps pods of others off the zone's nodes.",
        "strangers" => "No pod of others on the zone's nodes.",
        "bindings" => "Nobody but the scheduler puts a pod on a node of the zone.",
        "nodes" if patches => "Taints a node of the zone as it joins.",
        "nodes" => "Nobody else changes label and taint of the zone's nodes.",
        "podsecurity" => "Nobody lowers the Pod Security of the zone's namespaces.",
        _ => "Guards the zone inside the API server.",
    };
    task.to_string()
}
