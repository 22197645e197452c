//! When the status of each zone was written, by the audit log. Pure.
//!
//! Not by what a watch shows: a write that changes nothing is one too, and no watch shows it.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use testbed::AuditEvent;

use crate::bench::counts;

/// When each write of the operator to the status of a zone arrived, refused ones too, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes(BTreeMap<String, Vec<Timestamp>>);

impl Writes {
    pub(super) fn of(events: &[AuditEvent]) -> Self {
        let mut writes = Writes::default();
        let is_status = |event: &&AuditEvent| event.resource == "pcizones" && event.subresource == "status";
        for event in events.iter().filter(|event| counts::is_operators_write(event)).filter(is_status) {
            writes.0.entry(event.name.clone()).or_default().push(event.received.0);
        }
        for times in writes.0.values_mut() {
            times.sort_unstable();
        }
        writes
    }

    /// Of all zones together.
    pub(super) fn all(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Of the zone that had most.
    pub(super) fn most(&self) -> usize {
        self.0.values().map(Vec::len).max().unwrap_or_default()
    }

    /// The most of one zone in any second, whenever that begins.
    pub(super) fn most_in_a_second(&self) -> usize {
        let in_a_second = |times: &[Timestamp]| {
            let from = |first: &Timestamp| {
                let since = |time: &Timestamp| time.duration_since(*first).as_secs_f64();
                times.iter().filter(|time| (0.0..1.0).contains(&since(time))).count()
            };
            times.iter().map(from).max().unwrap_or_default()
        };
        self.0.values().map(|times| in_a_second(times)).max().unwrap_or_default()
    }

    /// The least time between two of one zone, in seconds.
    pub(super) fn closest(&self) -> f64 {
        let pairs = self.0.values().flat_map(|times| times.iter().zip(times.iter().skip(1)));
        pairs.map(|(one, next)| next.duration_since(*one).as_secs_f64()).fold(f64::NAN, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(user: &str, resource: &str, zone: &str, at: &str) -> AuditEvent {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let line = json!({
            "stage": "ResponseComplete", "requestURI": "/", "verb": "patch", "user": { "username": user },
            "objectRef": { "resource": resource, "subresource": subresource, "name": zone },
            "requestReceivedTimestamp": format!("2026-10-01T00:00:{at}Z"), "stageTimestamp": "2026-10-01T00:01:00.000000Z",
        });
        AuditEvent::parse(&line.to_string()).unwrap().unwrap()
    }

    #[test]
    fn only_the_operators_writes_of_a_status_are_counted_and_each_zone_by_itself() {
        let operator = counts::OPERATOR;
        let writes = Writes::of(&[
            event(operator, "pcizones/status", "a", "02.000000"),
            event(operator, "pcizones/status", "a", "01.000000"),
            event(operator, "pcizones/status", "a", "02.999999"),
            event(operator, "pcizones/status", "b", "02.100000"),
            event(operator, "pcizones", "a", "02.100000"),
            event(operator, "networkpolicies", "a", "02.200000"),
            event("mallory", "pcizones/status", "a", "02.300000"),
        ]);
        assert_eq!((writes.all(), writes.most(), writes.most_in_a_second()), (4, 3, 2));
        assert!((writes.closest() - 0.999_999).abs() < 1e-9, "{}", writes.closest());
        let nothing = Writes::default();
        assert_eq!((nothing.all(), nothing.most_in_a_second()), (0, 0));
        assert!(nothing.closest().is_nan());
    }
}
