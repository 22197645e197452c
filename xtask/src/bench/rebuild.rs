//! `cargo xtask` builds this program without optimisation. A slow bare client would be a low floor to beat, so the
//! bench builds itself anew, optimised like the operator, and goes on as that.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result, bail};

use super::{proc, progress};

/// Load average before anything was built, handed on to the optimised program.
const LOAD_VARIABLE: &str = "PCIZONE_BENCH_LOAD";

/// Returns in the optimised program only, with the load average before the build.
pub(super) fn in_release() -> Result<Option<f64>> {
    if !cfg!(debug_assertions) {
        let handed_on = std::env::var(LOAD_VARIABLE).ok().and_then(|load| load.parse().ok());
        return Ok(handed_on.or_else(proc::load_average));
    }
    let load = proc::load_average();
    progress::step("Build the bench with optimisation");
    let mut build = crate::cargo();
    build.args(["build", "--release", "--package", "xtask"]).stdout(std::io::stderr());
    if !build.status().context("cannot run cargo")?.success() {
        bail!("the bench does not build");
    }
    let program = crate::target()?.join("release/xtask");
    let mut again = Command::new(&program);
    again.args(std::env::args_os().skip(1));
    if let Some(load) = load {
        again.env(LOAD_VARIABLE, load.to_string());
    }
    // Replaces this program; returns only when that fails.
    Err(again.exec()).with_context(|| format!("cannot run {}", program.display()))
}
