//! Judges every zone of a snapshot.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::{
    access::Access,
    checks::{self, Around, Case, Found, INCIDENT_MEMORY, View, flows, people},
    dates::{EXPIRY_WARNING, earlier, later},
    declaration::Declaration,
    evictions::{self, Eviction},
    exceptions,
    images::zone::Images,
    misplaced, obligations,
    reach::Reach,
    resolve::Resolution,
    since,
    snapshot::{Incident, Snapshot, ZoneRecord},
    status,
};
use crate::api::{PciZoneStatus, Reason};

/// The judgement of one zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// What its status must be.
    pub status: PciZoneStatus,
    /// Everything that was found, worst first, each with its date.
    pub findings: Vec<Found>,
    /// By when what each requirement asks of people has to be done, the nearest date.
    pub due: BTreeMap<String, Timestamp>,
    /// Pods to evict.
    pub evictions: Vec<Eviction>,
    /// When the judgement changes by the clock alone.
    pub next: Option<Timestamp>,
}

/// Judges every zone.
pub fn evaluate(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> BTreeMap<String, Evaluation> {
    let pods = misplaced::by_zone(snapshot, resolution);
    let reach = Reach::with_declared(snapshot, checks::network::declared(snapshot, resolution, now));
    let access = Access::new(snapshot);
    let around = Around::new(snapshot, resolution, &reach);
    let view = View { snapshot, resolution, reach: &reach, access: &access, around: &around, now };
    let waiting = evictions::Waiting::new(snapshot, now);
    let judge = |record: &ZoneRecord| {
        let name = record.name();
        let zone = resolution.zone(name);
        let evaluation = if let Some((zone, declaration)) = zone.and_then(|z| Some((z, z.declaration.as_deref()?))) {
            let pods = pods.get(name).cloned().unwrap_or_default();
            let case = Case::new(view, zone, declaration, pods, record);
            let evictions = evictions::evictions(&case, &waiting);
            let leaves = evictions.later || !evictions.now.is_empty();
            let mut found = checks::findings(&case, record.status(), leaves);
            let tested =
                checks::canary::test(&case).map(|test| checks::canary::until(declaration.canary.max_age_hours, test));
            let images = case.images.iter().flat_map(Images::instants).filter(|at| *at > now).min();
            let tested = tested.filter(|until| *until > now);
            let next = next(declaration, &found, now).into_iter().chain(tested).chain(images).min();
            let judged = snapshot.judged.get(name).map(AsRef::as_ref).unwrap_or_default();
            since::date(&mut found, judged, record.status(), now);
            let status = status::status(&case, &found, record.status());
            let again = leaves.then(|| later(now, evictions::AGAIN));
            let next = next.into_iter().chain(again).min();
            let due = obligations::due(declaration, case.images.as_ref(), now);
            Evaluation { status, findings: found, due, evictions: evictions.now, next }
        } else {
            unreadable(record, zone.is_some_and(|zone| zone.answer().is_some()), now)
        };
        (name.to_string(), evaluation)
    };
    snapshot.zones.iter().map(judge).collect()
}

/// Says of every zone that nothing can be judged, because rights are missing to look.
pub fn blind(snapshot: &Snapshot, now: Timestamp) -> BTreeMap<String, Evaluation> {
    let message = format!("The operator may not {}; nothing can be judged.", snapshot.missing_rights.join(", "));
    let judge = |record: &ZoneRecord| {
        let generation = record.metadata().generation.unwrap_or_default();
        let status = status::blocked(generation, Reason::MissingRights, &message, record.status(), now);
        (record.name().to_string(), Evaluation { status, ..Evaluation::default() })
    };
    snapshot.zones.iter().map(judge).collect()
}

fn unreadable(record: &ZoneRecord, is_known: bool, now: Timestamp) -> Evaluation {
    let error = match record {
        ZoneRecord::Readable(_) => "",
        ZoneRecord::Unreadable { error, .. } => error,
    };
    let protection = if is_known {
        "what it protected is kept as last declared"
    } else {
        "what it protected stays as it is, but is not repaired"
    };
    let message = format!("The spec cannot be read; {protection}. {error}");
    let generation = record.metadata().generation.unwrap_or_default();
    let status = status::blocked(generation, Reason::SpecInvalid, &message, record.status(), now);
    Evaluation { status, ..Evaluation::default() }
}

/// Incidents that are still to be reported.
pub fn recent(incidents: &[Incident], now: Timestamp) -> impl Iterator<Item = &Incident> {
    incidents.iter().filter(move |incident| later(incident.at, INCIDENT_MEMORY) > now)
}

fn next(declaration: &Declaration, found: &[Found], now: Timestamp) -> Option<Timestamp> {
    let flows = flows::instants(&declaration.flows);
    let admits = declaration.admits.iter().map(|admit| admit.expires_at.0);
    let admits = admits.flat_map(|end| [end, earlier(end, EXPIRY_WARNING)]);
    let incidents = found.iter().filter_map(|f| Some(later(f.since?, INCIDENT_MEMORY)));
    let acknowledged = declaration.acknowledged;
    let exceptions = exceptions::instants(&declaration.exceptions);
    let people = people::instants(declaration);
    let all = flows.chain(acknowledged).chain(admits).chain(exceptions).chain(people).chain(incidents);
    all.filter(|at| *at > now).min()
}
