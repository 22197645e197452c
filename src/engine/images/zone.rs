//! The images of one zone: its own, and those of others on its nodes.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::{
    fixes::Fixes,
    running::{Evidence, Use, judge, uses},
    verdict::Verdict,
};
use crate::{
    api::Scanning,
    engine::{pod::Pod, snapshot::Snapshot},
};

/// The images of one zone.
pub struct Images<'a> {
    /// What the zone declares.
    pub rules: &'a Scanning,
    /// Those of its pods, as they name them.
    pub own: BTreeMap<&'a str, Use<'a>>,
    /// Those of others' pods on its nodes.
    pub others: BTreeMap<&'a str, Use<'a>>,
    /// There are more fixes than can be kept, so of some it is not known since when they are known.
    pub forgets: bool,
}

impl<'a> Images<'a> {
    /// Those of these pods. Reports of the zone's namespaces count for its own pods, those of their namespace for the pods of others, and those of
    /// the whole cluster everywhere: who may write elsewhere says nothing about these.
    pub fn of(
        snapshot: &'a Snapshot,
        zone: &str,
        rules: &'a Scanning,
        pods: &[&'a Pod],
        is_own: impl Fn(&Pod) -> bool,
        now: Timestamp,
    ) -> Self {
        let nothing = Fixes::default();
        let fixes = snapshot.fixes.get(zone).map_or(&nothing, AsRef::as_ref);
        let (own, others): (Vec<&Pod>, Vec<&Pod>) = pods.iter().copied().partition(|pod| is_own(pod));
        let evidence_of = |pods: &[&'a Pod]| evidence(snapshot, pods.iter().map(|pod| pod.namespace()));
        let all = evidence_of(&own);
        let mut own = uses(own.into_iter());
        for (named, one) in &mut own {
            judge(named, one, &all, rules, fixes, now);
        }
        let mut others = uses(others.into_iter());
        for (named, one) in &mut others {
            let evidence = evidence_of(&one.pods);
            judge(named, one, &evidence, rules, fixes, now);
        }
        Images { rules, own, others, forgets: fixes.is_full() }
    }

    /// Verdicts of what the zone's own pods run.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict<'a>> {
        self.own.values().flat_map(|one| one.verdicts.iter().map(|(_, verdict)| verdict))
    }

    /// The instants at which something changes by the clock alone.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        let others = self.others.values().flat_map(|one| one.verdicts.iter().filter_map(|(_, one)| one.fresh_until));
        self.verdicts().flat_map(Verdict::instants).chain(others)
    }
}

/// What reports in these namespaces say, and those of the whole cluster.
pub fn evidence<'a, 'n>(snapshot: &'a Snapshot, namespaces: impl Iterator<Item = &'n str>) -> Evidence<'a> {
    let mut names: Vec<&str> = namespaces.chain([""]).collect();
    names.sort_unstable();
    names.dedup();
    let reports = names.into_iter().filter_map(|name| snapshot.reports.get(name)).flatten();
    Evidence::of(reports.map(AsRef::as_ref))
}
