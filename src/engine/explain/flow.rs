//! A flow: what it compiles to, whether that is in place, and whether traffic gets through.

use k8s_openapi::jiff::Timestamp;

use super::{Explanation, SUBJECTS, requirements_of};
use crate::{
    api::{Flow, Peer},
    engine::{
        Resolution, Snapshot,
        checks::Found,
        dates::{REVIEW_INTERVAL, later},
        declaration::Declaration,
        desired::policies::{self, Unresolvable},
        graph,
        plan::says_what_it_must,
        pod::Pod,
        reach::{End, Reach, Terms, words::few},
        resolve::Zone,
    },
};

/// Pairs of pods that are asked.
const PAIRS: usize = 20;

/// A flow of a zone: what it compiles to, whether that is in place, and whether traffic gets through.
pub fn flow(
    snapshot: &Snapshot,
    resolution: &Resolution,
    (declaration, zone): (&Declaration, &Zone),
    flow: &Flow,
    found: &[Found],
    now: Timestamp,
) -> Explanation {
    let mut explanation = Explanation::new(format!("flow {} of zone {}", flow.name, declaration.name));
    let edge = graph::flow(declaration, zone, flow, resolution, &snapshot.cluster, now);
    explanation.say("what", format!("{} may reach {} on {}", edge.from, edge.to, edge.ports));
    explanation.say("need", flow.need.as_str());
    explanation.say("people", format!("owner {}, approved by {} under {}", flow.owner, flow.approved_by, flow.ticket));
    explanation.say(
        "dates",
        format!(
            "reviewed {}, next review by {}, ends {}",
            flow.reviewed_at.0,
            later(flow.reviewed_at.0, REVIEW_INTERVAL),
            flow.expires_at.0
        ),
    );
    explanation.all("requirements", requirements_of(&["1.2.5", "1.2.7"]));
    let reasons = policies::unresolvable(declaration, flow, &zone.namespaces.declared, resolution, &snapshot.cluster);
    let state = if flow.expires_at.0 <= now {
        "It has ended, and is closed.".to_string()
    } else if reasons.is_empty() {
        "It is declared and has not ended; what gets through stands below.".to_string()
    } else {
        format!("It is closed: {}.", few(&reasons.iter().map(reason).collect::<Vec<_>>()))
    };
    explanation.say("state", state);
    explanation.all("policies", policies_of(snapshot, resolution, declaration, zone, flow, now));
    explanation.all("traffic", traffic_of(snapshot, flow));
    let subject = format!("Flow/{}/{}", declaration.name, flow.name);
    let about = found.iter().filter(|found| found.subject == subject);
    let lines: Vec<String> =
        about.map(|found| format!("{} ({:?}): {}", found.id.as_str(), found.severity, found.message)).collect();
    let none = if lines.is_empty() { vec!["None about this flow.".to_string()] } else { lines };
    explanation.all("findings", none);
    explanation
}

fn reason(reason: &Unresolvable) -> String {
    match reason {
        Unresolvable::NoNamespace(name) => format!("there is no namespace {name}"),
        Unresolvable::EmptyZone(name) => format!("zone {name} is not there or has no namespace"),
        Unresolvable::NoApiServer => "the addresses of the API server are not known".to_string(),
        Unresolvable::Elsewhere => "neither end lies in the zone".to_string(),
    }
}

/// The policies of a flow, and whether each is there as it must be.
fn policies_of(
    snapshot: &Snapshot,
    resolution: &Resolution,
    declaration: &Declaration,
    zone: &Zone,
    flow: &Flow,
    now: Timestamp,
) -> Vec<String> {
    let mut lines = Vec::new();
    for namespace in &zone.namespaces.declared {
        let desired = policies::desired(declaration, namespace, resolution, &snapshot.cluster, now);
        for end in policies::ends_in(declaration, flow, namespace) {
            let name = policies::flow_policy_name(&flow.name, end);
            let live = snapshot.policies.get(namespace).into_iter().flatten();
            let live = live.clone().find(|policy| policy.metadata.name.as_deref() == Some(&name));
            let state = match (desired.get(&name), live) {
                (Some(wanted), Some(live)) if says_what_it_must(live, wanted) => "in place",
                (Some(_), Some(_)) => "not as it must be",
                (Some(_), None) => "not there",
                (None, Some(_)) => "there, and to be removed",
                (None, None) => "not to be there, because the flow is closed",
            };
            lines.push(format!("NetworkPolicy/{namespace}/{name}: {state}"));
            if lines.len() == SUBJECTS {
                lines.push("and more, one for each namespace".to_string());
                return lines;
            }
        }
    }
    lines
}

/// Whether pods at the two ends get through to each other.
fn traffic_of(snapshot: &Snapshot, flow: &Flow) -> Vec<String> {
    let reach = Reach::new(snapshot);
    let of = |peer: &Peer| -> Vec<&Pod> {
        let Some(namespace) = peer.namespace.as_deref() else { return Vec::new() };
        let selector = peer.pod_selector.as_ref().map(Into::into).unwrap_or_default();
        let terms = Terms::read(&selector).unwrap_or_default();
        let classes = reach.population.select_within(namespace, &terms);
        classes.iter().filter_map(|class| reach.population.class(class)).flat_map(|class| class.pods.clone()).collect()
    };
    let (from, to) = (of(&flow.from), of(&flow.to));
    let is_pods = |peer: &Peer| peer.namespace.is_some();
    if !is_pods(&flow.from) || !is_pods(&flow.to) {
        return Vec::new();
    }
    if from.is_empty() || to.is_empty() {
        let end = if from.is_empty() { "opens it" } else { "accepts it" };
        return vec![format!("No pod that {end} and that a policy can hold for runs in what was looked at.")];
    }
    let name = |pod: &Pod| End::Pod { namespace: pod.namespace().to_string(), name: pod.name().to_string() };
    let all = from.len().saturating_mul(to.len());
    let more = (all > PAIRS).then(|| format!("and {} more pairs of pods; pcizone reach has all", all - PAIRS));
    let pairs = from.iter().flat_map(|one| to.iter().map(move |other| (one, other)));
    let asked = pairs.take(PAIRS).flat_map(|(one, other)| flow.ports.iter().map(move |port| (one, other, port)));
    asked
        .filter_map(|(one, other, port)| {
            let number = u16::try_from(port.port).ok()?;
            let answer = reach.probe(&name(one), &name(other), port.protocol, number);
            let said = if answer.allowed { "gets through" } else { "is stopped" };
            let by = few(&answer.decided_by);
            let unread = if answer.unread.is_empty() {
                String::new()
            } else {
                format!("; not understood in all, and so not sure: {}", few(&answer.unread))
            };
            Some(format!("{} to {} on {} {number} {said}: {by}{unread}", one.key, other.key, port.protocol.as_str()))
        })
        .chain(more)
        .collect()
}
