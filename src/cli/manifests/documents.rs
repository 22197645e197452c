//! The documents of a source: where one ends and the next begins, and how each is parsed.
//!
//! Each document is parsed by itself, so that what is wrong with one hides nothing of the others, and no more is held
//! than one.

use serde::de::{DeserializeSeed, IgnoredAny};
use serde_saphyr::{DuplicateKeyPolicy, MessageFormatter, Options, UserMessageFormatter, budget::BudgetBreach};

use super::{
    fault::without_value,
    object::{Objects, Read},
};

/// The deepest that values may lie within each other.
const DEPTH: usize = 64;

/// What is wrong with a text as YAML or JSON.
#[derive(Debug)]
pub(super) struct Unparsable {
    /// The line of the document, from 1.
    pub(super) line: Option<u64>,
    pub(super) message: String,
}

/// How a YAML document is parsed. Bounds what anchors and aliases can make of a small text.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            flow_nesting_limit: DEPTH,
            max_events: 16_000_000,
            max_nodes: 10_000_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 4 * 1024 * 1024,
            max_merge_keys: 1_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
        // Told by who keeps the value; of what is not kept nobody needs to know.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // As kubectl reads it.
        legacy_octal_numbers: true,
        emit_comments: false,
        // It would show what stands around, which may be a Secret.
        with_snippet: false,
    }
}

/// Reads a YAML document; every object in it is given to `each`.
pub(super) fn yaml(text: &str, each: &mut dyn FnMut(Read)) -> Result<(), Unparsable> {
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |deserializer| {
        Objects::new(each).deserialize(deserializer)
    });
    read.map_err(|error| {
        let line = error.location().map(|location| location.line());
        let mut message = message(&error);
        if is_template(text, line) {
            message.push_str("; {{ }} is of a template, which has to be rendered before it is read");
        }
        Unparsable { line, message }
    })
}

/// The line is one of a chart that nobody has rendered yet.
fn is_template(text: &str, line: Option<u64>) -> bool {
    let index = line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
    index.and_then(|index| text.lines().nth(index)).is_some_and(|line| line.contains("{{"))
}

fn message(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            format!("values lie more than {DEPTH} deep in each other")
        }
        serde_saphyr::Error::Budget { .. } | serde_saphyr::Error::AliasReplayLimitExceeded { .. } => {
            "the document is too large, or its anchors and aliases make it so".to_string()
        }
        error => without_value(&UserMessageFormatter.format_message(error)),
    }
}

/// Reads JSON, one document or several; every object is given to `each`.
pub(super) fn json(text: &str, each: &mut dyn FnMut(Read)) -> Result<(), Unparsable> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    while deserializer.end().is_err() {
        Objects::new(&mut *each).deserialize(&mut deserializer).map_err(|error| Unparsable {
            line: u64::try_from(error.line()).ok().filter(|line| *line > 0),
            message: without_value(&without_place(&error.to_string())),
        })?;
    }
    Ok(())
}

/// The text is JSON, as YAML may be too.
pub(super) fn is_json(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins && serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>().all(|document| document.is_ok())
}

/// The message without the place behind it: that is said in front, and of the file.
fn without_place(message: &str) -> String {
    let place = message
        .rfind(" at line ")
        .filter(|place| message.get(*place..).is_some_and(|rest| rest.ends_with(|last: char| last.is_ascii_digit())));
    place.and_then(|place| message.get(..place)).unwrap_or(message).to_string()
}

/// A document of a YAML stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// The line of the stream before its first, so that line 1 of the document is this and 1.
    pub(super) lines_before: u64,
    pub(super) text: &'a str,
}

/// Splits a YAML stream where documents begin and end. No content of any kind may have such a line: what begins with
/// `---` or `...` in the first column ends even a text in quotes (YAML 1.2.2, 9.1.2).
pub(super) fn split(stream: &str) -> impl Iterator<Item = Document<'_>> {
    let mut rest = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let mut lines_before = 0;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (length, lines) = document(rest);
            let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            let document = Document { lines_before, text };
            lines_before += lines;
            rest = after;
            if !is_blank(text) {
                return Some(document);
            }
        }
    })
}

/// Length of the first document in bytes and lines.
fn document(stream: &str) -> (usize, u64) {
    let (mut length, mut lines) = (0, 0);
    // Directives belong to the document that begins behind them.
    let mut begun = false;
    for line in stream.split_inclusive('\n') {
        if is_marker(line, "---") {
            if begun {
                return (length, lines);
            }
            begun = true;
        } else if is_marker(line, "...") {
            return (length + line.len(), lines + 1);
        } else if !begun {
            begun = !line.starts_with(['%', '#']) && !line.trim().is_empty();
        }
        length += line.len();
        lines += 1;
    }
    (length, lines)
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Nothing stands there but comments and where documents begin and end.
pub(super) fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    })
}
