//! What the operator says about a zone. Bounded: it stays below 32 KiB at any size of the zone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConditionType, Finding};

/// What the operator says about the zone. It is rebuilt from what is observed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PciZoneStatus {
    /// The generation that this status speaks of; -1 until the operator has seen the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Ready, Compliant, ScopeResolved, NetworkSegmented, NodesDedicated, `SegmentationProven` and `LogsCollected` always; Reconciling and Stalled while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_string()]))]
    pub conditions: Vec<Condition>,

    /// What the zone consists of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeStatus>,

    /// Open findings by severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingCounts>,

    /// The worst findings, at most 20; the operator serves all of them at `/report`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".to_string(), "subject".to_string()]))]
    pub top_findings: Vec<Finding>,

    /// What has to be done by when, nearest first, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,

    /// A change that would open something and waits for confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,

    /// How many changes were confirmed and carried out. It is part of each digest, so that an old
    /// confirmation never confirms a new change.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub confirmed_changes: i64,

    /// Who broke the glass, as long as nobody has acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlassUse>,

    /// What the canary's last round showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmentation_test: Option<SegmentationTest>,

    /// Failures of segmentation as the canary saw them, the newest first, at most 5 (PCI DSS 10.7.2, 10.7.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["startedAt".to_string()]))]
    pub control_failures: Vec<ControlFailure>,

    /// What scanners report of the images that the zone's pods run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImagesStatus>,

    /// What the stores of the zone's logs said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogsStatus>,

    /// What Enforce would write that is not there now. Only in Observe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

impl PciZoneStatus {
    /// Others may add conditions of their own; they stay, and are no reason to write.
    pub fn without_foreign(&self) -> Self {
        let mut status = self.clone();
        status.conditions.retain(|condition| ConditionType::is_ours(&condition.type_));
        status
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// What the zone consists of.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeStatus {
    /// How many namespaces belong to the zone.
    pub namespace_count: i64,
    /// How many nodes belong to the zone.
    pub node_count: i64,
    /// Some of the namespaces, at most 20, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_namespaces: Vec<String>,
    /// Some of the nodes, at most 10, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_nodes: Vec<String>,
    /// SHA-256 over all namespaces and nodes of the zone, the admitted workloads, and the ends and ports of its flows. It changes when the
    /// scope does (PCI DSS 12.5.2), and is what `spec.scope.confirmation` names.
    pub digest: String,
}

/// Open findings by severity; unproven and accepted ones are counted apart.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingCounts {
    /// Violated, critical.
    pub critical: i64,
    /// Violated, high.
    pub high: i64,
    /// Violated, medium.
    pub medium: i64,
    /// Violated, low.
    pub low: i64,
    /// Unproven, of any severity.
    pub unproven: i64,
    /// Violated and accepted by an exception of the zone, of any severity.
    #[serde(default)]
    pub accepted: i64,
}

/// Something that has to be done by a date.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Obligation {
    /// Requirement of PCI DSS v4.0.1.
    pub requirement: String,
    /// What to do, with the name of the flow or workload.
    pub action: String,
    /// Until when.
    pub due: Time,
}

/// A change that would open something. It is carried out when the zone's annotation
/// `pcizone.dev/confirm-change` equals the digest; until then the protection stays as it was.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Value for the annotation.
    pub digest: String,
    /// What would open, in a sentence.
    pub message: String,
    /// How many namespaces would lose their protection.
    pub namespaces: i64,
    /// How many nodes would be open to other pods.
    pub nodes: i64,
    /// Some of them, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<String>,
}

/// Somebody changed what is sealed; only who holds the RBAC verb `break-glass` on the zone can. It stays here until the zone's
/// annotation `pcizone.dev/acknowledge` is the instant of the last use or a later one.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassUse {
    /// When it was first seen.
    pub first_used: Time,
    /// When it was last seen.
    pub last_used: Time,
    /// The object that was changed last, as `Kind/name` or `Kind/namespace/name`.
    pub subject: String,
    /// What the object tells of who did it. The audit log of the API server names the user.
    pub evidence: String,
}

/// A round of the canary: pods of its own that tried to get through, on real nodes. Evidence for PCI DSS 11.4.5; no penetration test.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentationTest {
    /// When it ended.
    pub tested_at: Time,
    /// `Enforced`, `NotEnforced` or `Unproven`.
    pub result: TestResult,
    /// What was seen, in a sentence.
    pub message: String,
    /// The namespace of the zone whose policies were tested.
    pub namespace: String,
    /// Value of the label `pcizone.dev/canary` of its pods.
    pub round: String,
    /// Value of the annotation `pcizone.dev/canary-request` that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Nodes of the zone that took part.
    pub nodes: i64,
    /// Ways that were tried: from one node to another, by one protocol and one address family; those of flows besides.
    pub tried: i64,
    /// Those that got through exactly while a policy allowed it.
    pub enforced: i64,
    /// Those that got through although no policy allowed it, or did not although one does.
    pub broken: i64,
    /// Some of those that were not enforced, at most 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<String>,
    /// What each pair of nodes showed, the worst of its protocols and address families, at most 12 pairs; those that are not enforced come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<TestedPair>,
    /// What broke: every way alike, or only some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<TestFailure>,
    /// Milliseconds from the removal of a policy until the slowest way was closed, to about a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_within_millis: Option<i64>,
    /// Ways that were open for a moment after a pod began, before its policies held.
    #[serde(default)]
    pub open_at_start: i64,
    /// Nodes whose own kubelet got through to their pods, as the API documents: no policy denies that.
    #[serde(default)]
    pub own_node: i64,
    /// Flows that got through on a copy of their policy, at most 4; others follow in the next rounds. A copy means the canary's pods instead
    /// of those that the flow names, and is not the flow's own policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<String>,
    /// SHA-256 over the settings of network plug-ins that the operator could read when it ended, such as that of `cilium-config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_digest: Option<String>,
    /// SHA-256 over the policies, nodes and network agents that it was about.
    pub digest: String,
}

/// What one pair of nodes showed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestedPair {
    /// Where the pod was that asked: a node of the zone, or one outside with `outside/` before its name.
    pub from: String,
    /// Where the pod was that listened, in the same way.
    pub to: String,
    /// `Enforced`, `NotEnforced` or `Unproven`.
    pub result: TestResult,
}

/// What a round of the canary showed.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TestResult {
    /// Every way got through exactly while a policy allowed it.
    Enforced,
    /// Something got through that must not, or did not that must.
    NotEnforced,
    /// It could not be shown.
    Unproven,
}

/// How much was not enforced.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TestFailure {
    /// Every way was open all the time: the network plug-in enforces nothing.
    Everything,
    /// Some ways, such as those of one node.
    Some,
    /// Every way of one address family, and none of the other.
    OneFamily,
}

/// A time in which segmentation failed, as the canary saw it. It stays open until it has ended and its cause is told by the annotation
/// `pcizone.dev/failure-cause`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlFailure {
    /// When the canary saw it first.
    pub started_at: Time,
    /// When the canary saw first that it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// What failed, in a sentence.
    pub what: String,
    /// Why, as somebody told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What scanners report of the images that the zone's pods run.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagesStatus {
    /// Images that run: names as pods spell them, and of a name without a digest each content that runs.
    pub running: i64,
    /// Those with a scan that is new enough.
    pub scanned: i64,
    /// Those of which a fix is overdue, accepted or not.
    pub overdue: i64,
    /// The oldest of their newest scans, to the hour. Only while every image has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_scan: Option<Time>,
    /// When the next fix is overdue that is not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_fix: Option<Time>,
}

/// What the stores of the zone's logs said. It changes only when that does: while all is well it is told to about five minutes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogsStatus {
    /// The newest record of the pod that is farthest behind, at the store that is farthest behind. Only while every store could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_record: Option<Time>,
    /// How long records are kept, by the store that keeps them shortest: days such as `400d`, `unlimited`, or `unproven`.
    pub retention: String,
    /// Pods whose numbered lines are to arrive.
    pub pods: i64,
    /// Those of which something new arrives at every store.
    pub arriving: i64,
    /// Each store, at most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub stores: Vec<StoreStatus>,
}

/// What one store said.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreStatus {
    /// Name of the sink.
    pub name: String,
    /// Whether records arrive, in a few words.
    pub delivery: String,
    /// How long records are kept, in a few words.
    pub retention: String,
}

/// What Enforce would write.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Objects that would be created.
    pub create: i64,
    /// Objects, labels and taints that would be changed.
    pub update: i64,
    /// Objects, labels and taints that would be removed.
    pub delete: i64,
    /// Some of the writes, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<String>,
}
