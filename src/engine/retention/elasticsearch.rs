//! Elasticsearch: who manages each backing index of a data stream, and how long that keeps it. The stream's next index counts as
//! one of them, since new records go there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Answers, Wanted,
    answer::{is_known, json, shown, status, text},
    ilm,
    length::{Length, elastic},
    names::{dated, index, segment},
    term::{Term, Terms, least},
};

/// Policies that are asked for, at most.
const POLICIES: usize = 32;

/// Who deletes an index.
#[derive(Debug)]
enum Manager {
    /// Index lifecycle management, by the name of the policy.
    Policy(String),
    /// The data stream's own lifecycle.
    Lifecycle,
    Nobody,
}

/// An index, and who manages it, or why that is not known.
type Managed = (String, Result<Manager, String>);

/// The paths that are to be asked for.
pub fn requests(name: &str, answers: &Answers) -> Vec<String> {
    let Ok(paths) = paths(name) else { return Vec::new() };
    let policies: BTreeSet<String> = indices(name, &paths, answers)
        .into_iter()
        .flatten()
        .filter_map(|(_, manager)| match manager.ok()? {
            Manager::Policy(policy) => policy_path(&policy).ok(),
            Manager::Lifecycle | Manager::Nobody => None,
        })
        .collect();
    let Paths { stream, lifecycle, explain } = paths;
    [stream, lifecycle, explain].into_iter().chain(policies.into_iter().take(POLICIES)).collect()
}

/// How long each index is kept. Indices under one policy are as one, but for the time that their names say.
pub fn terms(name: &str, answers: &Answers, wanted: Wanted) -> Terms {
    let paths = paths(name)?;
    let mut terms = BTreeMap::new();
    for (index, manager) in indices(name, &paths, answers)? {
        let key = match &manager {
            Ok(Manager::Policy(policy)) => (Some(policy.clone()), dated(&index), String::new()),
            Ok(Manager::Lifecycle) => (None, None, "lifecycle".to_string()),
            Ok(Manager::Nobody) => (None, None, "nobody".to_string()),
            Err(why) => (None, None, format!("unknown: {why}")),
        };
        let term = || manager.and_then(|manager| term(name, &paths, answers, wanted, &index, manager));
        terms.entry(key).or_insert_with(term);
    }
    Ok(terms.into_values().collect())
}

fn term(
    name: &str,
    paths: &Paths,
    answers: &Answers,
    wanted: Wanted,
    index: &str,
    manager: Manager,
) -> Result<Term, String> {
    match manager {
        Manager::Policy(policy) => {
            let answer = json(answers, &policy_path(&policy)?)?;
            ilm::term(&policy, &answer, index, wanted)
        }
        Manager::Lifecycle => lifecycle(name, &json(answers, &paths.lifecycle)?),
        Manager::Nobody => {
            let note = format!("Indices of “{}” are managed by nothing: kept until someone deletes them.", shown(name));
            Ok(Term::for_ever(note))
        }
    }
}

struct Paths {
    stream: String,
    lifecycle: String,
    explain: String,
}

fn paths(name: &str) -> Result<Paths, String> {
    let name = index(name)?;
    Ok(Paths {
        stream: format!("/_data_stream/{name}"),
        lifecycle: format!("/_data_stream/{name}/_lifecycle"),
        explain: format!("/{name}/_ilm/explain"),
    })
}

fn policy_path(policy: &str) -> Result<String, String> {
    // Several names and patterns are allowed there.
    if policy.contains([',', '*']) {
        return Err(format!("The policy “{}” cannot be asked for by its name alone", shown(policy)));
    }
    Ok(format!("/_ilm/policy/{}", segment(policy)?))
}

/// Whether a name is not that of a data stream, as Elasticsearch and `OpenSearch` say it.
pub fn is_no_stream(answers: &Answers, path: &str) -> bool {
    let read = |place: &str| {
        let read: Value = serde_json::from_str(text(answers, path)?).ok()?;
        read.pointer(place).cloned()
    };
    match status(answers, path) {
        Some(404) => read("/error/type").is_some_and(|kind| kind == "index_not_found_exception"),
        Some(400) => read("/error/type").is_some_and(|kind| kind == "illegal_argument_exception"),
        Some(200) => read("/data_streams").is_some_and(|streams| streams == Value::Array(Vec::new())),
        _ => false,
    }
}

/// The one data stream of an answer, which has to be the one that was asked for.
pub fn only_stream<'a>(name: &str, answer: &'a Map<String, Value>) -> Result<&'a Map<String, Value>, String> {
    let streams = answer.get("data_streams").and_then(Value::as_array);
    match streams.map(Vec::as_slice) {
        Some([Value::Object(stream)]) if stream.get("name").is_some_and(|it| it == name) => Ok(stream),
        _ => Err(format!("The answer is not about the data stream “{}” alone", shown(name))),
    }
}

fn indices(name: &str, paths: &Paths, answers: &Answers) -> Result<Vec<Managed>, String> {
    if is_no_stream(answers, &paths.stream) {
        let explained = json(answers, &paths.explain)?;
        let indices = explained.get("indices").and_then(Value::as_object);
        let indices = indices.ok_or_else(|| format!("{} names no indices", paths.explain))?;
        return Ok(indices.iter().map(|(index, entry)| (index.clone(), explained_manager(index, entry))).collect());
    }
    let answer = json(answers, &paths.stream)?;
    let stream = only_stream(name, &answer)?;
    let backing = stream.get("indices").and_then(Value::as_array).filter(|indices| !indices.is_empty());
    let backing = backing.ok_or_else(|| format!("The data stream “{}” names no indices", shown(name)))?;
    // Before 8.11 there was one manager, and the stream did not say which.
    let is_old = !["next_generation_managed_by", "lifecycle"].iter().any(|key| stream.contains_key(*key));
    let explained = if is_old { Some(json(answers, &paths.explain)?) } else { None };
    let mut managed: Vec<Managed> = backing
        .iter()
        .map(|entry| {
            let index = entry.get("index_name").and_then(Value::as_str).unwrap_or_default();
            let manager = match (entry.as_object(), &explained) {
                (Some(entry), Some(explained)) if is_known(entry, &["index_name", "index_uuid"]) => {
                    let entry = explained.get("indices").and_then(|indices| indices.get(index));
                    explained_manager(index, entry.unwrap_or(&Value::Null))
                }
                (Some(entry), _) => manager(index, entry.get("managed_by"), entry.get("ilm_policy")),
                (None, _) => Err("The data stream names an index in a form that is not known".to_string()),
            };
            (index.to_string(), manager)
        })
        .collect();
    let next = match stream.get("next_generation_managed_by") {
        None if is_old => match stream.get("ilm_policy") {
            Some(Value::String(policy)) => Ok(Manager::Policy(policy.clone())),
            Some(_) => Err("ilm_policy of the data stream is no name".to_string()),
            None => Ok(Manager::Nobody),
        },
        by => manager("the next one", by, stream.get("ilm_policy")),
    };
    managed.push((name.to_string(), next));
    Ok(managed)
}

/// Who manages an index, as the data stream says.
fn manager(index: &str, by: Option<&Value>, policy: Option<&Value>) -> Result<Manager, String> {
    let index = shown(index);
    match (by.and_then(Value::as_str), policy.and_then(Value::as_str)) {
        (Some("Index Lifecycle Management"), Some(policy)) => Ok(Manager::Policy(policy.to_string())),
        (Some("Index Lifecycle Management"), None) => {
            Err(format!("Index “{index}” is managed by a policy that is not named"))
        }
        (Some("Data stream lifecycle"), _) => Ok(Manager::Lifecycle),
        (Some("Unmanaged"), _) => Ok(Manager::Nobody),
        (Some(other), _) => Err(format!("Index “{index}” is managed by “{}”, which is not known", shown(other))),
        (None, _) => Err(format!("It is not said who manages index “{index}”")),
    }
}

/// Who manages an index, as `_ilm/explain` says.
fn explained_manager(index: &str, entry: &Value) -> Result<Manager, String> {
    let unclear = || format!("_ilm/explain does not say who manages index “{}”", shown(index));
    let entry =
        entry.as_object().filter(|entry| entry.get("index").is_none_or(|it| it == index)).ok_or_else(unclear)?;
    match (entry.get("managed"), entry.get("policy").and_then(Value::as_str)) {
        (Some(Value::Bool(true)), Some(policy)) => Ok(Manager::Policy(policy.to_string())),
        (Some(Value::Bool(false)), None) if is_known(entry, &["index", "managed", "skip"]) => Ok(Manager::Nobody),
        _ => Err(unclear()),
    }
}

/// How long a data stream's own lifecycle keeps records, counted from when their index was written last. The cluster may cap what the
/// stream asks for, and has a default for streams that ask for nothing.
fn lifecycle(name: &str, answer: &Map<String, Value>) -> Result<Term, String> {
    const KNOWN: &[&str] =
        &["enabled", "data_retention", "effective_retention", "rollover", "downsampling", "downsampling_method"];
    let stream = only_stream(name, answer)?;
    let unknown = || format!("The lifecycle of the data stream “{}” has a form that is not known", shown(name));
    let own = stream.get("lifecycle").and_then(Value::as_object).ok_or_else(unknown)?;
    let global = match answer.get("global_retention") {
        None => &Map::new(),
        Some(Value::Object(global)) => global,
        Some(_) => return Err(unknown()),
    };
    let read = |object: &Map<String, Value>, key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(elastic) {
            Some(length) => Ok(Some(length)),
            None => Err(format!(
                "{key} of the data stream “{}” is no length of time: {}",
                shown(name),
                shown(&value.to_string())
            )),
        },
    };
    let (asked, effective) = (read(own, "data_retention")?, read(own, "effective_retention")?);
    let most = read(global, "max_retention")?;
    let default = if asked.or(effective).is_some() { None } else { read(global, "default_retention")? };
    let named = [
        ("data_retention", asked),
        ("effective_retention", effective),
        ("the cluster's data_streams.lifecycle.retention.max", most),
        ("the cluster's data_streams.lifecycle.retention.default", default),
    ];
    let kept = least(named.iter().map(|(_, length)| *length));
    let Some(kept) = kept else {
        // That nothing is said counts only where all that is said is understood.
        let is_whole = is_known(own, KNOWN)
            && is_known(answer, &["data_streams", "global_retention"])
            && is_known(global, &["max_retention", "default_retention"]);
        let note = format!("The data stream “{}” has no retention: nothing deletes it.", shown(name));
        return if is_whole { Ok(Term::for_ever(note)) } else { Err(unknown()) };
    };
    let by = named.iter().find(|(_, length)| *length == Some(kept)).map_or("", |(by, _)| by);
    let by = format!("Data stream “{}”: {by} lets it be deleted after {}", shown(name), Length::words(kept));
    Ok(Term::kept(kept, by))
}
