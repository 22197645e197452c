//! A zone that goes from one spec to another and back again leaves exactly what was there before, byte for byte.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test ends where something is not as expected")]

mod engine_support;

use std::collections::BTreeMap;

use engine_support::Model;
use pcizone::api::names;
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMESPACES: [&str; 3] = ["checkout", "vault", "storefront"];
const NODES: [&str; 2] = ["pci-1", "pci-2"];
/// Of the other zone alone: an object that two zones declare is whose it was first, and that is no matter of a spec.
const PARTNER: &str = "partner";
const ZONE: &str = "PciZone/cde";

/// One of the flows that may be declared, as one of its variants.
fn flow(index: usize, variant: usize) -> Value {
    let (first, second) = (variant.is_multiple_of(2), variant >= 2);
    let peer = |of: Value, app: &str| {
        if first {
            of
        } else {
            json!({ "namespace": of["namespace"], "podSelector": { "matchLabels": { "app": app } } })
        }
    };
    let (name, from, to) = match index {
        0 => ("within", json!({ "zone": "cde" }), json!({ "zone": "cde" })),
        1 => {
            ("tokens", peer(json!({ "namespace": "checkout" }), "shop"), peer(json!({ "namespace": "vault" }), "vault"))
        }
        2 => ("between", json!({ "zone": "web" }), json!({ "zone": "cde" })),
        3 => (
            "bank",
            json!({ "namespace": "vault" }),
            json!({ "cidrs": if first { json!(["198.51.100.0/24"]) } else { json!(["198.51.100.0/28", "2001:db8:5::/64"]) } }),
        ),
        4 => ("out", json!({ "namespace": if first { "vault" } else { "checkout" } }), json!({ "internet": true })),
        5 => ("api", json!({ "zone": "cde" }), json!({ "apiServer": true })),
        _ => ("nowhere", json!({ "namespace": "nobody" }), json!({ "namespace": "vault" })),
    };
    json!({
        "name": name, "need": "Checkout stores card numbers as tokens in the vault.", "owner": "payments-team",
        "approvedBy": "security@example.com", "ticket": "PAY-1423", "reviewedAt": "2026-10-01T00:00:00Z",
        "expiresAt": "2027-04-01T00:00:00Z", "from": from, "to": to,
        "ports": if second { json!([{ "port": 8443 }]) } else { json!([{ "port": 53, "protocol": "UDP" }, { "port": 9443 }]) },
    })
}

/// Whatever a user may declare.
fn spec() -> impl Strategy<Value = Value> {
    let mode = || prop::sample::select(vec!["Enforce", "Enforce", "Enforce", "Observe"]);
    let named = |all: &'static [&'static str]| prop::sample::subsequence(all.to_vec(), 0..=all.len());
    let selector = |key: &'static str| {
        let value = prop::sample::select(vec!["cde", "other"]);
        prop::option::of(value.prop_map(move |value| json!({ "matchLabels": { key: value } })))
    };
    let effects =
        prop::sample::select(vec![json!(["NoSchedule"]), json!(["NoExecute"]), json!(["NoExecute", "NoSchedule"])]);
    let nodes = (named(&NODES), selector("pool"), effects, prop::option::of(mode()));
    let hosting = prop::option::of(nodes.prop_map(|(names, selector, effects, mode)| {
        with_some(
            json!({ "nodes": with_some(json!({ "names": names }), "selector", selector), "taintEffects": effects }),
            "mode",
            mode.map(Value::from),
        )
    }));
    let flows = prop::collection::btree_map(0_usize..7, 0_usize..4, 0..5);
    let scope = (named(&NAMESPACES), selector("team"));
    (mode(), prop::option::of(mode()), scope, flows, hosting, prop::sample::select(vec![53, 5353])).prop_map(
        |(mode, segmentation, (names, selector), flows, hosting, port)| {
            let flows: Vec<Value> = flows.into_iter().map(|(index, variant)| flow(index, variant)).collect();
            let segmentation =
                with_some(json!({ "flows": flows, "dns": { "ports": [port] } }), "mode", segmentation.map(Value::from));
            let scope = json!({ "namespaces": with_some(json!({ "names": names }), "selector", selector) });
            with_some(json!({ "mode": mode, "scope": scope, "segmentation": segmentation }), "hosting", hosting)
        },
    )
}

fn with_some(mut object: Value, key: &str, value: Option<Value>) -> Value {
    if let Some(value) = value {
        object[key] = value;
    }
    object
}

fn cluster() -> Model {
    let mut model = Model { now: "2026-11-24T08:00:00Z".parse().unwrap_or_default(), ..Model::default() };
    model.around.cluster.api_server.extend("10.96.0.1".parse::<std::net::IpAddr>());
    let web = json!({ "mode": "Enforce", "scope": { "namespaces": { "names": [PARTNER] } } });
    for (name, spec) in [("cde", json!({ "scope": { "namespaces": { "names": ["nobody"] } } })), ("web", web)] {
        model.put(json!({
            "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "spec": spec,
            "metadata": { "name": name, "uid": format!("uid-{name}"), "generation": 1,
                          "creationTimestamp": "2026-10-01T00:00:00Z" },
        }));
    }
    for name in NAMESPACES.into_iter().chain([PARTNER]) {
        let team = if name == "storefront" {
            "other"
        } else if name == PARTNER {
            "web"
        } else {
            "cde"
        };
        let metadata = json!({ "name": name, "uid": format!("uid-{name}"), "labels": { "team": team } });
        model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
    }
    for name in NODES {
        let pool = if name == "pci-2" { "other" } else { "cde" };
        let metadata = json!({ "name": name, "uid": format!("uid-{name}"), "labels": { "pool": pool } });
        let taint = json!({ "key": "example.com/theirs", "effect": "NoSchedule" });
        model.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": { "taints": [taint] } }));
    }
    model.put(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "theirs", "namespace": "vault" }, "spec": { "podSelector": {} },
    }));
    model
}

/// Declares a spec and settles; the user confirms whatever waits for it.
fn declare(model: &mut Model, spec: &Value) {
    let Some(zone) = model.objects.get(ZONE) else { panic!("there is no {ZONE}") };
    let mut patch = json!({ "spec": spec });
    for key in zone["spec"].as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| spec.get(*key).is_none())
    {
        patch["spec"][key] = Value::Null;
    }
    // A merge patch would keep what is no longer declared further down.
    if let Some(zone) = model.objects.get_mut(ZONE)
        && zone["spec"] != *spec
    {
        zone["spec"] = json!({});
    }
    model.edit("kubectl", ZONE, &patch);
    // What is confirmed may show what else waits.
    for _ in 0..3 {
        if let Err(error) = model.settle(|_, _| {}) {
            panic!("{spec}: {error}");
        }
        let Some(digest) = model.objects[ZONE].pointer("/status/change/digest").cloned() else { return };
        let confirmed = json!({ "metadata": { "annotations": { names::CONFIRM_CHANGE: digest } } });
        model.edit("kubectl", ZONE, &confirmed);
    }
    panic!("{spec}: something waits for confirmation again and again");
}

/// Everything that is there but the zones, as bytes. Versions, UIDs and who wrote when tell of the way and not of the
/// place.
fn objects(model: &Model) -> BTreeMap<String, String> {
    let bytes = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|key, _| !["resourceVersion", "managedFields"].contains(&key.as_str()));
        }
        object.to_string()
    };
    let others = model.objects.iter().filter(|(subject, _)| !subject.starts_with("PciZone/"));
    others.map(|(subject, object)| (subject.clone(), bytes(object))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back_is_byte_equal(a in spec(), b in spec(), restart in any::<bool>()) {
        let mut model = cluster();
        declare(&mut model, &a);
        let first = objects(&model);
        declare(&mut model, &b);
        // At rest, with nothing to confirm, nothing depends on what an operator remembers.
        if restart {
            model.restart();
        }
        declare(&mut model, &a);
        prop_assert_eq!(first, objects(&model));
    }
}
