//! `pcizone diagram`: the network of zones, and where account data goes.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use super::{
    Given, Outcome,
    compared::{Side, one_moment, refuse_nothing_in},
    input::Loaded,
    written,
};
use crate::{
    engine::{self, graph::Graph},
    evidence::diagram::{Caption, DiagramForm},
};

/// Draws the network of zones: flows with need, owner and end, what no flow declares, and every way in that no policy governs
/// (PCI DSS 1.2.3, 1.2.4). Exit code 0: drawn, 2: it could not be, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Given,
    /// In which form.
    #[arg(short, long, value_enum, default_value_t)]
    output: DiagramForm,
    /// Only flows that account data goes through (PCI DSS 1.2.4).
    #[arg(long)]
    account_data: bool,
    /// Only this zone.
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
    /// Show what was added and removed since this: a file, a folder, REVISION:PATH of git, or a revision, in which the paths of
    /// -f are looked at.
    #[arg(long, value_name = "BASE")]
    base: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let complaint = arguments
        .input
        .complaint()
        .or_else(|| (arguments.base.is_some() && arguments.input.files.is_empty()).then_some("--base goes with -f"));
    if let Some(complaint) = complaint {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let reading = one_moment(&arguments.input.reading);
    let head = Given { reading: reading.clone(), ..arguments.input.clone() }.load()?;
    let mut graph = arguments.graph(&head);
    let mut zones: Vec<String> = head.snapshot.zones.iter().map(|record| record.name().to_string()).collect();
    let base = arguments.base.as_ref().map(|base| base.display().to_string());
    if let Some(base) = &base {
        let files = &arguments.input.files;
        let base = Side::of(base, files).load(&reading)?;
        refuse_nothing_in(&base, files)?;
        zones.extend(base.loaded.snapshot.zones.iter().map(|record| record.name().to_string()));
        graph = graph.since(arguments.graph(&base.loaded));
    }
    anyhow::ensure!(!zones.is_empty(), "there is no PciZone, so there is nothing to draw");
    if let Some(zone) = &arguments.zone {
        anyhow::ensure!(zones.contains(zone), "there is no PciZone {zone:?}");
    }
    let caption = Caption { account_data: arguments.account_data, as_is: head.as_is, base, drawn_at: head.now };
    let mut out = BufWriter::new(io::stdout().lock());
    written(arguments.output.write(&mut out, &graph, &caption).and_then(|()| out.flush()))?;
    Ok(Outcome::Clean)
}

impl Arguments {
    fn graph(&self, loaded: &Loaded) -> Graph {
        let resolution = engine::resolve(&loaded.snapshot);
        let evaluations = engine::evaluate(&loaded.snapshot, &resolution, loaded.now);
        let graph = Graph::new(&loaded.snapshot, &resolution, &evaluations, self.zone.as_deref(), loaded.now);
        if self.account_data { graph.account_data() } else { graph }
    }
}
