//! A policy in the form in which it decides: whom it holds for, and which traffic its rules mean.

use std::{collections::HashMap, sync::Arc};

use ipnet::IpNet;
use k8s_openapi::{
    api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{
    labels::Terms,
    population::{Class, Population},
    sets::{Classes, Peers, Ports, Traffic, first},
    words,
};
use crate::{
    api::{Protocol, names},
    engine::policy::Policy,
};

/// Which way a connection is opened, seen from the pod that a policy holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// By others, to the pod.
    Ingress,
    /// By the pod, to others.
    Egress,
}

impl Direction {
    /// Both.
    pub const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

    /// The field of a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        }
    }
}

/// What a rule does with the traffic that it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is allowed, and nothing after it is asked.
    Accept,
    /// It is denied, and nothing after it is asked.
    Deny,
    /// The next stage decides.
    Pass,
}

/// Who wrote a policy for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A NetworkPolicy.
    NetworkPolicy,
    /// A policy of the tier Admin.
    Admin,
    /// A policy of the tier Baseline.
    Baseline,
    /// A policy of a network plug-in's own kind.
    Plugin,
}

/// A policy of any kind.
#[derive(Debug)]
pub struct Compiled {
    /// `Kind/namespace/name` or `Kind/name`.
    pub name: Arc<str>,
    /// Of which sort it is.
    pub origin: Origin,
    /// Its place in its stage. Those of one rank are asked together, and what one of them allows is allowed.
    pub rank: usize,
    /// Classes that it holds for.
    pub subject: Classes,
    /// What it says about connections to the pod.
    pub ingress: Option<Saying>,
    /// What it says about connections of the pod.
    pub egress: Option<Saying>,
}

/// What a policy says about one direction.
#[derive(Debug)]
pub struct Saying {
    /// Its rules.
    pub rules: Vec<Rule>,
    /// What no policy asked together with it decides is denied.
    pub isolates: bool,
}

impl Compiled {
    /// What it says about a direction, if anything.
    pub fn says(&self, direction: Direction) -> Option<&Saying> {
        match direction {
            Direction::Ingress => self.ingress.as_ref(),
            Direction::Egress => self.egress.as_ref(),
        }
    }

    /// Its rules; `None` when it says nothing about this direction.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        self.says(direction).map(|saying| saying.rules.as_slice())
    }

    /// What no policy asked together with it decides is denied.
    pub fn isolates(&self, direction: Direction) -> bool {
        self.says(direction).is_some_and(|saying| saying.isolates)
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Where it stands in its policy.
    pub field: String,
    /// What it does.
    pub action: Action,
    /// Who is at the other end.
    pub peers: Arc<Peers>,
    /// Ports by number.
    pub numbers: Ports,
    /// Ports by name: each pod that accepts has its own number for it.
    pub named: Vec<(Protocol, Box<str>)>,
    /// It names no ports, and so means all.
    pub any_port: bool,
    /// The pods that it means, whether there are such or not.
    pub selectors: Vec<Selectors>,
}

/// Pods by labels of their namespace and of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selectors {
    /// Of the namespace.
    pub namespaces: Terms,
    /// Of the pod.
    pub pods: Terms,
}

impl Rule {
    /// The traffic that it means for pods of a class.
    pub fn traffic(&self, direction: Direction, class: &Class, population: &Population) -> Vec<Traffic> {
        let peers = || Peers::clone(&self.peers);
        let mut all = Vec::new();
        match direction {
            Direction::Ingress => {
                let mut ports = self.numbers.clone();
                let declared = class.ports.iter().filter(|port| self.means(port.protocol, port.name.as_deref()));
                declared.for_each(|port| ports.add(port.protocol, port.number..=port.number));
                all.push(Traffic { peers: peers(), ports });
            }
            Direction::Egress => {
                all.push(Traffic { peers: peers(), ports: self.numbers.clone() });
                for (protocol, name) in &self.named {
                    for (number, classes) in population.named(*protocol, name) {
                        let peers = self.peers.and(&Peers::of_pods(classes));
                        let mut ports = Ports::default();
                        ports.add(*protocol, number..=number);
                        all.push(Traffic { peers, ports });
                    }
                }
            }
        }
        all.retain(|traffic| !traffic.is_empty());
        all
    }

    /// Its ports in words, those by name by their name.
    pub fn port_words(&self) -> String {
        let named = self.named.iter().map(|(protocol, name)| format!("{} {name}", protocol.as_str()));
        let numbers = (!self.numbers.is_empty()).then(|| words::ports(&self.numbers));
        numbers.into_iter().chain(named).collect::<Vec<_>>().join(" and ")
    }

    /// A port of this name is meant.
    pub fn means(&self, protocol: Protocol, name: Option<&str>) -> bool {
        self.named.iter().any(|(named, wanted)| *named == protocol && Some(&**wanted) == name)
    }
}

/// Compiles policies; what many of them name is looked up once.
pub struct Compiler<'p, 'a> {
    population: &'p Population<'a>,
    everybody: Arc<Peers>,
    peers: HashMap<Vec<PeerKey>, Arc<Peers>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PeerKey {
    Pods(Selectors),
    Block(IpNet, Vec<IpNet>),
}

impl<'p, 'a> Compiler<'p, 'a> {
    /// A compiler for policies about these pods.
    pub fn new(population: &'p Population<'a>) -> Self {
        Compiler { population, everybody: Arc::new(population.everybody()), peers: HashMap::new() }
    }

    /// The pods.
    pub fn population(&self) -> &'p Population<'a> {
        self.population
    }

    /// Everybody.
    pub fn everybody(&self) -> Arc<Peers> {
        Arc::clone(&self.everybody)
    }

    /// Some pods, as peers.
    pub fn pods(&mut self, selectors: &Selectors) -> Arc<Peers> {
        self.peers(vec![PeerKey::Pods(selectors.clone())])
    }

    /// Compiles a NetworkPolicy. What no API server takes means nobody.
    pub fn network_policy(&mut self, policy: &Policy) -> Compiled {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (namespace, name) = (text(&policy.metadata.namespace), text(&policy.metadata.name));
        let spec = policy.spec.as_deref().cloned().unwrap_or_default();
        let subject = self.subject(&namespace, spec.pod_selector.as_ref());
        let says = |direction| policy.spec.is_some() && says(&spec, direction);
        let ingress = says(Direction::Ingress).then(|| {
            let rules = spec.ingress.iter().flatten().enumerate();
            let rule = |(index, rule): (usize, &k8s_openapi::api::networking::v1::NetworkPolicyIngressRule)| {
                self.rule(format!("ingress[{index}]"), &namespace, rule.from.as_deref(), rule.ports.as_deref())
            };
            Saying { rules: rules.map(rule).collect(), isolates: true }
        });
        let egress = says(Direction::Egress).then(|| {
            let rules = spec.egress.iter().flatten().enumerate();
            let rule = |(index, rule): (usize, &k8s_openapi::api::networking::v1::NetworkPolicyEgressRule)| {
                self.rule(format!("egress[{index}]"), &namespace, rule.to.as_deref(), rule.ports.as_deref())
            };
            Saying { rules: rules.map(rule).collect(), isolates: true }
        });
        let name = format!("NetworkPolicy/{namespace}/{name}").into();
        Compiled { name, origin: Origin::NetworkPolicy, rank: 0, subject, ingress, egress }
    }

    fn subject(&self, namespace: &str, selector: Option<&LabelSelector>) -> Classes {
        let Some(terms) = read(selector) else { return first(0) };
        self.population.select(Some(&Terms::label(names::NAMESPACE_NAME, namespace)), &terms)
    }

    fn rule(
        &mut self,
        field: String,
        namespace: &str,
        peers: Option<&[NetworkPolicyPeer]>,
        ports: Option<&[NetworkPolicyPort]>,
    ) -> Rule {
        let keys = peers.filter(|peers| !peers.is_empty());
        let keys: Option<Vec<PeerKey>> =
            keys.map(|peers| peers.iter().filter_map(|peer| key(namespace, peer)).collect());
        let selectors = keys.iter().flatten().filter_map(|key| match key {
            PeerKey::Pods(selectors) => Some(selectors.clone()),
            PeerKey::Block(..) => None,
        });
        let selectors = selectors.collect();
        let peers = match keys {
            None => Arc::clone(&self.everybody),
            Some(keys) => self.peers(keys),
        };
        let ports = ports.filter(|ports| !ports.is_empty());
        let (mut numbers, mut named) = (Ports::default(), Vec::new());
        for port in ports.into_iter().flatten() {
            add_port(port, &mut numbers, &mut named);
        }
        if ports.is_none() {
            numbers = Ports::all();
        }
        let any_port = ports.is_none();
        Rule { field, action: Action::Accept, peers, numbers, named, any_port, selectors }
    }

    fn peers(&mut self, keys: Vec<PeerKey>) -> Arc<Peers> {
        if let Some(peers) = self.peers.get(&keys) {
            return Arc::clone(peers);
        }
        let one = |key: &PeerKey| match key {
            PeerKey::Pods(Selectors { namespaces, pods }) => self.population.peers(Some(namespaces), pods),
            PeerKey::Block(cidr, except) if except.is_empty() => self.population.network(cidr),
            // A pod whose address is not known may have one of the exceptions.
            PeerKey::Block(cidr, except) => except
                .iter()
                .fold(self.population.known_within(cidr), |left, cut| left.minus(&self.population.known_within(cut))),
        };
        let peers = Arc::new(keys.iter().map(one).reduce(|all, one| all.or(&one)).unwrap_or_default());
        self.peers.insert(keys, Arc::clone(&peers));
        peers
    }
}

fn read(selector: Option<&LabelSelector>) -> Option<Terms> {
    selector.map_or_else(|| Some(Terms::default()), Terms::read)
}

/// A policy says something about a direction when its types name it. Without types it is about ingress, and about egress too
/// when it has rules for that.
pub fn says(spec: &NetworkPolicySpec, direction: Direction) -> bool {
    match (spec.policy_types.as_deref().unwrap_or_default(), direction) {
        ([], Direction::Ingress) => true,
        ([], Direction::Egress) => spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
        (types, Direction::Ingress) => types.iter().any(|kind| kind == "Ingress"),
        (types, Direction::Egress) => types.iter().any(|kind| kind == "Egress"),
    }
}

fn key(namespace: &str, peer: &NetworkPolicyPeer) -> Option<PeerKey> {
    if let Some(block) = &peer.ip_block {
        let except = block.except.iter().flatten().filter_map(|cidr| cidr.parse::<IpNet>().ok());
        return Some(PeerKey::Block(
            block.cidr.parse::<IpNet>().ok()?.trunc(),
            except.map(|net| net.trunc()).collect(),
        ));
    }
    if peer.namespace_selector.is_none() && peer.pod_selector.is_none() {
        return None;
    }
    let namespaces = match &peer.namespace_selector {
        Some(selector) => Terms::read(selector)?,
        None => Terms::label(names::NAMESPACE_NAME, namespace),
    };
    Some(PeerKey::Pods(Selectors { namespaces, pods: read(peer.pod_selector.as_ref())? }))
}

fn add_port(port: &NetworkPolicyPort, numbers: &mut Ports, named: &mut Vec<(Protocol, Box<str>)>) {
    let Some(protocol) = Protocol::read(port.protocol.as_deref()) else { return };
    match &port.port {
        None => numbers.add(protocol, 0..=u16::MAX),
        Some(IntOrString::String(name)) => named.push((protocol, name.as_str().into())),
        Some(IntOrString::Int(first)) => {
            let last = port.end_port.unwrap_or(*first);
            if let (Ok(first), Ok(last)) = (u16::try_from(*first), u16::try_from(last))
                && first <= last
            {
                numbers.add(protocol, first..=last);
            }
        }
    }
}

/// Networks that a NetworkPolicy names.
pub fn networks(spec: &NetworkPolicySpec) -> impl Iterator<Item = IpNet> {
    let ingress = spec.ingress.iter().flatten().flat_map(|rule| rule.from.iter().flatten());
    let egress = spec.egress.iter().flatten().flat_map(|rule| rule.to.iter().flatten());
    let blocks = ingress.chain(egress).filter_map(|peer| peer.ip_block.as_ref());
    let cidrs = blocks.flat_map(|block| std::iter::once(&block.cidr).chain(block.except.iter().flatten()));
    cidrs.filter_map(|cidr| cidr.parse().ok())
}

/// The pods that a NetworkPolicy holds for.
pub fn selector(spec: &NetworkPolicySpec) -> Option<Terms> {
    read(spec.pod_selector.as_ref())
}
