//! The zone's own pods: placed on its nodes by the scheduler, and nothing of the host (PCI DSS 1.3.1, 1.4.1, 2.2.3).

use super::{
    PLACEMENT, Surroundings, cel,
    draft::{Draft, Refusal},
    placement,
};
use crate::{
    api::{FindingId, names},
    engine::declaration::Declaration,
};

/// Which requests are looked at: whatever makes a pod, or changes one of these fields of it. A pod that is older than the
/// zone may be changed in all that has nothing to do with it.
pub(super) fn pods(zone: &Declaration, guard: &'static str, fields: &[&str]) -> Draft {
    let same: Vec<String> =
        fields.iter().map(|field| format!("object.spec.?{field} == oldObject.spec.?{field}")).collect();
    Draft::new(zone, guard)
        .on("", "v1", &["pods"], &["CREATE", "UPDATE"])
        .on("", "v1", &["pods/ephemeralcontainers"], &["UPDATE"])
        .inside()
        .when(format!("request.operation == \"CREATE\" || !({})", same.join(" && ")))
        .when(format!("!{}", cel::IS_STATIC))
}

/// What of the host gets around NetworkPolicies. Privileges and host paths are the Pod Security label's.
pub(super) fn host(zone: &Declaration) -> Draft {
    let ports = |containers: &str| {
        format!("!{containers}.exists(c, c.?ports.orValue([]).exists(p, p.?hostPort.orValue(0) > 0))")
    };
    let ports = [
        ports("object.spec.containers"),
        ports("object.spec.?initContainers.orValue([])"),
        ports("object.spec.?ephemeralContainers.orValue([])"),
    ];
    pods(zone, "pods", &["hostNetwork", "hostPID", "hostIPC", "ephemeralContainers"])
        .must(
            "!object.spec.?hostNetwork.orValue(false)",
            &Refusal {
                id: FindingId::HostNetworkPod,
                what: "the pod uses the network of its node, where NetworkPolicies do not hold",
                instead: "Remove hostNetwork",
            },
        )
        .must(
            "!object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false)",
            &Refusal {
                id: FindingId::HostNamespacesShared,
                what: "the pod shares processes or memory with its node",
                instead: "Remove hostPID and hostIPC",
            },
        )
        .must(
            ports.join(" && "),
            &Refusal {
                id: FindingId::HostPortExposed,
                what: "the pod opens a port of its node, which no flow declares",
                instead: "Remove hostPort and use a Service",
            },
        )
}

/// The canary's label: a policy of the canary opens a way to whoever carries it.
pub(super) fn canary(zone: &Declaration, around: &Surroundings) -> Draft {
    let label = |object: &str| cel::label(object, names::CANARY_LABEL);
    let (is, was) = (label("object"), label("oldObject"));
    // By its key: a policy may mean an empty value too.
    let has = |object: &str| cel::has_label(object, names::CANARY_LABEL);
    Draft::new(zone, "canary")
        .on("", "v1", &["pods"], &["CREATE", "UPDATE"])
        .inside()
        .when(has("object"))
        .by_others(around)
        .must(
            format!("request.operation == \"UPDATE\" && {} && {is} == {was}", has("oldObject")),
            &Refusal {
                id: FindingId::ManagedObjectTampered,
                what: "the label pcizone.dev/canary is for the pods that test the network, which only the operator makes",
                instead: "Remove the label",
            },
        )
}

/// Where the pod runs. What the placement adds is proven here, whoever was to add it.
pub(super) fn placed(zone: &Declaration) -> Draft {
    let (key, name) = (cel::text(names::NODE_LABEL), cel::text(&zone.name));
    let contradicts = format!(
        "e.key == {key} && (e.operator == \"DoesNotExist\" || \
         e.operator == \"In\" && !({name} in e.?values.orValue([])) || \
         e.operator == \"NotIn\" && {name} in e.?values.orValue([]))"
    );
    let missing = format!(
        "Let the template name the nodes: nodeSelector {{{}: {}}} and a toleration of {}={}",
        names::NODE_LABEL,
        zone.name,
        names::NODE_TAINT,
        zone.name
    );
    pods(zone, PLACEMENT, &["nodeName", "nodeSelector", "affinity", "tolerations"])
        .must(
            "request.operation != \"CREATE\" || object.spec.?nodeName.orValue(\"\") == \"\"",
            &Refusal {
                id: FindingId::PodBypassesScheduler,
                what: "the pod names its node itself, past the scheduler and the taints",
                instead: "Remove nodeName",
            },
        )
        .must(
            format!("object.spec.?nodeSelector[?{key}].orValue({name}) == {name}"),
            &Refusal {
                id: FindingId::PodPlacementNotEnforced,
                what: "the pod asks for nodes of another zone",
                instead: &missing,
            },
        )
        .must(
            format!("{} && {}", placement::has_selector(), placement::is_tolerant(zone)),
            &Refusal {
                id: FindingId::PodPlacementNotEnforced,
                what: "the pod does not ask for the zone's nodes, and nothing did it for it",
                instead: &missing,
            },
        )
        .must(
            format!("!{}.exists(n, n.?matchExpressions.orValue([]).exists(e, {contradicts}))", cel::TERMS),
            &Refusal {
                id: FindingId::PodPlacementNotEnforced,
                what: "the pod's node affinity contradicts the zone",
                instead: "Remove what it says of the zone's node label",
            },
        )
}
