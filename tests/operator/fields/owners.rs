//! An owner on a policy of ours, with garbage collection at work.

use k8s_openapi::api::{core::v1::ConfigMap, networking::v1::NetworkPolicy};
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::json;

use crate::support::{Bed, zone};

async fn set_owner(bed: &Bed, uid: &str) {
    let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": uid });
    let patch = format!("--patch={}", json!({ "metadata": { "ownerReferences": [owner] } }));
    bed.kubectl(&["patch", "networkpolicy", "--namespace=vault", "pcizone-baseline", "--type=merge", &patch]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_collection_takes_no_policy_away_for_good() {
    let bed = Bed::with_controllers().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let declared = bed.policies("vault").get("pcizone-baseline").await.unwrap();
    let is_ours = |policy: Option<&NetworkPolicy>| {
        policy.is_some_and(|policy| policy.owner_references().is_empty() && policy.spec == declared.spec)
    };

    // With an owner that exists the policy would go together with it.
    bed.kubectl(&["create", "configmap", "--namespace=vault", "theirs"]).await;
    let theirs: Api<ConfigMap> = Api::namespaced(bed.client.clone(), "vault");
    set_owner(&bed, &theirs.get("theirs").await.unwrap().uid().unwrap()).await;
    bed.until("nobody owns it", bed.policies("vault"), "pcizone-baseline", is_ours).await;
    theirs.delete("theirs", &DeleteParams::foreground()).await.unwrap();
    bed.until_gone(theirs, "theirs").await;
    assert_eq!(bed.policies("vault").get("pcizone-baseline").await.unwrap().uid(), declared.uid());

    // With one that does not exist it goes at once, or is freed before.
    set_owner(&bed, "00000000-0000-0000-0000-000000000000").await;
    bed.until("it is there, and nobody owns it", bed.policies("vault"), "pcizone-baseline", is_ours).await;
    bed.until_ready("cde").await;
}
