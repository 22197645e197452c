//! What is kept of an object: only what decides. Kept small, because there are many.

use k8s_openapi::{
    api::{
        core::v1::{self, Namespace, NamespaceStatus, Node, NodeCondition, NodeStatus},
        discovery::v1::EndpointSlice,
        networking::v1::{Ingress, NetworkPolicy},
        rbac::{
            self,
            v1::{ClusterRole, ClusterRoleBinding, RoleBinding},
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::core::DynamicObject;

use super::{
    access::{self, Binding, Role},
    desired::admission::{Guard, Kind},
    ownership,
    pod::{Common, Pod},
    policy::{Policy, Specs},
    route::Route,
    service::{Service, Slice},
};
use crate::api::names;

/// The condition of a node on which pods can run, and of a pod that serves.
pub const READY: &str = "Ready";

/// Who wrote stays as far as it decides; annotations, but for a record of ours, and owners go.
fn metadata(metadata: &mut ObjectMeta, label: Option<&str>) {
    metadata.annotations = None;
    metadata.owner_references = None;
    ownership::digest(metadata, label);
}

/// A namespace.
pub fn namespace(mut namespace: Namespace) -> Namespace {
    let record = namespace.metadata.annotations.as_mut().and_then(|all| all.remove_entry(names::POD_SECURITY_BEFORE));
    metadata(&mut namespace.metadata, Some(names::ZONE_LABEL));
    namespace.metadata.annotations = record.map(|record| [record].into());
    namespace.spec = None;
    // Most are active, and nothing depends on that.
    let phase = namespace.status.take().and_then(|status| status.phase).filter(|phase| phase != "Active");
    namespace.status = phase.map(|phase| NamespaceStatus { phase: Some(phase), conditions: None });
    namespace
}

/// A node. The addresses stay, for `internet` flows, and that it is not ready; images, other conditions and capacities go.
pub fn node(mut node: Node) -> Node {
    metadata(&mut node.metadata, Some(names::NODE_LABEL));
    if let Some(status) = node.status.take() {
        let is_down = |condition: &NodeCondition| condition.type_ == READY && condition.status != "True";
        let down = status.conditions.into_iter().flatten().find(is_down);
        let down =
            down.map(|NodeCondition { type_, status, .. }| NodeCondition { type_, status, ..NodeCondition::default() });
        let conditions = down.map(|down| vec![down]);
        node.status = Some(NodeStatus { addresses: status.addresses, conditions, ..NodeStatus::default() });
    }
    node
}

/// A policy. A replacement sends the live metadata back: annotations must stay. Of who wrote it decides only whether we did.
pub fn policy(mut policy: NetworkPolicy, specs: &mut Specs) -> Policy {
    ownership::digest(&mut policy.metadata, None);
    specs.share(policy.into())
}

/// A Service.
pub fn service(service: v1::Service) -> Service {
    service.into()
}

/// An EndpointSlice.
pub fn slice(slice: EndpointSlice) -> Slice {
    slice.into()
}

/// An Ingress.
pub fn ingress(ingress: Ingress) -> Route {
    ingress.into()
}

/// A ClusterRole.
pub fn cluster_role(role: ClusterRole) -> Role {
    role.into()
}

/// A Role.
pub fn role(role: rbac::v1::Role, common: &mut access::Common) -> Role {
    common.share_role(role.into())
}

/// A ClusterRoleBinding.
pub fn cluster_binding(binding: ClusterRoleBinding) -> Binding {
    binding.into()
}

/// A `RoleBinding`.
pub fn binding(binding: RoleBinding, common: &mut access::Common) -> Binding {
    common.share_binding(binding.into())
}

/// A pod.
pub fn pod(pod: v1::Pod, common: &mut Common) -> Pod {
    common.share(pod.into())
}

/// A guard. A replacement sends the live metadata back: annotations must stay.
pub fn guard(kind: Kind, mut object: DynamicObject) -> Guard {
    ownership::digest(&mut object.metadata, None);
    Guard::read(kind, object)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Entries as an API server writes them: of three managers, at three times, about three things.
    fn entries() -> Vec<Value> {
        let label = json!({ "f:metadata": { "f:labels": { ".": {}, "f:pcizone.dev/zone": {}, "f:a": {} } } });
        let other = json!({ "f:metadata": { "f:labels": { "f:a": {} }, "f:annotations": {} } });
        let spec = json!({ "f:spec": { "f:egress": {}, "f:policyTypes": {} } });
        let mut entries = Vec::new();
        for manager in ["pcizone/namespaces", "mallory", "bob"] {
            for time in [Value::Null, json!("2026-11-24T08:00:00Z"), json!("2026-11-24T08:00:01Z")] {
                for fields in [&label, &other, &spec] {
                    entries.push(json!({
                        "manager": manager, "operation": "Update", "apiVersion": "v1", "time": time,
                        "fieldsType": "FieldsV1", "fieldsV1": fields,
                    }));
                }
            }
        }
        entries
    }

    /// Everything that anybody decides by.
    fn decisive(metadata: &ObjectMeta, label: &str) -> (bool, bool, bool, Option<String>) {
        let rival = ownership::last_rival(metadata).map(str::to_string);
        let (owns, wrote) = (ownership::owns_label(metadata, label), ownership::wrote(metadata));
        (owns, wrote, rival.is_some() && ownership::is_spec_shared(metadata), rival)
    }

    #[test]
    fn what_decides_is_the_same_after_trimming() {
        let entries = entries();
        for first in &entries {
            for second in &entries {
                for third in &entries {
                    let all = json!({ "name": "a", "managedFields": [first, second, third] });
                    let whole: ObjectMeta = serde_json::from_value(all).unwrap();
                    let namespace = Namespace { metadata: whole.clone(), ..Namespace::default() };
                    let namespace = super::namespace(namespace);
                    let policy = NetworkPolicy { metadata: whole.clone(), ..NetworkPolicy::default() };
                    let policy = super::policy(policy, &mut Specs::default());
                    let decided = decisive(&whole, names::ZONE_LABEL);
                    assert_eq!(decisive(&namespace.metadata, names::ZONE_LABEL), decided, "{whole:?}");
                    let (_, wrote, shared, rival) = decided;
                    assert_eq!(
                        decisive(&policy.metadata, names::ZONE_LABEL),
                        (false, wrote, shared, rival),
                        "{whole:?}"
                    );
                }
            }
        }
    }
}
