//! Who may change what is sealed, who did, and that somebody took note of it.

use k8s_openapi::jiff::Timestamp;
use pcizone::api::{PciZone, names};

use crate::{
    events::until_told,
    support::{Bed, ask, evidence, is, message, zone},
};

fn last_used(zone: &PciZone) -> Option<Timestamp> {
    Some(zone.status.as_ref()?.break_glass.as_ref()?.last_used.0)
}

async fn acknowledge(bed: &Bed, until: Timestamp) {
    bed.kubectl(&["annotate", "pz", "cde", "--overwrite", &format!("{}={until}", names::ACKNOWLEDGE)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_told_until_somebody_takes_note_of_it() {
    let mut bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    assert_eq!(last_used(&bed.zone("cde").await), None);

    // kubectl acts as an administrator, who holds every right.
    bed.is_repaired("vault", "pcizone-baseline").await;
    let used = bed.until_zone("cde", "it is told", |zone| is(zone, "Compliant", "BreakGlassUsed")).await;
    let first = last_used(&used).expect("it is on record");
    assert!(message(&used, "Compliant").contains(&format!("{}={first}", names::ACKNOWLEDGE)));
    until_told(&bed, "BreakGlassUsed", &["changed what is sealed"]).await;

    acknowledge(&bed, first).await;
    let is_over = |zone: &PciZone| last_used(zone).is_none() && !is(zone, "Compliant", "BreakGlassUsed");
    bed.until_zone("cde", "it is acknowledged as the message says", is_over).await;
    bed.kubectl(&["annotate", "pz", "cde", &format!("{}-", names::ACKNOWLEDGE)]).await;
    bed.until_zone("cde", "the acknowledgement was taken back", |zone| last_used(zone) == Some(first)).await;

    // Another operator remembers nothing but what was said.
    bed.stop_operator().await;
    bed.start_operator().await;
    let judged = async || {
        let touched = ["annotate", "pz", "cde", "--overwrite", "example.com/note=touched"];
        bed.operator().looks_after("pcizone_judgement_seconds_count", bed.kubectl(&touched)).await;
    };
    judged().await;
    assert_eq!(last_used(&bed.zone("cde").await), Some(first));

    acknowledge(&bed, first).await;
    bed.until_zone("cde", "it is acknowledged", is_over).await;

    // The next use is another one. Times are told in whole seconds.
    ask(
        "a later second",
        async || if Timestamp::now().as_second() > first.as_second() { Ok(()) } else { Err(String::new()) },
    )
    .await;
    bed.is_repaired("checkout", "pcizone-baseline").await;
    let again = bed.until_zone("cde", "it is told again", |zone| is(zone, "Compliant", "BreakGlassUsed")).await;
    let subject = &again.status.as_ref().unwrap().break_glass.as_ref().unwrap().subject;
    assert_eq!(subject, "NetworkPolicy/checkout/pcizone-baseline");
}

fn is_tampered(zone: &PciZone) -> bool {
    evidence(zone, "ManagedObjectTampered", "NetworkPolicy/vault/pcizone-baseline").is_some()
}

/// Whoever may write policies at all can do that, so it shows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn to_take_our_name_out_of_the_record_needs_no_right() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let empty = r#"--patch={"metadata":{"managedFields":[{}]}}"#;
    bed.kubectl(&["patch", "networkpolicy", "--namespace=vault", "pcizone-baseline", "--type=merge", empty]).await;
    let zone = bed.until_zone("cde", "it is told", is_tampered).await;
    assert_eq!(last_used(&zone), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_guard_seals_is_no_break_glass() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Warn", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.is_repaired("vault", "pcizone-baseline").await;
    let zone = bed.until_zone("cde", "it is told", is_tampered).await;
    assert_eq!(last_used(&zone), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_right_by_a_wildcard_is_told_until_somebody_takes_note() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    let zone = bed.until_ready("cde").await;
    let found = |zone: &PciZone, id: &str| {
        let findings = zone.status.iter().flat_map(|status| &status.top_findings);
        findings.filter(|finding| finding.id == id).map(|finding| finding.subject.clone()).collect::<Vec<_>>()
    };
    assert!(found(&zone, "BreakGlassByWildcard").is_empty(), "a cluster as it is shipped has none but the masters");
    let argo = "--serviceaccount=argocd:argocd-application-controller";
    bed.kubectl(&["create", "clusterrolebinding", "argocd", "--clusterrole=cluster-admin", argo]).await;
    bed.kubectl(&["create", "clusterrolebinding", "named", "--clusterrole=pcizone-break-glass", "--user=ann"]).await;
    let is_told = |zone: &PciZone| found(zone, "BreakGlassByWildcard") == ["ClusterRoleBinding/argocd"];
    let zone = bed.until_zone("cde", "it is told", is_told).await;
    let says = evidence(&zone, "BreakGlassByWildcard", "ClusterRoleBinding/argocd").unwrap();
    let annotation = says.rsplit(' ').next().unwrap().to_string();
    assert!(annotation.starts_with(names::ACKNOWLEDGE_HOLDERS), "{says}");
    bed.kubectl(&["annotate", "pz", "cde", "--overwrite", &annotation]).await;
    bed.until_zone("cde", "it is acknowledged", |zone| {
        found(zone, "BreakGlassByWildcard").is_empty()
            && found(zone, "BreakGlassAcknowledged") == ["ClusterRoleBinding/argocd"]
    })
    .await;
    bed.kubectl(&["create", "clusterrolebinding", "eve", "--clusterrole=cluster-admin", "--user=eve"]).await;
    let both = ["ClusterRoleBinding/argocd", "ClusterRoleBinding/eve"];
    bed.until_zone("cde", "another one was not acknowledged", |zone| found(zone, "BreakGlassByWildcard") == both).await;
    bed.kubectl(&["delete", "clusterrolebinding", "eve"]).await;
    bed.kubectl(&["delete", "clusterrolebinding", "argocd"]).await;
    bed.until_zone("cde", "it is gone", |zone| found(zone, "BreakGlassAcknowledged").is_empty()).await;
}
