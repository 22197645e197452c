//! PciZone: PCI DSS segmentation on Kubernetes that is true, not declared.
//!
//! ```text
//!  API server ──watch──▶ hub ──┬─▶ repair path: event → key → engine::plan → compare → at most one write
//!                              └─▶ judge path : tick → engine::evaluate(&Snapshot, now) → status, events, metrics
//! ```
//! The direction is `api ← engine ← {evidence, sinks} ← {controllers, cli, probe, linger} ← main`. Everything that talks to a cluster, or runs
//! in one, is behind the cargo feature `operator`.

pub mod api;
pub mod cli;
#[cfg(feature = "operator")]
pub mod controllers;
pub mod engine;
pub mod evidence;
#[cfg(feature = "operator")]
pub mod linger;
#[cfg(feature = "operator")]
pub mod probe;
pub mod reference;
#[cfg(feature = "operator")]
pub mod sinks;
