//! Every field of the metadata of a NetworkPolicy, and what is neither metadata nor spec.

use pcizone::api::names;
use serde_json::{Value, json};

use super::{
    edit::{remove, set},
    policies::{BASELINE, PODS_IN, PODS_OUT},
    table::{Edit, Outcome, Row, Target, Way, row},
};

/// Who edits by day; the same name is forged into records.
pub const ADMIN: &str = "admin-by-day";

const ALL: [Target; 3] = [BASELINE, PODS_IN, PODS_OUT];

fn on_all(operations: &Value) -> Vec<Edit> {
    ALL.map(|target| Edit::new(target, operations.clone())).to_vec()
}

pub fn rows() -> Vec<Row> {
    let mut rows = identity();
    rows.extend(labels());
    rows.extend(owners());
    rows.extend(record());
    rows
}

fn identity() -> Vec<Row> {
    let refused = |field: &str, value: Value| {
        let path = format!("/{}", field.replace('.', "/"));
        row(&[field], "changed", Outcome::Refused, vec![Edit::new(BASELINE, set(&path, value)).by(Way::JsonPatch)])
    };
    let ignored = |field: &str, value: Value| Row { outcome: Outcome::Ignored, ..refused(field, value) };
    let past = json!("2020-01-01T00:00:00Z");
    let hold = set("/metadata/finalizers", json!(["example.com/hold"]));
    vec![
        refused("apiVersion", json!("networking.k8s.io/v9")),
        refused("kind", json!("Policy")),
        refused("metadata", json!({})),
        refused("metadata.name", json!("other")),
        refused("metadata.namespace", json!("default")),
        refused("metadata.uid", json!("00000000-0000-0000-0000-000000000000")),
        refused("metadata.resourceVersion", json!("1")),
        ignored("metadata.creationTimestamp", past.clone()),
        ignored("metadata.generation", json!(99)),
        ignored("metadata.selfLink", json!("/nowhere")),
        refused("metadata.deletionTimestamp", past),
        refused("metadata.deletionGracePeriodSeconds", json!(3600)),
        row(
            &["metadata.deletionTimestamp"],
            "deleted",
            Outcome::Unnamed,
            ALL.map(|target| Edit::new(target, json!([])).by(Way::Delete)).to_vec(),
        ),
        row(
            &["metadata.generateName"],
            "set",
            Outcome::Kept("a name for what is created, and this is there"),
            vec![Edit::new(BASELINE, set("/metadata/generateName", json!("other-"))).by(Way::JsonPatch)],
        ),
        row(&["metadata.finalizers"], "one added", Outcome::Reported("ManagedPolicyTampered"), on_all(&hold)),
    ]
}

fn labels() -> Vec<Row> {
    let label = |key: &str| format!("/metadata/labels/{}", key.replace('/', "~1"));
    let (managed, zone, flow) = (label(names::MANAGED_BY), label(names::ZONE_LABEL), label(names::FLOW_LABEL));
    let field = &["metadata.labels"];
    let ours = [
        (BASELINE, &managed),
        (PODS_IN, &managed),
        (PODS_OUT, &managed),
        (BASELINE, &zone),
        (PODS_IN, &zone),
        (PODS_OUT, &flow),
    ];
    let edits = |operations: fn(&str) -> Value| ours.map(|(target, path)| Edit::new(target, operations(path))).to_vec();
    vec![
        row(field, "one of ours changed", Outcome::Named, edits(|path| set(path, json!("other")))),
        row(
            field,
            "one of ours that does not belong there added",
            Outcome::Named,
            vec![Edit::new(BASELINE, set(&flow, json!("pods")))],
        ),
        row(field, "one of ours removed", Outcome::Unnamed, edits(remove)),
        row(field, "all removed", Outcome::Unnamed, on_all(&remove("/metadata/labels"))),
        row(
            field,
            "another added",
            Outcome::Kept("we read none but our own"),
            on_all(&set(&label("example.com/team"), json!("blue"))),
        ),
        row(
            &["metadata.annotations"],
            "one added",
            Outcome::Kept("we read none of a policy"),
            on_all(&set("/metadata/annotations", json!({ "example.com/note": "kept" }))),
        ),
    ]
}

fn owners() -> Vec<Row> {
    let owner = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let fields = ["", "[].apiVersion", "[].kind", "[].name", "[].uid", "[].controller", "[].blockOwnerDeletion"];
    let fields = fields.map(|below| format!("metadata.ownerReferences{below}"));
    let what = "an owner set, with which garbage collection would take the policy away";
    vec![row(
        &fields.each_ref().map(String::as_str),
        what,
        Outcome::Named,
        on_all(&set("/metadata/ownerReferences", owner)),
    )]
}

/// `managedFields`: who wrote what.
fn record() -> Vec<Row> {
    let of = |below: &str| format!("metadata.managedFields{below}");
    let entry = |below: &str, value: Value| set(&format!("/metadata/managedFields/0{below}"), value);
    let open = |mut operations: Value| {
        let rules = json!({ "op": "add", "path": "/spec/ingress", "value": [{}] });
        operations.as_array_mut().expect("a JSON patch").push(rules);
        operations
    };
    let theirs = set(
        "/metadata/managedFields",
        json!([{
            "manager": ADMIN, "operation": "Apply", "apiVersion": "networking.k8s.io/v1", "time": "2090-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": { "f:metadata": { "f:labels": { "f:pcizone.dev/zone": {} } } },
        }]),
    );
    let emptied = set("/metadata/managedFields", json!([{}]));
    let kept = Outcome::Kept("a record of who wrote, which decides nothing while we are in it");
    let harmless = |below: &str, value: Value| {
        let edit = Edit::new(PODS_IN, entry(&format!("/{below}"), value));
        row(&[&of(&format!("[].{below}"))], "changed in our entry", kept, vec![edit])
    };
    vec![
        row(&[&of("")], "emptied", Outcome::Unnamed, on_all(&emptied)),
        row(
            &[&of("")],
            "emptied, and everything allowed in the same request",
            Outcome::Unnamed,
            on_all(&open(emptied)),
        ),
        row(&[&of("")], "ours exchanged for that of another", Outcome::Named, on_all(&theirs)),
        row(
            &[&of("[].manager")],
            "our name changed to another",
            Outcome::Named,
            vec![Edit::new(PODS_OUT, entry("/manager", json!(ADMIN)))],
        ),
        harmless("apiVersion", json!("networking.k8s.io/v9")),
        harmless("fieldsV1", json!({ "f:metadata": { "f:annotations": {} } })),
        harmless("operation", json!("Apply")),
        harmless("subresource", json!("status")),
        Row { outcome: Outcome::Ignored, ..harmless("time", json!("2020-01-01T00:00:00Z")) },
        row(
            &[&of("[].fieldsType")],
            "changed in our entry",
            Outcome::Ignored,
            vec![Edit::new(PODS_IN, entry("/fieldsType", json!("FieldsV9")))],
        ),
    ]
}
