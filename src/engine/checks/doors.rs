//! Ways into a zone through the API server, which no NetworkPolicy sees (PCI DSS 7.2.2, 7.2.5): who holds them, and which pods
//! carry a token that does.

use std::collections::BTreeMap;

use super::{Case, Found, access::some};
use crate::{
    api::FindingId,
    engine::{
        access::{Access, Bound, Door, Grant},
        misplaced::concerned,
        pod::Pod,
    },
};

/// Subjects in a message.
const NAMED: usize = 3;
/// Subjects in the evidence.
const LISTED: usize = 10;
/// Rights in the evidence.
const RIGHTS: usize = 3;

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    if case.zone.has_no_namespace() {
        return;
    }
    let has_nodes = !case.zone.nodes.declared.is_empty() || !case.zone.nodes.held.is_empty();
    let mut tokens: BTreeMap<&str, (&Bound, &Grant)> = BTreeMap::new();
    for bound in case.access.around(case.zone) {
        let namespace = bound.binding.namespace();
        let reaching = bound.grants.iter().filter(|grant| grant.reaches(namespace, case.name, case.zone));
        let reaching: Vec<&Grant> = reaching.collect();
        for grants in reaching.chunk_by(|a, b| a.door() == b.door()) {
            let Some(door) = grants.first().map(|grant| grant.door()) else { continue };
            if door == Door::Reports {
                found.extend(reports(case, bound, grants));
                continue;
            }
            found.extend(door.finding().map(|id| of_binding(id, door, bound, grants)));
        }
        if let Some(grant) = reaching.iter().find(|grant| grant.door().changes()).filter(|_| has_nodes) {
            for subject in &bound.subjects {
                tokens.entry(subject).or_insert((bound, grant));
            }
        }
    }
    off_zone(case, &tokens, found);
}

/// Who may write what the zone's verdicts about images rest on, but for the scanners that it names.
fn reports(case: &Case, bound: &Bound, grants: &[&Grant]) -> Option<Found> {
    let writers = &case.declaration.images.as_ref()?.reports.writers;
    let is_writer = |subject: &str| {
        let account = subject.strip_prefix("ServiceAccount/");
        account.is_some_and(|account| writers.iter().any(|writer| writer == account))
    };
    let subjects: Vec<&str> = bound.subjects.iter().copied().filter(|subject| !is_writer(subject)).collect();
    if subjects.is_empty() {
        return None;
    }
    let others = Bound { binding: bound.binding, grants: bound.grants.clone(), subjects };
    Some(of_binding(FindingId::ScanEvidenceWritable, Door::Reports, &others, grants))
}

fn place(bound: &Bound) -> String {
    match bound.binding.namespace() {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "in the whole cluster".to_string(),
    }
}

fn of_binding(id: FindingId, door: Door, bound: &Bound, grants: &[&Grant]) -> Found {
    let message = format!("{} may {} {}.", some(&bound.subjects, NAMED), door.does(), place(bound));
    let rights: Vec<String> = grants.iter().map(|grant| grant.words()).collect();
    let role = bound.binding.role_words();
    let evidence = format!("{role}: {}; to {}", some(&rights, RIGHTS), some(&bound.subjects, LISTED));
    Found::new(id, bound.binding.subject(), message).with_evidence(evidence)
}

/// Pods outside the zone's nodes whose token can change the zone. One finding per workload; where every ServiceAccount of the
/// cluster is meant, one for the binding.
fn off_zone(case: &Case, tokens: &BTreeMap<&str, (&Bound, &Grant)>, found: &mut Vec<Found>) {
    let is_outside = |pod: &&Pod| {
        let [_, here] = concerned(case.resolution, pod);
        here != Some(case.name)
    };
    let mut workloads: BTreeMap<String, (BTreeMap<&str, &Pod>, &Bound, &Grant)> = BTreeMap::new();
    for (subject, (bound, grant)) in tokens {
        let pods = case.access.holders(subject);
        let outside = pods.into_iter().filter(is_outside);
        for pod in outside {
            let key = if Access::is_everybody(subject) { bound.binding.subject() } else { pod.subject() };
            workloads.entry(key).or_insert_with(|| (BTreeMap::new(), bound, grant)).0.insert(&pod.key, pod);
        }
    }
    for (subject, (pods, bound, grant)) in workloads {
        let who = match pods.len() {
            1 => "One pod is on a node outside the zone and holds".to_string(),
            many => format!("{many} pods are on nodes outside the zone and hold"),
        };
        let message = format!("{who} a token that may {} {}.", grant.door().does(), place(bound));
        let binding = bound.binding;
        let by = format!("{} by {}: {}", binding.role_words(), binding.subject(), grant.words());
        let example = pods.values().next().map(|pod| {
            let account = pod.powers.account.as_deref().unwrap_or_default();
            format!("pod {}, ServiceAccount {account}, node {}", pod.name(), pod.node.as_deref().unwrap_or_default())
        });
        let evidence = format!("{by}; {}", example.unwrap_or_default());
        found.push(Found::new(FindingId::PrivilegedTokenOffZone, subject, message).with_evidence(evidence));
    }
}
