//! Pages for people: one file each, that asks for nothing from anywhere and is complete without its script.
//!
//! What pages have in common is in `shell.html`, `base.css` and `base.js`. Equal dossiers give equal bytes.

pub(super) mod diagram;
mod report;
mod shell;
mod words;

pub use report::{html, write};
