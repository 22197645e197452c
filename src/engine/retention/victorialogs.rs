//! `VictoriaLogs`: the flags that a storage node was started with, as its metrics show them. A cap on disk space drops days sooner.

use std::collections::BTreeMap;

use super::{
    Answers, Wanted,
    answer::{body, shown},
    length::victoria,
    term::{Term, Terms},
};

const PATH: &str = "/metrics";
/// Flags by which days are dropped when a disk fills, and whether every version that is known of has them.
const CAPS: [(&str, bool); 2] = [("retention.maxDiskSpaceUsageBytes", true), ("retention.maxDiskUsagePercent", false)];

/// The paths that are to be asked for.
pub fn requests() -> Vec<String> {
    vec![PATH.to_string()]
}

/// How long the node keeps days by age, and whether it may drop them by size.
pub fn terms(answers: &Answers, wanted: Wanted) -> Terms {
    let flags = flags(body(answers, PATH)?)?;
    let set = |flag: &str| flags.get(flag).map(String::as_str).filter(|value| !matches!(*value, "" | "0"));
    if let Some(nodes) = set("storageNode") {
        return Err(format!("This node stores nothing itself, so ask each of its storage nodes: {}", shown(nodes)));
    }
    let value = flags
        .get("retentionPeriod")
        .ok_or("/metrics shows no flag retentionPeriod: it is not VictoriaLogs, or not its storage")?;
    let kept = victoria(value).ok_or_else(|| format!("retentionPeriod is no length of time: {}", shown(value)))?;
    let by = format!("retentionPeriod {} is {}", shown(value), kept.words());
    let size = CAPS.iter().find_map(|(flag, is_always)| match (set(flag), flags.contains_key(*flag)) {
        (Some(cap), _) => Some(Err(format!(
            "{flag} {} may drop days before they are {} days old: leave it out, and alert on a disk that fills",
            shown(cap),
            wanted.days
        ))),
        (None, false) if *is_always => Some(Err(format!("/metrics does not show the flag {flag}"))),
        (None, _) => None,
    });
    Ok(std::iter::once(Ok(Term::kept(kept, by))).chain(size).collect())
}

/// Flags by name: lines like `flag{name="retentionPeriod", value="400d", is_set="true"} 1`.
fn flags(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut flags = BTreeMap::new();
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix("flag{") else { continue };
        let mut labels = labels(rest).ok_or("/metrics has a line of a flag that cannot be read")?;
        if let (Some(name), Some(value)) = (labels.remove("name"), labels.remove("value")) {
            let shown = shown(&name);
            if flags.insert(name, value.clone()).is_some_and(|before| before != value) {
                return Err(format!(
                    "/metrics shows the flag {shown} twice: several processes are behind this address"
                ));
            }
        }
    }
    Ok(flags)
}

/// The labels of a sample, up to its closing brace.
fn labels(text: &str) -> Option<BTreeMap<&str, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return (after.trim() == "1").then_some(labels);
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    c => value.push(c),
                },
                (_, c) => value.push(c),
            }
        };
        labels.insert(name, value);
        rest = after.get(end + 1..)?;
    }
}
