//! What admission is told of images, and what is kept of them: one `ConfigMap` for each zone, beside the operator. CEL in the API server sees no
//! report; it sees this.
//!
//! ```text
//!  data:  0123…ef (64 digits of a digest)   2026-12-04T00:00:00Z 2026-12-27T00:00:00Z -
//!                                           until then its scan is new enough, and no critical and no other fix is overdue
//!         CVE-2026-1234.0123456789abcdef    2026-11-27T00:00:00Z   since then a fix of it is known
//! ```

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1::ConfigMap,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
    jiff::Timestamp,
};
use kube::Resource as _;

use super::{
    fixes::Fixes,
    running::Evidence,
    verdict::{Limits, Said, Verdict},
};
use crate::{
    api::{PciZone, Scanning, names},
    engine::{dates::seconds, declaration::Declaration, ownership},
};

/// Digests that are told to admission. With as many fixes they are well below what one object may hold.
pub const DIGESTS: usize = 3_000;
/// Stands for an end that there is not.
pub const NEVER: &str = "-";
const SHA_256: &str = "sha256:";
/// Digits of a digest: the key of none else.
const HEX: usize = 64;

/// Name of the object.
pub fn name(zone: &str) -> String {
    format!("pcizone-{zone}-images")
}

/// What is to be in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its data.
    pub data: BTreeMap<String, String>,
    /// Digests that did not fit. `Proven` refuses them.
    pub left_out: usize,
}

impl Contents {
    /// What the live object says of digests that nothing is said of now stays.
    pub fn keep(&mut self, live: Option<&ConfigMap>) {
        let live = live.and_then(|live| live.data.as_ref()).into_iter().flatten();
        for (digest, told) in live.filter(|(key, _)| is_digest_key(key)) {
            let count = self.data.keys().filter(|key| is_digest_key(key)).count();
            if count < DIGESTS && !self.data.contains_key(digest) {
                self.data.insert(digest.clone(), told.clone());
            }
        }
    }
}

fn is_digest_key(key: &str) -> bool {
    key.len() == HEX && !key.contains('.')
}

/// What admission is told, by what these reports say: until when each digest may start. What runs comes first where not all have space, then
/// what was scanned last.
pub fn contents(
    rules: &Scanning,
    evidence: &Evidence,
    runs: &BTreeSet<&str>,
    fixes: &Fixes,
    now: Timestamp,
) -> Contents {
    let judged = |(digest, said): (&str, &[Said])| {
        let verdict = Verdict::of(said, rules, fixes, now);
        let limits = verdict.limits(rules.admission)?;
        let hex = digest.strip_prefix(SHA_256)?.to_string();
        let scanned = verdict.scan.map(|(_, scan)| scan.at);
        Some(((!runs.contains(digest), std::cmp::Reverse(scanned)), hex, told(limits)))
    };
    let mut digests: Vec<_> = evidence.all().filter_map(judged).collect();
    digests.sort();
    let left_out = digests.len().saturating_sub(DIGESTS);
    digests.truncate(DIGESTS);
    let digests = digests.into_iter().map(|(_, hex, told)| (hex, told));
    let fixes = fixes.kept().map(|(key, since)| (key.to_string(), seconds(since).to_string()));
    Contents { data: digests.chain(fixes).collect(), left_out }
}

/// As the policy reads it.
fn told(Limits { fresh, critical, others }: Limits) -> String {
    let limit = |at: Option<Timestamp>| at.map_or(NEVER.to_string(), |at| seconds(at).to_string());
    [fresh, critical, others].map(limit).join(" ")
}

/// Since when fixes are known, by what was kept.
pub fn fixes(map: &ConfigMap) -> Fixes {
    let data = map.data.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    Fixes::read(data.filter(|(key, _)| !is_digest_key(key)))
}

/// The object. It goes with its zone.
pub fn object(zone: &Declaration, namespace: &str, contents: &Contents) -> ConfigMap {
    let labels = [(names::MANAGED_BY, names::MANAGED_BY_VALUE), (names::ZONE_LABEL, &zone.name)];
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name(&zone.name)),
            namespace: Some(namespace.to_string()),
            labels: Some(labels.map(|(key, value)| (key.to_string(), value.to_string())).into()),
            owner_references: Some(vec![owner(zone)]),
            ..ObjectMeta::default()
        },
        data: Some(contents.data.clone()),
        ..ConfigMap::default()
    }
}

fn owner(zone: &Declaration) -> OwnerReference {
    OwnerReference {
        api_version: PciZone::api_version(&()).into_owned(),
        kind: PciZone::kind(&()).into_owned(),
        name: zone.name.clone(),
        uid: zone.uid.clone(),
        ..OwnerReference::default()
    }
}

/// It holds just what it has to, and is ours.
pub fn is_as_wanted(live: &ConfigMap, zone: &Declaration, contents: &Contents) -> bool {
    let metadata = &live.metadata;
    let is_ours = ownership::is_managed(metadata)
        && ownership::label(metadata, names::ZONE_LABEL) == Some(zone.name.as_str())
        && metadata.owner_references.as_deref() == Some(&[owner(zone)]);
    let is_whole = live.data.as_ref().unwrap_or(&BTreeMap::new()) == &contents.data;
    is_ours && is_whole && live.binary_data.is_none() && live.immutable != Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::ImageAdmission,
        engine::{
            images::report::{Level, Report, Scan, Statement, Vulnerability, What},
            intake::Kind,
        },
    };

    fn at(day: &str) -> Timestamp {
        format!("{day}T00:00:00Z").parse().unwrap()
    }

    fn digest(number: usize) -> String {
        format!("{SHA_256}{number:064}")
    }

    fn report(scans: &[(usize, &str, &[Vulnerability])]) -> Report {
        let statement = |(number, day, fixable): &(usize, &str, &[Vulnerability])| {
            let scan = Scan {
                at: at(day),
                scanner: "Trivy".into(),
                fixable: (*fixable).into(),
                unfixed_critical: 0,
                is_cut: false,
            };
            Statement { digest: Some(digest(*number).into()), image: "a".into(), what: What::Scan(scan) }
        };
        let says = scans.iter().map(statement).collect();
        Report { kind: Kind::Pod, namespace: "vault".into(), name: "a".into(), says }
    }

    fn zone(name: &str, uid: &str) -> Declaration {
        let zone = serde_json::json!({
            "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": name, "uid": uid },
            "spec": { "scope": { "namespaces": { "names": ["vault"] } } },
        });
        Declaration::new(&serde_json::from_value(zone).unwrap())
    }

    #[test]
    fn admission_is_told_what_it_asks_for_and_fixes_are_kept_beside() {
        let one = Vulnerability::new(Level::Critical, "CVE-1", "p", "2", Some(at("2026-10-30")));
        let report = report(&[(1, "2026-11-01", &[]), (2, "2026-11-02", std::slice::from_ref(&one))]);
        let mut fixes = Fixes::default();
        let What::Scan(scan) = &report.says[1].what else { unreachable!() };
        fixes.learn([scan].into_iter(), at("2026-11-02"));
        let kept = (one.key.to_string(), "2026-11-02T00:00:00Z".to_string());
        let entry = |number: usize, told: &str| (format!("{number:064}"), told.to_string());
        let (fresh, both) = ("2026-11-08T00:00:00Z - -", "2026-11-09T00:00:00Z 2026-12-02T00:00:00Z -");
        for (admission, wanted) in [
            (ImageAdmission::References, vec![kept.clone()]),
            (ImageAdmission::Overdue, vec![entry(2, "- 2026-12-02T00:00:00Z -"), kept.clone()]),
            (ImageAdmission::Proven, vec![entry(1, fresh), entry(2, both), kept.clone()]),
        ] {
            let rules = Scanning { admission, ..Scanning::default() };
            let evidence = Evidence::of([&report].into_iter());
            let contents = contents(&rules, &evidence, &BTreeSet::new(), &fixes, at("2026-11-03"));
            assert_eq!(contents, Contents { data: wanted.into_iter().collect(), left_out: 0 }, "{admission:?}");
            let map = object(&zone("cde", "1"), "pcizone-system", &contents);
            assert_eq!(super::fixes(&map), fixes);
            assert!(is_as_wanted(&map, &zone("cde", "1"), &contents));
            for other in [zone("other", "1"), zone("cde", "2")] {
                assert!(!is_as_wanted(&map, &other, &contents));
            }
        }
    }

    #[test]
    fn what_runs_has_space_first_and_all_of_it_fits_into_one_object() {
        let both = [Level::Critical, Level::High].map(|level| Vulnerability::new(level, "CVE-1", "p", "2", None));
        let scans: Vec<(usize, &str, &[Vulnerability])> =
            (0..DIGESTS + 2).map(|number| (number, "2026-11-02", both.as_slice())).collect();
        let report = report(&scans);
        let evidence = Evidence::of([&report].into_iter());
        let rules = Scanning { admission: ImageAdmission::Proven, ..Scanning::default() };
        let last = digest(DIGESTS + 1);
        let mut fixes = Fixes::default();
        let many = (0..super::super::fixes::FIXES)
            .map(|number| Vulnerability::new(Level::Critical, &format!("CVE-2026-{number:060}"), "p", "2", None));
        let scan = Scan {
            at: at("2026-11-02"),
            scanner: "Trivy".into(),
            fixable: many.collect(),
            unfixed_critical: 0,
            is_cut: false,
        };
        fixes.learn([&scan].into_iter(), at("2026-11-02"));
        let contents = contents(&rules, &evidence, &[last.as_str()].into(), &fixes, at("2026-11-03"));
        assert_eq!(contents.left_out, 2);
        assert!(contents.data.contains_key(&last[SHA_256.len()..]));
        let size = serde_json::to_vec(&object(&zone("cde", "1"), "pcizone-system", &contents)).unwrap().len();
        // An API server takes no object of more than a mebibyte and a half, and no data of more than one.
        assert!(size < 1_048_576, "{size}");
    }
}
