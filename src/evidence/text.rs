//! Text for people: a table per zone, and the sum of them in one line.

use std::io::{self, Write};

use super::{Judgement, Manner, Zone, columns};
use crate::{
    api::{ConditionType, Finding, FindingState, Severity},
    engine::change::count,
};

const HEAD: [&str; 5] = ["SEVERITY", "STATE", "ID", "SUBJECT", "MESSAGE"];
const WIDE_HEAD: [&str; 9] =
    ["SEVERITY", "STATE", "ID", "SUBJECT", "REQUIREMENTS", "WHERE", "MESSAGE", "EVIDENCE", "REMEDIATION"];
/// Stands where there is nothing to say, so that columns stay apart.
const NOTHING: &str = "-";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// What fits on most terminals.
pub(super) fn table(out: &mut impl Write, judgement: &Judgement, manner: &Manner) -> io::Result<()> {
    text(out, judgement, manner, HEAD, |_, finding| {
        let Finding { severity, state, id, subject, message, .. } = finding;
        [format!("{severity:?}"), format!("{state:?}"), id.clone(), subject.clone(), message.clone()]
    })
}

/// Everything that is known of a finding, in one row.
pub(super) fn wide(out: &mut impl Write, judgement: &Judgement, manner: &Manner) -> io::Result<()> {
    text(out, judgement, manner, WIDE_HEAD, |zone, finding| {
        let Finding { severity, state, id, subject, requirements, message, evidence, remediation, .. } = finding;
        let or_nothing = |text: String| if text.is_empty() { NOTHING.to_string() } else { text };
        let state = match &finding.accepted_until {
            Some(until) => format!("{state:?} until {}", until.0),
            None => format!("{state:?}"),
        };
        let place = zone.place(finding).map(ToString::to_string).unwrap_or_default();
        [
            format!("{severity:?}"),
            state,
            id.clone(),
            subject.clone(),
            or_nothing(requirements.join(", ")),
            or_nothing(place),
            message.clone(),
            or_nothing(evidence.clone()),
            remediation.clone(),
        ]
    })
}

fn text<const N: usize>(
    out: &mut impl Write,
    judgement: &Judgement,
    manner: &Manner,
    heads: [&str; N],
    row: impl Fn(&Zone, &Finding) -> [String; N],
) -> io::Result<()> {
    let how = if judgement.as_is {
        "exactly as it is"
    } else {
        "as it will be once the operator has carried out what the zones declare; --as-is judges what is there"
    };
    writeln!(out, "Judged at {}, {how}.", judgement.judged_at)?;
    for zone in &judgement.zones {
        writeln!(out)?;
        writeln!(out, "{}", columns::plain(&head(zone)))?;
        findings(out, zone, manner.colours, heads, &row)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", columns::plain(&summary(judgement, manner.strict)))
}

fn head(zone: &Zone) -> String {
    let mode = zone.mode.map_or_else(|| "unreadable".to_string(), |mode| format!("{mode:?}"));
    let compliant = zone.condition(ConditionType::Compliant);
    let compliant = compliant.map(|condition| format!("Compliant {}", condition.status));
    let parts = [Some(format!("Zone {} ({mode})", zone.name)), compliant, zone.unjudged().map(str::to_string)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

fn findings<const N: usize>(
    out: &mut impl Write,
    zone: &Zone,
    colours: bool,
    heads: [&str; N],
    row: impl Fn(&Zone, &Finding) -> [String; N],
) -> io::Result<()> {
    if zone.findings.is_empty() {
        return Ok(());
    }
    let rows: Vec<[String; N]> = zone.findings.iter().map(|finding| row(zone, finding)).collect();
    let names = heads.map(str::to_string);
    let widths = columns::widths(rows.iter().chain([&names]));
    columns::row(out, &widths, &heads)?;
    for (finding, row) in zone.findings.iter().zip(&rows) {
        let colour = colour(finding).filter(|_| colours);
        write!(out, "{}", colour.unwrap_or_default())?;
        columns::row(out, &widths, &row.each_ref().map(String::as_str))?;
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
