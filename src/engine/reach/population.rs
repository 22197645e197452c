//! Who is in the cluster: running pods, in classes of those that no policy tells apart.
//!
//! Pods of one class have the same namespace, labels and ports, and lie on the same side of every network that a policy
//! names. So ten thousand pods of a few hundred templates cost a few hundred looks.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;

use super::{
    labels::{Labels, Terms},
    partition::{Partition, member},
    sets::{Classes, Family, Peers, first},
};
use crate::{
    api::{Protocol, names},
    engine::{
        pod::{ContainerPort, Pod},
        snapshot::Snapshot,
    },
};

type LabelMap = BTreeMap<String, String>;

/// Pods that no policy tells apart.
#[derive(Debug)]
pub struct Class<'a> {
    /// Their namespace.
    pub namespace: &'a str,
    /// Their labels.
    pub labels: Arc<LabelMap>,
    /// The ports that their containers declare.
    pub ports: Arc<[ContainerPort]>,
    /// They use the network of their node: no selector means them, no policy holds for them.
    pub host_network: bool,
    /// The pods, by name; none for a class that stands for pods which a policy would select if there were such.
    pub pods: Vec<&'a Pod>,
}

/// Classes that are sooner looked at one by one than found by their labels.
const FEW: u64 = 64;

/// Where its addresses lie among the networks of all policies; two of one class lie in the same place.
type Place = [Option<usize>; 2];

/// All classes, and how selectors and networks find them.
#[derive(Debug)]
pub struct Population<'a> {
    classes: Vec<Class<'a>>,
    /// Classes from this one on stand for nobody.
    real: u32,
    of_pod: HashMap<&'a str, (&'a Pod, u32)>,
    by_address: HashMap<IpAddr, &'a Pod>,
    addresses: BTreeMap<IpAddr, Classes>,
    /// Classes of pods whose addresses are not known, as those of manifests.
    unknown: Classes,
    /// Families of which pods of the cluster have addresses; both where no address is known.
    families: Vec<Family>,
    namespaces: Vec<(String, Arc<LabelMap>, Classes)>,
    namespace_numbers: HashMap<String, u32>,
    namespace_labels: Labels,
    pod_labels: Labels,
    ports: HashMap<(Protocol, Box<str>), BTreeMap<u16, Classes>>,
}

impl<'a> Population<'a> {
    /// Puts the running pods of a cluster into classes.
    pub fn new(snapshot: &'a Snapshot, partition: &Partition) -> Self {
        let cuts = cuts(&partition.networks);
        let mut classes: BTreeMap<_, Vec<&Pod>> = BTreeMap::new();
        for pod in snapshot.pods.iter().filter(|pod| !pod.ended) {
            let place = Family::ALL.map(|family| address(pod, family).map(|ip| place(&cuts, ip)));
            let place: Place = [place.first().copied().flatten(), place.get(1).copied().flatten()];
            let apart = partition.apart.get(&*pod.key);
            let key = (pod.namespace(), &*pod.labels, &*pod.ports, pod.shares.network, place, apart);
            classes.entry(key).or_default().push(pod);
        }
        let mut all = Vec::with_capacity(classes.len());
        for ((namespace, ..), pods) in classes {
            let Some(one) = pods.first() else { continue };
            let (labels, ports, host_network) = (Arc::clone(&one.labels), Arc::clone(&one.ports), one.shares.network);
            all.push(Class { namespace, labels, ports, host_network, pods });
        }
        let real = count(all.len());
        let would = partition.would.iter().filter_map(|(name, labels)| Some((member(snapshot, name)?, labels)));
        all.extend(would.map(|(namespace, labels)| Class {
            namespace,
            labels: labels.clone().into(),
            ports: Arc::default(),
            host_network: false,
            pods: Vec::new(),
        }));
        Self::of_classes(snapshot, all, real)
    }

    fn of_classes(snapshot: &'a Snapshot, classes: Vec<Class<'a>>, real: u32) -> Self {
        let (mut of_pod, mut by_address) = (HashMap::new(), HashMap::new());
        let mut addresses: BTreeMap<IpAddr, Vec<u32>> = BTreeMap::new();
        let mut ports: HashMap<_, BTreeMap<u16, Vec<u32>>> = HashMap::new();
        let mut members: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (number, class) in (0..).zip(&classes) {
            members.entry(class.namespace).or_default().push(number);
            for port in class.ports.iter().filter(|_| !class.host_network) {
                let Some(name) = &port.name else { continue };
                let numbers: &mut BTreeMap<u16, Vec<u32>> = ports.entry((port.protocol, name.clone())).or_default();
                numbers.entry(port.number).or_default().push(number);
            }
            for ip in class.pods.first().into_iter().flat_map(|pod| &pod.ips) {
                addresses.entry(*ip).or_default().push(number);
            }
            for pod in &class.pods {
                of_pod.insert(&*pod.key, (*pod, number));
                by_address.extend(pod.ips.iter().filter(|_| !class.host_network).map(|ip| (*ip, *pod)));
            }
        }
        let selectable = (0..).zip(&classes).filter(|(_, class)| !class.host_network);
        let pod_labels = Labels::new(selectable.map(|(number, class)| (number, &*class.labels)));
        let named: BTreeSet<&str> =
            members.keys().copied().chain(snapshot.namespaces.keys().map(String::as_str)).collect();
        let namespace = |name: &str| {
            let object = snapshot.namespaces.get(name).and_then(|namespace| namespace.metadata.labels.clone());
            let mut labels = object.unwrap_or_default();
            labels.insert(names::NAMESPACE_NAME.to_string(), name.to_string());
            let members = members.get(name).into_iter().flatten().copied().collect();
            (name.to_string(), Arc::new(labels), members)
        };
        let namespaces: Vec<_> = named.into_iter().map(namespace).collect();
        let numbered = (0..).zip(&namespaces);
        let unknown = (0..).zip(&classes).filter(|(_, class)| class.pods.first().is_some_and(|pod| pod.ips.is_empty()));
        let is_known = |family: &Family| addresses.keys().any(|ip| is_of(*ip, *family)) || addresses.is_empty();
        let families = [Family::V4, Family::V6].into_iter().filter(is_known).collect();
        let sets = |numbers: BTreeMap<u16, Vec<u32>>| numbers.into_iter().map(|(port, all)| (port, set(all))).collect();
        Population {
            namespace_numbers: numbered.clone().map(|(number, (name, ..))| (name.clone(), number)).collect(),
            namespace_labels: Labels::new(numbered.map(|(number, (_, labels, _))| (number, &**labels))),
            unknown: unknown.map(|(number, _)| number).collect(),
            families,
            classes,
            real,
            of_pod,
            by_address,
            addresses: addresses.into_iter().map(|(ip, all)| (ip, set(all))).collect(),
            namespaces,
            pod_labels,
            ports: ports.into_iter().map(|(name, numbers)| (name, sets(numbers))).collect(),
        }
    }

    /// Every class, with its number.
    pub fn classes(&self) -> impl Iterator<Item = (u32, &Class<'a>)> {
        (0..).zip(&self.classes)
    }

    /// A class by its number.
    pub fn class(&self, number: u32) -> Option<&Class<'a>> {
        self.classes.get(usize::try_from(number).ok()?)
    }

    /// How many classes there are of pods that are there.
    pub fn real(&self) -> u32 {
        self.real
    }

    /// A running pod and its class, by `namespace/name`.
    pub fn pod(&self, key: &str) -> Option<(&'a Pod, u32)> {
        self.of_pod.get(key).copied()
    }

    /// The running pod that has an address for itself.
    pub fn at(&self, address: IpAddr) -> Option<&'a Pod> {
        self.by_address.get(&address).copied()
    }

    /// Classes of a namespace.
    pub fn within(&self, namespace: &str) -> Option<&Classes> {
        let number = self.namespace_numbers.get(namespace)?;
        self.namespaces.get(usize::try_from(*number).ok()?).map(|(_, _, members)| members)
    }

    /// Numbers of the namespaces that a selector means.
    pub fn namespaces(&self, terms: &Terms) -> Classes {
        self.namespace_labels.select(terms)
    }

    /// A namespace by its number.
    pub fn namespace(&self, number: u32) -> Option<&str> {
        self.namespaces.get(usize::try_from(number).ok()?).map(|(name, ..)| name.as_str())
    }

    /// The labels of a namespace, if there is such.
    pub fn labels_of(&self, namespace: &str) -> Option<&LabelMap> {
        let number = self.namespace_numbers.get(namespace)?;
        self.namespaces.get(usize::try_from(*number).ok()?).map(|(_, labels, _)| &**labels)
    }

    /// How many namespaces there are.
    pub fn namespace_count(&self) -> usize {
        self.namespaces.len()
    }

    /// Classes that a selector means, in all namespaces or in those that another one means; without those that use the network
    /// of their node.
    pub fn select(&self, namespaces: Option<&Terms>, pods: &Terms) -> Classes {
        let Some(terms) = namespaces.filter(|terms| !terms.is_empty()) else { return self.pod_labels.select(pods) };
        let members = self.members(&self.namespaces(terms));
        if members.len() > FEW {
            return &members & &self.pod_labels.select(pods);
        }
        let fits = |class: &Class| !class.host_network && pods.matches(&class.labels);
        members.iter().filter(|number| self.class(*number).is_some_and(fits)).collect()
    }

    /// Classes of one namespace that a selector means; without those that use the network of their node.
    pub fn select_within(&self, namespace: &str, pods: &Terms) -> Classes {
        let Some(members) = self.within(namespace) else { return first(0) };
        // Where there are few, a look at each is less than a look at all pods of the cluster with such a label.
        if members.len() > FEW {
            return members & &self.pod_labels.select(pods);
        }
        let is_meant = |class: &Class| !class.host_network && pods.matches(&class.labels);
        members.iter().filter(|number| self.class(*number).is_some_and(is_meant)).collect()
    }

    /// Classes that a selector can mean, by their labels.
    pub fn labels(&self) -> &Labels {
        &self.pod_labels
    }

    /// Namespaces by their labels.
    pub fn labels_of_namespaces(&self) -> &Labels {
        &self.namespace_labels
    }

    /// All classes of some namespaces.
    pub fn members(&self, namespaces: &Classes) -> Classes {
        let chosen = namespaces.iter().filter_map(|number| self.namespaces.get(usize::try_from(number).ok()?));
        chosen.fold(Classes::new(), |all, (_, _, members)| all | members)
    }

    /// Classes that use the network of their node.
    pub fn on_hosts(&self) -> Classes {
        self.classes().filter(|(_, class)| class.host_network).map(|(number, _)| number).collect()
    }

    /// Some pods that a selector of a policy means, as peers: those that are there.
    pub fn present(&self, classes: &Classes) -> Peers {
        Peers::of_pods(&(classes & &first(self.real)))
    }

    /// The same as peers, who are pods that are there.
    pub fn peers(&self, namespaces: Option<&Terms>, pods: &Terms) -> Peers {
        self.present(&self.select(namespaces, pods))
    }

    /// Everybody.
    pub fn everybody(&self) -> Peers {
        Peers::all(self.real)
    }

    /// A pod has an address of a family; one whose addresses are not known may have any that pods of the cluster have.
    pub fn has(&self, pod: &Pod, family: Family) -> bool {
        address(pod, family).is_some() || pod.ips.is_empty() && self.families.contains(&family)
    }

    /// A network, with the pods that have an address in it. All addresses of a family are those of pods too whose own are not
    /// known.
    pub fn network(&self, net: &IpNet) -> Peers {
        let mut peers = self.known_within(net);
        let family = family(net.addr());
        if net.prefix_len() == 0 && self.families.contains(&family) {
            peers.add_pods(family, &self.unknown);
        }
        peers
    }

    /// A network, with the pods of which it is known that they have an address in it.
    pub fn known_within(&self, net: &IpNet) -> Peers {
        let mut peers = Peers::of_network(net);
        let family = family(net.addr());
        let inside = self.addresses.range(net.network()..=net.broadcast());
        let pods = inside.fold(Classes::new(), |all, (_, classes)| all | classes);
        peers.add_pods(family, &pods);
        peers
    }

    /// Who has a port of this name, by its number.
    pub fn named(&self, protocol: Protocol, name: &str) -> impl Iterator<Item = (u16, &Classes)> {
        let numbers = self.ports.get(&(protocol, Box::from(name)));
        numbers.into_iter().flatten().map(|(number, classes)| (*number, classes))
    }
}

/// The address of a pod in a family.
fn address(pod: &Pod, family: Family) -> Option<IpAddr> {
    pod.ips.iter().copied().find(|ip| is_of(*ip, family))
}

/// The family of an address.
pub(super) fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

fn is_of(address: IpAddr, wanted: Family) -> bool {
    family(address) == wanted
}

fn set(numbers: Vec<u32>) -> Classes {
    numbers.into_iter().collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The first address of each network, and the first one behind it.
fn cuts<'n>(networks: impl IntoIterator<Item = &'n IpNet>) -> Vec<IpAddr> {
    let behind = |net: &IpNet| match net.broadcast() {
        IpAddr::V4(last) => last.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(last) => last.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    };
    let cuts: BTreeSet<IpAddr> =
        networks.into_iter().flat_map(|net| [Some(net.network()), behind(net)]).flatten().collect();
    cuts.into_iter().collect()
}

fn place(cuts: &[IpAddr], address: IpAddr) -> usize {
    cuts.partition_point(|cut| *cut <= address)
}
