//! The CRD is deleted with all zones, and everything is restored from a backup under new UIDs.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::{Value, json};

use crate::support::{Bed, zone};

const CRD: &str = "pcizones.pcizone.dev";

fn crds(bed: &Bed) -> Api<CustomResourceDefinition> {
    Api::all(bed.client.clone())
}

/// A zone as a backup tool restores it: without what the API server gives, with everything else.
async fn backup(bed: &Bed) -> Value {
    let mut zone = bed.raw("/apis/pcizone.dev/v1alpha1/pcizones/cde").await;
    let metadata = zone["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| ["name", "annotations", "labels", "finalizers"].contains(&key.as_str()));
    assert_eq!(metadata["finalizers"], json!(["pcizone.dev/protection"]));
    zone
}

/// Deletes the CRD, and takes the finalizers off by force.
async fn lose(bed: &Bed) {
    crds(bed).delete(CRD, &DeleteParams::default()).await.unwrap();
    bed.until("the zone is being deleted", bed.zones(), "cde", |zone| {
        zone.is_some_and(|zone| zone.metadata.deletion_timestamp.is_some())
    })
    .await;
    bed.kubectl(&["patch", "pz", "cde", "--type=merge", r#"--patch={"metadata":{"finalizers":null}}"#]).await;
    bed.until_gone(crds(bed), CRD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_operator_protection_stays_and_the_restored_zone_takes_it_over() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    let uid = bed.until_ready("cde").await.uid();
    let (protected, backup) = (bed.surroundings().await, backup(&bed).await);
    bed.stop_operator().await;
    lose(&bed).await;
    assert_eq!(bed.surroundings().await, protected);
    bed.install().await;
    bed.start_operator().await;
    bed.operator().until_synced().await;
    bed.apply(&backup.to_string()).await;
    assert_ne!(bed.until_ready("cde").await.uid(), uid);
    assert_eq!(bed.surroundings().await, protected, "not a write was needed");
    bed.is_repaired("vault", "pcizone-baseline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_running_operator_protection_stays_and_the_restored_zone_takes_it_over() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    let uid = bed.until_ready("cde").await.uid();
    let (protected, backup) = (bed.surroundings().await, backup(&bed).await);
    lose(&bed).await;
    assert_eq!(bed.surroundings().await, protected);
    bed.install().await;
    bed.apply(&backup.to_string()).await;
    assert_ne!(bed.until_ready("cde").await.uid(), uid);
    assert_eq!(bed.surroundings().await, protected, "not a write was needed");
    bed.is_repaired("vault", "pcizone-baseline").await;
}
