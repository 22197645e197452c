//! Decides about one connection under NetworkPolicies and the tiers around them, straight from the documented rules.
//!
//! It reads the manifests as they are, looks at every object anew for every question, and shares nothing with the engine. Of
//! NetworkPolicies it knows what the random ones use.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

/// Whether the end that accepts lets it in, and the one that opens lets it out. Ends are `namespace/name` or `ip:ADDRESS`.
pub fn probe(objects: &[Value], from: &str, to: &str, protocol: &str, port: u16) -> (bool, bool) {
    if from == to {
        return (true, true);
    }
    let connection = |direction| Connection { objects, direction, protocol, port, accepts: pod(objects, to) };
    (
        is_allowed(&connection("ingress"), pod(objects, to), from),
        is_allowed(&connection("egress"), pod(objects, from), to),
    )
}

#[derive(Clone, Copy)]
struct Connection<'a> {
    objects: &'a [Value],
    direction: &'a str,
    protocol: &'a str,
    port: u16,
    /// The pod that accepts it, if it is one.
    accepts: Option<&'a Value>,
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

fn pod<'a>(objects: &'a [Value], end: &str) -> Option<&'a Value> {
    let (namespace, name) = end.split_once('/')?;
    of_kind(objects, "Pod").find(|pod| pod["metadata"]["namespace"] == namespace && pod["metadata"]["name"] == name)
}

fn is_on_host(pod: &Value) -> bool {
    pod["spec"]["hostNetwork"] == true
}

/// Tier after tier, until one of them has decided. What none decides is allowed.
fn is_allowed(connection: &Connection, own: Option<&Value>, other: &str) -> bool {
    let Some(own) = own.filter(|pod| !is_on_host(pod)) else { return true };
    by_tier(connection, own, other, "Admin")
        .or_else(|| by_network_policies(connection, own, other))
        .or_else(|| by_tier(connection, own, other, "Baseline"))
        .unwrap_or(true)
}

/// The first rule that means the connection decides, or passes it to the next tier: policies with lower priority values
/// first, and in a policy the rules as they are written.
fn by_tier(connection: &Connection, own: &Value, other: &str, tier: &str) -> Option<bool> {
    let policies = of_kind(connection.objects, "ClusterNetworkPolicy").filter(|policy| policy["spec"]["tier"] == tier);
    let mut policies: Vec<&Value> =
        policies.filter(|policy| selects(connection.objects, &policy["spec"]["subject"], own)).collect();
    policies.sort_by_key(|policy| policy["spec"]["priority"].as_u64());
    let list = if connection.direction == "ingress" { "from" } else { "to" };
    for policy in policies {
        for rule in policy["spec"][connection.direction].as_array().into_iter().flatten() {
            let mut peers = rule[list].as_array().expect("peers are required").iter();
            if peers.any(|peer| is_peer(connection, peer, other)) && means_port(connection, rule) {
                return match rule["action"].as_str().expect("an action") {
                    "Accept" => Some(true),
                    "Deny" => Some(false),
                    _ => None,
                };
            }
        }
    }
    None
}

/// The subject or a peer means the pod: by its namespace alone, or by both.
fn selects(objects: &[Value], selector: &Value, pod: &Value) -> bool {
    if is_on_host(pod) {
        return false;
    }
    let namespace = namespace_labels(objects, pod);
    if let Some(namespaces) = selector.get("namespaces") {
        return fits(namespaces, &namespace);
    }
    selector.get("pods").is_some_and(|pods| {
        fits(&pods["namespaceSelector"], &namespace) && fits(&pods["podSelector"], &pod["metadata"]["labels"])
    })
}

fn namespace_labels(objects: &[Value], pod: &Value) -> Value {
    let name = &pod["metadata"]["namespace"];
    let object = of_kind(objects, "Namespace").find(|object| object["metadata"]["name"] == *name);
    let mut labels = object.map(|object| object["metadata"]["labels"].clone()).unwrap_or_default();
    labels["kubernetes.io/metadata.name"] = name.clone();
    labels
}

fn fits(selector: &Value, labels: &Value) -> bool {
    let mut equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    equal.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|expression| {
            let value = labels.get(expression["key"].as_str().expect("a key"));
            let is_listed =
                value.is_some_and(|value| expression["values"].as_array().is_some_and(|all| all.contains(value)));
            match expression["operator"].as_str().expect("an operator") {
                "In" => is_listed,
                "NotIn" => !is_listed,
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

fn is_peer(connection: &Connection, peer: &Value, other: &str) -> bool {
    let objects = connection.objects;
    let found = pod(objects, other);
    let address = found
        .map(|pod| pod["status"]["podIPs"][0]["ip"].as_str().expect("an address"))
        .or_else(|| other.strip_prefix("ip:"))
        .map(|text| text.parse::<IpAddr>().expect("an address"));
    if let Some(nodes) = peer.get("nodes") {
        let nodes = of_kind(objects, "Node").filter(|node| fits(nodes, &node["metadata"]["labels"]));
        let mut addresses = nodes.flat_map(|node| node["status"]["addresses"].as_array().into_iter().flatten());
        return addresses.any(|own| own["address"].as_str().and_then(|own| own.parse().ok()) == address);
    }
    if let Some(networks) = peer.get("networks") {
        let mut networks = networks.as_array().into_iter().flatten().filter_map(Value::as_str);
        return networks.any(|net| address.is_some_and(|ip| net.parse::<IpNet>().expect("a network").contains(&ip)));
    }
    found.is_some_and(|pod| selects(objects, peer, pod))
}

fn means_port(connection: &Connection, rule: &Value) -> bool {
    let Some(protocols) = rule["protocols"].as_array() else { return true };
    protocols.iter().any(|entry| {
        if let Some(name) = entry["destinationNamedPort"].as_str() {
            return has_port(connection, name);
        }
        let destination = &entry[connection.protocol.to_lowercase()]["destinationPort"];
        let is = |value: &Value| value.as_u64() == Some(connection.port.into());
        let range = &destination["range"];
        let is_in = |first: u64, last: u64| (first..=last).contains(&connection.port.into());
        is(&destination["number"])
            || range["start"].as_u64().zip(range["end"].as_u64()).is_some_and(|(a, b)| is_in(a, b))
    })
}

/// The pod that accepts has given this port a name.
fn has_port(connection: &Connection, name: &str) -> bool {
    let Some(pod) = connection.accepts.filter(|pod| !is_on_host(pod)) else { return false };
    let mut ports = pod["spec"]["containers"][0]["ports"].as_array().into_iter().flatten();
    ports.any(|port| {
        port["name"] == name
            && port["containerPort"].as_u64() == Some(connection.port.into())
            && port["protocol"].as_str().unwrap_or("TCP") == connection.protocol
    })
}

/// They decide for good about every pod that one of them selects, and nothing about others.
fn by_network_policies(connection: &Connection, own: &Value, other: &str) -> Option<bool> {
    let types = if connection.direction == "ingress" { "Ingress" } else { "Egress" };
    let policies = of_kind(connection.objects, "NetworkPolicy").filter(|policy| {
        policy["metadata"]["namespace"] == own["metadata"]["namespace"]
            && fits(&policy["spec"]["podSelector"], &own["metadata"]["labels"])
            && policy["spec"]["policyTypes"].as_array().is_some_and(|all| all.iter().any(|one| one == types))
    });
    let policies: Vec<&Value> = policies.collect();
    if policies.is_empty() {
        return None;
    }
    let list = if connection.direction == "ingress" { "from" } else { "to" };
    Some(policies.iter().any(|policy| {
        policy["spec"][connection.direction].as_array().into_iter().flatten().any(|rule| {
            let peers = rule[list].as_array();
            let is_from = peers.is_none_or(|peers| {
                peers.iter().any(|peer| {
                    let pods = peer.get("podSelector").cloned().unwrap_or_default();
                    let found = pod(connection.objects, other).filter(|pod| !is_on_host(pod));
                    found.is_some_and(|pod| {
                        fits(&peer["namespaceSelector"], &namespace_labels(connection.objects, pod))
                            && fits(&pods, &pod["metadata"]["labels"])
                    })
                })
            });
            let ports = rule["ports"].as_array();
            is_from
                && ports.is_none_or(|ports| {
                    ports.iter().any(|entry| {
                        entry["protocol"].as_str().unwrap_or("TCP") == connection.protocol
                            && entry["port"].as_u64() == Some(connection.port.into())
                    })
                })
        })
    }))
}
