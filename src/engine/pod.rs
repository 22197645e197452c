//! A pod, as far as it decides: where it runs, whose it is, and what it shares with its node. Small, because a cluster has
//! many; names that pods have in common are held once.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use k8s_openapi::{
    api::core::v1::{self, Container, Pod as Manifest, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};

use super::{
    audit::ApiServer,
    data_plane,
    forwarder::pod::{self as forwarding, Forwarding, Lines},
    held::Held,
    images::container::Image,
    key,
    powers::Powers,
    readiness::Readiness,
};
use crate::api::{Protocol, names};

/// On the pod that shows a static one.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace and name, with a slash between.
    pub key: Box<str>,
    /// The workload that controls it, as `Kind/name`.
    pub owner: Option<Arc<str>>,
    /// Its labels. Copies of one template share them.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The ports that its containers declare.
    pub ports: Arc<[ContainerPort]>,
    /// The node that it is on; `None` until one is found.
    pub node: Option<Arc<str>>,
    /// The zone whose nodes its selector asks for.
    pub zone: Option<Arc<str>>,
    /// When it was made.
    pub created: Timestamp,
    /// Its addresses.
    pub ips: Box<[IpAddr]>,
    /// Addresses of its node, as it tells them. Copies on one node share them.
    pub host_ips: Arc<[IpAddr]>,
    /// What it shares with its node.
    pub shares: Shares,
    /// What it may do to its node, and by its token. Copies of one template share it.
    pub powers: Arc<Powers>,
    /// A `DaemonSet` made it, and one of its containers is known to enforce NetworkPolicies.
    pub enforces: bool,
    /// How often its containers were started anew. Only of what enforces NetworkPolicies.
    pub restarts: u32,
    /// What its containers run, of every kind. Copies of one template on one image share it.
    pub images: Arc<[Image]>,
    /// Its runtime class, where it names one.
    pub runtime_class: Option<Arc<str>>,
    /// What forwards its logs, where something does. Copies of one template share it.
    pub forwarding: Option<Arc<Forwarding>>,
    /// Since when its numbered lines are written, and until when they were.
    pub lines: Option<Lines>,
    /// What its forwarder waits for before it can start.
    pub logs_wait: Option<Box<str>>,
    /// Whether it is ready. Only of what a `DaemonSet` made.
    pub ready: Readiness,
    /// It is an API server, and what it was told of its audit log.
    pub api_server: Option<ApiServer>,
    /// A file on its node declares it, and no API server was asked.
    pub is_static: bool,
    /// It has ended, well or not: nothing of it runs any more.
    pub ended: bool,
    /// Until when its deletion gives it time, once that has begun.
    pub leaving: Option<Timestamp>,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub number: u16,
    /// Its name, by which a policy may mean it.
    pub name: Option<Box<str>>,
    /// The port of the node that leads to it, if one does.
    pub host: Option<u16>,
}

/// What a pod shares with its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// The network.
    pub network: bool,
    /// A port.
    pub port: bool,
    /// Processes or memory.
    pub processes: bool,
}

impl Pod {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        key::namespace(&self.key)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        key::name(&self.key)
    }

    /// It, or the workload that made it: a name that stays when one pod takes the place of another.
    pub fn subject(&self) -> String {
        match self.owner.as_deref().filter(|_| !self.is_static).and_then(|owner| owner.split_once('/')) {
            Some((kind, name)) => format!("{kind}/{}/{name}", self.namespace()),
            None => format!("Pod/{}", self.key),
        }
    }

    /// A `DaemonSet` made it, for one node.
    pub fn is_of_daemon_set(&self) -> bool {
        is_of_daemon_set(self.owner.as_deref())
    }
}

fn is_of_daemon_set(owner: Option<&str>) -> bool {
    owner.is_some_and(|owner| owner.starts_with("DaemonSet/"))
}

impl From<Manifest> for Pod {
    fn from(Manifest { metadata, spec, status }: Manifest) -> Self {
        let status = status.unwrap_or_default();
        let spec = spec.unwrap_or_default();
        let is_static = metadata.annotations.as_ref().is_some_and(|all| all.contains_key(MIRROR));
        let owner = controller(&metadata);
        let restarts = restarts(&status);
        let forwarding = Forwarding::read(&spec);
        // Of any other pod a change of it would mean nothing.
        let ready = if is_of_daemon_set(owner.as_deref()) { Readiness::of(&status) } else { Readiness::Unknown };
        let api_server = ApiServer::of(&metadata, &spec);
        let mut pod = Pod {
            lines: forwarding.as_ref().and_then(|_| forwarding::lines(&metadata, &status)),
            logs_wait: forwarding.as_ref().and_then(|_| forwarding::wait(&status)),
            forwarding: forwarding.map(Arc::new),
            key: key::of(&metadata),
            enforces: is_of_daemon_set(owner.as_deref()) && enforces(&spec),
            owner,
            ports: ports(&spec),
            created: metadata.creation_timestamp.map(|time| time.0).unwrap_or_default(),
            shares: shares(&spec),
            api_server,
            images: Image::read(&spec, &status).into(),
            runtime_class: spec.runtime_class_name.as_deref().map(Arc::from),
            powers: Powers::read(&spec, metadata.annotations.as_ref()).into(),
            is_static,
            ready,
            ips: ips(&status),
            host_ips: host_ips(&status),
            ended: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            leaving: metadata.deletion_timestamp.map(|time| time.0),
            labels: metadata.labels.unwrap_or_default().into(),
            zone: spec.node_selector.and_then(|mut all| all.remove(names::NODE_LABEL)).map(Arc::from),
            node: spec.node_name.filter(|node| !node.is_empty()).map(Arc::from),
            restarts: 0,
        };
        // Of any other pod each restart would be a change that means nothing.
        if data_plane::is_agent(&pod) {
            pod.restarts = restarts;
        }
        pod
    }
}

fn restarts(status: &PodStatus) -> u32 {
    let counts = status.container_statuses.iter().flatten().map(|container| container.restart_count);
    counts.filter_map(|count| u32::try_from(count).ok()).fold(0, u32::saturating_add)
}

/// One address, or one of each family.
fn host_ips(status: &PodStatus) -> Arc<[IpAddr]> {
    let all = status.host_ips.iter().flatten().map(|host| &host.ip).chain(&status.host_ip);
    let mut all: Vec<IpAddr> = all.filter_map(|ip| ip.parse().ok()).collect();
    all.sort();
    all.dedup();
    all.into()
}

/// The list, or the single address where the list is empty or begins with another: the older field is the one that counts.
fn ips(status: &PodStatus) -> Box<[IpAddr]> {
    let listed = || status.pod_ips.iter().flatten().map(|ip| &*ip.ip);
    let single = status.pod_ip.as_deref().filter(|ip| !ip.is_empty() && listed().next() != Some(*ip));
    let counted: Vec<&str> = single.map_or_else(|| listed().collect(), |ip| vec![ip]);
    counted.into_iter().filter_map(|ip| ip.parse().ok()).collect()
}

/// The workload that controls an object, as `Kind/name`.
pub(super) fn controller(metadata: &ObjectMeta) -> Option<Arc<str>> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(format!("{}/{}", owner.kind, owner.name).into())
}

/// Those of its containers and of its native sidecars, which run beside them. What no API server takes is left out.
fn ports(spec: &PodSpec) -> Arc<[ContainerPort]> {
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let port = |port: &v1::ContainerPort| {
        let protocol = Protocol::or_tcp(port.protocol.as_deref())?;
        let number = |number: i32| u16::try_from(number).ok().filter(|number| *number != 0);
        let host = port.host_port.and_then(number);
        Some(ContainerPort {
            protocol,
            number: number(port.container_port)?,
            name: port.name.as_deref().map(Into::into),
            host,
        })
    };
    let mut ports: Vec<ContainerPort> = ports.filter_map(port).collect();
    ports.sort();
    ports.dedup();
    ports.into()
}

/// By the images and the names of containers, since an engine may run beside a network plug-in in one pod; or by an argument that
/// tells it to.
fn enforces(spec: &PodSpec) -> bool {
    let is_engine = |name: &str| data_plane::ENGINES.iter().any(|engine| name.contains(engine));
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).any(|container| {
        let mut names = container.image.as_deref().into_iter().chain([&*container.name]);
        let mut arguments = container.command.iter().chain(&container.args).flatten();
        names.any(is_engine) || arguments.any(|argument| argument == data_plane::AWS_ENFORCES)
    })
}

fn shares(spec: &PodSpec) -> Shares {
    let network = spec.host_network == Some(true);
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let opens = |container: &Container| {
        container.ports.iter().flatten().any(|port| port.host_port.is_some_and(|number| number != 0))
    };
    // With the node's network every port is the node's; that is said already.
    let port = !network && containers.into_iter().any(opens);
    Shares { network, port, processes: spec.host_pid == Some(true) || spec.host_ipc == Some(true) }
}

/// What pods have in common, held once.
#[derive(Default)]
pub struct Common {
    names: Held<str>,
    labels: Held<BTreeMap<String, String>>,
    ports: Held<[ContainerPort]>,
    powers: Held<Powers>,
    host_ips: Held<[IpAddr]>,
    forwarding: Held<Forwarding>,
    images: Held<[Image]>,
}

impl Common {
    /// The same pod, with what another one has too.
    pub fn share(&mut self, mut pod: Pod) -> Pod {
        for name in [&mut pod.owner, &mut pod.node, &mut pod.zone, &mut pod.runtime_class].into_iter().flatten() {
            self.names.share(name);
        }
        self.labels.share(&mut pod.labels);
        self.ports.share(&mut pod.ports);
        self.powers.share(&mut pod.powers);
        self.host_ips.share(&mut pod.host_ips);
        self.images.share(&mut pod.images);
        if let Some(forwarding) = &mut pod.forwarding {
            self.forwarding.share(forwarding);
        }
        pod
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(manifest: Value) -> Pod {
        serde_json::from_value::<Manifest>(manifest).unwrap().into()
    }

    fn of_spec(spec: &Value) -> Pod {
        pod(json!({ "metadata": { "namespace": "vault", "name": "a" }, "spec": spec }))
    }

    #[test]
    fn what_it_shares_with_its_node_is_seen_in_every_container() {
        let port = |port: Value| json!([{ "name": "a", "ports": [{ "containerPort": 1 }, port] }]);
        let host = port(json!({ "containerPort": 2, "hostPort": 2 }));
        let plain = port(json!({ "containerPort": 2, "hostPort": 0 }));
        for (spec, shares) in [
            (json!({ "containers": plain }), Shares::default()),
            (json!({ "containers": host }), Shares { port: true, ..Shares::default() }),
            (json!({ "containers": plain, "initContainers": host }), Shares { port: true, ..Shares::default() }),
            (json!({ "containers": host, "hostNetwork": true }), Shares { network: true, ..Shares::default() }),
            (json!({ "containers": plain, "hostPID": true }), Shares { processes: true, ..Shares::default() }),
            (json!({ "containers": plain, "hostIPC": true }), Shares { processes: true, ..Shares::default() }),
            (json!({ "containers": plain, "hostNetwork": false, "hostPID": false }), Shares::default()),
        ] {
            assert_eq!(of_spec(&spec).shares, shares, "{spec}");
        }
    }

    #[test]
    fn a_pod_goes_by_the_workload_that_controls_it() {
        let owners = |owners: Value, annotations: Value| {
            let metadata =
                json!({ "namespace": "vault", "name": "web-1", "ownerReferences": owners, "annotations": annotations });
            pod(json!({ "metadata": metadata })).subject()
        };
        let owner = |kind: &str, controller: bool| json!({ "apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": "1", "controller": controller });
        assert_eq!(
            owners(json!([owner("Other", false), owner("StatefulSet", true)]), Value::Null),
            "StatefulSet/vault/web"
        );
        assert_eq!(owners(json!([owner("Other", false)]), Value::Null), "Pod/vault/web-1");
        assert_eq!(owners(Value::Null, Value::Null), "Pod/vault/web-1");
        assert_eq!(owners(json!([owner("Node", true)]), json!({ MIRROR: "abc" })), "Pod/vault/web-1");
    }

    #[test]
    fn ports_are_those_of_what_runs_side_by_side() {
        let container = |number: i64, name: &str| json!({ "name": "a", "ports": [{ "containerPort": number, "name": name, "protocol": "UDP" }] });
        let mut sidecar = container(2, "b");
        sidecar["restartPolicy"] = json!("Always");
        let spec = json!({ "containers": [container(1, "a"), { "name": "b", "ports": [{ "containerPort": 4, "hostPort": 40 }, { "containerPort": 70000 }] }],
            "initContainers": [sidecar, container(3, "c")] });
        let port = |protocol, number, name: Option<&str>, host| ContainerPort {
            protocol,
            number,
            name: name.map(Into::into),
            host,
        };
        let wanted = [
            port(Protocol::TCP, 4, None, Some(40)),
            port(Protocol::UDP, 1, Some("a"), None),
            port(Protocol::UDP, 2, Some("b"), None),
        ];
        assert_eq!(*of_spec(&spec).ports, wanted);
    }

    #[test]
    fn an_engine_beside_a_plug_in_is_seen_by_its_image() {
        let owner = |kind: &str| json!([{ "apiVersion": "apps/v1", "kind": kind, "name": "kube-flannel-ds", "uid": "1", "controller": true }]);
        let plain = json!({ "name": "kube-flannel", "image": "ghcr.io/flannel-io/flannel:v0.27.0" });
        let engine = json!({ "name": "b", "image": "registry.k8s.io/networking/kube-network-policies:v0.7.0" });
        let named = json!({ "name": "kube-network-policies", "image": "registry.example.com/mirror:7" });
        let aws = |on: bool| json!({ "name": "aws-eks-nodeagent", "args": [format!("--enable-network-policy={on}")] });
        for (kind, containers, enforces) in [
            ("DaemonSet", json!([plain]), false),
            ("DaemonSet", json!([{ "name": "aws-node" }, aws(false)]), false),
            ("DaemonSet", json!([{ "name": "aws-node" }, aws(true)]), true),
            ("DaemonSet", json!([plain, engine]), true),
            ("DaemonSet", json!([plain, named]), true),
            ("ReplicaSet", json!([engine]), false),
        ] {
            let metadata = json!({ "namespace": "kube-flannel", "name": "a", "ownerReferences": owner(kind) });
            let pod = pod(json!({ "metadata": metadata, "spec": { "containers": containers } }));
            assert_eq!(pod.enforces, enforces, "{kind} {containers}");
        }
    }

    #[test]
    fn its_addresses_are_those_that_an_api_server_makes_of_both_fields() {
        for (status, ips) in [
            (json!({ "podIP": "10.0.0.7" }), &["10.0.0.7"][..]),
            (json!({ "podIP": "10.0.0.7", "podIPs": [] }), &["10.0.0.7"]),
            (
                json!({ "podIP": "10.0.0.7", "podIPs": [{ "ip": "10.0.0.7" }, { "ip": "fd00::7" }] }),
                &["10.0.0.7", "fd00::7"],
            ),
            (json!({ "podIP": "", "podIPs": [{ "ip": "10.0.0.7" }] }), &["10.0.0.7"]),
            (json!({ "podIPs": [{ "ip": "10.0.0.7" }] }), &["10.0.0.7"]),
            (json!({ "podIP": "10.0.0.7", "podIPs": [{ "ip": "10.0.0.8" }] }), &["10.0.0.7"]),
            (json!({}), &[]),
        ] {
            let pod = pod(json!({ "metadata": { "namespace": "vault", "name": "a" }, "status": status }));
            assert_eq!(pod.ips.iter().map(ToString::to_string).collect::<Vec<_>>(), ips, "{status}");
        }
    }

    #[test]
    fn copies_of_a_template_hold_once_what_they_have_in_common() {
        let mut common = Common::default();
        let mut on = |node: &str| {
            let spec = json!({ "nodeName": node, "serviceAccountName": "web", "containers": [{ "name": "a" }] });
            common.share(of_spec(&spec))
        };
        let (first, second) = (on("a"), on("a"));
        assert!(Arc::ptr_eq(&first.labels, &second.labels) && Arc::ptr_eq(&first.ports, &second.ports));
        assert!(Arc::ptr_eq(first.node.as_ref().unwrap(), second.node.as_ref().unwrap()));
        assert!(Arc::ptr_eq(&first.powers, &on("b").powers));
    }
}
