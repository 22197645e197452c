//! What rules allow for pods to come: a selector means whoever will have its labels, not only who has them now. Who that will
//! be is decided by others. Of a zone's own namespaces those count that are there: what comes is judged when it comes.

use super::{
    Reach,
    population::Class,
    rules::{Action, Compiled, Direction, Rule, Selectors},
    sets::{Ports, first},
};
use crate::{
    api::{Protocol, names},
    engine::pod::ContainerPort,
};

/// A rule that lets pods through, now or when there are such, and no declared rule does.
#[derive(Debug)]
pub struct Latent<'r> {
    /// The policy.
    pub policy: &'r Compiled,
    /// Its rule.
    pub rule: &'r Rule,
    /// Those of its selectors that no declared rule covers.
    pub selectors: Vec<Selectors>,
}

/// Whose rules, and for whom.
struct Side<'c, 'a> {
    class: &'c Class<'a>,
    direction: Direction,
    is_own: &'c dyn Fn(&str) -> bool,
}

impl Reach<'_> {
    /// Rules of the policies that are meant which allow pods of a class more than is declared, by whom they select. `is_own`
    /// says whether a namespace belongs to the zone of these pods.
    pub fn latent(
        &self,
        class: u32,
        direction: Direction,
        is_meant: impl Fn(&Compiled) -> bool,
        is_own: &dyn Fn(&str) -> bool,
    ) -> Vec<Latent<'_>> {
        let Some(pods) = self.population.class(class) else { return Vec::new() };
        let side = Side { class: pods, direction, is_own };
        let mut covering: Vec<&Rule> = self.declared_rules(class, direction).collect();
        let mut latent = Vec::new();
        for at in 0..self.stages.len() {
            let mut passed: Vec<&Rule> = Vec::new();
            for policy in self.holding(class, at) {
                for rule in policy.rules(direction).into_iter().flatten() {
                    match rule.action {
                        Action::Deny => covering.push(rule),
                        Action::Pass => passed.push(rule),
                        // Of name servers those count that are there: whoever names them mostly names more.
                        Action::Accept if is_meant(policy) && (rule.peers.is_empty() || !side.is_for_names(rule)) => {
                            let is_open = |selectors: &&Selectors| {
                                !self.is_covered(&side, rule, selectors, &covering)
                                    && !self.is_covered(&side, rule, selectors, &passed)
                            };
                            let selectors: Vec<Selectors> = rule.selectors.iter().filter(is_open).cloned().collect();
                            if !selectors.is_empty() {
                                latent.push(Latent { policy, rule, selectors });
                            }
                        }
                        Action::Accept => {}
                    }
                }
            }
        }
        latent
    }

    /// Whoever a selector of a rule means, others mean too, on all ports of the rule.
    fn is_covered(&self, side: &Side, rule: &Rule, selectors: &Selectors, others: &[&Rule]) -> bool {
        let each = selectors.namespaces.each_value().into_iter().flat_map(|namespaces| {
            let pods = selectors.pods.each_value();
            pods.into_iter().map(move |pods| Selectors { namespaces: namespaces.clone(), pods })
        });
        let ports = side.ports(rule);
        each.into_iter().all(|one| {
            let is_own = one.namespaces.pins(names::NAMESPACE_NAME).is_some_and(side.is_own);
            if is_own && !rule.peers.is_empty() {
                return true;
            }
            let fit: Vec<&Rule> = others.iter().copied().filter(|other| self.means_all_of(other, &one)).collect();
            let left = fit.iter().fold(ports.clone(), |left, other| left.minus(&side.ports(other)));
            let is_named = |name: &(_, Box<str>)| {
                side.knows(name) || fit.iter().any(|other| other.named.contains(name)) || self.is_resolved(side, &one)
            };
            left.is_empty() && rule.named.iter().all(is_named)
        })
    }

    /// A rule means everybody whom a selector means.
    fn means_all_of(&self, rule: &Rule, selectors: &Selectors) -> bool {
        if rule.selectors.is_empty() {
            return *rule.peers == self.everything.peers;
        }
        rule.selectors.iter().any(|theirs| {
            let namespaces = selectors.namespaces.narrows(&theirs.namespaces)
                || selectors
                    .namespaces
                    .pins(names::NAMESPACE_NAME)
                    .and_then(|name| self.population.labels_of(name))
                    .is_some_and(|labels| theirs.namespaces.matches(labels));
            namespaces && selectors.pods.narrows(&theirs.pods)
        })
    }

    /// Ports of peers by name are known from the pods that are there.
    fn is_resolved(&self, side: &Side, selectors: &Selectors) -> bool {
        let there =
            || &self.population.select(Some(&selectors.namespaces), &selectors.pods) & &first(self.population.real());
        side.direction == Direction::Egress && !there().is_empty()
    }
}

impl Side<'_, '_> {
    /// Ports by number, and those by name that the pods themselves have.
    fn ports(&self, rule: &Rule) -> Ports {
        let mut ports = rule.numbers.clone();
        if self.direction == Direction::Ingress {
            let named = self.class.ports.iter().filter(|port| rule.means(port.protocol, port.name.as_deref()));
            named.for_each(|port| ports.add(port.protocol, port.number..=port.number));
        }
        ports
    }

    /// It lets pods ask name servers, and nothing else.
    fn is_for_names(&self, rule: &Rule) -> bool {
        let mut names = Ports::default();
        names.add(Protocol::UDP, 53..=53);
        names.add(Protocol::TCP, 53..=53);
        self.direction == Direction::Egress && rule.named.is_empty() && rule.numbers.minus(&names).is_empty()
    }

    /// The pods that accept have a port of this name.
    fn knows(&self, (protocol, name): &(Protocol, Box<str>)) -> bool {
        let is = |port: &ContainerPort| port.protocol == *protocol && port.name.as_ref() == Some(name);
        self.direction == Direction::Ingress && self.class.ports.iter().any(is)
    }
}
