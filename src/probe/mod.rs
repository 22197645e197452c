//! What the canary's pods run: one that listens, one that asks. What they saw is their container's termination message, so
//! they need neither a right nor a way to anything but each other. They judge nothing.
//!
//! ```text
//!  probe connect ──"pcizone-canary RUN TARGET\n", TCP or UDP──▶ probe listen ◀──GET── kubelet of the node
//!   every target,  ◀──────────── the same line ────────────────  counts who asked       (503, and noted)
//!   open or not
//!        └────────────▶ /dev/termination-log ◀────────────┘  once, at SIGTERM or when the time is over
//! ```
//! Threads, sockets, bytes and time are bounded everywhere: one thread, so many connections, each with its limits.

mod answered;
mod connect;
mod ending;
mod guest;
mod listen;
mod target;

use std::io;

use crate::cli::{Outcome, round};

/// The port of the canary.
pub const PORT: u16 = 47471;
/// More than any line has; what is longer is none.
const MOST_BYTES: usize = 128;

/// What a pod of the canary does.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Listen, answer who asks for this round, and tell from whom it heard.
    Listen(listen::Arguments),
    /// Ask targets again and again, and tell when they answered and when not.
    Connect(connect::Arguments),
    /// Have the operator play a round of a zone's canary now, and show it.
    Run(round::Arguments),
}

/// Why a probe could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Without a way to wait for sockets, time and signals.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// The kernel does not give the port.
    #[error("cannot listen on port {port}")]
    Listen {
        /// The port, for TCP and UDP.
        port: u16,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// What it saw cannot be told.
    #[error("cannot write the report to {path}")]
    Report {
        /// Where it was to be.
        path: String,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
}

/// Runs the command until its time is over or it is told to stop.
pub fn run(command: Command) -> anyhow::Result<Outcome> {
    if let Command::Run(arguments) = &command {
        return round::run(arguments);
    }
    Ok(pod(command)?)
}

fn pod(command: Command) -> Result<Outcome, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
    match command {
        Command::Listen(arguments) => match arguments.check() {
            Ok(()) => runtime.block_on(listen::run(arguments)),
            Err(complaint) => Ok(refuse(&complaint)),
        },
        Command::Connect(arguments) => match arguments.check() {
            Ok(()) => runtime.block_on(connect::run(arguments)),
            Err(complaint) => Ok(refuse(&complaint)),
        },
        // It is no part of a pod.
        Command::Run(_) => Ok(Outcome::Usage),
    }
}

fn refuse(complaint: &str) -> Outcome {
    eprintln!("error: {complaint}");
    Outcome::Usage
}

/// What is sent for a target of a round, and comes back.
fn line(run: &str, target: u32) -> String {
    format!("pcizone-canary {run} {target}\n")
}

/// The target that a message asks for, if it is of this round and written exactly so.
fn asked(run: &str, message: &[u8]) -> Option<u32> {
    let text = str::from_utf8(message).ok()?;
    let target = text.trim_end().rsplit_once(' ')?.1.parse().ok()?;
    (line(run, target) == text).then_some(target)
}

/// Reads the name of a round.
fn run_name(text: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if text.is_empty() || text.len() > 63 || !text.bytes().all(is_name) {
        return Err("the name of a round has 1 to 63 letters, digits, - and .".to_string());
    }
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_line_of_the_round_asks_for_a_target() {
        for (message, target) in [
            ("pcizone-canary r1 7\n", Some(7)),
            ("pcizone-canary r1 4294967295\n", Some(u32::MAX)),
            ("pcizone-canary r1 4294967296\n", None),
            ("pcizone-canary r1 7", None),
            ("pcizone-canary r1 7\n\n", None),
            ("pcizone-canary r1 7\r\n", None),
            ("pcizone-canary r1 07\n", None),
            ("pcizone-canary r1 +7\n", None),
            ("pcizone-canary r1  7\n", None),
            ("pcizone-canary r2 7\n", None),
            ("pcizone-canary r1 \n", None),
            ("GET / HTTP/1.1\r\n", None),
            ("", None),
        ] {
            assert_eq!(asked("r1", message.as_bytes()), target, "{message:?}");
        }
        assert_eq!(asked("r1", b"pcizone-canary r1 \xff\n"), None);
    }

    #[test]
    fn the_longest_line_fits() {
        let run = "r".repeat(63);
        assert!(run_name(&run).is_ok() && line(&run, u32::MAX).len() <= MOST_BYTES);
        for wrong in ["", "a b", "a\n", "ä", &"r".repeat(64)] {
            assert!(run_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
