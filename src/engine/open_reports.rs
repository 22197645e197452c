//! Findings as reports of `openreports.io/v1alpha1`, which report viewers read: one for each namespace of a zone, and one of the
//! zone for what lies in none of them.
//!
//! Nothing here ever says `pass`: violated is `fail`, unproven `warn`, accepted `skip`, and a zone that could not be judged is
//! an `error`. Bounded: a report lists the worst findings, counts all of them, and says how many it leaves out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    change::short_digest,
    checks::{Found, Topic, topic},
    report::ZoneReport,
    shown,
};
use crate::api::{Finding, FindingState, PciZone, names};

/// Results of one report, at most. As long as they can be they are a tenth of what an API server takes.
pub const RESULTS: usize = 100;
/// Says how many findings a report does not list.
pub const LEFT_OUT: &str = "pcizone.dev/left-out";
/// Who reports.
pub(super) const SOURCE: &str = "pcizone";
/// What of a report is ours.
const OURS: [&str; 5] = ["source", "scope", "configuration", "summary", "results"];
/// Subjects of these kinds have no namespace, whatever slashes are in their names.
const PEOPLE: [&str; 3] = ["User", "Group", "Image"];

/// Where a report lies: its namespace, or none for that of a zone, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Key {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_some() { "Report" } else { "ClusterReport" }
    }

    /// The object as `Kind/name` or `Kind/namespace/name`.
    pub fn subject(&self) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        format!("{}/{namespace}{}", self.kind(), self.name)
    }
}

/// A zone whose findings are reported.
#[derive(Clone, Debug)]
pub struct Reported<'a> {
    /// What was found.
    pub report: &'a ZoneReport,
    /// UID of the `PciZone`: with it the reports go.
    pub uid: &'a str,
    /// Its namespaces.
    pub namespaces: BTreeSet<String>,
}

/// The reports that must be there.
pub fn reports<'a>(zones: impl IntoIterator<Item = Reported<'a>>) -> BTreeMap<Key, Value> {
    zones.into_iter().flat_map(|zone| of_zone(&zone)).collect()
}

fn of_zone(zone: &Reported) -> Vec<(Key, Value)> {
    let mut inside: BTreeMap<&str, Vec<&Found>> =
        zone.namespaces.iter().map(|namespace| (namespace.as_str(), Vec::new())).collect();
    let mut outside = Vec::new();
    for found in zone.report.findings.iter() {
        match namespace_of(&found.subject).and_then(|namespace| inside.get_mut(namespace)) {
            Some(list) => list.push(found),
            None => outside.push(found),
        }
    }
    let name = format!("{SOURCE}-{}", zone.report.name);
    let key = |namespace: Option<&str>| Key { namespace: namespace.map(str::to_string), name: name.clone() };
    let mut reports: Vec<(Key, Value)> =
        inside.iter().map(|(namespace, found)| (key(Some(namespace)), report(zone, Some(namespace), found))).collect();
    reports.push((key(None), report(zone, None, &outside)));
    reports
}

fn report(zone: &Reported, namespace: Option<&str>, found: &[&Found]) -> Value {
    let name = &zone.report.name;
    let scope = match namespace {
        Some(namespace) => json!({ "apiVersion": "v1", "kind": "Namespace", "name": namespace }),
        None => json!({ "apiVersion": api_version(), "kind": "PciZone", "name": name }),
    };
    let of = |state| found.iter().filter(|found| found.state == state).count();
    let mut results: Vec<Value> = found.iter().take(RESULTS).map(|found| result(found)).collect();
    let unjudged = zone.report.unjudged.as_ref().map(|why| unjudged(why));
    let error = usize::from(unjudged.is_some());
    results.extend(unjudged);
    let mut metadata = json!({
        "labels": { names::MANAGED_BY: names::MANAGED_BY_VALUE, names::ZONE_LABEL: name },
        "ownerReferences": [{ "apiVersion": api_version(), "kind": "PciZone", "name": name, "uid": zone.uid }],
    });
    if let Some(more) = found.len().checked_sub(RESULTS).filter(|more| *more > 0) {
        json_patch::merge(&mut metadata, &json!({ "annotations": { LEFT_OUT: more.to_string() } }));
    }
    json!({
        "metadata": metadata,
        "source": SOURCE,
        "scope": scope,
        "configuration": { "limits": { "maxResults": RESULTS } },
        "summary": {
            "pass": 0, "fail": of(FindingState::Violated), "warn": of(FindingState::Unproven), "error": error,
            "skip": of(FindingState::Accepted),
        },
        "results": results,
    })
}

fn result(found: &Found) -> Value {
    let Finding { id, subject, state, accepted_until, severity, requirements, message, evidence, remediation, since } =
        shown::shown(found);
    let result = match state {
        FindingState::Violated => "fail",
        FindingState::Unproven => "warn",
        FindingState::Accepted => "skip",
    };
    let mut properties = Map::new();
    let mut put = |key: &str, value: String| properties.insert(key.to_string(), json!(value));
    put("requirements", requirements.join(", "));
    put("remediation", remediation);
    put("since", since.0.to_string());
    put("state", format!("{state:?}"));
    if !evidence.is_empty() {
        put("evidence", evidence);
    }
    if let Some(until) = accepted_until {
        put("acceptedUntil", until.0.to_string());
    }
    json!({
        "policy": id,
        "category": category(topic(found.id)),
        "severity": severity.as_label(),
        "result": result,
        "scored": state == FindingState::Violated,
        "message": message,
        "resources": [reference(&subject)],
        "timestamp": { "seconds": since.0.as_second(), "nanos": 0 },
        "properties": properties,
    })
}

fn unjudged(why: &str) -> Value {
    json!({ "policy": "NotJudged", "result": "error", "scored": false, "message": shown::bounded(why, shown::MESSAGE) })
}

fn category(topic: Topic) -> &'static str {
    match topic {
        Topic::Scope => "Scope",
        Topic::Segmentation => "Segmentation",
        Topic::Flows => "Flows",
        Topic::Hosting => "Hosting",
        Topic::Scanning => "Scanning",
        Topic::Logging => "Logging",
        Topic::Access => "Access",
        Topic::People => "People",
        Topic::Operator => "Operator",
    }
}

/// Kind, namespace and name of a subject.
fn parts(subject: &str) -> (&str, Option<&str>, &str) {
    let (kind, rest) = subject.split_once('/').unwrap_or(("", subject));
    match rest.split_once('/').filter(|_| !PEOPLE.contains(&kind)) {
        Some((namespace, name)) => (kind, Some(namespace), name),
        None => (kind, None, rest),
    }
}

/// The namespace that a subject lies in, or is.
fn namespace_of(subject: &str) -> Option<&str> {
    let (kind, namespace, name) = parts(subject);
    namespace.or((kind == "Namespace").then_some(name))
}

fn reference(subject: &str) -> Value {
    match parts(subject) {
        (kind, Some(namespace), name) => json!({ "kind": kind, "namespace": namespace, "name": name }),
        (kind, None, name) => json!({ "kind": kind, "name": name }),
    }
}

fn api_version() -> String {
    use kube::Resource as _;
    PciZone::api_version(&()).into_owned()
}

/// The report says that it is ours, and has such a name.
pub fn is_ours(report: &Value) -> bool {
    let label = report.pointer("/metadata/labels").and_then(|labels| labels.get(names::MANAGED_BY));
    let name = report.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    label == Some(&json!(names::MANAGED_BY_VALUE))
        && name.strip_prefix(SOURCE).is_some_and(|rest| rest.starts_with('-'))
}

/// Tells one report from another, by what we say in it.
pub fn digest(report: &Value) -> String {
    let metadata = report.get("metadata");
    let named = |key: &str, name: &str| metadata.and_then(|metadata| metadata.get(key)?.get(name));
    let owners = metadata.and_then(|metadata| metadata.get("ownerReferences")?.as_array()).into_iter().flatten();
    let owners: Vec<Option<&Value>> = owners.map(|owner| owner.get("uid")).collect();
    let ours = OURS.map(|field| report.get(field));
    let labels = [names::MANAGED_BY, names::ZONE_LABEL].map(|name| named("labels", name));
    short_digest(&json!([labels, named("annotations", LEFT_OUT), owners, ours]).to_string())
}

/// The live report with what we say in it; what others added to its metadata stays.
pub fn replacement(desired: &Value, mut live: Value) -> Value {
    if let Some(fields) = live.as_object_mut() {
        fields.retain(|field, _| !OURS.contains(&field.as_str()));
    }
    if let Some(annotations) = live.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LEFT_OUT);
    }
    json_patch::merge(&mut live, desired);
    live
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::FindingId;

    fn found(id: FindingId, subject: &str, state: FindingState) -> Found {
        let since = Some("2026-11-24T08:00:00Z".parse().unwrap());
        let requirements = &["1.2.5", "1.3.1"];
        Found { state, requirements, since, ..Found::new(id, subject, "It is so.").with_evidence("Seen.") }
    }

    fn reported(findings: Vec<Found>, unjudged: Option<&str>) -> BTreeMap<Key, Value> {
        let report = ZoneReport {
            name: "cde".to_string(),
            unjudged: unjudged.map(str::to_string),
            findings: Arc::from(findings),
        };
        let namespaces = ["checkout", "vault"].map(str::to_string).into();
        reports([Reported { report: &report, uid: "uid-cde", namespaces }])
    }

    fn at<'a>(reports: &'a BTreeMap<Key, Value>, namespace: Option<&str>) -> &'a Value {
        &reports[&Key { namespace: namespace.map(str::to_string), name: "pcizone-cde".to_string() }]
    }

    #[test]
    fn each_finding_is_in_one_report_by_the_namespace_that_it_is_about() {
        for (subject, namespace) in [
            ("Pod/vault/web-0", Some("vault")),
            ("RoleBinding/checkout/edit", Some("checkout")),
            ("Namespace/vault", Some("vault")),
            ("Pod/elsewhere/web-0", None),
            ("Namespace/elsewhere", None),
            ("Node/pci-1", None),
            ("User/vault/someone", None),
            ("PciZone/cde", None),
        ] {
            let reports = reported(vec![found(FindingId::HostNetworkPod, subject, FindingState::Violated)], None);
            assert_eq!(reports.len(), 3, "two namespaces and the zone");
            for (key, report) in &reports {
                let wanted = usize::from(key.namespace.as_deref() == namespace);
                assert_eq!(report["results"].as_array().unwrap().len(), wanted, "{subject} in {}", key.subject());
            }
        }
    }

    #[test]
    fn a_result_says_everything_of_a_finding_and_never_that_it_passed() {
        let violated = found(FindingId::HostNetworkPod, "Pod/vault/web-0", FindingState::Violated);
        let report = reported(vec![violated], None);
        let wanted = json!({
            "policy": "HostNetworkPod", "category": "Segmentation", "severity": "critical", "result": "fail", "scored": true,
            "message": "It is so.", "resources": [{ "kind": "Pod", "namespace": "vault", "name": "web-0" }],
            "timestamp": { "seconds": 1_795_507_200, "nanos": 0 },
            "properties": {
                "requirements": "1.2.5, 1.3.1", "remediation": FindingId::HostNetworkPod.remediation(), "state": "Violated",
                "since": "2026-11-24T08:00:00Z", "evidence": "Seen.",
            },
        });
        assert_eq!(at(&report, Some("vault"))["results"], json!([wanted]));
        for (state, result, count) in [
            (FindingState::Violated, "fail", [0, 1, 0, 0, 0]),
            (FindingState::Unproven, "warn", [0, 0, 1, 0, 0]),
            (FindingState::Accepted, "skip", [0, 0, 0, 0, 1]),
        ] {
            let reports = reported(vec![found(FindingId::HostNetworkPod, "Node/pci-1", state)], None);
            let report = at(&reports, None);
            assert_eq!((&report["results"][0]["result"], counts(report)), (&json!(result), count));
        }
        let reports = reported(vec![], Some("The spec cannot be read."));
        for report in reports.values() {
            assert_eq!((&report["results"][0]["result"], counts(report)), (&json!("error"), [0, 0, 0, 1, 0]));
        }
    }

    fn counts(report: &Value) -> [u64; 5] {
        ["pass", "fail", "warn", "error", "skip"].map(|count| report["summary"][count].as_u64().unwrap())
    }

    #[test]
    fn a_long_report_lists_the_worst_counts_all_and_says_how_many_it_leaves_out() {
        let long = "x".repeat(10_000);
        let many = (0..3 * RESULTS)
            .map(|n| found(FindingId::HostNetworkPod, &format!("Pod/vault/{n:03}{long}"), FindingState::Violated));
        let reports = reported(many.collect(), None);
        let report = at(&reports, Some("vault"));
        let results = report["results"].as_array().unwrap();
        assert_eq!((results.len(), counts(report)), (RESULTS, [0, 300, 0, 0, 0]));
        assert_eq!(report["metadata"]["annotations"][LEFT_OUT], "200");
        assert!(results[0]["resources"][0]["name"].as_str().unwrap().starts_with("000xxx"), "the first are the worst");
        let size = report.to_string().len();
        assert!(size < 160 * 1024, "{size}");
    }

    #[test]
    fn a_digest_changes_with_what_we_say_and_with_nothing_else() {
        let reports = reported(vec![found(FindingId::HostNetworkPod, "Pod/vault/web-0", FindingState::Violated)], None);
        let desired = at(&reports, Some("vault"));
        let mut live = desired.clone();
        live["metadata"]["resourceVersion"] = json!("7");
        live["metadata"]["labels"]["team"] = json!("audit");
        live["metadata"]["annotations"]["note"] = json!("kept");
        assert_eq!(digest(&live), digest(desired));
        for (pointer, value) in [
            ("/results/0/result", json!("pass")),
            ("/summary/fail", json!(0)),
            ("/metadata/labels/pcizone.dev~1zone", json!("other")),
            ("/metadata/ownerReferences", json!([])),
        ] {
            let mut forged = live.clone();
            *forged.pointer_mut(pointer).unwrap() = value;
            assert_ne!(digest(&forged), digest(desired), "{pointer}");
            assert_eq!(replacement(desired, forged), live, "{pointer}");
        }
    }

    #[test]
    fn a_report_of_others_is_told_by_its_label_or_name() {
        let report = |name: &str, label: &str| {
            let labels = json!({ "app.kubernetes.io/managed-by": label });
            json!({ "metadata": { "name": name, "labels": labels } })
        };
        for (report, ours) in [
            (report("pcizone-cde", "pcizone"), true),
            (report("pcizone-cde", "kyverno"), false),
            (report("copy-of-pcizone-cde", "pcizone"), false),
            (json!({ "metadata": { "name": "pcizone-cde" } }), false),
        ] {
            assert_eq!(is_ours(&report), ours, "{report}");
        }
    }
}
