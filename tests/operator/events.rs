//! Events: one for each transition, none while nothing changes.

use std::collections::BTreeSet;

use k8s_openapi::api::events::v1::Event;
use kube::{Api, ResourceExt, api::ListParams};

use crate::support::{Bed, ask, zone};

/// Events about the zone.
async fn events(bed: &Bed) -> Vec<Event> {
    // Those about objects without a namespace are in this one.
    let events: Api<Event> = Api::namespaced(bed.client.clone(), "default");
    let mut events = events.list(&ListParams::default()).await.unwrap().items;
    events.retain(|event| event.regarding.as_ref().is_some_and(|object| object.kind.as_deref() == Some("PciZone")));
    events
}

/// Waits for an event with this reason whose note holds these words.
pub async fn until_told(bed: &Bed, reason: &str, words: &[&str]) -> Event {
    ask(&format!("an event {reason} with {words:?}"), async || {
        let events = events(bed).await;
        let tells = |event: &&Event| {
            let note = event.note.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some(reason) && words.iter().all(|word| note.contains(word))
        };
        events.iter().find(tells).cloned().ok_or_else(|| {
            let notes = events.iter().map(|event| format!("{:?}: {:?}\n", event.reason, event.note));
            notes.collect()
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn transitions_are_told_and_nothing_else() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let ready = until_told(&bed, "InPlace", &["Ready is True"]).await;
    assert_eq!(ready.type_.as_deref(), Some("Normal"));
    assert_eq!(ready.regarding.and_then(|object| object.name).as_deref(), Some("cde"));

    let open = r#"--patch={"spec":{"egress":[{}]}}"#;
    bed.kubectl(&["patch", "networkpolicy", "--namespace=vault", "pcizone-baseline", "--type=merge", open]).await;
    let told =
        until_told(&bed, "ManagedObjectTampered", &["NetworkPolicy/vault/pcizone-baseline", "kubectl-patch"]).await;
    assert_eq!(told.type_.as_deref(), Some("Warning"));
    bed.kubectl(&["label", "node", "pci-1", "node-restriction.kubernetes.io/pcizone=none", "--overwrite"]).await;
    until_told(&bed, "ManagedObjectTampered", &["Node/pci-1", "kubectl-label"]).await;
    bed.until_ready("cde").await;

    // One judgement at a time: when the next one has begun, everything about the last one is told.
    let judged = async |touch: &str| {
        let touched = ["annotate", "pz", "cde", touch];
        bed.operator().looks_after("pcizone_judgement_seconds_count", bed.kubectl(&touched)).await;
    };
    judged("example.com/note=first").await;
    judged("example.com/other=second").await;
    let versions = async || -> BTreeSet<_> {
        events(&bed).await.iter().map(|event| (event.name_any(), event.resource_version())).collect()
    };
    let before = versions().await;
    judged("example.com/third=third").await;
    judged("example.com/fourth=fourth").await;
    assert_eq!(versions().await, before);
}
