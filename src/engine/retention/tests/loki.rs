//! Loki 2.9 and 3: stubs from the published API shapes.

use super::{Answers, Kept, Row, SearchableTooShort, Store, TooShort, Unproven, but, ok};

const CONFIG: &str = "/config";
const RUNTIME: &str = "/runtime_config";

fn store() -> Store {
    Store::Loki { tenant: "pci".to_string() }
}

/// A configuration, its limits indented by two.
pub fn config(enabled: &str, limits: &str, more: &str) -> String {
    format!(
        "target: all\nauth_enabled: true\nlimits_config:\n  ingestion_rate_mb: 4\n{limits}\ncompactor:\n  working_directory: /loki\n  retention_enabled: {enabled}\n  retention_delete_delay: 2h0m0s\nruntime_config:\n  period: 10s\n  file: /etc/loki/runtime.yaml\n{more}"
    )
}

pub fn answers(config: &str, runtime: &str) -> Answers {
    ok(&[(CONFIG, config), (RUNTIME, runtime)])
}

const NOBODY: &str = "overrides: {}\nmulti_kv_config: null\n";

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let row = |name, answers, says| (name, store(), answers, says);
    let period = |period: &str| answers(&config("true", &format!("  retention_period: {period}"), ""), NOBODY);
    let tenant = |limits: &str| {
        let runtime =
            format!("overrides:\n  other:\n    retention_period: 1d\n  pci:\n    ingestion_rate_mb: 8\n{limits}\n");
        answers(&config("true", "  retention_period: 31d", ""), &runtime)
    };
    let stream = |general: &str, stream: &str| {
        let limits = format!(
            "  retention_period: {general}\n  retention_stream:\n  - selector: '{{namespace=\"dev\"}}'\n    priority: 1\n    period: {stream}"
        );
        answers(&config("true", &limits, ""), NOBODY)
    };
    vec![
        row(
            "the compactor deletes nothing",
            answers(&config("false", "  retention_period: 0s", ""), NOBODY),
            Kept(None, None, "bucket"),
        ),
        row("a year in hours", period("8760h"), Kept(Some(365), Some(365), "bucket")),
        row("a year as Go writes it", period("8760h0m0s"), Kept(Some(365), Some(365), "bucket")),
        row("a year as Prometheus writes it", period("1y"), Kept(Some(365), Some(365), "bucket")),
        row("a month", period("31d"), TooShort(31, "retention_period of tenant “pci” is 31d")),
        row("a month and hours", period("744h"), TooShort(31, "31d")),
        row("nought is for ever", period("0s"), Kept(None, None, "bucket")),
        row("nought as a number", period("0"), Kept(None, None, "bucket")),
        row("a number", period("365"), Unproven("no length of time")),
        row("negative", period("-1h"), Unproven("no length of time")),
        row(
            "no period",
            answers(&config("true", "  max_line_size: 0", ""), NOBODY),
            Unproven("no limits_config.retention_period"),
        ),
        row(
            "not said whether it deletes",
            answers("limits_config:\n  retention_period: 0s\nruntime_config:\n  file: ''\n", NOBODY),
            Unproven("compactor.retention_enabled"),
        ),
        row(
            "a text instead of a switch",
            answers(&config("'false'", "  retention_period: 31d", ""), NOBODY),
            Unproven("compactor.retention_enabled"),
        ),
        row("the tenant has more", tenant("    retention_period: 400d"), Kept(Some(400), Some(400), "bucket")),
        row("the tenant has less", tenant("    retention_period: 7d"), TooShort(7, "tenant “pci” is 7d")),
        row("the tenant has nothing of its own", tenant("    max_line_size: 1"), TooShort(31, "31d")),
        row(
            "the tenant is no map",
            answers(&config("true", "  retention_period: 1y", ""), "overrides:\n  pci: 7d\n"),
            Unproven("overrides of tenant"),
        ),
        row(
            "no overrides at all",
            answers(&config("true", "  retention_period: 1y", ""), "tenants: {}\n"),
            Unproven("no overrides"),
        ),
        row(
            "no runtime file",
            answers(&config("true", "  retention_period: 1y", ""), "runtime config file doesn't exist"),
            Kept(Some(365), Some(365), "bucket"),
        ),
        row(
            "overrides may not be read",
            but(answers(&config("true", "  retention_period: 1y", ""), NOBODY), RUNTIME, 403, "denied"),
            Unproven("403"),
        ),
        row(
            "no runtime file is set, so it need not answer",
            but(
                answers(
                    &config("true", "  retention_period: 1y", "").replace("/etc/loki/runtime.yaml", "\"\""),
                    NOBODY,
                ),
                RUNTIME,
                404,
                "404 page not found",
            ),
            Kept(Some(365), Some(365), "bucket"),
        ),
        row("a stream is kept for less", stream("1y", "24h"), Unproven("{namespace=\"dev\"} for 1d only")),
        row("a stream is kept for longer", stream("31d", "1y"), Unproven("a longer retention_stream")),
        row("all is kept for less", stream("31d", "24h"), TooShort(31, "31d")),
        row("a stream is kept for ever", stream("1y", "0s"), Kept(Some(365), Some(365), "bucket")),
        row(
            "a stream without a period",
            answers(&config("true", "  retention_period: 1y\n  retention_stream:\n  - selector: '{}'", ""), NOBODY),
            Unproven("without selector or period"),
        ),
        row(
            "searches reach back a month",
            answers(&config("false", "  retention_period: 0s\n  max_query_lookback: 30d", ""), NOBODY),
            SearchableTooShort(30, "max_query_lookback 30d"),
        ),
        row(
            "searches reach back half a year",
            answers(&config("false", "  retention_period: 0s\n  max_query_lookback: 180d", ""), NOBODY),
            Kept(None, Some(180), "bucket"),
        ),
        row(
            "the table manager deletes",
            answers(
                &config(
                    "false",
                    "  retention_period: 0s",
                    "table_manager:\n  retention_deletes_enabled: true\n  retention_period: 336h\n",
                ),
                NOBODY,
            ),
            TooShort(14, "table_manager"),
        ),
        row(
            "the table manager does not",
            answers(
                &config(
                    "false",
                    "  retention_period: 0s",
                    "table_manager:\n  retention_deletes_enabled: false\n  retention_period: 336h\n",
                ),
                NOBODY,
            ),
            Kept(None, None, "bucket"),
        ),
        row("anchors are refused", answers("a: &a [x, x]\nlimits_config: *a\n", NOBODY), Unproven("no YAML")),
        row("no limits", answers("target: all\n", NOBODY), Unproven("no limits_config")),
    ]
}
