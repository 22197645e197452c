//! Findings as reports of openreports.io, on a real API server with its real definitions.

use std::{collections::BTreeMap, time::Duration};

use kube::{
    Api, ResourceExt,
    api::ListParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use pcizone::engine::open_reports::LEFT_OUT;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Bed, ask_for, zone};

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/components/open-reports/rbac.yaml");
/// A kind or a right that comes is found within a minute.
const COMES: Duration = Duration::from_secs(150);
/// Longer than two rounds of the writer.
const REST: Duration = Duration::from_secs(15);
const FOREIGN: &str = "
apiVersion: openreports.io/v1alpha1
kind: Report
metadata: {name: pcizone-cde, namespace: checkout, labels: {app.kubernetes.io/managed-by: somebody}}
source: somebody
results: [{policy: theirs, result: pass, timestamp: {seconds: 1, nanos: 0}}]
";

struct Reports(BTreeMap<String, Value>);

impl Reports {
    async fn of(bed: &Bed) -> Self {
        let mut all = BTreeMap::new();
        for (kind, plural) in [("Report", "reports"), ("ClusterReport", "clusterreports")] {
            let gvk = GroupVersionKind::gvk("openreports.io", "v1alpha1", kind);
            let api: Api<DynamicObject> =
                Api::all_with(bed.client.clone(), &ApiResource::from_gvk_with_plural(&gvk, plural));
            for report in api.list(&ListParams::default()).await.unwrap() {
                all.insert(format!("{}/{}", report.namespace().unwrap_or_default(), report.name_any()), json!(report));
            }
        }
        Reports(all)
    }

    fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn versions(&self) -> BTreeMap<&str, &Value> {
        self.0.iter().map(|(name, report)| (name.as_str(), &report["metadata"]["resourceVersion"])).collect()
    }

    /// What is said of a subject: policies and results.
    fn results(&self, name: &str) -> Vec<String> {
        let results = self.0.get(name).and_then(|report| report["results"].as_array()).into_iter().flatten();
        results
            .map(|result| format!("{} {}", result["policy"].as_str().unwrap(), result["result"].as_str().unwrap()))
            .collect()
    }
}

async fn until(bed: &Bed, what: &str, is: impl Fn(&Reports) -> bool) -> Reports {
    ask_for(COMES, what, async || {
        let reports = Reports::of(bed).await;
        if is(&reports) { Ok(reports) } else { Err(format!("{:#?}", reports.0)) }
    })
    .await
}

async fn bed() -> Bed {
    let bed = Bed::without_operator().await;
    let definitions = testbed::open_reports().unwrap();
    bed.kubectl(&["apply", "--filename", definitions.to_str().unwrap()]).await;
    for plural in ["reports", "clusterreports"] {
        bed.kubectl(&["wait", "--for=condition=Established", &format!("crd/{plural}.openreports.io")]).await;
    }
    bed.shop().await;
    bed
}

const OPEN: &str = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: vault}
spec: {podSelector: {}, ingress: [{}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_written_as_reports_kept_and_taken_away() {
    let mut bed = bed().await;
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    bed.apply(FOREIGN).await;
    let theirs = Reports::of(&bed).await.0["checkout/pcizone-cde"].clone();
    bed.apply(OPEN).await;
    bed.start_operator().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let widens = "PolicyAllowsWorld fail".to_string();
    let written = until(&bed, "the open policy is reported in its namespace", |reports| {
        reports.results("vault/pcizone-cde").contains(&widens) && reports.0.contains_key("/pcizone-cde")
    })
    .await;
    assert_eq!(written.names(), ["/pcizone-cde", "checkout/pcizone-cde", "vault/pcizone-cde"]);
    assert_eq!(written.0["checkout/pcizone-cde"], theirs, "somebody else's report of that name is left alone");
    let report = &written.0["vault/pcizone-cde"];
    assert_eq!((&report["source"], &report["summary"]["pass"]), (&json!("pcizone"), &json!(0)));
    assert!(report["metadata"]["annotations"][LEFT_OUT].is_null());
    let of_zone = written.results("/pcizone-cde");
    assert!(of_zone.contains(&"CniEnforcementUnproven warn".to_string()), "{of_zone:?}");

    // At rest: not even after another replica has taken over and listed what is there.
    let before = Reports::of(&bed).await;
    bed.stop_operator().await;
    bed.start_operator().await;
    bed.operator().until_leading().await;
    bed.operator().until_metric("pcizone_findings", |findings| findings > 0).await;
    sleep(REST).await;
    let after = Reports::of(&bed).await;
    assert_eq!(after.versions(), before.versions(), "nothing is written at rest");
    assert_eq!(bed.operator().metric("pcizone_writes_total{controller=\"open-reports\"").await, 0);

    // Changed.
    bed.kubectl(&["delete", "networkpolicy", "--namespace", "vault", "open"]).await;
    until(&bed, "the finding is gone", |reports| !reports.results("vault/pcizone-cde").contains(&widens)).await;

    // A namespace leaves, then the zone goes.
    bed.apply(&zone("cde", "Enforce", "[checkout]")).await;
    bed.confirm("cde").await;
    until(&bed, "the report of the namespace that left is gone", |reports| {
        reports.names() == ["/pcizone-cde", "checkout/pcizone-cde"]
    })
    .await;
    bed.kubectl(&["delete", "pz", "cde", "--wait=false"]).await;
    bed.confirm("cde").await;
    let left =
        until(&bed, "the reports of the zone are gone", |reports| reports.names() == ["checkout/pcizone-cde"]).await;
    assert_eq!(left.0["checkout/pcizone-cde"], theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_nothing_is_held_up_and_once_it_is_there_they_come() {
    let mut bed = bed().await;
    bed.start_operator().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let refused = "pcizone_reconcile_errors_total{controller=\"open-reports\",category=\"forbidden\"}";
    bed.operator().until_metric(refused, |count| count > 0).await;
    assert!(Reports::of(&bed).await.0.is_empty());
    bed.kubectl(&["apply", "--filename", COMPONENT]).await;
    until(&bed, "the reports come", |reports| reports.names().len() == 3).await;
}
