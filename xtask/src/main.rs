//! The commands of this repository.

mod bench;
mod cluster;
mod demo;
mod fuzz;
mod generate;
mod image;
mod operator;
mod pages;
mod paths;
mod test;

use std::{
    path::{Path, PathBuf},
    process::{self, ExitCode},
};

use anyhow::Context;
use clap::Parser;

/// The commands of this repository.
#[derive(Parser)]
enum Command {
    /// Everything CI runs: format, lints, generated files, all tests.
    Test,
    /// Show a zone at work on a local control plane; stays up until Ctrl-C.
    Demo {
        /// End by itself; exit code 0 only if everything happened.
        #[arg(long)]
        once: bool,
    },
    /// Clusters with real nodes on this machine, for root.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Measure what the operator costs beside a bare client, and what its guards cost whoever creates a pod, on local
    /// control planes.
    Bench(bench::Arguments),
    /// Break what the operator keeps, for a long time, and count that everything comes back.
    Soak(bench::soak::Arguments),
    /// Give broken manifests to what reads them, for some minutes.
    Fuzz(fuzz::Arguments),
    /// Write the generated files (crds/, docs/pci-dss.md).
    Generate,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Test => test::run(),
        Command::Demo { once } => demo::run(once).await,
        Command::Cluster(command) => cluster::run(command).await,
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::Soak(arguments) => bench::soak::run(arguments).await,
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Generate => generate::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes in one line; a backtrace says nothing to whoever reads this.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// cargo, in the repository, without what cargo told this program of its own package: build scripts that look at that
/// would have much built anew, each time that cargo runs in another way.
fn cargo() -> process::Command {
    let mut cargo = process::Command::new("cargo");
    cargo.current_dir(root());
    let about_us = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| about_us.iter().any(|start| name.starts_with(start))) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The folder that cargo builds into: this program lies in one of its folders.
fn target() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    let folder = own.ancestors().nth(2).context("this program does not lie in cargo's target folder")?;
    Ok(Path::to_owned(folder))
}
