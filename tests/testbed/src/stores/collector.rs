//! The OpenTelemetry Collector: tails files, keeps its place and its queue on disk, sends by OTLP over HTTP.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::daemon::Daemon;
use crate::{
    assets::Binary,
    components::flag,
    control_plane::find_assets,
    port::Port,
    process::{Process, Program},
    workdir::Workdir,
};

const START_LIMIT: Duration = Duration::from_secs(30);
/// What Kubernetes gives a pod by default.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// What it logs when it has started everything. There is no question that it answers whatever its configuration is.
const READY: &str = "Everything is ready";

/// A running collector. Dropping it kills it; its storage stays.
pub struct Collector {
    daemon: Daemon,
    health: Port,
    metrics: Port,
    // Last, since the process uses it.
    _workdir: Workdir,
}

impl Collector {
    /// Starts a collector and waits until it says that it is ready, half a minute at most (and a build on the first run).
    /// For that its own logs must be at the level `info`, as by default.
    ///
    /// The configuration may use `${env:STORAGE}`, the folder that it is given and that the caller keeps;
    /// `${env:HEALTH_PORT}` and `${env:METRICS_PORT}`, ports of its own on 127.0.0.1. By default it would serve its metrics on a
    /// port that others want too.
    pub async fn start(config_yaml: &str, storage_dir: &Path) -> Result<Self> {
        Self::start_in(config_yaml, storage_dir, &[]).await
    }

    /// The same with variables of the caller's in its environment.
    pub async fn start_in(config_yaml: &str, storage_dir: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        let assets = find_assets(vec![Binary::OtelCollector]).await?;
        let cannot = || format!("cannot make the folder {}", storage_dir.display());
        fs::create_dir_all(storage_dir).with_context(cannot)?;
        let storage = storage_dir.canonicalize().with_context(cannot)?;
        let storage = storage.into_os_string().into_string().ok().context("the storage's path is no text")?;
        let workdir = Workdir::create()?;
        let config = workdir.path().join("config.yaml");
        fs::write(&config, config_yaml).with_context(|| format!("cannot write {}", config.display()))?;
        let (health, metrics) = (Port::reserve_for_reuse()?, Port::reserve_for_reuse()?);
        let own = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let program = Program {
            name: Binary::OtelCollector.name().to_owned(),
            path: assets.path(Binary::OtelCollector)?,
            args: vec![flag("config", format!("file:{}", config.display()))],
            env: vec![
                ("STORAGE".to_owned(), storage),
                ("HEALTH_PORT".to_owned(), health.number().to_string()),
                ("METRICS_PORT".to_owned(), metrics.number().to_string()),
            ]
            .into_iter()
            .chain(own)
            .collect(),
            folder: workdir.path().to_owned(),
            log: workdir.path().join("otelcol.log"),
        };
        let mut collector = Self { daemon: Daemon::new(program), health, metrics, _workdir: workdir };
        collector.start_again().await?;
        Ok(collector)
    }

    /// Where it says how it is, when it is configured to.
    pub fn health_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.health.number())
    }

    /// Where it serves its metrics, when it is configured to.
    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.metrics.number())
    }

    /// The file with what it logs, over all starts.
    pub fn log(&self) -> PathBuf {
        self.daemon.program().log.clone()
    }

    /// Sends SIGTERM, as a kubelet does, and waits for the end, 30 seconds at most. What it has not sent by then is in its
    /// storage, or still unread.
    pub async fn terminate(&mut self) -> Result<()> {
        let status = self.daemon.stop(STOP_LIMIT).await?;
        ensure!(status.success(), "the collector failed when it was to end ({status}); see {}", self.log().display());
        Ok(())
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// Starts it again with the same configuration on the same storage, and waits until it is ready.
    pub async fn start_again(&mut self) -> Result<()> {
        let log = self.log();
        // What an earlier one said does not count.
        let from = log.metadata().map_or(0, |data| data.len());
        self.daemon.start(START_LIMIT, || std::future::ready(says_ready(&log, from))).await
    }

    /// The process, to pause or to measure it.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.daemon.process()
    }
}

fn says_ready(log: &Path, from: u64) -> Result<()> {
    let mut file = File::open(log).context("it has no log yet")?;
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    if !String::from_utf8_lossy(&text).contains(READY) {
        bail!("its log does not say {READY:?}");
    }
    Ok(())
}
