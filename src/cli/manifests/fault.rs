//! What is wrong with an input, and where.

use std::{
    error::Error,
    fmt::{self, Display, Formatter},
};

use serde_path_to_error::Segment;

use super::SHOWN;
use crate::evidence::columns::plain;

/// The longest that a message is: it may hold a value of any length.
const LONGEST: usize = 300;

/// One step from an object down to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The field of this name.
    Key(String),
    /// The entry of this number.
    Index(usize),
}

/// The way from an object to a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field(pub Vec<Step>);

impl Field {
    /// A field by its way as people write it, without lists.
    pub fn of(path: &str) -> Self {
        Field(path.split('.').map(|key| Step::Key(key.to_string())).collect())
    }

    /// A field of this one.
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_string()))
    }

    /// An entry of this list.
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Field(steps)
    }
}

impl From<&serde_path_to_error::Path> for Field {
    fn from(path: &serde_path_to_error::Path) -> Self {
        let step = |segment: &Segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        Field(path.iter().filter_map(step).collect())
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if number == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, or what else was read.
    pub source: String,
    /// The line, from 1.
    pub line: Option<u64>,
    /// Its number in the list that it stands in, from 0.
    pub item: Option<usize>,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Place { source, line, item } = self;
        write!(f, "{source}")?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        // With a line of its own an object needs no number.
        match item {
            Some(item) if line.is_none() => write!(f, " (items[{item}])"),
            Some(_) | None => Ok(()),
        }
    }
}

/// Something that keeps an input from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// The object, as `Kind namespace/name`; empty where it is not known.
    pub subject: String,
    /// The field; empty where it is not known.
    pub field: Field,
    /// What is wrong.
    pub message: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let message: String = self.message.chars().take(LONGEST).collect();
        let cut = if message.len() < self.message.len() { "…" } else { "" };
        let place = [self.place.to_string(), self.subject.clone(), self.field.to_string()];
        let place: String = place.iter().filter(|part| !part.is_empty()).map(|part| part.clone() + ": ").collect();
        // A name may hold what a terminal acts by.
        write!(f, "{}{}{cut}", plain(&place), plain(&message))
    }
}

/// A message of serde without the value that it complains of: that may be a password, and logs are read by many.
pub(super) fn without_value(message: &str) -> String {
    let shown = ["invalid type: ", "invalid value: ", "unknown variant "].into_iter().find_map(|head| {
        let (before, rest) = message.split_once(head)?;
        // What was expected says serde itself: it comes last, whatever stands in the value.
        let value = rest.get(..rest.rfind(", expected ")?)?;
        let expected = rest.get(value.len()..)?;
        let kind = value.get(..value.find(['`', '"'])?)?;
        Some(format!("{before}{}{expected}", format!("{head}{kind}").trim_end()))
    });
    shown.unwrap_or_else(|| message.to_string())
}

/// What is wrong with an input.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The first of them.
    pub shown: Vec<Fault>,
    /// How many there are besides.
    pub more: usize,
}

impl Faults {
    pub(super) fn is_full(&self) -> bool {
        self.shown.len() >= SHOWN
    }

    pub(super) fn push(&mut self, fault: impl FnOnce() -> Fault) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.shown.push(fault());
        }
    }
}

impl Display for Faults {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the input cannot be judged")?;
        for fault in &self.shown {
            write!(f, "\n  {fault}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl Error for Faults {}

#[cfg(test)]
mod tests {
    use super::without_value;

    #[test]
    fn no_message_repeats_a_value() {
        for (message, shown) in [
            ("invalid type: integer `12345678`, expected a string", "invalid type: integer, expected a string"),
            ("invalid type: string \"a, expected b\", expected i32", "invalid type: string, expected i32"),
            ("invalid value: string \"a `b\", expected a time", "invalid value: string, expected a time"),
            (
                "a: invalid type: floating point `1.5`, expected a string",
                "a: invalid type: floating point, expected a string",
            ),
            ("unknown variant `a`, expected one of `b`, `c`", "unknown variant, expected one of `b`, `c`"),
            ("invalid type: map, expected a sequence", "invalid type: map, expected a sequence"),
            ("missing field `a`", "missing field `a`"),
        ] {
            assert_eq!(without_value(message), shown);
        }
    }
}
