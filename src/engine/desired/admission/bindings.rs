//! Who puts pods on nodes past the scheduler: a POST to `pods/binding` asks no taint (PCI DSS 2.2.3).

use super::{
    Surroundings, cel,
    draft::{Draft, Refusal},
};
use crate::{
    api::{FindingId, names},
    engine::declaration::Declaration,
};

/// The account of the built-in scheduler, which heeds selectors and taints.
const SCHEDULER: &str = "system:kube-scheduler";

pub(super) fn guard(zone: &Declaration, around: &Surroundings) -> Draft {
    let draft = Draft::new(zone, "bindings")
        .on("", "v1", &["pods/binding", "bindings"], &["CREATE"])
        .when(format!("request.userInfo.username != {}", cel::text(SCHEDULER)))
        .lists("nodes", &around.nodes);
    let lists = draft.variables.len();
    let member = format!("{} == {}", cel::label("namespaceObject", names::ZONE_LABEL), cel::text(&zone.name));
    draft
        .variable("member", member)
        .variable("here", cel::is_in("object.target.name", "nodes", lists))
        .must(
            "!variables.member || variables.here",
            &Refusal {
                id: FindingId::PodOffZoneNode,
                what: "a pod of the zone is bound to a node that is none of the zone's",
                instead: "Leave it to the scheduler, or bind it to a node of the zone",
            },
        )
        .must(
            format!(
                "variables.member || !variables.here || request.namespace == {}",
                cel::text(names::SYSTEM_NAMESPACE)
            ),
            &Refusal {
                id: FindingId::ForeignPodOnZoneNode,
                what: "a pod of others is bound to a node of the zone",
                instead: "Leave it to the scheduler; foreign workloads on zone nodes need an entry in spec.hosting.admits",
            },
        )
}
