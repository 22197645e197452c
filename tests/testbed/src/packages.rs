//! Installs what the tests need of the system, by Debian's package manager where that may be asked.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::progress::say;

/// Installs packages of Debian. Where that is not possible the error names them; `need` says what for.
pub fn install_packages(packages: &[&str], need: &str) -> Result<()> {
    let names = packages.join(" ");
    let is_there = Command::new("apt-get").arg("--version").output().is_ok_and(|output| output.status.success());
    if !rustix::process::geteuid().is_root() || !is_there {
        bail!("{need}: install the packages {names} (these are Debian's names)");
    }
    say(&format!("installing {names}"));
    update_packages()?;
    let options = ["install", "--quiet", "--yes", "--no-install-recommends"];
    apt(&[&options, packages].concat())
}

/// Asks for what there is to be installed. For root.
pub(crate) fn update_packages() -> Result<()> {
    apt(&["update", "--quiet"])
}

fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    // Its words go where errors go: the output may be read by a program.
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdout(std::io::stderr());
    let status = command.status().context("cannot run apt-get")?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
