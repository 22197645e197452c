//! `OpenSearch`: which ISM policy each index has, and how long that keeps it. ISM answers about a data stream or an alias as if it were
//! an index without a policy, so it is asked about each index by its own name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Answers, Wanted,
    answer::{json, shown, text},
    elasticsearch::{is_no_stream, only_stream},
    ism,
    names::{dated, index, segment},
    term::{Term, Terms},
};

/// Names of indices in one path, in bytes.
const NAMES: usize = 2000;
/// Paths about indices, at most, and about policies.
const EXPLAINS: usize = 24;
const POLICIES: usize = 12;

/// The settings of an index that name its policy.
const SETTINGS: [&str; 2] =
    ["index.plugins.index_state_management.policy_id", "index.opendistro.index_state_management.policy_id"];

/// The paths that are to be asked for.
pub fn requests(name: &str, answers: &Answers) -> Vec<String> {
    let Ok(Paths { stream, alias }) = paths(name) else { return Vec::new() };
    let Ok(indices) = indices(name, answers) else { return vec![stream, alias] };
    let explains = explains(&indices);
    let policies: BTreeSet<String> = explains
        .iter()
        .flat_map(|explain| entries(explain, answers))
        .filter_map(|(index, entry)| policy_path(&policy_of(index, &entry.ok()?).ok()??).ok())
        .collect();
    let explains = explains.into_iter().filter_map(|explain| explain.path);
    [stream, alias].into_iter().chain(explains).chain(policies.into_iter().take(POLICIES)).collect()
}

/// How long each index is kept.
pub fn terms(name: &str, answers: &Answers, wanted: Wanted) -> Terms {
    let indices = indices(name, answers)?;
    // What a policy says now is the same for all indices, but for the time that their names say.
    let mut current = BTreeMap::new();
    let mut terms = Vec::new();
    for (index, entry) in explains(&indices).iter().flat_map(|explain| entries(explain, answers)) {
        match entry.and_then(|entry| Ok((policy_of(index, &entry)?, entry))) {
            Err(why) => terms.push(Err(why)),
            Ok((None, _)) => {
                let note = format!("Indices of “{}” have no ISM policy: kept until someone deletes them.", shown(name));
                terms.push(Ok(Term::for_ever(note)));
            }
            // An index runs the policy as it was when it took it, new ones take it as it is now: both count.
            Ok((Some(policy), entry)) => {
                terms.extend(entry.get("policy").map(|content| ism::term(&policy, content, index, wanted)));
                let key = (policy, dated(index));
                current.entry(key).or_insert_with_key(|(policy, _)| as_it_is(policy, index, answers, wanted));
            }
        }
    }
    terms.extend(current.into_values());
    Ok(terms)
}

/// What a policy says now.
fn as_it_is(policy: &str, index: &str, answers: &Answers, wanted: Wanted) -> Result<Term, String> {
    let answer = json(answers, &policy_path(policy)?)?;
    let is_it = answer.get("_id").is_none_or(|id| *id == *policy);
    let content = answer.get("policy").filter(|_| is_it);
    let content = content.ok_or_else(|| format!("The answer is not about the ISM policy “{}”", shown(policy)))?;
    ism::term(policy, content, index, wanted)
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

/// Indices that are asked about in one go, and the path for it; none for those beyond what is asked for.
struct Explain<'n> {
    indices: Vec<&'n str>,
    path: Option<String>,
}

fn explains(indices: &[String]) -> Vec<Explain<'_>> {
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
    let path =
        |n: usize, names: String| (n < EXPLAINS).then(|| format!("/_plugins/_ism/explain/{names}?show_policy=true"));
    groups.into_iter().enumerate().map(|(n, (names, indices))| Explain { indices, path: path(n, names) }).collect()
}

/// What ISM tells of an index, or why it does not.
type Told = Result<Map<String, Value>, String>;

/// What ISM tells of each of these indices.
fn entries<'n>(explain: &Explain<'n>, answers: &Answers) -> Vec<(&'n str, Told)> {
    let answer = match &explain.path {
        None => Err(format!("There are more indices than are asked for, {} among them", explain.indices.len())),
        Some(path) if text(answers, path).is_some_and(|text| text.contains("no handler found for uri")) => {
            let why = "OpenSearch runs here without its Index State Management plugin, so it cannot say when indices are deleted";
            Err(why.to_string())
        }
        Some(path) => json(answers, path),
    };
    let mut answer = match answer {
        Ok(answer) => answer,
        // All of them for the same reason, of which one is told.
        Err(why) => return explain.indices.first().map(|index| (*index, Err(why))).into_iter().collect(),
    };
    let mut entry = |index: &str| match answer.remove(index) {
        Some(Value::Object(entry)) => Ok(entry),
        _ => Err(format!("ISM does not tell of index “{}”: the credentials may not read it", shown(index))),
    };
    explain.indices.iter().map(|index| (*index, entry(index))).collect()
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
