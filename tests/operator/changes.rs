//! Nothing opens by accident: changes that take protection away wait for confirmation.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt, api::DeleteParams};

use crate::support::{Bed, is, waits, zone};

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_leaves_only_when_that_is_confirmed() {
    let bed = Bed::start().await;
    bed.shop().await;
    let before = bed.namespace("vault").await.labels().clone();
    let (both, one) = (zone("cde", "Enforce", "[checkout, vault]"), zone("cde", "Enforce", "[checkout]"));
    bed.apply(&both).await;
    bed.until_ready("cde").await;

    bed.apply(&one).await;
    bed.until_zone("cde", "the change waits", waits).await;
    let wrong = ["annotate", "pz", "cde", "pcizone.dev/confirm-change=sha256:wrong"];
    let looks = r#"pcizone_reconciles_total{controller="namespaces""#;
    bed.operator().looks_after(looks, bed.kubectl(&wrong)).await;
    bed.until_zone("cde", "the change still waits", waits).await;
    assert!(bed.policy_names("vault").await.contains(&"pcizone-baseline".to_string()));
    assert_eq!(bed.namespace("vault").await.labels()["pcizone.dev/zone"], "cde");

    bed.confirm("cde").await;
    bed.until_zone("cde", "the change is counted", |zone| {
        zone.status.as_ref().is_some_and(|s| s.confirmed_changes == 1)
    })
    .await;
    bed.until_ready("cde").await;
    assert!(bed.policy_names("vault").await.is_empty());
    assert_eq!(bed.namespace("vault").await.labels(), &before);

    // The old confirmation is still on the zone; it does not confirm the same change a second time.
    bed.apply(&both).await;
    bed.until_ready("cde").await;
    bed.apply(&one).await;
    bed.until_zone("cde", "the change waits again", waits).await;
    assert!(bed.policy_names("vault").await.contains(&"pcizone-baseline".to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_enforce_waits_and_then_leaves_nothing() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.apply(&zone("cde", "Observe", "[checkout, vault]")).await;
    bed.until_zone("cde", "the change waits", waits).await;
    assert!(bed.policy_names("vault").await.contains(&"pcizone-baseline".to_string()));
    bed.confirm("cde").await;
    let zone = bed
        .until_zone("cde", "the zone only observes", |zone| {
            is(zone, "Ready", "Observing") && zone.finalizers().is_empty()
        })
        .await;
    assert!(zone.status.unwrap().plan.is_some());
    assert_eq!(bed.traces().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_deleted_while_the_operator_is_down_opens_nothing_until_confirmed() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.stop_operator().await;
    bed.zones().delete("cde", &DeleteParams::default()).await.unwrap();
    bed.start_operator().await;
    bed.until_zone("cde", "the deletion waits", waits).await;
    assert!(bed.policy_names("vault").await.contains(&"pcizone-baseline".to_string()));
    bed.confirm("cde").await;
    bed.until_gone(bed.zones(), "cde").await;
    assert_eq!(bed.traces().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_crd_removes_no_protection() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let crds: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    crds.delete("pcizones.pcizone.dev", &DeleteParams::default()).await.unwrap();
    bed.until_zone("cde", "the deletion waits", waits).await;
    // It is not only there still: it is still repaired.
    bed.is_repaired("vault", "pcizone-baseline").await;
    assert_eq!(bed.namespace("vault").await.labels()["pcizone.dev/zone"], "cde");
}
