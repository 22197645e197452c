//! Reports of scanners as they arrive: read part by part, whatever shape they have, and made small at once.
//!
//! What cannot be read is no evidence. Nobody vouches for what is in a report: whoever may write one can write anything.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::{
    container::is_digest,
    policy_reports::{self, Judged},
    reference::Reference,
    report::{Level, Report, Scan, Statement, VULNERABILITIES, Vulnerability, What},
    trivy::{self, Content},
    values::{cut, fields, list, text},
};
use crate::engine::{held::Held, intake::Kind};

/// Letters of a name of a vulnerability, a package and a scanner that are kept. No real one is longer.
const NAME: usize = 128;
/// Letters of a version that are kept; several may stand in it.
const VERSION: usize = 64;

/// A report as it arrives, of whatever kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Arriving {
    /// What it is called.
    #[serde(deserialize_with = "fields")]
    pub metadata: Option<Named>,
    #[serde(deserialize_with = "fields")]
    report: Option<Content>,
    #[serde(deserialize_with = "text")]
    source: Option<Box<str>>,
    #[serde(deserialize_with = "list")]
    results: Option<Vec<Judged>>,
}

/// What of metadata is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Named {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: Option<Box<str>>,
    /// Its namespace.
    #[serde(deserialize_with = "text")]
    pub namespace: Option<Box<str>>,
    /// Its version.
    #[serde(deserialize_with = "text")]
    pub resource_version: Option<Box<str>>,
}

impl Arriving {
    /// What it says, if it is of this kind.
    pub fn report(self, kind: Kind, common: &mut Common) -> Report {
        let Arriving { metadata, report, source, results } = self;
        let Named { name, namespace, resource_version: _ } = metadata.unwrap_or_default();
        let says = match kind {
            Kind::VulnerabilityReport | Kind::ClusterVulnerabilityReport => report.as_ref().and_then(trivy::scan),
            Kind::SbomReport | Kind::ClusterSbomReport => report.as_ref().and_then(trivy::sbom),
            _ => None,
        };
        let results = results.filter(|_| policy_reports::is_one(kind)).unwrap_or_default();
        let mut says: Vec<Statement> = says.into_iter().collect();
        says.extend(policy_reports::read(source.as_deref(), &results));
        for statement in &mut says {
            common.share(statement);
        }
        says.shrink_to_fit();
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        Report { kind, namespace, name, says }
    }
}

/// What many reports have, held once.
#[derive(Default)]
pub struct Common {
    texts: Held<str>,
    fixable: Held<[Vulnerability]>,
}

impl Common {
    fn share(&mut self, statement: &mut Statement) {
        statement.digest.iter_mut().for_each(|digest| self.texts.share(digest));
        self.texts.share(&mut statement.image);
        match &mut statement.what {
            What::Sbom => {}
            What::Signed { by } => self.texts.share(by),
            What::Scan(scan) => {
                self.texts.share(&mut scan.scanner);
                // It was just made, so nobody else has it.
                for one in Arc::get_mut(&mut scan.fixable).into_iter().flatten() {
                    for text in [&mut one.id, &mut one.package, &mut one.fixed, &mut one.key] {
                        self.texts.share(text);
                    }
                }
                self.fixable.share(&mut scan.fixable);
            }
        }
    }
}

/// An image as a report names it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Artifact<'a> {
    pub(super) registry: Option<&'a str>,
    pub(super) repository: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl Artifact<'_> {
    /// What is said of it, where it is named at all.
    pub(super) fn says(&self, what: What) -> Option<Statement> {
        let digest: Option<Arc<str>> = self.digest.filter(|digest| is_digest(digest)).map(Arc::from);
        let image = self.image();
        (digest.is_some() || !image.is_empty()).then(|| Statement { digest, image: image.into(), what })
    }

    /// As `REGISTRY/REPOSITORY` or `REGISTRY/REPOSITORY:TAG`, as pods name it after it was read; empty where it is none.
    fn image(&self) -> String {
        let there = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_string);
        let Some(repository) = there(self.repository) else { return String::new() };
        let place: Vec<String> = there(self.registry).into_iter().chain([repository]).collect();
        let tag = there(self.tag).map(|tag| format!(":{tag}")).unwrap_or_default();
        let reference = Reference::parse(&format!("{}{tag}", place.join("/")));
        reference.map(|read| read.without_digest()).unwrap_or_default()
    }
}

/// A vulnerability as a report tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) severity: Level,
    pub(super) id: &'a str,
    pub(super) package: &'a str,
    pub(super) fixed: Option<&'a str>,
    pub(super) published: Option<&'a str>,
}

/// A scan out of what it told.
pub(super) fn scan<'a>(at: Timestamp, scanner: &str, system: &str, told: impl Iterator<Item = Told<'a>>) -> Scan {
    let mut unfixed_critical: u32 = 0;
    let mut fixable = Vec::new();
    for one in told {
        match one.fixed.map(str::trim).filter(|fixed| !fixed.is_empty()) {
            Some(fixed) => fixable.push((one.severity, one.id, one.package, fixed, one.published)),
            None => unfixed_critical = unfixed_critical.saturating_add(u32::from(one.severity == Level::Critical)),
        }
    }
    let system = cut(system, NAME);
    // The same one may be in several places of an image.
    fixable.sort_unstable();
    fixable.dedup();
    let is_cut = fixable.len() > VULNERABILITIES;
    fixable.truncate(VULNERABILITIES);
    let whole = |(severity, id, package, fixed, published): (Level, &str, &str, &str, Option<&str>)| {
        let published = published.and_then(|published| published.parse().ok());
        Vulnerability::new(severity, &cut(id, NAME), &cut(package, NAME), &cut(fixed, VERSION), published).on(&system)
    };
    let fixable = fixable.into_iter().map(whole).collect();
    Scan { at, scanner: cut(scanner, NAME).into(), fixable, unfixed_critical, is_cut }
}

/// How bad it is, in whatever letters; what is not known is low.
pub(super) fn level(severity: Option<&str>) -> Level {
    let severity = severity.unwrap_or_default();
    let known = [Level::Critical, Level::High, Level::Medium];
    // As Red Hat says it.
    let others = [("important", Level::High), ("moderate", Level::Medium)];
    let known = known.map(|level| (level.as_str(), level)).into_iter().chain(others);
    known.into_iter().find(|(word, _)| severity.eq_ignore_ascii_case(word)).map_or(Level::Low, |(_, level)| level)
}

/// What a report says, in one line for each image, for tests of the readers.
#[cfg(test)]
pub(super) fn said(kind: Kind, report: &serde_json::Value) -> Vec<String> {
    let one: Arriving = serde_json::from_str(&report.to_string()).unwrap();
    let says = one.report(kind, &mut Common::default()).says;
    let again = Arriving::deserialize(report).unwrap().report(kind, &mut Common::default()).says;
    assert_eq!(says, again, "as it comes, and out of a value");
    let line = |statement: &Statement| {
        let digest = statement.digest.as_deref().map_or(String::new(), |digest| format!("@{}", &digest[..11]));
        let what = match &statement.what {
            What::Sbom => "sbom".to_string(),
            What::Signed { by } => format!("signed by {by}"),
            What::Scan(Scan { at, scanner, fixable, unfixed_critical, is_cut }) => {
                let fix = |one: &Vulnerability| {
                    let published = one.published.map_or(String::new(), |at| format!(" of {}", at.strftime("%F")));
                    format!("; {} {} {} {}{published}", one.severity.as_str(), one.id, one.package, one.fixed)
                };
                let fixable: String = fixable.iter().map(fix).collect();
                let cut = if *is_cut { " cut" } else { "" };
                format!("{scanner} {at} {unfixed_critical}{cut}{fixable}")
            }
        };
        format!("{}{digest}: {what}", statement.image)
    };
    says.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_registry_and_the_docker_hub_is_spelt_out() {
        let long = "a".repeat(256);
        for (registry, repository, tag, wanted) in [
            ("index.docker.io", "library/nginx", "1.27", "docker.io/library/nginx:1.27"),
            ("docker.io", "nginx", "", "docker.io/library/nginx"),
            ("", "nginx", "1.27", "docker.io/library/nginx:1.27"),
            ("", "grafana/grafana", "", "docker.io/grafana/grafana"),
            ("", "registry.example.com/pci/app", "2", "registry.example.com/pci/app:2"),
            ("", "localhost:5000/app", "", "localhost:5000/app"),
            ("registry.example.com:8443", "pci/app", "2", "registry.example.com:8443/pci/app:2"),
            ("index.docker.io.evil.io", "nginx", "", "index.docker.io.evil.io/nginx"),
            ("registry.example.com", "a\nb", "", ""),
            ("registry.example.com", "", "2", ""),
            ("registry.example.com", &long, "2", ""),
            (&long, "app", "2", ""),
            ("registry.example.com", "app", &format!("2@sha256:{}", "a".repeat(64)), "registry.example.com/app:2"),
        ] {
            let artifact =
                Artifact { registry: Some(registry), repository: Some(repository), tag: Some(tag), digest: None };
            assert_eq!(artifact.image(), wanted, "{registry} {repository} {tag}");
        }
        assert_eq!(Artifact::default().image(), "");
    }

    fn fixable(count: usize) -> Vec<(String, Level)> {
        let level = |number| if number % 2 == 0 { Level::Low } else { Level::High };
        (0..count).map(|number| (format!("CVE-{number:05}"), level(number))).collect()
    }

    fn scanned(found: &[(String, Level)]) -> Scan {
        let told = found.iter().map(|(id, severity)| Told {
            severity: *severity,
            id,
            package: "p",
            fixed: Some("2"),
            published: None,
        });
        scan(Timestamp::UNIX_EPOCH, "Trivy", "", told)
    }

    #[test]
    fn the_worst_stay_and_it_is_told_that_there_are_more() {
        let all = scanned(&fixable(VULNERABILITIES));
        assert!(!all.is_cut && all.fixable.len() == VULNERABILITIES);
        let cut = scanned(&fixable(4 * VULNERABILITIES));
        assert!(cut.is_cut && cut.fixable.len() == VULNERABILITIES);
        assert!(cut.fixable.iter().all(|one| one.severity == Level::High));
        let twice: Vec<_> = [fixable(VULNERABILITIES), fixable(VULNERABILITIES)].concat();
        assert_eq!(scanned(&twice), all, "the same in another place of the image");
    }

    #[test]
    fn equal_scans_are_held_once() {
        let mut common = Common::default();
        let mut statement = |found: &[(String, Level)]| {
            let what = What::Scan(scanned(found));
            let mut statement = Statement { digest: None, image: "a".into(), what };
            common.share(&mut statement);
            let What::Scan(scan) = statement.what else { unreachable!() };
            (statement.image, scan.fixable)
        };
        let ((image, one), (again, same)) = (statement(&fixable(10)), statement(&fixable(10)));
        assert!(Arc::ptr_eq(&one, &same) && Arc::ptr_eq(&image, &again));
        let (_, other) = statement(&fixable(11));
        assert!(Arc::ptr_eq(&one[0].package, &other[10].package));
    }

    #[test]
    fn a_level_is_read_in_whatever_letters() {
        for (severity, wanted) in [
            (Some("CRITICAL"), Level::Critical),
            (Some("high"), Level::High),
            (Some("Medium"), Level::Medium),
            (Some("LOW"), Level::Low),
            (Some("UNKNOWN"), Level::Low),
            (Some(""), Level::Low),
            (None, Level::Low),
        ] {
            assert_eq!(level(severity), wanted, "{severity:?}");
        }
    }
}
