//! SARIF 2.1.0, for code scanning of manifests.
//!
//! What could not be proven is open and no failure; what is accepted is suppressed and stays in the list. A zone that was
//! not judged makes the whole run one that did not succeed.

mod model;
mod uri;

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use self::model::{
    ArtifactLocation, AutomationDetails, Configuration, Descriptor, Driver, Fingerprints, Invocation, Location, Log,
    LogicalLocation, Notification, Outcome, PhysicalLocation, Properties, Reference, Region, Rule, RuleProperties, Run,
    Suppression, Text, Tool,
};
use super::{
    Judgement, Manner, Place, Zone, json,
    words::{NOT_IN_PLACE, Note, STANDARD, TOOL, UNJUDGED, VERSION, acceptance, known, notes},
};
use crate::api::{Finding, FindingId, FindingState, Severity, requirements};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(out: &mut impl Write, judgement: &Judgement, manner: &Manner) -> io::Result<()> {
    let folder = manner.folder.as_deref();
    let results = judgement.zones.iter().flat_map(|zone| zone.findings.iter().map(|one| result(zone, one, folder)));
    let driver = Driver {
        name: TOOL,
        semantic_version: VERSION,
        rules: FindingId::ALL.iter().copied().map(rule).collect(),
        notifications: vec![
            descriptor(UNJUDGED, "A zone could not be judged."),
            descriptor(NOT_IN_PLACE, "A zone is not as it declares, and no finding says which object it is."),
        ],
    };
    let invocation = Invocation {
        execution_successful: judgement.zones.iter().all(|zone| zone.unjudged().is_none()),
        end_time_utc: judgement.judged_at.to_string(),
        tool_execution_notifications: judgement
            .zones
            .iter()
            .flat_map(|zone| notes(zone).into_iter().map(|note| notification(zone, note, folder)))
            .collect(),
    };
    let run = Run {
        tool: Tool { driver },
        automation_details: AutomationDetails { id: "pcizone/check/" },
        invocations: [invocation],
        column_kind: "unicodeCodePoints",
        results: results.collect(),
    };
    json::pretty(out, &Log { schema: SCHEMA, version: "2.1.0", runs: [run] })
}

fn rule(id: FindingId) -> Rule {
    let mut help = id.remediation().to_string();
    for requirement in id.requirements().iter().filter_map(|number| requirements::find(number)) {
        // Writing to a String cannot fail.
        let _ = write!(help, "\n{STANDARD} {}: {}", requirement.number, requirement.summary);
    }
    let tags = id.requirements().iter().map(|number| format!("{STANDARD}/{number}"));
    Rule {
        id: id.as_str(),
        short_description: text(id.description()),
        help: text(&help),
        default_configuration: Configuration { level: level(id.state(), id.severity()) },
        properties: RuleProperties {
            tags: ["security".to_string()].into_iter().chain(tags).collect(),
            security_severity: security_severity(id.severity()),
        },
    }
}

fn descriptor(id: &'static str, description: &str) -> Descriptor {
    Descriptor { id, short_description: text(description) }
}

fn result(zone: &Zone, finding: &Finding, folder: Option<&Path>) -> Outcome {
    let Finding {
        id,
        subject,
        state,
        accepted_until,
        severity,
        requirements,
        message,
        evidence,
        // The rule has it.
        remediation: _,
        since,
    } = finding;
    let known = known(finding);
    let message = if evidence.is_empty() {
        format!("{subject}: {message}")
    } else {
        format!("{subject}: {message} ({evidence})")
    };
    let suppression =
        acceptance(finding).map(|justification| Suppression { kind: "external", status: "accepted", justification });
    Outcome {
        rule_id: id.clone(),
        rule_index: FindingId::ALL.iter().position(|one| Some(*one) == known),
        kind: match state {
            FindingState::Violated | FindingState::Accepted => "fail",
            FindingState::Unproven => "open",
        },
        level: level(*state, *severity),
        message: text(&message),
        // Whoever scans code shows nothing that is nowhere: what the zone lacks stands where the zone does.
        locations: [location(zone.place(finding).or(zone.at.as_ref()), subject, folder)],
        partial_fingerprints: Fingerprints { finding: fingerprint(&[&zone.name, id, subject]) },
        suppressions: suppression.into_iter().collect(),
        properties: Properties {
            zone: zone.name.clone(),
            severity: format!("{severity:?}"),
            state: format!("{state:?}"),
            requirements: requirements.clone(),
            since: since.0.to_string(),
            accepted_until: accepted_until.as_ref().map(|until| until.0.to_string()),
        },
    }
}

fn notification(zone: &Zone, Note { kind, message }: Note, folder: Option<&Path>) -> Notification {
    let level = if kind == UNJUDGED { "error" } else { "warning" };
    let subject = format!("PciZone/{}", zone.name);
    Notification {
        descriptor: Reference { id: kind },
        level,
        message: text(&format!("{subject}: {message}")),
        locations: vec![location(zone.at.as_ref(), &subject, folder)],
    }
}

fn location(place: Option<&Place>, subject: &str, folder: Option<&Path>) -> Location {
    let physical = |place: &Place| {
        let uri = uri::of(&place.file, folder);
        PhysicalLocation {
            artifact_location: ArtifactLocation { uri_base_id: uri.base(), uri: uri.text },
            region: place.line.map(|start_line| Region { start_line }),
        }
    };
    let logical = LogicalLocation { fully_qualified_name: subject.to_string(), kind: "resource" };
    Location { physical_location: place.map(physical), logical_locations: [logical] }
}

fn level(state: FindingState, severity: Severity) -> &'static str {
    match (state, severity) {
        // So the standard has it: what is no failure has no level.
        (FindingState::Unproven, _) => "none",
        (_, Severity::Critical | Severity::High) => "error",
        (_, Severity::Medium) => "warning",
        (_, Severity::Low) => "note",
    }
}

/// In the middle of the ranges that code scanning of GitHub has for these words.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

/// The same for the same finding, wherever its object stands in a file.
fn fingerprint(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\0"));
    digest.iter().take(16).fold(String::new(), |mut to, byte| {
        let _ = write!(to, "{byte:02x}");
        to
    })
}

/// Brackets that stand like a link would be taken for one.
fn text(text: &str) -> Text {
    let text = if text.contains("](") { text.replace('[', "\\[").replace(']', "\\]") } else { text.to_string() };
    Text { text }
}
