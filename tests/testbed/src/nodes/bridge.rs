//! The plain way from pod to pod: a bridge on each node, routes between nodes, and kube-proxy for Services.
//! It knows no policies, and that is what it is here for.

use std::{net::IpAddr, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use super::{kubelet::Plan, namespace::Namespace};
use crate::{assets::Binary, components::flag, process::Program};

/// The file that tells containerd how pods are joined. Inside.
pub(crate) const NETWORK_FILE: &str = "10-bridge.conflist";

/// How the pods of a node are joined; `pods` are the addresses of this node's pods, a range of each family.
pub(crate) fn network(pods: &[String]) -> Value {
    let ranges: Vec<Value> = pods.iter().map(|range| json!([{ "subnet": range }])).collect();
    let everywhere = |range: &String| if range.contains(':') { "::/0" } else { "0.0.0.0/0" };
    let routes: Vec<Value> = pods.iter().map(|range| json!({ "dst": everywhere(range) })).collect();
    json!({
        "cniVersion": "1.0.0",
        "name": "bridge",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni/addresses",
                    "ranges": ranges,
                    "routes": routes,
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

/// Leads a node to the pods of another.
pub(crate) fn route(namespace: &Namespace, pods: &str, node: IpAddr) -> Result<()> {
    let family = if node.is_ipv6() { "-6" } else { "-4" };
    namespace.run("ip", &[family, "route", "replace", pods, "via", &node.to_string(), "dev", "eth0"]).map(drop)
}

/// kube-proxy's configuration. It changes nothing of the kernel that belongs to all namespaces.
pub(crate) fn proxy_config(plan: &Plan, kubeconfig: &Path, pods: &str) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": kubeconfig },
        "mode": "nftables",
        "clusterCIDR": pods,
        "hostnameOverride": plan.name,
        "conntrack": { "maxPerCore": 0, "min": 0 },
    })
}

pub(crate) fn proxy(plan: &Plan) -> Result<Program> {
    plan.program(Binary::KubeProxy, vec![flag("config", plan.config.join("kube-proxy.json").display())])
}
