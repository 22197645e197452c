//! The operator is killed while everything is in place, and started again under the same name.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::bench::{
    bed::Bed,
    counts,
    figure::{Figure, Goal, Kind},
    group::Group,
    meter::Cpu,
    phases::memory::Peak,
    progress,
    stats::Spread,
    subject::Subject,
};

/// So long it is watched for writes, once it leads.
const WATCHED: Duration = Duration::from_secs(3);

/// Leaves an operator running. Gives the peaks of memory too.
pub(in crate::bench) async fn measure(
    bed: &mut Bed,
    mut subject: Subject,
    rounds: usize,
) -> Result<(Group, Subject, Vec<Peak>)> {
    let (mut ready, mut leads, mut writes, mut reads, mut peaks) = (vec![], vec![], vec![], vec![], vec![]);
    let mut did = "protect, steady";
    let (mut cpu, mut requests, mut floor) = (None, None, vec![]);
    for _ in 0..rounds {
        progress::step("Kill the operator and start it again");
        floor.push(bed.bare.read_all().await?);
        bed.log.begin(&bed.admin).await?;
        peaks.push((did, subject.kill()?.peak));
        did = "restart";
        let before = Cpu::now(&bed.cluster, None)?;
        let (started, start) = Subject::start(&bed.cluster).await?;
        subject = started;
        sleep(WATCHED).await;
        cpu = Some(Cpu::now(&bed.cluster, Some(subject.id()))?.since(before));
        let events = bed.log.end(&bed.admin).await?;
        progress::note(&format!("ready after {:.2} s, leads after {:.2} s", start.ready, start.leads));
        ready.push(start.ready);
        leads.push(start.leads);
        #[expect(clippy::cast_precision_loss, reason = "few")]
        writes.push(counts::count(&events, counts::is_operators_write) as f64);
        #[expect(clippy::cast_precision_loss, reason = "few")]
        reads.push(counts::count(&events, counts::is_operators_read) as f64);
        requests = Some(counts::by_user(&events));
    }
    let group = Group {
        figures: vec![
            Figure {
                name: "writes",
                what: "writes of the operator, besides its Lease",
                spread: Spread::new("requests", writes),
                goal: Goal::Exactly(0.0),
                kind: Kind::Untimed,
            },
            Figure {
                name: "ready_s",
                what: "start of the process → /readyz says 200",
                spread: Spread::new("s", ready),
                goal: Goal::AtMost(3.0),
                kind: Kind::Timed,
            },
            Figure {
                name: "leads_s",
                what: "start of the process → it may write",
                spread: Spread::new("s", leads),
                goal: Goal::None,
                kind: Kind::Timed,
            },
            Figure {
                name: "reads",
                what: "lists, page by page, and objects read",
                spread: Spread::new("requests", reads),
                goal: Goal::None,
                kind: Kind::Untimed,
            },
        ],
        floor: Some(Spread::new("s", floor)),
        cpu,
        requests,
        notes: vec![
            "the floor is the time in which the bare client lists all namespaces, nodes and policies".to_string(),
        ],
        ..Group::new("restart")
    };
    Ok((group, subject, peaks))
}
