//! Policies of `OpenSearch`'s index state management: every way through their states to one that deletes.
//!
//! An age counts from when the index was made, so a record that was written last is kept for less, by as long as the index is
//! written. What a way guarantees is the greatest of its conditions; what a policy guarantees is the least of its ways.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Wanted,
    answer::{is_known, shown},
    length::{Length, elastic},
    names::dated,
    term::Term,
};

/// States and transitions that are followed, at most.
const STATES: usize = 64;
const TRANSITIONS: usize = 512;

/// What takes records away.
const DELETES: [&str; 2] = ["delete", "cold_delete"];
/// What takes them out of reach of a search.
const HIDES: [&str; 2] = ["close", "cold_migration"];
/// What does neither. The first two are not actions, but how they are repeated.
const HARMLESS: &[&str] = &[
    "retry",
    "timeout",
    "alias",
    "allocation",
    "convert_index_to_remote",
    "force_merge",
    "index_priority",
    "notification",
    "open",
    "read_only",
    "read_write",
    "replica_count",
    "rollover",
    "rollup",
    "shrink",
    "snapshot",
    "transform",
    "warm_migration",
];

/// How long a record is there at least, and at most, that was written last; a greatest that is not there has no end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bounds {
    least: Length,
    most: Option<Length>,
    /// The condition that says so.
    by: String,
}

/// A state of a policy.
struct State<'p> {
    deletes: bool,
    hides: bool,
    rolls_over: bool,
    transitions: Vec<(&'p str, Condition)>,
}

enum Condition {
    None,
    IndexAge(Length),
    RolloverAge(Length),
    /// One that names no time.
    Other(String),
}

/// How long a policy keeps an index.
pub fn term(policy: &str, content: &Value, index: &str, wanted: Wanted) -> Result<Term, String> {
    let name = shown(policy);
    let unclear = |what: &str| format!("ISM policy “{name}” {what}");
    let states = content.get("states").and_then(Value::as_array).filter(|states| states.len() <= STATES);
    let states = states.ok_or_else(|| unclear("has no states that can be followed"))?;
    let start = content.get("default_state").and_then(Value::as_str).ok_or_else(|| unclear("has no default_state"))?;
    // How long an index is written that was rolled over by its age, at most.
    let mut written = None;
    let mut read = BTreeMap::new();
    for state in states {
        let (name, state, rollover) = state_of(state).map_err(|what| unclear(&what))?;
        written = written.max(rollover);
        if read.insert(name, state).is_some() {
            return Err(unclear("has two states of one name"));
        }
    }
    if read.values().map(|state| state.transitions.len()).sum::<usize>() > TRANSITIONS {
        return Err(unclear("has more transitions than are followed"));
    }
    let reached = reach(start, &read, written, dated(index)).map_err(|what| unclear(&what))?;
    let at = |is: fn(&State) -> bool| {
        let bounds = || reached.iter().filter(|(name, _)| read.get(*name).is_some_and(is)).map(|(_, bounds)| bounds);
        let least = bounds().min_by_key(|bounds| bounds.least)?;
        let most = bounds().min_by_key(|bounds| (bounds.most.is_none(), bounds.most))?;
        Some((least.clone(), most.clone()))
    };
    let limit = |bounds: Option<(Bounds, Bounds)>, does: &str, days: u32| match bounds {
        None => Ok(None),
        Some((least, most)) => {
            let by = |bounds: &Bounds| format!("ISM policy “{name}” {does} {}", bounds.by);
            let unknown = "how long after its last record that is cannot be told: use min_rollover_age, or a rollover with min_index_age";
            Term::between((least.least, by(&least)), (most.most, by(&most)), days, unknown).map(Some)
        }
    };
    let kept = limit(at(|state| state.deletes), "deletes", wanted.days)?;
    let hidden = limit(at(|state| state.hides), "closes", wanted.searchable_days)?;
    let mut term = kept.unwrap_or_else(|| Term::for_ever(format!("ISM policy “{name}” deletes nothing.")));
    if let Some(Term { kept, by, .. }) = hidden {
        (term.searchable, term.searchable_by) = (kept, by);
    }
    let is_by_name = written.is_none() && dated(index).is_some() && term.kept.is_some();
    let note = || format!("Index “{}” is taken to be written only in the time that its name says.", shown(index));
    Ok(if is_by_name { term.noted(note()) } else { term })
}

/// A state by its name, and how long an index is written that it rolls over, where that has an end.
fn state_of(state: &Value) -> Result<(&str, State<'_>, Option<Length>), String> {
    let part = |key: &str| state.get(key).and_then(Value::as_array);
    let name = state.get("name").and_then(Value::as_str).ok_or("has a state without a name")?;
    let (Some(actions), Some(transitions)) = (part("actions"), part("transitions")) else {
        return Err(format!("has a state “{}” without actions or transitions", shown(name)));
    };
    let mut read = State { deletes: false, hides: false, rolls_over: false, transitions: Vec::new() };
    let mut written = None;
    for action in actions {
        let unknown = || format!("has an action in state “{}” that is not known", shown(name));
        let action = action.as_object().ok_or_else(unknown)?;
        let known: Vec<&str> = [HARMLESS, &DELETES, &HIDES].concat();
        if !is_known(action, &known) {
            return Err(unknown());
        }
        read.deletes |= DELETES.iter().any(|key| action.contains_key(*key));
        read.hides |= HIDES.iter().any(|key| action.contains_key(*key));
        let age = action.get("rollover").and_then(|rollover| rollover.get("min_index_age"));
        if let Some(age) = age.and_then(Value::as_str).and_then(elastic) {
            read.rolls_over = true;
            written = written.max(Some(age));
        }
    }
    for transition in transitions {
        let to = transition.get("state_name").and_then(Value::as_str);
        let to = to.ok_or_else(|| format!("has a transition from “{}” to no state", shown(name)))?;
        read.transitions.push((to, condition(transition.get("conditions"))));
    }
    Ok((name, read, written))
}

fn condition(conditions: Option<&Value>) -> Condition {
    let empty = Map::new();
    let conditions = match conditions {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(conditions)) => conditions,
        Some(_) => return Condition::Other("conditions".to_string()),
    };
    let length = |value: &Value| value.as_str().and_then(elastic);
    match conditions.iter().collect::<Vec<_>>().as_slice() {
        [] => Condition::None,
        [(key, value)] => match (key.as_str(), length(value)) {
            ("min_index_age", Some(age)) => Condition::IndexAge(age),
            ("min_rollover_age", Some(age)) => Condition::RolloverAge(age),
            _ => Condition::Other(shown(key)),
        },
        _ => Condition::Other("several conditions".to_string()),
    }
}

/// The states that are reached, and after how long at least and at most. Which of them have been rolled over on the way by age is
/// kept apart, since only then it is known how long the index was written.
fn reach<'p>(
    start: &'p str,
    states: &BTreeMap<&'p str, State<'p>>,
    written: Option<Length>,
    dated: Option<Length>,
) -> Result<Vec<(&'p str, Bounds)>, String> {
    let at_once =
        Bounds { least: Length::ZERO, most: Some(Length::ZERO), by: "at once (its default_state)".to_string() };
    let mut reached: BTreeMap<(&str, bool), Bounds> = BTreeMap::new();
    let mut open = vec![(start, false, at_once)];
    while let Some((name, rolled, bounds)) = open.pop() {
        let state =
            states.get(name).ok_or_else(|| format!("leads to a state “{}” that it does not have", shown(name)))?;
        let rolled = rolled || state.rolls_over;
        let better = match reached.get(&(name, rolled)) {
            None => bounds,
            Some(known) => match sooner(known, &bounds) {
                better if better == *known => continue,
                better => better,
            },
        };
        reached.insert((name, rolled), better.clone());
        if state.deletes {
            continue;
        }
        let written = if rolled { written } else { dated };
        let onward = state.transitions.iter().map(|(to, condition)| (*to, rolled, later(&better, condition, written)));
        open.extend(onward);
    }
    Ok(reached.into_iter().map(|((name, _), bounds)| (name, bounds)).collect())
}

/// The worse of two ways to one state.
fn sooner(one: &Bounds, other: &Bounds) -> Bounds {
    let no_later = |one: Option<Length>, other: Option<Length>| match (one, other) {
        (Some(one), Some(other)) => one <= other,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    let least = if one.least <= other.least { one.least } else { other.least };
    let is_first = no_later(one.most, other.most);
    let most = if is_first { one.most } else { other.most };
    let by = if (least, most) == (one.least, one.most) { &one.by } else { &other.by };
    Bounds { least, most, by: by.clone() }
}

/// A way, and a condition after it: both have to hold.
fn later(before: &Bounds, condition: &Condition, written: Option<Length>) -> Bounds {
    let (least, most, by) = match condition {
        Condition::None => return before.clone(),
        Condition::RolloverAge(age) => {
            (*age, Some(*age), format!("after {}, counted from rollover (min_rollover_age)", age.words()))
        }
        Condition::IndexAge(age) => {
            let by = format!("after {}, counted from when the index was made (min_index_age)", age.words());
            match written {
                Some(written) => {
                    let kept = age.less(written);
                    (kept, Some(kept), format!("{by}, in which it is written for {}", written.words()))
                }
                None => (Length::ZERO, Some(*age), by),
            }
        }
        Condition::Other(key) => (Length::ZERO, None, format!("on a condition that names no time ({key})")),
    };
    let grows = least > before.least || most.is_none() || before.most.is_some_and(|before| most > Some(before));
    Bounds {
        least: before.least.max(least),
        most: before.most.zip(most).map(|(one, other)| one.max(other)),
        by: if grows { by } else { before.by.clone() },
    }
}
