//! Where what findings are about was read.

use std::collections::HashMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Place, Spot, documents::options};
use crate::{api::Finding, engine::intake::Kind};

/// The place of every object that was read, and of the entries of zones that findings can be about.
#[derive(Debug, Default)]
pub struct Places {
    pub(super) sources: Vec<String>,
    pub(super) spots: HashMap<Box<str>, Spot>,
}

impl Places {
    /// Where a zone was read.
    pub fn zone(&self, zone: &str) -> Option<Place> {
        self.at(&zone_key(zone))
    }

    /// Where the object of a finding of a zone was read, or the entry of the zone that it is about.
    pub fn finding(&self, zone: &str, finding: &Finding) -> Option<Place> {
        let subject = finding.subject.as_str();
        let is_of_zone = ENTRIES.iter().any(|kind| subject.starts_with(kind));
        if is_of_zone { self.at(&entry_key(zone, subject)).or_else(|| self.zone(zone)) } else { self.at(subject) }
    }

    fn at(&self, key: &str) -> Option<Place> {
        self.spots.get(key).map(|spot| place(&self.sources, *spot))
    }
}

/// A place in full.
pub(super) fn place(sources: &[String], spot: Spot) -> Place {
    let source = sources.get(spot.source).cloned().unwrap_or_default();
    let item = spot.item.and_then(|item| usize::try_from(item).ok());
    Place { source, line: spot.line.map(u64::from), item }
}

const FLOW: &str = "Flow/";
const EXCEPTION: &str = "Exception/";
const ATTESTATION: &str = "Attestation/";
/// How subjects begin that are entries of a zone.
const ENTRIES: [&str; 3] = [FLOW, EXCEPTION, ATTESTATION];

fn zone_key(zone: &str) -> String {
    format!("{}/{zone}", Kind::PciZone.as_str())
}

/// No object has such a key: zones lie in no namespace. Two zones may have the same exception.
pub(super) fn entry_key(zone: &str, subject: &str) -> String {
    format!("{}/{subject}", zone_key(zone))
}

/// The entries of a zone that findings can be about, by subject, each with its line in the document.
pub(super) fn entries(document: &str, zone: &str) -> Vec<(String, u64)> {
    let read = serde_saphyr::from_str_with_options::<Zone>(document, options());
    let Ok(Zone { spec: Spec { segmentation, exceptions, attestations } }) = read else { return Vec::new() };
    let flows = segmentation.flows.iter().map(|one| (format!("{FLOW}{zone}/{}", one.value.name), line(one)));
    let exceptions = exceptions.iter().map(|one| {
        let Exception { finding, subject } = &one.value;
        (format!("{EXCEPTION}{finding}/{subject}"), line(one))
    });
    let attestations = attestations.iter().map(|one| (format!("{ATTESTATION}{zone}/{}", one.value.control), line(one)));
    flows.chain(exceptions).chain(attestations).filter(|(_, line)| *line > 0).collect()
}

fn line<T>(entry: &Spanned<T>) -> u64 {
    entry.referenced.line()
}

/// Of a zone only what findings can be about.
#[derive(Deserialize)]
struct Zone {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    segmentation: Segmentation,
    #[serde(default)]
    exceptions: Vec<Spanned<Exception>>,
    #[serde(default)]
    attestations: Vec<Spanned<Attestation>>,
}

#[derive(Default, Deserialize)]
struct Segmentation {
    #[serde(default)]
    flows: Vec<Spanned<Flow>>,
}

#[derive(Deserialize)]
struct Flow {
    name: String,
}

#[derive(Deserialize)]
struct Exception {
    finding: String,
    subject: String,
}

#[derive(Deserialize)]
struct Attestation {
    control: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_zone_have_the_line_that_they_begin_in() {
        let zone = "spec:\n  segmentation:\n    flows:\n    - name: a\n      ports: [{port: 1}]\n    # between\n    - ports: []\n      \
                    name: \"b\"\n    - {name: c, need: none}\n  exceptions:\n  - finding: X\n    subject: Pod/v/*\n  \
                    attestations:\n  -\n    by: me\n    control: Scan\n";
        let found = entries(zone, "cde");
        let expected = [
            ("Flow/cde/a", 4),
            ("Flow/cde/b", 7),
            ("Flow/cde/c", 9),
            ("Exception/X/Pod/v/*", 11),
            ("Attestation/cde/Scan", 15),
        ];
        assert_eq!(found, expected.map(|(subject, line)| (subject.to_string(), line)));
    }

    #[test]
    fn a_zone_without_entries_has_none() {
        for zone in ["spec: {}", "spec:\n  segmentation: null", "a: [", "spec:\n  exceptions: [{finding: 1}]", ""] {
            assert_eq!(entries(zone, "cde"), [], "{zone}");
        }
    }
}
