//! Policies of the tiers Admin and Baseline: ClusterNetworkPolicy, and AdminNetworkPolicy and BaselineAdminNetworkPolicy that
//! came before it.
//!
//! The first rule that means a connection decides: policies by priority, rules in the order in which they are written. What
//! none means goes on to the next tier.

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Kind,
    read::{NamedPorts, Selector, Trouble, items, network, part, selectors, terms},
};
use crate::{
    api::Protocol,
    engine::reach::{Action, Direction, Selectors, Terms},
};

/// A policy of the tiers Admin and Baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterPolicy {
    /// It is of the tier Admin.
    pub is_admin: bool,
    /// Lower ones are asked first.
    pub priority: u32,
    /// The pods that it holds for; `None` where that is not understood.
    pub subject: Option<Selectors>,
    /// Its rules for connections to them, as far as they are understood.
    pub ingress: Vec<ClusterRule>,
    /// Its rules for connections of them, as far as they are understood.
    pub egress: Vec<ClusterRule>,
    /// What is not understood.
    pub trouble: Vec<Trouble>,
}

/// A rule of such a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterRule {
    /// Where it stands.
    pub field: String,
    /// What it does.
    pub action: Action,
    /// Who is at the other end; one of them.
    pub peers: Vec<ClusterPeer>,
    /// On which ports.
    pub ports: NamedPorts,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterPeer {
    /// Pods.
    Pods(Selectors),
    /// The addresses of nodes.
    Nodes(Terms),
    /// A network, with the pods in it.
    Network(IpNet),
    /// Everybody: what a plug-in makes of a peer that it does not know, where the rule denies.
    Everybody,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawSpec {
    tier: Option<String>,
    #[serde(default)]
    priority: u32,
    #[serde(rename = "subject")]
    _subject: Value,
    ingress: Option<Value>,
    egress: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawSubject {
    namespaces: Option<Selector>,
    pods: Option<RawPods>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPods {
    #[serde(default)]
    namespace_selector: Selector,
    #[serde(default)]
    pod_selector: Selector,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule {
    #[serde(rename = "name")]
    _name: Option<String>,
    action: String,
    from: Option<Vec<Value>>,
    to: Option<Vec<Value>>,
    protocols: Option<Vec<Value>>,
    ports: Option<Vec<Value>>,
}

impl RawRule {
    /// Its peers and its ports, by the names that they have in this kind.
    fn lists(self, kind: Kind, direction: Direction) -> Option<(Vec<Value>, Option<Vec<Value>>)> {
        let (peers, strange) = match direction {
            Direction::Ingress => (self.from, self.to),
            Direction::Egress => (self.to, self.from),
        };
        let peers = peers.filter(|peers| !peers.is_empty() && strange.is_none())?;
        let ports = match (kind, self.protocols, self.ports) {
            (Kind::ClusterNetworkPolicy, ports, None) => ports,
            (Kind::ClusterNetworkPolicy, _, Some(_)) | (_, Some(_), _) => return None,
            (_, None, ports) => ports,
        };
        ports.as_ref().is_none_or(|ports| !ports.is_empty()).then_some((peers, ports))
    }
}

/// The action in this kind.
fn action(kind: Kind, name: &str) -> Option<Action> {
    match (kind, name) {
        (Kind::ClusterNetworkPolicy, "Accept")
        | (Kind::AdminNetworkPolicy | Kind::BaselineAdminNetworkPolicy, "Allow") => Some(Action::Accept),
        (_, "Deny") => Some(Action::Deny),
        (Kind::ClusterNetworkPolicy | Kind::AdminNetworkPolicy, "Pass") => Some(Action::Pass),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPeer {
    namespaces: Option<Selector>,
    pods: Option<RawPods>,
    nodes: Option<Selector>,
    networks: Option<Vec<String>>,
    domain_names: Option<Value>,
}

/// An item of `protocols`, or of `ports` in the versions before.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPort {
    tcp: Option<RawProtocol>,
    udp: Option<RawProtocol>,
    sctp: Option<RawProtocol>,
    destination_named_port: Option<String>,
    port_number: Option<RawNumber>,
    port_range: Option<RawRange>,
    named_port: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawProtocol {
    destination_port: RawDestination,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawDestination {
    number: Option<u16>,
    range: Option<RawRange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawNumber {
    protocol: Option<String>,
    port: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRange {
    protocol: Option<String>,
    start: u16,
    end: u16,
}

impl ClusterPolicy {
    /// Reads the spec of a policy.
    pub fn read(kind: Kind, spec: Value) -> Self {
        let mut policy = ClusterPolicy {
            is_admin: kind != Kind::BaselineAdminNetworkPolicy,
            priority: 0,
            subject: None,
            ingress: Vec::new(),
            egress: Vec::new(),
            trouble: Vec::new(),
        };
        // Whom it holds for is worth knowing also where the rest is not understood.
        let subject = spec.get("subject").cloned().unwrap_or_default();
        let subject = part::<RawSubject>("spec.subject", subject).and_then(RawSubject::read);
        let raw = part::<RawSpec>("spec", spec);
        policy.subject = subject.map_err(|trouble| policy.trouble.push(trouble)).ok();
        let raw = match raw {
            Ok(raw) => raw,
            Err(trouble) => {
                policy.trouble.push(trouble);
                return policy;
            }
        };
        let RawSpec { tier, priority, _subject: _, ingress, egress } = raw;
        policy.priority = priority;
        match (kind, tier.as_deref()) {
            (Kind::ClusterNetworkPolicy, Some("Admin")) => policy.is_admin = true,
            (Kind::ClusterNetworkPolicy, Some("Baseline")) => policy.is_admin = false,
            (Kind::ClusterNetworkPolicy, tier) => {
                policy.trouble.push(Trouble::new("spec.tier", format!("{} is no tier", tier.unwrap_or("nothing"))));
                return policy;
            }
            (_, None) => {}
            (_, Some(_)) => policy.trouble.push(Trouble::new("spec.tier", "unknown field `tier`")),
        }
        for direction in Direction::BOTH {
            let (list, name) = match direction {
                Direction::Ingress => (ingress.as_ref(), "ingress"),
                Direction::Egress => (egress.as_ref(), "egress"),
            };
            for (index, raw) in items(list) {
                let rule = policy.rule(kind, format!("spec.{name}[{index}]"), raw, direction);
                match direction {
                    Direction::Ingress => policy.ingress.extend(rule),
                    Direction::Egress => policy.egress.extend(rule),
                }
            }
        }
        policy
    }

    /// Networks that it names.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        let peers = self.egress.iter().chain(&self.ingress).flat_map(|rule| &rule.peers);
        peers.filter_map(|peer| match peer {
            ClusterPeer::Network(net) => Some(*net),
            ClusterPeer::Pods(_) | ClusterPeer::Nodes(_) | ClusterPeer::Everybody => None,
        })
    }

    /// It means nodes by their addresses.
    pub fn means_nodes(&self) -> bool {
        let mut peers = self.egress.iter().flat_map(|rule| &rule.peers);
        peers.any(|peer| matches!(peer, ClusterPeer::Nodes(_)))
    }

    /// A rule, as far as it is understood. What is left out of it means less than the rule does, and is noted.
    fn rule(&mut self, kind: Kind, field: String, raw: &Value, direction: Direction) -> Option<ClusterRule> {
        let mut note = |trouble: Trouble| self.trouble.push(trouble);
        let raw = part::<RawRule>(&field, raw.clone()).map_err(&mut note).ok()?;
        let Some(mut action) = action(kind, &raw.action) else {
            note(Trouble::new(format!("{field}.action"), format!("{:?} is no action of this kind", raw.action)));
            return None;
        };
        let Some((all_peers, all_ports)) = raw.lists(kind, direction) else {
            note(Trouble::new(field, "its peers or ports are not those of this kind"));
            return None;
        };
        let (list, ports_list) = match (direction, kind) {
            (Direction::Ingress, Kind::ClusterNetworkPolicy) => ("from", "protocols"),
            (Direction::Egress, Kind::ClusterNetworkPolicy) => ("to", "protocols"),
            (Direction::Ingress, _) => ("from", "ports"),
            (Direction::Egress, _) => ("to", "ports"),
        };
        let mut peers = Vec::new();
        for (index, value) in all_peers.into_iter().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            // As documented: what a plug-in does not know means nobody where the rule accepts, and is denied where it does not.
            if value.as_object().is_some_and(serde_json::Map::is_empty) {
                note(Trouble::new(field, "it says nothing"));
                if action != Action::Accept {
                    action = Action::Deny;
                    peers.push(ClusterPeer::Everybody);
                }
                continue;
            }
            match peer(&field, value, direction) {
                Ok(found) => peers.extend(found),
                Err(trouble) => note(trouble),
            }
        }
        let mut ports = if all_ports.is_none() { NamedPorts::any() } else { NamedPorts::default() };
        for (index, value) in all_ports.into_iter().flatten().enumerate() {
            let field = format!("{field}.{ports_list}[{index}]");
            let added = part::<RawPort>(&field, value).and_then(|raw| add_port(&field, raw, &mut ports));
            added.unwrap_or_else(&mut note);
        }
        (!peers.is_empty() && !ports.is_empty()).then_some(ClusterRule { field, action, peers, ports })
    }
}

impl RawSubject {
    fn read(self) -> Result<Selectors, Trouble> {
        let field = "spec.subject";
        match (self.namespaces, self.pods) {
            (Some(namespaces), None) => selectors(field, &namespaces, None),
            (None, Some(pods)) => selectors(field, &pods.namespace_selector, Some(&pods.pod_selector)),
            (None, None) | (Some(_), Some(_)) => Err(Trouble::new(field, "it is not one of namespaces and pods")),
        }
    }
}

fn peer(field: &str, value: Value, direction: Direction) -> Result<Vec<ClusterPeer>, Trouble> {
    let raw = part::<RawPeer>(field, value)?;
    Ok(match (raw, direction) {
        (RawPeer { namespaces: Some(namespaces), pods: None, nodes: None, networks: None, domain_names: None }, _) => {
            vec![ClusterPeer::Pods(selectors(field, &namespaces, None)?)]
        }
        (RawPeer { namespaces: None, pods: Some(pods), nodes: None, networks: None, domain_names: None }, _) => {
            vec![ClusterPeer::Pods(selectors(field, &pods.namespace_selector, Some(&pods.pod_selector))?)]
        }
        (
            RawPeer { namespaces: None, pods: None, nodes: Some(nodes), networks: None, domain_names: None },
            Direction::Egress,
        ) => vec![ClusterPeer::Nodes(terms(field, &nodes.0)?)],
        (
            RawPeer { namespaces: None, pods: None, nodes: None, networks: Some(networks), domain_names: None },
            Direction::Egress,
        ) => {
            let networks = networks.iter().map(|text| Ok(ClusterPeer::Network(network(field, text)?)));
            networks.collect::<Result<_, Trouble>>()?
        }
        (RawPeer { domain_names: Some(_), .. }, _) => {
            return Err(Trouble::new(field, "which addresses domainNames mean is not known"));
        }
        _ => return Err(Trouble::new(field, "it is not one kind of peer")),
    })
}

fn add_port(field: &str, raw: RawPort, ports: &mut NamedPorts) -> Result<(), Trouble> {
    let protocol = |name: Option<&str>| {
        Protocol::read(name).ok_or_else(|| Trouble::new(field, format!("{name:?} is no protocol of ours")))
    };
    let by_protocol = [(Protocol::TCP, raw.tcp), (Protocol::UDP, raw.udp), (Protocol::SCTP, raw.sctp)];
    let mut found = 0;
    for (protocol, destination) in by_protocol {
        let Some(RawProtocol { destination_port }) = destination else { continue };
        found += 1;
        match destination_port {
            RawDestination { number: Some(number), range: None } => ports.numbers.add(protocol, number..=number),
            RawDestination { number: None, range: Some(range) } => add_range(field, protocol, &range, ports)?,
            RawDestination { .. } => return Err(Trouble::new(field, "it is not one of number and range")),
        }
    }
    if let Some(RawNumber { protocol: name, port }) = raw.port_number {
        found += 1;
        ports.numbers.add(protocol(name.as_deref())?, port..=port);
    }
    if let Some(range) = raw.port_range {
        found += 1;
        add_range(field, protocol(range.protocol.as_deref())?, &range, ports)?;
    }
    for name in [raw.destination_named_port, raw.named_port].into_iter().flatten() {
        found += 1;
        ports.add_name(&name);
    }
    if found == 1 { Ok(()) } else { Err(Trouble::new(field, "it is not one kind of port")) }
}

fn add_range(field: &str, protocol: Protocol, range: &RawRange, ports: &mut NamedPorts) -> Result<(), Trouble> {
    if range.start > range.end {
        return Err(Trouble::new(field, "its range ends before it begins"));
    }
    ports.numbers.add(protocol, range.start..=range.end);
    Ok(())
}
