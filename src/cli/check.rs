//! `pcizone check`: what is violated or unproven.

use std::io::{self, BufWriter, Write};

use super::{Given, Outcome, Output, has_colours, input::Loaded, table, written};
use crate::{
    api::{ConditionType, Finding, FindingState, Severity},
    engine::change::count,
    evidence::{Judgement, Zone, judge},
};

const HEAD: [&str; 5] = ["SEVERITY", "STATE", "ID", "SUBJECT", "MESSAGE"];
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Judges every zone. Exit code 0: nothing is violated, 1: something is, 2: it could not be judged, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Given,
    /// How the result is shown.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// What could not be proven counts as a finding too.
    #[arg(long)]
    strict: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if let Some(complaint) = arguments.input.complaint() {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let Loaded { snapshot, as_is, now } = arguments.input.load()?;
    anyhow::ensure!(!snapshot.zones.is_empty(), "there is no PciZone, so there is nothing to judge by");
    let judgement = judge(&snapshot, as_is, now);
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match arguments.output {
        Output::Json => json(&mut out, &judgement),
        Output::Table => text(&mut out, &judgement, arguments.strict, has_colours()),
    };
    written(result.and_then(|()| out.flush()))?;
    Ok(outcome(&judgement, arguments.strict))
}

fn outcome(judgement: &Judgement, strict: bool) -> Outcome {
    if judgement.zones.iter().any(|zone| zone.unjudged().is_some()) {
        Outcome::Unjudged
    } else if judgement.has(FindingState::Violated)
        || strict && judgement.has(FindingState::Unproven)
        || judgement.zones.iter().any(|zone| zone.not_in_place().next().is_some())
    {
        Outcome::Findings
    } else {
        Outcome::Clean
    }
}

fn json(out: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, judgement)?;
    writeln!(out)
}

fn text(out: &mut impl Write, judgement: &Judgement, strict: bool, colours: bool) -> io::Result<()> {
    let how = if judgement.as_is {
        "exactly as it is"
    } else {
        "as it will be once the operator has carried out what the zones declare; --as-is judges what is there"
    };
    writeln!(out, "Judged at {}, {how}.", judgement.judged_at)?;
    for zone in &judgement.zones {
        writeln!(out)?;
        writeln!(out, "{}", table::plain(&head(zone)))?;
        findings(out, &zone.findings, colours)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", summary(judgement, strict))
}

fn head(zone: &Zone) -> String {
    let mode = zone.mode.map_or_else(|| "unreadable".to_string(), |mode| format!("{mode:?}"));
    let compliant = zone.condition(ConditionType::Compliant);
    let compliant = compliant.map(|condition| format!("Compliant {}", condition.status));
    let parts = [Some(format!("Zone {} ({mode})", zone.name)), compliant, zone.unjudged().map(str::to_string)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

fn findings(out: &mut impl Write, findings: &[Finding], colours: bool) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let row = |finding: &Finding| {
        let Finding { severity, state, id, subject, message, .. } = finding;
        [format!("{severity:?}"), format!("{state:?}"), id.clone(), subject.clone(), message.clone()]
    };
    let rows: Vec<[String; 5]> = findings.iter().map(row).collect();
    let head = HEAD.map(str::to_string);
    let widths = table::widths(rows.iter().chain([&head]));
    table::row(out, &widths, &HEAD)?;
    for (finding, row) in findings.iter().zip(&rows) {
        let colour = colour(finding).filter(|_| colours);
        write!(out, "{}", colour.unwrap_or_default())?;
        table::row(out, &widths, &row.each_ref().map(String::as_str))?;
        write!(out, "{}", colour.map_or("", |_| PLAIN))?;
    }
    Ok(())
}

fn colour(finding: &Finding) -> Option<&'static str> {
    match (finding.state, finding.severity) {
        (FindingState::Violated, Severity::Critical | Severity::High) => Some(RED),
        (FindingState::Violated, Severity::Medium | Severity::Low) => Some(YELLOW),
        (FindingState::Unproven | FindingState::Accepted, _) => None,
    }
}

fn summary(judgement: &Judgement, strict: bool) -> String {
    let all = || judgement.findings();
    let of = |state| all().filter(|finding| finding.state == state).count();
    let by = |severity| {
        let violated = all().filter(|finding| finding.state == FindingState::Violated);
        violated.filter(|finding| finding.severity == severity).count()
    };
    let severities = [
        (by(Severity::Critical), "critical"),
        (by(Severity::High), "high"),
        (by(Severity::Medium), "medium"),
        (by(Severity::Low), "low"),
    ];
    let severities: Vec<String> =
        severities.into_iter().filter(|(n, _)| *n > 0).map(|(n, severity)| format!("{n} {severity}")).collect();
    let in_place = judgement.zones.iter().flat_map(Zone::not_in_place).next();
    let violated = match (of(FindingState::Violated), in_place) {
        (0, Some(condition)) => {
            format!("{} is {}: {}", condition.type_, condition.status, condition.message.trim_end_matches('.'))
        }
        (0, None) if judgement.zones.iter().all(|zone| zone.unjudged().is_some()) => "nothing was judged".to_string(),
        (0, None) => "nothing is violated".to_string(),
        (n, _) => format!("{} ({})", count(n, "finding"), severities.join(", ")),
    };
    let unproven = match of(FindingState::Unproven) {
        0 => String::new(),
        n if strict => format!(", {n} could not be proven, which counts"),
        n => format!(", {n} could not be proven"),
    };
    let accepted = match of(FindingState::Accepted) {
        0 => String::new(),
        n => format!(", {n} accepted by exceptions"),
    };
    format!("{}: {violated}{unproven}{accepted}.", count(judgement.zones.len(), "zone"))
}
