//! Small things in the words and marks of a page.

#![expect(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    reason = "templates hand over values or references as they have them"
)]

use std::{borrow::Cow, fmt::Debug};

use k8s_openapi::jiff::{Timestamp, tz::TimeZone};

use crate::{
    api::{Category, EntityType, FindingCounts, FindingState, FixWithinDays, Severity},
    engine::reach::words::few,
    evidence::dossier::{Claim, Inventory, Verdict},
};

/// A time, or a reference to one: templates have either.
pub(super) trait Moment {
    /// The time.
    fn at(&self) -> Timestamp;
}

impl Moment for Timestamp {
    fn at(&self) -> Timestamp {
        *self
    }
}

impl<M: Moment> Moment for &M {
    fn at(&self) -> Timestamp {
        M::at(self)
    }
}

/// A time, to the minute.
pub(super) fn time(at: impl Moment) -> String {
    moment(at.at(), "%Y-%m-%d %H:%M UTC")
}

/// A time, to the day.
pub(super) fn day(at: impl Moment) -> String {
    moment(at.at(), "%Y-%m-%d")
}

fn moment(at: Timestamp, form: &str) -> String {
    format!("<time datetime=\"{at}\">{}</time>", at.to_zoned(TimeZone::UTC).strftime(form))
}

/// A number with its noun.
pub(super) fn many(number: impl ToString, noun: &str) -> String {
    let number = number.to_string();
    format!("{number} {noun}{}", if number == "1" { "" } else { "s" })
}

/// The name of a value as it is spelt in the spec.
pub(super) fn name(value: &impl Debug) -> String {
    format!("{value:?}")
}

pub(super) fn category(category: &Category) -> &'static str {
    match category {
        Category::CardholderData => "cardholder data",
        Category::ConnectedTo => "connected to cardholder data",
        Category::SecurityImpacting => "impacts its security",
    }
}

pub(super) fn entity(entity: &EntityType) -> &'static str {
    match entity {
        EntityType::Merchant => "merchant",
        EntityType::ServiceProvider => "service provider",
    }
}

/// Name, number and class of each count.
pub(super) fn counts(counts: &FindingCounts) -> [(&'static str, i64, &'static str); 6] {
    let FindingCounts { critical, high, medium, low, unproven, accepted } = counts;
    [
        ("Critical", *critical, "s-critical"),
        ("High", *high, "s-high"),
        ("Medium", *medium, "s-medium"),
        ("Low", *low, "s-low"),
        ("Unproven", *unproven, "v-unproven"),
        ("Accepted", *accepted, "v-accepted"),
    ]
}

/// What was found, in a line.
pub(super) fn found(all: &FindingCounts) -> String {
    let some = counts(all).into_iter().filter(|(_, number, _)| *number > 0);
    let some: Vec<String> = some.map(|(name, number, _)| format!("{number} {}", name.to_lowercase())).collect();
    if some.is_empty() { "nothing".to_string() } else { some.join(", ") }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Violated => "v-violated",
        Verdict::Unproven => "v-unproven",
        Verdict::Accepted => "v-accepted",
        Verdict::NoFinding => "v-nofinding",
        Verdict::Proven => "v-proven",
        Verdict::Attested => "v-attested",
        Verdict::NotJudged => "v-notjudged",
    }
}

/// A verdict, as a mark.
pub(super) fn badge(verdict: impl std::borrow::Borrow<Verdict>) -> String {
    let verdict = *verdict.borrow();
    format!("<span class=\"badge {}\">{}</span>", class(verdict), verdict.words())
}

/// A state, as a mark.
pub(super) fn state_badge(state: &FindingState) -> String {
    badge(match state {
        FindingState::Violated => Verdict::Violated,
        FindingState::Unproven => Verdict::Unproven,
        FindingState::Accepted => Verdict::Accepted,
    })
}

/// A severity, as a mark.
pub(super) fn severity(severity: &Severity) -> String {
    format!("<span class=\"badge s-{}\">{severity:?}</span>", severity.as_label())
}

pub(super) fn severity_word(severity: &Severity) -> String {
    format!("{severity:?}")
}

pub(super) fn state_word(state: &FindingState) -> String {
    format!("{state:?}")
}

pub(super) fn state(state: &FindingState) -> &'static str {
    state.as_label()
}

/// The first few, and how many more.
pub(super) fn some(names: &[String]) -> String {
    few(names)
}

/// Requirements of which something is said.
pub(super) fn judged(claims: &[Claim]) -> Vec<&Claim> {
    claims.iter().filter(|claim| claim.verdict != Verdict::NotJudged).collect()
}

/// Requirements of which nothing is said.
pub(super) fn not_judged(claims: &[Claim]) -> Vec<&Claim> {
    claims.iter().filter(|claim| claim.verdict == Verdict::NotJudged).collect()
}

/// In how many days fixes have to be in place.
pub(super) fn fix_within(days: &FixWithinDays) -> String {
    let FixWithinDays { critical, high, medium, low } = days;
    let all = [("critical", Some(*critical)), ("high", Some(*high)), ("medium", *medium), ("low", *low)];
    let some = all.into_iter().filter_map(|(name, days)| Some(format!("{name} in {}", many(days?, "day"))));
    some.collect::<Vec<_>>().join(", ")
}

/// A bar of several parts.
pub(super) struct Bar {
    /// The same in words.
    pub(super) words: Cow<'static, str>,
    /// The parts, from left to right.
    pub(super) parts: Vec<Part>,
}

/// A part of a bar, in percent of its length.
pub(super) struct Part {
    /// Its class.
    pub(super) class: &'static str,
    /// Where it begins.
    pub(super) start: String,
    /// How long it is.
    pub(super) width: String,
}

/// How many requirements have which verdict.
pub(super) fn verdicts(claims: &[Claim]) -> Bar {
    let of = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count();
    bar(of, claims.len())
}

/// How many images have which verdict.
pub(super) fn images(all: &Inventory) -> Bar {
    bar(|verdict| all.verdicts.get(&verdict).copied().unwrap_or_default(), all.total)
}

fn bar(of: impl Fn(Verdict) -> usize, all: usize) -> Bar {
    let counted: Vec<(Verdict, usize)> =
        Verdict::ALL.into_iter().map(|verdict| (verdict, of(verdict))).filter(|(_, count)| *count > 0).collect();
    let words: Vec<String> =
        counted.iter().map(|(verdict, count)| format!("{count} {}", verdict.words().to_lowercase())).collect();
    let mut before = 0;
    let mut parts = Vec::new();
    for (verdict, count) in counted {
        parts.push(Part { class: class(verdict), start: percent(before, all), width: percent(count, all) });
        before += count;
    }
    Bar { words: words.join(", ").into(), parts }
}

/// In whole numbers, so that it is the same everywhere.
fn percent(part: usize, all: usize) -> String {
    let hundredths = part * 10_000 / all.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_told_in_words() {
        assert_eq!([0, 1, 2].map(|number| many(number, "zone")), ["0 zones", "1 zone", "2 zones"]);
        let at: Timestamp = "2026-11-24T08:05:30Z".parse().unwrap();
        assert_eq!(time(at), "<time datetime=\"2026-11-24T08:05:30Z\">2026-11-24 08:05 UTC</time>");
        assert_eq!([percent(1, 3), percent(3, 3), percent(0, 0)], ["33.33", "100.00", "0.00"]);
        assert_eq!(found(&FindingCounts { high: 2, accepted: 1, ..FindingCounts::default() }), "2 high, 1 accepted");
        assert_eq!(found(&FindingCounts::default()), "nothing");
    }
}
