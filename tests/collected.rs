//! What follows from what pods show of their sidecars and from what stores said of their lines: findings, the condition, the status.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as expected"
)]

#[expect(dead_code, reason = "nothing is written here, so much of it is not needed")]
mod engine_support;

use std::{collections::BTreeSet, sync::Arc};

use engine_support::Model;
use k8s_openapi::jiff::Timestamp;
use pcizone::{
    api::{FindingId, PciZone},
    engine::{
        self, Evaluation,
        collected::{Collection, Delivery, Ending, Gap, Late, Said},
        declaration::Declaration,
        delivery::Element,
        desired::admission::sidecars,
        retention::Verdict,
    },
};
use serde_json::{Value, json};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap_or_else(|error| panic!("{time}: {error}"))
}

const NOW: &str = "2026-11-24T08:00:00Z";

fn zone() -> Value {
    let image = |name: &str| format!("registry.example.com/{name}@sha256:{}", "0".repeat(64));
    json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
        "metadata": { "name": "cde", "uid": "uid-cde", "generation": 1, "creationTimestamp": "2026-10-01T00:00:00Z" },
        "spec": {
            "mode": "Enforce",
            "scope": { "namespaces": { "names": ["vault"] } },
            "segmentation": { "flows": [{
                "name": "logs", "need": "The audit trail goes to the store.", "owner": "platform", "approvedBy": "security",
                "ticket": "PAY-1", "reviewedAt": "2026-10-01T00:00:00Z", "expiresAt": "2027-04-01T00:00:00Z",
                "from": { "zone": "cde" }, "to": { "cidrs": ["203.0.113.0/28"] }, "ports": [{ "port": 9200 }],
            }] },
            "logging": {
                "standardOutput": "Unused",
                "forwarder": { "image": image("fluent-bit") }, "linger": { "image": image("pcizone") },
                "sinks": [{
                    "name": "siem", "flow": "logs",
                    "elasticsearch": { "url": "https://logs.example.com:9200", "dataStream": "pci-audit" },
                }],
            },
            "attestations": [{
                "control": "ApiServerAudit", "statement": "All requests are logged and kept.", "by": "platform",
                "at": "2026-10-01T00:00:00Z", "validUntil": "2027-10-01T00:00:00Z",
            }],
        },
    })
}

/// A pod of the zone as admission leaves it, which has run for an hour.
fn pod() -> Value {
    let declared: PciZone = serde_json::from_value(zone()).expect("a zone");
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "web", "namespace": "vault", "creationTimestamp": "2026-11-24T07:00:00Z" },
        "spec": { "nodeName": "a", "terminationGracePeriodSeconds": 30, "containers": [{ "name": "app", "image": "app" }] },
    });
    let operations = sidecars::patch(&Declaration::new(&declared), &pod);
    let patch: json_patch::Patch = serde_json::from_value(operations.into()).expect("a patch");
    json_patch::patch(&mut pod, &patch).expect("it fits");
    pod["status"] = json!({ "phase": "Running", "initContainerStatuses": [
        { "name": "pcizone-linger", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": { "running": { "startedAt": "2026-11-24T07:00:05Z" } } },
    ]});
    pod
}

fn well() -> Said {
    Said {
        delivery: Ok(Delivery { pods: 1, oldest: Some(at("2026-11-24T07:59:50Z")), ..Delivery::default() }),
        retention: Verdict::Kept { days: Some(400), searchable_days: None, note: None },
        lacking: Some(Vec::new()),
    }
}

fn judged(zone: Value, pod: Value, said: Option<Said>) -> Evaluation {
    let mut model = Model { now: at(NOW), ..Model::default() };
    model.put(zone);
    model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "vault" } }));
    model.settle(|_, _| ()).expect("it comes to rest");
    model.put(pod);
    let mut snapshot = model.snapshot();
    if let Some(said) = said {
        let stores = [("siem".to_string(), said)].into();
        snapshot.collected.insert("cde".to_string(), Arc::new(Collection { trouble: None, stores }));
    }
    let resolution = engine::resolve(&snapshot);
    engine::evaluate(&snapshot, &resolution, at(NOW)).remove("cde").expect("the zone was judged")
}

/// Findings of logging with their subjects, but for the note that stands always, and the status of the condition.
fn shown(evaluation: &Evaluation) -> (BTreeSet<(&'static str, &str)>, &str) {
    let is_meant = |id: &str| id.starts_with("Log") && id != FindingId::LogCrashWindowOpen.as_str();
    let found = evaluation.findings.iter().map(|found| (found.id.as_str(), found.subject.as_str()));
    let condition = evaluation.status.conditions.iter().find(|condition| condition.type_ == "LogsCollected");
    (
        found.filter(|(id, _)| is_meant(id)).collect(),
        condition.map(|condition| condition.status.as_str()).unwrap_or_default(),
    )
}

type Change = fn(&mut Value, &mut Value, &mut Option<Said>);

fn delivery(said: &mut Option<Said>) -> &mut Delivery {
    said.as_mut().and_then(|said| said.delivery.as_mut().ok()).expect("a delivery")
}

const SINK: &str = "PciZone/cde/siem";
const POD: &str = "Pod/vault/web";

/// What is so, how that shows, and the findings and the status of the condition that follow.
type Row = (&'static str, Change, &'static [(&'static str, &'static str)], &'static str);

fn of_stores() -> Vec<Row> {
    vec![
        ("all is well", |_, _, _| {}, &[], "True"),
        (
            "nobody asked",
            |_, _, said| *said = None,
            &[("LogDeliveryUnproven", SINK), ("LogRetentionUnproven", SINK)],
            "Unknown",
        ),
        (
            "the store is silent",
            |_, _, said| *said = Some(Said::silent("it is away")),
            &[("LogDeliveryUnproven", SINK), ("LogRetentionUnproven", SINK)],
            "Unknown",
        ),
        (
            "a pod is late",
            |_, _, said| {
                let delivery = delivery(said);
                (delivery.late_pods, delivery.late) = (1, vec![Late { key: "vault/web".into(), newest: None }]);
            },
            &[("LogDeliveryStale", POD)],
            "False",
        ),
        (
            "lines were lost",
            |_, _, said| {
                let delivery = delivery(said);
                let after = Some(Ending { newest: None, numbers: Some(3) });
                (delivery.gap_pods, delivery.gaps) = (1, vec![Gap { key: "vault/gone".into(), between: 2, after }]);
            },
            &[("LogDeliveryGap", "Pod/vault/gone")],
            "False",
        ),
        (
            "more than could be asked for",
            |_, _, said| delivery(said).is_cut = true,
            &[("LogDeliveryUnproven", SINK)],
            "Unknown",
        ),
        (
            "kept too short",
            |_, _, said| said.as_mut().expect("said").retention = Verdict::TooShort { days: 30, why: "so".into() },
            &[("LogRetentionTooShort", SINK)],
            "False",
        ),
        (
            "put away too soon",
            |_, _, said| {
                said.as_mut().expect("said").retention = Verdict::SearchableTooShort { days: 30, why: "so".into() }
            },
            &[("LogHotWindowTooShort", SINK)],
            "False",
        ),
        (
            "records lack something",
            |_, _, said| said.as_mut().expect("said").lacking = Some(vec![Element::User]),
            &[("LogFieldsIncomplete", SINK)],
            "False",
        ),
    ]
}

fn of_pods() -> Vec<Row> {
    vec![
        ("no sidecar", |_, pod, _| pod["spec"]["initContainers"] = json!([]), &[("LogSidecarMissing", POD)], "False"),
        (
            "another image",
            |_, pod, _| pod["spec"]["initContainers"][0]["image"] = json!("other"),
            &[("LogSidecarMissing", POD)],
            "False",
        ),
        (
            "the other way round",
            |_, pod, _| pod["spec"]["initContainers"].as_array_mut().expect("a list").reverse(),
            &[("LogSidecarMissing", POD)],
            "False",
        ),
        (
            "an ordinary container",
            |_, pod, _| {
                let forwarder = pod["spec"]["initContainers"][0].clone();
                pod["spec"]["containers"].as_array_mut().expect("a list").push(forwarder);
                pod["spec"]["initContainers"] = json!([]);
            },
            &[("LogSidecarNotNative", POD)],
            "False",
        ),
        (
            "an earlier configuration",
            |zone, _, _| zone["spec"]["logging"]["sources"] = json!([{ "path": "/srv/audit" }]),
            &[("LogSidecarStale", POD)],
            "False",
        ),
        (
            "too little time",
            |_, pod, _| pod["spec"]["terminationGracePeriodSeconds"] = json!(12),
            &[("LogGraceTooShort", POD)],
            "False",
        ),
        (
            "a Secret is missing",
            |_, pod, _| {
                let waiting = json!({ "waiting": { "reason": "CreateContainerConfigError", "message": "couldn't find key apiKey in Secret vault/siem" } });
                pod["status"]["initContainerStatuses"] = json!([{ "name": "pcizone-forwarder", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": waiting }]);
            },
            &[("LogSinkSecretMissing", POD)],
            "False",
        ),
        (
            "it breaks off again and again",
            |_, pod, _| {
                pod["status"]["initContainerStatuses"][0]["state"] =
                    json!({ "waiting": { "reason": "CrashLoopBackOff" } });
            },
            &[("LogSidecarMissing", POD)],
            "False",
        ),
        (
            "it has never begun",
            |_, pod, _| pod["status"] = json!({ "phase": "Pending" }),
            &[("LogSidecarMissing", POD)],
            "False",
        ),
        (
            "another volume where logs are read",
            |_, pod, _| pod["spec"]["containers"][0]["volumeMounts"][0]["name"] = json!("claim"),
            &[("LogOutputUncovered", POD)],
            "Unknown",
        ),
    ]
}

fn of_declarations() -> Vec<Row> {
    vec![
        (
            "standard output",
            |zone, _, _| drop(zone["spec"]["logging"].as_object_mut().expect("a map").remove("standardOutput")),
            &[("LogOutputUncovered", "PciZone/cde")],
            "Unknown",
        ),
        (
            "the flow does not open the port",
            |zone, _, _| {
                zone["spec"]["segmentation"]["flows"][0]["ports"] =
                    json!([{ "port": 9200, "protocol": "UDP" }, { "port": 443 }]);
            },
            &[("LogEgressBlocked", SINK)],
            "False",
        ),
        (
            "the flow has ended",
            |zone, _, _| zone["spec"]["segmentation"]["flows"][0]["expiresAt"] = json!("2026-11-01T00:00:00Z"),
            &[("LogEgressBlocked", SINK)],
            "False",
        ),
    ]
}

#[test]
fn what_is_seen_of_pods_and_stores_is_what_is_found() {
    let mut wrong = Vec::new();
    for (what, change, wanted, condition) in [of_stores(), of_pods(), of_declarations()].concat() {
        let (mut zone, mut pod, mut said) = (zone(), pod(), Some(well()));
        change(&mut zone, &mut pod, &mut said);
        let evaluation = judged(zone, pod, said);
        let wanted: BTreeSet<(&str, &str)> = wanted.iter().copied().collect();
        let seen = shown(&evaluation);
        if seen != (wanted, condition) {
            wrong.push(format!("{what}: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_status_says_it_in_a_few_words() {
    let logs = |said: Option<Said>| judged(zone(), pod(), said).status.logs;
    let well_said = logs(Some(well())).expect("it was asked");
    assert_eq!((well_said.pods, well_said.arriving, well_said.retention.as_str()), (1, 1, "400d"));
    assert_eq!(well_said.newest_record.map(|time| time.0), Some(at("2026-11-24T07:59:50Z")));
    let silent = logs(Some(Said::silent("it is away"))).expect("it was asked");
    assert_eq!((silent.arriving, silent.newest_record, silent.retention.as_str()), (0, None, "unproven"));
    assert_eq!(silent.stores[0].delivery, "unproven: it is away");
    assert_eq!(logs(None), None);
}
