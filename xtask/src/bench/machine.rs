//! The machine that the figures are from, without its name.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{proc, stats::percentile};

/// What etcd writes for an object of ours, about.
const BLOCK: usize = 2048;
const SYNCS: usize = 200;
/// How long it is looked at what else runs.
const LOOK: Duration = Duration::from_secs(2);
/// A load average that leaves the figures alone. It remembers a minute, so more of it is no proof that others run.
const QUIET_LOAD: f64 = 0.3;
/// So much of the machine may be busy before the start.
const QUIET_PERCENT: f64 = 10.0;

/// What was there before anything was started.
#[derive(Debug)]
pub(super) struct Machine {
    cores: usize,
    model: String,
    memory_gib: f64,
    kernel: String,
    load: Option<f64>,
    busy_percent: Option<f64>,
    sync_p50_ms: f64,
    sync_p99_ms: f64,
}

impl Machine {
    /// `load` is the load average before this program built anything.
    pub(super) async fn look(load: Option<f64>) -> Result<Self> {
        let busy_percent = proc::busy_percent(LOOK).await;
        let syncs = tokio::task::spawn_blocking(|| sync_times(&std::env::temp_dir()));
        let syncs = syncs.await.context("the measurement of the disk was interrupted")??;
        let kib = proc::field(Path::new("/proc/meminfo"), "MemTotal");
        let kib = kib.and_then(|text| text.trim_end_matches("kB").trim().parse::<f64>().ok());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Machine {
            cores: proc::cores()?.len(),
            model: proc::field(Path::new("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_string()),
            memory_gib: kib.unwrap_or(f64::NAN) / 1024.0 / 1024.0,
            kernel: kernel.trim().to_string(),
            load,
            busy_percent,
            sync_p50_ms: percentile(&syncs, 50.0),
            sync_p99_ms: percentile(&syncs, 99.0),
        })
    }

    /// Why no time of this run can be judged.
    pub(super) fn disturbed(&self) -> Option<String> {
        let busy = self.busy_percent.filter(|busy| *busy > QUIET_PERCENT)?;
        Some(format!("other programs used {busy:.0} % of the machine just before the start"))
    }

    /// Why the figures of this run are to be taken with care.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(load) = self.load.filter(|load| *load > QUIET_LOAD) {
            warnings.push(format!(
                "the load average before the start was {load}, more than {QUIET_LOAD}: other programs ran"
            ));
        }
        warnings.extend(self.disturbed());
        warnings
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "cores": self.cores, "cpu": self.model, "memory_gib": round(self.memory_gib), "kernel": self.kernel,
            "load_before": self.load, "busy_percent_before": self.busy_percent.map(round),
            "fdatasync_2kib_ms": { "p50": round(self.sync_p50_ms), "p99": round(self.sync_p99_ms) },
        })
    }

    pub(super) fn text(&self) -> String {
        format!(
            "{} cores of {}, {:.0} GiB memory, Linux {}; fdatasync of 2 KiB: p50 {:.1} ms, p99 {:.1} ms",
            self.cores, self.model, self.memory_gib, self.kernel, self.sync_p50_ms, self.sync_p99_ms
        )
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Milliseconds of each of many small writes that are waited for, where etcd will write too.
fn sync_times(folder: &Path) -> Result<Vec<f64>> {
    let path = folder.join(format!("pcizone-bench-sync-{}", std::process::id()));
    let measure = || -> std::io::Result<Vec<f64>> {
        let mut file = File::create(&path)?;
        let block = [7; BLOCK];
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            file.write_all(&block)?;
            let started = Instant::now();
            file.sync_data()?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    };
    let times = measure();
    // Best effort: nothing depends on its absence.
    let _ = fs::remove_file(&path);
    times.with_context(|| format!("cannot measure the disk below {}", folder.display()))
}
