//! What is judged, and what comes out where.

use serde_json::{Value, json};

use crate::support::{NOW, VAULT, check, confirmed, folder, open, policy, run_in, zone};

fn ids(report: &Value, state: &str) -> Vec<String> {
    let findings = report["zones"]
        .as_array()
        .expect("zones")
        .iter()
        .flat_map(|zone| zone["findings"].as_array().expect("findings"));
    findings.filter(|finding| finding["state"] == state).map(|f| f["id"].as_str().expect("an id").to_string()).collect()
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let none: &[&str] = &[];
    let observed = confirmed("scope:\n    namespaces:\n      names: [vault]\n");
    for (name, manifests, args, code) in [
        ("clean", vec![zone(), VAULT.to_string()], none, 0),
        ("unproven counts when asked for", vec![zone(), VAULT.to_string()], &["--strict"], 1),
        ("a policy that opens", vec![zone(), VAULT.to_string(), open("all")], none, 1),
        ("nothing was applied", vec![zone(), VAULT.to_string()], &["--as-is"], 1),
        ("observed, so the operator writes nothing", vec![observed, VAULT.to_string()], none, 1),
        ("no zone", vec![VAULT.to_string()], none, 2),
        ("no text", vec![zone(), "a: [".to_string()], none, 2),
        ("no such argument", vec![zone()], &["--colour"], 3),
        ("no such output", vec![zone()], &["-o", "yaml"], 3),
        ("no such moment", vec![zone()], &["--now", "yesterday"], 3),
    ] {
        let names: Vec<String> = (0..manifests.len()).map(|number| format!("{number}.yaml")).collect();
        let files: Vec<(&str, &String)> = names.iter().map(String::as_str).zip(&manifests).collect();
        let run = check(&files, args);
        assert_eq!(run.code, code, "{name}: {run:?}");
    }
}

#[test]
fn a_file_that_is_not_there_cannot_be_judged() {
    let folder = folder(&[("a/zone.yaml", zone())]);
    let run = run_in(folder.path(), &["check", "-f", "a", "-f", "b.yaml"], b"");
    assert_eq!((run.code, run.faults().len()), (2, 1), "{run:?}");
    assert!(run.faults()[0].starts_with("b.yaml: cannot read it"), "{run:?}");
}

#[test]
fn help_and_version_are_no_mistakes() {
    let folder = folder::<&str>(&[]);
    for args in [&["--help"][..], &["--version"], &["check", "--help"], &["reach", "-h"]] {
        let run = run_in(folder.path(), args, b"");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
        assert!(!run.stdout.is_empty());
    }
    let run = run_in(folder.path(), &[], b"");
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
}

#[test]
fn the_result_is_on_standard_output_alone() {
    let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())];
    let run = check(&files, &["-o", "json"]);
    assert!(run.json()["zones"].is_array());
    assert!(run.stderr.contains("read 2 files, 3 objects in "), "{}", run.stderr);
    let quiet = check(&files, &["-o", "json", "-q"]);
    assert_eq!((quiet.stderr.as_str(), quiet.stdout), ("", run.stdout));
    let broken = check(&[("zone.yaml", "a: [")], &["-o", "json"]);
    assert_eq!(broken.stdout, "");
    assert!(!broken.stderr.is_empty());
}

#[test]
fn equal_input_gives_equal_output() {
    let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("all.yaml", open("all"))];
    for output in ["json", "table"] {
        let [first, second] = [(), ()].map(|()| check(&files, &["-o", output]));
        assert_eq!(first.stdout, second.stdout);
        assert!(first.stdout.contains(NOW), "{}", first.stdout);
    }
}

#[test]
fn json_holds_every_finding_and_agrees_with_itself() {
    let mut files = vec![("zone.yaml".to_string(), zone()), ("vault.yaml".to_string(), VAULT.to_string())];
    files.extend((0..30).map(|number| (format!("{number}.yaml"), open(&format!("open-{number}")))));
    let files: Vec<(&str, &String)> = files.iter().map(|(name, text)| (name.as_str(), text)).collect();
    let run = check(&files, &["-o", "json"]);
    let report = run.json();
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&report), ["asIs", "judgedAt", "zones"]);
    assert_eq!((&report["asIs"], &report["judgedAt"]), (&json!(false), &json!(NOW)));
    let zone = &report["zones"][0];
    assert_eq!(keys(zone), ["conditions", "counts", "findings", "mode", "name"]);
    assert_eq!((&zone["name"], &zone["mode"]), (&json!("cde"), &json!("Enforce")));
    let findings = zone["findings"].as_array().expect("findings");
    for number in 0..30 {
        let subject = json!(format!("NetworkPolicy/vault/open-{number}"));
        assert!(findings.iter().any(|finding| finding["subject"] == subject), "{subject} is not found");
    }
    let critical = |finding: &&Value| finding["severity"] == "Critical" && finding["state"] == "Violated";
    assert_eq!(zone["counts"]["critical"], json!(findings.iter().filter(critical).count()));
    assert_eq!(zone["counts"]["unproven"], json!(ids(&report, "Unproven").len()));
    let finding = &zone["findings"][0];
    for key in ["id", "subject", "state", "severity", "requirements", "message", "remediation", "since"] {
        assert!(!finding[key].is_null(), "{key} is missing: {finding}");
    }
    let text = check(&files, &[]).stdout;
    assert_eq!(
        text.matches("\nCritical").count() + text.matches("\nHigh").count() + text.matches("\nMedium").count(),
        findings.len()
    );
    let violated = ids(&report, "Violated").len();
    assert!(text.contains(&format!("\n1 zone: {violated} findings (")), "{text}");
    assert!(text.ends_with(&format!(", {} could not be proven.\n", zone["counts"]["unproven"])), "{text}");
}

#[test]
fn a_table_has_no_colours_in_a_pipe_and_says_what_was_judged() {
    let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("all.yaml", open("all"))];
    let text = check(&files, &[]).stdout;
    assert!(!text.contains('\x1b') && text.contains("as it will be once the operator"), "{text}");
    let header = text.lines().position(|line| line.starts_with("SEVERITY")).expect("a header");
    let lines: Vec<&str> = text.lines().collect();
    let column = lines[header].find("SUBJECT").expect("a column");
    assert!(
        lines[header + 1].starts_with("Critical  Violated")
            && lines[header + 1][column..].starts_with("NetworkPolicy/vault/all ")
    );
    assert!(check(&files, &["--as-is"]).stdout.contains("exactly as it is"));
}

#[test]
fn what_the_operator_will_write_is_there_already() {
    let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())];
    let settled = check(&files, &["-o", "json"]).json();
    assert_eq!(ids(&settled, "Violated"), Vec::<String>::new());
    let as_is = check(&files, &["-o", "json", "--as-is"]).json();
    assert_eq!(as_is["asIs"], true);
    let found = ids(&as_is, "Violated");
    assert!(found.contains(&"DefaultDenyMissing".to_string()), "{found:?}");
    let condition = |report: &Value, kind: &str| {
        let conditions = report["zones"][0]["conditions"].as_array().expect("conditions");
        conditions.iter().find(|condition| condition["type"] == kind).expect("it is there")["status"].clone()
    };
    assert_eq!((condition(&settled, "Ready"), condition(&as_is, "Ready")), (json!("True"), json!("False")));
}

#[test]
fn what_was_not_given_is_unproven_and_not_violated() {
    let hosting = confirmed(
        "mode: Enforce\n  scope:\n    namespaces:\n      names: [vault]\n  hosting:\n    nodes:\n      names: [pci-1]\n",
    );
    let node = "apiVersion: v1\nkind: Node\nmetadata:\n  name: other\n";
    let without = check(&[("zone.yaml", hosting.as_str()), ("vault.yaml", VAULT)], &["-o", "json"]);
    assert_eq!(without.code, 0, "{without:?}");
    assert!(ids(&without.json(), "Unproven").contains(&"NodesUnseen".to_string()));
    let with = check(&[("zone.yaml", hosting.as_str()), ("vault.yaml", VAULT), ("node.yaml", node)], &["-o", "json"]);
    assert_eq!(ids(&with.json(), "Violated"), ["ZoneHasNoNodes", "NodeMissing"]);
    let dump = check(&[("zone.yaml", hosting.as_str()), ("vault.yaml", VAULT)], &["-o", "json", "--as-is"]);
    assert!(ids(&dump.json(), "Violated").contains(&"NodeMissing".to_string()));
}

#[test]
fn a_policy_that_only_denies_is_no_finding() {
    let deny = policy("deny", "  podSelector: {}\n  policyTypes: [Ingress, Egress]\n");
    let run = check(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("deny.yaml", deny)], &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("1 zone: nothing is violated, 1 could not be proven."), "{run:?}");
}

#[test]
fn a_policy_that_says_it_is_older_than_its_namespace_is_judged() {
    let at = |text: &str, name: &str, time: &str| {
        text.replace(&format!("name: {name}\n"), &format!("name: {name}\n  creationTimestamp: {time}\n"))
    };
    let vault = at(VAULT, "vault", "2026-06-01T00:00:00Z");
    let old = at(&open("all"), "all", "2025-01-01T00:00:00Z");
    for args in [&["-o", "json"][..], &["-o", "json", "--as-is"]] {
        let run = check(&[("zone.yaml", zone()), ("vault.yaml", vault.clone()), ("all.yaml", old.clone())], args);
        let found = ids(&run.json(), "Violated");
        assert!(found.contains(&"PolicyAllowsWorld".to_string()), "{args:?}: {found:?}");
    }
}

/// The default deny of vault as a dump shows it.
const BASELINE: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: pcizone-baseline
  namespace: vault
  labels: {app.kubernetes.io/managed-by: pcizone, pcizone.dev/zone: cde}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
      to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
          podSelector: {matchLabels: {k8s-app: kube-dns}}
";

#[test]
fn without_managed_fields_nobody_is_taken_for_the_writer_of_what_is_as_it_must_be() {
    let armed = zone().replace("  name: cde\n", "  name: cde\n  finalizers: [pcizone.dev/protection]\n");
    let kubectl = "  managedFields: [{manager: kubectl, operation: Update}]\n";
    let vault = |zone: &str, more: &str| {
        VAULT.replacen("  name: vault\n", &format!("  name: vault\n  labels: {{pcizone.dev/zone: {zone}}}\n{more}"), 1)
    };
    let wide = BASELINE.replace("  egress:\n", "  ingress: [{}]\n  egress:\n");
    let disguised = wide.replace("pcizone-baseline", "pcizone-flow-a");
    for (name, vault, policies, found) in [
        ("as it must be", vault("cde", ""), BASELINE.to_string(), &[][..]),
        ("written by another", vault("cde", kubectl), BASELINE.to_string(), &["NamespaceUnlabelled"]),
        ("with another zone's label", vault("abc", ""), BASELINE.to_string(), &["NamespaceUnlabelled"]),
        ("without default deny", vault("cde", ""), open("a"), &["DefaultDenyMissing", "PolicyAllowsWorld"]),
        ("with one that opens", vault("cde", ""), wide, &["PolicyAllowsWorld"]),
        ("with a disguised one", vault("cde", ""), format!("{BASELINE}---\n{disguised}"), &["PolicyAllowsWorld"]),
    ] {
        let files = [("zone.yaml", armed.clone()), ("vault.yaml", vault), ("policies.yaml", policies)];
        let run = check(&files, &["-o", "json", "--as-is"]);
        let all = ids(&run.json(), "Violated");
        assert_eq!(all.is_empty(), found.is_empty(), "{name}: {all:?}");
        assert!(found.iter().all(|id| all.contains(&id.to_string())), "{name}: {all:?}");
    }
}

#[test]
fn nothing_that_a_terminal_acts_by_comes_out() {
    let name = "\"a\\u001b[31mll\"";
    let spec = "  podSelector: {}\n  ingress:\n    - {}\n";
    let refused = policy("all", spec).replace("name: all", &format!("name: {name}"));
    // Names of bindings are almost free.
    let rbac = "apiVersion: rbac.authorization.k8s.io/v1";
    let role = format!(
        "{rbac}\nkind: ClusterRole\nmetadata: {{name: exec}}\nrules: [{{apiGroups: [\"\"], resources: [pods/exec], verbs: [create]}}]\n"
    );
    let binding = format!(
        "---\n{rbac}\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: vault}}\nroleRef: {{kind: ClusterRole, name: exec}}\nsubjects: [{{kind: User, name: {name}}}]\n"
    );
    for (name, text, code) in [("refused", refused, 2), ("found", role + &binding, 1)] {
        let run = check(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("all.yaml", text)], &[]);
        assert_eq!(run.code, code, "{name}: {run:?}");
        assert!(format!("{}{}", run.stdout, run.stderr).contains("[31mll"), "{name}: {run:?}");
        assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'), "{name}: {run:?}");
    }
}
