//! What of a zone is enforced inside the API server: admission policies with literal values, one set per zone.
//!
//! ```text
//!  Declaration ─┬─ gate        no pod in a namespace of the zone before its default deny
//!   + zone's    ├─ placement   the zone's pods get its node selector and toleration
//!     nodes     ├─ pods        the zone's pods: placed, and nothing of the host
//!               ├─ logs        the zone's pods get a log forwarder and what holds it; its configuration is sealed
//!               ├─ images      from which registries, by digest; what no exception accepts
//!               ├─ scans       by the operator's list of digests, which is sealed: until when each may start
//!               ├─ canary      the label of those that test the network: the operator's alone
//!               ├─ strangers   pods of others: not on the zone's nodes
//!               ├─ bindings    who is put on which node past the scheduler
//!               ├─ sealed      NetworkPolicies, namespaces, nodes, the PciZone and its CRD
//!               └─ services    ways around a policy: node ports, aliases, endpoints by hand
//! ```
//! They go on with the operator dead. Each policy has one binding of the same name, which says whether it refuses,
//! warns or only leaves a note in the audit log. Every default of the API server is spelled out, so that what is there
//! can be compared with what must be there.

mod bindings;
mod cel;
mod draft;
mod gate;
pub mod images;
pub mod placement;
mod pods;
pub mod review;
mod sealed;
mod services;
pub mod sidecars;
pub mod strangers;

use std::{borrow::Cow, collections::BTreeSet};

use ipnet::IpNet;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::core::{ClusterResourceScope, DynamicObject, Resource};
use serde_json::Value;

use crate::{
    api::{Mode, names},
    engine::declaration::Declaration,
};
pub(in crate::engine) use cel::CLEANERS;
use draft::Draft;

/// Kind of an admission object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `ValidatingAdmissionPolicy`.
    Validating,
    /// `ValidatingAdmissionPolicyBinding`.
    ValidatingBinding,
    /// `MutatingAdmissionPolicy`.
    Mutating,
    /// `MutatingAdmissionPolicyBinding`.
    MutatingBinding,
}

impl Kind {
    /// Their API group.
    pub const GROUP: &str = "admissionregistration.k8s.io";
    /// The version of it that is used.
    pub const VERSION: &str = "v1";
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Validating, Kind::Mutating, Kind::ValidatingBinding, Kind::MutatingBinding];

    /// The spelling of the Kubernetes API.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Validating => "ValidatingAdmissionPolicy",
            Kind::ValidatingBinding => "ValidatingAdmissionPolicyBinding",
            Kind::Mutating => "MutatingAdmissionPolicy",
            Kind::MutatingBinding => "MutatingAdmissionPolicyBinding",
        }
    }

    /// The plural name in paths.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Validating => "validatingadmissionpolicies",
            Kind::ValidatingBinding => "validatingadmissionpolicybindings",
            Kind::Mutating => "mutatingadmissionpolicies",
            Kind::MutatingBinding => "mutatingadmissionpolicybindings",
        }
    }

    /// True for the kinds that only a server with `MutatingAdmissionPolicy` knows.
    pub fn mutates(self) -> bool {
        matches!(self, Kind::Mutating | Kind::MutatingBinding)
    }
}

/// An admission policy or binding of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Its kind.
    pub kind: Kind,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its spec.
    pub spec: Value,
    /// What a probe for it says; only on what must be there, and where an answer can be seen.
    pub probe: Option<String>,
}

impl Guard {
    fn new(kind: Kind, zone: &str, name: &str, spec: Value) -> Self {
        let labels = [(names::MANAGED_BY, names::MANAGED_BY_VALUE), (names::ZONE_LABEL, zone)];
        let labels = labels.map(|(key, value)| (key.to_string(), value.to_string()));
        let metadata =
            ObjectMeta { name: Some(name.to_string()), labels: Some(labels.into()), ..ObjectMeta::default() };
        Guard { kind, metadata, spec, probe: None }
    }

    /// Reads one as the API server sends it.
    pub fn read(kind: Kind, object: DynamicObject) -> Self {
        let DynamicObject { metadata, mut data, .. } = object;
        Guard { kind, metadata, spec: data.get_mut("spec").map(Value::take).unwrap_or_default(), probe: None }
    }

    /// Name of the object.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The object as `Kind/name`.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name())
    }
}

impl Resource for Guard {
    type DynamicType = Kind;
    type Scope = ClusterResourceScope;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        kind.as_str().into()
    }

    fn group(_: &Kind) -> Cow<'_, str> {
        Kind::GROUP.into()
    }

    fn version(_: &Kind) -> Cow<'_, str> {
        Kind::VERSION.into()
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        kind.plural().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What the guards of a zone depend on besides its declaration.
#[derive(Clone, Debug, Default)]
pub struct Surroundings<'a> {
    /// The user that the operator is to the API server.
    pub operator: &'a str,
    /// The operator's own namespace.
    pub operator_namespace: &'a str,
    /// Nodes of the zone: declared, or held still.
    pub nodes: BTreeSet<&'a str>,
    /// Pod ranges and addresses of these nodes.
    pub ranges: Vec<IpNet>,
    /// The API server knows mutating policies whose patches are sound.
    pub mutates: bool,
    /// By what pods get forwarders.
    pub forwarding: Option<&'a sidecars::Handover>,
    /// The list of digests that may start is there.
    pub scans: bool,
}

/// What the guards of each topic do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Those of segmentation.
    pub segmentation: Mode,
    /// Those of hosting.
    pub hosting: Mode,
    /// Those of scanning.
    pub scanning: Mode,
    /// Those of logging.
    pub logging: Mode,
}

/// The guard of the zone's NetworkPolicies.
pub const POLICIES: &str = "policies";
/// The guard of where the zone's pods run.
pub const PLACEMENT: &str = "placement";

/// The guard of what forwards the logs of the zone's pods.
pub const LOGS: &str = "logs";
pub use images::SCANS;

/// The guards that a zone must have. `segmentation` and `hosting` are the declarations that are in force for these topics;
/// hosting rests on the label of the namespaces, which segmentation sets.
pub fn desired(
    segmentation: Option<&Declaration>,
    hosting: Option<&Declaration>,
    modes: Modes,
    around: &Surroundings,
    now: Timestamp,
) -> Vec<Guard> {
    let Some(zone) = segmentation else { return Vec::new() };
    let mode = modes.segmentation;
    let mut guards = Vec::new();
    let hosting = hosting.filter(|hosting| hosting.nodes.is_some());
    guards.extend(gate::guards(zone, around).into_iter().flat_map(|draft| draft.validating(mode)));
    guards.extend(pods::host(zone).validating(mode));
    guards.extend(pods::canary(zone, around).validating(mode));
    guards.extend(sealed::policies(zone, around).validating(mode));
    guards.extend(sealed::namespaces(zone, around).validating(mode));
    guards.extend(sealed::zone(zone, around).validating(mode));
    guards.extend(sealed::changes(zone).validating(Mode::Warn));
    guards.extend(sealed::definition(zone, around).validating(mode));
    guards.extend(services::services(zone, around, now).validating(mode));
    guards.extend(services::aliases(zone, around).into_iter().flat_map(|draft| draft.validating(mode)));
    guards.extend(services::endpoints(zone, around).into_iter().flat_map(|draft| draft.validating(mode)));
    guards.extend(scanned(zone, mode.min(modes.scanning), around, now));
    guards.extend(logs(zone, mode.min(modes.logging), around));
    let Some(hosting) = hosting else { return guards };
    let mode = mode.min(modes.hosting);
    guards.extend(pods::placed(hosting).validating(mode));
    guards.extend(strangers::guard(hosting, around, now).validating(mode));
    guards.extend(bindings::guard(hosting, around).validating(mode));
    guards.extend(sealed::nodes(hosting, around).validating(mode));
    guards.extend(sealed::pod_security(hosting, around).into_iter().flat_map(|draft| draft.validating(mode)));
    if around.mutates && mode.protects() {
        guards.extend(placement::policy(hosting).mutating());
        guards.extend(strangers::keep_away(hosting, now).mutating());
        guards.extend(sealed::taint_on_joining(hosting).mutating());
    }
    guards
}

/// Those of its images.
fn scanned(zone: &Declaration, mode: Mode, around: &Surroundings, now: Timestamp) -> impl Iterator<Item = Guard> {
    let list = sealed::list_of_images(zone, around);
    let (references, scans) = (images::references(zone, around, now), images::scans(zone, around, mode, now));
    // What is the operator's own is sealed also where a zone only warns: it is in nobody's way.
    let seal = if mode.protects() { Mode::Enforce } else { mode };
    let list = list.into_iter().flat_map(move |draft| draft.validating(seal));
    list.chain(references.into_iter().chain(scans).flat_map(move |draft| draft.validating(mode)))
}

/// Those of its logs. Pods are changed only once the configuration is there that they would name.
fn logs(zone: &Declaration, mode: Mode, around: &Surroundings) -> Vec<Guard> {
    let mut guards = Vec::new();
    if !mode.protects() || zone.logs.as_ref().is_none_or(|logs| logs.forwarder.is_none()) {
        return guards;
    }
    guards.extend(sealed::configurations(zone, around).validating(mode));
    if let Some(forwarding) = around.forwarding {
        let (adding, beside) = (forwarding.adding(), forwarding.beside().map(AsRef::as_ref));
        guards.extend(sidecars::proven(adding, beside).into_iter().flat_map(|draft| draft.validating(mode)));
        let patching = sidecars::policy(adding).filter(|_| around.mutates);
        guards.extend(patching.into_iter().flat_map(Draft::mutating));
    }
    guards
}

/// Name of a policy and of its binding.
pub fn guard_name(zone: &str, guard: &str) -> String {
    format!("pcizone-{zone}-{guard}")
}

/// A pod may tolerate what keeps strangers from zone nodes, in CEL. Who has no such toleration needs no webhook.
pub fn suspect() -> String {
    let ours = format!("t.?key.orValue(\"\") == {}", cel::text(names::NODE_TAINT));
    format!("{}.exists(t, {} || {ours})", cel::TOLERATIONS, cel::TOLERATES_ALL)
}

/// What a policy says to its probe.
pub fn seen(digest: &str) -> String {
    format!("policy {digest} is in force")
}
