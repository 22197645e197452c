//! How much of the internet some addresses are.

use ipnet::IpNet;

use super::sets::Peers;
use crate::engine::desired::networks::not_public;

/// How much of all public addresses some are, in thousandths, of the family of which they are more.
pub fn public_share(peers: &Peers) -> u128 {
    let mut public = Peers::of_network(&IpNet::V4(ipnet::Ipv4Net::default()));
    // What is handed out of IPv6 so far.
    public = public.or(&Peers::of_network(&IpNet::V6(GLOBAL_UNICAST)));
    let public = not_public().fold(public, |left, net| left.minus(&Peers::of_network(&net)));
    let some = peers.and(&public);
    let v4 = |peers: &Peers| {
        peers.v4.ranges().map(|r| u128::from(r.end().to_bits() - r.start().to_bits()) + 1).sum::<u128>()
    };
    // Whole networks of /64, so that thousand times of it is a number still.
    let v6 = |peers: &Peers| peers.v6.ranges().map(|r| (r.end().to_bits() - r.start().to_bits()) >> 64).sum::<u128>();
    let part = |some: u128, all: u128| some.saturating_mul(1000).checked_div(all).unwrap_or_default();
    part(v4(&some), v4(&public)).max(part(v6(&some), v6(&public)))
}

/// `2000::/3`, the only part of IPv6 that is handed out as public addresses.
const GLOBAL_UNICAST: ipnet::Ipv6Net =
    ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
