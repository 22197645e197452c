//! The nodes that belong to a zone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mode, Selector, segmentation::date_time};

/// On which nodes the zone's pods run. These nodes get the zone's label and taint, so that the scheduler keeps
/// other pods away.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hosting {
    /// Overrides `spec.mode` for this topic: `Observe`, `Warn` or `Enforce`. Without it `spec.mode` holds. Placement and
    /// admission of pods rest on the zone label of namespaces, so they need a segmentation that is in force too.
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

    /// The Pod Security Standard of the zone's namespaces: `Baseline` refuses privileged pods, host paths and the like,
    /// `Restricted` also what needs root. The operator raises the namespaces' label `pod-security.kubernetes.io/enforce` to
    /// it and never lowers one; what was there before comes back when the namespace leaves. Without it no label is touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PodSecurity")]
    pub pod_security: Option<PodSecurity>,

    /// Evicts pods that run where they may not: pods of the zone on other nodes, and pods of others on the zone's nodes.
    /// `false` is the default: they are only reported. By the eviction API, so disruption budgets hold; one pod of a
    /// namespace at a time, while none there waits for a node; never static pods, `kube-system` or what `admits` names; only in
    /// `Enforce`. The operator needs a right for it that it has not by default: `deploy/kustomize/components/evict`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evict_misplaced: bool,

    /// Workloads of other namespaces that may run on the zone's nodes, such as network, storage and log agents; at most
    /// 50. They count as part of the assessed system (PCI DSS 12.5.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".to_string(), "workload".to_string()]))]
    pub admits: Vec<Admit>,
}

/// A Pod Security Standard; the stricter one is greater. `Privileged` is not offered: it allows everything.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PodSecurity {
    /// No privileged pods, no host namespaces, ports or paths.
    Baseline,
    /// Baseline, and no root and no capabilities.
    Restricted,
}

impl PodSecurity {
    /// The value of the label `pod-security.kubernetes.io/enforce`.
    pub fn as_str(self) -> &'static str {
        match self {
            PodSecurity::Baseline => "baseline",
            PodSecurity::Restricted => "restricted",
        }
    }
}

/// A workload of another namespace that may run on the zone's nodes, and why.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admit {
    /// Its namespace. Example: `storage`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Its kind and name. Example: `DaemonSet/csi-node`. Only pods that the built-in controller of that kind makes for it count.
    /// `StaticPod/kube-proxy` are the pods of that name that the kubelets of the zone's nodes start from files; no admission
    /// sees them, so this only says why they are there.
    #[schemars(
        length(min = 1, max = 265),
        regex(
            pattern = r"^(CronJob|DaemonSet|Deployment|Job|StatefulSet|StaticPod)/[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
        )
    )]
    pub workload: String,
    /// Why it has to run there, at least a sentence of 20 characters.
    #[schemars(length(min = 20, max = 1024))]
    pub need: String,
    /// Who answers for it: a team or a person.
    #[schemars(length(min = 1, max = 253))]
    pub owner: String,
    /// When it ends, RFC 3339 with time zone: from this instant on its new pods are refused, also while no operator runs. Those
    /// that run are told, and not evicted.
    #[schemars(schema_with = "date_time")]
    pub expires_at: Time,
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
