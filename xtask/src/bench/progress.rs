//! What is being done, on stderr: a bar on a terminal, lines elsewhere. The result alone goes to stdout.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Says what begins.
pub(super) fn step(text: &str) {
    let (on, off) = if std::io::stderr().is_terminal() { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
    eprintln!("{on}▶{off} {text}");
}

/// Says what came of it.
pub(super) fn note(text: &str) {
    eprintln!("  {text}");
}

/// How far many equal steps are.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    started: Instant,
}

impl Progress {
    pub(super) fn start(what: &'static str, total: usize) -> Self {
        let total = total as u64;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_message(what);
            let style = ProgressStyle::with_template("  {msg} {bar:30} {pos}/{len}, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Progress { bar, what, total, started: Instant::now() }
    }

    pub(super) fn one(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    pub(super) fn finish(self) {
        note(&format!("{} {} in {:.1} s", self.total, self.what, self.started.elapsed().as_secs_f64()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
