//! What there is much of in a cluster: where everything is drawn alike, what depends on three rules at once hardly ever
//! happens.

/// How often things are drawn, in comparison to the others of their kind.
pub(super) struct Focus {
    /// Of pods and policies.
    pub(super) namespaces: &'static [&'static str],
    /// Of pods: IPv4, IPv6.
    pub(super) families: &'static [(bool, bool)],
    /// Rules that are about everybody.
    pub(super) all_peers: u32,
    /// Rules that are about every port.
    pub(super) all_ports: u32,
    /// Peers that are blocks of addresses.
    pub(super) blocks: u32,
    /// Ports that have a name.
    pub(super) names: u32,
}

const FAMILIES: &[(bool, bool)] = &[(true, false), (true, true), (true, true), (false, true), (false, false)];

pub(super) const EVERYTHING: Focus = Focus {
    namespaces: &["a", "a", "a", "b", "b", "c", "d"],
    families: FAMILIES,
    all_peers: 1,
    all_ports: 2,
    blocks: 5,
    names: 4,
};

pub(super) const SELECTORS: Focus = Focus {
    namespaces: &["a", "a", "b", "b", "c", "d"],
    families: FAMILIES,
    all_peers: 1,
    all_ports: 20,
    blocks: 1,
    names: 1,
};

pub(super) const ADDRESSES: Focus = Focus {
    namespaces: &["a", "a", "a", "b"],
    families: &[(true, true), (true, true), (true, true), (true, true), (true, false), (false, true)],
    all_peers: 1,
    all_ports: 30,
    blocks: 50,
    names: 1,
};

pub(super) const PORTS: Focus =
    Focus { namespaces: &["a", "a", "b"], families: FAMILIES, all_peers: 10, all_ports: 1, blocks: 2, names: 30 };
