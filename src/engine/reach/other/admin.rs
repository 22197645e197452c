//! Policies of the tiers Admin and Baseline in the form in which they decide.

use std::sync::Arc;

use super::{
    cluster_network_policy::{ClusterPeer, ClusterPolicy, ClusterRule},
    making::{Made, Making, rule as rule_of},
};
use crate::engine::reach::{Compiled, Origin, Rule, Saying, sets::Peers};

/// Compiles a policy.
pub fn compile(making: &mut Making, name: &Arc<str>, policy: &ClusterPolicy, made: &mut Made) {
    let subject = policy.subject.as_ref().map(|subject| making.select(subject));
    let may_select = subject.clone().unwrap_or_else(|| making.within(None));
    for trouble in &policy.trouble {
        made.unread(name, trouble.clone(), &may_select);
    }
    let Some(subject) = subject.filter(|subject| !subject.is_empty()) else { return };
    let mut side = |rules: &[ClusterRule]| {
        let rules: Vec<Rule> = rules.iter().map(|rule| compile_rule(making, rule)).collect();
        (!rules.is_empty()).then_some(Saying { rules, isolates: false })
    };
    let (ingress, egress) = (side(&policy.ingress), side(&policy.egress));
    let (origin, list) =
        if policy.is_admin { (Origin::Admin, &mut made.admin) } else { (Origin::Baseline, &mut made.baseline) };
    let compiled = Compiled { name: Arc::clone(name), origin, rank: 0, subject, ingress, egress };
    list.push((policy.priority, compiled));
}

fn compile_rule(making: &mut Making, rule: &ClusterRule) -> Rule {
    let (mut peers, mut selectors) = (Peers::default(), Vec::new());
    for peer in &rule.peers {
        peers = peers.or(&match peer {
            ClusterPeer::Pods(meant) => {
                selectors.push(meant.clone());
                Peers::clone(&making.pods(meant))
            }
            ClusterPeer::Nodes(terms) => making.chosen_nodes(terms),
            ClusterPeer::Network(net) => making.networks([*net]),
            ClusterPeer::Everybody => Peers::clone(&making.everybody()),
        });
    }
    rule_of(&rule.field, rule.action, peers, selectors, &rule.ports)
}
