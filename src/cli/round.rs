//! `pcizone probe run`: has the operator play a round of a zone's canary now, and shows what it saw. The operator makes the pods, so
//! whoever asks needs no right but to change the zone.

use std::{
    io::{self, BufWriter, Write},
    time::Duration,
};

use anyhow::{Context, bail};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::{Outcome, live, progress::Progress, written};
use crate::{
    api::{PciZone, SegmentationTest, TestResult, names},
    evidence::grid,
};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
/// How often it is looked whether the round is over.
const LOOK: Duration = Duration::from_secs(1);

/// Has the operator try on real nodes, now, whether a zone's policies are enforced, and shows it as a grid. Exit code 0: enforced, 1:
/// not, 2: it could not be shown, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The zone.
    zone: String,
    /// The context of the kubeconfig; without it the present one.
    #[arg(long)]
    context: Option<String>,
    /// How long to wait for the end of the round, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Do not tell how far it is.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let test = runtime.block_on(round(arguments))?;
    let mut out = BufWriter::new(io::stdout().lock());
    written(grid::write(&mut out, &test).and_then(|()| out.flush()))?;
    Ok(match test.result {
        TestResult::Enforced => Outcome::Clean,
        TestResult::NotEnforced => Outcome::Findings,
        TestResult::Unproven => Outcome::Unjudged,
    })
}

async fn round(arguments: &Arguments) -> anyhow::Result<SegmentationTest> {
    let zone = &arguments.zone;
    let mut progress = Progress::new(arguments.quiet);
    let client = Client::try_from(live::config(arguments.context.as_deref()).await?)
        .context("cannot speak to the API server")?;
    let zones: Api<PciZone> = Api::all(client);
    // A value that nobody asked with before; the result tells which one it answers.
    let asked = Timestamp::now().to_string();
    let patch = json!({ "metadata": { "annotations": { names::CANARY_REQUEST: asked } } });
    let patched = timeout(CALL, zones.patch(zone, &PatchParams::default(), &Patch::Merge(&patch))).await;
    patched.with_context(|| format!("PciZone/{zone}: no answer for {} s", CALL.as_secs()))?.with_context(|| {
        format!("cannot ask for a round on PciZone/{zone}: that is the annotation {}", names::CANARY_REQUEST)
    })?;
    let begun = Instant::now();
    loop {
        sleep(LOOK).await;
        match read(&zones, zone).await? {
            Some(test) if test.request.as_ref() == Some(&asked) => {
                progress.close();
                return Ok(test);
            }
            _ if begun.elapsed() > Duration::from_secs(arguments.timeout) => {
                progress.close();
                bail!(
                    "no round of PciZone/{zone} ended within {} s; its condition SegmentationProven says why, and so do the events of \
                     the pods with the label {}",
                    arguments.timeout,
                    names::CANARY_LABEL
                );
            }
            _ => progress.tick(|seconds| format!("waits for the round, {seconds:.0} s; it takes about one minute")),
        }
    }
}

async fn read(zones: &Api<PciZone>, zone: &str) -> anyhow::Result<Option<SegmentationTest>> {
    let answer = timeout(CALL, zones.get(zone)).await;
    let answer = answer.with_context(|| format!("PciZone/{zone}: no answer for {} s", CALL.as_secs()))?;
    let found = answer.with_context(|| format!("cannot read PciZone/{zone}"))?;
    Ok(found.status.and_then(|status| status.segmentation_test))
}
