//! What the engine sees of a cluster: values only, taken at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use k8s_openapi::{
    api::core::v1::{Namespace, Node},
    apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta},
    jiff::Timestamp,
};
use kube::core::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

use super::{
    access::{Binding, Role},
    checks::Found,
    collected::Collection,
    desired::admission::Guard,
    desired::admission::sidecars::Handover,
    guards::Memo,
    images::{fixes::Fixes, report::Report},
    intake::Kind,
    memory::Memory,
    pod::Pod,
    policy::Policy,
    reach::other::{Hidden, Other},
    route::{Grant, Route},
    service::{Service, Slice},
};
use crate::api::{PciZone, PciZoneStatus, SegmentationTest, names};

/// The objects of a cluster that decide about zones.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every PciZone.
    pub zones: Vec<ZoneRecord>,
    /// Every namespace by name.
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
    /// Every node by name.
    pub nodes: BTreeMap<String, Arc<Node>>,
    /// Every NetworkPolicy by namespace, ours and others'.
    pub policies: BTreeMap<String, Vec<Arc<Policy>>>,
    /// Policies of other kinds, and what they depend on.
    pub others: Vec<Arc<Other>>,
    /// Kinds of such policies that are there and cannot be seen.
    pub hidden_kinds: Vec<Hidden>,
    /// Every pod, in the order of their keys.
    pub pods: Vec<Arc<Pod>>,
    /// Every Service, by namespace and name.
    pub services: Vec<Arc<Service>>,
    /// EndpointSlices that their controller did not write, by namespace and name.
    pub slices: Vec<Arc<Slice>>,
    /// Every Ingress and every route of the Gateway API, by kind, namespace and name.
    pub routes: Vec<Arc<Route>>,
    /// What lets routes lead into other namespaces, by namespace and name.
    pub grants: Vec<Arc<Grant>>,
    /// Every ClusterRole, and every `Role` of all namespaces.
    pub roles: Vec<Arc<Role>>,
    /// Every ClusterRoleBinding, and every `RoleBinding` of all namespaces.
    pub bindings: Vec<Arc<Binding>>,
    /// Admission policies and bindings of ours.
    pub guards: Vec<Arc<Guard>>,
    /// The guards of each zone that were seen in force, by the digest of them all.
    pub in_force: BTreeMap<String, String>,
    /// The guards of each zone as they were computed before; to compute them again gives the same.
    pub computed: BTreeMap<String, Memo>,
    /// What is not an object of a zone but flows depend on.
    pub cluster: Cluster,
    /// What decides and was not shown; it may be there.
    pub unseen: Unseen,
    /// An operator is at work: what it wrote and what differs from what is declared is about to be put right.
    pub is_kept: bool,
    /// It is a cluster as its API server shows it now, to somebody who is not the operator. What the operator says in statuses is its
    /// word, where nobody else wrote there.
    pub is_live: bool,
    /// Rights that the operator lacks, in words.
    pub missing_rights: Vec<String>,
    /// What somebody else did to our objects lately.
    pub incidents: Vec<Incident>,
    /// Why the last try to bring a namespace or node into its state failed, by subject.
    pub failures: BTreeMap<String, String>,
    /// What earlier looks showed.
    pub memory: Memory,
    /// What the canary showed last in each zone, where this operator ran it.
    pub tests: BTreeMap<String, Arc<SegmentationTest>>,
    /// Why the canary does not run in a zone, in words.
    pub untested: BTreeMap<String, Untested>,
    /// SHA-256 over the settings of network plug-ins, where they were read.
    pub settings: Option<String>,
    /// What scanners report, by namespace; those of the whole cluster by the empty one.
    pub reports: BTreeMap<String, Vec<Arc<Report>>>,
    /// Since when fixes are known, by zone.
    pub fixes: BTreeMap<String, Arc<Fixes>>,
    /// Why admission cannot be told of images, by zone.
    pub untold: BTreeMap<String, String>,
    /// Why reports are not seen that may be there, kind by kind.
    pub unread_reports: Vec<String>,
    /// Kinds of reports that are installed; without objects of them too.
    pub report_kinds: Vec<Kind>,
    /// What is known of the logs of each zone, where this operator asked.
    pub collected: BTreeMap<String, Arc<Collection>>,
    /// What the last judgement found in each zone: what is still there keeps its date.
    pub judged: BTreeMap<String, Arc<[Found]>>,
}

impl Snapshot {
    /// The pods of a namespace.
    pub fn pods_in<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Pod> + use<'a> {
        let prefix = format!("{namespace}/");
        let first = self.pods.partition_point(|pod| *pod.key < *prefix);
        let rest = self.pods.get(first..).unwrap_or_default().iter().map(AsRef::as_ref);
        rest.take_while(move |pod: &&Pod| pod.key.starts_with(&*prefix))
    }
}

/// Why the canary does not run in a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untested {
    /// In words, after "whether the network plug-in enforces them": `was not tested: …`.
    pub why: String,
    /// It is not to run: what it showed before counts no more.
    pub is_off: bool,
}

/// What objects outside a cluster do not show, where they are silent of it. In a cluster everything is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// The nodes.
    pub nodes: bool,
    /// The addresses of the API server.
    pub api_server: bool,
}

/// A PciZone as it was read.
#[derive(Clone, Debug)]
pub enum ZoneRecord {
    /// It parses.
    Readable(Arc<PciZone>),
    /// It was stored by another version and does not parse. What it protects stays as it is.
    Unreadable {
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// Its status, if that parses.
        status: Option<Box<PciZoneStatus>>,
        /// Where it does not parse.
        error: String,
    },
}

impl ZoneRecord {
    /// Reads a PciZone of any version. A status that does not parse is left out, because it is rebuilt anyway;
    /// but for the count that makes an old confirmation invalid.
    pub fn read(object: DynamicObject) -> Self {
        let DynamicObject { types, metadata, mut data } = object;
        let status = data.get_mut("status").map(Value::take).map(|mut status| {
            // Others may add conditions, and not all that the API server takes fits our types.
            if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
                conditions.retain(|condition| Condition::deserialize(condition).is_ok());
            }
            let confirmed_changes = status.get("confirmedChanges").and_then(Value::as_i64).unwrap_or_default();
            let nothing = PciZoneStatus { confirmed_changes, ..PciZoneStatus::default() };
            serde_json::from_value(status).unwrap_or(nothing)
        });
        match data.get_mut("spec").map(Value::take).map(serde_path_to_error::deserialize) {
            Some(Ok(spec)) => ZoneRecord::Readable(Arc::new(PciZone { metadata, spec, status })),
            Some(Err(error)) => {
                let version = types.map(|types| types.api_version).unwrap_or_default();
                let error = format!("spec.{} ({version}): {}", error.path(), error.inner());
                ZoneRecord::Unreadable { metadata: Box::new(metadata), status: status.map(Box::new), error }
            }
            None => {
                let error = "the object has no spec".to_string();
                ZoneRecord::Unreadable { metadata: Box::new(metadata), status: status.map(Box::new), error }
            }
        }
    }

    /// Status of the zone, if it has one that parses.
    pub fn status(&self) -> Option<&PciZoneStatus> {
        match self {
            ZoneRecord::Readable(zone) => zone.status.as_ref(),
            ZoneRecord::Unreadable { status, .. } => status.as_deref(),
        }
    }

    /// The same zone with another status.
    pub fn with_status(self, status: Option<PciZoneStatus>) -> Self {
        match self {
            ZoneRecord::Readable(mut zone) => {
                Arc::make_mut(&mut zone).status = status;
                ZoneRecord::Readable(zone)
            }
            ZoneRecord::Unreadable { metadata, error, .. } => {
                ZoneRecord::Unreadable { metadata, status: status.map(Box::new), error }
            }
        }
    }

    /// Metadata of the zone.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            ZoneRecord::Readable(zone) => &zone.metadata,
            ZoneRecord::Unreadable { metadata, .. } => metadata,
        }
    }

    /// The zone carries our finalizer.
    pub fn is_armed(&self) -> bool {
        self.metadata().finalizers.iter().flatten().any(|finalizer| finalizer == names::FINALIZER)
    }

    /// Name of the zone.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }
}

/// Facts about the cluster that flows depend on.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Namespace that the operator runs in; never a member of a zone.
    pub operator_namespace: String,
    /// The user that the operator is to the API server.
    pub operator_user: String,
    /// The API server knows mutating policies whose patches are sound.
    pub mutates: bool,
    /// By what the pods of each zone get forwarders: what it declared when its configuration was in every namespace last.
    pub configured: BTreeMap<String, Handover>,
    /// The zones whose admission was told of images.
    pub listed: BTreeSet<String>,
    /// Addresses behind the `kubernetes` Service.
    pub api_server: Vec<IpAddr>,
    /// Ranges of Service addresses.
    pub services: Vec<IpNet>,
    /// Ranges of pods and addresses of nodes, as the nodes tell them.
    pub nodes: Vec<IpNet>,
}

/// Somebody else deleted or changed an object of ours, and it was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The zone.
    pub zone: String,
    /// The object, as `Kind/name` or `Kind/namespace/name`.
    pub subject: String,
    /// What was done to it.
    pub tampering: Tampering,
    /// It is sealed: only who may break the glass could change it.
    pub sealed: bool,
    /// The field manager that wrote last, where the object tells.
    pub manager: Option<String>,
    /// When it was seen.
    pub at: Timestamp,
}

/// What was done to an object of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tampering {
    /// It was deleted or removed.
    Removed,
    /// It was changed.
    Changed,
}

/// Pod ranges and addresses that a node tells, as networks.
pub fn node_ranges(node: &Node) -> Vec<IpNet> {
    let pods = node.spec.iter().flat_map(|spec| {
        let one = spec.pod_cidr.iter();
        one.chain(spec.pod_cidrs.iter().flatten()).filter_map(|cidr| cidr.parse::<IpNet>().ok())
    });
    let own = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    let own = own.filter_map(|address| address.address.parse::<IpAddr>().ok()).map(IpNet::from);
    let mut ranges: Vec<IpNet> = pods.chain(own).map(|net| net.trunc()).collect();
    ranges.sort();
    ranges.dedup();
    ranges
}
