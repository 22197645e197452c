//! What `report` says, as JSON and as a page.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{NOW, Run, VAULT, confirmed, folder, open, run_in, zone};

/// A cluster with something of everything, for the tests of the page too.
fn cluster() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages/cluster.yaml");
    fs::read_to_string(path).expect("the cluster of the pages")
}

fn report<T: AsRef<[u8]>>(files: &[(&str, T)], args: &[&str]) -> Run {
    run("report", files, args)
}

fn run<T: AsRef<[u8]>>(command: &str, files: &[(&str, T)], args: &[&str]) -> Run {
    let folder = folder(files);
    let mut all = vec![command, "--now", NOW, "-q"];
    for (name, _) in files {
        all.extend(["-f", name]);
    }
    all.extend(args);
    run_in(folder.path(), &all, b"")
}

/// The verdict of a requirement in the first zone, and why.
fn verdict(run: &Run, number: &str) -> (String, String) {
    let report = run.json();
    let all = report["zones"][0]["requirements"].as_array().expect("requirements").clone();
    let claim = all.iter().find(|claim| claim["number"] == number).expect("the requirement").clone();
    let text = |key: &str| claim[key].as_str().expect("a text").to_string();
    (text("verdict"), text("reason"))
}

#[test]
fn findings_are_no_failure_of_a_report() {
    let none: &[&str] = &[];
    for (name, manifests, args, code) in [
        ("nothing is violated", vec![zone(), VAULT.to_string()], none, 0),
        ("something is violated", vec![zone(), VAULT.to_string(), open("all")], none, 0),
        ("as JSON", vec![zone(), VAULT.to_string(), open("all")], &["-o", "json"], 0),
        ("one zone", vec![zone(), VAULT.to_string()], &["--zone", "cde"], 0),
        ("no such zone", vec![zone(), VAULT.to_string()], &["--zone", "lost"], 2),
        ("no zone at all", vec![VAULT.to_string()], none, 2),
        ("a zone without a namespace", vec![zone()], none, 2),
        ("no text", vec!["a: [".to_string()], none, 2),
        ("no such form", vec![zone(), VAULT.to_string()], &["-o", "table"], 3),
    ] {
        let names: Vec<String> = (0..manifests.len()).map(|number| format!("{number}.yaml")).collect();
        let files: Vec<(&str, &String)> = names.iter().map(String::as_str).zip(&manifests).collect();
        let run = report(&files, args);
        assert_eq!(run.code, code, "{name}: {run:?}");
    }
}

#[test]
fn a_zone_that_could_not_be_judged_is_shown_as_that() {
    let run = report(&[("zone.yaml", zone())], &[]);
    assert!(run.stdout.contains("Not judged:") && run.stdout.ends_with("</html>\n"));
    let (verdict, reason) = verdict(&report(&[("zone.yaml", zone())], &["-o", "json"]), "1.3.1");
    assert_eq!(
        (verdict.as_str(), reason.as_str()),
        ("NotJudged", "Not judged: it has no namespace, so nothing was judged.")
    );
}

#[test]
fn equal_input_gives_equal_bytes_and_counts_are_those_of_check() {
    let cluster = cluster();
    let files = [("cluster.yaml", cluster.as_str())];
    for output in ["html", "json"] {
        let [first, second] = [(), ()].map(|()| report(&files, &["--as-is", "-o", output]));
        assert!(first.stdout == second.stdout, "{output} differs");
    }
    let [checked, reported] =
        ["check", "report"].map(|command| run(command, &files, &["--as-is", "-o", "json"]).json());
    for (checked, reported) in
        checked["zones"].as_array().expect("zones").iter().zip(reported["zones"].as_array().expect("zones"))
    {
        assert_eq!(checked["counts"], reported["counts"]);
        let kinds = reported["findings"].as_array().expect("findings");
        let total: u64 = kinds.iter().filter_map(|kind| kind["total"].as_u64()).sum();
        assert_eq!(total, checked["findings"].as_array().expect("findings").len() as u64);
    }
    let sum: i64 =
        checked["zones"].as_array().expect("zones").iter().filter_map(|zone| zone["counts"]["critical"].as_i64()).sum();
    assert_eq!(reported["counts"]["critical"], json!(sum));
}

#[test]
fn a_verdict_says_no_more_than_was_looked_at() {
    let cluster = cluster();
    let as_is = report(&[("cluster.yaml", cluster.as_str())], &["--as-is", "-o", "json"]);
    for (number, wanted, why) in [
        ("1.2.3", "NotJudged", "nothing here looks at it"),
        ("1.2.5", "Violated", "findings are violated"),
        ("1.2.2", "Violated", "One finding is violated"),
        ("12.5.2.1", "Proven", "All that a cluster can show of it was judged"),
        ("10.3.2", "Accepted", "accepted by exceptions"),
        ("11.4.5", "Unproven", "unproven, none violated"),
        ("11.4.6", "Attested", "Attested by pentest@example.com"),
        ("11.4.1", "NotJudged", "nobody attested it"),
        ("6.2.2", "Violated", "One finding is violated"),
        ("1.2.1", "NotJudged", "no policy that comes before NetworkPolicies"),
    ] {
        let (verdict, reason) = verdict(&as_is, number);
        assert_eq!(verdict, wanted, "{number}: {reason}");
        assert!(reason.contains(why), "{number}: {reason}");
    }
    let manifests = report(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())], &["-o", "json"]);
    for (number, wanted, why) in [
        ("12.5.2", "NoFinding", "the zone declares no nodes, so not all was judged"),
        ("1.3.1", "Unproven", "One finding is unproven"),
        ("7.2.2", "NotJudged", "no role binding was in what was judged"),
        ("1.4.4", "NotJudged", "no pod of the zone is labelled"),
        ("6.5.3", "NotJudged", "does not say which environment"),
        ("12.5.2.1", "NotJudged", "for service providers"),
        ("11.5.2", "NotJudged", "manifests were judged"),
        ("2.2.6", "NoFinding", "only a part"),
    ] {
        let (verdict, reason) = verdict(&manifests, number);
        assert_eq!(verdict, wanted, "{number}: {reason}");
        assert!(reason.contains(why), "{number}: {reason}");
    }
}

/// What would be carried out is no proof of a cluster.
#[test]
fn manifests_prove_nothing() {
    let provider =
        confirmed("mode: Enforce\n  scope:\n    entityType: ServiceProvider\n    namespaces:\n      names: [vault]\n");
    let files = [("zone.yaml", provider.as_str()), ("vault.yaml", VAULT)];
    for (args, wanted) in [(&["-o", "json"][..], "NoFinding"), (&["-o", "json", "--as-is"], "Proven")] {
        let (verdict, reason) = verdict(&report(&files, args), "12.5.2.1");
        assert_eq!(verdict, wanted, "{args:?}: {reason}");
    }
    // Another namespace, and the scope is not the one that was confirmed.
    let changed = provider.replace("[vault]", "[vault, other]");
    let other = format!("{VAULT}---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: other\n");
    let files = [("zone.yaml", changed.as_str()), ("vault.yaml", other.as_str())];
    let (verdict, reason) = verdict(&report(&files, &["-o", "json", "--as-is"]), "12.5.2.1");
    assert_eq!(verdict, "Violated", "{reason}");
}

fn ways(report: &Value, kind: &str) -> Vec<Value> {
    let ways = report["zones"][0]["ways"].as_array().expect("ways");
    let way = ways.iter().find(|way| way["kind"] == kind).expect("the way");
    way["entries"].as_array().expect("entries").clone()
}

#[test]
fn each_way_past_policies_names_who_answers_for_it_or_that_nobody_does() {
    let cluster = cluster();
    let report = report(&[("cluster.yaml", cluster.as_str())], &["--as-is", "-o", "json"]).json();
    for (kind, by, owners, unnamed) in [
        ("PlugIn", "PciZone/cardholder-data", json!([]), json!([])),
        ("OwnNode", "Node/pci-1", json!([null, "storage-team"]), json!(["monitoring/agent-x1"])),
        ("HostNetwork", "StatefulSet/vault/vault", json!([]), json!([])),
        ("HostPorts", "Pod/checkout/checkout-1", json!(["payments-team"]), json!([])),
        ("Services", "Service/checkout/checkout", json!(["payments-team"]), json!([])),
        ("Services", "Service/vault/vault", json!([]), json!([])),
        ("Routes", "Ingress/checkout/shop", json!(["storefront-team", "payments-team"]), json!([])),
        ("Endpoints", "EndpointSlice/storefront/by-hand", json!([]), json!([])),
        ("ApiServer", "RoleBinding/vault/on-call", json!([null]), json!([])),
        ("Established", "Namespace/checkout", json!([]), json!([])),
        ("SecondInterfaces", "StatefulSet/vault/vault", json!([]), json!([])),
    ] {
        let entries = ways(&report, kind);
        let meant = |entry: &&Value| {
            let owners_of = |entry: &Value| -> Vec<Value> {
                entry["answers"].as_array().expect("answers").iter().map(|answer| answer["owner"].clone()).collect()
            };
            entry["by"] == by && json!(owners_of(entry)) == owners && entry["unnamed"] == unnamed
        };
        assert!(entries.iter().any(|entry| meant(&entry)), "{kind} by {by}: {entries:#?}");
    }
    let accepted = ways(&report, "ApiServer");
    let exec = accepted.iter().find(|entry| entry["finding"] == "ExecGranted").expect("exec");
    assert_eq!((&exec["state"], &exec["answers"][0]["approvedBy"]), (&json!("Accepted"), &json!("ciso@example.com")));
}

#[test]
fn objects_are_named_with_their_uid_and_version() {
    let cluster = cluster();
    let report = report(&[("cluster.yaml", cluster.as_str())], &["--as-is", "-o", "json"]).json();
    let text = report.to_string();
    for object in [
        json!({ "resourceVersion": "81234", "subject": "PciZone/cardholder-data", "uid": "6f1e0c1a-0000-4000-8000-000000000001" }),
        json!({ "resourceVersion": "301", "subject": "NetworkPolicy/vault/team", "uid": "c1" }),
        json!({ "resourceVersion": "202", "subject": "Node/pci-2", "uid": "b2" }),
        json!({ "resourceVersion": null, "subject": "StatefulSet/vault/vault", "uid": null }),
    ] {
        let [subject, uid, version] = ["subject", "uid", "resourceVersion"].map(|key| object[key].to_string());
        let parts =
            [format!("\"subject\":{subject}"), format!("\"uid\":{uid}"), format!("\"resourceVersion\":{version}")];
        assert!(parts.iter().all(|part| text.contains(part)), "{object}");
    }
}

#[test]
fn what_is_declared_stays_text_and_nothing_is_asked_for() {
    let cluster = cluster();
    let page = report(&[("cluster.yaml", cluster.as_str())], &["--as-is"]).stdout;
    assert!(page.starts_with("<!doctype html>"));
    assert!(
        page.contains("&#60;script&#62;alert(&#34;need&#34;)") && page.contains("&#60;img src=x onerror=alert(1)&#62;")
    );
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<img") && !page.contains("<link") && !page.contains("src=\""));
    assert!(page.contains("default-src &#39;none&#39;"));
    // Addresses are told, and lead nowhere.
    assert!(page.contains("https://wiki.example.com/pci/training") && !page.contains("href=\"http"));
    assert!(page.contains("pcizone check -f cluster.yaml --as-is --now 2026-11-24T08:00:00Z --output json"));
}

#[test]
fn a_page_of_very_many_findings_is_bounded_and_counts_them_all() {
    let mut manifests = vec![zone(), VAULT.to_string()];
    manifests.extend((0..1200).map(|number| open(&format!("open-{number}"))));
    let text = manifests.join("\n---\n");
    let files = [("all.yaml", text.as_str())];
    let report = report(&files, &["-o", "json"]).json();
    let kinds = report["zones"][0]["findings"].as_array().expect("findings");
    let kind = kinds.iter().find(|kind| kind["id"] == "PolicyAllowsWorld").expect("the finding");
    let shown: usize = kind["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| group["subjects"].as_array().expect("subjects").len())
        .sum();
    assert_eq!((kind["total"].as_u64(), shown, kind["more"].as_u64()), (Some(1200), 500, Some(700)));
    assert_eq!(run("check", &files, &["-o", "json"]).json()["zones"][0]["counts"], report["zones"][0]["counts"]);
}
