//! Declarations that match nothing, too much, or what is somebody else's; and namespaces that slip out of one.

use kube::ResourceExt;

use crate::support::{Bed, bare_zone, evidence, is, is_current, message, waits, zone, zone_of};

const PAYMENTS: &str = "{selector: {matchLabels: {team: payments}}}";

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_whose_selector_matches_nothing_says_so_and_is_not_compliant() {
    let bed = Bed::start().await;
    bed.shop().await;
    // No flows and no nodes: whatever Compliant says, it says about the namespaces.
    bed.apply(&bare_zone("cde", "Enforce", PAYMENTS)).await;
    let zone = bed.until_ready("cde").await;
    assert!(is(&zone, "ScopeResolved", "False") && is(&zone, "ScopeResolved", "MatchesNothing"));
    assert!(!is(&zone, "Compliant", "True"), "{}", message(&zone, "Compliant"));
    assert!(!is(&zone, "NetworkSegmented", "True"), "{}", message(&zone, "NetworkSegmented"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_starts_to_match_reserved_namespaces_leaves_them_out_and_names_them() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.kubectl(&["label", "namespace", "checkout", "vault", "team=payments"]).await;
    bed.apply(&zone_of("cde", "Enforce", PAYMENTS)).await;
    bed.until_ready("cde").await;
    bed.kubectl(&["label", "namespace", "kube-system", "pcizone-system", "team=payments"]).await;
    bed.until_zone("cde", "both are named", |zone| {
        let message = message(zone, "ScopeResolved");
        message.contains("kube-system") && message.contains("pcizone-system") && is(zone, "Ready", "True")
    })
    .await;
    // One more namespace, whose turn comes after theirs.
    bed.kubectl(&["label", "namespace", "storefront", "team=payments"]).await;
    bed.until_policy("storefront", "pcizone-baseline").await;
    bed.stop_operator().await;
    let is_reserved = |write: &&String| write.contains("/kube-system/") || write.contains("/pcizone-system/");
    let writes = bed.writes().await;
    assert_eq!(writes.iter().find(is_reserved), None);
    for namespace in ["kube-system", "pcizone-system"] {
        assert!(!bed.namespace(namespace).await.labels().contains_key("pcizone.dev/zone"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_two_zones_want_stays_with_the_first() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.kubectl(&["label", "node", "node-1", "node-restriction.kubernetes.io/pool=spare"]).await;
    bed.apply(&zone("first", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("first").await;
    let before = bed.node("pci-1").await;
    let nodes = "  hosting:
    nodes: {selector: {matchExpressions: [{key: node-restriction.kubernetes.io/pool, operator: Exists}]}}
";
    bed.apply(&(bare_zone("second", "Enforce", "{names: [storefront]}") + nodes)).await;
    let second = bed
        .until_zone("second", "the second zone is refused", |zone| {
            is_current(zone) && is(zone, "Stalled", "ClaimedTwice")
        })
        .await;
    assert!(evidence(&second, "NodeSharedByZones", "Node/pci-1").is_some());
    let zone_of = |node: &k8s_openapi::api::core::v1::Node| {
        let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
        let mut zones: Vec<_> =
            taints.filter(|taint| taint.key == "pcizone.dev/zone").map(|t| t.value.clone()).collect();
        zones.push(node.labels().get("node-restriction.kubernetes.io/pcizone").cloned());
        zones
    };
    let second = vec![Some("second".to_string()); 2];
    bed.until("its own node is dedicated", bed.nodes(), "node-1", |node| node.map(zone_of).as_ref() == Some(&second))
        .await;
    bed.until_policy("storefront", "pcizone-baseline").await;
    let now = bed.node("pci-1").await;
    assert_eq!(zone_of(&now), vec![Some("first".to_string()); 2]);
    assert_eq!(now.resource_version(), before.resource_version(), "not even written to");
    assert!(is(&bed.zone("first").await, "Ready", "True"));
}

/// A namespace leaves the selector by this edit of its labels.
async fn stays_protected_until_confirmed(edit: &[&str]) {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.kubectl(&["label", "namespace", "checkout", "vault", "team=payments"]).await;
    bed.apply(&zone_of("cde", "Enforce", PAYMENTS)).await;
    bed.until_ready("cde").await;
    bed.kubectl(&[&["label", "namespace", "vault"], edit].concat()).await;
    let waiting = bed.until_zone("cde", "the change waits", waits).await;
    assert_eq!(waiting.status.unwrap().change.unwrap().sample, ["Namespace/vault"]);
    // Twice: what shows that the zone holds the namespace must itself come back.
    bed.is_repaired("vault", "pcizone-baseline").await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    bed.confirm("cde").await;
    let is_done = |zone: &pcizone::api::PciZone| {
        zone.status.as_ref().is_some_and(|status| status.confirmed_changes == 1) && is(zone, "Ready", "True")
    };
    bed.until_zone("cde", "the change is carried out", is_done).await;
    assert_eq!(bed.policy_names("vault").await, [""; 0]);
    assert!(!bed.namespace("vault").await.labels().contains_key("pcizone.dev/zone"));
    assert_eq!(bed.namespace("checkout").await.labels()["pcizone.dev/zone"], "cde");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_leaves_the_selector_stays_protected_until_confirmed() {
    stays_protected_until_confirmed(&["team=other", "--overwrite"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_loses_our_label_with_the_selectors_stays_protected_until_confirmed() {
    stays_protected_until_confirmed(&["team-", "pcizone.dev/zone-"]).await;
}

/// A zone in Observe declares the same; by name it comes before or after where both are made in one second.
async fn releases_what_another_zone_observes(other: &str, is_older: bool) {
    let bed = Bed::start().await;
    bed.shop().await;
    let observing = zone(other, "Observe", "[checkout, vault]");
    if is_older {
        bed.apply(&observing).await;
    }
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.apply(&observing).await;
    bed.until_zone(other, "the other zone is known", is_current).await;

    bed.apply(&zone("cde", "Enforce", "[checkout]")).await;
    bed.confirm("cde").await;
    bed.until("the label is gone", bed.namespaces(), "vault", |namespace| {
        namespace.is_some_and(|namespace| !namespace.labels().contains_key("pcizone.dev/zone"))
    })
    .await;
    bed.until_gone(bed.policies("vault"), "pcizone-baseline").await;
    bed.until_ready("cde").await;
    assert_eq!(bed.policy_names("vault").await, [""; 0]);

    bed.kubectl(&["delete", "pz", "cde", "--wait=false"]).await;
    bed.confirm("cde").await;
    bed.until_gone(bed.zones(), "cde").await;
    assert_eq!(bed.traces().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_release_is_carried_out_although_an_older_zone_observes() {
    releases_what_another_zone_observes("a-watcher", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_release_is_carried_out_although_a_younger_zone_observes() {
    releases_what_another_zone_observes("z-watcher", false).await;
}
