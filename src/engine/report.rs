//! The full list of findings, of which the status shows the worst. As JSON, piece by piece, because it can be long.

use std::{iter, sync::Arc};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::json;

use super::{checks::Found, dates::seconds, shown};

/// Bytes from which on a piece is given out.
const PIECE: usize = 64 * 1024;

/// All zones as they were judged at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// The moment of the judgement.
    pub judged_at: Timestamp,
    /// The zones, by name.
    pub zones: Vec<ZoneReport>,
}

/// One zone.
#[derive(Clone, Debug)]
pub struct ZoneReport {
    /// Name of the zone.
    pub name: String,
    /// Why it could not be judged; then that nothing was found says nothing.
    pub unjudged: Option<String>,
    /// Everything that was found, worst first.
    pub findings: Arc<[Found]>,
}

impl Report {
    /// The report as JSON, in pieces to be sent one after the other.
    pub fn json(self: Arc<Self>) -> impl Iterator<Item = String> + Send {
        let mut piece = format!("{{\"judgedAt\":{},\"zones\":[", json!(Time(seconds(self.judged_at))));
        let (mut zone, mut finding, mut ended) = (0, 0, false);
        iter::from_fn(move || {
            while !ended && piece.len() < PIECE {
                let Some(one) = self.zones.get(zone) else {
                    piece.push_str("]}\n");
                    ended = true;
                    break;
                };
                if finding == 0 {
                    piece.push_str(&opening(one, zone == 0));
                }
                if let Some(found) = one.findings.get(finding) {
                    piece.push_str(if finding == 0 { "" } else { "," });
                    piece.push_str(&json!(shown::whole(found)).to_string());
                    finding += 1;
                }
                if finding == one.findings.len() {
                    piece.push_str("]}");
                    (zone, finding) = (zone + 1, 0);
                }
            }
            Some(std::mem::take(&mut piece)).filter(|piece| !piece.is_empty())
        })
    }
}

fn opening(zone: &ZoneReport, is_first: bool) -> String {
    let comma = if is_first { "" } else { "," };
    let unjudged = zone.unjudged.as_ref().map(|why| format!("\"unjudged\":{},", json!(why))).unwrap_or_default();
    format!("{comma}{{\"name\":{},{unjudged}\"findings\":[", json!(zone.name))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::FindingId;

    fn found(count: usize) -> Arc<[Found]> {
        let one = |n| Found::new(FindingId::HostNetworkPod, format!("Pod/vault/vault-{n}"), "It is \"so\"\n.");
        (0..count).map(one).collect()
    }

    fn report(zones: &[(&str, Option<&str>, usize)]) -> Vec<String> {
        let zone = |(name, unjudged, count): &(&str, Option<&str>, usize)| ZoneReport {
            name: (*name).to_string(),
            unjudged: unjudged.map(str::to_string),
            findings: found(*count),
        };
        let judged_at = "2026-11-24T08:00:00.5Z".parse().unwrap();
        Arc::new(Report { judged_at, zones: zones.iter().map(zone).collect() }).json().collect()
    }

    #[test]
    fn the_pieces_make_one_document_with_everything() {
        for zones in [
            &[][..],
            &[("cde", None, 0)],
            &[("cde", None, 1)],
            &[("cde", None, 2), ("lost", Some("it cannot be \"read\""), 0), ("web", None, 1)],
            &[("cde", None, 1000), ("web", None, 1000)],
        ] {
            let text = report(zones).concat();
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(value["judgedAt"], "2026-11-24T08:00:00Z");
            let shown: Vec<_> = value["zones"].as_array().unwrap().iter().collect();
            assert_eq!(shown.len(), zones.len());
            for (shown, (name, unjudged, count)) in shown.into_iter().zip(zones) {
                assert_eq!((shown["name"].as_str(), shown["unjudged"].as_str()), (Some(*name), *unjudged));
                let findings = shown["findings"].as_array().unwrap();
                assert_eq!(findings.len(), *count);
                for (n, finding) in findings.iter().enumerate() {
                    assert_eq!(finding["subject"], format!("Pod/vault/vault-{n}"));
                    assert_eq!((&finding["id"], &finding["state"]), (&json!("HostNetworkPod"), &json!("Violated")));
                }
            }
        }
    }

    #[test]
    fn a_long_report_comes_in_pieces_of_bounded_size() {
        let pieces = report(&[("cde", None, 10_000)]);
        assert!(pieces.len() > 10);
        assert!(pieces.iter().all(|piece| piece.len() < 2 * PIECE));
    }
}
