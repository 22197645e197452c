//! What a zone refuses of an image by its reference alone, whatever is known of what is in it (PCI DSS 6.3.2, 6.5.1).
//!
//! The policy in the API server says the same in CEL and with the same words ([`crate::engine::desired::admission`]). It cannot call this,
//! so a test asks both about the same references.

use k8s_openapi::jiff::Timestamp;

use super::reference::Reference;
use crate::{
    api::{Digests, Exception, FindingId, ImageAdmission, Scanning},
    engine::{
        declaration::Declaration,
        exceptions::{is_about, is_live},
    },
};

/// Findings that an exception can open the gate for.
pub(in crate::engine) const GATED: [FindingId; 6] = [
    FindingId::ImageRegistryNotAllowed,
    FindingId::ImageNotPinned,
    FindingId::ImageUnscanned,
    FindingId::ImageScanStale,
    FindingId::ImageCriticalOverdue,
    FindingId::ImageFixOverdue,
];
/// Characters of an image that cannot be read that are told. There is no bound to what one may write there.
pub(in crate::engine) const SHOWN: usize = 200;
/// Characters of a list in a refusal.
const LISTED: usize = 300;

/// Why an image is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The finding.
    pub id: FindingId,
    /// What is wrong, as it goes on after the name of the image.
    pub what: &'static str,
    /// What to do.
    pub instead: String,
}

/// An image that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its reference, normalised; where it cannot be read, how it begins.
    pub image: String,
    /// Why.
    pub reason: Reason,
}

impl Refused {
    /// What the API server says.
    pub fn message(&self, zone: &str) -> String {
        let Refused { image, reason: Reason { id, what, instead } } = self;
        format!("zone {zone}: the image {image} {what} ({}). {instead}", id.as_str())
    }
}

/// What is refused of an image of a container of the zone at `now`; `None` where nothing is, and where the zone says nothing of images.
pub fn judge(image: &str, zone: &Declaration, now: Timestamp) -> Option<Refused> {
    let scanning = zone.images.as_ref()?;
    if is_of_zone(image, zone) {
        return None;
    }
    let Ok(reference) = Reference::parse(image) else {
        let shown: String = image.chars().take(SHOWN).collect();
        let cut = if shown.len() < image.len() { "…" } else { "" };
        return Some(Refused { image: format!("{shown}{cut}"), reason: unreadable() });
    };
    let is_accepted = |id| accepts(zone, id, &reference, now);
    let reason = if is_foreign(&reference, scanning) && !is_accepted(FindingId::ImageRegistryNotAllowed) {
        foreign(scanning)
    } else if is_unpinned(&reference, scanning) && !is_accepted(FindingId::ImageNotPinned) {
        unpinned()
    } else {
        return None;
    };
    Some(Refused { image: reference.to_string(), reason })
}

/// The image is one that the zone itself declares for its log sidecars, by digest. They are added to pods by the operator, whoever made the
/// pod, so a refusal would tell somebody who can do nothing about it.
pub fn is_of_zone(image: &str, zone: &Declaration) -> bool {
    of_zone(zone).any(|own| own == image)
}

pub(in crate::engine) fn of_zone(zone: &Declaration) -> impl Iterator<Item = &str> {
    let forwarder = zone.logs.iter().filter_map(|logs| Some(logs.forwarder.as_ref()?.image.as_str()));
    let linger = zone.logs.iter().filter_map(|logs| Some(logs.linger.as_ref()?.image.as_str()));
    forwarder.chain(linger)
}

fn is_foreign(reference: &Reference, scanning: &Scanning) -> bool {
    !scanning.registries.is_empty() && !reference.is_allowed(&scanning.registries)
}

fn is_unpinned(reference: &Reference, scanning: &Scanning) -> bool {
    scanning.digests == Digests::Required && reference.pin().is_none()
}

/// An exception of the zone accepts this of the image at `now`.
pub fn accepts(zone: &Declaration, id: FindingId, reference: &Reference, now: Timestamp) -> bool {
    let subject = reference.subject();
    zone.exceptions.iter().any(|exception| is_about(exception, id, &subject) && is_live(exception, now))
}

/// Exceptions that open the gate for this finding, and the patterns of the references that they mean.
pub(in crate::engine) fn exceptions(
    zone: &Declaration,
    id: FindingId,
    now: Timestamp,
) -> impl Iterator<Item = (&str, &Exception)> {
    let live = zone.exceptions.iter().filter(move |exception| exception.finding == id && is_live(exception, now));
    live.filter_map(|exception| Some((exception.subject.strip_prefix("Image/")?, exception)))
}

/// When the gate closes for images that exceptions open it for.
pub(in crate::engine) fn ends(zone: &Declaration, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let all = GATED.into_iter().flat_map(move |id| exceptions(zone, id, now));
    all.filter(|_| zone.images.is_some()).map(|(_, exception)| exception.expires_at.0)
}

pub(in crate::engine) fn unreadable() -> Reason {
    Reason {
        id: FindingId::ImageRegistryNotAllowed,
        what: "is no reference that can be read, so nobody can tell where it comes from",
        instead: "Write it as REGISTRY/NAME@sha256:DIGEST".to_string(),
    }
}

pub(in crate::engine) fn foreign(scanning: &Scanning) -> Reason {
    let allowed = listed(&scanning.registries);
    Reason {
        id: FindingId::ImageRegistryNotAllowed,
        what: "is of a registry that the zone does not allow",
        instead: format!(
            "Copy it to where images are allowed from: {allowed}; or add its registry to spec.scanning.registries"
        ),
    }
}

pub(in crate::engine) fn unpinned() -> Reason {
    Reason {
        id: FindingId::ImageNotPinned,
        what: "is named without its digest, so whoever may write to the registry decides what runs",
        instead: "Name it as NAME@sha256:DIGEST; docker buildx imagetools inspect prints the digest".to_string(),
    }
}

pub(in crate::engine) fn unscanned() -> Reason {
    Reason {
        id: FindingId::ImageUnscanned,
        what: "has no report of a scanner that the zone knows of",
        instead: "Let the scanner look at it before it is to run; docs/scanning.md says how".to_string(),
    }
}

pub(in crate::engine) fn stale() -> Reason {
    Reason {
        id: FindingId::ImageScanStale,
        what: "was scanned too long ago",
        instead: "Let the scanner look again; whether it still runs, its own pods say".to_string(),
    }
}

pub(in crate::engine) fn critical() -> Reason {
    Reason {
        id: FindingId::ImageCriticalOverdue,
        what: "has a critical vulnerability whose fix is overdue",
        instead: "Build it with the fixed version, which the report of the image names".to_string(),
    }
}

pub(in crate::engine) fn overdue() -> Reason {
    Reason {
        id: FindingId::ImageFixOverdue,
        what: "has a vulnerability whose fix is overdue",
        instead: "Build it with the fixed version, which the report of the image names".to_string(),
    }
}

/// Why none gets into a pod that runs.
pub(in crate::engine) fn exchanged(scanning: &Scanning) -> Reason {
    let id = match scanning.admission {
        ImageAdmission::References | ImageAdmission::Overdue => FindingId::ImageCriticalOverdue,
        ImageAdmission::Proven => FindingId::ImageUnscanned,
    };
    Reason {
        id,
        what: "would come into a pod that runs, and what is known of it is asked only when a pod is made",
        instead: "Make the pod anew".to_string(),
    }
}

/// The first of some texts, and how many more there are.
pub(in crate::engine) fn listed(all: &[String]) -> String {
    let mut text = String::new();
    for (index, one) in all.iter().enumerate() {
        let between = if index == 0 { "" } else { ", " };
        if index > 0 && text.len() + between.len() + one.len() > LISTED {
            return format!("{text} and {} more", all.len() - index);
        }
        text = format!("{text}{between}{one}");
    }
    text
}
