//! Keeps the policies and the label of every namespace.

use std::sync::Arc;

use k8s_openapi::{api::core::v1::Namespace, jiff::Timestamp};

use super::{error::Error, plans, queue::Action, repair::Context};

/// Brings a namespace to what its zone declares.
pub async fn reconcile(namespace: Arc<Namespace>, context: Arc<Context>) -> Result<Action, Error> {
    let planned = plans::namespace(&context.hub, &namespace, Timestamp::now());
    context.carry_out(planned, &namespace.metadata).await
}
