//! What a log store was asked about how long it keeps records, and what follows, in words and as JSON.

use std::io::{self, Write};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    columns::{plain, row, widths},
    json::pretty,
};
use crate::engine::retention::{Answer, Store, Verdict, Wanted};

/// The requirement of PCI DSS that asks for it.
pub const REQUIREMENT: &str = "10.5.1";
/// What no verdict says.
pub const LIMITS: &str =
    "Settings say how long records are kept, not that all of them arrived, nor that nobody deletes them by hand.";
const HEAD: [&str; 2] = ["STATUS", "ASKED"];

/// What was asked, and what follows. Its texts hold no secret.
#[derive(Debug)]
pub struct Retention<'a> {
    /// Where records are kept.
    pub store: &'a Store,
    /// The address that was asked.
    pub address: String,
    /// When.
    pub asked_at: Timestamp,
    /// How long they are wanted.
    pub wanted: Wanted,
    /// What follows.
    pub verdict: Verdict,
    /// What is to be known of how it was asked.
    pub notes: Vec<String>,
    /// Each path, and its status or why there is none.
    pub asked: Vec<(String, Result<u16, String>)>,
}

impl Retention<'_> {
    /// What came of each path.
    pub fn came(answer: &Answer) -> Result<u16, String> {
        match answer {
            Answer::Body { status, .. } => Ok(*status),
            Answer::Silent(why) => Err(why.clone()),
        }
    }

    /// Writes it for people.
    pub fn words(&self, out: &mut impl Write) -> io::Result<()> {
        let Wanted { days, searchable_days } = self.wanted;
        let (word, says, why) = self.told();
        let place = self.store.place().map(|(_, name)| format!(" “{name}”")).unwrap_or_default();
        writeln!(out, "{word}: {}{} at {}", self.store.product(), plain(&place), plain(&self.address))?;
        writeln!(out, "wanted: {days} days, {searchable_days} of them at hand (PCI DSS {REQUIREMENT})")?;
        if let Some(says) = says {
            writeln!(out, "found: {says}")?;
        }
        if let Some(why) = why {
            writeln!(out, "{}", plain(why))?;
        }
        for note in &self.notes {
            writeln!(out, "note: {}", plain(note))?;
        }
        writeln!(out)?;
        let rows: Vec<[String; 2]> = self
            .asked
            .iter()
            .map(|(path, came)| [came.as_ref().map_or_else(|_| "none".to_string(), u16::to_string), path.clone()])
            .collect();
        let head = HEAD.map(String::from);
        let widths = widths(rows.iter().chain([&head]));
        for [status, path] in [&head].into_iter().chain(&rows) {
            row(out, &widths, &[status, path])?;
        }
        writeln!(out, "\nAsked at {}. {LIMITS}", self.asked_at)
    }

    /// Writes it for programs.
    pub fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let mut store = Map::from_iter([
            ("product".to_string(), json!(self.store.product())),
            ("address".to_string(), json!(self.address)),
        ]);
        store.extend(self.store.place().map(|(key, name)| (key.to_string(), json!(name))));
        let asked: Vec<Value> = self
            .asked
            .iter()
            .map(|(path, came)| match came {
                Ok(status) => json!({ "path": path, "status": status }),
                Err(why) => json!({ "path": path, "unanswered": why }),
            })
            .collect();
        let verdict = match &self.verdict {
            Verdict::Kept { days, searchable_days, note } => json!({
                "result": "Kept",
                "days": days,
                "searchableDays": searchable_days,
                "nothingDeletes": days.is_none(),
                "message": note,
            }),
            Verdict::TooShort { days, why } => json!({ "result": "TooShort", "days": days, "message": why }),
            Verdict::SearchableTooShort { days, why } => {
                json!({ "result": "SearchableTooShort", "searchableDays": days, "message": why })
            }
            Verdict::Unproven(why) => json!({ "result": "Unproven", "message": why }),
        };
        let Wanted { days, searchable_days } = self.wanted;
        let told = json!({
            "requirement": REQUIREMENT,
            "store": store,
            "wanted": { "days": days, "searchableDays": searchable_days },
            "verdict": verdict,
            "notes": self.notes,
            "asked": asked,
            "askedAt": self.asked_at,
            "limits": LIMITS,
        });
        pretty(out, &told)
    }

    /// The verdict in a word, what was found, and the sentence of the store's settings.
    fn told(&self) -> (&'static str, Option<String>, Option<&str>) {
        match &self.verdict {
            Verdict::Kept { days, searchable_days, note } => {
                let kept = days.map_or_else(|| "nothing deletes them".to_string(), |days| format!("{days} days"));
                let at_hand = searchable_days
                    .map_or_else(|| "all of that at hand".to_string(), |days| format!("{days} days at hand"));
                ("kept", Some(format!("{kept}, {at_hand}")), note.as_deref())
            }
            Verdict::TooShort { days, why } => ("too short", Some(format!("{days} days")), Some(why)),
            Verdict::SearchableTooShort { days, why } => {
                ("too short at hand", Some(format!("{days} days at hand")), Some(why))
            }
            Verdict::Unproven(why) => ("unproven", None, Some(why)),
        }
    }
}
