//! Names as parts of paths, and what the name of an index says of the time in which it is written.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{answer::shown, length::Length};

/// What may stand in a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest name, in bytes.
const NAME: usize = 255;

/// A name as a part of a path. What a server or a proxy could take for another path is refused.
pub fn segment(name: &str) -> Result<String, String> {
    let is_other =
        name.is_empty() || name.len() > NAME || matches!(name, "." | "..") || name.contains(char::is_control);
    if is_other {
        return Err(format!(
            "The name “{}” cannot be asked for: it is empty, longer than {NAME} bytes or no plain name",
            shown(name)
        ));
    }
    Ok(utf8_percent_encode(name, SEGMENT).to_string())
}

/// A text as the value of an argument of a path.
pub fn argument(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The name of a data stream, an alias or an index. What stands for several, for all or for a date is refused: an answer about
/// another index proves nothing.
pub fn index(name: &str) -> Result<String, String> {
    const RESERVED: &[char] = &['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];
    if name.starts_with(['-', '_', '+']) || name.contains(RESERVED) {
        return Err(format!("“{}” is not the name of one data stream, alias or index: name exactly one", shown(name)));
    }
    segment(name)
}

/// How long an index is written that has its day or its month at the end of its name.
pub fn dated(name: &str) -> Option<Length> {
    let ends = |widths: &[usize]| {
        let mut rest = name;
        for (n, width) in widths.iter().rev().enumerate() {
            let cut = rest.len().checked_sub(*width)?;
            let digits = rest.get(cut..)?;
            rest = rest.get(..cut)?;
            let is_first = n + 1 == widths.len();
            let before = rest.chars().next_back();
            let fits = if is_first {
                before.is_some_and(|c| c == '-' || c == '_')
            } else {
                before.is_some_and(|c| c == '.' || c == '-')
            };
            if !digits.bytes().all(|b| b.is_ascii_digit()) || !fits {
                return None;
            }
            rest = rest.get(..rest.len().checked_sub(1)?)?;
        }
        Some(())
    };
    let day = ends(&[4, 2, 2]).map(|()| Length::days(1));
    day.or_else(|| ends(&[4, 2]).map(|()| Length::days(31)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        for (name, wanted) in [
            ("logs-pci-default", Some("logs-pci-default")),
            ("a/b", Some("a%2Fb")),
            ("a b?c#d", Some("a%20b%3Fc%23d")),
            ("ünïcode", Some("%C3%BCn%C3%AFcode")),
            ("100%", Some("100%25")),
            ("..", None),
            (".", None),
            ("", None),
            ("a\nb", None),
        ] {
            assert_eq!(segment(name).ok().as_deref(), wanted, "{name}");
        }
        assert!(segment(&"n".repeat(256)).is_err());
    }

    #[test]
    fn a_name_of_several_indices_is_refused() {
        for name in ["logs-*", "a,b", "_all", "-a", "<logs-{now/d}>", "a/_settings", "remote:logs"] {
            assert!(index(name).is_err(), "{name}");
        }
        assert_eq!(index(".ds-logs-pci-2026.01.01-000001").as_deref(), Ok(".ds-logs-pci-2026.01.01-000001"));
    }

    #[test]
    fn an_index_with_a_date_at_the_end_is_written_that_long() {
        for (name, days) in [
            ("logs-2026.08.22", Some(1)),
            ("logs-2026-08-22", Some(1)),
            ("logs_2026.08", Some(31)),
            ("logs-2026.08.22-000001", None),
            ("logs", None),
            ("2026.08.22", None),
            ("logsö2026.08.22", None),
            ("logs-2026.8.22", None),
        ] {
            assert_eq!(dated(name).map(Length::whole_days), days, "{name}");
        }
    }
}
