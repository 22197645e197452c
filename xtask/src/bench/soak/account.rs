//! Changes set against repairs: what was missed, what was written without a reason.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use comfy_table::{Table, presets};
use testbed::AuditEvent;

use super::{
    tamper::{Tampering, Target},
    trend::Trend,
};
use crate::bench::{counts, stats::percentile};

/// What the operator says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// Writes carried out.
    pub(crate) writes: f64,
    /// Objects that somebody else changed and that were put back.
    pub(crate) incidents: f64,
}

/// Everything that was counted.
#[derive(Default)]
pub(super) struct Account {
    changes: BTreeMap<Tampering, usize>,
    seconds: Vec<f64>,
    missed: Vec<String>,
    /// Moments at which every object was broken already.
    pub(super) skipped: usize,
    pub(super) faults_of_watches: usize,
    /// Writes of the operator that the API server carried out, and refused, other than of status and events.
    carried_out: usize,
    refused: usize,
    reads: usize,
    told_before: Told,
    told: Told,
    trend: Option<Trend>,
    length: Duration,
}

impl Account {
    pub(super) fn new(told_before: Told) -> Self {
        Account { told_before, ..Account::default() }
    }

    /// Counts a change whose end is known. Gives the object back when it is whole.
    pub(super) fn take(&mut self, done: (Target, Tampering, Result<Duration>)) -> Option<Target> {
        let (target, tampering, undone) = done;
        *self.changes.entry(tampering).or_default() += 1;
        match undone {
            Ok(after) => {
                self.seconds.push(after.as_secs_f64());
                Some(target)
            }
            Err(error) => {
                self.missed.push(format!("{tampering:?}: {error:#}"));
                None
            }
        }
    }

    /// Counts what the audit log has new.
    pub(super) fn count(&mut self, events: &[AuditEvent]) {
        for event in events.iter().filter(|event| counts::is_protective(event)) {
            if event.code < 300 { self.carried_out += 1 } else { self.refused += 1 }
        }
        self.reads += counts::count(events, |event| counts::is_operators_read(event) && event.verb == "get");
    }

    pub(super) fn close(&mut self, told: Told, trend: Trend, length: Duration) {
        self.told = told;
        self.trend = Some(trend);
        self.length = length;
    }

    fn changed(&self) -> usize {
        self.changes.values().sum()
    }

    /// How it stands.
    pub(super) fn line(&self, at: Duration, trend: &Trend) -> String {
        let (mib, files) = trend.now();
        format!(
            "{:>5.1} min: {} changes, {} undone, {} missed; {} writes; {mib:.1} MiB, {files} files",
            at.as_secs_f64() / 60.0,
            self.changed(),
            self.seconds.len(),
            self.missed.len(),
            self.carried_out,
        )
    }

    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["what", "figure"]);
        let mut row = |what: &str, figure: String| {
            table.add_row([what.to_string(), figure]);
        };
        row("length", format!("{:.1} min", self.length.as_secs_f64() / 60.0));
        for (tampering, times) in &self.changes {
            row(&format!("changes: {tampering:?}"), times.to_string());
        }
        row("changes in all", self.changed().to_string());
        row("undone", self.seconds.len().to_string());
        row("missed", self.missed.len().to_string());
        row("moments at which everything was broken already", self.skipped.to_string());
        row("writes carried out, by the audit log", self.carried_out.to_string());
        row("writes carried out, by the operator", format!("{:.0}", self.told.writes - self.told_before.writes));
        row("writes refused", self.refused.to_string());
        row("incidents that the operator counted", format!("{:.0}", self.incidents()));
        row("objects read one by one", self.reads.to_string());
        row("faults of watches", self.faults_of_watches.to_string());
        let milliseconds = |percent| 1000.0 * percentile(&self.seconds, percent);
        row(
            "undone after, in ms: p50, p99, most (administrator's clock; no floor beside it)",
            format!("{:.0}, {:.0}, {:.0}", milliseconds(50.0), milliseconds(99.0), milliseconds(100.0)),
        );
        if let Some(trend) = &self.trend {
            let ((least, most), (before, after)) = (trend.mib(), trend.files());
            row("memory after the warm-up, in MiB: least, most", format!("{least:.1}, {most:.1}"));
            row("slope of memory after the warm-up, in MiB per hour", format!("{:+.2}", trend.mib_per_hour()));
            row("most open files: in the warm-up, after it", format!("{before}, {after}"));
        }
        table.to_string()
    }

    fn incidents(&self) -> f64 {
        self.told.incidents - self.told_before.incidents
    }

    /// What is not as it must be.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.missed.iter().take(10).cloned().collect();
        if self.missed.len() > faults.len() {
            faults.push(format!("and {} more that were missed", self.missed.len() - faults.len()));
        }
        if self.carried_out != self.changed() {
            faults.push(format!("{} writes for {} changes", self.carried_out, self.changed()));
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let changed = self.changed() as f64;
        if (self.incidents() - changed).abs() > 0.5 {
            faults.push(format!("{:.0} incidents told for {changed:.0} changes", self.incidents()));
        }
        faults.extend(self.trend.iter().flat_map(Trend::faults));
        faults
    }
}
