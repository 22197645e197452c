//! The PciZone itself: mode and scope.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Exception, Hosting, PciZoneStatus, Segmentation, Selector};

/// A PCI DSS zone: which namespaces are in scope, who may talk to them, and on which nodes they run.
///
/// The operator keeps NetworkPolicies, node labels and node taints as the zone declares them, and says in
/// the status what is proven, violated or unproven.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "pcizone.dev",
    version = "v1alpha1",
    kind = "PciZone",
    plural = "pcizones",
    singular = "pcizone",
    shortname = "pz",
    category = "pci",
    category = "security",
    status = "PciZoneStatus",
    derive = "PartialEq",
    cel,
    doc = "A PCI DSS zone: which namespaces are in scope, who may talk to them, and on which nodes they run.",
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')").message("metadata.name: a zone's name becomes a label value: at most 63 letters, digits and '-', no dots"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", description = "Observe reports only, Warn protects and warns, Enforce protects and refuses."),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "True when this generation is in place."),
    printcolumn(name = "Compliant", type_ = "string", json_path = ".status.conditions[?(@.type==\"Compliant\")].status", description = "True when everything judged is proven, False when something is violated, Unknown when something is unproven."),
    printcolumn(name = "Critical", type_ = "integer", json_path = ".status.findings.critical", description = "Open critical findings."),
    printcolumn(name = "High", type_ = "integer", json_path = ".status.findings.high", description = "Open high findings."),
    printcolumn(name = "Unproven", type_ = "integer", json_path = ".status.findings.unproven", description = "What could not be proven either way."),
    printcolumn(name = "Namespaces", type_ = "integer", json_path = ".status.scope.namespaceCount", description = "Member namespaces."),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.scope.nodeCount", description = "Nodes of the zone."),
    printcolumn(name = "Accepted", type_ = "integer", json_path = ".status.findings.accepted", priority = 1, description = "Findings that exceptions of the zone accept."),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1, description = "Reason of Ready."),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Compliant\")].message", priority = 1, description = "Message of Compliant."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct PciZoneSpec {
    /// What the operator does with this zone. `Observe` (the default) writes nothing outside this object and
    /// shows in `status.plan` what `Enforce` would write. `Warn` writes what `Enforce` writes, but its admission
    /// policies warn and leave a note in the audit log instead of refusing. `Enforce` protects and refuses. Going back
    /// needs the annotation `pcizone.dev/confirm-change`.
    #[serde(default)]
    pub mode: Mode,

    /// What belongs to the zone (PCI DSS 12.5.2).
    pub scope: Scope,

    /// Who may talk to whom (PCI DSS 1.2.5, 1.3.1, 1.3.2). Everything that is not declared here is denied.
    #[serde(default)]
    pub segmentation: Segmentation,

    /// On which nodes the zone's pods run (PCI DSS 2.2.3). Without it no node is touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosting: Option<Hosting>,

    /// Findings that are accepted until a date (PCI DSS 12.3.2), at most 100. They stay in the list, are counted in
    /// `status.findings.accepted`, and do not make the zone violated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["finding".to_string(), "subject".to_string()]))]
    pub exceptions: Vec<Exception>,
}

/// What the operator does with a zone or a topic of it; what protects more is greater.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mode {
    /// Report only; nothing is written, nothing is removed.
    #[default]
    Observe,
    /// Keep the protection in place; admission warns of what `Enforce` would refuse.
    Warn,
    /// Keep the protection in place; admission refuses what would get around it.
    Enforce,
}

impl Mode {
    /// Protection is written and kept.
    pub fn protects(self) -> bool {
        self != Mode::Observe
    }
}

/// What belongs to the zone.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// The namespaces of the zone: those named, and those the selector matches.
    pub namespaces: NamespaceScope,
}

/// Namespaces by name, by label, or both (union).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.names) && size(self.names) > 0 || has(self.selector)")
        .message("spec.scope.namespaces: declare at least one namespace, by names or by selector")
        .reason(Reason::FieldValueRequired),
    validation = Rule::new("!has(self.names) || self.names.all(n, !(n in ['kube-system', 'kube-public', 'kube-node-lease', 'pcizone-system']))")
        .message("spec.scope.namespaces.names: kube-system, kube-public, kube-node-lease and pcizone-system are never members of a zone")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("!has(self.selector) || (has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0) || (has(self.selector.matchExpressions) && size(self.selector.matchExpressions) > 0)")
        .message("spec.scope.namespaces.selector: an empty selector would take in every namespace of the cluster; name a label")
        .reason(Reason::FieldValueInvalid),
)]
pub struct NamespaceScope {
    /// Names of namespaces, at most 5,000. A namespace that does not exist yet is protected when it appears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 5000),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,

    /// Labels of namespaces. Example: `matchLabels: {team: payments}`. A namespace that stops to match keeps
    /// its protection until the change is confirmed. Whoever may label namespaces decides who is in scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}
