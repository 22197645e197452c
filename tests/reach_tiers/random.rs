//! Small random clusters with policies of all kinds. Names, labels, ports and networks come from a few, so that they meet.

use pcizone::api::Protocol;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::recipes::town;

/// Who is asked about.
pub const ENDS: &[&str] = &[
    "shop/web",
    "shop/api",
    "vault/db",
    "vault/web",
    "lab/test",
    "lab/agent",
    "ip:10.0.0.77",
    "ip:10.9.0.9",
    "ip:198.51.100.7",
];
/// On which ports.
pub const PORTS: &[(Protocol, u16)] =
    &[(Protocol::TCP, 80), (Protocol::TCP, 82), (Protocol::TCP, 5432), (Protocol::UDP, 53), (Protocol::UDP, 80)];

fn labels(pods: bool) -> BoxedStrategy<Value> {
    let (keys, values) =
        if pods { (["app", "tier"], vec!["web", "db", "x"]) } else { (["team", "pci"], vec!["red", "blue", "yes"]) };
    let key = select(keys.to_vec());
    let value = select(values);
    prop_oneof![
        3 => Just(json!({})),
        4 => (key.clone(), value.clone()).prop_map(|(key, value)| json!({ "matchLabels": { key: value } })),
        2 => (key.clone(), value.clone(), value, select(vec!["In", "NotIn"])).prop_map(|(key, one, two, operator)| {
            json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": [one, two] }] })
        }),
        1 => (key, select(vec!["Exists", "DoesNotExist"])).prop_map(|(key, operator)| {
            json!({ "matchExpressions": [{ "key": key, "operator": operator }] })
        }),
    ]
    .boxed()
}

fn pods() -> impl Strategy<Value = Value> {
    prop_oneof![
        labels(false).prop_map(|namespaces| json!({ "namespaces": namespaces })),
        (labels(false), labels(true)).prop_map(|(namespaces, pods)| {
            json!({ "pods": { "namespaceSelector": namespaces, "podSelector": pods } })
        }),
    ]
}

const NETWORKS: [&str; 6] = ["10.0.0.0/24", "10.0.0.0/30", "10.9.0.0/16", "0.0.0.0/0", "198.51.100.7/32", "::/0"];

fn network() -> impl Strategy<Value = &'static str> {
    select(NETWORKS.to_vec())
}

fn peer(direction: &'static str) -> BoxedStrategy<Value> {
    if direction == "ingress" {
        return pods().boxed();
    }
    let nodes = select(vec![json!({}), json!({ "matchLabels": { "role": "edge" } })]);
    prop_oneof![
        4 => pods(),
        1 => nodes.prop_map(|nodes| json!({ "nodes": nodes })),
        2 => vec(network(), 1..=2).prop_map(|networks| json!({ "networks": networks })),
    ]
    .boxed()
}

fn protocol() -> impl Strategy<Value = Value> {
    let by_name = select(vec!["http", "sql"]).prop_map(|name| json!({ "destinationNamedPort": name }));
    let number = select(vec![80, 82, 5432, 53]).prop_map(|number| json!({ "number": number }));
    let range = Just(json!({ "range": { "start": 80, "end": 100 } }));
    let port = prop_oneof![number, range];
    prop_oneof![
        4 => (select(vec!["tcp", "udp"]), port).prop_map(|(name, port)| json!({ name: { "destinationPort": port } })),
        1 => by_name,
    ]
}

fn rule(direction: &'static str) -> impl Strategy<Value = Value> {
    let action = select(vec!["Accept", "Deny", "Pass"]);
    let protocols = option::of(vec(protocol(), 1..=2));
    (action, vec(peer(direction), 1..=2), protocols).prop_map(move |(action, peers, protocols)| {
        let list = if direction == "ingress" { "from" } else { "to" };
        let mut rule = json!({ "action": action, list: peers });
        if let Some(protocols) = protocols {
            rule["protocols"] = json!(protocols);
        }
        rule
    })
}

/// Policies that are told apart by their names, of which the number says nothing about the order.
fn named(kind: &str, mut policies: Vec<Value>) -> Vec<Value> {
    for (number, policy) in policies.iter_mut().enumerate() {
        policy["metadata"]["name"] = json!(format!("{kind}-{number}"));
        if policy["kind"] == "ClusterNetworkPolicy" {
            // Each has its own, and those that come later are asked first.
            policy["spec"]["priority"] = json!(100 - number);
        }
    }
    policies
}

fn cluster_policies() -> impl Strategy<Value = Vec<Value>> {
    let tier = select(vec!["Admin", "Admin", "Baseline"]);
    let policy = (tier, pods(), vec(rule("ingress"), 0..=3), vec(rule("egress"), 0..=3));
    let policy = policy.prop_map(|(tier, subject, ingress, egress)| {
        json!({
            "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "spec": { "tier": tier, "subject": subject, "ingress": ingress, "egress": egress },
        })
    });
    vec(policy, 0..=4).prop_map(|policies| named("tier", policies))
}

fn network_policies() -> impl Strategy<Value = Vec<Value>> {
    let rule = |list: &'static str| {
        let peer = (labels(false), labels(true))
            .prop_map(|(namespaces, pods)| json!({ "namespaceSelector": namespaces, "podSelector": pods }));
        let ports = select(vec![80, 5432]).prop_map(|port| json!([{ "port": port }]));
        (option::of(vec(peer, 1..=2)), option::of(ports)).prop_map(move |(peers, ports)| {
            let mut rule = json!({});
            if let Some(peers) = peers {
                rule[list] = json!(peers);
            }
            if let Some(ports) = ports {
                rule["ports"] = ports;
            }
            rule
        })
    };
    let types = select(vec![json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"])]);
    let policy = (select(vec!["shop", "vault", "lab"]), labels(true), types, rule("from"), rule("to"));
    let policy = policy.prop_map(|(namespace, selector, types, ingress, egress)| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "namespace": namespace },
            "spec": { "podSelector": selector, "policyTypes": types, "ingress": [ingress], "egress": [egress] },
        })
    });
    vec(policy, 0..=3).prop_map(|policies| named("np", policies))
}

fn with_town(mut objects: Vec<Value>) -> Vec<Value> {
    let mut all = town();
    all.append(&mut objects);
    all
}

/// A town with NetworkPolicies and policies of the tiers.
pub fn tiers() -> impl Strategy<Value = Vec<Value>> {
    (cluster_policies(), network_policies()).prop_map(|(tiers, policies)| with_town([tiers, policies].concat()))
}

fn cilium() -> impl Strategy<Value = Vec<Value>> {
    let entry = |from: &'static str| {
        let peers = prop_oneof![
            labels(true).prop_map(move |selector| json!({ format!("{from}Endpoints"): [selector] })),
            select(vec!["all", "world", "cluster", "remote-node", "kube-apiserver"])
                .prop_map(move |entity| json!({ format!("{from}Entities"): [entity] })),
            (network(), option::of(Just("10.0.0.0/29"))).prop_map(move |(cidr, except)| {
                let except: Vec<&str> = except.into_iter().filter(|_| cidr == "10.0.0.0/24").collect();
                json!({ format!("{from}CIDRSet"): [{ "cidr": cidr, "except": except }] })
            }),
            Just(json!({})),
        ];
        let ports = option::of(select(vec![
            json!([{ "ports": [{ "port": "80", "protocol": "TCP" }] }]),
            json!([{ "ports": [{ "port": "0" }] }]),
            json!([{ "ports": [{ "port": "80", "endPort": 90 }, { "port": "53", "protocol": "UDP" }] }]),
        ]));
        (peers, ports).prop_map(|(mut entry, ports)| {
            if let Some(ports) = ports {
                entry["toPorts"] = ports;
            }
            entry
        })
    };
    let rules =
        (vec(entry("from"), 0..=2), vec(entry("to"), 0..=2), vec(entry("from"), 0..=1), vec(entry("to"), 0..=1));
    let policy = (option::of(select(vec!["shop", "vault"])), labels(true), rules, option::of(any::<bool>()));
    let policy = policy.prop_map(|(namespace, selector, (ingress, egress, ingress_deny, egress_deny), default)| {
        let kind = if namespace.is_some() { "CiliumNetworkPolicy" } else { "CiliumClusterwideNetworkPolicy" };
        json!({
            "apiVersion": "cilium.io/v2", "kind": kind, "metadata": { "namespace": namespace },
            "spec": {
                "endpointSelector": selector, "ingress": ingress, "egress": egress,
                "ingressDeny": ingress_deny, "egressDeny": egress_deny, "enableDefaultDeny": { "ingress": default },
            },
        })
    });
    vec(policy, 0..=2).prop_map(|policies| named("cilium", policies))
}

fn calico() -> impl Strategy<Value = Vec<Value>> {
    let selector = || {
        select(vec![
            "",
            "all()",
            "app == 'web'",
            "app != 'web'",
            "has(tier)",
            "!has(tier)",
            "app in {'web', 'db'} && has(app)",
            "app contains 'e' || tier starts with 'x'",
            "projectcalico.org/namespace == 'shop'",
        ])
    };
    let entity = || {
        prop_oneof![
            selector().prop_map(|selector| json!({ "selector": selector })),
            (selector(), select(vec!["team == 'red'", "all()", "global()", "!has(pci)"]))
                .prop_map(|(selector, namespaces)| json!({ "selector": selector, "namespaceSelector": namespaces })),
            vec(network(), 1..=2).prop_map(|nets| json!({ "nets": nets })),
            (network(), selector()).prop_map(|(net, not)| json!({ "notNets": [net], "notSelector": not })),
        ]
    };
    let rule = move |direction: &'static str| {
        let ports = option::of(select(vec![json!([80]), json!(["80:90"]), json!(["http"]), json!([5432, "sql"])]));
        let action = select(vec!["Allow", "Deny", "Pass", "Log"]);
        (action, entity(), ports, select(vec!["TCP", "UDP"])).prop_map(move |(action, entity, ports, protocol)| {
            let other = if direction == "ingress" { "source" } else { "destination" };
            let mut rule = json!({ "action": action, other: entity });
            if let Some(ports) = ports {
                rule["protocol"] = json!(protocol);
                rule["destination"]["ports"] = ports;
            }
            rule
        })
    };
    let types = select(vec![Value::Null, json!(["Ingress"]), json!(["Ingress", "Egress"])]);
    let namespace = option::of(select(vec!["shop", "vault"]));
    let order = option::of(select(vec![1.0, 500.0, 1000.0, 2000.0]));
    let tier = select(vec![Value::Null, json!("default"), json!("security"), json!("late")]);
    let policy = (namespace, selector(), types, order, tier, vec(rule("ingress"), 0..=3), vec(rule("egress"), 0..=2));
    let policy = policy.prop_map(|(namespace, selector, types, order, tier, ingress, egress)| {
        let kind = if namespace.is_some() { "NetworkPolicy" } else { "GlobalNetworkPolicy" };
        json!({
            "apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": { "namespace": namespace },
            "spec": {
                "selector": selector, "types": types, "order": order, "tier": tier,
                "ingress": ingress, "egress": egress,
            },
        })
    });
    vec(policy, 0..=3).prop_map(|policies| {
        let tiers = [("security", 100, "Deny"), ("late", 20_000_000, "Pass")].map(|(name, order, action)| {
            json!({
                "apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": { "name": name },
                "spec": { "order": order, "defaultAction": action },
            })
        });
        named("calico", policies).into_iter().chain(tiers).collect()
    })
}

/// A town with policies of all kinds at once.
pub fn everything() -> impl Strategy<Value = Vec<Value>> {
    (cluster_policies(), network_policies(), cilium(), calico())
        .prop_map(|(tiers, policies, cilium, calico)| with_town([tiers, policies, cilium, calico].concat()))
}
