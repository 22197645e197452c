//! What is asked of reach. What it answers is the engine's.

use serde_json::{Value, json};

use crate::support::{NOW, VAULT, folder, policy, run_in, zone};

#[test]
fn probes_that_make_no_sense_are_told() {
    let folder = folder(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())]);
    for (probes, wrong) in [
        ("[\n{\"from\": \"vault/web\"\n", "line 3"),
        (
            "[\n{\"from\": \"vault/web\", \"to\": \"vault/web\", \"prot\": \"TCP\", \"port\": 1}]",
            "unknown field `prot`",
        ),
        (
            "[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"protocol\": \"ICMP\", \"port\": 1}]",
            "unknown variant `ICMP`",
        ),
        ("[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"port\": 65536}]", "line 1"),
        ("[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"port\": 0}]", "probe 0: 0 is no port"),
        ("{}", "line 1"),
        (
            "[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"port\": 1}, {\"from\": \"web\", \"to\": \"ip:192.0.2.1\", \"port\": 1}]",
            "probe 1: ",
        ),
        ("[{\"from\": \"vault/web\", \"to\": \"ip:192.0.2\", \"port\": 1}]", "probe 0: "),
        ("[{\"from\": \"vault/web\", \"to\": \"vault/gone\", \"port\": 1}]", "probe 0: there is no pod vault/gone"),
    ] {
        let args = ["reach", "--now", NOW, "-f", ".", "--probes", "-"];
        let run = run_in(folder.path(), &args, probes.as_bytes());
        assert!(run.code == 2 && run.stdout.is_empty() && run.stderr.contains(wrong), "{probes}: {run:?}");
    }
    let run = run_in(folder.path(), &["reach", "-f", "-", "--probes", "-"], b"");
    assert_eq!(run.code, 3, "{run:?}");
    let run = run_in(folder.path(), &["reach", "-f", ".", "--probes", "gone.json"], b"");
    assert!(run.code == 2 && run.stderr.contains("gone.json: cannot read it"), "{run:?}");
}

#[test]
fn what_cannot_be_read_cannot_be_told() {
    let folder = folder(&[("a.yaml", "a: [")]);
    let run = run_in(folder.path(), &["reach", "-f", "a.yaml"], b"");
    assert_eq!((run.code, run.faults().len()), (2, 1), "{run:?}");
}

/// Each question of some ends with what decides it.
fn decided(manifests: &str, probes: &[(&str, &str)]) -> Vec<(bool, Vec<String>)> {
    let questions: Vec<Value> = probes.iter().map(|(from, to)| json!({ "from": from, "to": to, "port": 80 })).collect();
    let folder = folder(&[("a.yaml", manifests.to_string()), ("probes.json", json!(questions).to_string())]);
    let run = run_in(folder.path(), &["reach", "-f", "a.yaml", "--probes", "probes.json", "-o", "json"], b"");
    assert_eq!(run.code, 0, "{run:?}");
    let records = run.json();
    let records = records.as_array().expect("records").iter();
    let words = |record: &Value| serde_json::from_value(record["decidedBy"].clone()).expect("words");
    records.map(|record| (record["allowed"] == true, words(record))).collect()
}

fn pod(namespace: &str, name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{namespace: {namespace}, name: {name}}}, spec: {{containers: [{{name: a, image: a}}]}}}}\n---\n"
    )
}

fn ingress_from(peers: &str) -> String {
    policy("p", &format!("  podSelector: {{}}\n  ingress:\n    - from: {peers}\n"))
}

#[test]
fn a_pod_of_a_file_has_some_address() {
    const OWN: &str = "NetworkPolicy/vault/p";
    let (rule, none) = (format!("{OWN} ingress[0]"), format!("{OWN} ingress"));
    let unknown = "address of shop/web unknown".to_string();
    for (peers, allowed, by) in [
        ("[{ipBlock: {cidr: 0.0.0.0/0}}]", true, vec![rule.clone()]),
        ("[{ipBlock: {cidr: '::/0'}}]", true, vec![rule.clone()]),
        ("[{ipBlock: {cidr: 10.0.0.0/8}}]", false, vec![none.clone(), unknown.clone()]),
        ("[{ipBlock: {cidr: '::/0', except: ['fd00::/8']}}]", false, vec![none.clone(), unknown]),
        ("[{ipBlock: {cidr: 10.0.0.0/8}}, {namespaceSelector: {}}]", true, vec![rule]),
        ("[{podSelector: {}}]", false, vec![none]),
    ] {
        let manifests = [pod("shop", "web"), pod("vault", "db"), ingress_from(peers)].concat();
        let mut wanted = vec!["no policy for egress".to_string()];
        wanted.extend(by);
        assert_eq!(decided(&manifests, &[("shop/web", "vault/db")]), [(allowed, wanted)], "{peers}");
    }
}

#[test]
fn a_pod_that_may_be_on_the_node_of_another_is_told() {
    let spec = |node: &str| format!("{node}hostNetwork: true, containers: [{{name: a, image: a}}]");
    let agent = |node: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: DaemonSet, metadata: {{namespace: lab, name: agent}}, spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{{}}}}}}}}}\n---\n",
            spec(node)
        )
    };
    let close = policy("p", "  podSelector: {}\n  policyTypes: [Ingress]\n");
    let manifests = [agent(""), pod("lab", "web"), pod("vault", "db"), close].concat();
    let told = decided(&manifests, &[("lab/agent", "vault/db"), ("lab/web", "vault/db"), ("vault/db", "lab/agent")]);
    let node = "allowed if on the same node".to_string();
    let told: Vec<(bool, bool)> = told.into_iter().map(|(allowed, by)| (allowed, by.contains(&node))).collect();
    assert_eq!(told, [(false, true), (false, false), (true, false)]);
}
