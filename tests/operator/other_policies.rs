//! Policies of kinds that may not be installed.

use std::time::Duration;

use crate::support::{Bed, ask_for, zone};

/// A kind that comes is found within a minute.
const COMES: Duration = Duration::from_secs(150);
const CRD: &str = "---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: clusternetworkpolicies.policy.networking.k8s.io
  annotations: {api-approved.kubernetes.io: 'unapproved, for a test'}
spec:
  group: policy.networking.k8s.io
  scope: Cluster
  names: {kind: ClusterNetworkPolicy, listKind: ClusterNetworkPolicyList, plural: clusternetworkpolicies, singular: clusternetworkpolicy}
  versions:
  - name: v1alpha2
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
const POLICY: &str = "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: monitoring}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: vault}}}
  ingress: [{action: Accept, from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: storefront}}}]}]
";

async fn until_found(bed: &Bed, what: &str, wanted: bool) {
    ask_for(COMES, what, async || {
        let zone = bed.zone("cde").await;
        let findings = zone.status.map(|status| status.top_findings).unwrap_or_default();
        let is_found = findings.iter().any(|finding| {
            finding.id == "ClusterPolicyOverridesDeny" && finding.subject == "ClusterNetworkPolicy/monitoring"
        });
        if is_found == wanted { Ok(()) } else { Err(format!("{findings:#?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_installed_and_taken_away_while_the_operator_runs_is_judged_as_long_as_it_is_there() {
    let mut bed = Bed::without_operator().await;
    bed.shop().await;
    bed.start_operator().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.apply(CRD).await;
    bed.kubectl(&["wait", "--for=condition=Established", "crd/clusternetworkpolicies.policy.networking.k8s.io"]).await;
    bed.apply(POLICY).await;
    until_found(&bed, "the policy of the new kind is found", true).await;
    // Now that it is watched, a change is seen at once.
    bed.kubectl(&["delete", "clusternetworkpolicy", "monitoring"]).await;
    until_found(&bed, "the policy is gone", false).await;
    bed.apply(POLICY).await;
    until_found(&bed, "the policy is found again", true).await;
    bed.kubectl(&["delete", "crd", "clusternetworkpolicies.policy.networking.k8s.io"]).await;
    until_found(&bed, "the kind is gone, and its policy with it", false).await;
    bed.until_ready("cde").await;
}
