//! The diagram as Mermaid text.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
};

use super::{Caption, words};
use crate::{
    engine::graph::{Edge, EdgeChange, EdgeKind, EdgeState, Graph},
    evidence::picture::for_mermaid,
};

pub(super) fn write(out: &mut impl Write, graph: &Graph, caption: &Caption) -> io::Result<()> {
    let numbers: HashMap<&str, usize> = graph.ends.iter().enumerate().map(|(n, end)| (end.name.as_str(), n)).collect();
    // Mermaid obeys directives in comments too.
    writeln!(out, "%% {}: {}", caption.title(), for_mermaid(&caption.words()))?;
    writeln!(out, "flowchart LR")?;
    let mut zones: BTreeMap<Option<&str>, Vec<(usize, &str)>> = BTreeMap::new();
    for (number, end) in graph.ends.iter().enumerate() {
        zones.entry(end.zone.as_deref()).or_default().push((number, &end.name));
    }
    for (number, (zone, ends)) in zones.iter().enumerate() {
        if let Some(zone) = zone {
            writeln!(out, "    subgraph zone{number}[\"zone {}\"]", for_mermaid(zone))?;
        }
        for (number, name) in ends {
            writeln!(out, "    e{number}[\"{}\"]", for_mermaid(name))?;
        }
        if zone.is_some() {
            writeln!(out, "    end")?;
        }
    }
    let mut styles: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, edge) in graph.edges.iter().enumerate() {
        let of = |name: &str| numbers.get(name).copied().unwrap_or_default();
        let lines: Vec<String> = words::lines(edge).iter().map(|line| for_mermaid(line)).collect();
        let arrow = if is_thin(edge) { "-.->" } else { "-->" };
        writeln!(out, "    e{} {arrow}|\"{}\"| e{}", of(&edge.from), lines.join("<br/>"), of(&edge.to))?;
        if let Some(colour) = colour(edge) {
            styles.entry(colour).or_default().push(number.to_string());
        }
    }
    for (colour, numbers) in styles {
        writeln!(out, "    linkStyle {} stroke:{colour},color:{colour}", numbers.join(","))?;
    }
    Ok(())
}

/// Nothing goes through it, or no policy has a say.
fn is_thin(edge: &Edge) -> bool {
    edge.state != EdgeState::Open
        || edge.change == EdgeChange::Removed
        || matches!(edge.kind, EdgeKind::Door | EdgeKind::ApiServer)
}

/// What is to be looked at has a colour. What nobody declared does not look better for being new.
pub(super) fn colour(edge: &Edge) -> Option<&'static str> {
    match (edge.change, edge.kind) {
        (EdgeChange::Removed, _) => Some("#565b61"),
        (EdgeChange::Added | EdgeChange::Same, EdgeKind::Undeclared) => Some("#9b1c1c"),
        (EdgeChange::Added | EdgeChange::Same, EdgeKind::Door | EdgeKind::ApiServer) => Some("#7a4b00"),
        (EdgeChange::Added, EdgeKind::Flow | EdgeKind::Names) => Some("#1c6137"),
        (EdgeChange::Same, EdgeKind::Flow | EdgeKind::Names) => None,
    }
}
