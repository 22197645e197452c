//! `pcizone report`: what was judged, as a page for an assessor.

use std::io::{self, BufWriter, Write};

use clap::ValueEnum;

use super::{Given, Outcome, input::Loaded, written};
use crate::{
    engine,
    evidence::{Dossier, page},
};

/// Write what was judged as one page for an assessor. Exit code 0: it was judged, whatever was found, 2: it could not be
/// judged, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Given,
    /// How it is written.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    /// Show this zone alone; may be given more than once. All are judged, and findings of others are neither shown nor counted.
    #[arg(long = "zone", value_name = "NAME")]
    zones: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A page for a browser, in one file.
    #[default]
    Html,
    /// The same for programs.
    Json,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if let Some(complaint) = arguments.input.complaint() {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let Loaded { snapshot, as_is, now, .. } = arguments.input.load()?;
    anyhow::ensure!(!snapshot.zones.is_empty(), "there is no PciZone, so there is nothing to judge by");
    let resolution = engine::resolve(&snapshot);
    let evaluations = engine::evaluate(&snapshot, &resolution, now);
    let dossier = Dossier::new(&snapshot, &resolution, &evaluations, now, as_is).read_by(&arguments.input.words());
    let dossier = dossier.of_zones(&arguments.zones).map_err(|name| anyhow::anyhow!("there is no PciZone {name}"))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match arguments.output {
        Form::Html => page::write(&dossier, &mut out),
        Form::Json => json(&mut out, &dossier),
    };
    written(result.and_then(|()| out.flush()))?;
    // A report says what was found; that something was is no failure of it.
    let is_judged = dossier.zones.iter().all(|zone| zone.unjudged.is_none());
    Ok(if is_judged { Outcome::Clean } else { Outcome::Unjudged })
}

fn json(out: &mut impl Write, dossier: &Dossier) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, dossier)?;
    writeln!(out)
}
