//! Nothing happens; what the operator asks for all the same.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::bench::{
    bed::Bed,
    counts,
    figure::{Figure, Goal, Kind},
    group::Group,
    meter::Cpu,
    progress,
    stats::Spread,
    subject::Subject,
};

pub(in crate::bench) async fn measure(bed: &mut Bed, subject: &Subject, during: Duration) -> Result<Group> {
    progress::step(&format!("Steady state for {} s", during.as_secs()));
    bed.log.begin(&bed.admin).await?;
    let before = Cpu::now(&bed.cluster, Some(subject.id()))?;
    sleep(during).await;
    let cpu = Cpu::now(&bed.cluster, Some(subject.id()))?.since(before);
    let events = bed.log.end(&bed.admin).await?;
    #[expect(clippy::cast_precision_loss, reason = "some thousand")]
    let number = |count: usize| vec![count as f64];
    Ok(Group {
        figures: vec![
            Figure {
                name: "writes",
                what: "writes of the operator, besides its Lease",
                spread: Spread::new("requests", number(counts::count(&events, counts::is_operators_write))),
                goal: Goal::Exactly(0.0),
                kind: Kind::Untimed,
            },
            Figure {
                name: "requests",
                what: "all requests of the operator, its Lease and renewed watches included",
                spread: Spread::new("requests", number(counts::count(&events, |event| event.user == counts::OPERATOR))),
                goal: Goal::None,
                kind: Kind::Untimed,
            },
            Figure {
                name: "cpu_percent",
                what: "of one core, by the operator",
                spread: Spread::new("%", vec![100.0 * cpu.operator / during.as_secs_f64()]),
                goal: Goal::None,
                kind: Kind::Untimed,
            },
        ],
        cpu: Some(cpu),
        requests: Some(counts::by_user(&events)),
        floor: Some(Spread::new("requests", vec![0.0])),
        notes: vec![format!("over {} s, in which a client with nothing to do writes nothing", during.as_secs())],
        ..Group::new("steady")
    })
}
