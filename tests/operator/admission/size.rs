//! The guards of the largest zones that the schema takes: the API server takes them too.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use pcizone::{
    api::{Mode, PciZone},
    engine::{
        declaration::Declaration,
        desired::admission::{Kind, Modes, Surroundings, desired, sidecars::Handover},
    },
};
use serde_json::{Value, json};

use super::{
    asking::{Answer, Row, ask},
    people::{People, Who},
};
use crate::support::Bed;

/// Names as long as one may be.
fn names(count: usize, length: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index:0>length$}")).collect()
}

/// Sixteen labels with long keys, and as many requirements with all values that one takes.
fn selector() -> Value {
    let key = |index: usize| format!("example.com/{index:a>63}");
    let labels: serde_json::Map<String, Value> = (0..16).map(|index| (key(index), json!("v".repeat(63)))).collect();
    let expressions: Vec<Value> =
        (16..32).map(|index| json!({ "key": key(index), "operator": "NotIn", "values": names(32, 63) })).collect();
    json!({ "matchLabels": labels, "matchExpressions": expressions })
}

fn zone(namespaces: usize) -> PciZone {
    let flow = |index: usize| {
        json!({
            "name": format!("flow-{index}"), "need": "A need that is long enough.", "owner": "o", "approvedBy": "a", "ticket": "t",
            "reviewedAt": "2026-10-01T00:00:00Z", "expiresAt": "2099-04-01T00:00:00Z",
            "from": { "internet": true },
            "to": { "namespace": format!("namespace-{index}"), "podSelector": { "matchLabels": { "app": "a".repeat(63) } } },
            "ports": [{ "port": 8443 }],
        })
    };
    let admit = |name: String| {
        json!({ "namespace": "n".repeat(63), "workload": format!("DaemonSet/{name}"), "need": "A need that is long enough.",
                "owner": "o", "expiresAt": "2099-04-01T00:00:00Z" })
    };
    // As many letters as a path may have, of which each takes four in a regular expression that is quoted.
    let path = |length: usize| "a.".repeat(length / 2 - 1) + "aa";
    let findings = ["ImageRegistryNotAllowed", "ImageNotPinned", "ImageUnscanned"];
    let exception = |index: usize| {
        json!({
            "finding": findings[if index < 98 { 0 } else { index - 97 }], "subject": format!("Image/*{index:03}/{}", path(320)),
            "need": "A need that is long enough.", "riskAnalysis": "RA-1", "approvedBy": "a", "expiresAt": "2099-04-01T00:00:00Z",
        })
    };
    let zone = json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": "cde" },
        "spec": {
            "mode": "Enforce",
            "scope": { "namespaces": { "names": names(namespaces, 63), "selector": selector() } },
            "segmentation": { "flows": (0..500).map(flow).collect::<Vec<_>>() },
            "hosting": {
                "nodes": { "names": names(1000, 253), "selector": selector() },
                "podSecurity": "Restricted",
                "admits": names(50, 253).into_iter().map(admit).collect::<Vec<_>>(),
            },
            "scanning": {
                "admission": "Proven",
                "registries": (0..64).map(|index| format!("{index}.example.com/{}", path(238))).collect::<Vec<_>>(),
                "runtimeClasses": names(16, 253),
            },
            "exceptions": (0..100).map(exception).collect::<Vec<_>>(),
        },
    });
    serde_json::from_value(zone).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_of_the_largest_zone_are_accepted() {
    let bed = Bed::without_operator().await;
    bed.shop().await;
    let people = People::of(&bed).await;
    // As many as there may be, and as many as just fit into one expression.
    for namespaces in [5000, 1350] {
        are_accepted(&people, &Declaration::new(&zone(namespaces))).await;
    }
}

async fn are_accepted(people: &People, zone: &Declaration) {
    // As while one declaration takes over from another.
    let mut other = zone.clone();
    if let Some(linger) = other.logs.as_mut().and_then(|logs| logs.linger.as_mut()) {
        linger.wait_seconds += 1;
    }
    let handover = Handover::Closing { from: Arc::new(other), to: Arc::new(zone.clone()) };
    let nodes: Vec<String> = names(1000, 253);
    let around = Surroundings {
        operator: "system:serviceaccount:pcizone-system:pcizone",
        operator_namespace: "pcizone-system",
        nodes: nodes.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        ranges: (0..1000).map(|index| format!("10.{}.{}.0/25", index / 250, index % 250).parse().unwrap()).collect(),
        mutates: true,
        forwarding: Some(&handover),
        scans: true,
    };
    let mode = Mode::Enforce;
    let modes = Modes { segmentation: mode, hosting: mode, scanning: mode, logging: mode };
    let guards = desired(Some(zone), Some(zone), modes, &around, Timestamp::now());
    let mut wrong = Vec::new();
    for guard in &guards {
        let body = json!({
            "apiVersion": format!("{}/{}", Kind::GROUP, Kind::VERSION), "kind": guard.kind.as_str(),
            "metadata": guard.metadata, "spec": guard.spec,
        });
        let path = format!("/apis/{}/{}/{}?dryRun=All", Kind::GROUP, Kind::VERSION, guard.kind.plural());
        let row = Row { who: Who::Master, what: guard.subject(), verb: "POST", path, body, stopped_by: None };
        match ask(people.client(Who::Master), &row).await {
            Answer::Allowed { object, .. } => {
                assert_eq!(object["spec"], guard.spec, "{}: the API server adds a default", guard.subject());
            }
            Answer::Refused(text) => {
                wrong.push(format!("{}: {}", guard.subject(), text.split("ERROR").last().unwrap_or_default()));
            }
        }
    }
    let shown: Vec<String> = wrong.iter().map(|text| text.chars().take(400).collect()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), guards.len(), shown.join("\n"));
}
