//! Cilium's policies as they are written.

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::read::{NamedPorts, Selector, Trouble, network, part},
    CiliumEntry, CiliumPeer, CiliumRule, CiliumSide, CiliumSubject, Entity,
    selector::{self, Place},
};
use crate::{api::Protocol, engine::reach::Direction};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule {
    endpoint_selector: Option<Selector>,
    node_selector: Option<Value>,
    ingress: Option<Vec<Value>>,
    ingress_deny: Option<Vec<Value>>,
    egress: Option<Vec<Value>>,
    egress_deny: Option<Vec<Value>>,
    enable_default_deny: Option<RawDefaultDeny>,
    #[serde(rename = "labels")]
    _labels: Option<Value>,
    #[serde(rename = "description")]
    _description: Option<Value>,
    #[serde(rename = "log")]
    _log: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefaultDeny {
    ingress: Option<bool>,
    egress: Option<bool>,
}

/// An entry of any of the four lists. What is there but empty means nobody.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawEntry {
    #[serde(alias = "toEndpoints")]
    from_endpoints: Option<Vec<Selector>>,
    #[serde(rename = "fromCIDR", alias = "toCIDR")]
    cidr: Option<Vec<String>>,
    #[serde(rename = "fromCIDRSet", alias = "toCIDRSet")]
    cidr_set: Option<Vec<RawBlock>>,
    #[serde(alias = "toEntities")]
    from_entities: Option<Vec<String>>,
    #[serde(alias = "toNodes")]
    from_nodes: Option<Value>,
    #[serde(alias = "toGroups")]
    from_groups: Option<Value>,
    #[serde(alias = "toRequires")]
    from_requires: Option<Value>,
    to_services: Option<Value>,
    #[serde(rename = "toFQDNs")]
    names: Option<Value>,
    to_ports: Option<Vec<RawPorts>>,
    icmps: Option<Value>,
    // It narrows further.
    #[serde(rename = "authentication")]
    _authentication: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawBlock {
    cidr: Option<String>,
    #[serde(default)]
    except: Vec<String>,
    cidr_group_ref: Option<Value>,
    cidr_group_selector: Option<Value>,
}

/// What narrows ports further is passed over: connections to them can be opened.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPorts {
    ports: Option<Vec<RawPort>>,
    listener: Option<Value>,
    #[serde(rename = "terminatingTLS")]
    _terminating: Option<Value>,
    #[serde(rename = "originatingTLS")]
    _originating: Option<Value>,
    #[serde(rename = "serverNames")]
    _server_names: Option<Value>,
    #[serde(rename = "rules")]
    _rules: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPort {
    #[serde(default)]
    port: String,
    end_port: Option<u16>,
    protocol: Option<String>,
}

/// Reads one rule of a policy.
pub(super) fn rule(field: &str, namespace: Option<&str>, value: Value) -> CiliumRule {
    let (ingress, egress) = (CiliumSide::default(), CiliumSide::default());
    let mut rule = CiliumRule { subject: CiliumSubject::Unknown, ingress, egress, trouble: Vec::new() };
    // Whom it holds for is worth knowing also where the rest is not understood.
    let endpoints = value.get("endpointSelector").filter(|selector| !selector.is_null()).cloned();
    let subject_field = format!("{field}.endpointSelector");
    match endpoints.map(|selector| part::<Selector>(&subject_field, selector)) {
        Some(Ok(selector)) => match selector::read(&subject_field, &selector.0, Place::Subject(namespace)) {
            Ok(subject) => rule.subject = CiliumSubject::Pods(subject),
            Err(trouble) => rule.trouble.push(trouble),
        },
        Some(Err(trouble)) => rule.trouble.push(trouble),
        None if value.get("nodeSelector").is_some_and(|selector| !selector.is_null()) => {
            rule.subject = CiliumSubject::Nodes;
            rule.trouble.push(Trouble::new(format!("{field}.nodeSelector"), "policies for nodes are not judged"));
            return rule;
        }
        None => rule.trouble.push(Trouble::new(subject_field, "there is none")),
    }
    let raw = match part::<RawRule>(field, value) {
        Ok(raw) => raw,
        Err(trouble) => {
            rule.trouble.push(trouble);
            return rule;
        }
    };
    if raw.node_selector.is_some() && raw.endpoint_selector.is_some() {
        rule.trouble.push(Trouble::new(format!("{field}.nodeSelector"), "Cilium takes no rule with both selectors"));
    }
    let default = raw.enable_default_deny.unwrap_or(RawDefaultDeny { ingress: None, egress: None });
    let sides = [
        (Direction::Ingress, "ingress", raw.ingress, raw.ingress_deny, default.ingress),
        (Direction::Egress, "egress", raw.egress, raw.egress_deny, default.egress),
    ];
    for (direction, name, allows, denies, isolates) in sides {
        let (allows, denies) = (allows.unwrap_or_default(), denies.unwrap_or_default());
        let says = !allows.is_empty() || !denies.is_empty();
        let mut side = CiliumSide { says, isolates: says && isolates.unwrap_or(true), ..CiliumSide::default() };
        for (entries, list, is_allow) in [(allows, name.to_string(), true), (denies, format!("{name}Deny"), false)] {
            for (index, value) in entries.into_iter().enumerate() {
                let field = format!("{field}.{list}[{index}]");
                let reading = Reading { field, namespace, direction, is_allow, trouble: &mut rule.trouble };
                let entry = reading.entry(value);
                if is_allow { side.allows.extend(entry) } else { side.denies.extend(entry) }
            }
        }
        match direction {
            Direction::Ingress => rule.ingress = side,
            Direction::Egress => rule.egress = side,
        }
    }
    rule
}

/// An entry that is being read.
struct Reading<'a> {
    field: String,
    namespace: Option<&'a str>,
    direction: Direction,
    is_allow: bool,
    trouble: &'a mut Vec<Trouble>,
}

impl Reading<'_> {
    fn note(&mut self, name: &str, why: &str) {
        let name = if self.direction == Direction::Egress { name.replacen("from", "to", 1) } else { name.to_string() };
        self.trouble.push(Trouble::new(format!("{}.{name}", self.field), why));
    }

    /// The entry, as far as it is understood. What is left out of it is noted.
    fn entry(mut self, value: Value) -> Option<CiliumEntry> {
        let raw = match part::<RawEntry>(&self.field, value) {
            Ok(raw) => raw,
            Err(trouble) => {
                self.trouble.push(trouble);
                return None;
            }
        };
        let strange = [
            ("fromNodes", raw.from_nodes.is_some(), "whether nodes may be selected depends on an option"),
            ("fromGroups", raw.from_groups.is_some(), "which addresses groups mean is not known"),
            ("fromRequires", raw.from_requires.is_some(), "it changes the meaning of other rules"),
            ("toServices", raw.to_services.is_some(), "Services as peers are not read"),
            ("toFQDNs", raw.names.is_some(), "which addresses names mean is not known"),
        ];
        let mut is_strange = false;
        for (name, _, why) in strange.into_iter().filter(|(_, there, _)| *there) {
            is_strange = true;
            self.note(name, why);
        }
        if is_strange {
            return None;
        }
        if raw.icmps.is_some() {
            // It denies nothing that a flow could allow.
            if self.is_allow {
                self.note("icmps", "ICMP is not judged");
            }
            return None;
        }
        let said = [
            raw.from_endpoints.as_ref().map(Vec::len),
            raw.cidr.as_ref().map(Vec::len),
            raw.cidr_set.as_ref().map(Vec::len),
            raw.from_entities.as_ref().map(Vec::len),
        ];
        if said.iter().flatten().filter(|length| **length > 0).count() > 1 {
            self.trouble.push(Trouble::new(&self.field, "Cilium takes no rule with several kinds of peers"));
            return None;
        }
        if said.iter().flatten().any(|length| *length == 0) {
            return None;
        }
        let is_unsaid = said.iter().all(Option::is_none);
        let has_ports = raw.to_ports.as_ref().is_some_and(|ports| !ports.is_empty());
        // Without peers and without ports it means nothing; it only has the rest denied.
        let peers = match (is_unsaid, has_ports) {
            (true, false) => return None,
            (true, true) => vec![CiliumPeer::Entity(Entity::All)],
            (false, _) => self.peers(raw.from_endpoints, raw.cidr, raw.cidr_set, raw.from_entities),
        };
        let ports = match raw.to_ports.filter(|_| has_ports) {
            None => NamedPorts::any(),
            Some(ports) => self.ports(ports),
        };
        (!peers.is_empty() && !ports.is_empty()).then_some(CiliumEntry { field: self.field, peers, ports })
    }

    fn peers(
        &mut self,
        endpoints: Option<Vec<Selector>>,
        cidr: Option<Vec<String>>,
        cidr_set: Option<Vec<RawBlock>>,
        entities: Option<Vec<String>>,
    ) -> Vec<CiliumPeer> {
        let mut peers = Vec::new();
        for selector in endpoints.into_iter().flatten() {
            match selector::read(&self.field, &selector.0, Place::Peer(self.namespace)) {
                Ok(selectors) => peers.push(CiliumPeer::Pods(selectors)),
                Err(trouble) => self.trouble.push(trouble),
            }
        }
        let blocks = cidr.into_iter().flatten().map(|cidr| RawBlock {
            cidr: Some(cidr),
            except: Vec::new(),
            cidr_group_ref: None,
            cidr_group_selector: None,
        });
        for block in blocks.chain(cidr_set.into_iter().flatten()) {
            match self.block(&block) {
                Ok(block) => peers.push(block),
                Err(trouble) => self.trouble.push(trouble),
            }
        }
        for name in entities.into_iter().flatten() {
            match name.as_str() {
                "all" => peers.push(CiliumPeer::Entity(Entity::All)),
                "world" => peers.push(CiliumPeer::Entity(Entity::World)),
                "world-ipv4" => peers.push(CiliumPeer::Entity(Entity::WorldV4)),
                "world-ipv6" => peers.push(CiliumPeer::Entity(Entity::WorldV6)),
                "cluster" => peers.push(CiliumPeer::Entity(Entity::Cluster)),
                "remote-node" => peers.push(CiliumPeer::Entity(Entity::Nodes)),
                "kube-apiserver" => peers.push(CiliumPeer::Entity(Entity::ApiServer)),
                // Traffic between a pod and its own node is always open.
                "host" if self.is_allow => {}
                "none" => {}
                other => self.note("fromEntities", &format!("whom the entity {other:?} means is not known")),
            }
        }
        peers
    }

    fn block(&self, block: &RawBlock) -> Result<CiliumPeer, Trouble> {
        if block.cidr_group_ref.is_some() || block.cidr_group_selector.is_some() {
            return Err(Trouble::new(&self.field, "CiliumCIDRGroups are not read"));
        }
        let Some(cidr) = &block.cidr else { return Err(Trouble::new(&self.field, "a block without a network")) };
        let except = block.except.iter().map(|cidr| network(&self.field, cidr));
        Ok(CiliumPeer::Block(network(&self.field, cidr)?, except.collect::<Result<_, Trouble>>()?))
    }

    fn ports(&mut self, lists: Vec<RawPorts>) -> NamedPorts {
        let mut ports = NamedPorts::default();
        for list in lists {
            if list.listener.is_some() {
                self.note("toPorts", "what a listener lets through is not known");
            }
            for port in list.ports.into_iter().flatten() {
                if let Err(why) = self.add_port(&port, &mut ports) {
                    self.note("toPorts", &why);
                }
            }
        }
        ports
    }

    fn add_port(&self, raw: &RawPort, ports: &mut NamedPorts) -> Result<(), String> {
        let name = raw.protocol.as_deref().unwrap_or_default().to_uppercase();
        let protocols = match name.as_str() {
            "" | "ANY" => Protocol::ALL.to_vec(),
            name => match Protocol::read(Some(name)) {
                Some(protocol) => vec![protocol],
                None if self.is_allow => return Err(format!("protocol {name} is not judged")),
                None => return Ok(()),
            },
        };
        let is_number = raw.port.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && !raw.port.is_empty() {
            let is_plain = raw.port == "0" || !raw.port.starts_with('0');
            let first = raw.port.parse::<u16>().ok().filter(|_| is_plain);
            let first = first.ok_or_else(|| format!("{:?} is no port", raw.port))?;
            let last = match (first, raw.end_port.unwrap_or_default()) {
                (0, 0) => u16::MAX,
                (first, 0) => first,
                (first, last) if first > 0 && last >= first => last,
                (first, last) => return Err(format!("{first} to {last} is no range")),
            };
            for protocol in protocols {
                ports.numbers.add(protocol, first..=last);
            }
            return Ok(());
        }
        if raw.port.is_empty() {
            return Err("a port without a number".to_string());
        }
        // At the other end Cilium takes the number that any pod of the cluster has for the name.
        if self.direction == Direction::Egress {
            return Err(format!("which ports the name {:?} means is not known", raw.port));
        }
        let name = raw.port.to_lowercase();
        ports.named.extend(protocols.into_iter().map(|protocol| (protocol, name.as_str().into())));
        Ok(())
    }
}
