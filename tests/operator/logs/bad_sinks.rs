//! Stores that answer slowly, with garbage, with far too much or never: nobody else notices, nothing is told of what they were shown, and
//! the operator stays as small as it was. The operator runs as a program of its own, so that its memory is measured and not that of the
//! tests and of the stubs, which are here.

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use pcizone::api::PciZone;
use testbed::VictoriaLogs;

use super::{
    ROUND, SINK, bed, found, install_component,
    lines::Lines,
    run, segmentation,
    stub::{Authority, Behaviour, Stub},
    told, until_forwarding, until_found, zone,
};
use crate::support::{Bed, Program, ask_for, bare_zone};

const SECRET: &str = "hunter2-tr0ub4dor-9f31c7";
/// Sinks of the zone that gets far too much, as many as one may have.
const SINKS: usize = 4;
/// Answers of 10 MB until it is looked how much the operator has grown: of each sink a dozen.
const ANSWERS: usize = 48;
/// Megabytes that it may grow by meanwhile. It reads 1 MB of an answer and keeps that until all of a kind are there; two of each of four sinks, with
/// what is made of them, are some 20 MB, and the answers as a whole would be 160.
const GROWTH: u64 = 64;
/// A way that is cut shows after a minute, and the store is asked twice in one. The rest is for a busy machine.
const FOLLOWS: Duration = Duration::from_secs(120);

/// A zone that only observes, with sinks whose stores are at this address.
fn bad(name: &str, url: &str, sinks: usize) -> String {
    let sinks = (0..sinks).map(|n| {
        format!("\n    - {{name: s{}, otlp: {{url: \"{SINK}\"}}, flow: logs, store: {{kind: VictoriaLogs, url: \"{url}\", credentials: {name}}}}}", letter(n))
    });
    let (start, segmentation) = (bare_zone(name, "Observe", &format!("{{names: [{name}]}}")), segmentation(name));
    format!("{start}{segmentation}  logging:\n    sinks:{}\n", sinks.collect::<String>())
}

fn letter(n: usize) -> char {
    ['a', 'b', 'c', 'd'][n]
}

/// The good zone is judged by what its store says, whatever the others do.
fn assert_fresh(zone: &PciZone) {
    for id in ["LogDeliveryUnproven", "LogRetentionUnproven"] {
        assert!(found(zone, id, "PciZone/good/siem").is_none(), "{}", told(zone));
    }
    for pod in ["Pod/vault/db", "Pod/checkout/web"] {
        assert!(found(zone, "LogDeliveryStale", pod).is_none(), "{}", told(zone));
    }
    let logs = zone.status.as_ref().and_then(|status| status.logs.as_ref());
    assert!(logs.is_some_and(|logs| logs.retention == "400d" && logs.arriving >= 2), "{}", told(zone));
}

async fn good(bed: &Bed, store: &VictoriaLogs) -> Lines {
    let place = format!("{{kind: VictoriaLogs, url: \"{}\"}}", store.url());
    bed.apply(&zone("good", "[checkout, vault]", SINK, &place)).await;
    until_forwarding(bed, "vault").await;
    let lines = Lines::of("good", store);
    for (namespace, pod) in [("vault", "db"), ("checkout", "web")] {
        run(bed, namespace, pod).await;
        lines.begin(namespace, pod);
    }
    ask_for(ROUND, "lines of both pods arrive", async || {
        let zone = bed.zone("good").await;
        let logs = zone.status.as_ref().and_then(|status| status.logs.as_ref());
        if logs.is_some_and(|logs| logs.arriving == 2) { Ok(()) } else { Err(told(&zone)) }
    })
    .await;
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_store_disturbs_nobody_and_learns_nothing_that_is_told() {
    let store = VictoriaLogs::start("400d").await.unwrap();
    let elsewhere = Stub::start(Behaviour::Close).await;
    let (trusted, other) = (Authority::new("the right one"), Authority::new("another one"));
    // The name of the zone, its store, and what is to be said of that.
    let mut stubs: BTreeMap<&str, (Stub, &str)> = BTreeMap::new();
    for (name, behaviour, words) in [
        ("silent", Behaviour::Silent, "no answer within"),
        ("drip", Behaviour::Drip, "no answer within"),
        ("noise", Behaviour::Noise, "no HTTP"),
        ("bytes", Behaviour::Bytes, "is no text, but bytes"),
        ("prose", Behaviour::Prose, ""),
        ("much", Behaviour::Much, "longer than 1048576 bytes"),
        ("headers", Behaviour::Headers, "head"),
        ("elsewhere", Behaviour::Elsewhere(elsewhere.url.clone()), "leads elsewhere (302)"),
        ("close", Behaviour::Close, "closes the connection"),
        ("refuse", Behaviour::Refuse, "refuses the credentials (401)"),
    ] {
        stubs.insert(name, (Stub::start(behaviour).await, words));
    }
    stubs.insert("forged", (Stub::tls(Behaviour::Keep("400d"), &other).await, "certificate"));
    let folder = tempfile::tempdir().unwrap();
    for (name, (stub, _)) in &stubs {
        for (key, text) in [("url", stub.url.clone()), ("token", SECRET.to_string()), ("ca.crt", trusted.pem())] {
            std::fs::write(folder.path().join(format!("{name}.{key}")), text).unwrap();
        }
    }

    let bed = bed().await;
    install_component(&bed).await;
    let operator = Program::start(&bed, folder.path()).await;
    let _lines = good(&bed, &store).await;
    let before = operator.memory();
    for (name, (stub, _)) in &stubs {
        bed.kubectl(&["create", "namespace", name]).await;
        bed.apply(&bad(name, &stub.url, if *name == "much" { SINKS } else { 1 })).await;
    }
    let mut wrong = Vec::new();
    for (name, (_, words)) in &stubs {
        let subject = format!("PciZone/{name}/sa");
        for id in ["LogDeliveryUnproven", "LogRetentionUnproven"] {
            // Before it was asked nothing is known either.
            let why = ask_for(ROUND, &format!("{id} of {name}"), async || {
                let zone = bed.zone(name).await;
                let why = found(&zone, id, &subject).map(|one| one.message.clone());
                why.filter(|why| !why.contains("was not asked")).ok_or_else(|| told(&zone))
            })
            .await;
            let is_readable = why.chars().all(|c| !c.is_control() && c != '\u{202e}');
            if !why.contains(words) || !is_readable {
                wrong.push(format!("{name}: {words:?} is not in {why:?}"));
            }
        }
        assert_fresh(&bed.zone("good").await);
    }

    // What goes on as it was is no news.
    let before_rounds = bed.status_writes("close").await.len();

    // The good one follows while the others go on: a pod of which nothing comes, and what people change.
    run(&bed, "vault", "quiet").await;
    ask_for(FOLLOWS, "the good zone follows its pods", async || {
        let zone = bed.zone("good").await;
        assert_fresh(&zone);
        found(&zone, "LogDeliveryStale", "Pod/vault/quiet").map(drop).ok_or_else(|| told(&zone))
    })
    .await;
    bed.apply(&zone(
        "good",
        "[checkout, vault]",
        "https://otlp.example.com:4319",
        "{kind: VictoriaLogs, url: \"http://127.0.0.1:1\"}",
    ))
    .await;
    until_found(&bed, "good", "LogEgressBlocked", "PciZone/good/siem").await;

    let much = &stubs["much"].0;
    let most = Cell::new(before);
    ask_for(ROUND, "far too much was answered often", async || {
        most.set(most.get().max(operator.memory()));
        let asked = much.requests().len();
        if asked >= ANSWERS { Ok(()) } else { Err(format!("{asked} of {ANSWERS}")) }
    })
    .await;
    let (before, most) = (before >> 20, most.get() >> 20);
    if most >= before + GROWTH {
        wrong.push(format!("it grew from {before} MB to {most} MB"));
    }
    let rewritten = bed.status_writes("close").await.len() - before_rounds;
    if rewritten > 1 {
        wrong.push(format!("the status of a store that is as it was is written {rewritten} times"));
    }

    // What was shown to the store that refuses is told nowhere, and nobody followed to where one of them led.
    let refused = stubs["refuse"].0.requests();
    assert!(refused.iter().any(|request| request.contains(SECRET)), "it was shown: {refused:?}");
    assert_eq!(elsewhere.connections(), 0, "{:?}", elsewhere.requests());
    assert!(stubs["forged"].0.requests().is_empty(), "who is not known is shown nothing");
    let status = bed.kubectl(&["get", "pz", "--output", "yaml"]).await;
    let events = bed.kubectl(&["get", "events", "--all-namespaces", "--output", "yaml"]).await;
    let (log, metrics) = (operator.log(), operator.metrics().await);
    for (what, text) in [("status", status), ("events", events), ("log", log), ("metrics", metrics)] {
        assert!(text.len() > 100, "{what}: {text}");
        if let Some(at) = text.find(&SECRET[..8]) {
            wrong.push(format!("the secret is in the {what}: {}", &text[at.saturating_sub(200)..at]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
