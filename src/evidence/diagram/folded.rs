//! A graph that is small enough to be drawn: ends of one namespace, or of one zone, as one.

use std::collections::BTreeMap;

use crate::engine::{
    change::count,
    graph::{Edge, EdgeChange, EdgeKind, EdgeState, End, Graph},
};

/// More ends than these are no picture any more.
pub(super) const ENDS: usize = 250;
/// More lines than these are none either.
pub(super) const LINES: usize = 600;

/// What is drawn as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kind: EdgeKind,
    pub(super) state: EdgeState,
    pub(super) change: EdgeChange,
    pub(super) account_data: bool,
    /// The edges, by their numbers in the graph.
    pub(super) edges: Vec<usize>,
}

/// A graph as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drawing {
    pub(super) ends: Vec<End>,
    pub(super) lines: Vec<Line>,
    /// What was folded, in words.
    pub(super) folded: Option<String>,
}

/// How far a graph is folded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fold {
    Nothing,
    Namespaces,
    Zones,
}

/// The graph as it is, or folded as far as it must be.
pub(super) fn drawing(graph: &Graph) -> Drawing {
    [Fold::Nothing, Fold::Namespaces, Fold::Zones]
        .into_iter()
        .map(|fold| fold_by(graph, fold))
        .find(|drawing| drawing.ends.len() <= ENDS && drawing.lines.len() <= LINES)
        .unwrap_or_else(|| fold_by(graph, Fold::Zones))
}

fn fold_by(graph: &Graph, fold: Fold) -> Drawing {
    let mut ends: Vec<End> = Vec::new();
    let mut known: BTreeMap<End, usize> = BTreeMap::new();
    let mut of_end: BTreeMap<&str, usize> = BTreeMap::new();
    for end in &graph.ends {
        let folded = folded(end, fold);
        let number = *known.entry(folded.clone()).or_insert_with(|| {
            ends.push(folded);
            ends.len() - 1
        });
        of_end.insert(&end.name, number);
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut drawn: BTreeMap<_, usize> = BTreeMap::new();
    for (number, edge) in graph.edges.iter().enumerate() {
        let Edge { kind, state, change, account_data, .. } = *edge;
        let of = |name: &str| of_end.get(name).copied().unwrap_or_default();
        let (from, to) = (of(&edge.from), of(&edge.to));
        let line = *drawn.entry((from, to, kind, state, change, account_data)).or_insert_with(|| {
            lines.push(Line { from, to, kind, state, change, account_data, edges: Vec::new() });
            lines.len() - 1
        });
        if let Some(line) = lines.get_mut(line) {
            line.edges.push(number);
        }
    }
    let by = match fold {
        Fold::Nothing => None,
        Fold::Namespaces => Some("namespaces"),
        Fold::Zones => Some("zones"),
    };
    let (ends_in_all, edges) = (count(graph.ends.len(), "end"), count(graph.edges.len(), "edge"));
    let folded = by.map(|by| format!("Drawn by {by}, because there are {ends_in_all} and {edges}; the list has each."));
    Drawing { ends, lines, folded }
}

fn folded(end: &End, fold: Fold) -> End {
    match (fold, &end.namespace, &end.zone) {
        (Fold::Namespaces, Some(namespace), zone) => {
            End { name: format!("namespace {namespace}"), zone: zone.clone(), namespace: Some(namespace.clone()) }
        }
        (Fold::Zones, _, Some(zone)) => {
            End { name: format!("pods of zone {zone}"), zone: Some(zone.clone()), namespace: None }
        }
        (Fold::Zones, Some(_), None) => End { name: "pods of no zone".to_string(), zone: None, namespace: None },
        // One for each would be thousands.
        (Fold::Zones, None, None) if end.name.contains(" of Service ") || end.name.contains(" by Service ") => {
            End { name: "what Services and routes open outside".to_string(), zone: None, namespace: None }
        }
        _ => end.clone(),
    }
}
