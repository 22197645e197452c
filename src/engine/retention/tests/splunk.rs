//! Splunk Enterprise: stubs from the published API shapes.

use super::{Answers, Kept, Row, SearchableTooShort, Store, TooShort, Unproven, but, ok};

const PATH: &str = "/services/data/indexes/pci?output_mode=json";

fn store() -> Store {
    Store::Splunk { index: "pci".to_string() }
}

/// An index with these settings, and more that come last and so win.
pub fn index(frozen: &str, size: u64, oldest: &str, more: &str) -> Answers {
    let content = format!(
        r#""coldPath":"$SPLUNK_DB/pci/colddb","coldPath.maxDataSizeMB":0,"coldToFrozenDir":"","coldToFrozenScript":"","currentDBSizeMB":{size},"datatype":"event","disabled":false,"frozenTimePeriodInSecs":{frozen},"homePath":"$SPLUNK_DB/pci/db","homePath.maxDataSizeMB":0,"maxTotalDataSizeMB":500000,"maxTime":"2026-08-01T00:00:00+0000","minTime":"{oldest}","remotePath":"","totalEventCount":17{more}"#
    );
    ok(&[(
        PATH,
        &format!(
            r#"{{"links":{{}},"origin":"https://splunk:8089/services/data/indexes","entry":[{{"name":"pci","id":"x","content":{{{content}}}}}],"paging":{{"total":1}},"messages":[]}}"#
        ),
    )])
}

const SIX_YEARS: &str = "188697600";
const LONG_AGO: &str = "2025-07-01T00:00:00+0000";
const LATELY: &str = "2026-07-01T00:00:00+0000";

pub fn rows() -> Vec<Row> {
    let row = |name, answers, says| (name, store(), answers, says);
    vec![
        row(
            "by age, and it held that long",
            index(SIX_YEARS, 90_000, LONG_AGO, ""),
            Kept(Some(2184), Some(2184), "its events lie 396d apart"),
        ),
        row("exactly a year", index("31536000", 90_000, LONG_AGO, ""), Kept(Some(365), Some(365), "396d")),
        row("a second less", index("31535999", 90_000, LONG_AGO, ""), TooShort(364, "frozenTimePeriodInSecs")),
        row("numbers as texts", index("\"31536000\"", 90_000, LONG_AGO, ""), Kept(Some(365), Some(365), "396d")),
        row("a month", index("2592000", 90_000, LONG_AGO, ""), TooShort(30, "freezes buckets after 30d")),
        row("nought", index("0", 1, LONG_AGO, ""), TooShort(0, "0s")),
        row("negative", index("-1", 1, LONG_AGO, ""), Unproven("frozenTimePeriodInSecs")),
        row("a fraction", index("31536000.5", 1, LONG_AGO, ""), Unproven("frozenTimePeriodInSecs")),
        row("huge", index("99999999999999999999999", 1, LONG_AGO, ""), Unproven("frozenTimePeriodInSecs")),
        row(
            "young: size may delete first",
            index(SIX_YEARS, 90_000, LATELY, ""),
            Unproven("is an estimate until they lie 365d apart"),
        ),
        row("full, and holds a month", index(SIX_YEARS, 499_000, LATELY, ""), TooShort(31, "it is full")),
        row("full, and still holds a year", index(SIX_YEARS, 499_000, LONG_AGO, ""), Unproven("its size decides")),
        row("empty", index(SIX_YEARS, 1, "", ""), Unproven("no events")),
        row("times the wrong way round", index(SIX_YEARS, 1, "2027-01-01T00:00:00+0000", ""), Unproven("no events")),
        row(
            "with a colon in the zone",
            index(SIX_YEARS, 1, "2025-07-01T00:00:00.000+00:00", ""),
            Kept(Some(2184), Some(2184), "396d"),
        ),
        row(
            "archived to a directory after a month",
            index("2592000", 90_000, LONG_AGO, r#","coldToFrozenDir":"/archive/pci""#),
            SearchableTooShort(30, "frozenTimePeriodInSecs"),
        ),
        row(
            "archived to a directory after four months",
            index("10368000", 90_000, LONG_AGO, r#","coldToFrozenDir":"/archive/pci""#),
            Kept(None, Some(120), "/archive/pci"),
        ),
        row(
            "archived, full, and holds a month",
            index(SIX_YEARS, 499_000, LATELY, r#","coldToFrozenDir":"/archive/pci""#),
            SearchableTooShort(31, "it is full"),
        ),
        row(
            "archived by a script after a month",
            index("2592000", 90_000, LONG_AGO, r#","coldToFrozenScript":"archive.py""#),
            Unproven("coldToFrozenScript “archive.py”"),
        ),
        row(
            "archived by a script after years",
            index(SIX_YEARS, 90_000, LONG_AGO, r#","coldToFrozenScript":"archive.py""#),
            Kept(Some(2184), Some(2184), "396d"),
        ),
        row(
            "in volumes, young",
            index(SIX_YEARS, 90_000, LATELY, r#","coldPath":"volume:cold/pci/colddb""#),
            Unproven("maxVolumeDataSizeMB"),
        ),
        row(
            "in volumes, and it held that long",
            index(SIX_YEARS, 90_000, LONG_AGO, r#","coldPath":"volume:cold/pci/colddb""#),
            Kept(Some(2184), Some(2184), "maxVolumeDataSizeMB"),
        ),
        row(
            "a cold path with a cap, young",
            index(SIX_YEARS, 90_000, LATELY, r#","coldPath.maxDataSizeMB":100000"#),
            Unproven("coldPath.maxDataSizeMB"),
        ),
        row("disabled", index(SIX_YEARS, 90_000, LONG_AGO, r#","disabled":true"#), Unproven("is disabled")),
        row("no size", index(SIX_YEARS, 1, LONG_AGO, r#","currentDBSizeMB":null"#), Unproven("currentDBSizeMB")),
        row(
            "another index",
            but(index(SIX_YEARS, 1, LONG_AGO, ""), PATH, 200, r#"{"entry":[{"name":"main","content":{}}]}"#),
            Unproven("alone"),
        ),
        row(
            "no such index",
            but(Answers::new(), PATH, 404, r#"{"messages":[{"type":"ERROR","text":"Could not find object id=pci"}]}"#),
            Unproven("Could not find object id=pci"),
        ),
        (
            "a name that leads elsewhere",
            Store::Splunk { index: "..".to_string() },
            Answers::new(),
            Unproven("no plain name"),
        ),
    ]
}
