//! Stored account data: nothing outside the zones reaches it, whatever is declared (PCI DSS 1.4.4).

use std::collections::BTreeMap;

use super::{Case, Found};
use crate::{
    api::{FindingId, names},
    engine::{
        reach::{
            By, Class, Direction,
            doors::{Door, Kind, doors},
            sets::Peers,
            words::{few, ports},
        },
        resolve::Claim,
    },
};

/// The pods of a workload, and by what they are reached.
#[derive(Default)]
struct Reached<'a> {
    pods: Vec<&'a str>,
    by: Vec<String>,
}

pub(super) fn check(case: &Case, found: &mut Vec<Found>) {
    let stores: Vec<(u32, &Class)> = case
        .members()
        .filter_map(|namespace| case.reach.population.within(namespace))
        .flat_map(|classes| classes.iter().filter_map(|number| Some((number, case.reach.population.class(number)?))))
        .filter(|(_, class)| !class.pods.is_empty() && is_store(class))
        .collect();
    if stores.is_empty() {
        return;
    }
    let behind = behind_doors(case);
    let mut workloads: BTreeMap<String, Reached> = BTreeMap::new();
    for (number, class) in stores {
        let allowed = if class.host_network { Vec::new() } else { by_policies(case, number) };
        for pod in &class.pods {
            let doors = behind.get(&*pod.key).into_iter().flatten();
            let by: Vec<String> = allowed.iter().chain(doors).cloned().collect();
            if by.is_empty() {
                continue;
            }
            let workload = workloads.entry(pod.subject()).or_default();
            workload.pods.push(pod.name());
            let new: Vec<String> = by.into_iter().filter(|way| !workload.by.contains(way)).collect();
            workload.by.extend(new);
        }
    }
    found.extend(workloads.into_iter().map(|(subject, Reached { pods, by })| {
        let names: Vec<String> = pods.iter().map(ToString::to_string).collect();
        let message =
            format!("It stores account data, and from outside the zones {} is reached {}.", few(&names), few(&by));
        let rest = if few(&by) == by.join(", ") { String::new() } else { by.join("; ") };
        Found::new(FindingId::ChdStoreReachable, subject, message).with_evidence(rest)
    }));
}

fn is_store(class: &Class) -> bool {
    class.labels.get(names::ROLE_LABEL).is_some_and(|role| role == names::CHD_STORE)
}

/// Addresses, and pods of no zone, that policies let through. Other zones are trusted as far as a flow says.
fn by_policies(case: &Case, class: u32) -> Vec<String> {
    let allows = case.reach.effective(class, Direction::Ingress).allows;
    let words = allows.into_iter().filter_map(|allow| {
        let pods = &allow.traffic.peers.all_pods() & &case.around.zoneless;
        let outside = allow.traffic.peers.without_pods().or(&Peers::of_pods(&pods));
        if outside.is_empty() {
            return None;
        }
        let (by, meant) = match allow.by {
            By::Rule(policy, rule) => (format!("{} {}", policy.name, rule.field), rule.selectors.as_slice()),
            By::Default => ("no policy".to_string(), [].as_slice()),
        };
        Some(format!("by {} on {} ({by})", case.reach.peers(&outside, meant), ports(&allow.traffic.ports)))
    });
    words.collect()
}

/// The doors of each pod of the zone, but for its node, which nothing can shut.
fn behind_doors<'a>(case: &Case<'a>) -> BTreeMap<&'a str, Vec<String>> {
    let mut behind: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let is_zone = |name: &str| case.resolution.namespace(name).is_some_and(Claim::is_member);
    let is_outside = |door: &Door| match &door.kind {
        Kind::OwnNode { .. } => false,
        Kind::Endpoints(slice) => !is_zone(slice.namespace()),
        Kind::HostNetwork | Kind::HostPort(..) | Kind::Service { .. } | Kind::Route { .. } => true,
    };
    let all = doors(case.snapshot, case.reach, &case.around.services, |name| case.has_namespace(name));
    for door in all.iter().filter(|door| is_outside(door)) {
        for pod in &door.to {
            behind.entry(&pod.key).or_default().push(format!("by {}", door.words()));
        }
    }
    behind
}
