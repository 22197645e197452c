//! Random graphs: no form loses an edge, and the drawing stays where it was.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use proptest::{
    collection::vec,
    option,
    prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
    sample::{Index, select},
};
use regex::Regex;
use serde_json::Value;

use super::{Caption, DiagramForm, folded, words};
use crate::engine::graph::{Edge, EdgeChange, EdgeKind, EdgeState, End, Graph};

fn caption() -> Caption {
    Caption {
        account_data: false,
        as_is: false,
        base: Some("a \"base\" %%".to_string()),
        drawn_at: Timestamp::UNIX_EPOCH,
    }
}

fn written(form: DiagramForm, graph: &Graph) -> String {
    let mut out = Vec::new();
    form.write(&mut out, graph, &caption()).expect("a Vec takes everything");
    String::from_utf8(out).expect("it is UTF-8")
}

/// An end: in a zone or not, in a namespace or not. Its name says its number.
fn ends(most: usize) -> impl Strategy<Value = Vec<End>> {
    let place = (option::of(0..3_u8), option::of(0..60_u8));
    vec(place, 1..most).prop_map(|places| {
        let end = |(number, (zone, namespace)): (usize, (Option<u8>, Option<u8>))| End {
            name: format!("end {number:04}"),
            zone: zone.map(|zone| format!("zone-{zone}")),
            namespace: namespace.map(|namespace| format!("ns-{}-{namespace}", zone.unwrap_or(9))),
        };
        let mut ends: Vec<End> = places.into_iter().enumerate().map(end).collect();
        sort(&mut ends);
        ends
    })
}

fn sort(ends: &mut [End]) {
    ends.sort_by(|one, other| {
        (&one.zone, &one.namespace, &one.name).cmp(&(&other.zone, &other.namespace, &other.name))
    });
}

fn edge((kind, state, change): (EdgeKind, EdgeState, EdgeChange), from: &End, to: &End) -> Edge {
    Edge {
        kind,
        zone: "zone-0".to_string(),
        name: String::new(),
        from: from.name.clone(),
        to: to.name.clone(),
        ports: "TCP 1".to_string(),
        state,
        account_data: false,
        need: None,
        owner: None,
        approval: None,
        expires_at: None,
        change,
    }
}

fn graphs(most_ends: usize, most_edges: usize) -> impl Strategy<Value = Graph> {
    let state = select(vec![EdgeState::Open, EdgeState::Ended, EdgeState::Unresolved]);
    let change = select(vec![EdgeChange::Same, EdgeChange::Added, EdgeChange::Removed]);
    let kinds = (select(EdgeKind::ALL.to_vec()), state, change);
    let text = prop_oneof![Just(None), "[a-z\"\\]>&#;%|\n\\\\ -]{0,12}".prop_map(Some)];
    let edges = vec((kinds, any::<Index>(), any::<Index>(), any::<bool>(), text), 0..most_edges);
    (ends(most_ends), edges).prop_map(|(ends, edges)| {
        let all = edges.into_iter().enumerate().map(|(number, (kinds, from, to, account_data, need))| Edge {
            name: format!("edge-{number:04}"),
            account_data,
            need,
            ..edge(kinds, from.get(&ends), to.get(&ends))
        });
        let mut edges: Vec<Edge> = all.collect();
        edges.sort();
        Graph { ends, edges }
    })
}

/// Where each edge of a text lies, with the beginning of its label, by the names of its ends.
fn read(text: &str, node: &str, edge: &str) -> Vec<(String, String, String)> {
    let [node, edge] = [node, edge].map(|pattern| Regex::new(pattern).expect("a pattern"));
    let names: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| node.captures(line)).map(|found| found.extract::<2>().1.into()).collect();
    let lines = text.lines().filter_map(|line| edge.captures(line));
    lines
        .map(|found| {
            let of = |name: &str| found.name(name).expect("a group").as_str();
            (names[of("from")].to_string(), names[of("to")].to_string(), of("label").to_string())
        })
        .collect()
}

fn wanted(graph: &Graph) -> Vec<(String, String, String)> {
    graph.edges.iter().map(|edge| (edge.from.clone(), edge.to.clone(), edge.name.clone())).collect()
}

/// Where each end is drawn.
fn spots(svg: &str) -> BTreeMap<String, (usize, usize)> {
    let end = Regex::new(r#"<g class="end"><title>([^<]*)</title><rect x="(\d+)" y="(\d+)""#).expect("a pattern");
    let spot = |(_, [name, x, y]): (&str, [&str; 3])| {
        (name.to_string(), (x.parse().expect("a number"), y.parse().expect("a number")))
    };
    end.captures_iter(svg).map(|found| spot(found.extract())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_edge_is_in_every_form(graph in graphs(30, 60)) {
        let wanted = wanted(&graph);
        let mermaid = read(
            &written(DiagramForm::Mermaid, &graph),
            r#"^ +(e\d+)\["(.*)"\]$"#,
            r#"^ +(?<from>e\d+) (?:-->|-\.->)\|"(?<label>edge-\d+) .*"\| (?<to>e\d+)$"#,
        );
        prop_assert_eq!(&mermaid, &wanted);
        let dot = read(
            &written(DiagramForm::Dot, &graph),
            r#"^ +(e\d+) \[label="(.*)"\];$"#,
            r#"^ +(?<from>e\d+) -> (?<to>e\d+) \[label="(?<label>edge-\d+) .*\];$"#,
        );
        prop_assert_eq!(&dot, &wanted);
        let json: Value = serde_json::from_str(&written(DiagramForm::Json, &graph)).expect("JSON");
        let of = |edge: &Value, key: &str| edge[key].as_str().expect("a text").to_string();
        let edges = json["edges"].as_array().expect("a list").iter();
        let json: Vec<_> = edges.map(|edge| (of(edge, "from"), of(edge, "to"), of(edge, "name"))).collect();
        prop_assert_eq!(&json, &wanted);
        let row = Regex::new(r#"(?s)<tr data-item="edge".*?data-label="From">([^<]*)<.*?data-label="To">([^<]*)<.*?<small>(edge-\d+)</small>"#);
        let page = written(DiagramForm::Html, &graph);
        let rows = row.expect("a pattern");
        let rows = rows.captures_iter(&page).map(|found| found.extract::<3>().1.map(str::to_string));
        prop_assert_eq!(rows.map(|[from, to, name]| (from, to, name)).collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn the_lines_of_a_drawing_are_all_edges_once(graph in prop_oneof![graphs(30, 60), graphs(600, 900)]) {
        let drawing = folded::drawing(&graph);
        let mut drawn: Vec<usize> = drawing.lines.iter().flat_map(|line| line.edges.clone()).collect();
        drawn.sort_unstable();
        prop_assert_eq!(drawn, (0..graph.edges.len()).collect::<Vec<_>>());
        // A line is as what it stands for: nothing that is open or undeclared hides behind what is not.
        for line in &drawing.lines {
            for edge in line.edges.iter().map(|number| &graph.edges[*number]) {
                prop_assert_eq!((edge.kind, edge.state, edge.change), (line.kind, line.state, line.change));
                prop_assert_eq!(edge.account_data, line.account_data);
            }
        }
        let fits = drawing.ends.len() <= folded::ENDS && drawing.lines.len() <= folded::LINES;
        prop_assert!(fits || drawing.folded.is_some());
        prop_assert_eq!(drawing.folded.is_some(), drawing.ends.len() < graph.ends.len() || !fits);
        let svg = written(DiagramForm::Svg, &graph);
        prop_assert_eq!(svg.matches("<g class=\"line ").count(), drawing.lines.len());
        prop_assert_eq!(svg.matches("<g class=\"end\">").count(), drawing.ends.len());
    }

    #[test]
    fn equal_graphs_give_equal_bytes(graph in graphs(30, 60)) {
        for form in [DiagramForm::Mermaid, DiagramForm::Dot, DiagramForm::Svg, DiagramForm::Html, DiagramForm::Json] {
            prop_assert_eq!(written(form, &graph), written(form, &graph.clone()));
        }
    }

    #[test]
    fn an_end_that_comes_moves_only_what_is_below_it_in_its_column(
        graph in graphs(30, 60),
        place in (option::of(0..3_u8), option::of(0..60_u8)),
        name in "[a-z]{1,8}",
    ) {
        let (zone, namespace) = place;
        let new = End {
            name: format!("end {name}"),
            zone: zone.map(|zone| format!("zone-{zone}")),
            namespace: namespace.map(|namespace| format!("ns-{}-{namespace}", zone.unwrap_or(9))),
        };
        let mut more = graph.clone();
        more.ends.push(new.clone());
        sort(&mut more.ends);
        let (before, after) = (spots(&written(DiagramForm::Svg, &graph)), spots(&written(DiagramForm::Svg, &more)));
        let (column, at) = after[&new.name];
        for (name, (x, y)) in before {
            let (now_x, now_y) = after[&name];
            prop_assert_eq!(now_x, x, "{} changes its column", name);
            prop_assert!(now_y == y || x == column && now_y > y && now_y > at, "{name} moves from {y} to {now_y}, {at} is new");
        }
    }
}

#[test]
fn what_nobody_declared_does_not_look_better_for_being_new() {
    let end = End { name: "a".to_string(), zone: None, namespace: None };

    for (change, kind, differs) in [
        (EdgeChange::Added, EdgeKind::Undeclared, false),
        (EdgeChange::Added, EdgeKind::Door, false),
        (EdgeChange::Added, EdgeKind::ApiServer, false),
        (EdgeChange::Added, EdgeKind::Flow, true),
        (EdgeChange::Removed, EdgeKind::Undeclared, true),
    ] {
        let of = |change| super::mermaid::colour(&edge((kind, EdgeState::Open, change), &end, &end));
        assert_eq!(of(change) != of(EdgeChange::Same), differs, "{change:?} {kind:?}");
    }
    assert!(
        words::lines(&edge((EdgeKind::Undeclared, EdgeState::Open, EdgeChange::Added), &end, &end))
            .join(" ")
            .contains("not declared, added")
    );
}
