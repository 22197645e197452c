//! What an exception lets in, it lets in until its end: with the operator running and with it gone, into new pods and into those that run.

use k8s_openapi::{api::admissionregistration::v1::ValidatingAdmissionPolicy, jiff::Timestamp};
use kube::{Api, Client};
use serde_json::{Value, json};
use testbed::Options;

use super::{HEX, MARK, Place, bring, bringing, later, row};
use crate::{
    admission::{
        asking::{Answer, ask},
        people::Who,
    },
    support::{Bed, PATIENCE},
};

const IMAGE: &str = "quay.io/tools/debug@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Asks until it is refused. Whatever is asked after the end is refused at once, and whatever was answered before it is let in: the API server
/// and this test go by the same clock.
pub(super) async fn closes(client: &Client, image: &str, place: Place, end: Timestamp, id: &str) {
    let started = std::time::Instant::now();
    let (mut before, mut after) = (0, 0);
    while after < 3 {
        let asked = Timestamp::now();
        let answer = ask(client, &bringing(image, place)).await;
        match &answer {
            Answer::Allowed { .. } => {
                assert!(asked < end, "{place:?}: let in {} after the end", asked - end);
                before += 1;
            }
            Answer::Refused(text) => {
                let now = Timestamp::now();
                assert!(now >= end, "{place:?}: refused {} before the end: {text}", end - now);
                assert!(text.contains(id), "{text}");
                after += 1;
            }
        }
        assert!(started.elapsed() < PATIENCE, "{before} let in, {after} refused");
    }
    eprintln!("{place:?}: {before} let in before the end");
}

fn zone(end: Timestamp) -> String {
    format!(
        "apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {{name: cde}}
spec:
  mode: Enforce
  scope: {{namespaces: {{names: [vault]}}}}
  scanning: {{registries: [{MARK}]}}
  exceptions:
  - finding: ImageRegistryNotAllowed
    subject: Image/quay.io/tools/*
    need: The vendor has no other registry until May.
    riskAnalysis: RA-17
    approvedBy: ciso@example.com
    expiresAt: {end}
"
    )
}

async fn bed() -> Bed {
    let apiserver_args = vec!["--disable-admission-plugins=ServiceAccount".to_string()];
    let mut bed = Bed::with(Options { apiserver_args, ..Options::default() }).await;
    bed.shop().await;
    bed.start_operator().await;
    bed
}

async fn policy(bed: &Bed) -> String {
    let policies = Api::<ValidatingAdmissionPolicy>::all(bed.client.clone());
    serde_json::to_string(&policies.get("pcizone-cde-images").await.unwrap().spec).unwrap()
}

/// With an exception that ends some seconds after the zone is in place.
async fn protected(bed: &Bed) -> Timestamp {
    bed.apply(&zone(later(600))).await;
    bed.until_ready("cde").await;
    bring(&bed.client, "running", &format!("{MARK}/good@sha256:{HEX}")).await.unwrap();
    let end = later(8);
    bed.apply(&zone(end)).await;
    bed.until_ready("cde").await;
    assert!(policy(bed).await.contains(&end.to_string()), "the policy has the end in it");
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_ends_at_its_instant_and_is_taken_out_of_the_policy() {
    let bed = bed().await;
    let end = protected(&bed).await;
    let [pods, running] = [Place::Container, Place::Ephemeral]
        .map(|place| closes(&bed.client, IMAGE, place, end, "(ImageRegistryNotAllowed)"));
    tokio::join!(pods, running);
    crate::support::ask("the policy has it no more", async || {
        let policy = policy(&bed).await;
        if policy.contains("quay") { Err(policy) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_operator_gone_and_no_record_of_changes_brings_it_back() {
    let mut bed = bed().await;
    let end = protected(&bed).await;
    bed.stop_operator().await;
    let [pods, running] = [Place::Container, Place::Ephemeral]
        .map(|place| closes(&bed.client, IMAGE, place, end, "(ImageRegistryNotAllowed)"));
    tokio::join!(pods, running);
    assert!(policy(&bed).await.contains("quay"), "nobody was there to take it out");
    // The time of an update is that of the newest record of who changed what.
    let before = json!("2020-01-01T00:00:00Z");
    let live = bed.raw("/api/v1/namespaces/vault/pods/running").await;
    let records = |change: &dyn Fn(&mut Value)| {
        let mut records = live["metadata"]["managedFields"].clone();
        records.as_array_mut().unwrap().iter_mut().for_each(change);
        records
    };
    let older = records(&|record| record["time"] = before.clone());
    let timeless = records(&|record| drop(record.as_object_mut().unwrap().remove("time")));
    for (what, records) in [("reset", json!([{}])), ("none", json!([])), ("older", older), ("timeless", timeless)] {
        for place in ["main", "ephemeral"] {
            let mut pod = live.clone();
            pod["metadata"]["managedFields"] = records.clone();
            let path = if place == "main" {
                pod["spec"]["containers"][0]["image"] = json!(IMAGE);
                "/api/v1/namespaces/vault/pods/running"
            } else {
                pod["spec"]["ephemeralContainers"] = json!([{ "name": "debug", "image": IMAGE }]);
                "/api/v1/namespaces/vault/pods/running/ephemeralcontainers"
            };
            let answer = ask(&bed.client, &row(Who::Master, "PUT", path, pod)).await;
            let is_so = matches!(&answer, Answer::Refused(text) if text.contains("(ImageRegistryNotAllowed)"));
            assert!(is_so, "{what} {place}: {answer:?}");
        }
    }
}
