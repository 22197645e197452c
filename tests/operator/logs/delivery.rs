//! Whether records arrive, judged from end to end: pods of a real API server, lines in a real `VictoriaLogs`, asked by TLS.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use pcizone::api::{LogsStatus, PciZone};
use serde_json::json;
use tempfile::TempDir;
use testbed::VictoriaLogs;

use super::{
    ROUND, SINK, bed, findings, found, install_component,
    lines::Lines,
    make, run, set_linger,
    stub::{Authority, Stub},
    told, until_forwarding, until_found, zone,
};
use crate::support::{Bed, ask_for, is, message};

fn logs(zone: &PciZone) -> LogsStatus {
    zone.status.clone().unwrap_or_default().logs.unwrap_or(LogsStatus {
        newest_record: None,
        retention: String::new(),
        pods: 0,
        arriving: 0,
        stores: Vec::new(),
    })
}

/// Waits until so many pods of so many arrive.
async fn until_arriving(bed: &Bed, arriving: i64, pods: i64) -> PciZone {
    ask_for(ROUND, &format!("{arriving} of {pods} pods arrive"), async || {
        let zone = bed.zone("cde").await;
        let now = logs(&zone);
        if (now.arriving, now.pods) == (arriving, pods) { Ok(zone) } else { Err(told(&zone)) }
    })
    .await
}

/// A cell of `kubectl get`.
fn cell<'t>(table: &'t str, column: &str) -> &'t str {
    let mut lines = table.lines();
    let at = lines.next().and_then(|head| head.find(column)).unwrap_or_else(|| panic!("no {column} in {table}"));
    lines.next().and_then(|row| row.get(at..)).and_then(|rest| rest.split_whitespace().next()).unwrap()
}

/// A front with TLS before a store, and what the operator needs to trust it.
async fn encrypted(store: &VictoriaLogs) -> (Stub, TempDir) {
    let authority = Authority::new("the store's");
    let front = Stub::front(store.url(), &authority).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("siem.url", front.url.clone()), ("siem.ca.crt", authority.pem())] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    (front, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_and_what_does_not_is_judged_from_end_to_end() {
    let store = VictoriaLogs::start("400d").await.unwrap();
    let (front, folder) = encrypted(&store).await;
    let mut bed = bed().await;
    install_component(&bed).await;
    make(&bed, "vault", "early").await;
    bed.start_operator_showing(folder.path()).await;
    let place = format!("{{kind: VictoriaLogs, url: \"{}\", credentials: siem}}", front.url);
    bed.apply(&zone("cde", "[checkout, vault]", SINK, &place)).await;
    bed.until_ready("cde").await;
    until_forwarding(&bed, "vault").await;

    // One that was made before the zone.
    let why = until_found(&bed, "cde", "LogSidecarMissing", "Pod/vault/early").await;
    assert!(why.contains("no log forwarder"), "{why}");
    bed.kubectl(&["delete", "pod", "early", "--namespace=vault", "--now"]).await;

    // All is well.
    let lines = Lines::of("cde", &store);
    for (namespace, pod) in [("vault", "db"), ("vault", "gone"), ("checkout", "web")] {
        run(&bed, namespace, pod).await;
        lines.begin(namespace, pod);
    }
    let well = until_arriving(&bed, 3, 3).await;
    let Some(newest) = logs(&well).newest_record else { panic!("{}", told(&well)) };
    let age = newest.0.duration_until(Timestamp::now());
    assert!(age >= SignedDuration::ZERO && age < SignedDuration::from_mins(5), "{age}: {}", told(&well));
    assert_eq!(logs(&well).retention, "400d");
    // Nothing of the way is wrong or unknown; of the API server no pod is seen here.
    let is_well = |zone: &PciZone| message(zone, "LogsCollected").starts_with("ApiAuditUnproven");
    let proven = bed.until_zone("cde", "no more is unproven than the API server's own log", is_well).await;
    assert!(is(&proven, "LogsCollected", "Unknown"), "{}", told(&proven));
    assert!(!findings(&proven).iter().any(|one| one.id.starts_with("LogDelivery")), "{}", told(&proven));
    let table = bed.kubectl(&["get", "pz", "cde"]).await;
    assert_eq!(cell(&table, "RETENTION"), "400d", "{table}");
    assert!(cell(&table, "LOGS").ends_with(['s', 'm']), "{table}");
    let metrics = bed.operator().get("/metrics").await.1;
    for series in [
        r#"pcizone_logs_pods{zone="cde"} 3"#,
        r#"pcizone_logs_pods_arriving{zone="cde"} 3"#,
        r#"pcizone_logs_retention_days{zone="cde"} 400"#,
        r#"pcizone_logs_newest_record_age_seconds{zone="cde"} "#,
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(series)), "{series} {metrics}");
    }

    // One of which nothing comes, one of which nothing comes any more, one that lost a line, and one that does not start.
    run(&bed, "vault", "quiet").await;
    run(&bed, "vault", "torn").await;
    lines.begin_torn("vault", "torn").await;
    lines.cut("vault", "gone");
    make(&bed, "checkout", "waits").await;
    let waiting = json!({ "reason": "CreateContainerConfigError", "message": "secret \"siem\" not found" });
    set_linger(&bed, "checkout", "waits", json!({ "waiting": waiting })).await;
    until_found(&bed, "cde", "LogSinkSecretMissing", "Pod/checkout/waits").await;
    let why = until_found(&bed, "cde", "LogDeliveryStale", "Pod/vault/quiet").await;
    assert_eq!(why, "Nothing of the pod has arrived at the sink siem.");
    let why = until_found(&bed, "cde", "LogDeliveryStale", "Pod/vault/gone").await;
    assert!(why.contains("has arrived at the sink siem since 20"), "{why}");
    let late = until_arriving(&bed, 3, 5).await;
    assert!(is(&late, "LogsCollected", "False") && message(&late, "LogsCollected").contains("sink siem"));
    // It goes without its last line.
    bed.kubectl(&["delete", "pod", "gone", "--namespace=vault", "--now"]).await;
    let why = until_found(&bed, "cde", "LogDeliveryGap", "Pod/vault/gone").await;
    assert!(why.contains("went without its last line") && why.contains("numbered lines are lost"), "{why}");
    let why = until_found(&bed, "cde", "LogDeliveryGap", "Pod/vault/torn").await;
    assert_eq!(why, "At the sink siem: 1 numbered line is missing between others.");
    // Those of which lines come are not spoken of.
    let zone_now = bed.zone("cde").await;
    for pod in ["Pod/vault/db", "Pod/checkout/web"] {
        assert!(!findings(&zone_now).iter().any(|one| one.subject == pod && one.id.starts_with("Log")), "{pod}");
    }

    // Another port, which the flow does not open; the pods have the configuration of the first.
    bed.apply(&zone("cde", "[checkout, vault]", "http://otlp.example.com:4319", &place)).await;
    let why = until_found(&bed, "cde", "LogEgressBlocked", "PciZone/cde/siem").await;
    assert!(why.contains("does not open port 4319"), "{why}");
    let stale = bed.zone("cde").await;
    assert!(found(&stale, "LogSinkPlaintext", "PciZone/cde/siem").is_some(), "{}", told(&stale));
    assert!(found(&stale, "LogSidecarStale", "Pod/vault/db").is_some(), "{}", told(&stale));
    bed.end_soon("cde", 0).await;
    ask_for(ROUND, "the flow has ended", async || {
        let zone = bed.zone("cde").await;
        let said =
            found(&zone, "LogEgressBlocked", "PciZone/cde/siem").is_some_and(|one| one.message.contains("has ended"));
        if said { Ok(()) } else { Err(told(&zone)) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_time_is_asked_for_at_once() {
    let store = VictoriaLogs::start("400d").await.unwrap();
    let mut bed = bed().await;
    install_component(&bed).await;
    bed.start_operator().await;
    let place = format!("{{kind: VictoriaLogs, url: \"{}\"}}", store.url());
    bed.apply(&zone("cde", "[checkout, vault]", SINK, &place)).await;
    ask_for(ROUND, "the store was asked", async || {
        let zone = bed.zone("cde").await;
        if logs(&zone).retention == "400d" { Ok(()) } else { Err(told(&zone)) }
    })
    .await;
    let longer = r#"--patch={"spec":{"logging":{"retention":{"days":500}}}}"#;
    bed.kubectl(&["patch", "pz", "cde", "--type=merge", longer]).await;
    let why = until_found(&bed, "cde", "LogRetentionTooShort", "PciZone/cde/siem").await;
    assert!(why.contains("400 days"), "{why}");
}
