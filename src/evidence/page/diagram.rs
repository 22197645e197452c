//! The page of a diagram: the drawing, and every edge with its need, owner and end.

use std::io::{self, Write};

use askama::Template;

use super::shell::Shell;
use crate::{
    engine::graph::{EdgeKind, Graph},
    evidence::diagram::{Caption, drawing, drawing_style, words},
};

const STYLE: &str = include_str!("diagram.css");
/// Edges of one list.
const ROWS: usize = 10_000;

#[derive(Template)]
#[template(path = "diagram.html", config = "src/evidence/page/askama.toml")]
struct Diagram<'a> {
    shell: Shell,
    title: &'static str,
    words: String,
    folded: Option<String>,
    drawing: String,
    zones: Vec<&'a str>,
    kinds: Vec<(&'static str, &'static str, usize)>,
    has_changes: bool,
    rows: Vec<Row<'a>>,
    more: usize,
}

/// An edge in the list.
struct Row<'a> {
    number: usize,
    zone: &'a str,
    name: &'a str,
    kind: &'static str,
    class: &'static str,
    from: &'a str,
    to: &'a str,
    ports: &'a str,
    account_data: bool,
    need: &'a str,
    owner: &'a str,
    is_owned: bool,
    approval: Option<&'a str>,
    end: String,
    state: Option<&'static str>,
    change: Option<&'static str>,
}

/// The badge of a kind, in the classes of `base.css`.
fn class(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Flow => "v-proven",
        EdgeKind::Names => "",
        EdgeKind::Undeclared => "v-violated",
        EdgeKind::Door | EdgeKind::ApiServer => "v-unproven",
    }
}

/// Writes the page.
pub(in crate::evidence) fn write(out: &mut impl Write, graph: &Graph, caption: &Caption) -> io::Result<()> {
    let (drawing, folded) = drawing(graph, caption);
    let rows: Vec<Row> = graph
        .edges
        .iter()
        .enumerate()
        .take(ROWS)
        .map(|(number, edge)| Row {
            number: number + 1,
            zone: &edge.zone,
            name: &edge.name,
            kind: words::kind(edge.kind),
            class: class(edge.kind),
            from: &edge.from,
            to: &edge.to,
            ports: &edge.ports,
            account_data: edge.account_data,
            need: words::need(edge),
            owner: words::owner(edge),
            is_owned: edge.owner.is_some(),
            approval: edge.approval.as_deref(),
            end: words::end(edge),
            state: words::state(edge),
            change: words::change(edge),
        })
        .collect();
    let kinds = EdgeKind::ALL.into_iter().map(|kind| {
        let count = graph.edges.iter().filter(|edge| edge.kind == kind).count();
        (words::kind(kind), class(kind), count)
    });
    let mut zones: Vec<&str> = graph.edges.iter().map(|edge| edge.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let page = Diagram {
        shell: Shell::new(format!("{}, {}", caption.title(), caption.drawn_at), &format!("{}{STYLE}", drawing_style())),
        title: caption.title(),
        words: caption.words(),
        folded,
        drawing,
        zones,
        kinds: kinds.collect(),
        has_changes: caption.base.is_some(),
        more: graph.edges.len().saturating_sub(rows.len()),
        rows,
    };
    page.write_into(out)?;
    writeln!(out)
}
