//! Another operator begins: until it knows the configurations, pods get what they got.

use std::time::Duration;

use serde_json::Value;

use super::{COMPONENT, SINK, bed, install_component, make, until_forwarding, until_found, zone};
use crate::support::{Bed, ask};

const NAME: &str = "pcizone-cde-logs";

/// UID, version and content of the policy and its binding.
async fn policy(bed: &Bed) -> Vec<Value> {
    let mut both = Vec::new();
    for kind in ["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"] {
        let mut object = bed.raw(&format!("/apis/admissionregistration.k8s.io/v1/{kind}/{NAME}")).await;
        object["metadata"]["managedFields"].take();
        both.push(object);
    }
    both
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_stays_until_the_new_operator_knows_the_configurations() {
    let mut bed = bed().await;
    install_component(&bed).await;
    bed.start_operator().await;
    let place = "{kind: VictoriaLogs, url: \"https://logs.example.com\"}";
    bed.apply(&zone("cde", "[checkout, vault]", SINK, place)).await;
    bed.until_ready("cde").await;
    let first = until_forwarding(&bed, "vault").await;
    let before = policy(&bed).await;

    // The next one cannot list them at all, which is as long as it can take.
    bed.stop_operator().await;
    bed.kubectl(&["delete", "--filename", COMPONENT]).await;
    bed.start_operator().await;
    bed.operator().until_leading().await;
    let why = until_found(&bed, "cde", "WriteRefused", "PciZone/cde").await;
    assert!(why.contains("may not list ConfigMaps"), "{why}");
    // Whoever deletes what protects has the operator look at all of it again.
    bed.is_repaired("vault", "pcizone-baseline").await;
    assert_eq!(policy(&bed).await, before, "it was written or made anew");
    let pod = make(&bed, "vault", "meanwhile").await;
    assert_eq!(super::configuration(&pod).as_deref(), Some(first.as_str()));
    // What the zone declares now is nowhere yet, so pods get what is there.
    bed.apply(&zone("cde", "[checkout, vault]", "https://otlp.example.com:4319", place)).await;
    until_found(&bed, "cde", "LogEgressBlocked", "PciZone/cde/siem").await;
    bed.is_repaired("checkout", "pcizone-baseline").await;
    assert_eq!(policy(&bed).await, before, "it names what is not there yet");

    install_component(&bed).await;
    let second = ask("pods get the new configuration", async || {
        let now = until_forwarding(&bed, "vault").await;
        if now == first { Err(now) } else { Ok(now) }
    })
    .await;
    // A change and no new object: there was no moment without one.
    let after = policy(&bed).await;
    assert_eq!(after[0]["metadata"]["uid"], before[0]["metadata"]["uid"]);
    assert!(after[0].to_string().contains(&second), "{}", after[0]);
    // A restart with all rights writes nothing.
    bed.stop_operator().await;
    let before = policy(&bed).await;
    bed.start_operator().await;
    bed.operator().until_leading().await;
    let reads = |series: &str| format!("pcizone_api_requests_total{{method=\"GET\",resource=\"{series}\"");
    bed.operator().until_metric(&reads("configmaps"), |read| read > 0).await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    bed.until_ready("cde").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(policy(&bed).await, before);
}
