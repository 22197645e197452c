//! Pages for people: one file each, that asks for nothing from anywhere and is complete without its script.
//!
//! What pages have in common is in `shell.html`, `base.css` and `base.js`. Equal dossiers give equal bytes.

pub(super) mod diagram;
mod report;
mod shell;
mod words;

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};

use super::columns::harmless;

pub use report::{html, write};

/// Nothing of a name is taken for markup, or turns the text around it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::evidence) struct Harmless;

impl Escaper for Harmless {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '\n' => dest.write_char(c),
            c => Html.write_escaped_char(&mut dest, harmless(c)),
        })
    }
}
