//! A picture of the findings: zones, the objects that are wrong, and an edge for each finding. As Mermaid, which many wikis
//! and forges draw, and for Graphviz.
//!
//! A label is text that somebody else chose: nothing in it may end it.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, Write},
};

use super::{
    Judgement, Zone,
    words::{line, notes},
};
use crate::api::{Finding, FindingState};

/// Objects by their subjects, numbered as they are met.
struct Objects<'a> {
    numbers: HashMap<&'a str, usize>,
    subjects: Vec<&'a str>,
}

impl<'a> Objects<'a> {
    fn of(judgement: &'a Judgement) -> Self {
        let mut objects = Objects { numbers: HashMap::new(), subjects: Vec::new() };
        for finding in judgement.findings() {
            let next = objects.subjects.len();
            if *objects.numbers.entry(&finding.subject).or_insert(next) == next {
                objects.subjects.push(&finding.subject);
            }
        }
        objects
    }

    fn number(&self, finding: &Finding) -> usize {
        self.numbers.get(finding.subject.as_str()).copied().unwrap_or_default()
    }
}

pub(super) fn mermaid(out: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    let objects = Objects::of(judgement);
    writeln!(out, "%% Judged at {}. Solid: violated, dotted: unproven, with a circle: accepted.", judgement.judged_at)?;
    writeln!(out, "flowchart LR")?;
    for (number, zone) in judgement.zones.iter().enumerate() {
        writeln!(out, "    z{number}([\"{}\"])", for_mermaid(&zone_label(zone)))?;
    }
    for (number, subject) in objects.subjects.iter().enumerate() {
        writeln!(out, "    o{number}[\"{}\"]", for_mermaid(subject))?;
    }
    for (number, finding) in edges(judgement) {
        let arrow = match finding.state {
            FindingState::Violated => "-->",
            FindingState::Unproven => "-.->",
            FindingState::Accepted => "--o",
        };
        let label = for_mermaid(&edge_label(finding));
        writeln!(out, "    z{number} {arrow}|\"{label}\"| o{}", objects.number(finding))?;
    }
    Ok(())
}

pub(super) fn dot(out: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    let objects = Objects::of(judgement);
    writeln!(out, "// Judged at {}. Solid: violated, dotted: unproven, dashed: accepted.", judgement.judged_at)?;
    writeln!(out, "digraph pcizone {{")?;
    writeln!(out, "    rankdir=LR; node [shape=box];")?;
    for (number, zone) in judgement.zones.iter().enumerate() {
        writeln!(out, "    z{number} [label=\"{}\", style=rounded];", for_dot(&zone_label(zone)))?;
    }
    for (number, subject) in objects.subjects.iter().enumerate() {
        writeln!(out, "    o{number} [label=\"{}\"];", for_dot(subject))?;
    }
    for (number, finding) in edges(judgement) {
        let style = match finding.state {
            FindingState::Violated => "solid",
            FindingState::Unproven => "dotted",
            FindingState::Accepted => "dashed",
        };
        let label = for_dot(&edge_label(finding));
        writeln!(out, "    z{number} -> o{} [label=\"{label}\", style={style}];", objects.number(finding))?;
    }
    writeln!(out, "}}")
}

/// Findings, each with the number of its zone.
fn edges(judgement: &Judgement) -> impl Iterator<Item = (usize, &Finding)> {
    judgement.zones.iter().enumerate().flat_map(|(number, zone)| zone.findings.iter().map(move |one| (number, one)))
}

fn zone_label(zone: &Zone) -> String {
    let notes: Vec<String> = notes(zone).into_iter().map(|note| note.message).collect();
    if notes.is_empty() { format!("Zone {}", zone.name) } else { format!("Zone {}: {}", zone.name, notes.join(" ")) }
}

fn edge_label(finding: &Finding) -> String {
    format!("{}, {:?}, {:?}", finding.id, finding.severity, finding.state)
}

/// Everything that could mean something is written by its number.
pub(super) fn for_mermaid(text: &str) -> String {
    line(text).chars().fold(String::new(), |mut to, c| {
        if c.is_alphanumeric() || " -_./,=:+()".contains(c) {
            to.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(to, "#{};", u32::from(c));
        }
        to
    })
}

/// A quote would end the label, a backslash begins an escape, and an ampersand an entity.
pub(super) fn for_dot(text: &str) -> String {
    line(text).replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_its_label() {
        for (text, mermaid, dot) in [
            ("a\"] --> b", "a#34;#93; --#62; b", "a\\\"] --> b"),
            ("a\\", "a#92;", "a\\\\"),
            ("#quot; &lt;", "#35;quot#59; #38;lt#59;", "#quot; &amp;lt;"),
            ("a\nb", "a#65533;b", "a\u{fffd}b"),
            ("Pod/vault/db-0", "Pod/vault/db-0", "Pod/vault/db-0"),
        ] {
            assert_eq!((for_mermaid(text).as_str(), for_dot(text).as_str()), (mermaid, dot), "{text}");
        }
    }
}
