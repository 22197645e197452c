//! Pods that are there already, images that are not looked at, and what a gate does that only warns.

use pcizone::{api::Mode, engine::declaration::Declaration};
use serde_json::{Value, json};

use super::{HEX, MARK, Place, bed, bring, bringing, enforce, row, zone};
use crate::{
    admission::{
        asking::{Answer, ask},
        people::{People, Who},
    },
    support::Bed,
};

const POD: &str = "/api/v1/namespaces/vault/pods/running";

fn good() -> String {
    format!("{MARK}/good@sha256:{HEX}")
}

fn foreign() -> String {
    format!("evil.io/app@sha256:{HEX}")
}

fn images(zone: &Value) -> Declaration {
    super::zone(&json!({ "registries": [MARK] }), zone)
}

/// A patch of the pod that runs.
async fn patch(bed: &Bed, path: &str, body: Value) -> Answer {
    ask(&bed.client, &row(Who::Master, "PATCH", path, body)).await
}

fn refused(answer: &Answer, id: &str) -> bool {
    matches!(answer, Answer::Refused(text) if text.contains(&format!("({id})")))
}

fn allowed(answer: &Answer) -> bool {
    matches!(answer, Answer::Allowed { .. }) && answer.warning().is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_older_than_the_gate_may_be_changed_in_all_but_its_images() {
    let bed = bed().await;
    bring(&bed.client, "running", &foreign()).await.unwrap();
    enforce(&bed, &images(&json!({})), Mode::Enforce, false).await;
    let main = |image: &str| json!({ "spec": { "containers": [{ "name": "main", "image": image }] } });
    let ephemeral = |image: &str| json!({ "spec": { "ephemeralContainers": [{ "name": "debug", "image": image }] } });
    let ephemerals = format!("{POD}/ephemeralcontainers");
    let labels = patch(&bed, POD, json!({ "metadata": { "labels": { "app": "new" } } })).await;
    assert!(allowed(&labels), "{labels:?}");
    let deadline = patch(&bed, POD, json!({ "spec": { "activeDeadlineSeconds": 60 } })).await;
    assert!(allowed(&deadline), "{deadline:?}");
    for (path, body, id) in [
        (POD, main("evil.io/other:1"), Some("ImageRegistryNotAllowed")),
        (POD, main(&format!("{MARK}/good:1")), Some("ImageNotPinned")),
        (POD, main(&good()), None),
        (&ephemerals, ephemeral("evil.io/other:1"), Some("ImageRegistryNotAllowed")),
        (&ephemerals, ephemeral(&good()), None),
        // What is in the pod already is nothing new to it.
        (&ephemerals, ephemeral(&foreign()), None),
    ] {
        let answer = patch(&bed, path, body.clone()).await;
        let is_so = id.map_or_else(|| allowed(&answer), |id| refused(&answer, id));
        assert!(is_so, "{body}: {id:?}, and not {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_only_warns_says_the_same_and_lets_it_in() {
    let bed = bed().await;
    let people = People::of(&bed).await;
    for mode in [Mode::Warn, Mode::Observe] {
        enforce_quietly(&bed, mode).await;
        let row = bringing(&foreign(), Place::Container);
        let answer = ask(people.client(row.who), &row).await;
        let warning = answer.warning().map(str::to_string);
        assert!(matches!(answer, Answer::Allowed { .. }), "{mode:?}: {answer:?}");
        let wanted = format!("the image {} is of a registry", foreign());
        match mode {
            Mode::Warn => assert!(warning.as_ref().is_some_and(|text| text.contains(&wanted)), "{answer:?}"),
            Mode::Observe | Mode::Enforce => assert_eq!(warning, None),
        }
    }
}

/// In Observe nothing answers a probe.
async fn enforce_quietly(bed: &Bed, mode: Mode) {
    if mode.protects() {
        return enforce(bed, &images(&json!({})), mode, false).await;
    }
    super::put(bed, &super::guards(&images(&json!({})), mode, false)).await;
    crate::support::ask("it warns no more", async || {
        let answer = ask(&bed.client, &bringing(&foreign(), Place::Container)).await;
        if answer.warning().is_none() { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_zone_itself_brings_is_not_looked_at() {
    let bed = bed().await;
    let (forwarder, linger) = (format!("logs.io/fluent-bit@sha256:{HEX}"), format!("logs.io/pcizone@sha256:{HEX}"));
    let logging = json!({
        "forwarder": { "image": forwarder },
        "linger": { "image": linger },
        "sinks": [{ "name": "siem", "loki": { "url": "https://logs.example.com:3100" }, "flow": "logs" }],
    });
    enforce(&bed, &images(&json!({ "logging": logging })), Mode::Enforce, false).await;
    let other = forwarder.replace("0123", "3210");
    for (image, wanted) in [(&forwarder, true), (&linger, true), (&other, false), (&format!("{forwarder} "), false)] {
        let answer = ask(&bed.client, &bringing(image, Place::Init)).await;
        assert_eq!(allowed(&answer), wanted, "{image}: {answer:?}");
    }
    let mut canary = bringing("ghcr.io/pcizone:1", Place::Container);
    assert!(refused(&ask(&bed.client, &canary).await, "ImageRegistryNotAllowed"));
    canary.body["metadata"]["labels"] = json!({ "pcizone.dev/canary": "round-1" });
    let answer = ask(&bed.client, &canary).await;
    assert!(allowed(&answer), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_run_by_a_class_of_the_zone() {
    let bed = bed().await;
    bring(&bed.client, "running", &good()).await.unwrap();
    for class in ["gvisor", "kata", "runc"] {
        bed.apply(&format!(
            "{{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {{name: {class}}}, handler: {class}}}"
        ))
        .await;
    }
    let zone = zone(&json!({ "registries": [MARK], "runtimeClasses": ["gvisor", "kata"] }), &json!({}));
    enforce(&bed, &zone, Mode::Enforce, false).await;
    for (class, wanted) in [(Some("gvisor"), true), (Some("kata"), true), (Some("runc"), false), (None, false)] {
        let mut row = bringing(&good(), Place::Container);
        row.body["spec"]["runtimeClassName"] = json!(class);
        let answer = ask(&bed.client, &row).await;
        let is_so = if wanted { allowed(&answer) } else { refused(&answer, "RuntimeClassNotAllowed") };
        assert!(is_so, "{class:?}: {answer:?}");
        assert!(wanted || format!("{answer:?}").contains("Name one as runtimeClassName: gvisor, kata"), "{answer:?}");
    }
    let answer =
        patch(&bed, POD, json!({ "spec": { "containers": [{ "name": "main", "image": format!("{}0", good()) }] } }))
            .await;
    assert!(refused(&answer, "ImageRegistryNotAllowed"), "{answer:?}");
    let other = format!("{MARK}/other@sha256:{HEX}");
    let answer = patch(&bed, POD, json!({ "spec": { "containers": [{ "name": "main", "image": other }] } })).await;
    assert!(allowed(&answer), "the pod is older than the zone: {answer:?}");
}

/// What an expression may cost is bounded, and a pod that costs more would be refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_section_lets_in_a_pod_of_many_long_images() {
    let bed = bed().await;
    let path = |length: usize| "a".repeat(length);
    let registries: Vec<String> = (0..64).map(|index| format!("registry.example.com/{}/{index}", path(200))).collect();
    let exceptions: Vec<Value> = (0..100)
        .map(|index| {
            let end = if index == 99 { "*".to_string() } else { format!("*-{index}*") };
            let subject = format!("Image/other.example.com/{}/{end}", path(200));
            super::exception("ImageRegistryNotAllowed", &subject, super::later(3600))
        })
        .collect();
    let zone = zone(&json!({ "registries": registries }), &json!({ "exceptions": exceptions }));
    enforce(&bed, &zone, Mode::Enforce, false).await;
    let image = |name: &str, index: usize| format!("{name}/app-{index}:1@sha256:{HEX}");
    let all = |name: &str| (0..50).map(|index| image(name, index)).collect::<Vec<_>>();
    let (own, other) = (all(&registries[63]), all(&format!("other.example.com/{}", path(200))));
    let one_more = [&own[..], &["other.example.com/app".to_string()]].concat();
    for (images, id) in [(own, None), (other, None), (one_more, Some("ImageRegistryNotAllowed"))] {
        let container = |(index, image)| json!({ "name": format!("c{index}"), "image": image });
        let containers: Vec<Value> = images.iter().enumerate().map(container).collect();
        let spec = json!({ "containers": containers });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "row" }, "spec": spec });
        let answer = ask(&bed.client, &row(Who::Master, "POST", "/api/v1/namespaces/vault/pods", pod)).await;
        assert!(id.map_or_else(|| allowed(&answer), |id| refused(&answer, id)), "{id:?}: {answer:?}");
    }
}
