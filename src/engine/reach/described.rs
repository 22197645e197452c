//! Pods and addresses by what they have in common: how people call them, where words of names would be many.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{
    Class, Reach, Selectors, Terms, public_share,
    sets::{Classes, Peers, first},
    words::{addresses, few},
};
use crate::{api::names, engine::change::count};

/// Labels by which people tell applications apart, the usual ones first.
const USUAL: [&str; 5] =
    ["app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/component", "app.kubernetes.io/instance"];
/// Namespaces that are described one by one.
const DESCRIBED: usize = 3;

impl Reach<'_> {
    /// Pods of some classes by what they have in common: `pods app=web in checkout`. By their names where no label means just
    /// these.
    pub fn described(&self, classes: &Classes) -> String {
        self.each_described(classes).join(" and ")
    }

    /// The same, namespace by namespace; the first few.
    fn each_described(&self, classes: &Classes) -> Vec<String> {
        let mut left = classes.clone();
        let mut words = Vec::new();
        while words.len() < DESCRIBED
            && let Some(class) = left.min().and_then(|number| self.population.class(number))
        {
            let members = self.population.within(class.namespace).cloned().unwrap_or_default();
            words.push(self.described_within(class.namespace, &(&members & classes)));
            left -= &members;
        }
        let rest: BTreeSet<&str> =
            left.iter().filter_map(|number| self.population.class(number)).map(|class| class.namespace).collect();
        if !rest.is_empty() {
            words.push(format!("pods in {}", count(rest.len(), "other namespace")));
        }
        words
    }

    fn described_within(&self, namespace: &str, some: &Classes) -> String {
        let members = self.population.within(namespace).cloned().unwrap_or_default();
        let there = first(self.population.real());
        if some.is_disjoint(&there) {
            return self.pods_that_would_be(some);
        }
        let members: Classes = members.iter().filter(|number| !self.is_on_host(*number)).collect();
        let (members, some) = (&members & &there, some & &there);
        if members == some {
            return pods_with(&Terms::default(), namespace);
        }
        let labels = || some.min().and_then(|number| self.population.class(number)).map(|class| &*class.labels);
        let usual = USUAL.iter().filter_map(|key| labels()?.get_key_value(*key));
        let others = labels().into_iter().flatten().filter(|(key, _)| !USUAL.contains(&key.as_str()));
        let is_meant = |(key, value): &(&String, &String)| {
            let with = self.population.select_within(namespace, &Terms::label(key, value));
            &with & &there == some
        };
        if let Some((key, value)) = usual.chain(others).find(is_meant) {
            return format!("pods {key}={value} in {namespace}");
        }
        let names = self.pods(&some);
        format!("{} {}", if names.len() == 1 { "pod" } else { "pods" }, few(&names))
    }

    /// Pods that are not there, by the labels that they would have.
    fn pods_that_would_be(&self, some: &Classes) -> String {
        let classes = some.iter().filter_map(|number| self.population.class(number));
        let word = |class: &Class| {
            let labels: Vec<String> = class.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!(" {}", labels.join(",")) };
            format!("pods{labels} in {} (none now)", class.namespace)
        };
        few(&classes.map(word).collect::<Vec<_>>())
    }

    fn is_on_host(&self, number: u32) -> bool {
        self.population.class(number).is_some_and(|class| class.host_network)
    }

    /// Who is at the other end: pods by what they have in common, and addresses.
    pub fn parties(&self, peers: &Peers) -> Vec<String> {
        if *peers == self.population.everybody() {
            return vec!["everybody".to_string()];
        }
        let pods = peers.all_pods();
        let there = first(self.population.real());
        let mut words = Vec::new();
        // Of few pods the first one that is not among them ends it.
        let is_every_pod = || there.iter().all(|number| pods.contains(number) || self.is_on_host(number));
        if !pods.is_empty() && is_every_pod() {
            words.push("every pod of the cluster".to_string());
        } else if !pods.is_empty() {
            words.extend(self.each_described(&pods));
        }
        words.extend(internet(peers).or_else(|| addresses(peers)));
        words
    }
}

/// From which part of the public addresses of a family on it is the internet, in thousandths.
const INTERNET: u128 = 999;

/// Addresses that are the internet, or more.
fn internet(peers: &Peers) -> Option<String> {
    let all = Peers::all(0);
    if (&peers.v4, &peers.v6) == (&all.v4, &all.v6) {
        return Some("every address".to_string());
    }
    (public_share(peers) >= INTERNET).then(|| {
        let private: Peers = PRIVATE
            .iter()
            .filter_map(|net| net.parse::<IpNet>().ok())
            .fold(Peers::default(), |all, net| all.or(&Peers::of_network(&net)));
        let inside = !peers.and(&private).has_no_address();
        let families = match (peers.v4.is_empty(), peers.v6.is_empty()) {
            (false, true) => " by IPv4",
            (true, false) => " by IPv6",
            _ => "",
        };
        format!("the internet{families}{}", if inside { " and private networks" } else { "" })
    })
}

/// Networks of companies and clusters.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Pods by selectors, whether there are such or not.
pub fn selected(Selectors { namespaces, pods }: &Selectors) -> String {
    match namespaces.pins(names::NAMESPACE_NAME) {
        Some(name) if namespaces.keys().count() == 1 => pods_with(pods, name),
        _ if namespaces.is_empty() => pods_with(pods, "every namespace"),
        _ => pods_with(pods, &format!("namespaces with {}", namespaces.words())),
    }
}

/// Pods of a namespace by a selector.
pub fn pods_with(pods: &Terms, place: &str) -> String {
    if pods.is_empty() { format!("all pods in {place}") } else { format!("pods {} in {place}", pods.words()) }
}
