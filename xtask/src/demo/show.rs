//! What the demo prints. Colour only on a terminal.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use pcizone::api::PciZone;

use super::breakages::Repair;

/// Width of tables where there is no terminal to ask.
const WIDTH: u16 = 120;

fn styled(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}

pub(super) fn title(text: &str) {
    println!("\n{}\n", styled("1", text));
}

pub(super) fn step(text: &str) {
    println!("{} {}", styled("36", "▶"), styled("1", text));
}

pub(super) fn done(text: &str) {
    println!("  {} {text}\n", styled("32", "✔"));
}

pub(super) fn text(text: &str) {
    println!("{text}");
}

pub(super) fn indented(text: &str) {
    for line in text.lines() {
        println!("  {line}");
    }
    println!();
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter());
    if !std::io::stdout().is_terminal() {
        table.set_width(WIDTH);
    }
    table
}

pub(super) fn repairs(repairs: &[Repair]) {
    let mut table = table(&["What was broken", "What the operator did", "After", "Who did it"]);
    for Repair { broken, repaired, took, author } in repairs {
        table.add_row([
            (*broken).to_string(),
            (*repaired).to_string(),
            format!("{} ms", took.as_millis()),
            author.clone(),
        ]);
    }
    println!("\n{table}");
    println!("  Times from the API server's audit log: answer to answer; for the flow from its date.\n");
}

pub(super) fn conditions(zone: &PciZone) {
    let mut conditions = table(&["Condition", "Status", "Reason", "Message"]);
    let mut findings = table(&["Finding", "State", "On", "Evidence"]);
    if let Some(status) = &zone.status {
        for condition in &status.conditions {
            conditions.add_row([&condition.type_, &condition.status, &condition.reason, &condition.message]);
        }
        for finding in &status.top_findings {
            let state = format!("{:?}, {:?}", finding.state, finding.severity);
            findings.add_row([&finding.id, &state, &finding.subject, &finding.evidence]);
        }
    }
    println!("{conditions}\n\n{findings}");
    println!(
        "  Compliant is False until somebody confirms the scope, and for an hour after somebody tampered; Unknown while anything is unproven.\n"
    );
}
