//! Replicas, and what is left when the operator is gone.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, ResourceExt};

use crate::support::{Bed, zone};

#[tokio::test(flavor = "multi_thread")]
async fn the_next_replica_takes_over_and_repairs() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let first = bed.take_operator();
    bed.start_operator().await;
    first.end().await;
    let old = bed.policies("vault").get("pcizone-baseline").await.unwrap().uid();
    bed.kubectl(&["delete", "networkpolicy", "--namespace=vault", "pcizone-baseline"]).await;
    let anew = |policy: Option<&NetworkPolicy>| policy.is_some_and(|policy| policy.uid() != old);
    bed.until("the baseline is back", bed.policies("vault"), "pcizone-baseline", anew).await;
}

/// The commands of docs/operations.md for a cluster whose operator is gone.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_operator_everything_can_be_removed_by_hand() {
    let mut bed = Bed::with_controllers().await;
    bed.shop().await;
    let labels = bed.namespace("vault").await.labels().clone();
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.stop_operator().await;

    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let commands = text.split("This opens the zones:\n```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let kubectl = bed.cluster.kubectl();
    let folder = kubectl.program().parent().unwrap().display().to_string();
    let status = tokio::process::Command::new("sh")
        .args(["-euc", commands])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()))
        .env("KUBECONFIG", bed.cluster.admin_kubeconfig())
        .status()
        .await
        .unwrap();
    assert!(status.success());

    let policies: Api<NetworkPolicy> = Api::all(bed.client.clone());
    let ours = kube::api::ListParams::default().labels("app.kubernetes.io/managed-by=pcizone");
    assert!(policies.list(&ours).await.unwrap().items.is_empty());
    assert_eq!(bed.namespace("vault").await.labels(), &labels);
    // The built-in controllers put labels and taints of their own on nodes.
    let now = bed.node("pci-1").await;
    assert!(!now.labels().contains_key("node-restriction.kubernetes.io/pcizone"));
    let taints = now.spec.and_then(|spec| spec.taints).unwrap_or_default();
    assert!(taints.iter().all(|taint| taint.key != "pcizone.dev/zone"), "{taints:?}");
    let left = bed.kubectl(&["get", "crd", "--output=name"]).await;
    assert!(!left.contains("pcizones"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_while_its_zone_changes_goes_away() {
    let bed = Bed::with_controllers().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.kubectl(&["delete", "namespace", "vault", "--wait=false"]).await;
    bed.apply(&zone("cde", "Enforce", "[checkout, storefront]")).await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(bed.client.clone());
    bed.until("the namespace is gone", namespaces, "vault", |namespace: Option<&_>| namespace.is_none()).await;
    let protected = |policy: Option<&NetworkPolicy>| policy.is_some();
    bed.until("the new member is protected", bed.policies("storefront"), "pcizone-baseline", protected).await;
    let refused =
        |event: &testbed::AuditEvent| event.verb == "create" && event.namespace == "vault" && event.code == 403;
    assert!(!bed.requests().iter().any(refused), "something was created in a terminating namespace");
}
