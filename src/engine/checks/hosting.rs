//! Hosting: do the zone's nodes carry its label and taint, and do only they. Pods are another file.

use k8s_openapi::api::core::v1::Node;

use super::{Case, Found, scope::rival};
use crate::{
    api::{FindingId, names},
    engine::{
        dates::{EXPIRY_WARNING, earlier},
        declaration::Matcher,
        desired::node,
        ownership,
        trim::READY,
    },
};

/// Labels below these prefixes cannot be set by a kubelet on its own node (admission plugin `NodeRestriction`).
const PROTECTED: &str = "node-restriction.kubernetes.io/";

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    not_declared(case, found);
    admits(case, found);
    let Some(nodes) = &case.declaration.nodes else { return };
    members(case, nodes, found);
    for name in &case.zone.nodes.declared {
        let Some(node) = case.snapshot.nodes.get(name) else { continue };
        let subject = format!("Node/{name}");
        if !node::is_tainted(case.declaration, node, false) {
            let message = "The node lacks the zone's taint, so pods of others may be placed there.";
            found.push(Found::new(FindingId::NodeTaintMissing, &subject, message).with_evidence(rival(&node.metadata)));
        }
        if ownership::label(&node.metadata, names::NODE_LABEL) != Some(case.name) {
            let message = "The node lacks the zone's label, so the zone's pods are not placed there.";
            found.push(Found::new(FindingId::NodeLabelMissing, &subject, message).with_evidence(rival(&node.metadata)));
        }
    }
    if let Some(key) = case.declaration.node_keys.iter().find(|key| !key.starts_with(PROTECTED)) {
        let message = format!("The node selector reads {key}, which a kubelet may set on its own node.");
        found.push(Found::new(FindingId::NodeLabelUnprotected, format!("PciZone/{}", case.name), message));
    }
}

/// The nodes are there, as far as any was to be seen.
fn members(case: &Case, nodes: &Matcher, found: &mut Vec<Found>) {
    let zone = format!("PciZone/{}", case.name);
    if case.snapshot.unseen.nodes {
        let message = "The zone declares nodes, and no node was given; hosting was not judged, nor whether the scope is the one that was confirmed.";
        found.push(Found::new(FindingId::NodesUnseen, zone, message));
        return;
    }
    for name in nodes.names.iter().filter(|name| !case.snapshot.nodes.contains_key(*name)) {
        let message = "The zone declares this node, but it does not exist.";
        found.push(Found::new(FindingId::NodeMissing, format!("Node/{name}"), message));
    }
    if case.zone.nodes.declared.is_empty() {
        let message = "The zone declares nodes, but has none: none exists, or other zones have them.";
        found.push(Found::new(FindingId::ZoneHasNoNodes, zone, message));
    } else if case
        .zone
        .nodes
        .declared
        .iter()
        .all(|name| case.snapshot.nodes.get(name).is_some_and(|node| is_down(node)))
    {
        let message = "The zone has nodes, and none of them is ready.";
        found.push(Found::new(FindingId::ZoneHasNoNodes, zone, message));
    }
}

/// It says that it is not ready, or says nothing any more.
pub(super) fn is_down(node: &Node) -> bool {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == READY && condition.status != "True")
}

/// Whom the zone admits, and until when. An admitted network agent whose time is over comes back nowhere.
fn admits(case: &Case, found: &mut Vec<Found>) {
    for admit in &case.declaration.admits {
        let end = admit.expires_at.0;
        let subject = admit.workload.replacen('/', &format!("/{}/", admit.namespace), 1);
        if end <= case.now {
            let message = format!("It was admitted to the zone's nodes until {end}; its new pods are refused.");
            found.push(Found::new(FindingId::AdmitExpired, subject, message));
        } else if earlier(end, EXPIRY_WARNING) <= case.now {
            let message = format!("It is admitted to the zone's nodes until {end}; then its new pods are refused.");
            found.push(Found::new(FindingId::AdmitExpiringSoon, subject, message));
        }
    }
}

fn not_declared(case: &Case, found: &mut Vec<Found>) {
    for (name, node) in &case.snapshot.nodes {
        let labelled = ownership::label(&node.metadata, names::NODE_LABEL) == Some(case.name);
        let tainted = node::our_taints(node).any(|taint| taint.value.as_deref() == Some(case.name));
        if (labelled || tainted) && !case.zone.nodes.declared.contains(name) {
            let message = "The node carries the zone's label or taint, but the zone does not declare it.";
            found.push(
                Found::new(FindingId::NodeNotDeclared, format!("Node/{name}"), message)
                    .with_evidence(rival(&node.metadata)),
            );
        }
    }
}
