//! Elasticsearch 7.17, 8 and 9: stubs from the published API shapes.

use super::{Answers, Kept, Row, Store, TooShort, Unproven, but, ok};

const STREAM: &str = "/_data_stream/logs-pci-default";
const LIFECYCLE: &str = "/_data_stream/logs-pci-default/_lifecycle";
const EXPLAIN: &str = "/logs-pci-default/_ilm/explain";
const POLICY: &str = "/_ilm/policy/pci-audit";
const NO_INDEX: &str = r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [logs-pci-default]"}],"type":"index_not_found_exception","reason":"no such index [logs-pci-default]"},"status":404}"#;

fn store() -> Store {
    Store::Elasticsearch { name: "logs-pci-default".to_string() }
}

/// A backing index as Elasticsearch 8.11 and later names it.
fn index(n: u8, managed_by: &str) -> String {
    let policy = if managed_by.starts_with("Index") { r#""ilm_policy":"pci-audit","# } else { "" };
    format!(
        r#"{{"index_name":".ds-logs-pci-default-2026.01.01-00000{n}","index_uuid":"u{n}","prefer_ilm":true,{policy}"managed_by":"{managed_by}"}}"#
    )
}

/// A data stream.
pub fn stream(indices: &[String], next: &str, more: &str) -> String {
    format!(
        r#"{{"data_streams":[{{"name":"logs-pci-default","timestamp_field":{{"name":"@timestamp"}},"indices":[{}],"generation":2,"status":"GREEN","template":"logs","hidden":false,"system":false,"prefer_ilm":true,"next_generation_managed_by":"{next}"{more}}}]}}"#,
        indices.join(",")
    )
}

const ILM: &str = "Index Lifecycle Management";
const DSL: &str = "Data stream lifecycle";

pub fn policy(phases: &str) -> String {
    format!(
        r#"{{"pci-audit":{{"version":3,"modified_date":"2026-01-01T00:00:00.000Z","policy":{{"phases":{{{phases}}}}},"in_use_by":{{"indices":[],"data_streams":["logs-pci-default"],"composable_templates":[]}}}}}}"#
    )
}

const HOT: &str = r#""hot":{"min_age":"0ms","actions":{"rollover":{"max_age":"7d","max_primary_shard_size":"50gb"},"set_priority":{"priority":100}}}"#;

fn deletes(min_age: &str) -> String {
    format!(r#"{HOT},"delete":{{"min_age":"{min_age}","actions":{{"delete":{{"delete_searchable_snapshot":true}}}}}}"#)
}

/// A data stream under a policy.
pub fn managed(phases: &str) -> Answers {
    let indices = [index(1, ILM), index(2, ILM)];
    ok(&[
        (STREAM, &stream(&indices, ILM, r#","ilm_policy":"pci-audit""#)),
        (LIFECYCLE, r#"{"data_streams":[{"name":"logs-pci-default"}]}"#),
        (EXPLAIN, r#"{"indices":{}}"#),
        (POLICY, &policy(phases)),
    ])
}

/// A data stream under its own lifecycle.
pub fn own(lifecycle: &str, global: &str) -> Answers {
    ok(&[
        (STREAM, &stream(&[index(1, DSL)], DSL, r#","lifecycle":{"enabled":true}"#)),
        (
            LIFECYCLE,
            &format!(r#"{{"data_streams":[{{"name":"logs-pci-default","lifecycle":{{{lifecycle}}}}}]{global}}}"#),
        ),
        (EXPLAIN, r#"{"indices":{}}"#),
    ])
}

/// An index that is no data stream, under a policy.
fn plain(name: &str, phases: &str) -> Answers {
    let explain = format!(
        r#"{{"indices":{{"{name}":{{"index":"{name}","managed":true,"policy":"pci-audit","index_creation_date_millis":1,"phase":"hot","action":"complete","step":"complete"}}}}}}"#
    );
    let answers = ok(&[(EXPLAIN, &explain), (POLICY, &policy(phases)), (LIFECYCLE, "{}")]);
    but(answers, STREAM, 404, NO_INDEX)
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let row = |name, answers, says| (name, store(), answers, says);
    let frozen = format!(
        r#"{HOT},"frozen":{{"min_age":"30d","actions":{{"searchable_snapshot":{{"snapshot_repository":"found-snapshots"}}}}}},"delete":{{"min_age":"400d","actions":{{"wait_for_snapshot":{{"policy":"daily"}},"delete":{{}}}}}}"#
    );
    let hot_only = |age: &str| {
        format!(
            r#""hot":{{"min_age":"0ms","actions":{{}}}},"delete":{{"min_age":"{age}","actions":{{"delete":{{}}}}}}"#
        )
    };
    let mut rows = vec![
        row("ilm deletes after a year", managed(&deletes("365d")), Kept(Some(365), Some(365), "")),
        row("ilm in hours", managed(&deletes("8760h")), Kept(Some(365), Some(365), "")),
        row("ilm an hour short of a year", managed(&deletes("8759h")), TooShort(364, "after 364d23h")),
        row(
            "ilm deletes after a month",
            managed(&deletes("30d")),
            TooShort(30, "ILM policy “pci-audit” deletes after 30d (phases.delete.min_age), counted from rollover"),
        ),
        row("ilm in nanoseconds", managed(&deletes("2592000000000000nanos")), TooShort(30, "30d")),
        row("ilm in microseconds", managed(&deletes("34560000000000micros")), Kept(Some(400), Some(400), "")),
        row("ilm frozen can be searched", managed(&frozen), Kept(Some(400), Some(400), "")),
        row("ilm without a delete phase", managed(HOT), Kept(None, None, "no delete phase")),
        row(
            "ilm delete phase that only waits",
            managed(&format!(
                r#"{HOT},"delete":{{"min_age":"1d","actions":{{"wait_for_snapshot":{{"policy":"p"}}}}}}"#
            )),
            Kept(None, None, "deletes nothing"),
        ),
        row(
            "ilm without min_age deletes at once",
            managed(&format!(r#"{HOT},"delete":{{"actions":{{"delete":{{}}}}}}"#)),
            TooShort(0, "after 0s"),
        ),
        row(
            "ilm min_age is a number",
            managed(&format!(r#"{HOT},"delete":{{"min_age":400,"actions":{{"delete":{{}}}}}}"#)),
            Unproven("min_age"),
        ),
        row("ilm min_age is negative", managed(&deletes("-1d")), Unproven("no length of time")),
        row("ilm min_age is huge", managed(&deletes("99999999999999999999999d")), Unproven("no length of time")),
        row(
            "ilm with a delete phase within another one",
            managed(r#""hot":{"actions":{"rollover":{}},"delete":{"min_age":"30d","actions":{"delete":{}}}}"#),
            Unproven("a phase"),
        ),
        row(
            "ilm with an action of tomorrow",
            managed(r#""hot":{"actions":{"rollover":{},"vaporize":{}}}"#),
            Unproven("an action"),
        ),
        row(
            "ilm with a phase of tomorrow",
            managed(&format!(r#"{HOT},"gone":{{"min_age":"1d","actions":{{}}}}"#)),
            Unproven("a phase"),
        ),
        row(
            "ilm without rollover, too short anyway",
            managed(&hot_only("30d")),
            TooShort(30, "from when the index was made"),
        ),
        row("ilm without rollover", managed(&hot_only("400d")), Unproven("add a rollover action")),
        row(
            "ilm policy may not be read",
            but(
                managed(HOT),
                POLICY,
                403,
                r#"{"error":{"type":"security_exception","reason":"action [cluster:admin/ilm/get] is unauthorized for API key"},"status":403}"#,
            ),
            Unproven("action [cluster:admin/ilm/get] is unauthorized"),
        ),
        row(
            "ilm policy of another name",
            but(managed(HOT), POLICY, 200, &policy(HOT).replace("pci-audit", "other")),
            Unproven("no phases"),
        ),
        row(
            "dsl a year",
            own(
                r#""enabled":true,"data_retention":"365d","effective_retention":"365d","retention_determined_by":"data_stream_configuration""#,
                "",
            ),
            Kept(Some(365), Some(365), ""),
        ),
        row(
            "dsl too short",
            own(r#""enabled":true,"data_retention":"7d""#, ""),
            TooShort(7, "data_retention lets it be deleted after 7d"),
        ),
        row(
            "dsl capped by the cluster",
            own(
                r#""enabled":true,"data_retention":"400d","effective_retention":"90d","retention_determined_by":"max_global_retention""#,
                r#","global_retention":{"max_retention":"90d"}"#,
            ),
            TooShort(90, "effective_retention"),
        ),
        row(
            "dsl capped, and it does not say so",
            own(r#""enabled":true,"data_retention":"400d""#, r#","global_retention":{"max_retention":"90d"}"#),
            TooShort(90, "data_streams.lifecycle.retention.max"),
        ),
        row(
            "dsl by the cluster's default",
            own(r#""enabled":true"#, r#","global_retention":{"default_retention":"30d"}"#),
            TooShort(30, "retention.default"),
        ),
        row(
            "dsl with a retention does not take the default",
            own(r#""enabled":true,"data_retention":"400d""#, r#","global_retention":{"default_retention":"30d"}"#),
            Kept(Some(400), Some(400), ""),
        ),
        row("dsl without a retention", own(r#""enabled":true"#, ""), Kept(None, None, "no retention")),
        row("dsl with a key of tomorrow", own(r#""enabled":true,"keep_only":"7d""#, ""), Unproven("not known")),
        row("dsl with a number", own(r#""enabled":true,"data_retention":365"#, ""), Unproven("no length of time")),
        row(
            "dsl of another stream",
            but(
                own(r#""enabled":true"#, ""),
                LIFECYCLE,
                200,
                r#"{"data_streams":[{"name":"other","lifecycle":{"enabled":true}}]}"#,
            ),
            Unproven("alone"),
        ),
        row(
            "dsl that is switched off manages nothing",
            but(
                own(r#""enabled":false,"data_retention":"7d""#, ""),
                STREAM,
                200,
                &stream(
                    &[index(1, "Unmanaged")],
                    "Unmanaged",
                    r#","lifecycle":{"enabled":false,"data_retention":"7d"}"#,
                ),
            ),
            Kept(None, None, "managed by nothing"),
        ),
        row(
            "the older index has the lifecycle that is too short",
            but(
                managed(&deletes("400d")),
                STREAM,
                200,
                &stream(&[index(1, DSL), index(2, ILM)], ILM, r#","ilm_policy":"pci-audit""#),
            ),
            Unproven("lifecycle of the data stream"),
        ),
        row(
            "the next index has a lifecycle that is too short",
            {
                let answers = but(
                    managed(&deletes("400d")),
                    STREAM,
                    200,
                    &stream(&[index(1, ILM)], DSL, r#","ilm_policy":"pci-audit""#),
                );
                but(
                    answers,
                    LIFECYCLE,
                    200,
                    r#"{"data_streams":[{"name":"logs-pci-default","lifecycle":{"enabled":true,"data_retention":"14d"}}]}"#,
                )
            },
            TooShort(14, "data_retention"),
        ),
        row(
            "managed by something of tomorrow",
            but(managed(HOT), STREAM, 200, &stream(&[index(1, "Quantum")], ILM, r#","ilm_policy":"pci-audit""#)),
            Unproven("“Quantum”"),
        ),
        row(
            "another data stream",
            but(
                managed(HOT),
                STREAM,
                200,
                &stream(&[index(1, ILM)], ILM, "").replace("\"logs-pci-default\"", "\"logs-other\""),
            ),
            Unproven("alone"),
        ),
        row(
            "two data streams",
            but(managed(HOT), STREAM, 200, r#"{"data_streams":[{"name":"logs-pci-default"},{"name":"b"}]}"#),
            Unproven("alone"),
        ),
        row(
            "an index under a policy, dated",
            plain("logs-2026.01.01", &hot_only("366d")),
            Kept(Some(365), Some(365), "only in the time that its name says"),
        ),
        row(
            "an index under a policy, dated, a day short",
            plain("logs-2026.01.01", &hot_only("365d")),
            TooShort(364, "in which it is written for 1d"),
        ),
        row(
            "an index under a policy that rolls over",
            plain("logs-000001", &deletes("400d")),
            Kept(Some(400), Some(400), ""),
        ),
        row(
            "an index without a policy",
            but(
                plain("logs-000001", HOT),
                EXPLAIN,
                200,
                r#"{"indices":{"logs-000001":{"index":"logs-000001","managed":false}}}"#,
            ),
            Kept(None, None, "managed by nothing"),
        ),
        row("no index at all", but(plain("a", HOT), EXPLAIN, 404, NO_INDEX), Unproven("no such index")),
        row(
            "no indices in the answer",
            but(plain("a", HOT), EXPLAIN, 200, r#"{"indices":{}}"#),
            Unproven("named nothing"),
        ),
    ];
    let old = r#"{"data_streams":[{"name":"logs-pci-default","timestamp_field":{"name":"@timestamp"},"indices":[{"index_name":".ds-1","index_uuid":"u"}],"generation":1,"status":"GREEN","template":"logs","ilm_policy":"pci-audit"}]}"#;
    let explain = |policy: &str| {
        format!(r#"{{"indices":{{".ds-1":{{"index":".ds-1","managed":true,"policy":"{policy}","phase":"hot"}}}}}}"#)
    };
    let seven = |explain: &str, age: &str| but(but(managed(&deletes(age)), STREAM, 200, old), EXPLAIN, 200, explain);
    rows.extend([
        row("7.17 under a policy", seven(&explain("pci-audit"), "400d"), Kept(Some(400), Some(400), "")),
        row("7.17 too short", seven(&explain("pci-audit"), "30d"), TooShort(30, "from rollover")),
        row("7.17 does not tell of the index", seven(r#"{"indices":{}}"#, "400d"), Unproven("“.ds-1”")),
    ]);
    rows
}
