//! Two clusters with the same classes of pods: what may be said of a class on one side may be said of it on the other.

use std::collections::{BTreeMap, HashMap};

use super::Side;
use crate::engine::reach::{
    Partition, Population, Reach,
    sets::{Classes, Peers, Traffic, first},
};

/// Both sides, and which class of the one is which of the other.
pub(super) struct Twins<'a> {
    pub(super) before: Reach<'a>,
    pub(super) after: Reach<'a>,
    to_after: Mapping,
    to_before: Mapping,
    partitions: (Partition, Partition),
}

/// Classes of one side by those of the other; pods that are not there on the other side have none.
struct Mapping {
    classes: HashMap<u32, u32>,
    /// Of pods that are there.
    all: (u32, Classes),
    is_identity: bool,
}

impl<'a> Twins<'a> {
    pub(super) fn new(before: &Side<'a>, after: &Side<'a>) -> Self {
        let of = |side: &Side| Partition::new(side.snapshot, &side.declared).with_each_value(side.snapshot);
        let partition = of(before).and(of(after));
        // Each side is parted by the classes of the other: pods of one class have moved together, or not at all.
        let of_base = partition.as_in(&Population::new(after.snapshot, &partition));
        let of_head = partition.as_in(&Population::new(before.snapshot, &partition));
        let base = Reach::parted(before.snapshot, before.declared.clone(), &of_base);
        let head = Reach::parted(after.snapshot, after.declared.clone(), &of_head);
        let to_after = Mapping::new(&base.population, &head.population);
        let to_before = Mapping::new(&head.population, &base.population);
        Twins { before: base, after: head, to_after, to_before, partitions: (of_base, of_head) }
    }

    /// How pods are told apart before and after.
    pub(super) fn partitions(&self) -> (&Partition, &Partition) {
        (&self.partitions.0, &self.partitions.1)
    }

    /// The class that it is after the change.
    pub(super) fn later(&self, class: u32) -> Option<u32> {
        self.to_after.classes.get(&class).copied()
    }

    /// The class that it was before the change.
    pub(super) fn earlier(&self, class: u32) -> Option<u32> {
        self.to_before.classes.get(&class).copied()
    }

    /// Traffic of before, as those who are there after the change see it.
    pub(super) fn as_later(&self, traffic: &Traffic) -> Traffic {
        Traffic { peers: self.to_after.peers(&traffic.peers), ports: traffic.ports.clone() }
    }

    /// Traffic of after, as those who were there before the change see it.
    pub(super) fn as_earlier(&self, traffic: &Traffic) -> Traffic {
        Traffic { peers: self.to_before.peers(&traffic.peers), ports: traffic.ports.clone() }
    }
}

impl Mapping {
    fn new(from: &Population, to: &Population) -> Self {
        let to_come: BTreeMap<_, u32> = to
            .classes()
            .filter(|(_, class)| class.pods.is_empty())
            .map(|(n, class)| ((class.namespace, &class.labels), n))
            .collect();
        let twin = |(number, class): (u32, &crate::engine::reach::Class)| {
            let twin = match class.pods.first() {
                Some(pod) => to.pod(&pod.key).map(|(_, twin)| twin),
                None => to_come.get(&(class.namespace, &class.labels)).copied(),
            };
            Some((number, twin?))
        };
        let classes: HashMap<u32, u32> = from.classes().filter_map(twin).collect();
        let there = first(from.real());
        let all = there.iter().filter_map(|class| classes.get(&class)).copied().collect();
        let is_identity = from.real() == to.real() && there.iter().all(|class| classes.get(&class) == Some(&class));
        Mapping { classes, all: (from.real(), all), is_identity }
    }

    fn peers(&self, peers: &Peers) -> Peers {
        if self.is_identity { peers.clone() } else { peers.with_pods(|pods| self.pods(pods)) }
    }

    fn pods(&self, pods: &Classes) -> Classes {
        let (count, all) = &self.all;
        if pods.len() == u64::from(*count) {
            return all.clone();
        }
        pods.iter().filter_map(|class| self.classes.get(&class)).copied().collect()
    }
}
