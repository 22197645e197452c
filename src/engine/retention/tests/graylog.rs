//! Graylog 5 and 6: stubs from the published API shapes.

use super::{Answers, Kept, Row, SearchableTooShort, Store, TooShort, Unproven, but, ok};

const PATH: &str = "/api/system/indices/index_sets?skip=0&limit=0&stats=false";

fn store() -> Store {
    Store::Graylog { index_set: "pci".to_string() }
}

pub fn set(rotation: &str, retention: &str, more: &str) -> String {
    format!(
        r#"{{"id":"5f","title":"PCI audit","description":"","index_prefix":"pci","default":false,"writable":true,"shards":1,"replicas":1,{rotation},"retention_strategy_class":"org.graylog2.indexer.retention.strategies.{retention}","creation_date":"2026-01-01T00:00:00.000Z"{more}}}"#
    )
}

pub fn answers(sets: &[String]) -> Answers {
    ok(&[(PATH, &format!(r#"{{"total":{},"index_sets":[{}],"stats":{{}}}}"#, sets.len(), sets.join(",")))])
}

pub fn by_time(period: &str, number: &str) -> String {
    format!(
        r#""rotation_strategy_class":"org.graylog2.indexer.rotation.strategies.TimeBasedRotationStrategy","rotation_strategy":{{"type":"org.graylog2.indexer.rotation.strategies.TimeBasedRotationStrategyConfig","rotation_period":"{period}","max_rotation_period":null,"rotate_empty_index_set":false}},"retention_strategy":{{"type":"org.graylog2.indexer.retention.strategies.DeletionRetentionStrategyConfig","max_number_of_indices":{number}}}"#
    )
}

fn by_other(class: &str) -> String {
    format!(
        r#""rotation_strategy_class":"org.graylog2.indexer.rotation.strategies.{class}","rotation_strategy":{{"index_lifetime_min":"P400D","index_lifetime_max":"P500D","max_size":1,"max_docs_per_index":1}},"retention_strategy":{{"max_number_of_indices":1000}}"#
    )
}

fn tiering(kind: &str, lifetime: &str, more: &str) -> String {
    format!(
        r#","use_legacy_rotation":false,"data_tiering":{{"type":"{kind}","index_lifetime_min":"{lifetime}","index_lifetime_max":"P999D"{more}}}"#
    )
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    const DELETE: &str = "DeletionRetentionStrategy";
    const CLOSE: &str = "ClosingRetentionStrategy";
    let archive = |rotation: &str| {
        answers(&[set(rotation, "x", "").replace(
            "org.graylog2.indexer.retention.strategies.x",
            "org.graylog.plugins.archive.indexer.retention.strategies.ArchiveRetentionStrategy",
        )])
    };
    let one = |rotation: &str, retention: &str, more: &str| answers(&[set(rotation, retention, more)]);
    let row = |name, answers, says| (name, store(), answers, says);
    let old = by_time("P1D", "10");
    let mut rows = vec![
        row(
            "a day each, one more than a year",
            one(&by_time("P1D", "366"), DELETE, ""),
            Kept(Some(365), Some(365), ""),
        ),
        row(
            "a day each, a year of them, one of which is being written",
            one(&by_time("P1D", "365"), DELETE, ""),
            TooShort(364, "max_number_of_indices 365"),
        ),
        row("a month each, thirteen", one(&by_time("P1M", "15"), DELETE, ""), Kept(Some(392), Some(392), "")),
        row(
            "a month has as few as 28 days",
            one(&by_time("P1M", "13"), DELETE, ""),
            TooShort(336, "rotation_period of 28d"),
        ),
        row("a number as text", one(&by_time("P1D", "\"400\""), DELETE, ""), Kept(Some(399), Some(399), "")),
        row("one index", one(&by_time("P1D", "1"), DELETE, ""), TooShort(0, "full ones last 0s")),
        row("none", one(&by_time("P1D", "0"), DELETE, ""), TooShort(0, "full ones")),
        row("negative", one(&by_time("P1D", "-5"), DELETE, ""), Unproven("max_number_of_indices")),
        row("a period that is none", one(&by_time("1d", "400"), DELETE, ""), Unproven("rotation_period")),
        row(
            "a period that the cluster caps",
            one(
                &by_time("P30D", "14").replace("\"max_rotation_period\":null", "\"max_rotation_period\":\"P1D\""),
                DELETE,
                "",
            ),
            TooShort(13, "rotation_period of 1d"),
        ),
        row(
            "closed after a month",
            one(&by_time("P1D", "31"), CLOSE, ""),
            SearchableTooShort(30, "full ones last 30d"),
        ),
        row(
            "closed after half a year",
            one(&by_time("P1D", "181"), CLOSE, ""),
            Kept(None, Some(180), "closes indices"),
        ),
        row(
            "deletes nothing",
            one(&by_time("P1D", "10"), "NoopRetentionStrategy", ""),
            Kept(None, None, "deletes nothing"),
        ),
        row("archived after a month", archive(&by_time("P1D", "31")), SearchableTooShort(30, "30d")),
        row("archived after half a year", archive(&by_time("P1D", "181")), Unproven("how long that lasts is not said")),
        row("archived after a year", archive(&by_time("P1D", "366")), Kept(Some(365), Some(365), "archives")),
        row("by messages", one(&by_other("MessageCountRotationStrategy"), DELETE, ""), Unproven("rotate by time")),
        row("by size", one(&by_other("SizeBasedRotationStrategy"), DELETE, ""), Unproven("rotate by time")),
        row(
            "by time and size",
            one(&by_other("TimeBasedSizeOptimizingStrategy"), DELETE, ""),
            Kept(Some(400), Some(400), ""),
        ),
        row("by a strategy of tomorrow", one(&by_other("MoonStrategy"), DELETE, ""), Unproven("MoonStrategy")),
        row("a retention of tomorrow", one(&by_time("P1D", "400"), "MoonStrategy", ""), Unproven("MoonStrategy")),
        row(
            "data tiering as it comes",
            one(&old, DELETE, &tiering("hot_only", "P30D", "")),
            TooShort(30, "data_tiering.index_lifetime_min"),
        ),
        row(
            "data tiering, a year",
            one(&old, DELETE, &tiering("hot_only", "P365D", "")),
            Kept(Some(365), Some(365), ""),
        ),
        row(
            "data tiering, warm",
            one(
                &old,
                DELETE,
                &tiering(
                    "hot_warm",
                    "P400D",
                    r#","warm_tier_enabled":true,"index_hot_lifetime_min":"P10D","archive_before_deletion":false"#,
                ),
            ),
            Kept(Some(400), Some(400), ""),
        ),
        row(
            "data tiering, archived",
            one(&old, DELETE, &tiering("hot_warm", "P180D", r#","archive_before_deletion":true"#)),
            Unproven("there is an archive"),
        ),
        row("data tiering of tomorrow", one(&old, DELETE, &tiering("lukewarm", "P400D", "")), Unproven("lukewarm")),
        row(
            "tiering is there but not used",
            one(&by_time("P1D", "400"), DELETE, &tiering("hot_only", "P30D", "").replace("false", "true")),
            Kept(Some(399), Some(399), ""),
        ),
        row(
            "not said which is used: the worse counts",
            one(
                &by_time("P1D", "400"),
                DELETE,
                &tiering("hot_only", "P30D", "").replace(r#""use_legacy_rotation":false,"#, ""),
            ),
            TooShort(30, "data_tiering"),
        ),
        row(
            "neither",
            one(&by_time("P1D", "400"), DELETE, r#","use_legacy_rotation":false,"data_tiering":null"#),
            Unproven("use_legacy_rotation"),
        ),
        row(
            "not among them",
            answers(&[set(&old, DELETE, "").replace("\"pci\"", "\"other\"")]),
            Unproven("among the 1"),
        ),
        row(
            "two of one title: the worse counts",
            {
                let other = |number| {
                    set(&by_time("P1D", number), DELETE, "").replace("\"pci\"", "\"p2\"").replace("PCI audit", "pci")
                };
                answers(&[other("400"), other("31")])
            },
            TooShort(30, "30d"),
        ),
        row("no list", but(Answers::new(), PATH, 200, r#"{"index_sets":{}}"#), Unproven("no index sets")),
    ];
    rows.push((
        "by its id",
        Store::Graylog { index_set: "5f".to_string() },
        one(&by_time("P1D", "400"), DELETE, ""),
        Kept(Some(399), Some(399), ""),
    ));
    rows
}
