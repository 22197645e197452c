//! Segmentation: what is effectively reachable beyond what the zone declares, and which policy opens it (PCI DSS 1.2.5,
//! 1.3.1, 1.3.2, 1.4.1).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use k8s_openapi::jiff::Timestamp;

use super::{Case, Found, scope::rival};
use crate::{
    api::{FindingId, names},
    engine::{
        change::count,
        desired::{networks::not_public, policies},
        ownership,
        policy::Policy,
        reach::{
            By, Compiled, Direction, Reach, Rule, Selectors, Terms,
            sets::{Classes, Peers, Traffic, first, without},
            words::{few, ports},
        },
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
/// Pods of others whose own policies are looked at to say which namespaces are connected.
const OTHERS: usize = 2_000;

/// Pods that an opening names.
const PODS: usize = 50;

/// What each namespace of a zone declares, for those that hold a policy of somebody else: elsewhere what is in force is what
/// is declared, or a write is due.
pub fn declared(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> BTreeMap<String, Vec<Arc<Policy>>> {
    let of = |(name, policies): (&String, &Vec<Arc<Policy>>)| {
        let claim = resolution.namespace(name).filter(|claim| claim.is_member())?;
        let declaration = resolution.zone(claim.zone.as_deref()?)?.declaration.as_deref()?;
        if policies.iter().all(|policy| is_written_by_us(policy)) {
            return None;
        }
        let desired = policies::desired(declaration, name, resolution, &snapshot.cluster, now);
        Some((name.clone(), desired.into_values().map(Arc::new).collect()))
    };
    snapshot.policies.iter().filter_map(of).collect()
}

/// Traffic that a policy allows and no flow declares, for pods that it holds for.
struct Extra<'r> {
    rule: &'r Rule,
    direction: Direction,
    traffic: Traffic,
    pods: Classes,
}

/// All of it by policy.
#[derive(Default)]
struct Extras<'r> {
    by_policy: BTreeMap<&'r str, Vec<Extra<'r>>>,
    /// Policies that open the zone to most public addresses, alone or together.
    worlds: BTreeSet<&'r str>,
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
                    extras.add(case.reach, class, direction, &suspects);
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

/// Policies in a namespace of the zone that somebody else wrote. Our labels on a policy that we never wrote hide nothing,
/// unless it is what we would write.
fn suspects(case: &Case, namespace: &str) -> BTreeSet<String> {
    let live = case.snapshot.policies.get(namespace).into_iter().flatten();
    let declared = case.reach.is_declared(namespace);
    let is_ours =
        |policy: &Policy| is_written_by_us(policy) || ownership::is_managed(&policy.metadata) && declared(policy);
    live.filter(|policy| !is_ours(policy)).map(|policy| subject(policy)).collect()
}

fn is_written_by_us(policy: &Policy) -> bool {
    ownership::is_managed(&policy.metadata) && ownership::wrote(&policy.metadata)
}

fn not_isolated(id: FindingId, subject: String, pods: &[&str]) -> Found {
    let direction = if id == FindingId::PodNotIsolatedIngress { "from" } else { "to" };
    let message = format!("No policy denies traffic {direction} {}.", count(pods.len(), "pod"));
    let names: Vec<String> = pods.iter().map(ToString::to_string).collect();
    Found::new(id, subject, message).with_evidence(format!("pods: {}", few(&names)))
}

impl<'r> Extras<'r> {
    fn add(&mut self, reach: &'r Reach, class: u32, direction: Direction, suspects: &BTreeSet<String>) {
        let declared = reach.declared(class, direction);
        let mut opened: Vec<(&'r str, Peers)> = Vec::new();
        for allow in reach.effective(class, direction).allows {
            let By::Rule(policy, rule) = allow.by else { continue };
            if !suspects.contains(&*policy.name) {
                continue;
            }
            let left = without(vec![allow.traffic], &declared);
            opened.extend(left.iter().map(|traffic| (&*policy.name, traffic.peers.clone())));
            for traffic in left {
                self.put(policy, Extra { rule, direction, traffic, pods: [class].into_iter().collect() });
            }
        }
        for rule in reach.latent(class, direction, |policy| suspects.contains(&*policy.name)) {
            let (policy, rule) = rule;
            self.put(
                policy,
                Extra { rule, direction, traffic: Traffic::default(), pods: [class].into_iter().collect() },
            );
        }
        self.worlds.extend(worlds(opened));
    }

    /// What is the same for other pods is said once.
    fn put(&mut self, policy: &'r Compiled, extra: Extra<'r>) {
        let all = self.by_policy.entry(&policy.name).or_default();
        let same = |other: &&mut Extra| {
            std::ptr::eq(other.rule, extra.rule) && other.direction == extra.direction && other.traffic == extra.traffic
        };
        match all.iter_mut().find(same) {
            Some(other) => other.pods = &other.pods | &extra.pods,
            None => all.push(extra),
        }
    }
}

/// Each policy that opens the world by itself; where none does, the fewest that do together, by how much they open.
fn worlds(opened: Vec<(&str, Peers)>) -> Vec<&str> {
    let mut by_policy: BTreeMap<&str, Peers> = BTreeMap::new();
    for (policy, peers) in opened {
        let all = by_policy.entry(policy).or_default();
        *all = all.or(&peers.without_pods());
    }
    let mut all: Vec<_> = by_policy.into_iter().map(|(policy, peers)| (share(&peers), policy, peers)).collect();
    all.sort_by(|(one, first, _), (other, second, _)| (other, first).cmp(&(one, second)));
    let alone: Vec<&str> = all.iter().filter(|(share, ..)| *share >= WORLD).map(|(_, policy, _)| *policy).collect();
    if !alone.is_empty() {
        return alone;
    }
    let (mut together, mut blamed) = (Peers::default(), Vec::new());
    for (_, policy, peers) in all {
        together = together.or(&peers);
        blamed.push(policy);
        if share(&together) >= WORLD {
            return blamed;
        }
    }
    Vec::new()
}

/// From which part of all public addresses of a family on it is the world, in thousandths.
const WORLD: u128 = 250;

/// How much of all public addresses some are, in thousandths, of the family of which they are more.
fn share(peers: &Peers) -> u128 {
    let mut public = Peers::of_network(&IpNet::V4(ipnet::Ipv4Net::default()));
    // What is handed out of IPv6 so far.
    public = public.or(&Peers::of_network(&IpNet::V6(GLOBAL_UNICAST)));
    let public = not_public().fold(public, |left, net| left.minus(&Peers::of_network(&net)));
    let some = peers.and(&public);
    let v4 = |peers: &Peers| {
        peers.v4.ranges().map(|r| u128::from(r.end().to_bits() - r.start().to_bits()) + 1).sum::<u128>()
    };
    // Whole networks of /64, so that thousand times of it is a number still.
    let v6 = |peers: &Peers| peers.v6.ranges().map(|r| (r.end().to_bits() - r.start().to_bits()) >> 64).sum::<u128>();
    let part = |some: u128, all: u128| some.saturating_mul(1000).checked_div(all).unwrap_or_default();
    part(v4(&some), v4(&public)).max(part(v6(&some), v6(&public)))
}

/// `2000::/3`, the only part of IPv6 that is handed out as public addresses.
const GLOBAL_UNICAST: ipnet::Ipv6Net =
    ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The findings about one policy.
fn judge(case: &Case, name: &str, extras: &[Extra], is_world: bool, found: &mut Vec<Found>) {
    let namespace = name.split('/').nth(1).unwrap_or_default();
    let live = case.snapshot.policies.get(namespace).into_iter().flatten().find(|policy| subject(policy) == name);
    let manager = live.map(|policy| rival(&policy.metadata)).unwrap_or_default();
    let of = |id, extra: &Extra, what: &str| {
        let (message, evidence) = words(case, extra, what);
        let more = match extras.len() {
            0 | 1 => String::new(),
            many => format!("and {} of it", count(many - 1, "more opening")),
        };
        let evidence = [evidence, more, manager.clone()].into_iter().filter(|words| !words.is_empty());
        Found::new(id, name, message).with_evidence(evidence.collect::<Vec<_>>().join("; "))
    };
    let everybody = |extra: &&Extra| !extra.traffic.peers.has_no_address();
    let namespaces = |extra: &&Extra| extra.rule.selectors.iter().any(|selectors| is_everywhere(case, selectors));
    if let Some(extra) = extras.iter().find(everybody).filter(|_| is_world) {
        found.push(of(FindingId::PolicyAllowsWorld, extra, "no flow declares that"));
    } else if let Some(extra) = extras.iter().find(namespaces) {
        found.push(of(FindingId::PolicyAllowsAllNamespaces, extra, "it names every namespace of the cluster"));
    } else if let Some(extra) = extras.first() {
        found.push(of(FindingId::PolicyUnmanagedWidens, extra, "no flow declares that"));
    }
    if let Some(extra) = extras.iter().find(|extra| extra.rule.any_port) {
        found.push(of(FindingId::PolicyPortsMissing, extra, "it names no ports"));
    }
    if let Some(extra) = extras.iter().find(|extra| reads_others_labels(extra.rule)) {
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
    let metadata = |extra: &&Extra| {
        let peers = &extra.traffic.peers;
        extra.direction == Direction::Egress
            && METADATA.iter().filter_map(|address| address.parse::<IpAddr>().ok()).any(|ip| peers.has_address(ip))
    };
    if let Some(extra) = extras.iter().find(metadata) {
        found.push(of(FindingId::EgressReachesMetadata, extra, "a metadata service is among them"));
    }
}

fn is_everywhere(case: &Case, selectors: &Selectors) -> bool {
    let population = &case.reach.population;
    let all = population.namespace_count();
    all > 1 && u64::try_from(all) == Ok(population.namespaces(&selectors.namespaces).len())
}

/// Whoever may label a namespace decides who is meant.
fn reads_others_labels(rule: &Rule) -> bool {
    let is_safe = |key: &str| [names::NAMESPACE_NAME, names::ZONE_LABEL].contains(&key);
    let reads = |terms: &Terms| terms.keys().any(|key| !is_safe(key));
    rule.selectors.iter().any(|selectors| reads(&selectors.namespaces))
}

/// An opening in a sentence, and where it stands.
fn words(case: &Case, extra: &Extra, what: &str) -> (String, String) {
    let pods = case.reach.pods(&extra.pods);
    let mine = few(&pods);
    let (who, ports) = if extra.traffic.is_empty() {
        (case.reach.pods_to_come(&extra.rule.selectors), rule_ports(extra.rule))
    } else {
        (case.reach.peers(&extra.traffic.peers), ports(&extra.traffic.ports))
    };
    let message = match extra.direction {
        Direction::Ingress => format!("It lets {who} reach {mine} on {ports}; {what}."),
        Direction::Egress => format!("It lets {mine} reach {who} on {ports}; {what}."),
    };
    let shown = pods.iter().take(PODS).cloned().collect::<Vec<_>>().join(", ");
    let more = match pods.len().saturating_sub(PODS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (message, format!("{}; pods: {shown}{more}", extra.rule.field))
}

fn rule_ports(rule: &Rule) -> String {
    let named = rule.named.iter().map(|(protocol, name)| format!("{} {name}", protocol.as_str()));
    let numbers = (!rule.numbers.is_empty()).then(|| ports(&rule.numbers));
    numbers.into_iter().chain(named).collect::<Vec<_>>().join(" and ")
}

/// Namespaces of no zone that are linked to the zone by more than a flow: they are in scope, and nobody says so (12.5.2). Both
/// ends must allow it.
fn connected(case: &Case, extras: &Extras, found: &mut Vec<Found>) {
    let mut linked: BTreeMap<String, String> = BTreeMap::new();
    let mut budget = OTHERS;
    // Pods of no zone.
    let mut outside = first(case.reach.population.real());
    for (name, claim) in case.resolution.namespaces() {
        if claim.is_member()
            && let Some(members) = case.reach.population.within(name)
        {
            outside -= members;
        }
    }
    for (policy, extras) in &extras.by_policy {
        for extra in extras {
            for other in &(&extra.traffic.peers.all_pods() & &outside) {
                let Some(pods) = case.reach.population.class(other) else { continue };
                if linked.contains_key(pods.namespace) || budget == 0 {
                    continue;
                }
                budget -= 1;
                if case.reach.answers(other, extra.direction, &extra.pods, &extra.traffic.ports) {
                    linked.insert(pods.namespace.to_string(), (*policy).to_string());
                }
            }
        }
    }
    for (namespace, policy) in linked {
        let message = "Its pods and the zone's can talk, no flow declares that, and it belongs to no zone.";
        found.push(
            Found::new(FindingId::UndeclaredConnectedNamespace, format!("Namespace/{namespace}"), message)
                .with_evidence(format!("by {policy}")),
        );
    }
}
