//! Graylog: an index set keeps so many indices, each for a time, or each record for a time. Only what is bound to time can be told.

use serde_json::{Map, Value};

use super::{
    Answers, Wanted,
    answer::{json, shown, whole},
    length::{Length, iso},
    term::{Term, Terms, least},
};

const PATH: &str = "/api/system/indices/index_sets?skip=0&limit=0&stats=false";

/// The paths that are to be asked for. The list: an index set is known by its prefix or title rather than by its id.
pub fn requests(index_set: &str) -> Vec<String> {
    if index_set.is_empty() { Vec::new() } else { vec![PATH.to_string()] }
}

/// How long the index set is kept.
pub fn terms(index_set: &str, answers: &Answers, wanted: Wanted) -> Terms {
    let answer = json(answers, PATH)?;
    let sets = answer.get("index_sets").and_then(Value::as_array);
    let sets = sets.ok_or_else(|| format!("{PATH} names no index sets"))?;
    let by = |key: &str| {
        let is_it = |set: &&Value| set.get(key).is_some_and(|value| value == index_set);
        sets.iter().filter(is_it).filter_map(Value::as_object).collect::<Vec<_>>()
    };
    let found = ["id", "index_prefix", "title"].into_iter().map(by).find(|found| !found.is_empty());
    let found = found.filter(|_| !index_set.is_empty()).ok_or_else(|| {
        format!("No index set “{}” is among the {} that these credentials may read", shown(index_set), sets.len())
    })?;
    Ok(found.into_iter().flat_map(|set| of_set(set, wanted)).collect())
}

fn of_set(set: &Map<String, Value>, wanted: Wanted) -> Vec<Result<Term, String>> {
    let title = set.get("title").or_else(|| set.get("index_prefix")).and_then(Value::as_str);
    let name = format!("Index set “{}”", shown(title.unwrap_or("without a title")));
    let tiering = set.get("data_tiering").filter(|tiering| !tiering.is_null());
    match (set.get("use_legacy_rotation"), tiering) {
        (Some(Value::Bool(true)), _) | (None, None) => vec![legacy(&name, set, wanted)],
        (Some(Value::Bool(false)), Some(tiering)) => vec![tiered(&name, tiering, wanted)],
        (None, Some(tiering)) => vec![legacy(&name, set, wanted), tiered(&name, tiering, wanted)],
        (Some(_), _) => vec![Err(format!("{name} does not say how it rotates (use_legacy_rotation, data_tiering)"))],
    }
}

/// Data tiering: of a warm tier too, records can be searched as they are.
fn tiered(name: &str, tiering: &Value, wanted: Wanted) -> Result<Term, String> {
    let kind = tiering.get("type").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "hot_only" | "hot_warm") {
        return Err(format!("{name} has a data_tiering that is not known: {}", shown(kind)));
    }
    let kept = lifetime(name, tiering, "data_tiering")?;
    let by = format!("{name} may delete after {} (data_tiering.index_lifetime_min)", kept.words());
    match tiering.get("archive_before_deletion") {
        Some(Value::Bool(true)) => archived(kept, by, wanted),
        None | Some(Value::Null | Value::Bool(false)) => Ok(Term::kept(kept, by)),
        Some(_) => Err(format!("{name} does not say whether it archives (archive_before_deletion)")),
    }
}

fn legacy(name: &str, set: &Map<String, Value>, wanted: Wanted) -> Result<Term, String> {
    let class =
        |key: &str| set.get(key).and_then(Value::as_str).and_then(|class| class.rsplit('.').next()).unwrap_or_default();
    let retention = class("retention_strategy_class");
    if retention == "NoopRetentionStrategy" {
        return Ok(Term::for_ever(format!("{name} deletes nothing, and may fill its disk.")));
    }
    let part = |key: &str| set.get(key).unwrap_or(&Value::Null);
    let rotation = part("rotation_strategy");
    let (kept, by) = match class("rotation_strategy_class") {
        "TimeBasedRotationStrategy" => {
            let period = length(name, rotation, "rotation_period")?;
            let most = match rotation.get("max_rotation_period") {
                None | Some(Value::Null) => None,
                Some(_) => Some(length(name, rotation, "max_rotation_period")?),
            };
            let period = least([Some(period), most]).unwrap_or_default();
            let number = part("retention_strategy").get("max_number_of_indices").and_then(whole);
            let number = number
                .ok_or_else(|| format!("{name} does not say how many indices it keeps (max_number_of_indices)"))?;
            // When the next index is begun the oldest goes, with what was written into it last.
            let kept = period.times(number.saturating_sub(1));
            let by = format!(
                "{name} keeps max_number_of_indices {number} with a rotation_period of {}: full ones last {}",
                period.words(),
                kept.words()
            );
            (kept, by)
        }
        "TimeBasedSizeOptimizingStrategy" => {
            let kept = lifetime(name, rotation, "rotation_strategy")?;
            (kept, format!("{name} may delete after {} (rotation_strategy.index_lifetime_min)", kept.words()))
        }
        "MessageCountRotationStrategy" | "SizeBasedRotationStrategy" => {
            let why = "rotates by size or number of messages, so how long records last depends on how many there are: rotate by time";
            return Err(format!("{name} {why}"));
        }
        other => return Err(format!("{name} has a rotation that is not known: {}", shown(other))),
    };
    match retention {
        "DeletionRetentionStrategy" => Ok(Term::kept(kept, by)),
        "ClosingRetentionStrategy" => {
            let note = format!(
                "{name} closes indices instead of deleting them: they are searched once they are opened again."
            );
            Ok(Term { searchable: Some(kept), searchable_by: by, ..Term::for_ever(note) })
        }
        "ArchiveRetentionStrategy" => archived(kept, by, wanted),
        other => Err(format!("{name} has a retention that is not known: {}", shown(other))),
    }
}

/// How long archives last is set elsewhere and cannot be read here, so they count for nothing.
fn archived(kept: Length, by: String, wanted: Wanted) -> Result<Term, String> {
    let note = "It archives indices before it deletes them.".to_string();
    if kept >= Length::days(wanted.days.into()) {
        return Ok(Term::kept(kept, by).noted(&note));
    }
    if kept < Length::days(wanted.searchable_days.into()) {
        return Ok(Term { searchable: Some(kept), searchable_by: by, ..Term::for_ever(note) });
    }
    Err(format!("{by}, after which there is an archive: how long that lasts is not said here"))
}

fn lifetime(name: &str, of: &Value, part: &str) -> Result<Length, String> {
    length(name, of, "index_lifetime_min").map_err(|why| format!("{why} ({part})"))
}

fn length(name: &str, of: &Value, key: &str) -> Result<Length, String> {
    let length = of.get(key).and_then(Value::as_str).and_then(iso);
    length.ok_or_else(|| format!("{key} of {name} is not there, or no length of time"))
}
