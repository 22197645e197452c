//! The requests that have to be recorded: ways into pods of the zone, and changes of what protects it.
//!
//! One way has two verbs: a command in a pod is `create` where it goes by SPDY, and `get` where it goes by WebSocket, as kubectl does it
//! today. A rule that drops all reading drops that too.

/// How a kind of object is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a namespace of the zone.
    Namespace,
    /// In none.
    Cluster,
    /// It is a namespace of the zone: the API server takes it for being in itself.
    IsNamespace,
    /// It is the zone.
    IsZone,
}

/// A kind of object, and what may not be done to it unseen.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    pub(super) subresource: &'static str,
    pub(super) place: Place,
    pub(super) verbs: &'static [&'static str],
}

impl Kind {
    /// Its name with that of the subresource.
    pub(super) fn name(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.to_string()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// A request that stays open is recorded when it begins too.
    pub(super) fn is_long(&self, verb: &str) -> bool {
        verb == "watch" || ["attach", "exec", "portforward", "proxy"].contains(&self.subresource)
    }

    /// Requests with this verb are about one object.
    pub(super) fn names_one(&self, verb: &str) -> bool {
        match verb {
            "list" | "watch" | "deletecollection" => false,
            "create" => !self.subresource.is_empty(),
            _ => true,
        }
    }
}

const OPENS: &[&str] = &["create", "get"];
const WRITES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

const fn opens(resource: &'static str, subresource: &'static str, place: Place) -> Kind {
    Kind { group: "", resource, subresource, place, verbs: OPENS }
}

const fn written(group: &'static str, resource: &'static str, place: Place) -> Kind {
    Kind { group, resource, subresource: "", place, verbs: WRITES }
}

const fn core(resource: &'static str, subresource: &'static str, place: Place, verbs: &'static [&'static str]) -> Kind {
    Kind { group: "", resource, subresource, place, verbs }
}

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    opens("pods", "exec", Place::Namespace),
    opens("pods", "attach", Place::Namespace),
    opens("pods", "portforward", Place::Namespace),
    opens("pods", "proxy", Place::Namespace),
    opens("services", "proxy", Place::Namespace),
    opens("nodes", "proxy", Place::Cluster),
    core("pods", "ephemeralcontainers", Place::Namespace, &["update", "patch"]),
    core("serviceaccounts", "token", Place::Namespace, &["create"]),
    core("secrets", "", Place::Namespace, &["get", "list", "watch"]),
    written("networking.k8s.io", "networkpolicies", Place::Namespace),
    // The API server knows no way to delete all namespaces at once.
    core("namespaces", "", Place::IsNamespace, &["create", "update", "patch", "delete"]),
    written("", "nodes", Place::Cluster),
    written(RBAC, "roles", Place::Namespace),
    written(RBAC, "rolebindings", Place::Namespace),
    written(RBAC, "clusterroles", Place::Cluster),
    written(RBAC, "clusterrolebindings", Place::Cluster),
    written(ADMISSION, "validatingadmissionpolicies", Place::Cluster),
    written(ADMISSION, "validatingadmissionpolicybindings", Place::Cluster),
    written(ADMISSION, "mutatingadmissionpolicies", Place::Cluster),
    written(ADMISSION, "mutatingadmissionpolicybindings", Place::Cluster),
    written(ADMISSION, "validatingwebhookconfigurations", Place::Cluster),
    written(ADMISSION, "mutatingwebhookconfigurations", Place::Cluster),
    written("pcizone.dev", "pcizones", Place::IsZone),
];
