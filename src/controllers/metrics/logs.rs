//! What stores said of each zone's logs, as numbers. What is not known has no number: a series that is not there is not 0.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{ZoneLabels, exchange};
use crate::{api::LogsStatus, engine::Evaluation};

/// The series about logs.
#[derive(Default)]
pub(super) struct LogMetrics {
    age: Family<ZoneLabels, Gauge>,
    pods: Family<ZoneLabels, Gauge>,
    arriving: Family<ZoneLabels, Gauge>,
    retention: Family<ZoneLabels, Gauge>,
    shown: Mutex<Shown>,
}

/// What is shown now.
#[derive(Default)]
struct Shown {
    newest: BTreeMap<String, Timestamp>,
    age: HashSet<ZoneLabels>,
    pods: HashSet<ZoneLabels>,
    arriving: HashSet<ZoneLabels>,
    retention: HashSet<ZoneLabels>,
}

impl LogMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let LogMetrics { age, pods, arriving, retention, shown: _ } = self;
        registry.register(
            "logs_newest_record_age_seconds",
            "Age of the newest record of the pod that is farthest behind, up to five minutes too much while none is late",
            age.clone(),
        );
        registry.register("logs_pods", "Pods whose numbered lines are to arrive", pods.clone());
        registry.register(
            "logs_pods_arriving",
            "Those of which something new arrives at every store",
            arriving.clone(),
        );
        registry.register(
            "logs_retention_days",
            "Days that the store keeps records which keeps them shortest; none where that is unproven or unlimited",
            retention.clone(),
        );
    }

    /// Notes what was judged, of all zones.
    pub(super) fn set(&self, evaluations: &BTreeMap<String, Evaluation>, now: Timestamp) {
        let logs = || {
            let logs = evaluations.iter().filter_map(|(zone, one)| Some((zone, one.status.logs.as_ref()?)));
            logs.map(|(zone, logs)| (ZoneLabels { zone: zone.clone() }, logs))
        };
        {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let shown = &mut *shown;
            exchange(&self.pods, &mut shown.pods, logs().map(|(zone, logs)| (zone, logs.pods)).collect());
            exchange(&self.arriving, &mut shown.arriving, logs().map(|(zone, logs)| (zone, logs.arriving)).collect());
            let kept = logs().filter_map(|(zone, logs)| Some((zone, days(logs)?)));
            exchange(&self.retention, &mut shown.retention, kept.collect());
            shown.newest =
                logs().filter_map(|(zone, logs)| Some((zone.zone, logs.newest_record.as_ref()?.0))).collect();
        }
        self.note_age(now);
    }

    /// A record grows old without anybody judging it.
    pub(super) fn note_age(&self, now: Timestamp) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Shown { newest, age, .. } = &mut *shown;
        let ages: HashMap<ZoneLabels, i64> = newest
            .iter()
            .map(|(zone, newest)| (ZoneLabels { zone: zone.clone() }, newest.duration_until(now).as_secs().max(0)))
            .collect();
        exchange(&self.age, age, ages);
    }
}

/// A number of days, where the status has one.
fn days(logs: &LogsStatus) -> Option<i64> {
    logs.retention.strip_suffix('d')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::SignedDuration};

    use super::super::Metrics;
    use super::*;
    use crate::api::PciZoneStatus;

    fn judged(all: &[(&str, Option<LogsStatus>)]) -> BTreeMap<String, Evaluation> {
        let one = |logs: &Option<LogsStatus>| Evaluation {
            status: PciZoneStatus { logs: logs.clone(), ..PciZoneStatus::default() },
            ..Evaluation::default()
        };
        all.iter().map(|(zone, logs)| ((*zone).to_string(), one(logs))).collect()
    }

    fn logs(retention: &str, newest: Option<Timestamp>) -> LogsStatus {
        let newest_record = newest.map(Time);
        let retention = retention.to_string();
        LogsStatus { newest_record, retention, pods: 3, arriving: 2, stores: Vec::new() }
    }

    fn shown(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text().unwrap();
        let mut lines: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("pcizone_logs_")).map(str::to_string).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_is_not_known_has_no_number() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let newest = now.checked_sub(SignedDuration::from_secs(42)).unwrap();
        let pods = [r#"pods_arriving{zone="cde"} 2"#, r#"pods{zone="cde"} 3"#];
        let (age, days) = (r#"newest_record_age_seconds{zone="cde"} 42"#, r#"retention_days{zone="cde"} 400"#);
        for (what, status, wanted) in [
            ("all is known", Some(logs("400d", Some(newest))), vec![age, pods[0], pods[1], days]),
            ("unlimited is no number", Some(logs("unlimited", Some(newest))), vec![age, pods[0], pods[1]]),
            ("unproven", Some(logs("unproven", None)), pods.to_vec()),
            ("nobody was asked", None, vec![]),
        ] {
            let metrics = Metrics::default();
            // What was known before is taken away.
            metrics.set_judgement(
                0.1,
                &judged(&[("cde", Some(logs("400d", Some(now)))), ("web", Some(logs("9d", None)))]),
                now,
            );
            metrics.set_judgement(0.1, &judged(&[("cde", status)]), now);
            assert_eq!(shown(&metrics), wanted, "{what}");
        }
    }

    #[test]
    fn a_record_grows_old_by_itself_and_who_does_not_lead_says_nothing() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let later = now.checked_add(SignedDuration::from_secs(90)).unwrap();
        let metrics = Metrics::default();
        metrics.set_judgement(0.1, &judged(&[("cde", Some(logs("400d", Some(now))))]), now);
        metrics.note_age(later);
        assert!(shown(&metrics).contains(&r#"newest_record_age_seconds{zone="cde"} 90"#.to_string()));
        // A clock that is behind that of a store.
        metrics.note_age(now.checked_sub(SignedDuration::from_secs(5)).unwrap());
        assert!(shown(&metrics).contains(&r#"newest_record_age_seconds{zone="cde"} 0"#.to_string()));
        metrics.set_leading(false);
        metrics.note_age(later);
        assert!(shown(&metrics).is_empty(), "{:?}", shown(&metrics));
    }
}
