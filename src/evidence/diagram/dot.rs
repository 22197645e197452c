//! The diagram for Graphviz.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
};

use super::{Caption, mermaid::colour, words};
use crate::{
    engine::graph::{Edge, EdgeChange, EdgeKind, EdgeState, Graph},
    evidence::picture::for_dot,
};

pub(super) fn write(out: &mut impl Write, graph: &Graph, caption: &Caption) -> io::Result<()> {
    let numbers: HashMap<&str, usize> = graph.ends.iter().enumerate().map(|(n, end)| (end.name.as_str(), n)).collect();
    writeln!(out, "digraph pcizone {{")?;
    writeln!(out, "    label=\"{}\\n{}\"; labelloc=t;", for_dot(caption.title()), for_dot(&caption.words()))?;
    writeln!(out, "    rankdir=LR; node [shape=box]; edge [fontsize=10];")?;
    let mut zones: BTreeMap<Option<&str>, Vec<(usize, &str)>> = BTreeMap::new();
    for (number, end) in graph.ends.iter().enumerate() {
        zones.entry(end.zone.as_deref()).or_default().push((number, &end.name));
    }
    for (number, (zone, ends)) in zones.iter().enumerate() {
        if let Some(zone) = zone {
            writeln!(out, "    subgraph cluster{number} {{ label=\"zone {}\";", for_dot(zone))?;
        }
        for (number, name) in ends {
            writeln!(out, "    e{number} [label=\"{}\"];", for_dot(name))?;
        }
        if zone.is_some() {
            writeln!(out, "    }}")?;
        }
    }
    for edge in &graph.edges {
        let of = |name: &str| numbers.get(name).copied().unwrap_or_default();
        let lines: Vec<String> = words::lines(edge).iter().map(|line| for_dot(line)).collect();
        let (colour, style) = (colour(edge).unwrap_or("#1a1d21"), style(edge));
        writeln!(
            out,
            "    e{} -> e{} [label=\"{}\", color=\"{colour}\", fontcolor=\"{colour}\", style={style}];",
            of(&edge.from),
            of(&edge.to),
            lines.join("\\n"),
        )?;
    }
    writeln!(out, "}}")
}

fn style(edge: &Edge) -> &'static str {
    match (edge.state, edge.change, edge.kind) {
        (EdgeState::Ended | EdgeState::Unresolved, ..) | (_, EdgeChange::Removed, _) => "dotted",
        (_, _, EdgeKind::Door | EdgeKind::ApiServer) => "dashed",
        _ => "solid",
    }
}
