//! `pcizone baseline`: a first zone for a cluster that runs already.

use std::{
    collections::BTreeSet,
    io::{self, BufWriter, Write},
};

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::{Given, Outcome, input::Loaded, written};
use crate::{
    engine::{
        Snapshot,
        change::count,
        draft::{Draft, DraftFlow, draft},
        resolve,
    },
    evidence::columns::plain,
};

/// What is left is told so far.
const LEFT: usize = 500;

/// Writes a zone in Observe for namespaces that run already, with a draft of a flow for everything that policies declare and
/// Services open there today. Need, owner and approval of each are empty: until people have filled them in, no API server takes the
/// zone. Exit code 0: written, 2: it could not be, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The name of the zone.
    zone: String,
    /// A namespace of the zone; give it for each, or several with commas between.
    #[arg(long = "member", value_name = "NAMESPACE", required = true, value_delimiter = ',')]
    members: Vec<String>,
    #[command(flatten)]
    input: Given,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let is_label = |text: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !text.is_empty()
            && text.len() <= 63
            && text.chars().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    let wrong = std::iter::once(&arguments.zone).chain(&arguments.members).find(|name| !is_label(name));
    let wrong = wrong.map(|name| format!("{name:?} is no name: lowercase letters, digits and '-', at most 63"));
    if let Some(complaint) = wrong.or_else(|| arguments.input.complaint().map(str::to_string)) {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    // What runs is to be adopted, not what zones that are there would make of it.
    let Loaded { snapshot, now, .. } = arguments.input.read()?;
    let members: BTreeSet<String> = arguments.members.iter().cloned().collect();
    refuse(&snapshot, &members)?;
    let draft = draft(&snapshot, &arguments.zone, &members);
    let mut out = BufWriter::new(io::stdout().lock());
    written(write(&mut out, &arguments.zone, &members, &draft, now).and_then(|()| out.flush()))?;
    eprintln!(
        "{} to be decided about, {} that no flow can say; fill in need, owner, approvedBy, ticket and dates, and delete what is not needed",
        count(draft.flows.len(), "flow"),
        count(draft.left.len(), "opening")
    );
    Ok(Outcome::Clean)
}

fn refuse(snapshot: &Snapshot, members: &BTreeSet<String>) -> anyhow::Result<()> {
    let resolution = resolve(snapshot);
    for name in members {
        anyhow::ensure!(
            snapshot.namespaces.contains_key(name),
            "there is no namespace {name} in what was looked at, nor anything in one of this name"
        );
        if let Some(zone) = resolution.zone_of(name) {
            anyhow::bail!("namespace {name} belongs to zone {zone} already, and a namespace has one zone at most");
        }
    }
    Ok(())
}

fn write(
    out: &mut impl Write,
    zone: &str,
    members: &BTreeSet<String>,
    draft: &Draft,
    now: Timestamp,
) -> io::Result<()> {
    writeln!(
        out,
        "# A draft, as of {now}. Each flow below is open today; whether it is needed, and why, is for people to say:"
    )?;
    writeln!(
        out,
        "# fill in what is empty, delete what is not needed, and have somebody else approve it (PCI DSS 1.2.2, 1.2.5)."
    )?;
    writeln!(out, "# Until then no API server takes this zone. Dates are RFC 3339, such as 2027-04-01T00:00:00Z.")?;
    writeln!(out, "apiVersion: pcizone.dev/v1alpha1")?;
    writeln!(out, "kind: PciZone")?;
    writeln!(out, "metadata: {}", json!({ "name": zone }))?;
    writeln!(out, "spec:")?;
    writeln!(out, "  mode: Observe")?;
    writeln!(out, "  scope:")?;
    writeln!(out, "    namespaces: {}", json!({ "names": members }))?;
    if !draft.flows.is_empty() {
        writeln!(out, "  segmentation:")?;
        writeln!(out, "    flows:")?;
        for one in &draft.flows {
            flow(out, one)?;
        }
    }
    if !draft.left.is_empty() {
        writeln!(out, "# Open today, and no flow can say it:")?;
        for line in draft.left.iter().take(LEFT) {
            writeln!(out, "# - {}", plain(line))?;
        }
        if let Some(more) = draft.left.len().checked_sub(LEFT).filter(|more| *more > 0) {
            writeln!(out, "# - and {more} more")?;
        }
    }
    if !draft.others.is_empty() {
        writeln!(out, "# These may let through or deny more, and are not drafted; read each:")?;
        for line in draft.others.iter().take(LEFT) {
            writeln!(out, "# - {}: not drafted, read it", plain(line))?;
        }
        if let Some(more) = draft.others.len().checked_sub(LEFT).filter(|more| *more > 0) {
            writeln!(out, "# - and {more} more")?;
        }
    }
    Ok(())
}

fn flow(out: &mut impl Write, flow: &DraftFlow) -> io::Result<()> {
    for place in &flow.found_in {
        writeln!(out, "    # found in {}", plain(place))?;
    }
    writeln!(out, "    - name: {}", json!(flow.name))?;
    for key in ["need", "owner", "approvedBy", "ticket", "reviewedAt", "expiresAt"] {
        writeln!(out, "      {key}: \"\"")?;
    }
    let ports: Vec<_> =
        flow.ports.iter().map(|(protocol, port)| json!({ "protocol": protocol, "port": port })).collect();
    writeln!(out, "      from: {}", json!(flow.from))?;
    writeln!(out, "      to: {}", json!(flow.to))?;
    writeln!(out, "      ports: {}", json!(ports))
}
