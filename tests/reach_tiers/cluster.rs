//! A cluster out of manifests, and whether one connection and everything as sets are the same.

use std::net::IpAddr;

use k8s_openapi::jiff::Timestamp;
use pcizone::{
    api::Protocol,
    engine::{
        Snapshot,
        intake::{Intake, Kind},
        pod::Pod,
        reach::{Direction, End, Reach, sets::Family},
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The cluster with these objects.
pub fn snapshot(objects: &[Value]) -> Snapshot {
    let mut intake = Intake::default();
    let mut servers = Vec::new();
    for object in objects {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        match (text("apiVersion"), text("kind")) {
            ("test", "ApiServer") => servers.extend(read::<Vec<IpAddr>>(&object["addresses"])),
            (version, kind) => {
                let group = version.rsplit_once('/').map_or("", |(group, _)| group);
                let known = Kind::find(group, kind).unwrap_or_else(|| panic!("{version} {kind} is no kind of ours"));
                intake.take(known.read(object).unwrap_or_else(|error| panic!("{error}: {object}")));
            }
        }
    }
    let mut snapshot = intake.finish(Timestamp::UNIX_EPOCH);
    snapshot.cluster.api_server = servers;
    snapshot
}

fn read<T: DeserializeOwned>(object: &Value) -> T {
    serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"))
}

/// Ports at which policies change their mind.
const PORTS: [u16; 9] = [1, 53, 79, 80, 81, 82, 443, 5432, 65535];

/// Where one connection is judged otherwise than it is in the sets of its ends.
pub fn agree(reach: &Reach, snapshot: &Snapshot) -> Option<String> {
    let addresses = ["10.9.0.9", "10.0.0.77", "198.51.100.7", "fd00::77"];
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().expect("an address")).collect();
    let running: Vec<&Pod> = snapshot.pods.iter().map(|pod| &**pod).filter(|pod| !pod.ended).collect();
    for pod in &running {
        for direction in Direction::BOTH {
            let (_, class) = reach.population.pod(&pod.key).expect("it runs");
            let open = reach.effective(class, direction);
            let host = reach.population.class(class).is_some_and(|class| class.host_network);
            for protocol in Protocol::ALL {
                for port in PORTS {
                    let ask = |other: &End| {
                        let own = end(pod);
                        let (from, to) = if direction == Direction::Egress { (&own, other) } else { (other, &own) };
                        let answer = reach.probe(from, to, protocol, port);
                        if direction == Direction::Egress { answer.egress } else { answer.ingress }
                    };
                    let says = |asked: bool, as_sets: bool, other: &End| {
                        let as_sets = as_sets || host;
                        (asked != as_sets).then(|| {
                            let way = direction.as_str();
                            let port = format!("{} {port}", protocol.as_str());
                            format!("{way} of {} and {other} on {port}: asked {asked}, in the sets {as_sets}", pod.key)
                        })
                    };
                    for address in &addresses {
                        let mut allows = open.allows.iter().map(|allow| &allow.traffic);
                        let in_sets =
                            allows.any(|all| all.peers.has_address(*address) && all.ports.has(protocol, port));
                        let other = End::Address(*address);
                        if let Some(what) = says(ask(&other), in_sets, &other) {
                            return Some(what);
                        }
                    }
                    for peer in running.iter().filter(|peer| peer.key != pod.key) {
                        let (_, peer_class) = reach.population.pod(&peer.key).expect("it runs");
                        let in_sets = families(reach, pod, peer).into_iter().any(|family| {
                            let mut allows = open.allows.iter().map(|allow| &allow.traffic);
                            allows
                                .any(|all| all.peers.pods(family).contains(peer_class) && all.ports.has(protocol, port))
                        });
                        let other = end(peer);
                        if let Some(what) = says(ask(&other), in_sets, &other) {
                            return Some(what);
                        }
                    }
                }
            }
        }
    }
    None
}

fn end(pod: &Pod) -> End {
    End::Pod { namespace: pod.namespace().to_string(), name: pod.name().to_string() }
}

fn families(reach: &Reach, one: &Pod, other: &Pod) -> Vec<Family> {
    let both = |family: &Family| reach.population.has(one, *family) && reach.population.has(other, *family);
    let known: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(both).collect();
    if known.is_empty() { vec![Family::Unknown] } else { known }
}
