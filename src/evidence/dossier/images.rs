//! The images that run in a zone and on its nodes, as an inventory: what each is, who runs it, and what scanners say of it (PCI DSS
//! 6.3.2, 12.5.1).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{About, Verdict, bounded, findings::cut};
use crate::{
    api::{FindingId, FindingState, Scanning},
    engine::{
        checks::Found,
        images::{container, running::Use, verdict, zone},
        pod::Pod,
    },
};

/// Workloads and signers that a row names.
const NAMED: usize = 3;

/// The images of a zone that declares something about them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// What the zone declares.
    pub rules: Scanning,
    /// Why it is not seen what scanners report.
    pub unread: Option<String>,
    /// Those of the zone's pods.
    pub own: Inventory,
    /// Those of pods of others on its nodes.
    pub others: Inventory,
}

/// Images, the worst first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// How many there are: names, and of a name without a digest each content that runs.
    pub total: usize,
    /// How many of them have which verdict.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// The first of them.
    pub shown: Vec<Image>,
    /// How many are not shown.
    pub more: usize,
}

/// An image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Its name without a digest, with the Docker Hub spelt out.
    pub name: String,
    /// The digest that pods name; where they name none, what runs, if a node tells it.
    pub digest: Option<String>,
    /// What is said of it. Findings are about a name, so all contents of one name have the same.
    pub verdict: Verdict,
    /// What was found about its name.
    pub findings: Vec<FindingId>,
    /// Workloads that run it.
    pub workloads: Vec<String>,
    /// How many are not named.
    pub more_workloads: usize,
    /// Pods that run it.
    pub pods: usize,
    /// The newest scan.
    pub scan: Option<Scan>,
    /// How many fixes of it have a date.
    pub fixes: usize,
    /// How many of these are overdue.
    pub overdue: usize,
    /// The worst of those that are overdue, or may be; otherwise the one that is due next.
    pub fix: Option<Fix>,
    /// There is a bill of materials.
    pub has_sbom: bool,
    /// Who signed it, by what reports say.
    pub signed_by: Vec<String>,
}

/// A scan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// When it was made.
    pub at: Timestamp,
    /// Name of the scanner.
    pub scanner: String,
    /// The report that tells it.
    pub report: String,
    /// It is new enough.
    pub is_fresh: bool,
    /// Critical vulnerabilities without a fix.
    pub unfixed_critical: u32,
}

/// A fix and its date.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// The vulnerability that it mends.
    pub id: String,
    /// How bad that is.
    pub severity: &'static str,
    /// The package in which it is.
    pub package: String,
    /// The first version without it.
    pub fixed_in: String,
    /// Since when it is known at the latest.
    pub since: Timestamp,
    /// From when on it is overdue.
    pub due: Timestamp,
    /// Where it stands now.
    pub state: FixState,
}

/// Where a fix stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FixState {
    /// Its time is over.
    Overdue,
    /// Its time may be over: how long it is known is not.
    PerhapsOverdue,
    /// It has time.
    InTime,
}

impl Images {
    /// Both parts, in words.
    pub fn parts(&self) -> [(&'static str, &Inventory); 2] {
        [("of the zone’s pods", &self.own), ("of pods of others on the zone’s nodes", &self.others)]
    }
}

/// The images of a zone; `None` where it declares nothing about them, or was not judged.
pub(super) fn images(about: &About) -> Option<Images> {
    let rules = about.declaration?.images.as_ref()?;
    if about.unjudged.is_some() {
        return None;
    }
    let namespaces = &about.zone.namespaces;
    let is_own = |pod: &Pod| {
        let namespace = pod.namespace();
        namespaces.declared.contains(namespace) || namespaces.held.contains(namespace)
    };
    let all = zone::Images::of(about.snapshot, about.name(), rules, &about.facts.here, is_own, about.now);
    let unread = about.found.iter().find(|one| one.id == FindingId::ScanEvidenceUnread);
    let part = |is_own| Part { about, is_own, is_blind: unread.is_some(), found: by_subject(about, is_own) };
    Some(Images {
        rules: rules.clone(),
        unread: unread.map(|one| cut(&one.message)),
        own: part(true).inventory(&all.own),
        others: part(false).inventory(&all.others),
    })
}

/// Of the images of others it is judged whether they were scanned, and nothing else.
fn by_subject<'a>(about: &About<'a>, is_own: bool) -> BTreeMap<&'a str, Vec<&'a Found>> {
    let mut all: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    for one in about.found.iter().filter(|one| (one.id != FindingId::InfraImageUnscanned) == is_own) {
        all.entry(&one.subject).or_default().push(one);
    }
    all
}

/// The zone's own images, or those of others.
struct Part<'a> {
    about: &'a About<'a>,
    is_own: bool,
    is_blind: bool,
    found: BTreeMap<&'a str, Vec<&'a Found>>,
}

/// One content of an image, or what no node tells the content of.
struct Row<'a> {
    verdict: Verdict,
    name: String,
    digest: Option<&'a str>,
    named: &'a str,
    one: &'a Use<'a>,
    said: Option<&'a verdict::Verdict<'a>>,
}

impl Part<'_> {
    fn inventory(&self, uses: &BTreeMap<&str, Use>) -> Inventory {
        let mut rows: Vec<Row> = uses.iter().flat_map(|(named, one)| self.rows(named, one)).collect();
        rows.sort_by(|a, b| (a.verdict, &a.name, a.digest).cmp(&(b.verdict, &b.name, b.digest)));
        let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for row in &rows {
            *verdicts.entry(row.verdict).or_default() += 1;
        }
        let total = rows.len();
        let (rows, more) = bounded(rows, self.about.bounds.images);
        Inventory { total, verdicts, shown: rows.into_iter().map(|row| self.image(row)).collect(), more }
    }

    fn rows<'a>(&self, named: &'a str, one: &'a Use<'a>) -> Vec<Row<'a>> {
        let row = |digest: Option<&'a str>, said: Option<&'a verdict::Verdict<'a>>| Row {
            verdict: self.verdict(&one.subject(named), said),
            name: name(named, one),
            digest,
            named,
            one,
            said,
        };
        let mut rows: Vec<Row> = one.verdicts.iter().map(|(digest, said)| row(Some(digest), Some(said))).collect();
        // What a pod has not started yet, and what a volume brings, has no digest but the one in its name.
        if one.pods.iter().any(|pod| runs(pod, named, one, None)) {
            rows.push(row(None, None));
        }
        rows
    }

    fn verdict(&self, subject: &str, said: Option<&verdict::Verdict>) -> Verdict {
        let found = self.found.get(subject).into_iter().flatten();
        match found.map(|one| one.state).min() {
            Some(FindingState::Violated) => Verdict::Violated,
            Some(FindingState::Unproven) => Verdict::Unproven,
            Some(FindingState::Accepted) => Verdict::Accepted,
            None if self.is_blind || !said.is_some_and(|said| said.is_fresh(self.about.now)) => Verdict::Unproven,
            None if self.is_own && self.about.as_is => Verdict::Proven,
            None => Verdict::NoFinding,
        }
    }

    fn image(&self, row: Row) -> Image {
        let Row { verdict, name, digest, named, one, said } = row;
        let pods: Vec<&Pod> = one.pods.iter().copied().filter(|pod| runs(pod, named, one, digest)).collect();
        let workloads: BTreeSet<String> = pods.iter().map(|pod| pod.subject()).collect();
        let (workloads, more_workloads) = bounded(workloads.into_iter().collect(), NAMED);
        let mut findings: Vec<FindingId> =
            self.found.get(one.subject(named).as_str()).into_iter().flatten().map(|found| found.id).collect();
        findings.sort_unstable();
        findings.dedup();
        let now = self.about.now;
        let fixes = said.map(|said| said.fixes.as_slice()).unwrap_or_default();
        Image {
            name,
            digest: digest.map(str::to_string),
            verdict,
            findings,
            workloads,
            more_workloads,
            pods: pods.len(),
            scan: said.and_then(|said| scan(said, now)),
            fixes: fixes.len(),
            overdue: fixes.iter().filter(|fix| fix.is_overdue(now)).count(),
            fix: fix(fixes, now),
            has_sbom: said.is_some_and(|said| said.has_sbom),
            signed_by: said.map(signers).unwrap_or_default(),
        }
    }
}

/// As findings name it, but for the digest, which has a place of its own.
fn name(named: &str, one: &Use) -> String {
    match &one.reference {
        Ok(reference) => {
            let tag = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
            format!("{}{tag}", reference.name())
        }
        Err(_) => cut(named),
    }
}

/// A container of the pod has this content. What is not judged by itself is the image that is named, as the manifest of a platform is.
fn runs(pod: &Pod, named: &str, one: &Use, content: Option<&str>) -> bool {
    let is_judged = |digest: &&str| one.verdicts.iter().any(|(judged, _)| judged == digest);
    let of = |runs: Option<&str>| runs.filter(is_judged).or(container::digest(named)) == content;
    pod.images.iter().any(|image| &*image.named == named && of(image.runs.as_deref()))
}

fn scan(said: &verdict::Verdict, now: Timestamp) -> Option<Scan> {
    let (report, scan) = said.scan?;
    Some(Scan {
        at: scan.at,
        scanner: scan.scanner.to_string(),
        report: report.subject(),
        is_fresh: said.is_fresh(now),
        unfixed_critical: scan.unfixed_critical,
    })
}

/// Fixes come the worst first.
fn fix(fixes: &[verdict::Fix], now: Timestamp) -> Option<Fix> {
    let overdue = fixes.iter().find(|fix| fix.is_overdue(now)).map(|fix| (fix, FixState::Overdue));
    let perhaps = || fixes.iter().find(|fix| fix.may_be_overdue(now)).map(|fix| (fix, FixState::PerhapsOverdue));
    let next = || fixes.iter().min_by_key(|fix| fix.due).map(|fix| (fix, FixState::InTime));
    let (fix, state) = overdue.or_else(perhaps).or_else(next)?;
    Some(Fix {
        id: fix.of.id.to_string(),
        severity: fix.of.severity.as_str(),
        package: fix.of.package.to_string(),
        fixed_in: fix.of.fixed.to_string(),
        since: fix.since,
        due: fix.due,
        state,
    })
}

fn signers(said: &verdict::Verdict) -> Vec<String> {
    let all: BTreeSet<&str> = said.signed_by.iter().map(|by| &***by).collect();
    all.into_iter().take(NAMED).map(cut).collect()
}
