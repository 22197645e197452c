//! What is violated or unproven, topic by topic. Each check is a pure function from a case to findings.

mod access;
mod agents;
mod audit;
pub mod canary;
mod doors;
mod exposure;
mod extras;
mod families;
pub(super) mod flows;
mod hardening;
mod hosting;
mod images;
mod logs;
pub mod network;
mod operator;
mod other_policies;
mod overlap;
pub mod people;
mod pods;
mod routes;
mod scope;
mod segmentation;
mod services;
mod stores;

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Condition,
    jiff::{SignedDuration, Timestamp},
};

use super::{
    access::{Access, unacknowledged},
    canary::about,
    change, data_plane,
    dates::later,
    declaration::Declaration,
    due::Due,
    exceptions,
    guards::{self, Guarding},
    images::zone::Images,
    ownership,
    plan::{self, Stance, Write},
    pod::Pod,
    reach::{Class, Reach, doors::Services, sets::Classes},
    resolve::{Claim, Members, Resolution, Zone},
    snapshot::{Snapshot, ZoneRecord, node_ranges},
};
use crate::api::{
    BreakGlassUse, ConditionType, ControlFailure, FindingId, FindingState, Mode, PciZoneStatus, Reason,
    SegmentationTest, Severity,
};

/// The cluster at one moment.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// Which zone each object belongs to.
    pub resolution: &'a Resolution,
    /// Who can reach whom.
    pub reach: &'a Reach<'a>,
    /// Who holds what that opens a zone.
    pub access: &'a Access<'a>,
    /// What is looked up once for all zones.
    pub around: &'a Around<'a>,
    /// The moment.
    pub now: Timestamp,
}

/// What is the same for every zone.
#[derive(Debug)]
pub struct Around<'a> {
    /// Services by name.
    pub services: Services<'a>,
    /// Classes of pods whose namespace is in no zone.
    pub zoneless: Classes,
    /// A network plug-in that is known to enforce nothing.
    pub enforces_nothing: Option<String>,
}

impl<'a> Around<'a> {
    /// Looks at a cluster.
    pub fn new(snapshot: &'a Snapshot, resolution: &Resolution, reach: &Reach) -> Self {
        let is_zoneless = |class: &Class| resolution.namespace(class.namespace).is_none_or(|claim| !claim.is_member());
        let classes = reach.population.classes().filter(|(_, class)| !class.pods.is_empty() && is_zoneless(class));
        Around {
            services: Services::new(snapshot),
            zoneless: classes.map(|(number, _)| number).collect(),
            enforces_nothing: data_plane::enforces_nothing(snapshot),
        }
    }
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
    /// The digest of its scope.
    pub scope_digest: String,
    /// The use of break-glass that nobody acknowledged yet.
    pub break_glass: Option<BreakGlassUse>,
    /// Its status before.
    pub previous: Option<&'a PciZoneStatus>,
    /// What the canary showed last.
    pub test: Option<SegmentationTest>,
    /// A digest of what the canary's result is about.
    pub about: String,
    /// Failures of segmentation on record, the newest first.
    pub failures: Vec<ControlFailure>,
    /// Who can reach whom.
    pub reach: &'a Reach<'a>,
    /// Who holds what that opens a zone.
    pub access: &'a Access<'a>,
    /// The images that run, where the zone declares something about them.
    pub images: Option<Images<'a>>,
    /// Everything that this generation declares was in place when it was judged last.
    pub was_in_place: bool,
    /// What is the same for every zone.
    pub around: &'a Around<'a>,
    /// The moment of the judgement.
    pub now: Timestamp,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// What was found.
    pub id: FindingId,
    /// The object.
    pub subject: String,
    /// Violated, unproven or accepted.
    pub state: FindingState,
    /// Until when it is accepted.
    pub accepted_until: Option<Timestamp>,
    /// How bad it is.
    pub severity: Severity,
    /// Requirements of PCI DSS v4.0.1.
    pub requirements: &'static [&'static str],
    /// What is wrong.
    pub message: String,
    /// What was seen.
    pub evidence: String,
    /// When it happened, if that is known better than from the first judgement that saw it; in an evaluation always.
    pub since: Option<Timestamp>,
}

impl Found {
    pub(crate) fn new(id: FindingId, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Found {
            id,
            subject: subject.into(),
            state: id.state(),
            accepted_until: None,
            severity: id.severity(),
            requirements: id.requirements(),
            message: message.into(),
            evidence: String::new(),
            since: None,
        }
    }

    pub(super) fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(super) fn with_requirements(mut self, requirements: &'static [&'static str]) -> Self {
        self.requirements = requirements;
        self
    }

    pub(super) fn with_evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = evidence.into();
        self
    }
}

/// The topics, and what concerns all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Which objects belong to the zone.
    Scope,
    /// Network.
    Segmentation,
    /// What is declared to be open: not whether it is, but whether it should be.
    Flows,
    /// Nodes.
    Hosting,
    /// Images: which may run, and what scanners say of them.
    Scanning,
    /// The audit trail: collected, sent, kept, and watched at run time.
    Logging,
    /// Who may get in past every policy, and change what is sealed.
    Access,
    /// What somebody decided to bear, or says of what no API shows.
    People,
    /// The operator itself.
    Operator,
}

/// The topic of a finding.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn topic(id: FindingId) -> Topic {
    match id {
        FindingId::NamespaceClaimedTwice
        | FindingId::NamespaceMissing
        | FindingId::NamespaceNotDeclared
        | FindingId::NodeSharedByZones
        | FindingId::ScopeChangeNotAllowed
        | FindingId::ScopeChangedSinceConfirmation
        | FindingId::ScopeConfirmationOverdue
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
        | FindingId::DualStackAsymmetry
        | FindingId::NamespaceUnlabelled
        | FindingId::CniNoEnforcement
        | FindingId::CniEnforcementUnproven
        | FindingId::SegmentationProbeFailed
        | FindingId::SegmentationProbeStale
        | FindingId::PodStartsBeforeEnforcement
        | FindingId::ControlFailureUnexplained
        | FindingId::PodPredatesPolicy
        | FindingId::HostNetworkPod
        | FindingId::HostPortExposed
        | FindingId::SecondaryNetworkUnfiltered
        | FindingId::NodePortExposed
        | FindingId::LoadBalancerExposed
        | FindingId::ExternalIpsUsed
        | FindingId::ExternalIpInterceptsZone
        | FindingId::SourceAddressObscured
        | FindingId::IngressExposesZone
        | FindingId::CrossNamespaceReferenceGrant
        | FindingId::IngressWithoutTls
        | FindingId::ExternalNameFromZone
        | FindingId::ExternalNameIntoZone
        | FindingId::EndpointsPointIntoZone
        | FindingId::ZoneServiceHasManualEndpoints
        | FindingId::ChdStoreReachable => Topic::Segmentation,
        FindingId::FlowExpired
        | FindingId::FlowExpiringSoon
        | FindingId::FlowReviewOverdue
        | FindingId::FlowUnresolvable
        | FindingId::FlowBetweenZonesUndeclaredOneSide
        | FindingId::FlowToApiServerUnproven
        | FindingId::FlowCrossesEnvironment
        | FindingId::InsecureProtocolFlow
        | FindingId::FlowUnjustified
        | FindingId::FlowTooBroad
        | FindingId::FlowDuplicate
        | FindingId::FlowShadowed => Topic::Flows,
        FindingId::NodeMissing
        | FindingId::NodesUnseen
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
        | FindingId::HostNetworkPodOnZoneNode
        | FindingId::PrivilegedPodOnZoneNode
        | FindingId::WindowsHostProcess
        | FindingId::DangerousCapability
        | FindingId::HostPathMounted
        | FindingId::RuntimeSocketMounted
        | FindingId::EphemeralContainerPresent
        | FindingId::PodSecurityTooWeak => Topic::Hosting,
        FindingId::LogSidecarMissing
        | FindingId::LogSidecarNotNative
        | FindingId::LogSidecarStale
        | FindingId::LogGraceTooShort
        | FindingId::LogOutputUncovered
        | FindingId::LogCrashWindowOpen
        | FindingId::LogEgressBlocked
        | FindingId::LogSinkSecretMissing
        | FindingId::LogSinkPlaintext
        | FindingId::LogDeliveryStale
        | FindingId::LogDeliveryGap
        | FindingId::LogDeliveryUnproven
        | FindingId::LogRetentionTooShort
        | FindingId::LogHotWindowTooShort
        | FindingId::LogRetentionUnproven
        | FindingId::LogAgentBlindNode
        | FindingId::RuntimeSensorBlindNode
        | FindingId::RuntimeEventsUnproven
        | FindingId::ApiAuditDisabled
        | FindingId::ApiAuditUnproven
        | FindingId::ApiAuditPolicyTooNarrow
        | FindingId::LogFieldsIncomplete => Topic::Logging,
        FindingId::ImageNotPinned
        | FindingId::ImageRegistryNotAllowed
        | FindingId::ImageRegistriesOpen
        | FindingId::ImageUnscanned
        | FindingId::ImageScanStale
        | FindingId::ImageCriticalOverdue
        | FindingId::ImageFixOverdue
        | FindingId::ImageFixDateUnproven
        | FindingId::SbomMissing
        | FindingId::ImageUnsigned
        | FindingId::ImageDigestDrift
        | FindingId::ScanEvidenceWritable
        | FindingId::ScanEvidenceUnread
        | FindingId::InfraImageUnscanned
        | FindingId::RuntimeClassNotAllowed => Topic::Scanning,
        FindingId::BreakGlassUsed
        | FindingId::BreakGlassByWildcard
        | FindingId::BreakGlassAcknowledged
        | FindingId::ExecGranted
        | FindingId::PortForwardGranted
        | FindingId::PodOrServiceProxyGranted
        | FindingId::NodesProxyGranted
        | FindingId::DebugGranted
        | FindingId::EndpointsWriteGranted
        | FindingId::PolicyWriteGranted
        | FindingId::NamespaceLabelWriteGranted
        | FindingId::SecretReadGranted
        | FindingId::ImpersonateOrEscalateGranted
        | FindingId::BlanketAdminBinding
        | FindingId::PrivilegedTokenOffZone => Topic::Access,
        FindingId::ExceptionExpired
        | FindingId::ExceptionExpiringSoon
        | FindingId::ExceptionUnused
        | FindingId::AttestationExpired
        | FindingId::AttestationExpiringSoon => Topic::People,
        FindingId::AdmissionGateWeak
        | FindingId::OperatorPermissionExcess
        | FindingId::OperatorOffTrustedNode
        | FindingId::ManagedObjectTampered
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
        record: &'a ZoneRecord,
    ) -> Self {
        let previous = record.status();
        let View { snapshot, resolution, reach, access, around, now } = view;
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
        let was_in_place = |condition: &Condition| {
            condition.type_ == ConditionType::Ready.as_str()
                && condition.reason == Reason::InPlace.as_str()
                && condition.observed_generation == Some(declaration.generation)
        };
        let was_in_place = previous.is_some_and(|status| status.conditions.iter().any(was_in_place));
        let told = snapshot.tests.get(name).map(|test| SegmentationTest::clone(test));
        // A status in a file proves nothing, and neither does one into which others write.
        let is_own_word = snapshot.is_kept || snapshot.is_live && !ownership::is_status_shared(record.metadata());
        let is_off = snapshot.untested.get(name).is_some_and(|untested| untested.is_off);
        let recorded = || previous.filter(|_| is_own_word).and_then(|status| status.segmentation_test.clone());
        let test = told.or_else(recorded).filter(|_| !is_off);
        let about = test.as_ref().map(|_| about::digest(snapshot, zone)).unwrap_or_default();
        let failures = canary::failures(previous, test.as_ref(), declaration);
        let members = &zone.namespaces;
        let is_member =
            |pod: &Pod| members.declared.contains(pod.namespace()) || members.held.contains(pod.namespace());
        let images = |rules| Images::of(snapshot, name, rules, &pods, is_member, now);
        let images = declaration.images.as_ref().map(images);
        Case {
            images,
            previous,
            test,
            about,
            failures,
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
            scope_digest: change::scope_digest(zone),
            break_glass,
            reach,
            access,
            was_in_place,
            around,
            now,
        }
    }

    /// Guards are still to be written, or the API server does not act by them yet.
    pub fn is_guarding_late(&self) -> bool {
        let seen = self.snapshot.in_force.get(self.name) == Some(&self.guarding.digest);
        matches!(self.guarding.due, Due::Protect(_)) && (!seen || !self.guarding.writes.is_empty())
    }

    /// The zone's forwarders have not got their configuration everywhere: why, where that is known.
    pub fn unconfigured(&self) -> Option<Option<&str>> {
        let name = guards::collecting(guards::forwarding(self.zone)?)?;
        let there = self.snapshot.cluster.configured.get(self.name).and_then(|zone| guards::collecting(zone.adding()));
        if !self.snapshot.is_kept || there == Some(name) {
            return None;
        }
        Some(self.snapshot.collected.get(self.name).and_then(|all| all.trouble.as_deref()))
    }

    /// Admission is to ask what reports say of images, and was not told: why, where that is known.
    pub fn untold(&self) -> Option<Option<&str>> {
        let asks = guards::asks_for_scans(self.declaration) && self.snapshot.is_kept;
        if !asks || self.snapshot.cluster.listed.contains(self.name) {
            return None;
        }
        Some(self.snapshot.untold.get(self.name).map(String::as_str))
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

    /// The classes of pods in them.
    pub fn classes(&self) -> impl Iterator<Item = u32> {
        self.members().filter_map(|name| self.reach.population.within(name)).flatten()
    }

    /// The namespace is one of them.
    pub fn is_member(&self, namespace: &str) -> bool {
        let namespaces = &self.zone.namespaces;
        namespaces.declared.contains(namespace) || namespaces.held.contains(namespace)
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

/// Everything found about a zone: what is violated first, then what is unproven, then what is accepted; the worst of each
/// first. `leaves` says that pods are to be evicted.
pub fn findings(case: &Case, previous: Option<&PciZoneStatus>, leaves: bool) -> Vec<Found> {
    let mut found = Vec::new();
    scope::check(case, &mut found);
    segmentation::check(case, &mut found);
    canary::check(case, &mut found);
    network::check(case, &mut found);
    families::check(case, &mut found);
    other_policies::check(case, &mut found);
    flows::check(case, &mut found);
    services::check(case, &mut found);
    routes::check(case, &mut found);
    stores::check(case, &mut found);
    hosting::check(case, &mut found);
    pods::check(case, &mut found);
    images::check(case, &mut found);
    logs::check(case, &mut found);
    agents::check(case, &mut found);
    audit::check(case, &mut found);
    access::check(case, &mut found);
    doors::check(case, &mut found);
    people::check(case, &mut found);
    operator::check(case, &mut found);
    found.extend(eviction_refused(case).filter(|_| leaves));
    remember(&mut found, previous, case.now);
    // Twice the same is one finding, before it is decided what is accepted.
    sort(&mut found);
    exceptions::accept(&case.declaration.exceptions, &mut found, case.now);
    sort(&mut found);
    found
}

/// Why pods that are to leave cannot be evicted, if so.
fn eviction_refused(case: &Case) -> Option<Found> {
    let error = case.snapshot.failures.get(&plan::eviction_subject(case.name))?;
    let message =
        format!("Pods cannot be evicted. Where a right is missing: deploy/kustomize/components/evict. {error}");
    Some(Found::new(FindingId::EvictionRefused, plan::zone_subject(case.name), message))
}

/// Worst first; one finding per id and subject.
fn sort(found: &mut Vec<Found>) {
    found.sort_by(|a, b| (a.state, a.severity, a).cmp(&(b.state, b.severity, b)));
    found.dedup_by(|a, b| a.id == b.id && a.subject == b.subject);
}

/// How long a repaired incident stays a finding.
pub const INCIDENT_MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// Keeps incidents that an earlier run of the operator reported for their full time.
fn remember(found: &mut Vec<Found>, previous: Option<&PciZoneStatus>, now: Timestamp) {
    let id = FindingId::ManagedObjectTampered;
    let known: BTreeSet<String> = found.iter().filter(|f| f.id == id).map(|f| f.subject.clone()).collect();
    let earlier = previous.into_iter().flat_map(|status| &status.top_findings);
    let earlier = earlier.filter(|f| f.id == id.as_str() && !known.contains(&f.subject));
    found.extend(earlier.filter(|f| later(f.since.0, INCIDENT_MEMORY) > now).map(|f| {
        let found = Found::new(id, &f.subject, &f.message).with_evidence(&f.evidence);
        Found { since: Some(f.since.0), ..found }
    }));
}
