//! What a figure must reach, and whether it can be said that it does. Pure.

use super::stats::Spread;

/// Floors that differ by more than this within a run say that the machine was not quiet.
pub(super) const STEADY_FLOOR: f64 = 1.15;

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtMost(f64),
    Exactly(f64),
    /// It is there to compare with.
    None,
}

impl Goal {
    pub(super) fn text(self) -> String {
        match self {
            Goal::AtMost(most) => format!("≤ {most}"),
            Goal::Exactly(value) => format!("= {value}"),
            Goal::None => String::new(),
        }
    }

    /// Counts have to be right in every run; of times the figure decides.
    fn is_reached(self, spread: &Spread) -> Option<bool> {
        let value = spread.median();
        match self {
            Goal::AtMost(most) => Some(value <= most),
            Goal::Exactly(wanted) => {
                Some([spread.min(), value, spread.max()].iter().all(|value| (value - wanted).abs() < 1e-9))
            }
            Goal::None => None,
        }
    }
}

/// One figure of a group.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) spread: Spread,
    pub(super) goal: Goal,
    /// It is a time, or made of times: other load on the machine changes it, and counts for nothing else.
    pub(super) timed: bool,
}

impl Figure {
    /// It is a time in itself, which no floor is part of.
    fn is_absolute(&self) -> bool {
        matches!(self.spread.unit, "s" | "ms")
    }
}

/// Whether a goal is reached, and why that cannot be said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) reached: Option<bool>,
    pub(super) why: Option<String>,
}

/// Compares the median with the goal. A time says nothing when the floor beside it varied, or when other programs ran
/// (`disturbed` says so).
pub(super) fn judge(figure: &Figure, floor: Option<&Spread>, disturbed: Option<&str>) -> Verdict {
    let unsaid = |why: String| Verdict { reached: None, why: Some(why) };
    let value = figure.spread.median();
    let reached = figure.goal.is_reached(&figure.spread);
    if reached.is_none() {
        return Verdict { reached: None, why: None };
    }
    if value.is_nan() {
        return unsaid("nothing was measured".to_string());
    }
    if let Some(disturbed) = disturbed.filter(|_| figure.timed) {
        return unsaid(disturbed.to_string());
    }
    let variation = floor.filter(|_| figure.timed && !figure.is_absolute()).map(Spread::variation);
    match variation {
        Some(variation) if variation.is_nan() => unsaid("no floor was measured".to_string()),
        Some(variation) if variation > STEADY_FLOOR => {
            let (percent, allowed) = ((variation - 1.0) * 100.0, (STEADY_FLOOR - 1.0) * 100.0);
            unsaid(format!(
                "the floor itself varied by {percent:.1} % in this run; more than {allowed:.0} % is no yardstick"
            ))
        }
        Some(_) | None => Verdict { reached, why: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(runs: &[f64], goal: Goal, timed: bool) -> Figure {
        Figure { name: "ratio", what: "", spread: Spread::new("", runs.to_vec()), goal, timed }
    }

    fn floor(runs: &[f64]) -> Spread {
        Spread::new("s", runs.to_vec())
    }

    #[test]
    fn the_median_decides() {
        for (runs, goal, wanted) in [
            (&[1.0, 1.2, 9.0][..], Goal::AtMost(1.25), Some(true)),
            (&[1.0, 1.3, 1.4], Goal::AtMost(1.25), Some(false)),
            (&[1.25], Goal::AtMost(1.25), Some(true)),
            (&[1.0], Goal::Exactly(1.0), Some(true)),
            (&[0.998], Goal::Exactly(1.0), Some(false)),
            (&[1.0, 1.0, 1.002], Goal::Exactly(1.0), Some(false)),
            (&[1.0], Goal::None, None),
        ] {
            let verdict = judge(&figure(runs, goal, true), Some(&floor(&[1.0, 1.1])), None);
            assert_eq!(verdict.reached, wanted, "{runs:?} {goal:?}");
        }
    }

    #[test]
    fn a_floor_that_varies_refuses_to_judge_times_and_nothing_else() {
        let wild = floor(&[1.0, 1.16]);
        let refused = judge(&figure(&[1.0], Goal::AtMost(1.25), true), Some(&wild), None);
        assert_eq!(refused.reached, None);
        assert!(refused.why.unwrap().contains("16.0 %"));
        assert_eq!(judge(&figure(&[9.0], Goal::AtMost(1.25), true), Some(&wild), None).reached, None, "nor a failure");
        assert_eq!(judge(&figure(&[1.0], Goal::Exactly(1.0), false), Some(&wild), None).reached, Some(true));
    }

    #[test]
    fn a_floor_that_varies_says_nothing_about_a_time_that_is_not_divided_by_it() {
        let wild = floor(&[1.0, 1.16]);
        let ready = Figure { spread: Spread::new("s", vec![0.5]), ..figure(&[], Goal::AtMost(3.0), true) };
        assert_eq!(judge(&ready, Some(&wild), None).reached, Some(true));
        assert_eq!(judge(&ready, Some(&wild), Some("others ran")).reached, None);
    }

    #[test]
    fn a_machine_that_was_busy_refuses_to_judge_times_and_nothing_else() {
        let (quiet, busy) = (floor(&[1.0, 1.1]), Some("others ran"));
        let refused = judge(&figure(&[1.0], Goal::AtMost(1.25), true), Some(&quiet), busy);
        assert_eq!(refused, Verdict { reached: None, why: Some("others ran".to_string()) });
        assert_eq!(judge(&figure(&[2.0], Goal::Exactly(1.0), false), Some(&quiet), busy).reached, Some(false));
    }

    #[test]
    fn what_was_not_measured_is_not_reached() {
        assert_eq!(judge(&figure(&[], Goal::AtMost(1.0), false), None, None).reached, None);
        assert_eq!(judge(&figure(&[0.5], Goal::AtMost(1.0), true), Some(&floor(&[])), None).reached, None);
    }
}
