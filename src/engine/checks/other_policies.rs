//! Segmentation: what policies of other kinds than NetworkPolicy open, close or leave unknown (PCI DSS 1.2.1, 1.2.5, 1.3.1,
//! 1.3.2).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Case, Found,
    extras::{Extras, connected, sentence},
};
use crate::{
    api::FindingId,
    engine::{
        change::count,
        reach::{
            Action, Compiled, Direction, Origin, Rule,
            sets::{Classes, Traffic, without},
            words::{few, ports},
        },
    },
};

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let mut extras = Extras::default();
    let mut closed: BTreeMap<(&str, Direction), (&Rule, Traffic, Classes)> = BTreeMap::new();
    let mut ambiguous: BTreeMap<(&str, &str, Direction), Classes> = BTreeMap::new();
    let is_meant = |policy: &Compiled| matches!(policy.origin, Origin::Admin | Origin::Plugin);
    for class in case.classes() {
        if !case.reach.is_held_by(class, is_meant) {
            continue;
        }
        for direction in Direction::BOTH {
            extras.add(case, class, direction, is_meant);
            for (policy, rule, traffic) in closes(case, class, direction) {
                let first = || (rule, traffic, Classes::default());
                closed.entry((&policy.name, direction)).or_insert_with(first).2.insert(class);
            }
            for (one, other) in disputes(case, class, direction) {
                ambiguous.entry((one, other, direction)).or_default().insert(class);
            }
        }
    }
    for (name, opened) in &extras.by_policy {
        let Some(extra) = opened.first() else { continue };
        let id = match extra.policy.origin {
            Origin::Admin => FindingId::ClusterPolicyOverridesDeny,
            Origin::Plugin | Origin::Baseline | Origin::NetworkPolicy => FindingId::CniPolicyWidens,
        };
        let (message, evidence) = sentence(case, opened, extra, "no flow declares that", &manager(case, name));
        found.push(Found::new(id, *name, message).with_evidence(evidence));
    }
    connected(case, &extras, found);
    for ((name, direction), (rule, traffic, pods)) in closed {
        let mine = few(&case.reach.pods(&pods));
        let (who, ports) = (case.reach.peers(&traffic.peers, &rule.selectors), ports(&traffic.ports));
        let message = match direction {
            Direction::Ingress => format!("It keeps {who} from {mine} on {ports}; a flow declares that."),
            Direction::Egress => format!("It keeps {mine} from {who} on {ports}; a flow declares that."),
        };
        let evidence = [rule.field.clone(), manager(case, name)];
        found.push(Found::new(FindingId::FlowDeniedElsewhere, name, message).with_evidence(joined(evidence)));
    }
    for ((one, other, direction), pods) in ambiguous {
        let pods = few(&case.reach.pods(&pods));
        let what = direction.as_str();
        let message = format!("It and {other} have the same priority and do not agree about {what} of {pods}.");
        found.push(
            Found::new(FindingId::ClusterPolicyPriorityAmbiguous, one, message)
                .with_evidence(joined([format!("with {other}"), manager(case, one)])),
        );
    }
    unread(case, found);
}

/// What a flow declares and a policy of another kind denies.
fn closes<'r>(case: &Case<'r>, class: u32, direction: Direction) -> Vec<(&'r Compiled, &'r Rule, Traffic)> {
    let reach = case.reach;
    let Some(pods) = reach.population.class(class) else { return Vec::new() };
    let open: Vec<Traffic> = reach.effective(class, direction).allows.into_iter().map(|allow| allow.traffic).collect();
    let closed = without(reach.declared(class, direction), &open);
    if closed.is_empty() {
        return Vec::new();
    }
    let rules = reach.all_holding(class).filter(|policy| policy.origin != Origin::Baseline);
    let rules = rules.flat_map(|policy| policy.rules(direction).into_iter().flatten().map(move |rule| (policy, rule)));
    let denies = rules.filter(|(_, rule)| rule.action == Action::Deny);
    let hits = denies.filter_map(|(policy, rule)| {
        let meant = rule.traffic(direction, pods, &reach.population);
        let mut both = closed.iter().flat_map(|closed| meant.iter().map(move |meant| closed.and(meant)));
        Some((policy, rule, both.find(|traffic| !traffic.is_empty())?))
    });
    hits.collect()
}

/// Policies of the tier Admin that have the same priority and mean the same traffic, but do not the same with it.
fn disputes<'r>(case: &Case<'r>, class: u32, direction: Direction) -> BTreeSet<(&'r str, &'r str)> {
    let reach = case.reach;
    let Some(pods) = reach.population.class(class) else { return BTreeSet::new() };
    let admin: Vec<&Compiled> = reach.all_holding(class).filter(|policy| policy.origin == Origin::Admin).collect();
    let differ = |one: &Compiled, other: &Compiled| {
        let rules = |policy: &Compiled| -> Vec<(Action, Vec<Traffic>)> {
            let rules = policy.rules(direction).into_iter().flatten();
            rules.map(|rule| (rule.action, rule.traffic(direction, pods, &reach.population))).collect()
        };
        let (ours, theirs) = (rules(one), rules(other));
        let meet = |some: &[Traffic], others: &[Traffic]| {
            some.iter().any(|some| others.iter().any(|other| !some.and(other).is_empty()))
        };
        ours.iter().any(|(mine, some)| theirs.iter().any(|(their, others)| mine != their && meet(some, others)))
    };
    let mut disputes = BTreeSet::new();
    for equal in admin.chunk_by(|one, other| one.rank == other.rank) {
        for (at, one) in equal.iter().enumerate() {
            for other in equal.iter().skip(at + 1) {
                if differ(one, other) {
                    disputes.insert((&*one.name, &*other.name));
                }
            }
        }
    }
    disputes
}

/// Policies of which something is not understood that may hold for pods of the zone.
fn unread(case: &Case, found: &mut Vec<Found>) {
    let zone: Classes = case.classes().collect();
    let mut by_policy: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for unread in &case.reach.unread {
        let pods = &unread.may_select & &zone;
        if !pods.is_empty() {
            by_policy.entry(&unread.name).or_default().push((&unread.trouble, pods));
        }
    }
    for (name, troubles) in by_policy {
        let Some((trouble, pods)) = troubles.first() else { continue };
        let mine = few(&case.reach.pods(pods));
        let place = if trouble.field.is_empty() { String::new() } else { format!("{}: ", trouble.field) };
        let message = format!("It may hold for {mine}, and not all of it is understood. {place}{}.", trouble.why);
        let more = match troubles.len() {
            0 | 1 => String::new(),
            many => format!("and {} of it", count(many - 1, "more part")),
        };
        let evidence = joined([trouble.field.clone(), more, manager(case, name)]);
        found.push(Found::new(FindingId::CniPolicyUnparsed, name, message).with_evidence(evidence));
    }
}

/// The field manager that wrote a policy last, in words.
fn manager(case: &Case, name: &str) -> String {
    let other = case.snapshot.others.iter().find(|other| other.subject() == name);
    let manager = other.and_then(|other| other.manager.as_deref());
    manager.map(|manager| format!("last field manager: {manager}")).unwrap_or_default()
}

fn joined(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; ")
}
