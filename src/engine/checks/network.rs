//! Segmentation: what is effectively reachable beyond what the zone declares, and which policy opens it (PCI DSS 1.2.5,
//! 1.3.1, 1.3.2, 1.4.1).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;

use super::{
    Case, Found,
    extras::{Extra, Extras, connected, sentence},
    scope::rival,
};
use crate::{
    api::{FindingId, names},
    engine::{
        change::count,
        desired::policies,
        ownership,
        plan::{Stance, namespace_stance, namespace_subject},
        policy::Policy,
        reach::{Direction, Selectors, Terms, public_share, sets::Peers, words::few},
        resolve::Resolution,
        snapshot::Snapshot,
    },
};

/// Metadata services, by which a pod gets the credentials of its node: most clouds, AWS by IPv6, AWS for tasks and for pods,
/// Alibaba, Azure, Oracle.
const METADATA: [&str; 7] = [
    "169.254.169.254",
    "fd00:ec2::254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
];

/// What each namespace of a zone declares, for those that hold a policy which may not be that, or all where there are policies
/// of other kinds: elsewhere what is in force is what is declared, or is about to be.
pub fn declared(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> BTreeMap<String, Vec<Arc<Policy>>> {
    let has_others = !snapshot.others.is_empty() || !snapshot.hidden_kinds.is_empty();
    let of = |name: &String| {
        let claim = resolution.namespace(name).filter(|claim| claim.is_member())?;
        let declaration = resolution.zone(claim.zone.as_deref()?)?.declaration.as_deref()?;
        let policies = snapshot.policies.get(name);
        let is_ours = |policy: &Arc<Policy>| is_written_by_us(policy);
        let is_settled = policies.into_iter().flatten().all(is_ours) && is_kept(snapshot, resolution, name);
        if !has_others && (is_settled || policies.is_none()) {
            return None;
        }
        let desired = policies::desired(declaration, name, resolution, &snapshot.cluster, now);
        Some((name.clone(), desired.into_values().map(Arc::new).collect()))
    };
    snapshot.namespaces.keys().filter_map(of).collect()
}

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let mut extras = Extras::default();
    let mut open: BTreeMap<(FindingId, String), Vec<&str>> = BTreeMap::new();
    for namespace in case.members() {
        let suspects = suspects(case, namespace);
        let Some(classes) = case.reach.population.within(namespace) else { continue };
        for class in classes {
            let Some(pods) = case.reach.population.class(class).filter(|pods| !pods.host_network) else { continue };
            for direction in Direction::BOTH {
                if !case.reach.is_isolated(class, direction) {
                    let id = match direction {
                        Direction::Ingress => FindingId::PodNotIsolatedIngress,
                        Direction::Egress => FindingId::PodNotIsolatedEgress,
                    };
                    for pod in &pods.pods {
                        open.entry((id, pod.subject())).or_default().push(pod.name());
                    }
                }
                if case.reach.is_held_by(class, |policy| suspects.contains(&*policy.name)) {
                    extras.add(case, class, direction, |policy| suspects.contains(&*policy.name));
                }
            }
        }
    }
    found.extend(open.into_iter().map(|((id, subject), pods)| not_isolated(id, subject, &pods)));
    for (name, extra) in &extras.by_policy {
        judge(case, name, extra, extras.worlds.contains(name), found);
    }
    connected(case, &extras, found);
    for namespace in case.members() {
        for policy in case.snapshot.policies.get(namespace).into_iter().flatten().filter(|policy| policy.spec.is_none())
        {
            let message = "This policy cannot be read, so what it allows is not known.";
            found.push(Found::new(FindingId::PolicyUnreadable, subject(policy), message));
        }
    }
}

fn subject(policy: &Policy) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("NetworkPolicy/{}/{}", text(&policy.metadata.namespace), text(&policy.metadata.name))
}

/// Policies in a namespace of the zone that are not what is declared. Our labels on a policy hide nothing, also when we wrote
/// it, unless it is about to be put right.
fn suspects(case: &Case, namespace: &str) -> BTreeSet<String> {
    let live = case.snapshot.policies.get(namespace).into_iter().flatten();
    let declared = case.reach.is_declared(namespace);
    let is_kept = is_kept(case.snapshot, case.resolution, namespace);
    let is_ours = |policy: &Policy| {
        is_kept && is_written_by_us(policy) || ownership::is_managed(&policy.metadata) && declared(policy)
    };
    live.filter(|policy| !is_ours(policy)).map(|policy| subject(policy)).collect()
}

/// Somebody puts right what we wrote in a namespace as soon as it differs from what is to be there.
fn is_kept(snapshot: &Snapshot, resolution: &Resolution, namespace: &str) -> bool {
    let is_failing = snapshot.failures.contains_key(&namespace_subject(namespace));
    let stance = namespace_stance(resolution, namespace);
    snapshot.is_kept && !is_failing && !matches!(stance, Stance::Observe(_) | Stance::Leave)
}

fn is_written_by_us(policy: &Policy) -> bool {
    ownership::is_managed(&policy.metadata) && ownership::wrote(&policy.metadata)
}

fn not_isolated(id: FindingId, subject: String, pods: &[&str]) -> Found {
    let direction = if id == FindingId::PodNotIsolatedIngress { "to" } else { "from" };
    let message = format!("No policy denies traffic {direction} {}.", count(pods.len(), "pod"));
    let names: Vec<String> = pods.iter().map(ToString::to_string).collect();
    Found::new(id, subject, message).with_evidence(format!("pods: {}", few(&names)))
}

/// The findings about one policy.
fn judge(case: &Case, name: &str, extras: &[Extra], is_world: bool, found: &mut Vec<Found>) {
    let namespace = name.split('/').nth(1).unwrap_or_default();
    let live = case.snapshot.policies.get(namespace).into_iter().flatten().find(|policy| subject(policy) == name);
    let manager = live.map(|policy| rival(&policy.metadata)).unwrap_or_default();
    let of = |id, extra: &Extra, what: &str| {
        let (message, evidence) = sentence(case, extras, extra, what, &manager);
        Found::new(id, name, message).with_evidence(evidence)
    };
    let everybody = |extra: &&Extra| !extra.traffic.peers.has_no_address();
    let namespaces = |extra: &&Extra| extra.selectors.iter().any(|selectors| is_everywhere(case, selectors));
    // The opening that the finding is about comes first, not one to the networks of the cluster.
    let widest = extras.iter().filter(everybody).min_by_key(|extra| Reverse(public_share(&extra.traffic.peers)));
    if let Some(extra) = widest.filter(|_| is_world) {
        found.push(of(FindingId::PolicyAllowsWorld, extra, "no flow declares that"));
    } else if let Some(extra) = extras.iter().find(namespaces) {
        found.push(of(FindingId::PolicyAllowsAllNamespaces, extra, "it names every namespace of the cluster"));
    } else if let Some(extra) = extras.first() {
        found.push(of(FindingId::PolicyUnmanagedWidens, extra, "no flow declares that"));
    }
    if let Some(extra) = extras.iter().find(|extra| extra.rule.any_port) {
        found.push(of(FindingId::PolicyPortsMissing, extra, "it names no ports"));
    }
    if let Some(extra) = extras.iter().find(|extra| reads_others_labels(extra)) {
        let what = "it selects namespaces by a label that others may set";
        found.push(of(FindingId::PeerSelectorMutableLabel, extra, what));
    }
    let own: Vec<IpNet> = case.snapshot.cluster.nodes.iter().chain(&case.snapshot.cluster.services).copied().collect();
    let covers =
        |extra: &&Extra| own.iter().any(|net| !extra.traffic.peers.and(&Peers::of_network(net)).has_no_address());
    if let Some(extra) = extras.iter().find(covers).filter(|_| !is_world) {
        let what = "the block covers pods, Services or nodes of the cluster";
        found.push(of(FindingId::PolicyIpBlockCoversCluster, extra, what));
    }
    let metadata = |extra: &Extra| {
        let among = |address: &&str| address.parse::<IpAddr>().is_ok_and(|ip| extra.traffic.peers.has_address(ip));
        let all: Vec<&str> = METADATA.iter().copied().filter(among).collect();
        (extra.direction == Direction::Egress && !all.is_empty()).then_some(all)
    };
    if let Some((extra, services)) = extras.iter().find_map(|extra| Some((extra, metadata(extra)?))) {
        let what = format!("services that give credentials to pods are among them: {}", services.join(", "));
        found.push(of(FindingId::EgressReachesMetadata, extra, &what));
    }
}

fn is_everywhere(case: &Case, selectors: &Selectors) -> bool {
    let population = &case.reach.population;
    let all = population.namespace_count();
    let chosen = || population.namespaces(&selectors.namespaces).len();
    selectors.namespaces.is_empty() || all > 1 && u64::try_from(all) == Ok(chosen())
}

/// Whoever may label a namespace decides who is meant.
fn reads_others_labels(extra: &Extra) -> bool {
    let is_safe = |key: &str| [names::NAMESPACE_NAME, names::ZONE_LABEL].contains(&key);
    let reads = |terms: &Terms| terms.keys().any(|key| !is_safe(key));
    extra.selectors.iter().any(|selectors| reads(&selectors.namespaces))
}
