//! Policies in the order in which they are asked, and what they allow together.

use super::{
    Reach,
    probe::Decision,
    rules::{Action, Compiled, Direction, Origin, Rule, Saying},
    sets::{Classes, Peers, Ports, Traffic, without},
};
use crate::engine::policy::Policy;

/// Policies that are asked before others. What a stage does not decide, the next one does; what none decides is allowed. Where
/// one of its policies isolates, the next one is asked only about what a rule passes on.
#[derive(Debug)]
pub struct Stage {
    /// Its policies in the order in which they are asked, those of one rank side by side.
    pub policies: Vec<Compiled>,
}

/// What a pod may receive or send.
#[derive(Debug, Default)]
pub struct Effective<'r> {
    /// Policies that deny what no rule allows.
    pub isolated_by: Vec<&'r Compiled>,
    /// What is allowed, by what.
    pub allows: Vec<Allow<'r>>,
}

/// Some traffic that is allowed.
#[derive(Debug)]
pub struct Allow<'r> {
    /// The traffic.
    pub traffic: Traffic,
    /// Why.
    pub by: By<'r>,
}

/// Why some traffic is allowed.
#[derive(Clone, Copy, Debug)]
pub enum By<'r> {
    /// A rule allows it.
    Rule(&'r Compiled, &'r Rule),
    /// Nothing denies it.
    Default,
}

/// A connection, as a rule sees it.
pub(super) trait Seen {
    /// The rule means it.
    fn is_meant(&self, rule: &Rule) -> bool;
}

impl Reach<'_> {
    /// What pods of a class may receive or send.
    pub fn effective(&self, class: u32, direction: Direction) -> Effective<'_> {
        let mut effective = Effective::default();
        let Some(pods) = self.population.class(class) else { return effective };
        let mut undecided = vec![self.everything.clone()];
        let mut untouched = true;
        for at in 0..self.stages.len() {
            let (mut passed, mut isolated_by, mut decided) = (Vec::new(), Vec::new(), Vec::new());
            let holding: Vec<&Compiled> = self.holding(class, at).collect();
            for together in holding.chunk_by(|one, two| one.rank == two.rank) {
                isolated_by.extend(together.iter().copied().filter(|policy| policy.isolates(direction)));
                let rules = together
                    .iter()
                    .flat_map(|policy| policy.rules(direction).into_iter().flatten().map(move |rule| (*policy, rule)));
                let rules: Vec<(&Compiled, &Rule)> = rules.collect();
                // What two rules allow is said of both, as long as none of them denies.
                let is_unordered = rules.iter().all(|(_, rule)| rule.action == Action::Accept);
                for (number, (policy, rule)) in rules.into_iter().enumerate() {
                    if !is_unordered || number == 0 {
                        untouched &= decided.is_empty();
                        undecided = without(undecided, &decided);
                        decided.clear();
                    }
                    let meant = rule.traffic(direction, pods, &self.population);
                    // Of everything it is what the rule means.
                    let hit = if untouched { meant.clone() } else { both(&undecided, &meant) };
                    decided.extend(meant);
                    match rule.action {
                        Action::Accept => {
                            let allow = |traffic| Allow { traffic, by: By::Rule(policy, rule) };
                            effective.allows.extend(hit.into_iter().map(allow));
                        }
                        Action::Pass => passed.extend(hit),
                        Action::Deny => {}
                    }
                }
            }
            if isolated_by.is_empty() {
                untouched &= decided.is_empty() && passed.is_empty();
                undecided = without(undecided, &decided);
                undecided.append(&mut passed);
            } else {
                effective.isolated_by.append(&mut isolated_by);
                undecided = passed;
                untouched = false;
            }
        }
        effective.allows.extend(undecided.into_iter().map(|traffic| Allow { traffic, by: By::Default }));
        effective
    }

    /// What is declared for pods of a class.
    pub fn declared(&self, class: u32, direction: Direction) -> Vec<Traffic> {
        let Some(pods) = self.population.class(class) else { return Vec::new() };
        let rules = self.declared_rules(class, direction);
        rules.flat_map(|rule| rule.traffic(direction, pods, &self.population)).collect()
    }

    /// The rules that are declared for pods of a class.
    pub(super) fn declared_rules(&self, class: u32, direction: Direction) -> impl Iterator<Item = &Rule> {
        let policies = self.population.class(class).and_then(|pods| self.declared.get(pods.namespace));
        let policies = policies.into_iter().flatten().filter(move |policy| policy.subject.contains(class));
        policies.flat_map(move |policy| policy.rules(direction).into_iter().flatten())
    }

    /// Nothing is open for pods of a class only because nothing denies it.
    pub fn is_isolated(&self, class: u32, direction: Direction) -> bool {
        // NetworkPolicies alone leave nothing to whoever is asked after them.
        if self.all_holding(class).all(|policy| policy.origin == Origin::NetworkPolicy) {
            return self.all_holding(class).any(|policy| policy.isolates(direction));
        }
        !self.effective(class, direction).allows.iter().any(|allow| matches!(allow.by, By::Default))
    }

    /// The declared policies by which some traffic of pods of a class is declared, in whole or in part.
    pub fn declaring(&self, class: u32, direction: Direction, some: &Traffic) -> impl Iterator<Item = &Compiled> {
        let pods = self.population.class(class);
        let policies = pods.and_then(|pods| self.declared.get(pods.namespace)).into_iter().flatten();
        policies.filter(move |policy| policy.subject.contains(class)).filter(move |policy| {
            let rules = policy.rules(direction).into_iter().flatten();
            let meant = rules.filter_map(|rule| pods.map(|pods| rule.traffic(direction, pods, &self.population)));
            meant.flatten().any(|meant| !meant.and(some).is_empty())
        })
    }

    /// A policy that is meant holds for pods of a class.
    pub fn is_held_by(&self, class: u32, is_meant: impl Fn(&Compiled) -> bool) -> bool {
        self.all_holding(class).any(is_meant)
    }

    /// The policies that hold for pods of a class, in the order in which they are asked.
    pub fn all_holding(&self, class: u32) -> impl Iterator<Item = &Compiled> {
        (0..self.stages.len()).flat_map(move |at| self.holding(class, at))
    }

    /// The other end lets it through too: pods of a class may send to, or receive from, some pods on some of these ports.
    pub fn answers(&self, other: u32, direction: Direction, pods: &Classes, ports: &Ports) -> bool {
        let back = match direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        let wanted = Traffic { peers: Peers::of_pods(pods), ports: ports.clone() };
        self.effective(other, back).allows.iter().any(|allow| !allow.traffic.and(&wanted).is_empty())
    }

    /// Whether a policy of a namespace is what is declared there.
    pub fn is_declared(&self, namespace: &str) -> impl Fn(&Policy) -> bool {
        let specs = self.declared_specs.get(namespace);
        move |policy| {
            specs.is_some_and(|specs| {
                specs.iter().any(|spec| spec.spec == policy.spec && spec.metadata.name == policy.metadata.name)
            })
        }
    }

    /// Whether one connection is allowed at the end of a class, and by what.
    pub(super) fn decide(&self, class: u32, direction: Direction, seen: &impl Seen) -> Decision<'_> {
        for at in 0..self.stages.len() {
            let mut isolated_by = Vec::new();
            let mut passed = false;
            for policy in self.holding(class, at) {
                let Some(Saying { rules, isolates }) = policy.says(direction) else { continue };
                if *isolates {
                    isolated_by.push(policy);
                }
                match rules.iter().find(|rule| seen.is_meant(rule)) {
                    Some(rule) if rule.action == Action::Accept => return Decision::Allowed(policy, rule),
                    Some(rule) if rule.action == Action::Deny => return Decision::Denied(policy, rule),
                    Some(_) => {
                        passed = true;
                        break;
                    }
                    None => {}
                }
            }
            if !isolated_by.is_empty() && !passed {
                return Decision::Isolated(isolated_by);
            }
        }
        Decision::Open
    }
}

/// What is in both.
fn both(some: &[Traffic], others: &[Traffic]) -> Vec<Traffic> {
    let both = some.iter().flat_map(|some| others.iter().map(|other| some.and(other)));
    both.filter(|traffic| !traffic.is_empty()).collect()
}
