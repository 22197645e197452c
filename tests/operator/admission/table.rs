//! The rows: who asks for what, and the finding that stands in the refusal.

use serde_json::{Value, json};

use super::{asking::Row, people::Who};

const NODE_KEY: &str = "node-restriction.kubernetes.io/pcizone";
const TAINT: &str = "pcizone.dev/zone";

fn row(who: Who, what: &str, verb: &'static str, path: &str, body: Value, stopped_by: Option<&'static str>) -> Row {
    Row { who, what: what.to_string(), verb, path: path.to_string(), body, stopped_by }
}

/// The API server compares it with the node's own, which the row's reader fills in.
pub const UID_OF_NODE: &str = "UID-OF-NODE";

/// A pod with this in its spec.
#[expect(clippy::needless_pass_by_value, reason = "rows read better without a reference to each literal")]
pub fn pod(spec: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "row", "labels": { "app": "row" } },
        "spec": { "containers": [{ "name": "main", "image": "registry.example.com/main" }] },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}

/// The same, as if a controller had made it.
fn owned(mut pod: Value, kind: &str, name: &str) -> Value {
    pod["metadata"]["ownerReferences"] = json!([
        { "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "of-the-owner", "controller": true },
    ]);
    pod
}

/// What a `DaemonSet` says of the one node that a pod of it is for.
fn pinned(node: &str) -> Value {
    let field = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{ "matchFields": [field] }],
    }}})
}

fn zone_toleration() -> Value {
    json!([{ "key": TAINT, "operator": "Equal", "value": "cde", "effect": "NoSchedule" }])
}

fn mirror(node: &str) -> Value {
    let mut pod = pod(json!({ "nodeName": node, "hostNetwork": true }));
    pod["metadata"]["annotations"] =
        json!({ "kubernetes.io/config.mirror": "0123", "kubernetes.io/config.source": "file" });
    pod["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "v1", "kind": "Node", "name": node, "uid": UID_OF_NODE, "controller": true }]);
    pod
}

const VAULT: &str = "/api/v1/namespaces/vault/pods";
const ELSEWHERE: &str = "/api/v1/namespaces/storefront/pods";
const SYSTEM: &str = "/api/v1/namespaces/kube-system/pods";

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut rows = own_pods();
    rows.extend(strangers());
    rows.extend(bindings());
    rows.extend(policies());
    rows.extend(namespaces());
    rows.extend(nodes());
    rows.extend(zones());
    rows.extend(services());
    rows.extend(endpoints());
    rows.extend(elsewhere());
    rows
}

fn own_pods() -> Vec<Row> {
    use Who::{Argo, ClusterAdmin, Editor, Master, NamespaceAdmin, Platform, ReplicaSets};
    let plain = || pod(json!({}));
    let affinity = |operator: &str, values: Value| {
        let mut expression = json!({ "key": NODE_KEY, "operator": operator });
        if !values.is_null() {
            expression["values"] = values;
        }
        pod(json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [expression] }],
        }}}}))
    };
    let mut rows = Vec::new();
    for who in [Editor, NamespaceAdmin, ClusterAdmin, Master, Argo, ReplicaSets] {
        rows.push(row(who, "a plain pod in the zone", "POST", VAULT, plain(), None));
        let host = pod(json!({ "hostNetwork": true }));
        rows.push(row(who, "a pod on the host's network", "POST", VAULT, host, Some("HostNetworkPod")));
        let named = pod(json!({ "nodeName": "node-1" }));
        rows.push(row(who, "a pod that names a foreign node", "POST", VAULT, named, Some("PodBypassesScheduler")));
    }
    let placed = json!({ "nodeSelector": { NODE_KEY: "cde" }, "tolerations": zone_toleration() });
    rows.push(row(Editor, "a pod that is placed already", "POST", VAULT, pod(placed), None));
    let named = pod(json!({ "nodeName": "pci-1" }));
    rows.push(row(Editor, "a pod that names a zone node", "POST", VAULT, named, Some("PodBypassesScheduler")));
    let other = pod(json!({ "nodeSelector": { NODE_KEY: "other" } }));
    rows.push(row(Editor, "a pod for another zone's nodes", "POST", VAULT, other, Some("PodPlacementNotEnforced")));
    let pid = pod(json!({ "hostPID": true }));
    rows.push(row(Editor, "a pod that sees the host's processes", "POST", VAULT, pid, Some("HostNamespacesShared")));
    let ipc = pod(json!({ "hostIPC": true }));
    rows.push(row(Editor, "a pod that shares the host's memory", "POST", VAULT, ipc, Some("HostNamespacesShared")));
    let port = json!([{ "name": "main", "image": "a", "ports": [{ "containerPort": 80, "hostPort": 80 }] }]);
    let body = pod(json!({ "containers": port }));
    rows.push(row(Editor, "a pod with a host port", "POST", VAULT, body, Some("HostPortExposed")));
    let body = pod(json!({ "initContainers": [
        { "name": "first", "image": "a", "restartPolicy": "Always", "ports": [{ "containerPort": 81, "hostPort": 81 }] },
    ]}));
    rows.push(row(Editor, "a host port of a sidecar", "POST", VAULT, body, Some("HostPortExposed")));
    for (operator, values, stopped_by) in [
        ("DoesNotExist", Value::Null, Some("PodPlacementNotEnforced")),
        ("NotIn", json!(["cde"]), Some("PodPlacementNotEnforced")),
        ("In", json!(["other"]), Some("PodPlacementNotEnforced")),
        ("In", json!(["other", "cde"]), None),
        ("NotIn", json!(["other"]), None),
        ("Exists", Value::Null, None),
    ] {
        let what = format!("a pod with affinity {operator} {values}");
        rows.push(row(Editor, &what, "POST", VAULT, affinity(operator, values), stopped_by));
    }
    let forged = {
        let mut pod = pod(json!({ "nodeName": "node-1" }));
        pod["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "0123" });
        pod
    };
    rows.push(row(Editor, "a pod that passes for a static one", "POST", VAULT, forged, Some("PodBypassesScheduler")));
    rows.push(row(Platform, "a pod in a member by label", "POST", "/api/v1/namespaces/paylater/pods", plain(), None));
    let body = json!({ "metadata": { "labels": { "app": "changed" } } });
    rows.push(row(Editor, "a label of a running pod", "PATCH", "/api/v1/namespaces/vault/pods/running", body, None));
    // A policy of the canary opens a way to whoever carries its label, and one of others may mean an empty value.
    for value in ["0123456789abcdef", ""] {
        let label = json!({ "pcizone.dev/canary": value });
        let mut body = plain();
        body["metadata"]["labels"] = label.clone();
        let (made, given) = ("a pod with the canary's label", "the canary's label on a running pod");
        rows.push(row(NamespaceAdmin, made, "POST", VAULT, body, Some("ManagedObjectTampered")));
        let body = json!({ "metadata": { "labels": label } });
        let path = "/api/v1/namespaces/vault/pods/running";
        rows.push(row(NamespaceAdmin, given, "PATCH", path, body, Some("ManagedObjectTampered")));
    }
    let body = json!({ "spec": { "ephemeralContainers": [{ "name": "debug", "image": "a" }] } });
    let path = "/api/v1/namespaces/vault/pods/running/ephemeralcontainers";
    rows.push(row(Platform, "a debug container in a running pod", "PATCH", path, body, None));
    rows.push(row(Editor, "the end of a pod", "DELETE", "/api/v1/namespaces/vault/pods/running", json!({}), None));
    rows
}

fn strangers() -> Vec<Row> {
    use Who::{Argo, ClusterAdmin, DaemonSets, Editor, Kubelet, Master, Platform, ReplicaSets, ZoneKubelet};
    let everything = || json!([{ "operator": "Exists" }]);
    let mut rows = Vec::new();
    for who in [Editor, Platform, ClusterAdmin, Master, Argo] {
        rows.push(row(who, "a plain pod elsewhere", "POST", ELSEWHERE, pod(json!({})), None));
        let tolerant = pod(json!({ "tolerations": zone_toleration() }));
        let what = "a stranger that tolerates the zone's taint";
        rows.push(row(who, what, "POST", ELSEWHERE, tolerant, Some("ForeignPodOnZoneNode")));
        let named = pod(json!({ "nodeName": "pci-1" }));
        rows.push(row(
            who,
            "a stranger that names a zone node",
            "POST",
            ELSEWHERE,
            named,
            Some("ForeignPodOnZoneNode"),
        ));
    }
    let named = pod(json!({ "nodeName": "node-1" }));
    rows.push(row(Editor, "a stranger that names another node", "POST", ELSEWHERE, named, None));
    let exists = pod(json!({ "tolerations": [{ "key": TAINT, "operator": "Exists" }] }));
    rows.push(row(
        Editor,
        "a stranger that tolerates every zone",
        "POST",
        ELSEWHERE,
        exists,
        Some("ForeignPodOnZoneNode"),
    ));
    let other = pod(json!({ "tolerations": [{ "key": TAINT, "operator": "Equal", "value": "other" }] }));
    rows.push(row(Editor, "a stranger that tolerates another zone", "POST", ELSEWHERE, other, None));
    let all = pod(json!({ "tolerations": everything() }));
    rows.push(row(Editor, "a stranger that tolerates everything", "POST", ELSEWHERE, all.clone(), None));
    rows.push(row(Platform, "a system pod that tolerates everything", "POST", SYSTEM, all, None));
    let system = pod(json!({ "nodeName": "pci-1", "tolerations": zone_toleration() }));
    rows.push(row(Platform, "a system pod on a zone node", "POST", SYSTEM, system, None));
    for node in ["node-1", "pci-1"] {
        let agent = pod(json!({ "tolerations": everything(), "affinity": pinned(node) }));
        let agent = owned(agent, "DaemonSet", "agent");
        rows.push(row(DaemonSets, &format!("an agent for {node}"), "POST", ELSEWHERE, agent, None));
        let agent = pod(json!({ "tolerations": zone_toleration(), "affinity": pinned(node) }));
        let agent = owned(agent, "DaemonSet", "agent");
        let what = format!("an agent for {node} that tolerates the zone");
        rows.push(row(DaemonSets, &what, "POST", ELSEWHERE, agent, None));
        let sensor = pod(json!({ "tolerations": everything(), "affinity": pinned(node) }));
        let sensor = owned(sensor, "DaemonSet", "sensor");
        rows.push(row(DaemonSets, &format!("the admitted sensor for {node}"), "POST", ELSEWHERE, sensor, None));
    }
    let backup = |name: &str| owned(pod(json!({ "tolerations": zone_toleration() })), "ReplicaSet", name);
    rows.push(row(ReplicaSets, "the admitted agent", "POST", ELSEWHERE, backup("agent.v1-5d4f8c7b9"), None));
    let what = "a workload whose name begins alike";
    rows.push(row(ReplicaSets, what, "POST", ELSEWHERE, backup("agent.v1-x-5d4f8c7b9"), Some("ForeignPodOnZoneNode")));
    let what = "a workload whose name reads alike";
    rows.push(row(ReplicaSets, what, "POST", ELSEWHERE, backup("agentxv1-5d4f8c7b9"), Some("ForeignPodOnZoneNode")));
    let what = "a pod that names an admitted owner";
    rows.push(row(Editor, what, "POST", ELSEWHERE, backup("agent.v1-5d4f8c7b9"), Some("ForeignPodOnZoneNode")));
    rows.push(row(Kubelet, "a static pod of a foreign node", "POST", ELSEWHERE, mirror("node-1"), None));
    rows.push(row(ZoneKubelet, "a static pod of a zone node", "POST", ELSEWHERE, mirror("pci-1"), None));
    rows.push(row(ZoneKubelet, "a static pod in the zone", "POST", VAULT, mirror("pci-1"), None));
    let body = json!({ "spec": { "tolerations": [
        { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
        { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
        { "key": TAINT, "operator": "Exists" },
    ]}});
    let path = "/api/v1/namespaces/storefront/pods/running";
    let what = "a toleration added to a running stranger";
    rows.push(row(Editor, what, "PATCH", path, body, Some("ForeignPodOnZoneNode")));
    let body = json!({ "metadata": { "labels": { "app": "changed" } } });
    rows.push(row(Editor, "a label of a running stranger", "PATCH", path, body, None));
    rows
}

fn bindings() -> Vec<Row> {
    use Who::{Argo, ClusterAdmin, Platform, Scheduler};
    let bind = |node: &str| {
        json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "pending" },
                "target": { "apiVersion": "v1", "kind": "Node", "name": node } })
    };
    let mut rows = Vec::new();
    for (namespace, node, stopped_by) in [
        ("vault", "node-1", Some("PodOffZoneNode")),
        ("vault", "nowhere", Some("PodOffZoneNode")),
        ("vault", "pci-1", None),
        ("storefront", "pci-1", Some("ForeignPodOnZoneNode")),
        ("storefront", "node-1", None),
        ("kube-system", "pci-1", None),
    ] {
        let path = format!("/api/v1/namespaces/{namespace}/pods/pending/binding");
        let what = format!("a pod of {namespace} bound to {node}");
        rows.push(row(Platform, &what, "POST", &path, bind(node), stopped_by));
        rows.push(row(Scheduler, &what, "POST", &path, bind(node), None));
        if namespace == "storefront" {
            rows.push(row(ClusterAdmin, &what, "POST", &path, bind(node), stopped_by));
            rows.push(row(Argo, &what, "POST", &path, bind(node), stopped_by));
        }
    }
    rows
}

fn policies() -> Vec<Row> {
    use Who::{Argo, ClusterAdmin, Editor, Master, NamespaceAdmin, Operator, Platform};
    let path = "/apis/networking.k8s.io/v1/namespaces/vault/networkpolicies";
    let baseline = format!("{path}/pcizone-baseline");
    let policy = |name: &str, spec: Value| json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": name }, "spec": spec });
    let open = || json!({ "podSelector": {}, "ingress": [{}] });
    let mut rows = Vec::new();
    for (who, stopped_by) in [
        (Editor, Some("ManagedPolicyTampered")),
        (NamespaceAdmin, Some("ManagedPolicyTampered")),
        (Platform, Some("ManagedPolicyTampered")),
        // Whoever holds the verb breaks the glass, with `*` as well.
        (ClusterAdmin, None),
        (Master, None),
        (Argo, None),
    ] {
        rows.push(row(who, "the default deny deleted", "DELETE", &baseline, json!({}), stopped_by));
        rows.push(row(who, "the default deny opened", "PATCH", &baseline, json!({ "spec": open() }), stopped_by));
        rows.push(row(who, "all policies deleted", "DELETE", path, json!({}), stopped_by));
    }
    rows.push(row(Operator, "the default deny deleted", "DELETE", &baseline, json!({}), None));
    for (who, stopped_by) in
        [(Editor, Some("PolicyAllowsWorld")), (Platform, Some("PolicyAllowsWorld")), (ClusterAdmin, None)]
    {
        rows.push(row(who, "a policy that opens to everybody", "POST", path, policy("mine", open()), stopped_by));
    }
    for (what, spec, stopped_by) in [
        (
            "from every namespace",
            json!({ "podSelector": {}, "ingress": [{ "from": [{ "namespaceSelector": {} }] }] }),
            true,
        ),
        (
            "to the world",
            json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }] }),
            true,
        ),
        (
            "to half the world",
            json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "::/1" } }] }] }),
            true,
        ),
        (
            "from some pods of every namespace",
            json!({ "podSelector": {}, "ingress": [
                { "from": [{ "namespaceSelector": {}, "podSelector": { "matchLabels": { "a": "b" } } }] },
            ]}),
            false,
        ),
        (
            "to a network",
            json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "203.0.113.0/28" } }] }] }),
            false,
        ),
        ("to nobody", json!({ "podSelector": {} }), false),
        (
            "from every namespace that has a name",
            json!({ "podSelector": {}, "ingress": [{ "from": [
                { "namespaceSelector": { "matchExpressions": [{ "key": "kubernetes.io/metadata.name", "operator": "Exists" }] } },
            ]}]}),
            true,
        ),
        (
            "from all namespaces but one",
            json!({ "podSelector": {}, "ingress": [{ "from": [
                { "namespaceSelector": { "matchExpressions": [{ "key": "a", "operator": "NotIn", "values": ["b"] }] } },
            ]}]}),
            true,
        ),
        (
            "to a quarter of the world",
            json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "64.0.0.0/2" } }] }] }),
            true,
        ),
    ] {
        let stopped_by = stopped_by.then_some("PolicyAllowsWorld");
        rows.push(row(Editor, &format!("a policy {what}"), "POST", path, policy("mine", spec), stopped_by));
    }
    let closed = json!({ "podSelector": {} });
    let what = "a policy under one of our names";
    let body = policy("pcizone-flow-mine-ingress", closed.clone());
    rows.push(row(Editor, what, "POST", path, body, Some("ManagedPolicyTampered")));
    let mut body = policy("mine", closed);
    body["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "pcizone" });
    rows.push(row(Editor, "a policy that says it is ours", "POST", path, body, Some("ManagedPolicyTampered")));
    let body = json!({ "metadata": { "annotations": { "seen": "by-a-tool" } } });
    rows.push(row(Editor, "an annotation on the default deny", "PATCH", &baseline, body, None));
    let body = json!({ "metadata": { "finalizers": ["example.com/stay"] } });
    rows.push(row(Editor, "a finalizer on the default deny", "PATCH", &baseline, body, Some("ManagedPolicyTampered")));
    let body = json!({ "metadata": { "labels": { "pcizone.dev/zone": null } } });
    rows.push(row(Editor, "our label off the default deny", "PATCH", &baseline, body, Some("ManagedPolicyTampered")));
    rows
}

fn namespaces() -> Vec<Row> {
    use Who::{Argo, ClusterAdmin, Operator, Platform, Scoper};
    let path = |name: &str| format!("/api/v1/namespaces/{name}");
    let labels = |labels: Value| json!({ "metadata": { "labels": labels } });
    let new = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    let mut rows = Vec::new();
    for (who, spoofed) in [
        (Platform, Some("ZoneLabelSpoofed")),
        (Scoper, Some("ZoneLabelSpoofed")),
        (Operator, None),
        (ClusterAdmin, None),
        (Argo, None),
    ] {
        let off = labels(json!({ "pcizone.dev/zone": null }));
        rows.push(row(who, "the zone's label off a namespace", "PATCH", &path("vault"), off, spoofed));
        let on = labels(json!({ "pcizone.dev/zone": "cde" }));
        rows.push(row(who, "the zone's label on a foreign namespace", "PATCH", &path("storefront"), on, spoofed));
    }
    for (who, joins) in [(Platform, Some("ScopeChangeNotAllowed")), (Scoper, None), (ClusterAdmin, None)] {
        let on = labels(json!({ "team": "payments" }));
        rows.push(row(who, "a namespace that joins by label", "PATCH", &path("storefront"), on, joins));
        let off = labels(json!({ "team": null }));
        rows.push(row(who, "a namespace that leaves by label", "PATCH", &path("paylater"), off, joins));
        let body = new("newpay", json!({ "team": "payments" }));
        rows.push(row(who, "a new namespace that joins by label", "POST", "/api/v1/namespaces", body, joins));
    }
    for (what, label) in [("bogus zone", "bogus"), ("zone's", "cde")] {
        let status = format!("{}/status", path("storefront"));
        let body = labels(json!({ "pcizone.dev/zone": label }));
        let what = format!("a {what} label by way of the status");
        rows.push(row(Platform, &what, "PATCH", &status, body, Some("ZoneLabelSpoofed")));
    }
    let body = new("spoof", json!({ "pcizone.dev/zone": "bogus" }));
    rows.push(row(
        Platform,
        "a new namespace of no zone",
        "POST",
        "/api/v1/namespaces",
        body,
        Some("ZoneLabelSpoofed"),
    ));
    let off = labels(json!({ "team": null }));
    let status = format!("{}/status", path("paylater"));
    rows.push(row(
        Platform,
        "a namespace that leaves by its status",
        "PATCH",
        &status,
        off,
        Some("ScopeChangeNotAllowed"),
    ));
    let body = new("spoof", json!({ "pcizone.dev/zone": "cde" }));
    rows.push(row(
        Platform,
        "a new namespace with the zone's label",
        "POST",
        "/api/v1/namespaces",
        body,
        Some("ZoneLabelSpoofed"),
    ));
    let body = new("other", json!({ "team": "others" }));
    rows.push(row(Platform, "a new namespace elsewhere", "POST", "/api/v1/namespaces", body, None));
    let body = labels(json!({ "cost": "42" }));
    rows.push(row(Platform, "another label on a zone namespace", "PATCH", &path("vault"), body, None));
    rows.push(row(Platform, "the end of a zone namespace", "DELETE", &path("vault"), json!({}), None));
    rows
}

fn nodes() -> Vec<Row> {
    use Who::{ClusterAdmin, Kubelet, Operator, Platform, ZoneKubelet};
    let path = |name: &str| format!("/api/v1/nodes/{name}");
    let label = |value: Value| json!({ "metadata": { "labels": { NODE_KEY: value } } });
    let mut rows = Vec::new();
    for (who, label_kept, taint_kept) in [
        (Platform, Some("NodeLabelMissing"), Some("NodeTaintMissing")),
        (Operator, None, None),
        (ClusterAdmin, None, None),
    ] {
        rows.push(row(who, "the zone's label off a node", "PATCH", &path("pci-1"), label(Value::Null), label_kept));
        rows.push(row(who, "the zone's label on a node", "PATCH", &path("node-1"), label(json!("cde")), label_kept));
        let off = json!({ "spec": { "taints": null } });
        rows.push(row(who, "the zone's taint off a node", "PATCH", &path("pci-1"), off, taint_kept));
        let weaker = json!({ "spec": { "taints": [{ "key": TAINT, "value": "cde", "effect": "PreferNoSchedule" }] } });
        rows.push(row(who, "the zone's taint weakened", "PATCH", &path("pci-1"), weaker, taint_kept));
        let second = json!({ "spec": { "taints": [
            { "key": TAINT, "value": "cde", "effect": "NoSchedule" }, { "key": TAINT, "value": "cde", "effect": "NoExecute" },
        ] } });
        rows.push(row(who, "another taint of the zone's key", "PATCH", &path("pci-1"), second, taint_kept));
    }
    let cordon = json!({ "spec": { "unschedulable": true } });
    rows.push(row(Platform, "a zone node cordoned", "PATCH", &path("pci-1"), cordon, None));
    let more = json!({ "spec": { "taints": [
        { "key": TAINT, "value": "cde", "effect": "NoSchedule" }, { "key": "maintenance", "effect": "NoSchedule" },
    ]}});
    rows.push(row(Platform, "another taint on a zone node", "PATCH", &path("pci-1"), more, None));
    let body = json!({ "metadata": { "labels": { "rack": "r1" } } });
    rows.push(row(Platform, "another label on a zone node", "PATCH", &path("pci-1"), body.clone(), None));
    rows.push(row(Kubelet, "a label that a kubelet may set", "PATCH", &path("node-1"), body.clone(), None));
    rows.push(row(ZoneKubelet, "the same on a zone node", "PATCH", &path("pci-1"), body, None));
    let status = format!("{}/status", path("node-1"));
    let body = label(json!("cde"));
    rows.push(row(Platform, "the zone's label by way of the status", "PATCH", &status, body, Some("NodeLabelMissing")));
    let beat = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } });
    rows.push(row(ZoneKubelet, "the status of a zone node", "PATCH", &format!("{}/status", path("pci-1")), beat, None));
    rows.push(row(Platform, "the end of a zone node", "DELETE", &path("pci-1"), json!({}), None));
    rows
}

fn zones() -> Vec<Row> {
    use Who::{ClusterAdmin, Operator, Platform};
    let path = "/apis/pcizone.dev/v1alpha1/pcizones/cde";
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pcizones.pcizone.dev";
    let off = json!({ "metadata": { "finalizers": null } });
    let mut rows = Vec::new();
    for (who, sealed) in [(Platform, Some("ManagedObjectTampered")), (Operator, None), (ClusterAdmin, None)] {
        rows.push(row(who, "the zone's finalizer off", "PATCH", path, off.clone(), sealed));
    }
    for (who, sealed) in [(Platform, Some("ManagedObjectTampered")), (ClusterAdmin, None)] {
        rows.push(row(who, "the definition of zones deleted", "DELETE", definition, json!({}), sealed));
    }
    let definitions =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldSelector=metadata.name%3Dpcizones.pcizone.dev";
    let sealed = Some("ManagedObjectTampered");
    rows.push(row(Platform, "all definitions of that name deleted", "DELETE", definitions, json!({}), sealed));
    let owner = json!([{ "apiVersion": "v1", "kind": "Node", "name": "gone", "uid": "gone" }]);
    let body = json!({ "metadata": { "ownerReferences": owner } });
    rows.push(row(Platform, "an owner for the definition of zones", "PATCH", definition, body, sealed));
    let body = json!({ "metadata": { "annotations": { "seen": "by-a-tool" } } });
    rows.push(row(Platform, "an annotation on the zone", "PATCH", path, body, None));
    rows
}

fn services() -> Vec<Row> {
    use Who::{Argo, Editor, NamespaceAdmin};
    let service = |spec: Value| {
        let mut service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "door" }, "spec": { "ports": [{ "port": 8443 }] } });
        for (key, value) in spec.as_object().into_iter().flatten() {
            service["spec"][key] = value.clone();
        }
        service
    };
    let path = |namespace: &str| format!("/api/v1/namespaces/{namespace}/services");
    let mut rows = Vec::new();
    for (kind, id) in [("NodePort", "NodePortExposed"), ("LoadBalancer", "LoadBalancerExposed")] {
        let vault = service(json!({ "type": kind, "selector": { "app": "vault" } }));
        for (who, stopped_by) in [(Editor, Some(id)), (NamespaceAdmin, Some(id)), (Argo, None)] {
            rows.push(row(who, &format!("a {kind} of the vault"), "POST", &path("vault"), vault.clone(), stopped_by));
        }
        let checkout = service(json!({ "type": kind, "selector": { "app": "checkout" } }));
        rows.push(row(Editor, &format!("a {kind} that a flow declares"), "POST", &path("checkout"), checkout, None));
        let narrower = service(json!({ "type": kind, "selector": { "app": "checkout", "tier": "web" } }));
        rows.push(row(Editor, &format!("a narrower {kind}"), "POST", &path("checkout"), narrower, None));
        let wider = service(json!({ "type": kind, "selector": { "tier": "web" } }));
        rows.push(row(Editor, &format!("a wider {kind}"), "POST", &path("checkout"), wider, Some(id)));
        let elsewhere = service(json!({ "type": kind, "selector": { "app": "shop" } }));
        rows.push(row(Editor, &format!("a {kind} elsewhere"), "POST", &path("storefront"), elsewhere, None));
    }
    let addresses = service(json!({ "externalIPs": ["203.0.113.7"], "selector": { "app": "vault" } }));
    rows.push(row(Editor, "addresses outside", "POST", &path("vault"), addresses, Some("ExternalIpsUsed")));
    let alias = || service(json!({ "type": "ExternalName", "externalName": "example.com" }));
    rows.push(row(Editor, "an alias in the vault", "POST", &path("vault"), alias(), Some("ExternalNameFromZone")));
    rows.push(row(Editor, "an alias where a flow leads out", "POST", &path("checkout"), alias(), None));
    let into = |name: &str| service(json!({ "type": "ExternalName", "externalName": name }));
    for (name, stopped_by) in [
        ("db.vault.svc.cluster.local", Some("ExternalNameIntoZone")),
        ("db.vault.svc.", Some("ExternalNameIntoZone")),
        ("db-0.db.vault.svc.cluster.local", Some("ExternalNameIntoZone")),
        ("10-0-0-5.vault.pod.cluster.local", Some("ExternalNameIntoZone")),
        ("db.storefront.svc.cluster.local", None),
        ("db.vault.example.com", None),
        ("localhost", None),
    ] {
        rows.push(row(Editor, &format!("an alias of {name}"), "POST", &path("storefront"), into(name), stopped_by));
    }
    let inner = service(json!({ "selector": { "app": "vault" } }));
    rows.push(row(Editor, "a Service inside", "POST", &path("vault"), inner, None));
    rows
}

fn endpoints() -> Vec<Row> {
    use Who::{Argo, EndpointSlices, Platform};
    let slice = |address: &str| {
        json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": { "name": "byhand" },
                "addressType": "IPv4", "endpoints": [{ "addresses": [address] }], "ports": [{ "port": 8443 }] })
    };
    let slices = |namespace: &str| format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let mut rows = Vec::new();
    for (who, stopped_by) in [(Platform, Some("EndpointsPointIntoZone")), (EndpointSlices, None), (Argo, None)] {
        for (what, address) in [("a pod", "10.244.1.9"), ("a node", "198.51.100.1")] {
            let what = format!("endpoints that point to {what} of the zone");
            rows.push(row(who, &what, "POST", &slices("storefront"), slice(address), stopped_by));
        }
    }
    rows.push(row(
        Platform,
        "endpoints that point elsewhere",
        "POST",
        &slices("storefront"),
        slice("10.244.2.9"),
        None,
    ));
    rows.push(row(Platform, "endpoints by hand inside", "POST", &slices("vault"), slice("10.244.1.9"), None));
    let empty = json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": { "name": "byhand" },
                        "addressType": "IPv4", "endpoints": null, "ports": null });
    rows.push(row(Platform, "endpoints that are none yet", "POST", &slices("storefront"), empty, None));
    let old = json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": "byhand" },
                      "subsets": [{ "addresses": [{ "ip": "10.244.1.9" }], "ports": [{ "port": 8443 }] }] });
    let path = "/api/v1/namespaces/storefront/endpoints";
    rows.push(row(Platform, "old endpoints that point to a pod", "POST", path, old, Some("EndpointsPointIntoZone")));
    rows
}

/// What nobody may feel.
fn elsewhere() -> Vec<Row> {
    use Who::{Editor, Kubelet, Platform};
    let lease = json!({ "spec": { "holderIdentity": "node-1" } });
    let lease_path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1";
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "row" } });
    let open = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "mine" },
                       "spec": { "podSelector": {}, "ingress": [{}] } });
    vec![
        row(Kubelet, "a kubelet's lease", "PATCH", lease_path, lease, None),
        row(Editor, "a ConfigMap in the zone", "POST", "/api/v1/namespaces/vault/configmaps", config.clone(), None),
        row(Editor, "a ConfigMap elsewhere", "POST", "/api/v1/namespaces/storefront/configmaps", config, None),
        row(
            Editor,
            "an open policy elsewhere",
            "POST",
            "/apis/networking.k8s.io/v1/namespaces/storefront/networkpolicies",
            open,
            None,
        ),
        row(Platform, "a namespace elsewhere deleted", "DELETE", "/api/v1/namespaces/storefront", json!({}), None),
        row(
            Platform,
            "a pod in a namespace of pcizone",
            "POST",
            "/api/v1/namespaces/pcizone-system/pods",
            pod(json!({
                "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{ "name": "main", "image": "a", "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                }}],
            })),
            None,
        ),
    ]
}
