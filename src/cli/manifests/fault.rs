//! What is wrong with an input, and where.

use std::{
    error::Error,
    fmt::{self, Display, Formatter, Write},
};

use serde_path_to_error::Segment;

use super::SHOWN;

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
        let mut shown = place.chars().chain(message.chars()).chain(cut.chars());
        shown.try_for_each(|c| f.write_char(if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }))
    }
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
