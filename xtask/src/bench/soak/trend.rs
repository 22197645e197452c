//! Memory and open files of the operator over time, and whether they grow. Pure but for the looks themselves.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

use crate::bench::subject::Subject;

/// The share of the time in which caches and pools fill.
const WARM_UP: f64 = 1.0 / 6.0;
/// Growth of memory over the rest of the time that is still flat, as a share: an allocator never stands quite still.
const FLAT: f64 = 0.05;
/// Open files more than in the warm-up that are still flat: a watch that is replaced overlaps with the next one.
const FILES: usize = 8;

/// One look.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Seconds since the beginning.
    at: f64,
    kib: f64,
    files: usize,
}

/// All looks.
pub(super) struct Trend {
    warm_up: f64,
    looks: Vec<Look>,
}

impl Trend {
    pub(super) fn new(length: Duration) -> Self {
        Trend { warm_up: length.as_secs_f64() * WARM_UP, looks: Vec::new() }
    }

    pub(super) fn look(&mut self, at: Duration, subject: &Subject) -> Result<()> {
        let folder = format!("/proc/{}/fd", subject.id());
        let files = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?.count();
        self.looks.push(Look { at: at.as_secs_f64(), kib: subject.memory()?.resident, files });
        Ok(())
    }

    pub(super) fn now(&self) -> (f64, usize) {
        self.looks.last().map_or((f64::NAN, 0), |look| (look.kib / 1024.0, look.files))
    }

    fn warm(&self) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(|look| look.at >= self.warm_up)
    }

    /// MiB per hour after the warm-up, by least squares.
    pub(super) fn mib_per_hour(&self) -> f64 {
        slope(self.warm().map(|look| (look.at / 3600.0, look.kib / 1024.0)))
    }

    /// Least and most MiB after the warm-up.
    pub(super) fn mib(&self) -> (f64, f64) {
        let fold = |pick: fn(f64, f64) -> f64| self.warm().map(|look| look.kib / 1024.0).fold(f64::NAN, pick);
        (fold(f64::min), fold(f64::max))
    }

    /// Most open files in the warm-up and after it.
    pub(super) fn files(&self) -> (usize, usize) {
        let before = self.looks.iter().filter(|look| look.at < self.warm_up).map(|look| look.files).max();
        (before.unwrap_or_default(), self.warm().map(|look| look.files).max().unwrap_or_default())
    }

    /// Why it is not flat.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let looks: Vec<&Look> = self.warm().collect();
        // Thirds, not single looks: memory goes up and down with what is under way.
        let third = looks.len() / 3;
        let median = |looks: &[&Look]| {
            super::super::stats::percentile(&looks.iter().map(|look| look.kib / 1024.0).collect::<Vec<_>>(), 50.0)
        };
        let (first, last) =
            (median(looks.get(..third).unwrap_or_default()), median(looks.get(2 * third..).unwrap_or_default()));
        if last > first * (1.0 + FLAT) {
            faults.push(format!("memory grew from {first:.1} MiB to {last:.1} MiB after the warm-up"));
        }
        let (before, after) = self.files();
        if after > before + FILES {
            faults.push(format!("open files grew from {before} to {after} after the warm-up"));
        }
        faults
    }
}

fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<(f64, f64)> = points.collect();
    #[expect(clippy::cast_precision_loss, reason = "a look every few seconds")]
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    both / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(looks: impl Iterator<Item = (f64, f64, usize)>) -> Trend {
        let looks = looks.map(|(at, mib, files)| Look { at, kib: mib * 1024.0, files }).collect();
        Trend { warm_up: 600.0, looks }
    }

    #[test]
    fn growth_after_the_warm_up_counts_and_growth_in_it_does_not() {
        let hour = || (0..720).map(|look| f64::from(look) * 5.0);
        let filling = trend(hour().map(|at| (at, if at < 600.0 { 10.0 + at / 60.0 } else { 20.0 }, 30)));
        assert!(filling.faults().is_empty(), "{:?}", filling.faults());
        assert!(filling.mib_per_hour().abs() < 1e-6);
        let leaking = trend(hour().map(|at| (at, 20.0 + at / 360.0, 30)));
        assert!((leaking.mib_per_hour() - 10.0).abs() < 1e-6);
        assert_eq!(leaking.faults().len(), 1);
        let opening = trend(hour().map(|at| (at, 20.0, if at < 600.0 { 30 } else { 39 })));
        assert_eq!(opening.faults(), ["open files grew from 30 to 39 after the warm-up"]);
    }
}
