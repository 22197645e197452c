//! Policies of other kinds than NetworkPolicy, and what they depend on: read once, kept as far as they decide.

use kube::core::DynamicObject;

use crate::engine::{key, ownership};

/// A kind of policy, or of what policies depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `policy.networking.k8s.io`: before and behind NetworkPolicies, for the whole cluster.
    ClusterNetworkPolicy,
    /// What came before it, for the tier Admin.
    AdminNetworkPolicy,
    /// The same for the tier Baseline.
    BaselineAdminNetworkPolicy,
    /// Cilium's, for a namespace.
    CiliumNetworkPolicy,
    /// Cilium's, for the whole cluster.
    CiliumClusterwideNetworkPolicy,
    /// Calico's, for a namespace.
    CalicoNetworkPolicy,
    /// Calico's, for the whole cluster.
    CalicoGlobalNetworkPolicy,
    /// Where Calico's policies are asked in order.
    CalicoTier,
    /// Networks that Calico's policies select by label.
    CalicoNetworkSet,
    /// The same for the whole cluster.
    CalicoGlobalNetworkSet,
    /// An interface of a node, which Calico's policies select by label.
    CalicoHostEndpoint,
}

impl Kind {
    /// The name in subjects. Where another group has a kind of the same name, ours says whose it is.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Kind::AdminNetworkPolicy => "AdminNetworkPolicy",
            Kind::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Kind::CiliumNetworkPolicy => "CiliumNetworkPolicy",
            Kind::CiliumClusterwideNetworkPolicy => "CiliumClusterwideNetworkPolicy",
            Kind::CalicoNetworkPolicy => "CalicoNetworkPolicy",
            Kind::CalicoGlobalNetworkPolicy => "CalicoGlobalNetworkPolicy",
            Kind::CalicoTier => "CalicoTier",
            Kind::CalicoNetworkSet => "CalicoNetworkSet",
            Kind::CalicoGlobalNetworkSet => "CalicoGlobalNetworkSet",
            Kind::CalicoHostEndpoint => "CalicoHostEndpoint",
        }
    }

    /// The kind of a manifest.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let (group, _) = api_version.split_once('/')?;
        Some(match (group, kind) {
            ("policy.networking.k8s.io", "ClusterNetworkPolicy") => Kind::ClusterNetworkPolicy,
            ("policy.networking.k8s.io", "AdminNetworkPolicy") => Kind::AdminNetworkPolicy,
            ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy") => Kind::BaselineAdminNetworkPolicy,
            ("cilium.io", "CiliumNetworkPolicy") => Kind::CiliumNetworkPolicy,
            ("cilium.io", "CiliumClusterwideNetworkPolicy") => Kind::CiliumClusterwideNetworkPolicy,
            ("crd.projectcalico.org" | "projectcalico.org", kind) => match kind {
                "NetworkPolicy" => Kind::CalicoNetworkPolicy,
                "GlobalNetworkPolicy" => Kind::CalicoGlobalNetworkPolicy,
                "Tier" => Kind::CalicoTier,
                "NetworkSet" => Kind::CalicoNetworkSet,
                "GlobalNetworkSet" => Kind::CalicoGlobalNetworkSet,
                "HostEndpoint" => Kind::CalicoHostEndpoint,
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// A policy of another kind, or what such policies depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name with a slash between; nothing before the slash where the kind has no namespaces.
    pub key: Box<str>,
    /// The field manager that wrote last.
    pub manager: Option<Box<str>>,
}

/// A kind that is there and whose objects cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// The kind.
    pub kind: Kind,
    /// Why.
    pub why: String,
}

impl Other {
    /// Reads an object.
    pub fn read(kind: Kind, object: DynamicObject) -> Self {
        let DynamicObject { metadata, .. } = object;
        let manager = ownership::last_rival(&metadata).map(Box::from);
        Other { kind, key: key::of(&metadata), manager }
    }
}
