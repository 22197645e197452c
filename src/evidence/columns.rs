//! Columns of text, each as wide as its widest entry. Nothing is cut or wrapped: what is read by eye is also searched.

use std::io::{self, Write};

/// Width of a text on a terminal, near enough for names and sentences.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Text without anything that a terminal would act by.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
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
