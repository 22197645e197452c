//! `pcizone plan`: what Enforce would write, and what it would cut off.

use std::{
    collections::HashMap,
    io::{self, BufWriter, Write},
};

use clap::ValueEnum;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

use super::{Given, Outcome, input::Loaded, written};
use crate::{
    engine::{
        change::count,
        preview::{self, Planned, Preview, Step},
    },
    evidence::columns,
};

/// How many cut connections the table shows.
const SHOWN: usize = 20;
/// Lines around a change.
const AROUND: usize = 3;
const HEAD: [&str; 4] = ["FROM", "TO", "PAIRS", "PORTS"];

/// Tells what the operator would write if every zone were in Enforce, and nothing had been carried out yet; and which
/// connections would be cut off. Exit code 0: nothing would be written, 1: something would be, 2: it could not be told,
/// 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Given,
    /// How the result is shown.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// How the plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// The objects that would be written, for review or `kubectl apply --server-side --force-conflicts`.
    Yaml,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(flatten)]
    preview: &'a Preview,
    planned_at: Timestamp,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if let Some(complaint) = arguments.input.complaint() {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let Loaded { snapshot, now, .. } = arguments.input.read()?;
    anyhow::ensure!(!snapshot.zones.is_empty(), "there is no PciZone, so there is nothing to plan");
    let preview = preview::preview(&snapshot, now);
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match arguments.output {
        Form::Json => json(&mut out, &preview, now),
        Form::Table => text(&mut out, &preview, now),
        Form::Yaml => {
            let text = yaml(&preview)?;
            out.write_all(text.as_bytes())
        }
    };
    written(result.and_then(|()| out.flush()))?;
    Ok(if preview.zones.iter().any(|zone| zone.untold.is_some()) {
        Outcome::Unjudged
    } else if preview.writes() {
        Outcome::Findings
    } else {
        Outcome::Clean
    })
}

fn json(out: &mut impl Write, preview: &Preview, planned_at: Timestamp) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Told { preview, planned_at })?;
    writeln!(out)
}

/// One document for each object; what cannot be applied is said in comments.
fn yaml(preview: &Preview) -> anyhow::Result<String> {
    let mut text = String::new();
    for zone in &preview.zones {
        if zone.arms {
            text.push_str(&comment(&format!("the operator puts its finalizer on PciZone/{} first", zone.name)));
        }
        for line in preview::by_hand(zone.writes.iter()) {
            text.push_str(&comment(&format!("not by an object to apply: {line}")));
        }
    }
    for object in preview::manifests(preview.zones.iter().flat_map(|zone| &zone.writes)) {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&object)?);
    }
    Ok(text)
}

fn comment(line: &str) -> String {
    format!("# {}\n", columns::plain(line))
}

fn text(out: &mut impl Write, preview: &Preview, now: Timestamp) -> io::Result<()> {
    writeln!(out, "What Enforce would write, as of {now}. Nothing of it is written by this command.")?;
    let mut told = HashMap::new();
    for zone in &preview.zones {
        writeln!(out)?;
        writeln!(out, "{}", columns::plain(&head(zone)))?;
        if zone.arms {
            writeln!(out, "  put our finalizer on PciZone/{}", columns::plain(&zone.name))?;
            writeln!(out, "    Without it a deletion of the zone would leave everything behind.")?;
        }
        for step in &zone.writes {
            writeln!(out, "  {} {}", step.verb, columns::plain(&step.object))?;
            writeln!(out, "    {}", columns::plain(&step.why))?;
            for line in changes(step, &mut told) {
                writeln!(out, "      {}", columns::plain(&line))?;
            }
        }
    }
    writeln!(out)?;
    cut(out, preview)
}

fn head(zone: &Planned) -> String {
    let mode = zone.mode.map_or_else(|| "unreadable".to_string(), |mode| format!("{mode:?}"));
    let name = format!("Zone {} ({mode})", zone.name);
    if let Some(untold) = &zone.untold {
        return format!("{name}: {untold}");
    }
    let kinds = [(zone.create, "to create"), (zone.update, "to change"), (zone.delete, "to remove")];
    let kinds: Vec<String> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let what = if kinds.is_empty() { "nothing to write".to_string() } else { kinds.join(", ") };
    let pending = zone.pending.as_ref().map(|change| format!("; not before it is confirmed: {change}"));
    format!("{name}: {what}{}", pending.unwrap_or_default())
}

/// What a write changes, in lines of YAML. What was told of another object already is not told again.
fn changes(step: &Step, told: &mut HashMap<String, String>) -> Vec<String> {
    let is_guard =
        |object: &Value| object["apiVersion"].as_str().is_some_and(|version| version.starts_with("admission"));
    if is_guard(&step.after) || is_guard(&step.before) {
        return Vec::new();
    }
    let lines = match (&step.before, &step.after) {
        (Value::Null, after) => signed("+", &yaml_of(&after["spec"])),
        (before, Value::Null) => signed("-", &yaml_of(&before["spec"])),
        (before, after) => diff(&rules(before), &rules(after)),
    };
    if lines.is_empty() {
        return vec!["only who is on record as its writer".to_string()];
    }
    if let Some(other) = told.get(&lines.concat()) {
        return vec![format!("as {other}")];
    }
    told.insert(lines.concat(), step.object.clone());
    lines
}

/// What of an object decides, without its name.
fn rules(object: &Value) -> String {
    let metadata = &object["metadata"];
    let mut rules = Map::new();
    for key in ["labels", "annotations", "ownerReferences"] {
        rules.insert(key.to_string(), metadata[key].clone());
    }
    rules.insert("spec".to_string(), object["spec"].clone());
    rules.retain(|_, value| !value.is_null());
    if rules.is_empty() { String::new() } else { yaml_of(&Value::Object(rules)) }
}

fn yaml_of(value: &Value) -> String {
    // Plain values always are YAML.
    serde_saphyr::to_string(value).unwrap_or_default()
}

fn signed(sign: &str, text: &str) -> Vec<String> {
    text.lines().map(|line| format!("{sign} {line}")).collect()
}

fn diff(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for (number, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if number > 0 {
            lines.push("…".to_string());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => "-",
                ChangeTag::Insert => "+",
                ChangeTag::Equal => " ",
            };
            lines.push(format!("{sign} {}", change.value().trim_end_matches('\n')));
        }
    }
    lines
}

fn cut(out: &mut impl Write, preview: &Preview) -> io::Result<()> {
    if preview.cut.is_empty() {
        return writeln!(out, "No connection of the pods that are there would be cut off.");
    }
    writeln!(out, "Possible now, and cut off then:")?;
    let row = |cut: &preview::Cut| {
        let unread = match cut.unread.as_slice() {
            [] => String::new(),
            unread => format!(" (not understood: {})", unread.join(", ")),
        };
        [cut.from.clone(), cut.to.clone(), cut.pairs.to_string(), format!("{}{unread}", cut.ports)]
    };
    let rows: Vec<[String; 4]> = preview.cut.iter().take(SHOWN).map(row).collect();
    let head = HEAD.map(str::to_string);
    let widths = columns::widths(rows.iter().chain([&head]));
    columns::row(out, &widths, &HEAD)?;
    for row in &rows {
        columns::row(out, &widths, &row.each_ref().map(String::as_str))?;
    }
    let rest = preview.cut.get(SHOWN..).unwrap_or_default();
    if !rest.is_empty() {
        let pairs = rest.iter().map(|cut| cut.pairs).sum();
        writeln!(out, "and {} more, for {}; -o json has all", rest.len(), count(pairs, "pair"))?;
    }
    Ok(())
}
