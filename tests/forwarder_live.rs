//! The configuration that is rendered for the OpenTelemetry Collector, on a real one that sends to a real store: two directories, lines that are
//! JSON and lines that are not, a file that is turned over while it is written, and the sidecar beside it. Fluent Bit cannot be had here;
//! its configuration is looked at in tests/forwarder.rs alone.

#![expect(clippy::indexing_slicing, reason = "a test ends where something is not as expected")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use pcizone::{
    api::Logging,
    engine::forwarder::{self, Rendered},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Collector, VictoriaLogs};

const LIMIT: Duration = Duration::from_secs(40);
const FILE: &str = "collector.yaml";
/// Lines of a file before it is turned over, and of the one behind it.
const LINES: u64 = 2_000;
const SINK: &str = "siem";

struct Pod {
    folder: TempDir,
    store: VictoriaLogs,
    collector: Collector,
    rendered: Rendered,
}

/// What the pod's containers have in their environment.
const ENVIRONMENT: [(&str, &str); 4] =
    [("PCIZONE_ZONE", "cde"), ("PCIZONE_NAMESPACE", "vault"), ("PCIZONE_POD", "web-1"), ("PCIZONE_NODE", "pci-1")];

impl Pod {
    /// The pod of a zone whose application has written before the forwarder starts, and how much it may buffer.
    async fn start(buffer: u32, before: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let (folder, store) = (tempfile::tempdir()?, VictoriaLogs::start("400d").await?);
        for directory in ["app", "audit"] {
            fs::create_dir(folder.path().join(directory))?;
        }
        before(folder.path())?;
        let image = format!("registry.example.com/x@sha256:{}", "0".repeat(64));
        let logging: Logging = serde_json::from_value(json!({
            "sources": [{"path": folder.path().join("app")}, {"path": folder.path().join("audit")}],
            "forwarder": {"kind": "OpenTelemetry", "image": image, "bufferMebibytes": buffer},
            "linger": {"image": image},
            "sinks": [{"name": SINK, "flow": "logs", "otlp": {"url": format!("{}/insert/opentelemetry", store.url())}}],
        }))?;
        let rendered = forwarder::render("cde", &logging).context("no configuration")?;
        let text = &rendered.files[FILE];
        let own = [
            (forwarder::BUFFER, "${env:STORAGE}"),
            // Its port is taken where two run at once.
            ("port: 24231", "port: ${env:METRICS_PORT}"),
        ];
        for (from, _) in own {
            ensure!(text.contains(from), "nothing to replace: {from}");
        }
        let text = own.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to));
        let collector = Collector::start_in(&text, &folder.path().join("storage"), &ENVIRONMENT).await?;
        Ok(Pod { folder, store, collector, rendered })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Starts the sidecar with what is rendered for it, but for the port.
    fn linger(&self) -> Result<Linger> {
        let mut arguments = self.rendered.linger.clone();
        let url = arguments.iter_mut().find(|argument| argument.starts_with("http://")).context("no address")?;
        *url = self.collector.metrics_url();
        let mut child = Command::new(env!("CARGO_BIN_EXE_pcizone"))
            .args([
                "linger",
                "--directory",
                self.path("app").to_str().context("a path")?,
                "--wait",
                "60",
                "--every",
                "1",
            ])
            .args(arguments)
            .envs(ENVIRONMENT)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        ensure!(line.starts_with("writes a line"), "{line}");
        Ok(Linger { child, said })
    }

    /// Waits until its queue is full and it has not read everything: it announces neither.
    async fn until_full(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        let port = self.collector.metrics_url().split([':', '/']).nth(4).context("no port")?.parse()?;
        loop {
            let text = tokio::task::spawn_blocking(move || metrics(port)).await??;
            let (size, capacity) =
                (value(&text, "otelcol_exporter_queue_size"), value(&text, "otelcol_exporter_queue_capacity"));
            if let (Some(size), Some(capacity)) = (size, capacity)
                && size >= capacity * 0.9
            {
                println!("{size} bytes of {capacity} are queued");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "waited {LIMIT:?} for a full queue: {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn until(&self, what: &str, filter: &str, wanted: u64) -> Result<()> {
        let query = format!("{filter} | stats count() as n");
        let wanted = wanted.to_string();
        let found = |records: Vec<Value>| records.first().is_some_and(|record| record["n"] == *wanted).then_some(());
        let result = self.store.query_until(LIMIT, (what, &query), found).await;
        result.with_context(|| fs::read_to_string(self.collector.log()).unwrap_or_default())
    }
}

/// What it tells of itself.
fn metrics(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The first value of a metric.
fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find(|line| line.starts_with(name))?.rsplit_once(' ')?.1.parse().ok()
}

struct Linger {
    child: Child,
    said: BufReader<ChildStderr>,
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

fn append(path: &Path, text: &str) -> Result<()> {
    Ok(OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())?)
}

fn numbered(numbers: std::ops::Range<u64>) -> String {
    numbers.fold(String::new(), |mut text, number| {
        let _ =
            writeln!(text, r#"{{"time":"2026-11-26T20:00:00Z","number":{number},"user":{{"name":"ada"}},"ok":true}}"#);
        text
    })
}

fn fields(record: &Value) -> BTreeMap<&str, &str> {
    record
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_arrives_once_with_its_fields_and_its_origin() -> Result<()> {
    // There before the forwarder is.
    let mut pod = Pod::start(512, |folder| append(&folder.join("audit/early.log"), "early text\n")).await?;
    let linger = pod.linger()?;
    let app = pod.path("app/app.log");
    append(&app, &numbered(0..1))?;
    pod.until("the first line", "number:*", 1).await?;
    append(&app, &numbered(1..LINES))?;
    // Turned over at once, read or not, as applications do. A file that nobody has looked at yet would be lost with that.
    fs::rename(&app, pod.path("app/app.log.1"))?;
    append(&app, &numbered(LINES..2 * LINES))?;
    let forged = r#"{"message":"forged","kubernetes":{"pod":"other","more":1},"log.file.path":"/etc/shadow"}"#;
    let texts = format!("plain text\n{{not json}}\n[1,2]\n{forged}\n");
    append(&pod.path("audit/audit.log"), &texts)?;
    append(&pod.path("audit/not-read.txt"), "elsewhere\n")?;
    pod.until("the numbered lines", "number:*", 2 * LINES).await?;
    // Its last line is written when it is told, after the application's last one.
    append(&pod.path("audit/audit.log"), "last text\n")?;
    let said = tokio::task::spawn_blocking(move || linger.terminate()).await??;
    ensure!(said.contains("has sent all of"), "{said}");
    pod.collector.kill()?;

    let records = pod.store.query("*").await?;
    let mut numbers = Vec::new();
    let mut ids = BTreeSet::new();
    for record in &records {
        let fields = fields(record);
        for (name, value) in [("zone", "cde"), ("namespace", "vault"), ("pod", "web-1"), ("node", "pci-1")] {
            assert_eq!(fields[format!("kubernetes.{name}").as_str()], value, "{record}");
        }
        assert!(ids.insert(fields["kubernetes.id"]), "{record} has the id of another");
        if let Some(number) = fields.get("number") {
            numbers.push(number.parse::<u64>()?);
            assert_eq!((fields["user.name"], fields["ok"]), ("ada", "true"), "{record}");
            assert!(fields["kubernetes.file"].ends_with("/app/app.log"), "{record}");
        }
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..2 * LINES), "some are missing, or there twice");

    let one = |text: &str| {
        let mut found = records.iter().map(fields).filter(|fields| fields["_msg"] == text);
        let first = found.next().unwrap_or_else(|| panic!("no record {text}: {records:?}"));
        assert!(found.next().is_none(), "{text} is there twice");
        first
    };
    for text in ["early text", "plain text", "{not json}", "[1,2]", "last text"] {
        assert!(one(text)["kubernetes.file"].contains("/audit/"), "{text}");
    }
    // What a line says of its origin counts for nothing.
    let record = one(forged);
    assert_eq!(record["message"], "forged");
    assert!(record["kubernetes.file"].ends_with("/audit/audit.log"), "{record:?}");
    assert!(!record.contains_key("kubernetes.more"), "{record:?}");
    assert!(!records.iter().map(fields).any(|fields| fields["_msg"] == "elsewhere"));

    let mut beats: Vec<(u64, &str)> = Vec::new();
    for fields in records.iter().map(fields).filter(|fields| fields.contains_key("pcizone")) {
        for (name, value) in [("zone", "cde"), ("namespace", "vault"), ("pod", "web-1"), ("node", "pci-1")] {
            assert_eq!(fields[name], value, "{fields:?}");
        }
        assert!(fields.contains_key("time") && fields.contains_key("run"), "{fields:?}");
        beats.push((fields["seq"].parse()?, fields["pcizone"]));
    }
    beats.sort_unstable();
    assert!(beats.iter().map(|(seq, _)| *seq).eq(0..beats.len() as u64), "{beats:?}");
    assert_eq!((beats[0].1, beats[beats.len() - 1].1), ("start", "end"), "{beats:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_buffer_stops_reading_and_nothing_is_dropped() -> Result<()> {
    let mut pod = Pod::start(16, |_| Ok(())).await?;
    append(&pod.path("app/app.log"), "first text\n")?;
    pod.until("the first line", "_msg:\"first text\"", 1).await?;
    pod.store.stop().await?;
    // More than its queue of 4 MiB takes.
    let long = "x".repeat(1_000);
    let total = 16_000;
    for file in 0..4 {
        let mut text = String::new();
        for number in 0..total / 4 {
            writeln!(text, r#"{{"number":{},"long":"{long}"}}"#, file * (total / 4) + number)?;
        }
        append(&pod.path(&format!("app/{file}.log")), &text)?;
    }
    pod.until_full().await?;
    let stored: u64 =
        fs::read_dir(pod.path("storage"))?.map(|file| Ok(file?.metadata()?.len())).sum::<Result<u64>>()?;
    assert!(stored <= 16 * 1024 * 1024, "its buffer takes {stored} bytes of 16 MiB");
    pod.store.start_again().await?;
    pod.until("all lines", "number:* | uniq by (number)", total).await?;
    pod.until("all lines once", "number:*", total).await?;
    Ok(())
}
