//! What of a judgement fits into a status: texts of bounded size, and fewer findings where all of them are long.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::{change, checks::Found, dates};
use crate::api::{Finding, PciZoneStatus};

/// Bytes of a status as JSON, at most.
const STATUS: usize = 32 * 1024;
/// Bytes of a message, at most.
pub(super) const MESSAGE: usize = 256;
const EVIDENCE: usize = 128;
/// `NetworkPolicy/<63>/<253>`. Longer ones, of exceptions and of users, are cut.
const SUBJECT: usize = 331;

/// Where all texts are as long as they can be, fewer of the worst findings are shown. The counts and the report have them all.
pub(super) fn fit(mut status: PciZoneStatus) -> PciZoneStatus {
    let is_long = |status: &PciZoneStatus| serde_json::to_string(status).is_ok_and(|text| text.len() > STATUS);
    while is_long(&status) && status.top_findings.pop().is_some() {}
    status
}

/// A finding as the status shows it: bounded.
pub(super) fn shown(found: &Found) -> Finding {
    Finding {
        subject: shown_subject(&found.subject),
        message: bounded(&found.message, MESSAGE),
        evidence: bounded(&found.evidence, EVIDENCE),
        ..whole(found)
    }
}

/// A finding with everything that is known of it.
pub fn whole(found: &Found) -> Finding {
    let Found { id, subject, state, accepted_until, severity, requirements, message, evidence, since } = found;
    Finding {
        id: id.as_str().to_string(),
        subject: subject.clone(),
        state: *state,
        accepted_until: accepted_until.map(seconds),
        severity: *severity,
        requirements: requirements.iter().map(ToString::to_string).collect(),
        message: message.clone(),
        evidence: evidence.clone(),
        remediation: id.remediation().to_string(),
        since: seconds(since.unwrap_or_default()),
    }
}

/// The list of findings is keyed by subjects, so two that are cut must not become the same.
pub(super) fn shown_subject(subject: &str) -> String {
    if size(subject) <= SUBJECT {
        return bounded(subject, SUBJECT);
    }
    let digest = change::short_digest(subject);
    format!("{}~{digest}", bounded(subject, SUBJECT - digest.len() - 1))
}

/// As much of a text as takes so many bytes as JSON. Characters that JSON writes by their numbers are spaces here.
pub(crate) fn bounded(text: &str, limit: usize) -> String {
    const CUT: &str = "…";
    let text = text.replace(char::is_control, " ");
    if size(&text) <= limit {
        return text;
    }
    let most = limit.saturating_sub(CUT.len());
    let sizes = text.chars().scan(0, |sum, c| {
        *sum += size_of(c);
        Some((c, *sum))
    });
    let kept: String = sizes.take_while(|(_, sum)| *sum <= most).map(|(c, _)| c).collect();
    format!("{kept}{CUT}")
}

/// Bytes of a text within JSON.
fn size(text: &str) -> usize {
    text.chars().map(size_of).sum()
}

fn size_of(c: char) -> usize {
    if matches!(c, '"' | '\\') { 2 } else { c.len_utf8() }
}

/// A time as it is stored.
pub(super) fn seconds(at: Timestamp) -> Time {
    Time(dates::seconds(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Change, FindingId, Plan, ScopeStatus};

    #[test]
    fn a_status_of_long_texts_shows_fewer_findings() {
        let long = |n: usize| {
            shown(&Found::new(FindingId::HostNetworkPod, format!("Pod/{n}{}", "n".repeat(400)), "m".repeat(400)))
        };
        let sample = vec!["s".repeat(MESSAGE); 10];
        let status = PciZoneStatus {
            top_findings: (0..20).map(long).collect(),
            plan: Some(Plan { sample: sample.clone(), ..Plan::default() }),
            scope: Some(ScopeStatus {
                sample_nodes: sample.clone(),
                sample_namespaces: sample,
                ..ScopeStatus::default()
            }),
            ..PciZoneStatus::default()
        };
        assert_eq!(fit(status.clone()), status, "it fits");
        let change = Change { sample: vec!["s".repeat(MESSAGE); 60], ..Change::default() };
        let fitted = fit(PciZoneStatus { change: Some(change), ..status.clone() });
        let size = serde_json::to_string(&fitted).unwrap().len();
        assert!(size <= STATUS && size > STATUS - 1000, "{size}");
        let shown = fitted.top_findings.len();
        assert!(shown > 0 && shown < 20 && fitted.top_findings == status.top_findings[..shown], "the worst stay");
    }

    #[test]
    fn a_text_is_cut_by_what_it_takes_as_json() {
        for (text, limit, wanted) in [
            ("vault", 5, "vault"),
            ("vaults", 5, "va…"),
            ("öööö", 8, "öööö"),
            ("öööö", 7, "öö…"),
            ("\"\"\"\"", 8, "\"\"\"\""),
            ("\"\"\"\"", 7, "\"\"…"),
            ("a\nb\u{1}", 4, "a b "),
        ] {
            let cut = bounded(text, limit);
            assert_eq!(cut, wanted, "{text} in {limit}");
            assert!(serde_json::to_string(&cut).unwrap().len() <= limit + 2);
        }
    }

    #[test]
    fn long_subjects_stay_apart() {
        let long = |end: &str| format!("User/{}{end}", "n".repeat(1000));
        let (one, other) = (shown_subject(&long("1")), shown_subject(&long("2")));
        assert_ne!(one, other);
        assert!(one.len() <= SUBJECT && one.starts_with("User/nnn"));
        assert_eq!(shown_subject("Pod/vault/vault-0"), "Pod/vault/vault-0");
    }
}
