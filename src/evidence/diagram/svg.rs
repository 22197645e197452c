//! The diagram as a drawing: who comes in on the left, the zones in the middle, what they reach on the right. Nothing is placed
//! by chance, and an end that comes or goes moves only those below it.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
};

use super::{
    Caption,
    folded::{self, Drawing, Line},
    words,
};
use crate::{
    engine::graph::{EdgeChange, EdgeKind, EdgeState, Graph},
    evidence::columns::harmless,
};

/// Style of the drawing, on its own and in a page.
const STYLE: &str = include_str!("drawing.css");
/// Colours of a drawing on its own; a page has the same.
const COLOURS: &str = include_str!("colours.css");

const MARGIN: usize = 16;
const WIDTH: usize = 270;
const HEIGHT: usize = 28;
const GAP: usize = 10;
const LANE: usize = 160;
const HEADER: usize = 24;
/// The most that a line between two ends of the middle bends outwards.
const BEND: usize = 130;
/// What text begins and ends within its box.
const INSET: usize = 8;

/// Where an end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spot {
    x: usize,
    y: usize,
    column: usize,
}

/// A frame around ends: a zone, or a namespace in it.
struct Frame {
    class: &'static str,
    name: String,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

struct Layout {
    spots: Vec<Spot>,
    /// How many lines go out of an end, and how many come in.
    meets: Vec<(usize, usize)>,
    /// Of each line, how many lie between the same two ends before it.
    ranks: Vec<usize>,
    frames: Vec<Frame>,
    width: usize,
    height: usize,
}

pub(super) fn write(out: &mut impl Write, graph: &Graph, caption: &Caption) -> io::Result<()> {
    let drawing = folded::drawing(graph);
    out.write_all(element(graph, &drawing, caption, Some(&format!("{COLOURS}{STYLE}"))).as_bytes())
}

/// The drawing for a page that has the style, and what was folded in it.
pub(in crate::evidence) fn drawing(graph: &Graph, caption: &Caption) -> (String, Option<String>) {
    let drawing = folded::drawing(graph);
    (element(graph, &drawing, caption, None), drawing.folded)
}

/// The style that it needs there.
pub(in crate::evidence) fn style() -> &'static str {
    STYLE
}

/// The drawing as an element, with a style of its own where no page has it.
fn element(graph: &Graph, drawing: &Drawing, caption: &Caption, style: Option<&str>) -> String {
    let folded = drawing.folded.as_ref().map(|folded| format!(" {folded}")).unwrap_or_default();
    let words = format!("{}. {}{folded}", caption.title(), caption.words());
    let layout = Layout::new(drawing);
    let mut to = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        to,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"drawing\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" aria-label=\"{}\">",
        escaped(&words),
        w = layout.width,
        h = layout.height,
    );
    if let Some(style) = style {
        let _ = write!(to, "<style>{style}</style>");
    }
    to.push_str("<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0 8 4 0 8z\" fill=\"context-stroke\"/></marker></defs>\n");
    for Frame { class, name, x, y, width, height } in &layout.frames {
        let _ = writeln!(
            to,
            "<g class=\"{class}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
            x + INSET,
            y + 16,
            // Zones are written bold.
            escaped(&short(name, (width - 2 * INSET) * 6 / 7)),
        );
    }
    for (number, line) in drawing.lines.iter().enumerate() {
        path(&mut to, graph, &layout, line, number);
    }
    for (end, Spot { x, y, .. }) in drawing.ends.iter().zip(&layout.spots) {
        let _ = writeln!(
            to,
            "<g class=\"end\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"3\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
            escaped(&end.name),
            x + INSET,
            y + 18,
            escaped(&short(&end.name, WIDTH - 2 * INSET)),
        );
    }
    to.push_str("</svg>\n");
    to
}

impl Layout {
    fn new(drawing: &Drawing) -> Self {
        let mut pairs: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let rank = |line: &Line| {
            let rank = pairs.entry((line.from.min(line.to), line.from.max(line.to))).or_default();
            *rank += 1;
            *rank - 1
        };
        let ranks = drawing.lines.iter().map(rank).collect();
        let mut meets = vec![(0, 0); drawing.ends.len()];
        for line in &drawing.lines {
            meets.get_mut(line.from).into_iter().for_each(|(out, _)| *out += 1);
            meets.get_mut(line.to).into_iter().for_each(|(_, into)| *into += 1);
        }
        let is_source = |end: usize| meets.get(end).is_some_and(|(out, _)| *out > 0);
        let mut spots = vec![Spot::default(); drawing.ends.len()];
        let x = [0, 1, 2].map(|column| MARGIN + column * (WIDTH + LANE));
        let [left, middle, right] = x;
        let mut bottoms = [MARGIN; 3];
        let mut frames = Vec::new();
        let mut zones: BTreeMap<&str, BTreeMap<Option<&str>, Vec<usize>>> = BTreeMap::new();
        for (number, end) in drawing.ends.iter().enumerate() {
            if let Some(zone) = &end.zone {
                zones.entry(zone).or_default().entry(end.namespace.as_deref()).or_default().push(number);
                continue;
            }
            let (x, column) = if is_source(number) { (left, 0) } else { (right, 2) };
            if let (Some(spot), Some(bottom)) = (spots.get_mut(number), bottoms.get_mut(column)) {
                *spot = Spot { x, y: *bottom, column };
                *bottom += HEIGHT + GAP;
            }
        }
        let [_, mut y, _] = bottoms;
        for (zone, namespaces) in zones {
            let top = y;
            y += HEADER;
            for (namespace, ends) in namespaces {
                let start = y;
                if namespace.is_some() {
                    y += HEADER;
                }
                for end in ends {
                    if let Some(spot) = spots.get_mut(end) {
                        *spot = Spot { x: middle, y, column: 1 };
                    }
                    y += HEIGHT + GAP;
                }
                if let Some(namespace) = namespace {
                    let (x, width, height) = (middle - 8, WIDTH + 16, y - start - 2);
                    frames.push(Frame { class: "namespace", name: namespace.to_string(), x, y: start, width, height });
                    y += GAP;
                }
            }
            let (x, width, height) = (middle - 16, WIDTH + 32, y - top);
            frames.push(Frame { class: "zone", name: format!("zone {zone}"), x, y: top, width, height });
            y += 2 * GAP;
        }
        // Zones lie behind their namespaces.
        frames.sort_by_key(|frame| frame.class != "zone");
        let [left_bottom, _, right_bottom] = bottoms;
        let has_right = spots.iter().any(|spot| spot.column == 2);
        let width = if has_right { right + WIDTH + MARGIN } else { middle + WIDTH + BEND + 2 * MARGIN };
        Layout { spots, meets, ranks, frames, width, height: left_bottom.max(right_bottom).max(y) + MARGIN }
    }

    fn goes_out(&self, end: usize) -> usize {
        self.meets.get(end).map_or(0, |(out, _)| *out)
    }

    fn comes_in(&self, end: usize) -> usize {
        self.meets.get(end).map_or(0, |(_, into)| *into)
    }
}

/// A line between two ends, with its number on it.
fn path(to: &mut String, graph: &Graph, layout: &Layout, line: &Line, number: usize) {
    let spot = |end: usize| layout.spots.get(end).copied().unwrap_or_default();
    let (from, end) = (spot(line.from), spot(line.to));
    let middle = |spot: Spot| spot.y + HEIGHT / 2;
    // Lines that end at one place come in beside each other.
    let shift = number % 5 * 4;
    let (y1, y2) = if line.from == line.to {
        (middle(from) - 10, middle(from) + 10)
    } else {
        (middle(from) + shift - 8, middle(end) + shift - 8)
    };
    let (x1, x2, c1, c2) = match from.column.cmp(&end.column) {
        Ordering::Equal if line.from == line.to => {
            let x = from.x + WIDTH;
            let bend = 40 + layout.ranks.get(number).map_or(0, |rank| rank % 3) * 60;
            (x, x, x + bend, x + bend)
        }
        Ordering::Equal => {
            let bend = 40 + (from.y.abs_diff(end.y) / 6 + number % 7 * 12).min(BEND - 40);
            let x = from.x + WIDTH;
            (x, x, x + bend, x + bend)
        }
        Ordering::Less => {
            let (x1, x2) = (from.x + WIDTH, end.x);
            (x1, x2, x1 + LANE / 2, x2 - LANE / 2)
        }
        Ordering::Greater => {
            let (x1, x2) = (from.x, end.x + WIDTH);
            (x1, x2, x1 - LANE / 2, x2 + LANE / 2)
        }
    };
    // A point of the curve, in hundredths of its way: near the end at which fewer lines meet, so that numbers lie apart, and
    // the nearer the steeper it is.
    let step = match y1.abs_diff(y2) {
        0..150 => 18,
        150..400 => 12,
        _ => 7,
    };
    let rank = layout.ranks.get(number).copied().unwrap_or_default();
    let near = step + number % 3 * step / 3 + rank % 4 * 20;
    let t = match (line.from == line.to, layout.comes_in(line.to) < layout.goes_out(line.from)) {
        (true, _) => 50,
        (false, true) => 98 - near,
        (false, false) => near,
    };
    let at = |a: usize, b: usize, c: usize, d: usize| {
        let u = 100 - t;
        (a * u * u * u + 3 * b * u * u * t + 3 * c * u * t * t + d * t * t * t) / 1_000_000
    };
    let (x, y) = (at(x1, c1, c2, x2), at(y1, y1, y2, y2));
    let class = class(line);
    let edges = line.edges.iter().filter_map(|edge| Some((edge + 1, graph.edges.get(*edge)?)));
    let told: Vec<String> =
        edges.take(5).map(|(number, edge)| format!("{number}: {}", words::lines(edge).join("; "))).collect();
    let more = line.edges.len().saturating_sub(told.len());
    let more = if more == 0 { String::new() } else { format!("\nand {more} more") };
    let first = line.edges.first().map(|edge| edge + 1).unwrap_or_default();
    let label = if line.edges.len() > 1 { format!("{first}+{}", line.edges.len() - 1) } else { first.to_string() };
    let half = 5 + label.len() * 3;
    let _ = writeln!(
        to,
        "<g class=\"{class}\"><title>{}{more}</title><path d=\"M{x1} {y1}C{c1} {y1} {c2} {y2} {x2} {y2}\" marker-end=\"url(#tip)\"/><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" rx=\"7\"/><text x=\"{x}\" y=\"{}\">{label}</text></g>",
        escaped(&told.join("\n")),
        x.saturating_sub(half),
        y.saturating_sub(7),
        2 * half,
        y + 4,
    );
}

fn class(line: &Line) -> String {
    let kind = match line.kind {
        EdgeKind::Flow => "flow",
        EdgeKind::Names => "names",
        EdgeKind::Undeclared => "undeclared",
        EdgeKind::Door | EdgeKind::ApiServer => "door",
    };
    let change = match line.change {
        EdgeChange::Same => "",
        EdgeChange::Added => " added",
        EdgeChange::Removed => " removed",
    };
    let state = if line.state == EdgeState::Open { "" } else { " closed" };
    let data = if line.account_data { " data" } else { "" };
    format!("line {kind}{change}{state}{data}")
}

/// As much as fits into so many pixels; all of it stands in the title.
fn short(text: &str, fits: usize) -> String {
    let mut ends = Vec::new();
    let mut wide = 0;
    for (at, c) in text.char_indices() {
        ends.push((at, wide));
        wide += advance(c);
    }
    if wide <= fits {
        return text.to_string();
    }
    let end = ends.iter().rev().find(|(_, wide)| wide + advance('…') <= fits).map_or(0, |(at, _)| *at);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The most that a character takes of a line, by the widest font that a page may be shown in (`DejaVu Sans`, 12 pixels).
fn advance(c: char) -> usize {
    match c {
        'f' | 'i' | 'j' | 'l' | 'r' | 't' | 'I' | ' ' | '-' | '.' | ',' | ':' | ';' | '/' | '(' | ')' | '[' | ']' => 5,
        'm' | 'w' | 'M' | 'W' | '=' | '<' | '>' | '+' | '%' | '@' | '…' => 12,
        'A'..='Z' | '&' => 10,
        c if c.is_ascii() => 8,
        _ => 13,
    }
}

/// Nothing of a name is taken for markup.
fn escaped(text: &str) -> String {
    let mut to = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '&' => to.push_str("&amp;"),
            '"' => to.push_str("&quot;"),
            '\n' => to.push('\n'),
            c => to.push(harmless(c)),
        }
    }
    to
}
