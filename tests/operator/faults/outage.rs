//! The API server is away, for everybody or for the operator alone.

use std::time::Duration;

use testbed::{Fault, WatchFault};
use tokio::time::sleep;

use crate::support::{Bed, ask, evidence, zone};

/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_crashes_and_is_away_for_half_a_minute_changes_nothing() {
    let bed = Bed::start().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    let before = bed.surroundings().await;
    let writes = bed.writes().await;
    bed.cluster.kill_apiserver().unwrap();
    bed.operator().until_metric("pcizone_leading", |leading| leading == 0).await;
    // The outage itself: nothing is waited for.
    sleep(AWAY).await;
    assert_eq!(bed.operator().get("/livez").await.0, 200, "a restart would help nothing");
    bed.cluster.start_apiserver().await.unwrap();
    bed.operator().until_leading().await;
    bed.operator().until_synced().await;
    bed.until_ready("cde").await;
    assert_eq!(bed.surroundings().await, before);
    assert_eq!(bed.writes().await, writes);
    bed.is_repaired("vault", "pcizone-baseline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_while_the_operator_is_cut_off_is_repaired_and_told_afterwards() {
    let (bed, proxy) = Bed::protected_behind_proxy().await;
    let before = bed.shape().await;

    proxy.script(|_| Fault::Kill);
    proxy.strike_watches("", WatchFault::Cut);
    bed.operator().until_metric("pcizone_leading", |leading| leading == 0).await;
    bed.kubectl(&["delete", "networkpolicy", "--namespace=vault", "pcizone-baseline"]).await;
    let open = r#"--patch={"spec":{"egress":[{}]}}"#;
    bed.kubectl(&["patch", "networkpolicy", "--namespace=checkout", "pcizone-baseline", "--type=merge", open]).await;
    bed.kubectl(&["taint", "node", "pci-1", "pcizone.dev/zone-"]).await;
    bed.kubectl(&["label", "namespace", "vault", "pcizone.dev/zone-"]).await;

    proxy.heal();
    bed.until_policy("vault", "pcizone-baseline").await;
    bed.until_zone("cde", "who widened the policy is told", |zone| {
        let told = evidence(zone, "ManagedObjectTampered", "NetworkPolicy/checkout/pcizone-baseline");
        told.is_some_and(|text| text.contains("kubectl-patch"))
    })
    .await;
    // Ready does not follow drift, so it says nothing of the end of the repairs.
    ask("everything is as it was", async || {
        let now = bed.shape().await;
        let differs: Vec<_> = now.iter().filter(|(object, value)| before.get(*object) != Some(value)).collect();
        if now == before { Ok(()) } else { Err(format!("{differs:#?}")) }
    })
    .await;
}
