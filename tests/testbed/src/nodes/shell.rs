//! Runs short commands of the system, which are there on every Linux.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Where programs are, whatever the environment of the caller says.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a command to its end, and gives what it said. A failure is an error that carries what it complained of.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String> {
    let shown = || format!("{program} {}", args.join(" "));
    let output = Command::new(program)
        .args(args)
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{}`; is {program} installed?", shown()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(), output.status, said.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same with all arguments in one text.
pub(crate) fn sh(line: &str) -> Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (program, args) = words.split_first().context("an empty command")?;
    run(program, args)
}
