//! Assessment results of OSCAL 1.1.3: one result per zone, an observation and a risk per finding, and a finding of OSCAL per
//! requirement that something was found about.
//!
//! No requirement is ever said to be satisfied. This program sees a part of what a requirement asks for; that it found
//! nothing says nothing of the rest.

mod model;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use uuid::Uuid;

use self::model::{
    AssessmentResults, BackMatter, Component, Control, Document, Evidence, Import, LocalDefinitions, Metadata, Missed,
    Observation, Outcome, Prop, RelatedObservation, RelatedRisk, Remediation, Resource, ReviewedControls, Risk,
    Selection, State, Status, Subject, Target,
};
use super::{
    Judgement, Zone, json,
    words::{Note, STANDARD, TOOL, VERSION, acceptance, line, notes},
};
use crate::{
    api::{Finding, FindingId, FindingState, requirements},
    engine::change::count,
};

const OSCAL: &str = "1.1.3";
/// Namespace of names that OSCAL does not define.
const NAMES: &str = "https://pcizone.dev/ns/oscal";
/// There is no catalogue of PCI DSS in OSCAL; its numbers alone are no ids there.
const CONTROL: &str = "pci-dss-4.0.1-";
const DEFINITION: &str = "component";

pub(super) fn write(out: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    let at = judgement.judged_at.to_string();
    // A document of other content is another document.
    let document = id(&["document", &serde_json::to_string(judgement)?]);
    let plan = id(&["plan"]);
    let how = if judgement.as_is { "as they are" } else { "as they will be once the operator has done its work" };
    let results = AssessmentResults {
        uuid: document,
        metadata: Metadata {
            title: format!("{TOOL}: {}", count(judgement.zones.len(), "zone")),
            last_modified: at.clone(),
            version: VERSION,
            oscal_version: OSCAL,
        },
        import_ap: Import { href: format!("#{plan}") },
        results: judgement.zones.iter().map(|zone| result(zone, &at)).collect(),
        back_matter: BackMatter {
            resources: [Resource {
                uuid: plan,
                title: "How it was assessed",
                description: format!("The objects of the cluster were judged {how}, by what the zones declare."),
            }],
        },
    };
    json::pretty(out, &Document { assessment_results: results })
}

fn result(zone: &Zone, at: &str) -> Outcome {
    let notes = notes(zone);
    let mode = zone.mode.map_or_else(|| "unreadable".to_string(), |mode| format!("{mode:?}"));
    let said: Vec<&str> = notes.iter().map(|note| note.message.as_str()).collect();
    let description =
        if said.is_empty() { "The zone was judged and is in place.".to_string() } else { markup(&said.join(" ")) };
    let own = format!("PciZone/{}", zone.name);
    let subjects: BTreeSet<&str> = zone.findings.iter().map(|one| one.subject.as_str()).chain([own.as_str()]).collect();
    let told = notes.into_iter().map(|note| told(zone, note, at));
    Outcome {
        uuid: id(&["result", &zone.name, at]),
        title: format!("Zone {}", line(&zone.name)),
        description,
        start: at.to_string(),
        end: at.to_string(),
        props: vec![prop("zone", &zone.name), prop("mode", &mode)],
        local_definitions: LocalDefinitions {
            components: subjects.into_iter().map(|subject| component(zone, subject)).collect(),
        },
        reviewed_controls: reviewed(),
        observations: zone.findings.iter().map(|one| observation(zone, one, at)).chain(told).collect(),
        risks: zone.findings.iter().map(|one| risk(zone, one)).collect(),
        findings: missed(zone),
    }
}

/// What this version looks at.
fn reviewed() -> ReviewedControls {
    let named: BTreeSet<&str> = FindingId::ALL.iter().flat_map(|id| id.requirements()).copied().collect();
    let all = requirements::ALL.iter().filter(|requirement| named.contains(requirement.number));
    ReviewedControls {
        control_selections: [Selection {
            description: "Requirements of PCI DSS v4.0.1 that findings speak to. Of each only what a cluster shows was looked at.",
            include_controls: all.map(|one| Control { control_id: control(one.number) }).collect(),
        }],
    }
}

fn component(zone: &Zone, subject: &str) -> Component {
    let name = line(subject);
    Component {
        uuid: object(zone, subject),
        r#type: "kubernetes-object",
        description: markup(subject),
        title: if name.trim().is_empty() { "unnamed".to_string() } else { name },
        status: State { state: "operational" },
    }
}

fn observation(zone: &Zone, finding: &Finding, at: &str) -> Observation {
    let Finding { id, subject, message, evidence, since, .. } = finding;
    let place = zone.place(finding).map(|place| format!("at {place}"));
    let seen = Some(evidence.clone()).filter(|evidence| !evidence.is_empty());
    let mut props = props(zone, finding);
    props.push(prop("since", &since.0.to_string()));
    Observation {
        uuid: of_finding("observation", zone, finding),
        title: format!("{id} on {}", line(subject)),
        description: markup(message),
        props,
        methods: ["EXAMINE"],
        types: ["finding"],
        subjects: [Subject { subject_uuid: object(zone, subject), r#type: DEFINITION }],
        relevant_evidence: seen.into_iter().chain(place).map(|text| Evidence { description: markup(&text) }).collect(),
        collected: at.to_string(),
    }
}

/// What of a zone no finding tells.
fn told(zone: &Zone, Note { kind, message }: Note, at: &str) -> Observation {
    let subject = format!("PciZone/{}", zone.name);
    Observation {
        uuid: id(&["note", &zone.name, kind, &message]),
        title: format!("{kind}: {}", line(&subject)),
        description: markup(&message),
        props: vec![prop("zone", &zone.name), prop("state", kind)],
        methods: ["EXAMINE"],
        types: ["finding"],
        subjects: [Subject { subject_uuid: object(zone, &subject), r#type: DEFINITION }],
        relevant_evidence: Vec::new(),
        collected: at.to_string(),
    }
}

fn risk(zone: &Zone, finding: &Finding) -> Risk {
    let Finding { id, subject, message, remediation, accepted_until, state, .. } = finding;
    Risk {
        uuid: of_finding("risk", zone, finding),
        title: format!("{id} on {}", line(subject)),
        description: markup(message),
        statement: match acceptance(finding) {
            Some(acceptance) => markup(&format!("{message} It is {acceptance}.")),
            None => markup(message),
        },
        props: props(zone, finding),
        status: match state {
            FindingState::Violated => "open",
            FindingState::Unproven => "investigating",
            FindingState::Accepted => "deviation-approved",
        },
        deadline: accepted_until.as_ref().map(|until| until.0.to_string()),
        remediations: [Remediation {
            uuid: of_finding("remediation", zone, finding),
            lifecycle: "recommendation",
            title: format!("Remedy of {id}"),
            description: markup(remediation),
        }],
        related_observations: [RelatedObservation { observation_uuid: of_finding("observation", zone, finding) }],
    }
}

/// Every requirement that something was found about.
fn missed(zone: &Zone) -> Vec<Missed> {
    let mut by_requirement: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &zone.findings {
        for number in &finding.requirements {
            by_requirement.entry(number).or_default().push(finding);
        }
    }
    let order = |number: &str| requirements::ALL.iter().position(|one| one.number == number);
    let mut all: Vec<_> = by_requirement.into_iter().collect();
    all.sort_by_key(|(number, _)| (order(number), *number));
    all.into_iter().map(|(number, findings)| of_requirement(zone, number, &findings)).collect()
}

fn of_requirement(zone: &Zone, number: &str, findings: &[&Finding]) -> Missed {
    let of = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (violated, unproven, accepted) =
        (of(FindingState::Violated), of(FindingState::Unproven), of(FindingState::Accepted));
    let summary = requirements::find(number).map_or("A requirement of a later version.", |one| one.summary);
    Missed {
        uuid: id(&["finding", &zone.name, number]),
        title: format!("{STANDARD} {number}"),
        description: summary.to_string(),
        target: Target {
            r#type: "objective-id",
            id: control(number),
            status: Status {
                state: "not-satisfied",
                // That it failed is only known of what is violated.
                reason: if violated > 0 { "fail" } else { "other" },
                remarks: format!("{violated} violated, {unproven} not proven, {accepted} accepted by exceptions."),
            },
        },
        related_observations: findings
            .iter()
            .map(|one| RelatedObservation { observation_uuid: of_finding("observation", zone, one) })
            .collect(),
        related_risks: findings.iter().map(|one| RelatedRisk { risk_uuid: of_finding("risk", zone, one) }).collect(),
    }
}

fn props(zone: &Zone, finding: &Finding) -> Vec<Prop> {
    vec![
        prop("zone", &zone.name),
        prop("finding-id", &finding.id),
        prop("severity", &format!("{:?}", finding.severity)),
        prop("state", &format!("{:?}", finding.state)),
    ]
}

/// A value must not be empty, nor begin or end with a space.
fn prop(name: &'static str, value: &str) -> Prop {
    let value = line(value);
    let value = if value.trim().is_empty() { "-" } else { value.trim() };
    Prop { name, ns: NAMES, value: value.to_string() }
}

fn control(number: &str) -> String {
    format!("{CONTROL}{number}")
}

/// Each result has components of its own, also where zones share an object.
fn object(zone: &Zone, subject: &str) -> Uuid {
    id(&["object", &zone.name, subject])
}

fn of_finding(what: &str, zone: &Zone, finding: &Finding) -> Uuid {
    id(&[what, &zone.name, &finding.id, &finding.subject])
}

/// The same for the same thing, so that two documents can be compared.
fn id(parts: &[&str]) -> Uuid {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, NAMES.as_bytes());
    Uuid::new_v5(&namespace, parts.join("\0").as_bytes())
}

/// Text as Markdown that shows it as it is: names may hold what Markdown acts by.
fn markup(text: &str) -> String {
    line(text).chars().fold(String::new(), |mut to, c| {
        if "\\`*_[]<>".contains(c) {
            to.push('\\');
        }
        to.push(c);
        to
    })
}
