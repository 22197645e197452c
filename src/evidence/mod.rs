//! What was judged, in the forms in which people and programs read it.
//!
//! ```text
//!  Snapshot ─evaluate▶ Judgement ──┬─▶ text, CSV
//!                                  ├─▶ JSON, YAML, JUnit, SARIF, OSCAL
//!                                  ├─▶ pictures
//!                                  └─▶ pages
//! ```
//! Every form is made of the same judgement and leaves no finding out. Equal judgements give equal bytes.

pub(crate) mod columns;
mod csv;
pub mod diagram;
pub mod dossier;
mod form;
pub mod grid;
mod json;
mod judgement;
mod junit;
mod oscal;
pub mod page;
mod picture;
pub mod retention;
mod sarif;
mod text;
mod words;
mod yaml;

pub use columns::plain_lines;
pub use dossier::Dossier;
pub use form::{Form, Manner};
pub use judgement::{Judgement, Place, Zone, judgement};
