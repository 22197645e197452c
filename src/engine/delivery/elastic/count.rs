//! How many different numbers a run has. The store estimates it by hashes: two numbers may fall into one, so the estimate is never more
//! than the truth, and sometimes less. What the lines add up to tells more, and where both together do not tell, the truth is not known.
//!
//! Where there are as many lines as numbers from the first to the last one, and one is missing, another is there twice. So if `k` are
//! missing, `k` others stand in their place. That they add up to the same takes at least two, and that their squares do too at least
//! three (1, 5, 6 and 2, 3, 7 do). An estimate that lacks fewer than that leaves nothing that could be missing.

/// Up to here an estimate is never more than the truth: a table of 2^25 places, and the formula for what shares one rounds to nothing.
const NEVER_MORE: u64 = 5000;
/// Up to here it is the truth but once in seventy times, and lacks two but once in ten thousand.
const SURE: u64 = 1000;
/// Up to `NEVER_MORE` no more numbers than these share a place with another one.
const COLLISIONS: u64 = 8;
/// Whole numbers up to here are exact in doubles, and so are their sums.
const WHOLE: u128 = 1 << 53;

/// What a store reckons of a run's lines.
#[derive(Clone, Copy, Debug)]
pub struct Reckoned {
    /// The least number.
    pub first: u64,
    /// The greatest number.
    pub last: u64,
    /// Lines.
    pub lines: u64,
    /// Different numbers, as estimated.
    pub estimate: u64,
    /// Of all lines' numbers.
    pub sum: f64,
    /// Of all lines' numbers squared.
    pub squares: f64,
}

/// How many different numbers there are; none where that is not known, or the answer contradicts itself.
pub fn numbers(reckoned: &Reckoned) -> Option<u64> {
    let Reckoned { first, last, lines, estimate, .. } = *reckoned;
    let span = last.checked_sub(first)?.checked_add(1)?;
    if lines == 0 || estimate == 0 || last > super::super::number::MOST {
        return None;
    }
    let lacks = span.saturating_sub(estimate);
    if span > NEVER_MORE && lines >= span {
        // Only that a good part is missing can be told.
        return (lacks > span / 100).then_some(estimate);
    }
    if estimate > NEVER_MORE {
        return Some(lines.min(estimate)).filter(|number| *number < span);
    }
    if estimate > span || estimate > lines {
        return None;
    }
    if lacks == 0 || lines < span {
        return Some(estimate);
    }
    let is_doubtful = span > SURE && lacks <= COLLISIONS;
    if lines > span {
        return (!is_doubtful).then_some(estimate);
    }
    match adds_up(reckoned) {
        Adds::No => Some(estimate),
        Adds::Up { changed } if lacks < changed => Some(span),
        Adds::Up { .. } => (!is_doubtful).then_some(estimate),
    }
}

/// Whether lines add up to what all numbers do.
enum Adds {
    /// Something is missing.
    No,
    /// They do, and so many have to be missing at least for that, if any are.
    Up { changed: u64 },
}

/// For no more than `NEVER_MORE` numbers, so that nothing overflows.
fn adds_up(reckoned: &Reckoned) -> Adds {
    let (first, number) = (u128::from(reckoned.first), u128::from(reckoned.lines));
    let after = number.saturating_sub(1);
    let steps = number * after / 2;
    let sum = number * first + steps;
    let squares = number * first * first + 2 * first * steps + number * after * (2 * number).saturating_sub(1) / 6;
    match (compare(reckoned.sum, sum), compare(reckoned.squares, squares)) {
        (Some(false), _) | (_, Some(false)) => Adds::No,
        (Some(true), Some(true)) => Adds::Up { changed: 3 },
        (Some(true), None) => Adds::Up { changed: 2 },
        (None, _) => Adds::Up { changed: 1 },
    }
}

/// Whether a sum is this one; none where it is too large to be exact, and near enough.
fn compare(is: f64, wanted: u128) -> Option<bool> {
    #[expect(clippy::cast_precision_loss, reason = "the store reckons in doubles too")]
    let double = wanted as f64;
    if wanted <= WHOLE {
        #[expect(clippy::float_cmp, reason = "whole numbers of this size are exact")]
        return Some(is == double);
    }
    if (is - double).abs() <= double * 1e-12 { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What a store says of lines, with so many numbers that share a hash.
    fn reckon(lines: &[u64], collisions: u64) -> Reckoned {
        let different: BTreeSet<u64> = lines.iter().copied().collect();
        #[expect(clippy::cast_precision_loss, reason = "as the store does")]
        let doubles = || lines.iter().map(|line| *line as f64);
        Reckoned {
            first: *different.first().unwrap(),
            last: *different.last().unwrap(),
            lines: lines.len() as u64,
            estimate: (different.len() as u64).saturating_sub(collisions).max(1),
            sum: doubles().sum(),
            squares: doubles().map(|line| line * line).sum(),
        }
    }

    fn all(first: u64, number: u64) -> Vec<u64> {
        (first..first + number).collect()
    }

    #[test]
    fn all_there_is_told_of_what_is_and_of_nothing_else() {
        let with = |mut lines: Vec<u64>, more: &[u64]| {
            lines.extend(more);
            lines
        };
        let without = |lines: Vec<u64>, gone: &[u64]| -> Vec<u64> {
            lines.into_iter().filter(|line| !gone.contains(line)).collect()
        };
        for (name, lines, collisions, wanted) in [
            ("all", all(0, 360), 0, Some(360)),
            ("all, and two share a hash", all(0, 360), 1, Some(360)),
            ("all, and two pairs do", all(0, 3600), 2, Some(3600)),
            ("all, and so many do that it is not known", all(0, 3600), 3, None),
            ("one", vec![7], 0, Some(1)),
            ("the last of a long run", all(1 << 40, 300), 0, Some(300)),
            ("sums that are not exact, and a hash is shared", all(1 << 40, 300), 1, Some(300)),
            ("the same, and two hashes are", all(1 << 40, 300), 2, Some(298)),
            ("not even the sum is exact", all(1 << 52, 300), 1, Some(299)),
            ("one is missing", without(all(0, 360), &[9]), 0, Some(359)),
            ("one is missing, another twice", with(without(all(0, 360), &[9]), &[10]), 0, Some(359)),
            ("the same, with the same sum", with(without(all(0, 360), &[9, 11]), &[10, 10]), 0, Some(358)),
            (
                "the same, far from zero",
                with(without(all(1 << 40, 360), &[(1 << 40) + 9, (1 << 40) + 11]), &[(1 << 40) + 10, (1 << 40) + 10]),
                0,
                Some(358),
            ),
            ("the same sum and the same squares", with(without(all(0, 8), &[1, 5, 6]), &[2, 3, 7]), 0, Some(5)),
            ("the same in a long run", with(without(all(0, 3600), &[1, 5, 6]), &[2, 3, 7]), 0, None),
            ("some twice", with(all(0, 360), &[1, 2, 3]), 0, Some(360)),
            ("some twice, some missing", with(without(all(0, 360), &[7, 9]), &[1, 2, 3]), 0, Some(358)),
            ("some twice in a long run, and a hash is shared", with(all(0, 3600), &[1]), 1, None),
            ("half of a long run, twice", with(all(0, 1800), &with(all(0, 1800), &[3599])), 1, Some(1800)),
            ("more than can be told", all(0, 9000), 0, None),
            (
                "half of more than can be told",
                all(0, 18_000).into_iter().filter(|n| n % 2 == 0).collect(),
                0,
                Some(9000),
            ),
        ] {
            assert_eq!(numbers(&reckon(&lines, collisions)), wanted, "{name}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_no_number() {
        let base = reckon(&all(0, 10), 0);
        for (name, changed) in [
            ("more numbers than there can be", Reckoned { estimate: 11, ..base }),
            ("more numbers than lines", Reckoned { lines: 9, ..base }),
            ("no lines", Reckoned { lines: 0, ..base }),
            ("no numbers", Reckoned { estimate: 0, ..base }),
            ("the last before the first", Reckoned { first: 11, ..base }),
            ("a span that is none", Reckoned { first: 0, last: u64::MAX, ..base }),
        ] {
            assert_eq!(numbers(&changed), None, "{name}");
        }
        let nan = Reckoned { sum: f64::NAN, estimate: 9, ..base };
        assert_eq!(numbers(&nan), Some(9));
    }

    proptest! {
        /// Whatever is there and however hashes fall, all is said to be there only where it is, and never more.
        #[test]
        fn what_is_missing_is_never_all_there(
            first in prop_oneof![0_u64..100, 0_u64..1 << 50],
            counts in prop::collection::vec(0_usize..4, 2..60),
            collisions in 0_u64..4,
        ) {
            let lines: Vec<u64> = (first..).zip(&counts).flat_map(|(n, times)| std::iter::repeat_n(n, *times)).collect();
            prop_assume!(!lines.is_empty());
            let different = lines.iter().collect::<BTreeSet<_>>().len() as u64;
            let told = numbers(&reckon(&lines, collisions));
            prop_assert!(told.is_none_or(|told| told <= different), "{told:?} of {different}");
            prop_assert!(collisions > 0 || told == Some(different));
        }
    }
}
