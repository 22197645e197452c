//! `pcizone diff`: what a change of manifests opens and closes.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::ValueEnum;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{
    Outcome,
    compared::{NOW, Side, one_moment, refuse_nothing},
    has_colours,
    input::Reading,
    written,
};
use crate::{
    api::{Finding, FindingState, Severity},
    engine::{
        change::count,
        compare::{Difference, Raised, Reworded, Unread, compare},
    },
    evidence::columns,
};

/// Lines of one section.
const LINES: usize = 200;
const RED: &str = "\x1b[31m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Tells what a change opens and closes for the pods of zones, and which flow covers it. Exit code 0: nothing opens that no flow
/// covers, and nothing is violated that was not; 1: something does, or is; 2: it could not be told, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// How it was: a file, a folder, - for standard input, or REVISION:PATH of git. With -f a revision of git.
    base: String,
    /// How it is to be, likewise. With -f it may be left out: then it is what lies in the folder now.
    head: Option<String>,
    /// Compare this file or folder in the two revisions; may be given more than once.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// How the result is shown.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// How a difference is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For the page of a change.
    Markdown,
}

/// The result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'r> {
    base: &'r str,
    head: &'r str,
    as_is: bool,
    judged_at: Timestamp,
    #[serde(flatten)]
    difference: &'r Difference,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if let Some(complaint) = arguments.complaint() {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let reading = one_moment(&arguments.reading);
    let base = arguments.side(Some(&arguments.base)).load(&reading)?;
    let head = arguments.side(arguments.head.as_deref()).load(&reading)?;
    refuse_nothing(&base, &head)?;
    let (base, head) = (base.loaded, head.loaded);
    let difference = compare(&base.snapshot, &head.snapshot, head.now);
    let report = Report {
        base: &arguments.base,
        head: arguments.head.as_deref().unwrap_or(NOW),
        as_is: head.as_is,
        judged_at: head.now,
        difference: &difference,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match arguments.output {
        Form::Json => {
            serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from).and_then(|()| writeln!(out))
        }
        Form::Table => text(&mut out, &report, has_colours()),
        Form::Markdown => markdown(&mut out, &report),
    };
    written(result.and_then(|()| out.flush()))?;
    Ok(if difference.is_worse() { Outcome::Findings } else { Outcome::Clean })
}

impl Arguments {
    fn complaint(&self) -> Option<&'static str> {
        let is_stdin = |side: &&str| *side == "-";
        let sides = || [Some(self.base.as_str()), self.head.as_deref()].into_iter().flatten();
        if self.files.is_empty() && self.head.is_none() {
            return Some("give what to compare with; or -f PATH, to compare a revision of git with what is there now");
        }
        if !self.files.is_empty() && sides().any(|side| is_stdin(&side)) {
            return Some("with -f, BASE and HEAD are revisions of git");
        }
        (sides().filter(is_stdin).count() > 1).then_some("standard input can be one side only")
    }

    fn side<'a>(&'a self, side: Option<&'a str>) -> Side<'a> {
        match side {
            None => Side::Now(&self.files),
            // A revision may be called as a folder is.
            Some(side) if !self.files.is_empty() => Side::Revision(side, &self.files),
            Some(side) => Side::of(side, &[]),
        }
    }
}

/// Lines under a title. Bad ones come first, and are marked.
struct Section {
    title: &'static str,
    lines: Vec<(bool, String)>,
}

/// All sections; in each what is bad comes first, so that no bound hides it.
fn sections(difference: &Difference) -> Vec<Section> {
    let mut sections = unsorted(difference);
    for section in &mut sections {
        section.lines.sort_by_key(|(bad, _)| !bad);
    }
    sections
}

fn unsorted(difference: &Difference) -> Vec<Section> {
    let plain = |lines: Vec<String>| lines.into_iter().map(|line| (false, line)).collect();
    let finding = |raised: &Raised| {
        let Raised { zone, finding } = raised;
        let (severity, state) = (finding.severity, finding.state);
        format!("{severity:?} {state:?} {} on {} (zone {zone}): {}", finding.id, finding.subject, finding.message)
    };
    let violated = |raised: &Raised| raised.finding.state == FindingState::Violated;
    vec![
        Section {
            title: "Opens",
            lines: difference.opens.iter().map(|one| (one.flows.is_empty(), one.words.clone())).collect(),
        },
        Section { title: "Closes", lines: plain(difference.closes.iter().map(|one| one.words.clone()).collect()) },
        Section {
            title: "Doors opened",
            lines: difference.doors_opened.iter().map(|one| (one.flows.is_empty(), one.words.clone())).collect(),
        },
        Section {
            title: "Doors closed",
            lines: plain(difference.doors_closed.iter().map(|one| one.words.clone()).collect()),
        },
        Section {
            title: "Zones declare",
            lines: difference
                .declared
                .iter()
                .map(|one| (one.weakens, format!("{}: {}", one.zone, one.words)))
                .collect(),
        },
        Section {
            title: "New findings",
            lines: difference.raised.iter().map(|one| (violated(one), finding(one))).collect(),
        },
        Section {
            title: "Findings that say something else",
            lines: difference.reworded.iter().map(|one| (one.is_worse(), reworded(one))).collect(),
        },
        Section { title: "Findings that are gone", lines: plain(difference.settled.iter().map(finding).collect()) },
        Section {
            title: "Not understood in all, with them more may differ",
            lines: difference.unread.iter().map(|one| (one.is_changed, unread(one))).collect(),
        },
    ]
}

fn reworded(one: &Reworded) -> String {
    let Reworded { zone, finding, was, .. } = one;
    let Finding { severity, state, id, subject, message, evidence, .. } = finding;
    let now = if message == was { format!("{message} {evidence}") } else { message.clone() };
    format!("{severity:?} {state:?} {id} on {subject} (zone {zone}): {now} Before: {was}")
}

fn unread(one: &Unread) -> String {
    let changed =
        if one.is_changed { ": it is new or says something else, and what that opens is not known" } else { "" };
    format!("{}{changed}", one.policy)
}

fn text(out: &mut impl Write, report: &Report, colours: bool) -> io::Result<()> {
    let coloured = |code: &'static str| if colours { (code, PLAIN) } else { ("", "") };
    writeln!(out, "{}", columns::plain(&head(report)))?;
    for section in sections(report.difference).iter().filter(|section| !section.lines.is_empty()) {
        let (on, off) = coloured(BOLD);
        writeln!(out, "\n{on}{} ({}){off}", section.title, section.lines.len())?;
        for (bad, line) in section.lines.iter().take(LINES) {
            let (on, off) = if *bad { coloured(RED) } else { ("", "") };
            writeln!(out, "{on}{} {}{off}", if *bad { "!" } else { "-" }, columns::plain(line))?;
        }
        more(out, section)?;
    }
    writeln!(out, "\n{}", summary(report.difference))
}

fn markdown(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "### PciZone: {}\n", summary(report.difference))?;
    writeln!(out, "{}", escaped(&head(report)))?;
    for section in sections(report.difference).iter().filter(|section| !section.lines.is_empty()) {
        writeln!(out, "\n**{}** ({})\n", section.title, section.lines.len())?;
        for (bad, line) in section.lines.iter().take(LINES) {
            writeln!(out, "- {}{}", if *bad { "⚠️ " } else { "" }, escaped(line))?;
        }
        more(out, section)?;
    }
    Ok(())
}

fn more(out: &mut impl Write, section: &Section) -> io::Result<()> {
    match section.lines.len().saturating_sub(LINES) {
        0 => Ok(()),
        more => writeln!(out, "- and {more} more; -o json has all"),
    }
}

/// Nothing of a name or a sentence is taken for markup.
fn escaped(text: &str) -> String {
    let mut to = String::with_capacity(text.len());
    for c in columns::plain(text).chars() {
        match c {
            '<' => to.push_str("&lt;"),
            '&' => to.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '@' | '!' => to.extend(['\\', c]),
            c => to.push(c),
        }
    }
    to
}

fn head(report: &Report) -> String {
    let how =
        if report.as_is { "exactly as they are" } else { "as they will be once the operator has carried them out" };
    format!("From {} to {}, {how}, judged at {}.", report.base, report.head, report.judged_at)
}

/// All of it in a line.
fn summary(difference: &Difference) -> String {
    if difference.is_empty() {
        let unread = if difference.unread.is_empty() { "" } else { ", as far as policies are understood" };
        return format!("Nothing opens, nothing closes{unread}.");
    }
    let (bare, covered): (Vec<_>, Vec<_>) = difference.opens.iter().partition(|one| one.flows.is_empty());
    let unread = difference.unread.iter().filter(|one| one.is_changed).count();
    let parts = [
        (bare.len(), format!("{} that no flow covers", count(bare.len(), "opening"))),
        (covered.len(), format!("{} that flows cover", count(covered.len(), "opening"))),
        (difference.closes.len(), count(difference.closes.len(), "closing")),
        (difference.doors_opened.len(), format!("{} opened", count(difference.doors_opened.len(), "door"))),
        (difference.doors_closed.len(), format!("{} closed", count(difference.doors_closed.len(), "door"))),
        (difference.declared.len(), format!("{} of zones", count(difference.declared.len(), "change"))),
        (difference.raised.len(), new_findings(&difference.raised)),
        (difference.reworded.len(), format!("{} in other words", count(difference.reworded.len(), "finding"))),
        (unread, format!("{} that are not understood", count(unread, "changed policy").replace("policys", "policies"))),
        (difference.settled.len(), format!("{} gone", count(difference.settled.len(), "finding"))),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(_, words)| words).collect();
    format!("{}.", parts.join(", "))
}

fn new_findings(raised: &[Raised]) -> String {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let of = |severity: Severity| {
        let is = |one: &&Raised| one.finding.state == FindingState::Violated && one.finding.severity == severity;
        (raised.iter().filter(is).count(), severity.as_label())
    };
    let in_state = |state| raised.iter().filter(|one| one.finding.state == state).count();
    let (unproven, accepted) = (in_state(FindingState::Unproven), in_state(FindingState::Accepted));
    let parts =
        severities.into_iter().map(of).chain([(unproven, "unproven"), (accepted, "accepted")]).filter(|(n, _)| *n > 0);
    let parts: Vec<String> = parts.map(|(n, word)| format!("{n} {word}")).collect();
    format!("{} ({})", count(raised.len(), "new finding"), parts.join(", "))
}
