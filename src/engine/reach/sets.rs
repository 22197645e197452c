//! Sets of ports, of peers, and of traffic, which is peers on ports.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    sync::Arc,
};

use ipnet::IpNet;
use range_set_blaze::RangeSetBlaze;
use roaring::RoaringBitmap;

use crate::api::Protocol;

/// Classes of pods, by number.
pub type Classes = RoaringBitmap;

/// Ports of each protocol that a policy can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports([RangeSetBlaze<u16>; 3]);

impl Ports {
    /// Every port of every protocol.
    pub fn all() -> Self {
        let mut all = Ports::default();
        for protocol in Protocol::ALL {
            all.add(protocol, 0..=u16::MAX);
        }
        all
    }

    /// Takes some ports in.
    pub fn add(&mut self, protocol: Protocol, ports: RangeInclusive<u16>) {
        self.of_mut(protocol).ranges_insert(ports);
    }

    /// The ports of a protocol.
    pub fn of(&self, protocol: Protocol) -> &RangeSetBlaze<u16> {
        let Ports([tcp, udp, sctp]) = self;
        match protocol {
            Protocol::TCP => tcp,
            Protocol::UDP => udp,
            Protocol::SCTP => sctp,
        }
    }

    fn of_mut(&mut self, protocol: Protocol) -> &mut RangeSetBlaze<u16> {
        let Ports([tcp, udp, sctp]) = self;
        match protocol {
            Protocol::TCP => tcp,
            Protocol::UDP => udp,
            Protocol::SCTP => sctp,
        }
    }

    /// The port is one of them.
    pub fn has(&self, protocol: Protocol, port: u16) -> bool {
        self.of(protocol).contains(port)
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(RangeSetBlaze::is_empty)
    }

    /// Every port of every protocol is among them.
    pub fn is_all(&self) -> bool {
        self.0.iter().all(|ports| ports.len() > u32::from(u16::MAX))
    }

    /// What both have.
    pub fn and(&self, other: &Self) -> Self {
        Ports(each(&self.0, &other.0, |mine, theirs| mine & theirs))
    }

    /// What the other one lacks.
    pub fn minus(&self, other: &Self) -> Self {
        Ports(each(&self.0, &other.0, |mine, theirs| mine - theirs))
    }

    /// What one of them has.
    pub fn or(&self, other: &Self) -> Self {
        Ports(each(&self.0, &other.0, |mine, theirs| mine | theirs))
    }
}

fn each<T>(mine: &[T; 3], theirs: &[T; 3], op: impl Fn(&T, &T) -> T) -> [T; 3] {
    let ([one, two, three], [first, second, third]) = (mine, theirs);
    [op(one, first), op(two, second), op(three, third)]
}

/// How the address of a pod at the other end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// By an IPv4 address.
    V4,
    /// By an IPv6 address.
    V6,
    /// Not at all, as between pods without a common family: only selectors mean it.
    Unknown,
}

impl Family {
    /// Every way.
    pub const ALL: [Family; 3] = [Family::V4, Family::V6, Family::Unknown];
}

/// Some of all that can be at the other end: pods, and addresses that are no pod's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// Pods by class, for each way that their address is known: a block of addresses means a pod in one family only.
    pods: [Arc<Classes>; 3],
    /// Addresses.
    pub v4: RangeSetBlaze<Ipv4Addr>,
    /// Addresses.
    pub v6: RangeSetBlaze<Ipv6Addr>,
}

impl Peers {
    /// Everybody, of so many classes.
    pub fn all(classes: u32) -> Self {
        let mut all = Peers::of_pods(&first(classes));
        all.v4.ranges_insert(Ipv4Addr::UNSPECIFIED..=Ipv4Addr::BROADCAST);
        all.v6.ranges_insert(Ipv6Addr::UNSPECIFIED..=Ipv6Addr::from_bits(u128::MAX));
        all
    }

    /// These pods, however their address is known.
    pub fn of_pods(pods: &Classes) -> Self {
        let pods = Arc::new(pods.clone());
        Peers { pods: [Arc::clone(&pods), Arc::clone(&pods), pods], ..Peers::default() }
    }

    /// The addresses of a network.
    pub fn of_network(net: &IpNet) -> Self {
        let mut peers = Peers::default();
        match net {
            IpNet::V4(net) => peers.v4.ranges_insert(net.network()..=net.broadcast()),
            IpNet::V6(net) => peers.v6.ranges_insert(net.network()..=net.broadcast()),
        };
        peers
    }

    /// Some addresses.
    pub fn of_addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for address in addresses {
            match address {
                IpAddr::V4(address) => v4.push(address),
                IpAddr::V6(address) => v6.push(address),
            }
        }
        Peers { v4: v4.into_iter().collect(), v6: v6.into_iter().collect(), ..Peers::default() }
    }

    /// Takes in pods whose address in this family is among them.
    pub fn add_pods(&mut self, family: Family, pods: &Classes) {
        *Arc::make_mut(self.pods_mut(family)) |= pods;
    }

    /// Pods whose address is known so.
    pub fn pods(&self, family: Family) -> &Classes {
        let [v4, v6, unknown] = &self.pods;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
            Family::Unknown => unknown,
        }
    }

    fn pods_mut(&mut self, family: Family) -> &mut Arc<Classes> {
        let [v4, v6, unknown] = &mut self.pods;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
            Family::Unknown => unknown,
        }
    }

    /// Pods, in whatever way their address is known.
    pub fn all_pods(&self) -> Classes {
        let [v4, v6, unknown] = &self.pods;
        if Arc::ptr_eq(v4, v6) && Arc::ptr_eq(v6, unknown) { Classes::clone(v4) } else { &(&**v4 | &**v6) | &**unknown }
    }

    /// The same with other classes in place of these.
    pub fn with_pods(&self, of: impl Fn(&Classes) -> Classes) -> Self {
        Peers { pods: pairwise(&self.pods, &self.pods, |pods, _| of(pods)), v4: self.v4.clone(), v6: self.v6.clone() }
    }

    /// Only the addresses.
    pub fn without_pods(&self) -> Self {
        Peers { v4: self.v4.clone(), v6: self.v6.clone(), ..Peers::default() }
    }

    /// All but the IPv4 addresses.
    pub fn without_v4(self) -> Self {
        Peers { v4: RangeSetBlaze::default(), ..self }
    }

    /// All but the IPv6 addresses.
    pub fn without_v6(self) -> Self {
        Peers { v6: RangeSetBlaze::default(), ..self }
    }

    /// The address is one of them.
    pub fn has_address(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(address),
            IpAddr::V6(address) => self.v6.contains(address),
        }
    }

    /// Some address of the family is one of them.
    pub fn has_any(&self, family: Family) -> bool {
        match family {
            Family::V4 => !self.v4.is_empty(),
            Family::V6 => !self.v6.is_empty(),
            Family::Unknown => false,
        }
    }

    /// No addresses.
    pub fn has_no_address(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.has_no_address() && self.pods.iter().all(|pods| pods.is_empty())
    }

    /// What both have.
    pub fn and(&self, other: &Self) -> Self {
        Peers {
            pods: pairwise(&self.pods, &other.pods, |mine, theirs| mine & theirs),
            v4: &self.v4 & &other.v4,
            v6: &self.v6 & &other.v6,
        }
    }

    /// What the other one lacks.
    pub fn minus(&self, other: &Self) -> Self {
        Peers {
            pods: pairwise(&self.pods, &other.pods, |mine, theirs| mine - theirs),
            v4: &self.v4 - &other.v4,
            v6: &self.v6 - &other.v6,
        }
    }

    /// What one of them has.
    pub fn or(&self, other: &Self) -> Self {
        Peers {
            pods: pairwise(&self.pods, &other.pods, |mine, theirs| mine | theirs),
            v4: &self.v4 | &other.v4,
            v6: &self.v6 | &other.v6,
        }
    }
}

/// What is the same for two families is computed once, and shared.
fn pairwise(
    mine: &[Arc<Classes>; 3],
    theirs: &[Arc<Classes>; 3],
    op: impl Fn(&Classes, &Classes) -> Classes,
) -> [Arc<Classes>; 3] {
    let ([v4, v6, unknown], [v4s, v6s, unknowns]) = (mine, theirs);
    let first = Arc::new(op(v4, v4s));
    let after = |mine: &Arc<Classes>, theirs: &Arc<Classes>| {
        let same = Arc::ptr_eq(mine, v4) && Arc::ptr_eq(theirs, v4s);
        if same { Arc::clone(&first) } else { Arc::new(op(mine, theirs)) }
    };
    let (second, third) = (after(v6, v6s), after(unknown, unknowns));
    [first, second, third]
}

/// The classes below a number.
pub fn first(classes: u32) -> Classes {
    let mut all = Classes::new();
    all.insert_range(0..classes);
    all
}

/// Some peers on some ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Who is at the other end.
    pub peers: Peers,
    /// On which ports of the end that accepts.
    pub ports: Ports,
}

impl Traffic {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() || self.ports.is_empty()
    }

    /// What both have.
    pub fn and(&self, other: &Self) -> Self {
        Traffic { peers: self.peers.and(&other.peers), ports: self.ports.and(&other.ports) }
    }

    /// What the other one lacks: its peers on other ports, and others on all ports.
    pub fn minus(&self, other: &Self) -> impl Iterator<Item = Traffic> + use<> {
        let both = self.peers.and(&other.peers);
        let ports = self.ports.and(&other.ports);
        // What has nothing in common stays whole: it is told in one sentence.
        let is_apart = Traffic { peers: both.clone(), ports }.is_empty();
        let others = if is_apart { self.peers.clone() } else { self.peers.minus(&other.peers) };
        let others = Traffic { peers: others, ports: self.ports.clone() };
        let left = if is_apart { Ports::default() } else { self.ports.minus(&other.ports) };
        let rest = Traffic { ports: left, peers: both };
        [others, rest].into_iter().filter(|traffic| !traffic.is_empty())
    }
}

/// What is left of some traffic without some other.
pub fn without<'a>(some: Vec<Traffic>, cut: impl IntoIterator<Item = &'a Traffic>) -> Vec<Traffic> {
    cut.into_iter().fold(some, |left, cut| {
        if left.is_empty() {
            return left;
        }
        left.iter().flat_map(|traffic| traffic.minus(cut)).collect()
    })
}
