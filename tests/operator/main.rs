//! The operator against a real API server, under its own ServiceAccount with the rights of `deploy/`.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as expected"
)]

mod admission;
mod bad_input;
mod break_glass;
mod changes;
mod deploy;
mod events;
mod faults;
mod fields;
mod guards;
mod health;
mod images;
mod leader;
mod lifecycle;
mod logs;
mod misplaced;
mod open_reports;
mod other_policies;
mod plan;
mod rights;
mod scan_reports;
mod storm;
mod support;
mod zones;
