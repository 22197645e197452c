//! What the API server says of the pods that it created, and of what their admission took.

use std::collections::BTreeMap;

use anyhow::Result;
use testbed::ControlPlane;

use super::histogram::{Histogram, values};

/// The admission plugins in which guards act.
const PLUGINS: [&str; 3] = ["MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ValidatingAdmissionPolicy"];
/// Time of each policy whose selectors and conditions let a request through.
const CHECKS: [(&str, &str); 2] = [
    ("validating", "apiserver_validating_admission_policy_check_duration_seconds"),
    ("mutating", "apiserver_mutating_admission_policy_check_duration_seconds"),
];

/// Everything since the API server was started, or between two looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// Creations of pods.
    pub(super) requests: Histogram,
    /// Creations of any kind, in each plugin.
    pub(super) plugins: BTreeMap<&'static str, Histogram>,
    /// Calls of the webhook.
    pub(super) webhook: Histogram,
    /// Checks of each policy.
    pub(super) policies: BTreeMap<String, Histogram>,
}

impl Served {
    pub(super) async fn now(cluster: &ControlPlane) -> Result<Self> {
        let text = cluster.kubectl().run(&["get", "--raw", "/metrics"]).await?;
        Ok(Self::read(&text))
    }

    fn read(text: &str) -> Self {
        let created = [("resource", "pods"), ("subresource", ""), ("verb", "POST")];
        let plugin = |name| {
            let labels = [("name", name), ("operation", "CREATE")];
            (name, Histogram::read(text, "apiserver_admission_controller_admission_duration_seconds", &labels))
        };
        let webhook = [("operation", "CREATE")];
        let mut policies = BTreeMap::new();
        for (kind, metric) in CHECKS {
            for policy in values(text, &format!("{metric}_count"), "policy") {
                let taken = Histogram::read(text, metric, &[("policy", policy.as_str())]);
                policies.insert(format!("{kind} {policy}"), taken);
            }
        }
        Served {
            requests: Histogram::read(text, "apiserver_request_duration_seconds", &created),
            plugins: PLUGINS.into_iter().map(plugin).collect(),
            webhook: Histogram::read(text, "apiserver_admission_webhook_admission_duration_seconds", &webhook),
            policies,
        }
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        let nothing = Histogram::default();
        let plugins = self.plugins.iter();
        let policies = self.policies.iter();
        Served {
            requests: self.requests.since(&before.requests),
            plugins: plugins.map(|(k, now)| (*k, now.since(before.plugins.get(k).unwrap_or(&nothing)))).collect(),
            webhook: self.webhook.since(&before.webhook),
            policies: policies
                .map(|(k, now)| (k.clone(), now.since(before.policies.get(k).unwrap_or(&nothing))))
                .collect(),
        }
    }
}
