//! Lengths of time as log stores write them, exact to the nanosecond. A length is never read as longer than the store may mean it:
//! a month has as few days as months can have, what is cut off is cut off downwards, and what does not fit is no length.

/// A length of time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u128);

const SECOND: u128 = 1_000_000_000;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;
const WEEK: u128 = 7 * DAY;
const YEAR: u128 = 365 * DAY;
/// What `VictoriaMetrics` calls a month.
const MONTH_OF_31: u128 = 31 * DAY;
/// The longest text that is read as a length.
const TEXT: usize = 64;

/// The fewest days that so many months in a row have, within a year.
const FEWEST_DAYS: [u128; 12] = [0, 28, 59, 89, 120, 150, 181, 212, 242, 273, 303, 334];

impl Length {
    /// No time at all.
    pub const ZERO: Length = Length(0);

    /// So many days.
    pub fn days(days: u64) -> Self {
        Length(u128::from(days) * DAY)
    }

    /// So many seconds.
    pub fn seconds(seconds: u64) -> Self {
        Length(u128::from(seconds) * SECOND)
    }

    /// Whole days of it.
    pub fn whole_days(self) -> i64 {
        i64::try_from(self.0 / DAY).unwrap_or(i64::MAX)
    }

    /// What is left of it.
    pub fn less(self, other: Length) -> Length {
        Length(self.0.saturating_sub(other.0))
    }

    /// So many of it.
    pub fn times(self, n: u64) -> Length {
        Length(self.0.saturating_mul(u128::from(n)))
    }

    /// Both after each other.
    pub fn and(self, other: Length) -> Length {
        Length(self.0.saturating_add(other.0))
    }

    /// As it is told: in days where these are whole, otherwise also in hours, rounded down.
    pub fn words(self) -> String {
        let (days, hours) = (self.0 / DAY, self.0 % DAY / HOUR);
        match (days, hours) {
            (0, 0) => format!("{}s", self.0 / SECOND),
            (0, _) => format!("{hours}h"),
            (_, 0) => format!("{days}d"),
            _ => format!("{days}d{hours}h"),
        }
    }
}

/// Elasticsearch and `OpenSearch`: one whole number with a unit.
pub fn elastic(text: &str) -> Option<Length> {
    if text == "0" {
        return Some(Length::ZERO);
    }
    let lower = text.to_ascii_lowercase();
    let (number, unit) = number(&lower)?;
    let unit = match unit {
        "nanos" => 1,
        "micros" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    scaled(number, unit).map(Length)
}

/// Loki: whole numbers with units, the greatest first, as Prometheus and Go write them.
pub fn prometheus(text: &str) -> Option<Length> {
    const UNITS: [(&str, u128); 7] =
        [("y", YEAR), ("w", WEEK), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1_000_000)];
    if text == "0" {
        return Some(Length::ZERO);
    }
    compound(text, &UNITS, false)
}

/// `VictoriaLogs`: numbers with units, a fraction allowed. Without a unit, and with a capital M, it is months of 31 days.
pub fn victoria(text: &str) -> Option<Length> {
    const UNITS: [(&str, u128); 6] =
        [("y", YEAR), ("w", WEEK), ("d", DAY), ("h", HOUR), ("s", SECOND), ("ms", 1_000_000)];
    let months = text.strip_suffix('M').unwrap_or(text);
    if let Some((number, "")) = number(months) {
        return scaled(number, MONTH_OF_31).map(Length);
    }
    compound(&text.to_ascii_lowercase(), &UNITS, true)
}

/// ISO 8601, as Graylog writes it: `P30D`, `P1M`, `PT12H`.
pub fn iso(text: &str) -> Option<Length> {
    let rest = text.strip_prefix('P').filter(|_| text.len() <= TEXT)?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    if rest.is_empty() || rest.ends_with('T') {
        return None;
    }
    let date_parts = parts(date, &["Y", "M", "W", "D"])?;
    let time_parts = parts(time, &["H", "M", "S"])?;
    let [years, months, weeks, days] = date_parts.as_slice() else { return None };
    let [hours, minutes, seconds] = time_parts.as_slice() else { return None };
    let months = years.checked_mul(12)?.checked_add(*months)?;
    let odd = FEWEST_DAYS.get(usize::try_from(months % 12).ok()?)?;
    let sum = [
        (u128::from(months / 12), YEAR),
        (*odd, DAY),
        (u128::from(*weeks), WEEK),
        (u128::from(*days), DAY),
        (u128::from(*hours), HOUR),
        (u128::from(*minutes), MINUTE),
        (u128::from(*seconds), SECOND),
    ];
    sum.into_iter().try_fold(0_u128, |all, (n, unit)| all.checked_add(n.checked_mul(unit)?)).map(Length)
}

/// Whole numbers by their units, each at most once and in this order; nought where one is not there.
fn parts(text: &str, units: &[&str]) -> Option<Vec<u64>> {
    let mut rest = text;
    let mut found = Vec::new();
    for unit in units {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        match after.strip_prefix(unit) {
            Some(after) => {
                found.push(digits.parse().ok()?);
                rest = after;
            }
            None => found.push(0),
        }
    }
    rest.is_empty().then_some(found)
}

/// Digits before and after the point.
type Number<'t> = (&'t str, &'t str);

/// The number that a text begins with, and the rest.
fn number(text: &str) -> Option<(Number<'_>, &str)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(digits(text));
    if whole.is_empty() || text.len() > TEXT {
        return None;
    }
    match rest.strip_prefix('.') {
        Some(after) => {
            let (fraction, rest) = after.split_at(digits(after));
            (!fraction.is_empty()).then_some(((whole, fraction), rest))
        }
        None => Some(((whole, ""), rest)),
    }
}

/// So many of a unit, rounded down.
fn scaled((whole, fraction): Number, unit: u128) -> Option<u128> {
    let whole: u64 = whole.parse().ok()?;
    // Twelve digits of a year are less than a second; further ones count for nothing.
    let kept = fraction.get(..fraction.len().min(12))?;
    let over = 10_u128.checked_pow(u32::try_from(kept.len()).ok()?)?;
    let part = if kept.is_empty() { 0 } else { u128::from(kept.parse::<u64>().ok()?) * unit / over };
    u128::from(whole).checked_mul(unit)?.checked_add(part)
}

fn compound(text: &str, units: &[(&str, u128)], fractions: bool) -> Option<Length> {
    let mut rest = text;
    let mut all = 0_u128;
    let mut last = u128::MAX;
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        if !fractions && !number.1.is_empty() {
            return None;
        }
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let (_, unit) = units.iter().find(|(unit, _)| *unit == name)?;
        if *unit >= last {
            return None;
        }
        all = all.checked_add(scaled(number, *unit)?)?;
        (last, rest) = (*unit, after);
    }
    (!text.is_empty()).then_some(Length(all))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(read: Option<Length>) -> Option<u128> {
        read.map(|length| length.0 / HOUR)
    }

    #[test]
    fn each_store_writes_lengths_in_its_own_way() {
        type Read = fn(&str) -> Option<Length>;
        let rows: [(Read, &str, Option<u128>); 44] = [
            (elastic, "365d", Some(8760)),
            (elastic, "30D", Some(720)),
            (elastic, "8760h", Some(8760)),
            (elastic, "525600m", Some(8760)),
            (elastic, "31536000s", Some(8760)),
            (elastic, "31536000000ms", Some(8760)),
            (elastic, "31536000000000micros", Some(8760)),
            (elastic, "31536000000000000nanos", Some(8760)),
            (elastic, "0", Some(0)),
            (elastic, "0ms", Some(0)),
            (elastic, "-1", None),
            (elastic, "-30d", None),
            (elastic, "1y", None),
            (elastic, "365", None),
            (elastic, "d", None),
            (elastic, "", None),
            (elastic, "1d1h", None),
            (elastic, "٣d", None),
            (elastic, "99999999999999999999d", None),
            (prometheus, "744h", Some(744)),
            (prometheus, "744h0m0s", Some(744)),
            (prometheus, "31d", Some(744)),
            (prometheus, "1y", Some(8760)),
            (prometheus, "1y1d", Some(8784)),
            (prometheus, "0s", Some(0)),
            (prometheus, "1d1y", None),
            (prometheus, "1d1d", None),
            (prometheus, "1.5d", None),
            (prometheus, "365", None),
            (victoria, "400d", Some(9600)),
            (victoria, "1y", Some(8760)),
            (victoria, "12", Some(8928)),
            (victoria, "12M", Some(8928)),
            (victoria, "1.5d", Some(36)),
            (victoria, "12m", None),
            (victoria, "d", None),
            (iso, "P30D", Some(720)),
            (iso, "P1Y", Some(8760)),
            (iso, "P12M", Some(8760)),
            (iso, "P1M", Some(28 * 24)),
            (iso, "PT12H", Some(12)),
            (iso, "P1M1Y", None),
            (iso, "P", None),
            (iso, "P1DT", None),
        ];
        for (read, text, wanted) in rows {
            assert_eq!(hours(read(text)), wanted, "{text}");
        }
    }

    #[test]
    fn a_length_is_told_in_days_and_hours() {
        for (text, words, days) in [("365d", "365d", 365), ("36h", "1d12h", 1), ("90m", "1h", 0), ("5s", "5s", 0)] {
            let length = elastic(text).unwrap();
            assert_eq!((length.words().as_str(), length.whole_days()), (words, days));
        }
        assert_eq!(Length(u128::MAX).whole_days(), i64::MAX);
        assert_eq!(Length(u128::MAX).times(2), Length(u128::MAX));
    }

    proptest! {
        #[test]
        fn whatever_is_written_there_is_no_panic(text in any::<String>()) {
            for read in [elastic, prometheus, victoria, iso] {
                let _ = read(&text).map(|length| (length.words(), length.whole_days()));
            }
        }

        #[test]
        fn digits_and_units_of_any_size_never_overflow(text in "P?T?([0-9]{1,24}(\\.[0-9]{0,30})?[a-zA-Z]{0,6}){1,3}") {
            for read in [elastic, prometheus, victoria, iso] {
                let _ = read(&text).map(|length| (length.times(u64::MAX), length.and(length).whole_days()));
            }
        }

        #[test]
        fn days_are_never_rounded_up(n in any::<u64>()) {
            let read = [
                (elastic(&format!("{n}ms")), 86_400_000),
                (prometheus(&format!("{n}s")), 86_400),
                (iso(&format!("PT{n}S")), 86_400),
            ];
            for (length, day) in read {
                prop_assert!(i128::from(length.unwrap().whole_days()) * day <= i128::from(n));
            }
        }

        #[test]
        fn more_digits_after_the_point_are_never_less(whole in 0_u32..2000, part in 0_u32..1000) {
            let short = victoria(&format!("{whole}.{part:03}d")).unwrap();
            let long = victoria(&format!("{whole}.{part:03}9d")).unwrap();
            prop_assert!(Length::days(u64::from(whole)) <= short && short <= long);
            prop_assert!(long < Length::days(u64::from(whole) + 1));
        }
    }
}
