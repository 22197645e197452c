//! Every name that pcizone writes into a cluster: labels, annotations, taints, managers, objects.
//!
//! These are API: once shipped, a name keeps its meaning.

/// API group of the PciZone.
pub const GROUP: &str = "pcizone.dev";

/// Label of every object that is wholly ours, with the value [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "pcizone";

/// Label on member namespaces and on our objects: the zone's name. On a namespace it means that the
/// baseline policy was acknowledged by the API server before the label was written.
pub const ZONE_LABEL: &str = "pcizone.dev/zone";
/// Label on a flow policy: the flow's name.
pub const FLOW_LABEL: &str = "pcizone.dev/flow";

/// Label on a pod of a zone: what it does with account data.
pub const ROLE_LABEL: &str = "pcizone.dev/role";
/// Value of [`ROLE_LABEL`]: it stores account data.
pub const CHD_STORE: &str = "chd-store";

/// Label on the pods of the canary and on what opens a way for them; the value is new in each round. Only the operator may make pods
/// with it.
pub const CANARY_LABEL: &str = "pcizone.dev/canary";
/// Start of the names of the canary's pods and policies.
pub const CANARY_PREFIX: &str = "pcizone-canary-";
/// Annotation on a PciZone that asks for a round of the canary now; each new value asks for one.
pub const CANARY_REQUEST: &str = "pcizone.dev/canary-request";
/// Annotation on a PciZone that tells why segmentation failed, and so ends the record of a failure (PCI DSS 10.7.3): the instant at
/// which it began, a space, and the cause.
pub const FAILURE_CAUSE: &str = "pcizone.dev/failure-cause";

/// Label on zone nodes. Kubelets may not set labels under this prefix (admission plugin `NodeRestriction`).
pub const NODE_LABEL: &str = "node-restriction.kubernetes.io/pcizone";
/// Key of the taint on zone nodes; the value is the zone's name.
pub const NODE_TAINT: &str = "pcizone.dev/zone";

/// Annotation on a PciZone that confirms a change which opens something: the digest from `status.change`.
pub const CONFIRM_CHANGE: &str = "pcizone.dev/confirm-change";
/// Annotation on a PciZone: the instant until which a user has taken note of who broke the glass. RFC 3339.
pub const ACKNOWLEDGE: &str = "pcizone.dev/acknowledge";
/// Annotation on a PciZone by which a user has taken note of who may break the glass by a wildcard: the digest of them all.
pub const ACKNOWLEDGE_HOLDERS: &str = "pcizone.dev/acknowledge-holders";
/// Annotation of a dry run of a patch of a PciZone, by which the operator sees that an admission policy is in force.
pub const PROBE: &str = "pcizone.dev/probe";
/// Verb on PciZones that lets its holder change what is sealed; such a use is recorded.
pub const BREAK_GLASS: &str = "break-glass";
/// Verb on PciZones that lets its holder take namespaces into a zone, or out of it, by their labels.
pub const CHANGE_SCOPE: &str = "change-scope";
/// Finalizer of a zone that protects something.
pub const FINALIZER: &str = "pcizone.dev/protection";

/// Name of the policy that denies by default, one in each member namespace.
pub const BASELINE: &str = "pcizone-baseline";
/// Start of the names of flow policies. Policies of these names belong to pcizone.
pub const FLOW_PREFIX: &str = "pcizone-flow-";

/// Start of the names of forwarders' configurations. `ConfigMaps` of these names in a zone belong to pcizone.
pub const CONFIGURATION_PREFIX: &str = "pcizone-logs-";

/// Label that the API server keeps on every namespace; nobody can forge it.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Label of a namespace that says which Pod Security Standard its pods are held to.
pub const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
/// Label of a namespace that says of which version that standard is.
pub const POD_SECURITY_VERSION: &str = "pod-security.kubernetes.io/enforce-version";

/// Annotation of a namespace whose standard we raised: what we set, a slash, and what was there before.
pub const POD_SECURITY_BEFORE: &str = "pcizone.dev/pod-security-before";

/// The namespace of what the cluster itself needs. No pod there is ever refused.
pub const SYSTEM_NAMESPACE: &str = "kube-system";

/// Namespace of the operator as shipped.
pub const OPERATOR_NAMESPACE: &str = "pcizone-system";
/// Name of the operator's Lease, ServiceAccount and Deployment.
pub const OPERATOR: &str = "pcizone";
/// Name of the Secret, of the configuration and of the Service of the operator's webhook.
pub const WEBHOOK: &str = "pcizone-webhook";

/// Namespaces that are never members of a zone, besides the operator's own.
pub const RESERVED_NAMESPACES: [&str; 3] = ["kube-node-lease", "kube-public", "kube-system"];

/// Field manager of namespace labels and of NetworkPolicies.
pub const MANAGER_NAMESPACES: &str = "pcizone/namespaces";
/// Field manager of node labels and taints.
pub const MANAGER_NODES: &str = "pcizone/nodes";
/// Field manager of admission policies and their bindings.
pub const MANAGER_GUARDS: &str = "pcizone/guards";
/// Field manager of the zone's finalizer.
pub const MANAGER_ZONES: &str = "pcizone/zones";
/// Field manager of the zone's status.
pub const MANAGER_STATUS: &str = "pcizone/status";
/// Field manager of the canary's pods and policies.
pub const MANAGER_CANARY: &str = "pcizone/canary";
/// Field manager of forwarders' configurations.
pub const MANAGER_LOGS: &str = "pcizone/logs";
/// Field manager of what admission is told of images.
pub const MANAGER_IMAGES: &str = "pcizone/images";
/// Field manager of findings as reports.
pub const MANAGER_REPORTS: &str = "pcizone/reports";
/// Start of every field manager of ours.
pub const MANAGER_PREFIX: &str = "pcizone/";
