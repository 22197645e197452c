//! Splunk: a bucket is frozen by its age or because the index, its cold path or a volume is full, whichever comes first. That a size
//! will do is an estimate; that it did is in the index: the time between its oldest and its newest event.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Answers, Wanted,
    answer::{json, shown, whole},
    length::Length,
    names::segment,
    term::{Term, Terms},
};

/// Of a cap, in percent, from which on it is taken to decide.
const FULL: u64 = 95;

/// The paths that are to be asked for.
pub fn requests(index: &str) -> Vec<String> {
    path(index).into_iter().collect()
}

fn path(index: &str) -> Result<String, String> {
    Ok(format!("/services/data/indexes/{}?output_mode=json", segment(index)?))
}

/// How long the index is kept by its age, and by its size.
pub fn terms(index: &str, answers: &Answers, wanted: Wanted) -> Terms {
    let answer = json(answers, &path(index)?)?;
    let entries = answer.get("entry").and_then(Value::as_array);
    let entry = match entries.map(Vec::as_slice) {
        Some([entry]) if entry.get("name").is_some_and(|name| name == index) => entry,
        _ => return Err(format!("The answer is not about the index “{}” alone", shown(index))),
    };
    let content = entry.get("content").and_then(Value::as_object);
    let content = content.ok_or_else(|| format!("The answer has no settings of index “{}”", shown(index)))?;
    match content.get("disabled") {
        Some(Value::Bool(false)) => {}
        Some(off) if whole(off) == Some(0) => {}
        Some(Value::Bool(true)) => {
            return Err(format!("Index “{}” is disabled: it takes and shows no records", shown(index)));
        }
        _ => return Err(format!("It is not said whether index “{}” is disabled", shown(index))),
    }
    let index = Index { name: shown(index), content };
    let archive = index.archive();
    Ok(vec![index.by_age(archive, wanted), index.by_size(archive, wanted)])
}

struct Index<'a> {
    name: String,
    content: &'a Map<String, Value>,
}

/// What becomes of a frozen bucket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Archive<'a> {
    /// It is deleted.
    None,
    /// It is moved to a directory, of which Splunk deletes nothing.
    Directory(&'a str),
    /// A script is called, which may do anything.
    Script(&'a str),
}

impl<'a> Index<'a> {
    fn text(&self, key: &str) -> &'a str {
        self.content.get(key).and_then(Value::as_str).unwrap_or_default().trim()
    }

    fn number(&self, key: &str) -> Result<u64, String> {
        let number = self.content.get(key).and_then(whole);
        number.ok_or_else(|| format!("{key} of index “{}” is not there, or no whole number", self.name))
    }

    /// A directory takes precedence.
    fn archive(&self) -> Archive<'a> {
        match (self.text("coldToFrozenDir"), self.text("coldToFrozenScript")) {
            ("", "") => Archive::None,
            ("", script) => Archive::Script(script),
            (directory, _) => Archive::Directory(directory),
        }
    }

    fn by_age(&self, archive: Archive, wanted: Wanted) -> Result<Term, String> {
        let age = Length::seconds(self.number("frozenTimePeriodInSecs")?);
        let by = format!("Index “{}” freezes buckets after {} (frozenTimePeriodInSecs)", self.name, age.words());
        match archive {
            Archive::None => Ok(Term::kept(age, format!("{by}, which deletes them"))),
            Archive::Directory(directory) => Ok(archived(age, by, directory)),
            Archive::Script(_) if age >= Length::days(wanted.days.into()) => Ok(Term::kept(age, by)),
            Archive::Script(script) => {
                Err(format!("{by}, and what coldToFrozenScript “{}” does with them is not known", shown(script)))
            }
        }
    }

    fn by_size(&self, archive: Archive, wanted: Wanted) -> Result<Term, String> {
        let name = &self.name;
        let (cap, size) = (self.number("maxTotalDataSizeMB")?, self.number("currentDBSizeMB")?);
        let cold = self.number("coldPath.maxDataSizeMB")?;
        let holds = self.holds();
        let is_full = size.saturating_mul(100) >= cap.saturating_mul(FULL);
        let volumes = ["homePath", "coldPath"].iter().any(|key| self.text(key).starts_with("volume:"));
        let is_remote = !self.text("remotePath").is_empty();
        let days = if matches!(archive, Archive::Directory(_)) { wanted.searchable_days } else { wanted.days };
        let others = [
            (cold > 0, "coldPath.maxDataSizeMB"),
            (volumes, "maxVolumeDataSizeMB of its volumes"),
            (is_remote, "maxGlobalDataSizeMB"),
        ];
        let others: Vec<&str> = others.iter().filter(|(is, _)| *is).map(|(_, key)| *key).collect();
        let caps =
            if others.is_empty() { String::new() } else { format!(", and {} limits it too", others.join(" and ")) };
        let use_ = format!("Index “{name}” has {size} of {cap} MB (maxTotalDataSizeMB){caps}");
        match holds {
            Some(holds) if is_full && holds < Length::days(days.into()) => {
                let by = format!("{use_}: it is full, and its oldest event is {} older than its newest", holds.words());
                match archive {
                    Archive::None => Ok(Term::kept(holds, by)),
                    Archive::Directory(directory) => Ok(archived(holds, by, directory)),
                    Archive::Script(_) => Err(by),
                }
            }
            Some(_) if is_full => {
                Err(format!("{use_}: its size decides by now how long records are kept, so raise it"))
            }
            Some(holds) if holds >= Length::days(days.into()) => {
                let note = format!("{use_}; its events lie {} apart, so size has not deleted sooner.", holds.words());
                Ok(Term::for_ever(note))
            }
            Some(holds) => Err(format!(
                "{use_} and its events lie {} apart: that age deletes before size does is an estimate until they lie {days}d apart",
                holds.words()
            )),
            None => Err(format!("{use_}, and holds no events that show how long they last (minTime, maxTime)")),
        }
    }

    /// The time between the oldest and the newest event.
    fn holds(&self) -> Option<Length> {
        let time = |key| self.text(key).parse::<Timestamp>().ok();
        let seconds = time("maxTime")?.as_second().checked_sub(time("minTime")?.as_second())?;
        u64::try_from(seconds).ok().map(Length::seconds)
    }
}

fn archived(searchable: Length, by: String, directory: &str) -> Term {
    let note = format!("Frozen buckets go to “{}” and are searched only once they are thawed.", shown(directory));
    Term { searchable: Some(searchable), searchable_by: by, ..Term::for_ever(note) }
}
