//! What an answer is worth before anything in it is read: whether it is there, of a size that is read, and of the wanted form.

use serde_json::{Map, Value};

use super::{Answer, Answers, BODY};
use crate::engine::shown::bounded;

/// Longest text of a server's that is told.
const SHOWN: usize = 120;
/// Longest reason for which there is no answer: it ends with what to do.
const REASON: usize = 256;
/// Longest question of a path that is told, such as that for one setting.
const QUESTION: usize = 40;

/// A text that is safe to show: bounded, in one line, and without characters that turn or hide what stands around them.
pub fn harmless(text: &str, limit: usize) -> String {
    let hides = |c: char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
            || matches!(c, '\u{e0000}'..='\u{e007f}' | '\u{fff9}'..='\u{fffb}')
    };
    // What comes after so many characters is not shown, so it need not be looked at.
    let start: String = text.chars().take(limit.saturating_add(1)).map(|c| if hides(c) { ' ' } else { c }).collect();
    bounded(&start, limit)
}

/// A name or a value from outside as it is told.
pub fn shown(text: &str) -> String {
    harmless(text.trim(), SHOWN)
}

/// A path as it is told. A long question is left out: it says nothing to people, has no room beside what came of it, and has the moment in
/// it at which it was asked, so that the same trouble would be news each time.
pub fn place(path: &str) -> String {
    let asked = path.split_once('?').filter(|(_, question)| question.len() > QUESTION);
    shown(asked.map_or(path, |(place, _)| place))
}

/// The body of an answer with status 200.
pub fn body<'a>(answers: &'a Answers, path: &str) -> Result<&'a str, String> {
    let (status, text) = match answers.get(path) {
        None => return Err(format!("{} was not asked for", place(path))),
        Some(Answer::Silent(why)) => return Err(format!("{} gave no answer: {}", place(path), harmless(why, REASON))),
        Some(Answer::Body { status, text }) => (*status, text),
    };
    let path = place(path);
    if text.len() > BODY {
        return Err(format!("The answer of {path} is longer than {BODY} bytes and was not read"));
    }
    let words = words(text);
    match status {
        200 if text.trim().is_empty() => Err(format!("The answer of {path} is empty")),
        200 => Ok(text),
        301..=308 => {
            Err(format!("{path} leads elsewhere ({status}): give the address of the store itself, not of a login"))
        }
        401 => Err(format!("{path} refuses the credentials (401): {words}")),
        403 => Err(format!(
            "{path} may not be read with these credentials (403), see docs/retention.md for the right: {words}"
        )),
        404 => Err(format!("{path} is not there (404): {words}")),
        _ => Err(format!("{path} answered with status {status}: {words}")),
    }
}

/// The status of an answer.
pub fn status(answers: &Answers, path: &str) -> Option<u16> {
    match answers.get(path)? {
        Answer::Body { status, text } if text.len() <= BODY => Some(*status),
        Answer::Body { .. } | Answer::Silent(_) => None,
    }
}

/// The text of an answer, whatever its status.
pub fn text<'a>(answers: &'a Answers, path: &str) -> Option<&'a str> {
    match answers.get(path)? {
        Answer::Body { text, .. } if text.len() <= BODY => Some(text),
        Answer::Body { .. } | Answer::Silent(_) => None,
    }
}

/// The object of an answer in JSON.
pub fn json(answers: &Answers, path: &str) -> Result<Map<String, Value>, String> {
    let text = body(answers, path)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("The answer of {} is JSON, but no object", place(path))),
        Err(_) if text.trim_start().starts_with('<') => {
            Err(format!("{} answered with a web page: a login or a proxy stands before the store", place(path)))
        }
        Err(error) => Err(format!("The answer of {} is no JSON: {}", place(path), shown(&error.to_string()))),
    }
}

/// What a server says of an error: its own sentence where its form is known, otherwise how its answer begins.
pub fn words(text: &str) -> String {
    if text.len() > BODY {
        return "an answer too long to read".to_string();
    }
    let read: Value = serde_json::from_str(text).unwrap_or_default();
    let places = ["/error/reason", "/error/type", "/error", "/messages/0/text", "/message"];
    let own = places.iter().find_map(|place| read.pointer(place)?.as_str());
    let words = shown(own.unwrap_or(text));
    if words.is_empty() { "no words".to_string() } else { format!("“{words}”") }
}

/// A whole number that is not negative, or a text that is one.
pub fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Whether an object has no keys but these, so that what is not there is known not to be there.
pub fn is_known(object: &Map<String, Value>, keys: &[&str]) -> bool {
    object.keys().all(|key| keys.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_in_the_same_words_whenever_it_was_asked() {
        let asked = |second: u8| {
            let path = format!("/select/logsql/query?query=_time%3A%5B2026-11-26T23%3A45%3A{second}Z%2C%20now%29");
            let told = |answer: Answer| body(&[(path.clone(), answer)].into(), &path).map(str::to_string);
            let form = json(&[(path.clone(), Answer::Body { status: 200, text: "[".into() })].into(), &path);
            [
                told(Answer::Silent("no answer within 15 s".to_string())),
                told(Answer::Body { status: 401, text: String::new() }),
                told(Answer::Body { status: 200, text: "x".repeat(BODY + 1) }),
                form.map(|_| String::new()),
            ]
        };
        assert_eq!(asked(10), asked(40));
        assert_eq!(asked(10)[0], Err("/select/logsql/query gave no answer: no answer within 15 s".to_string()));
        assert_eq!(place("/bucket?object-lock"), "/bucket?object-lock", "which setting it was is told");
    }
}
