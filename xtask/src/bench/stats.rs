//! Median, percentiles and spread of a few numbers. Pure.

/// Several measurements of one thing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) unit: &'static str,
    pub(super) runs: Vec<f64>,
    /// The figure where it is not the median of the runs, because these are parts of one.
    pub(super) whole: Option<f64>,
}

impl Spread {
    pub(super) fn new(unit: &'static str, runs: Vec<f64>) -> Self {
        Spread { unit, runs, whole: None }
    }

    /// NaN when nothing was measured, so that nothing is taken for reached.
    pub(super) fn median(&self) -> f64 {
        self.whole.unwrap_or_else(|| percentile(&self.runs, 50.0))
    }

    pub(super) fn min(&self) -> f64 {
        self.runs.iter().copied().fold(f64::NAN, f64::min)
    }

    pub(super) fn max(&self) -> f64 {
        self.runs.iter().copied().fold(f64::NAN, f64::max)
    }

    /// The largest as a multiple of the smallest.
    pub(super) fn variation(&self) -> f64 {
        self.max() / self.min()
    }
}

/// The percentile by linear interpolation between the two nearest ranks.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are small and not negative"
)]
pub(super) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let rank = percent.clamp(0.0, 100.0) / 100.0 * last as f64;
    let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * rank.fract(),
        _ => f64::NAN,
    }
}

/// Each measurement divided by the mean of the floors before and after it: what drifts slowly falls out. There is one
/// floor more than there are measurements.
pub(super) fn interleaved_ratios(measured: &[f64], floors: &[f64]) -> Vec<f64> {
    measured.iter().zip(around(floors)).map(|(measured, floor)| measured / floor).collect()
}

/// The same by subtraction.
pub(super) fn interleaved_differences(measured: &[f64], floors: &[f64]) -> Vec<f64> {
    measured.iter().zip(around(floors)).map(|(measured, floor)| measured - floor).collect()
}

/// The mean of each two floors that follow each other.
fn around(floors: &[f64]) -> impl Iterator<Item = f64> {
    neighbours(floors).map(|(before, after)| f64::midpoint(before, after))
}

fn neighbours(floors: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    floors.iter().copied().zip(floors.iter().copied().skip(1))
}

/// How far two floors that follow each other are apart: the median. What is smaller cannot be told from nothing.
pub(super) fn apart(floors: &[f64]) -> f64 {
    let apart: Vec<f64> = neighbours(floors).map(|(before, after)| (after - before).abs()).collect();
    percentile(&apart, 50.0)
}

/// The same as a part of the first of the two.
pub(super) fn apart_in_proportion(floors: &[f64]) -> f64 {
    let apart: Vec<f64> = neighbours(floors).map(|(before, after)| (after / before - 1.0).abs()).collect();
    percentile(&apart, 50.0)
}

/// The medians of consecutive blocks of about equal size: how far single measurements drift during a run.
pub(super) fn block_medians(values: &[f64], blocks: usize) -> Vec<f64> {
    let size = values.len().div_ceil(blocks.max(1)).max(1);
    values.chunks(size).map(|block| percentile(block, 50.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_interpolated_and_do_not_depend_on_the_order() {
        let values = [4.0, 1.0, 3.0, 2.0];
        for (percent, wanted) in [(0.0, 1.0), (50.0, 2.5), (100.0, 4.0), (200.0, 4.0)] {
            assert!((percentile(&values, percent) - wanted).abs() < 1e-9, "{percent}");
        }
        assert!((percentile(&[7.0], 99.0) - 7.0).abs() < 1e-9);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn a_spread_of_nothing_is_no_number() {
        let nothing = Spread::new("s", Vec::new());
        assert!(nothing.median().is_nan() && nothing.variation().is_nan());
        let some = Spread::new("s", vec![2.0, 5.0, 4.0]);
        assert_eq!((some.min(), some.median(), some.max(), some.variation()), (2.0, 4.0, 5.0, 2.5));
    }

    #[test]
    fn each_run_is_compared_with_the_floors_around_it() {
        assert_eq!(interleaved_ratios(&[3.0, 8.0], &[2.0, 4.0, 12.0]), [1.0, 1.0]);
        assert!(interleaved_ratios(&[3.0], &[2.0]).is_empty(), "a floor is missing");
        assert_eq!(interleaved_differences(&[3.0, 8.0], &[2.0, 4.0, 12.0]), [0.0, 0.0]);
        assert_eq!(interleaved_differences(&[4.5], &[2.0, 4.0]), [1.5]);
    }

    #[test]
    fn floors_are_apart_whatever_the_direction() {
        assert!((apart(&[2.0, 4.0, 3.0, 3.5]) - 1.0).abs() < 1e-9);
        assert!((apart_in_proportion(&[2.0, 4.0, 3.0, 3.75]) - 0.25).abs() < 1e-9);
        assert!(apart(&[2.0]).is_nan() && apart_in_proportion(&[]).is_nan());
    }

    #[test]
    fn blocks_are_consecutive() {
        assert_eq!(block_medians(&[1.0, 1.0, 5.0, 5.0, 9.0], 3), [1.0, 5.0, 9.0]);
        assert!(block_medians(&[], 3).is_empty());
    }
}
