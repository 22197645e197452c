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
        ("a zone without a namespace", vec![zone()], none, 2),
        ("no text", vec![zone(), "a: [".to_string()], none, 2),
        ("no such argument", vec![zone()], &["--colour"], 3),
        ("no such output", vec![zone()], &["-o", "xml"], 3),
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

/// A policy with the operator's labels and with its name among those who wrote it.
fn ours(name: &str, spec: &str) -> String {
    let labels = "  labels: {app.kubernetes.io/managed-by: pcizone, pcizone.dev/zone: cde}\n";
    let manager = "{manager: pcizone/namespaces, operation: Apply, apiVersion: networking.k8s.io/v1, fieldsType: FieldsV1, fieldsV1: {}}";
    let head = format!("  namespace: vault\n{labels}  managedFields: [{manager}]\n");
    policy(name, spec).replace("  namespace: vault\n", &head)
}

#[test]
fn what_the_operator_wrote_hides_nothing_where_it_is_not_at_work() {
    let stale = ours("pcizone-flow-gone-ingress", "  podSelector: {}\n  ingress:\n    - from: [{podSelector: {}}]\n");
    let open = ours("pcizone-baseline", "  podSelector: {}\n  ingress:\n    - {}\n");
    let observed = confirmed("scope:\n    namespaces:\n      names: [vault]\n");
    for (name, zone, policy, args, id) in [
        ("a flow that is no more", zone(), &stale, &["--as-is"][..], "PolicyUnmanagedWidens"),
        ("what was widened", zone(), &open, &["--as-is"], "PolicyAllowsWorld"),
        ("a zone that only observes", observed, &open, &[], "PolicyAllowsWorld"),
    ] {
        let files = [("zone.yaml", zone.as_str()), ("vault.yaml", VAULT), ("policy.yaml", policy.as_str())];
        let run = check(&files, &[&["-o", "json"], args].concat());
        assert_eq!(run.code, 1, "{name}: {run:?}");
        assert!(ids(&run.json(), "Violated").contains(&id.to_string()), "{name}: {run:?}");
    }
}

#[test]
fn what_is_not_in_place_is_no_success_also_where_no_finding_names_it() {
    let narrower =
        ours("pcizone-baseline", "  podSelector: {matchLabels: {app: web}}\n  policyTypes: [Ingress, Egress]\n");
    let labelled = VAULT.replace(
        "  name: vault\n",
        "  name: vault\n  labels: {pcizone.dev/zone: cde}\n  managedFields: [{manager: pcizone/namespaces, operation: Apply, \
         fieldsType: FieldsV1, fieldsV1: {\"f:metadata\": {\"f:labels\": {\"f:pcizone.dev/zone\": {}}}}}]\n",
    );
    let run = check(&[("zone.yaml", zone()), ("vault.yaml", labelled), ("policy.yaml", narrower)], &["--as-is"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("1 zone: NetworkSegmented is False: Not every declared policy is in place"), "{run:?}");
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
    for (state, found) in [("False", true), ("Unknown", true), ("True", false)] {
        let node = format!(
            "apiVersion: v1\nkind: Node\nmetadata:\n  name: pci-1\nstatus:\n  conditions:\n    - {{type: MemoryPressure, status: 'False'}}\n    - {{type: Ready, status: '{state}'}}\n"
        );
        let files = [("zone.yaml", hosting.as_str()), ("vault.yaml", VAULT), ("node.yaml", &node)];
        let told = ids(&check(&files, &["-o", "json"]).json(), "Violated").contains(&"ZoneHasNoNodes".to_string());
        assert_eq!(told, found, "Ready is {state}");
    }
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

fn binding(kind: &str, role: &str) -> String {
    let namespace = if kind == "RoleBinding" { "\n  namespace: vault" } else { "" };
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: b{namespace}\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {role}\nsubjects:\n  - kind: User\n    name: ann\n    apiGroup: rbac.authorization.k8s.io\n"
    )
}

#[test]
fn roles_that_every_cluster_has_need_not_be_given() {
    let run = |kind: &str, role: &str, own: &str, more: &[&str]| {
        let files = [
            ("zone.yaml", zone()),
            ("vault.yaml", VAULT.to_string()),
            ("binding.yaml", format!("{}---\n{own}", binding(kind, role))),
        ];
        check(&files, &[["-o", "json"].as_slice(), more].concat())
    };
    let own = |rules: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: edit\nrules: {rules}\n"
        )
    };
    let none = own("[]");
    for (kind, role, own, id, found) in [
        ("ClusterRoleBinding", "cluster-admin", "", "BlanketAdminBinding", true),
        ("RoleBinding", "cluster-admin", "", "BlanketAdminBinding", true),
        ("RoleBinding", "edit", "", "ExecGranted", true),
        ("RoleBinding", "admin", "", "SecretReadGranted", true),
        ("RoleBinding", "view", "", "SecretReadGranted", false),
        // What is given counts.
        ("RoleBinding", "edit", &none, "ExecGranted", false),
    ] {
        let told = run(kind, role, own, &[]);
        assert_eq!(ids(&told.json(), "Violated").contains(&id.to_string()), found, "{kind} to {role}: {told:?}");
        assert!(!told.stderr.contains("not given"), "{told:?}");
    }
    let as_is = run("ClusterRoleBinding", "cluster-admin", "", &["--as-is"]);
    assert!(!ids(&as_is.json(), "Violated").contains(&"BlanketAdminBinding".to_string()), "{as_is:?}");
}

#[test]
fn what_is_named_around_a_zone_and_not_given_is_told() {
    let ingress = |namespace: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\n  namespace: {namespace}\nspec:\n  defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}\n"
        )
    };
    let service =
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: vault\nspec:\n  ports: [{port: 80}]\n";
    let lines = |objects: &[&str]| -> Vec<String> {
        let objects = objects.join("---\n");
        let run = check(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("more.yaml", objects)], &[]);
        run.stderr.lines().filter(|line| line.starts_with("not given")).map(str::to_string).collect()
    };
    let (inside, outside) = (ingress("vault"), ingress("shop"));
    let web = "not given, and so not judged: Service/vault/web, which Ingress/vault/i names".to_string();
    let role = "not given, and so not judged: ClusterRole/own, which ClusterRoleBinding/b names".to_string();
    let own = binding("ClusterRoleBinding", "own");
    assert_eq!(lines(&[&inside, &outside]), [web]);
    assert_eq!(lines(&[&inside, service]), Vec::<String>::new());
    assert_eq!(lines(&[&own]), [role]);
}

#[test]
fn a_rule_for_the_own_namespace_is_not_said_to_be_for_everybody() {
    let said = |peers: &str| {
        let open = policy("open", &format!("  podSelector: {{}}\n  ingress:\n    - from: [{peers}]\n"));
        check(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("open.yaml", open)], &[]).stdout
    };
    for (peers, words) in [
        ("{podSelector: {}}", "It lets namespace vault reach vault/web on every port"),
        ("{namespaceSelector: {}}", "It lets every pod of the cluster reach vault/web on every port"),
    ] {
        let said = said(peers);
        assert!(said.contains(words), "{peers}: {said}");
    }
}

#[test]
fn a_policy_that_opens_the_world_is_told_by_the_opening_that_does() {
    // The flow covers the internet on 443, so what the first rule opens beyond it are the networks of the cluster.
    let zone = confirmed(
        "mode: Enforce\n  scope:\n    namespaces:\n      names: [vault]\n  segmentation:\n    flows:\n    - name: customers\n      \
         need: Customers reach the vault for their cards.\n      owner: team\n      approvedBy: boss\n      ticket: PAY-1\n      \
         reviewedAt: 2026-11-01T00:00:00Z\n      expiresAt: 2027-04-01T00:00:00Z\n      from: {internet: true}\n      \
         to: {namespace: vault}\n      ports: [{protocol: TCP, port: 443}]\n",
    );
    let rules =
        policy("gateway", "  podSelector: {}\n  ingress:\n    - ports: [{port: 443}]\n    - ports: [{port: 15021}]\n");
    let run = check(&[("zone.yaml", zone), ("vault.yaml", VAULT.to_string()), ("a.yaml", rules)], &["-o", "json"]);
    let report = run.json();
    let findings = report["zones"][0]["findings"].as_array().expect("findings");
    let world = findings.iter().find(|finding| finding["id"] == "PolicyAllowsWorld").expect("the finding");
    let message = world["message"].as_str().expect("a message");
    assert!(message.starts_with("It lets everybody reach") && message.contains("on TCP 15021"), "{message}");
}

/// An image that runs in the zone, by digest.
const APP: &str =
    "registry.example.com/pci/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A report of the Trivy Operator about it.
fn trivy(kind: &str, content: &Value) -> String {
    let mut report = json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": kind,
        "metadata": { "name": "replicaset-app", "namespace": "vault" },
        "report": {
            "updateTimestamp": "2026-11-23T08:00:00Z", "scanner": { "name": "Trivy" }, "registry": { "server": "registry.example.com" },
            "artifact": { "repository": "pci/app", "digest": APP.split_once('@').unwrap().1 },
        },
    });
    let fields = content.as_object().unwrap().clone();
    report["report"].as_object_mut().unwrap().extend(fields);
    format!("---\n{report}\n")
}

/// A report of results about it, in another shape.
fn results(api_version: &str, source: &str) -> String {
    let digest = APP.split_once('@').unwrap().1;
    let report = json!({
        "apiVersion": api_version, "kind": if api_version.starts_with("open") { "Report" } else { "PolicyReport" },
        "metadata": { "name": "scan", "namespace": "vault" }, "source": source,
        "results": [{
            "policy": "none", "category": "Vulnerability Scan", "result": "pass", "timestamp": { "seconds": 1_795_420_800, "nanos": 0 },
            "properties": { "artifact.digest": digest },
        }],
    });
    format!("---\n{report}\n")
}

#[test]
fn reports_of_scanners_are_read_from_files_and_those_that_cannot_be_read_prove_nothing() {
    let scanning = "mode: Enforce\n  scope:\n    namespaces:\n      names: [vault]\n  scanning:\n    registries: [registry.example.com/pci]\n";
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "app", "namespace": "vault" },
        "spec": { "containers": [{ "name": "app", "image": APP }] },
    });
    let scan = trivy("VulnerabilityReport", &json!({ "vulnerabilities": [] }));
    let overdue =
        json!({ "vulnerabilityID": "CVE-2026-1", "severity": "CRITICAL", "fixedVersion": "2", "resource": "openssl" });
    let old = trivy(
        "VulnerabilityReport",
        &json!({ "updateTimestamp": "2026-10-01T08:00:00Z", "vulnerabilities": [overdue] }),
    );
    let bill = trivy(
        "SbomReport",
        &json!({ "components": { "bomFormat": "CycloneDX", "components": [{ "name": "openssl" }] } }),
    );
    for (what, reports, wanted) in [
        ("none", String::new(), vec!["ScanEvidenceUnread"]),
        ("a scan and a bill", format!("{scan}{bill}"), vec![]),
        ("a scan alone", scan.clone(), vec!["SbomMissing"]),
        ("a bill alone", bill.clone(), vec!["ImageUnscanned"]),
        ("an old scan", format!("{old}{bill}"), vec!["ImageCriticalOverdue", "ImageScanStale"]),
        ("of openreports.io", format!("{}{bill}", results("openreports.io/v1alpha1", "x")), vec![]),
        ("of wgpolicyk8s.io", format!("{}{bill}", results("wgpolicyk8s.io/v1alpha2", "x")), vec![]),
        ("of a later version", format!("{}{bill}", results("wgpolicyk8s.io/v1beta1", "x")), vec![]),
        (
            "of a version that is not read",
            format!("{}{bill}", results("wgpolicyk8s.io/v1alpha1", "x")),
            vec!["ImageUnscanned"],
        ),
        ("our own", format!("{}{bill}", results("openreports.io/v1alpha1", "pcizone")), vec!["ImageUnscanned"]),
        (
            "of a strange shape",
            format!("{bill}{}", trivy("VulnerabilityReport", &json!({ "vulnerabilities": "none" }))),
            vec!["ImageUnscanned"],
        ),
    ] {
        let files = [
            ("zone.yaml", confirmed(scanning)),
            ("pod.yaml", pod.to_string()),
            ("vault.yaml", VAULT.to_string()),
            ("reports.yaml", reports),
        ];
        let run = check(&files, &["-o", "json"]);
        let report = run.json();
        let about = |finding: &&Value| {
            ["Image/registry.example.com", "PciZone/"]
                .iter()
                .any(|kind| finding["subject"].as_str().unwrap().starts_with(kind))
        };
        let of_images = |id: &str| id.contains("Image") || id.contains("Scan") || id.contains("Sbom");
        let findings = report["zones"][0]["findings"].as_array().unwrap().iter().filter(about);
        let mut found: Vec<&str> =
            findings.filter_map(|finding| finding["id"].as_str()).filter(|id| of_images(id)).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{what}: {report:#}");
    }
    let files = [
        ("zone.yaml", zone()),
        ("vault.yaml", VAULT.to_string()),
        ("old.yaml", results("wgpolicyk8s.io/v1alpha1", "x")),
    ];
    let run = check(&files, &[]);
    assert!(run.stderr.contains("skipped 1 object of kinds that do not decide: PolicyReport 1"), "{run:?}");
}
