//! Objects by which a verdict can be checked later: each with the uid and the version that it had.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::{About, bounded};
use crate::engine::{Snapshot, ownership, policy::Policy, snapshot::ZoneRecord};

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// What it is, as `Kind/name` or `Kind/namespace/name`.
    pub subject: String,
    /// Its uid; `None` where it was given without, or is of a kind of which that is not kept.
    pub uid: Option<String>,
    /// The version that was judged; `None` as with the uid.
    pub resource_version: Option<String>,
}

/// Objects of one kind that protect a zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Objects {
    /// What they are, in words.
    pub what: &'static str,
    /// How many there are.
    pub total: usize,
    /// The first of them, by name.
    pub shown: Vec<Object>,
    /// How many are not shown.
    pub more: usize,
}

impl Object {
    fn new(subject: String, metadata: Option<&ObjectMeta>) -> Self {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Object {
            subject,
            uid: metadata.and_then(|metadata| some(&metadata.uid)),
            resource_version: metadata.and_then(|metadata| some(&metadata.resource_version)),
        }
    }

    /// The object that a finding is about.
    pub(super) fn of_subject(snapshot: &Snapshot, subject: &str) -> Self {
        let metadata = split(subject).and_then(|(kind, namespace, name)| match (kind, namespace) {
            ("PciZone", None) => snapshot.zones.iter().find(|zone| zone.name() == name).map(ZoneRecord::metadata),
            ("Namespace", None) => snapshot.namespaces.get(name).map(|namespace| &namespace.metadata),
            ("Node", None) => snapshot.nodes.get(name).map(|node| &node.metadata),
            ("NetworkPolicy", Some(namespace)) => {
                let mut policies = snapshot.policies.get(namespace).into_iter().flatten();
                policies.find(|policy| policy.metadata.name.as_deref() == Some(name)).map(|policy| &policy.metadata)
            }
            ("ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy", None) => {
                let mut guards = snapshot.guards.iter();
                guards.find(|guard| guard.metadata.name.as_deref() == Some(name)).map(|guard| &guard.metadata)
            }
            _ => None,
        });
        Object::new(subject.to_string(), metadata)
    }
}

/// Kind, namespace and name of a subject.
pub(super) fn split(subject: &str) -> Option<(&str, Option<&str>, &str)> {
    let (kind, rest) = subject.split_once('/')?;
    Some(match rest.split_once('/') {
        Some((namespace, name)) => (kind, Some(namespace), name),
        None => (kind, None, rest),
    })
}

/// The objects that protect a zone: itself, its namespaces, our policies in them, its nodes, its admission policies.
pub(super) fn of_zone(about: &About) -> Vec<Objects> {
    let own = Object::new(format!("PciZone/{}", about.name()), Some(about.record.metadata()));
    let [namespaces, policies, nodes] = [namespaces(about), policies(about), nodes(about)];
    let guards = about.snapshot.guards.iter();
    let guards = guards.filter(|guard| ownership::managed_zone(&guard.metadata) == Some(about.name()));
    let guards = guards.map(|guard| Object::new(guard.subject(), Some(&guard.metadata))).collect();
    [
        ("The zone", vec![own]),
        ("Its namespaces", namespaces),
        ("The zone's own policies", policies),
        ("Its nodes", nodes),
        ("Its admission policies and bindings", guards),
    ]
    .into_iter()
    .map(|(what, all)| {
        let total = all.len();
        let (shown, more) = bounded(all, about.bounds.objects);
        Objects { what, total, shown, more }
    })
    .collect()
}

/// Names of the namespaces of a zone: declared, or under its protection.
pub(super) fn namespace_names<'a>(about: &About<'a>) -> BTreeSet<&'a String> {
    about.zone.namespaces.declared.union(&about.zone.namespaces.held).collect()
}

/// Names of its nodes.
pub(super) fn node_names<'a>(about: &About<'a>) -> BTreeSet<&'a String> {
    about.zone.nodes.declared.union(&about.zone.nodes.held).collect()
}

pub(super) fn namespaces(about: &About) -> Vec<Object> {
    let metadata = |name: &String| about.snapshot.namespaces.get(name).map(|namespace| &namespace.metadata);
    let all = namespace_names(about);
    all.into_iter().map(|name| Object::new(format!("Namespace/{name}"), metadata(name))).collect()
}

pub(super) fn nodes(about: &About) -> Vec<Object> {
    let metadata = |name: &String| about.snapshot.nodes.get(name).map(|node| &node.metadata);
    node_names(about).into_iter().map(|name| Object::new(format!("Node/{name}"), metadata(name))).collect()
}

pub(super) fn policies(about: &About) -> Vec<Object> {
    let is_ours = |policy: &&Policy| ownership::managed_zone(&policy.metadata) == Some(about.name());
    let within = |name: &'_ String| {
        let policies = about.snapshot.policies.get(name).into_iter().flatten().map(AsRef::as_ref);
        let mut policies: Vec<Object> = policies
            .filter(is_ours)
            .map(|policy: &Policy| {
                let own = policy.metadata.name.as_deref().unwrap_or_default();
                Object::new(format!("NetworkPolicy/{name}/{own}"), Some(&policy.metadata))
            })
            .collect();
        policies.sort_by(|one, other| one.subject.cmp(&other.subject));
        policies
    };
    namespace_names(about).into_iter().flat_map(within).collect()
}
