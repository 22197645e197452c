//! Who asks.

use std::collections::BTreeMap;

use kube::Client;
use testbed::config_from;

use crate::support::Bed;

/// Users of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Holds the `ClusterRole` `edit` in checkout, vault and storefront.
    Editor,
    /// Holds the `ClusterRole` `admin` in the same namespaces.
    NamespaceAdmin,
    /// Holds `cluster-admin`.
    ClusterAdmin,
    /// Is in the group `system:masters`.
    Master,
    /// May do everything by a role of its own with `*`, as Argo CD is shipped.
    Argo,
    /// May do everything with the kinds of Kubernetes and with nodes, and holds no verb of ours.
    Platform,
    /// The same, and may change the scope of the zone.
    Scoper,
    /// The kubelet of node-1, which is none of the zone's.
    Kubelet,
    /// The kubelet of pci-1, which is.
    ZoneKubelet,
    /// The scheduler.
    Scheduler,
    /// The controllers that make pods.
    DaemonSets,
    /// The controller that makes pods of `ReplicaSets`.
    ReplicaSets,
    /// The controller that writes `EndpointSlices`.
    EndpointSlices,
    /// The operator.
    Operator,
}

/// What the `ClusterRoles` `edit` and `admin` are made of; the controller that puts them together does not run here.
const NAMESPACED: [(Who, &str, &[&str]); 2] =
    [(Who::Editor, "erin", &["view", "edit"]), (Who::NamespaceAdmin, "nadia", &["view", "edit", "admin"])];

/// A client for each.
pub struct People(BTreeMap<Who, Client>);

impl People {
    pub async fn of(bed: &Bed) -> Self {
        let mut people = BTreeMap::new();
        for (who, user, parts) in NAMESPACED {
            for namespace in ["checkout", "vault", "storefront"] {
                for part in parts {
                    let (name, role) = (format!("{user}-{part}"), format!("system:aggregate-to-{part}"));
                    let binding = ["create", "rolebinding", &name, "--clusterrole", &role, "--user", user];
                    bed.kubectl(&[&binding[..], &["--namespace", namespace]].concat()).await;
                }
            }
            people.insert(who, certified(bed, user, &[]).await);
        }
        bed.apply(ROLES).await;
        for (who, user, groups) in [
            (Who::ClusterAdmin, "carl", &[][..]),
            (Who::Master, "mary", &["system:masters"]),
            (Who::Argo, "argo", &[]),
            (Who::Platform, "petra", &[]),
            (Who::Scoper, "sven", &[]),
            (Who::Kubelet, "system:node:node-1", &["system:nodes"]),
            (Who::ZoneKubelet, "system:node:pci-1", &["system:nodes"]),
            (Who::Scheduler, "system:kube-scheduler", &[]),
        ] {
            people.insert(who, certified(bed, user, groups).await);
        }
        for (who, account) in [
            (Who::DaemonSets, "daemon-set-controller"),
            (Who::ReplicaSets, "replicaset-controller"),
            (Who::EndpointSlices, "endpointslice-controller"),
        ] {
            let user = format!("system:serviceaccount:kube-system:{account}");
            people.insert(who, certified(bed, &user, &[]).await);
        }
        people.insert(Who::Operator, Client::try_from(bed.operator_config().await).unwrap());
        People(people)
    }

    pub fn client(&self, who: Who) -> &Client {
        &self.0[&who]
    }
}

/// A service account of the control plane is known by its name here as well: what counts is who the API server sees.
async fn certified(bed: &Bed, user: &str, groups: &[&str]) -> Client {
    let kubeconfig = bed.cluster.user_kubeconfig(user, groups).unwrap();
    Client::try_from(config_from(&kubeconfig).await.unwrap()).unwrap()
}

const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: carl}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: carl}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: argo}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: argo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: argo}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: argo}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: platform}
rules:
- {apiGroups: ['', apps, batch, networking.k8s.io, discovery.k8s.io, apiextensions.k8s.io, admissionregistration.k8s.io], resources: ['*'], verbs: ['*']}
- {apiGroups: [pcizone.dev], resources: ['*'], verbs: [get, list, watch, create, update, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: platform}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: platform}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: petra}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: sven}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: scope}
rules: [{apiGroups: [pcizone.dev], resources: [pcizones], resourceNames: [cde], verbs: [change-scope]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: scope}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: scope}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: sven}]
";
