//! Traffic in words: who, on which ports. Short, because people read it; the first few names and how many more.

use ipnet::{Ipv4Subnets, Ipv6Subnets};

use super::{
    Reach, Selectors, Terms,
    sets::{Classes, Peers, Ports, first},
};
use crate::{api::Protocol, engine::change::count};

/// Names of each kind.
const NAMED: usize = 3;

impl Reach<'_> {
    /// Pods of some classes, as `namespace/name`; where there are none, what they would be.
    pub fn pods(&self, classes: &Classes) -> Vec<String> {
        let all = || classes.iter().filter_map(|class| self.population.class(class));
        let mut names: Vec<String> = all().flat_map(|class| &class.pods).map(|pod| pod.key.to_string()).collect();
        if names.is_empty() {
            names.extend(all().map(|class| {
                let labels: Vec<String> = class.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let labels = if labels.is_empty() { String::new() } else { format!(" with {}", labels.join(",")) };
                format!("{}/*{labels} (none now)", class.namespace)
            }));
        }
        names.sort();
        names
    }

    /// Pods that are not there, by the selectors that would mean them.
    pub fn pods_to_come(&self, selectors: &[Selectors]) -> String {
        let word = |Selectors { namespaces, pods }: &Selectors| {
            let part = |terms: &Terms, kind: &str| {
                if terms.is_empty() { format!("any {kind}") } else { format!("{kind}s with {}", terms.words()) }
            };
            format!("{} in {}", part(pods, "pod"), part(namespaces, "namespace"))
        };
        let of_now = |one: &Selectors| self.population.peers(Some(&one.namespaces), &one.pods).all_pods().is_empty();
        let now = if selectors.iter().all(of_now) { "none now" } else { "those of now are declared, others are not" };
        format!("{} ({now})", few(&selectors.iter().map(word).collect::<Vec<_>>()))
    }

    /// Who is meant, by a rule with these selectors if by one.
    pub fn peers(&self, peers: &Peers, meant: &[Selectors]) -> String {
        let mut words = Vec::new();
        let pods = peers.all_pods();
        let everybody = self.population.everybody();
        if *peers == everybody {
            return "everybody".to_string();
        }
        if !pods.is_empty() {
            words.push(self.some_pods(&pods, meant));
        }
        words.extend(addresses(peers));
        words.join(" and ")
    }

    /// Namespaces whose pods are all meant by their name, other pods by theirs; the first few, because there may be thousands.
    fn some_pods(&self, pods: &Classes, meant: &[Selectors]) -> String {
        let there = first(self.population.real());
        // What means a few namespaces may mean all that are there now.
        let is_everywhere = |meant: &Selectors| meant.namespaces.is_empty() && meant.pods.is_empty();
        if *pods == there && (meant.is_empty() || meant.iter().any(is_everywhere)) {
            return "every pod of the cluster".to_string();
        }
        let (mut whole, mut single) = (Vec::new(), Vec::new());
        let mut left = pods.clone();
        while whole.len() + single.len() < NAMED
            && let Some(class) = left.min().and_then(|number| self.population.class(number))
        {
            let members = self.population.within(class.namespace).cloned().unwrap_or_default() & &there;
            if members.is_subset(pods) {
                whole.push(class.namespace.to_string());
            } else {
                single.extend(self.pods(&(&members & pods)));
            }
            left -= &members;
        }
        let rest = left.iter().filter_map(|number| self.population.class(number)).map(|class| class.pods.len()).sum();
        let mut words = Vec::new();
        if !whole.is_empty() {
            let kind = if whole.len() == 1 { "namespace" } else { "namespaces" };
            words.push(format!("{kind} {}", whole.join(", ")));
        }
        if !single.is_empty() {
            let kind = if single.len() == 1 { "pod" } else { "pods" };
            words.push(format!("{kind} {}", few(&single)));
        }
        if rest > 0 {
            words.push(count(rest, "other pod"));
        }
        words.join(" and ")
    }
}

/// Addresses in words, as the networks that they make up.
pub(super) fn addresses(peers: &Peers) -> Option<String> {
    let v4 = peers
        .v4
        .ranges()
        .flat_map(|range| Ipv4Subnets::new(*range.start(), *range.end(), 0))
        .map(|net| net.to_string());
    let v6 = peers
        .v6
        .ranges()
        .flat_map(|range| Ipv6Subnets::new(*range.start(), *range.end(), 0))
        .map(|net| net.to_string());
    let (mut all, more) = (v4.chain(v6), 64);
    let shown: Vec<String> = all.by_ref().take(more).collect();
    let rest = all.next().is_some();
    (!shown.is_empty()).then(|| {
        if rest {
            format!("{} and many more networks", few(shown.get(..NAMED).unwrap_or_default()))
        } else {
            few(&shown)
        }
    })
}

/// Ports in words.
pub fn ports(ports: &Ports) -> String {
    if ports.is_all() {
        return "every port".to_string();
    }
    let of = |protocol: Protocol| {
        let ranges: Vec<String> =
            ports.of(protocol).ranges().map(|range| range_words(*range.start(), *range.end())).collect();
        (!ranges.is_empty()).then(|| format!("{} {}", protocol.as_str(), few(&ranges)))
    };
    Protocol::ALL.into_iter().filter_map(of).collect::<Vec<_>>().join(" and ")
}

fn range_words(first: u16, last: u16) -> String {
    match (first, last) {
        (0, u16::MAX) => "every port".to_string(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    }
}

/// The first few, and how many more.
pub fn few(names: &[String]) -> String {
    let shown = names.get(..NAMED.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
