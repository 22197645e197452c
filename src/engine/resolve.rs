//! Which zone each namespace and each node belongs to.
//!
//! ```text
//!  declared by a zone ──┐
//!                       ├──▶ Claim: the one zone that answers for the object, and who else wants it
//!  held by a zone ──────┘
//! ```
//! *Held* means that the object carries the zone's label, written by us, or did until somebody took it away. A
//! zone that holds an object keeps it until its change is confirmed, whatever the declarations say: shrinking
//! never opens anything by accident. What merely shows the zone's name is a *residue*: it is left as it is, and
//! cleaned up with a confirmed change. Objects are resolved one by one, so that one event costs the same at any
//! size of the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use k8s_openapi::api::core::v1::{Namespace, Node};

use super::{
    change,
    declaration::Declaration,
    desired::admission::Guard,
    evidence::{self, Evidence},
    guards::{self, Guarded},
    memory::{Before, Memory},
    plan::is_terminating,
    policy::Policy,
    snapshot::{Snapshot, ZoneRecord},
};
use crate::api::{Mode, names};

/// Passes over all objects until nothing changes sides any more; each confirmed hand-over may need one.
const PASSES: usize = 5;

/// Which zone each object belongs to.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    operator_namespace: String,
    zones: BTreeMap<String, Zone>,
    namespaces: BTreeMap<String, Claim>,
    nodes: BTreeMap<String, Claim>,
    memory: Memory,
}

/// A zone and what was found to belong to it.
#[derive(Clone, Debug)]
pub struct Zone {
    /// What the PciZone declares; `None` when it does not parse.
    pub declaration: Option<Arc<Declaration>>,
    /// What it declared before, as far as that was seen.
    pub before: Before,
    /// Its namespaces.
    pub namespaces: Members,
    /// Its nodes.
    pub nodes: Members,
    /// What its admission policies do.
    pub guarded: Guarded,
    /// Digest of the state that is declared; computed when asked for.
    digest: OnceLock<String>,
}

/// The objects of one kind around a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Declared, and nobody else's.
    pub declared: BTreeSet<String>,
    /// Under the zone's protection, and nobody else's.
    pub held: BTreeSet<String>,
    /// Showing the zone's name without being under its protection.
    pub residue: BTreeSet<String>,
    /// Declared, but another zone has them.
    pub contested: BTreeSet<String>,
    /// Showing the zone's protection still, but another zone has them.
    pub handed_over: BTreeSet<String>,
    /// Matched by the selector, but never members.
    pub left_out: BTreeSet<String>,
}

/// Who answers for one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The zone that answers for it.
    pub zone: Option<String>,
    /// That zone declares it.
    pub declared: bool,
    /// The object is under that zone's protection.
    pub held: bool,
    /// The object shows that zone's name without being under its protection.
    pub residue: bool,
    /// Other zones that declare it.
    pub contested_by: BTreeSet<String>,
    /// Other zones whose protection or name it shows.
    pub handed_over_by: BTreeSet<String>,
    /// Zones whose selector matches it although it can be no member.
    pub left_out_of: BTreeSet<String>,
}

impl Claim {
    /// The object is one of the zone's, as peers of flows mean it.
    pub fn is_member(&self) -> bool {
        self.zone.is_some() && (self.declared || self.held)
    }
}

/// Resolves everything. Equal to feeding the objects one by one.
pub fn resolve(snapshot: &Snapshot) -> Resolution {
    let zones = &snapshot.zones;
    let mut resolution = Resolution::new(zones, &snapshot.cluster.operator_namespace, snapshot.memory.clone());
    resolution.fill_guards(&snapshot.guards);
    let policies = |name: &str| snapshot.policies.get(name).cloned().unwrap_or_default();
    resolution.fill(&snapshot.namespaces, policies, &snapshot.nodes);
    resolution
}

impl Resolution {
    /// Zones without any object yet.
    pub fn new(zones: &[ZoneRecord], operator_namespace: &str, mut memory: Memory) -> Self {
        memory.keep_zones(zones);
        let zone = |record: &ZoneRecord| {
            let declaration = match record {
                ZoneRecord::Readable(zone) => {
                    let mut declaration = Declaration::new(zone);
                    declaration.confirmed_changes = memory.confirmed_changes(&declaration);
                    Some(Arc::new(declaration))
                }
                ZoneRecord::Unreadable { .. } => None,
            };
            let before = memory.declare(record, declaration.as_ref());
            let [namespaces, nodes] = [Members::default(), Members::default()];
            let guarded = Guarded::default();
            let zone = Zone { declaration, before, namespaces, nodes, guarded, digest: OnceLock::new() };
            (record.name().to_string(), zone)
        };
        let zones = zones.iter().map(zone).collect();
        let operator_namespace = operator_namespace.to_string();
        Resolution { operator_namespace, zones, memory, ..Resolution::default() }
    }

    /// Takes in everything. Whether a zone's change is confirmed depends on its members, and decides about the
    /// others', so it is looked again until nothing changes sides.
    pub fn fill(
        &mut self,
        namespaces: &BTreeMap<String, Arc<Namespace>>,
        policies: impl Fn(&str) -> Vec<Arc<Policy>>,
        nodes: &BTreeMap<String, Arc<Node>>,
    ) {
        self.memory.namespaces.retain(|name, _| namespaces.contains_key(name));
        self.memory.nodes.retain(|name, _| nodes.contains_key(name));
        for _ in 0..PASSES {
            let mut changed = false;
            for (name, namespace) in namespaces {
                changed |= self.set_namespace(namespace, &policies(name));
            }
            for node in nodes.values() {
                changed |= self.set_node(node);
            }
            if !changed {
                break;
            }
        }
    }

    /// What a later resolution has to know.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// A zone by name.
    pub fn zone(&self, name: &str) -> Option<&Zone> {
        self.zones.get(name)
    }

    /// Every zone.
    pub fn zones(&self) -> impl Iterator<Item = (&str, &Zone)> {
        self.zones.iter().map(|(name, zone)| (name.as_str(), zone))
    }

    /// Takes in what the admission policies of a zone do. Returns true when that changed.
    pub fn set_guarded(&mut self, zone: &str, guarded: Guarded) -> bool {
        self.zones.get_mut(zone).is_some_and(|zone| std::mem::replace(&mut zone.guarded, guarded) != guarded)
    }

    /// Takes in all admission policies.
    pub fn fill_guards(&mut self, guards: &[Arc<Guard>]) {
        for (name, zone) in &mut self.zones {
            zone.guarded = guards::guarded(name, guards);
        }
    }

    /// Who answers for a namespace.
    pub fn namespace(&self, name: &str) -> Option<&Claim> {
        self.namespaces.get(name)
    }

    /// The zone whose member a namespace is.
    pub fn zone_of(&self, namespace: &str) -> Option<&str> {
        self.namespace(namespace).filter(|claim| claim.is_member())?.zone.as_deref()
    }

    /// Who answers for each namespace.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Claim)> {
        self.namespaces.iter().map(|(name, claim)| (name.as_str(), claim))
    }

    /// Who answers for a node.
    pub fn node(&self, name: &str) -> Option<&Claim> {
        self.nodes.get(name)
    }

    /// True when a namespace of this name exists.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name)
    }

    /// Takes in a namespace as it is now. Returns true when it changed sides.
    pub fn set_namespace(&mut self, namespace: &Namespace, policies: &[Arc<Policy>]) -> bool {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        let reserved = names::RESERVED_NAMESPACES.contains(&name.as_str()) || name == self.operator_namespace;
        // What is going away leaves by itself, and its policies stay until its pods are gone (KEP-5080).
        let evidence = if is_terminating(namespace) {
            Evidence::default()
        } else {
            evidence::of_namespace(namespace, policies, self.memory.namespaces.get(&name))
        };
        let wants = |d: &Declaration| d.namespaces.matches(&namespace.metadata);
        let claim = self.claim(&evidence, reserved, wants, Declaration::segments);
        Memory::note(&mut self.memory.namespaces, &name, namespace.metadata.uid.as_ref(), &claim);
        self.put(Kind::Namespace, &name, Some(&claim))
    }

    /// Forgets a namespace. Returns true when it had been there.
    pub fn remove_namespace(&mut self, name: &str) -> bool {
        self.memory.namespaces.remove(name);
        self.put(Kind::Namespace, name, None)
    }

    /// Takes in a node as it is now. Returns true when it changed sides.
    pub fn set_node(&mut self, node: &Node) -> bool {
        let name = node.metadata.name.clone().unwrap_or_default();
        let wants = |d: &Declaration| d.nodes.as_ref().is_some_and(|nodes| nodes.matches(&node.metadata));
        let evidence = evidence::of_node(node, self.memory.nodes.get(&name));
        let claim = self.claim(&evidence, false, wants, Declaration::dedicates);
        Memory::note(&mut self.memory.nodes, &name, node.metadata.uid.as_ref(), &claim);
        self.put(Kind::Node, &name, Some(&claim))
    }

    /// Forgets a node. Returns true when it had been there.
    pub fn remove_node(&mut self, name: &str) -> bool {
        self.memory.nodes.remove(name);
        self.put(Kind::Node, name, None)
    }

    fn claim(
        &self,
        evidence: &Evidence,
        reserved: bool,
        wants: impl Fn(&Declaration) -> bool,
        enforces: impl Fn(&Declaration) -> bool,
    ) -> Claim {
        let mut claim = Claim::default();
        let mut candidates = Vec::new();
        for (name, zone) in &self.zones {
            let declared = zone.answer().is_some_and(&wants);
            if declared && reserved {
                claim.left_out_of.insert(name.clone());
            }
            let declared = declared && !reserved;
            let in_force = declared && zone.answer().is_some_and(&enforces);
            let releases = !in_force && zone.is_confirmed();
            let (held, residue) = zone.holds(name, evidence, reserved, releases);
            if !declared && !held && !residue {
                continue;
            }
            // A confirmed release hands over to the next zone in force without a gap.
            let keeps = held && !releases;
            let rank = match (keeps, declared, in_force) {
                (true, true, _) => 0,
                (true, false, _) => 1,
                (false, true, true) => 2,
                (false, _, _) if releases && (held || residue) => 3,
                (false, true, false) => 4,
                (false, false, _) => 5,
            };
            let created = zone.answer().map(|d| d.created);
            candidates.push((rank, created, name, declared, held, residue));
        }
        candidates.sort();
        for (index, (_, _, name, declared, held, residue)) in candidates.into_iter().enumerate() {
            if index == 0 {
                claim.zone = Some(name.clone());
                claim.declared = declared;
                claim.held = held;
                claim.residue = residue;
                continue;
            }
            if declared {
                claim.contested_by.insert(name.clone());
            }
            if held || residue {
                claim.handed_over_by.insert(name.clone());
            }
        }
        claim
    }

    fn put(&mut self, kind: Kind, name: &str, claim: Option<&Claim>) -> bool {
        let claims = match kind {
            Kind::Namespace => &mut self.namespaces,
            Kind::Node => &mut self.nodes,
        };
        let before = match claim {
            Some(claim) => claims.insert(name.to_string(), claim.clone()),
            None => claims.remove(name),
        };
        if before.as_ref() == claim {
            return false;
        }
        if let Some(claim) = &before {
            self.each_set(kind, claim, |set| {
                set.remove(name);
            });
        }
        if let Some(claim) = claim {
            self.each_set(kind, claim, |set| {
                set.insert(name.to_string());
            });
        }
        true
    }

    fn each_set(&mut self, kind: Kind, claim: &Claim, mut edit: impl FnMut(&mut BTreeSet<String>)) {
        let mut on = |zone: &str, pick: fn(&mut Members) -> &mut BTreeSet<String>| {
            if let Some(zone) = self.zones.get_mut(zone) {
                zone.digest.take();
                edit(pick(match kind {
                    Kind::Namespace => &mut zone.namespaces,
                    Kind::Node => &mut zone.nodes,
                }));
            }
        };
        if let Some(zone) = &claim.zone {
            if claim.declared {
                on(zone, |members| &mut members.declared);
            }
            if claim.held {
                on(zone, |members| &mut members.held);
            }
            if claim.residue {
                on(zone, |members| &mut members.residue);
            }
        }
        for zone in &claim.contested_by {
            on(zone, |members| &mut members.contested);
        }
        for zone in &claim.handed_over_by {
            on(zone, |members| &mut members.handed_over);
        }
        for zone in &claim.left_out_of {
            on(zone, |members| &mut members.left_out);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Namespace,
    Node,
}

impl Zone {
    /// What the zone declares, or last declared while it cannot be read.
    pub fn answer(&self) -> Option<&Declaration> {
        self.answering().map(Arc::as_ref)
    }

    /// The same, to be kept.
    pub fn answering(&self) -> Option<&Arc<Declaration>> {
        self.declaration.as_ref().or(self.before.readable.as_ref())
    }

    /// Whether the zone holds an object, and whether it is a residue. A zone that never enforced anything holds
    /// nothing, whatever labels say. With its deletion a zone answers for everything that carries its name, so
    /// that nothing stays behind; reserved namespaces are cleaned up and never protected.
    fn holds(&self, name: &str, evidence: &Evidence, reserved: bool, releases: bool) -> (bool, bool) {
        if !self.declaration.as_ref().is_none_or(|d| d.armed) {
            return (false, false);
        }
        let labelled = evidence.labelled == Some(name);
        let remembered = evidence.remembered == Some(name) && !releases;
        if (labelled || remembered) && !reserved {
            return (true, false);
        }
        let deleting = self.declaration.as_ref().is_some_and(|d| d.deleting);
        (false, labelled || evidence.protected == Some(name) || deleting && evidence.named.contains(name))
    }

    /// Digest of the state that is declared now.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| self.declaration.as_deref().map(|d| change::digest(d, self)).unwrap_or_default())
    }

    /// True when the user confirmed the state that is declared now.
    pub fn is_confirmed(&self) -> bool {
        self.declaration.as_ref().is_some_and(|d| d.confirmation.as_ref().is_some_and(|c| c == self.digest()))
    }

    /// Namespaces whose protection is declared.
    pub fn wanted_namespaces(&self) -> Option<&BTreeSet<String>> {
        self.answer().filter(|d| d.segments()).map(|_| &self.namespaces.declared)
    }

    /// Nodes whose dedication is declared.
    pub fn wanted_nodes(&self) -> Option<&BTreeSet<String>> {
        self.answer().filter(|d| d.dedicates()).map(|_| &self.nodes.declared)
    }

    /// Namespaces that are under the zone's protection although it is no longer declared.
    pub fn leaving_namespaces(&self) -> impl Iterator<Item = &String> {
        self.leaving(&self.namespaces, self.wanted_namespaces())
    }

    /// Nodes that are dedicated to the zone although that is no longer declared.
    pub fn leaving_nodes(&self) -> impl Iterator<Item = &String> {
        self.leaving(&self.nodes, self.wanted_nodes())
    }

    /// A residue alone asks nobody for confirmation while the zone stays: whoever has rights in one namespace
    /// could otherwise stall every zone. What another zone takes over leaves until it shows nothing of this one.
    fn leaving<'a>(
        &'a self,
        members: &'a Members,
        wanted: Option<&'a BTreeSet<String>>,
    ) -> impl Iterator<Item = &'a String> {
        let counts = self.declaration.as_ref().is_some_and(|d| d.deleting) || self.is_confirmed();
        let residue = members.residue.iter().chain(&members.handed_over).filter(move |_| counts);
        members.held.iter().chain(residue).filter(move |name| !wanted.is_some_and(|wanted| wanted.contains(*name)))
    }

    /// The declared state differs from the protection that is there by taking some away.
    pub fn is_leaving(&self) -> bool {
        let leaves = self.leaving_namespaces().next().is_some() || self.leaving_nodes().next().is_some();
        self.declaration.is_some() && (leaves || self.is_weakening())
    }

    /// The admission policies refuse still what they are only to warn of.
    pub fn is_weakening(&self) -> bool {
        let Some(declaration) = self.declaration.as_ref().filter(|declaration| !declaration.deleting) else {
            return false;
        };
        let weaker = |live: Option<Mode>, wanted: Mode| wanted.protects() && live.is_some_and(|live| live > wanted);
        let hosting = declaration.segmentation.min(declaration.hosting);
        weaker(self.guarded.segmentation, declaration.segmentation)
            || declaration.nodes.is_some() && weaker(self.guarded.hosting, hosting)
    }

    /// True when no namespace is declared or held: about nothing, nothing is true.
    pub fn has_no_namespace(&self) -> bool {
        self.namespaces.declared.is_empty() && self.namespaces.held.is_empty()
    }

    /// True when the mode of the whole zone only reports.
    pub fn only_observes(&self) -> bool {
        self.declaration
            .as_ref()
            .is_some_and(|d| !d.segmentation.protects() && (d.nodes.is_none() || !d.hosting.protects()))
    }
}
