//! `pcizone plan`: what Enforce would write, and what it would cut off.

use std::fmt::Write as _;

use pcizone::{
    cli::manifests::{Reader, Settings},
    engine::{Snapshot, evaluate, preview, resolve},
};
use serde_json::{Value, json};

use crate::support::{NOW, Run, VAULT, folder, run_in, zone_with};

const SHOP: &str = "
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: front, image: 'front:1', ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: back, namespace: shop, labels: {app: back}}
spec: {containers: [{name: back, image: 'back:1'}]}
";
const ARMED: &str = "  finalizers: [pcizone.dev/protection]\n";

/// A zone with a flow from the front of the shop to the vault.
fn zone(mode: &str) -> String {
    zone_with(&format!(
        "mode: {mode}
  scope: {{namespaces: {{names: [vault]}}}}
  segmentation:
    flows:
    - name: front-to-vault
      need: The front asks the vault.
      owner: payments
      approvedBy: security
      ticket: PAY-1
      reviewedAt: 2026-10-01T00:00:00Z
      expiresAt: 2027-04-01T00:00:00Z
      from: {{namespace: shop, podSelector: {{matchLabels: {{app: front}}}}}}
      to: {{namespace: vault}}
      ports: [{{port: 8443}}]
"
    ))
}

/// The same, which carries our finalizer already.
fn armed(mode: &str) -> String {
    zone(mode).replace("  name: cde\n", &format!("  name: cde\n{ARMED}"))
}

fn plan(files: &[(&str, String)], args: &[&str]) -> Run {
    let folder = folder(files);
    let mut all = vec!["plan", "--now", NOW, "--quiet", "-f", "."];
    all.extend(args);
    run_in(folder.path(), &all, b"")
}

fn shop(zone: String) -> Vec<(&'static str, String)> {
    vec![("zone.yaml", zone), ("vault.yaml", VAULT.to_string()), ("shop.yaml", SHOP.to_string())]
}

#[test]
fn every_write_is_told_with_its_reason_and_what_it_changes() {
    let run = plan(&shop(zone("Observe")), &[]);
    assert_eq!(run.code, 1, "{run:?}");
    let start = "\
What Enforce would write, as of 2026-11-24T08:00:00Z. Nothing of it is written by this command.

Zone cde (Observe): 22 to create, 1 to change
  put our finalizer on PciZone/cde
    Without it a deletion of the zone would leave everything behind.
  create NetworkPolicy/vault/pcizone-baseline
    Denies everything in both directions but DNS.
      + egress:
      + - ports:
";
    let rules = "
  create NetworkPolicy/vault/pcizone-flow-front-to-vault-ingress
    Lets in what the flow front-to-vault declares: The front asks the vault.
      + ingress:
      + - from:
      +   - namespaceSelector:
      +       matchLabels:
      +         kubernetes.io/metadata.name: shop
      +     podSelector:
      +       matchLabels:
      +         app: front
      +   ports:
      +   - port: 8443
      +     protocol: TCP
      + podSelector: {}
      + policyTypes:
      + - Ingress
  label Namespace/vault
    Says that the default deny is there; the admission policies of the zone go by it.
      + labels:
      +   pcizone.dev/zone: cde
";
    let cut = "
Possible now, and cut off then:
FROM                       TO                      PAIRS  PORTS
shop/back                  vault/web               1      TCP 8443
vault/web                  shop/back               1      every port
vault/web                  shop/front              1      TCP 80
addresses 0.0.0.0/0, ::/0  vault/web               1      TCP 8443
vault/web                  addresses 0.0.0.0/0, ::/0  1      every port
";
    assert!(run.stdout.starts_with(start), "{}", run.stdout);
    assert!(run.stdout.contains(rules), "{}", run.stdout);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&run.stdout).ends_with(&words(cut)), "{}", run.stdout);
}

#[test]
fn the_exit_code_says_whether_something_would_be_written() {
    let nowhere = zone_with("mode: Enforce\n  scope: {namespaces: {names: [nowhere]}}\n");
    let namespace = VAULT.split("---\n").nth(1).unwrap().to_string();
    for (what, files, args, code, said) in [
        ("observes", shop(zone("Observe")), vec![], 1, "22 to create, 1 to change"),
        ("enforces", shop(zone("Enforce")), vec![], 1, "22 to create, 1 to change"),
        ("no such namespace", vec![("zone.yaml", nowhere)], vec![], 2, "it has no namespace"),
        ("no zone", vec![("vault.yaml", namespace)], vec![], 2, "there is no PciZone"),
        ("no such argument", shop(zone("Enforce")), vec!["--strict"], 3, "unexpected argument"),
    ] {
        let run = plan(&files, &args);
        assert_eq!(run.code, code, "{what}: {run:?}");
        assert!(run.stdout.contains(said) || run.stderr.contains(said), "{what}: {run:?}");
    }
}

/// What the plan says is what the operator would find in place: nothing is left to write once it was applied.
#[test]
fn nothing_is_left_to_write_once_the_objects_were_applied() {
    let pods = VAULT.split("---\n").nth(2).unwrap();
    let before = [("zone.yaml", armed("Warn")), ("pods.yaml", pods.to_string()), ("shop.yaml", SHOP.to_string())];
    let planned = plan(&before, &["-o", "yaml"]);
    assert_eq!(planned.code, 1, "{planned:?}");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&planned.stdout).unwrap();
    assert_eq!(objects.iter().filter(|object| object["kind"] == "Namespace").count(), 1, "{}", planned.stdout);
    let mut after = before.to_vec();
    after.push(("planned.yaml", planned.stdout));
    let again = plan(&after, &[]);
    let wanted = "
Zone cde (Warn): nothing to write

No connection of the pods that are there would be cut off.
";
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.ends_with(wanted), "{again:?}");
}

#[test]
fn a_policy_that_says_something_else_is_shown_as_a_difference() {
    let baseline = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: pcizone-baseline
  namespace: vault
  labels: {app.kubernetes.io/managed-by: pcizone, pcizone.dev/zone: cde}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress: [{}]
";
    let mut files = shop(armed("Enforce"));
    files.push(("policy.yaml", baseline.to_string()));
    let run = plan(&files, &[]);
    let wanted = "
  restore NetworkPolicy/vault/pcizone-baseline
    Is not what the zone declares. Denies everything in both directions but DNS.
          pcizone.dev/zone: cde
        spec:
          egress:
      -   - {}
      +   - ports:
      +     - port: 53
";
    assert!(run.stdout.contains(wanted), "{}", run.stdout);
    let ingress = |line: &&str| line.ends_with("TCP 8443");
    assert_eq!(run.stdout.lines().filter(ingress).count(), 0, "ingress was denied before: {}", run.stdout);
}

#[test]
fn the_table_of_what_is_cut_is_bounded_and_json_has_all() {
    let mut pods = String::new();
    for number in 0..30 {
        let port = 1000 + number;
        let _ = write!(
            pods,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: n{number:02}, labels: {{n: n{number}}}}}\n\
             spec: {{containers: [{{name: p, image: 'p:1', ports: [{{containerPort: {port}}}]}}]}}\n"
        );
    }
    let files = [("zone.yaml", armed("Observe")), ("vault.yaml", VAULT.to_string()), ("pods.yaml", pods)];
    let run = plan(&files, &[]);
    let table = run.stdout.split_once("PORTS\n").unwrap().1;
    assert_eq!(table.lines().count(), 21, "{table}");
    assert!(table.ends_with("and 42 more, for 42 pairs; -o json has all\n"), "{table}");
    let json = plan(&files, &["-o", "json"]).json();
    assert_eq!(json["cut"].as_array().unwrap().len(), 62);
    let first = json!({ "isOutside": false, "from": "n00/p", "to": "vault/web", "ports": "TCP 8443", "pairs": 1 });
    assert_eq!((&json["cut"][0], &json["plannedAt"]), (&first, &json!(NOW)));
    let write = &json["zones"][0]["writes"][0];
    assert_eq!((&write["verb"], &write["object"]), (&json!("create"), &json!("NetworkPolicy/vault/pcizone-baseline")));
    assert_eq!((&write["after"]["kind"], write.get("before")), (&json!("NetworkPolicy"), None));
}

/// `status.plan` and the command count the same writes and name them in the same words.
#[test]
fn the_status_of_a_zone_that_observes_has_the_same_plan() {
    let now = NOW.parse().unwrap();
    let settings = Settings { namespace: "default".to_string(), now, live: false };
    let mut reader = Reader::new(settings, Snapshot::default());
    for text in [&zone("Observe"), VAULT, SHOP] {
        reader.read("input", false, text.as_bytes());
    }
    let snapshot = reader.finish().unwrap().snapshot;
    let status = evaluate(&snapshot, &resolve(&snapshot), now).remove("cde").unwrap().status.plan.unwrap();
    let planned = preview::preview(&snapshot, now).zones.remove(0);
    let counts = [planned.create, planned.update, planned.delete].map(|n| i64::try_from(n).unwrap());
    assert_eq!(counts, [status.create, status.update, status.delete]);
    let words: Vec<String> = planned.writes.iter().map(|step| format!("{} {}", step.verb, step.object)).collect();
    assert_eq!(words[..status.sample.len()], status.sample[..]);
}
