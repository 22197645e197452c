//! Answers of Splunk.

use super::{All, Answer, Cut, Row, Store, Unknown, ok, with};

pub fn store() -> Store {
    Store::Splunk { index: "pci".to_string() }
}

fn row(pod: &str, last: &str, number: &str, ends: &str, mark: &str) -> String {
    format!(
        r#"{{"preview":false,"offset":0,{mark}"result":{{"zone":"cde","namespace":"vault","pod":"{pod}","node":"pci-1","run":"r1","first":"0","last":"{last}","number":"{number}","newest":"1795725000.250000","ends":"{ends}"}}}}"#
    ) + "\n"
}

const LAST: &str = r#""lastrow":true,"#;

pub fn base() -> Vec<Answer> {
    vec![ok(row("web-1", "9", "9", "0", LAST))]
}

pub fn rows() -> Vec<Row> {
    let whole = row("web-1", "9", "10", "1", LAST);
    let unmarked = row("web-1", "9", "10", "1", "");
    let message = |kind: &str| {
        format!("{{\"preview\":false,\"messages\":[{{\"type\":\"{kind}\",\"text\":\"Peer idx2 is down\"}}]}}\n")
    };
    let preview = row("web-1", "3", "4", "0", LAST).replace("false", "true");
    let changed = |from: &str, to: &str| whole.replace(from, to);
    let run = |count: u64, ended: bool| All(vec![("web-1", 0, 9, count, ended)]);
    let end = "{\"preview\":false,\"lastrow\":true}\n";
    let rows = vec![
        ("all there", whole.clone(), run(10, true)),
        ("one is missing", row("web-1", "9", "9", "0", LAST), run(9, false)),
        ("nothing found", end.to_string(), All(vec![])),
        ("a last row of its own", unmarked.clone() + end, run(10, true)),
        (
            "two",
            row("web-0", "0", "1", "0", "") + &whole,
            All(vec![("web-0", 0, 0, 1, false), ("web-1", 0, 9, 10, true)]),
        ),
        ("told before it was complete", preview.clone() + &whole, run(10, true)),
        ("nothing but what is not complete", preview, Unknown("does not come to its last row")),
        ("an empty answer", String::new(), Unknown("does not come to its last row")),
        ("cut off after a row", unmarked.clone(), Unknown("does not come to its last row")),
        (
            "a row after the last one",
            whole.clone() + &row("web-2", "9", "10", "1", ""),
            Unknown("does not come to its last row"),
        ),
        ("cut off within a row", unmarked[..80].to_string(), Unknown("a line that is no JSON")),
        ("a last row that is a text", changed("true", "\"true\""), Unknown("does not come to its last row")),
        ("a word by the way", message("INFO") + &whole + &message("DEBUG"), run(10, true)),
        ("a peer that is down", whole.clone() + &message("WARN"), Unknown("has a message: “Peer idx2 is down”")),
        ("a search that failed", message("FATAL"), Unknown("has a message: “Peer idx2 is down”")),
        ("a message of a kind that is not known", message("") + &whole, Unknown("has a message")),
        ("a message that is a text", r#"{"messages":["x"]}"#.to_string() + "\n" + &whole, Unknown("has a message")),
        (
            "a result that is a list",
            r#"{"preview":false,"lastrow":true,"result":[1]}"#.to_string(),
            Unknown("a result that is no object"),
        ),
        ("the same run twice", unmarked.clone() + &whole, Unknown("the same run of a pod twice")),
        ("another zone by its case", changed("\"cde\"", "\"CDE\""), All(vec![])),
        ("another zone", changed("\"cde\"", "\"dev\""), Cut(vec![])),
        ("a field twice", changed("\"r1\"", "[\"r1\",\"r1\"]"), Cut(vec![])),
        ("no node", changed("\"node\":\"pci-1\",", ""), Cut(vec![])),
        ("a number that is NaN", changed("\"10\"", "\"nan\""), Cut(vec![])),
        ("a last number below zero", changed("\"last\":\"9\"", "\"last\":\"-9\""), Cut(vec![])),
        ("a newest line of another time", changed("1795725000", "1795625000"), Cut(vec![])),
    ];
    let mut rows: Vec<Row> = rows.into_iter().map(|(name, text, says)| (name, store(), vec![ok(text)], says)).collect();
    rows.extend([
        ("not by GET", store(), vec![with(405, "Method Not Allowed")], Unknown("status 405")),
        ("before version 9.0.1", store(), vec![with(404, "")], Unknown("(404)")),
        (
            "no right",
            store(),
            vec![with(403, r#"{"messages":[{"type":"ERROR","text":"insufficient permission"}]}"#)],
            Unknown("see docs/retention.md for the right: “insufficient permission”"),
        ),
        ("all indexes", Store::Splunk { index: "*".to_string() }, base(), Unknown("is not the name of one index")),
        (
            "a search within a name",
            Store::Splunk { index: "pci\" | delete".to_string() },
            base(),
            Unknown("is not the name of one index"),
        ),
    ]);
    rows
}

#[test]
fn of_more_rows_than_are_asked_for_it_is_told_that_there_are() {
    let text: String =
        (0..2001).map(|n| row(&format!("web-{n}"), "0", "1", "0", if n == 2000 { LAST } else { "" })).collect();
    let found = super::found(&store(), &[ok(text)]).unwrap();
    assert_eq!((found.runs.len(), found.is_cut), (2000, true));
}
