//! What admission costs whoever creates a pod: the same creations with all guards of a zone and without them.
//!
//! ```text
//!  without ─▶ with ─▶ without ─▶ … ─▶ without     each turn: 1, 8 and 32 clients, in the zone and outside
//! ```
//! Two clusters, one after the other: one places pods by mutating policies, the other by the operator's webhook.

mod bed;
mod figures;
mod guards;
mod histogram;
mod load;
mod objects;
mod served;

use anyhow::Result;

use super::{bed::within, group::Group, proc, progress, subject::Subject};
use bed::{Bed, Way};
use load::{Load, Place, Sample};

/// How large the clusters are, and how often everything is done.
pub(super) struct Size {
    pub(super) namespaces: usize,
    pub(super) nodes: usize,
    pub(super) rounds: usize,
    /// Pods of one client.
    pub(super) alone: usize,
    /// Pods of several clients.
    pub(super) together: usize,
}

impl Size {
    fn loads(&self) -> [Load; 3] {
        [
            Load { clients: 1, pods: self.alone },
            Load { clients: 8, pods: self.together },
            Load { clients: 32, pods: self.together },
        ]
    }
}

/// Opens all connections and fills caches. It is not counted.
const WARM_UP: Load = Load { clients: 32, pods: 96 };

/// What creations took while the guards were there, or were not.
struct Turn {
    zone: Vec<Sample>,
    outside: Vec<Sample>,
}

impl Turn {
    fn at(&self, place: Place) -> &[Sample] {
        match place {
            Place::Zone => &self.zone,
            Place::Outside => &self.outside,
        }
    }
}

/// `servers` and `others` are the cores of the API server with its etcd, and of everything else.
pub(super) async fn measure(size: &Size, servers: &[usize], others: &[usize]) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    for way in [Way::Policies, Way::Webhook] {
        progress::step(match way {
            Way::Policies => "Start and fill a cluster that places pods by policies",
            Way::Webhook => "Start and fill a cluster that places pods by the webhook",
        });
        proc::pin_self(servers)?;
        let bed = within(super::PHASE, "preparing the cluster for admission", Bed::start(way, size)).await?;
        proc::pin_self(others)?;
        groups.push(Box::pin(within(super::PHASE, "admission", turns(&bed, size))).await?);
    }
    Ok(groups)
}

async fn turns(bed: &Bed, size: &Size) -> Result<Group> {
    bed.protect(size).await?;
    let bindings = guards::count(bed).await?;
    let (mut without, mut with) = (vec![turn(bed, size, 0).await?], Vec::new());
    for _ in 0..size.rounds {
        with.push(turn(bed, size, bindings).await?);
        without.push(turn(bed, size, 0).await?);
    }
    Ok(figures::group(bed.way, bindings, &without, &with))
}

/// With so many bindings, or without any.
async fn turn(bed: &Bed, size: &Size, bindings: usize) -> Result<Turn> {
    let operator = if bindings > 0 {
        progress::step("Create pods with all guards");
        let (subject, _) = Subject::start(&bed.cluster).await?;
        guards::until(bed, bindings).await?;
        // Nothing but the webhook rests on it, and it would take time of its own.
        match bed.way {
            Way::Policies => {
                subject.stop().await?;
                None
            }
            Way::Webhook => Some(subject),
        }
    } else {
        progress::step("Create pods without guards (floor)");
        guards::take_away(bed).await?;
        guards::until(bed, bindings).await?;
        None
    };
    let id = operator.as_ref().map(Subject::id);
    let mut turn = Turn { zone: Vec::new(), outside: Vec::new() };
    for place in [Place::Zone, Place::Outside] {
        load::measure(bed, id, WARM_UP, place).await?;
    }
    for load in size.loads() {
        turn.zone.push(load::measure(bed, id, load, Place::Zone).await?);
        turn.outside.push(load::measure(bed, id, load, Place::Outside).await?);
    }
    for place in [Place::Zone, Place::Outside] {
        progress::note(&figures::line(place, turn.at(place)));
    }
    if let Some(subject) = operator {
        subject.stop().await?;
    }
    Ok(turn)
}
