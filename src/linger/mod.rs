//! `pcizone linger`: the native sidecar that stands after the log forwarder in a pod's list, so it ends after the application and before the
//! forwarder. It holds the forwarder alive until that has sent what the application wrote last, and writes the numbered lines by
//! which the store shows that everything arrives (PCI DSS 10.3.3, 10.5.1, 10.7.2).
//!
//! ```text
//!  pod ends:  application ends ──▶ linger is told to stop ──────────────▶ linger ends ──▶ forwarder is told to stop
//!                                   last line, waits until all is sent
//!  lines:     start 0 ─ heartbeat 1 ─ heartbeat 2 ─ … ─ end n         in the shared directory, the way of the application's own
//! ```
//! It needs no right and no network but the loopback of its pod, and waits for nothing longer than it is told.

mod drain;
mod heartbeat;
mod metrics;

use std::{path::PathBuf, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use self::{
    drain::Drained,
    heartbeat::{Heartbeat, Kind, Whose},
    metrics::{Counters, Endpoint},
};
use crate::cli::Outcome;

/// Writes numbered lines into the directory that a log forwarder reads; told to stop, writes the last one and waits until the forwarder has
/// sent everything. Exit code 0: ended as it was told, also where time ran out, which it says; 1: the directory cannot be written;
/// 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The directory that is shared with the application and the forwarder.
    #[arg(long, value_name = "PATH", required_unless_present = "check")]
    directory: Option<PathBuf>,
    /// Only asks whether the forwarder answers under `--metrics`, and ends: 0 if it does, 1 if not.
    #[arg(long, requires = "metrics")]
    check: bool,
    /// Seconds between two lines.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// How long to wait at most once it is told to stop. The pod's termination grace period has to be longer than what the application
    /// takes of it and this together.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=600))]
    wait: u64,
    /// Where the forwarder tells how much it has read and sent, as `http://127.0.0.1:24231/api/v2/metrics/prometheus`. Without it the time of
    /// `--settle` is waited and nothing is known.
    #[arg(long, value_name = "URL")]
    metrics: Option<Endpoint>,
    /// The counter of lines that the forwarder has read.
    #[arg(long, value_name = "NAME", default_value = "fluentbit_input_records_total")]
    read: String,
    /// The counter of lines that the store has taken from it.
    #[arg(long, value_name = "NAME", default_value = "fluentbit_output_proc_records_total")]
    sent: String,
    /// To how many stores it sends each line: so often it has to be counted as sent.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=16))]
    stores: u64,
    /// For how many milliseconds nothing may change before it counts as over.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    settle: u64,
    /// The zone, for the lines.
    #[arg(long, env = "PCIZONE_ZONE", default_value = "", value_parser = word)]
    zone: String,
    /// The pod's namespace, for the lines.
    #[arg(long, env = "PCIZONE_NAMESPACE", default_value = "", value_parser = word)]
    namespace: String,
    /// The pod's name, for the lines.
    #[arg(long, env = "PCIZONE_POD", default_value = "", value_parser = word)]
    pod: String,
    /// The pod's node, for the lines.
    #[arg(long, env = "PCIZONE_NODE", default_value = "", value_parser = word)]
    node: String,
}

/// Names of Kubernetes objects, or nothing.
fn word(text: &str) -> Result<String, String> {
    let is_meant = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if text.len() > 253 || !text.bytes().all(is_meant) {
        return Err("names have at most 253 letters, digits, - and .".to_string());
    }
    Ok(text.to_string())
}

/// Why it could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Without a way to wait for time and signals.
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    /// The forwarder does not answer.
    #[error("the forwarder does not answer: {0}")]
    Silent(String),
    /// The directory cannot be written.
    #[error("cannot write {path}; is the directory there, shared, and writable for this user?")]
    Write {
        /// Which file.
        path: String,
        /// What the kernel says.
        #[source]
        source: std::io::Error,
    },
}

/// Runs until it is told to stop, and then until the forwarder has sent everything.
pub fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
    Ok(runtime.block_on(linger(arguments))?)
}

async fn linger(arguments: Arguments) -> Result<Outcome, Error> {
    let Arguments { directory, check, every, wait, metrics, read, sent, stores, settle, zone, namespace, pod, node } =
        arguments;
    let counters = metrics.map(|endpoint| Counters { endpoint, read, sent, stores });
    let directory = match (check, directory, &counters) {
        (false, Some(directory), _) => directory,
        (_, _, Some(counters)) => return counters.answers().await.map(|()| Outcome::Clean).map_err(Error::Silent),
        // The arguments rule that out.
        (_, _, None) => return Ok(Outcome::Usage),
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Start)?;
    let mut heartbeat = Heartbeat::begin(&directory, Whose { zone, namespace, pod, node })?;
    eprintln!("writes a line every {every} s into {}", heartbeat.path());
    let mut ticks = interval(Duration::from_secs(every));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first one comes at once, and is there already.
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = ticks.tick() => heartbeat.write(Kind::Heartbeat),
        }
    }
    let before = match &counters {
        Some(counters) => counters.ask().await.ok(),
        None => None,
    };
    heartbeat.write(Kind::End);
    let limits = drain::Limits { wait: Duration::from_secs(wait), settle: Duration::from_millis(settle) };
    let drained = match &counters {
        Some(counters) => drain::until_sent(counters, before, limits).await,
        None => drain::until_quiet(&directory, limits).await,
    };
    match drained {
        Drained::Sent { lines } => eprintln!("ended: the forwarder has sent all of {lines} lines"),
        Drained::Quiet => eprintln!("ended: nothing more is written; what the forwarder has sent is not known"),
        Drained::OutOfTime { read, sent } => {
            eprintln!(
                "ended after {wait} s: of {read} lines that the forwarder has read it has sent {sent}; the rest goes with the pod"
            );
        }
        Drained::Untold(why) => eprintln!("ended after {wait} s: the forwarder does not tell what it has sent: {why}"),
    }
    Ok(Outcome::Clean)
}
