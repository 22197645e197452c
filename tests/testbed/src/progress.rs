//! Shows how far a build is: a bar on a terminal, a plain line now and then elsewhere.
//! It writes past the capture of `cargo test`, because a build of minutes that says nothing looks like a hang.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::assets::Binary;

/// Time between two plain lines.
const QUIET: Duration = Duration::from_secs(30);

/// Prints a line to the real stderr.
pub(crate) fn say(message: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr(), "testbed: {message}");
}

/// The display of one build.
pub(crate) struct Progress {
    binary: Binary,
    started: Instant,
    last_line: Instant,
    done: u64,
    total: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn start(binary: Binary) -> Self {
        let minutes = binary.expected_minutes();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_message(format!("building {binary}"));
            let style = ProgressStyle::with_template(
                "{spinner} {msg} [{elapsed_precise}] {bar:30} {pos}/{len} packages, {eta} left",
            );
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            say(&format!("building {binary}, once per machine: up to {minutes} min on two cores"));
        }
        let now = Instant::now();
        Self { binary, started: now, last_line: now, done: 0, total: 0, bar }
    }

    pub(crate) fn set_total(&mut self, total: u64) {
        self.total = total;
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    pub(crate) fn package_done(&mut self) {
        self.done += 1;
        self.total = self.total.max(self.done);
        if let Some(bar) = &self.bar {
            bar.set_length(self.total);
            bar.set_position(self.done);
        }
        self.tick();
    }

    pub(crate) fn tick(&mut self) {
        if self.bar.is_none() && self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let Self { binary, done, total, .. } = self;
            say(&format!("building {binary}: {done} of {total} packages, {}", clock(self.started.elapsed())));
        }
    }

    pub(crate) fn finish(self) {
        let elapsed = self.started.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        say(&format!("built {} in {}", self.binary, clock(elapsed)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn clock(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
