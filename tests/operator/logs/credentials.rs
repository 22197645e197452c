//! Credentials go where they say themselves, and nowhere else.

use super::{
    ROUND, SINK, bed, install_component,
    stub::{Behaviour, Stub},
    until_found, zone,
};
use crate::support::ask_for;

const SECRET: &str = "hunter2-tr0ub4dor-9f31c7";

#[tokio::test(flavor = "multi_thread")]
async fn credentials_for_another_address_are_not_sent_and_the_finding_says_so() {
    let (own, other) = (Stub::start(Behaviour::Keep("400d")).await, Stub::start(Behaviour::Keep("400d")).await);
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("siem.url", own.url.as_str()), ("siem.token", SECRET), ("bare.token", SECRET)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut bed = bed().await;
    install_component(&bed).await;
    bed.start_operator_showing(folder.path()).await;
    let place = |url: &str, name: &str| format!("{{kind: VictoriaLogs, url: \"{url}\", credentials: {name}}}");
    for (name, words) in [
        ("siem", format!("the credentials siem are for {} and are sent nowhere else", own.url)),
        ("bare", "has no key bare.url, which says where they may be sent".to_string()),
        ("none", "has no key none.url, which says where they may be sent".to_string()),
    ] {
        bed.apply(&zone("cde", "[checkout, vault]", SINK, &place(&other.url, name))).await;
        for id in ["LogDeliveryUnproven", "LogRetentionUnproven"] {
            ask_for(ROUND, &words, async || {
                let why = until_found(&bed, "cde", id, "PciZone/cde/siem").await;
                if why.contains(&words) { Ok(()) } else { Err(why) }
            })
            .await;
        }
    }
    assert_eq!(other.connections(), 0, "{:?}", other.requests());
    assert_eq!(own.connections(), 0, "nobody named it: {:?}", own.requests());

    bed.apply(&zone("cde", "[checkout, vault]", SINK, &place(&own.url, "siem"))).await;
    bed.until_zone("cde", "the store says how long it keeps records", |zone| {
        let logs = zone.status.as_ref().and_then(|status| status.logs.as_ref());
        logs.is_some_and(|logs| logs.retention == "400d")
    })
    .await;
    let header = format!("authorization: Bearer {SECRET}");
    let asked = own.requests();
    assert!(!asked.is_empty() && asked.iter().all(|request| request.contains(&header)), "{asked:?}");
    assert_eq!(other.connections(), 0, "{:?}", other.requests());
    // Without a name of credentials nothing is shown, even to whom they are for.
    bed.apply(&zone("cde", "[checkout, vault]", SINK, &format!("{{kind: VictoriaLogs, url: \"{}\"}}", other.url)))
        .await;
    ask_for(ROUND, "it is asked without credentials", async || {
        if other.requests().is_empty() { Err("not yet".to_string()) } else { Ok(()) }
    })
    .await;
    assert!(!other.requests().iter().any(|request| request.to_lowercase().contains("authorization")));
}
