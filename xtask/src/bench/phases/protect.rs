//! A zone is created; how long until all its namespaces are protected, and with which requests. Floor and operator
//! take turns: floor, operator, floor, and so on.

use std::time::Duration;

use anyhow::Result;
use testbed::AuditEvent;

use crate::bench::{
    bed::Bed,
    counts,
    figure::{Figure, Goal, Kind},
    group::Group,
    meter::Cpu,
    phases::memory::Peak,
    progress,
    stats::{Spread, interleaved_ratios},
    subject::Subject,
    zone,
};

/// The status is written at most once a second; so long is waited for the last.
const QUIET: Duration = Duration::from_secs(2);

struct Run {
    seconds: f64,
    cpu: Cpu,
    events: Vec<AuditEvent>,
}

/// Gives the figures and the peaks of memory.
pub(in crate::bench) async fn measure(bed: &mut Bed, rounds: usize) -> Result<(Group, Vec<Peak>)> {
    let mut floors = vec![floor(bed).await?];
    let (mut runs, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (run, peak) = operator(bed).await?;
        runs.push(run);
        peaks.push(("protect and release", peak));
        floors.push(floor(bed).await?);
    }
    let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    let floor_seconds: Vec<f64> = floors.iter().map(|(seconds, _)| *seconds).collect();
    #[expect(clippy::cast_precision_loss, reason = "some thousand")]
    let per_namespace = |is: &dyn Fn(&AuditEvent) -> bool| {
        let counts = runs.iter().map(|run| counts::count(&run.events, is) as f64 / bed.namespaces.len() as f64);
        Spread::new("per namespace", counts.collect())
    };
    #[expect(clippy::cast_precision_loss, reason = "some thousand")]
    let gets = runs.iter().map(|run| counts::count(&run.events, is_get) as f64).collect();
    let exactly = |name, what, is: &dyn Fn(&AuditEvent) -> bool| Figure {
        name,
        what,
        spread: per_namespace(is),
        goal: Goal::Exactly(1.0),
        kind: Kind::Untimed,
    };
    let group = Group {
        figures: vec![
            Figure {
                name: "ratio",
                what: "zone acknowledged → label of the last namespace acknowledged ÷ floor",
                spread: Spread::new("× floor", interleaved_ratios(&seconds, &floor_seconds)),
                goal: Goal::AtMost(1.25),
                kind: Kind::Compared,
            },
            exactly("policy_writes_per_namespace", "writes to NetworkPolicies", &|event| {
                counts::is_operators_write(event) && event.resource == "networkpolicies"
            }),
            exactly("label_writes_per_namespace", "writes to namespaces", &|event| {
                counts::is_operators_write(event) && event.resource == "namespaces"
            }),
            Figure {
                name: "gets",
                what: "objects read one by one, besides the Lease",
                spread: Spread::new("requests", gets),
                goal: Goal::Exactly(0.0),
                kind: Kind::Untimed,
            },
            Figure {
                name: "seconds",
                what: "the same in seconds; says something of this machine only",
                spread: Spread::new("s", seconds),
                goal: Goal::None,
                kind: Kind::Timed,
            },
        ],
        floor: Some(Spread::new("s", floor_seconds)),
        cpu: runs.last().map(|run| run.cpu),
        floor_cpu: floors.last().map(|(_, cpu)| *cpu),
        requests: runs.last().map(|run| counts::by_user(&run.events)),
        ..Group::new("protect")
    };
    Ok((group, peaks))
}

fn is_get(event: &AuditEvent) -> bool {
    counts::is_operators(event) && event.verb == "get"
}

/// The same writes by the bare client, while no operator runs.
async fn floor(bed: &Bed) -> Result<(f64, Cpu)> {
    progress::step("Protect all namespaces by the bare client (floor)");
    let before = Cpu::now(&bed.cluster, None)?;
    let seconds = bed.bare.protect(&bed.namespaces).await?;
    let cpu = Cpu::now(&bed.cluster, None)?.since(before);
    progress::note(&format!("{seconds:.2} s"));
    bed.bare.unprotect(&bed.namespaces).await?;
    Ok((seconds, cpu))
}

async fn operator(bed: &mut Bed) -> Result<(Run, f64)> {
    progress::step("Protect all namespaces by the operator");
    let (subject, _) = Subject::start(&bed.cluster).await?;
    bed.log.begin(&bed.admin).await?;
    let before = Cpu::now(&bed.cluster, Some(subject.id()))?;
    let seconds = zone::protect(bed).await?;
    let cpu = Cpu::now(&bed.cluster, Some(subject.id()))?.since(before);
    progress::note(&format!("{seconds:.2} s"));
    // What it writes too much may come a moment later.
    let limit = zone::patience(bed.namespaces.len());
    bed.log.until_quiet(limit, QUIET, "writes of the operator", counts::is_operators_write).await?;
    let events = bed.log.end(&bed.admin).await?;
    zone::remove(bed).await?;
    let peak = subject.stop().await?.peak;
    Ok((Run { seconds, cpu, events }, peak))
}

/// Creates the zone for the phases that need it, and waits until nothing is written any more.
pub(in crate::bench) async fn set_up(bed: &mut Bed) -> Result<Subject> {
    let (subject, _) = Subject::start(&bed.cluster).await?;
    bed.log.begin(&bed.admin).await?;
    zone::protect(bed).await?;
    let limit = zone::patience(bed.namespaces.len());
    bed.log.until_quiet(limit, QUIET, "writes of the operator", counts::is_operators_write).await?;
    Ok(subject)
}
