//! What pods may receive and send on one side and not on the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use super::{Side, at, preposition, twins::Twins};
use crate::{
    api::names,
    engine::{
        ownership,
        policy::Policy,
        reach::{
            By, Compiled, Direction, Effective, Reach, Selectors,
            sets::{Classes, Traffic, without},
            words::{few, ports},
        },
    },
};

/// The most pods at the other end that are asked whether they let it through too.
const ASKED: u64 = 64;

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
    /// Who is at the other end, in words.
    pub peers: String,
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
struct Moved<'r> {
    direction: Direction,
    by: By<'r>,
    traffic: Traffic,
    selectors: Vec<Selectors>,
    pods: Classes,
    flows: Vec<String>,
    /// What denied it before, or denies it now.
    isolated_by: Vec<String>,
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

    fn has(&self, direction: Direction, policy: &str, field: &str) -> bool {
        self.0.contains_key(&(direction, Some((policy, field))))
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
                let new = without(vec![allow.traffic], &had);
                let bare = without(new.clone(), &declared);
                let covered = without(new, &bare);
                for (traffic, is_covered) in
                    covered.into_iter().map(|t| (t, true)).chain(bare.into_iter().map(|t| (t, false)))
                {
                    let flows = if is_covered { flows(reach, after, class, direction, &traffic) } else { Vec::new() };
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
    to_come(&mut moves, &others, reach, &changed(before, after), is_meant);
    said(&moves, &Words { reach, side: after, verb: "adds", other: &|class| twins.earlier(class).is_none() })
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
                for traffic in without(vec![allow.traffic], &has) {
                    let flows = flows(reach, before, class, direction, &traffic);
                    let (isolated_by, pods) = (denies.clone(), [class].into_iter().collect());
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
    let (partition, _) = twins.partitions();
    let others = Reach::parted(before.snapshot, after.snapshot.policies.clone(), partition);
    to_come(&mut moves, &others, reach, &changed(after, before), is_meant);
    said(&moves, &Words { reach, side: before, verb: "removes", other: &|class| twins.later(class).is_none() })
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

/// The flows of a zone by which some traffic is declared.
fn flows(reach: &Reach, side: &Side, class: u32, direction: Direction, traffic: &Traffic) -> Vec<String> {
    let name = |policy: &Compiled| {
        let (namespace, name) = policy.name.strip_prefix("NetworkPolicy/")?.split_once('/')?;
        let is = |policy: &&Arc<Policy>| policy.metadata.name.as_deref() == Some(name);
        let declared = side.declared.get(namespace)?.iter().find(is)?;
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
    changed
}

/// What changed policies allow pods to come: those that are meant now are told already. `others` is the same side, with the
/// policies of the other side to compare with.
fn to_come<'r>(
    moves: &mut Moves<'r>,
    others: &'r Reach,
    reach: &Reach,
    changed: &BTreeSet<String>,
    is_meant: &dyn Fn(&str) -> bool,
) {
    let is_changed = |policy: &Compiled| changed.contains(&*policy.name);
    for class in meant(others, is_meant) {
        for direction in Direction::BOTH {
            for latent in others.latent(class, direction, is_changed, &|_| false) {
                if moves.has(direction, &latent.policy.name, &latent.rule.field)
                    && latent.rule.selectors.len() == latent.selectors.len()
                {
                    continue;
                }
                let is_bare = reach.latent(class, direction, is_changed, &|_| false);
                let is_bare = is_bare
                    .iter()
                    .any(|bare| bare.policy.name == latent.policy.name && bare.rule.field == latent.rule.field);
                let flows = if is_bare { Vec::new() } else { vec!["what the zone declares".to_string()] };
                moves.put(Moved {
                    direction,
                    by: By::Rule(latent.policy, latent.rule),
                    traffic: Traffic::default(),
                    selectors: latent.selectors,
                    pods: [class].into_iter().collect(),
                    flows,
                    isolated_by: Vec::new(),
                });
            }
        }
    }
}

/// How moves are put into words.
struct Words<'w> {
    reach: &'w Reach<'w>,
    side: &'w Side<'w>,
    verb: &'static str,
    /// Pods of a class are not there on the other side.
    other: &'w dyn Fn(u32) -> bool,
}

fn said(moves: &Moves, words: &Words) -> Vec<Move> {
    let mut all: Vec<Move> = moves.0.values().flatten().map(|moved| words.say(moved)).collect();
    // What no flow covers comes first.
    all.sort_by(|one, other| (!one.flows.is_empty(), one).cmp(&(!other.flows.is_empty(), other)));
    all.dedup();
    all
}

impl Words<'_> {
    fn say(&self, moved: &Moved) -> Move {
        let Moved { direction, traffic, .. } = moved;
        let namespace =
            moved.pods.min().and_then(|class| self.reach.population.class(class)).map(|class| class.namespace);
        let zone = namespace.and_then(|namespace| self.side.zone(namespace)).map(str::to_string);
        let pods = self.reach.described(&moved.pods);
        let (peers, on) = if traffic.is_empty() {
            let on = match moved.by {
                By::Rule(_, rule) => rule.port_words(),
                By::Default => String::new(),
            };
            (self.reach.pods_to_come(&moved.selectors), on)
        } else {
            (self.reach.parties(&traffic.peers), ports(&traffic.ports))
        };
        let is_opening = self.verb == "adds";
        let (newcomer, gone) = if is_opening { ("new ", "") } else { ("", ", which are gone") };
        let is_there = |classes: &Classes| {
            !classes.is_empty()
                && classes
                    .iter()
                    .all(|class| self.reach.population.class(class).is_some_and(|class| !class.pods.is_empty()))
        };
        let all_other = |classes: &Classes| is_there(classes) && classes.iter().all(|class| (self.other)(class));
        let peer_pods = traffic.peers.all_pods();
        let peers = if traffic.peers.has_no_address() && all_other(&peer_pods) {
            format!("{newcomer}{peers}{gone}")
        } else {
            peers
        };
        let pods = if all_other(&moved.pods) { format!("{newcomer}{pods}{gone}") } else { pods };
        let mut notes = Vec::new();
        let by = match moved.by {
            By::Rule(policy, rule) => at(&policy.name, &rule.field),
            By::Default => "no policy".to_string(),
        };
        match (is_opening, moved.by, moved.isolated_by.is_empty()) {
            (true, By::Default, true) => notes.push("no policy denies it".to_string()),
            (true, By::Default, false) => {
                notes.push(format!("no policy denies it any more; {} did", few(&moved.isolated_by)));
            }
            (false, By::Default, false) => notes.push(format!("{} denies it now", few(&moved.isolated_by))),
            _ => {}
        }
        if is_opening && traffic.peers.has_no_address() && !peer_pods.is_empty() && peer_pods.len() <= ASKED {
            let answers = |class| self.reach.answers(class, *direction, &moved.pods, &traffic.ports);
            if !peer_pods.iter().any(answers) {
                notes.push("the other end does not let it through".to_string());
            }
        }
        let coverage = match (is_opening, moved.flows.as_slice()) {
            (true, []) if zone.is_some() => "; no flow covers it".to_string(),
            (_, []) => String::new(),
            (true, flows) => format!("; covered by {}", few(flows)),
            (false, flows) => format!("; it was covered by {}", few(flows)),
        };
        let said = if notes.is_empty() { String::new() } else { format!("; {}", notes.join("; ")) };
        let words = format!(
            "{} {} {} {peers} on {on} for {pods}{coverage} ({by}){said}",
            self.verb,
            direction.as_str(),
            preposition(*direction),
        );
        let (pods, flows) = (pods, moved.flows.clone());
        Move { zone, direction: direction.as_str(), pods, peers, ports: on, by, flows, notes, words }
    }
}
