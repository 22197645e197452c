//! The zone with its store, and what of its lines is there.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testbed::{Cni, Image, VictoriaLogs};

use crate::site::{INSIDE, Site};

/// Seconds between two numbered lines of a pod.
pub const EVERY: u64 = 2;
const LOOK: Duration = Duration::from_millis(200);

/// What became of the lines of one writer.
struct Row {
    what: String,
    written: u64,
    arrived: u64,
    twice: u64,
    seconds: f64,
}

/// A cluster of one node outside the zone and one inside, and a store outside of it.
pub struct Bed {
    pub site: Site,
    pub store: VictoriaLogs,
    forwarder: String,
    begun: Instant,
    rows: Vec<Row>,
}

impl Bed {
    pub async fn start() -> Result<Self> {
        let begun = Instant::now();
        let site = Site::start_with(Cni::Bridge, 1, &["--logs"]).await?;
        let forwarder = Image::collector().await?;
        site.cluster.import_image(&forwarder)?;
        let store = VictoriaLogs::start_at("400d", site.cluster.address()).await?;
        let bed = Self { site, store, forwarder: forwarder.by_digest(), begun, rows: Vec::new() };
        for namespace in ["vault", "shop"] {
            bed.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } })).await?;
        }
        bed.apply(&bed.zone()).await?;
        bed.say("the zone is declared");
        Ok(bed)
    }

    fn zone(&self) -> Value {
        let now = Timestamp::now();
        let (now, end) = (now.to_string(), (now + SignedDuration::from_hours(24 * 90)).to_string());
        json!({
            "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": "cde" },
            "spec": {
                "mode": "Enforce",
                "scope": { "namespaces": { "names": ["vault"] } },
                "segmentation": { "flows": [{
                    "name": "logs", "need": "The audit trail goes to the store of the security team.", "owner": "platform",
                    "approvedBy": "security", "ticket": "PAY-1", "reviewedAt": now,
                    "expiresAt": end,
                    "from": { "zone": "cde" },
                    "to": { "cidrs": [format!("{}/32", self.site.cluster.address())] },
                    "ports": [{ "port": self.store.port() }],
                }] },
                "hosting": {
                    "nodes": { "selector": { "matchLabels": { "node-restriction.kubernetes.io/pool": "pci" } } },
                    "podSecurity": "Restricted",
                },
                "attestations": [{
                    "control": "ApiServerAudit", "statement": "It writes all requests into an audit log.", "by": "platform",
                    "at": now, "validUntil": end,
                }],
                "logging": {
                    "standardOutput": "Unused",
                    "forwarder": { "kind": "OpenTelemetry", "image": self.forwarder },
                    "linger": { "image": self.site.image.by_digest(), "waitSeconds": 30, "everySeconds": EVERY },
                    "sinks": [{
                        "name": "siem",
                        "otlp": { "url": format!("{}/insert/opentelemetry", self.store.url()) },
                        "flow": "logs",
                        "store": { "kind": "VictoriaLogs", "url": self.store.url() },
                    }],
                },
            },
        })
    }

    pub async fn apply(&self, object: &Value) -> Result<()> {
        self.site.apply(&object.to_string()).await
    }

    pub async fn kubectl(&self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.site.kubectl.clone().with_limit(Duration::from_secs(150)).run(&words).await
    }

    /// Tells how far it is.
    pub fn say(&self, what: &str) {
        eprintln!("{:>4.0} s  {what}", self.begun.elapsed().as_secs_f64());
    }

    /// How many numbers of a writer are in the store, and how many lines.
    pub async fn arrived(&self, writer: &str) -> Result<(u64, u64)> {
        let query = format!("writer:=\"{writer}\" | stats count_uniq(n) as numbers, count() as lines");
        let records = self.store.query(&query).await?;
        let number = |name: &str| records.first()?.get(name)?.as_str()?.parse::<u64>().ok();
        number("numbers").zip(number("lines")).with_context(|| format!("the store does not count: {records:?}"))
    }

    /// Waits until so many numbers of a writer are there.
    pub async fn until_arrived(&self, writer: &str, numbers: u64, limit: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            let (there, _) = self.arrived(writer).await?;
            if there >= numbers {
                return Ok(());
            }
            if started.elapsed() > limit {
                bail!("of {numbers} lines of {writer} {there} arrive within {limit:?}\n{}", self.explain(writer).await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What there is to know of a pod that does not do what it should.
    pub async fn explain(&self, app: &str) -> String {
        let mut text = String::new();
        for line in [
            format!("describe pods -n vault -l app={app}"),
            format!("logs -n vault -l app={app} -c pcizone-forwarder --tail=20"),
            format!("logs -n vault -l app={app} -c pcizone-linger --tail=20"),
            format!("logs -n vault -l app={app} -c app --tail=20"),
            "get events -n vault".to_owned(),
        ] {
            let said = self.kubectl(&line).await.unwrap_or_else(|error| format!("{error:#}"));
            let _ = writeln!(text, "--- {line}\n{said}");
        }
        text
    }

    /// Counts what is there of a writer that has ended, for the table, and gives what was lost.
    pub async fn count(&mut self, what: &str, writer: &str, written: u64, since: Instant) -> Result<u64> {
        let (arrived, lines) = self.arrived(writer).await?;
        let row = Row {
            what: what.to_owned(),
            written,
            arrived,
            twice: lines.saturating_sub(arrived),
            seconds: since.elapsed().as_secs_f64(),
        };
        self.say(&format!("{what}: {arrived} of {written}, {} twice, {:.1} s", row.twice, row.seconds));
        self.rows.push(row);
        Ok(written.saturating_sub(arrived))
    }

    /// The same where nothing may be lost.
    pub async fn whole(&mut self, what: &str, writer: &str, written: u64, since: Instant) -> Result<()> {
        let lost = self.count(what, writer, written, since).await?;
        ensure!(lost == 0, "{what}: {lost} of {written} lines are lost\n{}", self.explain(writer).await);
        Ok(())
    }

    /// A pod of the zone as the API server has it.
    pub async fn pod(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&format!("get pod {name} -n vault -o json")).await?)?)
    }

    /// Kills a container of a pod, through the runtime.
    pub async fn kill(&self, pod: &str, container: &str) -> Result<()> {
        let pod = self.pod(pod).await?;
        let all = ["initContainerStatuses", "containerStatuses"];
        let mut all = all.iter().filter_map(|list| pod["status"][list].as_array()).flatten();
        let id = all.find(|one| one["name"] == container).and_then(|one| one["containerID"].as_str());
        self.site.cluster.kill_container(INSIDE, id.with_context(|| format!("no container {container}"))?)
    }

    /// Waits until the kubelet has started a pod's forwarder so many times again.
    pub async fn until_started_again(&self, pod: &str, restarts: &str, limit: Duration) -> Result<()> {
        let path = r#"jsonpath={.status.initContainerStatuses[?(@.name=="pcizone-forwarder")].restartCount}"#;
        self.site.says(&["get", "pod", pod, "-n", "vault", "-o", path], limit, |said| said == restarts).await.map(drop)
    }

    /// Tells all figures.
    pub fn table(&self) {
        eprintln!("{:<44} {:>8} {:>8} {:>6} {:>6} {:>8}", "", "written", "arrived", "lost", "twice", "seconds");
        for Row { what, written, arrived, twice, seconds } in &self.rows {
            let lost = written.saturating_sub(*arrived);
            eprintln!("{what:<44} {written:>8} {arrived:>8} {lost:>6} {twice:>6} {seconds:>8.1}");
        }
    }
}

/// The findings of this id among the worst, about a subject.
pub fn about<'s>(status: &'s Value, id: &str, subject: &str) -> Option<&'s Value> {
    status["topFindings"].as_array()?.iter().find(|found| found["id"] == id && found["subject"] == subject)
}
