//! Every request fails once, in each way that an API server or a network can fail: the end is the same.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kube::api::DeleteParams;
use testbed::{Fault, FaultProxy, Request, WatchFault};

use crate::support::{Bed, FLOW_INGRESS, zone};

/// Which requests fail.
type Meant = fn(&Request) -> bool;

/// The first request of each verb to each path fails. The lease is left out: it has tests of its own.
fn each_fails_once(proxy: &FaultProxy, fault: Fault, meant: Meant) {
    let seen: Mutex<HashSet<String>> = Mutex::default();
    proxy.script(move |request| {
        if request.resource == "leases" || !meant(request) {
            return Fault::None;
        }
        // Not the query: it holds versions and tokens, and every try would be the first.
        let path = request.uri.split('?').next().unwrap_or_default();
        let is_first = seen.lock().unwrap().insert(format!("{} {path}", request.verb));
        if is_first { fault.clone() } else { Fault::None }
    });
}

/// A zone from its creation to its end, with the operator started anew; what was in the cluster in between.
async fn life(bed: &mut Bed, proxy: &FaultProxy) -> std::collections::BTreeMap<String, serde_json::Value> {
    bed.start_operator_behind(proxy).await;
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
    bed.until_ready("cde").await;
    bed.is_repaired("vault", FLOW_INGRESS).await;
    let inside = bed.shape().await;
    bed.zones().delete("cde", &DeleteParams::default()).await.unwrap();
    bed.confirm("cde").await;
    bed.until_gone(bed.zones(), "cde").await;
    bed.stop_operator().await;
    inside
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_once_the_end_is_the_same() {
    let mut bed = Bed::without_operator().await;
    bed.shop().await;
    let proxy = bed.cluster.fault_proxy().await.unwrap();
    let before = bed.shape().await;
    let clean = life(&mut bed, &proxy).await;
    assert_eq!(bed.shape().await, before);

    let all = |_: &Request| true;
    let writes = |request: &Request| request.is_write();
    let rows: [(Fault, Meant); 8] = [
        (Fault::Answer(409), writes),
        (Fault::Answer(410), |request| request.verb == "watch"),
        (Fault::Expire, |request| request.verb == "watch"),
        (Fault::Answer(500), all),
        (Fault::Busy(503, 1), all),
        (Fault::Kill, all),
        (Fault::KillReply, all),
        (Fault::Truncate(20), all),
    ];
    for (fault, meant) in rows {
        let struck = proxy.struck();
        each_fails_once(&proxy, fault.clone(), meant);
        let inside = life(&mut bed, &proxy).await;
        proxy.heal();
        assert_eq!(inside, clean, "{fault:?}");
        assert_eq!(bed.shape().await, before, "{fault:?}");
        assert!(proxy.struck() > struck, "{fault:?} never happened");
        eprintln!("{fault:?}: {} requests met it", proxy.struck() - struck);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_to_wait_is_not_asked_before() {
    const ASKED: Duration = Duration::from_secs(4);
    let (bed, proxy) = Bed::protected_behind_proxy().await;

    let tries: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let times = Arc::clone(&tries);
    proxy.script(move |request| {
        if request.resource != "networkpolicies" || request.verb != "create" {
            return Fault::None;
        }
        let mut times = times.lock().unwrap();
        times.push(Instant::now());
        if times.len() == 1 { Fault::Busy(429, 4) } else { Fault::None }
    });
    let struck = proxy.struck();
    let meanwhile = async {
        proxy.until_struck(struck + 1).await;
        // Whatever else happens to the namespace is no reason to ask before.
        bed.kubectl(&["label", "namespace", "vault", "example.com/look=again"]).await;
    };
    tokio::join!(bed.is_repaired("vault", "pcizone-baseline"), meanwhile);
    let tries = tries.lock().unwrap().clone();
    assert_eq!(tries.len(), 2, "one refusal and one repair");
    assert!(tries[1] - tries[0] >= ASKED, "it was asked again after {:?}", tries[1] - tries[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_expires_breaks_or_ends_misses_nothing() {
    let (bed, proxy) = Bed::protected_behind_proxy().await;
    for fault in [WatchFault::Expire, WatchFault::Cut, WatchFault::End] {
        for resource in ["networkpolicies", "namespaces", "nodes", "pcizones", ""] {
            proxy.strike_watches(resource, fault);
            // It is deleted just when nobody may be looking.
            bed.is_repaired("vault", "pcizone-baseline").await;
        }
    }
    bed.until_ready("cde").await;
}
