//! A PciZone, checked and made ready: what the rest of the engine reads instead of the raw object.
//!
//! Parsing happens here and nowhere else. What the API server's rules let through but makes no sense is
//! left out here and reported by the checks; nothing here fails.

use std::collections::BTreeSet;

use ipnet::IpNet;
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
    jiff::Timestamp,
};
use kube::core::{Selector as LabelMatcher, SelectorExt};

use super::reach::sets::Ports;
use crate::api::{
    Admit, Attestation, Canary, Confirmation, Dns, EntityType, Environment, Exception, Flow, Logging, Mode, PciZone,
    PodSecurity, Scanning, Selector, TaintEffect, names,
};

/// Letters that tell a cause at least: a word is none.
const LEAST_CAUSE: usize = 20;

/// A zone as declared.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// Name of the zone.
    pub name: String,
    /// UID of the PciZone.
    pub uid: String,
    /// Generation of the PciZone.
    pub generation: i64,
    /// When the PciZone was created.
    pub created: Timestamp,
    /// The PciZone is being deleted.
    pub deleting: bool,
    /// The zone protects or protected something: it carries our finalizer.
    pub armed: bool,
    /// Value of the annotation that confirms a change.
    pub confirmation: Option<String>,
    /// Until when somebody has taken note of who broke the glass.
    pub acknowledged: Option<Timestamp>,
    /// The digest of those who may by a wildcard, as somebody has taken note of them.
    pub acknowledged_holders: Option<String>,
    /// What somebody told of a failure of segmentation: when it began, and why it did.
    pub failure_cause: Option<(Timestamp, String)>,
    /// How many confirmed changes were carried out so far.
    pub confirmed_changes: i64,
    /// Mode of the topic segmentation.
    pub segmentation: Mode,
    /// Mode of the topic hosting.
    pub hosting: Mode,
    /// Mode of the topic scanning.
    pub scanning: Mode,
    /// Mode of the topic logging.
    pub logging: Mode,
    /// Declared namespaces.
    pub namespaces: Matcher,
    /// Declared nodes; `None` when the topic is not declared.
    pub nodes: Option<Matcher>,
    /// Label keys that the node selector reads.
    pub node_keys: Vec<String>,
    /// Effects of the zone's taint, sorted.
    pub taint_effects: Vec<TaintEffect>,
    /// The Pod Security Standard of the zone's namespaces; `None` leaves it to others.
    pub pod_security: Option<PodSecurity>,
    /// Foreign workloads that may run on the zone's nodes.
    pub admits: Vec<Admit>,
    /// Pods that run where they may not are evicted.
    pub evict_misplaced: bool,
    /// When the canary runs.
    pub canary: Canary,
    /// Which images may run; `None` when the topic is not declared.
    pub images: Option<Scanning>,
    /// Where logs go; `None` when the topic is not declared.
    pub logs: Option<Logging>,
    /// DNS servers.
    pub dns: Dns,
    /// Declared flows.
    pub flows: Vec<Flow>,
    /// To which environment it belongs.
    pub environment: Option<Environment>,
    /// Whose it is.
    pub entity_type: EntityType,
    /// The last confirmation of its scope.
    pub scope_confirmation: Option<Confirmation>,
    /// What is accepted.
    pub exceptions: Vec<Exception>,
    /// What somebody says of what no API shows.
    pub attestations: Vec<Attestation>,
}

/// Objects by name, by label, or both.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// By name.
    pub names: BTreeSet<String>,
    /// By label, as declared.
    pub labels: Option<LabelSelector>,
    selector: Option<LabelMatcher>,
}

impl Matcher {
    fn new(names: &[String], selector: Option<&Selector>) -> Self {
        // The schema admits only operators that parse; should one not, it matches nothing.
        let labels = selector.map(LabelSelector::from);
        let selector = labels.clone().and_then(|labels| LabelMatcher::try_from(labels).ok());
        Matcher { names: names.iter().cloned().collect(), labels, selector }
    }

    /// True when the object is meant.
    pub fn matches(&self, metadata: &ObjectMeta) -> bool {
        let named = metadata.name.as_ref().is_some_and(|name| self.names.contains(name));
        named || self.matches_labels(metadata)
    }

    fn matches_labels(&self, metadata: &ObjectMeta) -> bool {
        let empty = std::collections::BTreeMap::new();
        self.selector.as_ref().is_some_and(|selector| selector.matches(metadata.labels.as_ref().unwrap_or(&empty)))
    }
}

/// An instant, a space, and why.
fn cause(text: &str) -> Option<(Timestamp, String)> {
    let (at, why) = text.trim().split_once(char::is_whitespace)?;
    let why = why.trim();
    Some((at.parse().ok()?, why.to_string())).filter(|_| why.chars().count() >= LEAST_CAUSE)
}

impl Declaration {
    /// Reads a PciZone.
    pub fn new(zone: &PciZone) -> Self {
        let metadata = &zone.metadata;
        let spec = &zone.spec;
        let hosting = spec.hosting.as_ref();
        let annotation = |key| metadata.annotations.as_ref().and_then(|annotations| annotations.get(key)).cloned();
        let selector = hosting.and_then(|h| h.nodes.selector.as_ref());
        let mut taint_effects = hosting.map(|h| h.taint_effects.clone()).unwrap_or_default();
        taint_effects.sort();
        taint_effects.dedup();
        Declaration {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map(|t| t.0).unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            armed: metadata.finalizers.iter().flatten().any(|f| f == names::FINALIZER),
            confirmation: annotation(names::CONFIRM_CHANGE),
            acknowledged_holders: annotation(names::ACKNOWLEDGE_HOLDERS),
            acknowledged: annotation(names::ACKNOWLEDGE).and_then(|until| until.parse().ok()),
            failure_cause: annotation(names::FAILURE_CAUSE).and_then(|text| cause(&text)),
            confirmed_changes: zone.status.as_ref().map(|s| s.confirmed_changes).unwrap_or_default(),
            segmentation: spec.segmentation.mode.unwrap_or(spec.mode),
            hosting: hosting.and_then(|h| h.mode).unwrap_or(spec.mode),
            scanning: spec.scanning.as_ref().and_then(|s| s.mode).unwrap_or(spec.mode),
            logging: spec.logging.as_ref().and_then(|l| l.mode).unwrap_or(spec.mode),
            namespaces: Matcher::new(&spec.scope.namespaces.names, spec.scope.namespaces.selector.as_ref()),
            nodes: hosting.map(|h| Matcher::new(&h.nodes.names, selector)),
            node_keys: selector.map(|s| s.keys().map(str::to_string).collect()).unwrap_or_default(),
            taint_effects,
            pod_security: hosting.and_then(|h| h.pod_security),
            admits: hosting.map(|h| h.admits.clone()).unwrap_or_default(),
            evict_misplaced: hosting.is_some_and(|h| h.evict_misplaced),
            canary: spec.segmentation.canary.clone(),
            images: spec.scanning.as_deref().cloned(),
            logs: spec.logging.as_deref().cloned(),
            dns: spec.segmentation.dns.clone(),
            flows: spec.segmentation.flows.clone(),
            environment: spec.scope.environment,
            entity_type: spec.scope.entity_type,
            scope_confirmation: spec.scope.confirmation.clone(),
            exceptions: spec.exceptions.clone(),
            attestations: spec.attestations.clone(),
        }
    }

    /// True when the zone is to protect its namespaces.
    pub fn segments(&self) -> bool {
        self.segmentation.protects() && !self.deleting
    }

    /// True when the zone is to dedicate its nodes.
    pub fn dedicates(&self) -> bool {
        self.hosting.protects() && self.nodes.is_some() && !self.deleting
    }

    /// The Pod Security Standard that its namespaces are raised to.
    pub fn raised_to(&self) -> Option<PodSecurity> {
        self.pod_security.filter(|_| self.hosting.protects())
    }

    /// Flows that are open at `now`.
    pub fn open_flows(&self, now: Timestamp) -> impl Iterator<Item = &Flow> {
        self.flows.iter().filter(move |flow| flow.expires_at.0 > now)
    }

    /// The next instant after `now` at which a flow closes.
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        self.open_flows(now).map(|flow| flow.expires_at.0).min()
    }
}

/// The ports of a flow.
pub fn flow_ports(flow: &Flow) -> Ports {
    let mut ports = Ports::default();
    for port in &flow.ports {
        if let Ok(number) = u16::try_from(port.port) {
            ports.add(port.protocol, number..=number);
        }
    }
    ports
}

/// Networks of a list of texts; what does not parse is left out (the API server's rules refuse it).
pub fn networks(cidrs: &[String]) -> Vec<IpNet> {
    cidrs.iter().filter_map(|cidr| cidr.parse::<IpNet>().ok()).map(|net| net.trunc()).collect()
}
