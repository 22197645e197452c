//! Admission policies and their bindings: the API server asks no policy about them, so all of them can be changed.

use pcizone::api::names;
use serde_json::{Value, json};

use super::{
    edit::{remove, set},
    table::{Edit, Outcome, Row, Target, Way, row},
};
use pcizone::engine::desired::admission::Kind;

const PODS: Target = Target::Guard(Kind::Validating, "pods");
const PLACEMENT: Target = Target::Guard(Kind::Mutating, "placement");
const PODS_BINDING: Target = Target::Guard(Kind::ValidatingBinding, "pods");
const PLACEMENT_BINDING: Target = Target::Guard(Kind::MutatingBinding, "placement");
const ALL: [Target; 4] = [PODS, PLACEMENT, PODS_BINDING, PLACEMENT_BINDING];

fn on(targets: &[Target], operations: &Value) -> Vec<Edit> {
    targets.iter().map(|target| Edit::new(*target, operations.clone())).collect()
}

pub fn policies() -> Vec<Row> {
    let both = [PODS, PLACEMENT];
    let named = |field: &str, what, targets: &[Target], operations: &Value| {
        row(&[field], what, Outcome::Named, on(targets, operations))
    };
    let never = json!({ "name": "never", "expression": "false" });
    vec![
        named("spec.failurePolicy", "another", &both, &set("/spec/failurePolicy", json!("Ignore"))),
        named("spec.matchConditions", "one added", &both, &set("/spec/matchConditions/-", never)),
        named(
            "spec.matchConstraints.resourceRules",
            "another resource",
            &both,
            &set("/spec/matchConstraints/resourceRules/0/resources", json!(["configmaps"])),
        ),
        named(
            "spec.matchConstraints.namespaceSelector",
            "another",
            &both,
            &set("/spec/matchConstraints/namespaceSelector", json!({ "matchLabels": { "no": "where" } })),
        ),
        named(
            "spec.matchConstraints.excludeResourceRules",
            "one added",
            &both,
            &set(
                "/spec/matchConstraints/excludeResourceRules",
                json!([{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"] }]),
            ),
        ),
        named("spec.validations", "one that says yes", &[PODS], &set("/spec/validations/0/expression", json!("true"))),
        named("spec.validations", "one taken away", &[PODS], &remove("/spec/validations/0")),
        named(
            "spec.mutations",
            "one that does nothing",
            &[PLACEMENT],
            &set(
                "/spec/mutations/0/jsonPatch/expression",
                json!("false ? [JSONPatch{op: \"remove\", path: \"/spec\"}] : []"),
            ),
        ),
        named("spec.reinvocationPolicy", "another", &[PLACEMENT], &set("/spec/reinvocationPolicy", json!("IfNeeded"))),
        row(&["spec"], "removed", Outcome::Refused, vec![Edit::new(PODS, remove("/spec")).by(Way::JsonPatch)]),
    ]
}

pub fn bindings() -> Vec<Row> {
    let both = [PODS_BINDING, PLACEMENT_BINDING];
    let named = |field: &str, what, targets: &[Target], operations: &Value| {
        row(&[field], what, Outcome::Named, on(targets, operations))
    };
    vec![
        named("spec.policyName", "another", &both, &set("/spec/policyName", json!("other"))),
        named("spec.validationActions", "another", &[PODS_BINDING], &set("/spec/validationActions", json!(["Audit"]))),
        named(
            "spec.matchResources",
            "set",
            &both,
            &set("/spec/matchResources", json!({ "namespaceSelector": { "matchLabels": { "no": "where" } } })),
        ),
    ]
}

/// The same of all four kinds.
pub fn metadata() -> Vec<Row> {
    let label = |key: &str| format!("/metadata/labels/{}", key.replace('/', "~1"));
    let (managed, zone) = (label(names::MANAGED_BY), label(names::ZONE_LABEL));
    let owner = json!([{ "apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1" }]);
    vec![
        row(
            &["metadata.deletionTimestamp"],
            "deleted",
            Outcome::Unnamed,
            ALL.map(|target| Edit::new(target, json!([])).by(Way::Delete)).to_vec(),
        ),
        // Without it the watch, which goes by it, shows a deletion.
        row(
            &["metadata.labels"],
            "that it is ours changed",
            Outcome::Unnamed,
            on(&ALL, &set(&managed, json!("other"))),
        ),
        row(&["metadata.labels"], "the zone changed", Outcome::Named, on(&ALL, &set(&zone, json!("other")))),
        row(&["metadata.labels"], "the zone removed", Outcome::Unnamed, on(&ALL, &remove(&zone))),
        row(
            &["metadata.ownerReferences"],
            "one added",
            Outcome::Named,
            on(&ALL, &set("/metadata/ownerReferences", owner)),
        ),
        row(
            &["metadata.managedFields"],
            "emptied",
            Outcome::Unnamed,
            on(&ALL, &set("/metadata/managedFields", json!([{}]))),
        ),
        row(
            &["metadata.annotations"],
            "one added",
            Outcome::Kept("not ours"),
            on(&[PODS], &set("/metadata/annotations", json!({ "example.com/note": "kept" }))),
        ),
    ]
}
