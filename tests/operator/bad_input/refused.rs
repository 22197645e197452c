//! A write that the API server refuses keeps no other write back, and the status says which.

use crate::support::{Bed, FLOW_INGRESS, flow, is, is_current, message, zone};

const OTHER: &str = "pcizone-flow-tokens-to-vault-ingress";
const WHY: &str = "this policy is not wanted here";

/// Denies the creation of one policy, as an admission policy of the platform team might.
fn admission() -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: refuse}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: [networking.k8s.io], apiVersions: [v1], operations: [CREATE], resources: [networkpolicies]}}
  validations:
  - expression: object.metadata.name != '{FLOW_INGRESS}'
    message: {WHY}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: refuse}}
spec: {{policyName: refuse, validationActions: [Deny]}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_refused_keeps_no_other_back_and_is_named() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&admission()).await;
    let refused = format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {{podSelector: {{}}}},
          metadata: {{namespace: storefront, name: {FLOW_INGRESS}}}}}"
    );
    bed.until_accepted(&refused, false).await;

    let flows = flow("tokens-to-vault", 9443) + "  hosting:";
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]").replace("  hosting:", &flows)).await;
    bed.until_policy("vault", "pcizone-baseline").await;
    bed.until_policy("vault", OTHER).await;
    bed.until("the namespace is a member", bed.namespaces(), "vault", |namespace| {
        namespace.is_some_and(|namespace| kube::ResourceExt::labels(namespace).contains_key("pcizone.dev/zone"))
    })
    .await;
    let named = |zone: &pcizone::api::PciZone| {
        let message = message(zone, "Ready");
        is_current(zone)
            && is(zone, "Ready", "False")
            && is(zone, "Ready", "WriteRefused")
            && [FLOW_INGRESS, WHY].iter().all(|word| message.contains(word))
    };
    bed.until_zone("cde", "the refused policy is named", named).await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    bed.is_repaired("vault", OTHER).await;
    bed.end_soon("cde", 1).await;
    bed.until_gone(bed.policies("vault"), OTHER).await;
    let zone = bed.until_zone("cde", "the refused policy is still named", named).await;
    assert!(!is(&zone, "NetworkSegmented", "True"), "{}", message(&zone, "NetworkSegmented"));

    bed.kubectl(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "refuse"]).await;
    bed.until_policy("vault", FLOW_INGRESS).await;
    bed.until_ready("cde").await;
}
