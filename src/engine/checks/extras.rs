//! What policies open beyond the flows of a zone, and for whom.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{Case, Found};
use crate::{
    api::FindingId,
    engine::{
        change::count,
        reach::{
            By, Compiled, Direction, Latent, Rule, Selectors, public_share,
            sets::{Classes, Peers, Traffic, first, without},
            words::{few, ports},
        },
    },
};

/// From which part of all public addresses of a family on it is the world, in thousandths.
const WORLD: u128 = 250;

/// Pods of others whose own policies are looked at to say which namespaces are connected.
const OTHERS: usize = 2_000;

/// Pods that an opening names.
const PODS: usize = 50;

/// Traffic that a policy allows and no flow declares, for pods that it holds for.
pub struct Extra<'r> {
    /// The policy.
    pub policy: &'r Compiled,
    /// Its rule.
    pub rule: &'r Rule,
    /// Which way.
    pub direction: Direction,
    /// What it allows; nothing where all whom it means now are declared, or there are none.
    pub traffic: Traffic,
    /// The pods that it means, whether there are such or not.
    pub selectors: Cow<'r, [Selectors]>,
    /// The pods that it holds for.
    pub pods: Classes,
}

/// All of it by policy.
#[derive(Default)]
pub struct Extras<'r> {
    /// What each opens.
    pub by_policy: BTreeMap<&'r str, Vec<Extra<'r>>>,
    /// Policies that open the zone to most public addresses, alone or together.
    pub worlds: BTreeSet<&'r str>,
}

impl<'r> Extras<'r> {
    /// Takes in what the policies that are meant open for pods of a class.
    pub fn add(&mut self, case: &Case<'r>, class: u32, direction: Direction, is_meant: impl Fn(&Compiled) -> bool) {
        let reach = case.reach;
        let is_own = |namespace: &str| case.is_member(namespace);
        let declared = reach.declared(class, direction);
        let mut opened: Vec<(&'r str, Peers)> = Vec::new();
        let mut told: Vec<&Rule> = Vec::new();
        for allow in reach.effective(class, direction).allows {
            let By::Rule(policy, rule) = allow.by else { continue };
            if !is_meant(policy) {
                continue;
            }
            let left = without(vec![allow.traffic], &declared);
            opened.extend(left.iter().map(|traffic| (&*policy.name, traffic.peers.clone())));
            for traffic in left {
                let (selectors, pods) = (Cow::Borrowed(&*rule.selectors), [class].into_iter().collect());
                self.put(Extra { policy, rule, direction, traffic, selectors, pods });
                told.push(rule);
            }
        }
        for Latent { policy, rule, selectors } in reach.latent(class, direction, is_meant, &is_own) {
            if !told.iter().any(|other| std::ptr::eq(*other, rule)) {
                let (traffic, pods) = (Traffic::default(), [class].into_iter().collect());
                self.put(Extra { policy, rule, direction, traffic, selectors: selectors.into(), pods });
            }
        }
        self.worlds.extend(worlds(opened));
    }

    /// What is the same for other pods is said once.
    fn put(&mut self, extra: Extra<'r>) {
        let all = self.by_policy.entry(&extra.policy.name).or_default();
        let same = |other: &&mut Extra| {
            std::ptr::eq(other.rule, extra.rule) && other.direction == extra.direction && other.traffic == extra.traffic
        };
        match all.iter_mut().find(same) {
            Some(other) => other.pods = &other.pods | &extra.pods,
            None => all.push(extra),
        }
    }
}

/// Each policy that opens the world by itself; where none does, the fewest that do together, by how much they open.
fn worlds(opened: Vec<(&str, Peers)>) -> Vec<&str> {
    let mut by_policy: BTreeMap<&str, Peers> = BTreeMap::new();
    for (policy, peers) in opened {
        let all = by_policy.entry(policy).or_default();
        *all = all.or(&peers.without_pods());
    }
    let mut all: Vec<_> = by_policy.into_iter().map(|(policy, peers)| (public_share(&peers), policy, peers)).collect();
    all.sort_by(|(one, first, _), (other, second, _)| (other, first).cmp(&(one, second)));
    let alone: Vec<&str> = all.iter().filter(|(share, ..)| *share >= WORLD).map(|(_, policy, _)| *policy).collect();
    if !alone.is_empty() {
        return alone;
    }
    let (mut together, mut blamed) = (Peers::default(), Vec::new());
    for (_, policy, peers) in all {
        together = together.or(&peers);
        blamed.push(policy);
        if public_share(&together) >= WORLD {
            return blamed;
        }
    }
    Vec::new()
}

/// An opening in a sentence, and where it stands.
fn words(case: &Case, extra: &Extra, what: &str) -> (String, String) {
    let pods = case.reach.pods(&extra.pods);
    let mine = few(&pods);
    let (who, ports) = if extra.traffic.is_empty() {
        (case.reach.pods_to_come(&extra.selectors), extra.rule.port_words())
    } else {
        (case.reach.peers(&extra.traffic.peers, &extra.rule.selectors), ports(&extra.traffic.ports))
    };
    let message = match extra.direction {
        Direction::Ingress => format!("It lets {who} reach {mine} on {ports}; {what}."),
        Direction::Egress => format!("It lets {mine} reach {who} on {ports}; {what}."),
    };
    (message, format!("{}; {}", extra.rule.field, pods_named(&pods)))
}

/// Pods by name, for the evidence of an opening.
pub fn pods_named(pods: &[String]) -> String {
    let shown = pods.iter().take(PODS).cloned().collect::<Vec<_>>().join(", ");
    let more = match pods.len().saturating_sub(PODS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("pods: {shown}{more}")
}

/// Namespaces of no zone that are linked to the zone by more than a flow: they are in scope, and nobody says so (12.5.2). Both
/// ends must allow it.
pub fn connected(case: &Case, extras: &Extras, found: &mut Vec<Found>) {
    let mut linked: BTreeMap<String, String> = BTreeMap::new();
    let mut budget = OTHERS;
    // Pods of no zone.
    let mut outside = first(case.reach.population.real());
    for (name, claim) in case.resolution.namespaces() {
        if claim.is_member()
            && let Some(members) = case.reach.population.within(name)
        {
            outside -= members;
        }
    }
    for (policy, extras) in &extras.by_policy {
        for extra in extras {
            for other in &(&extra.traffic.peers.all_pods() & &outside) {
                let Some(pods) = case.reach.population.class(other) else { continue };
                if linked.contains_key(pods.namespace) || budget == 0 {
                    continue;
                }
                budget -= 1;
                if case.reach.answers(other, extra.direction, &extra.pods, &extra.traffic.ports) {
                    linked.insert(pods.namespace.to_string(), (*policy).to_string());
                }
            }
        }
    }
    for (namespace, policy) in linked {
        let message = "Its pods and the zone's can talk in a way that no flow declares, and it belongs to no zone.";
        found.push(
            Found::new(FindingId::UndeclaredConnectedNamespace, format!("Namespace/{namespace}"), message)
                .with_evidence(format!("by {policy}")),
        );
    }
}

/// An opening in a sentence, with the evidence for it and how many more there are.
pub fn sentence(case: &Case, extras: &[Extra], extra: &Extra, what: &str, manager: &str) -> (String, String) {
    let (message, evidence) = words(case, extra, what);
    let more = match extras.len() {
        0 | 1 => String::new(),
        many => format!("and {} of it", count(many - 1, "more opening")),
    };
    let evidence = [evidence, more, manager.to_string()].into_iter().filter(|words| !words.is_empty());
    (message, evidence.collect::<Vec<_>>().join("; "))
}
