//! `pcizone check`: what is violated or unproven.

use std::{
    env,
    io::{self, BufWriter, Write},
};

use super::{Given, Outcome, has_colours, input::Loaded, manifests, written};
use crate::{
    api::FindingState,
    engine,
    evidence::{Dossier, Form, Judgement, Manner, Place, judgement},
};

/// Judges every zone. Exit code 0: nothing is violated, 1: something is, 2: it could not be judged, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Given,
    /// How the result is shown.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    /// What could not be proven counts as a finding too.
    #[arg(long)]
    strict: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if let Some(complaint) = arguments.input.complaint() {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let Loaded { snapshot, places, as_is, now } = arguments.input.load()?;
    anyhow::ensure!(!snapshot.zones.is_empty(), "there is no PciZone, so there is nothing to judge by");
    let resolution = engine::resolve(&snapshot);
    let evaluations = engine::evaluate(&snapshot, &resolution, now);
    let mut judgement = judgement(&snapshot, &evaluations, as_is, now);
    judgement.locate(|zone, finding| {
        let found = finding.map_or_else(|| places.zone(zone), |finding| places.finding(zone, finding));
        found.map(|manifests::Place { source, line, item: _ }| Place { file: source, line })
    });
    let manner = Manner { strict: arguments.strict, colours: has_colours(), folder: env::current_dir().ok() };
    let mut out = BufWriter::new(io::stdout().lock());
    let dossier = || Dossier::new(&snapshot, &resolution, &evaluations, now, as_is).read_by(&arguments.input.words());
    let result = arguments.output.write(&mut out, &judgement, dossier, &manner);
    written(result.and_then(|()| out.flush()))?;
    Ok(outcome(&judgement, arguments.strict))
}

fn outcome(judgement: &Judgement, strict: bool) -> Outcome {
    if judgement.zones.iter().any(|zone| zone.unjudged().is_some()) {
        Outcome::Unjudged
    } else if judgement.has(FindingState::Violated)
        || strict && judgement.has(FindingState::Unproven)
        || judgement.zones.iter().any(|zone| zone.not_in_place().next().is_some())
    {
        Outcome::Findings
    } else {
        Outcome::Clean
    }
}
