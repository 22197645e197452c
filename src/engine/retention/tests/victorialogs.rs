//! `VictoriaLogs` 1: stubs from the published shape of its metrics.

use super::{Answers, Kept, Row, Store, TooShort, Unproven, ok};

const PATH: &str = "/metrics";

/// The metrics of a node with this retention, and more lines.
pub fn metrics(retention: &str, more: &str) -> Answers {
    let text = format!(
        "vl_rows_ingested_total{{type=\"internal\"}} 17\nflag{{name=\"httpListenAddr\", value=\":9428\", is_set=\"false\"}} 1\nflag{{name=\"httpAuth.password\", value=\"secret\", is_set=\"true\"}} 1\nflag{{name=\"retention.maxDiskSpaceUsageBytes\", value=\"0\", is_set=\"false\"}} 1\nflag{{name=\"retention.maxDiskUsagePercent\", value=\"0\", is_set=\"false\"}} 1\nflag{{name=\"retentionPeriod\", value=\"{retention}\", is_set=\"true\"}} 1\nflag{{name=\"storageNode\", value=\"\", is_set=\"false\"}} 1\n{more}"
    );
    ok(&[(PATH, &text)])
}

pub fn rows() -> Vec<Row> {
    let row = |name, answers, says| (name, Store::VictoriaLogs, answers, says);
    let flag = |name: &str, value: &str| format!("flag{{name=\"{name}\", value=\"{value}\", is_set=\"true\"}} 1\n");
    let instead = |name: &str, value: &str| {
        let text = format!("{}{}", flag("retentionPeriod", "400d"), flag(name, value));
        let cap = if name == "retention.maxDiskSpaceUsageBytes" {
            String::new()
        } else {
            flag("retention.maxDiskSpaceUsageBytes", "0")
        };
        ok(&[(PATH, &format!("{text}{cap}"))])
    };
    vec![
        row("days", metrics("400d", ""), Kept(Some(400), Some(400), "")),
        row("a year", metrics("1y", ""), Kept(Some(365), Some(365), "")),
        row("weeks", metrics("53w", ""), Kept(Some(371), Some(371), "")),
        row("hours", metrics("8759h", ""), TooShort(364, "364d23h")),
        row("as it comes", metrics("7d", ""), TooShort(7, "retentionPeriod 7d")),
        row("a bare number is months of 31 days", metrics("12", ""), Kept(Some(372), Some(372), "")),
        row("a bare number that was meant as days", metrics("365", ""), Kept(Some(11315), Some(11315), "")),
        row("months", metrics("6M", ""), TooShort(186, "6M is 186d")),
        row("minutes are refused", metrics("12m", ""), Unproven("no length of time")),
        row("nothing", metrics("", ""), Unproven("no length of time")),
        row("negative", metrics("-400d", ""), Unproven("no length of time")),
        row(
            "a cap on bytes",
            instead("retention.maxDiskSpaceUsageBytes", "100GiB"),
            Unproven("retention.maxDiskSpaceUsageBytes 100GiB"),
        ),
        row(
            "a cap in percent",
            instead("retention.maxDiskUsagePercent", "80"),
            Unproven("retention.maxDiskUsagePercent 80"),
        ),
        row(
            "a cap, and too short anyway",
            ok(&[(
                PATH,
                &format!("{}{}", flag("retentionPeriod", "7d"), flag("retention.maxDiskSpaceUsageBytes", "1GB")),
            )]),
            TooShort(7, "7d"),
        ),
        row("no word of a cap", ok(&[(PATH, &flag("retentionPeriod", "400d"))]), Unproven("does not show the flag")),
        row(
            "a node that stores nothing",
            instead("storageNode", "vl-0:9428,vl-1:9428"),
            Unproven("vl-0:9428,vl-1:9428"),
        ),
        row("two processes", metrics("400d", &flag("retentionPeriod", "7d")), Unproven("twice")),
        row("metrics of something else", ok(&[(PATH, "go_goroutines 7\n")]), Unproven("not VictoriaLogs")),
        row(
            "a flag in a comment",
            ok(&[(PATH, "# flag{name=\"retentionPeriod\", value=\"400d\", is_set=\"true\"} 1\n")]),
            Unproven("not VictoriaLogs"),
        ),
        row(
            "a label cut off",
            ok(&[(PATH, "flag{name=\"retentionPeriod\", value=\"400d")]),
            Unproven("cannot be read"),
        ),
        row("control characters in a value", metrics("\\n\u{1b}[31m\u{202e}", ""), Unproven("no length of time")),
    ]
}
