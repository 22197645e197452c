//! Every zone as it was judged at one moment.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde::{Serialize, Serializer};

use crate::{
    api::{ConditionType, Finding, FindingCounts, FindingState, Mode, Reason},
    engine::{
        Evaluation, shown,
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

/// Where an object stands that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as it was named; `stdin` for standard input.
    pub file: String,
    /// The line, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// The judgement of one zone.
#[derive(Debug)]
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
    /// Where it was read itself.
    pub at: Option<Place>,
    /// Where the objects stand that its findings are about, by subject. What was read nowhere is not in it.
    pub places: BTreeMap<String, Place>,
}

/// What was judged, zone by zone.
pub fn judgement(
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
            at: None,
            places: BTreeMap::new(),
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

    /// Notes where everything stands: asks for the place of each zone, and of each finding of it.
    pub fn locate(&mut self, place: impl Fn(&str, Option<&Finding>) -> Option<Place>) {
        for zone in &mut self.zones {
            zone.at = place(&zone.name, None);
            let places =
                zone.findings.iter().filter_map(|one| Some((one.subject.clone(), place(&zone.name, Some(one))?)));
            zone.places = places.collect();
        }
    }
}

impl Zone {
    /// Where the object stands that a finding is about.
    pub fn place(&self, finding: &Finding) -> Option<&Place> {
        self.places.get(&finding.subject)
    }

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

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// The findings say where their objects stand.
impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            name: &'a str,
            mode: Option<Mode>,
            conditions: &'a [Condition],
            findings: Vec<Located<'a>>,
            counts: &'a FindingCounts,
        }
        #[derive(Serialize)]
        struct Located<'a> {
            #[serde(flatten)]
            finding: &'a Finding,
            #[serde(skip_serializing_if = "Option::is_none")]
            at: Option<&'a Place>,
        }
        let Zone { name, mode, conditions, findings, counts, at: _, places: _ } = self;
        let findings = findings.iter().map(|finding| Located { finding, at: self.place(finding) }).collect();
        Shown { name, mode: *mode, conditions, findings, counts }.serialize(serializer)
    }
}
