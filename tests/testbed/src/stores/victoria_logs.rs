//! `VictoriaLogs`: takes OTLP, Elasticsearch's `_bulk`, Loki's push and Splunk's HEC, and answers `LogsQL`.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{daemon::Daemon, http::Http};
use crate::{
    assets::Binary,
    components::flag,
    control_plane::find_assets,
    port::Port,
    process::{Process, Program},
    workdir::Workdir,
};

const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to write what it holds.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL_PAUSE: Duration = Duration::from_millis(100);

/// A running store. Dropping it ends it and removes its data.
pub struct VictoriaLogs {
    daemon: Daemon,
    http: Http,
    port: Port,
    // Last, since the process uses it.
    _workdir: Workdir,
}

impl VictoriaLogs {
    /// Starts a store that keeps records as long as `retention` says, such as `400d`, and waits until it answers, half a
    /// minute at most (and a build on the first run). It refuses records that are older than that.
    pub async fn start(retention: &str) -> Result<Self> {
        Self::start_at(retention, Ipv4Addr::LOCALHOST).await
    }

    /// The same on another address of this machine, such as that which real nodes and their pods reach.
    pub async fn start_at(retention: &str, address: Ipv4Addr) -> Result<Self> {
        let assets = find_assets(vec![Binary::VictoriaLogs]).await?;
        let workdir = Workdir::create()?;
        let port = Port::reserve_for_reuse_at(address)?;
        let args = vec![
            flag("storageDataPath", workdir.path().join("data").display()),
            flag("httpListenAddr", format!("{address}:{}", port.number())),
            flag("retentionPeriod", retention),
            // By default it would take more than half of the machine.
            flag("memory.allowedBytes", "256MB"),
        ];
        let program = Program {
            name: Binary::VictoriaLogs.name().to_owned(),
            path: assets.path(Binary::VictoriaLogs)?,
            args,
            env: Vec::new(),
            folder: workdir.path().to_owned(),
            log: workdir.path().join("victoria-logs.log"),
        };
        let http = Http::at(address, port.number());
        let mut store = Self { daemon: Daemon::new(program), http, port, _workdir: workdir };
        store.start_again().await?;
        Ok(store)
    }

    /// Its address. It stays the same when it is started again.
    pub fn url(&self) -> &str {
        self.http.url()
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it takes logs by OTLP over HTTP.
    pub fn otlp_logs_url(&self) -> String {
        format!("{}/insert/opentelemetry/v1/logs", self.url())
    }

    /// What it says of itself, its settings among it, in Prometheus' text format.
    pub async fn metrics(&self) -> Result<String> {
        let body = self.http.take(Method::GET, "/metrics", None).await?;
        String::from_utf8(body.into()).context("metrics that are no text")
    }

    /// How many records a filter of `LogsQL` finds, `*` for all. Everything counts that a sender was told is taken.
    pub async fn count(&self, filter: &str) -> Result<u64> {
        let records = self.query(&format!("{filter} | stats count() as n")).await?;
        // It writes numbers as strings.
        let number = records.first().and_then(|record| record.get("n")?.as_str()?.parse().ok());
        number.with_context(|| format!("VictoriaLogs does not count {filter:?}, but answers {records:?}"))
    }

    /// The records that a query of `LogsQL` gives, 64 MB of them at most.
    pub async fn query(&self, logsql: &str) -> Result<Vec<Value>> {
        // What was taken a moment ago is not found before this.
        self.http.take(Method::GET, "/internal/force_flush", None).await?;
        let form = format!("query={}", utf8_percent_encode(logsql, NON_ALPHANUMERIC));
        let body = Some(("application/x-www-form-urlencoded", Bytes::from(form)));
        let answer = self.http.take(Method::POST, "/select/logsql/query", body).await?;
        let records = serde_json::Deserializer::from_slice(&answer).into_iter().collect::<Result<_, _>>();
        records.with_context(|| format!("VictoriaLogs answers {logsql:?} with something else than JSON lines"))
    }

    /// Waits until a query gives what is looked for: the store announces nothing. `what` is for the error.
    pub async fn query_until<T>(
        &self,
        limit: Duration,
        (what, logsql): (&str, &str),
        found: impl Fn(Vec<Value>) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = found(self.query(logsql).await?) {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                let number = self.count("*").await?;
                return Err(anyhow!(
                    "waited {limit:?}, but {logsql:?} does not show {what}; the store has {number} records"
                ));
            }
            sleep(POLL_PAUSE).await;
        }
    }

    /// Ends it in an orderly way. Its port stays reserved and refuses connections.
    pub async fn stop(&mut self) -> Result<()> {
        self.daemon.stop(STOP_LIMIT).await.map(drop)
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// Starts it again on the same port with the same data, and waits until it answers.
    pub async fn start_again(&mut self) -> Result<()> {
        let http = &self.http;
        self.daemon.start(START_LIMIT, || async { http.take(Method::GET, "/health", None).await.map(drop) }).await
    }

    /// The process, to pause or to measure it.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.daemon.process()
    }
}
