//! Images: where those of the zone come from, what scanners say of what runs, and by when what is broken has to be mended (PCI DSS 6.3.1,
//! 6.3.2, 6.3.3, 11.3.1).

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::{Case, Found, access::some};
use crate::{
    api::{Digests, FindingId, Sbom, Severity},
    engine::{
        change::count,
        images::{
            container,
            report::{Level, Report},
            running::Use,
            verdict::{Fix, Verdict},
            zone::Images,
        },
        pod::Pod,
    },
};

/// Names in a message.
const NAMED: usize = 3;
const UNTOLD: &str = "Neither its name nor a node tells by which digest it runs, so no scan is about it.";

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let Some(images) = &case.images else { return };
    if images.rules.registries.is_empty() {
        let message = "spec.scanning names no registry, so images of the zone may come from anywhere.";
        found.push(Found::new(FindingId::ImageRegistriesOpen, zone(case), message));
    }
    if let Some(why) = case.snapshot.untold.get(case.name) {
        let message = format!("Admission is not told what reports say of images: {why}.");
        found.push(Found::new(FindingId::WriteRefused, zone(case), message));
    }
    let is_blind = unread(case, images, found);
    for (named, one) in &images.own {
        reference(images, named, one, found);
        drift(named, one, found);
        if one.is_untold && !is_blind {
            let about = About { named, one, digest: "" };
            found.push(about.found(FindingId::ImageUnscanned, UNTOLD));
        }
        for (digest, verdict) in &one.verdicts {
            let about = About { named, one, digest };
            if !is_blind {
                scanned(case, &about, verdict, found);
                listed(images, &about, verdict, found);
            }
            fixes(case, images, &about, verdict, found);
        }
    }
    if !is_blind {
        for (named, one) in &images.others {
            infrastructure(case, named, one, found);
        }
    }
    runtime_classes(case, images, found);
}

fn zone(case: &Case) -> String {
    format!("PciZone/{}", case.name)
}

/// An image and one of the digests by which it runs.
struct About<'a> {
    named: &'a str,
    one: &'a Use<'a>,
    digest: &'a str,
}

impl About<'_> {
    fn found(&self, id: FindingId, message: impl Into<String>) -> Found {
        Found::new(id, self.one.subject(self.named), message).with_evidence(self.evidence(None))
    }

    /// What runs where, and what said so.
    fn evidence(&self, report: Option<&Report>) -> String {
        let report = report.map(|report| format!("{}; ", report.subject())).unwrap_or_default();
        // The subject names it already where it is pinned.
        let digest = if self.named.ends_with(self.digest) { String::new() } else { format!("{}; ", self.digest) };
        format!("{report}{digest}{}", run_by(&self.one.pods))
    }
}

fn run_by(pods: &[&Pod]) -> String {
    let workloads: BTreeSet<String> = pods.iter().map(|pod| pod.subject()).collect();
    let workloads: Vec<String> = workloads.into_iter().collect();
    format!("{}: {}", count(pods.len(), "pod"), some(&workloads, NAMED))
}

/// Whether nothing that is said of images can be relied on, since some of it is not seen.
fn unread(case: &Case, images: &Images, found: &mut Vec<Found>) -> bool {
    let snapshot = case.snapshot;
    if images.forgets {
        let message = "There are more fixes than are kept, so of some it is not known since when they are known.";
        found.push(Found::new(FindingId::ImageFixDateUnproven, zone(case), message));
    }
    let why = if !snapshot.unread_reports.is_empty() {
        format!("What scanners report cannot be read: {}.", some(&snapshot.unread_reports, NAMED))
    } else if snapshot.report_kinds.is_empty() && snapshot.is_kept {
        "No kind of report that is read here is installed, so nothing tells of a scan.".to_string()
    } else if snapshot.report_kinds.is_empty() {
        "No report of a scanner was shown, so nothing tells of a scan.".to_string()
    } else {
        return false;
    };
    found.push(Found::new(FindingId::ScanEvidenceUnread, zone(case), why));
    true
}

/// What the name of the image alone tells.
fn reference(images: &Images, named: &str, one: &Use, found: &mut Vec<Found>) {
    let say = |id, message: String| Found::new(id, one.subject(named), message).with_evidence(run_by(&one.pods));
    let registries = &images.rules.registries;
    match &one.reference {
        Err(why) => found.push(say(FindingId::ImageRegistryNotAllowed, format!("It is no name of an image: {why}"))),
        Ok(reference) if !registries.is_empty() && !reference.is_allowed(registries) => {
            let message = format!("The zone allows images from {} only.", some(registries, NAMED));
            found.push(say(FindingId::ImageRegistryNotAllowed, message));
        }
        Ok(_) => {}
    }
    if images.rules.digests == Digests::Required && container::digest(named).is_none() {
        let message = "It is named without its digest, so what runs is what its tag meant when a node asked.";
        found.push(say(FindingId::ImageNotPinned, message.to_string()));
    }
}

/// Whether all that is named alike is alike. Only where nodes tell what they asked the registry for: another digest may be that of the manifest
/// of a platform.
fn drift(named: &str, one: &Use, found: &mut Vec<Found>) {
    let exact: Vec<&str> = one.exact.iter().copied().collect();
    let message = match container::digest(named) {
        Some(pinned) if exact.iter().any(|digest| *digest != pinned) => {
            "Something else runs than the digest that the pod names.".to_string()
        }
        None if exact.len() > 1 => format!("Copies of it run {} contents by the same tag.", exact.len()),
        _ => return,
    };
    let evidence = format!("{}; {}", some(&exact, NAMED), run_by(&one.pods));
    found.push(Found::new(FindingId::ImageDigestDrift, one.subject(named), message).with_evidence(evidence));
}

fn scanned(case: &Case, about: &About, verdict: &Verdict, found: &mut Vec<Found>) {
    match (&verdict.scan, &verdict.ahead) {
        (Some((report, scan)), _) if !verdict.is_fresh(case.now) => {
            let days = case.declaration.images.as_ref().map(|rules| rules.reports.max_age_days).unwrap_or_default();
            let message = format!("It was last scanned at {:.0}; the zone wants a scan every {days} days.", scan.at);
            let one = about.found(FindingId::ImageScanStale, message);
            found.push(one.with_evidence(about.evidence(Some(report))));
        }
        (Some(_), _) => {}
        (None, Some((report, at))) => {
            let message = format!("The only scan of it is dated {at:.0}, which has not come yet.");
            let one = about.found(FindingId::ImageUnscanned, message);
            found.push(one.with_evidence(about.evidence(Some(report))));
        }
        (None, None) => {
            let message = if about.one.is_told_by_tag {
                "A report is about its tag and names no digest, so it proves nothing of what runs."
            } else {
                "No report tells of a scan of what runs."
            };
            found.push(about.found(FindingId::ImageUnscanned, message));
        }
    }
}

/// Bills of materials, and signatures.
fn listed(images: &Images, about: &About, verdict: &Verdict, found: &mut Vec<Found>) {
    if images.rules.sbom == Sbom::Required && !verdict.has_sbom {
        found.push(about.found(FindingId::SbomMissing, "No report has a bill of materials of what runs."));
    }
    let signers = &images.rules.signers;
    if signers.is_empty() || verdict.signed_by.iter().any(|by| signers.iter().any(|signer| **signer == ***by)) {
        return;
    }
    let message = match verdict.signed_by.first() {
        None => "No report says who signed what runs.".to_string(),
        Some(by) => format!("Only {by} signed what runs, by what reports say, whom the zone does not name."),
    };
    found.push(about.found(FindingId::ImageUnsigned, message));
}

/// What has to be mended.
fn fixes(case: &Case, images: &Images, about: &About, verdict: &Verdict, found: &mut Vec<Found>) {
    let now = case.now;
    let report = verdict.scan.map(|(report, _)| report);
    let mut say = |id, message, severity: Option<Severity>| {
        let one = about.found(id, message).with_evidence(about.evidence(report));
        found.push(match severity {
            Some(severity) => one.with_severity(severity),
            None => one,
        });
    };
    let overdue = |is: &dyn Fn(Level) -> bool| -> Vec<&Fix> {
        verdict.fixes.iter().filter(|fix| fix.is_overdue(now) && is(fix.of.severity)).collect()
    };
    let critical = overdue(&|level| level == Level::Critical);
    if !critical.is_empty() {
        let days = images.rules.fix_within_days.critical;
        say(FindingId::ImageCriticalOverdue, in_time(&critical, &format!("more than {days} days")), None);
    }
    let others = overdue(&|level| level != Level::Critical);
    if !others.is_empty() {
        say(FindingId::ImageFixOverdue, in_time(&others, "longer than the zone allows"), None);
    }
    let perhaps: Vec<&Fix> = verdict.fixes.iter().filter(|fix| fix.may_be_overdue(now)).collect();
    if !perhaps.is_empty() {
        let worst = perhaps.iter().any(|fix| fix.of.severity == Level::Critical);
        let message = in_time(&perhaps, "perhaps longer than the zone allows");
        say(FindingId::ImageFixDateUnproven, message, (!worst).then_some(Severity::Low));
    }
    if verdict.is_cut {
        let message =
            "It has more vulnerabilities that can be fixed than are looked at; the least severe are left out.";
        say(FindingId::ImageFixDateUnproven, message.to_string(), None);
    }
}

/// What can be fixed for how long.
fn in_time(fixes: &[&Fix], long: &str) -> String {
    let named: Vec<String> = fixes.iter().take(NAMED).map(|fix| one(fix)).collect();
    let more = match fixes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (what, can) = match fixes {
        [only] => (format!("One {} vulnerability", only.of.severity.as_str()), "can be"),
        many => (format!("{} vulnerabilities", many.len()), "can be"),
    };
    format!("{what} {can} fixed for {long}: {}{more}.", named.join(", "))
}

fn one(fix: &Fix) -> String {
    let of = fix.of;
    format!("{} ({} {}, fixed in {}, seen since {:.0})", of.id, of.severity.as_str(), of.package, of.fixed, fix.since)
}

/// Network, storage and log agents on the zone's nodes, and whatever else runs there.
fn infrastructure(case: &Case, named: &str, one: &Use, found: &mut Vec<Found>) {
    if one.is_untold {
        let about = About { named, one, digest: "" };
        found.push(about.found(FindingId::InfraImageUnscanned, UNTOLD));
        return;
    }
    let is_fresh = |verdict: &Verdict, now: Timestamp| verdict.is_fresh(now);
    let Some((digest, verdict)) = one.verdicts.iter().find(|(_, verdict)| !is_fresh(verdict, case.now)) else { return };
    let message = match &verdict.scan {
        Some((_, scan)) => format!("It runs on nodes of the zone and was last scanned at {:.0}.", scan.at),
        None => "It runs on nodes of the zone, and no report of its namespace tells of a scan.".to_string(),
    };
    let about = About { named, one, digest };
    found.push(about.found(FindingId::InfraImageUnscanned, message));
}

fn runtime_classes(case: &Case, images: &Images, found: &mut Vec<Found>) {
    let classes = &images.rules.runtime_classes;
    if classes.is_empty() {
        return;
    }
    let own = case.pods.iter().filter(|pod| case.is_member(pod.namespace()));
    for pod in own {
        let is_allowed = pod.runtime_class.as_deref().is_some_and(|class| classes.iter().any(|one| one == class));
        if !is_allowed {
            let what = pod
                .runtime_class
                .as_deref()
                .map_or("no runtime class".to_string(), |one| format!("the runtime class {one}"));
            let message = format!("It runs by {what}; the zone allows {}.", some(classes, NAMED));
            found.push(Found::new(FindingId::RuntimeClassNotAllowed, pod.subject(), message));
        }
    }
}
