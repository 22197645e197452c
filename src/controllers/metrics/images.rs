//! What scanners say of each zone's images, as numbers. What is not known has no number. Dates are told as they are and not as ages:
//! whoever reads them has a clock, and nobody here has to look at them again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{ZoneLabels, exchange};
use crate::{api::ImagesStatus, engine::Evaluation};

/// The series about images.
#[derive(Default)]
pub(super) struct ImageMetrics {
    all: [Series; 5],
}

/// A series, and the zones that it shows now.
#[derive(Default)]
struct Series {
    family: Family<ZoneLabels, Gauge>,
    shown: Mutex<HashSet<ZoneLabels>>,
}

/// The name of a series, what it is, and where it stands in the status.
type Told = (&'static str, &'static str, fn(&ImagesStatus) -> Option<i64>);

const TOLD: [Told; 5] = [
    ("images_running", "Images that run: names, and of a name without a digest each content", |images| {
        Some(images.running)
    }),
    ("images_scanned", "Those with a scan that is new enough", |images| Some(images.scanned)),
    ("images_overdue", "Those of which a fix is overdue, accepted or not", |images| Some(images.overdue)),
    (
        "images_oldest_scan_timestamp_seconds",
        "When the image was scanned whose newest scan is the oldest, to the hour; none while one has no scan",
        |images| Some(images.oldest_scan.as_ref()?.0.as_second()),
    ),
    ("images_next_fix_due_timestamp_seconds", "When the next fix is overdue that is not yet", |images| {
        Some(images.next_fix.as_ref()?.0.as_second())
    }),
];

impl ImageMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (series, (name, help, _)) in self.all.iter().zip(TOLD) {
            registry.register(name, help, series.family.clone());
        }
    }

    /// Notes what was judged, of all zones.
    pub(super) fn set(&self, evaluations: &BTreeMap<String, Evaluation>) {
        for (series, (_, _, value)) in self.all.iter().zip(TOLD) {
            let values: HashMap<ZoneLabels, i64> = evaluations
                .iter()
                .filter_map(|(zone, one)| {
                    Some((ZoneLabels { zone: zone.clone() }, value(one.status.images.as_ref()?)?))
                })
                .collect();
            let mut shown = series.shown.lock().unwrap_or_else(PoisonError::into_inner);
            exchange(&series.family, &mut shown, values);
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::super::Metrics;
    use super::*;
    use crate::api::PciZoneStatus;

    fn judged(all: &[(&str, Option<ImagesStatus>)]) -> BTreeMap<String, Evaluation> {
        let one = |images: &Option<ImagesStatus>| Evaluation {
            status: PciZoneStatus { images: images.clone(), ..PciZoneStatus::default() },
            ..Evaluation::default()
        };
        all.iter().map(|(zone, images)| ((*zone).to_string(), one(images))).collect()
    }

    fn images(oldest_scan: Option<i64>, next_fix: Option<i64>) -> ImagesStatus {
        let time = |second: Option<i64>| second.map(|second| Time(Timestamp::from_second(second).unwrap()));
        let (oldest_scan, next_fix) = (time(oldest_scan), time(next_fix));
        ImagesStatus { running: 3, scanned: 2, overdue: 1, oldest_scan, next_fix }
    }

    fn shown(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text().unwrap();
        let mut lines: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("pcizone_images_")).map(str::to_string).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_is_not_known_has_no_number() {
        let counts = [r#"overdue{zone="cde"} 1"#, r#"running{zone="cde"} 3"#, r#"scanned{zone="cde"} 2"#];
        let fix = r#"next_fix_due_timestamp_seconds{zone="cde"} 1800000001"#;
        let scan = r#"oldest_scan_timestamp_seconds{zone="cde"} 1790000000"#;
        let [overdue, running, scanned] = counts;
        for (what, status, wanted) in [
            (
                "all is known",
                Some(images(Some(1_790_000_000), Some(1_800_000_001))),
                vec![fix, scan, overdue, running, scanned],
            ),
            ("an image has no scan", Some(images(None, Some(1_800_000_001))), vec![fix, overdue, running, scanned]),
            ("nothing is to be mended", Some(images(Some(1_790_000_000), None)), vec![scan, overdue, running, scanned]),
            ("nothing is declared", None, vec![]),
        ] {
            let metrics = Metrics::default();
            // What was known before is taken away.
            let before = judged(&[("cde", Some(images(Some(1), Some(2)))), ("web", Some(images(Some(1), Some(2))))]);
            metrics.set_judgement(0.1, &before, Timestamp::UNIX_EPOCH);
            metrics.set_judgement(0.1, &judged(&[("cde", status)]), Timestamp::UNIX_EPOCH);
            let mut wanted: Vec<String> = wanted.into_iter().map(str::to_string).collect();
            wanted.sort();
            assert_eq!(shown(&metrics), wanted, "{what}");
            metrics.set_leading(false);
            assert!(shown(&metrics).is_empty(), "{what}: who does not lead says nothing");
        }
    }
}
