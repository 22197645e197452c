//! What the turns of one cluster come to. Pure.

use std::collections::BTreeMap;

use super::{
    Turn,
    bed::Way,
    load::{Place, Sample},
};
use crate::bench::{
    figure::{Figure, Goal, Kind},
    group::Group,
    meter::Cpu,
    stats::{Spread, apart, apart_in_proportion, interleaved_differences, interleaved_ratios, percentile},
};

/// The turns of one cluster. There is one more without guards.
struct Turns<'a> {
    without: &'a [Turn],
    with: &'a [Turn],
}

impl Turns<'_> {
    /// A figure of each turn, with and without.
    fn of(&self, value: impl Fn(&Turn) -> f64) -> (Vec<f64>, Vec<f64>) {
        (self.with.iter().map(&value).collect(), self.without.iter().map(&value).collect())
    }

    /// Milliseconds more than without guards.
    fn added(&self, name: &'static str, what: &'static str, goal: Goal, value: impl Fn(&Turn) -> f64) -> Figure {
        let (with, without) = self.of(value);
        let spread = Spread::new("ms", interleaved_differences(&with, &without));
        Figure { name, what, spread, goal, kind: Kind::ComparedWith(Spread::new("ms", without)) }
    }

    /// As a multiple of what it is without guards.
    fn ratio(&self, name: &'static str, what: &'static str, goal: Goal, value: impl Fn(&Turn) -> f64) -> Figure {
        let (with, without) = self.of(value);
        let spread = Spread::new("×", interleaved_ratios(&with, &without));
        Figure { name, what, spread, goal, kind: Kind::ComparedWith(Spread::new("ms per pod", without)) }
    }
}

pub(super) fn group(way: Way, bindings: usize, without: &[Turn], with: &[Turn]) -> Group {
    let turns = Turns { without, with };
    let mut figures = in_zone(&turns);
    figures.extend(outside(&turns));
    let all = |turns: &[Turn]| sum(turns.iter().flat_map(|turn| turn.zone.iter().chain(&turn.outside)));
    let mut notes = vec![
        format!(
            "{bindings} objects of the zone make its guards act; {} turns with them, {} without",
            with.len(),
            without.len()
        ),
        "each turn with them is compared with the mean of the two around it; the floor is the same without them"
            .to_string(),
    ];
    notes.extend(costs(with));
    let name = match way {
        Way::Policies => "admission_policies",
        Way::Webhook => {
            notes.push(webhook(with));
            "admission_webhook"
        }
    };
    Group { figures, cpu: Some(all(with)), floor_cpu: Some(all(without)), notes, ..Group::new(name) }
}

fn in_zone(turns: &Turns) -> Vec<Figure> {
    let added = |name, what, goal, clients, percent| {
        turns.added(name, what, goal, move |turn| latency(&turn.zone, clients, percent))
    };
    let (one, eight, many) = ("1 client, by its clock", "8 clients, by their clocks", "32 clients, by their clocks");
    let requests = |turn: &Turn, of: fn(&Sample) -> f64| find(&turn.zone, 1).map_or(f64::NAN, of);
    vec![
        added("p50_added_ms", "creation of a pod in the zone: 1 client, by its clock", Goal::AtMost(1.0), 1, 50.0),
        added("p99_added_ms", one, Goal::None, 1, 99.0),
        turns.ratio(
            "cpu_ratio",
            "CPU time of the API server per pod in the zone, over all numbers of clients",
            Goal::AtMost(1.25),
            |turn| cpu_per_pod(&turn.zone),
        ),
        turns.ratio(
            "cpu_ratio_32",
            "the same with 32 clients alone, for whom the server never waits",
            Goal::None,
            |turn| find(&turn.zone, 32).map_or(f64::NAN, |sample| cpu_per_pod(std::slice::from_ref(sample))),
        ),
        added("p50_added_ms_8", eight, Goal::None, 8, 50.0),
        added("p99_added_ms_8", eight, Goal::None, 8, 99.0),
        added("p50_added_ms_32", many, Goal::None, 32, 50.0),
        added("p99_added_ms_32", many, Goal::None, 32, 99.0),
        turns.added("server_mean_added_ms", "1 client, by the API server: the whole request", Goal::None, |turn| {
            requests(turn, |sample| sample.served.requests.mean() * 1000.0)
        }),
        turns.added("server_p50_added_ms", "the same, interpolated in its buckets", Goal::None, |turn| {
            requests(turn, |sample| sample.served.requests.percentile(50.0) * 1000.0)
        }),
        turns.added("server_p99_added_ms", "the same, interpolated in its buckets", Goal::None, |turn| {
            requests(turn, |sample| sample.served.requests.percentile(99.0) * 1000.0)
        }),
        turns.added(
            "plugins_mean_added_ms",
            "1 client: time in the admission plugins of the guards",
            Goal::None,
            |turn| requests(turn, |sample| in_plugins(sample) * 1000.0),
        ),
    ]
}

/// Whoever creates pods elsewhere is to notice nothing.
fn outside(turns: &Turns) -> Vec<Figure> {
    let cpu = |turn: &Turn| cpu_per_pod(&turn.outside);
    let p50 = |turn: &Turn| latency(&turn.outside, 1, 50.0);
    let (_, cpu_without) = turns.of(cpu);
    let (_, p50_without) = turns.of(p50);
    vec![
        turns.ratio(
            "outside_cpu_ratio",
            "CPU time of the API server per pod outside the zone",
            Goal::Unseen { value: 1.0, apart: apart_in_proportion(&cpu_without) },
            cpu,
        ),
        turns.added(
            "outside_p50_added_ms",
            "creation of a pod outside the zone: 1 client, by its clock",
            Goal::Unseen { value: 0.0, apart: apart(&p50_without) },
            p50,
        ),
    ]
}

fn find(samples: &[Sample], clients: usize) -> Option<&Sample> {
    samples.iter().find(|sample| sample.clients == clients)
}

fn latency(samples: &[Sample], clients: usize, percent: f64) -> f64 {
    find(samples, clients).map_or(f64::NAN, |sample| percentile(&sample.times, percent))
}

#[expect(clippy::cast_precision_loss, reason = "some thousand")]
fn pods<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> f64 {
    samples.into_iter().map(|sample| sample.times.len()).sum::<usize>() as f64
}

fn sum<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Cpu {
    samples.into_iter().fold(Cpu::default(), |all, sample| all.and(sample.cpu))
}

/// Milliseconds, over all numbers of clients together.
fn cpu_per_pod(samples: &[Sample]) -> f64 {
    sum(samples).apiserver * 1000.0 / pods(samples)
}

/// Seconds per creation of a pod.
fn in_plugins(sample: &Sample) -> f64 {
    sample.served.plugins.values().map(|plugin| plugin.sum).sum::<f64>() / pods([sample])
}

/// What creations took, for people.
pub(super) fn line(place: Place, samples: &[Sample]) -> String {
    let of_each = samples.iter().map(|sample| {
        let (p50, p99) = (percentile(&sample.times, 50.0), percentile(&sample.times, 99.0));
        let cpu = cpu_per_pod(std::slice::from_ref(sample));
        format!("{} clients p50 {p50:.2} ms, p99 {p99:.2} ms, API server {cpu:.2} ms CPU", sample.clients)
    });
    format!("{}, per pod: {}", place.text(), of_each.collect::<Vec<_>>().join("; "))
}

/// Where the time goes: in plugins, and in policies that patch.
fn costs(with: &[Turn]) -> Vec<String> {
    let micros = |seconds: f64, pods: f64| format!("{:.0} µs", seconds * 1e6 / pods);
    let mut notes = Vec::new();
    for place in [Place::Zone, Place::Outside] {
        let samples: Vec<&Sample> =
            with.iter().flat_map(|turn| turn.at(place)).filter(|sample| sample.clients == 1).collect();
        let pods = pods(samples.iter().copied());
        let (mut plugins, mut policies) = (BTreeMap::<&str, f64>::new(), BTreeMap::<&str, f64>::new());
        for sample in samples {
            for (name, taken) in &sample.served.plugins {
                *plugins.entry(name).or_default() += taken.sum;
            }
            for (name, taken) in &sample.served.policies {
                *policies.entry(name).or_default() += taken.sum;
            }
        }
        let plugins = plugins.iter().map(|(name, seconds)| format!("{name} {}", micros(*seconds, pods)));
        notes.push(format!("per pod {}, 1 client: {}", place.text(), plugins.collect::<Vec<_>>().join(", ")));
        let policies = policies.iter().filter(|(_, seconds)| **seconds > 0.0);
        let policies: Vec<_> = policies.map(|(name, seconds)| format!("{name} {}", micros(*seconds, pods))).collect();
        if !policies.is_empty() {
            notes.push(format!("of that in mutating policies that patch: {}", policies.join(", ")));
        }
    }
    notes
}

fn webhook(with: &[Turn]) -> String {
    let samples = || with.iter().flat_map(|turn| &turn.zone);
    let alone = samples().filter(|sample| sample.clients == 1);
    let means: Vec<f64> = alone.map(|sample| sample.served.webhook.mean() * 1000.0).collect();
    format!(
        "a call of the webhook takes {:.2} ms with 1 client; the operator uses {:.2} ms of CPU per pod in the zone",
        percentile(&means, 50.0),
        sum(samples()).operator * 1000.0 / pods(samples())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{admission::served::Served, figure::judge};

    /// One client took so many milliseconds for each of ten pods, and the API server so many of CPU for each.
    fn turn(zone: (f64, f64), outside: (f64, f64)) -> Turn {
        let samples = |(latency, cpu): (f64, f64)| {
            let cpu = Cpu { apiserver: cpu * 10.0 / 1000.0, ..Cpu::default() };
            vec![Sample { clients: 1, times: vec![latency; 10], cpu, served: Served::default() }]
        };
        Turn { zone: samples(zone), outside: samples(outside) }
    }

    #[test]
    fn each_turn_with_guards_is_compared_with_those_around_it() {
        let without = [turn((2.0, 1.0), (2.0, 1.0)), turn((2.2, 1.1), (2.2, 1.1)), turn((2.0, 1.0), (2.1, 1.0))];
        let with = [turn((3.1, 1.26), (2.15, 1.05)), turn((3.1, 1.26), (2.35, 1.25))];
        let group = group(Way::Policies, 13, &without, &with);
        let figure = |name: &str| group.figures.iter().find(|figure| figure.name == name).unwrap();
        for (name, wanted, reached) in [
            ("p50_added_ms", 1.0, Some(true)),
            ("cpu_ratio", 1.2, Some(true)),
            ("outside_p50_added_ms", 0.125, Some(true)),
            ("outside_cpu_ratio", 1.095, Some(true)),
        ] {
            let found = figure(name);
            assert!((found.spread.median() - wanted).abs() < 1e-3, "{name} {:?}", found.spread);
            assert_eq!(judge(found, None, None).reached, reached, "{name}");
        }
        assert!(figure("p50_added_ms_8").spread.median().is_nan(), "not measured");
        assert_eq!(figure("p50_added_ms").floor(None), Some(&Spread::new("ms", vec![2.0, 2.2, 2.0])));
        assert_eq!(group.floor, None);
    }
}
