//! The pages in a real browser: what that needs, installed where it is missing, and the tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// Where the browser is looked for; `tests/pages/browser.js` looks there too.
const PLACES: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/// The variable that names it otherwise.
const PLACE: &str = "PCIZONE_CHROMIUM";

/// Looks at the pages of this build.
pub(crate) fn test() -> Result<()> {
    prepare()?;
    let mut build = crate::cargo();
    build.args(["build", "--package", "pcizone", "--no-default-features", "--bin", "pcizone"]);
    run(&mut build, "cargo")?;
    let program = crate::target()?.join("debug/pcizone");
    run(npm().arg("test").env("PCIZONE", program), "npm")
}

/// How long a page takes to be seen, as `tests/pages/measure.js` tells it.
pub(crate) fn measure(page: &Path, rounds: usize) -> Result<serde_json::Value> {
    let mut node = Command::new("node");
    node.arg("measure.js").arg(page).arg(rounds.to_string()).current_dir(folder());
    let output = node.output().context("cannot run node; is Node 20 installed?")?;
    ensure!(output.status.success(), "node measure.js failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("node measure.js says no JSON")
}

/// Installs what is missing.
pub(crate) fn prepare() -> Result<()> {
    browser()?;
    run(npm().args(["ci", "--no-audit", "--no-fund"]), "npm")
}

fn folder() -> PathBuf {
    crate::root().join("tests/pages")
}

fn npm() -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder());
    npm
}

/// Chromium, by Debian's package manager where that may be asked.
fn browser() -> Result<()> {
    let named = std::env::var_os(PLACE).map(PathBuf::from);
    let is_there = || named.iter().any(|place| place.exists()) || PLACES.iter().any(|place| Path::new(place).exists());
    if is_there() {
        return Ok(());
    }
    let need = format!("no Chromium for the tests of the pages (or set {PLACE} to the program)");
    testbed::install_packages(&["chromium", "fonts-dejavu-core"], &need)?;
    ensure!(is_there(), "the package chromium is installed and {} is not there", PLACES.join(" or "));
    Ok(())
}

fn run(command: &mut Command, name: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {name}; is it installed?"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
