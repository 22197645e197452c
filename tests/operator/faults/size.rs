//! The largest cluster that is promised: 5,000 namespaces in one zone, and 1,000 nodes.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use serde_json::{from_value, json};
use testbed::{Fault, WatchFault, create_node};

use crate::support::{Bed, ask_for, bare_zone, is, is_current};

const NAMESPACES: usize = 5000;
const NODES: usize = 1000;
const AT_ONCE: usize = 64;
/// How long protecting all of it may take with an operator that is not optimised. A bound, not a measure.
const LONG: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn every_watch_expires_at_once_at_full_size_and_nothing_is_written() {
    let mut bed = Bed::without_operator().await;
    let namespaces = stream::iter(0..NAMESPACES).map(|number| {
        let metadata = json!({ "name": format!("shop-{number}"), "labels": { "pci": "in" } });
        let namespace: Namespace = from_value(json!({ "metadata": metadata })).unwrap();
        let api = bed.namespaces();
        async move { api.create(&PostParams::default(), &namespace).await.map(drop) }
    });
    namespaces.buffer_unordered(AT_ONCE).try_collect::<()>().await.unwrap();
    let nodes = stream::iter(0..NODES).map(|number| {
        let client = bed.client.clone();
        async move { create_node(&client, &format!("node-{number}"), &[]).await.map(drop) }
    });
    nodes.buffer_unordered(AT_ONCE).try_collect::<()>().await.unwrap();
    let proxy = bed.cluster.fault_proxy().await.unwrap();
    bed.start_operator_behind(&proxy).await;
    bed.apply(&bare_zone("cde", "Enforce", "{selector: {matchLabels: {pci: in}}}")).await;
    ask_for(LONG, "the zone is in place", async || {
        let zone = bed.zone("cde").await;
        if is_current(&zone) && is(&zone, "Ready", "True") { Ok(()) } else { Err(format!("{:?}", zone.status)) }
    })
    .await;
    let writes = bed.carried_out().await;

    // Once in the stream, and once as the answer to the request for the watch.
    for at_start in [false, true] {
        let listed: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let (lists, refused) = (Arc::clone(&listed), Mutex::<BTreeSet<String>>::default());
        proxy.script(move |request| {
            if request.verb == "list" {
                lists.lock().unwrap().insert(request.resource.clone());
            }
            let refuses =
                at_start && request.verb == "watch" && refused.lock().unwrap().insert(request.resource.clone());
            if refuses { Fault::Answer(410) } else { Fault::None }
        });
        proxy.strike_watches("", if at_start { WatchFault::End } else { WatchFault::Expire });
        ask_for(LONG, "everything is listed again", async || {
            let listed = listed.lock().unwrap().clone();
            if listed.len() >= 6 { Ok(()) } else { Err(format!("{listed:?}")) }
        })
        .await;
        let last = format!("shop-{}", NAMESPACES - 1);
        bed.is_repaired(&last, "pcizone-baseline").await;
        bed.until_ready("cde").await;
    }
    bed.operator().until_synced().await;
    let since = bed.carried_out().await.split_off(writes.len());
    let repair = format!("create networkpolicies/shop-{}/pcizone-baseline", NAMESPACES - 1);
    assert_eq!(since, [repair.clone(), repair]);
}
