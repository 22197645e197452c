//! Pieces of CEL. Everything that comes from a declaration goes in as a quoted literal.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Value, json};

use crate::api::names;

/// Controllers that take objects away with their namespace or owner; by the account of each, and by the one that all of
/// them have where they share it.
pub(in crate::engine) const CLEANERS: [&str; 3] = [
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
];

/// Characters of one expression that lists names. The API server takes 100,000.
const EXPRESSION: usize = 90_000;

/// A text. JSON's escapes are a part of CEL's.
pub(super) fn text(value: &str) -> String {
    Value::from(value).to_string()
}

/// One of these is true; nothing is where there are none.
pub(super) fn any(expressions: &[String]) -> String {
    if expressions.is_empty() { "false".to_string() } else { format!("({})", expressions.join(" || ")) }
}

/// The same in several expressions, each as long as one may be; all are true where one of them is.
pub(super) fn any_of(expressions: &[String]) -> Vec<String> {
    let any = |chunk: Vec<String>| if chunk.is_empty() { "false".to_string() } else { chunk.join(" || ") };
    chunks(expressions.iter().cloned(), 4).into_iter().map(any).collect()
}

/// Pieces in portions that fit into one expression, each piece with so many characters behind it. At least one portion.
fn chunks(pieces: impl Iterator<Item = String>, between: usize) -> Vec<Vec<String>> {
    let mut chunks = vec![Vec::new()];
    let mut size = 0;
    for piece in pieces {
        if size + piece.len() + between > EXPRESSION {
            chunks.push(Vec::new());
            size = 0;
        }
        size += piece.len() + between;
        if let Some(last) = chunks.last_mut() {
            last.push(piece);
        }
    }
    chunks
}

/// A patch that adds something; path and value in CEL.
pub(super) fn add(path: &str, value: &str) -> String {
    format!("JSONPatch{{op: \"add\", path: {path}, value: {value}}}")
}

/// Key of an object that stands for an expression in what [`value`] writes.
const HOLE: &str = "\u{0}cel";

/// An expression in a value.
pub(super) fn hole(expression: &str) -> Value {
    json!({ HOLE: expression })
}

/// A value. Lists and maps have parts of one type alone, so each part is of none.
pub(super) fn value(value: &Value) -> String {
    let part = |part: &Value| format!("dyn({})", self::value(part));
    match value {
        Value::Object(object) => {
            if let Some(expression) = object.get(HOLE).and_then(Value::as_str) {
                expression.to_string()
            } else {
                let parts: Vec<String> =
                    object.iter().map(|(key, value)| format!("{}: {}", text(key), part(value))).collect();
                format!("{{{}}}", parts.join(", "))
            }
        }
        Value::Array(values) => format!("[{}]", values.iter().map(part).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// A list of texts.
pub(super) fn list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(text).collect();
    format!("[{}]", values.join(","))
}

/// The same in several lists, each short enough for one expression. At least one.
pub(super) fn lists<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let lists = chunks(values.into_iter().map(text), 1);
    lists.into_iter().map(|list| format!("[{}]", list.join(","))).collect()
}

/// Whether a value is in one of the variables that hold what [`lists`] made.
pub(super) fn is_in(value: &str, name: &str, lists: usize) -> String {
    let each: Vec<String> = (0..lists).map(|index| format!("{value} in variables.{name}{index}")).collect();
    format!("({})", each.join(" || "))
}

/// Value of a label of an object, empty where it has none.
pub(super) fn label(object: &str, key: &str) -> String {
    format!("{object}.metadata.?labels[?{}].orValue(\"\")", text(key))
}

/// Whether an object has a label, whatever its value.
pub(super) fn has_label(object: &str, key: &str) -> String {
    format!("({} in {object}.metadata.?labels.orValue({{}}))", text(key))
}

/// Whether a map of labels matches a selector.
pub(super) fn matches(labels: &str, selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten();
    let equal = equal.map(|(key, value)| one_of(labels, key, std::slice::from_ref(value)));
    let expressions = selector.match_expressions.iter().flatten().map(|requirement| {
        let values = requirement.values.as_deref().unwrap_or_default();
        let key = &requirement.key;
        match requirement.operator.as_str() {
            "In" => one_of(labels, key, values),
            "NotIn" => format!("!{}", one_of(labels, key, values)),
            "Exists" => format!("({} in {labels})", text(key)),
            "DoesNotExist" => format!("!({} in {labels})", text(key)),
            // The schema admits no other.
            _ => "false".to_string(),
        }
    });
    let all: Vec<String> = equal.chain(expressions).collect();
    if all.is_empty() { "true".to_string() } else { format!("({})", all.join(" && ")) }
}

fn one_of(labels: &str, key: &str, values: &[String]) -> String {
    let (key, values) = (text(key), list(values.iter().map(String::as_str)));
    format!("({key} in {labels} && {labels}[{key}] in {values})")
}

/// Whether the user holds a verb on the zone.
pub(super) fn holds(zone: &str, verb: &str) -> String {
    format!(
        "authorizer.group({}).resource(\"pcizones\").name({}).check({}).allowed()",
        text(names::GROUP),
        text(zone),
        text(verb)
    )
}

/// A toleration without key, which tolerates every taint.
pub(super) const TOLERATES_ALL: &str = "t.?key.orValue(\"\") == \"\" && t.?operator.orValue(\"\") == \"Exists\"";

/// A toleration of the zone's taint by its key.
pub(super) fn tolerates_zone(zone: &str) -> String {
    format!(
        "t.?key.orValue(\"\") == {} && (t.?operator.orValue(\"\") == \"Exists\" || t.?value.orValue(\"\") == {})",
        text(names::NODE_TAINT),
        text(zone)
    )
}

/// The tolerations of a pod.
pub(super) const TOLERATIONS: &str = "object.spec.?tolerations.orValue([])";

/// The terms of a pod's required node affinity.
pub(super) const TERMS: &str = "object.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([])";

/// Every term keeps the pod away from the nodes of the zone.
pub(super) fn keeps_away(zone: &str) -> String {
    let (key, zone) = (text(names::NODE_LABEL), text(zone));
    let away = format!(
        "e.key == {key} && (e.operator == \"DoesNotExist\" || e.operator == \"NotIn\" && {zone} in e.?values.orValue([]))"
    );
    format!("({TERMS}.size() > 0 && {TERMS}.all(n, n.?matchExpressions.orValue([]).exists(e, {away})))")
}

/// The kubelet tells the API server of a static pod. No user can take that way: the name of the node is in the kubelet's own.
pub(super) const IS_STATIC: &str = "(\"kubernetes.io/config.mirror\" in object.metadata.?annotations.orValue({}) && \
     request.userInfo.username == \"system:node:\" + object.spec.?nodeName.orValue(\"\"))";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_into_expressions_that_the_api_server_takes() {
        let names: Vec<String> = (0..5000).map(|index| format!("{index:063}")).collect();
        let lists = lists(names.iter().map(String::as_str));
        assert_eq!(lists.len(), 4);
        assert!(lists.iter().all(|list| list.len() <= EXPRESSION + 2));
        let all: Vec<String> =
            lists.iter().flat_map(|list| serde_json::from_str::<Vec<String>>(list).unwrap()).collect();
        assert_eq!(all, names);
        assert_eq!(super::lists([]), ["[]"]);
    }

    #[test]
    fn what_comes_from_outside_is_quoted() {
        assert_eq!(text("a\"b\\"), r#""a\"b\\""#);
    }
}
