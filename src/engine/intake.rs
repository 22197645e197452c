//! Takes Kubernetes objects into a snapshot, one by one. Which kinds decide, and how each is taken, stands in one table.
//!
//! What an object holds beyond that is let go at once. Nothing is checked here: what no API server would take is told by
//! whoever reads it.

use std::{collections::BTreeSet, sync::Arc};

use ipnet::IpNet;
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{self, Namespace, Node, ReplicationController, Service},
        discovery::v1::EndpointSlice,
        networking::v1::{Ingress, NetworkPolicy, ServiceCIDR},
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};
use kube::core::DynamicObject;
use serde::{Deserialize, Deserializer};

use super::{
    access,
    desired::admission::Kind as Guards,
    facts,
    images::{
        arriving::{self, Arriving},
        report::Report,
    },
    ownership,
    pod::Common,
    policy::Specs,
    reach::other::{self, Other},
    route::{self, Grant, Route},
    service::{SLICE_CONTROLLER, SLICE_WRITER, Slice},
    snapshot::{Snapshot, ZoneRecord, node_ranges},
    trim,
    workloads::Workloads,
};

/// Whether objects of a kind lie in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// They belong to the whole cluster.
    Cluster,
    /// They lie in namespaces.
    Namespaced,
}

macro_rules! kinds {
    ($($kind:ident($object:ty) $(spelt $spelling:literal)? of $group:literal $($version:literal)|+, $plural:literal, $scope:ident
        => $take:expr;)+) => {
        /// A kind that decides.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("`", stringify!($kind), "`.")]
                $kind,
            )+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// The spelling of the Kubernetes API.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => [$($spelling,)? stringify!($kind)][0],)+ }
            }

            /// API group; empty for the first one.
            pub fn group(self) -> &'static str {
                match self { $(Kind::$kind => $group,)+ }
            }

            /// The versions of it that are read, the best one first: what is kept has the same place in all of them.
            pub fn versions(self) -> &'static [&'static str] {
                match self { $(Kind::$kind => &[$($version),+],)+ }
            }

            /// The plural name in paths.
            pub fn plural(self) -> &'static str {
                match self { $(Kind::$kind => $plural,)+ }
            }

            /// Plural and group with a dot between, as RBAC names it; the dot is there in the first group too.
            pub fn resource(self) -> &'static str {
                match self { $(Kind::$kind => concat!($plural, ".", $group),)+ }
            }

            /// Whether its objects lie in namespaces.
            pub fn scope(self) -> Scope {
                match self { $(Kind::$kind => Scope::$scope,)+ }
            }

            /// Reads an object of this kind.
            pub fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
                match self {
                    $(Kind::$kind => Box::<$object>::deserialize(deserializer).map(Object::$kind),)+
                }
            }
        }

        /// An object of a kind that decides.
        #[derive(Clone, Debug)]
        pub enum Object {
            $(
                #[doc = concat!("A `", stringify!($kind), "`.")]
                $kind(Box<$object>),
            )+
        }

        impl Object {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Object::$kind(_) => Kind::$kind,)+ }
            }

            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Object::$kind(object) => &object.metadata,)+ }
            }

            /// Its metadata, to be completed.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Object::$kind(object) => &mut object.metadata,)+ }
            }
        }

        impl Intake {
            /// Takes an object in.
            pub fn take(&mut self, object: Object) {
                match object {
                    $(Object::$kind(object) => {
                        let take: fn(&mut Intake, $object) = $take;
                        take(self, *object);
                    })+
                }
            }
        }
    };
}

kinds! {
    PciZone(DynamicObject) of "pcizone.dev" "v1alpha1", "pcizones", Cluster => Intake::zone;
    Namespace(Namespace) of "" "v1", "namespaces", Cluster => Intake::namespace;
    Node(Node) of "" "v1", "nodes", Cluster => Intake::node;
    NetworkPolicy(NetworkPolicy) of "networking.k8s.io" "v1", "networkpolicies", Namespaced => Intake::policy;
    Pod(v1::Pod) of "" "v1", "pods", Namespaced => Intake::pod;
    Service(Service) of "" "v1", "services", Namespaced => Intake::service;
    Ingress(Ingress) of "networking.k8s.io" "v1", "ingresses", Namespaced
        => |to, one| to.snapshot.routes.push(Arc::new(trim::ingress(one)));
    HTTPRoute(DynamicObject) of "gateway.networking.k8s.io" "v1" | "v1beta1", "httproutes", Namespaced
        => |to, one| to.route(route::Kind::HTTPRoute, &one);
    GRPCRoute(DynamicObject) of "gateway.networking.k8s.io" "v1" | "v1alpha2", "grpcroutes", Namespaced
        => |to, one| to.route(route::Kind::GRPCRoute, &one);
    TLSRoute(DynamicObject) of "gateway.networking.k8s.io" "v1" | "v1alpha3" | "v1alpha2", "tlsroutes", Namespaced
        => |to, one| to.route(route::Kind::TLSRoute, &one);
    TCPRoute(DynamicObject) of "gateway.networking.k8s.io" "v1" | "v1alpha2", "tcproutes", Namespaced
        => |to, one| to.route(route::Kind::TCPRoute, &one);
    UDPRoute(DynamicObject) of "gateway.networking.k8s.io" "v1" | "v1alpha2", "udproutes", Namespaced
        => |to, one| to.route(route::Kind::UDPRoute, &one);
    ReferenceGrant(DynamicObject) of "gateway.networking.k8s.io" "v1" | "v1beta1" | "v1alpha2", "referencegrants", Namespaced
        => |to, one| to.snapshot.grants.push(Arc::new(Grant::read(&one)));
    ClusterNetworkPolicy(DynamicObject) of "policy.networking.k8s.io" "v1beta1" | "v1alpha2", "clusternetworkpolicies", Cluster
        => |to, one| to.other(Kind::ClusterNetworkPolicy, one);
    AdminNetworkPolicy(DynamicObject) of "policy.networking.k8s.io" "v1alpha1", "adminnetworkpolicies", Cluster
        => |to, one| to.other(Kind::AdminNetworkPolicy, one);
    BaselineAdminNetworkPolicy(DynamicObject) of "policy.networking.k8s.io" "v1alpha1", "baselineadminnetworkpolicies", Cluster
        => |to, one| to.other(Kind::BaselineAdminNetworkPolicy, one);
    CiliumNetworkPolicy(DynamicObject) of "cilium.io" "v2", "ciliumnetworkpolicies", Namespaced
        => |to, one| to.other(Kind::CiliumNetworkPolicy, one);
    CiliumClusterwideNetworkPolicy(DynamicObject) of "cilium.io" "v2", "ciliumclusterwidenetworkpolicies", Cluster
        => |to, one| to.other(Kind::CiliumClusterwideNetworkPolicy, one);
    CalicoStoredNetworkPolicy(DynamicObject) spelt "NetworkPolicy" of "crd.projectcalico.org" "v1", "networkpolicies", Namespaced
        => |to, one| to.other(Kind::CalicoStoredNetworkPolicy, one);
    CalicoStoredGlobalNetworkPolicy(DynamicObject) spelt "GlobalNetworkPolicy" of "crd.projectcalico.org" "v1", "globalnetworkpolicies", Cluster
        => |to, one| to.other(Kind::CalicoStoredGlobalNetworkPolicy, one);
    CalicoStoredTier(DynamicObject) spelt "Tier" of "crd.projectcalico.org" "v1", "tiers", Cluster
        => |to, one| to.other(Kind::CalicoStoredTier, one);
    CalicoStoredNetworkSet(DynamicObject) spelt "NetworkSet" of "crd.projectcalico.org" "v1", "networksets", Namespaced
        => |to, one| to.other(Kind::CalicoStoredNetworkSet, one);
    CalicoStoredGlobalNetworkSet(DynamicObject) spelt "GlobalNetworkSet" of "crd.projectcalico.org" "v1", "globalnetworksets", Cluster
        => |to, one| to.other(Kind::CalicoStoredGlobalNetworkSet, one);
    CalicoStoredHostEndpoint(DynamicObject) spelt "HostEndpoint" of "crd.projectcalico.org" "v1", "hostendpoints", Cluster
        => |to, one| to.other(Kind::CalicoStoredHostEndpoint, one);
    CalicoNetworkPolicy(DynamicObject) spelt "NetworkPolicy" of "projectcalico.org" "v3", "networkpolicies", Namespaced
        => |to, one| to.other(Kind::CalicoNetworkPolicy, one);
    CalicoGlobalNetworkPolicy(DynamicObject) spelt "GlobalNetworkPolicy" of "projectcalico.org" "v3", "globalnetworkpolicies", Cluster
        => |to, one| to.other(Kind::CalicoGlobalNetworkPolicy, one);
    CalicoTier(DynamicObject) spelt "Tier" of "projectcalico.org" "v3", "tiers", Cluster
        => |to, one| to.other(Kind::CalicoTier, one);
    CalicoNetworkSet(DynamicObject) spelt "NetworkSet" of "projectcalico.org" "v3", "networksets", Namespaced
        => |to, one| to.other(Kind::CalicoNetworkSet, one);
    CalicoGlobalNetworkSet(DynamicObject) spelt "GlobalNetworkSet" of "projectcalico.org" "v3", "globalnetworksets", Cluster
        => |to, one| to.other(Kind::CalicoGlobalNetworkSet, one);
    CalicoHostEndpoint(DynamicObject) spelt "HostEndpoint" of "projectcalico.org" "v3", "hostendpoints", Cluster
        => |to, one| to.other(Kind::CalicoHostEndpoint, one);
    VulnerabilityReport(DynamicObject) of "aquasecurity.github.io" "v1alpha1", "vulnerabilityreports", Namespaced
        => |to, one| to.report(Kind::VulnerabilityReport, one);
    ClusterVulnerabilityReport(DynamicObject) of "aquasecurity.github.io" "v1alpha1", "clustervulnerabilityreports", Cluster
        => |to, one| to.report(Kind::ClusterVulnerabilityReport, one);
    SbomReport(DynamicObject) of "aquasecurity.github.io" "v1alpha1", "sbomreports", Namespaced
        => |to, one| to.report(Kind::SbomReport, one);
    ClusterSbomReport(DynamicObject) of "aquasecurity.github.io" "v1alpha1", "clustersbomreports", Cluster
        => |to, one| to.report(Kind::ClusterSbomReport, one);
    Report(DynamicObject) of "openreports.io" "v1alpha1", "reports", Namespaced => |to, one| to.report(Kind::Report, one);
    ClusterReport(DynamicObject) of "openreports.io" "v1alpha1", "clusterreports", Cluster
        => |to, one| to.report(Kind::ClusterReport, one);
    PolicyReport(DynamicObject) of "wgpolicyk8s.io" "v1beta1" | "v1alpha2", "policyreports", Namespaced
        => |to, one| to.report(Kind::PolicyReport, one);
    ClusterPolicyReport(DynamicObject) of "wgpolicyk8s.io" "v1beta1" | "v1alpha2", "clusterpolicyreports", Cluster
        => |to, one| to.report(Kind::ClusterPolicyReport, one);
    EndpointSlice(EndpointSlice) of "discovery.k8s.io" "v1", "endpointslices", Namespaced => Intake::slice;
    Endpoints(v1::Endpoints) of "" "v1", "endpoints", Namespaced => Intake::endpoints;
    ServiceCIDR(ServiceCIDR) of "networking.k8s.io" "v1", "servicecidrs", Cluster => Intake::service_range;
    ClusterRole(ClusterRole) of "rbac.authorization.k8s.io" "v1", "clusterroles", Cluster
        => |to, role| to.snapshot.roles.push(Arc::new(trim::cluster_role(role)));
    ClusterRoleBinding(ClusterRoleBinding) of "rbac.authorization.k8s.io" "v1", "clusterrolebindings", Cluster
        => |to, binding| to.snapshot.bindings.push(Arc::new(trim::cluster_binding(binding)));
    Role(Role) of "rbac.authorization.k8s.io" "v1", "roles", Namespaced
        => |to, role| { let role = trim::role(role, &mut to.access); to.snapshot.roles.push(Arc::new(role)) };
    RoleBinding(RoleBinding) of "rbac.authorization.k8s.io" "v1", "rolebindings", Namespaced
        => |to, binding| { let binding = trim::binding(binding, &mut to.access); to.snapshot.bindings.push(Arc::new(binding)) };
    ValidatingAdmissionPolicy(DynamicObject) of "admissionregistration.k8s.io" "v1", "validatingadmissionpolicies", Cluster
        => |to, guard| to.guard(Guards::Validating, guard);
    ValidatingAdmissionPolicyBinding(DynamicObject)
        of "admissionregistration.k8s.io" "v1", "validatingadmissionpolicybindings", Cluster
        => |to, guard| to.guard(Guards::ValidatingBinding, guard);
    MutatingAdmissionPolicy(DynamicObject) of "admissionregistration.k8s.io" "v1", "mutatingadmissionpolicies", Cluster
        => |to, guard| to.guard(Guards::Mutating, guard);
    MutatingAdmissionPolicyBinding(DynamicObject)
        of "admissionregistration.k8s.io" "v1", "mutatingadmissionpolicybindings", Cluster
        => |to, guard| to.guard(Guards::MutatingBinding, guard);
    Deployment(Deployment) of "apps" "v1", "deployments", Namespaced
        => |to, one| to.workloads.add(Kind::Deployment, &one.metadata, one.spec);
    StatefulSet(StatefulSet) of "apps" "v1", "statefulsets", Namespaced
        => |to, one| to.workloads.add(Kind::StatefulSet, &one.metadata, one.spec);
    DaemonSet(DaemonSet) of "apps" "v1", "daemonsets", Namespaced
        => |to, one| to.workloads.add(Kind::DaemonSet, &one.metadata, one.spec);
    ReplicaSet(ReplicaSet) of "apps" "v1", "replicasets", Namespaced
        => |to, one| to.workloads.add(Kind::ReplicaSet, &one.metadata, one.spec);
    ReplicationController(ReplicationController) of "" "v1", "replicationcontrollers", Namespaced
        => |to, one| to.workloads.add(Kind::ReplicationController, &one.metadata, one.spec);
    Job(Job) of "batch" "v1", "jobs", Namespaced
        => |to, one| to.workloads.add(Kind::Job, &one.metadata, one.spec);
    CronJob(CronJob) of "batch" "v1", "cronjobs", Namespaced
        => |to, one| to.workloads.add(Kind::CronJob, &one.metadata, Some(one.spec));
}

impl Kind {
    /// The kind of this name in an API group.
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        Kind::ALL.iter().copied().find(|known| known.as_str() == kind && known.group() == group)
    }

    /// The best of its versions.
    pub fn version(self) -> &'static str {
        self.versions().first().copied().unwrap_or_default()
    }

    /// `group/version` of the best version, or the version alone in the first group.
    pub fn api_version(self) -> String {
        let version = self.version();
        match self.group() {
            "" => version.to_string(),
            group => format!("{group}/{version}"),
        }
    }

    /// A version of its group that can be read: ours is read whatever its version is.
    pub fn reads(self, version: &str) -> bool {
        self == Kind::PciZone || self.versions().contains(&version)
    }

    /// Reports of it tell what scanners say of images. They are many and large, and asked for only where a zone declares `spec.scanning`.
    pub fn is_report(self) -> bool {
        ["aquasecurity.github.io", "openreports.io", "wgpolicyk8s.io"].contains(&self.group())
    }

    /// Other software brings it, so it may not be there: policies of other kinds, the Gateway API, and reports.
    pub fn is_optional(self) -> bool {
        const BROUGHT: [&str; 5] = [
            "policy.networking.k8s.io",
            "cilium.io",
            "projectcalico.org",
            "crd.projectcalico.org",
            "gateway.networking.k8s.io",
        ];
        BROUGHT.contains(&self.group()) || self.is_report()
    }

    /// It makes pods, and does not decide by itself.
    pub fn is_workload(self) -> bool {
        use Kind::{CronJob, DaemonSet, Deployment, Job, ReplicaSet, ReplicationController, StatefulSet};
        matches!(self, Deployment | StatefulSet | DaemonSet | ReplicaSet | ReplicationController | Job | CronJob)
    }

    /// A controller of the cluster makes `EndpointSlice`s of it, so that whoever sees those need not read it.
    pub fn is_mirrored(self) -> bool {
        self == Kind::Endpoints
    }

    /// It is one of those that guards are made of, of which only ours decide.
    pub fn is_guard(self) -> bool {
        self.group() == Guards::GROUP
    }
}

/// A snapshot that is being filled.
#[derive(Default)]
pub struct Intake {
    snapshot: Snapshot,
    /// Services whose endpoints are written from their selectors, by namespace and name.
    followed: BTreeSet<Box<str>>,
    /// What the controllers of the cluster wrote, if its Service is one of those.
    written: Vec<Slice>,
    service_ranges: Vec<Arc<ServiceCIDR>>,
    node_ranges: Vec<Vec<IpNet>>,
    workloads: Workloads,
    specs: Specs,
    common: Common,
    access: access::Common,
    reports: arriving::Common,
    report_kinds: BTreeSet<Kind>,
}

impl Intake {
    /// Begins with what is no object: the operator, rights, what was seen before.
    pub fn new(around: Snapshot) -> Self {
        Intake { snapshot: around, ..Intake::default() }
    }

    fn zone(&mut self, zone: DynamicObject) {
        self.snapshot.zones.push(ZoneRecord::read(zone));
    }

    fn namespace(&mut self, namespace: Namespace) {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        self.snapshot.namespaces.insert(name, Arc::new(trim::namespace(namespace)));
    }

    fn node(&mut self, node: Node) {
        self.node_ranges.push(node_ranges(&node));
        self.snapshot.nodes.insert(node.metadata.name.clone().unwrap_or_default(), Arc::new(trim::node(node)));
    }

    /// One without a spec isolates its namespace for ingress, as the API server completes it.
    fn policy(&mut self, mut policy: NetworkPolicy) {
        policy.spec.get_or_insert_default();
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        let policy = trim::policy(policy, &mut self.specs);
        self.snapshot.policies.entry(namespace).or_default().push(Arc::new(policy));
    }

    fn pod(&mut self, pod: v1::Pod) {
        let pod = trim::pod(pod, &mut self.common);
        self.workloads.see(&pod);
        self.snapshot.pods.push(Arc::new(pod));
    }

    fn service(&mut self, service: Service) {
        let service = trim::service(service);
        if service.is_followed() {
            self.followed.insert(service.key.clone());
        }
        self.snapshot.services.push(Arc::new(service));
    }

    /// Anybody may name the controller as the writer.
    fn slice(&mut self, slice: EndpointSlice) {
        let says_controller = ownership::label(&slice.metadata, SLICE_WRITER) == Some(SLICE_CONTROLLER);
        let slice = trim::slice(slice);
        if says_controller {
            self.written(slice);
        } else {
            self.snapshot.slices.push(Arc::new(slice));
        }
    }

    fn endpoints(&mut self, endpoints: v1::Endpoints) {
        Slice::of_endpoints(endpoints).for_each(|slice| self.written(slice));
    }

    /// Kept until all Services are known, unless the one of it is already: most are, and there are many.
    fn written(&mut self, slice: Slice) {
        if !self.followed.contains(&slice.service_key()) {
            self.written.push(slice);
        }
    }

    fn service_range(&mut self, range: ServiceCIDR) {
        self.service_ranges.push(Arc::new(range));
    }

    fn route(&mut self, kind: route::Kind, route: &DynamicObject) {
        self.snapshot.routes.push(Arc::new(Route::read(kind, route)));
    }

    fn other(&mut self, kind: Kind, other: DynamicObject) {
        if let Some(kind) = other::Kind::of(kind) {
            self.snapshot.others.push(Arc::new(Other::read(kind, other)));
        }
    }

    fn guard(&mut self, kind: Guards, guard: DynamicObject) {
        if ownership::is_managed(&guard.metadata) {
            self.snapshot.guards.push(Arc::new(trim::guard(kind, guard)));
        }
    }

    /// A zone that was taken in declares what may run in it.
    pub fn wants_reports(&self) -> bool {
        let wants = |zone: &ZoneRecord| matches!(zone, ZoneRecord::Readable(zone) if zone.spec.scanning.is_some());
        self.snapshot.zones.iter().any(wants)
    }

    /// Notes that a kind of reports is there, whether there are any of it or not; `unread` says why they cannot be read.
    pub fn note_reports(&mut self, kind: Kind, unread: Option<String>) {
        self.report_kinds.insert(kind);
        self.snapshot.unread_reports.extend(unread);
    }

    /// One that says nothing of an image is let go.
    fn report(&mut self, kind: Kind, report: DynamicObject) {
        let DynamicObject { metadata, data, .. } = report;
        self.report_kinds.insert(kind);
        let Ok(arriving) = Arriving::deserialize(&data) else { return };
        let report = Report {
            namespace: metadata.namespace.unwrap_or_default().into(),
            name: metadata.name.unwrap_or_default().into(),
            ..arriving.report(kind, &mut self.reports)
        };
        if !report.says.is_empty() {
            self.snapshot.reports.entry(report.namespace.to_string()).or_default().push(Arc::new(report));
        }
    }

    /// The snapshot of all that was taken in; each workload of which no pod was stands for one that it makes at `now`.
    pub fn finish(mut self, now: Timestamp) -> Snapshot {
        for pod in self.workloads.pods(&self.snapshot.pods, now) {
            self.snapshot.pods.push(Arc::new(self.common.share(pod)));
        }
        let snapshot = &mut self.snapshot;
        // What is written from a selector says nothing that the pods do not say.
        let by_hand = self.written.into_iter().filter(|slice| !self.followed.contains(&slice.service_key()));
        snapshot.slices.extend(by_hand.map(Arc::new));
        for policies in snapshot.policies.values_mut() {
            policies.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        }
        snapshot.zones.sort_by(|a, b| a.name().cmp(b.name()));
        snapshot.pods.sort_by(|a, b| a.key.cmp(&b.key));
        snapshot.services.sort_by(|a, b| a.key.cmp(&b.key));
        snapshot.slices.sort_by(|a, b| (&a.key, a.mirrored).cmp(&(&b.key, b.mirrored)));
        snapshot.roles.sort_by(|a, b| a.key.cmp(&b.key));
        snapshot.bindings.sort_by(|a, b| a.key.cmp(&b.key));
        for reports in snapshot.reports.values_mut() {
            reports.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        }
        snapshot.report_kinds.extend(self.report_kinds);
        snapshot.report_kinds.sort_unstable();
        snapshot.report_kinds.dedup();
        snapshot.others = other::distinct(std::mem::take(&mut snapshot.others));
        snapshot.guards.sort_by_cached_key(|guard| (guard.kind, guard.name().to_string()));
        let cluster = &mut snapshot.cluster;
        cluster.nodes = facts::all_ranges(self.node_ranges.iter().chain([&cluster.nodes]));
        cluster.services = facts::all_ranges([&facts::service_ranges(&self.service_ranges), &cluster.services]);
        cluster.api_server.extend(facts::api_server(&snapshot.slices));
        cluster.api_server.sort_unstable();
        cluster.api_server.dedup();
        self.snapshot
    }
}
