//! From a judgement to the status: conditions and counts.
//!
//! Bounded and stable: equal input gives byte-equal output, and nothing ticks while nothing changes.

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};

use super::{
    change::{self, count},
    checks::{Case, Found, Topic, canary, topic},
    obligations,
    plan::{Act, Write, namespace_subject, node_subject},
    resolve::Members,
    shown::{MESSAGE, bounded, fit, seconds, shown},
};
use crate::api::{
    ConditionType, FindingCounts, FindingId, FindingState, PciZoneStatus, Plan, Reason, ScopeStatus, Severity,
    TestResult,
};

mod images;
mod logs;

const TOP_FINDINGS: usize = 20;
const SAMPLE_NAMESPACES: usize = 20;
/// Fewer, because their names are longer.
const SAMPLE_NODES: usize = 10;
const PLAN_SAMPLE: usize = 10;
const NAMES_IN_MESSAGE: usize = 3;

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    True,
    False,
    Unknown,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Verdict::True => "True",
            Verdict::False => "False",
            Verdict::Unknown => "Unknown",
        }
    }
}

struct Judgement {
    kind: ConditionType,
    verdict: Verdict,
    reason: Reason,
    message: String,
}

impl Judgement {
    fn new(kind: ConditionType, verdict: Verdict, reason: Reason, message: impl Into<String>) -> Self {
        Judgement { kind, verdict, reason, message: message.into() }
    }
}

/// The status of a zone that could be read.
pub fn status(case: &Case, found: &[Found], previous: Option<&PciZoneStatus>) -> PciZoneStatus {
    let confirmed = case.zone.is_confirmed() && !case.zone.is_leaving();
    let mut judgements = vec![
        ready(case),
        compliant(found, case.zone.has_no_namespace()),
        scope_resolved(case),
        network_segmented(case, found),
        nodes_dedicated(case, found),
        segmentation_proven(case, found),
        images::scanned(case, found),
        logs::collected(case, found),
    ];
    judgements.extend(progress(case));
    fit(PciZoneStatus {
        observed_generation: Some(case.declaration.generation),
        conditions: conditions(judgements, case.declaration.generation, previous, case.now),
        scope: Some(scope(case)),
        findings: Some(counts(found)),
        top_findings: found.iter().take(TOP_FINDINGS).map(shown).collect(),
        obligations: obligations::nearest(case.declaration, case.images.as_ref(), case.now),
        change: change::pending(case.zone),
        confirmed_changes: case.declaration.confirmed_changes.saturating_add(i64::from(confirmed)),
        break_glass: case.break_glass.clone(),
        segmentation_test: canary::test(case).cloned(),
        control_failures: case.failures.clone(),
        images: images::status(case),
        logs: logs::status(case),
        plan: case.observes().then(|| plan(case)),
    })
}

/// The status of a zone that cannot be judged. What it protects stays as it is.
pub fn blocked(
    generation: i64,
    reason: Reason,
    message: &str,
    previous: Option<&PciZoneStatus>,
    now: Timestamp,
) -> PciZoneStatus {
    let judge = |kind, verdict| Judgement::new(kind, verdict, reason, message);
    let judgements = vec![
        judge(ConditionType::Ready, Verdict::False),
        judge(ConditionType::Compliant, Verdict::Unknown),
        judge(ConditionType::ScopeResolved, Verdict::Unknown),
        judge(ConditionType::NetworkSegmented, Verdict::Unknown),
        judge(ConditionType::NodesDedicated, Verdict::Unknown),
        judge(ConditionType::SegmentationProven, Verdict::Unknown),
        judge(ConditionType::ImagesScanned, Verdict::Unknown),
        judge(ConditionType::LogsCollected, Verdict::Unknown),
        judge(ConditionType::Stalled, Verdict::True),
    ];
    PciZoneStatus {
        observed_generation: Some(generation),
        conditions: conditions(judgements, generation, previous, now),
        confirmed_changes: previous.map(|status| status.confirmed_changes).unwrap_or_default(),
        break_glass: previous.and_then(|status| status.break_glass.clone()),
        // What was tried stays on record; it proves nothing while nothing can be judged.
        segmentation_test: previous.and_then(|status| status.segmentation_test.clone()),
        control_failures: previous.map(|status| status.control_failures.clone()).unwrap_or_default(),
        ..PciZoneStatus::default()
    }
}

/// Why the zone cannot go on by itself, if so.
fn stalled(case: &Case) -> Option<(Reason, String)> {
    if let Some(right) = case.snapshot.missing_rights.first() {
        let others = case.snapshot.missing_rights.len() - 1;
        let more = if others == 0 { String::new() } else { format!(" and {} more", count(others, "right")) };
        return Some((
            Reason::MissingRights,
            format!("The operator may not {right}{more}; apply the RBAC objects from deploy/."),
        ));
    }
    if let Some(change) = change::pending(case.zone) {
        let message = format!(
            "{} To carry it out: kubectl annotate pz {} {}={} --overwrite",
            change.message,
            case.name,
            crate::api::names::CONFIRM_CHANGE,
            change.digest
        );
        return Some((Reason::ChangeNotConfirmed, message));
    }
    let contested = case.zone.namespaces.contested.iter().map(|name| format!("Namespace/{name}"));
    let contested: Vec<String> =
        contested.chain(case.zone.nodes.contested.iter().map(|name| format!("Node/{name}"))).collect();
    (!contested.is_empty()).then(|| (Reason::ClaimedTwice, format!("Another zone has {} already.", some(&contested))))
}

fn ready(case: &Case) -> Judgement {
    let judge = |verdict, reason, message: String| Judgement::new(ConditionType::Ready, verdict, reason, message);
    if let Some((reason, message)) = stalled(case) {
        return judge(Verdict::False, reason, message);
    }
    if case.declaration.deleting {
        return judge(Verdict::False, Reason::Releasing, "The protection is being removed.".to_string());
    }
    if let Some((reason, message)) = applying(case) {
        return judge(Verdict::False, reason, message);
    }
    if case.zone.only_observes() {
        return judge(
            Verdict::True,
            Reason::Observing,
            "The zone only observes; status.plan says what Enforce would write.".to_string(),
        );
    }
    judge(Verdict::True, Reason::InPlace, "Everything that this generation declares is in place.".to_string())
}

/// What is still to be written for this generation. Once it was in place, drift shows in the topics and not
/// here: a finding never blocks a GitOps sync.
fn applying(case: &Case) -> Option<(Reason, String)> {
    let is_drift = |write: &&Write| case.was_in_place && !case.zone.is_leaving() && case.is_repair(write);
    let guards_are_late = case.is_guarding_late() && !case.was_in_place;
    let unconfigured = case.unconfigured().or_else(|| case.untold()).filter(|_| !case.was_in_place);
    if case.due_writes().all(|write| is_drift(&write))
        && !case.is_handing_over()
        && !guards_are_late
        && unconfigured.is_none()
    {
        return None;
    }
    if let Some((_, error)) = case.failures().next() {
        return Some((Reason::WriteRefused, format!("{error}; it is tried again.")));
    }
    if let Some(Some(trouble)) = unconfigured {
        return Some((Reason::WriteRefused, format!("{trouble}; it is tried again.")));
    }
    Some((Reason::Applying, "What the zone declares is being written.".to_string()))
}

/// The abnormal conditions that kstatus reads; present only while true.
fn progress(case: &Case) -> Option<Judgement> {
    if let Some((reason, message)) = stalled(case) {
        return Some(Judgement::new(ConditionType::Stalled, Verdict::True, reason, message));
    }
    let (reason, message) = if case.declaration.deleting {
        (Reason::Releasing, "The protection is being removed.".to_string())
    } else {
        applying(case)?
    };
    Some(Judgement::new(ConditionType::Reconciling, Verdict::True, reason, message))
}

fn compliant(found: &[Found], has_no_namespace: bool) -> Judgement {
    let judge = |verdict, reason, message: String| Judgement::new(ConditionType::Compliant, verdict, reason, message);
    // Low is worth knowing, such as a flow that ends soon; nothing is missed yet.
    let of = |state| found.iter().filter(move |f| f.state == state && f.severity != Severity::Low);
    if let Some(used) = found.iter().find(|f| f.id == FindingId::BreakGlassUsed) {
        return judge(Verdict::False, Reason::BreakGlassUsed, used.message.clone());
    }
    if of(FindingState::Violated).next().is_some() {
        return judge(Verdict::False, Reason::Violated, worst(of(FindingState::Violated)));
    }
    if of(FindingState::Unproven).next().is_some() {
        return judge(Verdict::Unknown, Reason::Unproven, worst(of(FindingState::Unproven)));
    }
    if has_no_namespace {
        let message = "The zone has no namespace, so nothing was judged.";
        return judge(Verdict::Unknown, Reason::MatchesNothing, message.to_string());
    }
    let (reason, note) = accepted(found.iter(), Reason::Proven);
    judge(Verdict::True, reason, format!("Everything that is judged is proven{note}."))
}

/// The reason and the words for what is accepted, where something is: it is counted, never hidden.
fn accepted<'a>(found: impl Iterator<Item = &'a Found>, otherwise: Reason) -> (Reason, String) {
    match found.filter(|f| f.state == FindingState::Accepted).count() {
        0 => (otherwise, String::new()),
        n => (Reason::Accepted, format!(", but for {} that exceptions of the zone accept", count(n, "finding"))),
    }
}

fn scope_resolved(case: &Case) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::ScopeResolved, verdict, reason, message);
    let contested: Vec<String> =
        [&case.zone.namespaces, &case.zone.nodes].into_iter().flat_map(|m| m.contested.iter().cloned()).collect();
    if !contested.is_empty() {
        return judge(Verdict::False, Reason::ClaimedTwice, format!("Another zone has {} already.", some(&contested)));
    }
    let nodes = case.declaration.nodes.as_ref().filter(|_| !case.snapshot.unseen.nodes);
    let missing_nodes = nodes.into_iter().flat_map(|nodes| &nodes.names);
    let missing_nodes = missing_nodes.filter(|name| !case.snapshot.nodes.contains_key(*name));
    let missing = case.declaration.namespaces.names.iter().filter(|name| !case.resolution.has_namespace(name));
    let missing = missing.map(|name| namespace_subject(name)).chain(missing_nodes.map(|name| node_subject(name)));
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        return judge(Verdict::False, Reason::Missing, format!("Declared, but not there yet: {}.", some(&missing)));
    }
    let Members { declared, left_out, .. } = &case.zone.namespaces;
    let left_out: Vec<String> = left_out.iter().cloned().collect();
    let note = if left_out.is_empty() {
        String::new()
    } else {
        format!(" Left out, because they are never members: {}.", some(&left_out))
    };
    if declared.is_empty() {
        return judge(Verdict::False, Reason::MatchesNothing, format!("The declaration matches no namespace.{note}"));
    }
    if nodes.is_some() && case.zone.nodes.declared.is_empty() {
        return judge(Verdict::False, Reason::MatchesNothing, format!("The declaration matches no node.{note}"));
    }
    let reason = if left_out.is_empty() { Reason::Resolved } else { Reason::LeftOut };
    judge(Verdict::True, reason, format!("All declared objects were found.{note}"))
}

fn network_segmented(case: &Case, found: &[Found]) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::NetworkSegmented, verdict, reason, message);
    let of = |state| {
        // What was not tested, or too long ago, is told by the message, and by a condition of its own.
        let untested = [FindingId::CniEnforcementUnproven, FindingId::SegmentationProbeStale];
        let about = move |f: &&Found| topic(f.id) == Topic::Segmentation && !untested.contains(&f.id);
        found.iter().filter(move |f| f.state == state && about(f))
    };
    if case.zone.has_no_namespace() {
        return judge(Verdict::Unknown, Reason::MatchesNothing, "The zone has no namespace.".to_string());
    }
    if of(FindingState::Violated).next().is_some() {
        return judge(Verdict::False, Reason::Violated, worst(of(FindingState::Violated)));
    }
    if case.namespace_writes.iter().any(|write| !matches!(write, Write::UnlabelNamespace { .. })) {
        return judge(Verdict::False, Reason::Applying, "Not every declared policy is in place.".to_string());
    }
    if of(FindingState::Unproven).next().is_some() {
        return judge(Verdict::Unknown, Reason::Unproven, worst(of(FindingState::Unproven)));
    }
    let (reason, note) = accepted(found.iter().filter(|f| topic(f.id) == Topic::Segmentation), Reason::InPlace);
    let tested = if canary::is_proven(case) {
        "That the network plug-in enforces it was tested on real nodes (SegmentationProven)."
    } else {
        "Whether the network plug-in enforces it was not tested."
    };
    let message = format!("Every member namespace denies by default and allows what is declared{note}. {tested}");
    judge(Verdict::True, reason, message)
}

/// What was tried on real nodes, and nothing else: what policies say stands in `NetworkSegmented`.
fn segmentation_proven(case: &Case, found: &[Found]) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::SegmentationProven, verdict, reason, message);
    if case.zone.has_no_namespace() {
        return judge(Verdict::Unknown, Reason::MatchesNothing, "The zone has no namespace.".to_string());
    }
    let failed = [FindingId::CniNoEnforcement, FindingId::SegmentationProbeFailed];
    if let Some(failed) = found.iter().find(|found| failed.contains(&found.id)) {
        return judge(Verdict::False, Reason::Violated, format!("{}: {}", failed.id.as_str(), failed.message));
    }
    let of = |id| found.iter().find(move |found| found.id == id);
    if let Some(stale) = of(FindingId::SegmentationProbeStale) {
        return judge(Verdict::Unknown, Reason::Stale, stale.message.clone());
    }
    match (canary::test(case), of(FindingId::CniEnforcementUnproven)) {
        (Some(test), None) if canary::is_proven(case) => {
            judge(Verdict::True, Reason::Proven, format!("{} {}", test.message, canary::LIMITS))
        }
        // What others opened is open, whatever the plug-in does.
        (Some(test), _) if test.result == TestResult::NotEnforced => {
            judge(Verdict::False, Reason::Violated, test.message.clone())
        }
        (_, Some(unproven)) => judge(Verdict::Unknown, Reason::NotTested, unproven.message.clone()),
        (Some(test), None) => judge(Verdict::Unknown, Reason::Unproven, test.message.clone()),
        (None, None) => judge(Verdict::Unknown, Reason::NotTested, "Nothing was tried on real nodes.".to_string()),
    }
}

fn nodes_dedicated(case: &Case, found: &[Found]) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::NodesDedicated, verdict, reason, message);
    let violated = || {
        found.iter().filter(|f| {
            topic(f.id) == Topic::Hosting
                && f.state == FindingState::Violated
                && f.id != FindingId::NodeLabelUnprotected
        })
    };
    if violated().next().is_some() {
        return judge(Verdict::False, Reason::Violated, worst(violated()));
    }
    if case.declaration.nodes.is_none() {
        return judge(Verdict::Unknown, Reason::NotDeclared, "The zone declares no nodes (spec.hosting).".to_string());
    }
    if case.snapshot.unseen.nodes {
        let message = "No node was given, so hosting was not judged.";
        return judge(Verdict::Unknown, Reason::Unproven, message.to_string());
    }
    let (reason, note) = accepted(found.iter().filter(|f| topic(f.id) == Topic::Hosting), Reason::InPlace);
    let message = format!(
        "Every node of the zone carries its label and taint, and no other node does; the zone's pods run there, and nobody else's but what is admitted{note}."
    );
    judge(Verdict::True, reason, message)
}

fn conditions(
    judgements: Vec<Judgement>,
    generation: i64,
    previous: Option<&PciZoneStatus>,
    now: Timestamp,
) -> Vec<Condition> {
    let before: BTreeMap<&str, &Condition> =
        previous.into_iter().flat_map(|status| &status.conditions).map(|c| (c.type_.as_str(), c)).collect();
    let condition = |judgement: Judgement| {
        let kept = before.get(judgement.kind.as_str()).filter(|c| c.status == judgement.verdict.as_str());
        Condition {
            type_: judgement.kind.as_str().to_string(),
            status: judgement.verdict.as_str().to_string(),
            reason: judgement.reason.as_str().to_string(),
            message: bounded(&judgement.message, 2 * MESSAGE),
            observed_generation: Some(generation),
            last_transition_time: kept.map_or_else(|| seconds(now), |c| c.last_transition_time.clone()),
        }
    };
    judgements.into_iter().map(condition).collect()
}

fn scope(case: &Case) -> ScopeStatus {
    let sample = |members: &Members, most| members.declared.iter().take(most).cloned().collect();
    ScopeStatus {
        namespace_count: number(case.zone.namespaces.declared.len()),
        node_count: number(case.zone.nodes.declared.len()),
        sample_namespaces: sample(&case.zone.namespaces, SAMPLE_NAMESPACES),
        sample_nodes: sample(&case.zone.nodes, SAMPLE_NODES),
        digest: case.scope_digest.clone(),
    }
}

fn counts(found: &[Found]) -> FindingCounts {
    let of = |state| number(found.iter().filter(|f| f.state == state).count());
    let violated =
        |severity| number(found.iter().filter(|f| f.state == FindingState::Violated && f.severity == severity).count());
    FindingCounts {
        critical: violated(Severity::Critical),
        high: violated(Severity::High),
        medium: violated(Severity::Medium),
        low: violated(Severity::Low),
        unproven: of(FindingState::Unproven),
        accepted: of(FindingState::Accepted),
    }
}

fn plan(case: &Case) -> Plan {
    let mut plan = Plan::default();
    for write in case.observed_writes() {
        match write.act() {
            Act::Create => plan.create += 1,
            Act::Update => plan.update += 1,
            Act::Delete => plan.delete += 1,
        }
        if plan.sample.len() < PLAN_SAMPLE {
            plan.sample.push(bounded(&write.words(), MESSAGE));
        }
    }
    plan
}

/// The worst of some findings, in a sentence; `found` is sorted by severity.
fn worst<'a>(mut found: impl Iterator<Item = &'a Found>) -> String {
    let Some(first) = found.next() else { return String::new() };
    let more = match found.count() {
        0 => String::new(),
        others => format!(" And {}; see status.topFindings.", count(others, "other finding")),
    };
    format!("{} on {}: {}{more}", first.id.as_str(), first.subject, first.message)
}

/// Some names, and how many more.
fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_IN_MESSAGE).map(String::as_str).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A count as the API has it.
pub(super) fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_counted_and_leaves_the_zone_compliant() {
        let found = |id, state| Found { state, ..Found::new(id, "Pod/vault/vault-0", "It is so.") };
        let violated = found(FindingId::HostNetworkPod, FindingState::Violated);
        let unproven = found(FindingId::PodPredatesPolicy, FindingState::Unproven);
        let accepted = found(FindingId::HostNetworkPod, FindingState::Accepted);
        let low = found(FindingId::ExceptionUnused, FindingState::Violated);
        let note = "Everything that is judged is proven, but for 1 finding that exceptions of the zone accept.";
        for (name, found, verdict, reason, message) in [
            ("nothing", vec![], Verdict::True, Reason::Proven, "Everything that is judged is proven."),
            ("accepted", vec![accepted.clone()], Verdict::True, Reason::Accepted, note),
            ("accepted and low", vec![low, accepted.clone()], Verdict::True, Reason::Accepted, note),
            ("violated too", vec![violated, accepted.clone()], Verdict::False, Reason::Violated, "HostNetworkPod on"),
            ("unproven too", vec![unproven, accepted], Verdict::Unknown, Reason::Unproven, "PodPredatesPolicy on"),
        ] {
            let judged = compliant(&found, false);
            assert_eq!((judged.verdict, judged.reason), (verdict, reason), "{name}");
            assert!(judged.message.starts_with(message), "{name}: {}", judged.message);
        }
    }
}
