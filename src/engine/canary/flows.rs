//! Declared flows, tried on copies of their compiled policies. A copy means the canary's pods instead of those that the flow names, so what
//! is shown is that direction, protocol and ports of what the compiler writes come into force; not whom the flow's selectors mean.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::round::{PORT, Round, from_turn};
use crate::{
    api::{Protocol, names},
    engine::policy::Policy,
};

/// Ports of flows that are tried in one round; others follow in the next.
pub const MOST_TRIALS: usize = 4;

/// One port of a flow that is tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Name of the flow.
    pub flow: String,
    /// From which post.
    pub from: usize,
    /// To which post.
    pub to: usize,
    /// By which protocol.
    pub protocol: Protocol,
    /// To which port.
    pub port: u16,
    /// What the compiler wrote for the flow in the round's namespace, for each of its ends there, with the canary's pods as both ends.
    pub copies: Vec<NetworkPolicySpec>,
}

/// What the compiler wrote for a flow in one namespace.
#[derive(Default)]
struct Compiled<'p> {
    ingress: Option<&'p NetworkPolicySpec>,
    egress: Option<&'p NetworkPolicySpec>,
}

impl<'p> Compiled<'p> {
    fn ends(&self) -> impl Iterator<Item = &'p NetworkPolicySpec> {
        self.ingress.into_iter().chain(self.egress)
    }

    fn ports(&self) -> BTreeSet<(Protocol, u16)> {
        self.ends().flat_map(rules).flat_map(|(ports, _)| ports).filter_map(port).collect()
    }

    /// An end of addresses is no pod, so no pod of the canary can take its place.
    fn is_among_pods(&self) -> bool {
        self.ends().flat_map(rules).flat_map(|(_, peers)| peers).all(|peer| peer.ip_block.is_none())
    }
}

/// Ports and peers of each rule.
fn rules(spec: &NetworkPolicySpec) -> impl Iterator<Item = (&[NetworkPolicyPort], &[NetworkPolicyPeer])> {
    let ingress = spec.ingress.iter().flatten().map(|rule| (&rule.ports, &rule.from));
    let egress = spec.egress.iter().flatten().map(|rule| (&rule.ports, &rule.to));
    ingress
        .chain(egress)
        .map(|(ports, peers)| (ports.as_deref().unwrap_or_default(), peers.as_deref().unwrap_or_default()))
}

/// One that the canary speaks, and that its own policy does not open.
fn port(port: &NetworkPolicyPort) -> Option<(Protocol, u16)> {
    let protocol = Protocol::read(port.protocol.as_deref()).filter(|protocol| *protocol != Protocol::SCTP)?;
    let Some(IntOrString::Int(number)) = port.port else { return None };
    u16::try_from(number).ok().filter(|number| *number != 0 && *number != PORT).map(|number| (protocol, number))
}

impl Round {
    /// Takes those flows whose turn it is, from the policies that the compiler writes into the round's namespace. Each has its turn: it is the first in one round
    /// of as many as there are flows. No two of one round open the same port, so each goes by its own policy.
    pub fn try_flows<'p>(&mut self, policies: impl IntoIterator<Item = &'p Policy>) {
        self.trials.clear();
        let mut flows: BTreeMap<&str, Compiled> = BTreeMap::new();
        for policy in policies {
            let flow = policy.metadata.labels.as_ref().and_then(|labels| labels.get(names::FLOW_LABEL));
            let Some((flow, spec)) = flow.zip(policy.spec.as_deref()) else { continue };
            let compiled = flows.entry(flow).or_default();
            *(if spec.ingress.is_some() { &mut compiled.ingress } else { &mut compiled.egress }) = Some(spec);
        }
        let flows: Vec<(&str, Compiled)> = flows.into_iter().filter(|(_, compiled)| compiled.is_among_pods()).collect();
        let turns = self.turn.checked_div(flows.len() as u64).unwrap_or_default();
        let mut taken: BTreeSet<(Protocol, u16)> = BTreeSet::new();
        for (flow, compiled) in from_turn(&flows, self.turn) {
            let ports: Vec<(Protocol, u16)> = compiled.ports().into_iter().collect();
            let Some((from, to)) = self.ends_of(compiled) else { continue };
            if !taken.is_disjoint(&ports.iter().copied().collect()) {
                continue;
            }
            let room = MOST_TRIALS.saturating_sub(self.trials.len());
            let chosen: Vec<(Protocol, u16)> = from_turn(&ports, turns).take(room).copied().collect();
            if chosen.is_empty() {
                continue;
            }
            taken.extend(ports);
            let copies: Vec<NetworkPolicySpec> = compiled.ends().map(|spec| self.copy(spec, compiled)).collect();
            self.trials.extend(chosen.into_iter().map(|(protocol, port)| Trial {
                flow: (*flow).to_string(),
                from,
                to,
                protocol,
                port,
                copies: copies.clone(),
            }));
        }
    }

    /// The posts that take the places of the flow's ends: in the zone where the namespace has that end's policy, outside otherwise.
    fn ends_of(&self, compiled: &Compiled) -> Option<(usize, usize)> {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..self.posts.len()).partition(|at| self.posts.get(*at).is_some_and(|post| post.is_inside));
        let mut inside = from_turn(&inside, self.turn).copied();
        let own = inside.next()?;
        let other = || outside.first().copied();
        match (compiled.ingress, compiled.egress) {
            (Some(_), Some(_)) => Some((own, inside.next().unwrap_or(own))),
            (Some(_), None) => Some((other()?, own)),
            (None, _) => Some((own, other()?)),
        }
    }

    fn copy(&self, spec: &NetworkPolicySpec, compiled: &Compiled) -> NetworkPolicySpec {
        let is_within = compiled.ends().count() > 1;
        let peer = NetworkPolicyPeer {
            namespace_selector: Some(labelled(
                names::NAMESPACE_NAME,
                if is_within { &self.inside } else { &self.outside },
            )),
            pod_selector: Some(labelled(names::CANARY_LABEL, &self.id)),
            ip_block: None,
        };
        let mut copy = NetworkPolicySpec { pod_selector: peer.pod_selector.clone(), ..spec.clone() };
        for rule in copy.ingress.iter_mut().flatten() {
            rule.from = Some(vec![peer.clone()]);
        }
        for rule in copy.egress.iter_mut().flatten() {
            rule.to = Some(vec![peer.clone()]);
        }
        copy
    }
}

fn labelled(key: &str, value: &str) -> LabelSelector {
    LabelSelector { match_labels: Some([(key.to_string(), value.to_string())].into()), match_expressions: None }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::canary::round::Candidates;

    fn policy(flow: &str, spec: Value) -> Policy {
        let mut policy = Policy { spec: Some(Arc::new(serde_json::from_value(spec).unwrap())), ..Policy::default() };
        policy.metadata.labels = Some([(names::FLOW_LABEL.to_string(), flow.to_string())].into());
        policy
    }

    fn ports(ports: &[(&str, i32)]) -> Value {
        ports.iter().map(|(protocol, port)| json!({ "protocol": protocol, "port": port })).collect()
    }

    fn shop() -> Value {
        json!([{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "shop" } }, "podSelector": { "matchLabels": { "app": "web" } } }])
    }

    fn ingress(flow: &str, of: &[(&str, i32)]) -> Policy {
        let spec = json!({ "podSelector": { "matchLabels": { "app": "api" } }, "policyTypes": ["Ingress"], "ingress": [{ "from": shop(), "ports": ports(of) }] });
        policy(flow, spec)
    }

    fn egress(flow: &str, of: &[(&str, i32)]) -> Policy {
        let spec =
            json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "to": shop(), "ports": ports(of) }] });
        policy(flow, spec)
    }

    /// Posts 0 and 1 lie in the zone, 2 outside.
    fn round(outside: bool) -> Round {
        let candidates = Candidates {
            left_out: Vec::new(),
            inside: vec!["a".to_string(), "b".to_string()],
            outside: if outside { vec!["c".to_string()] } else { Vec::new() },
            namespaces: vec!["vault".to_string()],
            has_nodes: true,
        };
        Round::new("cde", "r1", "pcizone-system", &candidates, 0).unwrap()
    }

    fn tried(policies: &[Policy], number: u64) -> Vec<String> {
        let mut round = Round { turn: number, ..round(true) };
        round.try_flows(policies);
        let words = |trial: &Trial| {
            format!("{} {}>{} {}:{}", trial.flow, trial.from, trial.to, trial.protocol.as_str(), trial.port)
        };
        round.trials.iter().map(words).collect()
    }

    #[test]
    fn a_copy_has_the_ports_and_the_direction_of_the_policy_and_the_canarys_pods_as_both_ends() {
        let mut round = round(true);
        round.try_flows(&[ingress("pay", &[("TCP", 443), ("UDP", 53)])]);
        let canary = json!({ "matchLabels": { "pcizone.dev/canary": "r1" } });
        let peer = json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "pcizone-system" } }, "podSelector": canary });
        let copy = json!({ "podSelector": canary, "policyTypes": ["Ingress"], "ingress": [{ "from": [peer], "ports": ports(&[("TCP", 443), ("UDP", 53)]) }] });
        assert_eq!(json!(round.trials[0].copies), json!([copy]));
        let mut within = self::round(true);
        within.try_flows(&[ingress("sync", &[("TCP", 1)]), egress("sync", &[("TCP", 1)])]);
        let namespaces: Vec<Value> = within.trials[0]
            .copies
            .iter()
            .flat_map(|copy| {
                rules(copy).flat_map(|(_, peers)| peers).map(|peer| json!(peer.namespace_selector)).collect::<Vec<_>>()
            })
            .collect();
        let vault = json!({ "matchLabels": { "kubernetes.io/metadata.name": "vault" } });
        assert_eq!(namespaces, [vault.clone(), vault]);
    }

    #[test]
    fn ends_of_the_zone_are_in_it_and_the_others_outside() {
        assert_eq!(tried(&[ingress("in", &[("TCP", 443)])], 0), ["in 2>0 TCP:443"]);
        assert_eq!(tried(&[egress("out", &[("UDP", 53)])], 0), ["out 0>2 UDP:53"]);
        assert_eq!(tried(&[ingress("sync", &[("TCP", 1)]), egress("sync", &[("TCP", 1)])], 1), ["sync 1>0 TCP:1"]);
        let mut alone = round(false);
        alone.try_flows(&[ingress("in", &[("TCP", 443)])]);
        assert_eq!(alone.trials, []);
    }

    #[test]
    fn what_the_canary_cannot_take_the_place_of_is_not_tried() {
        let block = json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "to": [{ "ipBlock": { "cidr": "203.0.113.0/28" } }], "ports": ports(&[("TCP", 443)]) }] });
        let baseline = Policy { metadata: ObjectMeta::default(), ..ingress("x", &[("TCP", 80)]) };
        assert_eq!(
            tried(&[policy("bank", block), ingress("own", &[("TCP", i32::from(PORT)), ("SCTP", 9)]), baseline], 0),
            [""; 0]
        );
    }

    #[test]
    fn each_flow_and_each_port_has_its_turn_and_no_two_open_the_same_port() {
        let flows: Vec<Policy> = ["a", "b", "c", "d", "e", "f"].map(|name| ingress(name, &[("TCP", 443)])).into();
        let firsts: Vec<Vec<String>> = (0..6).map(|number| tried(&flows, number)).collect();
        assert!(firsts.iter().all(|tried| tried.len() == 1), "{firsts:?}");
        let names: BTreeSet<&str> = firsts.iter().flatten().map(|words| &words[..1]).collect();
        assert_eq!(names.len(), 6, "{firsts:?}");
        let many: Vec<(&str, i32)> = (1..=20).map(|port| ("TCP", port)).collect();
        let all: BTreeSet<String> = (0..20).flat_map(|number| tried(&[egress("many", &many)], number)).collect();
        let ports: BTreeSet<&str> =
            all.iter().filter_map(|words| words.rsplit_once(':')).map(|(_, port)| port).collect();
        assert_eq!(ports.len(), 20, "{all:?}");
        let apart: Vec<Policy> = (1..=6).map(|port| ingress(&format!("f{port}"), &[("TCP", port)])).collect();
        assert_eq!(tried(&apart, 5).len(), MOST_TRIALS);
    }
}
