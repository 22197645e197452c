//! What scanners report, on a real API server with the real definitions of the Trivy Operator, `OpenReports` and Kyverno.

use std::{fmt::Write as _, path::Path};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Bed, bare_zone};

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/components/scanning/rbac.yaml");
/// More than two pages.
const MANY: usize = 25;
const TRIVY: [&str; 4] = ["vulnerabilityreports", "clustervulnerabilityreports", "sbomreports", "clustersbomreports"];
const OPEN: [&str; 2] = ["reports", "clusterreports"];
const POLICY: [&str; 2] = ["policyreports", "clusterpolicyreports"];

/// A cluster with all these kinds and no operator yet.
async fn bed() -> Bed {
    let bed = Bed::without_operator().await;
    let folders = [testbed::trivy_operator(), testbed::open_reports(), testbed::policy_reports()];
    for folder in folders {
        // What is applied on the client's side would not fit into its annotation.
        let folder = folder.unwrap();
        bed.kubectl(&["apply", "--server-side", "--filename", folder.to_str().unwrap()]).await;
    }
    for kind in kinds() {
        bed.kubectl(&["wait", "--for=condition=Established", &format!("crd/{kind}")]).await;
    }
    bed.shop().await;
    bed
}

fn kinds() -> Vec<String> {
    let of =
        |plurals: &[&str], group: &str| plurals.iter().map(|plural| format!("{plural}.{group}")).collect::<Vec<_>>();
    [of(&TRIVY, "aquasecurity.github.io"), of(&OPEN, "openreports.io"), of(&POLICY, "wgpolicyk8s.io")].concat()
}

fn digest(number: usize) -> String {
    format!("sha256:{number:064x}")
}

/// What the Trivy Operator says of an image, but for what it found.
fn trivy(kind: &str, namespace: &str, name: &str, number: usize, found: &str) -> String {
    let namespace = if namespace.is_empty() { String::new() } else { format!("namespace: {namespace}, ") };
    let digest = digest(number);
    format!(
        "---
apiVersion: aquasecurity.github.io/v1alpha1
kind: {kind}
metadata: {{{namespace}name: {name}}}
report:
  updateTimestamp: 2026-11-20T08:00:00Z
  scanner: {{name: Trivy, vendor: Aqua Security, version: 0.66.0}}
  registry: {{server: index.docker.io}}
  artifact: {{repository: library/nginx, tag: '1.27', digest: '{digest}'}}
{found}"
    )
}

fn scan(kind: &str, namespace: &str, name: &str, number: usize) -> String {
    let found = "  os: {family: debian, name: '12.8'}
  summary: {criticalCount: 1, highCount: 0, mediumCount: 0, lowCount: 0, unknownCount: 0}
  vulnerabilities:
  - {vulnerabilityID: CVE-2026-1, resource: libssl3, installedVersion: 3.0.11, fixedVersion: 3.0.12, severity: CRITICAL,
     publishedDate: '2026-08-01T10:00:00Z', lastModifiedDate: '', title: openssl, links: [], target: ''}
";
    trivy(kind, namespace, name, number, found)
}

fn bill(kind: &str, namespace: &str, name: &str) -> String {
    let found = "  summary: {componentsCount: 1, dependenciesCount: 0}
  components:
    bomFormat: CycloneDX
    specVersion: '1.6'
    components: [{name: libssl3, version: 3.0.11, type: library}]
";
    trivy(kind, namespace, name, 1, found)
}

/// A report with one result: a scan of a digest, or a pass of something else.
fn results(api: &str, kind: &str, namespace: &str, name: &str, properties: &str) -> String {
    let namespace = if namespace.is_empty() { String::new() } else { format!("namespace: {namespace}, ") };
    format!(
        "---
apiVersion: {api}
kind: {kind}
metadata: {{{namespace}name: {name}}}
results:
- policy: CVE-2026-1
  category: Vulnerability Scan
  source: Trivy Vulnerability
  result: pass
  timestamp: {{seconds: 1795160000, nanos: 0}}
  properties: {properties}
"
    )
}

async fn until_counts(bed: &Bed, counts: &[(&str, u64)]) {
    for (kind, count) in counts {
        let series = format!("pcizone_scan_reports{{resource=\"{kind}\"}}");
        bed.operator()
            .until_page(&format!("{series} {count}"), "/metrics", |_, text| {
                text.lines().any(|line| line == format!("{series} {count}"))
            })
            .await;
    }
}

/// Requests for reports that were made so far, and the series of them.
async fn asked(bed: &Bed) -> (u64, usize) {
    let mut asked = 0;
    for kind in kinds() {
        for code in [200, 403, 404] {
            let series = format!("pcizone_api_requests_total{{method=\"GET\",resource=\"{kind}\",code=\"{code}\"}}");
            asked += bed.operator().metric(&series).await;
        }
    }
    let text = bed.operator().get("/metrics").await.1;
    (asked, text.lines().filter(|line| line.starts_with("pcizone_scan_reports{")).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_read_while_a_zone_asks_for_them() {
    let mut bed = bed().await;
    let mut all = String::new();
    for number in 0..MANY {
        let _ = write!(all, "{}", scan("VulnerabilityReport", "vault", &format!("replicaset-web-{number}"), number));
    }
    let image = format!("{{artifact.digest: '{}'}}", digest(1));
    for one in [
        scan("ClusterVulnerabilityReport", "", "node", 7),
        bill("SbomReport", "checkout", "replicaset-web"),
        bill("ClusterSbomReport", "", "0a1b2c"),
        results("openreports.io/v1alpha1", "Report", "vault", "scan", &image),
        results("openreports.io/v1alpha1", "Report", "vault", "of-no-image", "{namespace: vault}"),
        results("openreports.io/v1alpha1", "ClusterReport", "", "scan", &image),
        results("wgpolicyk8s.io/v1alpha2", "PolicyReport", "vault", "scan", &image),
        results("wgpolicyk8s.io/v1alpha2", "PolicyReport", "checkout", "of-no-image", "{namespace: vault}"),
        results("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport", "", "scan", &image),
    ] {
        all.push_str(&one);
    }
    bed.apply(&all).await;
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    bed.start_operator().await;
    let quiet = bare_zone("cde", "Enforce", "{names: [checkout, vault]}");
    bed.apply(&quiet).await;
    bed.until_ready("cde").await;
    bed.operator().until_metric("pcizone_findings", |findings| findings > 0).await;
    assert_eq!(asked(&bed).await, (0, 0), "nobody wants to know");

    bed.apply(&format!("{quiet}  scanning: {{}}\n")).await;
    let (trivy, open, policy) = ("aquasecurity.github.io", "openreports.io", "wgpolicyk8s.io");
    let kind = |plural: &str, group: &str| format!("{plural}.{group}");
    let many = u64::try_from(MANY).unwrap();
    let vulnerabilities = kind(TRIVY[0], trivy);
    until_counts(
        &bed,
        &[
            (&vulnerabilities, many),
            (&kind(TRIVY[1], trivy), 1),
            (&kind(TRIVY[2], trivy), 1),
            (&kind(TRIVY[3], trivy), 1),
            (&kind(OPEN[0], open), 1),
            (&kind(OPEN[1], open), 1),
            (&kind(POLICY[0], policy), 1),
            (&kind(POLICY[1], policy), 1),
        ],
    )
    .await;
    // They are followed.
    bed.kubectl(&["delete", "vulnerabilityreport", "--namespace", "vault", "replicaset-web-0"]).await;
    until_counts(&bed, &[(&vulnerabilities, many - 1)]).await;
    let namespaced = scan("VulnerabilityReport", "storefront", "replicaset-web", 3);
    bed.apply(&namespaced).await;
    until_counts(&bed, &[(&vulnerabilities, many)]).await;
    let nothing = json!([{ "op": "remove", "path": "/results/0/properties/artifact.digest" }]).to_string();
    let args = ["patch", "policyreport", "--namespace", "vault", "scan", "--type=json", "--patch", &nothing];
    bed.kubectl(&args).await;
    until_counts(&bed, &[(&kind(POLICY[0], policy), 0)]).await;

    // The last zone that wants to know goes.
    bed.apply(&format!("{quiet}  scanning: null\n")).await;
    bed.operator()
        .until_page("no reports are held", "/metrics", |_, text| !text.contains("pcizone_scan_reports{"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_component_nothing_else_is_held_up_and_once_it_is_there_they_are_read() {
    let mut bed = bed().await;
    bed.apply(&scan("VulnerabilityReport", "vault", "replicaset-web", 1)).await;
    bed.start_operator().await;
    let zone = bare_zone("cde", "Enforce", "{names: [checkout, vault]}");
    bed.apply(&format!("{zone}  scanning: {{}}\n")).await;
    let ready = bed.until_ready("cde").await;
    assert!(ready.status.unwrap().findings.is_some(), "it is judged");
    let refused = "pcizone_api_requests_total{method=\"GET\",resource=\"vulnerabilityreports.aquasecurity.github.io\",code=\"403\"}";
    bed.operator().until_metric(refused, |count| count > 0).await;
    assert_eq!(asked(&bed).await.1, 0);
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    until_counts(&bed, &[("vulnerabilityreports.aquasecurity.github.io", 1)]).await;
}

/// What `pcizone check` finds about images in the live cluster, to whoever has this kubeconfig.
async fn found(kubeconfig: &Path) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcizone"));
    command.args(["check", "--quiet", "-o", "json"]).env("KUBECONFIG", kubeconfig);
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["zones"][0]["findings"].as_array().unwrap().iter();
    let line =
        |finding: &Value| format!("{} {}", finding["id"].as_str().unwrap(), finding["message"].as_str().unwrap());
    let lines = findings.map(line).filter(|line| line.starts_with("Image") || line.starts_with("ScanEvidence"));
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_reads_them_too_and_says_what_it_may_not_read() {
    let bed = bed().await;
    let fresh = scan("VulnerabilityReport", "vault", "replicaset-web", 1);
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    bed.apply(&fresh.replace("2026-11-20T08:00:00Z", &now)).await;
    let image = format!("docker.io/library/nginx@{}", digest(1));
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web, namespace: vault}}, spec: {{containers: [{{name: web, image: '{image}'}}]}}}}"
    );
    bed.kubectl(&["create", "serviceaccount", "--namespace", "vault", "default"]).await;
    bed.apply(&pod).await;
    let zone = bare_zone("cde", "Enforce", "{names: [checkout, vault]}");
    bed.apply(&zone).await;
    let admin = bed.cluster.admin_kubeconfig();
    assert_eq!(found(admin).await, Vec::<String>::new(), "nobody asks");

    bed.apply(&format!("{zone}  scanning: {{registries: [docker.io], sbom: Optional}}\n")).await;
    let operator = bed.cluster.service_account_kubeconfig("pcizone-system", "pcizone").await.unwrap();
    let unread = found(&operator).await.join("\n");
    assert!(unread.contains("ScanEvidenceUnread"), "{unread}");
    assert!(
        unread.contains("vulnerabilityreports.aquasecurity.github.io cannot be read: the right to list"),
        "{unread}"
    );
    assert!(!unread.contains("ImageUnscanned"), "{unread}");
    let found = found(admin).await;
    assert!(!found.iter().any(|line| line.contains("ImageUnscanned") || line.contains("Unread")), "{found:?}");
}
