//! The kinds of ways that no policy governs.

use serde::Serialize;

use crate::{
    api::FindingId,
    engine::reach::doors::{Door, Kind},
};

/// A way that no policy governs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WayKind {
    /// The network plug-in itself.
    PlugIn,
    /// The node that a pod is on.
    OwnNode,
    /// Pods of the zone in the network of their node.
    HostNetwork,
    /// Ports of nodes that lead to a pod.
    HostPorts,
    /// Services that are open outside.
    Services,
    /// Ingresses and routes.
    Routes,
    /// Endpoints written by hand.
    Endpoints,
    /// The API server.
    ApiServer,
    /// Connections that are older than the policy.
    Established,
    /// Second network interfaces.
    SecondInterfaces,
}

impl WayKind {
    pub(super) const ALL: [WayKind; 10] = [
        WayKind::PlugIn,
        WayKind::OwnNode,
        WayKind::HostNetwork,
        WayKind::HostPorts,
        WayKind::Services,
        WayKind::Routes,
        WayKind::Endpoints,
        WayKind::ApiServer,
        WayKind::Established,
        WayKind::SecondInterfaces,
    ];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            WayKind::PlugIn => "The network plug-in",
            WayKind::OwnNode => "The own node",
            WayKind::HostNetwork => "Pods on the network of their node",
            WayKind::HostPorts => "Ports of nodes that a pod opens",
            WayKind::Services => "Node ports, load balancers, external addresses",
            WayKind::Routes => "Ingresses and routes",
            WayKind::Endpoints => "Endpoints written by hand",
            WayKind::ApiServer => "Through the API server",
            WayKind::Established => "Connections older than the default deny",
            WayKind::SecondInterfaces => "Second network interfaces",
        }
    }

    pub(super) fn why(self) -> &'static str {
        match self {
            WayKind::PlugIn => {
                "A policy is an object; what enforces it is the network plug-in. Unless that was tested, every policy of the zone is a declaration."
            }
            WayKind::OwnNode => {
                "A node, and whatever uses its network, reaches each pod on it; no policy denies that. What helps is who else may be on the node."
            }
            WayKind::HostNetwork => "No policy holds for a pod that uses the network of its node.",
            WayKind::HostPorts => {
                "Whoever reaches the node reaches the pod; a policy may see the address of the node only."
            }
            WayKind::Services => {
                "They lead in from outside the cluster; on the way the address of a client may become that of a node."
            }
            WayKind::Routes => "A gateway carries them, and policies let the gateway in, whoever wrote the route.",
            WayKind::Endpoints => "Whoever writes endpoints says where a Service leads, whatever its selector says.",
            WayKind::ApiServer => {
                "Commands in pods, forwarded ports and proxies come by the API server and the kubelet, which policies let through. Rights by other authorizers than RBAC are not seen."
            }
            WayKind::Established => "A policy that comes later may leave connections open that were there before it.",
            WayKind::SecondInterfaces => "NetworkPolicies hold for the first interface of a pod alone.",
        }
    }

    pub(super) fn ids(self) -> &'static [FindingId] {
        match self {
            WayKind::PlugIn => &[
                FindingId::CniNoEnforcement,
                FindingId::CniEnforcementUnproven,
                FindingId::SegmentationProbeFailed,
                FindingId::SegmentationProbeStale,
            ],
            WayKind::OwnNode => &[FindingId::HostNetworkPodOnZoneNode],
            WayKind::HostNetwork => &[FindingId::HostNetworkPod],
            WayKind::HostPorts => &[FindingId::HostPortExposed],
            WayKind::Services => &[
                FindingId::LoadBalancerExposed,
                FindingId::NodePortExposed,
                FindingId::ExternalIpsUsed,
                FindingId::SourceAddressObscured,
                FindingId::ExternalIpInterceptsZone,
            ],
            WayKind::Routes => {
                &[FindingId::IngressExposesZone, FindingId::CrossNamespaceReferenceGrant, FindingId::IngressWithoutTls]
            }
            WayKind::Endpoints => &[FindingId::EndpointsPointIntoZone, FindingId::ZoneServiceHasManualEndpoints],
            WayKind::ApiServer => &[
                FindingId::ExecGranted,
                FindingId::PortForwardGranted,
                FindingId::PodOrServiceProxyGranted,
                FindingId::NodesProxyGranted,
                FindingId::DebugGranted,
                FindingId::ImpersonateOrEscalateGranted,
                FindingId::BlanketAdminBinding,
            ],
            WayKind::Established => &[FindingId::PodPredatesPolicy],
            WayKind::SecondInterfaces => &[FindingId::SecondaryNetworkUnfiltered],
        }
    }

    pub(super) fn of(door: &Door) -> Self {
        match door.kind {
            Kind::OwnNode { .. } => WayKind::OwnNode,
            Kind::HostNetwork => WayKind::HostNetwork,
            Kind::HostPort(..) => WayKind::HostPorts,
            Kind::Service { .. } => WayKind::Services,
            Kind::Route { .. } => WayKind::Routes,
            Kind::Endpoints(_) => WayKind::Endpoints,
        }
    }
}
