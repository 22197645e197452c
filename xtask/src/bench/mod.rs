//! What the operator costs, measured beside the same writes by a bare client; what its guards cost whoever creates a pod,
//! beside the same creations without them, on a real control plane; how often statuses are written while very much changes; and
//! what a judgement costs, in memory, reading manifests, and the page for an assessor.
//!
//! ```text
//!  prepared cluster ─▶ phases ─▶ groups of figures, each with its floor ─▶ table or JSON
//! ```
//! Times are given as ratios within one run, in which operator and floor take turns; docs/performance.md says why.

mod admission;
mod bare;
mod bed;
mod counts;
mod digests;
mod figure;
mod fill;
mod group;
mod judgement;
mod log;
mod machine;
mod meter;
mod objects;
mod page;
mod phases;
mod proc;
mod progress;
mod reading;
mod rebuild;
mod report;
pub(crate) mod soak;
mod stats;
mod storm;
mod subject;
mod zone;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use bed::{Bed, within};
use group::Group;
use machine::Machine;
use phases::{bulk_repair, concurrency, memory, protect, repair, restart, steady, yardstick};
use report::Report;

/// Measure what the operator costs, and what its guards cost whoever creates a pod.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A cluster of a tenth of the size, and fewer repeats: about two minutes.
    #[arg(long)]
    quick: bool,
    /// One part alone.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// How the result is written to stdout.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Let everything run on all cores, instead of API server and etcd on one and the rest on the others.
    #[arg(long)]
    unpinned: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What the operator costs.
    Operator,
    /// What its guards cost whoever creates a pod.
    Admission,
    /// What it costs to ask about the digests of images when a pod is made.
    Digests,
    /// What a judgement costs, in memory.
    Judgement,
    /// What it costs to read manifests.
    Reading,
    /// What the page for an assessor costs, in a browser.
    Page,
    /// How often and how large statuses are written while much changes.
    Status,
}

/// How large the cluster is, and how often everything is done.
struct Size {
    namespaces: usize,
    nodes: usize,
    pods: usize,
    /// Namespaces of the cluster that repairs are compared with.
    small: usize,
    rounds: usize,
    repairs: usize,
    steady: Duration,
    admission: admission::Size,
    digests: digests::Size,
    judgement: judgement::Size,
    reading: reading::Size,
    page: page::Size,
    storm: storm::Size,
}

const FULL: Size = Size {
    namespaces: 5000,
    nodes: 1000,
    pods: 10_000,
    small: 10,
    rounds: 3,
    repairs: 200,
    steady: Duration::from_secs(600),
    admission: admission::Size { namespaces: 5000, nodes: 1000, rounds: 5, alone: 400, together: 1000 },
    digests: digests::Size { rounds: 5, pods: 400, changes: 10 },
    judgement: judgement::Size { namespaces: 5000, rounds: 9 },
    reading: reading::Size { objects: 1500, rounds: 7, texts: 100 },
    page: page::Size { namespaces: 5000, rounds: 9 },
    storm: storm::Size { rounds: 3, storm: Duration::from_secs(45), rest: Duration::from_secs(30) },
};
const QUICK: Size = Size {
    namespaces: 500,
    nodes: 100,
    pods: 1000,
    small: 10,
    rounds: 1,
    repairs: 40,
    steady: Duration::from_secs(20),
    admission: admission::Size { namespaces: 500, nodes: 100, rounds: 2, alone: 200, together: 400 },
    digests: digests::Size { rounds: 2, pods: 100, changes: 4 },
    judgement: judgement::Size { namespaces: 500, rounds: 3 },
    reading: reading::Size { objects: 500, rounds: 3, texts: 10 },
    page: page::Size { namespaces: 500, rounds: 3 },
    storm: storm::Size { rounds: 1, storm: Duration::from_secs(15), rest: Duration::from_secs(10) },
};
/// No phase takes longer, at whatever size; most take far less.
const PHASE: Duration = Duration::from_secs(40 * 60);

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let load = rebuild::in_release()?;
    if !matches!(arguments.only, Some(Part::Digests | Part::Judgement | Part::Reading | Part::Page)) {
        progress::step("Build the operator");
        crate::operator::build()?;
    }
    let mut interrupted = pin!(testbed::interrupted());
    let report = tokio::select! {
        measured = Box::pin(measure(&arguments, load)) => measured?,
        signal = &mut interrupted => {
            signal?;
            bail!("interrupted before everything was measured");
        }
    };
    match arguments.output {
        Output::Table => print!("{}", report.table()),
        Output::Json => println!("{:#}", report.json()),
    }
    Ok(())
}

async fn measure(arguments: &Arguments, load: Option<f64>) -> Result<Report> {
    let size = if arguments.quick { QUICK } else { FULL };
    let started = Instant::now();
    progress::step("Look at the machine");
    let machine = Machine::look(load).await?;
    let mut warnings = machine.warnings();
    for warning in &warnings {
        progress::note(warning);
    }

    let cores = proc::cores()?;
    let (servers, others) = match cores.split_first() {
        Some((first, others)) if !arguments.unpinned && !others.is_empty() => (vec![*first], others.to_vec()),
        _ => (cores.clone(), cores.clone()),
    };
    let (mut groups, mut floors) = (Vec::new(), Map::new());
    let wants = |part| arguments.only.is_none_or(|only| only == part);
    if wants(Part::Operator) {
        (groups, floors) = Box::pin(measure_operator(&size, &servers, &others)).await?;
    }
    if wants(Part::Admission) {
        groups.extend(Box::pin(admission::measure(&size.admission, &servers, &others)).await?);
    }
    if wants(Part::Digests) {
        groups.extend(Box::pin(digests::measure(&size.digests, &servers, &others)).await?);
    }
    if wants(Part::Status) {
        groups.extend(Box::pin(storm::measure(&size.storm, &servers, &others)).await?);
    }
    if wants(Part::Judgement) {
        groups.extend(judgement::measure(&size.judgement)?);
    }
    if wants(Part::Reading) {
        groups.extend(reading::measure(&size.reading)?);
    }
    if wants(Part::Page) {
        groups.extend(page::measure(&size.page)?);
    }
    if arguments.quick {
        warnings.push("a quick run: a tenth of the size and few repeats; the goals are for the full size".to_string());
    }
    let mut setup = json!({
        "namespaces": size.namespaces, "nodes": size.nodes, "pods": size.pods, "rounds": size.rounds,
        "rounds_of_admission": size.admission.rounds,
        "fsync": true, "minutes": (started.elapsed().as_secs_f64() / 6.0).round() / 10.0, "cores_of_servers": servers, "cores_of_others": others,
    });
    if let Some(setup) = setup.as_object_mut() {
        setup.extend(floors);
    }
    Ok(Report { machine, setup, groups, warnings })
}

/// Gives how the floor was found too.
async fn measure_operator(
    size: &Size,
    servers: &[usize],
    others: &[usize],
) -> Result<(Vec<Group>, Map<String, Value>)> {
    progress::step("Start and fill the cluster");
    proc::pin_self(servers)?;
    let mut large = within(PHASE, "preparing the cluster", Bed::start(size.namespaces)).await?;
    let mut small = within(PHASE, "preparing the small cluster", Bed::start(size.small)).await?;
    proc::pin_self(others)?;
    within(PHASE, "preparing the nodes", large.add_nodes(size.nodes)).await?;

    let least = within(PHASE, "memory", memory::sample(&small, "in the small cluster")).await?;
    let without = within(PHASE, "memory", memory::sample(&large, "without pods")).await?;
    within(PHASE, "preparing the pods", large.add_pods(size.pods, size.nodes)).await?;
    let with = within(PHASE, "memory", memory::sample(&large, "with all pods")).await?;

    let rates = within(PHASE, "concurrency", concurrency::choose(&mut large)).await?;
    let best = large.bare.concurrency;
    let (protect, mut peaks) = within(PHASE, "protect", protect::measure(&mut large, size.rounds)).await?;
    let subject = within(PHASE, "protect", protect::set_up(&mut large)).await?;
    let steady = within(PHASE, "steady", steady::measure(&mut large, &subject, size.steady)).await?;

    let in_place = subject.settled_memory().await?.resident;
    // Before anything is tampered with: what was, is forgotten with the process, and the status then says less.
    let restarted = restart::measure(&mut large, subject, size.rounds.max(3));
    let (restart, subject, more) = within(PHASE, "restart", restarted).await?;
    peaks.extend(more);

    let small_subject = within(PHASE, "repair", protect::set_up(&mut small)).await?;
    let repaired = repair::measure((&mut large, &subject), (&mut small, &small_subject), size.repairs);
    let (repair, judge) = within(PHASE, "repair", repaired).await?;
    small_subject.stop().await?;
    drop(small);

    let (bulk_repair, subject, more) =
        within(PHASE, "bulk_repair", bulk_repair::measure(&mut large, subject, size.rounds)).await?;
    peaks.extend(more);
    peaks.push(("restart", subject.stop().await?.peak));
    let yardstick = within(PHASE, "yardstick", yardstick::measure(&mut large, size.rounds)).await?;
    let memory = memory::group([&least, &without, &with], size.pods, in_place, &peaks);

    let tried: Vec<_> =
        rates.iter().map(|(flight, rate)| json!({ "in_flight": flight, "writes_per_s": rate.round() })).collect();
    let groups = vec![protect, steady, restart, repair, bulk_repair, memory, judge, yardstick];
    let floors = [("floor_in_flight".to_string(), json!(best)), ("floor_tried".to_string(), json!(tried))];
    Ok((groups, floors.into_iter().collect()))
}
