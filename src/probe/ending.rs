//! When a probe ends, and how it tells what it saw: once, at the end.

use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{self, Instant},
};

use super::Error;
use crate::{engine::canary::report::Report, evidence::plain_lines};

/// When it ends, and where its report goes.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// Ends after so many seconds, if it is not told to stop before.
    #[arg(long, value_name = "SECONDS", default_value_t = 7200, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    until: u32,
    /// Where the report is written to.
    #[arg(long, value_name = "PATH", default_value = "/dev/termination-log")]
    report: PathBuf,
}

/// Counts the time of a report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    /// It begins now.
    pub(super) fn start() -> Self {
        Clock(Instant::now())
    }

    /// Milliseconds since it began.
    pub(super) fn at(self) -> u32 {
        u32::try_from(self.0.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    /// When it began.
    pub(super) fn began(self) -> Instant {
        self.0
    }
}

/// The end of a run, made ready at its begin.
pub(super) struct Ending {
    /// Opened at once: who cannot tell what it sees has no need to begin.
    file: File,
    path: String,
    clock: Clock,
    began: i64,
    until: Duration,
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    /// From here on a signal does not kill, not even where a report could not be written yet.
    pub(super) fn prepare(arguments: &Arguments) -> Result<Self, Error> {
        let terminate = signal(SignalKind::terminate()).map_err(Error::Start)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(Error::Start)?;
        let path = plain_lines(&arguments.report.display().to_string());
        let file = File::create(&arguments.report).map_err(|source| Error::Report { path: path.clone(), source })?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(Ending {
            file,
            path,
            clock: Clock::start(),
            began: i64::try_from(began).unwrap_or(i64::MAX),
            until: Duration::from_secs(arguments.until.into()),
            terminate,
            interrupt,
        })
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// A report in which nothing was seen yet.
    pub(super) fn report(&self) -> Report {
        Report { began: self.began, ..Report::default() }
    }

    /// Waits for the end, and tells why it came.
    pub(super) async fn comes(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "told to stop",
            _ = self.interrupt.recv() => "told to stop",
            () = time::sleep_until(self.clock.began() + self.until) => "the time is over",
        }
    }

    /// Writes the report.
    pub(super) fn write(mut self, mut report: Report) -> Result<(), Error> {
        report.ended = self.clock.at();
        let written = self.file.write_all(report.message().as_bytes());
        written.map_err(|source| Error::Report { path: self.path, source })
    }
}

/// Notes what could not be done; the first is enough.
pub(super) fn note_trouble(report: &mut Report, trouble: impl FnOnce() -> String) {
    if report.trouble.is_empty() {
        report.trouble = trouble();
    }
}
