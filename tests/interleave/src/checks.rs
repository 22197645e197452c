//! What must be true of every single write, told without the engine's own rules as far as that is possible.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node, Taint},
        networking::v1::{NetworkPolicyPeer, NetworkPolicyPort},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
    jiff::Timestamp,
};
use pcizone::{
    api::{Flow, PciZone, Peer, names},
    engine::{
        declaration::Declaration,
        due::Due,
        ownership,
        plan::{Stance, Write},
        policy::Policy,
    },
};

use crate::{operator::Operator, server::Server};

/// The policy denies all ingress, and all egress but to the DNS pods.
pub fn denies(policy: &Policy) -> bool {
    let Some(spec) = &policy.spec else { return false };
    let everybody = spec.pod_selector.as_ref().is_none_or(|pods| *pods == LabelSelector::default());
    let both = spec.policy_types.iter().flatten().map(String::as_str).eq(["Ingress", "Egress"]);
    let only_dns = match spec.egress.as_deref() {
        Some([rule]) => {
            matches!(rule.to.as_deref(), Some([pods]) if selects(pods, "kube-system") && pods.pod_selector.is_some())
                && rule.ports.iter().flatten().all(|port| port.port == Some(IntOrString::Int(53)))
                && rule.ports.as_ref().is_some_and(|ports| ports.len() == 2)
        }
        _ => false,
    };
    everybody && both && spec.ingress.is_none() && only_dns
}

fn selects(peer: &NetworkPolicyPeer, namespace: &str) -> bool {
    let labels = peer.namespace_selector.as_ref().and_then(|selector| selector.match_labels.as_ref());
    peer.ip_block.is_none()
        && labels.and_then(|labels| labels.get(names::NAMESPACE_NAME)).is_some_and(|name| name == namespace)
}

/// Every write of a plan that protects denies, closes, or opens a flow of the declaration that is in force.
pub fn planned(operator: &Operator, stance: &Stance, due: &Due, namespace: &str, writes: &[Write], now: Timestamp) {
    let Due::Protect(zone) = due else {
        let puts = |write: &&Write| matches!(write, Write::CreatePolicy(_) | Write::ReplacePolicy { .. });
        let put = writes.iter().find(puts).filter(|_| !matches!(due, Due::NotNow));
        assert!(put.is_none(), "nothing is protected, and a policy is written: {put:?}");
        return;
    };
    for write in writes {
        match write {
            Write::CreatePolicy(policy) => opens_only_what_is_declared(operator, stance, zone, namespace, policy, now),
            Write::ReplacePolicy { desired, .. } => {
                opens_only_what_is_declared(operator, stance, zone, namespace, desired, now);
            }
            Write::DeletePolicy(policy) => {
                let name = policy.metadata.name.as_deref();
                assert_ne!(name, Some(names::BASELINE), "the default deny of {namespace} is deleted to protect it");
            }
            Write::LabelNamespace { zone: label, .. } => assert_eq!(label, zone),
            Write::UnlabelNamespace { .. }
            | Write::LabelNode { .. }
            | Write::PatchNode { .. }
            | Write::Guard(_)
            | Write::SetPodSecurity { .. } => {
                panic!("{} {} does not protect {namespace}", write.verb(), write.subject())
            }
        }
    }
}

fn opens_only_what_is_declared(
    operator: &Operator,
    stance: &Stance,
    zone: &str,
    namespace: &str,
    policy: &Policy,
    now: Timestamp,
) {
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    if name == names::BASELINE {
        assert!(denies(policy), "the default deny of {namespace} does not deny: {policy:?}");
        return;
    }
    if policy.spec.as_ref().is_some_and(|spec| spec.ingress.is_none() && spec.egress.is_none()) {
        return;
    }
    // The last declaration that this replica saw in force; where it saw none, the present one opens nothing new.
    let known = !matches!(stance, Stance::Hold { known: false, .. });
    let declared = if known { operator.in_force.get(zone) } else { operator.zones.get(zone) };
    let declared: &PciZone = declared.unwrap_or_else(|| panic!("{name} of {namespace}: {zone} was never in force"));
    assert!(
        known || operator.policy(namespace, name).is_some(),
        "{name} of {namespace} is new, and nothing is in force"
    );
    let flows = &declared.spec.segmentation.flows;
    let declares = |flow: &&Flow| flow.expires_at.0 > now && is_flow(operator, zone, namespace, flow, name, policy);
    assert!(
        flows.iter().any(|flow| declares(&flow)),
        "{name} of {namespace} opens what {zone} does not declare: {policy:?}"
    );
}

/// The policy is one end of the flow and opens nothing else.
fn is_flow(operator: &Operator, zone: &str, namespace: &str, flow: &Flow, name: &str, policy: &Policy) -> bool {
    let Some(spec) = &policy.spec else { return false };
    let (own, other, direction) = if name == format!("pcizone-flow-{}-ingress", flow.name) {
        (&flow.to, &flow.from, "Ingress")
    } else if name == format!("pcizone-flow-{}-egress", flow.name) {
        (&flow.from, &flow.to, "Egress")
    } else {
        return false;
    };
    let rule = match (spec.ingress.as_deref(), spec.egress.as_deref()) {
        (Some([rule]), None) => (rule.from.as_deref(), rule.ports.as_deref()),
        (None, Some([rule])) => (rule.to.as_deref(), rule.ports.as_deref()),
        _ => return false,
    };
    let (Some(peers), Some(ports)) = rule else { return false };
    let lies_here = own.namespace.as_deref() == Some(namespace) || own.zone.as_deref() == Some(zone);
    let pods = own.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default();
    let is_port = |(port, declared): (&NetworkPolicyPort, &pcizone::api::Port)| {
        port.port == Some(IntOrString::Int(declared.port))
            && port.protocol.as_deref() == Some(declared.protocol.as_str())
            && port.end_port.is_none()
    };
    lies_here
        && spec.policy_types.as_deref() == Some(&[direction.to_string()])
        && spec.pod_selector.as_ref() == Some(&pods)
        && ports.len() == flow.ports.len()
        && ports.iter().zip(&flow.ports).all(is_port)
        && !peers.is_empty()
        && peers.iter().all(|peer| is_peer(operator, other, peer))
}

fn is_peer(operator: &Operator, declared: &Peer, peer: &NetworkPolicyPeer) -> bool {
    if let Some(namespace) = &declared.namespace {
        let pods = declared.pod_selector.as_ref().map(LabelSelector::from);
        return selects(peer, namespace) && peer.pod_selector == pods && operator.namespaces.contains_key(namespace);
    }
    if let Some(zone) = &declared.zone {
        let Some([names_in]) =
            peer.namespace_selector.as_ref().and_then(|selector| selector.match_expressions.as_deref())
        else {
            return false;
        };
        let is_member = |name: &String| {
            let claim = operator.resolution.namespace(name);
            claim.is_some_and(|claim| claim.zone.as_ref() == Some(zone) && claim.is_member())
        };
        let members = names_in.values.as_deref().unwrap_or_default();
        return names_in.key == names::NAMESPACE_NAME
            && names_in.operator == "In"
            && !members.is_empty()
            && members.iter().all(is_member)
            && peer.ip_block.is_none();
    }
    let Some(block) = &peer.ip_block else { return false };
    let outside = peer.namespace_selector.is_none() && peer.pod_selector.is_none();
    let except = block.except.as_deref().unwrap_or_default();
    let is_meant = if declared.api_server == Some(true) {
        block.cidr == "10.96.0.1/32"
    } else if declared.internet == Some(true) {
        let cut = |net: &str| except.iter().any(|except| except == net);
        block.cidr == "0.0.0.0/0" && cut("10.0.0.0/8") && cut("203.0.113.7/32")
            || block.cidr == "::/0" && cut("fc00::/7")
    } else {
        declared.cidrs.contains(&block.cidr) && except.is_empty()
    };
    outside && is_meant
}

/// As far as this replica knows, the default deny is there: its watch shows it, and it did not delete it itself a moment
/// ago.
pub fn believes_in_deny(operator: &Operator, namespace: &str) -> bool {
    operator.policy(namespace, names::BASELINE).is_some_and(|policy| {
        denies(policy) && !operator.deleted.contains(policy.metadata.uid.as_deref().unwrap_or_default())
    })
}

/// The label says that the default deny is there: it is, or the replica has reason to believe so.
pub fn label(server: &Server, namespace: &str, believes: bool) {
    let baseline = server.get::<Policy>(&format!("{namespace}/{}", names::BASELINE));
    let denied = baseline.is_some_and(|policy| denies(policy));
    assert!(denied || believes, "{namespace} is labelled without a default deny, and the replica could know");
}

/// The zone does not declare the object, as both are now.
pub fn is_not_declared(zone: &PciZone, kind: &str, live: &ObjectMeta) {
    let spec = &zone.spec;
    let (mode, names, selector) = if kind == "Node" {
        let Some(hosting) = &spec.hosting else { return };
        (hosting.mode, &hosting.nodes.names, &hosting.nodes.selector)
    } else {
        (spec.segmentation.mode, &spec.scope.namespaces.names, &spec.scope.namespaces.selector)
    };
    let enforces = mode.unwrap_or(spec.mode).protects() && zone.metadata.deletion_timestamp.is_none();
    let label = |key: &String| live.labels.as_ref().and_then(|labels| labels.get(key));
    let selected =
        selector.iter().any(|selector| selector.match_labels.iter().all(|(key, value)| label(key) == Some(value)));
    let named = live.name.as_ref().is_some_and(|name| names.contains(name));
    assert!(!enforces || !named && !selected, "{kind}/{:?} is released, and its zone declares it", live.name);
}

/// Only policies of our names, or that say they are ours, are written over.
pub fn may_replace(live: &Policy) {
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let ours = name == names::BASELINE || name.starts_with(names::FLOW_PREFIX);
    assert!(ours || ownership::is_managed(&live.metadata), "{name} is somebody else's and is written over");
}

/// Only what says that it is ours is deleted; the default deny only with a release, which is checked by itself.
pub fn may_delete(due: &Due, live: &Policy) {
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let labels = live.metadata.labels.as_ref();
    let ours =
        labels.and_then(|labels| labels.get(names::MANAGED_BY)).map(String::as_str) == Some(names::MANAGED_BY_VALUE);
    assert!(ours, "{name} is somebody else's and is deleted");
    let releases = matches!(due, Due::Release(_));
    assert!(releases || name != names::BASELINE, "the default deny is deleted and nothing is released");
    assert!(releases || matches!(due, Due::Protect(_)), "{name} is deleted for no zone");
}

/// A label of ours goes only with a release, while the default deny is there that it speaks of.
pub fn may_unlabel(server: &Server, due: &Due, live: &Namespace) {
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let ours = ownership::owns_label(&live.metadata, names::ZONE_LABEL);
    let baseline = server.get::<Policy>(&format!("{name}/{}", names::BASELINE));
    let zone = ownership::zone_label(live);
    let holds = baseline.is_some_and(|policy| denies(policy) && ownership::managed_zone(&policy.metadata) == zone);
    assert!(
        matches!(due, Due::Release(_)) || !ours || !holds,
        "our label on {name} is removed and nothing is released"
    );
}

/// Taints of others are left as they are, in their order.
pub fn foreign_taints_stay(live: &Node, planned: &[Taint]) {
    let there = live.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let foreign = |taint: &&Taint| taint.key != names::NODE_TAINT;
    assert!(there.iter().filter(foreign).eq(planned.iter().filter(foreign)), "a taint of others is changed");
}

/// The policy says that it is ours.
pub fn claims_to_be_ours(policy: &Policy) -> bool {
    ownership::is_managed(&policy.metadata)
}

/// The node carries the zone's label, owned by us, and exactly its taints.
pub fn dedicated(node: &Node, zone: &Declaration) {
    let label = node.metadata.labels.as_ref().and_then(|labels| labels.get(names::NODE_LABEL));
    assert_eq!(label, Some(&zone.name), "the label of {:?}", node.metadata.name);
    assert!(ownership::owns_label(&node.metadata, names::NODE_LABEL), "{:?} is labelled by others", node.metadata.name);
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let ours = taints.iter().filter(|taint| taint.key == names::NODE_TAINT);
    let ours: BTreeSet<_> = ours.map(|taint| (taint.value.as_deref(), taint.effect.as_str())).collect();
    let wanted = zone.taint_effects.iter().map(|effect| (Some(zone.name.as_str()), effect.as_str())).collect();
    assert_eq!(ours, wanted, "the taints of {:?}", node.metadata.name);
}

/// A zone that is to protect something cannot be deleted without us.
pub fn finalizer(zone: &PciZone) {
    let armed = zone.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == names::FINALIZER);
    assert!(armed || !crate::operator::is_in_force(zone), "{:?} is in force without our finalizer", zone.metadata.name);
}

/// The spec is the same, and so are the labels that are ours.
pub fn is_same(live: &Policy, wanted: &Policy) -> bool {
    let label = |policy: &Policy, key: &str| policy.metadata.labels.as_ref()?.get(key).cloned();
    let ours = [names::MANAGED_BY, names::ZONE_LABEL, names::FLOW_LABEL];
    live.spec == wanted.spec && ours.iter().all(|key| label(live, key) == label(wanted, key))
}
