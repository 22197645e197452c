//! Keeps the label and the taint of every zone node.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use kube::runtime::controller::Action;

use super::{
    error::Error,
    hub::NodePlan,
    repair::{Context, Planned},
};

/// Brings a node to what its zone declares.
pub async fn reconcile(node: Arc<Node>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.applier.may_write() {
        return Ok(Action::await_change());
    }
    let NodePlan { due, write, fingerprint } = context.hub.plan_node(&node);
    let writes = Vec::from_iter(write);
    context.carry_out(Planned { due, writes: &writes, fingerprint, next: None, owner: &node.metadata }).await
}
