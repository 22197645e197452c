//! What a round puts into the cluster: pods and policies, all with the canary's label, all of them removed with the round.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde_json::{Value, json};

use super::round::{Candidates, PORT, Post, Round, Target};
use crate::{
    api::{Mode, Protocol, names},
    engine::{
        pod::Pod,
        policy::Policy,
        resolve::{Resolution, Zone},
        snapshot::Snapshot,
    },
};

/// Seconds after which the pods of a round end by themselves, should the operator be gone.
const LIFETIME: u32 = 7200;
/// Attempts in a row after which what was open is closed.
const CLOSED_FOR: &str = "12";
/// Seconds between two tries of the kubelet.
const PERIOD: u32 = 10;
/// Ports below this one are the administrator's, unless a pod says otherwise.
const UNPRIVILEGED: u16 = 1024;

/// Says on which operating system a node runs.
const OPERATING_SYSTEM: &str = "kubernetes.io/os";

/// What a pod of the canary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// It listens.
    Listener,
    /// It asks.
    Prober,
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Part::Listener => "listener",
            Part::Prober => "prober",
        }
    }
}

/// The policy is one of a round that is played, and means only its pods: to whom it opens what matters to nobody else.
pub fn is_control(policy: &Policy, is_played: impl Fn(&str) -> bool) -> bool {
    let selector = policy.spec.as_deref().and_then(|spec: &NetworkPolicySpec| spec.pod_selector.as_ref());
    let round = selector.and_then(|selector| selector.match_labels.as_ref()?.get(names::CANARY_LABEL));
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    round.is_some_and(|round| is_of_round(name, round, is_played))
}

/// The pod is one of a round that is played: nobody's workload, and judged by nothing but what it tells. What a file on a node declares, or
/// what uses the network of its node, is none.
pub fn is_own(pod: &Pod, is_played: impl Fn(&str) -> bool) -> bool {
    let round = pod.labels.get(names::CANARY_LABEL);
    pod.owner.is_none()
        && !pod.is_static
        && !pod.shares.network
        && round.is_some_and(|round| is_of_round(pod.name(), round, is_played))
}

/// A round that is played, by the label's value, and one of its names.
fn is_of_round(name: &str, round: &str, is_played: impl Fn(&str) -> bool) -> bool {
    let is_named = name.strip_prefix(names::CANARY_PREFIX).is_some_and(|name| name.starts_with(round));
    !round.is_empty() && is_named && is_played(round)
}

/// A live cluster as it would be without the canary, and with the operator's own word on what it showed. Which rounds are played only the
/// operator knows; to others what carries the label is the canary's where the guards refuse that label to everybody else, and in the
/// operator's own namespace.
pub fn without_canary(snapshot: &mut Snapshot, resolution: &Resolution) {
    snapshot.is_live = true;
    let operator = snapshot.cluster.operator_namespace.clone();
    let is_guarded = |namespace: &str| {
        let zone = resolution.namespace(namespace).and_then(|claim| claim.zone.as_deref());
        let zone = zone.and_then(|zone| resolution.zone(zone)).and_then(|zone| zone.declaration.as_deref());
        namespace == operator || zone.is_some_and(|zone| zone.segmentation == Mode::Enforce)
    };
    snapshot.pods.retain(|pod| !(is_guarded(pod.namespace()) && is_own(pod, |_| true)));
    for (namespace, policies) in &mut snapshot.policies {
        if is_guarded(namespace) {
            policies.retain(|policy| !is_control(policy, |_| true));
        }
    }
}

/// What may take part in rounds of a zone.
pub fn candidates(snapshot: &Snapshot, resolution: &Resolution, zone: &Zone) -> Candidates {
    let is_usable = |name: &&String| {
        let node = snapshot.nodes.get(*name);
        let conditions = node.and_then(|node| node.status.as_ref()?.conditions.as_deref());
        let system = node.and_then(|node| node.metadata.labels.as_ref()?.get(OPERATING_SYSTEM));
        // Of the conditions only that it is not ready is kept.
        node.is_some() && conditions.unwrap_or_default().is_empty() && system.is_none_or(|system| system == "linux")
    };
    let is_closed = |name: &&String| {
        snapshot.nodes.get(*name).and_then(|node| node.spec.as_ref()?.unschedulable).unwrap_or_default()
    };
    let declares_nodes = zone.declaration.as_deref().is_some_and(|declaration| declaration.nodes.is_some());
    let is_free = |name: &&String| resolution.node(name).is_none_or(|claim| !claim.is_member());
    let is_tainted = |name: &&String| {
        let taints = snapshot.nodes.get(*name).and_then(|node| node.spec.as_ref()?.taints.as_deref());
        taints.unwrap_or_default().iter().any(|taint| taint.effect == "NoSchedule" || taint.effect == "NoExecute")
    };
    let free = || snapshot.nodes.keys().filter(is_free).filter(|name| !is_tainted(name));
    let outside: Vec<String> = free().filter(is_usable).filter(|name| !is_closed(name)).cloned().collect();
    // A zone without nodes of its own is where its pods are.
    let homes: BTreeSet<&str> = snapshot
        .pods
        .iter()
        .filter(|pod| !pod.ended && !pod.labels.contains_key(names::CANARY_LABEL))
        .filter(|pod| zone.namespaces.declared.contains(pod.namespace()))
        .filter_map(|pod| pod.node.as_deref())
        .collect();
    let (inside, left_out): (Vec<String>, Vec<String>) = if declares_nodes {
        // Also those that take no new pods: the canary's pods tolerate that.
        zone.nodes.declared.iter().cloned().partition(|name| is_usable(&name))
    } else {
        let homes: Vec<String> = outside.iter().filter(|name| homes.contains(name.as_str())).cloned().collect();
        (if homes.is_empty() { outside.iter().take(1).cloned().collect() } else { homes }, Vec::new())
    };
    let protected = |name: &&String| {
        let namespace = snapshot.namespaces.get(*name);
        let is_leaving = namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some());
        let label = namespace.and_then(|namespace| namespace.metadata.labels.as_ref()?.get(names::ZONE_LABEL));
        label.is_some() && !is_leaving
    };
    let namespaces = zone.namespaces.declared.iter().filter(protected).cloned().collect();
    Candidates { inside, left_out, outside, namespaces, has_nodes: declares_nodes }
}

impl Round {
    /// Name of a pod.
    pub fn pod_name(&self, post: usize, part: Part) -> String {
        format!("{}{}-{post}-{}", names::CANARY_PREFIX, self.id, part.word())
    }

    /// Namespaces and names of all its policies.
    pub fn policies(&self) -> impl Iterator<Item = (&str, String)> {
        let allowing = (0..=self.copies().count()).map(|number| (self.inside.as_str(), self.policy_name(number)));
        allowing.chain([(self.outside.as_str(), self.policy_name(0))])
    }

    /// Name of one of them.
    pub fn policy_name(&self, number: usize) -> String {
        let number = if number == 0 { String::new() } else { format!("-{number}") };
        format!("{}{}{number}", names::CANARY_PREFIX, self.id)
    }

    /// Those of each flow once.
    fn copies(&self) -> impl Iterator<Item = &NetworkPolicySpec> {
        let flows: BTreeMap<&str, &Vec<NetworkPolicySpec>> =
            self.trials.iter().map(|trial| (trial.flow.as_str(), &trial.copies)).collect();
        flows.into_values().flatten()
    }

    fn labels(&self) -> Value {
        json!({
            names::CANARY_LABEL: self.id,
            names::ZONE_LABEL: self.zone,
            names::MANAGED_BY: names::MANAGED_BY_VALUE,
            "app.kubernetes.io/name": "pcizone-canary",
        })
    }

    /// The pod of a post that listens.
    pub fn listener(&self, at: usize, post: &Post, image: &str) -> Value {
        let (lifetime, port) = (LIFETIME.to_string(), PORT.to_string());
        let mut args: Vec<String> =
            ["probe", "listen", "--run", &self.id, "--port", &port, "--until", &lifetime].map(str::to_string).into();
        let also: BTreeSet<(Protocol, u16)> =
            self.trials.iter().filter(|trial| trial.to == at).map(|trial| (trial.protocol, trial.port)).collect();
        for (protocol, port) in &also {
            args.extend(["--also".to_string(), format!("{}:{port}", protocol.as_str())]);
        }
        let mut pod = self.pod(at, post, Part::Listener, image, &json!(args));
        if also.iter().any(|(_, port)| *port < UNPRIVILEGED)
            && let Some(security) = pod.pointer_mut("/spec/securityContext").and_then(Value::as_object_mut)
        {
            // A setting of the pod's own network, which Pod Security takes as safe. It needs no capability.
            let setting = json!([{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "0" }]);
            security.insert("sysctls".to_string(), setting);
        }
        pod
    }

    /// The pod of a post that asks.
    pub fn prober(&self, at: usize, post: &Post, image: &str, targets: &[Target]) -> Value {
        let (lifetime, port) = (LIFETIME.to_string(), PORT.to_string());
        let limits = ["--until", &lifetime, "--closed-for", CLOSED_FOR, "--tell-port", &port];
        let mut args: Vec<String> = ["probe", "connect", "--run", &self.id].map(str::to_string).into();
        args.extend(limits.map(str::to_string));
        for (number, target) in targets.iter().enumerate().filter(|(_, target)| target.from == at) {
            let address = std::net::SocketAddr::new(target.address, target.port);
            args.extend(["--target".to_string(), format!("{number}={}:{address}", target.protocol.as_str())]);
        }
        self.pod(at, post, Part::Prober, image, &json!(args))
    }

    fn pod(&self, at: usize, post: &Post, part: Part, image: &str, args: &Value) -> Value {
        let expression = json!([{ "key": "metadata.name", "operator": "In", "values": [post.node] }]);
        let affinity = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchFields": expression }],
        }}});
        // Nothing listens on it where one asks, and who listens says no: neither is ever ready, so no Service ever leads to it. The
        // kubelet's try is also how it is seen that a node reaches its own pods.
        let readiness =
            json!({ "httpGet": { "path": "/", "port": PORT }, "periodSeconds": PERIOD, "failureThreshold": 1 });
        let mut spec = json!({
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIFETIME + 600,
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "affinity": affinity,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": part.word(),
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "args": args,
                "readinessProbe": readiness,
                "terminationMessagePolicy": "File",
                "resources": {
                    "requests": { "cpu": "5m", "memory": "16Mi" },
                    "limits": { "cpu": "100m", "memory": "64Mi" },
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "runAsNonRoot": true,
                    "capabilities": { "drop": ["ALL"] },
                },
            }],
        });
        // Whether everybody has answered shows in its status while it runs. It takes as long as it takes.
        if part == Part::Prober
            && let Some(container) = spec.pointer_mut("/containers/0").and_then(Value::as_object_mut)
        {
            let startup = json!({ "httpGet": { "path": "/answered", "port": PORT }, "periodSeconds": 1, "failureThreshold": LIFETIME });
            container.insert("startupProbe".to_string(), startup);
        }
        if post.is_inside
            && let Some(spec) = spec.as_object_mut()
        {
            // The guards add this too, where the API server can.
            spec.insert(
                "tolerations".to_string(),
                json!([
                    { "key": names::NODE_TAINT, "operator": "Equal", "value": self.zone },
                    { "key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule" },
                ]),
            );
            if self.has_nodes {
                spec.insert("nodeSelector".to_string(), json!({ names::NODE_LABEL: self.zone }));
            }
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.pod_name(at, part),
                "namespace": self.namespace(post),
                "labels": self.labels(),
                // Whoever injects sidecars leaves these out: a proxy would answer in their place.
                "annotations": {
                    "sidecar.istio.io/inject": "false",
                    "linkerd.io/inject": "disabled",
                    "kuma.io/sidecar-injection": "disabled",
                },
            },
            "spec": spec,
        })
    }

    /// The policies that let the canary's pods of the zone reach the others and be reached, for as long as they are there: one of its own,
    /// and the copies of those of flows.
    pub fn allowing(&self) -> Vec<Value> {
        let own = self.own_policy(&self.inside, [(Protocol::TCP, PORT), (Protocol::UDP, PORT)]);
        let copies = self.copies().zip(1..).map(|(spec, number)| self.policy(&self.inside, number, &json!(spec)));
        std::iter::once(own).chain(copies).collect()
    }

    /// The same for the pods outside, where a default deny of their own namespace must not pass for that of the zone. It is there for
    /// the whole round.
    pub fn standing(&self) -> Value {
        let of_flows = self.trials.iter().map(|trial| (trial.protocol, trial.port));
        self.own_policy(&self.outside, [(Protocol::TCP, PORT), (Protocol::UDP, PORT)].into_iter().chain(of_flows))
    }

    fn own_policy(&self, namespace: &str, ports: impl IntoIterator<Item = (Protocol, u16)>) -> Value {
        let pods = json!({ "matchLabels": { names::CANARY_LABEL: self.id } });
        let peers: Vec<Value> = [&self.inside, &self.outside]
            .map(|name| json!({ "namespaceSelector": { "matchLabels": { names::NAMESPACE_NAME: name } }, "podSelector": pods }))
            .into();
        let ports: BTreeSet<(Protocol, u16)> = ports.into_iter().collect();
        let ports: Vec<Value> =
            ports.into_iter().map(|(protocol, port)| json!({ "protocol": protocol.as_str(), "port": port })).collect();
        let spec = json!({
            "podSelector": pods,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": peers, "ports": ports }],
            "egress": [{ "to": peers, "ports": ports }],
        });
        self.policy(namespace, 0, &spec)
    }

    fn policy(&self, namespace: &str, number: usize, spec: &Value) -> Value {
        let mut labels = self.labels();
        // What is managed is compared with what is declared; this is nobody's declaration.
        labels.as_object_mut().map(|labels| labels.remove(names::MANAGED_BY));
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": { "name": self.policy_name(number), "namespace": namespace, "labels": labels },
            "spec": spec,
        })
    }

    /// Addresses of the listeners, by post, from those of their pods.
    pub fn addresses(&self, of: impl Fn(&str, &str) -> Vec<IpAddr>) -> BTreeMap<usize, Vec<IpAddr>> {
        let address = |(at, post): (usize, &Post)| (at, of(self.namespace(post), &self.pod_name(at, Part::Listener)));
        self.posts.iter().enumerate().map(address).filter(|(_, addresses)| !addresses.is_empty()).collect()
    }
}
