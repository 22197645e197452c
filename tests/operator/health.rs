//! What a replica serves: `/livez`, `/readyz`, `/metrics` and `/report`.

use serde_json::{Value, json};

use crate::support::{Bed, zone};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_knows_the_cluster_is_ready_and_leads() {
    let bed = Bed::start().await;
    bed.operator().until_synced().await;
    bed.operator().until_leading().await;
    let (code, text) = bed.operator().get("/metrics").await;
    assert_eq!(code, 200);
    assert!(text.lines().any(|line| line == "pcizone_leading 1"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(bed.operator().get("/livez").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_reach_the_api_server_lives_and_is_ready_when_it_can() {
    let mut bed = Bed::without_operator().await;
    let config = bed.operator_config().await;
    bed.cluster.stop_apiserver().await.unwrap();
    bed.start_operator_with(config);
    // It has tried, and code 0 means that there was no answer.
    bed.operator().until_metric(r#"pcizone_api_requests_total{method="GET""#, |tried| tried > 0).await;
    let (code, text) = bed.operator().get("/readyz").await;
    assert_eq!(code, 503, "{text}");
    assert_eq!(bed.operator().get("/livez").await.0, 200);
    assert_eq!(bed.operator().metric("pcizone_leading").await, 0);
    bed.cluster.start_apiserver().await.unwrap();
    bed.operator().until_synced().await;
    bed.operator().until_leading().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_may_not_see_nodes_is_not_ready_and_names_them() {
    let mut bed = Bed::without_operator().await;
    bed.set_rights_on_nodes(r#"["get","patch"]"#).await;
    bed.start_operator().await;
    let names_nodes_alone = |code: u16, text: &str| {
        let others = ["pcizones", "namespaces", "networkpolicies", "endpointslices", "servicecidrs"];
        code == 503 && text.contains("nodes") && !others.iter().any(|kind| text.contains(kind))
    };
    bed.operator().until_page("nodes alone are missed", "/readyz", names_nodes_alone).await;
    bed.set_rights_on_nodes(r#"["get","list","watch","patch"]"#).await;
    bed.operator().until_synced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_judges_has_the_full_list_of_findings() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Observe", "[checkout, vault]")).await;
    let judged = |status: &pcizone::api::PciZoneStatus| status.findings.is_some();
    let cde = bed.until_zone("cde", "it was judged", |zone| zone.status.as_ref().is_some_and(judged)).await;
    let names_it = |code: u16, text: &str| code == 200 && text.contains(r#""name":"cde""#);
    let page = bed.operator().until_page("the zone is in the report", "/report", names_it).await;
    // The helper knows nothing of chunks; so short a report is one.
    let text = page.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map(|(text, _)| format!("{{{text}}}"));
    let report: Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(report["zones"][0]["findings"], json!(cde.status.unwrap().top_findings), "few enough to be in both");
}
