//! Instants before and after others. Total: what lies beyond all instants is the last there is.

use k8s_openapi::jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

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

/// A time as it is stored: whole seconds.
pub fn seconds(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(at)
}
