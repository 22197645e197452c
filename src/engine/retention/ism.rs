//! Policies of `OpenSearch`'s index state management: every way through their states to one that deletes.
//!
//! An age counts from when the index was made, so a record that was written last is kept for less, by as long as the index is
//! written. What a way guarantees is the greatest of its conditions; what a policy guarantees is the least of its ways.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Wanted,
    answer::{is_known, shown},
    length::{Length, elastic},
    names::dated,
    term::Term,
};

/// States and transitions that are followed, at most.
const STATES: usize = 32;
const TRANSITIONS: usize = 128;

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

/// When something happens to the record that was written last; none: at no time that is known. What is sooner is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    After(Length),
    Unknown,
}

/// When, and the condition that says so.
type Moment = (When, String);

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
    // A record is there at least until the first, and at most until the second.
    let bounds = [least as Weight, most].map(|weight| soonest(start, &read, written, dated(index), weight));
    let [least, most] = bounds;
    let (least, most) = (least.map_err(|what| unclear(&what))?, most.map_err(|what| unclear(&what))?);
    let limit = |is: fn(&State) -> bool, does: &str, days: u32| {
        let first = |moments: &[(&str, Moment)]| {
            let is_one = |(name, _): &&(&str, Moment)| read.get(name).is_some_and(is);
            moments.iter().filter(is_one).min_by_key(|(_, (when, _))| *when).map(|(_, moment)| moment.clone())
        };
        let (Some((least, why)), Some((most, by))) = (first(&least), first(&most)) else { return Ok(None) };
        let told = |by: &str| format!("ISM policy “{name}” {does} {by}");
        let unknown = "how long after its last record that is cannot be told: use min_rollover_age, or a rollover with min_index_age";
        let least = if let When::After(least) = least { least } else { Length::ZERO };
        let most = if let When::After(most) = most { Some(most) } else { None };
        Term::between((least, told(&why)), (most, told(&by)), days, unknown).map(Some)
    };
    let kept = limit(|state| state.deletes, "deletes", wanted.days)?;
    let hidden = limit(|state| state.hides, "closes", wanted.searchable_days)?;
    let mut term = kept.unwrap_or_else(|| Term::for_ever(format!("ISM policy “{name}” deletes nothing.")));
    if let Some(Term { kept, by, .. }) = hidden {
        (term.searchable, term.searchable_by) = (kept, by);
    }
    let is_by_name = written.is_none() && dated(index).is_some() && term.kept.is_some();
    let note = || format!("Index “{}” is taken to be written only in the time that its name says.", shown(index));
    Ok(if is_by_name { term.noted(&note()) } else { term })
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

/// When a condition holds at the soonest, given for how long an index is written.
type Weight = fn(&Condition, Option<Length>) -> Option<Moment>;

/// The states that are reached, and when at the soonest: the one that is reached first is followed first. Whether an index has been
/// rolled over by its age on the way is kept apart, since only then it is known for how long it was written.
fn soonest<'p>(
    start: &'p str,
    states: &BTreeMap<&'p str, State<'p>>,
    written: Option<Length>,
    dated: Option<Length>,
    weight: Weight,
) -> Result<Vec<(&'p str, Moment)>, String> {
    let mut reached: BTreeMap<(&str, bool), Moment> = BTreeMap::new();
    let mut open =
        BTreeSet::from([(When::After(Length::ZERO), start, false, "at once (its default_state)".to_string())]);
    while let Some((when, name, rolled, by)) = open.pop_first() {
        let state =
            states.get(name).ok_or_else(|| format!("leads to a state “{}” that it does not have", shown(name)))?;
        let rolled = rolled || state.rolls_over;
        if reached.contains_key(&(name, rolled)) {
            continue;
        }
        if !state.deletes {
            for (to, condition) in &state.transitions {
                let moment = weight(condition, if rolled { written } else { dated });
                // Both have to hold, what came before and this.
                let (later, why) = moment.filter(|(later, _)| *later >= when).unwrap_or_else(|| (when, by.clone()));
                open.insert((later, *to, rolled, why));
            }
        }
        reached.insert((name, rolled), (when, by));
    }
    Ok(reached.into_iter().map(|((name, _), moment)| (name, moment)).collect())
}

/// The soonest that a condition may hold.
fn least(condition: &Condition, written: Option<Length>) -> Option<Moment> {
    match (condition, written) {
        (Condition::None, _) => None,
        (Condition::Other(_), _) | (Condition::IndexAge(_), None) => {
            most(condition, written).map(|(_, by)| (When::After(Length::ZERO), by))
        }
        (Condition::IndexAge(_), Some(_)) | (Condition::RolloverAge(_), _) => most(condition, written),
    }
}

/// The latest that a condition holds.
fn most(condition: &Condition, written: Option<Length>) -> Option<Moment> {
    let index_age =
        |age: &Length| format!("after {}, counted from when the index was made (min_index_age)", age.words());
    match (condition, written) {
        (Condition::None, _) => None,
        (Condition::RolloverAge(age), _) => {
            let by = format!("after {}, counted from rollover (min_rollover_age)", age.words());
            Some((When::After(*age), by))
        }
        (Condition::IndexAge(age), Some(written)) => {
            let by = format!("{}, in which it is written for {}", index_age(age), written.words());
            Some((When::After(age.less(written)), by))
        }
        (Condition::IndexAge(age), None) => Some((When::After(*age), index_age(age))),
        (Condition::Other(key), _) => Some((When::Unknown, format!("on a condition that names no time ({key})"))),
    }
}
