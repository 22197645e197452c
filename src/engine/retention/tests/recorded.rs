//! Answers that were recorded from servers, and from which version; the least that is not taken for granted by a stub. The tests in
//! tests/retention.rs ask such servers themselves.

use super::{Answer, Answers, Kept, Row, Store, Unproven, but, ok};

/// The metrics of `VictoriaLogs` v1.51.1-0.20260624061259-dc94972a8708 with `-retentionPeriod=400d`: all its flags, without the two that
/// name its address and its folder, and some lines of others.
const METRICS: &str = include_str!("recorded/victorialogs-1.51-metrics.txt");

/// What `OpenSearch` 2.19.1 answered, which had no index management plugin, a data stream `logs-pci` of two indices, and an index `plain`
/// with the alias `audit`.
const OPENSEARCH: [(&str, u16, &str); 10] = [
    (
        "/_data_stream/logs-pci",
        200,
        r#"{"data_streams":[{"name":"logs-pci","timestamp_field":{"name":"@timestamp"},"indices":[{"index_name":".ds-logs-pci-000001","index_uuid":"SCmwVx_uT46yQgLMfJJQrw"},{"index_name":".ds-logs-pci-000002","index_uuid":"aPzcwiLcQOy9AOuqOJXj1g"}],"generation":2,"status":"YELLOW","template":"pci"}]}"#,
    ),
    ("/_data_stream/plain", 200, r#"{"data_streams":[]}"#),
    (
        "/_data_stream/audit",
        400,
        r#"{"error":{"root_cause":[{"type":"illegal_argument_exception","reason":"The provided expression [audit] matches an alias, specify the corresponding concrete indices instead."}],"type":"illegal_argument_exception","reason":"The provided expression [audit] matches an alias, specify the corresponding concrete indices instead."},"status":400}"#,
    ),
    (
        "/_data_stream/none",
        404,
        r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [none]","index":"none","resource.id":"none","resource.type":"index_or_alias","index_uuid":"_na_"}],"type":"index_not_found_exception","reason":"no such index [none]","index":"none","resource.id":"none","resource.type":"index_or_alias","index_uuid":"_na_"},"status":404}"#,
    ),
    (
        "/logs-pci/_alias",
        404,
        r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [logs-pci]","index":"logs-pci","resource.id":"logs-pci","resource.type":"index_or_alias","index_uuid":"_na_"}],"type":"index_not_found_exception","reason":"no such index [logs-pci]","index":"logs-pci","resource.id":"logs-pci","resource.type":"index_or_alias","index_uuid":"_na_"},"status":404}"#,
    ),
    ("/plain/_alias", 200, r#"{"plain":{"aliases":{"audit":{}}}}"#),
    ("/audit/_alias", 200, r#"{"plain":{"aliases":{"audit":{}}}}"#),
    (
        "/none/_alias",
        404,
        r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [none]","index":"none","resource.id":"none","resource.type":"index_or_alias","index_uuid":"_na_"}],"type":"index_not_found_exception","reason":"no such index [none]","index":"none","resource.id":"none","resource.type":"index_or_alias","index_uuid":"_na_"},"status":404}"#,
    ),
    (
        "/_plugins/_ism/explain/plain?show_policy=true",
        400,
        r#"{"error":"no handler found for uri [/_plugins/_ism/explain/plain] and method [GET]"}"#,
    ),
    (
        "/_plugins/_ism/explain/.ds-logs-pci-000001,.ds-logs-pci-000002?show_policy=true",
        400,
        r#"{"error":"no handler found for uri [/_plugins/_ism/explain/.ds-logs-pci-000001,.ds-logs-pci-000002] and method [GET]"}"#,
    ),
];

fn opensearch() -> Answers {
    let answer =
        |(path, status, text): (&str, u16, &str)| (path.to_string(), Answer::Body { status, text: text.to_string() });
    OPENSEARCH.map(answer).into_iter().collect()
}

pub fn rows() -> Vec<Row> {
    let named = |name: &str| Store::OpenSearch { name: name.to_string() };
    let no_plugin = || Unproven("without its Index State Management plugin");
    let unmanaged = r#"{"plain":{"index.plugins.index_state_management.policy_id":null,"index.opendistro.index_state_management.policy_id":null,"enabled":null},"total_managed_indices":0}"#;
    vec![
        ("VictoriaLogs 1.51", Store::VictoriaLogs, ok(&[("/metrics", METRICS)]), Kept(Some(400), Some(400), "")),
        ("OpenSearch 2.19.1, a data stream", named("logs-pci"), opensearch(), no_plugin()),
        ("OpenSearch 2.19.1, an index", named("plain"), opensearch(), no_plugin()),
        ("OpenSearch 2.19.1, an alias", named("audit"), opensearch(), no_plugin()),
        ("OpenSearch 2.19.1, nothing of this name", named("none"), opensearch(), Unproven("no such index [none]")),
        (
            "what is recorded of an alias, with a stub of the plugin",
            named("audit"),
            but(opensearch(), "/_plugins/_ism/explain/plain?show_policy=true", 200, unmanaged),
            Kept(None, None, "no ISM policy"),
        ),
    ]
}
