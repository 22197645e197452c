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

/// Who wrote stays, and for our own managers which fields; of others only whether they wrote into the spec.
/// Annotations of others go.
fn metadata(metadata: &mut ObjectMeta) {
    metadata.annotations = None;
    metadata.owner_references = None;
    for entry in metadata.managed_fields.iter_mut().flatten() {
        let ours = entry.manager.as_deref().is_some_and(|manager| manager.starts_with(names::MANAGER_PREFIX));
        if !ours {
            let owns_spec = entry.fields_v1.take().is_some_and(|fields| fields.0.get("f:spec").is_some());
            entry.fields_v1 = owns_spec.then(|| FieldsV1(json!({ "f:spec": {} })));
        }
    }
}

pub(super) fn namespace(namespace: &mut Namespace) {
    metadata(&mut namespace.metadata);
    if let Some(status) = &mut namespace.status {
        status.conditions = None;
    }
}

/// The addresses stay, for `internet` flows; images, conditions and capacities go.
pub(super) fn node(node: &mut Node) {
    metadata(&mut node.metadata);
    if let Some(status) = node.status.take() {
        node.status = Some(NodeStatus { addresses: status.addresses, ..NodeStatus::default() });
    }
}

pub(super) fn policy(policy: &mut NetworkPolicy) {
    // A replacement sends the live metadata back: annotations must stay.
    let annotations = policy.metadata.annotations.take();
    let owners = policy.metadata.owner_references.take();
    metadata(&mut policy.metadata);
    policy.metadata.annotations = annotations;
    policy.metadata.owner_references = owners;
}
