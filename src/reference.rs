//! Pages of the documentation that are made from the code, so that they say what it does.

use std::fmt::Write as _;

use crate::{
    api::{
        Control, EntityType, FindingId, FindingState,
        requirements::{self, Requirement},
    },
    engine::insecure,
};

const ABOUT: &str = "\
<!-- Written by `cargo xtask generate`. Do not edit. -->
# PCI DSS v4.0.1 and the findings

What the operator says about which requirement, made from its code; `pcizone pci-dss` prints it. The sentences are ours and shorter than those of
the standard, which alone decides. A finding shows that a requirement is missed, or cannot be shown to be met; that there is none shows only that
nothing of what is looked at misses it. PciZone makes nobody compliant: most requirements also ask for things that no cluster shows.
";

/// The map from requirements to findings, and back, as Markdown.
pub fn pci_dss() -> String {
    let mut page = ABOUT.to_string();
    page.push_str("\n## From requirement to finding\n");
    let mut topic = "";
    for requirement in requirements::ALL {
        if requirement.topic() != topic {
            topic = requirement.topic();
            line(&mut page, &format!("\n### {topic}"));
            page.push_str("| Requirement | Asks for | Findings | Attestations |\n|---|---|---|---|\n");
        }
        row(&mut page, &[requirement.number, requirement.summary, &findings(requirement), &attestations(requirement)]);
    }
    page.push_str("\n## From finding to requirement\n");
    page.push_str("The severity of `ExceptionExpired` is that of what the exception accepted, and of those that name many requirements each finding names its own.\n\n");
    page.push_str("| Finding | What was found | Severity | State | Can be accepted | Requirements | What to do |\n|---|---|---|---|---|---|---|\n");
    for id in FindingId::ALL {
        let acceptable = match id.state() {
            FindingState::Unproven => "no, it is unproven",
            FindingState::Violated | FindingState::Accepted if id.is_acceptable() => "yes",
            FindingState::Violated | FindingState::Accepted => "no",
        };
        let (severity, state) = (format!("{:?}", id.severity()), format!("{:?}", id.state()));
        let (name, numbers) = (format!("`{}`", id.as_str()), id.requirements().join(", "));
        row(&mut page, &[&name, id.description(), &severity, &state, acceptable, &numbers, id.remediation()]);
    }
    page.push_str("\n## Services that send in plain text\n");
    page.push_str("A flow to one of these ports is the finding `InsecureProtocolFlow`, unless its `mitigation` says what protects it.\n\n");
    page.push_str("| Port | Service |\n|---|---|\n");
    for service in insecure::SERVICES {
        let (first, last) = (service.ports.start(), service.ports.end());
        let ports = if first == last { first.to_string() } else { format!("{first} to {last}") };
        row(&mut page, &[&format!("{} {ports}", service.protocol.as_str()), service.name]);
    }
    page
}

fn findings(requirement: &Requirement) -> String {
    // What only says that an attestation is over stands in the column of its own.
    let own = |id: &&&str| !id.starts_with("Attestation");
    let ids = FindingId::ALL.iter().filter(|id| id.requirements().contains(&requirement.number));
    let ids: Vec<&str> = ids.map(|id| id.as_str()).collect();
    let ids: Vec<String> = ids.iter().filter(own).map(|id| format!("`{id}`")).collect();
    if ids.is_empty() { "none".to_string() } else { ids.join(", ") }
}

fn attestations(requirement: &Requirement) -> String {
    let says = |control: &Control| control.requirements(EntityType::ServiceProvider).contains(&requirement.number);
    let controls: Vec<String> =
        Control::ALL.iter().filter(|control| says(control)).map(|control| format!("`{}`", control.as_str())).collect();
    controls.join(", ")
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    line(page, &format!("| {} |", cells.join(" | ")));
}

fn line(page: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{text}");
}
