//! What follows from what the canary showed on real nodes: findings, the condition, and for how long it holds.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as expected"
)]

#[expect(dead_code, reason = "nothing is written here, so much of it is not needed")]
mod engine_support;

use std::{collections::BTreeSet, sync::Arc};

use engine_support::Model;
use k8s_openapi::{
    api::{
        core::v1,
        networking::v1::{NetworkPolicy, NetworkPolicySpec},
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};
use pcizone::{
    api::{ControlFailure, FindingId, SegmentationTest, TestFailure, TestResult, names},
    engine::{
        self, Evaluation,
        canary::{about, objects},
        pod::Pod,
        policy::Policy,
        snapshot::Untested,
    },
};
use serde_json::{Value, json};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap_or_else(|error| panic!("{time}: {error}"))
}

const BEGAN: &str = "2026-11-24T06:00:00Z";

/// A zone in place at eight o'clock, with a network agent and a flow.
fn model() -> Model {
    let mut model = Model { now: at("2026-11-24T08:00:00Z"), ..Model::default() };
    model.put(json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
        "metadata": { "name": "cde", "uid": "uid-cde", "generation": 1, "creationTimestamp": "2026-10-01T00:00:00Z" },
        "spec": { "mode": "Enforce", "scope": { "namespaces": { "names": ["vault"] } } },
    }));
    model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "vault" } }));
    model.put(agent(0));
    model.settle(|_, _| ()).expect("it comes to rest");
    model
}

fn agent(restarts: i32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "cilium-a", "namespace": "kube-system", "creationTimestamp": "2026-11-01T00:00:00Z",
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "cilium", "uid": "1", "controller": true }],
        },
        "spec": { "nodeName": "a", "hostNetwork": true, "containers": [{ "name": "cilium-agent", "image": "cilium" }] },
        "status": { "containerStatuses": [{ "name": "cilium-agent", "restartCount": restarts, "ready": true, "image": "", "imageID": "" }] },
    })
}

fn about(model: &Model) -> String {
    let snapshot = model.snapshot();
    let resolution = engine::resolve(&snapshot);
    about::digest(&snapshot, resolution.zone("cde").expect("the zone"))
}

/// What a round showed an hour ago, on what is there.
fn test(model: &Model, result: TestResult, failure: Option<TestFailure>) -> SegmentationTest {
    SegmentationTest {
        tested_at: Time(model.now - SignedDuration::from_hours(1)),
        result,
        message: "What was seen.".to_string(),
        namespace: "vault".to_string(),
        round: "abc".to_string(),
        request: None,
        nodes: 1,
        tried: 6,
        enforced: 6,
        broken: 0,
        sample: Vec::new(),
        pairs: Vec::new(),
        failure,
        closed_within_millis: Some(900),
        open_at_start: 0,
        own_node: 1,
        flows: Vec::new(),
        settings_digest: Some("sha256:1".to_string()),
        digest: about(model),
    }
}

fn judged(model: &Model) -> Evaluation {
    model.clone().judge().remove("cde").unwrap_or_else(|| panic!("the zone was judged"))
}

/// The findings about the canary, and the status and reason of its condition.
fn shown(model: &Model) -> (BTreeSet<&'static str>, String) {
    const ABOUT: [FindingId; 7] = [
        FindingId::CniNoEnforcement,
        FindingId::CniEnforcementUnproven,
        FindingId::SegmentationProbeFailed,
        FindingId::SegmentationProbeStale,
        FindingId::PodStartsBeforeEnforcement,
        FindingId::DualStackAsymmetry,
        FindingId::ControlFailureUnexplained,
    ];
    let judged = judged(model);
    let found = judged.findings.iter().map(|found| found.id).filter(|id| ABOUT.contains(id)).map(FindingId::as_str);
    let condition = judged.status.conditions.iter().find(|condition| condition.type_ == "SegmentationProven");
    let condition = condition.map(|condition| format!("{} {}", condition.status, condition.reason));
    (found.collect(), condition.unwrap_or_default())
}

fn with(test: SegmentationTest) -> Model {
    let mut model = model();
    model.around.tests.insert("cde".to_string(), Arc::new(test));
    model
}

#[test]
fn each_result_leads_to_its_findings_and_its_condition() {
    let here = model();
    let of = |result, failure| test(&here, result, failure);
    let early = SegmentationTest { open_at_start: 2, ..of(TestResult::Enforced, None) };
    for (name, test, found, condition) in [
        ("enforced", of(TestResult::Enforced, None), &[][..], "True Proven"),
        ("unproven", of(TestResult::Unproven, None), &["CniEnforcementUnproven"], "Unknown NotTested"),
        ("others open it", of(TestResult::NotEnforced, None), &["CniEnforcementUnproven"], "False Violated"),
        (
            "nothing",
            of(TestResult::NotEnforced, Some(TestFailure::Everything)),
            &["CniNoEnforcement", "ControlFailureUnexplained"],
            "False Violated",
        ),
        (
            "some ways",
            of(TestResult::NotEnforced, Some(TestFailure::Some)),
            &["SegmentationProbeFailed", "ControlFailureUnexplained"],
            "False Violated",
        ),
        (
            "one family",
            of(TestResult::NotEnforced, Some(TestFailure::OneFamily)),
            &["SegmentationProbeFailed", "DualStackAsymmetry", "ControlFailureUnexplained"],
            "False Violated",
        ),
        ("open at the start", early, &["PodStartsBeforeEnforcement"], "True Proven"),
    ] {
        let found: BTreeSet<&str> = found.iter().copied().collect();
        assert_eq!(shown(&with(test)), (found, condition.to_string()), "{name}");
    }
    assert_eq!(shown(&here), (["CniEnforcementUnproven"].into(), "Unknown NotTested".to_string()));
}

#[test]
fn what_was_shown_before_counts_while_a_round_fails_and_not_once_the_canary_is_off() {
    for result in [(TestResult::Enforced, None), (TestResult::NotEnforced, Some(TestFailure::Some))] {
        for (is_off, recorded) in [(false, false), (true, false), (true, true)] {
            let mut model = with(test(&model(), result.0, result.1));
            let before = shown(&model).1;
            if recorded {
                // By an operator that ran before this one.
                model.judge();
                model.around.tests.clear();
                assert_eq!(shown(&model).1, before);
            }
            let untested = Untested { why: "was not tested: it is switched off".to_string(), is_off };
            model.around.untested.insert("cde".to_string(), untested);
            let wanted = if is_off { "Unknown NotTested" } else { &before };
            assert_eq!(shown(&model).1, wanted, "{result:?} {is_off} {recorded}");
        }
    }
}

#[test]
fn only_what_a_round_that_is_played_is_made_of_is_left_out_of_the_judgement() {
    let policy = |name: &str, round: &str| -> Policy {
        let spec = json!({ "podSelector": { "matchLabels": { "pcizone.dev/canary": round } }, "ingress": [{}] });
        let object = json!({ "metadata": { "name": name, "namespace": "vault" }, "spec": spec });
        Policy::from(serde_json::from_value::<NetworkPolicy>(object).expect("a policy"))
    };
    let pod = |name: &str, round: &str, host: bool| -> Pod {
        let object = json!({
            "metadata": { "name": name, "namespace": "vault", "labels": { "pcizone.dev/canary": round } },
            "spec": { "containers": [], "hostNetwork": host },
        });
        Pod::from(serde_json::from_value::<v1::Pod>(object).expect("a pod"))
    };
    let is_played = |round: &str| round == "r1";
    for (name, round, wanted) in [
        ("pcizone-canary-r1", "r1", true),
        ("pcizone-canary-r1-2", "r1", true),
        ("pcizone-canary-r2", "r2", false),
        ("pcizone-canary-", "", false),
        ("pcizone-canary-r2", "r1", false),
        ("open", "r1", false),
    ] {
        assert_eq!(objects::is_control(&policy(name, round), is_played), wanted, "policy {name} {round}");
        assert_eq!(objects::is_own(&pod(name, round, false), is_played), wanted, "pod {name} {round}");
        assert!(!objects::is_own(&pod(name, round, true), is_played), "on the network of its node");
    }
    let everywhere =
        Policy::from(NetworkPolicy { spec: Some(NetworkPolicySpec::default()), ..NetworkPolicy::default() });
    assert!(!objects::is_control(&everywhere, |_| true));
}

#[test]
fn what_was_shown_holds_until_it_is_too_old_or_something_changed() {
    let stale = || (["SegmentationProbeStale"].into(), "Unknown Stale".to_string());
    let proven = || (BTreeSet::new(), "True Proven".to_string());
    let fresh = || with(test(&model(), TestResult::Enforced, None));
    assert_eq!(shown(&fresh()), proven());

    let mut later = fresh();
    later.now += SignedDuration::from_hours(23) - SignedDuration::from_nanos(1);
    assert_eq!(shown(&later), proven(), "a moment before");
    later.now += SignedDuration::from_nanos(1);
    assert_eq!(shown(&later), stale(), "after a day");
    assert_eq!(judged(&fresh()).next, Some(later.now), "the judgement comes at that instant by itself");

    let mut restarted = fresh();
    restarted.put(agent(1));
    assert_eq!(shown(&restarted), stale(), "the agent's container was started anew");

    let mut policy = fresh();
    let spec = json!({ "podSelector": { "matchLabels": { "app": "nobody" } }, "policyTypes": ["Ingress"] });
    policy.put(json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "x", "namespace": "vault" }, "spec": spec }));
    assert_eq!(shown(&policy), stale(), "a policy came");

    for (settings, wanted, name) in [
        (None, proven(), "they cannot be read"),
        (Some("sha256:1"), proven(), "they are the same"),
        (Some("sha256:2"), stale(), "they are others"),
    ] {
        let mut settings_now = fresh();
        settings_now.around.settings = settings.map(str::to_string);
        assert_eq!(shown(&settings_now), wanted, "{name}");
    }
    // What failed goes on until it is shown that it does not, whatever changed.
    let mut failed = with(test(&model(), TestResult::NotEnforced, Some(TestFailure::Some)));
    failed.put(agent(1));
    assert_eq!(shown(&failed).1, "False Violated");
}

#[test]
fn a_failure_stays_on_record_until_it_is_over_and_its_cause_is_told() {
    let mut model = with(test(&model(), TestResult::NotEnforced, Some(TestFailure::Some)));
    model.judge();
    let record = |model: &Model| -> Vec<ControlFailure> { judged(model).status.control_failures.clone() };
    let began = record(&model)[0].started_at.clone();
    assert_eq!((record(&model).len(), &record(&model)[0].ended_at), (1, &None));

    let mut over = test(&model, TestResult::Enforced, None);
    over.tested_at = Time(model.now);
    model.around.tests.insert("cde".to_string(), Arc::new(over));
    model.judge();
    assert_eq!(record(&model)[0].ended_at, Some(Time(model.now)));
    assert!(shown(&model).0.contains("ControlFailureUnexplained"), "nobody has told why");

    let explained = |model: &Model, text: &str| {
        let mut told = model.clone();
        let cause = json!({ "metadata": { "annotations": { names::FAILURE_CAUSE: text } } });
        told.edit("kubectl-annotate", "PciZone/cde", &cause);
        told.judge();
        (record(&told)[0].cause.clone(), shown(&told).0.contains("ControlFailureUnexplained"))
    };
    let why = "the agent of node a was stopped for an upgrade";
    assert_eq!(explained(&model, &format!("{} {why}", began.0)), (Some(why.to_string()), false));
    for no_cause in [format!("{} short", began.0), format!("{BEGAN} {why}"), why.to_string()] {
        assert_eq!(explained(&model, &no_cause), (None, true), "{no_cause}");
    }
}
