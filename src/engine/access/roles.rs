//! A role of either kind, as far as it decides: which doors it opens.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::rbac::v1::{self, ClusterRole},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::core::{Selector, SelectorExt};

use super::{
    break_glass::{Zones, everything_on},
    doors::{self, Grant},
};
use crate::engine::{key, rights};

/// Rights beyond the operator's own that are kept of a role.
const BEYOND: usize = 4;

/// A ClusterRole or a `Role`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// Its name; of a `Role` its namespace and name, with a slash between.
    pub key: Box<str>,
    /// On which PciZones it grants every verb; `None` where it grants none.
    pub everything_on: Option<Zones>,
    /// What it grants that opens a door, sorted.
    pub grants: Arc<[Grant]>,
    /// Its labels, where others may collect what it grants.
    pub labels: BTreeMap<String, String>,
    /// Whose rules it collects. Empty where the cluster has filled them in.
    pub collects: Vec<LabelSelector>,
    /// Some of what it grants beyond the rights that the operator is shipped with, in words.
    pub beyond: Box<[String]>,
}

impl Role {
    /// What it grants by those that it collects, and those that they collect.
    pub(super) fn collected(&self, roles: &[Arc<Role>]) -> Vec<Grant> {
        let mut grants: Vec<Grant> = Vec::new();
        let (mut seen, mut next) = (BTreeSet::from([&*self.key]), vec![self]);
        while let Some(role) = next.pop() {
            grants.extend(role.grants.iter().cloned());
            for selector in role.collects.iter().filter_map(|labels| Selector::try_from(labels.clone()).ok()) {
                let is_meant = |one: &&Arc<Role>| !one.key.contains('/') && selector.matches(&one.labels);
                next.extend(roles.iter().filter(is_meant).map(AsRef::as_ref).filter(|one| seen.insert(&*one.key)));
            }
        }
        doors::brief(grants)
    }
}

impl From<ClusterRole> for Role {
    fn from(role: ClusterRole) -> Self {
        let rules = role.rules.unwrap_or_default();
        let grants = doors::granted(&rules);
        let collects = role.aggregation_rule.filter(|_| rules.is_empty());
        let collects = collects.and_then(|rule| rule.cluster_role_selectors).unwrap_or_default();
        let may_be_collected = !grants.is_empty() || !collects.is_empty();
        Role {
            key: role.metadata.name.unwrap_or_default().into(),
            everything_on: everything_on(&rules),
            grants: grants.into(),
            labels: role.metadata.labels.filter(|_| may_be_collected).unwrap_or_default(),
            collects,
            beyond: rights::beyond(&rules, BEYOND).into(),
        }
    }
}

impl From<v1::Role> for Role {
    fn from(role: v1::Role) -> Self {
        let grants = doors::granted(&role.rules.unwrap_or_default());
        Role { key: key::of(&role.metadata), grants: grants.into(), ..Role::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::access::Door;

    fn rule(groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]) -> Value {
        json!({ "apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names })
    }

    fn cluster_role(name: &str, labels: &Value, rules: &Value, selectors: &Value) -> Role {
        let aggregation = selectors.as_array().map(|all| json!({ "clusterRoleSelectors": all }));
        let metadata = json!({ "name": name, "labels": labels });
        let role = json!({ "metadata": metadata, "rules": rules, "aggregationRule": aggregation });
        serde_json::from_value::<ClusterRole>(role).unwrap().into()
    }

    fn words(grants: &[Grant]) -> Vec<String> {
        grants.iter().map(|grant| format!("{:?}: {}", grant.door(), grant.words())).collect()
    }

    fn granted(rules: &Value) -> Vec<String> {
        words(&cluster_role("a", &Value::Null, rules, &Value::Null).grants)
    }

    #[test]
    fn a_rule_opens_what_kubernetes_reads_in_it() {
        for (rule, opens) in [
            (rule(&[""], &["pods/exec"], &["create"], &[]), vec!["Exec: create pods/exec"]),
            (rule(&[""], &["pods/exec"], &["get"], &[]), vec!["Exec: get pods/exec"]),
            (rule(&[""], &["pods/attach"], &["*"], &[]), vec!["Exec: get,create pods/attach"]),
            (rule(&["*"], &["pods/exec"], &["create"], &[]), vec!["Exec: create pods/exec"]),
            (rule(&["apps"], &["pods/exec"], &["create"], &[]), vec![]),
            (rule(&[""], &["pods/exec"], &["list"], &[]), vec![]),
            (rule(&[""], &["pods"], &["get", "list", "watch", "delete"], &[]), vec![]),
            (rule(&[""], &["pods/*"], &["create"], &[]), vec![]),
            (rule(&[""], &["*/exec"], &["create"], &[]), vec!["Exec: create pods/exec"]),
            (rule(&[""], &["*/xec", "*/"], &["create"], &[]), vec![]),
            (
                rule(&[""], &["*/proxy"], &["get"], &[]),
                vec!["Proxy: get pods/proxy", "Proxy: get services/proxy", "Kubelets: get nodes/proxy"],
            ),
            (
                rule(&[""], &["pods/portforward"], &["create"], &["db-0"]),
                vec!["PortForward: create pods/portforward named db-0"],
            ),
            (rule(&[""], &["nodes/proxy"], &["watch"], &[]), vec!["Kubelets: watch nodes/proxy"]),
            (rule(&[""], &["nodes/metrics", "nodes/stats"], &["get"], &[]), vec![]),
            (
                rule(&[""], &["pods/ephemeralcontainers"], &["patch"], &[]),
                vec!["Debug: patch pods/ephemeralcontainers"],
            ),
            (rule(&[""], &["pods/ephemeralcontainers"], &["get"], &[]), vec![]),
            (rule(&[""], &["endpoints"], &["update"], &[]), vec!["Endpoints: update endpoints"]),
            (rule(&["discovery.k8s.io"], &["endpointslices"], &["create"], &["a"]), vec![]),
            (
                rule(&["networking.k8s.io"], &["networkpolicies"], &["delete"], &[]),
                vec!["Policies: delete networkpolicies.networking.k8s.io"],
            ),
            (rule(&["networking.k8s.io"], &["networkpolicies"], &["get", "list", "watch"], &[]), vec![]),
            (rule(&["networking.k8s.io"], &["networkpolicies"], &["create", "deletecollection"], &["a"]), vec![]),
            (
                rule(&["cilium.io"], &["ciliumnetworkpolicies"], &["patch"], &[]),
                vec!["Policies: patch ciliumnetworkpolicies.cilium.io"],
            ),
            (rule(&["pcizone.dev"], &["pcizones/status"], &["patch"], &[]), vec![]),
            (
                rule(&[""], &["namespaces"], &["patch"], &["a", "b", "c"]),
                vec!["Labels: patch namespaces named a or 2 more"],
            ),
            (rule(&[""], &["nodes/status"], &["patch"], &[]), vec!["Labels: patch nodes/status"]),
            (rule(&[""], &["secrets"], &["get", "watch"], &[]), vec!["Secrets: get,watch secrets"]),
            (rule(&[""], &["secrets"], &["list", "create"], &["a"]), vec!["Secrets: list secrets named a"]),
            (
                rule(&[""], &["users", "groups"], &["impersonate"], &[]),
                vec!["Identity: impersonate groups", "Identity: impersonate users"],
            ),
            (
                rule(&[""], &["serviceaccounts/token"], &["create"], &["a"]),
                vec!["Identity: create serviceaccounts/token named a"],
            ),
            (rule(&[""], &["serviceaccounts"], &["create"], &[]), vec![]),
            (rule(&["certificates.k8s.io"], &["signers"], &["approve"], &["issuers.cert-manager.io/*"]), vec![]),
            (
                rule(&["certificates.k8s.io"], &["signers"], &["sign"], &["example.com/*", "kubernetes.io/*"]),
                vec!["Identity: sign signers.certificates.k8s.io named kubernetes.io/*"],
            ),
            (rule(&["apps"], &["deployments"], &["patch"], &[]), vec!["PodWrites: patch deployments.apps"]),
            (rule(&["*"], &["*"], &["*"], &[]), vec!["Everything: * *.*"]),
            (json!({ "nonResourceURLs": ["*"], "verbs": ["*"] }), vec![]),
        ] {
            assert_eq!(granted(&json!([rule])), opens, "{rule}");
        }
    }

    #[test]
    fn a_wildcard_opens_each_door_and_all_wildcards_together_one() {
        let doors = |rules: Value| {
            let grants = cluster_role("a", &Value::Null, &rules, &Value::Null).grants;
            grants.iter().map(Grant::door).collect::<BTreeSet<_>>()
        };
        let everything = rule(&["*"], &["*"], &["*"], &[]);
        assert_eq!(doors(json!([rule(&[""], &["secrets"], &["get"], &[]), everything])), [Door::Everything].into());
        let usual = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
        let all = doors(json!([rule(&["*"], &["*"], &usual, &[])]));
        assert_eq!(all.len(), 13, "every other one: {all:?}");
        assert_eq!(doors(json!([rule(&["*"], &["*"], &["*"], &["a"])])), all, "by name it is not everything");
        let core = doors(json!([rule(&[""], &["*"], &["*"], &[])]));
        assert!(core.contains(&Door::Exec) && !core.contains(&Door::Policies), "{core:?}");
    }

    #[test]
    fn grants_of_several_rules_are_told_once() {
        let secrets = |verbs: &[&str], names: &[&str]| rule(&[""], &["secrets"], verbs, names);
        for (rules, opens) in [
            (json!([secrets(&["get"], &[]), secrets(&["watch"], &[])]), vec!["Secrets: get,watch secrets"]),
            (json!([secrets(&["get"], &["a"]), secrets(&["get"], &[])]), vec!["Secrets: get secrets"]),
            (
                json!([secrets(&["get"], &["a"]), secrets(&["list"], &[])]),
                vec!["Secrets: list secrets", "Secrets: get secrets named a"],
            ),
            (
                json!([secrets(&["get"], &["b", "a"]), secrets(&["list"], &["a", "b"])]),
                vec!["Secrets: get,list secrets named a or 1 more"],
            ),
        ] {
            assert_eq!(granted(&rules), opens, "{rules}");
        }
    }

    #[test]
    fn a_role_collects_only_where_the_cluster_did_not() {
        let selects = |label: &str| json!([{ "matchLabels": { label: "true" } }]);
        let exec = json!([rule(&[""], &["pods/exec"], &["create"], &[])]);
        let secrets = json!([rule(&[""], &["secrets"], &["get"], &[])]);
        let roles = [
            cluster_role("admin", &Value::Null, &Value::Null, &selects("to-admin")),
            cluster_role("edit", &json!({ "to-admin": "true" }), &json!([]), &selects("to-edit")),
            cluster_role("ours", &json!({ "to-edit": "true" }), &exec, &Value::Null),
            cluster_role("other", &json!({ "to-view": "true" }), &secrets, &Value::Null),
            cluster_role("filled", &Value::Null, &secrets, &selects("to-edit")),
            cluster_role("round", &json!({ "round": "true" }), &Value::Null, &selects("round")),
        ];
        let roles = roles.map(Arc::new);
        let collected = |name: &str| words(&roles.iter().find(|role| &*role.key == name).unwrap().collected(&roles));
        assert_eq!(collected("admin"), ["Exec: create pods/exec"]);
        assert_eq!(collected("edit"), ["Exec: create pods/exec"]);
        assert_eq!(collected("filled"), ["Secrets: get secrets"]);
        assert!(collected("round").is_empty());
    }
}
