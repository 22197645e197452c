//! The end of a pod, played with real parts and without a cluster: an application that writes up to its last moment, a real forwarder, a real
//! store, and between them the sidecar that holds the forwarder until everything is sent. The order in which they are told to stop is that
//! of a kubelet; tests/nodes has kubelets.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test ends where something is not as expected")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::OpenOptions,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testbed::{Collector, VictoriaLogs};

/// What the application writes at once, right before it ends.
const TAIL: u64 = 5_000;
const LIMIT: Duration = Duration::from_secs(40);

fn config(logs: &Path, store: &VictoriaLogs) -> String {
    format!(
        "\
extensions:
  file_storage: {{directory: '${{env:STORAGE}}'}}
receivers:
  file_log: {{include: ['{}/*.log'], start_at: beginning, storage: file_storage}}
exporters:
  otlp_http:
    logs_endpoint: {}
    sending_queue: {{storage: file_storage}}
    retry_on_failure: {{max_elapsed_time: 0}}
service:
  extensions: [file_storage]
  pipelines: {{logs: {{receivers: [file_log], exporters: [otlp_http]}}}}
  telemetry:
    metrics:
      readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: '${{env:METRICS_PORT}}', without_scope_info: true, without_type_suffix: true, without_units: true}}}}}}}}]
",
        logs.display(),
        store.otlp_logs_url(),
    )
}

/// A pod that ends: what its application wrote last, and whether a sidecar holds its forwarder.
struct Pod {
    folder: TempDir,
    store: VictoriaLogs,
    collector: Collector,
}

impl Pod {
    async fn start() -> Result<Self> {
        let (folder, store) = (tempfile::tempdir()?, VictoriaLogs::start("400d").await?);
        let logs = folder.path().join("logs");
        std::fs::create_dir(&logs)?;
        let collector = Collector::start(&config(&logs, &store), &folder.path().join("storage")).await?;
        Ok(Pod { folder, store, collector })
    }

    fn append(&self, numbers: std::ops::RangeInclusive<u64>) -> Result<()> {
        let mut text = String::new();
        for number in numbers {
            writeln!(text, "line {number}")?;
        }
        let path = self.folder.path().join("logs/app.log");
        Ok(OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())?)
    }

    /// Starts the sidecar as the pod's list of containers would.
    fn linger(&self, wait: u32) -> Result<Linger> {
        let logs = self.folder.path().join("logs");
        let mut child = Command::new(env!("CARGO_BIN_EXE_pcizone"))
            .args(["linger", "--directory", logs.to_str().expect("a path"), "--wait", &wait.to_string()])
            .args(["--metrics", &self.collector.metrics_url()])
            .args(["--read", "otelcol_receiver_accepted_log_records", "--sent", "otelcol_exporter_sent_log_records"])
            .args(["--pod", "web-1", "--namespace", "vault", "--zone", "cde", "--every", "1"])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        ensure!(line.starts_with("writes a line"), "{line}");
        Ok(Linger { child, said })
    }

    async fn until(&self, what: &str, filter: &str, wanted: u64) -> Result<()> {
        let query = format!("{filter} | stats count() as n");
        let wanted = wanted.to_string();
        let found = |records: Vec<Value>| records.first().is_some_and(|record| record["n"] == *wanted).then_some(());
        self.store.query_until(LIMIT, (what, &query), found).await
    }

    /// How often each line of the application is in the store.
    async fn lines(&self) -> Result<BTreeMap<u64, u32>> {
        let mut lines = BTreeMap::new();
        for record in self.store.query("_msg:\"line\" | fields _msg").await? {
            let number = record["_msg"].as_str().and_then(|text| text.strip_prefix("line ")?.parse().ok());
            *lines.entry(number.with_context(|| format!("no numbered line: {record}"))?).or_default() += 1;
        }
        Ok(lines)
    }

    /// The heartbeats in the store, by number.
    async fn heartbeats(&self) -> Result<BTreeMap<u64, String>> {
        let mut all = BTreeMap::new();
        for record in self.store.query("_msg:\"pcizone\" | fields _msg").await? {
            let line: Value = serde_json::from_str(record["_msg"].as_str().unwrap_or_default())?;
            ensure!(line["pod"] == "web-1" && line["zone"] == "cde", "{line}");
            let kind = line["pcizone"].as_str().unwrap_or_default().to_owned();
            ensure!(all.insert(line["seq"].as_u64().context("no number")?, kind).is_none(), "{line} is there twice");
        }
        Ok(all)
    }
}

struct Linger {
    child: std::process::Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Linger {
    /// Tells it to stop, waits for its end, and gives what it said.
    fn terminate(mut self) -> Result<String> {
        ensure!(Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status()?.success());
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        ensure!(self.child.wait()?.success(), "{said}");
        Ok(said)
    }
}

impl Drop for Linger {
    fn drop(&mut self) {
        // It has ended already where it was told to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_last_arrives_before_the_forwarder_is_told_to_stop() -> Result<()> {
    let mut pod = Pod::start().await?;
    let linger = pod.linger(30)?;
    pod.append(1..=100)?;
    pod.until("the first lines", "_msg:\"line\"", 100).await?;
    // The application ends right after this; only then the sidecar is told, and the forwarder after it.
    pod.append(101..=100 + TAIL)?;
    let said = tokio::task::spawn_blocking(move || linger.terminate()).await??;
    ensure!(said.contains("has sent all of"), "{said}");
    pod.collector.kill()?;
    let (lines, heartbeats) = (pod.lines().await?, pod.heartbeats().await?);
    assert!(lines.into_iter().eq((1..=100 + TAIL).map(|number| (number, 1))), "some are missing, or there twice");
    assert!(heartbeats.keys().copied().eq(0..heartbeats.len() as u64), "{heartbeats:?}");
    assert_eq!(heartbeats.values().next_back().map(String::as_str), Some("end"), "{heartbeats:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_the_end_of_what_was_written_is_lost_and_no_number_tells_the_end() -> Result<()> {
    let mut pod = Pod::start().await?;
    let linger = pod.linger(30)?;
    pod.until("the first heartbeat", "_msg:\"pcizone\"", 1).await?;
    // As a crash of the node would: nobody is told anything.
    pod.append(1..=TAIL)?;
    pod.collector.kill()?;
    drop(linger);
    let (lines, heartbeats) = (pod.lines().await?, pod.heartbeats().await?);
    println!("of {TAIL} lines {} arrived", lines.len());
    assert!(u64::try_from(lines.len())? < TAIL, "nothing was lost, which nobody could rely on");
    assert!(!heartbeats.values().any(|kind| kind == "end"), "the store says that the pod ended well: {heartbeats:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_waited_for_as_long_as_that_is_allowed() -> Result<()> {
    let mut pod = Pod::start().await?;
    let linger = pod.linger(2)?;
    pod.append(1..=100)?;
    pod.until("the first lines", "_msg:\"line\"", 100).await?;
    pod.store.stop().await?;
    pod.append(101..=200)?;
    let said = tokio::task::spawn_blocking(move || linger.terminate()).await??;
    assert!(said.contains("it has sent") && said.contains("the rest goes with the pod"), "{said}");
    Ok(())
}
