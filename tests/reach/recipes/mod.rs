//! Named cases as a table: manifests, and what may reach what under them.
//!
//! The objects of a case are added to a small town that all cases share. Whoever judges is a parameter.

mod addresses;
mod collection;
mod documentation;
mod pods;
mod ports;
mod rules;
mod selectors;

use std::sync::LazyLock;

use k8s_openapi::api::{
    core::v1::{Namespace, Node, Pod},
    networking::v1::NetworkPolicy,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Judge,
    oracle::{Cluster, End, Protocol, Verdict},
};

/// A case.
struct Recipe {
    /// What it shows, in a sentence.
    name: &'static str,
    /// Documents that are added to the town.
    manifests: &'static str,
    /// From, to, protocol, port, and what is expected. What has a slash is a pod, all else an address.
    probes: &'static [(&'static str, &'static str, Protocol, u16, Expected)],
}

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum Expected {
    Allowed,
    /// The destination refuses it, the source does not.
    NoIngress,
    /// The source refuses it, the destination does not.
    NoEgress,
    /// Both refuse it.
    Neither,
    /// Each end allows an address family that the other refuses.
    Split,
}

impl Expected {
    fn verdict(self) -> Verdict {
        let (ingress, egress, allowed) = match self {
            Self::Allowed => (true, true, true),
            Self::NoIngress => (false, true, false),
            Self::NoEgress => (true, false, false),
            Self::Neither => (false, false, false),
            Self::Split => (true, true, false),
        };
        Verdict { ingress, egress, allowed }
    }
}

/// What is there in every case: a shop, its vault, a lab that has an app of the same label, and DNS. No policy.
const TOWN: &str = "
{ apiVersion: v1, kind: Node, metadata: { name: node-1 }, status: { addresses: [{ type: InternalIP, address: 192.168.7.1 }] } }
---
{ apiVersion: v1, kind: Node, metadata: { name: node-2 }, status: { addresses: [{ type: InternalIP, address: 192.168.7.2 }] } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { team: web, env: production } } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: vault, labels: { team: payments, env: production } } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: lab, labels: { env: testing } } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: kube-system } }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: web, labels: { app: web, tier: front } }
spec: { nodeName: node-1, containers: [{ name: web, ports: [{ name: http, containerPort: 80 }, { name: metrics, containerPort: 9090 }] }] }
status: { phase: Running, podIPs: [{ ip: 10.1.0.1 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: api, labels: { app: api, tier: back } }
spec: { nodeName: node-1, containers: [{ name: api, ports: [{ name: http, containerPort: 8080, protocol: TCP }] }] }
status: { phase: Running, podIPs: [{ ip: 10.1.0.2 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: cron }
spec: { nodeName: node-2, containers: [{ name: cron }] }
status: { phase: Running, podIPs: [{ ip: 10.1.0.3 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: vault, name: db, labels: { app: db, role: store } }
spec: { nodeName: node-2, containers: [{ name: db, ports: [{ name: sql, containerPort: 5432 }] }] }
status: { phase: Running, podIPs: [{ ip: 10.2.0.1 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: vault, name: backup, labels: { app: backup } }
spec: { nodeName: node-1, containers: [{ name: backup }] }
status: { phase: Running, podIPs: [{ ip: 10.2.0.2 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: probe, labels: { app: probe, tier: front } }
spec: { nodeName: node-2, containers: [{ name: probe }] }
status: { phase: Running, podIPs: [{ ip: 10.3.0.1 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: lab, name: web, labels: { app: web } }
spec: { nodeName: node-1, containers: [{ name: web, ports: [{ name: http, containerPort: 80 }] }] }
status: { phase: Running, podIPs: [{ ip: 10.3.0.2 }] }
---
apiVersion: v1
kind: Pod
metadata: { namespace: kube-system, name: dns, labels: { k8s-app: kube-dns } }
spec: { nodeName: node-2, containers: [{ name: dns, ports: [{ name: dns, containerPort: 53, protocol: UDP }, { name: dns-tcp, containerPort: 53 }] }] }
status: { phase: Running, podIPs: [{ ip: 10.4.0.1 }] }
";

/// All cases and their clusters, which are read once.
static CASES: LazyLock<Vec<(&Recipe, Cluster)>> = LazyLock::new(|| {
    let tables = [
        documentation::RECIPES,
        collection::RECIPES,
        rules::RECIPES,
        selectors::RECIPES,
        ports::RECIPES,
        addresses::RECIPES,
        pods::RECIPES,
    ];
    let recipes = tables.into_iter().flatten();
    recipes.map(|recipe| (recipe, read(recipe.name, &format!("{TOWN}\n---\n{}", recipe.manifests)))).collect()
});

/// How many cases there are.
pub fn count() -> usize {
    CASES.len()
}

/// Every probe that the judge sees otherwise, in a sentence.
pub fn disagreements(judge: &Judge) -> Vec<String> {
    let mut wrong = Vec::new();
    for (Recipe { name, probes, .. }, cluster) in CASES.iter() {
        judge(cluster, &mut |probe| {
            for (from, to, protocol, port, expected) in *probes {
                let expected = expected.verdict();
                let verdict = probe(&end(from), &end(to), *protocol, *port);
                if verdict != expected {
                    let protocol = protocol.name();
                    wrong.push(format!(
                        "{name}: {from} to {to} on {protocol} {port}: expected {expected:?}, got {verdict:?}"
                    ));
                }
            }
        });
    }
    wrong
}

fn end(text: &str) -> End {
    match text.split_once('/') {
        Some((namespace, name)) => End::Pod(namespace.to_string(), name.to_string()),
        None => End::Address(text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))),
    }
}

fn read(name: &str, manifests: &str) -> Cluster {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(manifests).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut cluster = Cluster::default();
    for document in documents {
        match document["kind"].as_str() {
            Some("Namespace") => cluster.namespaces.push(object::<Namespace>(name, &document)),
            Some("Node") => cluster.nodes.push(object::<Node>(name, &document)),
            Some("Pod") => cluster.pods.push(object::<Pod>(name, &document)),
            Some("NetworkPolicy") => cluster.policies.push(object::<NetworkPolicy>(name, &document)),
            other => panic!("{name}: {other:?} is no kind of a case"),
        }
    }
    cluster
}

/// Unknown fields are skipped by the types, so that a typo would make a policy another one: nothing may get lost.
fn object<T: DeserializeOwned + Serialize>(name: &str, document: &Value) -> T {
    let object = serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(json!(object), without_nulls(document), "{name}: something got lost");
    object
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
