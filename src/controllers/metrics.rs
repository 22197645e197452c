//! Metrics in OpenMetrics text. Labels are bounded: zones, kinds, ids, never namespaces or pods.

mod dates;
mod images;
mod logs;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Mutex, PoisonError, atomic::AtomicI64},
};

use http::Method;
use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::{dates::DateMetrics, images::ImageMetrics, logs::LogMetrics};
use crate::engine::Evaluation;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    method: String,
    resource: String,
    code: i64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    controller: &'static str,
    verb: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ErrorLabels {
    controller: &'static str,
    category: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ZoneLabels {
    zone: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FindingLabels {
    zone: String,
    id: &'static str,
    severity: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    zone: String,
    condition: String,
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WatchLabels {
    resource: &'static str,
}

/// Every metric of the operator.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    writes: Family<WriteLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    reconciles: Family<ControllerLabels, Counter>,
    incidents: Family<ZoneLabels, Counter>,
    findings: Family<FindingLabels, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    silence: Family<WatchLabels, Gauge>,
    scan_reports: Family<WatchLabels, Gauge>,
    leading: Gauge<i64, AtomicI64>,
    judgement: Histogram,
    logs: LogMetrics,
    images: ImageMetrics,
    dates: DateMetrics,
    shown: Mutex<Shown>,
}

/// What the families of zones show now.
#[derive(Default)]
struct Shown {
    findings: HashSet<FindingLabels>,
    conditions: HashSet<ConditionLabels>,
    incidents: HashSet<ZoneLabels>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("pcizone"),
            requests: Family::default(),
            writes: Family::default(),
            errors: Family::default(),
            reconciles: Family::default(),
            incidents: Family::default(),
            findings: Family::default(),
            conditions: Family::default(),
            silence: Family::default(),
            scan_reports: Family::default(),
            leading: Gauge::default(),
            judgement: Histogram::new([0.001, 0.01, 0.1, 1.0, 10.0]),
            logs: LogMetrics::default(),
            images: ImageMetrics::default(),
            dates: DateMetrics::default(),
            shown: Mutex::default(),
        };
        let Metrics {
            registry,
            requests,
            writes,
            errors,
            reconciles,
            incidents,
            findings,
            conditions,
            silence,
            scan_reports,
            leading,
            judgement,
            logs,
            images,
            dates,
            shown: _,
        } = &mut metrics;
        registry.register("api_requests", "Requests to the API server; code 0 means no answer", requests.clone());
        registry.register("writes", "Writes carried out", writes.clone());
        registry.register("reconcile_errors", "Failed reconciliations", errors.clone());
        registry.register("reconciles", "Looks at an object of a controller", reconciles.clone());
        registry.register(
            "incidents",
            "Objects of ours that somebody else changed and that were put back",
            incidents.clone(),
        );
        registry.register("findings", "Open findings by id", findings.clone());
        registry.register("zone_condition", "1 for the status that a condition has", conditions.clone());
        registry.register("watch_silence_seconds", "Seconds since a watch was last heard", silence.clone());
        registry.register("scan_reports", "Reports that say something of an image, by kind", scan_reports.clone());
        registry.register("leading", "1 when this replica writes", leading.clone());
        registry.register("judgement_seconds", "Time to judge all zones", judgement.clone());
        logs.register(registry);
        images.register(registry);
        dates.register(registry);
        metrics
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Counts a request.
    pub fn count_request(&self, method: &Method, resource: &str, code: u16) {
        let labels = Request { method: method.to_string(), resource: resource.to_string(), code: i64::from(code) };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a write that was carried out.
    pub fn count_write(&self, controller: &'static str, verb: &'static str) {
        self.writes.get_or_create(&WriteLabels { controller, verb }).inc();
    }

    /// Counts a failed reconciliation.
    pub fn count_error(&self, controller: &'static str, category: &'static str) {
        self.errors.get_or_create(&ErrorLabels { controller, category }).inc();
    }

    /// Counts a look at an object.
    pub fn count_reconcile(&self, controller: &'static str) {
        self.reconciles.get_or_create(&ControllerLabels { controller }).inc();
    }

    /// Counts an incident.
    pub fn count_incident(&self, zone: &str) {
        let labels = ZoneLabels { zone: zone.to_string() };
        self.incidents.get_or_create(&labels).inc();
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).incidents.insert(labels);
    }

    /// Notes whether this replica leads. One that does not has nothing to say about zones.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
        if !leading {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            exchange(&self.findings, &mut shown.findings, HashMap::new());
            exchange(&self.conditions, &mut shown.conditions, HashMap::new());
            self.logs.set(&BTreeMap::new(), Timestamp::UNIX_EPOCH);
            self.images.set(&BTreeMap::new());
            self.dates.set(&BTreeMap::new());
        }
    }

    /// Notes how long a watch has been silent.
    pub fn set_silence(&self, resource: &'static str, seconds: i64) {
        self.silence.get_or_create(&WatchLabels { resource }).set(seconds);
    }

    /// Notes how many reports of a kind say something of an image; nothing where it is not read.
    pub fn set_scan_reports(&self, resource: &'static str, reports: Option<i64>) {
        match reports {
            Some(reports) => drop(self.scan_reports.get_or_create(&WatchLabels { resource }).set(reports)),
            None => drop(self.scan_reports.remove(&WatchLabels { resource })),
        }
    }

    /// Notes how old each zone's newest record is by now.
    pub fn note_age(&self, now: Timestamp) {
        self.logs.note_age(now);
    }

    /// Notes a judgement of all zones, as of a moment.
    pub fn set_judgement(&self, seconds: f64, evaluations: &BTreeMap<String, Evaluation>, now: Timestamp) {
        self.judgement.observe(seconds);
        self.logs.set(evaluations, now);
        self.images.set(evaluations);
        self.dates.set(evaluations);
        let mut findings: HashMap<FindingLabels, i64> = HashMap::new();
        let mut conditions: HashMap<ConditionLabels, i64> = HashMap::new();
        for (zone, evaluation) in evaluations {
            for found in &evaluation.findings {
                let labels = FindingLabels {
                    zone: zone.clone(),
                    id: found.id.as_str(),
                    severity: found.severity.as_label(),
                    state: found.state.as_label(),
                };
                *findings.entry(labels).or_default() += 1;
            }
            for condition in &evaluation.status.conditions {
                let labels = ConditionLabels {
                    zone: zone.clone(),
                    condition: condition.type_.clone(),
                    status: condition.status.clone(),
                };
                conditions.insert(labels, 1);
            }
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // A counter goes with its zone only: else whoever makes and deletes zones would fill the memory with names.
        shown.incidents.retain(|labels| {
            let is_there = evaluations.contains_key(&labels.zone);
            if !is_there {
                self.incidents.remove(labels);
            }
            is_there
        });
        exchange(&self.findings, &mut shown.findings, findings);
        exchange(&self.conditions, &mut shown.conditions, conditions);
    }

    /// All metrics as text.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// Shows the new values and takes away only what is gone, so that no reader meets a moment without findings.
fn exchange<L>(family: &Family<L, Gauge>, shown: &mut HashSet<L>, now: HashMap<L, i64>)
where
    L: Clone + std::hash::Hash + Eq,
{
    for (labels, value) in &now {
        family.get_or_create(labels).set(*value);
    }
    for gone in shown.iter().filter(|labels| !now.contains_key(*labels)) {
        family.remove(gone);
    }
    *shown = now.into_keys().collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::FindingId, engine::checks::Found};

    fn judged(zone: &str, findings: Vec<Found>) -> BTreeMap<String, Evaluation> {
        [(zone.to_string(), Evaluation { findings, ..Evaluation::default() })].into()
    }

    #[test]
    fn there_are_no_more_series_with_more_pods_and_none_of_zones_that_are_gone() {
        let series = |metrics: &Metrics, zone: &str| {
            let label = format!("zone=\"{zone}\"");
            metrics.text().unwrap().lines().filter(|line| line.contains(&label)).map(str::to_string).collect::<Vec<_>>()
        };
        let found = |n| Found::new(FindingId::HostNetworkPod, format!("Pod/vault/vault-{n}"), "It is so.");
        let metrics = Metrics::default();
        metrics.count_incident("cde");
        metrics.set_judgement(0.1, &judged("cde", (0..1000).map(found).collect()), Timestamp::UNIX_EPOCH);
        let shown = series(&metrics, "cde");
        assert_eq!(shown.len(), 2, "{shown:#?}");
        assert!(shown.iter().any(|line| line.contains("state=\"violated\"") && line.ends_with(" 1000")), "{shown:#?}");

        metrics.set_judgement(0.1, &judged("web", vec![found(0)]), Timestamp::UNIX_EPOCH);
        assert!(series(&metrics, "cde").is_empty());
        assert_eq!(series(&metrics, "web").len(), 1);
    }
}
