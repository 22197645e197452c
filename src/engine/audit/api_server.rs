//! What the pod of an API server shows of its audit log: flags, not the files behind them.

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::api::names;

/// The name of its container, and of its component.
const NAME: &str = "kube-apiserver";
/// Where its flags begin.
const FLAGS: &str = "--";
/// Words of its command line that are looked at: it has some dozens.
const WORDS: usize = 1_000;

/// What an API server was told of its audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApiServer {
    /// It has an audit policy. Without one it records nothing.
    pub policy: bool,
    /// It writes records into a file.
    pub log: bool,
    /// It sends records somewhere.
    pub webhook: bool,
}

impl ApiServer {
    /// Reads a pod; `None` where that is no API server. That it is one its label or its container says, as kubeadm and its kin
    /// make them: whoever may make pods in `kube-system` could say so too.
    pub fn of(metadata: &ObjectMeta, spec: &PodSpec) -> Option<Self> {
        if metadata.namespace.as_deref() != Some(names::SYSTEM_NAMESPACE) {
            return None;
        }
        let component = metadata.labels.as_ref().and_then(|labels| labels.get("component"));
        let named = spec.containers.iter().find(|container| container.name == NAME);
        let only = spec.containers.first().filter(|_| component.is_some_and(|component| component == NAME));
        let container = named.or(only)?;
        let words = container.command.iter().chain(&container.args).flatten();
        // A shell may stand before it, and have everything in one word.
        let words = words.flat_map(|word| word.split_whitespace()).map(|word| word.trim_matches(['"', '\'']));
        let words: Vec<&str> = words.take(WORDS).collect();
        Some(ApiServer {
            policy: has(&words, "audit-policy-file"),
            log: has(&words, "audit-log-path"),
            webhook: has(&words, "audit-webhook-config-file"),
        })
    }

    /// It records something, and that goes somewhere.
    pub fn records(self) -> bool {
        self.policy && (self.log || self.webhook)
    }
}

/// The flag has a value: the last one counts, and an empty one is none. The API server takes underscores for dashes.
fn has(words: &[&str], flag: &str) -> bool {
    let mut value = None;
    for (place, word) in words.iter().enumerate() {
        let Some(word) = word.strip_prefix(FLAGS) else { continue };
        let (name, inline) = word.split_once('=').map_or((word, None), |(name, inline)| (name, Some(inline)));
        if name.replace('_', "-") == flag {
            value = inline.or_else(|| words.get(place + 1).copied());
        }
    }
    value.is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    use super::*;

    fn read(namespace: &str, labels: &Value, containers: &Value) -> Option<ApiServer> {
        let metadata = json!({ "namespace": namespace, "name": "a", "labels": labels });
        let pod = json!({ "metadata": metadata, "spec": { "containers": containers } });
        let Pod { metadata, spec, .. } = serde_json::from_value(pod).unwrap();
        ApiServer::of(&metadata, &spec.unwrap())
    }

    #[test]
    fn flags_are_read_as_the_api_server_reads_them() {
        let all = ApiServer { policy: true, log: true, webhook: true };
        let (policy, log, none) = (
            ApiServer { policy: true, ..ApiServer::default() },
            ApiServer { log: true, ..ApiServer::default() },
            ApiServer::default(),
        );
        for (words, wanted) in [
            (json!(["kube-apiserver"]), none),
            (json!(["kube-apiserver", "--audit-policy-file=/p"]), policy),
            (json!(["kube-apiserver", "--audit-policy-file", "/p"]), policy),
            (json!(["kube-apiserver", "--audit-policy-file"]), none),
            (json!(["kube-apiserver", "--audit-policy-file="]), none),
            (json!(["kube-apiserver", "--audit-policy-file=/p", "--audit-policy-file="]), none),
            (json!(["kube-apiserver", "--audit-policy-file=", "--audit-policy-file=/p"]), policy),
            (json!(["kube-apiserver", "--audit_policy_file=/p"]), policy),
            (json!(["kube-apiserver", "--audit-policy-files=/p", "audit-policy-file=/p"]), none),
            (json!(["kube-apiserver", "--audit-log-path=-"]), log),
            (json!(["kube-apiserver", "--audit-log-maxage=30", "--audit-log-path=/l"]), log),
            (
                json!([
                    "sh",
                    "-c",
                    "exec kube-apiserver --audit-log-path=/l --audit-policy-file '/p' --audit-webhook-config-file=\"/w\""
                ]),
                all,
            ),
        ] {
            let containers = json!([{ "name": "kube-apiserver", "command": words }]);
            assert_eq!(read("kube-system", &Value::Null, &containers), Some(wanted), "{words}");
            let containers = json!([{ "name": "kube-apiserver", "args": words }]);
            assert_eq!(read("kube-system", &Value::Null, &containers), Some(wanted), "{words}");
        }
        assert!(all.records() && !policy.records() && !log.records());
    }

    #[test]
    fn an_api_server_is_known_by_its_label_or_its_container_and_only_where_it_runs() {
        let (own, other) = (json!([{ "name": "kube-apiserver" }]), json!([{ "name": "main" }]));
        let label = json!({ "component": "kube-apiserver" });
        for (namespace, labels, containers, is) in [
            ("kube-system", &Value::Null, &own, true),
            ("kube-system", &label, &other, true),
            ("kube-system", &Value::Null, &other, false),
            ("kube-system", &json!({ "component": "etcd" }), &other, false),
            ("vault", &label, &own, false),
            ("kube-system", &label, &json!([]), false),
        ] {
            assert_eq!(read(namespace, labels, containers).is_some(), is, "{namespace} {labels} {containers}");
        }
        // A helper beside it has no say.
        let beside = json!([{ "name": "proxy" }, { "name": "kube-apiserver", "args": ["--audit-policy-file=/p"] }]);
        assert_eq!(read("kube-system", &label, &beside).map(|server| server.policy), Some(true));
    }
}
