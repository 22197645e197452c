//! The nodes that belong to a zone.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mode, Selector};

/// On which nodes the zone's pods run. These nodes get the zone's label and taint, so that the scheduler keeps
/// other pods away.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hosting {
    /// Overrides `spec.mode` for this topic: `Observe` or `Enforce`. Without it `spec.mode` holds.
    // The schema of an `Option` of an enum has the enum's doc and refuses null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,

    /// The nodes of the zone: those named, and those the selector matches.
    pub nodes: Nodes,

    /// Effects of the zone's taint. `NoSchedule` (the default) keeps other pods from being placed there;
    /// `NoExecute` also evicts other pods that run there already.
    #[serde(default = "default_effects")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub taint_effects: Vec<TaintEffect>,
}

fn default_effects() -> Vec<TaintEffect> {
    vec![TaintEffect::NoSchedule]
}

/// Nodes by name, by label, or both (union).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.names) && size(self.names) > 0 || has(self.selector)")
        .message("spec.hosting.nodes: declare at least one node, by names or by selector")
        .reason(Reason::FieldValueRequired),
    validation = Rule::new("!has(self.selector) || (has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0) || (has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0)")
        .message("spec.hosting.nodes.selector: an empty selector would take every node of the cluster; name a label")
        .reason(Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.selector) || ((!has(self.selector.matchLabels) || !('node-restriction.kubernetes.io/pcizone' in self.selector.matchLabels)) && (!has(self.selector.matchExpressions) || self.selector.matchExpressions.all(e, e.key != 'node-restriction.kubernetes.io/pcizone')))")
        .message("spec.hosting.nodes.selector: node-restriction.kubernetes.io/pcizone is the label that pcizone writes; select by a label of your own")
        .reason(Reason::FieldValueForbidden),
)]
pub struct Nodes {
    /// Names of nodes, at most 1,000. Example: `[pci-1.example.com]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1000),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,

    /// Labels of nodes. Choose labels that kubelets may not set themselves, below `node-restriction.kubernetes.io/`;
    /// others are a finding. Example: `matchLabels: {node-restriction.kubernetes.io/pool: pci}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

/// Effect of the zone's taint. `PreferNoSchedule` is not offered: it keeps nobody away.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaintEffect {
    /// Other pods are not placed there.
    NoSchedule,
    /// Other pods are not placed there, and those that run there are evicted.
    NoExecute,
}

impl TaintEffect {
    /// The spelling of the Kubernetes API.
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }
}
