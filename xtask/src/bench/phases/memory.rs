//! Memory of the operator. The slope per pod comes from fresh processes before and after the pods are there; the peak
//! is the highest of all processes of the run, each with everything watched.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::bench::{
    bed::Bed,
    figure::{Figure, Goal, Kind},
    group::Group,
    progress,
    stats::{Spread, percentile},
    subject::Subject,
};

/// Fresh processes of which the median is taken.
const STARTS: usize = 3;

/// Memory of fresh processes, in KiB.
pub(in crate::bench) struct Sample {
    resident: Vec<f64>,
    peak: Vec<f64>,
}

pub(in crate::bench) async fn sample(bed: &Bed, what: &str) -> Result<Sample> {
    progress::step(&format!("Memory of the operator {what}"));
    let mut sample = Sample { resident: Vec::new(), peak: Vec::new() };
    for _ in 0..STARTS {
        let (subject, _) = Subject::start(&bed.cluster).await?;
        sample.resident.push(subject.settled_memory().await?.resident);
        sample.peak.push(subject.stop().await?.peak);
    }
    progress::note(&format!("{:.1} MiB resident", percentile(&sample.resident, 50.0) / 1024.0));
    Ok(sample)
}

/// The highest memory of a process that did something, in KiB.
pub(in crate::bench) type Peak = (&'static str, f64);

/// `in_place` is in KiB too, of a process with the zone in place.
#[expect(clippy::cast_precision_loss, reason = "some thousand pods")]
pub(in crate::bench) fn group(
    [small, without, with]: [&Sample; 3],
    pods: usize,
    in_place: f64,
    peaks: &[Peak],
) -> Group {
    let slope = |with: f64, without: f64| (with - without) * 1024.0 / pods as f64;
    let slopes = with.resident.iter().zip(&without.resident).map(|(with, without)| slope(*with, *without)).collect();
    let fresh = without.peak.iter().chain(&with.peak).map(|peak| ("start", *peak));
    let mut highest: BTreeMap<&str, f64> = BTreeMap::new();
    for (phase, peak) in peaks.iter().copied().chain(fresh) {
        let known = highest.entry(phase).or_insert(peak);
        *known = known.max(peak);
    }
    let of_each = highest.iter().map(|(phase, peak)| format!("{phase} {:.1} MiB", peak / 1024.0));
    let of_each = format!("highest memory by what the process did: {}", of_each.collect::<Vec<_>>().join(", "));
    let highest = highest.into_values().fold(f64::NAN, f64::max);
    let mib = |kib: &[f64]| kib.iter().map(|kib| kib / 1024.0).collect();
    Group {
        figures: vec![
            Figure {
                name: "peak_mib",
                what: "highest resident memory of any operator process of the run (VmHWM)",
                spread: Spread::new("MiB", vec![highest / 1024.0]),
                goal: Goal::AtMost(48.0),
                kind: Kind::Untimed,
            },
            Figure {
                name: "bytes_per_pod",
                what: "resident memory with all pods less that without pods, for each pod",
                spread: Spread::new("B", slopes),
                goal: Goal::None,
                kind: Kind::Untimed,
            },
            Figure {
                name: "fresh_mib",
                what: "resident memory of a fresh process with no policy in the cluster",
                spread: Spread::new("MiB", mib(&with.resident)),
                goal: Goal::None,
                kind: Kind::Untimed,
            },
            Figure {
                name: "in_place_mib",
                what: "resident memory of a process with the zone in place, at rest",
                spread: Spread::new("MiB", vec![in_place / 1024.0]),
                goal: Goal::None,
                kind: Kind::Untimed,
            },
        ],
        floor: Some(Spread::new("MiB", mib(&small.resident))),
        notes: vec![
            "the floor is what the program itself needs: resident memory of a fresh process in the small cluster"
                .to_string(),
            "the operator does not watch pods yet: bytes_per_pod is the noise between two processes".to_string(),
            of_each,
        ],
        ..Group::new("memory")
    }
}
