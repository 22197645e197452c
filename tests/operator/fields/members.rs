//! One label of a namespace is ours, one label and the taints of one key of a node, one finalizer of a PciZone.

use pcizone::api::names;
use serde_json::{Value, json};

use super::{
    edit::{remove, set},
    table::{Edit, Outcome, Row, Target, Way, row},
};

fn escaped(key: &str) -> String {
    format!("/metadata/labels/{}", key.replace('/', "~1"))
}

/// A label, and the record of who wrote it.
fn label(target: Target, key: &str) -> Vec<Row> {
    let path = escaped(key);
    let field = format!("metadata.labels[{key}]");
    let change = Edit::new(target, set(&path, json!("other")));
    let ways = [Way::JsonPatch, Way::Merge, Way::Replace, Way::Apply].map(|way| change.clone().by(way));
    let others = Outcome::Kept("not ours");
    vec![
        row(&[&field], "changed", Outcome::Named, ways.to_vec()),
        // What is written through a subresource is no hint at who changed the object itself.
        row(&[&field], "changed through the subresource status", Outcome::Unnamed, vec![change.through("status")]),
        row(&[&field], "removed", Outcome::Unnamed, vec![Edit::new(target, remove(&path))]),
        row(
            &["metadata.managedFields"],
            "emptied",
            Outcome::Unnamed,
            vec![Edit::new(target, set("/metadata/managedFields", json!([{}])))],
        ),
        row(
            &["metadata.labels"],
            "another added",
            others,
            vec![Edit::new(target, set(&escaped("example.com/team"), json!("blue")))],
        ),
        row(
            &["metadata.annotations"],
            "one added",
            others,
            vec![Edit::new(target, set("/metadata/annotations/example.com~1note", json!("kept")))],
        ),
    ]
}

pub fn namespaces() -> Vec<Row> {
    label(Target::Namespace, names::ZONE_LABEL)
}

pub fn nodes() -> Vec<Row> {
    let mut rows = label(Target::Node, names::NODE_LABEL);
    let key = names::NODE_TAINT;
    let field = |name: &str| format!("spec.taints[{key}]{name}");
    // Each node of the test has a taint of others before ours.
    let taint =
        |below: &str, value: Value| vec![Edit::new(Target::Node, set(&format!("/spec/taints/1{below}"), value))];
    let ours = |value: &str, effect: &str| json!({ "key": key, "value": value, "effect": effect });
    // It is somebody else's afterwards, and stays beside ours.
    let other = |key: &str| json!({ "key": key, "value": "other", "effect": "NoSchedule" });
    let renamed = json!([other("example.com/first"), other("example.com/renamed")]);
    let renamed = vec![Edit::new(Target::Node, set("/spec/taints", renamed))];
    let add = |taint: Value| vec![Edit::new(Target::Node, set("/spec/taints/-", taint))];
    rows.extend([
        row(&[&field(".key")], "changed", Outcome::Named, renamed),
        row(&[&field(".value")], "changed", Outcome::Named, taint("/value", json!("other"))),
        row(&[&field(".effect")], "changed", Outcome::Named, taint("/effect", json!("PreferNoSchedule"))),
        row(
            &[&field(".timeAdded")],
            "set",
            Outcome::Kept("a time in the record"),
            taint("/timeAdded", json!("2020-01-01T00:00:00Z")),
        ),
        row(&[&field("")], "removed", Outcome::Named, vec![Edit::new(Target::Node, remove("/spec/taints/1"))]),
        row(&[&field("")], "a second one with another effect", Outcome::Named, add(ours("other", "NoExecute"))),
        row(&["spec.taints"], "all removed", Outcome::Unnamed, vec![Edit::new(Target::Node, remove("/spec/taints"))]),
        row(
            &["spec.taints"],
            "another added",
            Outcome::Kept("not ours"),
            add(json!({ "key": "example.com/theirs", "effect": "NoSchedule" })),
        ),
    ]);
    rows
}

pub fn zones() -> Vec<Row> {
    let field = &["metadata.finalizers"];
    let on_zone = |operations: Value, ways: &[Way]| {
        ways.iter().map(|way| Edit::new(Target::Zone, operations.clone()).by(*way)).collect()
    };
    let mine = json!(["example.com/hold"]);
    let others = Outcome::Kept("not ours");
    vec![
        row(
            field,
            "ours removed",
            Outcome::Silent,
            on_zone(remove("/metadata/finalizers"), &[Way::JsonPatch, Way::Replace]),
        ),
        row(
            field,
            "ours exchanged for another",
            Outcome::Silent,
            on_zone(set("/metadata/finalizers", mine), &[Way::Merge, Way::Replace]),
        ),
        row(
            field,
            "another added",
            others,
            on_zone(set("/metadata/finalizers/-", json!("example.com/hold")), &[Way::JsonPatch]),
        ),
        row(
            &["metadata.labels"],
            "one added",
            others,
            on_zone(set("/metadata/labels", json!({ "example.com/team": "blue" })), &[Way::Apply]),
        ),
        row(
            &["metadata.managedFields"],
            "emptied",
            Outcome::Kept("the finalizer counts, whoever wrote it"),
            on_zone(set("/metadata/managedFields", json!([{}])), &[Way::JsonPatch]),
        ),
    ]
}
