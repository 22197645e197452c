//! Objects that do not parse: stored by another version, or with values that our types have no room for.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, CustomResourceValidation, JSONSchemaProps,
};
use kube::{Api, ResourceExt, api::PostParams};
use pcizone::api::PciZoneStatus;
use serde_json::{Value, json};
use testbed::create_node;

use crate::events::until_told;
use crate::support::{Bed, bare_zone, condition, says, zone};

/// Valid for Kubernetes, and later than the last moment that jiff can tell.
const END_OF_TIME: &str = "9999-12-31T23:59:59Z";
const BASELINE: &str = "/apis/networking.k8s.io/v1/namespaces/vault/networkpolicies/pcizone-baseline";

/// Puts the versions of our CRD in the place of those that are there.
async fn exchange(bed: &Bed, versions: Vec<CustomResourceDefinitionVersion>) {
    let crds: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    let mut crd = crds.get("pcizones.pcizone.dev").await.unwrap();
    crd.spec.versions = versions;
    crds.replace(&crd.name_any(), &PostParams::default(), &crd).await.unwrap();
}

/// A schema that takes everything, as that of an older version may take what the present one does not.
fn loosened(mut versions: Vec<CustomResourceDefinitionVersion>) -> Vec<CustomResourceDefinitionVersion> {
    for version in &mut versions {
        let anything = JSONSchemaProps {
            type_: Some("object".to_string()),
            x_kubernetes_preserve_unknown_fields: Some(true),
            ..JSONSchemaProps::default()
        };
        version.schema = Some(CustomResourceValidation { open_api_v3_schema: Some(anything) });
    }
    versions
}

/// Waits until a zone that does not parse is told so, with a word that says where.
async fn until_invalid(bed: &Bed, name: &str, place: &str) {
    let path = format!("/apis/pcizone.dev/v1alpha1/pcizones/{name}");
    let is_told = |zone: &Value| {
        let Ok(status) = serde_json::from_value::<PciZoneStatus>(zone["status"].clone()) else { return false };
        let ready = condition(&status, "Ready");
        status.observed_generation == zone["metadata"]["generation"].as_i64()
            && ready.is_some_and(|c| c.status == "False" && c.reason == "SpecInvalid" && c.message.contains(place))
            && says(&status, "Stalled", "True")
    };
    bed.until_raw(&format!("{name} is told that {place} is wrong"), &path, is_told).await;
}

/// Stores a zone that the shipped schema refuses, while another is in force.
async fn store(bed: &Bed, refused: &str) {
    let shipped = pcizone::api::crd().spec.versions;
    exchange(bed, loosened(shipped.clone())).await;
    bed.until_accepted(refused, true).await;
    bed.apply(refused).await;
    exchange(bed, shipped).await;
    bed.until_accepted(&bare_zone("another", "Strict", "{names: [later]}"), false).await;
}

/// A cluster with two zones in place.
async fn two_zones() -> Bed {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.kubectl(&["create", "namespace", "later"]).await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.apply(&bare_zone("shopfront", "Enforce", "{names: [storefront]}")).await;
    bed.until_ready("cde").await;
    bed.until_ready("shopfront").await;
    bed
}

/// Zones that parse are kept, and new ones come into place.
async fn others_go_on(bed: &Bed) {
    bed.is_repaired("storefront", "pcizone-baseline").await;
    bed.apply(&bare_zone("newer", "Enforce", "{names: [later]}")).await;
    bed.until_ready("newer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_of_an_older_version_keeps_its_protection_and_says_where_it_does_not_parse() {
    let mut bed = two_zones().await;
    store(&bed, &zone("cde", "Strict", "[checkout, vault]")).await;
    until_invalid(&bed, "cde", "mode").await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    let before = bed.surroundings().await;
    // An operator that never saw the zone when it did parse.
    bed.stop_operator().await;
    bed.start_operator().await;
    others_go_on(&bed).await;
    until_invalid(&bed, "cde", "mode").await;
    let now = bed.surroundings().await;
    let of_others = |object: &str| object.contains("storefront") || object.contains("later");
    for (object, before) in before.iter().filter(|(object, _)| !of_others(object)) {
        assert_eq!(&now[object], before, "{object}");
    }

    // Written anew it goes on where it was.
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.is_repaired("vault", "pcizone-baseline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_can_have_no_status_is_told_where_by_an_event_and_holds_nobody_up() {
    let bed = two_zones().await;
    store(&bed, &bare_zone("older", "Enforce", "everything")).await;
    others_go_on(&bed).await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    // The API server refuses every status of an object whose fields are of another type.
    let told = until_told(&bed, "SpecInvalid", &["spec.scope.namespaces"]).await;
    assert_eq!(told.regarding.and_then(|object| object.name).as_deref(), Some("older"));
}

/// Opens the baseline of vault and waits until it is as declared.
async fn baseline_is_repaired(bed: &Bed, declared: &Value, manager: Option<Value>) {
    let mut policy = bed.raw(BASELINE).await;
    policy["spec"]["egress"] = json!([{}]);
    policy["metadata"]["managedFields"].as_array_mut().unwrap().extend(manager);
    let request = http::Request::put(BASELINE).header("content-type", "application/json");
    bed.client.request::<Value>(request.body(policy.to_string().into_bytes()).unwrap()).await.unwrap();
    let policy = bed.until_raw("the baseline is as declared", BASELINE, |now| now["spec"] == *declared).await;
    assert!(policy.to_string().contains(END_OF_TIME), "nobody could have stumbled over this: {policy:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_parse_is_still_repaired() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let declared = bed.raw(BASELINE).await["spec"].clone();
    let manager = json!({
        "manager": "from-the-future", "operation": "Update", "apiVersion": "networking.k8s.io/v1",
        "time": END_OF_TIME, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}}},
    });
    baseline_is_repaired(&bed, &declared, Some(manager)).await;
    bed.is_repaired("checkout", "pcizone-baseline").await;
    // The first look of an operator is a list and not a watch.
    bed.stop_operator().await;
    bed.start_operator().await;
    baseline_is_repaired(&bed, &declared, None).await;
    bed.is_repaired("checkout", "pcizone-baseline").await;
    bed.until_ready("cde").await;
}

/// Takes our taint from both nodes and waits until it is back.
async fn nodes_are_repaired(bed: &Bed) {
    bed.kubectl(&["taint", "node", "pci-1", "pci-2", "pcizone.dev/zone-"]).await;
    for node in ["pci-1", "pci-2"] {
        let is_tainted = |node: &Value| {
            let taints = node["spec"]["taints"].as_array();
            taints.into_iter().flatten().any(|taint| taint["key"] == "pcizone.dev/zone" && taint["value"] == "cde")
        };
        bed.until_raw(&format!("{node} is tainted"), &format!("/api/v1/nodes/{node}"), is_tainted).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_parse_is_still_repaired() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    create_node(&bed.client, "pci-2", &[("node-restriction.kubernetes.io/pool", "pci")]).await.unwrap();
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let condition = json!([{ "type": "Example", "status": "True", "lastHeartbeatTime": END_OF_TIME }]);
    let patch = format!("--patch={}", json!({ "status": { "conditions": condition } }));
    bed.kubectl(&["patch", "node", "pci-1", "--subresource=status", "--type=strategic", &patch]).await;
    nodes_are_repaired(&bed).await;
    bed.stop_operator().await;
    bed.start_operator().await;
    nodes_are_repaired(&bed).await;
    assert!(bed.raw("/api/v1/nodes/pci-1").await.to_string().contains(END_OF_TIME));
    bed.until_ready("cde").await;
}
