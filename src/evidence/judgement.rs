//! Every zone as it was judged at one moment.

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde::Serialize;

use crate::{
    api::{ConditionType, Finding, FindingCounts, FindingState, Mode, Reason},
    engine::{
        self, Evaluation, shown,
        snapshot::{Snapshot, ZoneRecord},
    },
};

/// The judgement of all zones.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The zones, in the order of the snapshot.
    pub zones: Vec<Zone>,
    /// Exactly what is there was judged, and not what the operator will make of it.
    pub as_is: bool,
    /// The moment.
    pub judged_at: Timestamp,
}

/// The judgement of one zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// `None` where it cannot be read.
    pub mode: Option<Mode>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// Everything that was found, worst first.
    pub findings: Vec<Finding>,
    /// How much that is.
    pub counts: FindingCounts,
}

/// Judges every zone.
pub fn judge(snapshot: &Snapshot, as_is: bool, now: Timestamp) -> Judgement {
    let resolution = engine::resolve(snapshot);
    of(snapshot, &engine::evaluate(snapshot, &resolution, now), as_is, now)
}

/// What was judged already, zone by zone.
pub(super) fn of(
    snapshot: &Snapshot,
    evaluations: &BTreeMap<String, Evaluation>,
    as_is: bool,
    now: Timestamp,
) -> Judgement {
    let zone = |record: &ZoneRecord| {
        let evaluation = evaluations.get(record.name())?;
        let mode = match record {
            ZoneRecord::Readable(zone) => Some(zone.spec.mode),
            ZoneRecord::Unreadable { .. } => None,
        };
        Some(Zone {
            name: record.name().to_string(),
            mode,
            conditions: evaluation.status.conditions.clone(),
            findings: evaluation.findings.iter().map(shown::whole).collect(),
            counts: evaluation.status.findings.clone().unwrap_or_default(),
        })
    };
    Judgement { zones: snapshot.zones.iter().filter_map(zone).collect(), as_is, judged_at: now }
}

impl Judgement {
    /// Every finding of every zone.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.zones.iter().flat_map(|zone| &zone.findings)
    }

    /// There is a finding of this state.
    pub fn has(&self, state: FindingState) -> bool {
        self.findings().any(|finding| finding.state == state)
    }
}

impl Zone {
    /// A condition, by its type.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == kind.as_str())
    }

    /// Why it was not judged.
    pub fn unjudged(&self) -> Option<&str> {
        let nothing = |condition: &&Condition| condition.reason == Reason::MatchesNothing.as_str();
        match self.mode {
            None => self.condition(ConditionType::Ready).map(|condition| condition.message.as_str()),
            Some(_) => self
                .condition(ConditionType::NetworkSegmented)
                .filter(nothing)
                .map(|_| "it has no namespace, so nothing was judged"),
        }
    }

    /// What is not as the zone declares, although no finding says which object it is.
    pub fn not_in_place(&self) -> impl Iterator<Item = &Condition> {
        let kinds = [ConditionType::NetworkSegmented, ConditionType::NodesDedicated];
        let all = kinds.into_iter().filter_map(|kind| self.condition(kind));
        all.filter(|condition| condition.status == "False")
    }
}
