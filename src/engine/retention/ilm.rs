//! Policies of Elasticsearch's index lifecycle management: when an index is deleted. Whatever comes before, frozen and searchable
//! snapshots too, can be searched as it is.

use serde_json::{Map, Value};

use super::{
    Wanted,
    answer::{is_known, shown},
    length::{Length, elastic},
    names::dated,
    term::Term,
};

/// Phases before the last.
const PHASES: [&str; 4] = ["hot", "warm", "cold", "frozen"];
/// What phases before the last do. None of it takes records away, or out of reach of a search.
const HARMLESS: &[&str] = &[
    "allocate",
    "downsample",
    "forcemerge",
    "freeze",
    "migrate",
    "readonly",
    "rollover",
    "searchable_snapshot",
    "set_priority",
    "shrink",
    "unfollow",
];

/// How long a policy keeps an index.
pub fn term(policy: &str, answer: &Map<String, Value>, index: &str, wanted: Wanted) -> Result<Term, String> {
    let name = shown(policy);
    let unknown = |what: &str| format!("ILM policy “{name}” has {what} that is not known");
    let phases = answer.get(policy).and_then(|entry| entry.pointer("/policy/phases")).and_then(Value::as_object);
    let phases = phases.ok_or_else(|| format!("The answer has no phases of the ILM policy “{name}”"))?;
    let mut rolls_over = false;
    for (phase, content) in phases {
        if phase == "delete" {
            continue;
        }
        let content = content.as_object().filter(|content| is_known(content, &["min_age", "actions"]));
        let actions = content.and_then(|content| content.get("actions")).and_then(Value::as_object);
        let actions = actions.filter(|_| PHASES.contains(&phase.as_str())).ok_or_else(|| unknown("a phase"))?;
        if !is_known(actions, HARMLESS) {
            return Err(unknown("an action"));
        }
        rolls_over |= phase == "hot" && actions.contains_key("rollover");
    }
    let Some(delete) = phases.get("delete") else {
        return Ok(Term::for_ever(format!("ILM policy “{name}” has no delete phase.")));
    };
    let delete = delete.as_object().filter(|phase| is_known(phase, &["min_age", "actions"]));
    let actions = delete.and_then(|phase| phase.get("actions")).and_then(Value::as_object);
    let (Some(delete), Some(actions)) = (delete, actions) else { return Err(unknown("a delete phase")) };
    if !is_known(actions, &["delete", "wait_for_snapshot"]) {
        return Err(unknown("an action"));
    }
    if !actions.contains_key("delete") {
        return Ok(Term::for_ever(format!("The delete phase of ILM policy “{name}” deletes nothing.")));
    }
    let age = match delete.get("min_age") {
        None => Some(Length::ZERO),
        Some(age) => age.as_str().and_then(elastic),
    };
    let age = age.ok_or_else(|| format!("phases.delete.min_age of ILM policy “{name}” is no length of time"))?;
    let deletes = format!("ILM policy “{name}” deletes after {} (phases.delete.min_age)", age.words());
    if rolls_over {
        return Ok(Term::kept(age, format!("{deletes}, counted from rollover")));
    }
    let by = format!("{deletes}, counted from when the index was made");
    match dated(index) {
        Some(written) => {
            let note = format!("Index “{}” is taken to be written only in the time that its name says.", shown(index));
            let by = format!("{by}, in which it is written for {}", written.words());
            Ok(Term::kept(age.less(written), by).noted(&note))
        }
        None => Term::between(
            (Length::ZERO, by.clone()),
            (Some(age), by),
            wanted.days,
            "for how long it is written is not known: add a rollover action to its hot phase",
        ),
    }
}
