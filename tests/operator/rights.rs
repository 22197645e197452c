//! The rights: as few as needed, and named when missing.

use std::{collections::BTreeSet, fs};

use pcizone::engine::rights::{NEEDED, Place, optional};
use serde_json::Value;

use crate::support::{Bed, is, message, zone};

/// `place group/resource verb` for every verb that a rule grants.
fn granted() -> BTreeSet<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/base/rbac.yaml")).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut granted = BTreeSet::new();
    for object in objects.iter().filter(|object| object["rules"].is_array()) {
        let place = match (object["kind"].as_str().unwrap(), object["metadata"]["namespace"].as_str()) {
            ("ClusterRole", _) => "cluster",
            ("Role", Some("default")) => "default",
            ("Role", _) => "own",
            (kind, _) => panic!("rules in a {kind}"),
        };
        for rule in object["rules"].as_array().unwrap() {
            let list = |key: &str| {
                rule[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_string()).collect::<Vec<_>>()
            };
            for group in list("apiGroups") {
                for resource in list("resources") {
                    granted.extend(list("verbs").iter().map(|verb| format!("{place} {group}/{resource} {verb}")));
                }
            }
        }
    }
    granted
}

#[test]
fn deploy_grants_exactly_what_is_needed() {
    let needed = NEEDED.iter().copied().chain(optional()).flat_map(|right| {
        let place = match right.place {
            Place::Cluster => "cluster",
            Place::Default => "default",
            Place::Own => "own",
        };
        right.verbs.iter().map(move |verb| format!("{place} {}/{} {verb}", right.group, right.resource))
    });
    assert_eq!(granted(), needed.collect::<BTreeSet<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_named_and_heals() {
    let mut bed = Bed::without_operator().await;
    bed.shop().await;
    bed.set_rights_on_nodes(r#"["get","list","watch"]"#).await;
    bed.start_operator().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    let zone = bed.until_zone("cde", "the missing right is named", |zone| is(zone, "Ready", "MissingRights")).await;
    let message = message(&zone, "Ready");
    assert!(message.contains("patch nodes"), "{message}");
    bed.set_rights_on_nodes(r#"["get","list","watch","patch"]"#).await;
    bed.until_ready("cde").await;
}
