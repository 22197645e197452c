//! How long single parts of a store keep records, and what follows for all of them: the worst part counts, and what is shown to be
//! too short stays so whatever else could not be read.

use super::{Verdict, Wanted, answer::harmless, length::Length};

/// Longest sentence that is told.
const SENTENCE: usize = 384;

/// How long one part of a store keeps records: an index, a rule, the whole.
#[derive(Clone, Debug, Default)]
pub struct Term {
    /// How long they are kept; none: nothing deletes them.
    pub kept: Option<Length>,
    /// The setting that says so.
    pub by: String,
    /// How long they can be searched; none: as long as they are kept.
    pub searchable: Option<Length>,
    /// The setting that says so.
    pub searchable_by: String,
    /// What is to be known besides.
    pub note: Option<String>,
}

impl Term {
    /// Kept until a setting says otherwise.
    pub fn kept(length: Length, by: String) -> Self {
        Term { kept: Some(length), by, ..Term::default() }
    }

    /// Nothing deletes it.
    pub fn for_ever(note: String) -> Self {
        Term { note: Some(note), ..Term::default() }
    }

    /// Kept between two lengths, of which a greatest that is not there has no end: too short where the greatest is, long enough where
    /// the least is, and otherwise not known.
    pub fn between(
        least: (Length, String),
        most: (Option<Length>, String),
        days: u32,
        unknown: &str,
    ) -> Result<Self, String> {
        let wanted = Length::days(days.into());
        match most {
            _ if least.0 >= wanted => Ok(Term::kept(least.0, least.1)),
            (Some(most), by) if most < wanted => Ok(Term::kept(most, by)),
            _ => Err(format!("{}, and {unknown}", least.1)),
        }
    }

    /// With a note.
    pub fn noted(self, note: &str) -> Self {
        Term { note: Some(self.note.map_or_else(|| note.to_string(), |first| format!("{first} {note}"))), ..self }
    }

    /// As long as they can be searched.
    fn at_hand(&self) -> Option<Length> {
        least([self.searchable, self.kept])
    }
}

/// What parts say, or why one of them says nothing.
pub type Terms = Result<Vec<Result<Term, String>>, String>;

/// The least of lengths of which one that is not there has no end.
pub fn least(lengths: impl IntoIterator<Item = Option<Length>>) -> Option<Length> {
    lengths.into_iter().flatten().min()
}

/// Judges a store by its parts.
pub fn verdict(terms: Terms, wanted: Wanted) -> Verdict {
    let terms = match terms {
        Ok(terms) if terms.is_empty() => return unproven("The store named nothing that keeps records"),
        Ok(terms) => terms,
        Err(why) => return unproven(&why),
    };
    let known = || terms.iter().flatten();
    let (days, searchable_days) = (Length::days(wanted.days.into()), Length::days(wanted.searchable_days.into()));
    let shortest = known().filter_map(|term| Some((term.kept?, &term.by))).min_by_key(|(kept, _)| *kept);
    if let Some((kept, by)) = shortest.filter(|(kept, _)| *kept < days) {
        let why = sentence(&format!("{by}; {} days are wanted", wanted.days));
        return Verdict::TooShort { days: kept.whole_days(), why };
    }
    let shortest = known().filter_map(|term| Some((term.searchable?, &term.searchable_by))).min_by_key(|(at, _)| *at);
    if let Some((searchable, by)) = shortest.filter(|(searchable, _)| *searchable < searchable_days) {
        let why = sentence(&format!("{by}; {} days at hand are wanted", wanted.searchable_days));
        return Verdict::SearchableTooShort { days: searchable.whole_days(), why };
    }
    let unknown: Vec<&String> = terms.iter().filter_map(|term| term.as_ref().err()).collect();
    match unknown.as_slice() {
        [] => {}
        [why] => return unproven(why),
        [why, more @ ..] => return unproven(&format!("{why}; and {} more like it", more.len())),
    }
    let mut notes: Vec<&str> = known().filter_map(|term| term.note.as_deref()).collect();
    notes.sort_unstable();
    notes.dedup();
    Verdict::Kept {
        days: least(known().map(|term| term.kept)).map(Length::whole_days),
        searchable_days: least(known().map(Term::at_hand)).map(Length::whole_days),
        note: (!notes.is_empty()).then(|| sentence(&notes.join(" "))),
    }
}

fn unproven(why: &str) -> Verdict {
    Verdict::Unproven(sentence(why))
}

/// Bounded, and ended as a sentence is.
fn sentence(text: &str) -> String {
    let text = harmless(text, SENTENCE);
    if text.ends_with(['.', '…', '?', '!']) { text } else { format!("{text}.") }
}
