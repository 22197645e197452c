//! What the pages cost, that for the assessor and that of the diagram: to make, in bytes, and in a browser until they are seen.

use std::{fs, time::Instant};

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use pcizone::{
    engine::{self, graph::Graph},
    evidence::{
        Dossier,
        diagram::{Caption, DiagramForm},
        page,
    },
};
use serde_json::Value;

use super::{
    figure::{Figure, Goal, Kind},
    group::Group,
    judgement::cluster,
    progress,
    stats::Spread,
};

/// How large the cluster is, and how often the page is opened.
pub(super) struct Size {
    /// Namespaces of the zone.
    pub(super) namespaces: usize,
    /// Times that it is made and opened, in turns with an empty page.
    pub(super) rounds: usize,
}

pub(super) fn measure(size: &Size) -> Result<Vec<Group>> {
    progress::step("Make the pages for the assessor and of the diagram, and open them");
    crate::pages::prepare()?;
    let now = Timestamp::from_second(1_790_000_000)?;
    let snapshot = cluster::of(size.namespaces, now)?;
    let resolution = engine::resolve(&snapshot);
    let evaluations = engine::evaluate(&snapshot, &resolution, now);
    let report = Made::times(size.rounds, || {
        let dossier = Dossier::new(&snapshot, &resolution, &evaluations, now, true);
        Ok((page::html(&dossier), format!("{} findings in {} namespaces", dossier.total(), size.namespaces)))
    })?;
    let caption = Caption { account_data: false, as_is: true, base: None, drawn_at: now };
    let diagram = Made::times(size.rounds, || {
        let graph = Graph::new(&snapshot, &resolution, &evaluations, None, now);
        let mut out = Vec::new();
        DiagramForm::Html.write(&mut out, &graph, &caption)?;
        let (ends, edges) = (graph.ends.len(), graph.edges.len());
        Ok((String::from_utf8(out)?, format!("{edges} edges between {ends} ends in {} namespaces", size.namespaces)))
    })?;
    Ok(vec![report.opened("page", size.rounds)?, diagram.opened("diagram", size.rounds)?])
}

/// A page, and how long it took to make it.
struct Made {
    text: String,
    note: String,
    seconds: Vec<f64>,
}

impl Made {
    fn times(rounds: usize, make: impl Fn() -> Result<(String, String)>) -> Result<Self> {
        let mut made = Made { text: String::new(), note: String::new(), seconds: Vec::new() };
        for _ in 0..rounds {
            let started = Instant::now();
            (made.text, made.note) = make()?;
            made.seconds.push(started.elapsed().as_secs_f64());
        }
        Ok(made)
    }

    /// Opens it as often, in turns with an empty page.
    fn opened(self, name: &'static str, rounds: usize) -> Result<Group> {
        let folder = crate::target()?.join("bench-page");
        let file = folder.join(name).with_extension("html");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&file, &self.text))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let times = crate::pages::measure(&file, rounds)?;
        let seconds = |name: &str| -> Vec<f64> {
            times
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_f64)
                .map(|ms| ms / 1000.0)
                .collect()
        };
        #[expect(clippy::cast_precision_loss, reason = "a page is not that long")]
        let megabytes = self.text.len() as f64 / 1e6;
        let figure = |name, what, spread, goal, kind| Figure { name, what, spread, goal, kind };
        let timed = |name, what, times, goal| figure(name, what, Spread::new("s", times), goal, Kind::Timed);
        let size_mb = Spread::new("MB", vec![megabytes]);
        Ok(Group {
            figures: vec![
                figure("size_mb", "the page, in megabytes", size_mb, Goal::AtMost(10.0), Kind::Untimed),
                timed("open_s", "from its address until it is seen", seconds("page"), Goal::AtMost(3.0)),
                timed("empty_s", "the same of an empty page: what the browser needs", seconds("empty"), Goal::None),
                timed("search_s", "from a word until what has it is seen", seconds("search"), Goal::None),
                timed("make_s", "to make it, once everything is judged", self.seconds, Goal::None),
            ],
            notes: vec![self.note],
            ..Group::new(name)
        })
    }
}
