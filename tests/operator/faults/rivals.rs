//! Others who write the same objects: a GitOps tool that insists, and a second operator.

use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use testbed::{ControlPlane, config_from};
use tokio::time::{MissedTickBehavior, interval};

use crate::support::{Bed, FLOW_EGRESS, FLOW_INGRESS, OPERATOR, Operator, ask, evidence, zone};

const RIVAL: &str = "argocd-controller";
const ROUNDS: usize = 15;

/// A client that the audit log tells apart.
async fn client(cluster: &ControlPlane, user: &str) -> Client {
    let kubeconfig = cluster.user_kubeconfig(user, &["system:masters"]).unwrap();
    Client::try_from(config_from(&kubeconfig).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_puts_his_own_version_back_every_second_is_answered_each_time_and_named() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let declared = bed.policies("vault").get("pcizone-baseline").await.unwrap();
    let before = bed.writes().await.len();
    let rival: Api<NetworkPolicy> = Api::namespaced(client(&bed.cluster, "rival").await, "vault");
    let (force, unforced) = (
        PatchParams::apply(RIVAL).force(),
        PatchParams { field_manager: Some(RIVAL.into()), ..PatchParams::default() },
    );
    let open = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "pcizone-baseline" },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}] },
    });
    let misnamed = json!({ "metadata": { "labels": { "pcizone.dev/flow": "mine" } } });
    let nobodys = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "Helm" } } });
    let elsewhere: Api<NetworkPolicy> = Api::namespaced(client(&bed.cluster, "rival").await, "checkout");
    let begun = Instant::now();

    let mut every_second = interval(Duration::from_secs(1));
    every_second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..ROUNDS {
        every_second.tick().await;
        rival.patch("pcizone-baseline", &force, &Patch::Apply(&open)).await.unwrap();
        rival.patch(FLOW_INGRESS, &unforced, &Patch::Merge(&misnamed)).await.unwrap();
        elsewhere.patch(FLOW_EGRESS, &unforced, &Patch::Merge(&nobodys)).await.unwrap();
        bed.until("the flow's policy says whose it is", bed.policies("checkout"), FLOW_EGRESS, |policy| {
            policy.is_some_and(|policy| policy.labels()["app.kubernetes.io/managed-by"] == "pcizone")
        })
        .await;
        bed.until("the default deny is back", bed.policies("vault"), "pcizone-baseline", |policy| {
            policy.is_some_and(|policy| policy.spec == declared.spec)
        })
        .await;
    }

    let writes = bed.writes().await.split_off(before);
    let to = |name: &str| writes.iter().filter(|write| write.ends_with(&format!("/{name}"))).count();
    assert_eq!(to("pcizone-baseline"), ROUNDS, "one answer to each");
    assert_eq!(to(FLOW_EGRESS), ROUNDS, "by its label it is found when it has to go");
    // What protects nothing is put back five times in a row, and then once a minute.
    let most = 6 + usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    assert!((5..=most).contains(&to(FLOW_INGRESS)), "{} answers about a label", to(FLOW_INGRESS));
    let zone = bed
        .until_zone("cde", "the rival is named", |zone| {
            let subject = "NetworkPolicy/vault/pcizone-baseline";
            evidence(zone, "ManagedObjectTampered", subject).is_some_and(|text| text.contains(RIVAL))
        })
        .await;
    let findings = zone.status.unwrap().top_findings;
    let tampered = findings.iter().find(|finding| finding.id == "ManagedObjectTampered").unwrap();
    assert_eq!(format!("{:?}", tampered.severity), "Critical");
}

/// What an operator needs in a namespace of its own.
const SECOND_LEASE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: second, namespace: second-system}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, patch]}
- {apiGroups: [''], resources: [secrets], verbs: [get, list, watch, create, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: second, namespace: second-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: second}
subjects: [{kind: ServiceAccount, name: pcizone, namespace: pcizone-system}]
";

#[tokio::test(flavor = "multi_thread")]
async fn two_that_both_lead_write_the_same_and_come_to_rest() {
    let mut bed = Bed::without_operator().await;
    bed.shop().await;
    let before = bed.shape().await;
    // The lease keeps two from working at once; here each has one of its own.
    bed.kubectl(&["create", "namespace", "second-system"]).await;
    bed.apply(SECOND_LEASE).await;
    let clean = {
        bed.start_operator().await;
        let inside = life(&bed).await;
        bed.stop_operator().await;
        inside
    };
    let alone = bed.carried_out_by(&[OPERATOR]).await.len();

    bed.start_operator().await;
    let config = bed.operator_config().await;
    let other = Operator::start_in("second-system", config, "second".to_string());
    bed.operator().until_leading().await;
    other.until_leading().await;
    other.until_synced().await;
    let both = life(&bed).await;
    assert_eq!(both, clean);
    other.end().await;
    bed.stop_operator().await;
    let together = bed.carried_out_by(&[OPERATOR]).await.len() - alone;
    assert!(together <= 2 * alone, "{together} writes of two, {alone} of one");
    let mut after = bed.shape().await;
    after.remove("Namespace/second-system");
    assert_eq!(after, before);
}

/// A zone from its creation to its end; what was in the cluster in between.
async fn life(bed: &Bed) -> std::collections::BTreeMap<String, serde_json::Value> {
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    for policy in ["pcizone-baseline", FLOW_INGRESS] {
        bed.is_repaired("vault", policy).await;
    }
    bed.until_ready("cde").await;
    let inside = bed.shape().await;
    // At rest: what is looked at again is not written again.
    let versions = bed.surroundings().await;
    bed.kubectl(&["annotate", "pz", "cde", "example.com/look=again"]).await;
    bed.kubectl(&["label", "namespace", "storefront", "example.com/look=again"]).await;
    bed.kubectl(&["label", "namespace", "storefront", "example.com/look-"]).await;
    bed.until_ready("cde").await;
    assert_eq!(bed.surroundings().await, versions);
    bed.zones().delete("cde", &DeleteParams::default()).await.unwrap();
    bed.confirm("cde").await;
    bed.until_gone(bed.zones(), "cde").await;
    ask("nothing is left", async || {
        let left = bed.traces().await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    inside
}
