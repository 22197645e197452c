//! Results about images in reports of `openreports.io` and `wgpolicyk8s.io`. Their schema knows no images, so the properties of a result
//! say what it is about. docs/scanning.md has the whole convention.
//!
//! ```text
//!  category "Vulnerability Scan", a vulnerability or a pass ─▶ Scan, with all others of that image and scanner
//!  a pass with the property sbom ────────────────────────────▶ Sbom
//!  a pass with the property signer ──────────────────────────▶ Signed
//! ```

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::{
    arriving::{self, Artifact, Told, level},
    container::is_digest,
    report::{Statement, What},
    values::{LETTERS, fields, number, text},
};
use crate::engine::{intake::Kind, open_reports::SOURCE};

/// Statements of one report that are kept.
const STATEMENTS: usize = 1_000;
/// The category of results of a scan for vulnerabilities, as the adapter of the Trivy Operator writes it.
const SCAN: &str = "Vulnerability Scan";
const PASS: &str = "pass";
/// Results that tell of a vulnerability. What is an error tells nothing.
const FOUND: [&str; 3] = ["fail", "warn", "skip"];
/// As a property, this says that there is none.
const NO: &str = "false";

/// One of `results`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Judged {
    #[serde(deserialize_with = "text")]
    source: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    category: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    policy: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    result: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    severity: Option<Box<str>>,
    #[serde(deserialize_with = "fields")]
    timestamp: Option<Moment>,
    #[serde(deserialize_with = "fields")]
    properties: Option<Properties>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Moment {
    #[serde(deserialize_with = "number")]
    seconds: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Properties {
    #[serde(deserialize_with = "text", rename = "registry.server")]
    registry: Option<Box<str>>,
    #[serde(deserialize_with = "text", rename = "artifact.repository")]
    repository: Option<Box<str>>,
    #[serde(deserialize_with = "text", rename = "artifact.tag")]
    tag: Option<Box<str>>,
    #[serde(deserialize_with = "text", rename = "artifact.digest")]
    digest: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    resource: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    fixed_version: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    published_date: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    sbom: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    signer: Option<Box<str>>,
}

/// It is one of those reports.
pub(super) fn is_one(kind: Kind) -> bool {
    matches!(kind, Kind::Report | Kind::ClusterReport | Kind::PolicyReport | Kind::ClusterPolicyReport)
}

/// What results say of images. Our own reports tell what was found here, and prove nothing.
pub(super) fn read(source: Option<&str>, results: &[Judged]) -> Vec<Statement> {
    let is_ours = |source: &str| source.trim().eq_ignore_ascii_case(SOURCE);
    if source.is_some_and(is_ours) {
        return Vec::new();
    }
    let mut scans: BTreeMap<(&str, [&str; 4]), Scanned> = BTreeMap::new();
    let mut others: BTreeSet<([&str; 4], Option<&str>)> = BTreeSet::new();
    for one in results {
        let (Some(properties), Some(result)) = (&one.properties, one.result.as_deref()) else { continue };
        let source = one.source.as_deref().or(source).unwrap_or_default();
        if is_ours(source) {
            continue;
        }
        let about = properties.about();
        let category = one.category.as_deref().unwrap_or_default();
        if category.trim().eq_ignore_ascii_case(SCAN) {
            if result == PASS || FOUND.contains(&result) {
                scans.entry((source, about)).or_default().add(one, properties, result != PASS);
            }
        } else if result == PASS && properties.digest.as_deref().is_some_and(is_digest) {
            others.extend(given(properties.sbom.as_deref()).map(|_| (about, None)));
            others.extend(given(properties.signer.as_deref()).map(|signer| (about, Some(signer))));
        }
    }
    let scans = scans.into_iter().filter_map(|((scanner, about), scanned)| scanned.statement(scanner, about));
    let others = others.into_iter().filter_map(|(about, signer)| {
        let what = signer.map_or(What::Sbom, |signer| What::Signed { by: signer.into() });
        artifact(about).says(what)
    });
    scans.chain(others).take(STATEMENTS).collect()
}

/// A property that says something, and is not cut: a signer who is cut could be another one.
fn given(property: Option<&str>) -> Option<&str> {
    let says = |text: &&str| !text.is_empty() && !text.eq_ignore_ascii_case(NO) && text.chars().count() < LETTERS;
    property.map(str::trim).filter(says)
}

impl Properties {
    /// Registry, repository, tag and digest; empty where they are not told.
    fn about(&self) -> [&str; 4] {
        [&self.registry, &self.repository, &self.tag, &self.digest].map(|one| one.as_deref().unwrap_or_default())
    }
}

fn artifact([registry, repository, tag, digest]: [&str; 4]) -> Artifact<'_> {
    Artifact { registry: Some(registry), repository: Some(repository), tag: Some(tag), digest: Some(digest) }
}

/// What a scanner told of an image, result by result.
#[derive(Default)]
struct Scanned<'a> {
    /// When the last one was found.
    at: Option<Timestamp>,
    told: Vec<Told<'a>>,
}

impl<'a> Scanned<'a> {
    fn add(&mut self, one: &'a Judged, properties: &'a Properties, is_found: bool) {
        let at = one.timestamp.and_then(|at| Timestamp::from_second(at.seconds?).ok());
        self.at = self.at.max(at);
        if is_found {
            self.told.push(Told {
                severity: level(one.severity.as_deref()),
                id: one.policy.as_deref().unwrap_or_default(),
                package: properties.resource.as_deref().unwrap_or_default(),
                fixed: properties.fixed_version.as_deref(),
                published: properties.published_date.as_deref(),
            });
        }
    }

    /// One that does not tell when it was made proves nothing.
    fn statement(self, scanner: &str, about: [&str; 4]) -> Option<Statement> {
        let scan = arriving::scan(self.at?, scanner, "", self.told.into_iter());
        artifact(about).says(What::Scan(scan))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::arriving::said;
    use super::*;

    const KINDS: [Kind; 4] = [Kind::Report, Kind::ClusterReport, Kind::PolicyReport, Kind::ClusterPolicyReport];
    const SECONDS: i64 = 1_795_160_000;
    const AT: &str = "2026-11-20T07:33:20Z";
    const IMAGE: &str = "registry.example.com/pci/web:1.4@sha256:abcd: ";

    fn digest() -> String {
        format!("sha256:{}", "abcd".repeat(16))
    }

    /// As the adapter of the Trivy Operator writes it, but for the digest.
    fn result(changes: &Value) -> Value {
        let mut result = json!({
            "policy": "CVE-2026-1", "category": "Vulnerability Scan", "source": "Trivy Vulnerability", "result": "fail", "severity": "critical",
            "message": "openssl: something", "timestamp": { "seconds": SECONDS, "nanos": 0 },
            "properties": {
                "registry.server": "registry.example.com", "artifact.repository": "pci/web", "artifact.tag": "1.4",
                "artifact.digest": digest(), "resource": "libssl3", "installedVersion": "3.0.11-1", "fixedVersion": "3.0.12-1",
                "score": "9.8", "resultID": "0a1b", "primaryLink": "https://avd.example.com/CVE-2026-1",
            },
        });
        json_patch::merge(&mut result, changes);
        result
    }

    /// A pass that is no scan.
    fn passed(properties: &Value) -> Value {
        result(
            &json!({ "category": "Supply chain", "result": "pass", "source": "policy-engine", "properties": properties }),
        )
    }

    fn says(source: &str, results: &[Value]) -> Vec<String> {
        let report =
            json!({ "metadata": { "name": "a" }, "source": source, "results": results, "summary": { "fail": 1 } });
        let all = KINDS.map(|kind| said(kind, &report));
        assert!(all.iter().all(|says| *says == all[0]), "{all:?}");
        for kind in [Kind::VulnerabilityReport, Kind::SbomReport] {
            assert!(said(kind, &report).is_empty());
        }
        all.into_iter().next().unwrap()
    }

    #[test]
    fn results_of_one_image_and_scanner_are_one_scan() {
        let other = json!({ "policy": "CVE-2026-2", "severity": "high", "result": "fail",
                            "properties": { "publishedDate": "2026-09-01T00:00:00Z" } });
        let unknown = json!({ "policy": "CVE-2026-3", "severity": null, "result": "skip", "properties": { "fixedVersion": null } });
        let unfixed = json!({ "policy": "CVE-2026-4", "properties": { "fixedVersion": "" } });
        let scan = format!(
            "{IMAGE}Trivy Vulnerability {AT} 1; critical CVE-2026-1 libssl3 3.0.12-1; high CVE-2026-2 libssl3 3.0.12-1 of 2026-09-01"
        );
        assert_eq!(says("x", &[result(&other), result(&json!({})), result(&unknown), result(&unfixed)]), [scan]);
        // By another scanner, of another image, of a tag.
        let rest = says(
            "x",
            &[
                result(&json!({ "source": "Grype" })),
                result(&json!({ "source": null, "properties": { "artifact.digest": null } })),
                result(&json!({ "properties": { "registry.server": "index.docker.io" } })),
            ],
        );
        let found = format!("{AT} 0; critical CVE-2026-1 libssl3 3.0.12-1");
        assert_eq!(
            rest,
            [
                format!("{IMAGE}Grype {found}"),
                format!("docker.io/pci/web:1.4@sha256:abcd: Trivy Vulnerability {found}"),
                format!("registry.example.com/pci/web:1.4: x {found}"),
            ]
        );
    }

    #[test]
    fn a_scan_without_vulnerabilities_passes_and_one_that_failed_says_nothing() {
        let clean = vec![format!("{IMAGE}Trivy Vulnerability {AT} 0")];
        for (what, change, wanted) in [
            ("a pass", json!({ "result": "pass" }), clean.clone()),
            ("of a category in other letters", json!({ "result": "pass", "category": " vulnerability scan" }), clean),
            ("an error", json!({ "result": "error" }), vec![]),
            ("no result", json!({ "result": null }), vec![]),
            ("a result that is none", json!({ "result": "PASSED" }), vec![]),
            ("another category", json!({ "category": "Pod Security" }), vec![]),
            ("no category", json!({ "category": null, "result": "pass" }), vec![]),
            ("no image", json!({ "properties": { "artifact.digest": null, "artifact.repository": null } }), vec![]),
            ("no properties", json!({ "properties": null }), vec![]),
            ("a list for properties", json!({ "properties": [digest()] }), vec![]),
            ("no time", json!({ "timestamp": null }), vec![]),
            ("a text for a time", json!({ "timestamp": "2026-11-20T07:33:20Z" }), vec![]),
            ("a time that is none", json!({ "timestamp": { "seconds": i64::MAX } }), vec![]),
        ] {
            assert_eq!(says("x", &[result(&change)]), wanted, "{what}");
        }
        let at = |seconds: i64| json!({ "timestamp": { "seconds": seconds, "nanos": -879_126_275 } });
        let future = says("x", &[result(&at(SECONDS)), result(&at(32_472_144_000))]);
        assert_eq!(
            future,
            [format!("{IMAGE}Trivy Vulnerability 2999-01-01T00:00:00Z 0; critical CVE-2026-1 libssl3 3.0.12-1")]
        );
    }

    #[test]
    fn a_pass_tells_of_signers_and_bills_of_materials() {
        let longest = "s".repeat(LETTERS - 1);
        for (what, one, wanted) in [
            ("signed", passed(&json!({ "signer": "ci@example.com" })), vec!["signed by ci@example.com".to_string()]),
            ("listed", passed(&json!({ "sbom": "https://sbom.example.com/web" })), vec!["sbom".to_string()]),
            (
                "both",
                passed(&json!({ "sbom": "true", "signer": "ci" })),
                vec!["sbom".to_string(), "signed by ci".to_string()],
            ),
            ("neither", passed(&json!({})), vec![]),
            ("not signed", passed(&json!({ "signer": "", "sbom": "false" })), vec![]),
            ("the longest", passed(&json!({ "signer": longest })), vec![format!("signed by {longest}")]),
            (
                "longer than any signer that a zone may name",
                passed(&json!({ "signer": longest.clone() + "s" })),
                vec![],
            ),
            ("of a tag", passed(&json!({ "signer": "ci", "artifact.digest": null })), vec![]),
            ("of no digest", passed(&json!({ "signer": "ci", "artifact.digest": "sha256:abcd" })), vec![]),
            ("it failed", result(&json!({ "category": "", "properties": { "signer": "ci" } })), vec![]),
            ("of something else", passed(&json!({ "signer": ["ci"] })), vec![]),
        ] {
            let wanted: Vec<String> = wanted.iter().map(|says| format!("{IMAGE}{says}")).collect();
            assert_eq!(says("x", &[one]), wanted, "{what}");
        }
        let twice = passed(&json!({ "signer": "ci" }));
        assert_eq!(says("x", &[twice.clone(), twice]).len(), 1);
    }

    #[test]
    fn what_we_report_ourselves_proves_nothing() {
        let ours = |source: &str| result(&json!({ "source": source, "result": "pass" }));
        let signed = |source: &str| {
            result(&json!({ "source": source, "category": "", "result": "pass", "properties": { "signer": "ci" } }))
        };
        for (source, results) in [
            ("pcizone", vec![ours("Trivy"), signed("x")]),
            (" PciZone ", vec![ours("Trivy"), signed("x")]),
            ("x", vec![ours("pcizone"), signed("PCIZONE")]),
        ] {
            assert!(says(source, &results).is_empty(), "{source}");
        }
        assert_eq!(says("pcizone-scanner", &[signed("other")]).len(), 1, "somebody else");
    }

    #[test]
    fn reports_of_thousands_of_images_are_bounded() {
        let one = |number: usize| {
            let digest = format!("sha256:{number:064x}");
            result(&json!({ "result": "pass", "properties": { "artifact.digest": digest } }))
        };
        let results: Vec<Value> = (0..STATEMENTS + 10).map(one).collect();
        assert_eq!(says("x", &results).len(), STATEMENTS);
    }
}
