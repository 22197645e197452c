//! `pcizone reach`: who can reach whom.

mod probes;

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::Arc,
};

use serde::Serialize;

use super::{Given, Outcome, Output, input::Loaded, written};
use crate::{
    api::Protocol,
    engine::{
        pod::Pod,
        reach::{Answer, End, Reach},
    },
    evidence::columns,
};

const HEAD: [&str; 5] = ["FROM", "TO", "PORT", "ALLOWED", "DECIDED BY"];

/// Tells for every ordered pair of pods, and every port that a container of the second declares, whether the first reaches the
/// second there, and what decides. Exit code 0 whatever is allowed, 2: it could not be told, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Given,
    /// How the result is shown.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Ask exactly what stands in this file, or - for standard input: a JSON list of {from, to, protocol, port}, where an end is
    /// NAMESPACE/POD or ip:ADDRESS, and the protocol is TCP unless it is named.
    #[arg(long, value_name = "FILE")]
    probes: Option<PathBuf>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Probe {
    from: End,
    to: End,
    protocol: Protocol,
    port: u16,
}

/// One question and its answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    from: &'a str,
    to: &'a str,
    protocol: Protocol,
    port: u16,
    ingress: bool,
    egress: bool,
    allowed: bool,
    decided_by: &'a [String],
    /// Policies that are not understood and may change the answer.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unread: &'a [String],
}

/// What answers: the engine, or what stands for it in tests.
type Oracle<'a> = &'a dyn Fn(&Probe) -> Answer;

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let complaint = arguments.input.complaint();
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    let both = arguments.probes.as_ref().is_some_and(is_stdin) && arguments.input.files.iter().any(is_stdin);
    let complaint = complaint.or(both.then_some("standard input is either the manifests or the probes"));
    if let Some(complaint) = complaint {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let probes = arguments.probes.as_deref().map(probes::read).transpose()?;
    let Loaded { snapshot, .. } = arguments.input.load()?;
    if let Some(probes) = &probes {
        probes::check(probes, &snapshot)?;
    }
    let reach = Reach::new(&snapshot);
    let oracle = |probe: &Probe| reach.probe(&probe.from, &probe.to, probe.protocol, probe.port);
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match probes {
        Some(probes) => answer(&mut out, arguments.output, &oracle, probes.into_iter()),
        None => answer(&mut out, arguments.output, &oracle, pairs(&snapshot.pods)),
    };
    written(result.and_then(|()| out.flush()))?;
    Ok(Outcome::Clean)
}

/// Every ordered pair of pods that run, with every port that the second declares; sorted by all of that.
fn pairs(pods: &[Arc<Pod>]) -> impl Iterator<Item = Probe> + Clone {
    let running = pods.iter().filter(|pod| !pod.ended);
    running.clone().flat_map(move |from| {
        running.clone().flat_map(move |to| {
            let mut ports: Vec<_> = to.ports.iter().map(|port| (port.protocol, port.number)).collect();
            ports.sort_unstable_by_key(|(protocol, port)| (protocol.as_str(), *port));
            ports.dedup();
            ports.into_iter().map(move |(protocol, port)| Probe { from: end(from), to: end(to), protocol, port })
        })
    })
}

fn end(pod: &Pod) -> End {
    End::Pod { namespace: pod.namespace().to_string(), name: pod.name().to_string() }
}

/// Asks and writes, one by one: there are as many as pods by pods.
fn answer(
    out: &mut impl Write,
    output: Output,
    oracle: Oracle,
    probes: impl Iterator<Item = Probe> + Clone,
) -> io::Result<()> {
    match output {
        Output::Json => json(out, oracle, probes),
        Output::Table => text(out, oracle, probes),
    }
}

fn json(out: &mut impl Write, oracle: Oracle, probes: impl Iterator<Item = Probe>) -> io::Result<()> {
    write!(out, "[")?;
    for (number, probe) in probes.enumerate() {
        let Answer { ingress, egress, allowed, decided_by, unread } = &oracle(&probe);
        let (from, to) = (&probe.from.to_string(), &probe.to.to_string());
        let Probe { protocol, port, .. } = probe;
        let (ingress, egress, allowed) = (*ingress, *egress, *allowed);
        write!(out, "{}", if number == 0 { "\n" } else { ",\n" })?;
        let record = Record { from, to, protocol, port, ingress, egress, allowed, decided_by, unread };
        serde_json::to_writer(&mut *out, &record)?;
    }
    writeln!(out, "\n]")
}

fn text(out: &mut impl Write, oracle: Oracle, probes: impl Iterator<Item = Probe> + Clone) -> io::Result<()> {
    let row = |probe: &Probe| {
        let Probe { from, to, protocol, port } = probe;
        [from.to_string(), to.to_string(), format!("{}/{port}", protocol.as_str())]
    };
    // Twice through the questions is less than all of them held.
    let mut widths = HEAD.map(columns::width);
    for probe in probes.clone() {
        for (widest, cell) in widths.iter_mut().zip(row(&probe)) {
            *widest = columns::width(&cell).max(*widest);
        }
    }
    columns::row(out, &widths, &HEAD)?;
    for probe in probes {
        let Answer { allowed, decided_by, unread, .. } = oracle(&probe);
        let [from, to, port] = row(&probe);
        let allowed = match (allowed, unread.is_empty()) {
            (true, true) => "yes",
            (false, true) => "no",
            (true, false) => "yes?",
            (false, false) => "no?",
        };
        let not_understood = unread.iter().map(|name| format!("not understood: {name}"));
        let decided_by: Vec<String> = decided_by.into_iter().chain(not_understood).collect();
        columns::row(out, &widths, &[&from, &to, &port, allowed, &decided_by.join(", ")])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::pod::ContainerPort;

    fn pod(key: &str, ports: &[(Protocol, u16)], ended: bool) -> Arc<Pod> {
        let port = |(protocol, number): &(Protocol, u16)| ContainerPort {
            protocol: *protocol,
            number: *number,
            name: None,
            host: None,
        };
        Arc::new(Pod { key: key.into(), ports: ports.iter().map(port).collect(), ended, ..Pod::default() })
    }

    fn pods() -> Vec<Arc<Pod>> {
        let mut twice = vec![(Protocol::UDP, 53), (Protocol::TCP, 443), (Protocol::TCP, 80), (Protocol::SCTP, 9)];
        twice.push((Protocol::TCP, 80));
        vec![pod("a/web", &twice, false), pod("b/db", &[(Protocol::TCP, 5432)], false), pod("b/done", &twice, true)]
    }

    /// Lets into `b` whatever is not on port 9, and out of everywhere but `b`.
    fn oracle(probe: &Probe) -> Answer {
        let within = |end: &End, wanted: &str| matches!(end, End::Pod { namespace, .. } if namespace == wanted);
        let (ingress, egress) = (within(&probe.to, "b") && probe.port != 9, !within(&probe.from, "b"));
        Answer {
            ingress,
            egress,
            allowed: ingress && egress,
            decided_by: vec![format!("port {}", probe.port)],
            ..Answer::default()
        }
    }

    fn written(output: Output, probes: impl Iterator<Item = Probe> + Clone) -> String {
        let mut out = Vec::new();
        answer(&mut out, output, &oracle, probes).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_ordered_pair_of_running_pods_is_told_with_every_port_in_order() {
        let records: Vec<Value> = serde_json::from_str(&written(Output::Json, pairs(&pods()))).unwrap();
        let told = records.iter().map(|record| {
            let text = |key: &str| record[key].as_str().unwrap().to_string();
            format!("{} {} {} {}", text("from"), text("to"), text("protocol"), record["port"])
        });
        let wanted = [
            "a/web a/web SCTP 9",
            "a/web a/web TCP 80",
            "a/web a/web TCP 443",
            "a/web a/web UDP 53",
            "a/web b/db TCP 5432",
            "b/db a/web SCTP 9",
            "b/db a/web TCP 80",
            "b/db a/web TCP 443",
            "b/db a/web UDP 53",
            "b/db b/db TCP 5432",
        ];
        assert_eq!(told.collect::<Vec<_>>(), wanted);
        let record = json!({
            "from": "a/web", "to": "b/db", "protocol": "TCP", "port": 5432, "ingress": true, "egress": true,
            "allowed": true, "decidedBy": ["port 5432"],
        });
        assert_eq!(records[4], record);
        assert_eq!(written(Output::Json, pairs(&[])), "[\n]\n");
    }

    #[test]
    fn probes_are_answered_one_by_one_and_as_they_were_asked() {
        let probe = |from: &str, to: &str, port| {
            let [from, to] = [from, to].map(|end| end.parse().unwrap());
            Probe { from, to, protocol: Protocol::TCP, port }
        };
        let probes = vec![
            probe("ip:192.0.2.1", "b/db", 1),
            probe("b/db", "ip:2001:db8::1", 9),
            probe("ip:192.0.2.1", "b/db", 1),
        ];
        let records: Vec<Value> = serde_json::from_str(&written(Output::Json, probes.clone().into_iter())).unwrap();
        let told: Vec<_> = records.iter().map(|record| (record["from"].clone(), record["allowed"].clone())).collect();
        let outside = (json!("ip:192.0.2.1"), json!(true));
        assert_eq!(told, [outside.clone(), (json!("b/db"), json!(false)), outside]);
        let table = written(Output::Table, probes.into_iter());
        let wanted = "\
FROM          TO              PORT   ALLOWED  DECIDED BY
ip:192.0.2.1  b/db            TCP/1  yes      port 1
b/db          ip:2001:db8::1  TCP/9  no       port 9
ip:192.0.2.1  b/db            TCP/1  yes      port 1
";
        assert_eq!(table, wanted);
    }
}
