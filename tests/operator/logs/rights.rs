//! Without the component of logs the operator says which it is, and does everything else.

use super::{SINK, bed, install_component, until_forwarding, until_found, zone};
use crate::support::{is, message};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_component_the_zone_says_so_and_everything_else_is_in_place() {
    let mut bed = bed().await;
    bed.start_operator().await;
    bed.apply(&zone("cde", "[checkout, vault]", SINK, "{kind: VictoriaLogs, url: \"https://logs.example.com\"}")).await;
    let refused = bed.until_zone("cde", "it says what is missing", |zone| is(zone, "Ready", "WriteRefused")).await;
    let why = message(&refused, "Ready");
    assert!(why.contains("may not list ConfigMaps") && why.contains("deploy/kustomize/components/logs"), "{why}");
    let why = until_found(&bed, "cde", "WriteRefused", "PciZone/cde").await;
    assert!(why.contains("Pods get no forwarder") && why.contains("deploy/kustomize/components/logs"), "{why}");
    for namespace in ["checkout", "vault"] {
        bed.until_policy(namespace, "pcizone-baseline").await;
        let labels = bed.namespace(namespace).await.metadata.labels.unwrap_or_default();
        assert_eq!(labels.get("pcizone.dev/zone").map(String::as_str), Some("cde"), "{labels:?}");
    }
    bed.until("the node is the zone's", bed.nodes(), "pci-1", |node| {
        let taints = node.and_then(|node| node.spec.as_ref()?.taints.as_ref());
        taints.is_some_and(|taints| taints.iter().any(|taint| taint.key.contains("pcizone")))
    })
    .await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    // It is found without a restart.
    install_component(&bed).await;
    until_forwarding(&bed, "vault").await;
    bed.until_ready("cde").await;
}
