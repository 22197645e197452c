//! Arms a zone with our finalizer before anything is protected, and disarms it when nothing is left.

use std::{sync::Arc, time::Duration};

use kube::{ResourceExt, core::DynamicObject};

use super::{
    error::Error,
    queue::Action,
    repair::{Context, later},
};
use crate::engine::{
    arming::{Arming, arming},
    snapshot::ZoneRecord,
};

/// How soon it is looked again for what is left of a zone.
const LEFT_OVERS: Duration = Duration::from_secs(5);

/// Keeps the finalizer of a zone.
pub async fn reconcile(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let name = object.name_any();
    let record = ZoneRecord::read(object.as_ref().clone());
    let armed = record.is_armed();
    let needed = context.hub.resolved(|resolution, _| Some(arming(resolution.zone(&name)?, armed)));
    match needed.unwrap_or(Arming::Nothing) {
        Arming::Arm => context.applier.set_finalizer(&record, true).await?,
        // On a store that is behind, "nothing is left" would mean nothing.
        Arming::Disarm { .. } if !context.hub.deaf().is_empty() => return Ok(Action::requeue(LEFT_OVERS)),
        Arming::Disarm { deleting } if context.applier.has_left_overs(&name, deleting).await? => {
            return Ok(Action::requeue(LEFT_OVERS));
        }
        Arming::Disarm { .. } => context.applier.set_finalizer(&record, false).await?,
        Arming::Nothing => {}
    }
    Ok(later(&name, None))
}
