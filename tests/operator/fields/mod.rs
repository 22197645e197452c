//! Every field of every object of ours, changed by an administrator in every way that makes sense: it is put back or
//! reported, and never taken for a wish of ours. docs/tampering.md is written from the same table.

mod cluster;
mod edit;
mod guards;
mod members;
mod metadata;
mod owners;
mod page;
mod policies;
mod schema;
mod status;
mod table;

use std::{collections::BTreeMap, panic::AssertUnwindSafe};

use futures::{FutureExt, future::join_all};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{
    Api, ResourceExt,
    core::{ApiResource, DynamicObject},
};
use pcizone::{api::PciZone, engine::desired::admission::Guard};
use serde_json::{Value, json};

use cluster::{ours, path, subject};
use metadata::ADMIN;
use table::{Edit, Outcome, Row, Target, Way};

use crate::support::{Bed, evidence};

const TAMPERED: &str = "ManagedObjectTampered";
/// Who edits while no operator runs.
const NIGHT: &str = "admin-by-night";

/// Who edits after the record of who wrote was emptied.
const NEXT: &str = "admin-who-comes-next";

/// One edit, and the object that it is for.
struct Case<'a> {
    number: usize,
    slot: usize,
    target: Target,
    row: &'a Row,
    edit: &'a Edit,
}

impl Case<'_> {
    fn path(&self) -> String {
        path(self.target, self.slot)
    }

    fn is_about_spec(&self) -> bool {
        matches!(self.target, Target::Policy(_)) && self.row.fields[0].starts_with("spec")
    }

    /// It takes our entry out of the record of who wrote.
    fn is_about_the_record(&self) -> bool {
        matches!(self.target, Target::Policy(_)) && self.row.fields[0].starts_with("metadata.managedFields")
    }

    /// Nothing comes of it, so that several can have the same object.
    fn is_idle(&self) -> bool {
        matches!(self.row.outcome, Outcome::Refused | Outcome::Ignored)
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Row { fields, what, .. } = self.row;
        write!(f, "{} {what} ({} of {})", fields[0], self.edit.operations, self.path())
    }
}

/// An object for each edit, in so many zones. The first zone is left alone, for edits of which nothing comes.
fn cases(rows: &[Row]) -> (Vec<Case<'_>>, usize) {
    let mut used: BTreeMap<Target, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for row in rows {
        for edit in &row.edits {
            let mut case = Case { number: cases.len(), slot: 0, target: edit.target, row, edit };
            if !case.is_idle() {
                let (first, second) = (edit.target, policies::second(edit.target).unwrap_or(edit.target));
                let count = |target| used.get(&target).copied().unwrap_or_default();
                case.target = if count(second) < count(first) { second } else { first };
                let slot = used.entry(case.target).or_default();
                *slot += 1;
                case.slot = *slot;
            }
            cases.push(case);
        }
    }
    (cases, 1 + used.into_values().max().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_put_back_or_reported_and_never_adopted() {
    let rows: Vec<Row> = page::objects().into_iter().flat_map(|(_, rows)| rows).collect();
    let (cases, zones) = cases(&rows);
    let forgeries: Vec<_> =
        status::FORGERIES.into_iter().enumerate().map(|(n, forgery)| (zones + n, forgery)).collect();
    let mut bed = Bed::start().await;
    page::covers_every_field(&bed).await;
    let needs_node = |target: Target| matches!(target, Target::Node | Target::Guard(..));
    let nodes = cases.iter().filter(|case| needs_node(case.target)).map(|case| case.slot + 1).max();
    cluster::fill(&bed, zones + forgeries.len(), nodes.unwrap_or_default()).await;
    let declared: Vec<Value> = join_all(cases.iter().map(async |case| bed.raw(&case.path()).await)).await;

    let on_objects = cases.iter().zip(&declared).map(|(case, declared)| by_day(&bed, case, declared).boxed());
    let on_statuses = forgeries.iter().map(|(slot, forgery)| status::by_day(&bed, *slot, *forgery).boxed());
    together("by day", on_objects.chain(on_statuses)).await;

    bed.stop_operator().await;
    together("by night", cases.iter().zip(&declared).map(|(case, declared)| by_night(&bed, case, declared))).await;
    let statuses = forgeries.iter().map(|(slot, forgery)| status::by_night(&bed, *slot, *forgery));
    let statuses = together("by night, on a status", statuses).await;

    bed.start_operator().await;
    let on_objects = cases.iter().zip(&declared).map(|(case, declared)| in_the_morning(&bed, case, declared).boxed());
    let on_statuses = forgeries.iter().zip(&statuses);
    let on_statuses =
        on_statuses.map(|((slot, forgery), wish)| status::in_the_morning(&bed, *slot, *forgery, wish).boxed());
    together("in the morning", on_objects.chain(on_statuses)).await;
}

/// Runs them together, and to the end also where one fails: each failure has been told then.
async fn together<T>(what: &str, all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let ended = join_all(all.map(|one| AssertUnwindSafe(one).catch_unwind())).await;
    let failed = ended.iter().filter(|one| one.is_err()).count();
    assert!(failed == 0, "{failed} of {} failed {what}; see above", ended.len());
    ended.into_iter().flatten().collect()
}

/// The operator runs.
async fn by_day(bed: &Bed, case: &Case<'_>, declared: &Value) {
    let wish = ours(case.target, declared);
    let sent = edit::send(&bed.client, &case.path(), case.edit, case.number, ADMIN).await;
    match case.row.outcome {
        Outcome::Refused => {
            let refused =
                |error: &kube::Error| matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code));
            assert!(sent.as_ref().is_err_and(refused), "{case}: {sent:?}");
        }
        Outcome::Ignored => {
            let sent = sent.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(content(&sent), content(declared), "{case}");
        }
        Outcome::Named | Outcome::Unnamed | Outcome::Silent => {
            let sent = sent.unwrap_or_else(|error| panic!("{case}: {error}"));
            let is_gone = case.edit.way == Some(Way::Delete);
            assert!(is_gone || ours(case.target, &sent) != wish, "{case}: nothing was changed: {sent:#}");
            until_declared(bed, case, &wish, declared).await;
            if case.row.outcome != Outcome::Silent {
                until_reported(bed, case, TAMPERED, if case.row.outcome == Outcome::Named { ADMIN } else { "" }).await;
            }
            if case.is_about_the_record() {
                // Whoever comes next is on record again.
                edit::send(&bed.client, &case.path(), &probe(case.target), 0, NEXT).await.unwrap();
                until_reported(bed, case, TAMPERED, NEXT).await;
                until_declared(bed, case, &wish, declared).await;
            }
        }
        Outcome::Reported(finding) => {
            let sent = sent.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_ne!(content(&sent), content(declared), "{case}: nothing was changed");
            until_reported(bed, case, finding, "").await;
            assert_eq!(ours(case.target, &bed.raw(&case.path()).await), wish, "{case}");
        }
        Outcome::Kept(_) => {
            let sent = sent.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_ne!(sent["metadata"], declared["metadata"], "{case}: nothing was changed");
            // A repair of the same object leaves it alone.
            let break_it = edit::send(&bed.client, &case.path(), &probe(case.target), 0, ADMIN).await.unwrap();
            assert_ne!(ours(case.target, &break_it), wish, "{case}: the probe does nothing");
            until_declared(bed, case, &wish, declared).await;
            let now = bed.raw(&case.path()).await;
            assert!(edit::stays(&now, &case.edit.operations), "{case}: {now:#}");
        }
    }
}

/// No operator runs.
async fn by_night(bed: &Bed, case: &Case<'_>, declared: &Value) {
    // What was kept since the day cannot be added to a list again.
    if case.is_idle() || edit::is_in_list(&bed.raw(&case.path()).await, &case.edit.operations) {
        return;
    }
    let sent = edit::send(&bed.client, &case.path(), case.edit, case.number + 1, NIGHT).await;
    let sent = sent.unwrap_or_else(|error| panic!("{case}: {error}"));
    let is_put_back = matches!(case.row.outcome, Outcome::Named | Outcome::Unnamed | Outcome::Silent);
    if is_put_back && case.edit.way != Some(Way::Delete) {
        assert_ne!(ours(case.target, &sent), ours(case.target, declared), "{case}: nothing was changed");
    }
}

/// A new operator has come, which remembers nothing.
async fn in_the_morning(bed: &Bed, case: &Case<'_>, declared: &Value) {
    if case.is_idle() {
        return;
    }
    until_declared(bed, case, &ours(case.target, declared), declared).await;
    // Only the record in the object can say now who changed it.
    if case.is_about_spec() && case.row.outcome == Outcome::Named {
        until_reported(bed, case, TAMPERED, NIGHT).await;
    }
    if let Outcome::Reported(finding) = case.row.outcome {
        until_reported(bed, case, finding, "").await;
    }
    if let Outcome::Kept(_) = case.row.outcome {
        assert!(edit::stays(&bed.raw(&case.path()).await, &case.edit.operations), "{case}");
    }
}

/// What is stored of an object, without what every write changes.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    for field in ["resourceVersion", "managedFields"] {
        metadata.remove(field);
    }
    object
}

/// Breaks an object, so that it is repaired.
fn probe(target: Target) -> Edit {
    let label = |key: &str| edit::remove(&format!("/metadata/labels/{}", key.replace('/', "~1")));
    let operations = match target {
        Target::Policy(_) => edit::set("/spec/ingress", json!([{ "from": [{ "podSelector": {} }] }])),
        Target::Namespace => label(pcizone::api::names::ZONE_LABEL),
        Target::Node => label(pcizone::api::names::NODE_LABEL),
        Target::Zone => edit::remove("/metadata/finalizers/0"),
        Target::Guard(..) => {
            edit::set("/spec/matchConstraints/namespaceSelector", json!({ "matchLabels": { "a": "b" } }))
        }
    };
    Edit::new(target, operations).by(Way::JsonPatch)
}

/// Waits until the object is as declared.
async fn until_declared(bed: &Bed, case: &Case<'_>, wish: &Value, declared: &Value) {
    let target = case.target;
    let resource = match target {
        Target::Policy(_) => ApiResource::erase::<NetworkPolicy>(&()),
        Target::Namespace => ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&()),
        Target::Node => ApiResource::erase::<k8s_openapi::api::core::v1::Node>(&()),
        Target::Zone => ApiResource::erase::<PciZone>(&()),
        Target::Guard(kind, _) => ApiResource::erase::<Guard>(&kind),
    };
    let api: Api<DynamicObject> = match target {
        Target::Policy(_) => Api::namespaced_with(bed.client.clone(), &cluster::name(case.slot), &resource),
        Target::Namespace | Target::Node | Target::Zone | Target::Guard(..) => {
            Api::all_with(bed.client.clone(), &resource)
        }
    };
    let deleted = (case.edit.way == Some(Way::Delete)).then(|| declared["metadata"]["uid"].clone());
    let is_declared = |object: Option<&DynamicObject>| {
        object.is_some_and(|object| {
            let is_new = deleted.as_ref().is_none_or(|uid| *uid != json!(object.uid()));
            is_new && ours(target, &json!(object)) == *wish
        })
    };
    let name = declared["metadata"]["name"].as_str().expect("a name");
    bed.until(&format!("{case}: as declared, {wish}"), api, name, is_declared).await;
}

/// Waits until a finding about the object holds these words.
async fn until_reported(bed: &Bed, case: &Case<'_>, finding: &str, words: &str) {
    let about = subject(case.target, case.slot);
    let is_told = |zone: Option<&PciZone>| {
        zone.and_then(|zone| evidence(zone, finding, &about)).is_some_and(|evidence| evidence.contains(words))
    };
    let what = format!("{case}: {finding} about {about} names {words:?}");
    bed.until(&what, bed.zones(), &cluster::name(case.slot), is_told).await;
}
