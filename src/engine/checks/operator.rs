//! The operator itself: what it lacks, what was done to what it keeps, and whether it may more than it needs (PCI DSS 10.7.2, 7.2.5).

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use kube::core::{Selector, SelectorExt};
use serde_json::Value;

use super::{Case, Found, access::some};
use crate::{
    api::FindingId,
    engine::{
        desired::admission::{Guard, Kind},
        due::Due,
        guards::GuardWrite,
        plan::Write,
        pod::Pod,
        snapshot::{Incident, Tampering},
    },
};

/// Rights in a message.
const NAMED: usize = 3;

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    for right in &case.snapshot.missing_rights {
        let message = format!("The operator may not {right}.");
        found.push(Found::new(FindingId::OperatorPermissionMissing, "Operator/pcizone", message));
    }
    for (subject, error) in case.failures() {
        found.push(Found::new(FindingId::WriteRefused, subject, format!("{error}; it is tried again.")));
    }
    found.extend(case.snapshot.incidents.iter().filter(|incident| incident.zone == case.name).map(incident));
    gates(case, found);
    excess(case, found);
    open_to_all(case, found);
}

fn incident(incident: &Incident) -> Found {
    let (done, manager) = match incident.tampering {
        Tampering::Removed => {
            ("deleted", "the object is gone and with it its field managers; the audit log names the user")
        }
        Tampering::Changed => ("changed", "the object names no field manager; the audit log names the user"),
    };
    let evidence = incident.manager.as_ref().map_or_else(|| manager.to_string(), |m| format!("field manager: {m}"));
    let message = format!("Somebody {done} it; it was put back.");
    let found = Found::new(FindingId::ManagedObjectTampered, &incident.subject, message).with_evidence(evidence);
    Found { since: Some(incident.at), ..found }
}

/// Policies that are to refuse and do not, once everything was in place: before that the zone says that it is being written. What
/// was put back a moment ago is told as that.
fn gates(case: &Case, found: &mut Vec<Found>) {
    let guarding = &case.guarding;
    if !matches!(guarding.due, Due::Protect(_)) || !case.was_in_place {
        return;
    }
    let bindings = guarding.desired.iter().filter(|guard| guard.kind == Kind::ValidatingBinding);
    let refusing: Vec<&str> = bindings.filter(|guard| refuses(guard)).map(Guard::name).collect();
    let is_told = |subject: &str| case.snapshot.incidents.iter().any(|one| one.subject == subject);
    for write in &guarding.writes {
        let Write::Guard(write) = write else { continue };
        let subject = write.guard().subject();
        if !refusing.contains(&write.guard().name()) || is_told(&subject) {
            continue;
        }
        let says = match (write, write.guard().kind) {
            (GuardWrite::Create(_), Kind::Validating) => "The admission policy is not there",
            (GuardWrite::Create(_), Kind::ValidatingBinding) => "The admission policy has no binding",
            (GuardWrite::Replace { live, .. }, Kind::ValidatingBinding) if !refuses(live) => {
                "The binding of the admission policy does not deny"
            }
            (GuardWrite::Replace { live, desired }, Kind::Validating | Kind::ValidatingBinding)
                if live.spec != desired.spec =>
            {
                "The admission policy is not as the zone needs it"
            }
            (_, _) => continue,
        };
        found.push(Found::new(
            FindingId::AdmissionGateWeak,
            subject,
            format!("{says}, though the zone is in Enforce."),
        ));
    }
}

fn refuses(binding: &Guard) -> bool {
    let actions = binding.spec.get("validationActions").and_then(Value::as_array);
    actions.is_some_and(|actions| actions.iter().any(|action| action == "Deny"))
}

fn excess(case: &Case, found: &mut Vec<Found>) {
    for (binding, beyond) in &case.access.operator {
        let rights = some(beyond, NAMED);
        let message = format!("The operator may do more in the whole cluster than it is shipped with: {rights}.");
        let one = Found::new(FindingId::OperatorPermissionExcess, binding.subject(), message);
        found.push(one.with_evidence(format!("by {}", binding.role_words())));
    }
}

/// Whoever reaches the operator's pods may try them.
fn open_to_all(case: &Case, found: &mut Vec<Found>) {
    let is_open = |pod: &Pod| {
        let policies = case.snapshot.policies.get(pod.namespace()).into_iter().flatten();
        !policies.filter_map(|policy| policy.spec.as_deref()).any(|spec| isolates(spec, pod))
    };
    let open = case.access.operator_pods().iter().filter(|pod| is_open(pod));
    let open: BTreeMap<String, &Pod> = open.map(|pod| (pod.subject(), *pod)).collect();
    for (subject, pod) in open {
        let message = "No NetworkPolicy says who may connect to the operator's pods.";
        let one = Found::new(FindingId::OperatorOffTrustedNode, subject, message);
        found.push(one.with_evidence(format!("pod {}", pod.name())));
    }
}

fn isolates(spec: &NetworkPolicySpec, pod: &Pod) -> bool {
    let ingress = spec.policy_types.as_ref().is_none_or(|types| types.iter().any(|kind| kind == "Ingress"));
    let selector = spec.pod_selector.clone().unwrap_or_default();
    ingress && Selector::try_from(selector).is_ok_and(|selector| selector.matches(&pod.labels))
}
