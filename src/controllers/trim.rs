//! What the stores keep of an object: only what decides. Kept small, because there are many.

use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node, NodeStatus},
        networking::v1::NetworkPolicy,
    },
    apimachinery::pkg::apis::meta::v1::{FieldsV1, ObjectMeta},
};

use serde_json::json;

use crate::api::names;

/// Who wrote stays, and for our own managers which of our labels; of others only whether they wrote into the spec.
/// Annotations of others go.
fn metadata(metadata: &mut ObjectMeta, label: Option<&str>) {
    metadata.annotations = None;
    metadata.owner_references = None;
    for entry in metadata.managed_fields.iter_mut().flatten() {
        let fields = entry.fields_v1.take().map(|fields| fields.0);
        let ours = entry.manager.as_deref().is_some_and(|manager| manager.starts_with(names::MANAGER_PREFIX));
        let kept = if ours {
            let field = label.map(|label| format!("f:{label}"));
            let owns = |field: &String| fields.as_ref()?.get("f:metadata")?.get("f:labels")?.get(field).map(drop);
            field
                .filter(|field| owns(field).is_some())
                .map(|field| json!({ "f:metadata": { "f:labels": { field: {} } } }))
        } else {
            fields.as_ref().and_then(|fields| fields.get("f:spec")).map(|_| json!({ "f:spec": {} }))
        };
        entry.fields_v1 = kept.map(FieldsV1);
    }
}

pub(super) fn namespace(namespace: &mut Namespace) {
    metadata(&mut namespace.metadata, Some(names::ZONE_LABEL));
    if let Some(status) = &mut namespace.status {
        status.conditions = None;
    }
}

/// The addresses stay, for `internet` flows; images, conditions and capacities go.
pub(super) fn node(node: &mut Node) {
    metadata(&mut node.metadata, Some(names::NODE_LABEL));
    if let Some(status) = node.status.take() {
        node.status = Some(NodeStatus { addresses: status.addresses, ..NodeStatus::default() });
    }
}

pub(super) fn policy(policy: &mut NetworkPolicy) {
    // A replacement sends the live metadata back: annotations must stay.
    let annotations = policy.metadata.annotations.take();
    let owners = policy.metadata.owner_references.take();
    // Of a policy it decides only whether we wrote anything of it.
    metadata(&mut policy.metadata, None);
    policy.metadata.annotations = annotations;
    policy.metadata.owner_references = owners;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ownership;

    /// As the API server writes it: by us, and by somebody else.
    fn written() -> ObjectMeta {
        let labels = json!({ ".": {}, "f:pcizone.dev/zone": {}, "f:app.kubernetes.io/managed-by": {} });
        let fields = |spec: bool| {
            let mut fields = json!({ "f:metadata": { "f:labels": labels } });
            if spec {
                fields["f:spec"] = json!({ "f:egress": {}, "f:policyTypes": {} });
            }
            fields
        };
        serde_json::from_value(json!({
            "name": "a",
            "managedFields": [
                { "manager": "pcizone/namespaces", "operation": "Update", "time": "2026-11-24T08:00:00Z", "fieldsV1": fields(true) },
                { "manager": "mallory", "operation": "Update", "time": "2026-11-24T08:00:01Z", "fieldsV1": fields(true) },
                { "manager": "bob", "operation": "Update", "time": "2026-11-24T07:00:00Z", "fieldsV1": fields(false) },
            ],
        }))
        .unwrap()
    }

    #[test]
    fn what_decides_is_the_same_after_trimming() {
        let whole = written();
        let mut namespace = Namespace { metadata: whole.clone(), ..Namespace::default() };
        super::namespace(&mut namespace);
        let mut policy = NetworkPolicy { metadata: whole.clone(), ..NetworkPolicy::default() };
        super::policy(&mut policy);

        for label in [names::ZONE_LABEL, names::NODE_LABEL] {
            assert_eq!(
                ownership::owns_label(&namespace.metadata, label),
                ownership::owns_label(&whole, label),
                "{label}"
            );
        }
        for trimmed in [&namespace.metadata, &policy.metadata] {
            assert!(ownership::wrote(trimmed) && ownership::is_spec_shared(trimmed));
            assert_eq!(ownership::last_rival(trimmed), Some("mallory"));
        }
        let fields = |metadata: &ObjectMeta| json!(metadata.managed_fields).to_string().len();
        assert!(fields(&policy.metadata) < fields(&namespace.metadata));
        assert!(fields(&namespace.metadata) < fields(&whole));
    }
}
