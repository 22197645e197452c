//! Findings: what is violated or unproven, on which object, against which requirement, and what to do.
//!
//! Ids are stable API. Requirement numbers are those of PCI DSS v4.0.1.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is violated, unproven or accepted.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was found; stable. Not an enum here, so that a status written by a newer version can be read.
    pub id: String,
    /// The object, as `Kind/name` or `Kind/namespace/name`.
    pub subject: String,
    /// Violated, Unproven or Accepted.
    pub state: FindingState,
    /// Until when it is accepted, by the exception of the zone that ends last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<Time>,
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

/// Whether something is shown to be wrong, could not be shown to be right, or is wrong and accepted for now. The order is that of lists.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FindingState {
    /// Shown to be wrong.
    Violated,
    /// Not shown to be right.
    Unproven,
    /// Shown to be wrong, and accepted by an exception of the zone until that ends.
    Accepted,
}

impl FindingState {
    /// The spelling in metrics.
    pub fn as_label(self) -> &'static str {
        match self {
            FindingState::Violated => "violated",
            FindingState::Unproven => "unproven",
            FindingState::Accepted => "accepted",
        }
    }
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

impl Severity {
    /// The spelling in metrics.
    pub fn as_label(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Low => "low",
        }
    }
}

macro_rules! catalogue {
    ($($(#[doc = $doc:literal])+ $id:ident: $severity:ident, $state:ident, [$($requirement:literal),+], $remediation:literal;)+) => {
        /// What can be found. Ids are stable: once shipped, an id keeps its meaning.
        #[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingId {
            $($(#[doc = $doc])+ $id,)+
        }

        impl FindingId {
            /// Every id.
            pub const ALL: &[FindingId] = &[$(FindingId::$id),+];

            /// The spelling in status and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(FindingId::$id => stringify!($id),)+ }
            }

            /// What was found, in a sentence.
            pub fn description(self) -> &'static str {
                match self { $(FindingId::$id => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// How bad it is, unless the finding itself says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(FindingId::$id => Severity::$severity,)+ }
            }

            /// Violated or unproven, unless the finding itself says otherwise.
            pub fn state(self) -> FindingState {
                match self { $(FindingId::$id => FindingState::$state,)+ }
            }

            /// Requirements of PCI DSS v4.0.1, unless the finding itself names fewer of them.
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

impl FindingId {
    /// Whether an exception can accept it. What others did, what ends by a date and what blinds the operator is to be dealt with.
    pub fn is_acceptable(self) -> bool {
        !matches!(
            self,
            FindingId::BreakGlassUsed
                | FindingId::ExceptionExpired
                | FindingId::ExceptionExpiringSoon
                | FindingId::ExceptionUnused
                | FindingId::AttestationExpired
                | FindingId::OperatorPermissionMissing
        )
    }
}

catalogue! {
    /// A member namespace has no default deny.
    DefaultDenyMissing: Critical, Violated, ["1.3.1", "1.3.2"], "The operator restores it; if it stays away, look at the Ready condition.";
    /// Something of ours was deleted or changed by somebody else and was put back.
    ManagedObjectTampered: Critical, Violated, ["1.2.8", "11.5.2"], "Find out who did it and why; take the right away, or change the PciZone instead.";
    /// A policy of ours differs from what the zone declares.
    ManagedPolicyTampered: Critical, Violated, ["1.2.8", "11.5.2"], "The operator restores it; find out who changed it and take the right away.";
    /// A foreign policy opens a member namespace to everybody.
    PolicyAllowsWorld: Critical, Violated, ["1.2.2", "1.2.5", "1.3.1", "1.3.2"], "Delete the policy, or declare the traffic as a flow.";
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
    /// A namespace of no zone can talk with the zone in a way that no flow declares.
    UndeclaredConnectedNamespace: High, Violated, ["12.5.2", "1.2.5"], "Declare a flow, and the namespace in a zone of category ConnectedTo; or delete the policy.";
    /// No policy denies what a pod of the zone may receive.
    PodNotIsolatedIngress: Critical, Violated, ["1.3.1", "1.4.1"], "Enforce the zone; the default deny then holds for every pod of its namespaces.";
    /// No policy denies what a pod of the zone may send.
    PodNotIsolatedEgress: Critical, Violated, ["1.3.2", "1.4.1"], "Enforce the zone; the default deny then holds for every pod of its namespaces.";
    /// A policy opens pods of the zone by one family of addresses and not by the other.
    DualStackAsymmetry: High, Violated, ["1.3.1", "1.3.2"], "Select pods by labels, or write the block for both families.";
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
    /// The zone declares nodes, but none exists, or none is ready.
    ZoneHasNoNodes: High, Violated, ["2.2.3"], "Correct the selector or the names in spec.hosting.nodes, or repair the nodes.";
    /// A pod of the zone runs on a node that is none of the zone's.
    PodOffZoneNode: Critical, Violated, ["2.2.3", "12.5.2"], "Delete or evict the pod; its node was in scope as long as it ran there.";
    /// A pod of the zone does not ask for the zone's nodes.
    PodPlacementNotEnforced: Medium, Violated, ["2.2.3"], "Put the zone's node selector and toleration into the template, or delete the pod so that a placed one is made.";
    /// A pod gets to its node past the scheduler, as one that names it itself.
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
    /// A pod of others uses the network of a node of the zone: it reaches every pod there, whatever the policies say.
    HostNetworkPodOnZoneNode: Critical, Violated, ["1.3.1", "2.2.3"], "Evict it, or name the workload in spec.hosting.admits with need, owner and end.";
    /// A pod of the zone, or of others on its nodes, shares processes or memory with its node.
    HostNamespacesShared: High, Violated, ["2.2.3"], "Remove hostPID and hostIPC.";
    /// A pod of the zone opens a port of its node.
    HostPortExposed: High, Violated, ["1.4.2"], "Remove hostPort and use a Service.";
    /// A container of the zone, or of others on its nodes, is privileged: its node is its own, and all that runs there.
    PrivilegedPodOnZoneNode: Critical, Violated, ["2.2.3", "2.2.6"], "Remove privileged; for a pod of others, evict it or name its workload in spec.hosting.admits.";
    /// A container of the zone, or of others on its nodes, is a process of its Windows node.
    WindowsHostProcess: Critical, Violated, ["2.2.3"], "Remove hostProcess; for a pod of others, evict it or name its workload in spec.hosting.admits.";
    /// A container of the zone asks for a capability that reaches past it.
    DangerousCapability: High, Violated, ["2.2.6", "1.4.3"], "Drop ALL capabilities, and add none of these.";
    /// A pod of the zone, or of others on its nodes, mounts files of its node.
    HostPathMounted: High, Violated, ["2.2.3", "10.3.2"], "Use a volume of a CSI driver; for a pod of others, evict it or name its workload in spec.hosting.admits.";
    /// A pod of the zone, or of others on its nodes, can ask the container runtime for anything.
    RuntimeSocketMounted: Critical, Violated, ["2.2.3"], "Take the mount away; for a pod of others, evict it or name its workload in spec.hosting.admits.";
    /// Somebody added a container to a pod of the zone while it ran; it shares the pod's network and flows.
    EphemeralContainerPresent: High, Violated, ["6.5.1", "8.6.1", "10.2.1.2"], "Find out who added it and why, and delete the pod: the container stays as long as the pod.";
    /// A pod of the zone asks for network interfaces that NetworkPolicies do not hold for.
    SecondaryNetworkUnfiltered: Critical, Unproven, ["1.3.1", "1.4.1"], "Remove the interface, or show that a policy of that network filters it; this version does not read such policies.";
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
    /// Somebody may run commands in pods of the zone.
    ExecGranted: High, Violated, ["7.2.2", "8.6.1", "1.3.1"], "Take the right away, or bind it for a time to those who are on call.";
    /// Somebody may open connections into pods of the zone through the API server, past every policy.
    PortForwardGranted: High, Violated, ["1.3.1", "7.2.2"], "Take the right away.";
    /// Somebody may reach pods or Services of the zone through the API server, past every policy.
    PodOrServiceProxyGranted: High, Violated, ["1.3.1"], "Take the right away.";
    /// Somebody may ask kubelets for anything: commands in every pod, and no audit log of the API server tells.
    NodesProxyGranted: Critical, Violated, ["7.2.5", "10.2.1.2"], "Take the right away; who only measures needs nodes/metrics, nodes/stats or nodes/healthz.";
    /// Somebody may add containers to pods of the zone that run.
    DebugGranted: High, Violated, ["7.2.2", "6.5.1"], "Take the right away, or bind it for a time to those who are on call.";
    /// Somebody may say where Services of the zone lead.
    EndpointsWriteGranted: High, Violated, ["1.2.8"], "Take the right away; the controllers of the cluster have their own.";
    /// Somebody may change the policies of the zone, or the zone.
    PolicyWriteGranted: High, Violated, ["1.2.8", "1.2.2"], "Leave it to the operator, and to the pipeline that applies zones.";
    /// Somebody may change the labels by which namespaces and nodes belong to the zone.
    NamespaceLabelWriteGranted: High, Violated, ["1.2.8", "2.2.3"], "Take the right away, or grant it by the names of other objects.";
    /// Somebody may read Secrets of the zone.
    SecretReadGranted: High, Violated, ["7.2.2"], "Take the right away, or grant get by the names of single Secrets to those who need them.";
    /// Somebody may be somebody else, or grant what he does not have.
    ImpersonateOrEscalateGranted: Critical, Violated, ["7.2.5"], "Take the right away.";
    /// Somebody may do everything.
    BlanketAdminBinding: High, Violated, ["7.2.1", "8.2.2"], "Grant what is needed by a role that names it.";
    /// A pod on a node outside the zone holds a token that can change the zone: who has that node has the zone.
    PrivilegedTokenOffZone: High, Violated, ["7.2.5", "2.2.3"], "Run it on nodes that are trusted as much as the zone's, or take the right away.";
    /// Somebody without the right to do so changes what belongs to the zone.
    ScopeChangeNotAllowed: High, Violated, ["12.5.2", "1.2.2"], "Grant the verb change-scope on the PciZone to those who decide about its scope.";
    /// A Service of the zone opens a port of every node and no flow declares it, or more than that of its load balancer.
    NodePortExposed: High, Violated, ["1.4.2", "1.3.1"], "Use a ClusterIP behind a gateway, set allocateLoadBalancerNodePorts: false, or declare the flow.";
    /// A Service of the zone has an address outside and no flow declares it, or it lets more through than that.
    LoadBalancerExposed: Critical, Violated, ["1.4.2", "1.4.4"], "Declare the flow and set loadBalancerSourceRanges to its networks, or use an internal gateway.";
    /// A Service of the zone takes addresses outside for itself.
    ExternalIpsUsed: High, Violated, ["1.4.2"], "Remove externalIPs, or declare the flow.";
    /// A Service takes an address for itself to which a flow of the zone leads (CVE-2020-8554).
    ExternalIpInterceptsZone: Critical, Violated, ["1.3.2", "1.4.3"], "Delete the Service, and find out who wrote it and what was sent there meanwhile.";
    /// A flow names networks of clients, and a Service hides the clients' addresses.
    SourceAddressObscured: Medium, Violated, ["1.4.2"], "Set externalTrafficPolicy: Local, or filter at the load balancer.";
    /// A route leads to pods of the zone and no flow declares it.
    IngressExposesZone: High, Violated, ["1.4.2"], "Declare the flow from whoever carries the route, or remove the route.";
    /// Routes of a namespace outside the zone may lead to Services of the zone.
    CrossNamespaceReferenceGrant: High, Violated, ["1.3.1", "1.2.8"], "Remove the grant, and put the route into the namespace of its Service.";
    /// A declared route serves hosts without TLS.
    IngressWithoutTls: High, Violated, ["4.2.1", "2.2.7"], "Name the hosts in spec.tls.";
    /// A Service of the zone is an alias of a name elsewhere, and no flow leads there.
    ExternalNameFromZone: Medium, Violated, ["1.3.2"], "Declare a flow to the network behind the name, or remove the alias.";
    /// A Service elsewhere is an alias of a Service of the zone.
    ExternalNameIntoZone: Medium, Violated, ["1.2.5", "1.3.1"], "Declare the flow and use the Service by its own name, or remove the alias.";
    /// Endpoints written by hand outside the zone point into it.
    EndpointsPointIntoZone: Critical, Violated, ["1.3.1", "1.2.8"], "Delete them and take away the right to write endpoints.";
    /// The zone declares nodes, and none was in what was judged.
    NodesUnseen: Medium, Unproven, ["2.2.3"], "Give the nodes of the cluster too, or judge the live cluster.";
    /// Endpoints of a Service of the zone are written by hand and lead out of it.
    ZoneServiceHasManualEndpoints: High, Violated, ["1.3.2", "1.2.5"], "Give the Service a selector, or declare a flow to these addresses.";
    /// Stored account data is reached from outside the zones.
    ChdStoreReachable: Critical, Violated, ["1.4.4"], "Put a service tier of the zone between, and remove what leads to the store itself.";
    /// The network plug-in is known to enforce no NetworkPolicy.
    CniNoEnforcement: Critical, Violated, ["1.4.1", "10.7.2"], "Install a network plug-in that enforces NetworkPolicies, or an engine beside it: until then nothing is segmented.";
    /// Whether the network plug-in enforces policies was not tested.
    CniEnforcementUnproven: High, Unproven, ["11.4.5", "10.7.2"], "Install the operator's component canary, or let it run its next round: it tries from pods what is denied.";
    /// The canary got through where no policy allows it, or did not where one does.
    SegmentationProbeFailed: Critical, Violated, ["1.3.1", "1.3.2", "10.7.2", "11.4.5"], "Take the nodes that it names out of service, and look at the network agent there; then tell the cause (10.7.3).";
    /// The canary's last round is too old, or policies, nodes or network agents changed since.
    SegmentationProbeStale: Medium, Unproven, ["11.4.5", "6.5.2"], "Let the canary run; look at why its pods do not start.";
    /// Pods are open for a moment when they start, before the network plug-in has their policies.
    PodStartsBeforeEnforcement: Medium, Violated, ["1.3.1"], "Use the strict mode of the network plug-in, in which a pod without policies has no network.";
    /// Segmentation failed, and nobody has told why, or it has not ended.
    ControlFailureUnexplained: High, Violated, ["10.7.2", "10.7.3"], "Find out why, and tell it: kubectl annotate pz ZONE pcizone.dev/failure-cause='START CAUSE'; status.controlFailures has the start.";
    /// A pod of the zone has no log forwarder beside it, or not the one that the zone declares.
    LogSidecarMissing: High, Violated, ["10.2.1", "10.3.3"], "Delete the pod: its successor gets one when it is made. Where it gets none, look at the operator's webhook and admission policies.";
    /// A pod's log forwarder is an ordinary container, which ends with the application or before it.
    LogSidecarNotNative: Medium, Violated, ["10.2.1", "10.3.3"], "Leave it out of the template: the zone adds one that ends after the application.";
    /// A pod's log forwarder still has an earlier configuration of the zone.
    LogSidecarStale: Medium, Violated, ["10.2.1"], "Restart the workload when it suits you: kubectl rollout restart.";
    /// A pod has too little time to end for its last lines to be sent.
    LogGraceTooShort: Medium, Violated, ["10.3.3"], "Raise terminationGracePeriodSeconds, or delete the pod: its successor gets enough.";
    /// Nothing that the zone declares collects what a pod writes.
    LogOutputUncovered: High, Unproven, ["10.2.1"], "Have it write into a directory of spec.logging.sources, or declare the agent that reads standard output in spec.logging.nodeAgent.";
    /// What a forwarder has not sent yet goes with its pod when that is killed as a whole.
    LogCrashWindowOpen: Low, Violated, ["10.3.3"], "Nothing has to be done where seconds of a killed pod may be missing; otherwise write to the store from the application itself.";
    /// No flow of the zone lets its pods reach a sink.
    LogEgressBlocked: High, Violated, ["10.7.2", "10.3.3"], "Let the flow that the sink names lead from all pods of the zone to the sink's port, and review it before it ends.";
    /// A Secret that a sink needs is missing, so pods do not start.
    LogSinkSecretMissing: High, Violated, ["10.7.2"], "Create it in the pod's namespace, with the keys that spec.logging.sinks asks for.";
    /// Records go to a sink without TLS, or it is asked without.
    LogSinkPlaintext: High, Violated, ["2.2.7", "10.3.2"], "Use https or tls in the sink's address.";
    /// Records of a pod of the zone do not arrive at a store.
    LogDeliveryStale: Critical, Violated, ["10.7.2", "10.3.3"], "Look at what its forwarder says: kubectl logs POD -c pcizone-forwarder; then at the store's credentials, disk and limits.";
    /// Numbered lines of a pod are missing at a store: they were lost.
    LogDeliveryGap: High, Violated, ["10.3.3", "10.7.2"], "Find out what happened to the pod at that time; what was lost does not come back.";
    /// Whether records arrive at a store could not be asked.
    LogDeliveryUnproven: High, Unproven, ["10.3.3", "10.7.2"], "Name in spec.logging.sinks.store who is asked, and let the operator read there: docs/retention.md.";
    /// A store deletes records sooner than the standard wants.
    LogRetentionTooShort: High, Violated, ["10.5.1"], "Lengthen what the message names.";
    /// A store puts records away sooner than the standard wants them at hand.
    LogHotWindowTooShort: High, Violated, ["10.5.1"], "Lengthen what the message names.";
    /// How long a store keeps records could not be shown.
    LogRetentionUnproven: Medium, Unproven, ["10.5.1"], "Give the operator the right to read the store's settings: docs/retention.md.";
    /// No log agent that is ready runs on a node of the zone.
    LogAgentBlindNode: High, Violated, ["10.2.1", "10.7.2"], "Let it tolerate the zone's taint, admit it in spec.hosting.admits, and look at why its pod there is not ready.";
    /// No runtime sensor that is ready runs on a node of the zone.
    RuntimeSensorBlindNode: High, Violated, ["10.4.1.1", "11.5.1", "10.7.2"], "Let it tolerate the zone's taint, admit it in spec.hosting.admits, and look at why its pod there is not ready.";
    /// Whether what the runtime sensor sees is kept was not shown.
    RuntimeEventsUnproven: Medium, Unproven, ["10.5.1", "11.5.1"], "Send its events to one of the zone's sinks, and name that in spec.logging.runtimeSensor.falco.sink.";
    /// The API server writes no audit log.
    ApiAuditDisabled: High, Violated, ["10.2.1", "10.2.1.2"], "Give the API server an audit policy, and a log file or a webhook.";
    /// Whether the API server writes an audit log cannot be seen.
    ApiAuditUnproven: Medium, Unproven, ["10.2.1", "10.2.1.2"], "Attest it (spec.attestations, control ApiServerAudit) with what your provider shows, or give the audit policy in spec.logging.apiAudit.";
    /// The audit policy of the API server leaves out what has to be recorded.
    ApiAuditPolicyTooNarrow: Medium, Violated, ["10.2.1.2", "10.2.1.7"], "Put a rule before the one that the message names.";
    /// Records lack something that an entry has to say.
    LogFieldsIncomplete: Medium, Violated, ["10.2.2"], "Have the application write it, or the forwarder add it.";
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
    /// A flow connects zones of different environments.
    FlowCrossesEnvironment: High, Violated, ["6.5.3"], "Take the flow away, and move data through a zone that both may talk to.";
    /// A flow opens a port of a service that sends in plain text, and nobody says what protects it.
    InsecureProtocolFlow: High, Violated, ["1.2.6", "2.2.5"], "Use the encrypted form of the service, or say in mitigation what protects it.";
    /// The need of a flow says nothing.
    FlowUnjustified: High, Violated, ["1.2.5"], "Say in need who needs what from whom, so that a reviewer can tell when it is needed no more.";
    /// A flow opens very many pods to very many pods.
    FlowTooBroad: Medium, Violated, ["1.2.5"], "Split it into flows between the workloads that need it, by namespace and podSelector.";
    /// A flow opens just what another one opens.
    FlowDuplicate: Low, Violated, ["1.2.7"], "Remove one of the two.";
    /// A flow opens nothing that another one does not open.
    FlowShadowed: Low, Violated, ["1.2.7"], "Remove it, or narrow the other one.";
    /// An image of the zone is named without its digest.
    ImageNotPinned: Medium, Violated, ["6.3.2", "6.5.1"], "Name the image by its digest, NAME@sha256:DIGEST: `docker buildx imagetools inspect` prints it. Who may write to the registry decides what a tag means.";
    /// An image of the zone comes from where the zone allows none from.
    ImageRegistryNotAllowed: High, Violated, ["6.3.2"], "Copy the image into a registry of spec.scanning.registries, or add its registry there.";
    /// The zone names no registry, so its images may come from anywhere.
    ImageRegistriesOpen: Medium, Violated, ["6.3.2"], "Name the registries in spec.scanning.registries.";
    /// No report tells of a scan of an image that runs in the zone.
    ImageUnscanned: High, Violated, ["6.3.1", "11.3.1"], "Let the scanner look at the image; docs/scanning.md says which reports count.";
    /// The newest scan of an image that runs in the zone is too old.
    ImageScanStale: Medium, Violated, ["6.3.1", "11.3.1"], "Let the scanner look again: what became known since is not in the report.";
    /// A critical vulnerability of an image that runs in the zone could be fixed for longer than the zone allows.
    ImageCriticalOverdue: High, Violated, ["6.3.3"], "Build the image with the fixed version and roll it out.";
    /// A vulnerability of an image that runs in the zone could be fixed for longer than the zone allows.
    ImageFixOverdue: Medium, Violated, ["6.3.3"], "Build the image with the fixed version and roll it out.";
    /// A fix of an image that runs in the zone may be overdue: since when it is known is not.
    ImageFixDateUnproven: Medium, Unproven, ["6.3.3"], "Build the image with the fixed version and roll it out; the vulnerability was published longer ago than the zone allows, and reports are read here for less time than that.";
    /// An image that runs in the zone has no bill of materials.
    SbomMissing: Low, Violated, ["6.3.2"], "Let the scanner make one, as the Trivy Operator does, or say in spec.scanning.sbom that none is needed.";
    /// No report says that somebody whom the zone allows has signed an image that runs in it.
    ImageUnsigned: Medium, Violated, ["6.3.2"], "Sign the image and let what checks signatures report it; docs/scanning.md says how.";
    /// A container of the zone runs another image than it names, or than its copies run.
    ImageDigestDrift: High, Violated, ["6.5.1", "11.5.2"], "Name the image by its digest and delete the pods, so that all get the same one; find out who moved the tag.";
    /// Others than scanners may write the reports that this zone rests on.
    ScanEvidenceWritable: Medium, Violated, ["6.3.1", "10.3.2"], "Take the right to write reports away from everybody but the scanner.";
    /// What scanners report cannot be read, or no kind of report is installed.
    ScanEvidenceUnread: High, Unproven, ["6.3.1", "11.3.1"], "Install a scanner that reports, and give the operator the right to read: deploy/kustomize/components/scanning.";
    /// An image of others that runs on a node of the zone has no fresh scan.
    InfraImageUnscanned: Medium, Violated, ["6.3.1", "11.3.1"], "Let the scanner look at the namespaces of network, storage and log agents too: what runs on the zone's nodes is in scope.";
    /// A pod of the zone runs by another runtime class than the zone allows.
    RuntimeClassNotAllowed: Medium, Violated, ["2.2.1"], "Name one of spec.scanning.runtimeClasses in the template, as runtimeClassName.";
    /// The scope was not confirmed in time, or never.
    ScopeConfirmationOverdue: High, Violated, ["12.5.2", "12.5.2.1"], "Compare the scope with the system, and set spec.scope.confirmation with the digest from status.scope.";
    /// The scope is not the one that was confirmed.
    ScopeChangedSinceConfirmation: Medium, Violated, ["12.5.2", "6.5.2"], "Look at what changed, and confirm the scope anew with the digest from status.scope.";
    /// What somebody attested holds no longer.
    AttestationExpired: High, Violated, ["6.2.2", "6.2.3", "6.2.4", "10.2.1", "10.2.1.2", "11.4.1", "11.4.2", "11.4.3", "11.4.4", "11.4.5", "11.4.6"], "Carry the control out again and attest it anew.";
    /// What somebody attested holds for less than 30 days.
    AttestationExpiringSoon: Low, Violated, ["6.2.2", "6.2.3", "6.2.4", "10.2.1", "10.2.1.2", "11.4.1", "11.4.2", "11.4.3", "11.4.4", "11.4.5", "11.4.6"], "Carry the control out again and attest it anew.";
    /// The time of an exception is over, and what it accepted is violated again.
    ExceptionExpired: High, Violated, ["12.3.2"], "Correct what it accepted, or analyse the risk anew and set a new end.";
    /// An exception ends within 30 days.
    ExceptionExpiringSoon: Low, Violated, ["12.3.2"], "Correct what it accepts, or analyse the risk anew and set a new end.";
    /// An exception accepts nothing that is violated.
    ExceptionUnused: Low, Violated, ["12.3.2"], "Remove the exception, so that it accepts nothing that comes later.";
    /// The API server does not take a write that the zone needs.
    WriteRefused: High, Violated, ["10.7.2"], "The message says why: a quota, an admission policy or webhook, or a declaration that makes no valid object.";
    /// Pods that run where they may not cannot be evicted, although the zone asks for it.
    EvictionRefused: High, Violated, ["2.2.3"], "Grant the right to evict, or evict the pods yourself.";
    /// An admission policy of the zone that is to refuse does not.
    AdmissionGateWeak: High, Violated, ["10.7.2", "1.2.8"], "The operator restores it; if it stays so, look for what refuses that, and who changed it.";
    /// The operator may do more in the cluster than it is shipped with.
    OperatorPermissionExcess: Medium, Violated, ["7.2.5"], "Apply the RBAC objects from deploy/ and remove other bindings of its ServiceAccount.";
    /// A pod of the operator takes connections from everybody.
    OperatorOffTrustedNode: Medium, Violated, ["2.2.3", "1.3.1"], "Apply deploy/kustomize/base/networkpolicy.yaml.";
    /// The operator lacks a right.
    OperatorPermissionMissing: High, Violated, ["10.7.2"], "Apply the RBAC objects from deploy/.";
}
