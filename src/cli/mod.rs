//! The command line for people and pipelines: what is wrong in a cluster, or would be in one made of manifests.
//!
//! Standard output is the result, standard error the progress. What cannot be judged is never passed over.

pub mod baseline;
pub mod check;
mod compared;
pub mod diagram;
pub mod diff;
pub mod explain;
mod git;
mod input;
pub mod install;
#[cfg(feature = "operator")]
mod live;
pub mod manifests;
pub mod plan;
mod progress;
pub mod reach;
pub mod report;
#[cfg(feature = "operator")]
pub mod retention;
#[cfg(feature = "operator")]
pub mod round;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::ValueEnum;

pub use input::Given;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as it should be.
    Clean,
    /// There are findings.
    Findings,
    /// It could not be judged.
    Unjudged,
    /// The arguments make no sense.
    Usage,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(match outcome {
            Outcome::Clean => 0,
            Outcome::Findings => 1,
            Outcome::Unjudged => 2,
            Outcome::Usage => 3,
        })
    }
}

/// How `reach` and `retention` show their results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Whoever reads the result may stop before its end, and has what they wanted.
fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Colours are for a terminal, and for people who want them (<https://no-color.org>).
fn has_colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
