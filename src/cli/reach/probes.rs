//! Questions from a file.

use std::{collections::BTreeSet, path::Path};

use anyhow::Context;
use serde::Deserialize;

use super::Probe;
use crate::{
    api::Protocol,
    cli::manifests::files::Source,
    engine::{Snapshot, reach::End},
};

/// A question as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: String,
    to: String,
    #[serde(default)]
    protocol: Protocol,
    port: u16,
}

/// Reads the questions.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Probe>> {
    let source = if path.as_os_str() == "-" { Source::Stdin } else { Source::File(path.to_path_buf()) };
    let mut text = Vec::new();
    source.read(&mut text).map_err(|message| anyhow::anyhow!("{}: {message}", source.name()))?;
    parse(&text).with_context(|| format!("{}: the probes cannot be read", source.name()))
}

fn parse(text: &[u8]) -> anyhow::Result<Vec<Probe>> {
    let probes: Vec<Written> = serde_json::from_slice(text)?;
    let probe = |(number, Written { from, to, protocol, port }): (usize, Written)| {
        let end = |end: &str| end.parse::<End>().map_err(|message| anyhow::anyhow!("probe {number}: {message}"));
        anyhow::ensure!(port != 0, "probe {number}: 0 is no port");
        Ok(Probe { from: end(&from)?, to: end(&to)?, protocol, port })
    };
    probes.into_iter().enumerate().map(probe).collect()
}

/// Whoever asks about a pod that is not there has mistyped it: no answer would be right. One that has ended is there, and
/// reaches nobody.
pub(super) fn check(probes: &[Probe], snapshot: &Snapshot) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = snapshot.pods.iter().map(|pod| &*pod.key).collect();
    for (number, probe) in probes.iter().enumerate() {
        for end in [&probe.from, &probe.to] {
            let is_there = match end {
                End::Pod { namespace, name } => known.contains(format!("{namespace}/{name}").as_str()),
                End::Address(_) => true,
            };
            anyhow::ensure!(is_there, "probe {number}: there is no pod {end}");
        }
    }
    Ok(())
}
