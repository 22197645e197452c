//! The engine: what must be there, what is missing, and what is true. Values in, values out.
//!
//! ```text
//!  Snapshot ──resolve──▶ Resolution ──plan──▶ Writes          (repair: one namespace or node at a time)
//!      │                     │
//!      └─────────evaluate────┴──────────────▶ Evaluations     (judgement: all zones together)
//! ```
//! No clock, no environment, no I/O: `now` is an argument. Total: every input has an answer. Equal input
//! gives byte-equal output.

pub mod access;
pub mod answers;
pub mod arming;
pub mod audit;
pub mod canary;
pub mod change;
pub mod checks;
pub mod collected;
pub mod compare;
pub mod data_plane;
pub(crate) mod dates;
pub mod declaration;
pub mod delivery;
pub mod desired;
pub mod draft;
pub mod drift;
pub mod due;
mod evaluate;
pub mod evictions;
mod evidence;
pub(crate) mod exceptions;
pub mod explain;
pub mod facts;
pub mod forwarder;
pub mod graph;
pub mod guards;
mod held;
pub mod images;
pub mod insecure;
pub mod intake;
mod key;
pub mod memory;
pub mod misplaced;
pub mod obligations;
pub mod open_reports;
pub mod ownership;
pub mod plan;
pub mod pod;
pub mod policy;
pub mod powers;
pub mod preview;
pub mod reach;
pub mod readiness;
pub mod report;
pub mod resolve;
pub mod retention;
pub mod rights;
pub mod route;
pub mod service;
pub mod settled;
pub mod shown;
mod since;
pub mod snapshot;
pub mod status;
pub mod trim;
pub mod unseen;
mod workloads;
pub mod write;

pub use evaluate::{Evaluation, blind, evaluate, recent};
pub use resolve::{Resolution, resolve};
pub use settled::settled;
pub use snapshot::Snapshot;
