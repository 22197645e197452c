//! What follows from the images that run and from what scanners said of them: findings, the condition, the status.

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
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use pcizone::engine::{
    self, Evaluation, Snapshot,
    images::{
        fixes::Fixes,
        report::{Level, Report, Scan, Statement, Vulnerability, What},
    },
    intake::Kind,
};
use serde_json::{Value, json};

const NOW: &str = "2026-11-24T08:00:00Z";
const APP: &str = "registry.example.com/pci/app";
const IMAGE: &str =
    "Image/registry.example.com/pci/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const TAGGED: &str = "Image/registry.example.com/pci/app:1";
const AGENT: &str =
    "Image/docker.io/cilium/cilium@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
const ZONE: &str = "PciZone/cde";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap_or_else(|error| panic!("{time}: {error}"))
}

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

fn zone() -> Value {
    json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
        "metadata": { "name": "cde", "uid": "uid-cde", "generation": 1, "creationTimestamp": "2026-10-01T00:00:00Z" },
        "spec": {
            "mode": "Enforce",
            "scope": { "namespaces": { "names": ["vault"] } },
            "hosting": { "nodes": { "names": ["pci-1"] } },
            "scanning": { "registries": ["registry.example.com/pci"] },
        },
    })
}

fn pod(namespace: &str, name: &str, image: &str, runs: Option<String>) -> Value {
    let image_id = runs.map(|runs| format!("{}@{runs}", image.split('@').next().unwrap_or_default()));
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
        "spec": { "nodeName": "pci-1", "containers": [{ "name": "app", "image": image }] },
        "status": { "phase": "Running", "containerStatuses": [{
            "name": "app", "image": "", "imageID": image_id.unwrap_or_default(), "containerID": "containerd://1", "ready": true, "restartCount": 0,
        }] },
    })
}

/// Everything by which a row may differ.
struct World {
    zone: Value,
    pods: Vec<Value>,
    reports: Vec<Report>,
    kinds: Vec<Kind>,
    unread: Vec<String>,
    fixes: Fixes,
}

fn scan(days: i64, fixable: &[Vulnerability]) -> Scan {
    Scan {
        at: at(NOW) - SignedDuration::from_hours(24 * days),
        scanner: "Trivy".into(),
        fixable: fixable.into(),
        unfixed_critical: 0,
        is_cut: false,
    }
}

fn report(namespace: &str, letter: &str, says: Vec<What>) -> Report {
    let statement = |what| Statement { digest: Some(digest(letter).into()), image: APP.into(), what };
    Report {
        kind: Kind::Pod,
        namespace: namespace.into(),
        name: letter.into(),
        says: says.into_iter().map(statement).collect(),
    }
}

/// One pod of the zone on a pinned image with a scan of yesterday and a bill of materials.
fn well() -> World {
    World {
        zone: zone(),
        pods: vec![pod("vault", "web", &format!("{APP}@{}", digest("a")), Some(digest("a")))],
        reports: vec![report("vault", "a", vec![What::Scan(scan(1, &[])), What::Sbom])],
        kinds: vec![Kind::Pod],
        unread: Vec::new(),
        fixes: Fixes::default(),
    }
}

fn judged(world: World, now: Timestamp) -> Evaluation {
    let mut model = Model { now, ..Model::default() };
    model.put(world.zone);
    for namespace in ["vault", "kube-system"] {
        model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }));
    }
    model.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "pci-1" } }));
    model.settle(|_, _| ()).expect("it comes to rest");
    for pod in world.pods {
        model.put(pod);
    }
    let mut snapshot: Snapshot = model.snapshot();
    for report in world.reports {
        snapshot.reports.entry(report.namespace.to_string()).or_default().push(Arc::new(report));
    }
    snapshot.report_kinds = world.kinds;
    snapshot.unread_reports = world.unread;
    snapshot.fixes.insert("cde".to_string(), Arc::new(world.fixes));
    let resolution = engine::resolve(&snapshot);
    engine::evaluate(&snapshot, &resolution, now).remove("cde").expect("the zone was judged")
}

/// Findings about images with their subjects, and the status of the condition.
fn shown(evaluation: &Evaluation) -> (BTreeSet<(&str, &str)>, &str) {
    let topics = ["Image", "Sbom", "Scan", "Infra", "RuntimeClass"];
    let is_meant = |id: &str| topics.iter().any(|topic| id.starts_with(topic));
    let found = evaluation.findings.iter().map(|found| (found.id.as_str(), found.subject.as_str()));
    let condition = evaluation.status.conditions.iter().find(|condition| condition.type_ == "ImagesScanned");
    (
        found.filter(|(id, _)| is_meant(id)).collect(),
        condition.map(|condition| condition.status.as_str()).unwrap_or_default(),
    )
}

fn critical(published: Option<&str>) -> Vulnerability {
    Vulnerability::new(Level::Critical, "CVE-2026-1", "openssl", "3.0.2", published.map(at))
}

fn say(world: &mut World, what: What) {
    world.reports[0].says.push(Statement { digest: Some(digest("a").into()), image: APP.into(), what });
}

fn tag(world: &mut World, runs: &[&str]) {
    let pods = runs
        .iter()
        .enumerate()
        .map(|(number, letter)| pod("vault", &format!("web-{number}"), &format!("{APP}:1"), Some(digest(letter))));
    world.pods = pods.collect();
}

type Change = fn(&mut World);
/// What is so, how, and the findings and the status of the condition that follow.
type Row = (&'static str, Change, &'static [(&'static str, &'static str)], &'static str);

fn of_names() -> Vec<Row> {
    vec![
        ("all is well", |_| {}, &[], "True"),
        ("nothing is declared", |w| w.zone["spec"]["scanning"] = Value::Null, &[], "Unknown"),
        (
            "no registries",
            |w| w.zone["spec"]["scanning"]["registries"] = json!([]),
            &[("ImageRegistriesOpen", ZONE)],
            "False",
        ),
        (
            "another registry",
            |w| w.zone["spec"]["scanning"]["registries"] = json!(["registry.example.com/pc"]),
            &[("ImageRegistryNotAllowed", IMAGE)],
            "False",
        ),
        ("a tag", |w| tag(w, &["a"]), &[("ImageNotPinned", TAGGED)], "False"),
        (
            "a tag, where that is enough",
            |w| {
                tag(w, &["a"]);
                w.zone["spec"]["scanning"]["digests"] = json!("Optional");
            },
            &[],
            "True",
        ),
        (
            "a tag that moved",
            |w| {
                tag(w, &["a", "b"]);
                w.zone["spec"]["scanning"]["digests"] = json!("Optional");
            },
            &[("ImageDigestDrift", TAGGED), ("ImageUnscanned", TAGGED), ("SbomMissing", TAGGED)],
            "False",
        ),
        (
            "something else than what is named",
            |w| w.pods[0] = pod("vault", "web", &format!("{APP}@{}", digest("a")), Some(digest("b"))),
            &[("ImageDigestDrift", IMAGE), ("ImageUnscanned", IMAGE), ("SbomMissing", IMAGE)],
            "False",
        ),
        (
            "the manifest of a platform, by another runtime",
            |w| {
                w.pods[0] = pod("vault", "web", &format!("{APP}@{}", digest("b")), Some(digest("a")));
                w.pods[0]["status"]["containerStatuses"][0]["containerID"] = json!("cri-o://1");
            },
            &[],
            "True",
        ),
        (
            "an init container",
            |w| w.pods[0]["spec"]["initContainers"] = json!([{ "name": "first", "image": "busybox" }]),
            &[
                ("ImageNotPinned", "Image/docker.io/library/busybox"),
                ("ImageRegistryNotAllowed", "Image/docker.io/library/busybox"),
            ],
            "False",
        ),
        (
            "a runtime class",
            |w| w.zone["spec"]["scanning"]["runtimeClasses"] = json!(["gvisor"]),
            &[("RuntimeClassNotAllowed", "Pod/vault/web")],
            "False",
        ),
        (
            "the runtime class that is allowed",
            |w| {
                w.zone["spec"]["scanning"]["runtimeClasses"] = json!(["gvisor"]);
                w.pods[0]["spec"]["runtimeClassName"] = json!("gvisor");
            },
            &[],
            "True",
        ),
    ]
}

fn of_reports() -> Vec<Row> {
    vec![
        ("no kind of report", |w| w.kinds.clear(), &[("ScanEvidenceUnread", ZONE)], "Unknown"),
        (
            "a kind that may not be read",
            |w| w.unread.push("the right to list vulnerabilityreports is missing".to_string()),
            &[("ScanEvidenceUnread", ZONE)],
            "Unknown",
        ),
        ("no report", |w| w.reports.clear(), &[("ImageUnscanned", IMAGE), ("SbomMissing", IMAGE)], "False"),
        (
            "a report elsewhere",
            |w| w.reports[0].namespace = "storefront".into(),
            &[("ImageUnscanned", IMAGE), ("SbomMissing", IMAGE)],
            "False",
        ),
        ("a report of the whole cluster", |w| w.reports[0].namespace = "".into(), &[], "True"),
        (
            "a report about the tag",
            |w| w.reports[0].says.iter_mut().for_each(|one| one.digest = None),
            &[("ImageUnscanned", IMAGE), ("SbomMissing", IMAGE)],
            "False",
        ),
        (
            "an old scan",
            |w| w.reports[0].says[0].what = What::Scan(scan(8, &[])),
            &[("ImageScanStale", IMAGE)],
            "False",
        ),
        (
            "a scan to come",
            |w| w.reports[0].says[0].what = What::Scan(scan(-2, &[])),
            &[("ImageUnscanned", IMAGE)],
            "False",
        ),
        (
            "no bill of materials",
            |w| {
                w.reports[0].says.pop();
            },
            &[("SbomMissing", IMAGE)],
            "True",
        ),
        (
            "nobody signed",
            |w| w.zone["spec"]["scanning"]["signers"] = json!(["ci"]),
            &[("ImageUnsigned", IMAGE)],
            "False",
        ),
        (
            "somebody else signed",
            |w| {
                w.zone["spec"]["scanning"]["signers"] = json!(["ci"]);
                say(w, What::Signed { by: "mallory".into() });
            },
            &[("ImageUnsigned", IMAGE)],
            "False",
        ),
        (
            "the right one signed",
            |w| {
                w.zone["spec"]["scanning"]["signers"] = json!(["ci"]);
                say(w, What::Signed { by: "ci".into() });
            },
            &[],
            "True",
        ),
        (
            "others on the zone's nodes",
            |w| {
                let image = format!("cilium/cilium@{}", digest("c"));
                w.pods.push(pod("kube-system", "cilium", &image, Some(digest("c"))));
            },
            &[("InfraImageUnscanned", AGENT)],
            "False",
        ),
        (
            "others that are scanned",
            |w| {
                let image = format!("cilium/cilium@{}", digest("c"));
                w.pods.push(pod("kube-system", "cilium", &image, Some(digest("c"))));
                w.reports.push(report("kube-system", "c", vec![What::Scan(scan(1, &[]))]));
            },
            &[],
            "True",
        ),
    ]
}

fn of_fixes() -> Vec<Row> {
    vec![
        (
            "a fix of this month",
            |w| w.reports[0].says[0].what = What::Scan(scan(1, &[critical(Some("2026-11-01T00:00:00Z"))])),
            &[],
            "True",
        ),
        (
            "a vulnerability that is old, and nobody knows since when it can be fixed",
            |w| w.reports[0].says[0].what = What::Scan(scan(1, &[critical(Some("2026-01-01T00:00:00Z"))])),
            &[("ImageFixDateUnproven", IMAGE)],
            "Unknown",
        ),
        (
            "a fix that is known for more than a month",
            |w| {
                let one = critical(Some("2026-01-01T00:00:00Z"));
                let early = Scan { at: at("2026-10-24T08:00:00Z"), ..scan(1, std::slice::from_ref(&one)) };
                w.fixes.learn([&early].into_iter(), at(NOW));
                w.reports[0].says[0].what = What::Scan(scan(1, &[one]));
            },
            &[("ImageCriticalOverdue", IMAGE)],
            "False",
        ),
        (
            "a high one has three months",
            |w| {
                let mut one = critical(None);
                one.severity = Level::High;
                let early = Scan { at: at("2026-08-26T08:00:00Z"), ..scan(1, std::slice::from_ref(&one)) };
                w.fixes.learn([&early].into_iter(), at(NOW));
                w.reports[0].says[0].what = What::Scan(scan(1, &[one]));
            },
            &[("ImageFixOverdue", IMAGE)],
            "False",
        ),
        (
            "a medium one has no time",
            |w| {
                let mut one = critical(None);
                one.severity = Level::Medium;
                w.reports[0].says[0].what = What::Scan(scan(1, &[one]));
            },
            &[],
            "True",
        ),
        (
            "an exception",
            |w| {
                let early = Scan { at: at("2026-10-01T08:00:00Z"), ..scan(1, &[critical(None)]) };
                w.fixes.learn([&early].into_iter(), at(NOW));
                w.reports[0].says[0].what = What::Scan(scan(1, &[critical(None)]));
                w.zone["spec"]["exceptions"] = json!([{
                    "finding": "ImageCriticalOverdue", "subject": "Image/registry.example.com/pci/app@*",
                    "need": "The fix breaks the acquirer's protocol; it comes with the next release.", "riskAnalysis": "RA-9",
                    "approvedBy": "security@example.com", "expiresAt": "2027-01-01T00:00:00Z",
                }]);
            },
            &[("ImageCriticalOverdue", IMAGE)],
            "True",
        ),
    ]
}

#[test]
fn what_is_found_about_images() {
    for (what, change, wanted, condition) in of_names().into_iter().chain(of_reports()).chain(of_fixes()) {
        let mut world = well();
        change(&mut world);
        let evaluation = judged(world, at(NOW));
        let wanted = (wanted.iter().copied().collect(), condition);
        assert_eq!(shown(&evaluation), wanted, "{what}");
    }
}

/// The day of a fix passes without any event.
#[test]
fn the_instant_at_which_a_fix_is_overdue_is_the_next_at_which_is_judged() {
    let world = || {
        let mut world = well();
        let seen = Scan { at: at("2026-10-25T09:00:00Z"), ..scan(1, &[critical(None)]) };
        world.fixes.learn([&seen].into_iter(), at(NOW));
        world.reports[0].says[0].what = What::Scan(scan(1, &[critical(None)]));
        world
    };
    let due = at("2026-11-24T09:00:00Z");
    let before = judged(world(), due - SignedDuration::from_nanos(1));
    assert_eq!(before.next, Some(due));
    assert_eq!(shown(&before).0, [("ImageFixDateUnproven", IMAGE)].into());
    let images = before.status.images.as_ref().expect("something is declared");
    assert_eq!((images.running, images.scanned, images.overdue), (1, 1, 0));
    assert_eq!(images.next_fix.as_ref().map(|at| at.0), Some(due));
    assert_eq!(images.oldest_scan.as_ref().map(|at| at.0), Some(at("2026-11-23T08:00:00Z")));
    let fix = before.status.obligations.iter().find(|one| one.requirement == "6.3.3").expect("it is to be fixed");
    assert_eq!(fix.due.0, due);
    let after = judged(world(), due);
    assert_eq!(shown(&after).0, [("ImageCriticalOverdue", IMAGE)].into());
    assert_eq!(after.status.images.expect("something is declared").overdue, 1);
}

/// Whoever holds the right to write reports can make an image look scanned.
#[test]
fn who_may_write_reports_is_told_but_for_the_scanner() {
    let mut model = Model { now: at(NOW), ..Model::default() };
    let mut zone = zone();
    zone["spec"]["scanning"]["reports"] = json!({ "writers": ["trivy-system/trivy-operator"] });
    model.put(zone);
    model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "vault" } }));
    model.settle(|_, _| ()).expect("it comes to rest");
    let api = "rbac.authorization.k8s.io/v1";
    model.put(json!({
        "apiVersion": api, "kind": "ClusterRole", "metadata": { "name": "reports" },
        "rules": [{ "apiGroups": ["aquasecurity.github.io"], "resources": ["vulnerabilityreports"], "verbs": ["update"] }],
    }));
    let bind = |name: &str, account: &str, namespace: &str| {
        json!({
            "apiVersion": api, "kind": "ClusterRoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reports" },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace }],
        })
    };
    model.put(bind("scanner", "trivy-operator", "trivy-system"));
    model.put(bind("pipeline", "ci", "build"));
    let snapshot = model.snapshot();
    let resolution = engine::resolve(&snapshot);
    let evaluation = engine::evaluate(&snapshot, &resolution, at(NOW)).remove("cde").expect("the zone was judged");
    let found: Vec<&str> = evaluation
        .findings
        .iter()
        .filter(|found| found.id.as_str() == "ScanEvidenceWritable")
        .map(|found| found.subject.as_str())
        .collect();
    assert_eq!(found, ["ClusterRoleBinding/pipeline"]);
}
