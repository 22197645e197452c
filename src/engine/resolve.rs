//! Which zone each namespace and each node belongs to.
//!
//! ```text
//!  declared by a zone ──┐
//!                       ├──▶ Claim: the one zone that answers for the object, and who else wants it
//!  held by a zone ──────┘
//! ```
//! *Held* means that the object shows our own protection of that zone. A zone that holds an object keeps it
//! until its change is confirmed, whatever the declarations say: shrinking never opens anything by accident.
//! Objects are resolved one by one, so that one event costs the same at any size of the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};

use super::{
    change,
    declaration::Declaration,
    desired::node::our_taints,
    ownership,
    snapshot::{Snapshot, ZoneRecord},
};
use crate::api::{Mode, names};

/// Which zone each object belongs to.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    operator_namespace: String,
    zones: BTreeMap<String, Zone>,
    namespaces: BTreeMap<String, Claim>,
    nodes: BTreeMap<String, Claim>,
}

/// A zone and what was found to belong to it.
#[derive(Clone, Debug)]
pub struct Zone {
    /// What the PciZone declares; `None` when it does not parse.
    pub declaration: Option<Arc<Declaration>>,
    /// Its namespaces.
    pub namespaces: Members,
    /// Its nodes.
    pub nodes: Members,
    /// Digest of the state that is declared; computed when asked for.
    digest: OnceLock<String>,
}

/// The objects of one kind around a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Declared, and nobody else's.
    pub declared: BTreeSet<String>,
    /// Showing the zone's protection, and nobody else's.
    pub held: BTreeSet<String>,
    /// Declared, but another zone has them.
    pub contested: BTreeSet<String>,
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
    /// The object shows that zone's protection.
    pub held: bool,
    /// The namespace carries that zone's label, and we wrote it. A policy can be slipped in by whoever has
    /// rights in the namespace alone, so a policy keeps protection up, but makes no member.
    pub labelled: bool,
    /// Other zones that declare it.
    pub contested_by: BTreeSet<String>,
    /// Zones whose selector matches it although it can be no member.
    pub left_out_of: BTreeSet<String>,
}

/// Resolves everything. Equal to feeding the objects one by one.
pub fn resolve(snapshot: &Snapshot) -> Resolution {
    let mut resolution = Resolution::new(&snapshot.zones, &snapshot.cluster.operator_namespace);
    // Twice: whether a zone's change is confirmed depends on its members, and decides about the others'.
    for _ in 0..2 {
        for namespace in snapshot.namespaces.values() {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            resolution.set_namespace(namespace, snapshot.policies.get(name).map(Vec::as_slice).unwrap_or_default());
        }
        for node in snapshot.nodes.values() {
            resolution.set_node(node);
        }
    }
    resolution
}

impl Resolution {
    /// Zones without any object yet.
    pub fn new(zones: &[ZoneRecord], operator_namespace: &str) -> Self {
        let zone = |record: &ZoneRecord| {
            let declaration = match record {
                ZoneRecord::Readable(zone) => Some(Arc::new(Declaration::new(zone))),
                ZoneRecord::Unreadable { .. } => None,
            };
            let zone = Zone {
                declaration,
                namespaces: Members::default(),
                nodes: Members::default(),
                digest: OnceLock::new(),
            };
            (record.name().to_string(), zone)
        };
        Resolution {
            operator_namespace: operator_namespace.to_string(),
            zones: zones.iter().map(zone).collect(),
            ..Resolution::default()
        }
    }

    /// A zone by name.
    pub fn zone(&self, name: &str) -> Option<&Zone> {
        self.zones.get(name)
    }

    /// Every zone.
    pub fn zones(&self) -> impl Iterator<Item = (&str, &Zone)> {
        self.zones.iter().map(|(name, zone)| (name.as_str(), zone))
    }

    /// Who answers for a namespace.
    pub fn namespace(&self, name: &str) -> Option<&Claim> {
        self.namespaces.get(name)
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
    pub fn set_namespace(&mut self, namespace: &Namespace, policies: &[Arc<NetworkPolicy>]) -> bool {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        let reserved = names::RESERVED_NAMESPACES.contains(&name.as_str()) || name == self.operator_namespace;
        let evidence = namespace_evidence(namespace, policies);
        let wants = |d: &Declaration| d.namespaces.matches(&namespace.metadata);
        let claim = self.claim(&evidence, reserved, wants, Declaration::segments);
        self.put(Kind::Namespace, &name, Some(&claim))
    }

    /// Forgets a namespace. Returns true when it had been there.
    pub fn remove_namespace(&mut self, name: &str) -> bool {
        self.put(Kind::Namespace, name, None)
    }

    /// Takes in a node as it is now. Returns true when it changed sides.
    pub fn set_node(&mut self, node: &Node) -> bool {
        let name = node.metadata.name.clone().unwrap_or_default();
        let wants = |d: &Declaration| d.nodes.as_ref().is_some_and(|nodes| nodes.matches(&node.metadata));
        let claim = self.claim(&node_evidence(node), false, wants, Declaration::dedicates);
        self.put(Kind::Node, &name, Some(&claim))
    }

    /// Forgets a node. Returns true when it had been there.
    pub fn remove_node(&mut self, name: &str) -> bool {
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
            let held = zone.holds(name, evidence);
            let declared = zone.declaration.as_deref().is_some_and(&wants);
            if declared && reserved {
                claim.left_out_of.insert(name.clone());
            }
            let declared = declared && !reserved;
            let in_force = declared && zone.declaration.as_deref().is_some_and(&enforces);
            if !declared && !held {
                continue;
            }
            // A confirmed release hands over to the next zone without a gap.
            let keeps = held && (in_force || !zone.is_confirmed());
            let rank = match (keeps, declared, in_force) {
                (true, true, _) => 0,
                (true, false, _) => 1,
                (false, true, true) => 2,
                (false, true, false) => 3,
                (false, false, _) => 4,
            };
            let created = zone.declaration.as_ref().map(|d| d.created);
            candidates.push((rank, created, name, declared, held));
        }
        candidates.sort();
        for (index, (_, _, name, declared, held)) in candidates.into_iter().enumerate() {
            if index == 0 {
                claim.zone = Some(name.clone());
                claim.declared = declared;
                claim.held = held;
                claim.labelled = evidence.labelled == Some(name.as_str());
            } else if declared {
                claim.contested_by.insert(name.clone());
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
        }
        for zone in &claim.contested_by {
            on(zone, |members| &mut members.contested);
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
    /// A zone that never enforced anything holds nothing, whatever labels say. A zone that is being deleted
    /// answers for everything that carries its name, so that nothing stays behind.
    fn holds(&self, name: &str, evidence: &Evidence) -> bool {
        let armed = self.declaration.as_ref().is_none_or(|d| d.armed);
        let deleting = self.declaration.as_ref().is_some_and(|d| d.deleting);
        armed && (evidence.written == Some(name) || deleting && evidence.named.contains(name))
    }

    /// Digest of the state that is declared now.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| self.declaration.as_deref().map(|d| change::digest(d, self)).unwrap_or_default())
    }

    /// True when the user confirmed the state that is declared now.
    pub fn is_confirmed(&self) -> bool {
        self.declaration.as_ref().is_some_and(|d| d.confirmation.as_deref() == Some(self.digest()))
    }

    /// Namespaces whose protection is declared.
    pub fn wanted_namespaces(&self) -> Option<&BTreeSet<String>> {
        self.declaration.as_ref().filter(|d| d.segments()).map(|_| &self.namespaces.declared)
    }

    /// Nodes whose dedication is declared.
    pub fn wanted_nodes(&self) -> Option<&BTreeSet<String>> {
        self.declaration.as_ref().filter(|d| d.dedicates()).map(|_| &self.nodes.declared)
    }

    /// Namespaces that show the zone's protection although it is no longer declared.
    pub fn leaving_namespaces(&self) -> impl Iterator<Item = &String> {
        let wanted = self.wanted_namespaces();
        self.namespaces.held.iter().filter(move |name| !wanted.is_some_and(|wanted| wanted.contains(*name)))
    }

    /// Nodes that show the zone's dedication although it is no longer declared.
    pub fn leaving_nodes(&self) -> impl Iterator<Item = &String> {
        let wanted = self.wanted_nodes();
        self.nodes.held.iter().filter(move |name| !wanted.is_some_and(|wanted| wanted.contains(*name)))
    }

    /// The declared state differs from the protection that is there by taking some away.
    pub fn is_leaving(&self) -> bool {
        self.declaration.is_some()
            && (self.leaving_namespaces().next().is_some() || self.leaving_nodes().next().is_some())
    }

    /// True when no namespace is declared or held: about nothing, nothing is true.
    pub fn has_no_namespace(&self) -> bool {
        self.namespaces.declared.is_empty() && self.namespaces.held.is_empty()
    }

    /// True when the mode of the whole zone only reports.
    pub fn only_observes(&self) -> bool {
        self.declaration
            .as_ref()
            .is_some_and(|d| d.segmentation == Mode::Observe && (d.nodes.is_none() || d.hosting == Mode::Observe))
    }
}

/// The zones whose protection an object shows.
struct Evidence<'a> {
    /// We wrote it. Anybody who may label a namespace could otherwise draw it into a zone.
    written: Option<&'a str>,
    /// We wrote this name as label.
    labelled: Option<&'a str>,
    /// It carries these names, whoever wrote them.
    named: BTreeSet<&'a str>,
}

fn namespace_evidence<'a>(namespace: &'a Namespace, policies: &'a [Arc<NetworkPolicy>]) -> Evidence<'a> {
    let label = ownership::zone_label(namespace);
    let baseline = || {
        let baseline = policies.iter().find(|p| p.metadata.name.as_deref() == Some(names::BASELINE))?;
        ownership::managed_zone(&baseline.metadata).filter(|_| ownership::wrote(&baseline.metadata))
    };
    let labelled = label.filter(|_| ownership::owns_label(&namespace.metadata, names::ZONE_LABEL));
    let written = labelled.or_else(baseline);
    let policies = policies.iter().filter_map(|policy| ownership::managed_zone(&policy.metadata));
    Evidence { written, labelled, named: label.into_iter().chain(policies).collect() }
}

fn node_evidence(node: &Node) -> Evidence<'_> {
    let label = ownership::label(&node.metadata, names::NODE_LABEL);
    let written = label.filter(|_| ownership::owns_label(&node.metadata, names::NODE_LABEL));
    let taints = our_taints(node).filter_map(|taint| taint.value.as_deref());
    Evidence { written, labelled: written, named: label.into_iter().chain(taints).collect() }
}
