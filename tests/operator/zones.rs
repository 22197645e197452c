//! A zone from `kubectl apply` to status, and what keeps it.

use k8s_openapi::api::{core::v1::Namespace, networking::v1::NetworkPolicy};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use pcizone::api::names;
use serde_json::json;
use testbed::create_node;

use crate::support::{Bed, FLOW_EGRESS, FLOW_INGRESS, evidence, is, is_current, message, zone, zone_of};

const TAMPERED: &str = "ManagedObjectTampered";

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_is_protected_with_the_fewest_writes() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    let ready = bed.until_ready("cde").await;
    assert!(is(&ready, "NetworkSegmented", "True") && is(&ready, "NodesDedicated", "True"));
    assert!(is(&ready, "Compliant", "False"), "nobody confirmed the scope");
    assert!(message(&ready, "Compliant").starts_with("ScopeConfirmationOverdue"));

    let baseline = bed.policies("vault").get("pcizone-baseline").await.unwrap();
    let expected = json!({
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{
            "to": [{
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }],
            "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
        }],
    });
    assert_eq!(serde_json::to_value(baseline.spec).unwrap(), expected);
    assert_eq!(bed.policy_names("checkout").await, ["pcizone-baseline", "pcizone-flow-checkout-to-vault-egress"]);
    assert_eq!(bed.policy_names("vault").await, ["pcizone-baseline", "pcizone-flow-checkout-to-vault-ingress"]);
    assert!(bed.policy_names("storefront").await.is_empty());
    assert_eq!(bed.namespace("vault").await.labels()["pcizone.dev/zone"], "cde");
    assert!(!bed.namespace("storefront").await.labels().contains_key("pcizone.dev/zone"));
    let node = bed.node("pci-1").await;
    assert_eq!(node.labels()["node-restriction.kubernetes.io/pcizone"], "cde");
    let taints = node.spec.unwrap().taints.unwrap();
    assert!(
        taints
            .iter()
            .any(|t| t.key == "pcizone.dev/zone" && t.value.as_deref() == Some("cde") && t.effect == "NoSchedule")
    );
    assert!(!bed.node("node-1").await.labels().contains_key("node-restriction.kubernetes.io/pcizone"));

    bed.stop_operator().await;
    let (mut guards, mut writes): (Vec<_>, Vec<_>) =
        bed.writes().await.into_iter().partition(|write| write.contains("admissionpolic"));
    writes.sort();
    // Each once, and nothing twice.
    guards.sort();
    let all = guards.len();
    guards.dedup();
    assert!(guards.len() == all && guards.iter().all(|write| write.starts_with("create ")), "{guards:?}");
    let expected = [
        "create networkpolicies/checkout/pcizone-baseline",
        "create networkpolicies/checkout/pcizone-flow-checkout-to-vault-egress",
        "create networkpolicies/vault/pcizone-baseline",
        "create networkpolicies/vault/pcizone-flow-checkout-to-vault-ingress",
        "patch namespaces/checkout/checkout",
        "patch namespaces/vault/vault",
        "patch nodes//pci-1",
        "patch pcizones//cde",
    ];
    assert_eq!(writes, expected);
    let refused: Vec<_> = bed.requests().await.into_iter().filter(|event| event.code == 403).collect();
    assert!(refused.is_empty(), "the rights of deploy/ are too few: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_breaks_is_put_back_and_named() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.kubectl(&["taint", "node", "pci-1", "example.com/other=kept:NoSchedule"]).await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let declared = bed.policies("vault").get(FLOW_INGRESS).await.unwrap();

    bed.is_repaired("vault", "pcizone-baseline").await;
    let known = |subject: &'static str, who: &'static str| {
        move |zone: &pcizone::api::PciZone| evidence(zone, TAMPERED, subject).is_some_and(|text| text.contains(who))
    };
    bed.until_zone("cde", "the deletion is reported", known("NetworkPolicy/vault/pcizone-baseline", "audit log")).await;

    let open = r#"--patch=[{"op":"remove","path":"/spec/ingress/0/from"}]"#;
    bed.kubectl(&["patch", "networkpolicy", "--namespace=vault", FLOW_INGRESS, "--type=json", open]).await;
    let same = |policy: Option<&NetworkPolicy>| policy.is_some_and(|policy| policy.spec == declared.spec);
    bed.until("the flow is as declared", bed.policies("vault"), FLOW_INGRESS, same).await;
    let subject = "NetworkPolicy/vault/pcizone-flow-checkout-to-vault-ingress";
    bed.until_zone("cde", "the patch is reported", known(subject, "kubectl-patch")).await;

    bed.kubectl(&["label", "namespace", "vault", "pcizone.dev/zone-"]).await;
    bed.until_zone("cde", "the label's loss is reported", known("Namespace/vault", "kubectl")).await;
    assert_eq!(bed.namespace("vault").await.labels()["pcizone.dev/zone"], "cde");

    bed.kubectl(&["label", "node", "pci-1", "node-restriction.kubernetes.io/pcizone=none", "--overwrite"]).await;
    bed.until_zone("cde", "the node label is reported", known("Node/pci-1", "kubectl-label")).await;
    bed.kubectl(&["taint", "node", "pci-1", "pcizone.dev/zone-"]).await;
    let tainted = |node: Option<&k8s_openapi::api::core::v1::Node>| {
        let taints = node.and_then(|node| node.spec.as_ref()?.taints.clone()).unwrap_or_default();
        let labelled = node.is_some_and(|node| {
            node.labels().get("node-restriction.kubernetes.io/pcizone").is_some_and(|v| v == "cde")
        });
        labelled
            && ["pcizone.dev/zone", "example.com/other"].iter().all(|key| taints.iter().any(|taint| taint.key == *key))
    };
    bed.until("taint and label are back, others' kept", bed.nodes(), "pci-1", tainted).await;
    bed.until_ready("cde").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_closes_at_its_end() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_policy("vault", FLOW_INGRESS).await;
    bed.until_policy("checkout", FLOW_EGRESS).await;
    bed.end_soon("cde", 0).await;
    bed.until_zone("cde", "the flow's end is reported", |zone| {
        evidence(zone, "FlowExpired", "Flow/cde/checkout-to-vault").is_some() && is(zone, "Ready", "True")
    })
    .await;
    assert_eq!(bed.policy_names("vault").await, ["pcizone-baseline"]);
    assert_eq!(bed.policy_names("checkout").await, ["pcizone-baseline"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn observe_writes_nothing_and_says_what_enforce_would_write() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Observe", "[checkout, vault]")).await;
    let zone = bed.until_ready("cde").await;
    let plan = zone.status.unwrap().plan.expect("a plan");
    assert_eq!((plan.update, plan.delete), (3, 0));
    assert_eq!(bed.writes().await, [""; 0]);
    // And that is what comes.
    bed.apply(&crate::support::zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.stop_operator().await;
    let writes = bed.carried_out().await;
    let created = writes.iter().filter(|write| write.starts_with("create ")).count();
    let policies = writes.iter().filter(|write| write.starts_with("create networkpolicies/")).count();
    assert_eq!((i64::try_from(created).unwrap(), policies), (plan.create, 4), "{writes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_two_zones_want_stays_with_the_first() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("first", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("first").await;
    bed.apply(&zone("second", "Enforce", "[vault, storefront]")).await;
    let second = bed
        .until_zone("second", "the second zone is refused", |zone| {
            is_current(zone) && is(zone, "Stalled", "ClaimedTwice")
        })
        .await;
    assert!(evidence(&second, "NamespaceClaimedTwice", "Namespace/vault").is_some());
    assert!(evidence(&second, "NodeSharedByZones", "Node/pci-1").is_some());
    bed.until_policy("storefront", "pcizone-baseline").await;
    assert_eq!(bed.namespace("vault").await.labels()["pcizone.dev/zone"], "first");
    assert!(is(&bed.zone("first").await, "Ready", "True"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_comes_later_joins_and_reserved_ones_never_do() {
    let bed = Bed::start().await;
    bed.kubectl(&["label", "namespace", "kube-system", "team=payments"]).await;
    create_node(&bed.client, "pci-1", &[("node-restriction.kubernetes.io/pool", "pci")]).await.unwrap();
    bed.apply(&zone_of("cde", "Enforce", "{names: [later], selector: {matchLabels: {team: payments}}}")).await;
    bed.until_zone("cde", "the namespace is missed", |zone| is(zone, "ScopeResolved", "Missing")).await;
    bed.kubectl(&["create", "namespace", "later"]).await;
    let zone = bed
        .until_zone("cde", "it has joined", |zone| is(zone, "ScopeResolved", "LeftOut") && is(zone, "Ready", "True"))
        .await;
    let message = message(&zone, "ScopeResolved");
    assert!(message.contains("kube-system"), "{message}");
    assert_eq!(bed.policy_names("later").await, ["pcizone-baseline"]);
    assert!(bed.policy_names("kube-system").await.is_empty());
}

/// What the write of the label relies on: between its plan and the write the namespace may have gone, and another of its
/// name come, which has no default deny yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_label_for_another_namespace_of_the_same_name_is_refused() {
    let bed = Bed::without_operator().await;
    bed.shop().await;
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    let patch = json!({ "metadata": { "uid": "of-another", "labels": { names::ZONE_LABEL: "cde" } } });
    let refused = namespaces.patch("vault", &PatchParams::default(), &Patch::Merge(&patch)).await;
    assert!(matches!(&refused, Err(kube::Error::Api(status)) if status.code == 422), "{refused:?}");
    let labels = namespaces.get("vault").await.unwrap().metadata.labels.unwrap();
    assert!(!labels.contains_key(names::ZONE_LABEL));
}
