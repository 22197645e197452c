//! The small cluster that each run begins with, and what users declare in it.

use std::sync::Arc;

use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node, NodeSpec, Taint},
        networking::v1::{NetworkPolicyIngressRule, NetworkPolicySpec},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time},
    jiff::Timestamp,
};
use pcizone::{
    api::{
        Flow, Hosting, Mode, NamespaceScope, Nodes, PciZone, PciZoneSpec, Peer, Port, Protocol, Scope, Segmentation,
        Selector, TaintEffect,
    },
    engine::policy::Policy,
};

use crate::server::Server;

pub const NAMESPACES: [&str; 3] = ["checkout", "vault", "storefront"];
pub const NODES: [&str; 2] = ["pci-1", "pci-2"];
pub const ZONES: [&str; 2] = ["cde", "web"];
pub const FLOWS: usize = 7;
/// Somebody else's policy, in this namespace.
pub const FOREIGN: (&str, &str) = ("vault", "theirs");
pub const FOREIGN_TAINT: &str = "example.com/theirs";

pub fn start() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().expect("a time")
}

/// After the end of the one flow that ends soon.
pub fn later() -> Timestamp {
    "2026-12-24T08:00:00Z".parse().expect("a time")
}

pub fn namespace(name: &str, team: &str) -> Namespace {
    Namespace { metadata: metadata(name, "team", team), ..Namespace::default() }
}

pub fn node(name: &str, pool: &str) -> Node {
    let spec = NodeSpec { taints: Some(vec![taint(FOREIGN_TAINT, None, "NoSchedule")]), ..NodeSpec::default() };
    Node { metadata: metadata(name, "pool", pool), spec: Some(spec), ..Node::default() }
}

pub fn taint(key: &str, value: Option<&str>, effect: &str) -> Taint {
    Taint { key: key.to_string(), value: value.map(str::to_string), effect: effect.to_string(), time_added: None }
}

fn metadata(name: &str, key: &str, value: &str) -> ObjectMeta {
    let labels = [(key.to_string(), value.to_string())].into();
    ObjectMeta { name: Some(name.to_string()), labels: Some(labels), ..ObjectMeta::default() }
}

/// A policy that lets everybody in.
pub fn open_policy(namespace: &str, name: &str) -> Policy {
    Policy {
        metadata: ObjectMeta {
            name: Some(name.to_string()),
            namespace: Some(namespace.to_string()),
            ..ObjectMeta::default()
        },
        spec: Some(Arc::new(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            ingress: Some(vec![NetworkPolicyIngressRule::default()]),
            ..NetworkPolicySpec::default()
        })),
    }
}

pub fn zone(name: &str, spec: PciZoneSpec) -> PciZone {
    PciZone::new(name, spec)
}

fn select(key: &str, value: &str) -> Selector {
    Selector { match_labels: [(key.to_string(), value.to_string())].into(), ..Selector::default() }
}

fn in_namespace(name: &str, app: Option<&str>) -> Peer {
    let pod_selector = app.map(|app| select("app", app));
    Peer { namespace: Some(name.to_string()), pod_selector, ..Peer::default() }
}

fn in_zone(name: &str) -> Peer {
    Peer { zone: Some(name.to_string()), ..Peer::default() }
}

/// One of the flows that a zone may declare; `variant` says on which port and to whom.
fn flow(zone: &str, index: usize, variant: bool) -> Flow {
    let other = if zone == ZONES[0] { ZONES[1] } else { ZONES[0] };
    let (name, from, to, end) = match index {
        0 => ("within", in_zone(zone), in_zone(zone), "2027-04-01T00:00:00Z"),
        1 => {
            let app = if variant { None } else { Some("checkout") };
            ("tokens", in_namespace("checkout", app), in_namespace("vault", Some("vault")), "2027-04-01T00:00:00Z")
        }
        2 => ("between", in_zone(other), in_zone(zone), "2027-04-01T00:00:00Z"),
        3 => {
            let cidrs = if variant { vec!["198.51.100.0/24"] } else { vec!["198.51.100.0/28", "2001:db8:5::/64"] };
            let bank = Peer { cidrs: cidrs.into_iter().map(str::to_string).collect(), ..Peer::default() };
            ("bank", in_namespace("vault", None), bank, "2027-04-01T00:00:00Z")
        }
        4 => {
            let api = Peer { api_server: Some(true), ..Peer::default() };
            ("api", in_namespace("checkout", None), api, "2027-04-01T00:00:00Z")
        }
        5 => {
            let peer = if variant { in_zone(other) } else { in_namespace("storefront", None) };
            ("soon", peer, in_namespace("vault", None), "2026-12-01T00:00:00Z")
        }
        _ => {
            let internet = Peer { internet: Some(true), ..Peer::default() };
            ("out", in_zone(zone), internet, "2027-04-01T00:00:00Z")
        }
    };
    Flow {
        name: name.to_string(),
        need: "Checkout stores card numbers as tokens in the vault.".to_string(),
        owner: "payments-team".to_string(),
        approved_by: "security@example.com".to_string(),
        ticket: "PAY-1423".to_string(),
        reviewed_at: Time("2026-10-01T00:00:00Z".parse().expect("a time")),
        expires_at: Time(end.parse().expect("a time")),
        account_data: false,
        mitigation: None,
        from,
        to,
        ports: vec![Port { protocol: Protocol::TCP, port: if variant { 9443 } else { 8443 } }],
    }
}

/// Whatever a user may declare.
pub fn spec(rng: &mut fastrand::Rng, zone: &str) -> PciZoneSpec {
    let mode = |rng: &mut fastrand::Rng, enforce: u8| if rng.u8(..8) < enforce { Mode::Enforce } else { Mode::Observe };
    let other_mode = |rng: &mut fastrand::Rng| (rng.u8(..8) == 0).then(|| mode(rng, 4));
    let mut flows: Vec<Flow> = Vec::new();
    for index in 0..FLOWS {
        // Public addresses take the engine longest.
        if rng.u8(..if index == 6 { 16 } else { 4 }) == 0 {
            flows.push(flow(zone, index, rng.bool()));
        }
    }
    let named = |rng: &mut fastrand::Rng, all: &[&str]| -> Vec<String> {
        all.iter().filter(|_| rng.u8(..6) == 0).map(ToString::to_string).collect()
    };
    let hosting = (rng.u8(..4) > 0).then(|| {
        let effects = [
            &[TaintEffect::NoSchedule][..],
            &[TaintEffect::NoExecute],
            &[TaintEffect::NoSchedule, TaintEffect::NoExecute],
        ];
        Hosting {
            evict_misplaced: false,
            mode: other_mode(rng),
            nodes: Nodes { names: named(rng, &NODES), selector: Some(select("pool", zone)) },
            taint_effects: rng.choice(effects).unwrap_or_default().to_vec(),
            pod_security: None,
            admits: Vec::new(),
        }
    });
    let selector = (rng.u8(..8) > 0).then(|| select("team", zone));
    PciZoneSpec {
        mode: mode(rng, 6),
        scope: Scope { namespaces: NamespaceScope { names: named(rng, &NAMESPACES), selector }, ..Scope::default() },
        segmentation: Segmentation { mode: other_mode(rng), flows, ..Segmentation::default() },
        scanning: None,
        logging: None,
        hosting,
        exceptions: Vec::new(),
        attestations: Vec::new(),
    }
}

/// The cluster before the operator comes.
pub fn cluster(rng: &mut fastrand::Rng) -> Server {
    let mut server = Server::new(start());
    let kubectl = "kubectl";
    for name in ZONES {
        let _ = server.create(zone(name, spec(rng, name)), kubectl);
    }
    for (name, team) in NAMESPACES.into_iter().zip([ZONES[0], ZONES[0], ZONES[1]]) {
        let _ = server.create(namespace(name, team), kubectl);
    }
    for (name, pool) in NODES.into_iter().zip([ZONES[0], ZONES[1]]) {
        let _ = server.create(node(name, pool), "kubelet");
    }
    let (namespace, name) = FOREIGN;
    let _ = server.create(open_policy(namespace, name), kubectl);
    server
}
