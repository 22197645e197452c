//! The network plug-in, as far as its pods tell: is it one that is known to enforce no NetworkPolicy.
//!
//! It says nothing of any other: what is known by name to enforce may still be told not to.

use super::{pod::Pod, snapshot::Snapshot};

/// What enforces NetworkPolicies, by parts of the names of its `DaemonSet`s, containers and images.
pub(super) const ENGINES: [&str; 11] = [
    "antrea",
    "azure-npm",
    "calico",
    "canal",
    "cilium",
    "kube-network-policies",
    "kube-router",
    "nsx-node",
    "ovn",
    "romana",
    "weave",
];
/// The argument by which the agent of Amazon's plug-in enforces NetworkPolicies; without it, it does not.
pub(super) const AWS_ENFORCES: &str = "--enable-network-policy=true";
/// Where flannel runs as its makers ship it.
const FLANNEL: [&str; 2] = ["kube-flannel", "kube-system"];

/// The `DaemonSet` of a network plug-in that enforces nothing, as `DaemonSet/namespace/name`, if no engine runs beside it.
pub fn enforces_nothing(snapshot: &Snapshot) -> Option<String> {
    let daemons = || snapshot.pods.iter().filter(|pod| !pod.ended && pod.is_of_daemon_set());
    let idle = daemons().find(|pod| is_flannel(pod) || is_of_aws(pod) && !pod.enforces)?;
    (!daemons().any(|pod| is_agent(pod))).then(|| format!("DaemonSet/{}/{}", idle.namespace(), daemon_set(idle)))
}

/// A pod of something that enforces NetworkPolicies.
pub(super) fn is_agent(pod: &Pod) -> bool {
    pod.is_of_daemon_set() && (pod.enforces || ENGINES.iter().any(|engine| daemon_set(pod).contains(engine)))
}

fn is_flannel(pod: &Pod) -> bool {
    FLANNEL.contains(&pod.namespace()) && daemon_set(pod).starts_with("kube-flannel")
}

fn is_of_aws(pod: &Pod) -> bool {
    pod.namespace() == "kube-system" && daemon_set(pod) == "aws-node"
}

fn daemon_set(pod: &Pod) -> &str {
    pod.owner.as_deref().and_then(|owner| owner.strip_prefix("DaemonSet/")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pod(namespace: &str, owner: &str) -> Arc<Pod> {
        Arc::new(Pod { key: format!("{namespace}/a").into(), owner: Some(owner.into()), ..Pod::default() })
    }

    #[test]
    fn what_is_known_to_enforce_nothing_and_has_no_engine_beside_it_is_found() {
        let flannel = || pod("kube-flannel", "DaemonSet/kube-flannel-ds");
        let ended = || Arc::new(Pod { ended: true, ..Pod::clone(&pod("kube-system", "DaemonSet/calico-node")) });
        let beside = || Arc::new(Pod { enforces: true, ..Pod::clone(&flannel()) });
        let told = || Arc::new(Pod { enforces: true, ..Pod::clone(&pod("kube-system", "DaemonSet/aws-node")) });
        let none = "DaemonSet/kube-flannel/kube-flannel-ds";
        for (pods, wanted) in [
            (vec![], None),
            (vec![flannel()], Some(none)),
            (
                vec![pod("kube-system", "DaemonSet/kube-flannel-ds-amd64")],
                Some("DaemonSet/kube-system/kube-flannel-ds-amd64"),
            ),
            (vec![flannel(), pod("kube-system", "DaemonSet/kube-proxy"), ended()], Some(none)),
            (vec![flannel(), pod("kube-system", "ReplicaSet/calico-kube-controllers-1")], Some(none)),
            (vec![flannel(), pod("calico-system", "DaemonSet/calico-node")], None),
            (vec![flannel(), pod("kube-system", "DaemonSet/kube-router")], None),
            (vec![beside()], None),
            (vec![pod("kube-system", "DaemonSet/canal")], None),
            (vec![pod("kube-system", "DaemonSet/aws-node")], Some("DaemonSet/kube-system/aws-node")),
            (vec![told(), pod("kube-system", "DaemonSet/kube-proxy")], None),
            (vec![pod("kube-system", "DaemonSet/aws-node"), pod("calico-system", "DaemonSet/calico-node")], None),
            (vec![pod("shop", "DaemonSet/kube-flannel-ds")], None),
            (vec![pod("kube-flannel", "ReplicaSet/kube-flannel-ds")], None),
        ] {
            let names: Vec<_> = pods.iter().map(|pod| pod.owner.clone()).collect();
            let snapshot = Snapshot { pods, ..Snapshot::default() };
            assert_eq!(enforces_nothing(&snapshot).as_deref(), wanted, "{names:?}");
        }
    }
}
