//! Pods that run where they may not, because they were there before anything kept them away.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use testbed::Options;

use crate::{
    events::until_told,
    support::{Bed, evidence, is, zone},
};

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/components/evict/rbac.yaml");

fn pods(bed: &Bed, namespace: &str) -> Api<Pod> {
    Api::namespaced(bed.client.clone(), namespace)
}

/// A pod on a node; no kubelet runs it.
fn manifest(namespace: &str, name: &str, node: &str, annotations: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}, annotations: {{{annotations}}}}}
spec: {{nodeName: {node}, terminationGracePeriodSeconds: 0, containers: [{{name: main, image: registry.example.com/main}}]}}
"
    )
}

async fn bed() -> Bed {
    // Nothing makes service accounts here, and pods without one are refused.
    let apiserver_args = vec!["--disable-admission-plugins=ServiceAccount".to_string()];
    let mut bed = Bed::with(Options { audit: true, apiserver_args, ..Options::default() }).await;
    bed.shop().await;
    bed.kubectl(&["create", "namespace", "tools"]).await;
    let budget = "---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded, namespace: tools}
spec: {minAvailable: 1, selector: {matchLabels: {app: guarded}}}
";
    let pods = [
        manifest("vault", "stray", "node-1", ""),
        manifest("storefront", "agent", "pci-1", ""),
        manifest("tools", "guarded", "pci-1", ""),
        manifest("kube-system", "proxy", "pci-1", ""),
        manifest("storefront", "from-a-file", "pci-1", "kubernetes.io/config.mirror: abc"),
        manifest("storefront", "elsewhere", "node-1", ""),
    ];
    bed.apply(&(pods.concat() + budget)).await;
    // A budget holds for pods that run.
    let running = r#"--patch={"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    bed.kubectl(&["patch", "pod", "guarded", "--namespace=tools", "--subresource=status", "--type=merge", running])
        .await;
    bed.start_operator().await;
    bed
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_told_and_evicted_only_when_that_is_asked_for_and_allowed() {
    let bed = bed().await;
    let cde = zone("cde", "Enforce", "[checkout, vault]");
    bed.apply(&cde).await;
    let wanted = [
        ("PodOffZoneNode", "Pod/vault/stray"),
        ("PodPredatesPolicy", "Namespace/vault"),
        ("ForeignPodOnZoneNode", "Pod/storefront/agent"),
        ("ForeignPodOnZoneNode", "Pod/tools/guarded"),
        ("SystemPodOnZoneNode", "Pod/kube-system/proxy"),
        ("StaticPodOnZoneNode", "Pod/storefront/from-a-file"),
    ];
    bed.until_zone("cde", "all of them are told", |zone| {
        wanted.iter().all(|(id, subject)| evidence(zone, id, subject).is_some()) && is(zone, "NodesDedicated", "False")
    })
    .await;
    let zone = bed.until_ready("cde").await;
    let findings = &zone.status.as_ref().unwrap().top_findings;
    let about_pods = findings.iter().filter(|f| f.subject.starts_with("Pod/")).count();
    assert_eq!(about_pods, 5, "{findings:#?}");

    bed.apply(&(cde + "    evictMisplaced: true\n")).await;
    bed.until_zone("cde", "the right is missing", |zone| evidence(zone, "EvictionRefused", "PciZone/cde").is_some())
        .await;
    assert!(!bed.requests().await.iter().any(|event| event.subresource == "eviction"), "it could not even look");
    for (namespace, name) in [("vault", "stray"), ("storefront", "agent")] {
        assert!(pods(&bed, namespace).get_opt(name).await.unwrap().is_some(), "{namespace}/{name}");
    }

    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    bed.until_gone(pods(&bed, "vault"), "stray").await;
    bed.until_gone(pods(&bed, "storefront"), "agent").await;
    until_told(&bed, "MisplacedPodEvicted", &["Pod/vault/stray"]).await;
    until_told(&bed, "MisplacedPodEvicted", &["Pod/storefront/agent"]).await;
    let refused = bed.cluster.audit_until(|events| {
        events.iter().any(|e| e.subresource == "eviction" && e.name == "guarded" && e.code == 429)
    });
    refused.await.expect("the budget refuses");
    bed.until_zone("cde", "what is gone is told no more", |zone| {
        evidence(zone, "PodOffZoneNode", "Pod/vault/stray").is_none()
            && evidence(zone, "EvictionRefused", "PciZone/cde").is_none()
            && evidence(zone, "ForeignPodOnZoneNode", "Pod/tools/guarded").is_some()
    })
    .await;
    let mut evicted = bed.requests().await;
    evicted.retain(|event| event.subresource == "eviction" && event.code < 300);
    let mut evicted: Vec<&str> = evicted.iter().map(|event| event.name.as_str()).collect();
    evicted.sort_unstable();
    assert_eq!(evicted, ["agent", "stray"]);
    assert!(pods(&bed, "kube-system").get_opt("proxy").await.unwrap().is_some());
    assert!(pods(&bed, "storefront").get_opt("from-a-file").await.unwrap().is_some());
}
