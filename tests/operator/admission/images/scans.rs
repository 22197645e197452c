//! The gate of digests: by the operator's list, which nobody else writes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::DeleteParams};
use pcizone::{api::Mode, engine::images::allow_list};
use serde_json::{Value, json};

use super::{HEX, MARK, Place, bed, bring, bringing, enforce, exception, later, row, zone};
use crate::{
    admission::{
        asking::{Answer, ask},
        people::{People, Who},
    },
    support::{self, Bed},
};

const LISTS: &str = "/api/v1/namespaces/pcizone-system/configmaps";
/// Until a list that was written is what the API server goes by.
const WORDS: [(&str, &str); 6] =
    [("absent", "0"), ("stale", "1"), ("soon", "2"), ("future", "3"), ("critical", "4"), ("overdue", "5")];

/// An image by what the list says of it.
fn image(what: &str) -> String {
    let (_, digit) = WORDS.iter().find(|(word, _)| *word == what).unwrap();
    format!("{MARK}/{what}@sha256:{}", digit.repeat(64))
}

fn list() -> Value {
    let (past, to_come) = (later(-60), later(3600));
    let told = |what: &str, told: String| (image(what).split_off(image(what).len() - 64), told);
    let data = BTreeMap::from([
        told("stale", format!("{past} - -")),
        told("critical", format!("{to_come} {past} {to_come}")),
        told("overdue", format!("{to_come} {to_come} {past}")),
        told("future", format!("{to_come} {to_come} {to_come}")),
        // What pods have beside it.
        (HEX.to_string(), format!("{to_come} - -")),
    ]);
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": allow_list::name("cde"), "namespace": "pcizone-system" }, "data": data })
}

fn scanning(admission: &str, exceptions: &[Value]) -> pcizone::engine::declaration::Declaration {
    zone(&json!({ "registries": [MARK], "admission": admission }), &json!({ "exceptions": exceptions }))
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Allowed { .. } => answer.warning().map(|text| format!("warned: {text}")).unwrap_or_default(),
        Answer::Refused(text) => text.clone(),
    }
}

/// Waits until an image is refused with this, or let in where there is nothing.
async fn until(bed: &Bed, image: &str, wanted: &str) {
    support::ask(&format!("{image}: {wanted}"), async || {
        let said = said(&ask(&bed.client, &bringing(image, Place::Container)).await);
        let is_so = if wanted.is_empty() { said.is_empty() } else { said.contains(wanted) };
        if is_so { Ok(()) } else { Err(said) }
    })
    .await;
}

async fn all_are(people: &People, rows: &[(&str, &str)]) {
    for place in [Place::Container, Place::Init, Place::Ephemeral, Place::Volume] {
        for (what, wanted) in rows {
            let row = bringing(&image(what), place);
            let said = said(&ask(people.client(row.who), &row).await);
            let is_so = if wanted.is_empty() { said.is_empty() } else { said.contains(wanted) };
            assert!(is_so, "{what} in {place:?}: {wanted:?}, and not {said:?}");
            assert!(wanted.is_empty() || said.contains(&image(what)), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_may_start_as_long_as_the_list_says() {
    let bed = bed().await;
    let people = People::of(&bed).await;
    bring(&bed.client, "running", &format!("{MARK}/good@sha256:{HEX}")).await.unwrap();
    bed.apply(&list().to_string()).await;
    let accepted = exception("ImageUnscanned", &format!("Image/{MARK}/absent@sha256:00*"), later(3600));
    let one = |finding: &str| exception(finding, &format!("Image/{MARK}/*"), later(3600));
    let rows = |absent, stale, critical, overdue| {
        [("absent", absent), ("stale", stale), ("critical", critical), ("overdue", overdue), ("future", "")]
    };
    let (unscanned, old) = ("(ImageUnscanned)", "(ImageScanStale)");
    let (critical, overdue) = ("(ImageCriticalOverdue)", "(ImageFixOverdue)");
    for (admission, exceptions, rows) in [
        ("Overdue", vec![], rows("", "", critical, overdue)),
        ("Overdue", vec![one("ImageCriticalOverdue")], rows("", "", "", overdue)),
        ("Overdue", vec![one("ImageFixOverdue")], rows("", "", critical, "")),
        ("Proven", vec![], rows(unscanned, old, critical, overdue)),
        ("Proven", vec![accepted], rows("", old, critical, overdue)),
        ("Proven", vec![one("ImageScanStale")], rows(unscanned, "", critical, overdue)),
        // Nothing of the kind is asked for any more.
        ("References", vec![], rows("", "", "", "")),
    ] {
        if admission == "References" {
            for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
                bed.kubectl(&["delete", kind, "pcizone-cde-scans"]).await;
            }
        }
        enforce(&bed, &scanning(admission, &exceptions), Mode::Enforce, true).await;
        // Of this policy nobody can ask whether it is in force.
        for (what, wanted) in rows {
            until(&bed, &image(what), wanted).await;
        }
        let answer = ask(&bed.client, &exchange("future")).await;
        let id = match admission {
            "Overdue" => "(ImageCriticalOverdue)",
            "Proven" => "(ImageUnscanned)",
            _ => "",
        };
        assert!(said(&answer).contains(id) && said(&answer).is_empty() == id.is_empty(), "{admission}: {answer:?}");
        let good = bringing(&format!("{MARK}/good@sha256:{HEX}"), Place::Ephemeral);
        let answer = ask(people.client(good.who), &good).await;
        assert_eq!(said(&answer), "", "what is in the pod already");
        all_are(&people, &rows).await;
    }
}

/// The image of a pod that runs is exchanged.
fn exchange(what: &str) -> crate::admission::asking::Row {
    let body = json!({ "spec": { "containers": [{ "name": "main", "image": image(what) }] } });
    row(Who::Master, "PATCH", "/api/v1/namespaces/vault/pods/running", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_in_the_list_holds_to_the_second_with_nobody_there_to_change_it() {
    let bed = bed().await;
    bring(&bed.client, "running", &format!("{MARK}/good@sha256:{HEX}")).await.unwrap();
    let end = later(8);
    let mut list = list();
    list["data"]["2".repeat(64)] = json!(format!("- {end} -"));
    bed.apply(&list.to_string()).await;
    enforce(&bed, &scanning("Overdue", &[]), Mode::Enforce, true).await;
    until(&bed, &image("critical"), "(ImageCriticalOverdue)").await;
    let image = image("soon");
    let [pods, running] = [Place::Container, Place::Ephemeral]
        .map(|place| super::ends::closes(&bed.client, &image, place, end, "(ImageCriticalOverdue)"));
    tokio::join!(pods, running);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_list_a_zone_that_wants_proof_starts_nothing_and_the_rest_goes_on() {
    let bed = bed().await;
    bring(&bed.client, "running", &format!("{MARK}/good@sha256:{HEX}")).await.unwrap();
    let lists: Api<ConfigMap> = Api::namespaced(bed.client.clone(), "pcizone-system");
    let label = || json!({ "metadata": { "labels": { "app": "new" } } });
    for (admission, mode, wanted) in
        [("Proven", Mode::Enforce, "no params found"), ("Proven", Mode::Warn, ""), ("Overdue", Mode::Enforce, "")]
    {
        bed.apply(&list().to_string()).await;
        enforce(&bed, &scanning(admission, &[]), mode, true).await;
        until(&bed, &image("critical"), "(ImageCriticalOverdue)").await;
        lists.delete(&allow_list::name("cde"), &DeleteParams::default()).await.unwrap();
        until(&bed, &image("critical"), wanted).await;
        until(&bed, &image("future"), wanted).await;
        let pod = "/api/v1/namespaces/vault/pods/running";
        let answer = ask(&bed.client, &row(Who::Master, "PATCH", pod, label())).await;
        assert_eq!(said(&answer), "", "{admission} {mode:?}");
        let zone = "/apis/pcizone.dev/v1alpha1/pcizones/cde";
        let answer = ask(&bed.client, &row(Who::Master, "PATCH", zone, label())).await;
        assert_eq!(said(&answer), "", "{admission} {mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_the_operators_alone() {
    let bed = bed().await;
    let people = People::of(&bed).await;
    bed.apply(&list().to_string()).await;
    bed.kubectl(&["create", "configmap", "other", "--namespace", "pcizone-system"]).await;
    bed.kubectl(&["create", "configmap", "other", "--namespace", "storefront"]).await;
    enforce(&bed, &scanning("Proven", &[]), Mode::Enforce, true).await;
    let name = allow_list::name("cde");
    let own = format!("{LISTS}/{name}");
    let data = json!({ "data": { "0".repeat(64): "2099-01-01T00:00:00Z - -" } });
    let labelled =
        json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "pcizone", "pcizone.dev/zone": "cde" } } });
    let elsewhere = "/api/v1/namespaces/storefront/configmaps";
    let there = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
    for (who, what, verb, path, body, stopped) in [
        (Who::Platform, "changes it", "PATCH", own.as_str(), data.clone(), true),
        (Who::Platform, "annotates it", "PATCH", &own, json!({ "metadata": { "annotations": { "a": "b" } } }), true),
        (Who::Platform, "deletes it", "DELETE", &own, json!({}), true),
        (Who::Platform, "deletes all", "DELETE", LISTS, json!({}), true),
        (Who::Platform, "has another pass for it", "PATCH", &format!("{LISTS}/other"), labelled, true),
        (Who::Platform, "changes another", "PATCH", &format!("{LISTS}/other"), data.clone(), false),
        (Who::Platform, "makes one of its name elsewhere", "POST", elsewhere, there, false),
        (Who::Platform, "deletes all elsewhere", "DELETE", elsewhere, json!({}), false),
        // Holds every verb, so that of breaking the glass too.
        (Who::Argo, "changes it", "PATCH", &own, data, false),
    ] {
        let answer = ask(people.client(who), &row(who, verb, path, body)).await;
        let is_so = match &answer {
            Answer::Allowed { .. } => !stopped,
            Answer::Refused(text) => {
                stopped && text.contains("(ManagedObjectTampered)") && text.contains("pcizone-cde-imagelist")
            }
        };
        assert!(is_so, "{who:?} {what}: {answer:?}");
    }
}
