//! CSV for spreadsheets: one row per finding, and one for what of a zone no finding tells.

use std::io::{self, Write};

use ::csv::WriterBuilder;

use super::{
    Judgement, Zone,
    columns::plain_lines,
    words::{Note, notes},
};
use crate::api::Finding;

const HEAD: [&str; 14] = [
    "zone",
    "severity",
    "state",
    "id",
    "subject",
    "requirements",
    "message",
    "evidence",
    "remediation",
    "file",
    "line",
    "since",
    "acceptedUntil",
    "judgedAt",
];

pub(super) fn write(out: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    let mut rows = WriterBuilder::new().from_writer(out);
    let at = judgement.judged_at.to_string();
    rows.write_record(HEAD)?;
    for zone in &judgement.zones {
        for finding in &zone.findings {
            rows.write_record(row(zone, finding, &at).iter().map(|cell| harmless(cell)))?;
        }
        for note in notes(zone) {
            rows.write_record(note_row(zone, note, &at).iter().map(|cell| harmless(cell)))?;
        }
    }
    rows.flush()
}

fn row(zone: &Zone, finding: &Finding, at: &str) -> [String; HEAD.len()] {
    let Finding { id, subject, state, accepted_until, severity, requirements, message, evidence, remediation, since } =
        finding;
    let place = zone.place(finding);
    [
        zone.name.clone(),
        format!("{severity:?}"),
        format!("{state:?}"),
        id.clone(),
        subject.clone(),
        requirements.join(" "),
        message.clone(),
        evidence.clone(),
        remediation.clone(),
        place.map(|place| place.file.clone()).unwrap_or_default(),
        place.and_then(|place| place.line).map(|line| line.to_string()).unwrap_or_default(),
        since.0.to_string(),
        accepted_until.as_ref().map(|until| until.0.to_string()).unwrap_or_default(),
        at.to_string(),
    ]
}

/// It has no id: it is no finding. But whoever filters by zone must not take its silence for good news.
fn note_row(zone: &Zone, Note { kind, message }: Note, at: &str) -> [String; HEAD.len()] {
    let place = zone.at.as_ref();
    let mut row = <[String; HEAD.len()]>::default();
    let cells = [
        ("zone", zone.name.clone()),
        ("state", kind.to_string()),
        ("subject", format!("PciZone/{}", zone.name)),
        ("message", message),
        ("file", place.map(|place| place.file.clone()).unwrap_or_default()),
        ("line", place.and_then(|place| place.line).map(|line| line.to_string()).unwrap_or_default()),
        ("judgedAt", at.to_string()),
    ];
    for (cell, head) in row.iter_mut().zip(HEAD) {
        *cell = cells.iter().find(|(name, _)| *name == head).map(|(_, text)| text.clone()).unwrap_or_default();
    }
    row
}

/// A spreadsheet takes a cell that begins so for a formula, and carries it out. The quote tells it that it is text.
fn harmless(cell: &str) -> String {
    let shown = plain_lines(cell);
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn no_cell_begins_like_a_formula() {
        for (cell, shown) in [
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\u{fffd}=1"),
            ("\r=1", "'\u{fffd}=1"),
            ("\n=1", "'\n=1"),
            ("a\u{1b}[2Jb\u{202e}c", "a\u{fffd}[2Jb\u{fffd}c"),
            ("a=1", "a=1"),
            ("'=1", "'=1"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell), shown);
        }
    }
}
