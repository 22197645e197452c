//! What a row of the table is, and how it reads.

use std::fmt::Write as _;

use pcizone::engine::desired::admission::Kind;
use serde_json::Value;

/// An object of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A policy of the zone's namespace, by name.
    Policy(&'static str),
    Namespace,
    Node,
    Zone,
    /// An admission policy or binding of the zone.
    Guard(Kind, &'static str),
}

/// What comes of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Put back, and a finding `ManagedObjectTampered` names the field manager.
    Named,
    /// Put back, and a finding `ManagedObjectTampered` says so. What is only taken away leaves no name behind.
    Unnamed,
    /// Put back. It is ours alone, and protects nothing by itself.
    Silent,
    /// It stays, and this finding says so.
    Reported(&'static str),
    /// It stays, for this reason, and keeps no repair away.
    Kept(&'static str),
    /// The API server refuses it.
    Refused,
    /// The API server takes the request and changes nothing.
    Ignored,
}

/// How an edit is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    JsonPatch,
    Merge,
    Replace,
    /// Server-side apply with force.
    Apply,
    Delete,
}

/// Something that an administrator does.
#[derive(Clone, Debug)]
pub struct Edit {
    pub target: Target,
    pub subresource: Option<&'static str>,
    pub way: Option<Way>,
    /// A JSON patch: what is done, however it is sent.
    pub operations: Value,
}

impl Edit {
    pub fn new(target: Target, operations: Value) -> Self {
        Edit { target, subresource: None, way: None, operations }
    }

    pub fn by(self, way: Way) -> Self {
        Edit { way: Some(way), ..self }
    }

    pub fn through(self, subresource: &'static str) -> Self {
        Edit { subresource: Some(subresource), ..self }
    }
}

/// Edits of a field that come out alike.
#[derive(Clone, Debug)]
pub struct Row {
    pub fields: Vec<String>,
    pub what: &'static str,
    pub outcome: Outcome,
    pub edits: Vec<Edit>,
}

pub fn row(fields: &[&str], what: &'static str, outcome: Outcome, edits: Vec<Edit>) -> Row {
    Row { fields: fields.iter().map(ToString::to_string).collect(), what, outcome, edits }
}

/// A table for people, in the order of the rows.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| Field | What is done | What comes of it |\n|---|---|---|\n");
    let mut rows = rows.iter().peekable();
    while let Some(row) = rows.next() {
        let mut what = row.what.to_string();
        while let Some(next) = rows.next_if(|next| (&next.fields, next.outcome) == (&row.fields, row.outcome)) {
            let _ = write!(what, "; {}", next.what);
        }
        let _ = writeln!(text, "| {} | {what} | {} |", subject(&row.fields), sentence(row.outcome));
    }
    text
}

/// The first field stands for what is below it, and a rule of ingress for the same of egress.
fn subject(fields: &[String]) -> String {
    let (first, others) = fields.split_first().expect("a field");
    match others {
        [] => format!("`{first}`"),
        [egress] if first.starts_with("spec.ingress") && egress.starts_with("spec.egress") => format!("`{first}`"),
        others => {
            assert!(others.iter().all(|other| other.starts_with(first)), "{fields:?}: say more of them than the first");
            format!("`{first}` and all below")
        }
    }
}

fn sentence(outcome: Outcome) -> String {
    match outcome {
        Outcome::Named => "put back; reported with the field manager".to_string(),
        Outcome::Unnamed => "put back; reported".to_string(),
        Outcome::Silent => "put back".to_string(),
        Outcome::Reported(finding) => format!("stays; reported as `{finding}`"),
        Outcome::Kept(why) => format!("stays: {why}"),
        Outcome::Refused => "refused by the API server".to_string(),
        Outcome::Ignored => "changes nothing".to_string(),
    }
}
