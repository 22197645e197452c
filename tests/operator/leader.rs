//! Several replicas: one writes, and it stops when the lease is not its own any more.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    jiff::Timestamp,
};
use kube::Api;
use serde_json::json;

use crate::support::{Bed, Operator, zone};

const NAMESPACES: &str = r#"pcizone_reconciles_total{controller="namespaces""#;

fn leases(bed: &Bed) -> Api<Lease> {
    Api::namespaced(bed.client.clone(), "pcizone-system")
}

/// The holder of the lease; empty if nobody holds it.
fn holder(lease: Option<&Lease>) -> &str {
    let spec: Option<&LeaseSpec> = lease.and_then(|lease| lease.spec.as_ref());
    spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

async fn until_held_by(bed: &Bed, identity: &str) {
    let what = format!("the lease is held by {identity:?}");
    bed.until(&what, leases(bed), "pcizone", |lease| lease.is_some() && holder(lease) == identity).await;
}

/// A cluster with a zone in place, a replica that leads and one that follows and knows the cluster.
async fn two_replicas() -> (Bed, Operator) {
    let mut bed = Bed::start().await;
    bed.operator().until_leading().await;
    let leader = bed.take_operator();
    bed.start_operator().await;
    bed.operator().until_synced().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    (bed, leader)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_only_the_leader_writes() {
    let (bed, leader) = two_replicas().await;
    let follower = bed.operator();
    // Both look; the status is written by the judgement, the rest by the controllers.
    follower.until_metric(NAMESPACES, |looks| looks > 0).await;
    follower.looks_after(NAMESPACES, bed.is_repaired("vault", "pcizone-baseline")).await;
    until_held_by(&bed, &leader.identity).await;
    assert_eq!((leader.metric("pcizone_leading").await, follower.metric("pcizone_leading").await), (1, 0));
    for resource in ["networkpolicies", "namespaces", "nodes", "pcizones", "events"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let series = format!(r#"pcizone_api_requests_total{{method="{method}",resource="{resource}""#);
            assert_eq!(follower.metric(&series).await, 0, "{series}");
        }
    }
    assert!(leader.metric("pcizone_writes_total").await > 0);
    assert_eq!(follower.metric("pcizone_writes_total").await, 0);
    let creations =
        |writes: Vec<String>| writes.iter().filter(|write| write.starts_with("create networkpolicies/")).count();
    assert_eq!(creations(bed.writes().await), 5, "four policies, and one anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_lease_is_taken_stops_writing() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let take = async || {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let spec = json!({ "holderIdentity": "rival", "renewTime": now, "leaseDurationSeconds": 3600 });
        let patch = format!("--patch={}", json!({ "spec": spec }));
        bed.kubectl(&["patch", "lease", "--namespace=pcizone-system", "pcizone", "--type=merge", &patch]).await;
    };
    take().await;
    bed.operator().until_metric("pcizone_leading", |leading| leading == 0).await;
    // The rival renews its lease.
    take().await;
    let writes = async || bed.requests().await.into_iter().filter(testbed::AuditEvent::is_write).count();
    let before = writes().await;
    let policies = ["--namespace=vault", "pcizone-baseline"];
    bed.operator().looks_after(NAMESPACES, bed.kubectl(&[&["delete", "networkpolicy"], &policies[..]].concat())).await;
    assert_eq!(writes().await, before);
    assert!(!bed.policy_names("vault").await.contains(&"pcizone-baseline".to_string()));
    assert_eq!(bed.operator().metric("pcizone_leading").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_lease_is_created_again_and_writing_goes_on() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.kubectl(&["delete", "lease", "--namespace=pcizone-system", "pcizone"]).await;
    until_held_by(&bed, &bed.operator().identity).await;
    bed.operator().until_leading().await;
    bed.is_repaired("vault", "pcizone-baseline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_ends_gives_its_lease_back_and_the_next_takes_over() {
    let (bed, leader) = two_replicas().await;
    until_held_by(&bed, &leader.identity).await;
    let ended = async {
        let identity = leader.identity.clone();
        leader.end().await;
        // A process that ended gives nothing back any more.
        assert_ne!(holder(leases(&bed).get_opt("pcizone").await.unwrap().as_ref()), identity);
    };
    tokio::join!(until_held_by(&bed, ""), ended);
    until_held_by(&bed, &bed.operator().identity).await;
    bed.operator().until_leading().await;
    bed.is_repaired("vault", "pcizone-baseline").await;
}
