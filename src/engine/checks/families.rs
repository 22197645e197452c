//! Segmentation: dual-stack pods of the zone that some other pod can talk with by one family of addresses only (PCI DSS 1.3.1,
//! 1.3.2). Whoever looked at one family alone takes for closed what is open.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Case, Found, extras::pods_named};
use crate::{
    api::FindingId,
    engine::reach::{
        Allow, By, Class, Direction,
        sets::{Classes, Family, Peers, Traffic, without},
        words::{few, ports},
    },
};

/// What differs: how it goes, by which family it is open, the policy that opens it, to or for whom, and on which ports.
type Difference = (Direction, &'static str, String, String, String);

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let population = &case.reach.population;
    let dual: Classes =
        population.classes().filter(|(_, class)| is_dual(class) && !class.host_network).map(|(n, _)| n).collect();
    if dual.is_empty() {
        return;
    }
    let mut differences: BTreeMap<Difference, Vec<String>> = BTreeMap::new();
    for class in case.classes() {
        let Some(pods) = population.class(class).filter(|_| dual.contains(class)) else { continue };
        for direction in Direction::BOTH {
            let allows = case.reach.effective(class, direction).allows;
            for (open, closed, words) in [(Family::V4, Family::V6, "IPv4"), (Family::V6, Family::V4, "IPv6")] {
                let both_ways: Vec<Traffic> = allows.iter().map(|allow| of_family(allow, closed, &dual)).collect();
                for allow in &allows {
                    let left = without(vec![of_family(allow, open, &dual)], &both_ways);
                    for traffic in left.iter().filter(|traffic| !traffic.is_empty()) {
                        let (who, ports) = (case.reach.peers(&traffic.peers, &[]), ports(&traffic.ports));
                        let all = differences.entry((direction, words, policy(allow), who, ports)).or_default();
                        all.extend(pods.pods.iter().map(|pod| pod.key.to_string()));
                    }
                }
            }
        }
    }
    for ((direction, family, policy, who, ports), pods) in differences {
        let mine = few(&pods);
        let message = match direction {
            Direction::Ingress => {
                format!("By {family}, and not by the other family, it lets {who} reach {mine} on {ports}.")
            }
            Direction::Egress => {
                format!("By {family}, and not by the other family, it lets {mine} reach {who} on {ports}.")
            }
        };
        found.push(Found::new(FindingId::DualStackAsymmetry, policy, message).with_evidence(pods_named(&pods)));
    }
}

fn is_dual(class: &Class) -> bool {
    let has = |is: fn(&IpAddr) -> bool| class.pods.first().is_some_and(|pod| pod.ips.iter().any(is));
    has(IpAddr::is_ipv4) && has(IpAddr::is_ipv6)
}

/// The dual-stack pods that are allowed by a family, as peers of no family in particular.
fn of_family(allow: &Allow, family: Family, dual: &Classes) -> Traffic {
    Traffic { peers: Peers::of_pods(&(allow.traffic.peers.pods(family) & dual)), ports: allow.traffic.ports.clone() }
}

fn policy(allow: &Allow) -> String {
    match allow.by {
        By::Rule(policy, _) => policy.name.to_string(),
        By::Default => "no policy".to_string(),
    }
}
