//! Other people's labels, annotations, taints, policies and finalizers: never touched, and never in our way.

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::ResourceExt;
use serde_json::Value;

use crate::support::{Bed, FLOW_EGRESS, FLOW_INGRESS, zone};

const HOLD: &str = "example.com/hold";
const THEIRS: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: theirs, namespace: vault, labels: {example.com/team: blue}}
spec: {podSelector: {matchLabels: {app: probe}}, policyTypes: [Ingress]}
";

/// Everything that was there is there.
fn keeps(now: &Value, before: &Value) -> bool {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            before.iter().all(|(key, before)| now.get(key).is_some_and(|now| keeps(now, before)))
        }
        (Value::Array(now), Value::Array(before)) => {
            before.iter().all(|before| now.iter().any(|now| keeps(now, before)))
        }
        _ => now == before,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_put_there_is_never_touched() {
    let bed = Bed::start().await;
    bed.shop().await;
    for object in [["namespace", "vault"], ["node", "pci-1"]] {
        bed.kubectl(&[&["label"], &object[..], &["example.com/team=blue"]].concat()).await;
        bed.kubectl(&[&["annotate"], &object[..], &["example.com/note=kept"]].concat()).await;
    }
    bed.kubectl(&["taint", "node", "pci-1", "example.com/other=kept:NoExecute"]).await;
    bed.apply(THEIRS).await;
    let before = bed.surroundings().await;
    let are_kept = async |when: &str| {
        let now = bed.surroundings().await;
        for (object, before) in &before {
            assert!(keeps(&now[object], before), "{when}: {object} was {before}, is {}", now[object]);
        }
    };

    let metadata = format!("{{name: cde, finalizers: [{HOLD}], annotations: {{example.com/note: kept}}}}");
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]").replace("{name: cde}", &metadata)).await;
    bed.until_ready("cde").await;
    are_kept("after protection").await;

    bed.is_repaired("vault", "pcizone-baseline").await;
    bed.kubectl(&["label", "namespace", "vault", "pcizone.dev/zone-"]).await;
    bed.kubectl(&["taint", "node", "pci-1", "pcizone.dev/zone-"]).await;
    let labelled =
        |namespace: Option<&Namespace>| namespace.is_some_and(|ns| ns.labels().contains_key("pcizone.dev/zone"));
    bed.until("the label is back", bed.namespaces(), "vault", labelled).await;
    let tainted = |node: Option<&Node>| {
        let mut taints = node.iter().flat_map(|node| node.spec.iter().flat_map(|spec| spec.taints.iter().flatten()));
        taints.any(|taint| taint.key == "pcizone.dev/zone")
    };
    bed.until("the taint is back", bed.nodes(), "pci-1", tainted).await;
    are_kept("after repair").await;

    bed.kubectl(&["delete", "pz", "cde", "--wait=false"]).await;
    bed.confirm("cde").await;
    let zone = bed.until_zone("cde", "only the foreign finalizer is left", |zone| zone.finalizers() == [HOLD]).await;
    assert_eq!(zone.annotations()["example.com/note"], "kept");
    assert_eq!(bed.surroundings().await, before);
    bed.kubectl(&["patch", "pz", "cde", "--type=merge", r#"--patch={"metadata":{"finalizers":null}}"#]).await;
    bed.until_gone(bed.zones(), "cde").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_closes_at_its_end_although_somebody_holds_its_policy() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let finalizers = |list: &str| format!(r#"--patch={{"metadata":{{"finalizers":{list}}}}}"#);
    let hold = finalizers(&format!(r#"["{HOLD}"]"#));
    bed.kubectl(&["patch", "networkpolicy", "--namespace=vault", FLOW_INGRESS, "--type=merge", &hold]).await;
    bed.end_soon("cde", 0).await;
    bed.until_gone(bed.policies("checkout"), FLOW_EGRESS).await;
    // Network plug-ins go by the spec; that the object is being deleted means nothing to them.
    let allows_nothing = |policy: Option<&NetworkPolicy>| {
        policy.and_then(|policy| policy.spec.as_ref()).is_some_and(|spec| {
            spec.ingress.iter().flatten().next().is_none() && spec.egress.iter().flatten().next().is_none()
        })
    };
    bed.until("the held policy allows nothing", bed.policies("vault"), FLOW_INGRESS, allows_nothing).await;
    let release = finalizers("null");
    bed.kubectl(&["patch", "networkpolicy", "--namespace=vault", FLOW_INGRESS, "--type=merge", &release]).await;
    bed.until_gone(bed.policies("vault"), FLOW_INGRESS).await;
    bed.until_ready("cde").await;
}
