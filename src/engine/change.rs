//! Changes that open something: shrinking a zone, leaving Enforce, deletion.
//!
//! Such a change is carried out when the zone's annotation `pcizone.dev/confirm-change` equals the digest of
//! the state that it leads to. The digest speaks of the goal and not of the steps, so a change that was
//! half done when the operator stopped is still confirmed when it starts again. It holds the generation and
//! the number of changes already confirmed, so an old confirmation never fits a new change.

use std::collections::BTreeSet;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{declaration::Declaration, resolve::Zone};
use crate::api::{Change, Flow, Peer};

/// How many names a pending change shows.
const SAMPLE: usize = 10;

/// Digest of the state that a zone declares.
pub fn digest(declaration: &Declaration, zone: &Zone) -> String {
    let mut hash = Sha256::new();
    let mut put = |part: &str| {
        // Each part with its length, so that no two lists of parts read the same.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    };
    put("pcizone change v1");
    put(&declaration.uid);
    put(&declaration.generation.to_string());
    put(&declaration.confirmed_changes.to_string());
    put(if declaration.deleting { "deleting" } else { "staying" });
    for (topic, wanted) in [("namespaces", zone.wanted_namespaces()), ("nodes", zone.wanted_nodes())] {
        put(topic);
        put(if wanted.is_some() { "kept" } else { "released" });
        for name in wanted.into_iter().flatten() {
            put(name);
        }
    }
    format_digest(hash)
}

/// Digest of the zone's scope, for people who confirm it (PCI DSS 12.5.2): its namespaces and nodes, the workloads of others on
/// these, the ends and ports of its flows, and which of them carry account data. No names and no dates of flows: to review one
/// changes no scope.
pub fn scope_digest(zone: &Zone) -> String {
    let mut hash = Sha256::new();
    for (topic, names) in [("namespace", &zone.namespaces.declared), ("node", &zone.nodes.declared)] {
        for name in names {
            hash.update(format!("{topic}/{name}\n").as_bytes());
        }
    }
    let admits = zone.answer().into_iter().flat_map(|declaration| &declaration.admits);
    let admits: BTreeSet<String> =
        admits.map(|admit| format!("admit/{}/{}\n", admit.namespace, admit.workload)).collect();
    let flows = zone.answer().into_iter().flat_map(|declaration| &declaration.flows);
    let flows: BTreeSet<String> = flows.map(flow_line).collect();
    for line in admits.iter().chain(&flows) {
        hash.update(line.as_bytes());
    }
    format_digest(hash)
}

/// What a flow opens, in one spelling. JSON has no line breaks of its own, so no two lists of lines read the same.
fn flow_line(flow: &Flow) -> String {
    let end = |peer: &Peer| {
        let cidrs: BTreeSet<&String> = peer.cidrs.iter().collect();
        json!([peer.namespace, peer.pod_selector, peer.zone, cidrs, peer.internet, peer.api_server])
    };
    let ports: BTreeSet<(&str, i32)> = flow.ports.iter().map(|port| (port.protocol.as_str(), port.port)).collect();
    format!("flow/{}\n", json!([end(&flow.from), end(&flow.to), ports, flow.account_data]))
}

/// Some digits that tell one text from another.
pub fn short_digest(text: &str) -> String {
    let digest = format_digest(Sha256::new_with_prefix(text.as_bytes()));
    digest.trim_start_matches("sha256:").chars().take(16).collect()
}

pub(super) fn format_digest(hash: Sha256) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The change that waits for confirmation, if there is one.
pub fn pending(zone: &Zone) -> Option<Change> {
    let declaration = zone.declaration.as_deref()?;
    if !zone.is_leaving() || zone.is_confirmed() {
        return None;
    }
    let namespaces = zone.leaving_namespaces().count();
    let nodes = zone.leaving_nodes().count();
    let what = if declaration.deleting {
        "The deletion of the zone"
    } else if !declaration.segmentation.protects() && namespaces > 0 || !declaration.hosting.protects() && nodes > 0 {
        "Leaving Enforce"
    } else {
        "The new scope"
    };
    let message = if namespaces + nodes == 0 {
        "Leaving Enforce would let admission only warn of what it refuses now.".to_string()
    } else {
        let (namespaces, nodes) = (count(namespaces, "namespace"), count(nodes, "node"));
        format!("{what} would take the protection from {namespaces} and {nodes}.")
    };
    let sample = zone.leaving_namespaces().map(|name| format!("Namespace/{name}"));
    let sample = sample.chain(zone.leaving_nodes().map(|name| format!("Node/{name}")));
    Some(Change {
        digest: zone.digest().to_string(),
        message,
        namespaces: i64::try_from(namespaces).unwrap_or(i64::MAX),
        nodes: i64::try_from(nodes).unwrap_or(i64::MAX),
        sample: sample.take(SAMPLE).collect(),
    })
}

/// A number with its noun.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
