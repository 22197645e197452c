//! All baseline policies are deleted at once; how long until all are back, as a multiple of the floor.
//!
//! "At once" takes seconds, so the operator is paused meanwhile and goes on when the last is gone. It is paused just
//! after it renewed its lease: were it paused for longer than the lease lasts, its renewal would be measured too, and
//! then the output says so.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use pcizone::api::names;
use testbed::AuditEvent;

use crate::bench::{
    bed::Bed,
    counts,
    figure::{Figure, Goal, Kind},
    group::Group,
    meter::Cpu,
    objects,
    phases::memory::Peak,
    progress,
    stats::{Spread, interleaved_ratios},
    subject::Subject,
    zone,
};

/// The operator renews its lease every ten seconds; twice that is waited for.
const RENEWAL: Duration = Duration::from_secs(20);
/// How long the lease lasts, less a second for the renewal.
const LEASE: f64 = 14.0;
const QUIET: Duration = Duration::from_secs(2);

struct Run {
    seconds: f64,
    paused: f64,
    cpu: Cpu,
    events: Vec<AuditEvent>,
}

/// Takes the operator that runs, and leaves another one. Gives the peaks of memory too.
pub(in crate::bench) async fn measure(
    bed: &mut Bed,
    subject: Subject,
    rounds: usize,
) -> Result<(Group, Subject, Vec<Peak>)> {
    let mut peaks = vec![("restart, repair", subject.stop().await?.peak)];
    let mut floors = vec![floor(bed).await?];
    let mut runs = Vec::new();
    for _ in 0..rounds {
        let (mut subject, _) = Subject::start(&bed.cluster).await?;
        runs.push(all_at_once(bed, &mut subject).await?);
        peaks.push(("bulk repair", subject.stop().await?.peak));
        floors.push(floor(bed).await?);
    }
    let (subject, _) = Subject::start(&bed.cluster).await?;
    let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    #[expect(clippy::cast_precision_loss, reason = "some thousand")]
    let writes =
        runs.iter().map(|run| counts::count(&run.events, counts::is_protective) as f64 / bed.namespaces.len() as f64);
    let late = runs.iter().filter(|run| run.paused > LEASE).count();
    let mut notes: Vec<String> = runs.iter().map(|run| format!("paused for {:.1} s", run.paused)).collect();
    if late > 0 {
        notes
            .push(format!("in {late} of {rounds} runs that was longer than the lease lasts: they include its renewal"));
    }
    let group = Group {
        figures: vec![
            Figure {
                name: "ratio",
                what: "operator goes on → the last creation acknowledged ÷ floor",
                spread: Spread::new("× floor", interleaved_ratios(&seconds, &floors)),
                goal: Goal::AtMost(1.3),
                kind: Kind::Compared,
            },
            Figure {
                name: "writes",
                what: "writes that protect",
                spread: Spread::new("per namespace", writes.collect()),
                goal: Goal::Exactly(1.0),
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
        floor: Some(Spread::new("s", floors)),
        cpu: runs.last().map(|run| run.cpu),
        requests: runs.last().map(|run| counts::by_user(&run.events)),
        notes,
        ..Group::new("bulk_repair")
    };
    Ok((group, subject, peaks))
}

/// As many creations by the bare client, while no operator runs.
async fn floor(bed: &Bed) -> Result<f64> {
    progress::step("Create a policy in all namespaces by the bare client (floor)");
    let seconds = bed.bare.create_stand_ins(&bed.namespaces).await?;
    progress::note(&format!("{seconds:.2} s"));
    bed.bare.delete_policies(&bed.namespaces, objects::STAND_IN).await?;
    Ok(seconds)
}

async fn all_at_once(bed: &mut Bed, subject: &mut Subject) -> Result<Run> {
    progress::step("Delete all baseline policies, and have the operator put them back");
    let limit = zone::patience(bed.namespaces.len());
    bed.log.until_quiet(limit, QUIET, "writes of the operator", counts::is_operators_write).await?;
    bed.log.begin(&bed.admin).await?;
    let renewal = |event: &AuditEvent| {
        event.user == counts::OPERATOR && event.resource == "leases" && event.verb == "patch" && event.code < 300
    };
    bed.log.until(RENEWAL, "that the operator renews its lease", renewal).await?;
    subject.pause()?;
    let paused = Instant::now();
    bed.bare.delete_policies(&bed.namespaces, names::BASELINE).await?;
    let before = Cpu::now(&bed.cluster, Some(subject.id()))?;
    let (paused, resumed) = (paused.elapsed().as_secs_f64(), Timestamp::now());
    subject.resume()?;
    let mut missing: BTreeSet<String> = bed.namespaces.iter().cloned().collect();
    let last = bed.log.until(limit, "that every policy is back", |event| {
        let creates = counts::is_operators_write(event) && event.resource == "networkpolicies" && event.code < 300;
        creates && event.verb == "create" && missing.remove(&event.namespace) && missing.is_empty()
    });
    let seconds = last.await?.completed.0.duration_since(resumed).as_secs_f64();
    let cpu = Cpu::now(&bed.cluster, Some(subject.id()))?.since(before);
    progress::note(&format!("{seconds:.2} s, after a pause of {paused:.1} s"));
    bed.log.until_quiet(limit, QUIET, "writes of the operator", counts::is_operators_write).await?;
    let events = bed.log.end(&bed.admin).await?;
    Ok(Run { seconds, paused, cpu, events })
}
