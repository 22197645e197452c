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
            let opens = |policy: Option<&NetworkPolicy>| json!(policy).to_string().contains(&port.to_string());
            bed.until("the flow has its new port", bed.policies("vault"), FLOW_INGRESS, opens).await;
        }
        other => panic!("nothing of {other} is to be kept right"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_expires_breaks_or_ends_misses_nothing() {
    const KINDS: [&str; 4] = ["networkpolicies", "namespaces", "nodes", "pcizones"];
    let (bed, proxy) = Bed::protected_behind_proxy().await;
    let mut ports = 9000..;
    for fault in [WatchFault::Expire, WatchFault::Cut, WatchFault::End] {
        for resource in KINDS {
            proxy.strike_watches(resource, fault);
            // It is broken just when nobody may be looking.
            is_noticed(&bed, resource, ports.next().unwrap()).await;
        }
        for resource in KINDS {
            // All of them at once.
            proxy.strike_watches("", fault);
            is_noticed(&bed, resource, ports.next().unwrap()).await;
        }
    }
    bed.until_ready("cde").await;
}
