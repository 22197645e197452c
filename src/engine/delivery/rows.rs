//! Answers of one JSON object to a line, and rows in which a store has reckoned a run together.

use serde_json::{Map, Value};

use super::{
    Question, Run, Runs,
    line::{self, Fields},
    number::{moment, whole},
};
use crate::engine::retention::{
    Answers,
    answer::{body, shown, status, text},
};

/// Lines that are read, at most. More than are asked for is no answer.
const LINES: usize = 20_000;

/// The objects of an answer. One that is empty is an answer here: nothing was found.
pub fn objects(answers: &Answers, path: &str) -> Result<Vec<Map<String, Value>>, String> {
    let is_nothing =
        status(answers, path) == Some(200) && text(answers, path).is_some_and(|text| text.trim().is_empty());
    let text = if is_nothing { "" } else { body(answers, path)? };
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(LINES + 1).collect();
    let name = || short(path);
    if lines.len() > LINES {
        return Err(format!("The answer of {} has more lines than were asked for", name()));
    }
    let object = |line: &&str| match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) if text.trim_start().starts_with('<') => {
            Err(format!("{} answered with a web page: a login or a proxy stands before the store", name()))
        }
        Ok(_) => Err(format!("The answer of {} has a line that is JSON, but no object", name())),
        Err(error) => {
            Err(format!("The answer of {} has a line that is no JSON: {}", name(), shown(&error.to_string())))
        }
    };
    lines.iter().map(object).collect()
}

/// A path without what is asked there.
pub fn short(path: &str) -> String {
    shown(path.split('?').next().unwrap_or_default())
}

/// What a row tells, by the names that all stores are asked to use: `first`, `last`, `number`, `newest` and `ends`. None where it
/// cannot be: whoever can write a line can write nonsense.
pub fn run(row: &Map<String, Value>, fields: &Fields, question: &Question) -> Option<Run> {
    if row.get(fields.zone).and_then(Value::as_str) != Some(question.zone) {
        return None;
    }
    let name = |key: &str| line::name(row.get(key));
    let number = |key: &str| whole(row.get(key)?);
    let run = Run {
        namespace: name(fields.namespace)?,
        pod: name(fields.pod)?,
        node: name(fields.node)?,
        run: name(fields.run)?,
        first: number("first")?,
        last: number("last")?,
        count: number("number")?,
        newest: moment(row.get("newest")?)?,
        ended: number("ends")? > 0,
    };
    line::possible(run, question)
}

/// All rows. One that cannot be is left out, and it is said that something is.
pub fn runs<'r>(
    rows: impl ExactSizeIterator<Item = &'r Map<String, Value>>,
    fields: &Fields,
    question: &Question,
) -> Runs {
    let number = rows.len();
    let runs: Vec<Run> = rows.filter_map(|row| run(row, fields, question)).collect();
    let is_cut = runs.len() < number;
    Runs { runs, is_cut }
}
