//! The taints of a zone node. The label is the zone's name and needs no deciding.

use k8s_openapi::api::core::v1::{Node, Taint};

use crate::{
    api::{TaintEffect, names},
    engine::declaration::Declaration,
};

/// The node's taints with ours as the zone declares them; others' stay as they are, in their order.
pub fn desired_taints(zone: &Declaration, node: &Node) -> Vec<Taint> {
    let mut taints = foreign_taints(node);
    taints.extend(effects(zone, node).into_iter().map(|effect| Taint {
        key: names::NODE_TAINT.to_string(),
        value: Some(zone.name.clone()),
        effect: effect.to_string(),
        time_added: None,
    }));
    taints
}

/// The effects of the zone's taint. A node of a zone that no longer says a word about nodes keeps those that
/// it has: what is not declared any more is taken away only when that is confirmed.
fn effects<'a>(zone: &'a Declaration, node: &'a Node) -> Vec<&'a str> {
    if zone.nodes.is_some() {
        return zone.taint_effects.iter().map(|effect| effect.as_str()).collect();
    }
    let live: Vec<&str> = our_taints(node).map(|taint| taint.effect.as_str()).collect();
    if live.is_empty() { vec![TaintEffect::NoSchedule.as_str()] } else { live }
}

/// The node's taints without ours.
pub fn foreign_taints(node: &Node) -> Vec<Taint> {
    taints(node).iter().filter(|taint| taint.key != names::NODE_TAINT).cloned().collect()
}

/// Our taints on a node.
pub fn our_taints(node: &Node) -> impl Iterator<Item = &Taint> {
    taints(node).iter().filter(|taint| taint.key == names::NODE_TAINT)
}

fn taints(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

/// True when the node carries exactly the zone's taints among those of our key.
pub fn is_tainted(zone: &Declaration, node: &Node) -> bool {
    let mut live: Vec<(&str, &str)> =
        our_taints(node).map(|taint| (taint.effect.as_str(), taint.value.as_deref().unwrap_or_default())).collect();
    let mut wanted: Vec<(&str, &str)> =
        effects(zone, node).into_iter().map(|effect| (effect, zone.name.as_str())).collect();
    live.sort_unstable();
    wanted.sort_unstable();
    live == wanted
}
