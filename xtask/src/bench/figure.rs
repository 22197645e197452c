//! What a figure must reach, and whether it can be said that it does. Pure.

use super::stats::Spread;

/// Floors that differ by more than this within a run say that the machine was not quiet.
pub(super) const STEADY_FLOOR: f64 = 1.15;

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    AtMost(f64),
    Exactly(f64),
    /// Nothing is to be seen: it is not further above a value than two floors beside each other are apart.
    Unseen {
        value: f64,
        apart: f64,
    },
    /// It is there to compare with.
    None,
}

impl Goal {
    pub(super) fn text(self) -> String {
        match self {
            Goal::AtMost(most) => format!("≤ {most}"),
            Goal::Exactly(value) => format!("= {value}"),
            Goal::Unseen { value, apart } => format!("≤ {value} + {apart:.3}, its own noise"),
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
            // Not a number where nothing was measured.
            Goal::Unseen { value: from, apart } => (!apart.is_nan()).then_some(value <= from + apart),
            Goal::None => None,
        }
    }
}

/// What changes a figure.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Nothing but the programs that are measured: counts, and memory.
    Untimed,
    /// Other load on the machine too: it is a time.
    Timed,
    /// It is a time compared with the floor of its group, and says nothing where that varied.
    Compared,
    /// The same with a floor of its own.
    ComparedWith(Spread),
}

/// One figure of a group.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) spread: Spread,
    pub(super) goal: Goal,
    pub(super) kind: Kind,
}

impl Figure {
    /// The floor that stands beside it; that of its group is beside counts too where both are of one kind.
    pub(super) fn floor<'a>(&'a self, group: Option<&'a Spread>) -> Option<&'a Spread> {
        match &self.kind {
            Kind::Untimed => group.filter(|floor| floor.unit == self.spread.unit),
            Kind::Timed | Kind::Compared => group,
            Kind::ComparedWith(floor) => Some(floor),
        }
    }

    fn is_compared(&self) -> bool {
        matches!(self.kind, Kind::Compared | Kind::ComparedWith(_))
    }
}

/// Whether a goal is reached, and why that cannot be said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) reached: Option<bool>,
    pub(super) why: Option<String>,
}

/// Compares the median with the goal. A time says nothing when other programs ran (`disturbed` says so), and one that is
/// compared with a floor nothing either when that varied. `floor` is that of the group.
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
    if let Some(disturbed) = disturbed.filter(|_| figure.kind != Kind::Untimed) {
        return unsaid(disturbed.to_string());
    }
    let variation = figure.floor(floor).filter(|_| figure.is_compared()).map(Spread::variation);
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

    fn figure(runs: &[f64], goal: Goal, kind: Kind) -> Figure {
        Figure { name: "ratio", what: "", spread: Spread::new("", runs.to_vec()), goal, kind }
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
            let verdict = judge(&figure(runs, goal, Kind::Compared), Some(&floor(&[1.0, 1.1])), None);
            assert_eq!(verdict.reached, wanted, "{runs:?} {goal:?}");
        }
    }

    #[test]
    fn a_floor_that_varies_refuses_to_judge_times_and_nothing_else() {
        let wild = floor(&[1.0, 1.16]);
        let refused = judge(&figure(&[1.0], Goal::AtMost(1.25), Kind::Compared), Some(&wild), None);
        assert_eq!(refused.reached, None);
        assert!(refused.why.unwrap().contains("16.0 %"));
        assert_eq!(
            judge(&figure(&[9.0], Goal::AtMost(1.25), Kind::Compared), Some(&wild), None).reached,
            None,
            "nor a failure"
        );
        assert_eq!(judge(&figure(&[1.0], Goal::Exactly(1.0), Kind::Untimed), Some(&wild), None).reached, Some(true));
    }

    #[test]
    fn a_floor_that_varies_says_nothing_about_a_time_that_is_not_divided_by_it() {
        let wild = floor(&[1.0, 1.16]);
        let ready = figure(&[0.5], Goal::AtMost(3.0), Kind::Timed);
        assert_eq!(judge(&ready, Some(&wild), None).reached, Some(true));
        assert_eq!(judge(&ready, Some(&wild), Some("others ran")).reached, None);
    }

    #[test]
    fn a_floor_of_its_own_takes_the_place_of_the_groups() {
        let (quiet, wild) = (floor(&[1.0, 1.1]), floor(&[1.0, 1.16]));
        let added = |own: &Spread| figure(&[0.5], Goal::AtMost(1.0), Kind::ComparedWith(own.clone()));
        assert_eq!(judge(&added(&quiet), Some(&wild), None).reached, Some(true));
        assert_eq!(judge(&added(&wild), Some(&quiet), None).reached, None, "added milliseconds are made of floors too");
        assert_eq!(judge(&added(&floor(&[])), Some(&quiet), None).reached, None);
    }

    #[test]
    fn nothing_is_seen_of_what_is_smaller_than_the_noise() {
        for (runs, apart, wanted) in [
            (&[1.01, 1.03, 1.02][..], 0.02, Some(true)),
            (&[1.01, 1.03, 1.03], 0.02, Some(false)),
            (&[0.5], 0.02, Some(true)),
            (&[1.0], f64::NAN, None),
        ] {
            let verdict = judge(&figure(runs, Goal::Unseen { value: 1.0, apart }, Kind::Timed), None, None);
            assert_eq!(verdict.reached, wanted, "{runs:?} {apart}");
        }
        assert_eq!(Goal::Unseen { value: 1.0, apart: 0.0171 }.text(), "≤ 1 + 0.017, its own noise");
    }

    #[test]
    fn a_machine_that_was_busy_refuses_to_judge_times_and_nothing_else() {
        let (quiet, busy) = (floor(&[1.0, 1.1]), Some("others ran"));
        let refused = judge(&figure(&[1.0], Goal::AtMost(1.25), Kind::Compared), Some(&quiet), busy);
        assert_eq!(refused, Verdict { reached: None, why: Some("others ran".to_string()) });
        assert_eq!(judge(&figure(&[2.0], Goal::Exactly(1.0), Kind::Untimed), Some(&quiet), busy).reached, Some(false));
    }

    #[test]
    fn what_was_not_measured_is_not_reached() {
        assert_eq!(judge(&figure(&[], Goal::AtMost(1.0), Kind::Untimed), None, None).reached, None);
        assert_eq!(judge(&figure(&[0.5], Goal::AtMost(1.0), Kind::Compared), Some(&floor(&[])), None).reached, None);
    }
}
