//! What a round is about: the policies of the zone's namespaces, its nodes and the network agents on them. When one of them changes,
//! what was shown before says nothing about what is there now (PCI DSS 11.4.5: after changes).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use sha2::{Digest, Sha256};

use crate::engine::{change::format_digest, data_plane, policy::Policy, resolve::Zone, snapshot::Snapshot};

/// Where network plug-ins are set up, as their makers ship them: the namespace and name of each `ConfigMap`.
pub const CONFIG_MAPS: [(&str, &str); 9] = [
    ("kube-system", "amazon-vpc-cni"),
    ("kube-system", "antrea-config"),
    ("kube-system", "azure-npm-config"),
    ("kube-system", "calico-config"),
    ("kube-system", "canal-config"),
    ("kube-system", "cilium-config"),
    ("kube-system", "kube-flannel-cfg"),
    ("kube-flannel", "kube-flannel-cfg"),
    ("kube-system", "kube-router-cfg"),
];

/// SHA-256 over all that a round in a zone is about.
pub fn digest(snapshot: &Snapshot, zone: &Zone) -> String {
    let mut hash = Sha256::new();
    let mut put = |part: &str| take(&mut hash, part);
    // Copies share their spec: read once.
    let mut specs: HashMap<*const NetworkPolicySpec, String> = HashMap::new();
    let members: BTreeSet<&String> = zone.namespaces.declared.union(&zone.namespaces.held).collect();
    for namespace in members {
        put(namespace);
        let mut policies: Vec<&Policy> =
            snapshot.policies.get(namespace).into_iter().flatten().map(AsRef::as_ref).collect();
        policies.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
        for policy in policies {
            put(policy.metadata.name.as_deref().unwrap_or_default());
            if let Some(spec) = &policy.spec {
                let text = specs.entry(std::sync::Arc::as_ptr(spec)).or_insert_with(|| text(spec));
                put(text);
            }
        }
    }
    put("others");
    for other in &snapshot.others {
        put(&format!("{other:?}"));
    }
    put("nodes");
    for node in zone.nodes.declared.union(&zone.nodes.held) {
        put(node);
        let live = snapshot.nodes.get(node);
        put(live.and_then(|node| node.metadata.uid.as_deref()).unwrap_or_default());
    }
    put("agents");
    let mut agents: Vec<String> = snapshot
        .pods
        .iter()
        // Agents use the network of their node; what only has a like name does not.
        .filter(|pod| !pod.ended && pod.shares.network && data_plane::is_agent(pod))
        .map(|pod| format!("{} {} {} {}", pod.key, pod.node.as_deref().unwrap_or_default(), pod.created, pod.restarts))
        .collect();
    agents.sort();
    for agent in &agents {
        put(agent);
    }
    format_digest(hash)
}

/// SHA-256 over the settings of network plug-ins, by object.
pub fn settings_digest(settings: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    settings.iter().flat_map(|(object, data)| [object, data]).for_each(|part| take(&mut hash, part));
    format_digest(hash)
}

/// Each part with its length, so that no two lists of parts read the same.
fn take(hash: &mut Sha256, part: &str) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part.as_bytes());
}

fn text(spec: &NetworkPolicySpec) -> String {
    serde_json::to_string(spec).unwrap_or_default()
}
