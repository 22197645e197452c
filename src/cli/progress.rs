//! How far a run is, on standard error: at once on a terminal, now and then elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use crate::evidence::columns::plain;

/// How often a terminal is told.
const OFTEN: Duration = Duration::from_millis(100);
/// How often a log is told.
const SELDOM: Duration = Duration::from_secs(5);

/// How far a run is.
pub(super) struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    began: Instant,
    told: Instant,
    /// A line that the next one takes the place of.
    is_open: bool,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        let now = Instant::now();
        Progress { is_quiet, is_terminal: io::stderr().is_terminal(), began: now, told: now, is_open: false }
    }

    /// Tells how far it is, if it is time for that.
    pub(super) fn tick(&mut self, text: impl FnOnce(f64) -> String) {
        let pause = if self.is_terminal { OFTEN } else { SELDOM };
        if self.is_quiet || self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let text = plain(&text(self.seconds()));
        if self.is_terminal {
            self.is_open = true;
            // Nothing depends on whether anybody sees it.
            let _ = write!(io::stderr(), "\r\x1b[2K{text}");
        } else {
            eprintln!("{text}");
        }
    }

    /// Tells something that stays.
    pub(super) fn tell(&mut self, text: &str) {
        self.close();
        if !self.is_quiet {
            eprintln!("{}", plain(text));
        }
    }

    /// Takes away what only showed how far it was.
    pub(super) fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}
