//! The result: JSON for programs, a table for people. Neither names the machine or a path on it.

use std::io::IsTerminal as _;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Map, Value, json};

use super::{
    figure::{Figure, Goal, Kind, Verdict, judge},
    group::Group,
    machine::Machine,
    stats::Spread,
};

/// Width of the table where there is no terminal to ask.
const WIDTH: u16 = 150;

/// Everything that a run found out.
pub(super) struct Report {
    pub(super) machine: Machine,
    /// How large the cluster was, and how it was measured.
    pub(super) setup: Value,
    pub(super) groups: Vec<Group>,
    pub(super) warnings: Vec<String>,
}

impl Report {
    /// `GROUP.FIGURE` is the figure itself; `GROUP.details.FIGURE` says the rest.
    pub(super) fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("machine".to_string(), self.machine.json());
        all.insert("setup".to_string(), self.setup.clone());
        all.insert("warnings".to_string(), json!(self.warnings));
        let disturbed = self.machine.disturbed();
        for group in &self.groups {
            all.insert(group.name.to_string(), group_json(group, disturbed.as_deref()));
        }
        Value::Object(all)
    }

    pub(super) fn table(&self) -> String {
        let terminal = std::io::stdout().is_terminal();
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header([
            "Figure",
            "Median",
            "Spread",
            "Goal",
            "Reached",
            "Floor",
            "What it is",
        ]);
        if !terminal {
            table.set_width(WIDTH);
        }
        let mut below = vec![self.machine.text(), setup_text(&self.setup)];
        let disturbed = self.machine.disturbed();
        for group in &self.groups {
            for figure in &group.figures {
                let verdict = judge(figure, group.floor.as_ref(), disturbed.as_deref());
                if let Some(why) = verdict.why.as_ref().filter(|_| figure.goal != Goal::None) {
                    below.push(format!("{}.{}: {why}", group.name, figure.name));
                }
                table.add_row(row(group, figure, &verdict, terminal));
            }
            if let Some(cpu) = group.cpu {
                below.push(format!("{}: CPU seconds {}", group.name, cpu.json()));
            }
            if let Some(requests) = &group.requests {
                below.push(format!("{}: requests {}", group.name, totals(requests)));
            }
            below.extend(group.notes.iter().map(|note| format!("{}: {note}", group.name)));
        }
        below.extend(self.warnings.iter().map(|warning| format!("WARNING: {warning}")));
        format!("{table}\n{}\n", below.join("\n"))
    }
}

/// How many requests each user made; the JSON says which.
fn totals(requests: &Value) -> String {
    let users = requests.as_object().into_iter().flatten().map(|(user, kinds)| {
        let total: u64 = kinds.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
        format!("{total} by {user}")
    });
    users.collect::<Vec<_>>().join(", ")
}

fn setup_text(setup: &Value) -> String {
    let entries = setup.as_object().into_iter().flatten().map(|(key, value)| format!("{key}: {value}"));
    entries.collect::<Vec<_>>().join(", ").replace('"', "")
}

fn row(group: &Group, figure: &Figure, verdict: &Verdict, colours: bool) -> Vec<Cell> {
    let (spread, goal) = (&figure.spread, figure.goal);
    let reached = match (goal, verdict.reached) {
        (Goal::None, _) => Cell::new(""),
        (_, Some(true)) => coloured("yes", Color::Green, colours),
        (_, Some(false)) => coloured("NO", Color::Red, colours),
        (_, None) => coloured("cannot say", Color::Yellow, colours),
    };
    let floor = figure.floor(group.floor.as_ref());
    let floor = floor.map(|floor| format!("{} {}", number(floor.median()), floor.unit)).unwrap_or_default();
    let range = if spread.runs.len() > 1 {
        format!("{} – {}", number(spread.min()), number(spread.max()))
    } else {
        String::new()
    };
    let value = format!("{} {}", number(spread.median()), spread.unit);
    let mut key = Cell::new(format!("{}.{}", group.name, figure.name));
    if colours && goal != Goal::None {
        key = key.add_attribute(Attribute::Bold);
    }
    vec![
        key,
        Cell::new(value),
        Cell::new(range),
        Cell::new(goal.text()),
        reached,
        Cell::new(floor),
        Cell::new(figure.what),
    ]
}

fn coloured(text: &str, colour: Color, colours: bool) -> Cell {
    let cell = Cell::new(text);
    if colours { cell.fg(colour) } else { cell }
}

fn group_json(group: &Group, disturbed: Option<&str>) -> Value {
    let mut all = Map::new();
    let mut details = Map::new();
    for figure in &group.figures {
        let Verdict { reached, why } = judge(figure, group.floor.as_ref(), disturbed);
        all.insert(figure.name.to_string(), json!(rounded(figure.spread.median())));
        let mut detail = spread_json(&figure.spread);
        if let Some(detail) = detail.as_object_mut() {
            detail.insert(
                "goal".to_string(),
                match figure.goal {
                    Goal::AtMost(most) => json!({ "at_most": most }),
                    Goal::Exactly(value) => json!({ "exactly": value }),
                    Goal::Unseen { value, apart } => {
                        json!({ "at_most": rounded(value + apart), "noise": rounded(apart) })
                    }
                    Goal::None => Value::Null,
                },
            );
            detail.insert("reached".to_string(), json!(reached));
            detail.insert("why".to_string(), json!(why));
            detail.insert("what".to_string(), json!(figure.what));
            if let Kind::ComparedWith(floor) = &figure.kind {
                detail.insert("floor".to_string(), spread_json(floor));
            }
        }
        details.insert(figure.name.to_string(), detail);
    }
    all.insert("floor".to_string(), group.floor.as_ref().map_or(Value::Null, spread_json));
    all.insert("details".to_string(), Value::Object(details));
    all.insert("cpu_seconds".to_string(), json!(group.cpu.map(super::meter::Cpu::json)));
    all.insert("floor_cpu_seconds".to_string(), json!(group.floor_cpu.map(super::meter::Cpu::json)));
    all.insert("requests".to_string(), json!(group.requests));
    all.insert("notes".to_string(), json!(group.notes));
    Value::Object(all)
}

fn spread_json(spread: &Spread) -> Value {
    let runs: Vec<f64> = spread.runs.iter().copied().map(rounded).collect();
    json!({
        "median": rounded(spread.median()), "min": rounded(spread.min()), "max": rounded(spread.max()),
        "unit": spread.unit, "runs": runs,
    })
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// Three significant digits, or whole numbers.
fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_string(),
        value if value.fract().abs() < 1e-9 || value.abs() >= 100.0 => format!("{value:.0}"),
        value if value.abs() >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &'static str, value: f64, goal: Goal) -> Figure {
        Figure { name, what: "", spread: Spread::new("× floor", vec![value]), goal, kind: Kind::Compared }
    }

    #[test]
    fn figures_are_numbers_and_the_rest_stands_beside_them() {
        let group = Group {
            figures: vec![figure("ratio", 1.5, Goal::AtMost(1.25)), figure("seconds", f64::NAN, Goal::None)],
            floor: Some(Spread::new("s", vec![2.0, 3.0])),
            ..Group::new("protect")
        };
        let json = group_json(&group, None);
        assert_eq!(json["ratio"], 1.5);
        assert_eq!(json["seconds"], Value::Null, "not measured");
        assert_eq!(json["floor"], json!({ "median": 2.5, "min": 2.0, "max": 3.0, "unit": "s", "runs": [2.0, 3.0] }));
        assert_eq!(json["details"]["ratio"]["reached"], Value::Null);
        assert!(json["details"]["ratio"]["why"].as_str().unwrap().contains("50.0 %"));
        assert_eq!(json["details"]["ratio"]["goal"]["at_most"], 1.25);
    }

    #[test]
    fn requests_are_summed_for_each_user() {
        let requests = json!({ "a": { "get x": 2, "patch x": 1 }, "b": { "get y": 5 } });
        assert_eq!(totals(&requests), "3 by a, 5 by b");
    }

    #[test]
    fn numbers_are_short() {
        for (value, wanted) in [(1.0, "1"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (f64::NAN, "–")] {
            assert_eq!(number(value), wanted);
        }
    }
}
