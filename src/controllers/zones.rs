//! Arms a zone with our finalizer before anything is protected, and disarms it when nothing is left.

use std::{sync::Arc, time::Duration};

use kube::{ResourceExt, core::DynamicObject};

use super::{
    error::Error,
    queue::Action,
    repair::{Context, later},
};
use crate::engine::snapshot::ZoneRecord;

/// How soon it is looked again for what is left of a zone.
const LEFT_OVERS: Duration = Duration::from_secs(5);

enum Need {
    Arm,
    Disarm { deleting: bool },
    Nothing,
}

/// Keeps the finalizer of a zone.
pub async fn reconcile(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let name = object.name_any();
    let record = ZoneRecord::read(object.as_ref().clone());
    let need = context.hub.resolved(|resolution, _| {
        let zone = resolution.zone(&name)?;
        let declaration = zone.declaration.as_deref()?;
        let enforces = zone.wanted_namespaces().is_some() || zone.wanted_nodes().is_some();
        Some(match (record.is_armed(), enforces) {
            (false, true) => Need::Arm,
            (true, false) if !zone.is_leaving() => Need::Disarm { deleting: declaration.deleting },
            (true | false, _) => Need::Nothing,
        })
    });
    match need.unwrap_or(Need::Nothing) {
        Need::Arm => context.applier.set_finalizer(&record, true).await?,
        // On a store that is behind, "nothing is left" would mean nothing.
        Need::Disarm { .. } if !context.hub.deaf().is_empty() => return Ok(Action::requeue(LEFT_OVERS)),
        Need::Disarm { deleting } if context.applier.has_left_overs(&name, deleting).await? => {
            return Ok(Action::requeue(LEFT_OVERS));
        }
        Need::Disarm { .. } => context.applier.set_finalizer(&record, false).await?,
        Need::Nothing => {}
    }
    Ok(later(&name, None))
}
