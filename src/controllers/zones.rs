//! Arms a zone with our finalizer before anything is protected, keeps its guards, and disarms it when nothing is left.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, core::DynamicObject};

use super::{
    error::Error,
    plans::{self, Guarded},
    queue::Action,
    repair::{Context, later},
};
use crate::engine::{
    arming::{Arming, arming},
    due::Due,
    plan,
    snapshot::ZoneRecord,
};

/// How soon it is looked again for what is left of a zone.
const LEFT_OVERS: Duration = Duration::from_secs(5);
/// How soon it is asked again whether a policy is in force. No event tells.
const NOT_IN_FORCE: Duration = Duration::from_millis(150);

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
        Arming::Disarm { deleting } => {
            // What guards a zone that lets go would only be in the way.
            let again = guard(&name, &record, &context).await?;
            if context.applier.has_left_overs(&name, deleting, context.hub.mutates()).await? {
                return Ok(again.sooner(LEFT_OVERS));
            }
            context.applier.set_finalizer(&record, false).await?;
        }
        Arming::Nothing => return guard(&name, &record, &context).await,
    }
    context.succeed(&plan::zone_subject(&name));
    Ok(later(&name, None))
}

/// Keeps the guards of a zone, and sees whether they are in force.
async fn guard(name: &str, record: &ZoneRecord, context: &Context) -> Result<Action, Error> {
    let now = Timestamp::now();
    let Some(Guarded { planned, desired, digest }) = plans::guards(&context.hub, name, now) else {
        return Ok(later(name, None));
    };
    let protects = matches!(planned.due, Due::Protect(_));
    let ends = matches!(planned.due, Due::Clean);
    let is_written = planned.writes.is_empty();
    if !is_written {
        context.hub.in_force.note_changing(name);
    }
    let epoch = context.hub.in_force.epoch(name);
    let again = context.carry_out(planned, record.metadata()).await?;
    if !protects || !is_written {
        if ends {
            context.hub.in_force.forget(name);
        }
        return Ok(again);
    }
    if context.hub.in_force.is(name, &digest) {
        return Ok(again);
    }
    for guard in desired.iter() {
        if !context.applier.is_in_force(name, guard).await? {
            tracing::debug!(zone = name, guard = guard.subject(), "written, and not in force yet");
            return Ok(again.sooner(NOT_IN_FORCE));
        }
    }
    context.hub.in_force.note(name, digest, epoch);
    context.hub.enqueue_members(name);
    tracing::info!(zone = name, policies = desired.len() / 2, "the admission policies are in force");
    Ok(again)
}
