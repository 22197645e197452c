//! What was judged, in the forms in which people and programs read it.
//!
//! ```text
//!  Snapshot ──judge──▶ Judgement ──┬─▶ text, CSV
//!                                  ├─▶ JSON, YAML, JUnit, SARIF, OSCAL
//!                                  └─▶ pages
//! ```
//! Every form is made of the same judgement and leaves no finding out. Equal judgements give equal bytes.

pub mod dossier;
mod judgement;
pub mod page;

pub use dossier::Dossier;
pub use judgement::{Judgement, Zone, judge};
