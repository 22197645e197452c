//! `OpenSearch`: which ISM policy each index has, and how long that keeps it. ISM answers about a data stream or an alias as if it were
//! an index without a policy, so it is asked about each index by its own name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Answers, Wanted,
    answer::{json, shown, text},
    elasticsearch::{is_no_stream, only_stream},
    ism,
    names::{index, segment},
    term::{Term, Terms},
};

/// Names of indices in one path, in bytes.
const NAMES: usize = 2000;
/// Paths about indices, and about policies, at most.
const EXPLAINS: usize = 24;
const POLICIES: usize = 12;

/// The settings of an index that name its policy.
const SETTINGS: [&str; 2] =
    ["index.plugins.index_state_management.policy_id", "index.opendistro.index_state_management.policy_id"];

/// The paths that are to be asked for.
pub fn requests(name: &str, answers: &Answers) -> Vec<String> {
    let Ok(Paths { stream, alias }) = paths(name) else { return Vec::new() };
    let Ok(indices) = indices(name, answers) else { return vec![stream, alias] };
    let explains: BTreeSet<String> = explains(&indices).into_values().flatten().collect();
    let policies: BTreeSet<String> = indices
        .iter()
        .filter_map(|index| {
            let entry = entry(&indices, index, answers).ok()?;
            policy_path(&policy_of(index, &entry).ok()??).ok()
        })
        .collect();
    [stream, alias].into_iter().chain(explains).chain(policies.into_iter().take(POLICIES)).collect()
}

/// How long each index is kept.
pub fn terms(name: &str, answers: &Answers, wanted: Wanted) -> Terms {
    let indices = indices(name, answers)?;
    Ok(indices.iter().flat_map(|index| of_index(name, &indices, index, answers, wanted)).collect())
}

/// An index runs the policy as it was when it took it; new ones take it as it is now. Both count.
fn of_index(
    name: &str,
    indices: &[String],
    index: &str,
    answers: &Answers,
    wanted: Wanted,
) -> Vec<Result<Term, String>> {
    let read = entry(indices, index, answers).and_then(|entry| Ok((policy_of(index, &entry)?, entry)));
    let (policy, entry) = match read {
        Ok((Some(policy), entry)) => (policy, entry),
        Ok((None, _)) => {
            let note = format!("Indices of “{}” have no ISM policy: kept until someone deletes them.", shown(name));
            return vec![Ok(Term::for_ever(note))];
        }
        Err(why) => return vec![Err(why)],
    };
    let current = policy_path(&policy).and_then(|path| {
        let answer = json(answers, &path)?;
        let is_it = answer.get("_id").is_none_or(|id| *id == *policy);
        let content = answer.get("policy").filter(|_| is_it);
        let content = content.ok_or_else(|| format!("The answer is not about the ISM policy “{}”", shown(&policy)))?;
        ism::term(&policy, content, index, wanted)
    });
    let taken = entry.get("policy").map(|content| ism::term(&policy, content, index, wanted));
    std::iter::once(current).chain(taken).collect()
}

struct Paths {
    stream: String,
    alias: String,
}

fn paths(name: &str) -> Result<Paths, String> {
    let name = index(name)?;
    Ok(Paths { stream: format!("/_data_stream/{name}"), alias: format!("/{name}/_alias") })
}

fn policy_path(policy: &str) -> Result<String, String> {
    Ok(format!("/_plugins/_ism/policies/{}", segment(policy)?))
}

/// The indices behind a name.
fn indices(name: &str, answers: &Answers) -> Result<Vec<String>, String> {
    let Paths { stream, alias } = paths(name)?;
    let mut indices: Vec<String> = if is_no_stream(answers, &stream) {
        json(answers, &alias)?.keys().cloned().collect()
    } else {
        let answer = json(answers, &stream)?;
        let backing = only_stream(name, &answer)?.get("indices").and_then(Value::as_array);
        let names =
            backing.map(|all| all.iter().map(|index| index.get("index_name")?.as_str().map(String::from)).collect());
        names.flatten().ok_or_else(|| format!("The data stream “{}” does not name its indices", shown(name)))?
    };
    indices.sort();
    indices.dedup();
    for name in &indices {
        index(name)?;
    }
    Ok(indices)
}

/// The path that tells of each index; none for those beyond what is asked for.
fn explains(indices: &[String]) -> BTreeMap<&str, Option<String>> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for index in indices {
        let name = segment(index).unwrap_or_default();
        match groups.last_mut().filter(|(names, _)| names.len() + name.len() < NAMES) {
            Some((names, members)) => {
                names.push(',');
                names.push_str(&name);
                members.push(index);
            }
            None => groups.push((name, vec![index])),
        }
    }
    let path = |(n, (names, members)): (usize, (String, Vec<_>))| {
        let path = (n < EXPLAINS).then(|| format!("/_plugins/_ism/explain/{names}?show_policy=true"));
        members.into_iter().map(move |index| (index, path.clone())).collect::<Vec<_>>()
    };
    groups.into_iter().enumerate().flat_map(path).collect()
}

/// What ISM tells of an index.
fn entry(indices: &[String], index: &str, answers: &Answers) -> Result<Map<String, Value>, String> {
    let path = explains(indices).remove(index).flatten();
    let path = path.ok_or_else(|| format!("There are more indices than are asked for: {}", indices.len()))?;
    if text(answers, &path).is_some_and(|text| text.contains("no handler found for uri")) {
        let why =
            "OpenSearch runs here without its Index State Management plugin, so it cannot say when indices are deleted";
        return Err(why.to_string());
    }
    match json(answers, &path)?.remove(index) {
        Some(Value::Object(entry)) => Ok(entry),
        _ => Err(format!("ISM does not tell of index “{}”: the credentials may not read it", shown(index))),
    }
}

/// The policy of an index, if it has one.
fn policy_of(index: &str, entry: &Map<String, Value>) -> Result<Option<String>, String> {
    let named = |key: &&str| entry.get(*key).filter(|value| !value.is_null());
    let keys = [SETTINGS[0], SETTINGS[1], "policy_id"];
    let names: BTreeSet<Option<&str>> = keys.iter().filter_map(named).map(Value::as_str).collect();
    let says_none = SETTINGS.iter().any(|key| entry.contains_key(*key)) && entry.values().all(Value::is_null);
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(policy)] => Ok(Some((*policy).to_string())),
        [] if says_none => Ok(None),
        _ => Err(format!("ISM does not say which policy index “{}” has", shown(index))),
    }
}
