//! The PciZone itself: its topics and its mode.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attestation, Exception, Hosting, Logging, PciZoneStatus, Scanning, Scope, Segmentation};

/// A PCI DSS zone: which namespaces are in scope, who may talk to them, and on which nodes they run.
///
/// The operator keeps NetworkPolicies, node labels and node taints as the zone declares them, and says in
/// the status what is proven, violated or unproven.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.scope.category) || self.scope.category != 'ConnectedTo' || !has(self.segmentation) || !has(self.segmentation.flows) || self.segmentation.flows.all(f, !has(f.accountData) || !f.accountData)")
        .message("spec.segmentation.flows: a ConnectedTo zone holds no account data; take accountData off its flows, or set spec.scope.category to CardholderData")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("!has(self.logging) || !has(self.logging.sinks) || self.logging.sinks.all(s, has(self.segmentation) && has(self.segmentation.flows) && self.segmentation.flows.exists(f, f.name == s.flow))")
        .message("spec.logging.sinks: flow names one of spec.segmentation.flows, by which the zone's pods reach the sink"),
)]
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
    printcolumn(name = "Scans", type_ = "date", json_path = ".status.images.oldestScan", description = "Age of the oldest of the newest scans of images that run, to the hour; empty where one has none."),
    printcolumn(name = "Overdue", type_ = "integer", json_path = ".status.images.overdue", description = "Images of which a fix is overdue."),
    printcolumn(name = "Logs", type_ = "date", json_path = ".status.logs.newestRecord", description = "Age of the newest record of the pod that is farthest behind; coarse while all is well."),
    printcolumn(name = "Retention", type_ = "string", json_path = ".status.logs.retention", description = "How long the log stores keep records, by the one that keeps them shortest."),
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

    /// Which images may run in the zone and how fresh their scans are (PCI DSS 6.3.1, 6.3.2, 6.3.3, 11.3.1). Without it no image is looked at,
    /// and `ImagesScanned` is `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanning: Option<Box<Scanning>>,

    /// Where the audit trail of the zone's pods goes and how long it is kept (PCI DSS 10.2.1, 10.3.3, 10.5.1). Without it nothing is added to
    /// pods, and `LogsCollected` is `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Box<Logging>>,

    /// Findings that are accepted until a date (PCI DSS 12.3.2), at most 100. They stay in the list, are counted in
    /// `status.findings.accepted`, and do not make the zone violated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["finding".to_string(), "subject".to_string()]))]
    pub exceptions: Vec<Exception>,

    /// What no API shows and somebody says: training, reviews of code, tests by people, the audit log of an API server that somebody
    /// else runs; one for each control. When its time is over, that is a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["control".to_string()]))]
    pub attestations: Vec<Attestation>,
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
