//! Counts requests of the audit log by who made them. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testbed::AuditEvent;

/// The operator, as the audit log names it.
pub(super) const OPERATOR: &str = "system:serviceaccount:pcizone-system:pcizone";

/// The operator asked for it, and it is not about its Lease.
pub(super) fn is_operators(event: &AuditEvent) -> bool {
    event.user == OPERATOR && event.resource != "leases"
}

/// A write of the operator, refused ones too, but for those to its Lease.
pub(super) fn is_operators_write(event: &AuditEvent) -> bool {
    is_operators(event) && event.is_write()
}

/// A write of the operator that protects: no status, no Event.
pub(super) fn is_protective(event: &AuditEvent) -> bool {
    is_operators_write(event) && event.resource != "events" && event.subresource != "status"
}

/// An object was read for its own sake. Watches that are opened anew are not, nor is the Lease.
pub(super) fn is_operators_read(event: &AuditEvent) -> bool {
    is_operators(event) && ["get", "list"].contains(&event.verb.as_str())
}

pub(super) fn count(events: &[AuditEvent], is: impl Fn(&AuditEvent) -> bool) -> usize {
    events.iter().filter(|event| is(event)).count()
}

/// Requests by user, then by verb and resource.
pub(super) fn by_user(events: &[AuditEvent]) -> Value {
    let mut users: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for event in events {
        let part = if event.subresource.is_empty() { String::new() } else { format!("/{}", event.subresource) };
        let what = if event.resource.is_empty() {
            format!("{} (no resource)", event.verb)
        } else {
            format!("{} {}{part}", event.verb, event.resource)
        };
        *users.entry(&event.user).or_default().entry(what).or_default() += 1;
    }
    json!(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(user: &str, verb: &str, resource: &str) -> AuditEvent {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let line = json!({
            "stage": "ResponseComplete", "requestURI": "/", "verb": verb, "user": { "username": user },
            "objectRef": { "resource": resource, "subresource": subresource },
            "requestReceivedTimestamp": "2026-10-01T00:00:00.000000Z", "stageTimestamp": "2026-10-01T00:00:00.500000Z",
        });
        AuditEvent::parse(&line.to_string()).unwrap().unwrap()
    }

    #[test]
    fn only_what_the_operator_does_to_objects_is_counted() {
        let counted = |event: &AuditEvent| {
            let kinds = [
                ("write", is_operators_write(event)),
                ("protects", is_protective(event)),
                ("read", is_operators_read(event)),
            ];
            kinds.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect::<Vec<_>>()
        };
        for (user, verb, resource, wanted) in [
            (OPERATOR, "create", "networkpolicies", &["write", "protects"][..]),
            (OPERATOR, "patch", "namespaces", &["write", "protects"]),
            (OPERATOR, "delete", "networkpolicies", &["write", "protects"]),
            (OPERATOR, "patch", "pcizones/status", &["write"]),
            (OPERATOR, "create", "events", &["write"]),
            (OPERATOR, "patch", "leases", &[]),
            (OPERATOR, "get", "leases", &[]),
            (OPERATOR, "create", "selfsubjectaccessreviews", &[]),
            (OPERATOR, "watch", "networkpolicies", &[]),
            (OPERATOR, "list", "namespaces", &["read"]),
            (OPERATOR, "get", "networkpolicies", &["read"]),
            ("mallory", "delete", "networkpolicies", &[]),
        ] {
            assert_eq!(counted(&event(user, verb, resource)), wanted, "{user} {verb} {resource}");
        }
    }

    #[test]
    fn requests_are_told_apart_by_user_and_by_what_they_are() {
        let events = [
            event("a", "get", "leases"),
            event("a", "get", "leases"),
            event("a", "patch", "pcizones/status"),
            event("b", "get", ""),
        ];
        let wanted = json!({ "a": { "get leases": 2, "patch pcizones/status": 1 }, "b": { "get (no resource)": 1 } });
        assert_eq!(by_user(&events), wanted);
    }
}
