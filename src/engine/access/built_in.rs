//! Roles that the API server itself makes and puts back, for input that does not show them: those that are for people to bind.
//! Of their rules those are here that open a door.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{
    api::rbac::v1::{AggregationRule, ClusterRole, PolicyRule},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};

use super::Role;

/// On what a role grants that another one collects; the name of that one follows.
const COLLECTED: &str = "rbac.authorization.k8s.io/aggregate-to-";

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];

/// Groups, resources and verbs.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

const EVERYTHING: &[Rule] = &[("*", &["*"], &["*"])];
const EDIT: &[Rule] = &[
    ("", &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"], READ),
    ("", &["serviceaccounts"], &["impersonate"]),
    ("", &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], WRITE),
    ("", &["replicationcontrollers", "secrets", "services/proxy"], WRITE),
    ("", &["serviceaccounts/token"], &["create"]),
    ("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"], WRITE),
    ("batch", &["cronjobs", "jobs"], WRITE),
    ("networking.k8s.io", &["networkpolicies"], WRITE),
];

/// A name, what it grants itself, which roles collect that, and whether it collects what is meant for it.
const ROLES: [(&str, &[Rule], &[&str], bool); 7] = [
    ("cluster-admin", EVERYTHING, &[], false),
    ("admin", &[], &[], true),
    ("edit", &[], &["admin"], true),
    ("view", &[], &["edit"], true),
    ("system:aggregate-to-admin", &[], &["admin"], false),
    ("system:aggregate-to-edit", EDIT, &["edit"], false),
    ("system:aggregate-to-view", &[], &["view"], false),
];

/// Adds those of the built-in roles that are not there.
pub fn complete(roles: &mut Vec<Arc<Role>>) {
    let known: BTreeSet<&str> = roles.iter().map(|role| &*role.key).collect();
    let missing: Vec<_> = ROLES.iter().filter(|(name, ..)| !known.contains(name)).collect();
    roles.extend(missing.into_iter().map(|(name, rules, to, collects)| Arc::new(role(name, rules, to, *collects))));
    roles.sort_by(|one, other| one.key.cmp(&other.key));
}

fn role(name: &str, rules: &[Rule], to: &[&str], collects: bool) -> Role {
    let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rule = |(group, resources, verbs): &Rule| PolicyRule {
        api_groups: Some(vec![(*group).to_string()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    };
    let label = |role: &str| BTreeMap::from([(format!("{COLLECTED}{role}"), "true".to_string())]);
    let collected = LabelSelector { match_labels: Some(label(name)), ..LabelSelector::default() };
    let metadata = ObjectMeta {
        name: Some(name.to_string()),
        labels: Some(to.iter().flat_map(|role| label(role)).collect()),
        ..ObjectMeta::default()
    };
    let aggregation_rule = collects.then(|| AggregationRule { cluster_role_selectors: Some(vec![collected]) });
    ClusterRole { metadata, rules: Some(rules.iter().map(rule).collect()), aggregation_rule }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::access::Door;

    fn doors(roles: &[Arc<Role>], name: &str) -> BTreeSet<Door> {
        let role = roles.iter().find(|role| &*role.key == name).unwrap();
        role.collected(roles).iter().map(super::super::Grant::door).collect()
    }

    #[test]
    fn what_is_not_there_is_added_and_what_is_there_stays() {
        let mut roles = Vec::new();
        complete(&mut roles);
        let edit = [
            Door::Exec,
            Door::PortForward,
            Door::Proxy,
            Door::Policies,
            Door::Secrets,
            Door::Identity,
            Door::SecretWrites,
            Door::PodWrites,
        ];
        assert_eq!(doors(&roles, "edit"), BTreeSet::from(edit));
        assert_eq!(doors(&roles, "admin"), BTreeSet::from(edit));
        assert_eq!(doors(&roles, "view"), BTreeSet::new());
        assert!(doors(&roles, "cluster-admin").contains(&Door::Everything));

        let own = role("more", &[("", &["pods/ephemeralcontainers"], &["patch"])], &["view"], false);
        let mut roles = vec![Arc::new(own), Arc::new(role("admin", &[], &[], false))];
        complete(&mut roles);
        assert_eq!(doors(&roles, "view"), BTreeSet::from([Door::Debug]));
        assert!(doors(&roles, "edit").contains(&Door::Debug), "it collects what view collects");
        assert_eq!(doors(&roles, "admin"), BTreeSet::new());
        assert!(roles.is_sorted_by_key(|role| &role.key));
    }
}
