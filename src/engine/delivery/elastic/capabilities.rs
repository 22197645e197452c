//! How the fields of numbered lines are mapped in the indices that have records of the asked time. Older ones do not count: they may
//! have been mapped otherwise.

use serde_json::{Map, Value, json};

use super::{Question, source, within};
use crate::engine::{
    delivery::line::{ELASTIC, Fields},
    retention::{
        Answers,
        answer::{json as object, shown},
        names::index,
    },
};

/// Types whose values are counted as they are.
const EXACT: [&str; 3] = ["keyword", "constant_keyword", "wildcard"];
/// Types that are taken apart into words.
const WORDS: [&str; 2] = ["text", "match_only_text"];
const WHOLE: [&str; 4] = ["long", "integer", "short", "unsigned_long"];
const DATE: [&str; 2] = ["date", "date_nanos"];

/// Under which names the fields can be counted.
pub struct Names {
    pub zone: String,
    pub kind: String,
    pub seq: String,
    namespace: String,
    pod: String,
    node: String,
    run: String,
}

impl Names {
    /// None where there is no numbered line, since nothing has such a field.
    pub fn read(name: &str, question: &Question, answers: &Answers) -> Result<Option<Self>, String> {
        let fields = fields(name, question, answers)?;
        let Fields { kind, zone, namespace, pod, node, run, seq, time } = ELASTIC;
        let Some(kind) = text(&fields, kind)? else { return Ok(None) };
        let known = |field: &str| text(&fields, field)?.ok_or_else(|| format!("No index has the field {field}"));
        only(&fields, seq, &WHOLE)?;
        only(&fields, time, &DATE)?;
        Ok(Some(Names {
            zone: known(zone)?,
            kind,
            seq: seq.to_string(),
            namespace: known(namespace)?,
            pod: known(pod)?,
            node: known(node)?,
            run: known(run)?,
        }))
    }

    /// The name of the zone's field alone.
    pub fn zone(name: &str, question: &Question, answers: &Answers) -> Result<Option<String>, String> {
        text(&fields(name, question, answers)?, ELASTIC.zone)
    }

    /// What makes a run, and the field of each.
    pub fn keys(&self) -> [(&'static str, &str); 4] {
        let Fields { namespace, pod, node, run, .. } = ELASTIC;
        [(namespace, &self.namespace), (pod, &self.pod), (node, &self.node), (run, &self.run)]
    }
}

/// The path for it.
pub fn path(name: &str, question: &Question) -> Result<String, String> {
    let Fields { kind, zone, namespace, pod, node, run, seq, time } = ELASTIC;
    let texts = [kind, zone, namespace, pod, node, run].map(|field| format!("{field},{field}.keyword"));
    let fields = format!("{},{seq},{time}", texts.join(","));
    let body = json!({ "index_filter": within(question) });
    Ok(format!("/{}/_field_caps?fields={fields}&{}", index(name)?, source(&body)))
}

fn fields(name: &str, question: &Question, answers: &Answers) -> Result<Map<String, Value>, String> {
    let mut answer = object(answers, &path(name, question)?)?;
    let is_whole = answer.get("indices").is_some_and(Value::is_array)
        && answer.get("failed_indices").is_none_or(|failed| *failed == 0);
    match answer.remove("fields") {
        Some(Value::Object(fields)) if is_whole => Ok(fields),
        _ => Err(format!("_field_caps does not tell the fields of all indices of “{}”", shown(name))),
    }
}

/// The types of a field.
fn types<'f>(fields: &'f Map<String, Value>, field: &str) -> Result<Vec<&'f str>, String> {
    match fields.get(field) {
        None => Ok(Vec::new()),
        Some(Value::Object(types)) => Ok(types.keys().map(String::as_str).filter(|kind| *kind != "unmapped").collect()),
        Some(_) => Err(format!("_field_caps does not tell the type of {field}")),
    }
}

/// The name under which a text can be counted.
fn text(fields: &Map<String, Value>, field: &str) -> Result<Option<String>, String> {
    let beside = format!("{field}.keyword");
    let is_exact = |types: &[&str]| !types.is_empty() && types.iter().all(|kind| EXACT.contains(kind));
    match types(fields, field)?.as_slice() {
        [] => Ok(None),
        own if is_exact(own) => Ok(Some(field.to_string())),
        own if own.iter().all(|kind| WORDS.contains(kind)) && is_exact(&types(fields, &beside)?) => Ok(Some(beside)),
        own => Err(format!(
            "The field {field} is mapped as {} and cannot be counted: map it as keyword, and let the data stream roll over",
            shown(&own.join(" and "))
        )),
    }
}

fn only(fields: &Map<String, Value>, field: &str, wanted: &[&str]) -> Result<(), String> {
    let own = types(fields, field)?;
    if own.is_empty() || !own.iter().all(|kind| wanted.contains(kind)) {
        let own = if own.is_empty() { "nothing".to_string() } else { shown(&own.join(" and ")) };
        return Err(format!("The field {field} is mapped as {own}, and {} is wanted", wanted.join(" or ")));
    }
    Ok(())
}
