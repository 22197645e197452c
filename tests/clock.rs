//! What the clock alone changes: an evaluation names the next instant, and until then nothing changes.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test ends where something is not as expected")]

#[expect(dead_code, reason = "nothing is written here, so much of it is not needed")]
mod engine_support;

use engine_support::Model;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use pcizone::engine::Evaluation;
use serde_json::json;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap_or_else(|error| panic!("{time}: {error}"))
}

/// A zone with dates of every kind, none of them the same.
fn model() -> Model {
    let mut model = Model { now: at("2026-11-24T08:00:00Z"), ..Model::default() };
    let digest = format!("sha256:{}", "0".repeat(64));
    model.put(json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
        "metadata": { "name": "cde", "uid": "uid-cde", "generation": 1, "creationTimestamp": "2026-10-01T00:00:00Z" },
        "spec": {
            "scope": {
                "namespaces": { "names": ["vault", "gone"] },
                "confirmation": { "confirmedAt": "2026-12-10T00:00:00Z", "confirmedBy": "owner", "digest": digest },
            },
            "segmentation": { "flows": [{
                "name": "within", "need": "Checkout stores card numbers as tokens in the vault.", "owner": "payments",
                "approvedBy": "security", "ticket": "PAY-1", "reviewedAt": "2026-12-01T00:00:00Z",
                "expiresAt": "2027-07-01T00:00:00Z", "from": { "namespace": "vault" }, "to": { "namespace": "vault" },
                "ports": [{ "port": 8443 }],
            }] },
            "hosting": { "nodes": { "names": ["pci-1"] }, "admits": [{
                "namespace": "kube-system", "workload": "DaemonSet/cni", "need": "Gives every pod its network.",
                "owner": "platform", "expiresAt": "2027-05-01T00:00:00Z",
            }] },
            "exceptions": [{
                "finding": "NamespaceMissing", "subject": "Namespace/gone", "need": "It comes with the next release.",
                "riskAnalysis": "RA-1", "approvedBy": "ciso", "expiresAt": "2027-02-01T00:00:00Z",
            }],
            "attestations": [{
                "control": "CodeReview", "statement": "Every change was reviewed by a second person.", "by": "qa",
                "at": "2026-12-05T00:00:00Z", "validUntil": "2027-03-01T00:00:00Z",
            }],
        },
    }));
    model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "vault" } }));
    model
}

fn judge(model: &mut Model) -> Evaluation {
    model.judge().remove("cde").unwrap_or_else(|| panic!("the zone was judged"))
}

#[test]
fn the_next_judgement_comes_when_a_date_comes_and_not_before() {
    let mut model = model();
    let mut instants = Vec::new();
    loop {
        let judged = judge(&mut model);
        let Some(next) = judged.next else { break };
        let mut moment_before = Model { now: next - SignedDuration::from_nanos(1), ..model.clone() };
        assert_eq!(judge(&mut moment_before).status, judged.status, "a moment before {next}");
        model.now = next;
        assert_ne!(judge(&mut model.clone()).status, judged.status, "at {next}");
        instants.push(next.to_string());
    }
    let wanted = [
        "2026-12-01T00:00:00Z", // the review of the flow
        "2026-12-05T00:00:00Z", // the attestation
        "2026-12-10T00:00:00Z", // the confirmation
        "2027-01-02T00:00:00Z", // 30 days before the end of the exception
        "2027-01-30T00:00:00Z", // 30 days before the end of the attestation
        "2027-02-01T00:00:00Z", // the end of the exception
        "2027-03-01T00:00:00Z", // the end of the attestation
        "2027-04-01T00:00:00Z", // 30 days before the end of the admitted workload
        "2027-05-01T00:00:00Z", // the end of the admitted workload
        "2027-06-01T00:00:00Z", // 30 days before the end of the flow
        "2027-06-02T00:00:00Z", // the next review of the flow
        "2027-07-01T00:00:00Z", // the end of the flow
        "2027-12-10T00:00:00Z", // the next confirmation
    ];
    assert_eq!(instants, wanted);
}

#[test]
fn the_status_and_the_full_list_say_the_same_dates() {
    let mut model = model();
    let first = judge(&mut model);
    model.now = at("2027-03-01T00:00:00Z");
    let later = judge(&mut model);
    let mut kept = 0;
    for judged in [&first, &later] {
        assert!(judged.findings.len() <= judged.status.top_findings.len());
        for (found, told) in judged.findings.iter().zip(&judged.status.top_findings) {
            assert_eq!((found.id.as_str(), &found.subject), (told.id.as_str(), &told.subject));
            assert_eq!(found.since, Some(told.since.0));
        }
    }
    for one in &later.findings {
        let before = first.findings.iter().find(|before| (before.id, &before.subject) == (one.id, &one.subject));
        let since = before.map_or(Some(model.now), |before| before.since);
        assert_eq!(one.since, since, "{} on {}", one.id.as_str(), one.subject);
        kept += usize::from(before.is_some());
    }
    assert!(kept > 0 && kept < later.findings.len());
}

#[test]
fn each_requirement_has_its_nearest_date_even_where_the_status_has_no_room_for_it() {
    let mut model = model();
    let zone = model.objects.get_mut("PciZone/cde").unwrap_or_else(|| panic!("the zone"));
    let flows = zone["spec"]["segmentation"]["flows"].as_array_mut().unwrap_or_else(|| panic!("flows"));
    let flow = flows[0].clone();
    flows.extend((0..20).map(|number| {
        let mut flow = flow.clone();
        flow["name"] = json!(format!("other-{number}"));
        flow["reviewedAt"] = json!("2026-06-10T00:00:00Z");
        flow
    }));
    let judged = judge(&mut model);
    let due: Vec<(String, String)> = judged.due.iter().map(|(of, at)| (of.clone(), at.to_string())).collect();
    let wanted = [
        ("1.2.7", "2026-12-10T00:00:00Z"),  // the reviews of the others
        ("12.3.2", "2027-02-01T00:00:00Z"), // the exception
        ("12.5.2", "2027-05-01T00:00:00Z"), // the admitted workload, before the confirmation
        ("6.2.3", "2027-03-01T00:00:00Z"),  // the attestation
    ];
    assert_eq!(due, wanted.map(|(of, at)| (of.to_string(), at.to_string())));
    assert!(judged.status.obligations.iter().all(|one| one.requirement == "1.2.7"), "the status has no room");
}
