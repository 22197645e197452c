//! Columns of text, each as wide as its widest entry. Nothing is cut or wrapped: what is read by eye is also searched.

use std::io::{self, Write};

/// Width of a text on a terminal, near enough for names and sentences.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Text in one line, without anything that a terminal or a parser would act by.
pub fn plain(text: &str) -> String {
    text.chars().map(harmless).collect()
}

/// Text in as many lines as it has, without anything else that a terminal or a parser would act by.
pub fn plain_lines(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { harmless(c) }).collect()
}

/// XML has no words for some characters, and some turn the direction of the text around them.
pub(crate) fn harmless(c: char) -> char {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    if c.is_control() || turns || matches!(c, '\u{fffe}' | '\u{ffff}') { char::REPLACEMENT_CHARACTER } else { c }
}

/// Writes a row. The last column needs no width.
pub(crate) fn row(to: &mut impl Write, widths: &[usize], cells: &[&str]) -> io::Result<()> {
    for (number, cell) in cells.iter().enumerate() {
        let cell = plain(cell);
        if number + 1 == cells.len() {
            write!(to, "{cell}")?;
        } else {
            let width = widths.get(number).copied().unwrap_or_default();
            write!(to, "{cell:width$}  ")?;
        }
    }
    writeln!(to)
}

/// The widths that rows need.
pub(crate) fn widths<'a, const N: usize>(rows: impl IntoIterator<Item = &'a [String; N]>) -> [usize; N] {
    let mut widths = [0; N];
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    widths
}
