//! The command line, run as people and pipelines run it.

#![expect(
    clippy::expect_used,
    clippy::format_collect,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod adopt;
mod baseline;
mod bombs;
mod check;
mod ci;
mod faults;
mod forms;
mod images;
mod input;
mod kubectl;
mod plan;
mod properties;
mod reach;
mod report;
mod support;
mod templates;
mod why;
