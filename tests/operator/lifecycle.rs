//! Installation, and uninstallation in every order of docs/operations.md: nothing opens by accident, nothing stays.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::Value;

use crate::support::{BASE, Bed, waits, zone};

const CRD: &str = "pcizones.pcizone.dev";

/// A cluster with a zone in place, and how it was before the zone.
async fn protected() -> (Bed, BTreeMap<String, Value>) {
    let bed = Bed::with_controllers().await;
    bed.shop().await;
    let before = bed.surroundings().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    assert_ne!(bed.surroundings().await, before, "what a comparison would see");
    (bed, before)
}

fn crds(bed: &Bed) -> Api<CustomResourceDefinition> {
    Api::all(bed.client.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_first_and_then_the_operator_leaves_nothing() {
    let (mut bed, before) = protected().await;
    bed.kubectl(&["delete", "pz", "cde", "--wait=false"]).await;
    bed.confirm("cde").await;
    bed.until_gone(bed.zones(), "cde").await;
    assert_eq!(bed.surroundings().await, before);
    bed.stop_operator().await;
    assert_ne!(bed.deployed().await, "", "what is looked for below");
    bed.kubectl(&["delete", "--kustomize", BASE]).await;
    assert_eq!(bed.deployed().await, "");
    assert_eq!(bed.surroundings().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crd_first_waits_for_confirmation_and_then_leaves_nothing() {
    let (mut bed, before) = protected().await;
    bed.kubectl(&["delete", "crd", CRD, "--wait=false"]).await;
    bed.confirm("cde").await;
    bed.until_gone(crds(&bed), CRD).await;
    assert_eq!(bed.surroundings().await, before);
    bed.stop_operator().await;
    bed.kubectl(&["delete", "--kustomize", BASE, "--ignore-not-found"]).await;
    assert_eq!(bed.deployed().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_first_opens_nothing_and_its_return_finishes_the_work() {
    let (mut bed, before) = protected().await;
    let protected = bed.surroundings().await;
    bed.kubectl(&["delete", "--kustomize", BASE, "--wait=false"]).await;
    // In a cluster with kubelets its pods end now.
    bed.stop_operator().await;
    bed.until_gone(bed.namespaces(), "pcizone-system").await;
    let is_deleted =
        |crd: Option<&CustomResourceDefinition>| crd.is_some_and(|crd| crd.metadata.deletion_timestamp.is_some());
    bed.until("the CRD waits for the zone", crds(&bed), CRD, is_deleted).await;
    assert_eq!(bed.surroundings().await, protected);

    bed.install().await;
    bed.start_operator().await;
    bed.until_zone("cde", "the deletion waits", waits).await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    bed.confirm("cde").await;
    bed.until_gone(crds(&bed), CRD).await;
    assert_eq!(bed.surroundings().await, before);
    bed.stop_operator().await;
    bed.kubectl(&["delete", "--kustomize", BASE, "--ignore-not-found"]).await;
    assert_eq!(bed.deployed().await, "");
}

/// The commands of docs/operations.md for a cluster whose operator is gone.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_operator_everything_can_be_removed_by_hand() {
    let (mut bed, before) = protected().await;
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
    assert_eq!(bed.surroundings().await, before);
    assert_eq!(bed.deployed().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_while_its_zone_changes_goes_away() {
    let (bed, _) = protected().await;
    bed.kubectl(&["delete", "namespace", "vault", "--wait=false"]).await;
    bed.apply(&zone("cde", "Enforce", "[checkout, storefront]")).await;
    bed.until_gone(bed.namespaces(), "vault").await;
    bed.until_policy("storefront", "pcizone-baseline").await;
    let refused =
        |event: &testbed::AuditEvent| event.verb == "create" && event.namespace == "vault" && event.code == 403;
    assert!(!bed.requests().await.iter().any(refused), "something was created in a terminating namespace");
}
