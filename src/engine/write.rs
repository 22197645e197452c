//! One request to the API server, as a value.

use std::sync::Arc;

use k8s_openapi::{api::core::v1::Taint, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{guards::GuardWrite, ownership, policy::Policy};
use crate::api::names;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Create a policy.
    CreatePolicy(Box<Policy>),
    /// Put labels and spec of a policy right, keeping the rest of its metadata.
    ReplacePolicy {
        /// As it is.
        live: Arc<Policy>,
        /// As it must be.
        desired: Box<Policy>,
    },
    /// Delete a policy of ours.
    DeletePolicy(Arc<Policy>),
    /// Set the zone label of a namespace.
    LabelNamespace {
        /// Name of the namespace.
        namespace: String,
        /// UID of the namespace: one of the same name that came later has no default deny yet.
        uid: String,
        /// Value of the label.
        zone: String,
        /// It has that value, but not from us: a patch that changes nothing makes no owner, an apply does.
        adopt: bool,
    },
    /// Remove the zone label of a namespace.
    UnlabelNamespace {
        /// Name of the namespace.
        namespace: String,
        /// Value that the label has.
        zone: String,
        /// Version of the namespace that this was planned from.
        resource_version: String,
    },
    /// Set the Pod Security Standard of a namespace, and the record of what was there before.
    SetPodSecurity {
        /// Name of the namespace.
        namespace: String,
        /// Version of the namespace that this was planned from.
        resource_version: String,
        /// Value of the label; `None` removes it.
        level: Option<String>,
        /// Value of the annotation; `None` removes it.
        record: Option<String>,
    },
    /// Make the label of a node ours, as it is.
    LabelNode {
        /// Name of the node.
        node: String,
        /// UID of the node.
        uid: String,
        /// Version of the node that this was planned from.
        resource_version: String,
        /// Value of the label.
        zone: String,
    },
    /// Set label and taints of a node together.
    PatchNode {
        /// Name of the node.
        node: String,
        /// Value of the label; `None` removes it.
        label: Option<String>,
        /// All taints of the node as they must be.
        taints: Vec<Taint>,
        /// Version of the node that the taints were computed from.
        resource_version: String,
    },
    /// Something about an admission policy or binding.
    Guard(GuardWrite),
}

/// What a write does to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// An object comes.
    Create,
    /// An object, a label or a taint is changed.
    Update,
    /// An object, a label or a taint goes.
    Delete,
}

impl Write {
    /// What it does to what is there.
    pub fn act(&self) -> Act {
        match self {
            Write::CreatePolicy(_) | Write::Guard(GuardWrite::Create(_)) => Act::Create,
            Write::DeletePolicy(_)
            | Write::UnlabelNamespace { .. }
            | Write::PatchNode { label: None, .. }
            | Write::Guard(GuardWrite::Delete(_)) => Act::Delete,
            Write::ReplacePolicy { .. }
            | Write::LabelNamespace { .. }
            | Write::LabelNode { .. }
            | Write::PatchNode { label: Some(_), .. }
            | Write::SetPodSecurity { .. }
            | Write::Guard(GuardWrite::Replace { .. }) => Act::Update,
        }
    }

    /// What is done to which object, for people.
    pub fn words(&self) -> String {
        format!("{} {}", self.verb(), self.subject())
    }

    /// The object, as `Kind/name` or `Kind/namespace/name`.
    pub fn subject(&self) -> String {
        match self {
            Write::CreatePolicy(policy) => policy_subject(policy),
            Write::ReplacePolicy { live, .. } | Write::DeletePolicy(live) => policy_subject(live),
            Write::LabelNamespace { namespace, .. }
            | Write::UnlabelNamespace { namespace, .. }
            | Write::SetPodSecurity { namespace, .. } => namespace_subject(namespace),
            Write::LabelNode { node, .. } | Write::PatchNode { node, .. } => node_subject(node),
            Write::Guard(write) => write.guard().subject(),
        }
    }

    /// The namespace that is written to.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Write::CreatePolicy(policy) => policy.metadata.namespace.as_deref(),
            Write::ReplacePolicy { live, .. } | Write::DeletePolicy(live) => live.metadata.namespace.as_deref(),
            Write::LabelNamespace { namespace, .. }
            | Write::UnlabelNamespace { namespace, .. }
            | Write::SetPodSecurity { namespace, .. } => Some(namespace),
            Write::LabelNode { .. } | Write::PatchNode { .. } | Write::Guard(_) => None,
        }
    }

    /// The write puts the default deny in its place.
    pub fn denies_by_default(&self) -> bool {
        match self {
            Write::CreatePolicy(policy) => is_baseline(policy),
            Write::ReplacePolicy { live, .. } => is_baseline(live),
            Write::DeletePolicy(_)
            | Write::LabelNamespace { .. }
            | Write::UnlabelNamespace { .. }
            | Write::SetPodSecurity { .. }
            | Write::LabelNode { .. }
            | Write::PatchNode { .. }
            | Write::Guard(_) => false,
        }
    }

    /// Something is less protected, or a declared flow is closed, until this is written; or a policy does not say whose
    /// it is, by which it is found when it has to go. What a policy says of its flow can wait.
    pub fn is_urgent(&self) -> bool {
        match self {
            Write::ReplacePolicy { live, desired } => {
                let named = ownership::managed_zone(&live.metadata) == ownership::managed_zone(&desired.metadata);
                live.spec != desired.spec || is_owned(live) || !named
            }
            Write::CreatePolicy(_)
            | Write::DeletePolicy(_)
            | Write::LabelNamespace { .. }
            | Write::UnlabelNamespace { .. }
            | Write::SetPodSecurity { .. }
            | Write::LabelNode { .. }
            | Write::PatchNode { .. }
            | Write::Guard(_) => true,
        }
    }

    /// What has to be there when the write is made, because the write says so.
    pub fn speaks_of(&self) -> Option<String> {
        match self {
            Write::LabelNamespace { namespace, .. } => Some(format!("NetworkPolicy/{namespace}/{}", names::BASELINE)),
            Write::CreatePolicy(_)
            | Write::ReplacePolicy { .. }
            | Write::DeletePolicy(_)
            | Write::UnlabelNamespace { .. }
            | Write::SetPodSecurity { .. }
            | Write::LabelNode { .. }
            | Write::PatchNode { .. }
            | Write::Guard(_) => None,
        }
    }

    /// The same without what a new policy allows: enough to say what is missing, for thousands of namespaces at once.
    pub(super) fn outline(mut self) -> Self {
        if let Write::CreatePolicy(policy) = &mut self {
            (policy.spec, policy.metadata.labels) = (None, None);
        }
        self
    }

    /// The node that is written to.
    pub fn node(&self) -> Option<&str> {
        match self {
            Write::LabelNode { node, .. } | Write::PatchNode { node, .. } => Some(node),
            Write::CreatePolicy(_)
            | Write::ReplacePolicy { .. }
            | Write::DeletePolicy(_)
            | Write::LabelNamespace { .. }
            | Write::UnlabelNamespace { .. }
            | Write::SetPodSecurity { .. }
            | Write::Guard(_) => None,
        }
    }

    /// Version of the object that the write was planned from; `None` when it was not there. `owner` is the
    /// metadata of the namespace or node.
    pub fn planned_from<'a>(&'a self, owner: &'a ObjectMeta) -> Option<&'a str> {
        match self {
            Write::CreatePolicy(_) | Write::Guard(GuardWrite::Create(_)) => None,
            Write::ReplacePolicy { live, .. } | Write::DeletePolicy(live) => live.metadata.resource_version.as_deref(),
            Write::LabelNamespace { .. } | Write::UnlabelNamespace { .. } => owner.resource_version.as_deref(),
            Write::SetPodSecurity { resource_version, .. }
            | Write::LabelNode { resource_version, .. }
            | Write::PatchNode { resource_version, .. } => Some(resource_version),
            Write::Guard(write) => write.guard().metadata.resource_version.as_deref(),
        }
    }

    /// What is done, for people.
    pub fn verb(&self) -> &'static str {
        match self {
            Write::CreatePolicy(_) | Write::Guard(GuardWrite::Create(_)) => "create",
            Write::ReplacePolicy { .. } | Write::Guard(GuardWrite::Replace { .. }) => "restore",
            Write::DeletePolicy(_) | Write::Guard(GuardWrite::Delete(_)) => "delete",
            Write::LabelNamespace { .. } | Write::LabelNode { .. } => "label",
            Write::UnlabelNamespace { .. } => "unlabel",
            Write::SetPodSecurity { record: Some(_), .. } => "raise the pod security of",
            Write::SetPodSecurity { record: None, .. } => "put back the pod security of",
            Write::PatchNode { label: Some(_), .. } => "label and taint",
            Write::PatchNode { label: None, .. } => "unlabel and untaint",
        }
    }
}

/// Subject of a policy.
pub fn policy_subject(policy: &Policy) -> String {
    let metadata = &policy.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    format!("NetworkPolicy/{namespace}/{}", metadata.name.as_deref().unwrap_or_default())
}

/// Subject of a namespace.
pub fn namespace_subject(name: &str) -> String {
    format!("Namespace/{name}")
}

/// Subject of a node.
pub fn node_subject(name: &str) -> String {
    format!("Node/{name}")
}

/// Subject of a zone.
pub fn zone_subject(name: &str) -> String {
    format!("PciZone/{name}")
}

/// The evictions for a zone; no object, but they may fail like writes to one.
pub fn eviction_subject(zone: &str) -> String {
    format!("Eviction/{zone}")
}

/// The policy denies by default.
pub(super) fn is_baseline(policy: &Policy) -> bool {
    policy.metadata.name.as_deref() == Some(names::BASELINE)
}

/// Garbage collection takes it away with its owner.
pub(super) fn is_owned(live: &Policy) -> bool {
    live.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty())
}
