//! Gives broken manifests to what reads them, for as long as asked: it may refuse them, and nothing else.
//!
//! Every input follows from its number, so that one that breaks something can be made again: `--seed NUMBER --runs 1`.

mod mutate;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    panic,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use k8s_openapi::jiff::Timestamp;
use pcizone::{
    cli::manifests::{Reader, Settings},
    engine::{self, Snapshot},
};

/// MiB that reading anything of some kilobytes may take, with the program itself.
const MEMORY: u64 = 512;
/// CPU time that reading anything of some kilobytes may take: the clock runs on while others have the core.
const LONGEST: Duration = Duration::from_secs(5);
/// Inputs until it is looked again how much memory there is.
const OFTEN: u64 = 256;
const TELL: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For how long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Number of the first input.
    #[arg(long)]
    seed: Option<u64>,
    /// How many inputs at most.
    #[arg(long, default_value_t = u64::MAX)]
    runs: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let manifests = manifests()?;
    let folder = crate::target()?.join("fuzz");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Where an input ends the program at once, this says which.
    let note = File::create(folder.join("seed")).context("cannot note the number of the input")?;
    let first = arguments.seed.unwrap_or_else(|| fastrand::u64(..u64::MAX / 2));
    println!(
        "{} manifests; the first input is number {first}; the present one stands in {}",
        manifests.len(),
        folder.join("seed").display()
    );
    let limit = Duration::from_secs_f64(arguments.minutes * 60.0);
    let (began, mut told) = (Instant::now(), Instant::now());
    let (mut runs, mut refused) = (0, 0);
    while runs < arguments.runs && began.elapsed() < limit {
        let seed = first + runs;
        note.write_all_at(format!("{seed:020}\n").as_bytes(), 0).context("cannot note the number of the input")?;
        let mut dice = fastrand::Rng::with_seed(seed);
        let text = mutate::mutated(&manifests, &mut |bound| dice.usize(..bound.max(1)));
        let is_json = dice.u8(..4) == 0;
        let before = cpu_time()?;
        let Ok(taken) = panic::catch_unwind(|| read(is_json, &text)) else {
            bail!("input {seed} makes a panic; it is kept in {}", keep(&folder, seed, &text)?.display());
        };
        let took = cpu_time()?.saturating_sub(before);
        if took > LONGEST {
            let kept = keep(&folder, seed, &text)?;
            bail!("input {seed} takes {took:?} of CPU time; it is kept in {}", kept.display());
        }
        runs += 1;
        refused += u64::from(!taken);
        if runs % OFTEN == 0 && peak()? > MEMORY {
            bail!("the inputs up to {seed} took {} MiB; {MEMORY} are the most", peak()?);
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            println!("{runs} inputs, {refused} of them refused, {} MiB at most", peak()?);
        }
    }
    println!("{runs} inputs, {refused} of them refused, {} MiB at most: nothing broke", peak()?);
    Ok(())
}

/// True where it was taken. What was taken is judged too.
fn read(is_json: bool, text: &[u8]) -> bool {
    let now = Timestamp::from_second(1_795_000_000).unwrap_or_default();
    let settings = Settings { namespace: "default".to_string(), now, live: false };
    let mut reader = Reader::new(settings, Snapshot::default());
    reader.read("input", is_json, text);
    match reader.finish() {
        Ok(input) => {
            let settled = engine::settled(input.snapshot, now);
            let resolution = engine::resolve(&settled);
            engine::evaluate(&settled, &resolution, now);
            true
        }
        Err(faults) => {
            // Words are made of what was read.
            let _ = faults.to_string();
            false
        }
    }
}

fn keep(folder: &Path, seed: u64, text: &[u8]) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{seed}.yaml"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The manifests of the examples and of the tests.
fn manifests() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut manifests = Vec::new();
    let mut folders = vec![crate::root().join("examples"), crate::root().join("tests/golden")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                manifests.push(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
            }
        }
    }
    // The order of folders is not the same everywhere, and inputs follow from it.
    manifests.sort();
    Ok(manifests)
}

/// What this thread has used, which reads and judges by itself.
pub(crate) fn cpu_time() -> anyhow::Result<Duration> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(used).context("the kernel says nothing sensible of CPU time")
}

/// The most memory that this program had, in MiB.
fn peak() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read how much memory there is")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(line.context("nothing says how much memory there is")? / 1024)
}
