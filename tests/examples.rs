//! The zones of `examples/`, as the engine judges them in the cluster that they are written for.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test ends where something is not as expected")]

#[expect(dead_code, reason = "less of it is needed here")]
mod engine_support;

use std::{fs, path::Path};

use engine_support::Model;
use pcizone::{api::FindingId, engine::Evaluation};
use serde_json::{Value, json};

/// What is found in the shop with one zone of the examples.
fn judged(zone: &str) -> Vec<(FindingId, String)> {
    evaluated(zone).findings.into_iter().map(|found| (found.id, found.subject)).collect()
}

/// The shop in place, with one zone of the examples.
fn evaluated(zone: &str) -> Evaluation {
    let now = "2026-11-24T08:00:00Z".parse().unwrap_or_else(|error| panic!("{error}"));
    let mut model = Model { now, ..Model::default() };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/zones").join(zone);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut zone: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = zone.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_string();
    if let Some(metadata) = zone.get_mut("metadata") {
        *metadata = json!({ "name": name, "uid": "1", "generation": 1, "creationTimestamp": "2026-10-01T00:00:00Z" });
    }
    model.put(zone);
    for (namespace, team) in [("checkout", "payments"), ("vault", "payments"), ("storefront", "shop")] {
        let metadata = json!({ "name": namespace, "labels": { "team": team } });
        model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
    }
    let metadata = json!({ "name": "pci-1", "labels": { "node-restriction.kubernetes.io/pool": "pci" } });
    model.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata }));
    model.settle(|_, _| {}).unwrap_or_else(|error| panic!("{error}"));
    model.judge().remove(&name).unwrap_or_else(|| panic!("{name} was not judged"))
}

#[test]
fn the_zone_of_the_shop_wants_only_its_scope_confirmed() {
    let zone = "PciZone/cardholder-data".to_string();
    let wanted = [FindingId::ScopeConfirmationOverdue, FindingId::CniEnforcementUnproven].map(|id| (id, zone.clone()));
    assert_eq!(judged("cardholder-data.yaml"), wanted);
}

#[test]
fn the_first_zone_says_what_is_open() {
    let found: Vec<FindingId> = judged("observe-first.yaml").into_iter().map(|(id, _)| id).collect();
    let open = [FindingId::DefaultDenyMissing; 2].into_iter();
    let wanted: Vec<FindingId> = open
        .chain([FindingId::NamespaceUnlabelled; 2])
        .chain([FindingId::ScopeConfirmationOverdue, FindingId::CniEnforcementUnproven])
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn the_zone_with_logging_wants_a_cluster_in_which_it_can_be_asked() {
    let zone = || "PciZone/vault".to_string();
    let sink = || "PciZone/vault/siem".to_string();
    let found: Vec<(FindingId, String)> = judged("logging.yaml");
    let wanted = [
        (FindingId::ScopeConfirmationOverdue, zone()),
        (FindingId::CniEnforcementUnproven, zone()),
        (FindingId::LogDeliveryUnproven, sink()),
        (FindingId::LogRetentionUnproven, sink()),
        (FindingId::LogCrashWindowOpen, zone()),
    ];
    for one in &wanted {
        assert!(found.contains(one), "{one:?} is not among {found:?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:?}");
}

#[test]
fn the_zone_with_scanning_wants_reports_and_every_attestation_has_its_date() {
    let zone = || "PciZone/checkout".to_string();
    let evaluation = evaluated("scanning.yaml");
    let found: Vec<(FindingId, String)> =
        evaluation.findings.iter().map(|found| (found.id, found.subject.clone())).collect();
    let wanted = [
        (FindingId::ScopeConfirmationOverdue, zone()),
        (FindingId::CniEnforcementUnproven, zone()),
        (FindingId::ScanEvidenceUnread, zone()),
    ];
    assert_eq!(found, wanted);
    let due: Vec<(String, String)> = evaluation.due.iter().map(|(of, at)| (of.clone(), at.to_string())).collect();
    let wanted = [
        ("11.4.4", "2027-09-21T00:00:00Z"),
        ("11.4.5", "2027-09-21T00:00:00Z"),
        ("6.2.2", "2027-10-15T00:00:00Z"),
        ("6.2.3", "2027-05-02T00:00:00Z"),
        ("6.2.4", "2027-05-02T00:00:00Z"),
    ];
    assert_eq!(due, wanted.map(|(of, at)| (of.to_string(), at.to_string())));
}
