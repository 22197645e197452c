//! Which zones a namespace or a node speaks of, and how far that can be believed.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1::{Namespace, Node};

use super::{desired::node::our_taints, memory::Held, ownership, policy::Policy};
use crate::api::names;

/// The zones that an object speaks of.
#[derive(Default)]
pub(super) struct Evidence<'a> {
    /// We wrote this name as label. A label that somebody else wrote counts for nothing: else anybody who may
    /// label a namespace could draw it into a zone.
    pub(super) labelled: Option<&'a str>,
    /// It was held by this zone when it was last looked at.
    pub(super) remembered: Option<&'a str>,
    /// Our default deny of this zone is there. Whoever has rights in the namespace alone can forge one.
    pub(super) protected: Option<&'a str>,
    /// It carries these names, whoever wrote them.
    pub(super) named: BTreeSet<&'a str>,
}

/// What a namespace and its policies show.
pub(super) fn of_namespace<'a>(
    namespace: &'a Namespace,
    policies: &'a [Arc<Policy>],
    held: Option<&'a Held>,
) -> Evidence<'a> {
    let label = ownership::zone_label(namespace);
    let labelled = label.filter(|_| ownership::owns_label(&namespace.metadata, names::ZONE_LABEL));
    let baseline = policies.iter().find(|policy| policy.metadata.name.as_deref() == Some(names::BASELINE));
    let baseline = baseline.filter(|policy| ownership::wrote(&policy.metadata));
    let protected = baseline.and_then(|policy| ownership::managed_zone(&policy.metadata));
    let remembered = held.filter(|held| held.uid == namespace.metadata.uid).map(|held| held.zone.as_str());
    let policies = policies.iter().filter_map(|policy| ownership::managed_zone(&policy.metadata));
    Evidence { labelled, remembered, protected, named: label.into_iter().chain(policies).collect() }
}

/// What a node shows.
pub(super) fn of_node<'a>(node: &'a Node, held: Option<&'a Held>) -> Evidence<'a> {
    let label = ownership::label(&node.metadata, names::NODE_LABEL);
    let labelled = label.filter(|_| ownership::owns_label(&node.metadata, names::NODE_LABEL));
    let remembered = held.filter(|held| held.uid == node.metadata.uid).map(|held| held.zone.as_str());
    let taints = our_taints(node).filter_map(|taint| taint.value.as_deref());
    Evidence { labelled, remembered, protected: None, named: label.into_iter().chain(taints).collect() }
}
