//! Policies in the order in which they are asked, and what they allow together.

use super::{
    Reach,
    probe::Decision,
    rules::{Action, Compiled, Direction, Rule, Selectors},
    sets::{Classes, Peers, Ports, Traffic, without},
};
use crate::engine::policy::Policy;

/// Policies that are asked together. What a stage does not decide, the next one does; what none decides is allowed.
#[derive(Debug)]
pub struct Stage {
    /// Its policies; where one denies, in the order in which they are asked.
    pub policies: Vec<Compiled>,
    /// A policy that says something about a direction denies in it what no rule of this stage allows.
    pub isolates: bool,
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
        for (at, stage) in self.stages.iter().enumerate() {
            let mut passed = Vec::new();
            let mut isolated_by = Vec::new();
            for policy in self.holding(class, at) {
                let Some(rules) = policy.rules(direction) else { continue };
                if stage.isolates {
                    isolated_by.push(policy);
                }
                for rule in rules {
                    let meant = rule.traffic(direction, pods, &self.population);
                    let both = |some: &[Traffic]| -> Vec<Traffic> {
                        let both = some.iter().flat_map(|some| meant.iter().map(|meant| some.and(meant)));
                        both.filter(|traffic| !traffic.is_empty()).collect()
                    };
                    // Of everything it is what the rule means.
                    let hit = if untouched { meant.clone() } else { both(&undecided) };
                    match rule.action {
                        // What two rules allow is said of both.
                        Action::Accept if stage.is_unordered() => {}
                        Action::Accept | Action::Deny => {
                            undecided = without(undecided, &meant);
                            untouched = false;
                        }
                        Action::Pass => {
                            undecided = without(undecided, &meant);
                            untouched = false;
                            passed.extend(hit.iter().cloned());
                        }
                    }
                    if rule.action == Action::Accept {
                        let allow = |traffic| Allow { traffic, by: By::Rule(policy, rule) };
                        effective.allows.extend(hit.into_iter().map(allow));
                    }
                }
            }
            if isolated_by.is_empty() {
                untouched &= passed.is_empty();
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
        let policies = self.declared.get(pods.namespace).into_iter().flatten();
        let policies = policies.filter(|policy| policy.subject.contains(class));
        let rules = policies.flat_map(|policy| policy.rules(direction).into_iter().flatten());
        rules.flat_map(|rule| rule.traffic(direction, pods, &self.population)).collect()
    }

    /// Something denies what no rule allows for pods of a class.
    pub fn is_isolated(&self, class: u32, direction: Direction) -> bool {
        let isolates = |(at, stage): (usize, &Stage)| {
            stage.isolates && self.holding(class, at).any(|policy| policy.rules(direction).is_some())
        };
        self.stages.iter().enumerate().any(isolates)
    }

    /// A policy that is meant holds for pods of a class.
    pub fn is_held_by(&self, class: u32, is_meant: impl Fn(&Compiled) -> bool) -> bool {
        (0..self.stages.len()).any(|at| self.holding(class, at).any(&is_meant))
    }

    /// Rules for pods of a class that mean only pods which are not there, and that nothing declares.
    pub fn latent(
        &self,
        class: u32,
        direction: Direction,
        is_meant: impl Fn(&Compiled) -> bool,
    ) -> Vec<(&Compiled, &Rule)> {
        let namespace = self.population.class(class).map(|class| class.namespace).unwrap_or_default();
        let declared =
            self.declared.get(namespace).into_iter().flatten().filter(|policy| policy.subject.contains(class));
        let declared = declared.flat_map(|policy| policy.rules(direction).into_iter().flatten());
        let declared: Vec<&Rule> = declared.collect();
        let is_declared = |rule: &Rule| {
            let covers = |other: &&Rule, selectors: &Selectors| {
                let fits = |theirs: &Selectors| {
                    selectors.namespaces.narrows(&theirs.namespaces) && selectors.pods.narrows(&theirs.pods)
                };
                let ports = rule.numbers.minus(&other.numbers).is_empty();
                ports && rule.named.is_empty() && other.selectors.iter().any(fits)
            };
            rule.selectors.iter().all(|selectors| declared.iter().any(|other| covers(other, selectors)))
        };
        let policies = (0..self.stages.len()).flat_map(|at| self.holding(class, at)).filter(|policy| is_meant(policy));
        let rules =
            policies.flat_map(|policy| policy.rules(direction).into_iter().flatten().map(move |rule| (policy, rule)));
        let is_latent = |rule: &Rule| rule.peers.is_empty() && !rule.selectors.is_empty() && !is_declared(rule);
        rules.filter(|(_, rule)| is_latent(rule)).collect()
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
        for (at, stage) in self.stages.iter().enumerate() {
            let mut isolated_by = Vec::new();
            let mut passed = false;
            for policy in self.holding(class, at) {
                let Some(rules) = policy.rules(direction) else { continue };
                if stage.isolates {
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

impl Stage {
    /// Every rule allows, so the order says nothing.
    fn is_unordered(&self) -> bool {
        self.isolates
    }
}
