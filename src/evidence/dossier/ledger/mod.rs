//! The ledger of false segmentation: each way into a zone that NetworkPolicies do not govern, who answers for it, and what is
//! there instead of a policy. A way for which nobody is named says so.

mod kind;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use kind::WayKind;

use super::{About, bounded, findings::cut};
use crate::{
    api::{FindingId, FindingState},
    engine::{
        answers::{self, Answer},
        checks::Found,
        desired::admission::strangers::admit_of,
        pod::Pod,
        reach::{
            doors::{Door, Kind},
            words::{self, few},
        },
    },
};

/// A way, and where it leads into the zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// Which one.
    pub kind: WayKind,
    /// Why no policy governs it.
    pub why: &'static str,
    /// Why nothing could be seen, where there was nothing to look at.
    pub unseen: Option<&'static str>,
    /// How often it is there; an entry may stand for several pods of one node or workload.
    pub total: usize,
    /// How many of these nobody answers for.
    pub unanswered: usize,
    /// How many are not shown.
    pub more: usize,
    /// Where it is, what nobody answers for first.
    pub entries: Vec<Entry>,
}

/// One such way into the zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What leads in, in words.
    pub path: String,
    /// Where it leads, in words; empty where the path says it.
    pub to: String,
    /// The object that makes it.
    pub by: String,
    /// What was found about it.
    pub finding: Option<FindingId>,
    /// The state of that.
    pub state: Option<FindingState>,
    /// Who answers for it, and what is there instead of a policy.
    pub answers: Vec<Answer>,
    /// Pods that have a part in it and that nobody answers for.
    pub unnamed: Vec<String>,
    /// Subjects whose findings are told with it.
    #[serde(skip)]
    told: Vec<String>,
}

/// All ways, also those by which nothing leads in.
pub(super) fn ways(about: &About) -> Vec<Way> {
    if about.unjudged.is_some() {
        return Vec::new();
    }
    let mut entries: BTreeMap<WayKind, Vec<Entry>> = BTreeMap::new();
    for door in &about.facts.doors {
        entries.entry(WayKind::of(door)).or_default().extend(of_door(about, door));
    }
    // What no door tells: all there is of some ways, and of others what leads to nobody now.
    for kind in WayKind::ALL {
        let doors = entries.entry(kind).or_default();
        let told: BTreeSet<&str> = doors.iter().flat_map(|entry| &entry.told).map(String::as_str).collect();
        let found = about.found.iter().filter(|one| kind.ids().contains(&one.id) && !told.contains(&*one.subject));
        let more: Vec<Entry> = found.map(|one| of_finding(about, one)).collect();
        doors.extend(more);
    }
    let way = |kind: WayKind| {
        let mut all = entries.remove(&kind).unwrap_or_default();
        // What is open and answered for by nobody is what an assessor asks about first.
        all.sort_by(|a, b| (a.state, a.is_answered(), &a.path, &a.by).cmp(&(b.state, b.is_answered(), &b.path, &b.by)));
        all.sort_by_key(|entry| (entry.is_answered(), entry.state.is_none()));
        let (total, unanswered) = (all.len(), all.iter().filter(|entry| !entry.is_answered()).count());
        let (entries, more) = bounded(all, about.bounds.entries);
        Way { kind, why: kind.why(), unseen: unseen(about, kind), total, unanswered, more, entries }
    };
    WayKind::ALL.into_iter().map(way).collect()
}

/// Why nothing could be seen.
fn unseen(about: &About, kind: WayKind) -> Option<&'static str> {
    let snapshot = about.snapshot;
    let pods = about.facts.pods == 0;
    match kind {
        WayKind::OwnNode | WayKind::HostNetwork | WayKind::HostPorts | WayKind::SecondInterfaces if pods => {
            Some("no pod of the zone was in what was judged")
        }
        WayKind::OwnNode if !snapshot.pods.iter().any(|pod| pod.node.is_some()) => {
            Some("no pod that was judged is on a node, as in manifests")
        }
        WayKind::Services if snapshot.services.is_empty() => Some("no Service was in what was judged"),
        WayKind::Routes if snapshot.routes.is_empty() => Some("no Ingress or route was in what was judged"),
        WayKind::Endpoints if snapshot.slices.is_empty() => Some("no such endpoints were in what was judged"),
        WayKind::ApiServer if snapshot.bindings.is_empty() => Some("no role binding was in what was judged"),
        WayKind::Established if !about.as_is => {
            Some("manifests do not show when a pod was made, and when its default deny was")
        }
        _ => None,
    }
}

fn of_finding(about: &About, one: &Found) -> Entry {
    Entry {
        path: cut(&one.message),
        to: String::new(),
        by: one.subject.clone(),
        finding: Some(one.id),
        state: Some(one.state),
        answers: excepted(about, &[one.id], &one.subject),
        unnamed: Vec::new(),
        told: Vec::new(),
    }
}

/// A door; where pods of several workloads make it themselves, one for each.
fn of_door(about: &About, door: &Door) -> Vec<Entry> {
    let path = door.words();
    match &door.kind {
        Kind::OwnNode { node, others } => vec![own_node(about, door, node, others)],
        Kind::HostNetwork | Kind::HostPort(..) => {
            // On the network of its node a pod is open on every port, whatever a flow declares.
            let is_port = matches!(door.kind, Kind::HostPort(..));
            let mut workloads: BTreeMap<String, Vec<&Pod>> = BTreeMap::new();
            for pod in &door.to {
                workloads.entry(pod.subject()).or_default().push(pod);
            }
            let entry = |(subject, pods): (String, Vec<&Pod>)| {
                let flows = if is_port { declaring(about, door, &pods) } else { Vec::new() };
                entry(about, WayKind::of(door), path.clone(), leads(&pods, door), subject, flows)
            };
            workloads.into_iter().map(entry).collect()
        }
        Kind::Service { .. } | Kind::Route { .. } => {
            let flows = declaring(about, door, &door.to);
            vec![entry(about, WayKind::of(door), path, leads(&door.to, door), door.by(), flows)]
        }
        Kind::Endpoints(_) => {
            vec![entry(about, WayKind::of(door), path, leads(&door.to, door), door.by(), Vec::new())]
        }
    }
}

fn entry(about: &About, kind: WayKind, path: String, to: String, by: String, flows: Vec<Answer>) -> Entry {
    let found = about.found.iter().find(|one| kind.ids().contains(&one.id) && one.subject == by);
    let answers = flows.into_iter().chain(excepted(about, kind.ids(), &by)).collect();
    let (finding, state) = (found.map(|one| one.id), found.map(|one| one.state));
    Entry { path, to, told: vec![by.clone()], by, finding, state, answers, unnamed: Vec::new() }
}

/// Where a door leads: pods, and their ports where it does not lead to all.
fn leads(pods: &[&Pod], door: &Door) -> String {
    let names = few(&pods.iter().map(|pod| pod.key.to_string()).collect::<Vec<_>>());
    if door.ports.is_all() || door.ports.is_empty() {
        return names;
    }
    format!("{names} on {}", words::ports(&door.ports))
}

/// A node that the zone has for itself keeps strangers away; who uses its network all the same may be admitted by name.
fn own_node(about: &About, door: &Door, node: &str, others: &[&Pod]) -> Entry {
    let claim = about.resolution.node(node).filter(|claim| claim.is_member());
    let is_own = claim.is_some_and(|claim| claim.zone.as_deref() == Some(about.name()));
    let own = is_own.then(|| Answer {
        owner: None,
        approved_by: None,
        control: "The node is the zone's own: its taint and label keep other pods away.".to_string(),
        declared_in: "spec.hosting.nodes".to_string(),
        until: None,
    });
    let mut answers: Vec<Answer> = own.into_iter().collect();
    let (mut found, mut unnamed) = (None, Vec::new());
    for pod in others {
        let admit = about.declaration.and_then(|declaration| admit_of(declaration, pod));
        let before = answers.len();
        answers.extend(admit.filter(|admit| admit.expires_at.0 > about.now).map(|admit| Answer {
            owner: Some(admit.owner.clone()),
            approved_by: None,
            control: admit.need.clone(),
            declared_in: format!("admitted: {} of {}", admit.workload, admit.namespace),
            until: Some(admit.expires_at.0),
        }));
        let subject = pod.subject();
        let ids = WayKind::OwnNode.ids();
        answers.extend(excepted(about, ids, &subject));
        if answers.get(before..).unwrap_or_default().iter().all(|answer| answer.owner.is_none()) {
            unnamed.push(pod.key.to_string());
        }
        let this = about.found.iter().find(|one| ids.contains(&one.id) && one.subject == subject);
        found = found.or(this);
    }
    answers.dedup();
    let to = leads(&door.to, door);
    Entry {
        path: door.words(),
        to,
        by: door.by(),
        finding: found.map(|one| one.id),
        state: found.map(|one| one.state),
        answers,
        unnamed,
        told: others.iter().map(|pod| pod.subject()).collect(),
    }
}

fn declaring(about: &About, door: &Door, pods: &[&Pod]) -> Vec<Answer> {
    about.declaration.map(|declaration| answers::declaring(declaration, door, pods, about.now)).unwrap_or_default()
}

fn excepted(about: &About, ids: &[FindingId], subject: &str) -> Vec<Answer> {
    about.declaration.map(|declaration| answers::excepted(declaration, ids, subject, about.now)).unwrap_or_default()
}

impl Entry {
    /// Somebody is named who answers for all of it. Where it is violated, what is named speaks of a part at most.
    pub fn is_answered(&self) -> bool {
        let is_named = self.answers.iter().any(|answer| answer.owner.is_some());
        is_named && self.unnamed.is_empty() && self.state != Some(FindingState::Violated)
    }
}
