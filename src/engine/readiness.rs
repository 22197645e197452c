//! Whether a pod is ready, as far as that decides: kept of what a `DaemonSet` made, since of any other pod each change of it would wake
//! the judge for nothing.

use k8s_openapi::api::core::v1::PodStatus;

use super::trim::READY;

/// Whether a pod is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing tells: it is not of a `DaemonSet`, or of a manifest that no API server has seen.
    #[default]
    Unknown,
    /// It is not, or not yet.
    Not,
    /// It is.
    Ready,
}

impl Readiness {
    /// Reads a status. An API server gives every pod a phase, so a status without one is that of a file.
    pub(super) fn of(status: &PodStatus) -> Self {
        let mut conditions = status.conditions.iter().flatten();
        match conditions.find(|condition| condition.type_ == READY) {
            Some(condition) if condition.status == "True" => Readiness::Ready,
            None if status.phase.is_none() => Readiness::Unknown,
            Some(_) | None => Readiness::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod as Manifest;
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::pod::Pod;

    #[test]
    fn readiness_is_kept_of_what_a_daemon_set_made_and_of_nothing_else() {
        let owner = |kind: &str| json!([{ "apiVersion": "apps/v1", "kind": kind, "name": "agent", "uid": "1", "controller": true }]);
        let condition = |kind: &str, status: &str| json!({ "phase": "Running", "conditions": [{ "type": kind, "status": status }] });
        for (kind, status, ready) in [
            ("DaemonSet", condition("Ready", "True"), Readiness::Ready),
            ("DaemonSet", condition("Ready", "False"), Readiness::Not),
            ("DaemonSet", condition("Ready", "Unknown"), Readiness::Not),
            ("DaemonSet", condition("ContainersReady", "True"), Readiness::Not),
            ("DaemonSet", json!({ "phase": "Pending" }), Readiness::Not),
            ("DaemonSet", json!({ "conditions": [{ "type": "Ready", "status": "True" }] }), Readiness::Ready),
            ("DaemonSet", json!({}), Readiness::Unknown),
            ("DaemonSet", Value::Null, Readiness::Unknown),
            ("ReplicaSet", condition("Ready", "True"), Readiness::Unknown),
            ("ReplicaSet", condition("Ready", "False"), Readiness::Unknown),
        ] {
            let metadata = json!({ "namespace": "logging", "name": "a", "ownerReferences": owner(kind) });
            let pod: Manifest = serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap();
            assert_eq!(Pod::from(pod).ready, ready, "{kind} {status}");
        }
    }
}
