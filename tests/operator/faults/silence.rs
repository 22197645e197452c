//! Connections that stay and say nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use testbed::{Fault, WatchFault};

use crate::support::{Bed, ask_for, evidence, zone};

const NAMESPACES: &str = r#"pcizone_reconciles_total{controller="namespaces""#;
/// After a minute a watch counts as stale; some more, because the machine may be busy.
const STALE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_never_answered_is_made_again_only_if_it_was_not_carried_out() {
    let (bed, proxy) = Bed::protected_behind_proxy().await;
    // Without the API server's knowledge it takes two, and one is enough otherwise.
    for (fault, creations) in [(Fault::HoldReply, 1), (Fault::BlackHole, 2)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, silent) = (Arc::clone(&asked), fault.clone());
        proxy.script(move |request| {
            let creates = request.verb == "create" && request.resource == "networkpolicies";
            if creates && counted.fetch_add(1, Ordering::Relaxed) == 0 { silent.clone() } else { Fault::None }
        });
        // Another object is repaired meanwhile.
        let (first, second) = (("vault", "pcizone-baseline"), ("checkout", "pcizone-baseline"));
        let struck = proxy.struck();
        let repaired = bed.is_repaired(first.0, first.1);
        let other = async {
            proxy.until_struck(struck + 1).await;
            let open = r#"--patch={"spec":{"egress":[{}]}}"#;
            bed.kubectl(&["patch", "networkpolicy", "--namespace", second.0, second.1, "--type=merge", open]).await;
            bed.until("the other policy is restored", bed.policies(second.0), second.1, |policy| {
                let spec = policy.and_then(|policy| policy.spec.as_ref());
                spec.and_then(|spec| spec.egress.as_ref()).is_some_and(|egress| egress[0].to.is_some())
            })
            .await;
        };
        tokio::join!(repaired, other);
        bed.until_ready("cde").await;
        // Who hears no answer tells all the same what somebody did.
        bed.until_zone("cde", "the deletion is told", |zone| {
            evidence(zone, "ManagedObjectTampered", "NetworkPolicy/vault/pcizone-baseline").is_some()
        })
        .await;
        assert_eq!(asked.load(Ordering::Relaxed), creations, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_silent_for_a_minute_is_told_and_nothing_is_removed_until_it_speaks() {
    let (bed, proxy) = Bed::protected_behind_proxy().await;

    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    proxy.script(move |request| {
        let watches = request.resource == "networkpolicies" && ["watch", "list"].contains(&request.verb);
        if watches && !heals.load(Ordering::Relaxed) { Fault::Kill } else { Fault::None }
    });
    proxy.strike_watches("networkpolicies", WatchFault::Silence);
    bed.kubectl(&["delete", "networkpolicy", "--namespace=vault", "pcizone-baseline"]).await;
    ask_for(STALE, "readiness names the policies alone", async || {
        let (code, text) = bed.operator().get("/readyz").await;
        let others = ["pcizones", "namespaces", "nodes", "endpointslices", "servicecidrs"];
        let names_it = code == 503 && text.contains("networkpolicies: not heard for");
        if names_it && !others.iter().any(|kind| text.contains(kind)) { Ok(()) } else { Err(format!("{code} {text}")) }
    })
    .await;

    // A confirmed leaving waits as well: it would go by what was known a minute ago.
    bed.apply(&zone("cde", "Enforce", "[vault]")).await;
    bed.operator().looks_after(NAMESPACES, Box::pin(bed.confirm("cde"))).await;
    assert!(bed.policy_names("checkout").await.contains(&"pcizone-baseline".to_string()));
    assert!(!bed.policy_names("vault").await.contains(&"pcizone-baseline".to_string()), "it was not seen");

    healed.store(true, Ordering::Relaxed);
    bed.until_policy("vault", "pcizone-baseline").await;
    bed.until_zone("cde", "the deletion is told", |zone| {
        evidence(zone, "ManagedObjectTampered", "NetworkPolicy/vault/pcizone-baseline").is_some()
    })
    .await;
    bed.until_gone(bed.policies("checkout"), "pcizone-baseline").await;
    bed.operator().until_synced().await;
}
