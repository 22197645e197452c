//! `OpenSearch` with its index management plugin: stubs from the published API shapes. What one without it answers is in `recorded`.

use super::{Answers, Kept, Row, SearchableTooShort, Store, TooShort, Unproven, but, ok};

const STREAM: &str = "/_data_stream/logs-pci";
const ALIAS: &str = "/logs-pci/_alias";
const EXPLAIN: &str = "/_plugins/_ism/explain/.ds-logs-pci-000001,.ds-logs-pci-000002?show_policy=true";
const POLICY: &str = "/_plugins/_ism/policies/pci";

fn store() -> Store {
    Store::OpenSearch { name: "logs-pci".to_string() }
}

/// A policy's content.
pub fn content(states: &str) -> String {
    format!(
        r#"{{"policy_id":"pci","description":"","last_updated_time":1,"schema_version":21,"error_notification":null,"default_state":"hot","states":[{states}],"ism_template":null}}"#
    )
}

pub fn state(name: &str, actions: &str, transitions: &[(&str, &str)]) -> String {
    let transitions: Vec<String> = transitions
        .iter()
        .map(|(to, conditions)| match *conditions {
            "" => format!(r#"{{"state_name":"{to}"}}"#),
            _ => format!(r#"{{"state_name":"{to}","conditions":{{{conditions}}}}}"#),
        })
        .collect();
    format!(r#"{{"name":"{name}","actions":[{actions}],"transitions":[{}]}}"#, transitions.join(","))
}

const RETRY: &str = r#""retry":{"count":3,"backoff":"exponential","delay":"1m"}"#;

fn action(content: &str) -> String {
    format!("{{{RETRY},{content}}}")
}

fn entry(index: &str, policy: &str, shown: &str) -> String {
    let shown = if shown.is_empty() { String::new() } else { format!(r#","policy":{shown}"#) };
    format!(
        r#""{index}":{{"index.plugins.index_state_management.policy_id":"{policy}","index.opendistro.index_state_management.policy_id":"{policy}","index":"{index}","index_uuid":"u","policy_id":"{policy}","policy_seq_no":7,"policy_primary_term":1,"state":{{"name":"hot","start_time":1}},"enabled":true{shown}}}"#
    )
}

fn unmanaged(index: &str) -> String {
    format!(
        r#""{index}":{{"index.plugins.index_state_management.policy_id":null,"index.opendistro.index_state_management.policy_id":null,"enabled":null}}"#
    )
}

fn explain(entries: &[String]) -> String {
    format!(r#"{{{},"total_managed_indices":{}}}"#, entries.join(","), entries.len())
}

fn both(policy: &str, shown: &str) -> String {
    explain(&[entry(".ds-logs-pci-000001", policy, shown), entry(".ds-logs-pci-000002", policy, shown)])
}

/// A data stream of which both indices run the policy as it is.
pub fn managed(states: &str) -> Answers {
    let content = content(states);
    ok(&[
        (
            STREAM,
            r#"{"data_streams":[{"name":"logs-pci","timestamp_field":{"name":"@timestamp"},"indices":[{"index_name":".ds-logs-pci-000001","index_uuid":"a"},{"index_name":".ds-logs-pci-000002","index_uuid":"b"}],"generation":2,"status":"GREEN","template":"logs"}]}"#,
        ),
        (ALIAS, r#"{".ds-logs-pci-000001":{"aliases":{}},".ds-logs-pci-000002":{"aliases":{}}}"#),
        (EXPLAIN, &both("pci", &content)),
        (POLICY, &format!(r#"{{"_id":"pci","_version":3,"_seq_no":7,"_primary_term":1,"policy":{content}}}"#)),
    ])
}

/// Rolls over daily, then leads on.
pub fn rolling(transitions: &[(&str, &str)], more: &str) -> String {
    let rollover = action(r#""rollover":{"min_index_age":"1d","min_size":"50gb","copy_alias":false}"#);
    let delete = state("delete", &action(r#""delete":{}"#), &[]);
    [state("hot", &rollover, transitions), more.to_string(), delete]
        .into_iter()
        .filter(|s| !s.is_empty())
        .collect::<Vec<_>>()
        .join(",")
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let row = |name, answers, says| (name, store(), answers, says);
    let index_age = |age: &str| format!(r#""min_index_age":"{age}""#);
    let to_delete = |condition: &str| managed(&rolling(&[("delete", condition)], ""));
    let by_size = |condition: &str| {
        let rollover = action(r#""rollover":{"min_size":"50gb"}"#);
        managed(
            &[state("hot", &rollover, &[("delete", condition)]), state("delete", &action(r#""delete":{}"#), &[])]
                .join(","),
        )
    };
    let warm = |transitions: &[(&str, &str)]| {
        state("warm", &action(r#""replica_count":{"number_of_replicas":1}"#), transitions)
    };
    let close = |age: &str| {
        let closed = state("closed", &action(r#""close":{}"#), &[("delete", r#""min_index_age":"400d""#)]);
        managed(&rolling(&[("closed", &format!(r#""min_index_age":"{age}""#))], &closed))
    };
    let no_stream =
        r#"{"error":{"type":"index_not_found_exception","reason":"no such index [logs-pci]"},"status":404}"#;
    let dated = "/_plugins/_ism/explain/logs-2026.01.01?show_policy=true";
    let alias = |age: &str| {
        let states = [
            state("hot", "", &[("delete", &format!(r#""min_index_age":"{age}""#))]),
            state("delete", &action(r#""delete":{}"#), &[]),
        ]
        .join(",");
        let mut answers = but(managed(&states), STREAM, 404, no_stream);
        answers.remove(EXPLAIN);
        let answers = but(answers, ALIAS, 200, r#"{"logs-2026.01.01":{"aliases":{"logs-pci":{}}}}"#);
        but(answers, dated, 200, &explain(&[entry("logs-2026.01.01", "pci", "")]))
    };
    vec![
        row(
            "age from the index counts less than a day's rollover",
            to_delete(&index_age("366d")),
            Kept(Some(365), Some(365), ""),
        ),
        row(
            "a year from when the index was made is a day short",
            to_delete(&index_age("365d")),
            TooShort(364, "in which it is written for 1d"),
        ),
        row("a month", to_delete(&index_age("30d")), TooShort(29, "ISM policy “pci” deletes after 30d")),
        row("age from rollover", to_delete(r#""min_rollover_age":"365d""#), Kept(Some(365), Some(365), "")),
        row("age from rollover, too short", to_delete(r#""min_rollover_age":"90d""#), TooShort(90, "min_rollover_age")),
        row("at once", to_delete(""), TooShort(0, "at once")),
        row("by number of records", to_delete(r#""min_doc_count":1000000"#), Unproven("min_doc_count")),
        row("by size", to_delete(r#""min_size":"50gb""#), Unproven("names no time (min_size)")),
        row("by cron", to_delete(r#""cron":{"cron":{"expression":"0 0 1 * *","timezone":"UTC"}}"#), Unproven("(cron)")),
        row("by a condition of tomorrow", to_delete(r#""min_moon_phase":"400d""#), Unproven("min_moon_phase")),
        row(
            "rollover by size alone, long enough from rollover",
            by_size(r#""min_rollover_age":"365d""#),
            Kept(Some(365), Some(365), ""),
        ),
        row("rollover by size alone, age of the index", by_size(&index_age("400d")), Unproven("use min_rollover_age")),
        row("rollover by size alone, too short anyway", by_size(&index_age("30d")), TooShort(30, "min_index_age")),
        row(
            "ages on a way are no sum",
            managed(&rolling(&[("warm", &index_age("200d"))], &warm(&[("delete", &index_age("200d"))]))),
            TooShort(199, "min_index_age"),
        ),
        row(
            "the longest age on a way counts",
            managed(&rolling(&[("warm", &index_age("400d"))], &warm(&[("delete", "")]))),
            Kept(Some(399), Some(399), ""),
        ),
        row(
            "of two ways the shorter counts",
            managed(&rolling(
                &[("warm", &index_age("30d")), ("delete", &index_age("400d"))],
                &warm(&[("delete", &index_age("60d"))]),
            )),
            TooShort(59, "60d"),
        ),
        row(
            "a way around by size is not known",
            managed(&rolling(&[("delete", &index_age("400d")), ("delete", r#""min_size":"1tb""#)], "")),
            Unproven("min_size"),
        ),
        row(
            "in a circle, and out of it",
            managed(&rolling(&[("warm", &index_age("400d"))], &warm(&[("hot", ""), ("delete", "")]))),
            Kept(Some(399), Some(399), ""),
        ),
        row("deletes nothing", managed(&state("hot", "", &[])), Kept(None, None, "deletes nothing")),
        row("a state that deletes but is not reached", managed(&rolling(&[], "")), Kept(None, None, "deletes nothing")),
        row("closed after a month", close("30d"), SearchableTooShort(29, "closes after 30d")),
        row("closed after four months", close("120d"), Kept(Some(399), Some(119), "")),
        row("leads to no state", managed(&rolling(&[("gone", "")], "")), Unproven("“gone”")),
        row(
            "an action of tomorrow",
            managed(&state("hot", &action(r#""vaporize":{}"#), &[])),
            Unproven("action in state “hot”"),
        ),
        row(
            "no policy",
            but(
                managed(""),
                EXPLAIN,
                200,
                &explain(&[unmanaged(".ds-logs-pci-000001"), unmanaged(".ds-logs-pci-000002")]),
            ),
            Kept(None, None, "no ISM policy"),
        ),
        row(
            "one index of two has no policy",
            but(
                to_delete(&index_age("30d")),
                EXPLAIN,
                200,
                &explain(&[unmanaged(".ds-logs-pci-000001"), entry(".ds-logs-pci-000002", "pci", "")]),
            ),
            TooShort(29, "30d"),
        ),
        row(
            "one index is not told of",
            but(to_delete(&index_age("400d")), EXPLAIN, 200, &explain(&[entry(".ds-logs-pci-000001", "pci", "")])),
            Unproven("“.ds-logs-pci-000002”"),
        ),
        row(
            "an index still runs an older policy",
            but(
                to_delete(&index_age("400d")),
                EXPLAIN,
                200,
                &both("pci", &content(&rolling(&[("delete", &index_age("30d"))], ""))),
            ),
            TooShort(29, "30d"),
        ),
        row(
            "the policy was deleted",
            but(
                to_delete(&index_age("400d")),
                POLICY,
                404,
                r#"{"error":{"type":"status_exception","reason":"Policy not found"},"status":404}"#,
            ),
            Unproven("Policy not found"),
        ),
        row(
            "another policy",
            but(to_delete(&index_age("400d")), POLICY, 200, r#"{"_id":"other","policy":{}}"#),
            Unproven("not about the ISM policy"),
        ),
        row(
            "no plugin",
            but(
                managed(""),
                EXPLAIN,
                400,
                r#"{"error":"no handler found for uri [/_plugins/_ism/explain/x] and method [GET]"}"#,
            ),
            Unproven("without its Index State Management plugin"),
        ),
        row("an alias, its index dated", alias("366d"), Kept(Some(365), Some(365), "only in the time")),
        row("an alias, its index dated, a day short", alias("365d"), TooShort(364, "written for 1d")),
        (
            "several indices in one name",
            Store::OpenSearch { name: "logs-*".to_string() },
            Answers::new(),
            Unproven("name exactly one"),
        ),
    ]
}
