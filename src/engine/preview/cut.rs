//! Connections that are possible now and would not be any more.
//!
//! Looked at are the pods that are there, on the ports that their containers declare, or on all where they declare none; and
//! addresses that are no pod's. What no policy governs, as traffic on a pod's own node, is not cut and not shown.

use std::{
    collections::{BTreeMap, BTreeSet},
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

/// Pods that no policy tells apart, neither now nor then.
struct Group<'a> {
    now: u32,
    then: u32,
    pods: Vec<&'a Pod>,
    one: &'a Pod,
    is_member: bool,
    unread: BTreeSet<String>,
    declared: Option<Ports>,
}

/// Both directions of each class, computed once.
struct Side<'r, 'a> {
    reach: &'r Reach<'a>,
    allows: BTreeMap<u32, [Effective<'r>; 2]>,
}

impl<'r, 'a> Side<'r, 'a> {
    fn new(reach: &'r Reach<'a>, classes: impl Iterator<Item = u32>) -> Self {
        let both = |class| [Direction::Egress, Direction::Ingress].map(|direction| reach.effective(class, direction));
        Side { reach, allows: classes.map(|class| (class, both(class))).collect() }
    }

    fn allows(&self, class: u32, direction: Direction) -> &[crate::engine::reach::Allow<'r>] {
        let both = self.allows.get(&class).map(|[egress, ingress]| match direction {
            Direction::Egress => &egress.allows,
            Direction::Ingress => &ingress.allows,
        });
        both.map(Vec::as_slice).unwrap_or_default()
    }

    /// Ports on which pods of one class may reach those of another, by some family of addresses.
    fn open(&self, (from, to): (u32, u32), families: &[Family]) -> Ports {
        let side = |class, direction, other, family| {
            let allows = self.allows(class, direction).iter().map(|allow| &allow.traffic);
            let meant = allows.filter(move |traffic: &&Traffic| traffic.peers.pods(family).contains(other));
            meant.fold(Ports::default(), |all, traffic| all.or(&traffic.ports))
        };
        families.iter().fold(Ports::default(), |all, family| {
            let sent = side(from, Direction::Egress, to, *family);
            if sent.is_empty() { all } else { all.or(&sent.and(&side(to, Direction::Ingress, from, *family))) }
        })
    }

    /// What of the world outside pods of a class may talk with.
    fn outside(&self, class: u32, direction: Direction) -> Vec<Traffic> {
        let outside = |traffic: &Traffic| {
            let peers = traffic.peers.minus(&Peers::of_pods(&traffic.peers.all_pods()));
            Traffic { peers, ports: traffic.ports.clone() }
        };
        let all = self.allows(class, direction).iter().map(|allow| outside(&allow.traffic));
        all.filter(|traffic| !traffic.is_empty()).collect()
    }
}

/// What is cut between two moments, sorted: between pods first. `members` are the namespaces whose policies differ.
pub(super) fn cut(now: &Snapshot, then: &Snapshot, members: &BTreeSet<&str>) -> Vec<Cut> {
    let (before, after) = (Reach::new(now), Reach::new(then));
    let groups = groups(&before, &after, now, members);
    let before = Side::new(&before, groups.iter().map(|group| group.now).collect::<BTreeSet<_>>().into_iter());
    let after = Side::new(&after, groups.iter().map(|group| group.then).collect::<BTreeSet<_>>().into_iter());
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
        Some(Group { now, then, one, pods, is_member, unread, declared: declared(one) })
    };
    pods.into_iter().filter_map(group).collect()
}

fn declared(pod: &Pod) -> Option<Ports> {
    let mut ports = Ports::default();
    pod.ports.iter().for_each(|port| ports.add(port.protocol, port.number..=port.number));
    (!ports.is_empty()).then_some(ports)
}

fn between(before: &Side, after: &Side, groups: &[Group]) -> Vec<Cut> {
    /// Groups at one end, in the namespace at the other, and how many pairs.
    type Lines = BTreeMap<(BTreeSet<usize>, String, String, BTreeSet<String>), (BTreeSet<usize>, usize)>;
    let mut by_from = Lines::new();
    for (at, from) in groups.iter().enumerate() {
        for (number, to) in groups.iter().enumerate().filter(|(_, to)| from.is_member || to.is_member) {
            let pairs = pairs(from, to);
            if pairs == 0 {
                continue;
            }
            let families = families(before.reach, from.one, to.one);
            let open = before.open((from.now, to.now), &families);
            let open = to.declared.as_ref().map_or(open.clone(), |declared| open.and(declared));
            if open.is_empty() {
                continue;
            }
            let lost = open.minus(&after.open((from.then, to.then), &families));
            if !lost.is_empty() {
                let unread = from.unread.union(&to.unread).cloned().collect();
                let key = ([at].into(), to.one.namespace().to_string(), words::ports(&lost), unread);
                let (ends, all) = by_from.entry(key).or_default();
                ends.insert(number);
                *all += pairs;
            }
        }
    }
    // What leads to the same pods on the same ports is one line, by namespaces.
    let mut by_to = Lines::new();
    for ((from, _, ports, unread), (to, pairs)) in by_from {
        let namespace = from.iter().filter_map(|at| groups.get(*at)).map(|group| group.one.namespace()).next();
        let (ends, all) = by_to.entry((to, namespace.unwrap_or_default().to_string(), ports, unread)).or_default();
        ends.extend(from);
        *all += pairs;
    }
    let names = |ends: &BTreeSet<usize>| names(ends.iter().filter_map(|at| groups.get(*at)));
    let cut = |((to, _, ports, unread), (from, pairs))| Cut {
        is_outside: false,
        from: names(&from),
        to: names(&to),
        ports,
        pairs,
        unread: Vec::from_iter(unread),
    };
    by_to.into_iter().map(cut).collect()
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
fn families(reach: &Reach, from: &Pod, to: &Pod) -> Vec<Family> {
    let has = |family| reach.population.has(from, family) && reach.population.has(to, family);
    let common: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(|family| has(*family)).collect();
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
