//! Whatever happens in whatever order: the plan comes to rest, protection stays until its removal is confirmed, and
//! what belongs to others stays as it is.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test ends where something is not as expected")]

mod engine_support;

use engine_support::Model;
use pcizone::{api::names, engine};
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMESPACES: [&str; 3] = ["checkout", "vault", "storefront"];
const NODES: [&str; 2] = ["pci-1", "pci-2"];
const ZONES: [&str; 2] = ["cde", "web"];
const FOREIGN: &str = "NetworkPolicy/vault/theirs";

/// Something that happens between two looks of the operator.
#[derive(Clone, Debug)]
enum Act {
    /// The label that the zone selects by.
    Label {
        namespace: usize,
        zone: Option<usize>,
    },
    /// Our label on a namespace, taken away or forged.
    OurLabel {
        namespace: usize,
        zone: Option<usize>,
    },
    /// Both labels at once, and perhaps the policy after them.
    Strip {
        namespace: usize,
        policy: bool,
    },
    DeletePolicy {
        namespace: usize,
        flow: bool,
    },
    OpenPolicy {
        namespace: usize,
    },
    /// A default deny that pretends to be ours.
    Forge {
        namespace: usize,
        zone: usize,
    },
    Untaint {
        node: usize,
    },
    Pool {
        node: usize,
        zone: Option<usize>,
    },
    Mode {
        zone: usize,
        enforce: bool,
    },
    Delete {
        zone: usize,
    },
    Confirm {
        zone: usize,
    },
    /// The operator makes so many writes and is replaced.
    Crash {
        after: usize,
    },
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let (namespace, node, zone) = (0..NAMESPACES.len(), 0..NODES.len(), 0..ZONES.len());
    let maybe = prop::option::of(zone.clone());
    prop_oneof![
        (namespace.clone(), maybe.clone()).prop_map(|(namespace, zone)| Act::Label { namespace, zone }),
        (namespace.clone(), maybe.clone()).prop_map(|(namespace, zone)| Act::OurLabel { namespace, zone }),
        (namespace.clone(), any::<bool>()).prop_map(|(namespace, policy)| Act::Strip { namespace, policy }),
        (namespace.clone(), any::<bool>()).prop_map(|(namespace, flow)| Act::DeletePolicy { namespace, flow }),
        namespace.clone().prop_map(|namespace| Act::OpenPolicy { namespace }),
        (namespace, zone.clone()).prop_map(|(namespace, zone)| Act::Forge { namespace, zone }),
        node.clone().prop_map(|node| Act::Untaint { node }),
        (node, maybe).prop_map(|(node, zone)| Act::Pool { node, zone }),
        (zone.clone(), any::<bool>()).prop_map(|(zone, enforce)| Act::Mode { zone, enforce }),
        zone.clone().prop_map(|zone| Act::Delete { zone }),
        zone.prop_map(|zone| Act::Confirm { zone }),
        (0_usize..6).prop_map(|after| Act::Crash { after }),
        Just(Act::Restart),
    ]
}

fn cluster() -> Model {
    let mut model = Model { now: "2026-11-24T08:00:00Z".parse().unwrap_or_default(), ..Model::default() };
    for (index, zone) in ZONES.iter().enumerate() {
        let flow = json!({
            "name": "within", "need": "Checkout stores card numbers as tokens in the vault.", "owner": "payments-team",
            "approvedBy": "security@example.com", "ticket": "PAY-1423", "reviewedAt": "2026-10-01T00:00:00Z",
            "expiresAt": "2027-04-01T00:00:00Z", "from": { "zone": zone }, "to": { "zone": zone },
            "ports": [{ "port": 8443 }],
        });
        model.put(json!({
            "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
            "metadata": { "name": zone, "uid": format!("uid-{zone}"), "generation": 1,
                          "creationTimestamp": format!("2026-10-0{}T00:00:00Z", index + 1) },
            "spec": {
                "mode": "Enforce",
                "scope": { "namespaces": { "selector": { "matchLabels": { "team": zone } } } },
                "segmentation": { "flows": [flow] },
                "hosting": { "nodes": { "selector": { "matchLabels": { "pool": zone } } } },
            },
        }));
    }
    for (name, zone) in NAMESPACES.into_iter().zip(["cde", "cde", "web"]) {
        let metadata = json!({ "name": name, "uid": format!("uid-{name}"), "labels": { "team": zone } });
        model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
    }
    for name in NODES {
        let metadata = json!({ "name": name, "uid": format!("uid-{name}"), "labels": { "pool": "cde" } });
        let taint = json!({ "key": "example.com/theirs", "effect": "NoSchedule" });
        model.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": { "taints": [taint] } }));
    }
    model.put(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "theirs", "namespace": "vault" }, "spec": { "podSelector": {} },
    }));
    model
}

fn patch_label(model: &mut Model, subject: &str, key: &str, value: Option<&str>) {
    if model.objects.contains_key(subject) {
        model.edit("mallory", subject, &json!({ "metadata": { "labels": { key: value } } }));
    }
}

fn happen(model: &mut Model, act: &Act) {
    let zone = |index: &usize| ZONES.get(*index).copied().unwrap_or_default();
    let namespace = |index: &usize| NAMESPACES.get(*index).copied().unwrap_or_default();
    let node = |index: &usize| format!("Node/{}", NODES.get(*index).copied().unwrap_or_default());
    match act {
        Act::Label { namespace: of, zone: to } => {
            patch_label(model, &format!("Namespace/{}", namespace(of)), "team", to.as_ref().map(zone));
        }
        Act::OurLabel { namespace: of, zone: to } => {
            patch_label(model, &format!("Namespace/{}", namespace(of)), names::ZONE_LABEL, to.as_ref().map(zone));
        }
        Act::Strip { namespace: of, policy } => {
            let nothing = json!({ "metadata": { "labels": { "team": null, names::ZONE_LABEL: null } } });
            model.edit("mallory", &format!("Namespace/{}", namespace(of)), &nothing);
            if *policy {
                model.delete(&format!("NetworkPolicy/{}/{}", namespace(of), names::BASELINE));
            }
        }
        Act::DeletePolicy { namespace: of, flow } => {
            let name = if *flow { "pcizone-flow-within-ingress" } else { names::BASELINE };
            model.delete(&format!("NetworkPolicy/{}/{name}", namespace(of)));
        }
        Act::OpenPolicy { namespace: of } => {
            let subject = format!("NetworkPolicy/{}/{}", namespace(of), names::BASELINE);
            if model.objects.contains_key(&subject) {
                model.edit("mallory", &subject, &json!({ "spec": { "ingress": [{}] } }));
            }
        }
        Act::Forge { namespace: of, zone: to } => {
            let name = namespace(of);
            if !model.objects.contains_key(&format!("NetworkPolicy/{name}/{}", names::BASELINE)) {
                let labels = json!({ names::MANAGED_BY: names::MANAGED_BY_VALUE, names::ZONE_LABEL: zone(to) });
                let metadata = json!({ "name": names::BASELINE, "namespace": name, "labels": labels });
                model.create(
                    "pcizone/forged",
                    json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
                            "spec": { "podSelector": {}, "ingress": [{}] } }),
                );
            }
        }
        Act::Untaint { node: of } => {
            let taint = json!([{ "key": "example.com/theirs", "effect": "NoSchedule" }]);
            model.edit("mallory", &node(of), &json!({ "spec": { "taints": taint } }));
        }
        Act::Pool { node: of, zone: to } => patch_label(model, &node(of), "pool", to.as_ref().map(zone)),
        Act::Mode { zone: of, enforce } => {
            let subject = format!("PciZone/{}", zone(of));
            if model.objects.contains_key(&subject) {
                let mode = if *enforce { "Enforce" } else { "Observe" };
                model.edit("kubectl", &subject, &json!({ "spec": { "mode": mode } }));
            }
        }
        Act::Delete { zone: of } => model.delete(&format!("PciZone/{}", zone(of))),
        Act::Confirm { zone: of } => confirm(model, zone(of)),
        Act::Crash { after } => {
            model.judge();
            model.keep_finalizers();
            for write in model.due().iter().take(*after) {
                model.apply(write);
            }
            model.restart();
        }
        Act::Restart => model.restart(),
    }
}

fn confirm(model: &mut Model, zone: &str) {
    model.judge();
    let subject = format!("PciZone/{zone}");
    let digest = model.objects.get(&subject).and_then(|object| object.pointer("/status/change/digest")).cloned();
    if let Some(digest) = digest {
        model.edit("kubectl", &subject, &json!({ "metadata": { "annotations": { names::CONFIRM_CHANGE: digest } } }));
    }
}

/// Namespaces and nodes under protection, with their zones: what the objects themselves show.
fn protected(model: &Model) -> Vec<(String, String)> {
    let label = |object: &Value, key: &str| object["metadata"]["labels"][key].as_str().map(str::to_string);
    let is_ours = |object: &Value| object["metadata"]["managedFields"].to_string().contains("pcizone/n");
    let mut protected = Vec::new();
    for (subject, object) in model.objects.iter().filter(|(_, object)| is_ours(object)) {
        let zone = match object["kind"].as_str() {
            Some("Namespace") => label(object, names::ZONE_LABEL),
            Some("Node") => label(object, names::NODE_LABEL),
            _ => None,
        };
        protected.extend(zone.map(|zone| (subject.clone(), zone)));
    }
    protected
}

/// A namespace denies by default, a node carries the zone's taint.
fn is_closed(model: &Model, subject: &str) -> bool {
    if let Some(name) = subject.strip_prefix("Namespace/") {
        let baseline = model.objects.get(&format!("NetworkPolicy/{name}/{}", names::BASELINE));
        return baseline.is_some_and(|policy| policy["spec"].get("ingress").is_none());
    }
    let taints = model.objects.get(subject).map(|node| node["spec"]["taints"].clone()).unwrap_or_default();
    taints.as_array().into_iter().flatten().any(|taint| taint["key"] == names::NODE_TAINT)
}

fn settle(model: &mut Model, acts: &[Act]) {
    if let Err(error) = model.settle(|_, _| {}) {
        panic!("after {acts:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_comes_to_rest_and_nothing_opens_unconfirmed(
        rounds in prop::collection::vec(prop::collection::vec(act(), 1..4), 1..5)
    ) {
        let mut model = cluster();
        settle(&mut model, &[]);
        let theirs = model.objects[FOREIGN].clone();
        for acts in &rounds {
            let before = protected(&model);
            for act in acts {
                happen(&mut model, act);
            }
            settle(&mut model, acts);
            // At rest: nothing to write, and another look says the same, byte for byte.
            prop_assert!(model.due().is_empty());
            let snapshot = model.snapshot();
            let look = |snapshot| format!("{:?}", engine::evaluate(snapshot, &engine::resolve(snapshot), model.now));
            prop_assert_eq!(look(&snapshot), look(&snapshot.clone()));
            prop_assert_eq!(&model.objects[FOREIGN], &theirs);
            for node in NODES {
                let theirs = model.objects[&format!("Node/{node}")]["spec"]["taints"].to_string();
                prop_assert!(theirs.contains("example.com/theirs"));
            }
            // What was protected is closed still, unless somebody confirmed, or stripped it while nobody looked.
            let opened = |act: &Act| matches!(act, Act::Confirm { .. } | Act::Crash { .. } | Act::Restart);
            if !rounds.iter().flatten().any(opened) {
                for (subject, zone) in &before {
                    prop_assert!(is_closed(&model, subject), "{} of {} is open after {:?}", subject, zone, acts);
                }
            }
            for (subject, _) in protected(&model).iter().filter(|_| !rounds.iter().flatten().any(opened)) {
                prop_assert!(is_closed(&model, subject), "{} claims protection and is open", subject);
            }
        }
    }
}
