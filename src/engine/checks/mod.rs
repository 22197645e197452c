//! What is violated or unproven, topic by topic. Each check is a pure function from a case to findings.

mod access;
mod extras;
mod hosting;
pub mod network;
mod other_policies;
mod pods;
mod scope;
pub mod segmentation;
mod services;

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{
    access::unacknowledged,
    declaration::Declaration,
    due::Due,
    guards::{self, Guarding},
    plan::{self, Stance, Write},
    pod::Pod,
    reach::Reach,
    resolve::{Claim, Members, Resolution, Zone},
    snapshot::{Incident, Snapshot, Tampering, node_ranges},
};
use crate::api::{BreakGlassUse, FindingId, Mode, PciZoneStatus};

/// The cluster at one moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// Which zone each object belongs to.
    pub resolution: &'a Resolution,
    /// Who can reach whom.
    pub reach: &'a Reach<'a>,
    /// The moment.
    pub now: Timestamp,
}

/// One zone and all that is needed to judge it.
pub struct Case<'a> {
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// Which zone each object belongs to.
    pub resolution: &'a Resolution,
    /// Name of the zone.
    pub name: &'a str,
    /// The zone.
    pub zone: &'a Zone,
    /// What it declares.
    pub declaration: &'a Declaration,
    /// Pods of its namespaces and on its nodes, by namespace and name; none that has ended.
    pub pods: Vec<&'a Pod>,
    /// What is to be written to its namespaces; in Observe what Enforce would write.
    pub namespace_writes: Vec<Write>,
    /// What is to be written to its nodes; in Observe what Enforce would write.
    pub node_writes: Vec<Write>,
    /// What its admission policies need.
    pub guarding: Guarding,
    /// The admission policies that a zone which only observes would have in Enforce.
    pub observed_guards: Vec<Write>,
    /// The use of break-glass that nobody acknowledged yet.
    pub break_glass: Option<BreakGlassUse>,
    /// Who can reach whom.
    pub reach: &'a Reach<'a>,
    /// The moment of the judgement.
    pub now: Timestamp,
}

/// A finding before it gets its date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// What was found.
    pub id: FindingId,
    /// The object.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// What was seen.
    pub evidence: String,
    /// When it happened, if that is known better than from the first judgement that saw it.
    pub since: Option<Timestamp>,
}

impl Found {
    pub(super) fn new(id: FindingId, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Found { id, subject: subject.into(), message: message.into(), evidence: String::new(), since: None }
    }

    pub(super) fn with_evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = evidence.into();
        self
    }
}

/// The four topics, and what concerns all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Which objects belong to the zone.
    Scope,
    /// Network.
    Segmentation,
    /// Nodes.
    Hosting,
    /// Who may change what is sealed.
    Access,
    /// The operator itself.
    Operator,
}

/// The topic of a finding.
pub fn topic(id: FindingId) -> Topic {
    match id {
        FindingId::NamespaceClaimedTwice
        | FindingId::NamespaceMissing
        | FindingId::NamespaceNotDeclared
        | FindingId::NodeSharedByZones
        | FindingId::ScopeChangeNotAllowed
        | FindingId::ZoneLabelSpoofed => Topic::Scope,
        FindingId::DefaultDenyMissing
        | FindingId::ManagedPolicyTampered
        | FindingId::PolicyAllowsWorld
        | FindingId::PolicyUnmanagedWidens
        | FindingId::PolicyAllowsAllNamespaces
        | FindingId::PolicyPortsMissing
        | FindingId::PolicyIpBlockCoversCluster
        | FindingId::PolicyUnreadable
        | FindingId::ClusterPolicyOverridesDeny
        | FindingId::ClusterPolicyPriorityAmbiguous
        | FindingId::CniPolicyWidens
        | FindingId::CniPolicyUnparsed
        | FindingId::FlowDeniedElsewhere
        | FindingId::PeerSelectorMutableLabel
        | FindingId::EgressReachesMetadata
        | FindingId::UndeclaredConnectedNamespace
        | FindingId::PodNotIsolatedIngress
        | FindingId::PodNotIsolatedEgress
        | FindingId::NamespaceUnlabelled
        | FindingId::CniEnforcementUnproven
        | FindingId::FlowExpired
        | FindingId::FlowExpiringSoon
        | FindingId::FlowReviewOverdue
        | FindingId::FlowUnresolvable
        | FindingId::FlowBetweenZonesUndeclaredOneSide
        | FindingId::FlowToApiServerUnproven
        | FindingId::PodPredatesPolicy
        | FindingId::HostNetworkPod
        | FindingId::HostPortExposed
        | FindingId::NodePortExposed
        | FindingId::LoadBalancerExposed
        | FindingId::ExternalIpsUsed
        | FindingId::ExternalNameFromZone
        | FindingId::ExternalNameIntoZone
        | FindingId::EndpointsPointIntoZone => Topic::Segmentation,
        FindingId::NodeMissing
        | FindingId::NodeTaintMissing
        | FindingId::NodeLabelMissing
        | FindingId::NodeNotDeclared
        | FindingId::NodeLabelUnprotected
        | FindingId::ZoneHasNoNodes
        | FindingId::SystemPodOnZoneNode
        | FindingId::PodOffZoneNode
        | FindingId::PodPlacementNotEnforced
        | FindingId::PodBypassesScheduler
        | FindingId::ForeignPodOnZoneNode
        | FindingId::AdmitExpired
        | FindingId::AdmitExpiringSoon
        | FindingId::PodToleratesEverything
        | FindingId::StaticPodOnZoneNode
        | FindingId::HostNamespacesShared
        | FindingId::PodSecurityTooWeak => Topic::Hosting,
        FindingId::BreakGlassUsed | FindingId::BreakGlassByWildcard | FindingId::BreakGlassAcknowledged => {
            Topic::Access
        }
        FindingId::ManagedObjectTampered
        | FindingId::WriteRefused
        | FindingId::EvictionRefused
        | FindingId::OperatorPermissionMissing => Topic::Operator,
    }
}

impl<'a> Case<'a> {
    /// Looks at everything that belongs to a zone.
    pub fn new(
        view: View<'a>,
        zone: &'a Zone,
        declaration: &'a Declaration,
        pods: Vec<&'a Pod>,
        previous: Option<&PciZoneStatus>,
    ) -> Self {
        let View { snapshot, resolution, reach, now } = view;
        let all = |members: &'a Members, leaving: &mut dyn Iterator<Item = &'a String>| -> BTreeSet<&'a String> {
            members.declared.iter().chain(&members.held).chain(leaving).collect()
        };
        let mut namespace_writes = Vec::new();
        // What another zone has taken over is written for that zone.
        let is_own = |claim: Option<&Claim>| claim.is_some_and(|c| c.zone.as_ref() == Some(&declaration.name));
        for name in all(&zone.namespaces, &mut zone.leaving_namespaces()) {
            if !is_own(resolution.namespace(name)) {
                continue;
            }
            let Some(namespace) = snapshot.namespaces.get(name) else { continue };
            let live = snapshot.policies.get(name).map(Vec::as_slice).unwrap_or_default();
            let stance = plan::namespace_stance(resolution, name);
            let writes = plan::plan_namespace(stance, namespace, live, resolution, &snapshot.cluster, now);
            namespace_writes.extend(writes.into_iter().map(Write::outline));
        }
        let nodes = all(&zone.nodes, &mut zone.leaving_nodes());
        let node_writes = nodes.into_iter().filter(|name| is_own(resolution.node(name))).filter_map(|name| {
            let node = snapshot.nodes.get(name)?;
            plan::plan_node(plan::node_stance(resolution, name), node, resolution)
        });
        let node_writes = node_writes.collect();
        let name = &declaration.name;
        let guards = snapshot.guards.iter().filter(|guard| guards::zones_of(guard).contains(name.as_str()));
        let guards: Vec<_> = guards.map(Arc::clone).collect();
        let ranges = |node: &str| snapshot.nodes.get(node).map(|node| node_ranges(node)).unwrap_or_default();
        let memo = &mut snapshot.computed.get(name).cloned().unwrap_or_default();
        let guarding = guards::plan(zone, &snapshot.cluster, ranges, &guards, memo, now);
        let observed_guards = guards::in_enforce(zone, &snapshot.cluster, ranges, &guards, memo, now);
        let before = previous.and_then(|status| status.break_glass.as_ref());
        let break_glass = unacknowledged(declaration, before, &snapshot.incidents, now);
        Case {
            snapshot,
            resolution,
            name,
            zone,
            declaration,
            pods,
            namespace_writes,
            node_writes,
            guarding,
            observed_guards,
            break_glass,
            reach,
            now,
        }
    }

    /// Guards are still to be written, or the API server does not act by them yet.
    pub fn is_guarding_late(&self) -> bool {
        let seen = self.snapshot.in_force.get(self.name) == Some(&self.guarding.digest);
        matches!(self.guarding.due, Due::Protect(_)) && (!seen || !self.guarding.writes.is_empty())
    }

    /// The namespace is one of the zone's: declared, or under its protection.
    pub fn has_namespace(&self, name: &str) -> bool {
        let claim = self.resolution.namespace(name).filter(|claim| claim.is_member());
        claim.is_some_and(|claim| claim.zone.as_deref() == Some(self.name))
    }

    /// The namespaces of the zone: declared, or under its protection.
    pub fn members(&self) -> impl Iterator<Item = &'a String> {
        self.zone.namespaces.declared.union(&self.zone.namespaces.held)
    }

    /// True when a topic of the zone only reports.
    pub fn observes(&self) -> bool {
        let observes = |mode: Mode| !mode.protects();
        observes(self.declaration.segmentation)
            || self.declaration.nodes.is_some() && observes(self.declaration.hosting)
    }

    /// Writes that are to be made now.
    pub fn due_writes(&self) -> impl Iterator<Item = &Write> {
        self.writes().filter(|write| !self.is_observed(write))
    }

    /// Writes that would be made in Enforce.
    pub fn observed_writes(&self) -> impl Iterator<Item = &Write> {
        self.writes().filter(|write| self.is_observed(write)).chain(&self.observed_guards)
    }

    fn writes(&self) -> impl Iterator<Item = &Write> {
        self.namespace_writes.iter().chain(&self.node_writes)
    }

    fn is_observed(&self, write: &Write) -> bool {
        let stance = match write.node() {
            Some(node) => plan::node_stance(self.resolution, node),
            None => plan::namespace_stance(self.resolution, write.namespace().unwrap_or_default()),
        };
        matches!(stance, Stance::Observe(_))
    }

    /// The write goes to an object that is under protection already.
    pub fn is_repair(&self, write: &Write) -> bool {
        let claim = match write.node() {
            Some(node) => self.resolution.node(node),
            None => self.resolution.namespace(write.namespace().unwrap_or_default()),
        };
        claim.is_some_and(|claim| claim.held)
    }

    /// Something still shows this zone's protection although another zone has it by a confirmed change.
    pub fn is_handing_over(&self) -> bool {
        let handed_over = !self.zone.namespaces.handed_over.is_empty() || !self.zone.nodes.handed_over.is_empty();
        handed_over && self.zone.is_confirmed()
    }

    /// Why the last try to write to one of the zone's objects failed, by object.
    pub fn failures(&self) -> impl Iterator<Item = (String, &String)> {
        let namespaces = self.zone.namespaces.declared.union(&self.zone.namespaces.held);
        let nodes = self.zone.nodes.declared.union(&self.zone.nodes.held);
        let subjects =
            namespaces.map(|name| plan::namespace_subject(name)).chain(nodes.map(|name| plan::node_subject(name)));
        let subjects = std::iter::once(plan::zone_subject(self.name)).chain(subjects);
        subjects.filter_map(|subject| self.snapshot.failures.get(&subject).map(|error| (subject, error)))
    }
}

/// Everything found about a zone, sorted by severity, then by id and subject.
pub fn findings(case: &Case) -> Vec<Found> {
    let mut found = Vec::new();
    scope::check(case, &mut found);
    segmentation::check(case, &mut found);
    network::check(case, &mut found);
    other_policies::check(case, &mut found);
    services::check(case, &mut found);
    hosting::check(case, &mut found);
    pods::check(case, &mut found);
    access::check(case, &mut found);
    operator(case, &mut found);
    sort(&mut found);
    found
}

/// Why pods that are to leave cannot be evicted, if so. It says nothing where nobody is to leave.
pub fn eviction_refused(case: &Case) -> Option<Found> {
    let error = case.snapshot.failures.get(&plan::eviction_subject(case.name))?;
    let message =
        format!("Pods cannot be evicted. Where a right is missing: deploy/kustomize/components/evict. {error}");
    Some(Found::new(FindingId::EvictionRefused, plan::zone_subject(case.name), message))
}

/// Worst first; one finding per id and subject.
pub fn sort(found: &mut Vec<Found>) {
    found.sort_by(|a, b| (a.id.state(), a.id.severity(), a).cmp(&(b.id.state(), b.id.severity(), b)));
    found.dedup_by(|a, b| a.id == b.id && a.subject == b.subject);
}

fn operator(case: &Case, found: &mut Vec<Found>) {
    for right in &case.snapshot.missing_rights {
        let message = format!("The operator may not {right}.");
        found.push(Found::new(FindingId::OperatorPermissionMissing, "Operator/pcizone", message));
    }
    for (subject, error) in case.failures() {
        found.push(Found::new(FindingId::WriteRefused, subject, format!("{error}; it is tried again.")));
    }
    found.extend(case.snapshot.incidents.iter().filter(|incident| incident.zone == case.name).map(incident));
}

/// How long a repaired incident stays a finding.
pub const INCIDENT_MEMORY: SignedDuration = SignedDuration::from_hours(1);

fn incident(incident: &Incident) -> Found {
    let (done, manager) = match incident.tampering {
        Tampering::Removed => {
            ("deleted", "the object is gone and with it its field managers; the audit log names the user")
        }
        Tampering::Changed => ("changed", "the object names no field manager; the audit log names the user"),
    };
    let evidence = incident.manager.as_ref().map_or_else(|| manager.to_string(), |m| format!("field manager: {m}"));
    let message = format!("Somebody {done} it; it was put back.");
    let found = Found::new(FindingId::ManagedObjectTampered, &incident.subject, message).with_evidence(evidence);
    Found { since: Some(incident.at), ..found }
}
