//! Reports of the Trivy Operator: `aquasecurity.github.io/v1alpha1`. Each is about one image of one workload.

use serde::Deserialize;

use super::{
    arriving::{self, Artifact, Told, level},
    report::{Statement, What},
    values::{entries, fields, list, text},
};

/// What stands in `report`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Content {
    #[serde(deserialize_with = "text")]
    update_timestamp: Option<Box<str>>,
    #[serde(deserialize_with = "fields")]
    scanner: Option<Scanner>,
    #[serde(deserialize_with = "fields")]
    registry: Option<Registry>,
    #[serde(deserialize_with = "fields")]
    artifact: Option<Place>,
    #[serde(deserialize_with = "fields")]
    os: Option<System>,
    #[serde(deserialize_with = "list")]
    vulnerabilities: Option<Vec<Entry>>,
    #[serde(deserialize_with = "fields")]
    components: Option<Bill>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Scanner {
    #[serde(deserialize_with = "text")]
    name: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct System {
    #[serde(deserialize_with = "text")]
    family: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Registry {
    #[serde(deserialize_with = "text")]
    server: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    #[serde(deserialize_with = "text")]
    repository: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    tag: Option<Box<str>>,
    /// That by which the image is named; otherwise the one by which the scanner pulled it.
    #[serde(deserialize_with = "text")]
    digest: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    #[serde(deserialize_with = "text", rename = "vulnerabilityID")]
    id: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    resource: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    severity: Option<Box<str>>,
    /// Empty where there is none.
    #[serde(deserialize_with = "text")]
    fixed_version: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    published_date: Option<Box<str>>,
}

/// A bill of materials of `CycloneDX`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Bill {
    #[serde(deserialize_with = "text")]
    bom_format: Option<Box<str>>,
    #[serde(deserialize_with = "entries")]
    components: usize,
}

/// A scan. One that does not tell when it was made, or what it found, proves nothing.
pub(super) fn scan(content: &Content) -> Option<Statement> {
    let at = content.update_timestamp.as_deref()?.parse().ok()?;
    let found = content.vulnerabilities.as_ref()?;
    let scanner = content.scanner.as_ref().and_then(|scanner| scanner.name.as_deref()).unwrap_or_default();
    let system = content.os.as_ref().and_then(|system| system.family.as_deref()).unwrap_or_default();
    let scan = arriving::scan(at, scanner, system, found.iter().map(told));
    about(content, What::Scan(scan))
}

/// A bill of materials. One of nothing is none.
pub(super) fn sbom(content: &Content) -> Option<Statement> {
    let bill = content.components.as_ref()?;
    let is_there = bill.components > 0 && bill.bom_format.as_ref().is_some_and(|format| !format.is_empty());
    is_there.then(|| about(content, What::Sbom))?
}

fn told(entry: &Entry) -> Told<'_> {
    Told {
        severity: level(entry.severity.as_deref()),
        id: entry.id.as_deref().unwrap_or_default(),
        package: entry.resource.as_deref().unwrap_or_default(),
        fixed: entry.fixed_version.as_deref(),
        published: entry.published_date.as_deref(),
    }
}

fn about(content: &Content, what: What) -> Option<Statement> {
    let place = content.artifact.as_ref()?;
    let artifact = Artifact {
        registry: content.registry.as_ref().and_then(|registry| registry.server.as_deref()),
        repository: place.repository.as_deref(),
        tag: place.tag.as_deref(),
        digest: place.digest.as_deref(),
    };
    artifact.says(what)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::arriving::said;
    use crate::engine::intake::Kind;

    fn digest() -> String {
        format!("sha256:{}", "abcd".repeat(16))
    }

    fn vulnerability(id: &str, severity: &str, fixed: &str, published: &str) -> Value {
        json!({
            "vulnerabilityID": id, "resource": "libssl3", "installedVersion": "3.0.11-1", "fixedVersion": fixed, "severity": severity,
            "publishedDate": published, "lastModifiedDate": "2026-10-02T00:00:00Z", "title": "openssl: something", "links": [],
            "score": 9.8, "target": "", "class": "os-pkgs", "packageType": "debian", "cvss": { "nvd": { "V3Score": 9.8 } },
        })
    }

    fn report() -> Value {
        json!({
            "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
            "metadata": { "name": "replicaset-web-6d4cf56db6-web", "namespace": "vault", "labels": { "trivy-operator.container.name": "web" } },
            "report": {
                "updateTimestamp": "2026-11-20T08:00:00Z",
                "scanner": { "name": "Trivy", "vendor": "Aqua Security", "version": "0.66.0" },
                "registry": { "server": "registry.example.com" },
                "artifact": { "repository": "pci/web", "tag": "1.4", "digest": digest() },
                "os": { "family": "debian", "name": "12.8" },
                "summary": { "criticalCount": 2, "highCount": 1, "mediumCount": 0, "lowCount": 0, "unknownCount": 1 },
                "vulnerabilities": [
                    vulnerability("CVE-2026-2", "HIGH", "3.0.13-1", "2026-09-01T10:00:00Z"),
                    vulnerability("CVE-2026-3", "CRITICAL", "", "2026-09-01T10:00:00Z"),
                    vulnerability("CVE-2026-1", "CRITICAL", "3.0.12-1, 3.1.4", "2026-08-01T10:00:00Z"),
                    vulnerability("CVE-2026-4", "UNKNOWN", "4", ""),
                ],
            },
        })
    }

    fn bill() -> Value {
        let mut bill = report();
        let report = bill["report"].as_object_mut().unwrap();
        report.remove("vulnerabilities");
        report.insert("components".to_string(), json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": { "component": { "name": "web" } },
            "components": [{ "bom-ref": "a", "name": "libssl3", "version": "3.0.11-1", "purl": "pkg:deb/debian/libssl3" }],
        }));
        bill
    }

    /// A part of a report, and what stands there instead; nothing takes it out.
    type Changes = Vec<(&'static str, Value)>;

    fn changed(mut report: Value, changes: &Changes) -> Value {
        for (path, value) in changes {
            let (parent, field) = path.rsplit_once('/').unwrap();
            let parent = report.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            if value.is_null() {
                drop(parent.remove(field));
            } else {
                drop(parent.insert(field.to_string(), value.clone()));
            }
        }
        report
    }

    const IMAGE: &str = "registry.example.com/pci/web:1.4@sha256:abcd: ";
    const FOUND: &str = "Trivy 2026-11-20T08:00:00Z 1; critical CVE-2026-1 libssl3 3.0.12-1, 3.1.4 of 2026-08-01; \
                         high CVE-2026-2 libssl3 3.0.13-1 of 2026-09-01; low CVE-2026-4 libssl3 4";

    #[test]
    fn a_report_of_vulnerabilities_is_a_scan_of_one_digest() {
        let says = |says: &str| vec![format!("{IMAGE}{says}")];
        let rows: Vec<(&str, Changes, Vec<String>)> = vec![
            ("as it is written", vec![], says(FOUND)),
            ("nothing was found", vec![("/report/vulnerabilities", json!([]))], says("Trivy 2026-11-20T08:00:00Z 0")),
            (
                "without a digest it is about a tag",
                vec![("/report/artifact/digest", json!(""))],
                vec![format!("registry.example.com/pci/web:1.4: {FOUND}")],
            ),
            (
                "of another algorithm",
                vec![("/report/artifact/digest", json!(format!("sha512:{}", "ab".repeat(64))))],
                vec![format!("registry.example.com/pci/web:1.4: {FOUND}")],
            ),
            (
                "with something behind it",
                vec![("/report/artifact/digest", json!(digest() + "0"))],
                vec![format!("registry.example.com/pci/web:1.4: {FOUND}")],
            ),
            (
                "the Docker Hub, by digest alone",
                vec![("/report/registry/server", json!("index.docker.io")), ("/report/artifact/tag", json!(null))],
                vec![format!("docker.io/pci/web@sha256:abcd: {FOUND}")],
            ),
            (
                "a digest without a name",
                vec![("/report/artifact/repository", json!(null))],
                vec![format!("@sha256:abcd: {FOUND}")],
            ),
            (
                "in the future it is what it says",
                vec![("/report/updateTimestamp", json!("2999-01-01T00:00:00Z"))],
                says(&FOUND.replace("2026-11-20T08", "2999-01-01T00")),
            ),
            (
                "in another zone of time",
                vec![("/report/updateTimestamp", json!("2026-11-20T10:00:00+02:00"))],
                says(FOUND),
            ),
            ("no time", vec![("/report/updateTimestamp", json!(null))], vec![]),
            ("no moment", vec![("/report/updateTimestamp", json!("yesterday"))], vec![]),
            ("behind all times", vec![("/report/updateTimestamp", json!("9999-12-31T23:59:59Z"))], vec![]),
            ("a number for a time", vec![("/report/updateTimestamp", json!(1_780_000_000))], vec![]),
            ("no list of findings", vec![("/report/vulnerabilities", json!(null))], vec![]),
            ("a map for a list", vec![("/report/vulnerabilities", json!({ "a": [1] }))], vec![]),
            (
                "something else in the list",
                vec![("/report/vulnerabilities", json!([{ "fixedVersion": "2" }, "CVE-2026-1"]))],
                vec![],
            ),
            ("no image at all", vec![("/report/artifact", json!(null))], vec![]),
            ("nothing", vec![("/report", json!(null))], vec![]),
            ("a list for a report", vec![("/report", json!([report()]))], vec![]),
            (
                "a scanner without a name",
                vec![("/report/scanner", json!("Trivy"))],
                says(FOUND.trim_start_matches("Trivy")),
            ),
        ];
        for (what, changes, wanted) in rows {
            let report = changed(report(), &changes);
            assert_eq!(said(Kind::VulnerabilityReport, &report), wanted, "{what}");
            assert_eq!(said(Kind::ClusterVulnerabilityReport, &report), wanted, "{what}");
            for kind in [Kind::SbomReport, Kind::ClusterSbomReport, Kind::Report, Kind::PolicyReport] {
                assert!(said(kind, &report).is_empty(), "{what}: {kind:?}");
            }
        }
    }

    #[test]
    fn entries_of_strange_values_hide_nothing_and_are_bounded() {
        let long = "x".repeat(1_000_000);
        let entry = |changes: Value| {
            let mut entry = vulnerability("CVE-2026-1", "CRITICAL", "2", "");
            json_patch::merge(&mut entry, &changes);
            let report = changed(report(), &vec![("/report/vulnerabilities", json!([entry]))]);
            said(Kind::VulnerabilityReport, &report)
                .remove(0)
                .replace(&format!("{IMAGE}Trivy 2026-11-20T08:00:00Z "), "")
        };
        for (what, changes, wanted) in [
            ("no name", json!({ "vulnerabilityID": null, "resource": 3 }), "0; critical  3 2".to_string()),
            (
                "a level of small letters",
                json!({ "severity": "Critical" }),
                "0; critical CVE-2026-1 libssl3 2".to_string(),
            ),
            ("no level", json!({ "severity": ["CRITICAL"] }), "0; low CVE-2026-1 libssl3 2".to_string()),
            (
                "a version that is a number",
                json!({ "fixedVersion": 1.5 }),
                "0; critical CVE-2026-1 libssl3 1.5".to_string(),
            ),
            ("a version of spaces", json!({ "fixedVersion": " \n" }), "1".to_string()),
            ("no version", json!({ "fixedVersion": null }), "1".to_string()),
            ("a day that is none", json!({ "publishedDate": "soon" }), "0; critical CVE-2026-1 libssl3 2".to_string()),
            (
                "lines in a name",
                json!({ "resource": "a\nb\u{1b}[31m" }),
                "0; critical CVE-2026-1 a b [31m 2".to_string(),
            ),
            (
                "absurdly long",
                json!({ "vulnerabilityID": &long, "resource": &long, "fixedVersion": &long, "title": &long }),
                format!("0; critical {0} {0} {1}", &long[..128], &long[..64]),
            ),
        ] {
            assert_eq!(entry(changes), wanted, "{what}");
        }
    }

    #[test]
    fn a_bill_of_materials_lists_something() {
        let there = vec![format!("{IMAGE}sbom")];
        let rows: Vec<(&str, Changes, Vec<String>)> = vec![
            ("as it is written", vec![], there.clone()),
            ("whenever it was made", vec![("/report/updateTimestamp", json!(null))], there),
            ("of nothing", vec![("/report/components/components", json!([]))], vec![]),
            ("no list", vec![("/report/components/components", json!({ "a": 1 }))], vec![]),
            ("of no format", vec![("/report/components/bomFormat", json!(""))], vec![]),
            ("none", vec![("/report/components", json!(null))], vec![]),
            ("a list for a bill", vec![("/report/components", json!([{ "bomFormat": "CycloneDX" }]))], vec![]),
            (
                "of a tag",
                vec![("/report/artifact/digest", json!(null))],
                vec!["registry.example.com/pci/web:1.4: sbom".to_string()],
            ),
        ];
        for (what, changes, wanted) in rows {
            let bill = changed(bill(), &changes);
            assert_eq!(said(Kind::SbomReport, &bill), wanted, "{what}");
            assert_eq!(said(Kind::ClusterSbomReport, &bill), wanted, "{what}");
            assert!(said(Kind::VulnerabilityReport, &bill).is_empty(), "{what}");
        }
    }
}
