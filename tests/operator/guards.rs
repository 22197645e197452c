//! The admission policies of a zone: in place, put back, weakened only when that is confirmed, and gone in the end.

use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject},
};
use pcizone::{
    api::names,
    engine::desired::admission::{Guard, Kind},
};
use serde_json::{Value, json};

use crate::support::{Bed, evidence, is, is_current, message, waits, zone};

fn guards(bed: &Bed, kind: Kind) -> Api<DynamicObject> {
    Api::all_with(bed.client.clone(), &ApiResource::erase::<Guard>(&kind))
}

fn actions(binding: &DynamicObject) -> &Value {
    &binding.data["spec"]["validationActions"]
}

async fn protected() -> Bed {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_somebody_deletes_or_changes_is_put_back_and_named() {
    let bed = protected().await;
    for (kind, name) in [(Kind::Validating, "pcizone-cde-pods"), (Kind::MutatingBinding, "pcizone-cde-placement")] {
        let api = guards(&bed, kind);
        let before = api.get(name).await.unwrap();
        api.delete(name, &DeleteParams::default()).await.unwrap();
        let anew = |guard: Option<&DynamicObject>| guard.is_some_and(|guard| guard.uid() != before.uid());
        bed.until(&format!("{name} is there again"), api.clone(), name, anew).await;
        assert_eq!(api.get(name).await.unwrap().data["spec"], before.data["spec"]);
        let subject = format!("{}/{name}", kind.as_str());
        bed.until_zone("cde", &format!("{subject} is told"), |zone| {
            evidence(zone, "ManagedObjectTampered", &subject).is_some()
        })
        .await;
    }
    let (name, api) = ("pcizone-cde-placement", guards(&bed, Kind::ValidatingBinding));
    let weaker = json!({ "spec": { "validationActions": ["Audit"] } });
    let params = PatchParams { field_manager: Some("mallory".to_string()), ..PatchParams::default() };
    api.patch(name, &params, &Patch::Merge(&weaker)).await.unwrap();
    let denies = |binding: Option<&DynamicObject>| binding.is_some_and(|binding| *actions(binding) == json!(["Deny"]));
    bed.until("it refuses again", api.clone(), name, denies).await;
    bed.until_zone("cde", "who did it", |zone| {
        let subject = format!("ValidatingAdmissionPolicyBinding/{name}");
        evidence(zone, "ManagedObjectTampered", &subject).is_some_and(|text| text.contains("mallory"))
    })
    .await;
    // By our label it is found when it has to go.
    let unlabel = json!({ "metadata": { "labels": { names::MANAGED_BY: null } } });
    api.patch(name, &params, &Patch::Merge(&unlabel)).await.unwrap();
    let labelled = |binding: Option<&DynamicObject>| {
        binding.is_some_and(|binding| binding.labels().get(names::MANAGED_BY).is_some_and(|by| by == "pcizone"))
    };
    bed.until("it is labelled again", api, name, labelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_that_refuse_only_warn_when_that_is_confirmed() {
    let bed = protected().await;
    let api = guards(&bed, Kind::ValidatingBinding);
    bed.apply(&zone("cde", "Warn", "[checkout, vault]")).await;
    let zone = bed.until_zone("cde", "the change waits", waits).await;
    assert!(message(&zone, "Stalled").contains("only warn"), "{}", message(&zone, "Stalled"));
    for binding in ["pcizone-cde-pods", "pcizone-cde-placement"] {
        assert_eq!(*actions(&api.get(binding).await.unwrap()), json!(["Deny"]), "{binding}");
    }
    bed.confirm("cde").await;
    bed.until_zone("cde", "it is carried out", |zone| is_current(zone) && is(zone, "Ready", "True")).await;
    for binding in ["pcizone-cde-pods", "pcizone-cde-placement"] {
        assert_eq!(*actions(&api.get(binding).await.unwrap()), json!(["Warn", "Audit"]), "{binding}");
    }
    // Everything else is as it was, and the way back needs nobody.
    assert_eq!(bed.namespace("vault").await.labels()[names::ZONE_LABEL], "cde");
    bed.apply(&crate::support::zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    assert_eq!(*actions(&api.get("pcizone-cde-pods").await.unwrap()), json!(["Deny"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_security_is_raised_and_what_was_there_before_comes_back() {
    let bed = Bed::start().await;
    bed.shop().await;
    let level = async |namespace: &str| {
        bed.namespace(namespace).await.labels().get(names::POD_SECURITY).cloned().unwrap_or_default()
    };
    bed.kubectl(&["label", "namespace", "checkout", "pod-security.kubernetes.io/enforce=restricted"]).await;
    bed.kubectl(&["label", "namespace", "vault", "pod-security.kubernetes.io/enforce=privileged"]).await;
    let before = bed.surroundings().await;
    let zone = zone("cde", "Enforce", "[checkout, vault, storefront]") + "    podSecurity: Baseline\n";
    bed.apply(&zone).await;
    bed.until_ready("cde").await;
    assert_eq!(level("checkout").await, "restricted", "never lowered");
    assert_eq!((level("vault").await, level("storefront").await), ("baseline".to_string(), "baseline".to_string()));
    // Who declares more is nobody who changed it.
    bed.apply(&zone.replace("Baseline", "Restricted")).await;
    let ready = bed.until_ready("cde").await;
    assert_eq!(level("storefront").await, "restricted");
    assert_eq!(evidence(&ready, "ManagedObjectTampered", "Namespace/storefront"), None);
    assert!(ready.status.is_some_and(|status| status.break_glass.is_none()));
    // An administrator lowers it.
    bed.kubectl(&["label", "namespace", "vault", "--overwrite", "pod-security.kubernetes.io/enforce=privileged"]).await;
    let raised = |namespace: Option<&k8s_openapi::api::core::v1::Namespace>| {
        namespace
            .is_some_and(|namespace| namespace.labels().get(names::POD_SECURITY).is_some_and(|l| l == "restricted"))
    };
    bed.until("it is raised again", bed.namespaces(), "vault", raised).await;
    bed.until_zone("cde", "that is told", |zone| evidence(zone, "ManagedObjectTampered", "Namespace/vault").is_some())
        .await;
    bed.zones().delete("cde", &DeleteParams::default()).await.unwrap();
    bed.confirm("cde").await;
    bed.until_gone(bed.zones(), "cde").await;
    assert_eq!(bed.surroundings().await, before);
}
