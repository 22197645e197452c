//! Numbers and moments as stores write them: `17`, `17.0`, `1.7e1` or the same as a text. What is no whole number is none.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// The greatest number that a store which reckons with doubles still tells from its neighbours.
pub const MOST: u64 = (1 << 53) - 1;
/// The longest number, in characters.
const LONG: usize = 40;

/// A whole number from 0 on.
pub fn whole(value: &Value) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number).filter(|number| *number <= MOST);
    }
    let number = real(value)?;
    #[expect(clippy::cast_precision_loss, reason = "the bound is exact")]
    let fits = number.fract() == 0.0 && (0.0..=MOST as f64).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within the bounds")]
    fits.then_some(number as u64)
}

/// A finite number.
pub fn real(value: &Value) -> Option<f64> {
    let is_number = |text: &&str| {
        let is_part = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
        text.len() <= LONG && text.bytes().all(is_part)
    };
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => Some(text.as_str()).filter(is_number).and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// A moment in milliseconds since 1970.
pub fn milliseconds(value: &Value) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(whole(value)?).ok()?).ok()
}

/// A moment in seconds since 1970, or as RFC 3339.
pub fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(time) = value.as_str().and_then(|text| text.parse().ok()) {
        return Some(time);
    }
    let seconds = real(value).filter(|seconds| (0.0..1e11).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "it is within the bounds")]
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_whole_or_none() {
        for (value, wanted) in [
            (json!(17), Some(17)),
            (json!(17.0), Some(17)),
            (json!(1.7e3), Some(1700)),
            (json!("17"), Some(17)),
            (json!("1.7e1"), Some(17)),
            (json!(0), Some(0)),
            (json!(MOST), Some(MOST)),
            (json!(MOST + 1), None),
            (json!(u64::MAX), None),
            (json!(1e300), None),
            (json!("1e999"), None),
            (json!(17.5), None),
            (json!(-1), None),
            (json!("-1"), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!(""), None),
            (json!(" 1"), None),
            (json!("1".repeat(41)), None),
            (json!(null), None),
            (json!(true), None),
            (json!([1]), None),
            (json!({"value": 1}), None),
        ] {
            assert_eq!(whole(&value), wanted, "{value}");
        }
    }

    #[test]
    fn a_moment_is_read_in_both_forms() {
        let wanted: Timestamp = "2026-11-26T20:00:00.5Z".parse().unwrap();
        for value in [json!("2026-11-26T20:00:00.500Z"), json!("1795723200.5"), json!(1_795_723_200.5)] {
            assert_eq!(moment(&value), Some(wanted), "{value}");
        }
        assert_eq!(milliseconds(&json!(1.795_723_200_5e12)), Some(wanted));
        for value in [json!("yesterday"), json!(-1), json!(1e300), json!(null)] {
            assert_eq!((moment(&value), milliseconds(&value)), (None, None), "{value}");
        }
    }
}
