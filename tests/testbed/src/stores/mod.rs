//! Real stores of logs, and real forwarders to them, as processes of this machine.
//! They know nothing of clusters: what runs in a pod of real nodes comes in an image.

mod collector;
mod daemon;
mod http;
mod open_search;
mod rsyslog;
mod victoria_logs;

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

pub use collector::Collector;
pub use open_search::{OpenSearch, open_search_or_skip};
pub use rsyslog::{Rsyslog, rsyslog_or_skip};
pub use victoria_logs::VictoriaLogs;

use crate::{
    assets::{Assets, Binary},
    process,
    progress::say,
};

/// Set this environment variable where tests with all stores and forwarders must run, as in CI: what is missing fails them
/// then.
const REQUIRE_VARIABLE: &str = "PCIZONE_REQUIRE_STORES";

/// Builds and fetches all stores and forwarders, so that no test has to. It starts none.
pub fn get_store_assets() -> Result<()> {
    Assets::get(&[Binary::VictoriaLogs, Binary::OtelCollector])?;
    if open_search_or_skip()? {
        open_search::fetch()?;
    }
    // What it asks for is all that there is to do.
    rsyslog_or_skip().map(drop)
}

/// Whether something that needs more than Go is there. When it is not, this says to stderr what is missing, and fails where
/// `PCIZONE_REQUIRE_STORES` is set.
fn or_skip(what: &str, there: Result<()>) -> Result<bool> {
    let Err(error) = there else { return Ok(true) };
    if std::env::var_os(REQUIRE_VARIABLE).is_some_and(|value| !value.is_empty()) {
        return Err(error.context(format!("{REQUIRE_VARIABLE} is set, but there can be no {what} here")));
    }
    say(&format!("skipped, since there can be no {what} here: {error:#}"));
    Ok(false)
}

fn run(mut command: Command) -> Result<()> {
    let what = command.get_program().display().to_string();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = process::spawn(command).with_context(|| format!("cannot run {what}"))?;
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {what}"))?;
    if !output.status.success() {
        // Maven complains to stdout.
        let said = [output.stdout, output.stderr].concat();
        bail!("{what} failed ({}):\n{}", output.status, String::from_utf8_lossy(&said).trim_end());
    }
    Ok(())
}
