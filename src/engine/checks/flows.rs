//! Flows: are they justified and reviewed, do their ends exist, do both zones want them, and do they open more than is seen.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::LabelSelector, jiff::Timestamp};
use kube::core::{Selector as LabelMatcher, SelectorExt};

use super::{Case, Found, overlap};
use crate::{
    api::{FindingId, Flow, Peer},
    engine::{
        dates::{EXPIRY_WARNING, REVIEW_INTERVAL, earlier, later},
        desired::policies::{self, Unresolvable},
        insecure,
        pod::Pod,
    },
};

/// Pairs of pods from which on a flow is too broad to be one decision.
const PAIRS: usize = 10_000;
/// Words about a need that are not among [`EMPTY`], below which it says nothing.
const WORDS: usize = 3;
/// Letters beyond ASCII from which on a text may be of a script without spaces, whose words are not counted.
const LETTERS: usize = 10;
/// Words that fit every flow.
const EMPTY: &[&str] = &[
    "a",
    "access",
    "all",
    "allow",
    "allowed",
    "allows",
    "and",
    "as",
    "be",
    "because",
    "business",
    "by",
    "communication",
    "connection",
    "defined",
    "discussed",
    "flow",
    "for",
    "from",
    "in",
    "is",
    "it",
    "later",
    "n",
    "na",
    "necessary",
    "need",
    "needed",
    "needs",
    "network",
    "none",
    "of",
    "open",
    "placeholder",
    "port",
    "ports",
    "purpose",
    "purposes",
    "reason",
    "reasons",
    "requested",
    "required",
    "requirement",
    "requirements",
    "see",
    "tba",
    "tbc",
    "tbd",
    "test",
    "the",
    "this",
    "ticket",
    "to",
    "todo",
    "traffic",
    "unknown",
    "we",
    "xxx",
];
/// Services in a message.
const NAMED: usize = 3;

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let members: BTreeSet<String> = case.zone.namespaces.declared.union(&case.zone.namespaces.held).cloned().collect();
    let crowd = Crowd::new(case);
    for flow in &case.declaration.flows {
        dates(case, flow, found);
        if flow.expires_at.0 <= case.now {
            continue;
        }
        resolves(case, flow, &members, found);
        found.extend(mirrored(case, flow, &members));
        if flow.to.api_server.is_some() && !case.snapshot.cluster.api_server.is_empty() {
            let message =
                "It is open by address; whether the network plug-in matches the API server by address was not tested.";
            found.push(Found::new(FindingId::FlowToApiServerUnproven, subject(case, flow), message));
        }
        found.extend(crosses(case, flow));
        found.extend(speaks_plainly(case, flow));
        found.extend(says_nothing(case, flow));
        found.extend(is_broad(case, flow, &crowd));
    }
    overlap::check(case, found);
}

/// The instants at which that changes by the clock alone.
pub(in crate::engine) fn instants(flows: &[Flow]) -> impl Iterator<Item = Timestamp> {
    flows.iter().flat_map(|flow| {
        let (reviewed, expires) = (flow.reviewed_at.0, flow.expires_at.0);
        [expires, earlier(expires, EXPIRY_WARNING), reviewed, later(reviewed, REVIEW_INTERVAL)]
    })
}

pub(super) fn subject(case: &Case, flow: &Flow) -> String {
    format!("Flow/{}/{}", case.name, flow.name)
}

fn dates(case: &Case, flow: &Flow, found: &mut Vec<Found>) {
    let (reviewed, expires) = (flow.reviewed_at.0, flow.expires_at.0);
    if expires <= case.now {
        let message = format!("It ended at {expires}; what it declared is to be closed.");
        found.push(Found::new(FindingId::FlowExpired, subject(case, flow), message));
        return;
    }
    if earlier(expires, EXPIRY_WARNING) <= case.now {
        let message = format!("It ends at {expires} and closes at that instant.");
        found.push(Found::new(FindingId::FlowExpiringSoon, subject(case, flow), message));
    }
    if reviewed > case.now {
        let message = format!("Its last review is dated {reviewed}, which has not come yet.");
        found.push(Found::new(FindingId::FlowReviewOverdue, subject(case, flow), message));
    }
    if later(reviewed, REVIEW_INTERVAL) <= case.now {
        let message = format!("It was last reviewed at {reviewed}; a review is due every six months.");
        found.push(Found::new(FindingId::FlowReviewOverdue, subject(case, flow), message));
    }
}

fn resolves(case: &Case, flow: &Flow, members: &BTreeSet<String>, found: &mut Vec<Found>) {
    let reasons = policies::unresolvable(case.declaration, flow, members, case.resolution, &case.snapshot.cluster);
    let Some(reason) = reasons.into_iter().next() else { return };
    if reason == Unresolvable::NoApiServer && case.snapshot.unseen.api_server {
        let message = "The addresses of the API server were not given, so what the flow opens was not judged.";
        found.push(Found::new(FindingId::FlowToApiServerUnproven, subject(case, flow), message));
        return;
    }
    let message = match reason {
        Unresolvable::NoNamespace(name) => format!("Namespace {name} does not exist, so the flow is closed."),
        Unresolvable::EmptyZone(name) => {
            format!("Zone {name} does not exist or has no namespace, so the flow is closed.")
        }
        Unresolvable::NoApiServer => {
            "The addresses of the API server are not known, so the flow is closed.".to_string()
        }
        Unresolvable::Elsewhere => "Neither end lies in this zone, so nothing is written for the flow.".to_string(),
    };
    found.push(Found::new(FindingId::FlowUnresolvable, subject(case, flow), message));
}

/// A flow between two zones needs both: each zone writes only its own end.
fn mirrored(case: &Case, flow: &Flow, members: &BTreeSet<String>) -> Option<Found> {
    let other_zone = |peer: &Peer| {
        if let Some(zone) = &peer.zone {
            return (zone != case.name).then(|| zone.clone());
        }
        let namespace = peer.namespace.as_ref().filter(|name| !members.contains(*name))?;
        case.resolution.namespace(namespace)?.zone.clone()
    };
    let zone = other_zone(&flow.from).or_else(|| other_zone(&flow.to))?;
    let declaration = case.resolution.zone(&zone)?.declaration.as_deref()?;
    if declaration.open_flows(case.now).any(|theirs| overlap::covers(theirs, flow, case.resolution)) {
        return None;
    }
    let message = format!("The other end lies in zone {zone}, which does not declare this flow.");
    Some(Found::new(FindingId::FlowBetweenZonesUndeclaredOneSide, subject(case, flow), message))
}

/// Production and what is not are kept apart (PCI DSS 6.5.3).
fn crosses(case: &Case, flow: &Flow) -> Option<Found> {
    let ours = case.declaration.environment?;
    let zone_of = |peer: &Peer| match (&peer.zone, &peer.namespace) {
        (Some(zone), _) => Some(zone.clone()),
        (None, Some(namespace)) => case.resolution.namespace(namespace).filter(|claim| claim.is_member())?.zone.clone(),
        (None, None) => None,
    };
    let differs = |zone: String| {
        let theirs = case.resolution.zone(&zone)?.answer()?.environment?;
        (zone != case.name && theirs != ours).then_some((zone, theirs))
    };
    let (zone, theirs) = [&flow.from, &flow.to].into_iter().filter_map(zone_of).find_map(differs)?;
    let message = format!("It connects {} with zone {zone}, which is {}.", ours.as_str(), theirs.as_str());
    Some(Found::new(FindingId::FlowCrossesEnvironment, subject(case, flow), message))
}

fn speaks_plainly(case: &Case, flow: &Flow) -> Option<Found> {
    if flow.mitigation.is_some() {
        return None;
    }
    let known = flow.ports.iter().filter_map(|port| Some((insecure::service_of(port)?.name, port)));
    let known: Vec<String> =
        known.map(|(name, port)| format!("{name} ({} {})", port.protocol.as_str(), port.port)).collect();
    let shown: Vec<&str> = known.iter().take(NAMED).map(String::as_str).collect();
    (!known.is_empty()).then(|| {
        let message = "It opens a port of a service that sends in plain text, and gives no mitigation.";
        Found::new(FindingId::InsecureProtocolFlow, subject(case, flow), message).with_evidence(shown.join(", "))
    })
}

fn says_nothing(case: &Case, flow: &Flow) -> Option<Found> {
    is_boilerplate(&flow.need).then(|| {
        let message = "Its need fits any flow: it does not say who needs what from whom.";
        Found::new(FindingId::FlowUnjustified, subject(case, flow), message).with_evidence(&flow.need)
    })
}

fn is_boilerplate(need: &str) -> bool {
    let letters: BTreeSet<char> = need.chars().filter(|c| c.is_alphabetic() && !c.is_ascii()).collect();
    let words = need.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let words: BTreeSet<String> = words.filter(|word| !word.is_empty() && !EMPTY.contains(&word.as_str())).collect();
    letters.len() < LETTERS && words.len() < WORDS
}

/// Pods by namespace; empty where no flow can be too broad.
struct Crowd<'a>(BTreeMap<&'a str, Vec<&'a Pod>>);

impl<'a> Crowd<'a> {
    fn new(case: &Case<'a>) -> Self {
        let mut crowd: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
        let is_pods = |peer: &Peer| peer.namespace.is_some() || peer.zone.is_some();
        if case.declaration.flows.iter().any(|flow| is_pods(&flow.from) && is_pods(&flow.to)) {
            for pod in case.snapshot.pods.iter().filter(|pod| !pod.ended) {
                crowd.entry(pod.namespace()).or_default().push(pod);
            }
        }
        Crowd(crowd)
    }

    /// How many pods an end means; a namespace is as good as a pod, since there will be one. Addresses count as one.
    fn size(&self, case: &Case, peer: &Peer) -> usize {
        let pods = |namespace: &str| self.0.get(namespace).map(Vec::as_slice).unwrap_or_default();
        if let Some(zone) = peer.zone.as_ref().and_then(|zone| case.resolution.zone(zone)) {
            let namespaces = zone.namespaces.declared.union(&zone.namespaces.held);
            return namespaces.map(|namespace| pods(namespace).len().max(1)).sum();
        }
        let Some(namespace) = &peer.namespace else { return 1 };
        let selector = peer.pod_selector.as_ref().map(LabelSelector::from).unwrap_or_default();
        let Ok(selector) = LabelMatcher::try_from(selector) else { return 1 };
        pods(namespace).iter().filter(|pod| selector.matches(&pod.labels)).count().max(1)
    }
}

/// No count of pods in the message: it would change with each pod.
fn is_broad(case: &Case, flow: &Flow, crowd: &Crowd) -> Option<Found> {
    let pairs = crowd.size(case, &flow.from).saturating_mul(crowd.size(case, &flow.to));
    (pairs > PAIRS).then(|| {
        let message = "It opens more than 10,000 pairs of pods, counting each namespace as a pod at least.";
        Found::new(FindingId::FlowTooBroad, subject(case, flow), message)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::engine::{Snapshot, evaluate, resolve, snapshot::ZoneRecord};

    #[test]
    fn a_namespace_is_as_good_as_a_pod() {
        let broad = |namespaces: usize| {
            let names: Vec<String> = (0..namespaces).map(|n| format!("n-{n}")).collect();
            let zone = json!({
                "metadata": { "name": "cde" },
                "spec": {
                    "scope": { "namespaces": { "names": names } },
                    "segmentation": { "flows": [{
                        "name": "within", "need": "Checkout stores card numbers as tokens.", "owner": "a", "approvedBy": "b",
                        "ticket": "PAY-1", "reviewedAt": "2026-10-01T00:00:00Z", "expiresAt": "2027-04-01T00:00:00Z",
                        "from": { "zone": "cde" }, "to": { "zone": "cde" }, "ports": [{ "port": 8443 }],
                    }] },
                },
            });
            let namespace = |name: &String| {
                let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
                (name.clone(), Arc::new(namespace))
            };
            let snapshot = Snapshot {
                zones: vec![ZoneRecord::Readable(Arc::new(serde_json::from_value(zone).unwrap()))],
                namespaces: names.iter().map(namespace).collect(),
                ..Snapshot::default()
            };
            let now = "2026-11-24T08:00:00Z".parse().unwrap();
            let judged = evaluate(&snapshot, &resolve(&snapshot), now).remove("cde").unwrap();
            judged.findings.iter().any(|one| one.id == FindingId::FlowTooBroad)
        };
        assert!(!broad(100), "10,000 pairs are as many as one flow may open");
        assert!(broad(101));
    }

    #[test]
    fn a_need_that_fits_any_flow_says_nothing() {
        for (need, empty) in [
            ("Checkout stores card numbers as tokens in the vault.", false),
            ("Prometheus scrapes metrics of checkout", false),
            ("needed needed needed needed", true),
            ("Checkout checkout CHECKOUT checkout", true),
            ("tbd tbd tbd tbd tbd tbd", true),
            ("n/a n/a n/a n/a n/a n/a n/a", true),
            ("Needed for business purposes.", true),
            ("This port is required because we need it.", true),
            ("Allow traffic from checkout to vault", true),
            ("--------------------", true),
            ("Касса хранит номера карт как токены в хранилище.", false),
            ("нужно нужно нужно нужно нужно", true),
            ("结账服务把卡号存入保险库并换取令牌以便以后支付使用", false),
        ] {
            assert_eq!(is_boilerplate(need), empty, "{need}");
        }
    }
}
