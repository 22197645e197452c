//! What the page for the assessor costs: to make, in bytes, and in a browser until it is seen.

use std::{fs, time::Instant};

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use pcizone::{
    engine,
    evidence::{Dossier, page},
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
    progress::step("Make the page for the assessor, and open it");
    crate::pages::prepare()?;
    let now = Timestamp::from_second(1_790_000_000)?;
    let snapshot = cluster::of(size.namespaces, now)?;
    let resolution = engine::resolve(&snapshot);
    let evaluations = engine::evaluate(&snapshot, &resolution, now);
    let mut made = Vec::new();
    let (mut text, mut findings) = (String::new(), 0);
    for _ in 0..size.rounds {
        let started = Instant::now();
        let dossier = Dossier::new(&snapshot, &resolution, &evaluations, now, true);
        text = page::html(&dossier);
        made.push(started.elapsed().as_secs_f64());
        findings = dossier.total();
    }
    let folder = crate::target()?.join("bench-page");
    let file = folder.join("report.html");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, &text))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let times = crate::pages::measure(&file, size.rounds)?;
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
    let megabytes = text.len() as f64 / 1e6;
    let figure = |name, what, spread, goal, kind| Figure { name, what, spread, goal, kind };
    let timed = |name, what, times, goal| figure(name, what, Spread::new("s", times), goal, Kind::Timed);
    let size_mb = Spread::new("MB", vec![megabytes]);
    Ok(vec![Group {
        figures: vec![
            figure("size_mb", "the page, in megabytes", size_mb, Goal::AtMost(10.0), Kind::Untimed),
            timed("open_s", "from its address until it is seen", seconds("page"), Goal::AtMost(3.0)),
            timed("empty_s", "the same of an empty page: what the browser needs", seconds("empty"), Goal::None),
            timed("search_s", "from a word until what has it is seen", seconds("search"), Goal::None),
            timed("make_s", "to make it, once everything is judged", made, Goal::None),
        ],
        notes: vec![format!("{findings} findings in {} namespaces", size.namespaces)],
        ..Group::new("page")
    }])
}
