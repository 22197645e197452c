//! What the stores of a zone's logs said, in the status: one line for each, and the two columns.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Judgement, Verdict as Stands, accepted, number, worst};
use crate::{
    api::{ConditionType, FindingState, LogsStatus, Reason, Severity, Sink, StoreStatus},
    engine::{
        change::count,
        checks::{Case, Found, Topic, topic},
        collected::Said,
        dates::seconds,
        retention::Verdict,
        shown::bounded,
    },
};

/// Characters of what is said of a store.
const SHOWN: usize = 120;

/// Whether the zone's audit trail arrives and is kept.
pub(super) fn collected(case: &Case, found: &[Found]) -> Judgement {
    let judge =
        |verdict, reason, message: String| Judgement::new(ConditionType::LogsCollected, verdict, reason, message);
    if case.declaration.logs.is_none() {
        return judge(Stands::Unknown, Reason::NotDeclared, "The zone declares no logging (spec.logging).".to_string());
    }
    if case.zone.has_no_namespace() {
        return judge(Stands::Unknown, Reason::MatchesNothing, "The zone has no namespace.".to_string());
    }
    // Low is worth knowing; nothing is missed by it.
    let of = |state| {
        let about = |f: &&Found| topic(f.id) == Topic::Logging && f.severity != Severity::Low;
        found.iter().filter(about).filter(move |f| f.state == state)
    };
    if of(FindingState::Violated).next().is_some() {
        return judge(Stands::False, Reason::Violated, worst(of(FindingState::Violated)));
    }
    if of(FindingState::Unproven).next().is_some() {
        return judge(Stands::Unknown, Reason::Unproven, worst(of(FindingState::Unproven)));
    }
    let (reason, note) = accepted(found.iter().filter(|f| topic(f.id) == Topic::Logging), Reason::Proven);
    let message = format!(
        "Numbered lines of every pod arrive without a gap at stores that keep them long enough{note}. Whether applications write what they should is not looked at."
    );
    judge(Stands::True, reason, message)
}

/// Nothing where the zone has no sinks, or none was asked.
pub(super) fn status(case: &Case) -> Option<LogsStatus> {
    let sinks = &case.declaration.logs.as_ref()?.sinks;
    let collection = case.snapshot.collected.get(case.name)?;
    let said: Vec<(&Sink, &Said)> =
        sinks.iter().filter_map(|sink| Some((sink, collection.stores.get(&sink.name)?))).collect();
    if said.is_empty() {
        return None;
    }
    let deliveries: Vec<_> = said.iter().filter_map(|(_, said)| said.delivery.as_ref().ok()).collect();
    let is_whole = deliveries.len() == sinks.len();
    let pods = deliveries.iter().map(|one| one.pods).max().unwrap_or_default();
    let late = deliveries.iter().map(|one| one.late_pods).max().unwrap_or_default();
    let newest = deliveries.iter().filter_map(|one| one.oldest).min().filter(|_| is_whole);
    let stores = said.iter().map(|(sink, said)| StoreStatus {
        name: sink.name.clone(),
        delivery: delivery(said),
        retention: retention(&said.retention),
    });
    Some(LogsStatus {
        newest_record: newest.map(|at| Time(seconds(at))),
        retention: shortest(sinks.len(), &said),
        pods: number(pods),
        arriving: if is_whole { number(pods.saturating_sub(late)) } else { 0 },
        stores: stores.collect(),
    })
}

fn delivery(said: &Said) -> String {
    match &said.delivery {
        Err(why) => bounded(&format!("unproven: {why}"), SHOWN),
        Ok(one) if one.late_pods > 0 => format!("{} of {} late", one.late_pods, count(one.pods, "pod")),
        Ok(one) if one.gap_pods > 0 => format!("lines of {} lost", count(one.gap_pods, "pod")),
        Ok(one) if one.is_cut => "unproven: there are more pods than could be asked for".to_string(),
        Ok(one) => format!("{} arriving", count(one.pods, "pod")),
    }
}

fn retention(verdict: &Verdict) -> String {
    let text = match verdict {
        Verdict::Kept { days: Some(days), .. } => format!("{days}d"),
        Verdict::Kept { days: None, .. } => "unlimited".to_string(),
        Verdict::TooShort { days, why } => format!("too short, {days}d: {why}"),
        Verdict::SearchableTooShort { days, why } => format!("searchable for {days}d only: {why}"),
        Verdict::Unproven(why) => format!("unproven: {why}"),
    };
    bounded(&text, SHOWN)
}

/// A column: what is not known of one store is not known of the zone.
fn shortest(sinks: usize, said: &[(&Sink, &Said)]) -> String {
    let days = said.iter().map(|(_, said)| match &said.retention {
        Verdict::Kept { days, .. } => Some(days.unwrap_or(i64::MAX)),
        Verdict::TooShort { days, .. } | Verdict::SearchableTooShort { days, .. } => Some(*days),
        Verdict::Unproven(_) => None,
    });
    let days: Option<Vec<i64>> = days.collect();
    match days.filter(|days| days.len() == sinks).and_then(|days| days.into_iter().min()) {
        None => "unproven".to_string(),
        Some(i64::MAX) => "unlimited".to_string(),
        Some(days) => format!("{days}d"),
    }
}
