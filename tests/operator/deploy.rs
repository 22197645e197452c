//! What `deploy/` holds, as an API server with the built-in controllers takes it.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use kube::Api;

use crate::support::Bed;

/// Restricted Pod Security is enforced in the operator's namespace: a pod that does not fit is never created.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_gets_its_pods() {
    let bed = Bed::with_controllers().await;
    let deployments: Api<Deployment> = Api::namespaced(bed.client.clone(), "pcizone-system");
    let created = |status: &DeploymentStatus| {
        let fails = status.conditions.iter().flatten().any(|c| c.type_ == "ReplicaFailure");
        !fails && status.replicas == Some(2) && status.updated_replicas == Some(2)
    };
    bed.until("both pods are created", deployments, "pcizone", |deployment| {
        deployment.and_then(|deployment| deployment.status.as_ref()).is_some_and(created)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_overlay_is_accepted_without_a_warning() {
    let bed = Bed::without_operator().await;
    let overlay = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/overlays/example");
    let args = ["apply", "--kustomize", overlay, "--dry-run=server", "--warnings-as-errors", "--output=json"];
    let applied = bed.kubectl(&args).await;
    assert!(applied.contains("registry.example.com/platform/pcizone@sha256:"), "{applied}");
}
