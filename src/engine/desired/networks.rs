//! Networks as the peers of flows need them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::engine::snapshot::Cluster;

/// Never public: private, shared, loopback, link-local, unique-local and multicast networks (RFC 6890, RFC 4193),
/// and those that carry an IPv4 address inside (RFC 6052, RFC 8215, RFC 3056), through which all of them are reached.
const NOT_PUBLIC: [&str; 18] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
    "::/127",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Networks that are never public.
pub fn not_public() -> impl Iterator<Item = IpNet> {
    NOT_PUBLIC.iter().filter_map(|cidr| cidr.parse().ok())
}

/// A network and what is cut out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The network.
    pub cidr: IpNet,
    /// Parts of it that are not meant, sorted.
    pub except: Vec<IpNet>,
}

/// All public addresses: everything minus what is never public and what is the cluster's own.
pub fn internet(cluster: &Cluster) -> Vec<Block> {
    let mut cut: Vec<IpNet> = not_public().collect();
    cut.extend(cluster.services.iter().chain(&cluster.nodes).map(IpNet::trunc));
    // The API server refuses a policy that names one, and no packet carries such an address.
    cut.retain(|net| !is_ipv4_mapped(net));
    let cut = IpNet::aggregate(&cut);
    let v4 = IpNet::V4(Ipv4Net::default());
    let v6 = IpNet::V6(Ipv6Net::default());
    [v4, v6]
        .into_iter()
        // A family that is wholly the cluster's own has no public address; an exception must be smaller than its network.
        .filter(|cidr| !cut.contains(cidr))
        .map(|cidr| {
            let mut except: Vec<IpNet> = cut.iter().filter(|net| cidr.contains(*net)).copied().collect();
            except.sort();
            Block { cidr, except }
        })
        .collect()
}

fn is_ipv4_mapped(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.prefix_len() >= 96 && net.network().to_ipv4_mapped().is_some())
}

/// Single addresses as networks, sorted.
pub fn hosts(addresses: &[IpAddr]) -> Vec<Block> {
    let mut nets: Vec<IpNet> = addresses.iter().copied().map(IpNet::from).collect();
    nets.sort();
    nets.dedup();
    blocks(nets)
}

/// Networks without exceptions.
pub fn blocks(nets: impl IntoIterator<Item = IpNet>) -> Vec<Block> {
    nets.into_iter().map(|cidr| Block { cidr, except: Vec::new() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excepted(blocks: &[Block], address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let block = blocks.iter().find(|b| b.cidr.contains(&address)).expect("both families are covered");
        block.except.iter().any(|net| net.contains(&address))
    }

    #[test]
    fn internet_leaves_out_what_is_private_and_what_is_the_clusters_own() {
        let cluster = Cluster {
            services: vec!["20.0.0.0/16".parse().unwrap(), "2001:db8:1::/112".parse().unwrap()],
            nodes: vec!["198.51.100.7/32".parse().unwrap(), "30.0.1.0/24".parse().unwrap()],
            ..Cluster::default()
        };
        let blocks = internet(&cluster);
        for private in ["10.1.2.3", "192.168.0.1", "172.31.255.255", "169.254.169.254", "127.0.0.1", "100.64.0.1"] {
            assert!(excepted(&blocks, private), "{private}");
        }
        for private in ["::1", "fd00::1", "fe80::1", "ff02::1", "64:ff9b::a9fe:a9fe", "2002:a00:1::1"] {
            assert!(excepted(&blocks, private), "{private}");
        }
        for own in ["20.0.255.255", "198.51.100.7", "30.0.1.77", "2001:db8:1::1"] {
            assert!(excepted(&blocks, own), "{own}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "198.51.100.8", "2606:4700::1111", "2001:db8:2::1"] {
            assert!(!excepted(&blocks, public), "{public}");
        }
    }
}
