//! The inventory of images that `report` writes.

use std::{fs, path::Path};

use pcizone::{
    cli::manifests::{Reader, Settings},
    engine::{self, Snapshot},
    evidence::{Dossier, dossier::Verdict},
};
use serde_json::{Value, json};

use crate::support::{NOW, Run, folder, run_in, zone_with};

fn report(text: &str, args: &[&str]) -> Run {
    let folder = folder(&[("all.yaml", text)]);
    let all: Vec<&str> = ["report", "--now", NOW, "-q", "-f", "all.yaml"].iter().chain(args).copied().collect();
    run_in(folder.path(), &all, b"")
}

fn images(text: &str, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
    report(text, &args).json()["zones"][0]["images"].clone()
}

/// A cluster with something of everything, for the tests of the page too.
fn cluster() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages/cluster.yaml");
    fs::read_to_string(path).expect("the cluster of the pages")
}

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

/// Documents of one text.
fn documents(all: &[Value]) -> String {
    all.iter().map(|one| format!("---\n{one}\n")).collect()
}

fn zone(scanning: &str) -> String {
    let spec = format!("mode: Enforce\n  scope: {{namespaces: {{names: [vault]}}}}\n  scanning: {scanning}\n");
    format!("{}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: vault}}\n", zone_with(&spec))
}

/// A pod that names an image, and what its node tells of it.
fn pod(name: &str, image: &str, runs: Option<&str>) -> Value {
    let id = runs.map(|letter| format!("registry.example.com/app@{}", digest(letter))).unwrap_or_default();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "vault", "ownerReferences": [
            { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": name.trim_end_matches(char::is_numeric), "uid": "1", "controller": true }
        ] },
        "spec": { "containers": [{ "name": "app", "image": image }] },
        "status": { "containerStatuses": [
            { "name": "app", "image": "", "imageID": id, "containerID": "containerd://1", "ready": true, "restartCount": 0 }
        ] },
    })
}

fn scan(letter: &str, at: &str) -> Value {
    json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
        "metadata": { "name": letter, "namespace": "vault" },
        "report": {
            "updateTimestamp": at, "scanner": { "name": "Trivy" }, "registry": { "server": "registry.example.com" },
            "artifact": { "repository": "app", "digest": digest(letter) }, "vulnerabilities": [],
        },
    })
}

/// Of each row: name, the first letter of the digest, verdict, pods.
fn rows(inventory: &Value) -> Vec<(String, String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let row = |image: &Value| {
        let letter = text(&image["digest"]).trim_start_matches("sha256:").chars().take(1).collect();
        (text(&image["name"]), letter, text(&image["verdict"]), image["pods"].as_u64().expect("a number"))
    };
    inventory["shown"].as_array().expect("rows").iter().map(row).collect()
}

fn row(name: &str, letter: &str, verdict: &str, pods: u64) -> (String, String, String, u64) {
    (format!("registry.example.com/{name}"), letter.to_string(), verdict.to_string(), pods)
}

#[test]
fn a_row_says_what_runs_who_runs_it_and_what_scanners_say() {
    let images = images(&cluster(), &["--as-is"]);
    let told = |part: &str, name: &str| {
        let shown = images[part]["shown"].as_array().expect("rows").clone();
        shown.into_iter().find(|image| image["name"] == name).expect("the image")
    };
    assert_eq!(
        told("own", "docker.io/library/vault:1"),
        json!({
            "name": "docker.io/library/vault:1", "digest": digest("b"), "verdict": "Violated",
            "findings": ["ImageNotPinned", "ImageRegistryNotAllowed", "ImageScanStale", "ImageCriticalOverdue", "SbomMissing"],
            "workloads": ["StatefulSet/vault/vault"], "moreWorkloads": 0, "pods": 1,
            "scan": {
                "at": "2026-10-01T02:00:00Z", "scanner": "Trivy", "report": "VulnerabilityReport/vault/statefulset-vault-vault",
                "isFresh": false, "unfixedCritical": 0,
            },
            "fixes": 2, "overdue": 2,
            "fix": {
                "id": "CVE-2026-3001", "severity": "critical", "package": "libssl3", "fixedIn": "3.0.12-1",
                "since": "2026-10-01T02:00:00Z", "due": "2026-10-31T02:00:00Z", "state": "Overdue",
            },
            "hasSbom": false, "signedBy": [],
        })
    );
    for (part, name, verdict, fix, due, sbom, signers) in [
        ("own", "registry.example.com/pci/proxy:3", "Unproven", "PerhapsOverdue", "2026-12-23T02:00:00Z", true, 0),
        ("own", "registry.example.com/pci/web:1", "Proven", "InTime", "2027-01-22T02:00:00Z", true, 1),
        ("own", "registry.example.com/pci/migrate:9", "Accepted", "", "", false, 0),
        ("others", "docker.io/library/agent:1", "NoFinding", "", "", false, 0),
        ("others", "docker.io/library/csi:1", "Unproven", "", "", false, 0),
    ] {
        let image = told(part, name);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let signed = image["signedBy"].as_array().expect("signers").len();
        let found = (text(&image["verdict"]), text(&image["fix"]["state"]), text(&image["fix"]["due"]));
        assert_eq!(found, (verdict.to_string(), fix.to_string(), due.to_string()), "{name}");
        assert_eq!((image["hasSbom"].as_bool(), signed), (Some(sbom), signers), "{name}");
    }
    assert_eq!(images["own"]["verdicts"], json!({ "Violated": 1, "Unproven": 1, "Accepted": 1, "Proven": 1 }));
    assert_eq!(images["rules"]["fixWithinDays"], json!({ "critical": 30, "high": 60 }));
}

/// What is not seen, is not fresh, or was not judged as it is, is not proven.
#[test]
fn proven_is_only_what_was_seen() {
    let pinned = format!("registry.example.com/app@{}", digest("a"));
    let rules = "{registries: [registry.example.com], sbom: Optional}";
    let of = |rules: &str, reports: &[Value], args: &[&str]| {
        let all: Vec<Value> = [pod("app-0", &pinned, Some("a"))].into_iter().chain(reports.iter().cloned()).collect();
        let images = images(&(zone(rules) + &documents(&all)), args);
        let verdict = images["own"]["shown"][0]["verdict"].as_str().unwrap_or("no section").to_string();
        (verdict, images["unread"].is_string())
    };
    let fresh = scan("a", "2026-11-23T00:00:00Z");
    for (what, rules, reports, args, wanted) in [
        ("a fresh scan", rules, vec![fresh.clone()], &["--as-is"][..], ("Proven", false)),
        ("of manifests nothing is proven", rules, vec![fresh.clone()], &[], ("NoFinding", false)),
        ("an old scan", rules, vec![scan("a", "2026-11-16T00:00:00Z")], &["--as-is"], ("Violated", false)),
        ("a scan of something else", rules, vec![scan("b", "2026-11-23T00:00:00Z")], &["--as-is"], ("Violated", false)),
        ("no report at all", rules, vec![], &["--as-is"], ("Unproven", true)),
        ("nothing declared", "null", vec![fresh], &["--as-is"], ("no section", false)),
    ] {
        assert_eq!(of(rules, &reports, args), (wanted.0.to_string(), wanted.1), "{what}");
    }
}

/// Another report might say that a fix is overdue.
#[test]
fn nothing_is_proven_while_some_reports_are_not_seen() {
    let now = NOW.parse().expect("a time");
    let mut reader = Reader::new(Settings { namespace: "default".to_string(), now, live: false }, Snapshot::default());
    let all = [
        pod("app-0", &format!("registry.example.com/app@{}", digest("a")), Some("a")),
        scan("a", "2026-11-23T00:00:00Z"),
    ];
    let text = zone("{registries: [registry.example.com], sbom: Optional}") + &documents(&all);
    reader.read("all", false, text.as_bytes());
    let mut snapshot = reader.finish().unwrap_or_else(|faults| panic!("{faults}")).snapshot;
    let mut verdict = |unread: &[&str]| {
        snapshot.unread_reports = unread.iter().map(ToString::to_string).collect();
        let resolution = engine::resolve(&snapshot);
        let evaluations = engine::evaluate(&snapshot, &resolution, now);
        let dossier = Dossier::new(&snapshot, &resolution, &evaluations, now, true);
        let images = dossier.zones.into_iter().next().and_then(|zone| zone.images).expect("the section");
        (images.own.shown.first().map(|image| image.verdict), images.unread)
    };
    let why = "the right to list policyreports is missing";
    assert_eq!(verdict(&[]), (Some(Verdict::Proven), None));
    assert_eq!(
        verdict(&[why]),
        (Some(Verdict::Unproven), Some(format!("What scanners report cannot be read: {why}.")))
    );
}

#[test]
fn each_content_has_a_row_and_so_has_what_no_node_tells() {
    let tag = "registry.example.com/app:1";
    let all = [
        pod("app-0", tag, Some("a")),
        pod("app-1", tag, Some("a")),
        pod("app-2", tag, Some("b")),
        pod("app-3", tag, None),
        pod("job-0", &format!("registry.example.com/job@{}", digest("c")), None),
        pod("job-1", &format!("registry.example.com/job@{}", digest("c")), Some("c")),
        pod("job-2", &format!("registry.example.com/job@{}", digest("c")), Some("d")),
        scan("a", "2026-11-23T00:00:00Z"),
        scan("b", "2026-11-23T00:00:00Z"),
        scan("c", "2026-11-23T00:00:00Z"),
    ];
    let rules = "{registries: [registry.example.com], sbom: Optional}";
    let images = images(&(zone(rules) + &documents(&all)), &["--as-is"]);
    assert_eq!(
        rows(&images["own"]),
        [
            row("app:1", "", "Violated", 1),
            row("app:1", "a", "Violated", 2),
            row("app:1", "b", "Violated", 1),
            row("job", "c", "Violated", 2),
            row("job", "d", "Violated", 1),
        ]
    );
}

#[test]
fn an_inventory_is_bounded_names_the_worst_and_counts_all() {
    let pinned = format!("registry.example.com/a@{}", digest("a"));
    let pods = (0..700).map(|number| pod(&format!("app-{number}"), &format!("registry.example.com/z{number}:1"), None));
    let copies = (0..5).map(|number| pod(&format!("copy-{}-0", ["a", "b", "c", "d", "e"][number]), &pinned, Some("a")));
    let all: Vec<Value> = pods.chain(copies).chain([scan("a", "2026-11-23T00:00:00Z")]).collect();
    let text = zone("{registries: [registry.example.com], sbom: Optional}") + &documents(&all);
    let inventory = images(&text, &["--as-is"])["own"].clone();
    assert_eq!((inventory["total"].as_u64(), inventory["more"].as_u64()), (Some(701), Some(201)));
    assert_eq!(inventory["verdicts"], json!({ "Violated": 700, "Proven": 1 }));
    assert!(rows(&inventory).iter().all(|(_, _, verdict, _)| verdict == "Violated"), "the others are left out");
    let page = report(&text, &["--as-is"]).stdout;
    assert!(page.contains("And 201 more; they are counted, and not listed here."));

    let few = zone("{registries: [registry.example.com], sbom: Optional}") + &documents(&all[700..]);
    let image = images(&few, &["--as-is"])["own"]["shown"][0].clone();
    let workloads = json!(["StatefulSet/vault/copy-a-", "StatefulSet/vault/copy-b-", "StatefulSet/vault/copy-c-"]);
    assert_eq!((&image["workloads"], &image["moreWorkloads"], &image["pods"]), (&workloads, &json!(2), &json!(5)));
}

#[test]
fn what_reports_and_pods_say_stays_text() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages/hostile.yaml");
    let text = fs::read_to_string(path).expect("hostile names");
    let page = report(&text, &[]).stdout;
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<img") && !page.contains("<b>bold") && !page.contains('\u{202e}'));
    for part in [
        "&#60;img src=https://example.com/z",
        "CVE-1&#60;/td&#62;&#60;script&#62;",
        "&#60;img src=https://example.com/s",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // It is no object of a cluster, so no command shows it.
    assert!(page.contains("kubectl get ") && !page.contains("registry.example.com image "));
}
