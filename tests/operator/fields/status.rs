//! Every field of the status of a PciZone.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    NIGHT, cluster, edit,
    metadata::ADMIN,
    page::status_schema,
    schema,
    table::{Edit, Outcome, Row, Target, Way},
};
use crate::support::{Bed, is};
use pcizone::api::{PciZone, PciZoneStatus};

/// No true date of ours lies there.
const FORGED: &str = "2001-01-01T00:00:00Z";
/// What nothing but the status knows.
const COUNT: &str = "confirmedChanges";
const BREAK_GLASS: &str = "breakGlass";
/// By these a list knows its entries: to change one is to remove an entry and to add another.
const KEYS: [&str; 3] = ["type", "id", "subject"];

/// What is done to a status.
#[derive(Clone, Copy, Debug)]
pub enum Forgery {
    /// Every value that is there is another.
    Changed,
    /// Everything that may be there is there.
    Added,
    Removed,
    /// More changes are said to be confirmed.
    CountRaised,
}

pub const FORGERIES: [(Forgery, Way); 10] = [
    (Forgery::Changed, Way::JsonPatch),
    (Forgery::Changed, Way::Apply),
    (Forgery::Changed, Way::Replace),
    (Forgery::Added, Way::JsonPatch),
    (Forgery::Added, Way::Apply),
    (Forgery::Added, Way::Merge),
    (Forgery::Added, Way::Replace),
    (Forgery::Removed, Way::JsonPatch),
    (Forgery::Removed, Way::Replace),
    (Forgery::CountRaised, Way::Merge),
];

/// One row for each field at the top with all that is below it.
pub fn rows() -> Vec<Row> {
    let schema = status_schema();
    let mut fields = BTreeSet::new();
    schema::collect(&schema, &schema, "status", &mut fields);
    let top: BTreeSet<&str> = fields.iter().map(|field| field.split(['.', '[']).nth(1).unwrap_or_default()).collect();
    let row = |top: &str| {
        let is_below = |field: &&String| field.split(['.', '[']).nth(1) == Some(top);
        let outcome = if top == COUNT {
            Outcome::Kept(
                "nothing else knows it; a higher count only makes old confirmations invalid, and a lower one counts for nothing while the operator runs",
            )
        } else {
            Outcome::Silent
        };
        let outcome = if top == BREAK_GLASS {
            Outcome::Kept("nothing else knows it after a restart; while the operator runs it is put back")
        } else {
            outcome
        };
        let what = if top == COUNT { "raised" } else { "changed, added, removed" };
        Row { fields: fields.iter().filter(is_below).cloned().collect(), what, outcome, edits: Vec::new() }
    };
    top.into_iter().map(row).collect()
}

/// A status of which every value is another.
fn changed(value: &Value, schema: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let field = |(key, value): (&String, &Value)| {
                let kept = KEYS.contains(&key.as_str()) || key == COUNT;
                (key.clone(), if kept { value.clone() } else { changed(value, &schema["properties"][key]) })
            };
            Value::Object(object.iter().map(field).collect())
        }
        Value::Array(list) => list.iter().map(|value| changed(value, &schema["items"])).collect(),
        Value::Number(number) => json!(number.as_i64().unwrap() + 7),
        Value::String(text) => match schema["enum"].as_array() {
            Some(words) => words.iter().find(|word| *word != value).cloned().unwrap(),
            None if schema["format"] == "date-time" => json!(FORGED),
            None => json!(format!("{text}Forged")),
        },
        other => other.clone(),
    }
}

/// A value with everything in it that the schema knows.
fn sample(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let fields = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| ![COUNT, BREAK_GLASS].contains(&key.as_str()));
            Value::Object(fields.map(|(key, schema)| (key.clone(), sample(schema))).collect())
        }
        Some("array") => json!([sample(&schema["items"])]),
        Some("integer") => json!(7),
        _ if schema["format"] == "date-time" => json!(FORGED),
        _ => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("Forged")),
    }
}

fn added(status: &Value) -> Value {
    let mut all = sample(&status_schema());
    // Of a type of ours, else it would be somebody's own.
    all["conditions"][0]["type"] = json!("Stalled");
    let all: Map<String, Value> = all.as_object().cloned().unwrap();
    let mut forged = status.clone();
    for (key, value) in all {
        match (forged.get_mut(&key), value) {
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
            (_, value) => forged[key] = value,
        }
    }
    forged
}

fn forged(forgery: Forgery, status: &Value) -> Value {
    match forgery {
        Forgery::Changed => changed(status, &status_schema()),
        Forgery::Added => added(status),
        Forgery::Removed => json!({}),
        Forgery::CountRaised => {
            let mut status = status.clone();
            status[COUNT] = json!(7);
            status
        }
    }
}

/// What it is to be afterwards.
fn wish(forgery: Forgery, status: &PciZoneStatus) -> PciZoneStatus {
    let confirmed_changes = if let Forgery::CountRaised = forgery { 7 } else { status.confirmed_changes };
    PciZoneStatus { confirmed_changes, ..status.clone() }
}

/// Forges the status of a zone while the operator runs.
pub async fn by_day(bed: &Bed, slot: usize, (forgery, way): (Forgery, Way)) {
    let before = at_rest(bed, slot).await;
    let sent = forge(bed, slot, forgery, way, ADMIN).await;
    assert_ne!(sent, json!(before), "{forgery:?} by {way:?}: nothing was changed");
    let wish = wish(forgery, &before);
    let is_back = |zone: &PciZone| zone.status.as_ref().is_some_and(|status| *status == wish);
    bed.until_zone(
        &cluster::name(slot),
        &format!("the status is right after {forgery:?} by {way:?}: {wish:#?}"),
        is_back,
    )
    .await;
}

/// Forges it while no operator runs.
pub async fn by_night(bed: &Bed, slot: usize, (forgery, way): (Forgery, Way)) -> PciZoneStatus {
    let before = bed.zone(&cluster::name(slot)).await.status.unwrap();
    forge(bed, slot, forgery, way, NIGHT).await;
    wish(forgery, &before)
}

/// A new operator takes nothing over from it, not even a date.
pub async fn in_the_morning(bed: &Bed, slot: usize, forgery: (Forgery, Way), wish: &PciZoneStatus) {
    let is_right = |zone: &PciZone| {
        let status = zone.status.as_ref();
        status.is_some_and(|status| undated(status) == undated(wish) && !json!(status).to_string().contains(FORGED))
    };
    bed.until_zone(&cluster::name(slot), &format!("the status is right after {forgery:?}: {wish:#?}"), is_right).await;
}

/// The status when nothing is left to be said about a new zone.
async fn at_rest(bed: &Bed, slot: usize) -> PciZoneStatus {
    let is_at_rest = |zone: &PciZone| {
        ["Ready", "NetworkSegmented", "NodesDedicated"]
            .iter()
            .all(|kind| is(zone, kind, "InPlace") || is(zone, kind, "NotDeclared"))
    };
    bed.until_zone(&cluster::name(slot), "nothing is left to be said", is_at_rest).await.status.unwrap()
}

async fn forge(bed: &Bed, slot: usize, forgery: Forgery, way: Way, manager: &str) -> Value {
    let path = cluster::path(Target::Zone, slot);
    let status = bed.raw(&path).await["status"].clone();
    let operations = json!([{ "op": "replace", "path": "/status", "value": forged(forgery, &status) }]);
    let edit = Edit::new(Target::Zone, operations).by(way).through("status");
    let sent = edit::send(&bed.client, &path, &edit, 0, manager).await;
    sent.unwrap_or_else(|error| panic!("{forgery:?} by {way:?}: {error}"))["status"].clone()
}

fn undated(status: &PciZoneStatus) -> PciZoneStatus {
    let mut status = status.clone();
    for condition in &mut status.conditions {
        condition.last_transition_time = serde_json::from_value(json!(FORGED)).unwrap();
    }
    for finding in &mut status.top_findings {
        finding.since = serde_json::from_value(json!(FORGED)).unwrap();
    }
    status
}
