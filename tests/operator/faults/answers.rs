//! Every request fails once, in each way that an API server or a network can fail: the end is the same.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{ResourceExt, api::DeleteParams};
use pcizone::api::names;
use serde_json::json;
use testbed::{Fault, FaultProxy, Request, WatchFault};
use tokio::time::timeout;

use crate::support::{Bed, FLOW_INGRESS, bare_zone, zone};

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

/// Requests, and when they were made.
type Tries = Arc<Mutex<Vec<(String, Instant)>>>;

/// The first request that is meant, and is about that object, is answered 429 and asks to be left alone for so many
/// seconds. Notes all that are meant.
fn asks_to_wait(proxy: &FaultProxy, seconds: u32, object: &'static str, meant: Meant) -> Tries {
    let tries = Tries::default();
    let times = Arc::clone(&tries);
    proxy.script(move |request| {
        if !meant(request) {
            return Fault::None;
        }
        let mut times = times.lock().unwrap();
        times.push((request.name.clone(), Instant::now()));
        let about_it = times.iter().filter(|(name, _)| name == object).count();
        if request.name == object && about_it == 1 { Fault::Busy(429, seconds) } else { Fault::None }
    });
    tries
}

/// The requests after the first about the object up to its second, which comes when that was allowed.
fn meanwhile(tries: &Tries, seconds: u32, object: &str) -> Vec<String> {
    let tries = tries.lock().unwrap();
    let about_it: Vec<usize> = (0..tries.len()).filter(|place| tries[*place].0 == object).collect();
    let (first, second) = (about_it[0], about_it[1]);
    let waited = tries[second].1 - tries[first].1;
    assert!(waited >= Duration::from_secs(seconds.into()), "{object} was asked about again after {waited:?}");
    tries[first + 1..second].iter().map(|(name, _)| name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_to_wait_is_not_asked_before() {
    let (bed, proxy) = Bed::protected_behind_proxy().await;

    let struck = proxy.struck();
    // A creation has its name in the body.
    let creates = |request: &Request| request.resource == "networkpolicies" && request.verb == "create";
    let tries = asks_to_wait(&proxy, 4, "", creates);
    let look_again = async {
        proxy.until_struck(struck + 1).await;
        // Whatever else happens to the namespace is no reason to ask before.
        bed.kubectl(&["label", "namespace", "vault", "example.com/look=again"]).await;
    };
    tokio::join!(bed.is_repaired("vault", "pcizone-baseline"), look_again);
    meanwhile(&tries, 4, "");
    assert_eq!(tries.lock().unwrap().len(), 2, "one refusal and one repair");

    // A status as well, and only that of the one zone.
    bed.until_ready("cde").await;
    let struck = proxy.struck();
    let tries = asks_to_wait(&proxy, 20, "cde", |request| request.subresource == "status");
    bed.apply(&zone("cde", "Enforce", "[checkout, vault]").replace("8443", "8444")).await;
    proxy.until_struck(struck + 1).await;
    bed.apply(&bare_zone("other", "Enforce", "{names: [storefront]}")).await;
    bed.until_ready("other").await;
    bed.until_ready("cde").await;
    assert!(meanwhile(&tries, 20, "cde").contains(&"other".to_string()), "others go on");
}

/// Breaks what only the watch of this resource shows, and waits until it is right again. `port` is one that no flow has
/// yet.
async fn is_noticed(bed: &Bed, resource: &str, port: u16) {
    match resource {
        "networkpolicies" => bed.is_repaired("vault", "pcizone-baseline").await,
        "namespaces" => {
            let label = format!("{}-", names::ZONE_LABEL);
            bed.kubectl(&["label", "namespace", "vault", &label]).await;
            let is_labelled = |namespace: Option<&Namespace>| {
                namespace.is_some_and(|namespace| namespace.labels().contains_key(names::ZONE_LABEL))
            };
            bed.until("vault is labelled again", bed.namespaces(), "vault", is_labelled).await;
        }
        "nodes" => {
            let taint = format!("{}-", names::NODE_TAINT);
            bed.kubectl(&["taint", "node", "pci-1", &taint]).await;
            let is_tainted = |node: Option<&Node>| {
                let mut taints = node.and_then(|node| node.spec.as_ref()?.taints.as_ref()).into_iter().flatten();
                taints.any(|taint| taint.key == names::NODE_TAINT)
            };
            bed.until("pci-1 is tainted again", bed.nodes(), "pci-1", is_tainted).await;
        }
        "pcizones" => {
            bed.apply(&zone("cde", "Enforce", "[checkout, vault]").replace("8443", &port.to_string())).await;
            let opens = |policy: Option<&NetworkPolicy>| {
                policy.is_some_and(|policy| json!(policy.spec).to_string().contains(&format!(":{port},")))
            };
            bed.until("the flow has its new port", bed.policies("vault"), FLOW_INGRESS, opens).await;
        }
        other => panic!("nothing of {other} is to be kept right"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_expires_breaks_or_ends_misses_nothing() {
    const SOON: Duration = Duration::from_secs(30);
    const KINDS: [&str; 4] = ["networkpolicies", "namespaces", "nodes", "pcizones"];
    let (bed, proxy) = Bed::protected_behind_proxy().await;
    let mut ports = 9000..;
    for fault in [WatchFault::Expire, WatchFault::Cut, WatchFault::End] {
        for (struck, resource) in KINDS.map(|kind| (kind, kind)).into_iter().chain(KINDS.map(|kind| ("", kind))) {
            for kind in KINDS {
                proxy.until_watched(kind).await;
            }
            proxy.strike_watches(struck, fault);
            // It is broken just when nobody may be looking. A watch that is not opened anew ends by itself after 40 s.
            let noticed = timeout(SOON, is_noticed(&bed, resource, ports.next().unwrap())).await;
            assert!(noticed.is_ok(), "{resource} after {fault:?} of {struck:?}");
        }
    }
    bed.until_ready("cde").await;
}
