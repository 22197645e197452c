//! Connections that are possible now and would not be any more.
//!
//! Looked at are the pods that are there, on the ports that their containers declare, or on all where they declare none; and
//! addresses that are no pod's. What no policy governs, as traffic on a pod's own node, is not cut and not shown.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
};

use serde::Serialize;

use crate::engine::{
    pod::Pod,
    reach::{
        Direction, Effective, Reach,
        sets::{Family, Peers, Ports, Traffic, without},
        words,
    },
    snapshot::Snapshot,
};

/// Connections that are cut off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// An end of them is no pod.
    pub is_outside: bool,
    /// Who opens them.
    pub from: String,
    /// Who accepts them.
    pub to: String,
    /// On which ports.
    pub ports: String,
    /// How many pairs of pods that are; of addresses, how many pods.
    pub pairs: usize,
    /// Policies that are not understood and may decide otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// Groups from which on the lines are not told apart by the namespace at the other end: there would be too many.
const MANY: usize = 200;

/// Pods that no policy tells apart, neither now nor then.
struct Group<'a> {
    now: u32,
    then: u32,
    pods: Vec<&'a Pod>,
    one: &'a Pod,
    is_member: bool,
    unread: BTreeSet<String>,
    declared: Option<Ports>,
    /// The families in which they have an address: IPv4 and IPv6.
    has: [bool; 2],
}

/// What pods of a class may send or receive.
#[derive(Default)]
struct Ways<'r> {
    effective: Effective<'r>,
    /// Everybody, on every port.
    is_all: bool,
}

/// Both directions of each class, computed once.
struct Side<'r, 'a> {
    reach: &'r Reach<'a>,
    ways: Vec<[Ways<'r>; 2]>,
}

/// On which ports some pods may reach others.
enum Open {
    All,
    These(Ports),
}

impl Open {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Open::All, open) | (open, Open::All) => open,
            (Open::These(some), Open::These(others)) => Open::These(some.and(&others)),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Open::These(ports) if ports.is_empty())
    }
}

impl<'r, 'a> Side<'r, 'a> {
    fn new(reach: &'r Reach<'a>, wanted: &BTreeSet<u32>) -> Self {
        let everybody = reach.population.everybody();
        let way = |class, direction| {
            let effective = reach.effective(class, direction);
            let is_all = |traffic: &Traffic| traffic.ports.is_all() && traffic.peers == everybody;
            let is_all = effective.allows.iter().any(|allow| is_all(&allow.traffic));
            Ways { effective, is_all }
        };
        let both = |class| {
            let directions = [Direction::Egress, Direction::Ingress];
            if wanted.contains(&class) { directions.map(|direction| way(class, direction)) } else { Default::default() }
        };
        Side { reach, ways: reach.population.classes().map(|(class, _)| both(class)).collect() }
    }

    fn ways(&self, class: u32, direction: Direction) -> Option<&Ways<'r>> {
        let [egress, ingress] = self.ways.get(usize::try_from(class).ok()?)?;
        Some(match direction {
            Direction::Egress => egress,
            Direction::Ingress => ingress,
        })
    }

    /// Ports on which pods of a class are let through with those of another one.
    fn side(&self, class: u32, direction: Direction, other: u32, family: Family) -> Open {
        let Some(ways) = self.ways(class, direction) else { return Open::These(Ports::default()) };
        if ways.is_all {
            return Open::All;
        }
        let allows = ways.effective.allows.iter().map(|allow| &allow.traffic);
        let meant = allows.filter(|traffic| traffic.peers.pods(family).contains(other));
        Open::These(meant.fold(Ports::default(), |all, traffic| all.or(&traffic.ports)))
    }

    /// Ports on which pods of one class may reach those of another, by some family of addresses.
    fn open(&self, (from, to): (u32, u32), families: &[Family]) -> Open {
        let mut open = Ports::default();
        for family in families {
            let sent = self.side(from, Direction::Egress, to, *family);
            if sent.is_nothing() {
                continue;
            }
            match sent.and(self.side(to, Direction::Ingress, from, *family)) {
                Open::All => return Open::All,
                Open::These(ports) => open = open.or(&ports),
            }
        }
        Open::These(open)
    }

    /// What of the world outside pods of a class may talk with.
    fn outside(&self, class: u32, direction: Direction) -> Vec<Traffic> {
        let outside = |traffic: &Traffic| {
            let peers = traffic.peers.minus(&Peers::of_pods(&traffic.peers.all_pods()));
            Traffic { peers, ports: traffic.ports.clone() }
        };
        let all = self.ways(class, direction).into_iter().flat_map(|ways| &ways.effective.allows);
        let all = all.map(|allow| outside(&allow.traffic));
        all.filter(|traffic| !traffic.is_empty()).collect()
    }
}

/// What is cut between two moments, sorted: between pods first. `members` are the namespaces whose policies differ.
pub(super) fn cut(now: &Snapshot, then: &Snapshot, members: &BTreeSet<&str>) -> Vec<Cut> {
    let (before, after) = (Reach::new(now), Reach::new(then));
    let groups = groups(&before, &after, now, members);
    let before = Side::new(&before, &groups.iter().map(|group| group.now).collect());
    let after = Side::new(&after, &groups.iter().map(|group| group.then).collect());
    let mut all = between(&before, &after, &groups);
    all.extend(outside(&before, &after, &groups));
    all.sort();
    all
}

fn groups<'a>(before: &Reach<'a>, after: &Reach, now: &'a Snapshot, members: &BTreeSet<&str>) -> Vec<Group<'a>> {
    let mut pods: BTreeMap<(u32, u32), Vec<&Pod>> = BTreeMap::new();
    for pod in now.pods.iter().filter(|pod| !pod.ended) {
        let class = |reach: &Reach| reach.population.pod(&pod.key).map(|(_, class)| class);
        if let Some(both) = class(before).zip(class(after)) {
            pods.entry(both).or_default().push(pod);
        }
    }
    let unread = |reach: &Reach, class| -> Vec<String> {
        let may = reach.unread.iter().filter(|unread| unread.may_select.contains(class));
        may.map(|unread| unread.name.to_string()).collect()
    };
    let group = |((now, then), pods): ((u32, u32), Vec<&'a Pod>)| {
        let one = *pods.first()?;
        let is_member = members.contains(one.namespace());
        let unread = unread(before, now).into_iter().chain(unread(after, then)).collect();
        let has = [Family::V4, Family::V6].map(|family| before.population.has(one, family));
        Some(Group { now, then, pods, one, is_member, unread, declared: declared(one), has })
    };
    pods.into_iter().filter_map(group).collect()
}

fn declared(pod: &Pod) -> Option<Ports> {
    let mut ports = Ports::default();
    pod.ports.iter().for_each(|port| ports.add(port.protocol, port.number..=port.number));
    (!ports.is_empty()).then_some(ports)
}

/// Texts, each held once.
#[derive(Default)]
struct Texts {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.numbers.insert(text.to_string(), self.texts.len());
        self.texts.push(text.to_string());
        self.texts.len() - 1
    }
}

fn between(before: &Side, after: &Side, groups: &[Group]) -> Vec<Cut> {
    /// Groups at one end, in which namespace at the other one, on which ports; the groups there, and how many pairs.
    type Line<K> = (K, usize, usize);
    type Ends = (Vec<usize>, usize);
    type Lines<K> = BTreeMap<Line<K>, Ends>;
    let mut texts = Texts::default();
    let everything: Vec<Ports> = groups.iter().map(|to| to.declared.clone().unwrap_or_else(Ports::all)).collect();
    let words: Vec<usize> = everything.iter().map(|all| texts.number(&words::ports(all))).collect();
    let are_many = groups.len() > MANY;
    let namespaces = groups.iter().map(|group| if are_many { "" } else { group.one.namespace() });
    let namespaces: Vec<usize> = namespaces.map(|namespace| texts.number(namespace)).collect();
    let mut by_from: Lines<usize> = Lines::new();
    for (at, from) in groups.iter().enumerate() {
        let others = groups.iter().zip(&everything).zip(words.iter().zip(&namespaces)).enumerate();
        for (number, ((to, all), (words, namespace))) in others {
            let pairs = if from.is_member || to.is_member { pairs(from, to) } else { 0 };
            if pairs == 0 {
                continue;
            }
            let families = families(from, to);
            let open = match before.open((from.now, to.now), &families) {
                Open::All => None,
                Open::These(ports) => Some(ports.and(all)),
            };
            let ports = match (open, after.open((from.then, to.then), &families)) {
                (_, Open::All) => continue,
                (None, Open::These(stays)) if stays.is_empty() => *words,
                (open, Open::These(stays)) => {
                    let lost = open.as_ref().unwrap_or(all).minus(&stays);
                    if lost.is_empty() {
                        continue;
                    }
                    texts.number(&words::ports(&lost))
                }
            };
            let (ends, all) = by_from.entry((at, *namespace, ports)).or_default();
            ends.push(number);
            *all += pairs;
        }
    }
    // What leads to the same pods on the same ports is one line, by namespaces.
    let mut by_to: Lines<Vec<usize>> = Lines::new();
    for ((from, _, ports), (to, pairs)) in by_from {
        let namespace = namespaces.get(from).copied().unwrap_or_default();
        let (ends, all) = by_to.entry((to, namespace, ports)).or_default();
        ends.push(from);
        *all += pairs;
    }
    let at = |ends: &[usize]| ends.iter().filter_map(|at| groups.get(*at)).collect::<Vec<_>>();
    let cut = |((to, _, ports), (from, pairs)): (&Line<Vec<usize>>, &Ends)| {
        let (from, to) = (at(from), at(to));
        let unread: BTreeSet<&String> = from.iter().chain(&to).flat_map(|group| &group.unread).collect();
        Cut {
            is_outside: false,
            from: names(from.into_iter()),
            to: names(to.into_iter()),
            ports: texts.texts.get(*ports).cloned().unwrap_or_default(),
            pairs: *pairs,
            unread: unread.into_iter().cloned().collect(),
        }
    };
    by_to.iter().map(cut).collect()
}

/// Pairs of pods that a policy governs: not a pod and itself, and not a pod and what uses the network of its own node.
fn pairs(from: &Group, to: &Group) -> usize {
    let own = if (from.now, from.then) == (to.now, to.then) { from.pods.len() } else { 0 };
    let all = from.pods.len() * to.pods.len() - own;
    if !from.one.shares.network && !to.one.shares.network {
        return all;
    }
    let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
    from.pods.iter().filter_map(|pod| pod.node.as_deref()).for_each(|node| *nodes.entry(node).or_default() += 1);
    let here = to.pods.iter().filter_map(|pod| nodes.get(pod.node.as_deref()?)).sum::<usize>();
    all.saturating_sub(here.saturating_sub(own))
}

/// Families of addresses by which two pods can talk.
fn families(from: &Group, to: &Group) -> Vec<Family> {
    let families = [Family::V4, Family::V6].into_iter().zip(from.has.into_iter().zip(to.has));
    let common: Vec<Family> = families.filter(|(_, (one, other))| *one && *other).map(|(family, _)| family).collect();
    if common.is_empty() { vec![Family::Unknown] } else { common }
}

/// A line for all that somebody may talk with now, with what of it stays: what goes is often all but a few addresses.
fn outside(before: &Side, after: &Side, groups: &[Group]) -> Vec<Cut> {
    /// Whether they open it, their namespace, who is at the other end, on which ports, what is not understood.
    type Line<'g> = (bool, &'g str, String, String, &'g BTreeSet<String>);
    let mut lines: BTreeMap<Line, Vec<&Group>> = BTreeMap::new();
    let who = |peers: &Peers| format!("addresses {}", before.reach.peers(peers, &[]));
    for group in groups.iter().filter(|group| group.is_member && !group.one.shares.network) {
        for direction in [Direction::Egress, Direction::Ingress] {
            let stays = after.outside(group.then, direction);
            for mut open in before.outside(group.now, direction) {
                if let (Direction::Ingress, Some(declared)) = (direction, &group.declared) {
                    open.ports = open.ports.and(declared);
                }
                if without(vec![open.clone()], &stays).iter().all(Traffic::is_empty) {
                    continue;
                }
                let mut ports = words::ports(&open.ports);
                for kept in stays.iter().map(|kept| kept.and(&open)).filter(|kept| !kept.is_empty()) {
                    // Writing to a String cannot fail.
                    let _ = write!(ports, ", but for {} on {}", who(&kept.peers), words::ports(&kept.ports));
                }
                let leaves = direction == Direction::Egress;
                let key = (leaves, group.one.namespace(), who(&open.peers), ports, &group.unread);
                lines.entry(key).or_default().push(group);
            }
        }
    }
    let cut = |((leaves, _, who, ports, unread), ends): (_, Vec<&Group>)| {
        let (pods, pairs) = (names(ends.iter().copied()), ends.iter().map(|group| group.pods.len()).sum());
        let (from, to) = if leaves { (pods, who) } else { (who, pods) };
        let unread = BTreeSet::iter(unread).cloned().collect();
        Cut { is_outside: true, from, to, ports, pairs, unread }
    };
    lines.into_iter().map(cut).collect()
}

fn names<'g>(groups: impl Iterator<Item = &'g Group<'g>>) -> String {
    let mut names: Vec<String> = groups.flat_map(|group| &group.pods).map(|pod| pod.key.to_string()).collect();
    names.sort();
    words::few(&names)
}
