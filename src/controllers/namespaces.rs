//! Keeps the policies and the label of every namespace.

use std::sync::Arc;

use k8s_openapi::{api::core::v1::Namespace, jiff::Timestamp};
use kube::runtime::controller::Action;

use super::{
    error::Error,
    hub::NamespacePlan,
    repair::{Context, Planned},
};

/// Brings a namespace to what its zone declares.
pub async fn reconcile(namespace: Arc<Namespace>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.applier.may_write() {
        return Ok(Action::await_change());
    }
    let NamespacePlan { due, writes, fingerprint, next } = context.hub.plan_namespace(&namespace, Timestamp::now());
    context.carry_out(Planned { due, writes: &writes, fingerprint, next, owner: &namespace.metadata }).await
}
