//! Findings: what is violated or unproven, on which object, against which requirement, and what to do.
//!
//! Ids are stable API. Requirement numbers are those of PCI DSS v4.0.1.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is violated or unproven.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was found; stable. Not an enum here, so that a status written by a newer version can be read.
    pub id: String,
    /// The object, as `Kind/name` or `Kind/namespace/name`.
    pub subject: String,
    /// Violated or Unproven.
    pub state: FindingState,
    /// How bad it is.
    pub severity: Severity,
    /// Requirements of PCI DSS v4.0.1 that it speaks to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What was seen: the field, the manager, the date.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// What to do about it.
    pub remediation: String,
    /// When it was first seen.
    pub since: Time,
}

/// Whether something is shown to be wrong, or could not be shown to be right.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FindingState {
    /// Shown to be wrong.
    Violated,
    /// Not shown to be right.
    Unproven,
}

/// Severity, worst first.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// The cardholder data environment is or was open.
    Critical,
    /// A requirement is missed.
    High,
    /// A requirement will be missed if nothing is done.
    Medium,
    /// Worth knowing.
    Low,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $id:ident: $severity:ident, $state:ident, [$($requirement:literal),+], $remediation:literal;)+) => {
        /// What can be found. Ids are stable: once shipped, an id keeps its meaning.
        #[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FindingId {
            $($(#[$doc])* $id,)+
        }

        impl FindingId {
            /// Every id.
            pub const ALL: &[FindingId] = &[$(FindingId::$id),+];

            /// The spelling in status and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(FindingId::$id => stringify!($id),)+ }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(FindingId::$id => Severity::$severity,)+ }
            }

            /// Violated or unproven.
            pub fn state(self) -> FindingState {
                match self { $(FindingId::$id => FindingState::$state,)+ }
            }

            /// Requirements of PCI DSS v4.0.1.
            pub fn requirements(self) -> &'static [&'static str] {
                match self { $(FindingId::$id => &[$($requirement),+],)+ }
            }

            /// What to do about it.
            pub fn remediation(self) -> &'static str {
                match self { $(FindingId::$id => $remediation,)+ }
            }
        }
    };
}

catalogue! {
    /// A member namespace has no default deny.
    DefaultDenyMissing: Critical, Violated, ["1.3.1", "1.3.2"], "The operator restores it; if it stays away, look at the Ready condition.";
    /// Something of ours was deleted or changed by somebody else and was put back.
    ManagedObjectTampered: Critical, Violated, ["1.2.8", "11.5.2"], "Find out who did it and why; take the right away, or change the PciZone instead.";
    /// A policy of ours differs from what the zone declares.
    ManagedPolicyTampered: Critical, Violated, ["1.2.8", "11.5.2"], "The operator restores it; find out who changed it and take the right away.";
    /// A foreign policy opens a member namespace to everybody.
    PolicyAllowsWorld: Critical, Violated, ["1.2.5", "1.3.1", "1.3.2"], "Delete the policy, or declare the traffic as a flow.";
    /// A policy allows traffic of the zone that no flow declares.
    PolicyUnmanagedWidens: Critical, Violated, ["1.2.2", "1.2.5", "1.2.8"], "Declare the traffic as a flow with its need, or delete the policy.";
    /// A policy opens pods of the zone to or for the pods of every namespace.
    PolicyAllowsAllNamespaces: Critical, Violated, ["1.3.1", "1.4.1"], "Name the namespaces, by a flow for each; or delete the policy.";
    /// A rule that no flow declares names no ports, and so means all of them.
    PolicyPortsMissing: High, Violated, ["1.2.5", "2.2.4"], "List the ports.";
    /// A block of addresses that no flow declares covers pods, Services or nodes of the cluster.
    PolicyIpBlockCoversCluster: High, Violated, ["1.3.1", "1.3.2"], "Select pods by labels: what a block means for addresses of the cluster depends on the network plug-in.";
    /// A policy in the zone cannot be read, so what it allows is not known.
    PolicyUnreadable: High, Unproven, ["1.2.5"], "Delete the policy, or write it so that this version can read it.";
    /// A policy of the tier Admin lets traffic of the zone through that no flow declares, whatever NetworkPolicies deny.
    ClusterPolicyOverridesDeny: Critical, Violated, ["1.3.1", "1.2.8"], "Narrow its subject or its rule, or deny the zone's pods by a policy of a lower priority number; or declare the traffic as a flow.";
    /// Two policies of the tier Admin have the same priority and do opposite things with traffic of the zone.
    ClusterPolicyPriorityAmbiguous: High, Violated, ["1.2.1"], "Give each its own priority: which of them decides is up to the network plug-in.";
    /// A policy of the network plug-in's own kind allows traffic of the zone that no flow declares.
    CniPolicyWidens: Critical, Violated, ["1.2.5", "1.3.1", "1.3.2"], "Declare the traffic as a flow with its need, or narrow the policy.";
    /// A policy that may hold for pods of the zone is not understood, or cannot be seen.
    CniPolicyUnparsed: High, Unproven, ["1.2.5"], "Write it with what docs/reachability.md says can be read, or keep it from the zone's pods; where it cannot be seen, grant the right.";
    /// A policy of another kind denies what a flow declares.
    FlowDeniedElsewhere: Medium, Violated, ["1.2.5"], "Take the flow out of the policy's rule, or remove the flow.";
    /// A rule that no flow declares selects namespaces by labels that others may set.
    PeerSelectorMutableLabel: High, Violated, ["1.2.5", "1.3.1"], "Select namespaces by kubernetes.io/metadata.name, by a flow.";
    /// Pods of the zone may reach a metadata service, and no flow declares it.
    EgressReachesMetadata: High, Violated, ["1.3.2", "7.2.5"], "Take its address out by except, and give pods identities of their own.";
    /// A namespace of no zone can talk with the zone, and no flow declares it.
    UndeclaredConnectedNamespace: High, Violated, ["12.5.2", "1.2.5"], "Declare a flow, and the namespace in a zone of category ConnectedTo; or delete the policy.";
    /// No policy denies what a pod of the zone may receive.
    PodNotIsolatedIngress: Critical, Violated, ["1.3.1", "1.4.1"], "Enforce the zone; the default deny then holds for every pod of its namespaces.";
    /// No policy denies what a pod of the zone may send.
    PodNotIsolatedEgress: Critical, Violated, ["1.3.2", "1.4.1"], "Enforce the zone; the default deny then holds for every pod of its namespaces.";
    /// A member namespace lacks the zone's label.
    NamespaceUnlabelled: High, Violated, ["12.5.1", "1.3.1"], "The operator restores the label; find out who removed it.";
    /// A namespace that no zone declares carries a zone's label or policies.
    NamespaceNotDeclared: High, Violated, ["12.5.1", "12.5.2"], "Declare the namespace in the zone, or confirm that it leaves.";
    /// Two zones declare the same namespace.
    NamespaceClaimedTwice: High, Violated, ["12.5.1", "2.2.3"], "Remove the namespace from one of the zones.";
    /// A declared namespace does not exist.
    NamespaceMissing: Medium, Violated, ["12.5.1"], "Create it or remove it from the zone; whoever creates it later joins the zone.";
    /// A declared node does not exist.
    NodeMissing: Medium, Violated, ["12.5.1"], "Register the node or remove it from the zone; whoever registers it later joins the zone.";
    /// A node of the zone lacks the zone's taint.
    NodeTaintMissing: Critical, Violated, ["2.2.3"], "The operator restores the taint; find out who removed it and drain foreign pods.";
    /// A node of the zone lacks the zone's label.
    NodeLabelMissing: High, Violated, ["2.2.3"], "The operator restores the label; find out who removed it.";
    /// A node that the zone does not declare carries its label or taint.
    NodeNotDeclared: Critical, Violated, ["2.2.3", "12.5.1"], "Declare the node in the zone, or confirm that it leaves.";
    /// The node selector reads labels that kubelets may set on themselves.
    NodeLabelUnprotected: High, Violated, ["2.2.3", "7.2.5"], "Select by a label below node-restriction.kubernetes.io/.";
    /// Two zones declare the same node.
    NodeSharedByZones: High, Violated, ["2.2.3"], "Give each zone nodes of its own.";
    /// The zone declares nodes, but none exists.
    ZoneHasNoNodes: High, Violated, ["2.2.3"], "Correct the selector or the names in spec.hosting.nodes.";
    /// A pod of the zone runs on a node that is none of the zone's.
    PodOffZoneNode: Critical, Violated, ["2.2.3", "12.5.2"], "Delete or evict the pod; its node was in scope as long as it ran there.";
    /// A pod of the zone does not ask for the zone's nodes.
    PodPlacementNotEnforced: Medium, Violated, ["2.2.3"], "Put the zone's node selector and toleration into the template, or delete the pod so that a placed one is made.";
    /// A pod names its node itself.
    PodBypassesScheduler: High, Violated, ["2.2.3", "6.5.1"], "Remove nodeName from the template.";
    /// A pod of others runs on a node of the zone.
    ForeignPodOnZoneNode: High, Violated, ["2.2.3", "1.4.1"], "Evict it, or name the workload in spec.hosting.admits with need, owner and end.";
    /// A pod that the cluster or the operator itself needs runs on a node of the zone, and nobody says why.
    SystemPodOnZoneNode: Medium, Violated, ["12.5.2", "2.2.4"], "Name the workload in spec.hosting.admits with need, owner and end: it is in scope.";
    /// A pod of others tolerates every taint and nothing keeps it from the zone's nodes.
    PodToleratesEverything: High, Violated, ["2.2.3"], "Name the taints that it has to tolerate.";
    /// The time of a workload that the zone admits is over.
    AdmitExpired: High, Violated, ["12.5.2", "2.2.4"], "Review why it runs there and set a new end, or take the entry and its pods away.";
    /// The time of a workload that the zone admits is over within 30 days.
    AdmitExpiringSoon: Low, Violated, ["12.5.2"], "Review why it runs there and set a new end: from then on its new pods are refused.";
    /// A static pod, which no admission sees, runs on a node of the zone.
    StaticPodOnZoneNode: High, Violated, ["2.2.1", "6.5.1", "11.5.2"], "Remove its manifest from the host, or name it in spec.hosting.admits as StaticPod/NAME with need, owner and end.";
    /// A pod of the zone runs since before its namespace had a default deny.
    PodPredatesPolicy: Medium, Unproven, ["1.3.1"], "Restart the pod: connections that it opened before may live on.";
    /// A pod of the zone uses the network of its node.
    HostNetworkPod: Critical, Violated, ["1.3.1", "1.4.1"], "Remove hostNetwork; NetworkPolicies do not hold for it.";
    /// A pod of the zone shares processes or memory with its node.
    HostNamespacesShared: High, Violated, ["2.2.3"], "Remove hostPID and hostIPC.";
    /// A pod of the zone opens a port of its node.
    HostPortExposed: High, Violated, ["1.4.2"], "Remove hostPort and use a Service.";
    /// A namespace of the zone holds its pods to a weaker standard than the zone declares.
    PodSecurityTooWeak: Medium, Violated, ["2.2.1"], "The operator raises the label; find out who lowered it.";
    /// Somebody else sets the label of a zone on a namespace.
    ZoneLabelSpoofed: Critical, Violated, ["1.3.1", "1.2.8"], "Remove the label; find out who set it.";
    /// Somebody with the right to break glass changed what is sealed, and nobody has taken note of it.
    BreakGlassUsed: Critical, Violated, ["7.2.1", "10.2.1.2"], "Find out why; then acknowledge it, as the message says.";
    /// Somebody may break the glass by a role that grants every verb, and nobody has taken note of it.
    BreakGlassByWildcard: High, Violated, ["7.2.1", "7.2.5"], "Name verbs in the role (docs/operations.md has one), or acknowledge them as the evidence says.";
    /// Somebody may break the glass by a role that grants every verb, and this was acknowledged.
    BreakGlassAcknowledged: Low, Violated, ["7.2.1"], "Name verbs in the role as soon as you can.";
    /// Somebody without the right to do so changes what belongs to the zone.
    ScopeChangeNotAllowed: High, Violated, ["12.5.2", "1.2.2"], "Grant the verb change-scope on the PciZone to those who decide about its scope.";
    /// A Service of the zone opens a port of every node and no flow declares it.
    NodePortExposed: High, Violated, ["1.4.2", "1.3.1"], "Use a ClusterIP behind a gateway, or declare the flow.";
    /// A Service of the zone has an address outside and no flow declares it.
    LoadBalancerExposed: Critical, Violated, ["1.4.2", "1.4.4"], "Declare the flow from the internet, or use an internal gateway.";
    /// A Service of the zone takes addresses outside for itself.
    ExternalIpsUsed: High, Violated, ["1.4.2"], "Remove externalIPs, or declare the flow.";
    /// A Service of the zone is an alias of a name elsewhere, and no flow leads there.
    ExternalNameFromZone: Medium, Violated, ["1.3.2"], "Declare a flow to the network behind the name, or remove the alias.";
    /// A Service elsewhere is an alias of a Service of the zone.
    ExternalNameIntoZone: Medium, Violated, ["1.2.5", "1.3.1"], "Declare the flow and use the Service by its own name, or remove the alias.";
    /// Endpoints written by hand outside the zone point into it.
    EndpointsPointIntoZone: Critical, Violated, ["1.3.1", "1.2.8"], "Delete them and take away the right to write endpoints.";
    /// Whether the network plug-in enforces policies was not tested.
    CniEnforcementUnproven: High, Unproven, ["11.4.5", "10.7.2"], "Test from a pod that a denied connection fails; this version does not.";
    /// A flow has ended and is closed.
    FlowExpired: High, Violated, ["1.2.7"], "Review the flow and set new dates, or remove it.";
    /// A flow ends within 30 days.
    FlowExpiringSoon: Low, Violated, ["1.2.7"], "Review the flow and set new dates, or let it close.";
    /// A flow was not reviewed for six months.
    FlowReviewOverdue: High, Violated, ["1.2.7"], "Review the flow and set reviewedAt.";
    /// A flow's end does not exist, so the flow is closed.
    FlowUnresolvable: Medium, Violated, ["1.2.5"], "Correct the flow's ends, or create what they name.";
    /// One end lies in another zone that does not declare the same flow.
    FlowBetweenZonesUndeclaredOneSide: High, Violated, ["1.2.5"], "Declare the flow in the other zone too; until then its policies deny it.";
    /// Whether the network plug-in matches the API server by address was not tested.
    FlowToApiServerUnproven: Medium, Unproven, ["1.2.5"], "Some plug-ins do not match nodes by address; test the connection.";
    /// The API server does not take a write that the zone needs.
    WriteRefused: High, Violated, ["10.7.2"], "The message says why: a quota, an admission policy or webhook, or a declaration that makes no valid object.";
    /// Pods that run where they may not cannot be evicted, although the zone asks for it.
    EvictionRefused: High, Violated, ["2.2.3"], "Grant the right to evict, or evict the pods yourself.";
    /// The operator lacks a right.
    OperatorPermissionMissing: High, Violated, ["10.7.2"], "Apply the RBAC objects from deploy/.";
}
