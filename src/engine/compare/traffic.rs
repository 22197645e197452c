//! What pods may receive and send on one side and not on the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use super::{Side, sentence::Words, twins::Twins};
use crate::{
    api::names,
    engine::{
        ownership,
        policy::Policy,
        reach::{
            By, Compiled, Direction, Effective, Latent, Reach, Rule, Selectors,
            sets::{Classes, Traffic, without},
        },
    },
};

/// Some traffic that opens or closes for some pods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The zone of the pods, if they are in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `ingress` or `egress`, seen from the pods.
    pub direction: &'static str,
    /// The pods, in words.
    pub pods: String,
    /// The pods by namespace and name, the first fifty of them; none where there are none yet.
    pub names: Vec<String>,
    /// Who is at the other end, in words.
    pub peers: String,
    /// The same one by one: pods by what they have in common, and addresses.
    pub ends: Vec<String>,
    /// The ports, in words.
    pub ports: String,
    /// What opens it, or what opened it before.
    pub by: String,
    /// The declared flows that cover it; none where no flow does.
    pub flows: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// All of it in a sentence.
    pub words: String,
}

/// Traffic of some pods that is new, or gone.
pub(super) struct Moved<'r> {
    pub(super) direction: Direction,
    pub(super) by: By<'r>,
    /// Nothing where only pods to come are meant.
    pub(super) traffic: Traffic,
    /// Pods to come that are meant too.
    pub(super) selectors: Vec<Selectors>,
    pub(super) pods: Classes,
    pub(super) flows: Vec<String>,
    /// What denied it before, or denies it now.
    pub(super) isolated_by: Vec<String>,
}

impl Moved<'_> {
    fn new(direction: Direction, pods: Classes) -> Self {
        Moved {
            direction,
            by: By::Default,
            traffic: Traffic::default(),
            selectors: Vec::new(),
            pods,
            flows: Vec::new(),
            isolated_by: Vec::new(),
        }
    }
}

/// All that moves, what is the same for other pods said once.
#[derive(Default)]
struct Moves<'r>(BTreeMap<(Direction, Place<'r>), Vec<Moved<'r>>>);

/// A policy and the field of its rule; none where no policy says anything.
type Place<'r> = Option<(&'r str, &'r str)>;

impl<'r> Moves<'r> {
    fn put(&mut self, moved: Moved<'r>) {
        let rule = match moved.by {
            By::Rule(policy, rule) => Some((&*policy.name, &*rule.field)),
            By::Default => None,
        };
        let all = self.0.entry((moved.direction, rule)).or_default();
        let same = |other: &&mut Moved| {
            other.traffic == moved.traffic
                && other.flows == moved.flows
                && other.isolated_by == moved.isolated_by
                && other.selectors == moved.selectors
        };
        match all.iter_mut().find(same) {
            Some(other) => other.pods |= &moved.pods,
            None => all.push(moved),
        }
    }

    fn of(&mut self, direction: Direction, policy: &'r str, field: &'r str) -> &mut [Moved<'r>] {
        self.0.get_mut(&(direction, Some((policy, field)))).map(Vec::as_mut_slice).unwrap_or_default()
    }
}

/// What opens.
pub(super) fn openings(twins: &Twins, before: &Side, after: &Side, is_meant: &dyn Fn(&str) -> bool) -> Vec<Move> {
    let reach = &twins.after;
    let mut moves = Moves::default();
    for class in meant(reach, is_meant) {
        for direction in Direction::BOTH {
            let earlier = twins.earlier(class).map(|class| twins.before.effective(class, direction));
            let earlier = earlier.unwrap_or_default();
            let had: Vec<Traffic> = earlier.allows.iter().map(|allow| twins.as_later(&allow.traffic)).collect();
            let declared = reach.declared(class, direction);
            let denied = isolated(&earlier);
            for allow in reach.effective(class, direction).allows {
                let is_whole = matches!(allow.by, By::Default) && !denied.is_empty();
                let new = without(vec![allow.traffic.clone()], &had);
                if is_whole && !new.is_empty() {
                    // Nothing is denied any more; what little of it was open before is not worth the words.
                    let pods = [class].into_iter().collect();
                    let (by, traffic, isolated_by) = (allow.by, allow.traffic, denied.clone());
                    moves.put(Moved { by, traffic, isolated_by, ..Moved::new(direction, pods) });
                    continue;
                }
                let bare = without(new.clone(), &declared);
                let covered = without(new, &bare);
                for (traffic, is_covered) in
                    covered.into_iter().map(|t| (t, true)).chain(bare.into_iter().map(|t| (t, false)))
                {
                    let flows =
                        if is_covered { flows(reach, &after.declared, class, direction, &traffic) } else { Vec::new() };
                    let isolated_by = if matches!(allow.by, By::Default) { denied.clone() } else { Vec::new() };
                    let pods = [class].into_iter().collect();
                    moves.put(Moved {
                        direction,
                        by: allow.by,
                        traffic,
                        selectors: Vec::new(),
                        pods,
                        flows,
                        isolated_by,
                    });
                }
            }
        }
    }
    let (_, partition) = twins.partitions();
    let others = Reach::parted(after.snapshot, before.snapshot.policies.clone(), partition);
    let had = |policy: &str, direction| rules_of(&twins.before, policy, direction);
    let was_open =
        |class, direction| twins.earlier(class).is_some_and(|class| !twins.before.is_isolated(class, direction));
    to_come(&mut moves, &others, reach, &changed(before, after), (&was_open, &had), is_meant);
    said(
        &moves,
        &Words {
            reach,
            side: after,
            other: before,
            is_opening: true,
            twin: &|class| twins.earlier(class),
            there: &twins.before,
        },
    )
}

/// What closes.
pub(super) fn closings(twins: &Twins, before: &Side, after: &Side, is_meant: &dyn Fn(&str) -> bool) -> Vec<Move> {
    let reach = &twins.before;
    let mut moves = Moves::default();
    for class in meant(reach, is_meant) {
        for direction in Direction::BOTH {
            let later = twins.later(class).map(|class| twins.after.effective(class, direction)).unwrap_or_default();
            let has: Vec<Traffic> = later.allows.iter().map(|allow| twins.as_earlier(&allow.traffic)).collect();
            let denies = isolated(&later);
            for allow in reach.effective(class, direction).allows {
                let gone = without(vec![allow.traffic.clone()], &has);
                let is_whole = matches!(allow.by, By::Default) && !denies.is_empty() && !gone.is_empty();
                let gone = if is_whole { vec![allow.traffic] } else { gone };
                for traffic in gone {
                    let flows =
                        if is_whole { Vec::new() } else { flows(reach, &before.declared, class, direction, &traffic) };
                    let (isolated_by, pods) = (denies.clone(), [class].into_iter().collect());
                    moves.put(Moved { by: allow.by, traffic, flows, isolated_by, ..Moved::new(direction, pods) });
                }
            }
        }
    }
    let (partition, _) = twins.partitions();
    let others = Reach::parted(before.snapshot, after.snapshot.policies.clone(), partition);
    let has = |policy: &str, direction| rules_of(&twins.after, policy, direction);
    let is_open = |class, direction| twins.later(class).is_some_and(|class| !twins.after.is_isolated(class, direction));
    to_come(&mut moves, &others, reach, &changed(after, before), (&is_open, &has), is_meant);
    said(
        &moves,
        &Words {
            reach,
            side: before,
            other: after,
            is_opening: false,
            twin: &|class| twins.later(class),
            there: &twins.after,
        },
    )
}

/// Classes that are compared: those on the network of their node are under no policy.
fn meant<'r>(reach: &'r Reach, is_meant: &'r dyn Fn(&str) -> bool) -> impl Iterator<Item = u32> + 'r {
    let classes = reach.population.classes().filter(|(_, class)| !class.host_network && is_meant(class.namespace));
    classes.map(|(number, _)| number)
}

/// Policies that deny what no rule allows.
fn isolated(effective: &Effective) -> Vec<String> {
    let mut names: Vec<String> = effective.isolated_by.iter().map(|policy| policy.name.to_string()).collect();
    names.sort();
    names.dedup();
    names
}

/// Policies by namespace.
type Declared = BTreeMap<String, Vec<Arc<Policy>>>;

/// The flows of a zone by which some traffic is declared. `declared`: the policies that each namespace of a zone is to have.
pub fn flows(reach: &Reach, declared: &Declared, class: u32, direction: Direction, traffic: &Traffic) -> Vec<String> {
    let name = |policy: &Compiled| {
        let (namespace, name) = policy.name.strip_prefix("NetworkPolicy/")?.split_once('/')?;
        let is = |policy: &&Arc<Policy>| policy.metadata.name.as_deref() == Some(name);
        let declared = declared.get(namespace)?.iter().find(is)?;
        let flow = ownership::label(&declared.metadata, names::FLOW_LABEL);
        Some(flow.map_or_else(|| "the zone's name servers".to_string(), |flow| format!("flow {flow}")))
    };
    let names: BTreeSet<String> = reach.declaring(class, direction, traffic).filter_map(name).collect();
    names.into_iter().collect()
}

/// Policies that one side has and the other has not, or otherwise.
fn changed(other: &Side, side: &Side) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    for (namespace, policies) in &side.snapshot.policies {
        let theirs = other.snapshot.policies.get(namespace).map(Vec::as_slice).unwrap_or_default();
        for policy in policies {
            let same = |one: &Arc<Policy>| one.metadata.name == policy.metadata.name && one.spec == policy.spec;
            if !theirs.iter().any(same) {
                let name = policy.metadata.name.as_deref().unwrap_or_default();
                changed.insert(format!("NetworkPolicy/{namespace}/{name}"));
            }
        }
    }
    for policy in &side.snapshot.others {
        if !other.snapshot.others.iter().any(|one| one.says_the_same(policy)) {
            changed.insert(policy.subject());
        }
    }
    changed
}

/// What changed policies allow pods to come: those that are meant now are told already. `others` is the same side, with the
/// policies of the other side to compare with. Where the other side denies nothing, or has no such pods, nothing is to come.
fn to_come<'r>(
    moves: &mut Moves<'r>,
    others: &'r Reach,
    reach: &Reach,
    changed: &BTreeSet<String>,
    (is_open, there): (&dyn Fn(u32, Direction) -> bool, Rules),
    is_meant: &dyn Fn(&str) -> bool,
) {
    let is_changed = |policy: &Compiled| changed.contains(&*policy.name);
    let nobody = |selectors: &Selectors| {
        others.population.peers(Some(&selectors.namespaces), &selectors.pods).all_pods().is_empty()
    };
    for class in meant(others, is_meant) {
        for direction in Direction::BOTH {
            if is_open(class, direction) {
                continue;
            }
            let latent = others.latent(class, direction, is_changed, &|_| false);
            if latent.is_empty() {
                continue;
            }
            let bare = reach.latent(class, direction, is_changed, &|_| false);
            for Latent { policy, rule, mut selectors } in latent {
                // Policies of other kinds are not among those that it was compared with.
                selectors.retain(|one| !there(&policy.name, direction).iter().any(|other| means(other, one, rule)));
                let (mut later, now): (Vec<_>, Vec<_>) = selectors.into_iter().partition(nobody);
                let is_bare = |one: &Selectors| {
                    let same = |bare: &&Latent| bare.policy.name == policy.name && bare.rule.field == rule.field;
                    bare.iter().filter(same).any(|bare| bare.selectors.contains(one))
                };
                let told = moves.of(direction, &policy.name, &rule.field);
                let told: Vec<&mut Moved> = told.iter_mut().filter(|told| told.pods.contains(class)).collect();
                let is_covered = !told.is_empty() && told.iter().all(|told| !told.flows.is_empty());
                if told.is_empty() {
                    later.extend(now);
                } else if is_covered && now.iter().any(is_bare) {
                    // A flow covers those of now, and none those that the rule means besides.
                    later.extend(now.into_iter().filter(is_bare));
                } else {
                    for told in told {
                        told.selectors.clone_from(&now);
                    }
                }
                if later.is_empty() {
                    continue;
                }
                let flows =
                    if later.iter().any(is_bare) { Vec::new() } else { vec!["what the zone declares".to_string()] };
                let pods = [class].into_iter().collect();
                let by = By::Rule(policy, rule);
                moves.put(Moved { by, selectors: later, flows, ..Moved::new(direction, pods) });
            }
        }
    }
}

/// Rules of a policy on the other side, by its name.
type Rules<'a> = &'a dyn Fn(&str, Direction) -> Vec<&'a Rule>;

fn rules_of<'a>(reach: &'a Reach, policy: &str, direction: Direction) -> Vec<&'a Rule> {
    let of = reach.policies().filter(|one| &*one.name == policy);
    of.flat_map(|one| one.rules(direction).into_iter().flatten()).collect()
}

/// A rule means these pods on all ports of the other.
fn means(rule: &Rule, selectors: &Selectors, other: &Rule) -> bool {
    rule.action == other.action
        && rule.selectors.contains(selectors)
        && other.numbers.minus(&rule.numbers).is_empty()
        && other.named.iter().all(|named| rule.named.contains(named))
}

fn said(moves: &Moves, words: &Words) -> Vec<Move> {
    let mut all: Vec<Move> = moves.0.values().flatten().map(|moved| words.say(moved)).collect();
    // What no flow covers comes first.
    all.sort_by(|one, other| (!one.flows.is_empty(), one).cmp(&(!other.flows.is_empty(), other)));
    all.dedup();
    all
}
