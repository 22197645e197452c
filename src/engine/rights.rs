//! The rights that the operator needs. The RBAC objects in `deploy/` grant exactly these.

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::{desired::admission::Kind, intake};
use crate::api::names;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the whole cluster.
    Cluster,
    /// In the namespace `default`, where the `kubernetes` Service and events about cluster-scoped objects are.
    Default,
    /// In the operator's own namespace.
    Own,
}

/// Rights on one kind.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// API group.
    pub group: &'static str,
    /// Plural, with the subresource behind a slash.
    pub resource: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Where.
    pub place: Place,
    /// Only on the object of this name. A creation cannot be granted so narrowly.
    pub name: Option<&'static str>,
}

const fn right(group: &'static str, resource: &'static str, verbs: &'static [&'static str], place: Place) -> Right {
    Right { group, resource, verbs, place, name: None }
}

impl Right {
    const fn on(self, name: &'static str) -> Self {
        Right { name: Some(name), ..self }
    }

    fn covers(&self, group: &str, resource: &str, verb: &str, names: &[String]) -> bool {
        let named =
            self.name.is_none_or(|name| verb == "create" || !names.is_empty() && names.iter().all(|n| n == name));
        self.group == group && self.resource == resource && self.verbs.contains(&verb) && named
    }
}

/// For objects that are wholly ours.
const KEEP: &[&str] = &["get", "list", "watch", "create", "update", "delete"];

/// Every right that the operator needs.
pub const NEEDED: &[Right] = &[
    right(names::GROUP, "pcizones", &["get", "list", "watch", "patch"], Place::Cluster),
    right(names::GROUP, "pcizones/status", &["patch"], Place::Cluster),
    right("", "namespaces", &["get", "list", "watch", "patch"], Place::Cluster),
    right("", "nodes", &["get", "list", "watch", "patch"], Place::Cluster),
    right("networking.k8s.io", "networkpolicies", KEEP, Place::Cluster),
    right(Kind::GROUP, "validatingadmissionpolicies", KEEP, Place::Cluster),
    right(Kind::GROUP, "validatingadmissionpolicybindings", KEEP, Place::Cluster),
    right(Kind::GROUP, "mutatingadmissionpolicies", KEEP, Place::Cluster),
    right(Kind::GROUP, "mutatingadmissionpolicybindings", KEEP, Place::Cluster),
    right("rbac.authorization.k8s.io", "clusterroles", &["list", "watch"], Place::Cluster),
    right("rbac.authorization.k8s.io", "clusterrolebindings", &["list", "watch"], Place::Cluster),
    right("rbac.authorization.k8s.io", "roles", &["list", "watch"], Place::Cluster),
    right("rbac.authorization.k8s.io", "rolebindings", &["list", "watch"], Place::Cluster),
    right("", "pods", &["list", "watch"], Place::Cluster),
    right("networking.k8s.io", "servicecidrs", &["list", "watch"], Place::Cluster),
    right("", "services", &["list", "watch"], Place::Cluster),
    right("networking.k8s.io", "ingresses", &["list", "watch"], Place::Cluster),
    right("discovery.k8s.io", "endpointslices", &["list", "watch"], Place::Cluster),
    right("events.k8s.io", "events", &["create", "patch"], Place::Default),
    right("coordination.k8s.io", "leases", &["get", "create", "patch"], Place::Own).on(names::OPERATOR),
    right("", "secrets", &["get", "list", "watch", "create", "update"], Place::Own).on(names::WEBHOOK),
    right(Kind::GROUP, "mutatingwebhookconfigurations", KEEP, Place::Cluster).on(names::WEBHOOK),
];

const LOOK: &[&str] = &["list", "watch"];

/// What it needs of kinds that other software brings, where they are there. Reports are asked for only with a component.
pub fn optional() -> impl Iterator<Item = Right> {
    let needed = |kind: &intake::Kind| kind.is_optional() && !kind.is_report();
    intake::Kind::ALL.iter().copied().filter(needed).flat_map(of_optional)
}

/// The further rights of the component that reads what scanners report. Whoever writes a policy that reads a `ConfigMap` must be allowed to get
/// every one.
pub fn scanning() -> impl Iterator<Item = Right> {
    let reports = intake::Kind::ALL.iter().copied().filter(|kind| kind.is_report()).flat_map(of_optional);
    reports.chain([right("", "configmaps", &["get"], Place::Cluster)])
}

/// What it needs of one of them.
pub fn of_optional(kind: intake::Kind) -> impl Iterator<Item = Right> {
    use intake::Kind as K;
    const GROUP: &str = "projectcalico.org";
    // Calico's API server asks for more before it shows a policy.
    let more = match kind {
        K::CalicoNetworkPolicy => Some(right(GROUP, "tier.networkpolicies", LOOK, Place::Cluster)),
        K::CalicoGlobalNetworkPolicy => Some(right(GROUP, "tier.globalnetworkpolicies", LOOK, Place::Cluster)),
        K::CalicoTier => Some(right(GROUP, "tiers", &["get"], Place::Cluster)),
        _ => None,
    };
    std::iter::once(right(kind.group(), kind.plural(), LOOK, Place::Cluster)).chain(more)
}

/// The further rights of the component that lets zones have misplaced pods evicted.
pub const EVICT: &[Right] =
    &[right("", "pods", &["get"], Place::Cluster), right("", "pods/eviction", &["create"], Place::Cluster)];

/// The further rights of the component that tests the network with pods of its own. RBAC cannot narrow them to a label; an
/// admission policy of each zone keeps the label of such pods to the operator.
pub const CANARY: &[Right] = &[
    right("", "pods", &["create", "delete"], Place::Cluster),
    right("", "pods", &["get"], Place::Own),
    setting("amazon-vpc-cni"),
    setting("antrea-config"),
    setting("azure-npm-config"),
    setting("calico-config"),
    setting("canal-config"),
    setting("cilium-config"),
    setting("kube-flannel-cfg"),
    setting("kube-router-cfg"),
    right("crd.projectcalico.org", "felixconfigurations", &["get"], Place::Cluster).on("default"),
];

/// The right to read a setting of a network plug-in.
const fn setting(name: &'static str) -> Right {
    right("", "configmaps", &["get"], Place::Cluster).on(name)
}

/// The further rights of the component that gives the zone's pods log forwarders. RBAC cannot narrow them to a label.
pub const LOGS: &[Right] = &[right("", "configmaps", &["get", "list", "watch", "create", "delete"], Place::Cluster)];

/// The API group of reports that report viewers read.
pub const OPEN_REPORTS_GROUP: &str = "openreports.io";

const REPORT: &[&str] = &["get", "list", "create", "update", "delete"];

/// The further rights of the component by which findings are written as such reports.
pub const OPEN_REPORTS: &[Right] = &[
    right(OPEN_REPORTS_GROUP, "reports", REPORT, Place::Cluster),
    right(OPEN_REPORTS_GROUP, "clusterreports", REPORT, Place::Cluster),
];

/// What rules grant in the whole cluster beyond what the operator is shipped with, in words such as `patch pods`; at most so many.
pub fn beyond(rules: &[PolicyRule], most: usize) -> Vec<String> {
    let shipped: Vec<Right> = NEEDED
        .iter()
        .chain(EVICT)
        .chain(OPEN_REPORTS)
        .chain(CANARY)
        .chain(LOGS)
        .copied()
        .chain(optional())
        .chain(scanning())
        .filter(|right| matches!(right.place, Place::Cluster))
        .collect();
    let mut beyond = Vec::new();
    for rule in rules {
        let names = rule.resource_names.as_deref().unwrap_or_default();
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    let covers =
                        |names: &[String]| shipped.iter().any(|right| right.covers(group, resource, verb, names));
                    // Of several names each may have a right of its own.
                    let each = || names.len() > 1 && names.iter().all(|name| covers(std::slice::from_ref(name)));
                    if beyond.len() < most && !covers(names) && !each() {
                        beyond.push(words(group, resource, verb));
                    }
                }
            }
        }
        let paths = rule.non_resource_urls.iter().flatten().map(|path| format!("{} {path}", rule.verbs.join(", ")));
        beyond.extend(paths.take(most.saturating_sub(beyond.len())));
    }
    beyond
}

/// A right in words such as `patch networkpolicies.networking.k8s.io`.
pub fn words(group: &str, resource: &str, verb: &str) -> String {
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    format!("{verb} {resource}{group}")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::rbac::v1::ClusterRole;
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::canary::about;

    fn rules(rules: &Value) -> Vec<PolicyRule> {
        serde_json::from_value(rules.clone()).unwrap()
    }

    #[test]
    fn what_is_shipped_is_not_beyond_it() {
        for file in [
            include_str!("../../deploy/kustomize/base/rbac.yaml"),
            include_str!("../../deploy/kustomize/components/evict/rbac.yaml"),
            include_str!("../../deploy/kustomize/components/canary/rbac.yaml"),
            include_str!("../../deploy/kustomize/components/logs/rbac.yaml"),
            include_str!("../../deploy/kustomize/components/open-reports/rbac.yaml"),
            include_str!("../../deploy/kustomize/components/scanning/rbac.yaml"),
        ] {
            let objects: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
            let roles: Vec<_> = objects.into_iter().filter(|object| object["kind"] == "ClusterRole").collect();
            assert_eq!(roles.len(), 1);
            for role in roles {
                let role: ClusterRole = serde_json::from_value(role).unwrap();
                assert!(beyond(&role.rules.unwrap(), 3).is_empty());
            }
        }
    }

    #[test]
    fn settings_that_the_canary_reads_are_among_its_rights() {
        for (_, name) in about::CONFIG_MAPS {
            assert!(CANARY.iter().any(|right| right.resource == "configmaps" && right.name == Some(name)), "{name}");
        }
    }

    #[test]
    fn what_is_beyond_it_is_named_and_bounded() {
        let on = |resources: &[&str], verbs: &[&str], names: &[&str]| json!({ "apiGroups": [""], "resources": resources, "verbs": verbs, "resourceNames": names });
        let webhook = |verbs: &[&str], names: &[&str]| json!({ "apiGroups": ["admissionregistration.k8s.io"], "resources": ["mutatingwebhookconfigurations"], "verbs": verbs, "resourceNames": names });
        let of_webhook = "update mutatingwebhookconfigurations.admissionregistration.k8s.io";
        for (rule, named) in [
            (on(&["pods"], &["list", "patch"], &[]), vec!["patch pods"]),
            (on(&["pods/exec"], &["create"], &[]), vec!["create pods/exec"]),
            (on(&["secrets"], &["get"], &[]), vec!["get secrets"]),
            (on(&["*"], &["*"], &[]), vec!["* *"]),
            (on(&["nodes"], &["patch"], &["pci-1"]), vec![]),
            (on(&["a", "b", "c", "d"], &["get"], &[]), vec!["get a", "get b", "get c"]),
            (webhook(&["update"], &["pcizone-webhook"]), vec![]),
            (webhook(&["create"], &[]), vec![]),
            (webhook(&["update"], &[]), vec![of_webhook]),
            (webhook(&["update"], &["pcizone-webhook", "other"]), vec![of_webhook]),
            (on(&["configmaps"], &["get"], &["cilium-config", "calico-config"]), vec![]),
            (on(&["configmaps"], &["update"], &["cilium-config", "other"]), vec!["update configmaps"]),
            (on(&["configmaps"], &["update"], &[]), vec!["update configmaps"]),
            (json!({ "nonResourceURLs": ["/logs"], "verbs": ["get"] }), vec!["get /logs"]),
        ] {
            assert_eq!(beyond(&rules(&json!([rule])), 3), named, "{rule}");
        }
    }
}
