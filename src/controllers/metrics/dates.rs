//! By when people have to do something again: for each requirement of a zone the nearest date. A date that nobody set has no number.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::exchange;
use crate::engine::Evaluation;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequirementLabels {
    zone: String,
    requirement: String,
}

/// The series about obligations.
#[derive(Default)]
pub(super) struct DateMetrics {
    due: Family<RequirementLabels, Gauge>,
    shown: Mutex<HashSet<RequirementLabels>>,
}

impl DateMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "obligation_due_timestamp_seconds",
            "The nearest date by which something has to be done again for a requirement of PCI DSS, past or not",
            self.due.clone(),
        );
    }

    /// Notes what was judged, of all zones.
    pub(super) fn set(&self, evaluations: &BTreeMap<String, Evaluation>) {
        let of_zone = |(zone, one): (&String, &Evaluation)| {
            let labels =
                |requirement: &String| RequirementLabels { zone: zone.clone(), requirement: requirement.clone() };
            one.due.iter().map(|(requirement, due)| (labels(requirement), due.as_second())).collect::<Vec<_>>()
        };
        let values: HashMap<RequirementLabels, i64> = evaluations.iter().flat_map(of_zone).collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        exchange(&self.due, &mut shown, values);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::super::Metrics;
    use super::*;

    fn judged(zone: &str, due: &[(&str, i64)]) -> BTreeMap<String, Evaluation> {
        let due =
            due.iter().map(|(number, at)| ((*number).to_string(), Timestamp::from_second(*at).unwrap())).collect();
        [(zone.to_string(), Evaluation { due, ..Evaluation::default() })].into()
    }

    fn shown(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text().unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("pcizone_obligation_due_timestamp_seconds"));
        let mut lines: Vec<String> = lines.map(str::to_string).collect();
        lines.sort();
        lines
    }

    #[test]
    fn each_requirement_has_its_date_until_it_has_none() {
        let metrics = Metrics::default();
        metrics.set_judgement(0.1, &judged("cde", &[("6.2.2", 1_800_000_000), ("11.4.5", 5)]), Timestamp::UNIX_EPOCH);
        let [training, test] =
            [r#"{zone="cde",requirement="6.2.2"} 1800000000"#, r#"{zone="cde",requirement="11.4.5"} 5"#];
        assert_eq!(shown(&metrics), [test, training]);
        metrics.set_judgement(0.1, &judged("cde", &[("6.2.2", 1_800_000_000)]), Timestamp::UNIX_EPOCH);
        assert_eq!(shown(&metrics), [training]);
        metrics.set_judgement(0.1, &judged("web", &[]), Timestamp::UNIX_EPOCH);
        assert!(shown(&metrics).is_empty());
        metrics.set_judgement(0.1, &judged("cde", &[("6.2.2", 1)]), Timestamp::UNIX_EPOCH);
        metrics.set_leading(false);
        assert!(shown(&metrics).is_empty(), "who does not lead says nothing");
    }
}
