//! What rounds of storm and rest come to. Pure.

use super::{RATE, Round};
use crate::bench::{
    figure::{Figure, Goal, Kind},
    group::Group,
    stats::Spread,
};

/// What a status may have at most.
const BOUND: f64 = 32.0 * 1024.0;

pub(super) fn line(round: &Round) -> String {
    format!(
        "{:.0} changes/s; {} status writes, {} of one zone in a second at most; {} at rest",
        round.rate,
        round.writes.all(),
        round.writes.most_in_a_second(),
        round.at_rest.all(),
    )
}

/// `largest`: bytes of the largest status, and how many different ones were seen. `peak`: memory of the operator in KiB.
#[expect(clippy::cast_precision_loss, reason = "small")]
pub(super) fn group(rounds: &[Round], (largest, statuses): (usize, usize), peak: f64) -> Group {
    let of = |unit, value: &dyn Fn(&Round) -> f64| Spread::new(unit, rounds.iter().map(value).collect());
    // What must never be more is judged by the worst round, not by the one in the middle.
    let worst = |spread: Spread| Spread { whole: Some(spread.max()), ..spread };
    let figure = |name, what, spread, goal, kind| Figure { name, what, spread, goal, kind };
    let rate = of("per second", &|round| round.rate);
    let mut notes = vec![
        format!(
            "{RATE} changes a second were asked for, in a zone of 48 namespaces that enforces and one of 16 that observes"
        ),
        format!("{statuses} different statuses were seen; the operator had {:.0} MiB at most", peak / 1024.0),
        format!(
            "at rest {} changes were made that mean nothing for any zone",
            rounds.iter().map(|round| round.meaningless).sum::<usize>()
        ),
    ];
    if rate.median() < f64::from(RATE) * 0.99 {
        notes.push("the API server did not take more changes than that on this machine".to_string());
    }
    let settled = rounds.iter().flat_map(|round| round.settled.iter().copied()).collect();
    Group {
        figures: vec![
            figure("changes_per_s", "changes that the API server took", rate, Goal::None, Kind::Timed),
            figure(
                "most_in_a_second",
                "the most writes of one status in any second, whenever it begins: the worst round",
                worst(of("writes", &|round| round.writes.most_in_a_second() as f64)),
                Goal::AtMost(1.0),
                Kind::Untimed,
            ),
            figure(
                "writes_per_s",
                "writes of the status that was written most, per second of the storm",
                of("per second", &|round| round.writes.most() as f64 / round.seconds),
                Goal::None,
                Kind::Timed,
            ),
            figure(
                "closest_s",
                "the least time between two writes of one status",
                of("s", &|round| round.writes.closest()),
                Goal::None,
                Kind::Timed,
            ),
            figure(
                "largest_bytes",
                "the largest status that was seen, as JSON",
                Spread::new("bytes", vec![largest as f64]),
                Goal::AtMost(BOUND),
                Kind::Untimed,
            ),
            figure(
                "settled_s",
                "last change acknowledged → the status that says so seen in a watch",
                Spread::new("s", settled),
                Goal::None,
                Kind::Timed,
            ),
            figure(
                "writes_at_rest",
                "writes of any status while only changes happen that mean nothing",
                of("writes", &|round| round.at_rest.all() as f64),
                Goal::Exactly(0.0),
                Kind::Untimed,
            ),
        ],
        cpu: rounds.last().map(|round| round.cpu),
        notes,
        ..Group::new("status")
    }
}
