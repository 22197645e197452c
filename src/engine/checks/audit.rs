//! The API server's audit trail: is it on, as far as its pods show that, and does its policy record what it has to (PCI DSS 10.2.1,
//! 10.2.1.2, 10.2.1.7). Where no pod of it is seen, somebody has to attest it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Found, people};
use crate::{
    api::{Control, FindingId, names},
    engine::{
        audit::{ApiServer, LeftOut, Policy, Why, left_out},
        plan::zone_subject,
        pod::Pod,
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let Some(logs) = &case.declaration.logs else { return };
    let servers = case.snapshot.pods_in(names::SYSTEM_NAMESPACE).filter(|pod| !pod.ended);
    let servers: Vec<(&Pod, ApiServer)> = servers.filter_map(|pod| Some((pod, pod.api_server?))).collect();
    found.extend(servers.iter().filter_map(|(pod, server)| off(pod, *server)));
    let is_attested = people::is_attested(case, Control::ApiServerAudit);
    let mut unproven: Vec<String> = Vec::new();
    if servers.is_empty() && !is_attested {
        unproven.push("No pod of the API server is seen, so whether it writes an audit log is not known.".to_string());
    }
    // It is read at each judgement, and not when the zone is read: that is much more often.
    match logs.api_audit.as_ref().and_then(|audit| audit.policy.as_deref()).map(Policy::read) {
        Some(Ok(policy)) => found.extend(narrow(case, &policy)),
        Some(Err(why)) => unproven.push(format!("spec.logging.apiAudit.policy cannot be read: {why}.")),
        None if !is_attested && servers.iter().any(|(_, server)| server.records()) => unproven.push(
            "The API server writes an audit log, and what that leaves out is not known: give its policy in spec.logging.apiAudit.policy."
                .to_string(),
        ),
        None => {}
    }
    if !unproven.is_empty() {
        let message = unproven.join(" ");
        found.push(Found::new(FindingId::ApiAuditUnproven, zone_subject(case.name), message));
    }
}

/// An API server that records nothing, or keeps nothing of it.
fn off(pod: &Pod, server: ApiServer) -> Option<Found> {
    let message = match server {
        _ if server.records() => return None,
        ApiServer { policy: false, .. } => "The API server writes no audit log: it runs without --audit-policy-file.",
        ApiServer { .. } => {
            "The API server writes no audit log: it runs without --audit-log-path and without --audit-webhook-config-file."
        }
    };
    // Not by whoever may have made it, but by its own name: the node's name is in that.
    Some(Found::new(FindingId::ApiAuditDisabled, format!("Pod/{}", pod.key), message))
}

/// What the policy leaves out, by kind; which rule does that is the evidence.
fn narrow(case: &Case, policy: &Policy) -> Option<Found> {
    let namespaces: BTreeSet<&str> = case.members().map(String::as_str).collect();
    let left_out = left_out(policy, case.name, &namespaces);
    if left_out.is_empty() {
        return None;
    }
    let mut causes: BTreeMap<String, Vec<&LeftOut>> = BTreeMap::new();
    for one in &left_out {
        causes.entry(cause(one)).or_default().push(one);
    }
    let all = requests(left_out.iter());
    let rule =
        |rule: Option<usize>| rule.map_or_else(|| "the lack of a rule".to_string(), |number| format!("rule {number}"));
    let rules: BTreeSet<Option<usize>> = left_out.iter().map(|one| one.rule).collect();
    let rules: Vec<String> = rules.into_iter().map(rule).collect();
    let message =
        format!("By {} of the API server's audit policy is left out what has to be recorded: {all}.", rules.join(", "));
    let causes: Vec<String> =
        causes.into_iter().map(|(cause, left_out)| format!("{cause}: {}", requests(left_out.into_iter()))).collect();
    let found = Found::new(FindingId::ApiAuditPolicyTooNarrow, zone_subject(case.name), message);
    Some(found.with_evidence(causes.join(" | ")))
}

/// Kinds of which the same is left out, together: `get, list of a, b; create of c`.
fn requests<'a>(left_out: impl Iterator<Item = &'a LeftOut>) -> String {
    let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in left_out {
        match kinds.last_mut() {
            Some((kind, verbs)) if *kind == one.kind => verbs.push(one.verb),
            _ => kinds.push((&one.kind, vec![one.verb])),
        }
    }
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for (kind, verbs) in kinds {
        match groups.iter_mut().find(|(same, _)| *same == verbs) {
            Some((_, kinds)) => kinds.push(kind),
            None => groups.push((verbs, vec![kind])),
        }
    }
    let groups: Vec<String> =
        groups.iter().map(|(verbs, kinds)| format!("{} of {}", verbs.join(", "), kinds.join(", "))).collect();
    groups.join("; ")
}

fn cause(one: &LeftOut) -> String {
    let rule = one.rule.map_or_else(|| "no rule matches".to_string(), |number| format!("rule {number}"));
    let why = match (one.why, one.rule) {
        (Why::Level, Some(_)) => " (level None)",
        (Why::Level, None) => "",
        (Why::Stages, _) => " (omitStages)",
    };
    let group = one.group.map(|group| format!(", group {group}")).unwrap_or_default();
    let namespace = one.namespace.as_ref().map(|namespace| format!(", namespace {namespace}")).unwrap_or_default();
    format!("{rule}{why}{group}{namespace}")
}
