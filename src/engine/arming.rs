//! Whether a zone is to carry our finalizer.

use k8s_openapi::{
    api::core::v1::{Namespace, Node},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{desired::node, ownership, plan::is_terminating, resolve::Zone};
use crate::api::names;

/// What a zone's finalizer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arming {
    /// Put it on, before anything is protected.
    Arm,
    /// Take it away, as soon as the API server has nothing of the zone any more.
    Disarm {
        /// The zone is being deleted.
        deleting: bool,
    },
    /// Nothing.
    Nothing,
}

/// What the finalizer of a zone needs; nothing while the zone cannot be read. `armed`: it is there.
pub fn arming(zone: &Zone, armed: bool) -> Arming {
    let Some(declaration) = zone.declaration.as_deref() else { return Arming::Nothing };
    let enforces = zone.wanted_namespaces().is_some() || zone.wanted_nodes().is_some();
    match (armed, enforces) {
        (false, true) => Arming::Arm,
        (true, false) if !zone.is_leaving() => Arming::Disarm { deleting: declaration.deleting },
        (true | false, _) => Arming::Nothing,
    }
}

/// A live namespace shows something of the zone still. What is terminating goes by itself. A zone that stays
/// answers only for what we wrote; with its deletion it answers for everything of its name.
pub fn is_left_namespace(namespace: &Namespace, zone: &str, deleting: bool) -> bool {
    let ours = deleting || ownership::owns_label(&namespace.metadata, names::ZONE_LABEL);
    ownership::zone_label(namespace) == Some(zone) && ours && !is_terminating(namespace)
}

/// A live node shows something of the zone still.
pub fn is_left_node(node: &Node, zone: &str, deleting: bool) -> bool {
    let label = ownership::label(&node.metadata, names::NODE_LABEL) == Some(zone);
    let taint = node::our_taints(node).any(|taint| taint.value.as_deref() == Some(zone));
    label && (deleting || ownership::owns_label(&node.metadata, names::NODE_LABEL)) || taint && deleting
}

/// A live policy, of which this is the metadata, is the zone's still. What lies in a terminating namespace goes with it.
pub fn is_left_policy(policy: &ObjectMeta, zone: &str, deleting: bool) -> bool {
    ownership::managed_zone(policy) == Some(zone) && (deleting || ownership::wrote(policy))
}
