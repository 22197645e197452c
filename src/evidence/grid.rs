//! A round of the canary as a grid of nodes: who asks from above to below, who is asked from left to right.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use super::columns::{plain, row, width};
use crate::{
    api::{SegmentationTest, TestResult},
    engine::checks::canary::LIMITS,
};

/// Writes the grid, and what was seen in words.
pub fn write(to: &mut impl Write, test: &SegmentationTest) -> io::Result<()> {
    let cells: BTreeMap<(&str, &str), TestResult> =
        test.pairs.iter().map(|pair| ((pair.from.as_str(), pair.to.as_str()), pair.result)).collect();
    let ends: BTreeSet<&str> = test.pairs.iter().flat_map(|pair| [pair.from.as_str(), pair.to.as_str()]).collect();
    // Those outside come last.
    let mut ends: Vec<&str> = ends.into_iter().collect();
    ends.sort_by_key(|end| (end.starts_with("outside/"), *end));
    let head: Vec<&str> = std::iter::once("from \\ to").chain(ends.iter().copied()).collect();
    let rows: Vec<Vec<&str>> = ends
        .iter()
        .map(|from| {
            let cell = |to: &&str| cells.get(&(from, *to)).map_or("-", |result| word(*result));
            std::iter::once(*from).chain(ends.iter().map(cell)).collect()
        })
        .collect();
    let wide = |column: usize| {
        let all = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        all.map(|cell| width(&plain(cell))).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    if !rows.is_empty() {
        row(to, &widths, &head)?;
        for cells in &rows {
            row(to, &widths, cells)?;
        }
        writeln!(to)?;
    }
    writeln!(to, "{:?}: {}", test.result, plain(&test.message))?;
    for line in &test.sample {
        writeln!(to, "  {}", plain(line))?;
    }
    writeln!(to, "namespace {}, round {}, ended at {}", plain(&test.namespace), plain(&test.round), test.tested_at.0)?;
    if let Some(millis) = test.closed_within_millis {
        writeln!(to, "the slowest way was closed {} s after its policy was removed, to about a second", millis / 1000)?;
    }
    writeln!(
        to,
        "own node: {} of {} nodes got through to their own pods, as the API documents",
        test.own_node, test.nodes
    )?;
    if !test.flows.is_empty() {
        let flows: Vec<String> = test.flows.iter().map(|flow| plain(flow)).collect();
        writeln!(to, "flows by a copy of their policy, with the canary's pods as ends: {}", flows.join(", "))?;
    }
    writeln!(to, "{LIMITS}")
}

fn word(result: TestResult) -> &'static str {
    match result {
        TestResult::Enforced => "enforced",
        TestResult::NotEnforced => "OPEN",
        TestResult::Unproven => "?",
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::TestedPair;

    #[test]
    fn nodes_outside_come_last_and_what_was_not_tried_is_a_dash() {
        let pair = |from: &str, to: &str, result| TestedPair { from: from.to_string(), to: to.to_string(), result };
        let test = SegmentationTest {
            tested_at: Time("2026-11-26T17:00:00Z".parse().unwrap()),
            result: TestResult::NotEnforced,
            message: "Not every way is enforced.".to_string(),
            namespace: "vault".to_string(),
            round: "1".to_string(),
            request: None,
            nodes: 2,
            tried: 8,
            enforced: 6,
            broken: 2,
            sample: vec!["one".to_string()],
            pairs: vec![
                pair("pci-1", "pci-2", TestResult::Enforced),
                pair("outside/web", "pci-1", TestResult::NotEnforced),
                pair("pci-2", "outside/web", TestResult::Unproven),
            ],
            failure: None,
            closed_within_millis: Some(1400),
            open_at_start: 0,
            own_node: 2,
            flows: vec!["pay".to_string(), "settle".to_string()],
            settings_digest: None,
            digest: String::new(),
        };
        let mut out = Vec::new();
        write(&mut out, &test).unwrap();
        let text = String::from_utf8(out).unwrap();
        let grid = "\
from \\ to    pci-1  pci-2     outside/web
pci-1        -      enforced  -
pci-2        -      -         ?
outside/web  OPEN   -         -

NotEnforced: Not every way is enforced.
  one
namespace vault, round 1, ended at 2026-11-26T17:00:00Z
the slowest way was closed 1 s after its policy was removed, to about a second
own node: 2 of 2 nodes got through to their own pods, as the API documents
flows by a copy of their policy, with the canary's pods as ends: pay, settle
It supports PCI DSS 11.4.5 and is no penetration test.
";
        assert_eq!(text, grid);
    }
}
