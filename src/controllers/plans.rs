//! What one namespace or one node needs now.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::core::v1::{Namespace, Node},
    jiff::Timestamp,
};
use kube::ResourceExt;

use super::hub::Hub;
use crate::engine::{
    declaration::Declaration,
    desired::{admission::Guard, policies},
    due::Due,
    guards::{self, Guarding},
    plan::{self, Stance, Write},
};

/// What an object needs.
pub struct Planned {
    /// Whether to write now.
    pub due: Due,
    /// In order.
    pub writes: Vec<Write>,
    /// Of the object and of what must be there.
    pub fingerprint: u64,
    /// When the plan changes by the clock alone.
    pub next: Option<Timestamp>,
}

/// The writes that a namespace needs now, and when to look again.
pub fn namespace(hub: &Hub, namespace: &Namespace, now: Timestamp) -> Planned {
    let name = namespace.name_any();
    let live = hub.policies_in(&name);
    hub.resolved(|resolution, cluster| {
        let stance = plan::namespace_stance(resolution, &name);
        let kept = keeps(stance);
        let desired = kept.map_or_else(BTreeMap::new, |zone| policies::desired(zone, &name, resolution, cluster, now));
        Planned {
            due: Due::new(stance, resolution),
            writes: plan::plan_namespace(stance, namespace, &live, resolution, cluster, now),
            fingerprint: hash(&(&namespace.metadata.uid, &desired, kept.and_then(Declaration::raised_to))),
            next: kept.and_then(|zone| zone.next_expiry(now)),
        }
    })
}

/// The write that a node needs now.
pub fn node(hub: &Hub, node: &Node) -> Planned {
    hub.resolved(|resolution, _| {
        let stance = plan::node_stance(resolution, &node.name_any());
        let wanted = keeps(stance).map(|zone| (&zone.name, &zone.taint_effects));
        Planned {
            due: Due::new(stance, resolution),
            writes: plan::plan_node(stance, node, resolution).into_iter().collect(),
            fingerprint: hash(&(&node.metadata.uid, wanted)),
            next: None,
        }
    })
}

/// What the guards of a zone need now.
pub struct Guarded {
    /// The writes.
    pub planned: Planned,
    /// What must be there.
    pub desired: Arc<Vec<Guard>>,
    /// Of all of that.
    pub digest: String,
}

/// The writes to the guards of a zone, and what has to be in force then.
pub fn guards(hub: &Hub, zone: &str, now: Timestamp) -> Option<Guarded> {
    let live = hub.guards_of(zone);
    hub.remembered(zone, |resolution, cluster, ranges, memo| {
        let ranges = |node: &str| ranges.get(node).cloned().unwrap_or_default();
        let guarding = guards::plan(resolution.zone(zone)?, cluster, ranges, &live, memo, now);
        let Guarding { due, writes, desired, digest, next } = guarding;
        let planned = Planned { due, writes, fingerprint: hash(&digest), next };
        Some(Guarded { planned, desired, digest })
    })
}

fn keeps(stance: Stance<'_>) -> Option<&Declaration> {
    match stance {
        Stance::Protect(zone) | Stance::Hold { zone, .. } => Some(zone),
        Stance::Release(_) | Stance::Observe(_) | Stance::Leave => None,
    }
}

fn hash(value: &impl serde::Serialize) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    struct Sink(DefaultHasher);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut sink = Sink(DefaultHasher::new());
    // Cannot fail: the sink takes everything, and the values are plain data.
    let _ = serde_json::to_writer(&mut sink, value);
    sink.0.finish()
}
