//! Cilium's policies in the form in which they decide.

use std::sync::Arc;

use super::{CiliumEntry, CiliumPeer, CiliumRule, CiliumSide, CiliumSubject, Entity};
use crate::engine::reach::{
    Action, Compiled, Origin, Rule, Saying, Selectors,
    other::{
        making::{Made, Making, rule as rule_of},
        read::Trouble,
    },
    sets::{Classes, Peers},
};

/// Compiles the rules of a policy.
pub fn compile(making: &mut Making, name: &Arc<str>, namespace: Option<&str>, rules: &[CiliumRule], made: &mut Made) {
    for rule in rules {
        let (subject, may_select) = match &rule.subject {
            CiliumSubject::Pods(selectors) => {
                let subject = making.select(selectors);
                (subject.clone(), subject)
            }
            CiliumSubject::Nodes => (Classes::default(), making.population().on_hosts()),
            CiliumSubject::Unknown => (Classes::default(), making.within(namespace)),
        };
        for trouble in &rule.trouble {
            made.unread(name, trouble.clone(), &may_select);
        }
        if subject.is_empty() {
            continue;
        }
        let mut side = |side: &CiliumSide| {
            let denies = entries(making, &side.denies, Action::Deny);
            let allows = entries(making, &side.allows, Action::Accept);
            for (_, trouble) in &allows {
                if let Some(trouble) = trouble {
                    made.unread(name, trouble.clone(), &may_select);
                }
            }
            let rules = |entries: Vec<(Rule, Option<Trouble>)>| entries.into_iter().map(|(rule, _)| rule).collect();
            let denies: Vec<Rule> = rules(denies);
            let denies = (!denies.is_empty()).then_some(Saying { rules: denies, isolates: false });
            let allows = side.says.then(|| Saying { rules: rules(allows), isolates: side.isolates });
            (denies, allows)
        };
        let (deny_ingress, ingress) = side(&rule.ingress);
        let (deny_egress, egress) = side(&rule.egress);
        let compiled = |ingress, egress| Compiled {
            name: Arc::clone(name),
            origin: Origin::Plugin,
            rank: 0,
            subject: subject.clone(),
            ingress,
            egress,
        };
        if deny_ingress.is_some() || deny_egress.is_some() {
            made.denials.push(compiled(deny_ingress, deny_egress));
        }
        made.beside.push(compiled(ingress, egress));
    }
}

fn entries(making: &mut Making, entries: &[CiliumEntry], action: Action) -> Vec<(Rule, Option<Trouble>)> {
    let mut rule = |entry: &CiliumEntry| {
        let (mut peers, mut selectors, mut trouble) = (Peers::default(), Vec::new(), None);
        for peer in &entry.peers {
            peers = peers.or(&match peer {
                CiliumPeer::Pods(meant) => {
                    selectors.push(meant.clone());
                    Peers::clone(&making.pods(meant))
                }
                CiliumPeer::Block(net, except) => {
                    let block = Peers::of_network(net);
                    let block = except.iter().fold(block, |left, cut| left.minus(&Peers::of_network(cut)));
                    if making.covers_cluster(&block) {
                        let why = "whether a block means pods and nodes depends on the option policy-cidr-match-mode";
                        trouble = Some(Trouble::new(&entry.field, why));
                    }
                    block.minus(&making.node_addresses())
                }
                CiliumPeer::Entity(entity) => {
                    if matches!(entity, Entity::All | Entity::Cluster) {
                        selectors.push(Selectors::default());
                    }
                    entity_peers(making, *entity)
                }
            });
        }
        (rule_of(&entry.field, action, peers, selectors, &entry.ports), trouble)
    };
    entries.iter().map(&mut rule).collect()
}

fn entity_peers(making: &Making, entity: Entity) -> Peers {
    let world = || making.addresses().minus(&making.node_addresses());
    match entity {
        Entity::All => Peers::clone(&making.everybody()),
        Entity::World => world(),
        Entity::WorldV4 => world().without_v6(),
        Entity::WorldV6 => world().without_v4(),
        Entity::Nodes => making.nodes(),
        Entity::ApiServer => making.api_servers(),
        Entity::Cluster => {
            let pods = making.population().present(making.population().labels().all());
            pods.or(&making.nodes()).or(&making.api_servers())
        }
    }
}
