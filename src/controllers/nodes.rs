//! Keeps the label and the taint of every zone node.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;

use super::{error::Error, plans, queue::Action, repair::Context};

/// Brings a node to what its zone declares.
pub async fn reconcile(node: Arc<Node>, context: Arc<Context>) -> Result<Action, Error> {
    let planned = plans::node(&context.hub, &node);
    context.carry_out(planned, &node.metadata).await
}
