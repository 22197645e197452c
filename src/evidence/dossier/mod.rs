//! What an assessor is shown: for each zone what belongs to it, what was judged for each requirement and on which objects that
//! rests, what was found, and by which ways no policy stands. Pure, like the engine: no clock, equal input gives equal output.
//!
//! ```text
//!  Snapshot, Resolution, Evaluations ──▶ Dossier ──┬─▶ page (HTML)
//!                                                  └─▶ JSON
//! ```
//! Lists are bounded, and say how much they leave out; counts leave nothing out.

mod claims;
mod commands;
mod coverage;
mod declared;
mod facts;
mod findings;
mod images;
mod ledger;
mod objects;
mod scope;

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde::Serialize;

pub use claims::{Attested, Cited, Claim, Rest, Verdict};
pub use commands::quoted;
pub use declared::{AcceptedNow, Admitted, Attestation, Exception, Flow};
pub use findings::{Group, Kind, Subject};
pub use images::{Fix, FixState, Image, Images, Inventory, Scan};
pub use ledger::{Entry, Way, WayKind};
pub use objects::{Object, Objects};
pub use scope::{Confirmation, Scope};

use super::judgement::judgement;
use crate::{
    api::{FindingCounts, Obligation},
    engine::{
        Evaluation, Resolution, Snapshot, checks::Found, declaration::Declaration, obligations, resolve,
        snapshot::ZoneRecord,
    },
};
use facts::{Facts, Surroundings};

/// Everything that is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dossier {
    /// The version of this program.
    pub version: &'static str,
    /// The moment of the judgement.
    pub judged_at: Timestamp,
    /// Exactly what is there was judged, and not what the operator will make of it.
    pub as_is: bool,
    /// The command that judges the same again, with all findings as JSON.
    pub command: String,
    /// How much was looked at.
    pub looked_at: LookedAt,
    /// Findings of all zones, as `check` counts them.
    pub counts: FindingCounts,
    /// The zones, in the order of the snapshot.
    pub zones: Vec<Zone>,
    /// How many zones were judged and are not here, because others were asked for.
    pub other_zones: usize,
}

/// How many objects were in what was judged.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LookedAt {
    /// Namespaces.
    pub namespaces: usize,
    /// Nodes.
    pub nodes: usize,
    /// Pods that have not ended.
    pub pods: usize,
    /// `NetworkPolicies`.
    pub network_policies: usize,
    /// Policies of other kinds, and what they depend on.
    pub other_policies: usize,
    /// Services.
    pub services: usize,
    /// Ingresses, and routes of the Gateway API.
    pub routes: usize,
    /// Role bindings of both kinds.
    pub bindings: usize,
    /// Reports of scanners.
    pub scan_reports: usize,
}

/// One zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// A page has room for it, and not only for a line in its summary: so many zones of which most was found.
    pub is_in_full: bool,
    /// Why it was not judged; then that nothing was found says nothing.
    pub unjudged: Option<String>,
    /// What belongs to it; `None` where it cannot be read.
    pub scope: Option<Scope>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// How much was found.
    pub counts: FindingCounts,
    /// Every requirement, in the order of the standard.
    pub requirements: Vec<Claim>,
    /// What was found, worst first, each kind once.
    pub findings: Vec<Kind>,
    /// Ways into the zone that no policy governs.
    pub ways: Vec<Way>,
    /// The images that run; `None` where it declares nothing about them, or was not judged.
    pub images: Option<Images>,
    /// What it declares to be open.
    pub flows: Vec<Flow>,
    /// What may run on its nodes besides.
    pub admits: Vec<Admitted>,
    /// What it accepts.
    pub exceptions: Vec<Exception>,
    /// What people say of what no API shows.
    pub attestations: Vec<Attestation>,
    /// What has to be done by when, the nearest first.
    pub obligations: Vec<Obligation>,
    /// The objects that protect it.
    pub objects: Vec<Objects>,
}

/// Zones that a page shows in full.
const IN_FULL: usize = 60;
/// Rows of findings on a page, shared by all kinds of findings of all zones.
const ROWS: usize = 6000;
/// Entries of the ledger, shared by the zones.
const ENTRIES: usize = 500;
/// Objects of each kind, shared by the zones.
const OBJECTS: usize = 2000;
/// Images, those of the zones and as many of others, shared by the zones.
const IMAGES: usize = 2000;

/// Objects of each kind that a requirement names, shared by the zones.
const NAMED: usize = 50;

/// How long the lists are.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Subjects of each kind of finding.
    subjects: usize,
    /// Entries of each way.
    entries: usize,
    /// Objects of each kind.
    objects: usize,
    /// Images of a zone's pods, and as many of others.
    images: usize,
    /// Objects of each kind that a requirement names.
    named: usize,
}

impl Bounds {
    fn new(evaluations: &BTreeMap<String, Evaluation>) -> Self {
        let zones = evaluations.len().max(1);
        let kinds = evaluations.values().map(|one| findings::kinds(&one.findings)).sum::<usize>().max(1);
        Bounds {
            subjects: (ROWS / kinds).clamp(3, 500),
            entries: (ENTRIES / zones).clamp(3, 50),
            objects: (OBJECTS / zones).clamp(3, 200),
            images: (IMAGES / zones).clamp(3, 500),
            named: (NAMED / zones).clamp(1, 5),
        }
    }
}

impl Zone {
    /// There is a list of findings: of what was judged, or of what was found although the zone as a whole could not be.
    pub fn shows_findings(&self) -> bool {
        self.unjudged.is_none() || !self.findings.is_empty()
    }
}

impl Dossier {
    /// Takes together what was judged.
    pub fn new(
        snapshot: &Snapshot,
        resolution: &Resolution,
        evaluations: &BTreeMap<String, Evaluation>,
        now: Timestamp,
        as_is: bool,
    ) -> Self {
        let bounds = Bounds::new(evaluations);
        let surroundings = Surroundings::new(snapshot, resolution);
        let judgement = judgement(snapshot, evaluations, as_is, now);
        let mut counts = FindingCounts::default();
        let records = snapshot.zones.iter().filter_map(|record| {
            let name = record.name();
            Some((record, evaluations.get(name)?, resolution.zone(name)?))
        });
        let zones = records.zip(judgement.zones).map(|((record, evaluation, zone), judged)| {
            add(&mut counts, &judged.counts);
            let about = About {
                snapshot,
                resolution,
                record,
                zone,
                declaration: zone.declaration.as_deref(),
                found: &evaluation.findings,
                facts: surroundings.of(record.name()),
                unjudged: judged.unjudged().map(str::to_string),
                bounds,
                as_is,
                now,
            };
            about.zone(judged.conditions, judged.counts)
        });
        let mut zones: Vec<Zone> = zones.collect();
        rank(&mut zones);
        Dossier {
            version: env!("CARGO_PKG_VERSION"),
            judged_at: now,
            as_is,
            command: commands::check(if as_is { "" } else { "-f PATH" }, now),
            looked_at: LookedAt::new(snapshot),
            counts,
            zones,
            other_zones: 0,
        }
    }

    /// The same of some zones alone; the name of the first that is not there, otherwise.
    pub fn of_zones(mut self, names: &[String]) -> Result<Self, String> {
        if names.is_empty() {
            return Ok(self);
        }
        if let Some(missing) = names.iter().find(|name| !self.zones.iter().any(|zone| zone.name == **name)) {
            return Err(missing.clone());
        }
        let before = self.zones.len();
        self.zones.retain(|zone| names.contains(&zone.name));
        self.other_zones = before - self.zones.len();
        self.counts = FindingCounts::default();
        for zone in &self.zones {
            add(&mut self.counts, &zone.counts);
        }
        rank(&mut self.zones);
        Ok(self)
    }

    /// How many zones have only a line in the summary of a page.
    pub fn in_brief(&self) -> usize {
        self.zones.iter().filter(|zone| !zone.is_in_full).count()
    }

    /// The same with the arguments by which what was judged is read again, as for a shell.
    pub fn read_by(mut self, arguments: &str) -> Self {
        self.command = commands::check(arguments, self.judged_at);
        self
    }

    /// Everything that was found, of whatever state.
    pub fn total(&self) -> i64 {
        total(&self.counts)
    }
}

/// Says which zones are shown in full: those that could not be judged, and those of which the worst was found.
fn rank(zones: &mut [Zone]) {
    let badness = |zone: &Zone| {
        let FindingCounts { critical, high, medium, low, unproven, .. } = zone.counts;
        (zone.unjudged.is_some(), critical, high, medium, low, unproven)
    };
    let mut order: Vec<usize> = (0..zones.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(zones.get(*place).map(badness)));
    for (rank, place) in order.into_iter().enumerate() {
        if let Some(zone) = zones.get_mut(place) {
            zone.is_in_full = rank < IN_FULL;
        }
    }
}

/// All of them.
pub fn total(counts: &FindingCounts) -> i64 {
    let FindingCounts { critical, high, medium, low, unproven, accepted } = counts;
    critical + high + medium + low + unproven + accepted
}

fn add(all: &mut FindingCounts, more: &FindingCounts) {
    let FindingCounts { critical, high, medium, low, unproven, accepted } = more;
    all.critical += critical;
    all.high += high;
    all.medium += medium;
    all.low += low;
    all.unproven += unproven;
    all.accepted += accepted;
}

impl LookedAt {
    fn new(snapshot: &Snapshot) -> Self {
        LookedAt {
            namespaces: snapshot.namespaces.len(),
            nodes: snapshot.nodes.len(),
            pods: snapshot.pods.iter().filter(|pod| !pod.ended).count(),
            network_policies: snapshot.policies.values().map(Vec::len).sum(),
            other_policies: snapshot.others.len(),
            services: snapshot.services.len(),
            routes: snapshot.routes.len(),
            bindings: snapshot.bindings.len(),
            scan_reports: snapshot.reports.values().map(Vec::len).sum(),
        }
    }
}

/// One zone, and all that is needed to show it.
struct About<'a> {
    snapshot: &'a Snapshot,
    resolution: &'a Resolution,
    record: &'a ZoneRecord,
    zone: &'a resolve::Zone,
    declaration: Option<&'a Declaration>,
    found: &'a [Found],
    facts: Facts<'a>,
    unjudged: Option<String>,
    bounds: Bounds,
    as_is: bool,
    now: Timestamp,
}

impl About<'_> {
    fn zone(&self, conditions: Vec<Condition>, counts: FindingCounts) -> Zone {
        let obligations = self.declaration.map(|declaration| obligations::all(declaration, self.now));
        Zone {
            name: self.record.name().to_string(),
            is_in_full: true,
            unjudged: self.unjudged.clone(),
            scope: scope::scope(self),
            conditions,
            counts,
            requirements: claims::claims(self),
            findings: findings::findings(self),
            ways: ledger::ways(self),
            images: images::images(self),
            flows: declared::flows(self),
            admits: declared::admits(self),
            exceptions: declared::exceptions(self),
            attestations: declared::attestations(self),
            obligations: obligations.unwrap_or_default(),
            objects: objects::of_zone(self),
        }
    }

    fn name(&self) -> &str {
        self.record.name()
    }
}

/// As many as there is room for, and how many are left out.
fn bounded<T>(mut all: Vec<T>, most: usize) -> (Vec<T>, usize) {
    let more = all.len().saturating_sub(most);
    all.truncate(most);
    (all, more)
}
