//! Selectors of Cilium: of the labels of a pod, of its namespace and of the name of that, in one list.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::super::read::{Trouble, terms};
use crate::{api::names, engine::reach::Selectors};

const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";

/// Labels by which Cilium tells no pods apart unless it is told to, by how they begin. A selector that reads one of them does
/// not mean what it says.
const IGNORED: [&str; 15] = [
    "io.kubernetes",
    "kubernetes.io",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/controller-uid",
    "k8s.io",
    "pod-template-generation",
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "annotation",
    "etcd_node",
    "topology.kubernetes.io",
    // What Cilium sets itself: the cluster, the service account.
    "io.cilium",
];

/// What a label is one of.
enum Key {
    Pod(String),
    Namespace(String),
    NamespaceName,
}

/// Where a selector stands.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// It means the pods that a rule holds for; those of the policy's namespace only, if it has one.
    Subject(Option<&'a str>),
    /// It means the other end; without a word about namespaces those of the policy's own.
    Peer(Option<&'a str>),
}

/// Reads a selector.
pub(super) fn read(field: &str, selector: &LabelSelector, place: Place) -> Result<Selectors, Trouble> {
    let (mut pods, mut namespaces) = (LabelSelector::default(), LabelSelector::default());
    let (mut names_one, mut reads_labels) = (false, false);
    let mut into = |name: &str| -> Result<(bool, String), Trouble> {
        Ok(match key(field, name)? {
            Key::Pod(label) => (false, label),
            Key::Namespace(label) => {
                reads_labels = true;
                (true, label)
            }
            Key::NamespaceName => {
                names_one = true;
                (true, names::NAMESPACE_NAME.to_string())
            }
        })
    };
    let mut requirements: Vec<(bool, LabelSelectorRequirement)> = Vec::new();
    for (name, value) in selector.match_labels.iter().flatten() {
        // Cilium overwrites the namespace that a policy of a namespace names, where it is written just so.
        if matches!(place, Place::Subject(Some(_))) && name.strip_prefix("k8s:") == Some(NAMESPACE) {
            continue;
        }
        let (of_namespace, key) = into(name)?;
        let values = Some(vec![value.clone()]);
        requirements.push((of_namespace, LabelSelectorRequirement { key, operator: "In".to_string(), values }));
    }
    for requirement in selector.match_expressions.iter().flatten() {
        let (of_namespace, key) = into(&requirement.key)?;
        requirements.push((of_namespace, LabelSelectorRequirement { key, ..requirement.clone() }));
    }
    let own = match place {
        Place::Subject(namespace) => namespace,
        Place::Peer(namespace) => namespace.filter(|_| !names_one && !reads_labels),
    };
    if let Some(namespace) = own {
        let (key, values) = (names::NAMESPACE_NAME.to_string(), Some(vec![namespace.to_string()]));
        requirements.push((true, LabelSelectorRequirement { key, operator: "In".to_string(), values }));
    }
    for (of_namespace, requirement) in requirements {
        let selector = if of_namespace { &mut namespaces } else { &mut pods };
        selector.match_expressions.get_or_insert_default().push(requirement);
    }
    Ok(Selectors { namespaces: terms(field, &namespaces)?, pods: terms(field, &pods)? })
}

fn key(field: &str, name: &str) -> Result<Key, Trouble> {
    let trouble = |why: &str| Err(Trouble::new(field, format!("label {name:?}: {why}")));
    let (source, label) = name.split_once(':').unwrap_or(("any", name));
    if !["any", "k8s"].contains(&source) || name.starts_with('$') {
        return trouble("what labels of this source mean is not known");
    }
    if label == NAMESPACE {
        return Ok(Key::NamespaceName);
    }
    if label.contains("beta.kubernetes.io") {
        return trouble("Cilium leaves it out");
    }
    match label.strip_prefix(NAMESPACE_LABELS) {
        Some(label) => Ok(Key::Namespace(label.to_string())),
        None if IGNORED.iter().any(|ignored| label.starts_with(ignored)) => {
            trouble("Cilium leaves it out, or sets it itself")
        }
        None => Ok(Key::Pod(label.to_string())),
    }
}
