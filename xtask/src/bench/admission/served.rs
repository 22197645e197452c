//! What the API server says of the pods that it created, and of what their admission took.

use std::collections::BTreeMap;

use anyhow::Result;
use testbed::ControlPlane;

use super::histogram::{Histogram, values};

/// The admission plugins in which guards act.
const PLUGINS: [&str; 3] = ["MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ValidatingAdmissionPolicy"];
/// Time of each mutating policy that patched something. Of validating ones only refusals are told.
const PATCHES: &str = "apiserver_mutating_admission_policy_check_duration_seconds";

/// Everything since the API server was started, or between two looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// Creations of pods.
    pub(super) requests: Histogram,
    /// Creations of any kind, in each plugin.
    pub(super) plugins: BTreeMap<&'static str, Histogram>,
    /// Calls of the webhook.
    pub(super) webhook: Histogram,
    /// Patches of each mutating policy.
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
        let policy = |name: String| {
            let taken = Histogram::read(text, PATCHES, &[("policy", name.as_str())]);
            (name, taken)
        };
        Served {
            requests: Histogram::read(text, "apiserver_request_duration_seconds", &created),
            plugins: PLUGINS.into_iter().map(plugin).collect(),
            webhook: Histogram::read(text, "apiserver_admission_webhook_admission_duration_seconds", &webhook),
            policies: values(text, &format!("{PATCHES}_count"), "policy").into_iter().map(policy).collect(),
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
