//! The taints of a zone node. The label is the zone's name and needs no deciding.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Taint};

use crate::{
    api::{TaintEffect, names},
    engine::declaration::Declaration,
};

/// The node's taints with ours as the zone declares them; others' stay as they are, in their order. `keep`: the
/// zone does not declare the node any more, and none of its effects is dropped.
pub fn desired_taints(zone: &Declaration, node: &Node, keep: bool) -> Vec<Taint> {
    let mut taints = foreign_taints(node);
    taints.extend(effects(zone, node, keep).into_iter().map(|effect| Taint {
        key: names::NODE_TAINT.to_string(),
        value: Some(zone.name.clone()),
        effect: effect.to_string(),
        time_added: None,
    }));
    taints
}

fn effects<'a>(zone: &'a Declaration, node: &'a Node, keep: bool) -> BTreeSet<&'a str> {
    let mut effects: BTreeSet<&str> = zone.taint_effects.iter().map(|effect| effect.as_str()).collect();
    if keep {
        effects.extend(our_taints(node).map(|taint| taint.effect.as_str()));
        if effects.is_empty() {
            effects.insert(TaintEffect::NoSchedule.as_str());
        }
    }
    effects
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
pub fn is_tainted(zone: &Declaration, node: &Node, keep: bool) -> bool {
    let mut live: Vec<(&str, &str)> =
        our_taints(node).map(|taint| (taint.effect.as_str(), taint.value.as_deref().unwrap_or_default())).collect();
    let wanted: Vec<(&str, &str)> =
        effects(zone, node, keep).into_iter().map(|effect| (effect, zone.name.as_str())).collect();
    live.sort_unstable();
    live == wanted
}
