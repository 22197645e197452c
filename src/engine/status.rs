//! From a judgement to the status: conditions, counts, the worst findings, what is due.
//!
//! Bounded and stable: equal input gives byte-equal output, and nothing ticks while nothing changes.

use std::collections::BTreeMap;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::{Timestamp, Unit},
};

use super::{
    change::{self, count},
    checks::{Case, Found, Topic, segmentation, topic},
    guards::GuardWrite,
    plan::{Write, namespace_subject, node_subject},
    resolve::Members,
};
use crate::api::{
    ConditionType, Finding, FindingCounts, FindingId, FindingState, Obligation, PciZoneStatus, Plan, Reason,
    ScopeStatus, Severity,
};

const TOP_FINDINGS: usize = 20;
const SAMPLE_NAMESPACES: usize = 20;
/// Fewer, because their names are longer.
const SAMPLE_NODES: usize = 10;
const OBLIGATIONS: usize = 10;
const PLAN_SAMPLE: usize = 10;
const NAMES_IN_MESSAGE: usize = 3;
const MESSAGE: usize = 256;
const EVIDENCE: usize = 128;
/// The longest subject there is, `NetworkPolicy/<63>/<253>`: a cut one could be the same as another, and the
/// list is keyed by it.
const SUBJECT: usize = 331;

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
        ready(case, previous),
        compliant(case, found),
        scope_resolved(case),
        network_segmented(case, found),
        nodes_dedicated(case, found),
    ];
    judgements.extend(progress(case, previous));
    PciZoneStatus {
        observed_generation: Some(case.declaration.generation),
        conditions: conditions(judgements, case.declaration.generation, previous, case.now),
        scope: Some(scope(case)),
        findings: Some(counts(found)),
        top_findings: top_findings(found, previous, case.now),
        obligations: obligations(case),
        change: change::pending(case.zone),
        confirmed_changes: case.declaration.confirmed_changes.saturating_add(i64::from(confirmed)),
        break_glass: case.break_glass.clone(),
        plan: case.observes().then(|| plan(case)),
    }
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
        judge(ConditionType::Stalled, Verdict::True),
    ];
    PciZoneStatus {
        observed_generation: Some(generation),
        conditions: conditions(judgements, generation, previous, now),
        confirmed_changes: previous.map(|status| status.confirmed_changes).unwrap_or_default(),
        break_glass: previous.and_then(|status| status.break_glass.clone()),
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

fn ready(case: &Case, previous: Option<&PciZoneStatus>) -> Judgement {
    let judge = |verdict, reason, message: String| Judgement::new(ConditionType::Ready, verdict, reason, message);
    if let Some((reason, message)) = stalled(case) {
        return judge(Verdict::False, reason, message);
    }
    if case.declaration.deleting {
        return judge(Verdict::False, Reason::Releasing, "The protection is being removed.".to_string());
    }
    if let Some((reason, message)) = applying(case, previous) {
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
fn applying(case: &Case, previous: Option<&PciZoneStatus>) -> Option<(Reason, String)> {
    let generation = Some(case.declaration.generation);
    let was_in_place = |condition: &Condition| {
        condition.type_ == ConditionType::Ready.as_str()
            && condition.reason == Reason::InPlace.as_str()
            && condition.observed_generation == generation
    };
    let is_in_place = previous.is_some_and(|status| status.conditions.iter().any(was_in_place));
    let is_drift = |write: &&Write| is_in_place && !case.zone.is_leaving() && case.is_repair(write);
    let guards_are_late = case.is_guarding_late() && !is_in_place;
    if case.due_writes().all(|write| is_drift(&write)) && !case.is_handing_over() && !guards_are_late {
        return None;
    }
    if let Some((_, error)) = case.failures().next() {
        return Some((Reason::WriteRefused, format!("{error}; it is tried again.")));
    }
    Some((Reason::Applying, "What the zone declares is being written.".to_string()))
}

/// The abnormal conditions that kstatus reads; present only while true.
fn progress(case: &Case, previous: Option<&PciZoneStatus>) -> Option<Judgement> {
    if let Some((reason, message)) = stalled(case) {
        return Some(Judgement::new(ConditionType::Stalled, Verdict::True, reason, message));
    }
    let (reason, message) = if case.declaration.deleting {
        (Reason::Releasing, "The protection is being removed.".to_string())
    } else {
        applying(case, previous)?
    };
    Some(Judgement::new(ConditionType::Reconciling, Verdict::True, reason, message))
}

fn compliant(case: &Case, found: &[Found]) -> Judgement {
    let judge = |verdict, reason, message: String| Judgement::new(ConditionType::Compliant, verdict, reason, message);
    // Low is worth knowing, such as a flow that ends soon; nothing is missed yet.
    let of = |state| found.iter().filter(move |f| f.id.state() == state && f.id.severity() != Severity::Low);
    if let Some(used) = found.iter().find(|f| f.id == FindingId::BreakGlassUsed) {
        return judge(Verdict::False, Reason::BreakGlassUsed, used.message.clone());
    }
    if of(FindingState::Violated).next().is_some() {
        return judge(Verdict::False, Reason::Violated, worst(of(FindingState::Violated)));
    }
    if of(FindingState::Unproven).next().is_some() {
        return judge(Verdict::Unknown, Reason::Unproven, worst(of(FindingState::Unproven)));
    }
    if case.zone.has_no_namespace() {
        let message = "The zone has no namespace, so nothing was judged.";
        return judge(Verdict::Unknown, Reason::MatchesNothing, message.to_string());
    }
    judge(Verdict::True, Reason::Proven, "Everything that is judged is proven.".to_string())
}

fn scope_resolved(case: &Case) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::ScopeResolved, verdict, reason, message);
    let contested: Vec<String> =
        [&case.zone.namespaces, &case.zone.nodes].into_iter().flat_map(|m| m.contested.iter().cloned()).collect();
    if !contested.is_empty() {
        return judge(Verdict::False, Reason::ClaimedTwice, format!("Another zone has {} already.", some(&contested)));
    }
    let nodes = case.declaration.nodes.as_ref();
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
        let about_flows = |id| {
            // The date and the ends of a flow say nothing about what is open, nor does what is encrypted.
            matches!(
                id,
                FindingId::FlowExpired
                    | FindingId::FlowExpiringSoon
                    | FindingId::FlowReviewOverdue
                    | FindingId::FlowUnresolvable
                    | FindingId::FlowBetweenZonesUndeclaredOneSide
                    | FindingId::FlowToApiServerUnproven
                    | FindingId::CniEnforcementUnproven
                    | FindingId::IngressWithoutTls
            )
        };
        found.iter().filter(move |f| topic(f.id) == Topic::Segmentation && f.id.state() == state && !about_flows(f.id))
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
    let message = "Every member namespace denies by default and allows what is declared. Whether the network plug-in enforces it was not tested.";
    judge(Verdict::True, Reason::InPlace, message.to_string())
}

fn nodes_dedicated(case: &Case, found: &[Found]) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::NodesDedicated, verdict, reason, message);
    let violated = || {
        found.iter().filter(|f| {
            topic(f.id) == Topic::Hosting
                && f.id.state() == FindingState::Violated
                && f.id != FindingId::NodeLabelUnprotected
        })
    };
    if violated().next().is_some() {
        return judge(Verdict::False, Reason::Violated, worst(violated()));
    }
    if case.declaration.nodes.is_none() {
        return judge(Verdict::Unknown, Reason::NotDeclared, "The zone declares no nodes (spec.hosting).".to_string());
    }
    let message = "Every node of the zone carries its label and taint, and no other node does; the zone's pods run there, and nobody else's but what is admitted.";
    judge(Verdict::True, Reason::InPlace, message.to_string())
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
        digest: change::scope_digest(case.zone),
    }
}

fn counts(found: &[Found]) -> FindingCounts {
    let violated = |severity| {
        number(found.iter().filter(|f| f.id.state() == FindingState::Violated && f.id.severity() == severity).count())
    };
    FindingCounts {
        critical: violated(Severity::Critical),
        high: violated(Severity::High),
        medium: violated(Severity::Medium),
        low: violated(Severity::Low),
        unproven: number(found.iter().filter(|f| f.id.state() == FindingState::Unproven).count()),
    }
}

fn top_findings(found: &[Found], previous: Option<&PciZoneStatus>, now: Timestamp) -> Vec<Finding> {
    let before: BTreeMap<(&str, &str), &Finding> = previous
        .into_iter()
        .flat_map(|status| &status.top_findings)
        .map(|f| ((f.id.as_str(), f.subject.as_str()), f))
        .collect();
    let finding = |f: &Found| {
        let subject = bounded(&f.subject, SUBJECT);
        let since = match (f.since, before.get(&(f.id.as_str(), subject.as_str()))) {
            (Some(since), _) => seconds(since),
            (None, Some(before)) => before.since.clone(),
            (None, None) => seconds(now),
        };
        Finding {
            id: f.id.as_str().to_string(),
            subject,
            state: f.id.state(),
            severity: f.id.severity(),
            requirements: f.id.requirements().iter().map(ToString::to_string).collect(),
            message: bounded(&f.message, MESSAGE),
            evidence: bounded(&f.evidence, EVIDENCE),
            remediation: f.id.remediation().to_string(),
            since,
        }
    };
    found.iter().take(TOP_FINDINGS).map(finding).collect()
}

fn obligations(case: &Case) -> Vec<Obligation> {
    let mut obligations: Vec<Obligation> = case
        .declaration
        .open_flows(case.now)
        .flat_map(|flow| {
            let review = segmentation::later(flow.reviewed_at.0, segmentation::REVIEW_INTERVAL);
            [
                (review, format!("Review flow {}.", flow.name)),
                (flow.expires_at.0, format!("Renew flow {} or let it close.", flow.name)),
            ]
        })
        .map(|(due, action)| Obligation { requirement: "1.2.7".to_string(), action, due: seconds(due) })
        .collect();
    let admits = case.declaration.admits.iter().filter(|admit| admit.expires_at.0 > case.now);
    obligations.extend(admits.map(|admit| Obligation {
        requirement: "12.5.2".to_string(),
        action: format!("Review why {} of {} runs on the zone's nodes.", admit.workload, admit.namespace),
        due: seconds(admit.expires_at.0),
    }));
    obligations.sort_by(|a, b| (&a.due, &a.action).cmp(&(&b.due, &b.action)));
    obligations.truncate(OBLIGATIONS);
    obligations
}

fn plan(case: &Case) -> Plan {
    let mut plan = Plan::default();
    for write in case.observed_writes() {
        match write {
            Write::CreatePolicy(_) | Write::Guard(GuardWrite::Create(_)) => plan.create += 1,
            Write::DeletePolicy(_)
            | Write::UnlabelNamespace { .. }
            | Write::PatchNode { label: None, .. }
            | Write::Guard(GuardWrite::Delete(_)) => {
                plan.delete += 1;
            }
            Write::ReplacePolicy { .. }
            | Write::LabelNamespace { .. }
            | Write::LabelNode { .. }
            | Write::PatchNode { label: Some(_), .. }
            | Write::SetPodSecurity { .. }
            | Write::Guard(GuardWrite::Replace { .. }) => plan.update += 1,
        }
        if plan.sample.len() < PLAN_SAMPLE {
            plan.sample.push(bounded(&format!("{} {}", write.verb(), write.subject()), MESSAGE));
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

/// At most so many bytes of a text.
fn bounded(text: &str, limit: usize) -> String {
    const CUT: &str = "…";
    if text.len() <= limit {
        return text.to_string();
    }
    let most = limit.saturating_sub(CUT.len());
    let kept = (0..=most).rev().find_map(|end| text.get(..end)).unwrap_or_default();
    format!("{kept}{CUT}")
}

/// A time as it is stored: whole seconds.
fn seconds(at: Timestamp) -> Time {
    let whole =
        k8s_openapi::jiff::TimestampRound::new().smallest(Unit::Second).mode(k8s_openapi::jiff::RoundMode::Trunc);
    Time(at.round(whole).unwrap_or(at))
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
