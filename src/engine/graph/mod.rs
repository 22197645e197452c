//! The network of zones as a graph: who talks to whom and why, what does so without a reason, and every way in that no policy
//! governs (PCI DSS 1.2.3, 1.2.4).
//!
//! ```text
//!  flows ───────────────┐
//!  name servers ────────┤
//!  what no flow declares┼─▶ Graph: ends and edges, in an order that small changes do not shuffle
//!  doors ───────────────┤
//!  rights at the API ───┘
//! ```

mod declared;
mod ungoverned;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{Evaluation, Resolution, Snapshot, compare::beyond};

pub use declared::{flow, peer};

/// Ends and what lies between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    /// The ends, by name.
    pub ends: Vec<End>,
    /// The edges, in order: what is declared, what nobody declared, what no policy governs.
    pub edges: Vec<Edge>,
}

/// Something that talks, or is talked to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// What it is, in words; no two ends have the same.
    pub name: String,
    /// The zone that it lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The namespace, where it is pods of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What an edge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum EdgeKind {
    /// A flow that a zone declares.
    Flow,
    /// Name servers, which every pod of a zone may ask.
    Names,
    /// What policies let through and no flow declares.
    Undeclared,
    /// A way in that no NetworkPolicy governs: the node, its ports, Services and routes that are open outside.
    Door,
    /// A way in through the API server, by a right.
    ApiServer,
}

impl EdgeKind {
    /// Every kind.
    pub const ALL: [EdgeKind; 5] =
        [EdgeKind::Flow, EdgeKind::Names, EdgeKind::Undeclared, EdgeKind::Door, EdgeKind::ApiServer];
}

/// What is declared of an edge: not whether a policy of others stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum EdgeState {
    /// It is to get through, and its ends are there.
    Open,
    /// The flow has ended, and is closed.
    Ended,
    /// The flow is declared and closed, because one of its ends is not there.
    Unresolved,
}

/// What has become of an edge between two graphs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum EdgeChange {
    /// It is in both.
    #[default]
    Same,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// One way from an end to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// What it is.
    pub kind: EdgeKind,
    /// The zone that it belongs to.
    pub zone: String,
    /// The flow, the policy, or the object that makes it.
    pub name: String,
    /// Who opens the connection, by the name of the end.
    pub from: String,
    /// Who accepts it.
    pub to: String,
    /// On which ports, in words.
    pub ports: String,
    /// What is declared of it.
    pub state: EdgeState,
    /// Account data goes through it.
    pub account_data: bool,
    /// Why it is there; nobody said so where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who approved it, and under which number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What has become of it, where two graphs are compared.
    pub change: EdgeChange,
}

impl Graph {
    /// The network of all zones, or of one.
    pub fn new(
        snapshot: &Snapshot,
        resolution: &Resolution,
        evaluations: &BTreeMap<String, Evaluation>,
        zone: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let mut edges = Vec::new();
        for (name, one) in resolution.zones() {
            if let Some(declaration) = one.declaration.as_deref() {
                edges.extend(declared::flows(declaration, one, resolution, &snapshot.cluster, now));
                edges.push(declared::names(declaration));
            }
            let found = evaluations.get(name).map(|evaluation| evaluation.findings.as_slice()).unwrap_or_default();
            edges.extend(ungoverned::rights(name, one, found, now));
        }
        edges.extend(beyond(snapshot, now).iter().flat_map(declared::beyond));
        edges.extend(ungoverned::doors(snapshot, resolution, now));
        edges.retain(|edge| zone.is_none_or(|zone| edge.zone == zone));
        Self::of(edges, resolution)
    }

    fn of(mut edges: Vec<Edge>, resolution: &Resolution) -> Self {
        edges.sort();
        edges.dedup();
        let names: BTreeSet<&str> = edges.iter().flat_map(|edge| [edge.from.as_str(), edge.to.as_str()]).collect();
        let end = |name: &str| {
            let place = name.rsplit_once(" in ").map(|(_, place)| place.trim_end_matches(" (none now)"));
            let namespace = place.filter(|place| resolution.namespace(place).is_some());
            let claim = namespace.and_then(|name| resolution.zone_of(name));
            let whole = name.strip_prefix(ALL_OF).filter(|zone| resolution.zone(zone).is_some());
            End {
                name: name.to_string(),
                zone: claim.or(whole).map(str::to_string),
                namespace: namespace.map(str::to_string),
            }
        };
        let ends = names.into_iter().map(end).collect();
        Self::in_order(ends, edges)
    }

    /// Ends of one zone and of one namespace lie side by side.
    fn in_order(mut ends: Vec<End>, edges: Vec<Edge>) -> Self {
        ends.sort_by(|one, other| {
            (&one.zone, &one.namespace, &one.name).cmp(&(&other.zone, &other.namespace, &other.name))
        });
        Graph { ends, edges }
    }

    /// Only what account data goes through (PCI DSS 1.2.4).
    pub fn account_data(mut self) -> Self {
        self.edges.retain(|edge| edge.account_data);
        let used: BTreeSet<&str> = self.edges.iter().flat_map(|edge| [edge.from.as_str(), edge.to.as_str()]).collect();
        self.ends.retain(|end| used.contains(end.name.as_str()));
        self
    }

    /// Both graphs in one, and what has become of each edge.
    pub fn since(self, base: Graph) -> Self {
        let key = |edge: &Edge| {
            let Edge { kind, zone, name, from, to, ports, state, account_data, .. } = edge.clone();
            (kind, zone, name, from, to, ports, state, account_data)
        };
        let was: BTreeSet<_> = base.edges.iter().map(key).collect();
        let is: BTreeSet<_> = self.edges.iter().map(key).collect();
        let change = |edge: Edge, others: &BTreeSet<_>, change| {
            let change = if others.contains(&key(&edge)) { EdgeChange::Same } else { change };
            Edge { change, ..edge }
        };
        let mut edges: Vec<Edge> = self.edges.into_iter().map(|edge| change(edge, &was, EdgeChange::Added)).collect();
        let gone = base.edges.into_iter().map(|edge| change(edge, &is, EdgeChange::Removed));
        edges.extend(gone.filter(|edge| edge.change == EdgeChange::Removed));
        edges.sort();
        let known: BTreeSet<String> = self.ends.iter().map(|end| end.name.clone()).collect();
        let mut ends = self.ends;
        ends.extend(base.ends.into_iter().filter(|end| !known.contains(&end.name)));
        Self::in_order(ends, edges)
    }
}

/// All pods of a zone are called so.
const ALL_OF: &str = "all pods of zone ";

/// All pods of a zone.
fn all_of(zone: &str) -> String {
    format!("{ALL_OF}{zone}")
}
