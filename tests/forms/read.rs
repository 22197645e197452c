//! Reads every form back.

use std::collections::BTreeMap;

use pcizone::evidence::Form;
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use serde_json::Value;

use crate::Told;

/// How many findings there are of each state.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    violated: usize,
    unproven: usize,
    accepted: usize,
}

impl Counts {
    pub fn of(states: &BTreeMap<&str, usize>) -> Self {
        let of = |state| states.get(state).copied().unwrap_or_default();
        Counts { violated: of("Violated"), unproven: of("Unproven"), accepted: of("Accepted") }
    }
}

/// The findings that a form tells.
pub fn told(form: Form, text: &str) -> Vec<Told> {
    match form {
        Form::Table | Form::Wide => table(text),
        Form::Json => document(&json(text)),
        Form::Yaml => document(&serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))),
        Form::Csv => csv(text),
        Form::Junit => junit(text),
        Form::Sarif => sarif(&json(text)),
        Form::Oscal => oscal(&json(text)),
        Form::Html => page(text),
        Form::Mermaid => picture(text, "    z", "([\"", "\"])", "|\""),
        Form::Dot => picture(text, "    z", " [label=\"", "\", style=rounded];", " [label=\""),
    }
}

/// What a form says of their number, where it does.
pub fn counts(form: Form, text: &str, strict: bool) -> Option<Counts> {
    match form {
        Form::Table | Form::Wide => Some(summary(text)),
        Form::Json => Some(sums(&json(text))),
        Form::Yaml => Some(sums(&serde_saphyr::from_str(text).expect("YAML"))),
        Form::Junit => Some(attributes(text, strict)),
        Form::Html => Some(tiles(text)),
        Form::Csv | Form::Sarif | Form::Oscal | Form::Mermaid | Form::Dot => None,
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_string()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn table(text: &str) -> Vec<Told> {
    let (mut zone, mut columns, mut told) = (String::new(), None, Vec::new());
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("Zone ") {
            zone = head.split(" (").next().unwrap_or_default().to_string();
            columns = None;
        } else if line.starts_with("SEVERITY ") {
            columns = Some(["STATE", "ID", "SUBJECT"].map(|name| line.find(name).expect("a column")));
        } else if line.is_empty() {
            columns = None;
        } else if let Some([state, id, subject]) = columns {
            let cell = |from, to| line.chars().skip(from).take(to - from).collect::<String>().trim().to_string();
            let state = cell(state, id).split(' ').next().unwrap_or_default().to_string();
            let severity = line.split(' ').next().unwrap_or_default().to_string();
            told.push([zone.clone(), cell(id, subject), severity, state]);
        }
    }
    told
}

fn document(value: &Value) -> Vec<Told> {
    let zones = list(&value["zones"]).iter();
    zones
        .flat_map(|zone| {
            list(&zone["findings"])
                .iter()
                .map(|one| [&zone["name"], &one["id"], &one["severity"], &one["state"]].map(text))
        })
        .collect()
}

fn csv(text: &str) -> Vec<Told> {
    let mut rows = ::csv::Reader::from_reader(text.as_bytes());
    let heads = rows.headers().expect("a head").clone();
    let column = |name| heads.iter().position(|head| head == name).expect("a column");
    let columns = ["zone", "id", "severity", "state"].map(column);
    let all = rows.records().map(|row| row.unwrap_or_else(|error| panic!("{error}:\n{text}")));
    let told = all.map(|row| columns.map(|column| row[column].to_string()));
    told.filter(|[_, id, _, _]| !id.is_empty()).collect()
}

fn junit(text: &str) -> Vec<Told> {
    let report = Report::deserialize_from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let mut told = Vec::new();
    for suite in &report.test_suites {
        // The first says whether the zone was judged.
        for case in suite.test_cases.iter().skip(1) {
            let kind = match &case.status {
                TestCaseStatus::Success { .. } => panic!("a finding passes:\n{text}"),
                TestCaseStatus::NonSuccess { ty, .. } | TestCaseStatus::Skipped { ty, .. } => ty.clone(),
            };
            let kind = kind.expect("a type").as_str().to_string();
            let (state, severity) = kind.split_once(' ').expect("state and severity");
            let id = case.name.split(' ').next().unwrap_or_default();
            told.push([suite.name.to_string(), id.to_string(), severity.to_string(), state.to_string()]);
        }
    }
    told
}

fn sarif(value: &Value) -> Vec<Told> {
    let run = &value["runs"][0];
    let rules = list(&run["tool"]["driver"]["rules"]);
    let told = list(&run["results"]).iter().map(|result| {
        let rule = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok()).expect("an index");
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        let state = match (result["kind"].as_str(), list(&result["suppressions"]).len()) {
            (Some("fail"), 0) => "Violated",
            (Some("fail"), 1) => "Accepted",
            (Some("open"), 0) => "Unproven",
            _ => panic!("{result}"),
        };
        assert_eq!((result["properties"]["state"] == state, result["level"] == "none"), (true, state == "Unproven"));
        let properties = &result["properties"];
        [text(&properties["zone"]), text(&result["ruleId"]), text(&properties["severity"]), state.to_string()]
    });
    told.collect()
}

fn oscal(value: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    for result in list(&value["assessment-results"]["results"]) {
        for finding in list(&result["findings"]) {
            assert_eq!(finding["target"]["status"]["state"], "not-satisfied", "{finding}");
        }
        for observation in list(&result["observations"]) {
            let prop = |name: &str| {
                let found = list(&observation["props"]).iter().find(|prop| prop["name"] == name)?;
                Some(text(&found["value"]))
            };
            if let Some(id) = prop("finding-id") {
                let rest = ["zone", "severity", "state"].map(|name| prop(name).expect("it is there"));
                let [zone, severity, state] = rest;
                told.push([zone, id, severity, state]);
            }
        }
    }
    told
}

/// Edges from zones to objects; a line is a node or an edge, whatever names are in it.
fn picture(text: &str, begin: &str, open: &str, close: &str, label: &str) -> Vec<Told> {
    let mut zones = BTreeMap::new();
    let mut told = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(begin)) {
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let (number, rest) = line.split_at(digits);
        if let Some(name) = rest.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            let name = name.strip_prefix("Zone ").expect("a zone");
            zones.insert(number, name.split([':', '#']).next().unwrap_or_default().to_string());
        } else {
            let (_, rest) = rest.split_once(label).unwrap_or_else(|| panic!("no label: {line}"));
            let words: Vec<&str> = rest.split('"').next().unwrap_or_default().split(", ").collect();
            let [id, severity, state] = words[..] else { panic!("no label: {line}") };
            told.push([&zones[number], id, severity, state].map(str::to_string));
        }
    }
    told
}

/// The last line of the text.
fn summary(text: &str) -> Counts {
    let line = text.lines().last().unwrap_or_default();
    let number = |before: &str| {
        let (rest, _) = line.split_once(before)?;
        rest.rsplit([' ', ':']).next()?.parse().ok()
    };
    Counts {
        violated: number(" findings (").or_else(|| number(" finding (")).unwrap_or_default(),
        unproven: number(" could not be proven").unwrap_or_default(),
        accepted: number(" accepted by exceptions").unwrap_or_default(),
    }
}

fn sums(value: &Value) -> Counts {
    let sum = |names: &[&str]| {
        let all = list(&value["zones"]).iter().flat_map(|zone| names.iter().map(|name| &zone["counts"][*name]));
        all.map(|count| count.as_u64().and_then(|count| usize::try_from(count).ok()).expect("a number")).sum()
    };
    Counts {
        violated: sum(&["critical", "high", "medium", "low"]),
        unproven: sum(&["unproven"]),
        accepted: sum(&["accepted"]),
    }
}

/// By the attributes of the suites. The first case of each is no finding.
fn attributes(text: &str, strict: bool) -> Counts {
    let report = Report::deserialize_from_str(text).expect("JUnit");
    let mut counts = Counts::default();
    let (mut cases, mut failed) = (0, 0);
    for suite in &report.test_suites {
        cases += suite.tests;
        failed += suite.failures;
        let mut failures = suite.failures;
        if let Some(TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. }) =
            suite.test_cases.first().map(|case| &case.status)
        {
            failures -= 1;
        }
        let of = |state: &str| {
            let is = |ty: &Option<quick_junit::XmlString>| ty.as_ref().is_some_and(|ty| ty.starts_with(state));
            let all = suite.test_cases.iter();
            all.filter(|case| match &case.status {
                TestCaseStatus::NonSuccess { ty, .. } | TestCaseStatus::Skipped { ty, .. } => is(ty),
                TestCaseStatus::Success { .. } => false,
            })
            .count()
        };
        let unproven = of("Unproven ");
        counts.unproven += unproven;
        counts.violated += failures - if strict { unproven } else { 0 };
        counts.accepted += suite.skipped - if strict { 0 } else { unproven };
    }
    assert_eq!((report.tests, report.failures), (cases, failed));
    counts
}

/// The entries of the list of findings; each lies in the part of its kind, whose id names zone and finding.
fn page(text: &str) -> Vec<Told> {
    let mut told = Vec::new();
    let mut part = ("", "");
    for line in text.lines() {
        if let Some(id) = between(line, "<details class=\"item\" id=\"", "\"") {
            part = id.rsplit_once('-').unwrap_or_else(|| panic!("{line}"));
        }
        if line.contains("data-item=\"finding\"") {
            let of = |name| between(line, name, "\"").unwrap_or_else(|| panic!("{line}")).to_string();
            let (state, severity) = (of("data-state=\""), of("data-severity=\""));
            told.push([part.0.to_string(), part.1.to_string(), severity, state]);
        }
        assert!(!line.contains("data-folded=\""), "so few findings are all listed: {line}");
    }
    told
}

/// The numbers at the top of the page.
fn tiles(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines().filter(|line| line.contains("class=\"tile ")) {
        let name = between(line, "<dt>", "</dt>").unwrap_or_else(|| panic!("{line}"));
        let number = between(line, "<dd>", "</dd>").and_then(|text| text.parse::<usize>().ok());
        let number = number.unwrap_or_else(|| panic!("{line}"));
        match name {
            "Unproven" => counts.unproven += number,
            "Accepted" => counts.accepted += number,
            _ => counts.violated += number,
        }
    }
    counts
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}
