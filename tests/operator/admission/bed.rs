//! The sample shop under a zone that uses every guard.

use testbed::{Options, Version};

use crate::support::{Bed, flow};

/// A cluster whose zone `cde` is in place in this mode. Pods need no service account, since no controller makes them.
pub async fn guarded(mode: &str, version: Version) -> Bed {
    let mut bed = Bed::with(Options {
        version,
        audit: true,
        apiserver_args: vec!["--disable-admission-plugins=ServiceAccount".to_string()],
        ..Options::default()
    })
    .await;
    bed.shop().await;
    bed.kubectl(&["create", "namespace", "paylater"]).await;
    bed.kubectl(&["label", "namespace", "paylater", "team=payments"]).await;
    for (namespace, name) in [
        ("vault", "running"),
        ("storefront", "running"),
        ("vault", "pending"),
        ("storefront", "pending"),
        ("kube-system", "pending"),
    ] {
        bed.kubectl(&["run", name, "--namespace", namespace, "--image", "registry.example.com/main"]).await;
    }
    let lease =
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: node-1, namespace: kube-node-lease}\n";
    bed.apply(lease).await;
    bed.start_operator().await;
    bed.apply(&zone(mode)).await;
    bed.until_ready("cde").await;
    bed
}

fn zone(mode: &str) -> String {
    let flow = flow("checkout-to-vault", 8443);
    format!(
        "apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {{name: cde}}
spec:
  mode: {mode}
  scope: {{namespaces: {{names: [checkout, vault, later], selector: {{matchLabels: {{team: payments}}}}}}}}
  segmentation:
    flows:
{flow}    - name: shoppers
      need: Customers reach the checkout page from anywhere.
      owner: payments-team
      approvedBy: security@example.com
      ticket: PAY-1424
      reviewedAt: 2026-10-01T00:00:00Z
      expiresAt: 2099-04-01T00:00:00Z
      from: {{internet: true}}
      to: {{namespace: checkout, podSelector: {{matchLabels: {{app: checkout}}}}}}
      ports: [{{port: 8443}}]
    - name: acquirer
      need: Checkout sends payments to the acquirer for settlement.
      owner: payments-team
      approvedBy: security@example.com
      ticket: PAY-1425
      reviewedAt: 2026-10-01T00:00:00Z
      expiresAt: 2099-04-01T00:00:00Z
      from: {{namespace: checkout}}
      to: {{cidrs: [203.0.113.0/28]}}
      ports: [{{port: 443}}]
  hosting:
    nodes: {{selector: {{matchLabels: {{node-restriction.kubernetes.io/pool: pci}}}}}}
    admits:
    - namespace: storefront
      workload: DaemonSet/sensor
      need: The runtime sensor watches every node of the zone.
      owner: security-team
      expiresAt: 2099-04-01T00:00:00Z
    - namespace: storefront
      workload: Deployment/agent.v1
      need: The backup agent reads the volumes of the zone.
      owner: security-team
      expiresAt: 2099-04-01T00:00:00Z
"
    )
}
