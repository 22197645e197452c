//! The zone's pods get its node selector and toleration when they are made (PCI DSS 2.2.3).
//!
//! One function says what is added. The policy inside the API server says the same in CEL, for servers whose mutating
//! policies are sound; for the others the operator's webhook answers with this function. Pods are changed and
//! never their templates, so what Git owns stays as Git wrote it.

use serde_json::{Value, json};

use super::{PLACEMENT, cel, draft::Draft};
use crate::{
    api::{TaintEffect, names},
    engine::declaration::Declaration,
};

/// What has to be done to a pod of the zone, as JSON patch; nothing where it is placed already.
pub fn patch(zone: &Declaration, pod: &Value) -> Vec<Value> {
    let mut patch = Vec::new();
    let selector = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    if !selector.is_some_and(|selector| selector.contains_key(names::NODE_LABEL)) {
        if selector.is_none() {
            patch.push(add("/spec/nodeSelector", &json!({})));
        }
        patch.push(add(&format!("/spec/nodeSelector/{}", escaped()), &json!(zone.name)));
    }
    let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
    let tolerates = |effect: &TaintEffect| tolerations.into_iter().flatten().any(|t| tolerates(zone, t, *effect));
    if !zone.taint_effects.iter().all(tolerates) {
        if tolerations.is_none() {
            patch.push(add("/spec/tolerations", &json!([])));
        }
        patch.push(add("/spec/tolerations/-", &toleration(zone)));
    }
    patch
}

pub(super) fn add(path: &str, value: &Value) -> Value {
    json!({ "op": "add", "path": path, "value": value })
}

fn tolerates(zone: &Declaration, toleration: &Value, effect: TaintEffect) -> bool {
    let field = |name: &str| toleration.get(name).and_then(Value::as_str).unwrap_or_default();
    let taint = field("key") == names::NODE_TAINT && (field("operator") == "Exists" || field("value") == zone.name);
    taint && ["", effect.as_str()].contains(&field("effect"))
}

/// It names no effect, so it stays right when the zone's effects change.
fn toleration(zone: &Declaration) -> Value {
    json!({ "key": names::NODE_TAINT, "operator": "Equal", "value": zone.name })
}

/// The label's key in a path.
fn escaped() -> String {
    names::NODE_LABEL.replace('~', "~0").replace('/', "~1")
}

/// The pod has the zone's node selector, or one of another zone.
pub(super) fn has_selector() -> String {
    format!("({} in object.spec.?nodeSelector.orValue({{}}))", cel::text(names::NODE_LABEL))
}

/// The pod tolerates each of the zone's taints.
pub(super) fn is_tolerant(zone: &Declaration) -> String {
    let tolerates = cel::tolerates_zone(&zone.name);
    let each = zone.taint_effects.iter().map(|effect| {
        let effect = cel::list(["", effect.as_str()]);
        format!("{}.exists(t, {tolerates} && t.?effect.orValue(\"\") in {effect})", cel::TOLERATIONS)
    });
    format!("({})", each.collect::<Vec<_>>().join(" && "))
}

/// The policy that does what [`patch`] says.
pub(super) fn policy(zone: &Declaration) -> Draft {
    let (selector, tolerant) = (has_selector(), is_tolerant(zone));
    let add = |path: &str, value: &str| cel::add(&cel::text(path), value);
    let expression = format!(
        "({selector} ? [] : (has(object.spec.nodeSelector) ? [] : [{}]) + [{}]) + \
         ({tolerant} ? [] : (has(object.spec.tolerations) ? [] : [{}]) + [{}])",
        add("/spec/nodeSelector", "{}"),
        add(&format!("/spec/nodeSelector/{}", escaped()), &cel::text(&zone.name)),
        add("/spec/tolerations", "[]"),
        add("/spec/tolerations/-", &toleration(zone).to_string()),
    );
    Draft::new(zone, PLACEMENT)
        .on("", "v1", &["pods"], &["CREATE"])
        .inside()
        .when(format!("!{selector} || !{tolerant}"))
        .when(format!("!{}", cel::IS_STATIC))
        .patching(expression)
}
