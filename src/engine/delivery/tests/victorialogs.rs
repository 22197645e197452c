//! Answers of `VictoriaLogs`.

use super::{All, Answer, Cut, Row, Store, Unknown, ok, with};

fn row(pod: &str, first: &str, last: &str, number: &str, ends: &str) -> String {
    format!(
        r#"{{"zone":"cde","namespace":"vault","pod":"{pod}","node":"pci-1","run":"r1","first":"{first}","last":"{last}","number":"{number}","newest":"2026-11-26T20:30:00Z","ends":"{ends}"}}"#
    )
}

fn counted(rows: &str, runs: &str) -> Vec<Answer> {
    vec![ok(rows), ok(format!("{{\"runs\":\"{runs}\"}}\n"))]
}

pub fn base() -> Vec<Answer> {
    counted(&(row("web-1", "0", "9", "9", "0") + "\n"), "1")
}

pub fn rows() -> Vec<Row> {
    let whole = row("web-1", "0", "9", "10", "1");
    let two = format!("{}\n{whole}\n", row("web-0", "5", "5", "1", "0"));
    let many: String = (0..2001).map(|n| row(&format!("web-{n}"), "0", "0", "1", "0") + "\n").collect();
    let changed = |from: &str, to: &str| counted(&whole.replace(from, to), "1");
    let run = |count: u64, ended: bool| All(vec![("web-1", 0, 9, count, ended)]);
    let none = || Cut(vec![]);
    let rows = vec![
        ("all there", counted(&whole, "1"), run(10, true)),
        ("one is missing", base(), run(9, false)),
        ("two", counted(&two, "2"), All(vec![("web-0", 5, 5, 1, false), ("web-1", 0, 9, 10, true)])),
        ("no line", counted("", "0"), All(vec![])),
        ("lines of space", counted("\n \n", "0"), All(vec![])),
        ("no line, and one run counted", counted("", "1"), none()),
        ("fewer than counted", counted(&whole, "2"), Cut(vec![("web-1", 0, 9, 10, true)])),
        ("more than counted", counted(&two, "1"), Unknown("2 runs of 1")),
        ("more than are asked for", counted(&many, "2001"), Unknown("2001 runs of 2001")),
        ("nothing counted", vec![ok(&*whole), ok("")], Unknown("does not count the runs")),
        (
            "counted twice",
            vec![ok(&*whole), ok("{\"runs\":\"1\"}\n{\"runs\":\"1\"}")],
            Unknown("does not count the runs"),
        ),
        ("counted as nonsense", counted(&whole, "NaN"), Unknown("does not count the runs")),
        ("counted below zero", counted(&whole, "-1"), Unknown("does not count the runs")),
        ("the same run twice", counted(&format!("{whole}\n{whole}"), "2"), Unknown("the same run of a pod twice")),
        ("cut off within a line", counted(&whole[..whole.len() - 9], "1"), Unknown("a line that is no JSON")),
        ("a line that is a list", counted("[1]", "1"), Unknown("JSON, but no object")),
        ("a web page", counted("<html>", "1"), Unknown("answered with a web page")),
        ("a number that is a number", changed(r#""10""#, "10"), run(10, true)),
        ("more numbers than there can be", changed(r#""10""#, r#""11""#), none()),
        ("no number at all", changed(r#""10""#, r#""0""#), none()),
        ("a number that is NaN", changed(r#""10""#, r#""NaN""#), none()),
        (
            "a last number like 1.7e3",
            changed(r#""last":"9""#, r#""last":"1.7e3""#),
            All(vec![("web-1", 0, 1700, 10, true)]),
        ),
        ("a first number below zero", changed(r#""first":"0""#, r#""first":"-1""#), none()),
        ("no first number", changed(r#""first":"0","#, ""), none()),
        ("another zone", changed(r#""cde""#, r#""dev""#), none()),
        ("no zone", changed(r#""zone":"cde","#, ""), none()),
        ("no node", changed(r#""pci-1""#, r#""""#), none()),
        ("a pod with a line feed", changed(r#""web-1""#, r#""web\n1""#), none()),
        ("a newest line that is none", changed("2026-11-26T20:30:00Z", "yesterday"), none()),
        ("a newest line of another day", changed("2026-11-26T", "2026-11-27T"), none()),
        ("ends that are none", changed(r#""ends":"1""#, r#""ends":"many""#), none()),
        (
            "a query that is refused",
            vec![with(400, "cannot parse query [x]")],
            Unknown("status 400: “cannot parse query [x]”"),
        ),
        ("too much memory", vec![ok(&*whole), with(503, "cannot calculate [stats]")], Unknown("status 503")),
    ];
    rows.into_iter().map(|(name, replies, says)| (name, Store::VictoriaLogs, replies, says)).collect()
}
