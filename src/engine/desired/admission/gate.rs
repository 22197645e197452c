//! No pod in a namespace of the zone before the default deny is there (PCI DSS 1.3.1, 1.3.2).
//!
//! The namespace's label says that it is; a new label is read some milliseconds after it was written. Only
//! namespaces without label are looked at, so a pod elsewhere pays for one comparison of names.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    Surroundings, cel,
    draft::{Draft, Refusal},
};
use crate::{
    api::{FindingId, names},
    engine::declaration::Declaration,
};

const REFUSAL: Refusal = Refusal {
    id: FindingId::PodPredatesPolicy,
    what: "this namespace has no default deny yet",
    instead: "Try again in a moment; if it stays so, look at the zone's Ready condition",
};

/// Up to two: by name and by label.
pub(super) fn guards(zone: &Declaration, around: &Surroundings) -> Vec<Draft> {
    let mut drafts = Vec::new();
    // What is never a member is never labelled.
    let reserved: BTreeSet<&str> = names::RESERVED_NAMESPACES.into_iter().chain([around.operator_namespace]).collect();
    let names: BTreeSet<&str> = zone.namespaces.names.iter().map(String::as_str).collect();
    let names: BTreeSet<&str> = names.difference(&reserved).copied().collect();
    if !names.is_empty() {
        let draft = unlabelled(zone, "gate", Vec::new());
        drafts.push(match cel::lists(names).as_slice() {
            // Whoever is not meant pays for the condition alone.
            [list] => draft.when(format!("request.namespace in {list}")).must("false", &REFUSAL),
            lists => {
                lists.iter().fold(draft, |draft, list| draft.must(format!("!(request.namespace in {list})"), &REFUSAL))
            }
        });
    }
    if let Some(labels) = &zone.namespaces.labels {
        let equal = labels.match_labels.iter().flatten();
        let equal = equal.map(|(key, value)| json!({ "key": key, "operator": "In", "values": [value] }));
        let further = labels.match_expressions.iter().flatten().map(|requirement| json!(requirement));
        let mut selector: Vec<_> = equal.chain(further).collect();
        selector.push(json!({ "key": names::NAMESPACE_NAME, "operator": "NotIn", "values": reserved }));
        drafts.push(unlabelled(zone, "gatebylabel", selector).must("false", &REFUSAL));
    }
    drafts
}

fn unlabelled(zone: &Declaration, guard: &'static str, mut selector: Vec<serde_json::Value>) -> Draft {
    let mut draft = Draft::new(zone, guard).on("", "v1", &["pods"], &["CREATE"]).when(format!("!{}", cel::IS_STATIC));
    selector.push(json!({ "key": names::ZONE_LABEL, "operator": "DoesNotExist" }));
    draft.namespaces = json!({ "matchExpressions": selector });
    draft
}
