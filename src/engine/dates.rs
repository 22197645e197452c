//! Instants before and after others. Total: what lies beyond all instants is the last there is.

use k8s_openapi::jiff::{RoundMode, SignedDuration, Span, Timestamp, TimestampRound, Unit, tz::TimeZone};

/// A review is due every six months (PCI DSS 1.2.7).
pub const REVIEW_INTERVAL: SignedDuration = SignedDuration::from_hours(183 * 24);
/// How long before its end something that ends is reported.
pub const EXPIRY_WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);

/// An instant earlier by a duration; the first instant there is when that lies before it.
pub fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// An instant later by a duration; the last instant there is when that lies after it.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The same day and hour in a later month, in UTC; the last day of that month where it has no such day.
pub fn months_later(at: Timestamp, months: i32) -> Timestamp {
    let later = Span::new().try_months(months).and_then(|span| at.to_zoned(TimeZone::UTC).checked_add(span));
    later.map_or(Timestamp::MAX, |later| later.timestamp())
}

/// A time as it is stored: whole seconds.
pub fn seconds(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_twelve_months_whatever_its_length() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        for (from, months, wanted) in [
            ("2026-10-01T08:00:00Z", 12, "2027-10-01T08:00:00Z"),
            ("2027-10-01T08:00:00Z", 12, "2028-10-01T08:00:00Z"),
            ("2028-02-29T08:00:00Z", 12, "2029-02-28T08:00:00Z"),
            ("2026-08-31T00:00:00Z", 6, "2027-02-28T00:00:00Z"),
        ] {
            assert_eq!(months_later(at(from), months), at(wanted), "{from}");
        }
        assert_eq!(months_later(Timestamp::MAX, 12), Timestamp::MAX);
    }
}
