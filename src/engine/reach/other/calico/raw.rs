//! Calico's policies as they are written.

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::read::{NamedPorts, Trouble, items, network, part},
    CalicoPeer, CalicoPolicy, CalicoRule, DEFAULT, Endpoints, Expr, Scope, Tier,
    parser::parse,
};
use crate::{
    api::Protocol,
    engine::reach::{Action, Direction},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawSpec {
    tier: Option<String>,
    order: Option<f64>,
    ingress: Option<Value>,
    egress: Option<Value>,
    #[serde(rename = "selector")]
    _selector: Option<Value>,
    #[serde(rename = "namespaceSelector")]
    _namespace_selector: Option<Value>,
    types: Option<Vec<String>>,
    #[serde(default)]
    do_not_track: bool,
    #[serde(default, rename = "preDNAT")]
    pre_dnat: bool,
    #[serde(default)]
    apply_on_forward: bool,
    #[serde(default)]
    service_account_selector: String,
    #[serde(rename = "performanceHints")]
    _performance_hints: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule {
    action: String,
    ip_version: Option<u8>,
    protocol: Option<Value>,
    icmp: Option<Value>,
    not_protocol: Option<Value>,
    #[serde(rename = "notICMP")]
    not_icmp: Option<Value>,
    #[serde(default)]
    source: RawEntity,
    #[serde(default)]
    destination: RawEntity,
    http: Option<Value>,
    #[serde(rename = "metadata")]
    _metadata: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawEntity {
    nets: Option<Vec<String>>,
    #[serde(default)]
    selector: String,
    #[serde(default)]
    namespace_selector: String,
    services: Option<Value>,
    #[serde(default)]
    ports: Vec<Value>,
    #[serde(default)]
    not_nets: Vec<String>,
    #[serde(default)]
    not_selector: String,
    #[serde(default)]
    not_ports: Vec<Value>,
    service_accounts: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawTier {
    order: Option<f64>,
    default_action: Option<String>,
}

pub(super) fn tier(spec: Value) -> Tier {
    let spec = if spec.is_null() { Value::Object(serde_json::Map::default()) } else { spec };
    let mut tier = Tier { order: None, passes: false, trouble: Vec::new() };
    match part::<RawTier>("spec", spec) {
        Ok(RawTier { order, default_action }) => {
            tier.order = order;
            match default_action.as_deref() {
                None | Some("Deny") => {}
                Some("Pass") => tier.passes = true,
                Some(other) => {
                    tier.trouble.push(Trouble::new("spec.defaultAction", format!("{other:?} is no action")));
                }
            }
        }
        Err(trouble) => tier.trouble.push(trouble),
    }
    tier
}

/// Reads the spec of a policy.
pub(super) fn policy(namespace: Option<&str>, spec: Value) -> CalicoPolicy {
    let mut policy = CalicoPolicy {
        namespace: namespace.map(Box::from),
        tier: DEFAULT.into(),
        order: None,
        subject: None,
        ingress: None,
        egress: None,
        trouble: Vec::new(),
    };
    // Whom it holds for is worth knowing also where the rest is not understood.
    let text = |name: &str| spec.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let subject = endpoints("spec", namespace, &text("namespaceSelector"), &text("selector"));
    policy.subject = subject.map_err(|trouble| policy.trouble.push(trouble)).ok();
    let raw = match part::<RawSpec>("spec", spec) {
        Ok(raw) => raw,
        Err(trouble) => {
            policy.trouble.push(trouble);
            return policy;
        }
    };
    policy.tier = raw.tier.filter(|tier| !tier.is_empty()).unwrap_or_else(|| DEFAULT.to_string()).into();
    policy.order = raw.order;
    let strange = [
        ("doNotTrack", raw.do_not_track, "rules before connection tracking are not read"),
        ("preDNAT", raw.pre_dnat, "rules before translation are not read"),
        ("applyOnForward", raw.apply_on_forward, "rules for forwarded traffic are not read"),
        ("serviceAccountSelector", !raw.service_account_selector.is_empty(), "service accounts are not read"),
    ];
    let strange = strange.into_iter().filter(|(_, there, _)| *there);
    let strange: Vec<_> = strange.map(|(name, _, why)| Trouble::new(format!("spec.{name}"), why)).collect();
    if !strange.is_empty() {
        policy.trouble.extend(strange);
        return policy;
    }
    let has = |list: &Option<Value>| items(list.as_ref()).next().is_some();
    let says = |direction: Direction| match (raw.types.as_deref().unwrap_or_default(), direction) {
        ([], Direction::Ingress) => has(&raw.ingress) || !has(&raw.egress),
        ([], Direction::Egress) => has(&raw.egress),
        (types, Direction::Ingress) => types.iter().any(|kind| kind == "Ingress"),
        (types, Direction::Egress) => types.iter().any(|kind| kind == "Egress"),
    };
    for direction in Direction::BOTH.into_iter().filter(|direction| says(*direction)) {
        let (list, name) = match direction {
            Direction::Ingress => (raw.ingress.as_ref(), "ingress"),
            Direction::Egress => (raw.egress.as_ref(), "egress"),
        };
        let mut rules = Vec::new();
        for (index, value) in items(list) {
            match rule(format!("spec.{name}[{index}]"), namespace, value.clone(), direction) {
                Ok(rule) => rules.extend(rule),
                Err(trouble) => policy.trouble.push(trouble),
            }
        }
        match direction {
            Direction::Ingress => policy.ingress = Some(rules),
            Direction::Egress => policy.egress = Some(rules),
        }
    }
    policy
}

/// A rule; `None` for one that means nothing that a flow could mean.
fn rule(
    field: String,
    namespace: Option<&str>,
    value: Value,
    direction: Direction,
) -> Result<Option<CalicoRule>, Trouble> {
    let raw = part::<RawRule>(&field, value)?;
    let action = match raw.action.as_str() {
        "Allow" => Action::Accept,
        "Deny" => Action::Deny,
        "Pass" => Action::Pass,
        "Log" => return Ok(None),
        other => return Err(Trouble::new(format!("{field}.action"), format!("{other:?} is no action"))),
    };
    let trouble = |name: &str, why: &str| Err(Trouble::new(format!("{field}.{name}"), why));
    let protocol = match raw.protocol.as_ref().map(protocol) {
        None => None,
        Some(Some(protocol)) => Some(protocol),
        Some(None) if action == Action::Accept => return trouble("protocol", "it is not judged"),
        Some(None) => return Ok(None),
    };
    let strange = [
        ("icmp", raw.icmp.is_some(), "ICMP is not judged"),
        ("notICMP", raw.not_icmp.is_some(), "ICMP is not judged"),
        ("notProtocol", raw.not_protocol.is_some(), "it is not read"),
        ("http", raw.http.is_some(), "what is said of HTTP is not read"),
    ];
    if let Some((name, _, why)) = strange.into_iter().find(|(_, there, _)| *there) {
        return trouble(name, why);
    }
    let (own, other, own_name, other_name) = match direction {
        Direction::Ingress => (&raw.destination, &raw.source, "destination", "source"),
        Direction::Egress => (&raw.source, &raw.destination, "source", "destination"),
    };
    for (entity, name) in [(own, own_name), (other, other_name)] {
        if entity.services.is_some() || entity.service_accounts.is_some() {
            return trouble(name, "Services and service accounts are not read");
        }
    }
    let source_ports = !raw.source.ports.is_empty() || !raw.source.not_ports.is_empty();
    let says_own = own.nets.is_some() || !own.not_nets.is_empty();
    let selects_own =
        [&own.selector, &own.namespace_selector, &own.not_selector].into_iter().any(|text| !text.is_empty());
    if source_ports {
        return trouble("source", "ports of the end that opens the connection are not read");
    }
    if says_own || selects_own {
        return trouble(own_name, "what it says of the policy's own end is not read");
    }
    let ports = ports(&field, protocol, &raw.destination)?;
    let peer = peer(&format!("{field}.{other_name}"), namespace, other, raw.ip_version)?;
    Ok((!ports.is_empty()).then_some(CalicoRule { field, action, peer, ports }))
}

/// One of the protocols that have ports; `None` for any other.
fn protocol(value: &Value) -> Option<Protocol> {
    match (value.as_u64(), value.as_str().map(str::to_uppercase).as_deref()) {
        (Some(6), _) | (_, Some("TCP" | "6")) => Some(Protocol::TCP),
        (Some(17), _) | (_, Some("UDP" | "17")) => Some(Protocol::UDP),
        (Some(132), _) | (_, Some("SCTP" | "132")) => Some(Protocol::SCTP),
        _ => None,
    }
}

fn ports(field: &str, protocol: Option<Protocol>, entity: &RawEntity) -> Result<NamedPorts, Trouble> {
    let protocols = protocol.map_or_else(|| Protocol::ALL.to_vec(), |protocol| vec![protocol]);
    let mut ports = NamedPorts { any: entity.ports.is_empty() && protocol.is_none(), ..NamedPorts::default() };
    let field = format!("{field}.destination.ports");
    match entity.ports.as_slice() {
        [] => protocols.iter().for_each(|protocol| ports.numbers.add(*protocol, 0..=u16::MAX)),
        list => list.iter().try_for_each(|value| add_port(&field, value, protocol, &mut ports))?,
    }
    let mut cut = NamedPorts::default();
    for value in &entity.not_ports {
        add_port(&field, value, protocol, &mut cut)?;
    }
    if !cut.named.is_empty() || !cut.is_empty() && !ports.named.is_empty() {
        return Err(Trouble::new(field, "names in notPorts, or beside them, are not read"));
    }
    ports.numbers = ports.numbers.minus(&cut.numbers);
    ports.any = ports.any && cut.is_empty();
    Ok(ports)
}

fn add_port(field: &str, value: &Value, protocol: Option<Protocol>, ports: &mut NamedPorts) -> Result<(), Trouble> {
    let Some(protocol) = protocol else { return Err(Trouble::new(field, "ports without a protocol")) };
    let text = value.as_u64().map(|number| number.to_string()).or_else(|| value.as_str().map(str::to_string));
    let Some(text) = text else { return Err(Trouble::new(field, "it is no port")) };
    let number = |text: &str| text.parse::<u16>().ok();
    if let Some(number) = number(&text) {
        ports.numbers.add(protocol, number..=number);
    } else if let Some((first, last)) = text.split_once(':') {
        let range = number(first).zip(number(last)).filter(|(first, last)| first <= last);
        let (first, last) = range.ok_or_else(|| Trouble::new(field, format!("{text:?} is no range")))?;
        ports.numbers.add(protocol, first..=last);
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Trouble::new(field, format!("{text:?} is no port")));
    } else {
        ports.named.push((protocol, text.as_str().into()));
    }
    Ok(())
}

fn peer(field: &str, namespace: Option<&str>, entity: &RawEntity, family: Option<u8>) -> Result<CalicoPeer, Trouble> {
    let nets = |list: &[String]| list.iter().map(|net| network(field, net)).collect::<Result<Vec<_>, Trouble>>();
    let selects = !entity.selector.is_empty() || !entity.namespace_selector.is_empty();
    // A selector that means the other end by what it is not keeps it in the policy's namespace too.
    let is_bound = selects || !entity.not_selector.is_empty() && namespace.is_some();
    let chosen = is_bound.then(|| endpoints(field, namespace, &entity.namespace_selector, &entity.selector));
    let not = (!entity.not_selector.is_empty()).then(|| expr(field, &entity.not_selector, PODS));
    if family.is_some_and(|family| ![4, 6].contains(&family)) {
        return Err(Trouble::new(field, "the version of its addresses is neither 4 nor 6"));
    }
    Ok(CalicoPeer {
        family,
        nets: entity.nets.as_deref().filter(|list| !list.is_empty()).map(nets).transpose()?,
        not_nets: nets(&entity.not_nets)?,
        endpoints: chosen.transpose()?,
        not: not.transpose()?,
    })
}

fn endpoints(field: &str, namespace: Option<&str>, namespaces: &str, pods: &str) -> Result<Endpoints, Trouble> {
    let scope = match (namespaces, namespace) {
        ("", None) => Scope::Any,
        ("", Some(name)) => Scope::One(name.into()),
        (text, _) => Scope::Chosen(expr(field, text, NAMESPACES)?),
    };
    Ok(Endpoints { scope, expr: expr(field, pods, PODS)? })
}

/// What labels a selector may read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Of {
    namespaces: bool,
}

const PODS: Of = Of { namespaces: false };
const NAMESPACES: Of = Of { namespaces: true };

fn expr(field: &str, text: &str, of: Of) -> Result<Expr, Trouble> {
    let expr = parse(text).map_err(|why| Trouble::new(field, why))?;
    let is_strange = |key: &&str| {
        let is_known = ["projectcalico.org/namespace", "projectcalico.org/orchestrator"].contains(key);
        let is_derived = key.starts_with("pcns.") || key.starts_with("pcsa.");
        let is_reserved = key.starts_with("projectcalico.org/") && !is_known;
        !of.namespaces && (is_derived || is_reserved) || of.namespaces && is_known
    };
    if let Some(key) = expr.keys().into_iter().find(is_strange) {
        return Err(Trouble::new(field, format!("label {key:?} of Calico itself is not read")));
    }
    if expr.has_global() && !of.namespaces {
        return Err(Trouble::new(field, "global() in a selector of pods"));
    }
    Ok(expr)
}
