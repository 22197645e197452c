//! Histograms of the API server's metrics, in the text form of Prometheus. Pure.

use std::collections::BTreeMap;

/// How many observations took how long. Several series become one by addition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    pub(super) count: f64,
    pub(super) sum: f64,
    /// The upper bound of each bucket, and how many observations are not above it.
    buckets: Vec<(f64, f64)>,
}

/// One line of the text.
struct Series<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: f64,
}

impl Histogram {
    /// All series of this name that have these labels, as one.
    pub(super) fn read(text: &str, name: &str, labels: &[(&str, &str)]) -> Self {
        let mut all = Histogram::default();
        for line in text.lines().filter(|line| line.starts_with(name)) {
            let Some(series) = Series::read(line) else { continue };
            if !labels.iter().all(|(key, value)| series.labels.get(key) == Some(value)) {
                continue;
            }
            match series.name.strip_prefix(name) {
                Some("_count") => all.count += series.value,
                Some("_sum") => all.sum += series.value,
                Some("_bucket") => all.add(&series),
                _ => {}
            }
        }
        all.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    fn add(&mut self, series: &Series) {
        let Some(bound) = series.labels.get("le").and_then(|bound| bound.parse().ok()) else { return };
        match self.buckets.iter_mut().find(|(known, _)| f64::total_cmp(known, &bound).is_eq()) {
            Some((_, count)) => *count += series.value,
            None => self.buckets.push((bound, series.value)),
        }
    }

    /// What came between the two. A series that was not there before was empty.
    pub(super) fn since(&self, before: &Self) -> Self {
        let was = |bound: f64| before.buckets.iter().find(|(known, _)| f64::total_cmp(known, &bound).is_eq());
        let new = |(bound, count): &(f64, f64)| (*bound, count - was(*bound).map_or(0.0, |(_, before)| *before));
        Histogram {
            count: self.count - before.count,
            sum: self.sum - before.sum,
            buckets: self.buckets.iter().map(new).collect(),
        }
    }

    /// NaN of nothing.
    pub(super) fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// The percentile, as if the observations of a bucket lay evenly between its bounds. In the last bucket, which has no
    /// end, it is where that begins. NaN of nothing.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let rank = percent.clamp(0.0, 100.0) / 100.0 * self.buckets.last().map_or(0.0, |(_, all)| *all);
        let (mut from, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= rank && *count > below {
                let part = (rank - below) / (count - below);
                return if bound.is_finite() { from + (bound - from) * part } else { from };
            }
            (from, below) = (*bound, *count);
        }
        f64::NAN
    }
}

/// The values of a label among the series of this name.
pub(super) fn values(text: &str, name: &str, label: &str) -> Vec<String> {
    let series = text.lines().filter(|line| line.starts_with(name)).filter_map(Series::read);
    let series = series.filter(|series| series.name == name);
    let mut values: Vec<String> =
        series.filter_map(|series| series.labels.get(label).map(ToString::to_string)).collect();
    values.sort();
    values.dedup();
    values
}

impl<'a> Series<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (head, value) = line.rsplit_once(' ')?;
        let value = value.parse().ok()?;
        let Some((name, rest)) = head.split_once('{') else {
            return Some(Series { name: head, labels: BTreeMap::new(), value });
        };
        let (mut labels, mut rest) = (BTreeMap::new(), rest);
        // Each turn takes a label off.
        while let Some((key, text)) = rest.split_once("=\"") {
            let end = end_of_value(text)?;
            labels.insert(key.trim_start_matches(','), text.get(..end)?);
            rest = text.get(end + 1..)?;
        }
        (rest == "}").then_some(Series { name, labels, value })
    }
}

/// Where the quote is that ends a value; one that a backslash stands before does not.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, character)| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "\
# HELP took Seconds.
# TYPE took histogram
took_bucket{kind=\"a\",le=\"0.005\"} 9
took_bucket{kind=\"a\",le=\"0.025\"} 10
took_bucket{kind=\"a\",le=\"+Inf\"} 10
took_sum{kind=\"a\"} 0.01
took_count{kind=\"a\"} 10
";
    const AFTER: &str = "\
took_bucket{kind=\"a\",le=\"0.005\"} 14
took_bucket{kind=\"a\",le=\"0.025\"} 18
took_bucket{kind=\"a\",le=\"+Inf\"} 18
took_sum{kind=\"a\"} 0.09
took_count{kind=\"a\"} 18
took_bucket{kind=\"b\",le=\"0.005\"} 2
took_bucket{kind=\"b\",le=\"0.025\"} 2
took_bucket{kind=\"b\",le=\"+Inf\"} 2
took_sum{kind=\"b\"} 0.5
took_count{kind=\"b\"} 2
took_longer_count{kind=\"a\"} 99
";

    #[test]
    fn only_what_came_between_two_looks_counts() {
        let new = Histogram::read(AFTER, "took", &[("kind", "a")]).since(&Histogram::read(BEFORE, "took", &[]));
        assert!((new.count - 8.0).abs() < 1e-9);
        assert!((new.mean() - 0.01).abs() < 1e-9);
        assert_eq!(new.buckets, [(0.005, 5.0), (0.025, 8.0), (f64::INFINITY, 8.0)]);
        let all = Histogram::read(AFTER, "took", &[("kind", "b")]);
        assert_eq!(all.since(&Histogram::default()), all, "a series that is new");
    }

    #[test]
    fn series_that_are_not_told_apart_are_added() {
        let all = Histogram::read(AFTER, "took", &[]);
        assert!((all.count - 20.0).abs() < 1e-9 && (all.sum - 0.59).abs() < 1e-9);
        assert_eq!(all.buckets, [(0.005, 16.0), (0.025, 20.0), (f64::INFINITY, 20.0)]);
        assert_eq!(values(AFTER, "took_count", "kind"), ["a", "b"]);
    }

    #[test]
    fn percentiles_lie_evenly_between_the_bounds_of_a_bucket() {
        let histogram =
            Histogram { count: 10.0, sum: 0.0, buckets: vec![(1.0, 4.0), (3.0, 8.0), (f64::INFINITY, 10.0)] };
        for (percent, wanted) in [(20.0, 0.5), (40.0, 1.0), (60.0, 2.0), (80.0, 3.0), (99.0, 3.0)] {
            assert!((histogram.percentile(percent) - wanted).abs() < 1e-9, "{percent}");
        }
        assert!(Histogram::default().percentile(50.0).is_nan() && Histogram::default().mean().is_nan());
        let nothing = Histogram { buckets: vec![(1.0, 0.0), (f64::INFINITY, 0.0)], ..Histogram::default() };
        assert!(nothing.percentile(50.0).is_nan());
    }

    #[test]
    fn labels_may_hold_quotes_commas_and_braces() {
        let series = Series::read(r#"took{a="x\"},y=",b="\\"} 1.5e3"#).unwrap();
        assert_eq!((series.name, series.value), ("took", 1500.0));
        assert_eq!(series.labels, BTreeMap::from([("a", r#"x\"},y="#), ("b", r"\\")]));
        assert!(Series::read("took 1").unwrap().labels.is_empty());
        for broken in ["took", "took{a=\"x\" 1", "took{a=\"x} 1", "took{} one"] {
            assert!(Series::read(broken).is_none(), "{broken}");
        }
    }
}
