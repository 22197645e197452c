//! In which order policies of all kinds are asked.
//!
//! ```text
//!  Calico's tiers and Admin, by their order ─▶ Cilium's denials ─▶ NetworkPolicies, with what Cilium allows and the policies of
//!  Calico's tier `default` around them ─▶ Calico's later tiers and Baseline, by their order
//! ```

use std::sync::Arc;

use super::{
    Body, Kind, Other, admin,
    calico::{self, DEFAULT, Tiers},
    cilium,
    making::{Made, Making, Order, Unread},
    read::Trouble,
};
use crate::engine::{
    reach::{Action, Compiled, Compiler, Direction, Stage},
    snapshot::Snapshot,
};

/// Where Calico puts the tier Admin among its own.
const ADMIN: f64 = 1_000.0;
/// Where Calico puts the tier Baseline among its own.
const BASELINE: f64 = 10_000_000.0;
/// Where NetworkPolicies stand in Calico's tier `default`.
const NETWORK_POLICIES: f64 = 1_000.0;

/// Puts policies of all kinds into the order in which they are asked; and says what of them is not understood.
pub fn stages<'a>(
    compiler: &mut Compiler<'_, 'a>,
    snapshot: &'a Snapshot,
    network_policies: Vec<Compiled>,
) -> (Vec<Stage>, Vec<Unread>) {
    if snapshot.others.is_empty() && snapshot.hidden_kinds.is_empty() {
        return (vec![Stage { policies: network_policies }], Vec::new());
    }
    let mut made = Made::default();
    let mut making = Making::new(compiler, snapshot);
    let around = around(snapshot);
    for other in &snapshot.others {
        compile(&mut making, other, &around, &mut made);
    }
    for hidden in &snapshot.hidden_kinds {
        let why = format!("its objects cannot be seen: {}", hidden.why);
        made.unread(&hidden.kind.as_str().into(), Trouble::new("", why), &making.within(None));
    }
    let order = around.tiers.get(DEFAULT).map_or(Some(calico::DEFAULT_ORDER), |tier| tier.order);
    note_generations(&mut made);
    let mut default = Order { number: order.unwrap_or(f64::INFINITY), name: DEFAULT.to_string() };
    let mut stages = vec![
        (Order { number: ADMIN, name: "kube-admin".to_string() }, by_priority(std::mem::take(&mut made.admin))),
        (
            Order { number: BASELINE, name: "kube-baseline".to_string() },
            by_priority(std::mem::take(&mut made.baseline)),
        ),
        (default.clone(), in_turn(std::mem::take(&mut made.denials))),
    ];
    let mut tiers = by_tier(std::mem::take(&mut made.tiers));
    let of_default = tiers.iter().position(|(tier, _)| tier.name == DEFAULT).map(|at| tiers.swap_remove(at).1);
    for (tier, policies) in tiers {
        note_ties(&policies, &mut made);
        stages.push((tier, in_turn(policies.into_iter().map(|(_, policy)| policy).collect())));
    }
    // Behind the denials of the same place.
    default.name.push(' ');
    let beside = std::mem::take(&mut made.beside);
    stages
        .push((default, around_network_policies(of_default.unwrap_or_default(), network_policies, beside, &mut made)));
    stages.sort_by(|(one, _), (other, _)| one.cmp(other));
    (stages.into_iter().map(|(_, policies)| Stage { policies }).collect(), made.unread)
}

fn around(snapshot: &Snapshot) -> Tiers<'_> {
    let mut around = Tiers::default();
    for other in &snapshot.others {
        match &other.body {
            Body::Tier(tier) => drop(around.tiers.insert(other.name(), tier)),
            Body::Set(set) => around.sets.push(set),
            Body::Cluster(_) | Body::Cilium(_) | Body::Calico(_) | Body::Shown => {}
        }
    }
    around
}

fn compile(making: &mut Making, other: &Other, around: &Tiers, made: &mut Made) {
    let name: Arc<str> = other.subject().into();
    match &other.body {
        Body::Cluster(policy) => admin::compile(making, &name, policy, made),
        Body::Cilium(rules) => cilium::compile(making, &name, other.namespace(), rules, made),
        Body::Calico(policy) => calico::compile(making, &name, &other.key, policy, around, made),
        Body::Shown if !is_there(making.snapshot, other) => {
            let why = "it is named like what Calico shows of another policy, and there is no such";
            made.unread(&name, Trouble::new("metadata.name", why), &making.within(other.namespace()));
        }
        Body::Shown | Body::Tier(_) | Body::Set(_) => {}
    }
}

/// The policy is there that Calico shows by this one.
fn is_there(snapshot: &Snapshot, shown: &Other) -> bool {
    let is = |kind: Kind, name: &str| snapshot.others.iter().any(|other| other.kind == kind && other.name() == name);
    match (calico::shown(shown.name()), shown.namespace()) {
        (Some((Some(kind), name)), _) => is(kind, name),
        (Some((None, name)), Some(namespace)) => {
            let policies = snapshot.policies.get(namespace).into_iter().flatten();
            policies.into_iter().any(|policy| policy.metadata.name.as_deref() == Some(name))
        }
        _ => false,
    }
}

/// Policies one after the other.
fn in_turn(mut policies: Vec<Compiled>) -> Vec<Compiled> {
    policies.iter_mut().enumerate().for_each(|(rank, policy)| policy.rank = rank);
    policies
}

/// Those of one priority have one rank, and come by name: which of them comes first is the plug-in's, and a finding.
fn by_priority(mut policies: Vec<(u32, Compiled)>) -> Vec<Compiled> {
    policies.sort_by(|(one, first), (other, second)| (one, &first.name).cmp(&(other, &second.name)));
    for (rank, equal) in policies.chunk_by_mut(|(one, _), (other, _)| one == other).enumerate() {
        for (_, policy) in equal {
            policy.rank = rank;
        }
    }
    policies.into_iter().map(|(_, policy)| policy).collect()
}

type Placed = (Order, Compiled);

fn by_tier(mut policies: Vec<(Order, Order, Compiled)>) -> Vec<(Order, Vec<Placed>)> {
    policies.sort_by(|(one, first, _), (other, second, _)| one.cmp(other).then_with(|| first.cmp(second)));
    let mut tiers: Vec<(Order, Vec<Placed>)> = Vec::new();
    for (tier, place, policy) in policies {
        match tiers.last_mut() {
            Some((last, policies)) if last.name == tier.name => policies.push((place, policy)),
            _ => tiers.push((tier, vec![(place, policy)])),
        }
    }
    tiers
}

/// The policies of Calico's tier `default` with the NetworkPolicies among them, and what is asked beside those.
fn around_network_policies(
    calico: Vec<Placed>,
    network_policies: Vec<Compiled>,
    beside: Vec<Compiled>,
    made: &mut Made,
) -> Vec<Compiled> {
    note_ties(&calico, made);
    for (_, policy) in calico.iter().filter(|(place, policy)| place.number == NETWORK_POLICIES && !only_allows(policy))
    {
        if network_policies.iter().any(|other| !(&other.subject & &policy.subject).is_empty()) {
            let why = "which of NetworkPolicies and this one, of the same order, is asked first is not known";
            made.unread(&policy.name, Trouble::new("spec.order", why), &policy.subject);
        }
    }
    let (first, last): (Vec<Placed>, Vec<Placed>) =
        calico.into_iter().partition(|(place, _)| place.number <= NETWORK_POLICIES);
    let mut all = in_turn(first.into_iter().map(|(_, policy)| policy).collect());
    let rank = all.len();
    all.extend(network_policies.into_iter().chain(beside).map(|policy| Compiled { rank, ..policy }));
    all.extend(last.into_iter().enumerate().map(|(at, (_, policy))| Compiled { rank: rank + 1 + at, ..policy }));
    all
}

/// Policies of the tier Admin of both generations of their API: no document says which are asked first.
fn note_generations(made: &mut Made) {
    let is_older = |policy: &Compiled| policy.name.starts_with(Kind::AdminNetworkPolicy.as_str());
    let (older, newer): (Vec<_>, Vec<_>) =
        made.admin.iter().map(|(_, policy)| policy).partition(|policy| is_older(policy));
    let mut unread = Vec::new();
    for (one, other) in older.iter().flat_map(|one| newer.iter().map(move |other| (*one, *other))) {
        let both = &one.subject & &other.subject;
        let is_settled = both.is_empty() || only_allows(one) && only_allows(other);
        if !is_settled {
            let why = format!("which of it and {} is asked first is not known", other.name);
            let trouble = Trouble::new("spec.priority", why);
            unread.push(Unread { name: Arc::clone(&one.name), trouble, may_select: both });
        }
    }
    made.unread.append(&mut unread);
}

/// Policies of one order, one for a namespace and one for all: versions of Calico do not agree which is asked first.
fn note_ties(policies: &[Placed], made: &mut Made) {
    let is_global = |policy: &Compiled| policy.name.starts_with(Kind::CalicoGlobalNetworkPolicy.as_str());
    for equal in policies.chunk_by(|(one, _), (other, _)| one.number.total_cmp(&other.number).is_eq()) {
        let (global, own): (Vec<_>, Vec<_>) =
            equal.iter().map(|(_, policy)| policy).partition(|policy| is_global(policy));
        for (one, other) in global.iter().flat_map(|one| own.iter().map(move |other| (*one, *other))) {
            let both = &one.subject & &other.subject;
            let is_settled = both.is_empty() || only_allows(one) && only_allows(other);
            if !is_settled {
                let why = format!("it and {} have the same order, and which is asked first is not known", other.name);
                made.unread(&one.name, Trouble::new("spec.order", why), &both);
            }
        }
    }
}

fn only_allows(policy: &Compiled) -> bool {
    let rules = Direction::BOTH.into_iter().filter_map(|direction| policy.rules(direction)).flatten();
    rules.into_iter().all(|rule| rule.action == Action::Accept)
}
