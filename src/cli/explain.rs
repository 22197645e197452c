//! `pcizone explain`: why something was found, what a flow does, or what decides between two ends.

use std::io::{self, BufWriter, Write};

use clap::ValueEnum;

use super::{Given, Outcome, input::Loaded, written};
use crate::{
    api::{FindingId, Protocol},
    engine::{
        self, Snapshot,
        explain::{self, Explanation},
        reach::End,
    },
    evidence::columns,
};

/// Ports of a pair that are explained.
const PORTS: usize = 20;

/// Explains a finding, a flow or a pair of ends: why, which policy decides, which requirement it speaks to, and what to do. Exit
/// code 0: explained, 2: it could not be, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The id of a finding (`PolicyAllowsWorld`), a flow (`FLOW` or `ZONE/FLOW`), or a pair of ends (`NAMESPACE/POD->NAMESPACE/POD`,
    /// with `:PORT` or `:PORT/UDP` behind it if it is one port; an end may be `ip:ADDRESS`, with a port `ip:[ADDRESS]:PORT`). The id alone is explained without looking at
    /// anything, unless -f or --context is given.
    what: String,
    /// Of a finding, only about this object, as in `pcizone check`: `NetworkPolicy/vault/all`.
    subject: Option<String>,
    #[command(flatten)]
    input: Given,
    /// How the result is shown.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What is to be explained.
enum What<'a> {
    Finding(FindingId),
    Flow(Option<&'a str>, &'a str),
    Pair(Box<(End, End)>, Option<(Protocol, u16)>),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let what = match read(&arguments.what) {
        Ok(what) => what,
        Err(complaint) => {
            eprintln!("error: {complaint}");
            return Ok(Outcome::Usage);
        }
    };
    if arguments.subject.is_some() && !matches!(what, What::Finding(_)) {
        eprintln!("error: only findings are about an object");
        return Ok(Outcome::Usage);
    }
    if let What::Finding(id) = what
        && !arguments.looks()
    {
        return show(&explain::kind(id), arguments.output);
    }
    if let Some(complaint) = arguments.input.complaint() {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let Loaded { snapshot, now, .. } = arguments.input.load()?;
    let resolution = engine::resolve(&snapshot);
    let explanation = match what {
        What::Finding(id) => {
            let evaluations = engine::evaluate(&snapshot, &resolution, now);
            explain::findings(id, arguments.subject.as_deref(), evaluations.iter())
        }
        What::Flow(zone, name) => {
            let evaluations = engine::evaluate(&snapshot, &resolution, now);
            let mut found =
                resolution.zones().filter(|(one, _)| zone.is_none_or(|zone| zone == *one)).filter_map(|(one, all)| {
                    let declaration = all.declaration.as_deref()?;
                    let flow = declaration.flows.iter().find(|flow| flow.name == name)?;
                    Some((one, declaration, all, flow))
                });
            let Some((one, declaration, all, flow)) = found.next() else {
                anyhow::bail!(
                    "{:?} is no finding, and no zone that was looked at declares a flow of this name",
                    arguments.what
                )
            };
            if let Some((other, ..)) = found.next() {
                anyhow::bail!(
                    "zones {one} and {other} both declare a flow {name}; write {one}/{name} or {other}/{name}"
                )
            }
            let findings = evaluations.get(one).map(|one| one.findings.as_slice()).unwrap_or_default();
            explain::flow(&snapshot, &resolution, (declaration, all), flow, findings, now)
        }
        What::Pair(ends, port) => {
            let (from, to) = &*ends;
            for end in [from, to] {
                anyhow::ensure!(is_there(&snapshot, end), "{end} does not run in what was looked at");
            }
            let ports = port.map_or_else(|| declared(&snapshot, to), |port| vec![port]);
            explain::pair(&snapshot, &resolution, (from, to), &ports, now)
        }
    };
    show(&explanation, arguments.output)
}

impl Arguments {
    /// Something is to be looked at.
    fn looks(&self) -> bool {
        #[cfg(feature = "operator")]
        let is_live = self.input.context.is_some();
        #[cfg(not(feature = "operator"))]
        let is_live = false;
        is_live || self.subject.is_some() || !self.input.files.is_empty()
    }
}

fn read(text: &str) -> Result<What<'_>, String> {
    if let Some((from, to)) = text.split_once("->") {
        let from: End = from.trim().parse()?;
        let to = to.trim();
        let bare = to.strip_prefix("ip:[").and_then(|rest| rest.split_once(']'));
        if let Some((address, rest)) = bare {
            let port = rest.strip_prefix(':').map(port).transpose()?;
            return Ok(What::Pair(Box::new((from, format!("ip:{address}").parse()?)), port));
        }
        if let Ok(to) = to.parse() {
            // An IPv6 address has colons too.
            let is_pod_with_port = matches!(&to, End::Pod { name, .. } if name.contains(':'));
            if !is_pod_with_port {
                return Ok(What::Pair(Box::new((from, to)), None));
            }
        }
        let (to, number) = to.rsplit_once(':').ok_or_else(|| format!("{to:?} is no end"))?;
        return Ok(What::Pair(Box::new((from, to.parse()?)), Some(port(number)?)));
    }
    if let Some(id) = FindingId::ALL.iter().find(|id| id.as_str().eq_ignore_ascii_case(text)) {
        return Ok(What::Finding(*id));
    }
    if text.starts_with(|c: char| c.is_ascii_uppercase()) {
        let near = explain::near(text);
        let near = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
        return Err(format!("there is no finding {text:?}{near}"));
    }
    Ok(match text.split_once('/') {
        Some((zone, flow)) => What::Flow(Some(zone), flow),
        None => What::Flow(None, text),
    })
}

/// A port, with its protocol behind it unless that is TCP.
fn port(text: &str) -> Result<(Protocol, u16), String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
    let protocol = Protocol::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(protocol));
    let protocol = protocol.ok_or_else(|| format!("{text:?}: the protocol is TCP, UDP or SCTP"))?;
    let number = number.parse().ok().filter(|number| *number > 0);
    Ok((protocol, number.ok_or_else(|| format!("{text:?} is no port from 1 to 65535"))?))
}

fn is_there(snapshot: &Snapshot, end: &End) -> bool {
    match end {
        End::Pod { namespace, name } => {
            snapshot.pods.iter().any(|pod| !pod.ended && pod.namespace() == namespace && pod.name() == name)
        }
        End::Address(_) => true,
    }
}

/// The ports that the containers of a pod declare.
fn declared(snapshot: &Snapshot, end: &End) -> Vec<(Protocol, u16)> {
    let End::Pod { namespace, name } = end else { return Vec::new() };
    let pod = snapshot.pods.iter().find(|pod| pod.namespace() == namespace && pod.name() == name);
    let mut ports: Vec<_> =
        pod.into_iter().flat_map(|pod| pod.ports.iter()).map(|port| (port.protocol, port.number)).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.truncate(PORTS);
    ports
}

fn show(explanation: &Explanation, form: Form) -> anyhow::Result<Outcome> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match form {
        Form::Json => {
            serde_json::to_writer_pretty(&mut out, explanation).map_err(io::Error::from).and_then(|()| writeln!(out))
        }
        Form::Text => text(&mut out, explanation),
    };
    written(result.and_then(|()| out.flush()))?;
    Ok(Outcome::Clean)
}

fn text(out: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "{}", columns::plain(&explanation.about))?;
    let width = explanation.said.iter().map(|said| said.label.len()).max().unwrap_or_default();
    for said in &explanation.said {
        for (number, line) in said.lines.iter().enumerate() {
            let label = if number == 0 { said.label } else { "" };
            writeln!(out, "  {label:width$}  {}", columns::plain(line))?;
        }
    }
    Ok(())
}
