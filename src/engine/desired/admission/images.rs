//! The images of the zone's pods: from where, by which digest, and until when it may start (PCI DSS 6.3.2, 6.3.3, 6.5.1, 11.3.1).
//!
//! ```text
//!  images      those that the request brings into the pod, but for what the zone itself declares
//!  readings    each with its reference normalised: [as written, docker.io/library/as-written]
//!  unreadable, foreign, unpinned       images: what the reference alone tells
//!  unscanned, stale, critical, overdue scans: what the operator's list tells of the digest
//! ```
//! It says the same as [`crate::engine::images::gate`] and [`crate::engine::images::reference`], which say why. The log sidecars are not
//! looked at, whoever brings them: the operator adds them to pods of others, and the zone declares them by digest. Nor are the pods of the canary,
//! whose label nobody else can use and whose image is the operator's own; both are judged where they run.

use k8s_openapi::jiff::Timestamp;

use super::{
    Surroundings, cel,
    draft::{Draft, Refusal},
    pods::pods,
};
use crate::{
    api::{Digests, Exception, FindingId, ImageAdmission, Mode, Scanning, names},
    engine::{
        declaration::Declaration,
        images::{allow_list, gate, reference},
    },
};

/// The guard of references.
pub(super) const IMAGES: &str = "images";
/// The guard of digests.
pub const SCANS: &str = "scans";

/// Where an image may be named in a pod. A volume may be one too, and what is in it runs as well as what is beside it.
const FIELDS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// The first part is a registry, and not an owner on the Docker Hub.
const HAS_REGISTRY: &str = "^(localhost|[^/]*[.:A-Z][^/]*)/";
/// A normalised reference: a registry, a path, perhaps a tag, perhaps a digest.
const REFERENCE: &str = "^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[a-fA-F0-9:]+\\])(:[0-9]+)?\
     (/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)+(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?\
     (@(sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}))?$";
/// What a runtime takes for the id of an image on its node.
const ID: &str = "^((sha256:)?[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$";
/// Registry and path of a normalised reference.
const NAME: &str = "^[^@/]+/[a-z0-9._/-]+";
/// The end of a reference that is pinned.
const PIN: &str = "@sha256:[a-f0-9]{64}$";
/// Later than every end.
const NEVER: &str = "9999-12-31T23:59:59Z";

/// What the references tell, and the runtime class.
pub(super) fn references(zone: &Declaration, around: &Surroundings, now: Timestamp) -> Option<Draft> {
    let scanning = zone.images.as_ref()?;
    let draft = read(exempt(pods(zone, IMAGES, &FIELDS)), zone, around)
        .variable("unreadable", shown())
        .none_of("unreadable", &gate::unreadable());
    let draft = exchanges(draft, scanning, around);
    let draft = foreign(draft, zone, scanning, now);
    let draft = unpinned(draft, zone, scanning, now);
    Some(class(draft, scanning))
}

/// Where the digests that may start are.
pub(super) fn scans(zone: &Declaration, around: &Surroundings, mode: Mode, now: Timestamp) -> Option<Draft> {
    let scanning = zone.images.as_ref().filter(|scanning| is_by_digest(scanning, around))?;
    let is_proven = scanning.admission == ImageAdmission::Proven;
    // In a pod that runs an image is exchanged by an update of the pod, and so is much else that must go on while the list is missing:
    // `images` refuses that exchange.
    let draft = Draft::new(zone, SCANS)
        .on("", "v1", &["pods"], &["CREATE"])
        .on("", "v1", &["pods/ephemeralcontainers"], &["UPDATE"])
        .inside()
        .when(format!("!{}", cel::IS_STATIC));
    let told = format!(
        "variables.references.map(r, [r, params.?data[?(r.matches({}) ? r.substring(r.size() - 64) : \"\")].orValue(\"\")])",
        cel::text(PIN)
    );
    let ends = format!(
        "variables.told.filter(p, p[1] != \"\").map(p, [p[0]] + p[1].split(\" \").map(e, e == {} ? {} : e))",
        cel::text(allow_list::NEVER),
        cel::text(NEVER)
    );
    let mut draft = read(exempt(draft), zone, around).variable("told", told).variable("ends", ends);
    let past = |part: usize| format!("variables.ends.filter(p, variables.now >= timestamp(p[{part}])).map(p, p[0])");
    if is_proven {
        let unscanned = "variables.told.filter(p, p[1] == \"\").map(p, p[0])";
        draft = but_for(draft, "unscanned", unscanned, zone, FindingId::ImageUnscanned, now)
            .none_of("unscanned", &gate::unscanned());
        draft =
            but_for(draft, "stale", &past(1), zone, FindingId::ImageScanStale, now).none_of("stale", &gate::stale());
    }
    let draft = but_for(draft, "critical", &past(2), zone, FindingId::ImageCriticalOverdue, now)
        .none_of("critical", &gate::critical());
    let draft =
        but_for(draft, "overdue", &past(3), zone, FindingId::ImageFixOverdue, now).none_of("overdue", &gate::overdue());
    // A list that is missing refuses by itself, also where the guards are only to warn.
    Some(draft.reading(around.operator_namespace, &allow_list::name(&zone.name), is_proven && mode == Mode::Enforce))
}

/// The list is there, and the zone wants it to be asked.
fn is_by_digest(scanning: &Scanning, around: &Surroundings) -> bool {
    scanning.admission != ImageAdmission::References && around.scans
}

fn exempt(draft: Draft) -> Draft {
    draft.when(format!("!{}", cel::has_label("object", names::CANARY_LABEL)))
}

/// The images, and what can be read of them.
fn read(draft: Draft, zone: &Declaration, around: &Surroundings) -> Draft {
    let handed = around.forwarding.into_iter().flat_map(|one| [Some(one.adding()), one.beside()]).flatten();
    let mut own: Vec<&str> = gate::of_zone(zone).chain(handed.flat_map(|zone| gate::of_zone(zone))).collect();
    own.sort_unstable();
    own.dedup();
    let new = format!(
        "variables.named.filter(i, !(i in {}) && (request.operation == \"CREATE\" || !(i in variables.before)))",
        cel::list(own)
    );
    draft
        .variable("named", named("object"))
        .variable("before", format!("request.operation == \"CREATE\" ? [] : {}", named("oldObject")))
        .variable("images", new)
        .variable("now", clock())
        .variable("readings", readings())
        .variable("references", format!("variables.readings.filter(p, {}).map(p, p[1])", is_readable()))
}

/// All images of a pod.
fn named(object: &str) -> String {
    let fields =
        FIELDS.map(|field| format!("{object}.spec.?{field}.orValue([]).map(c, string(c.?image.orValue(\"\")))"));
    let volumes = format!(
        "{object}.spec.?volumes.orValue([]).filter(v, has(v.image)).map(v, string(v.image.?reference.orValue(\"\")))"
    );
    format!("{} + {volumes}", fields.join(" + "))
}

/// The time of the request, in whole seconds: when the API server made the object, or when it last wrote down who changed what of it. It does
/// that for whatever a request changes, before it asks; who sends such records of their own cannot make the last one earlier, and who has
/// them deleted is told that it is never. So what ends holds with the operator dead.
fn clock() -> String {
    let records = "object.metadata.?managedFields.orValue([])";
    let never = format!("timestamp({})", cel::text(NEVER));
    format!(
        "request.operation == \"CREATE\" ? timestamp(object.metadata.creationTimestamp) : {records}.size() == 0 ? {never} : \
         {records}.map(m, has(m.time) ? timestamp(m.time) : {never}).max()"
    )
}

fn readings() -> String {
    format!(
        "variables.images.map(i, [i, i.matches({}) ? i : \"docker.io/\" + i])\
         .map(p, [p[0], p[1].startsWith(\"index.docker.io/\") ? p[1].substring(6) : p[1]])\
         .map(p, [p[0], p[1].matches(\"^docker[.]io/[^/]+$\") ? \"docker.io/library/\" + p[1].substring(10) : p[1]])",
        cel::text(HAS_REGISTRY)
    )
}

fn is_readable() -> String {
    let [id, reference, name] = [ID, REFERENCE, NAME].map(cel::text);
    format!("(!p[0].matches({id}) && p[1].matches({reference}) && p[1].find({name}).size() <= 255)")
}

/// How those begin that cannot be read.
fn shown() -> String {
    let most = gate::SHOWN;
    format!(
        "variables.readings.filter(p, !{}).map(p, p[0].size() > {most} ? p[0].substring(0, {most}) + \"…\" : p[0])",
        is_readable()
    )
}

fn foreign(draft: Draft, zone: &Declaration, scanning: &Scanning, now: Timestamp) -> Draft {
    if scanning.registries.is_empty() {
        return draft;
    }
    let registries: Vec<String> =
        scanning.registries.iter().map(|entry| format!("{}/", reference::normalised(entry))).collect();
    let foreign = format!(
        "variables.references.map(r, [r, r.find({}) + \"/\"]).filter(p, !{}.exists(e, p[1].startsWith(e))).map(p, p[0])",
        cel::text(NAME),
        cel::list(registries.iter().map(String::as_str))
    );
    but_for(draft, "foreign", &foreign, zone, FindingId::ImageRegistryNotAllowed, now)
        .none_of("foreign", &gate::foreign(scanning))
}

fn unpinned(draft: Draft, zone: &Declaration, scanning: &Scanning, now: Timestamp) -> Draft {
    if scanning.digests == Digests::Optional {
        return draft;
    }
    let unpinned = format!("variables.references.filter(r, !r.matches({}))", cel::text(PIN));
    but_for(draft, "unpinned", &unpinned, zone, FindingId::ImageNotPinned, now).none_of("unpinned", &gate::unpinned())
}

/// Where digests are asked for when a pod is made, nobody gets another image into one that runs: see [`scans`].
fn exchanges(draft: Draft, scanning: &Scanning, around: &Surroundings) -> Draft {
    if !is_by_digest(scanning, around) {
        return draft;
    }
    let exchanged =
        "request.operation == \"UPDATE\" && request.?subResource.orValue(\"\") == \"\" ? variables.images : []";
    draft.variable("exchanged", exchanged).none_of("exchanged", &gate::exchanged(scanning))
}

fn class(draft: Draft, scanning: &Scanning) -> Draft {
    if scanning.runtime_classes.is_empty() {
        return draft;
    }
    // The API server refuses to change it in a pod that runs.
    let classes = cel::list(scanning.runtime_classes.iter().map(String::as_str));
    draft.must(
        format!("request.operation != \"CREATE\" || object.spec.?runtimeClassName.orValue(\"\") in {classes}"),
        &Refusal {
            id: FindingId::RuntimeClassNotAllowed,
            what: "the pod is not run by a runtime class that the zone allows",
            instead: &format!("Name one as runtimeClassName: {}", gate::listed(&scanning.runtime_classes)),
        },
    )
}

/// A list of references as a variable, without those that an exception accepts. Each exception is compared only as far as it has to be, and
/// there are as many in an expression as one may hold.
fn but_for(mut draft: Draft, name: &str, list: &str, zone: &Declaration, id: FindingId, now: Timestamp) -> Draft {
    let exceptions: Vec<String> =
        gate::exceptions(zone, id, now).filter_map(|(pattern, exception)| accepts(pattern, exception)).collect();
    if exceptions.is_empty() {
        return draft.variable(name, list);
    }
    let mut before = format!("{name}0");
    draft = draft.variable(&before, list);
    let all = cel::any_of(&exceptions);
    let last = all.len();
    for (index, any) in all.into_iter().enumerate() {
        let next = if index + 1 == last { name.to_string() } else { format!("{name}{}", index + 1) };
        draft = draft.variable(&next, format!("variables.{before}.filter(r, !({any}))"));
        before = next;
    }
    draft
}

/// The exception accepts the reference `r`. What no reference can look like is left out.
fn accepts(pattern: &str, exception: &Exception) -> Option<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "*._:/@[]-".contains(letter);
    if !pattern.chars().all(is_plain) {
        return None;
    }
    let matches = match pattern.split_once('*') {
        None => format!("r == {}", cel::text(pattern)),
        Some((start, _)) => {
            let mut regex = String::from("^");
            for letter in pattern.chars() {
                match letter {
                    '*' => regex.push_str("[^/]*"),
                    '.' | '[' | ']' => regex.extend(['\\', letter]),
                    letter => regex.push(letter),
                }
            }
            regex.push('$');
            format!("r.startsWith({}) && r.matches({})", cel::text(start), cel::text(&regex))
        }
    };
    let end = cel::text(&exception.expires_at.0.to_string());
    Some(format!("({matches} && variables.now < timestamp({end}))"))
}
