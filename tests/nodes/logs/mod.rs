//! Logs that outlive the pod: numbered lines of pods that end in every way, counted in a real store; how many a crash takes, and that
//! the zone tells it; and that what should be collected and is not is told within two minutes.

mod bed;
mod pods;
mod start;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testbed::{nodes_or_skip, sweep_nodes};

use self::bed::{Bed, about};
use super::site::{INSIDE, TURN, condition, finding};

const SOON: Duration = Duration::from_secs(60);
/// In this time it has to be known that nothing arrives any more.
const TOLD: Duration = Duration::from_secs(120);
/// Lines of each way to end.
const LINES: u64 = 25_000;
/// How many of them are there before it ends.
const BEFORE: u64 = 5_000;
const OUTAGE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_pods_write_is_there_when_they_are_gone() -> Result<()> {
    let _turn = TURN.lock().await;
    if !nodes_or_skip()? {
        return Ok(());
    }
    sweep_nodes()?;
    let mut bed = Bed::start().await?;
    let done = all(&mut bed).await;
    bed.table();
    done
}

async fn all(bed: &mut Bed) -> Result<()> {
    bed.site.until("the zone is in place", SOON, |status| condition(status, "Ready").0 == "True").await?;
    steady(bed).await?;
    ordinary_ends(bed).await?;
    start::delay(bed).await?;
    files_turned_over_and_forwarders_killed(bed).await?;
    all_is_well(bed).await?;
    the_sink_is_away(bed).await?;
    pods_do_not_reach_the_sink(bed).await?;
    a_secret_is_missing(bed).await?;
    crashes(bed).await
}

/// A pod that is there all the time.
async fn steady(bed: &Bed) -> Result<()> {
    let labels = bed.kubectl("get namespace vault -o jsonpath={.metadata.labels}").await?;
    ensure!(labels.contains(r#""pod-security.kubernetes.io/enforce":"restricted""#), "{labels}");
    bed.apply(&pods::pod("steady", &pods::until_told(100, 200))).await?;
    bed.until_arrived("steady", 100, SOON).await?;
    bed.say("a pod of the zone starts, and its lines arrive");
    Ok(())
}

async fn ordinary_ends(bed: &mut Bed) -> Result<()> {
    let script = pods::until_told(BEFORE, LINES);
    bed.apply(&pods::pod("deleted", &script)).await?;
    bed.until_arrived("deleted", 1, SOON).await?;
    let since = Instant::now();
    bed.kubectl("delete pod deleted -n vault").await?;
    bed.whole("kubectl delete", "deleted", LINES, since).await?;

    bed.apply(&pods::deployment("web", "replaced", &script)).await?;
    bed.until_arrived("replaced", 1, SOON).await?;
    let since = Instant::now();
    bed.kubectl("set env deployment/web -n vault WRITER=drained").await?;
    bed.kubectl("rollout status deployment/web -n vault --timeout=120s").await?;
    let pods = ["get", "pods", "-n", "vault", "-l", "app=web", "-o", "name"];
    bed.site.says(&pods, TOLD, |said| said.lines().count() == 1).await?;
    bed.whole("rollout", "replaced", LINES, since).await?;

    bed.until_arrived("drained", 1, SOON).await?;
    let node = bed.site.cluster.node(INSIDE).name().to_owned();
    let since = Instant::now();
    bed.kubectl(&format!("drain {node} --pod-selector=app=web --delete-emptydir-data --timeout=120s")).await?;
    bed.whole("drain", "drained", LINES, since).await?;
    bed.kubectl("delete deployment web -n vault").await?;
    bed.kubectl(&format!("uncordon {node}")).await?;

    let since = Instant::now();
    bed.apply(&pods::job("completed", &pods::at_once(LINES))).await?;
    bed.kubectl("wait job/completed -n vault --for=condition=Complete --timeout=120s").await?;
    bed.whole("a Job that completes", "completed", LINES, since).await?;
    let phase = bed.kubectl("get pods -n vault -l app=completed -o jsonpath={.items[*].status.phase}").await?;
    ensure!(phase == "Succeeded", "the Job's pod is {phase}");
    Ok(())
}

async fn all_is_well(bed: &Bed) -> Result<()> {
    let arriving = |status: &Value| {
        let logs = &status["logs"];
        logs["pods"].as_i64().is_some_and(|pods| pods > 0) && logs["pods"] == logs["arriving"]
    };
    let status = bed.site.until("numbered lines arrive", TOLD, arriving).await?;
    ensure!(status["logs"]["retention"] == "400d", "{:#}", status["logs"]);
    for id in ["LogDeliveryStale", "LogDeliveryGap", "LogDeliveryUnproven", "LogSidecarMissing", "LogFieldsIncomplete"]
    {
        ensure!(finding(&status, id).is_none(), "{:#}", status["topFindings"]);
    }
    ensure!(about(&status, "LogSinkPlaintext", "PciZone/cde/siem").is_some(), "{:#}", status["topFindings"]);
    let (verdict, message) = collected(&status);
    ensure!(verdict == "False" && message.contains("is no TLS"), "{verdict} {message}");
    // Nothing else is wrong.
    let exception = json!({
        "finding": "LogSinkPlaintext", "subject": "PciZone/cde/siem", "need": "The records of this test are worth nothing.",
        "riskAnalysis": "RA-1", "approvedBy": "security", "expiresAt": (Timestamp::now() + SignedDuration::from_hours(24)).to_string(),
    });
    let patch = json!({ "spec": { "exceptions": [exception] } }).to_string();
    bed.site.kubectl.run(&["patch", "pz", "cde", "--type=merge", "-p", &patch]).await?;
    let status = bed.site.until("logs are collected", SOON, |status| collected(status).0 == "True").await?;
    bed.say(&format!("LogsCollected {:?}\n{:#}", collected(&status), status["logs"]));
    Ok(())
}

fn collected(status: &Value) -> (&str, &str) {
    let (verdict, _, message) = condition(status, "LogsCollected");
    (verdict, message)
}

async fn the_sink_is_away(bed: &mut Bed) -> Result<()> {
    let lines = 30_000;
    bed.apply(&pods::pod("outage", &pods::paced(lines, 50, ""))).await?;
    bed.until_arrived("outage", 1, SOON).await?;
    let since = Instant::now();
    bed.store.stop().await?;
    let unproven = |status: &Value| finding(status, "LogDeliveryUnproven").is_some();
    let status = bed.site.until("the store does not answer", TOLD, unproven).await?;
    let found = about(&status, "LogDeliveryUnproven", "PciZone/cde/siem").cloned().unwrap_or_default();
    ensure!(found["message"].as_str().is_some_and(|said| said.contains("is not known: ")), "{found:#}");
    let (verdict, message) = collected(&status);
    bed.say(&format!("LogsCollected {verdict}: {message}"));
    ensure!(verdict == "Unknown" && message.contains("LogDeliveryUnproven"), "{verdict} {message}");
    tokio::time::sleep(OUTAGE.saturating_sub(since.elapsed())).await;
    bed.store.start_again().await?;
    bed.say(&format!("the store was away for {:.0} s", since.elapsed().as_secs_f64()));
    bed.kubectl("wait pod/outage -n vault --for=jsonpath={.status.phase}=Succeeded --timeout=120s").await?;
    bed.whole("the sink is away for 60 s", "outage", lines, since).await
}

async fn files_turned_over_and_forwarders_killed(bed: &mut Bed) -> Result<()> {
    let since = Instant::now();
    bed.apply(&pods::pod("turned", &pods::paced(LINES, 500, &pods::turned_over(5_000)))).await?;
    bed.apply(&pods::pod("killed", &pods::paced_until_told(LINES, 100, ""))).await?;
    // Files that are gone before anybody has looked at them.
    bed.apply(&pods::pod(
        "hasty",
        &pods::paced(LINES, 1_000, "sleep 0.1; mv /var/log/app/app.log /var/log/app/app.log.1;"),
    ))
    .await?;
    for (at, restarts) in [(LINES / 5, "1"), (LINES / 2, "2")] {
        bed.until_arrived("killed", at, SOON).await?;
        bed.kill("killed", "pcizone-forwarder").await?;
        bed.until_started_again("killed", restarts, SOON).await?;
        bed.say("a forwarder was killed, and is there again");
    }
    for writer in ["turned", "hasty"] {
        let line = format!("wait pod/{writer} -n vault --for=jsonpath={{.status.phase}}=Succeeded --timeout=120s");
        bed.kubectl(&line).await?;
    }
    bed.whole("the file is turned over every second", "turned", LINES, since).await?;
    bed.count("the file is turned over after 100 ms each", "hasty", LINES, since).await?;
    bed.until_arrived("killed", LINES, SOON).await?;
    bed.kubectl("delete pod killed -n vault").await?;
    bed.whole("the forwarder is killed twice", "killed", LINES, since).await
}

/// Pods do not reach the sink, and the operator does: the store answers, and what is not in it is missed.
async fn pods_do_not_reach_the_sink(bed: &mut Bed) -> Result<()> {
    let node = bed.site.cluster.node(INSIDE);
    let port = bed.store.port();
    let table = "table inet closed";
    let chain = "type filter hook forward priority 0;";
    node.run(
        "nft",
        &[&format!(
            "add {table}; add chain inet closed pods {{ {chain} }}; add rule inet closed pods tcp dport {port} drop"
        )],
    )?;
    let since = Instant::now();
    let stale = |status: &Value| about(status, "LogDeliveryStale", "Pod/vault/steady").is_some();
    let status = bed.site.until("nothing of a pod arrives", TOLD, stale).await?;
    let (verdict, message) = collected(&status);
    bed.say(&format!("told after {:.0} s; LogsCollected {verdict}: {message}", since.elapsed().as_secs_f64()));
    ensure!(verdict == "False" && message.contains("LogDeliveryStale"), "{verdict} {message}");
    ensure!(finding(&status, "LogDeliveryUnproven").is_none(), "{:#}", status["topFindings"]);
    node.run("nft", &[&format!("delete {table}")]).map(drop)
}

async fn a_secret_is_missing(bed: &Bed) -> Result<()> {
    let sink = "/spec/logging/sinks/0";
    let patch = |authentication: Value, secret: Value| {
        let operation = if secret.is_null() { "remove" } else { "add" };
        json!([
            { "op": "add", "path": format!("{sink}/authentication"), "value": authentication },
            { "op": operation, "path": format!("{sink}/credentialsSecret"), "value": secret },
        ])
        .to_string()
    };
    let set = async |patch: &str| bed.site.kubectl.run(&["patch", "pz", "cde", "--type=json", "-p", patch]).await;
    ends_without_a_forwarder(bed).await?;
    set(&patch(json!("Token"), json!("siem"))).await?;
    let stale = |status: &Value| about(status, "LogSidecarStale", "Pod/vault/steady").is_some();
    bed.site.until("the configuration is another one", SOON, stale).await?;
    // Until then a pod gets the one before.
    in_place(bed).await?;
    bed.site.apply(&pods::pod("unknown", &pods::until_told(1, 2)).to_string()).await?;
    let missing = |status: &Value| about(status, "LogSinkSecretMissing", "Pod/vault/unknown").is_some();
    let status = bed.site.until("a Secret is missing", SOON, missing).await?;
    bed.say(&format!("{}", about(&status, "LogSinkSecretMissing", "Pod/vault/unknown").cloned().unwrap_or_default()));
    bed.kubectl("delete pod unknown -n vault").await?;
    set(&patch(json!("None"), Value::Null)).await?;
    in_place(bed).await?;
    let current = |status: &Value| {
        ["LogSidecarStale", "LogDeliveryStale"].iter().all(|id| about(status, id, "Pod/vault/steady").is_none())
    };
    let status = bed.site.until("the configuration is as before, and lines arrive", TOLD, current).await?;
    // Whatever was held up came.
    ensure!(about(&status, "LogDeliveryGap", "Pod/vault/steady").is_none(), "{:#}", status["topFindings"]);
    Ok(())
}

/// What the zone declares now is in place.
async fn in_place(bed: &Bed) -> Result<()> {
    let ready = r#"{.status.conditions[?(@.type=="Ready")].observedGeneration} {.status.conditions[?(@.type=="Ready")].status}"#;
    let template = format!("jsonpath={{.metadata.generation}} {ready}");
    let args = ["get", "pz", "cde", "-o", &template];
    let is_ready = |said: &str| {
        let said: Vec<&str> = said.split_whitespace().collect();
        matches!(said.as_slice(), [generation, ready, "True"] if generation == ready)
    };
    bed.site.says(&args, SOON, is_ready).await.map(drop)
}

/// What is lost when there is no end: it is counted, and the zone tells of which pods.
async fn crashes(bed: &mut Bed) -> Result<()> {
    let writers = ["crashed", "forced", "lost"];
    for writer in writers {
        bed.apply(&pods::pod(writer, &endless())).await?;
    }
    for writer in writers {
        bed.until_arrived(writer, BEFORE, SOON).await?;
    }
    let since = Instant::now();
    let forced = written(bed, "forced").await?;
    bed.kubectl("delete pod forced -n vault --grace-period=0 --force").await?;

    let uid = bed.pod("crashed").await?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    bed.site.cluster.kill_pod(INSIDE, &uid)?;
    bed.kubectl("wait pod/crashed -n vault --for=jsonpath={.status.phase}=Failed --timeout=60s").await?;
    let crashed = written(bed, "crashed").await?;
    bed.kubectl("delete pod crashed -n vault --grace-period=0 --force").await?;

    bed.kubectl("wait pod/unforwarded -n vault --for=jsonpath={.status.phase}=Succeeded --timeout=60s").await?;
    let unforwarded = written(bed, "unforwarded").await?;
    let lost = written(bed, "lost").await?;
    bed.site.cluster.lose(INSIDE)?;
    for (what, writer, written) in [
        ("all processes of a pod are killed", "crashed", crashed),
        ("delete --force (written: at least)", "forced", forced),
        ("it ends before its forwarder is started again", "unforwarded", unforwarded),
        ("the node is lost (written: at least)", "lost", lost),
    ] {
        // They write fewer than a thousand in a second, and the forwarder has little more than that in its hands.
        let lost = bed.count(what, writer, written, since).await?;
        ensure!(lost < BEFORE, "{what}: {lost} lines are lost");
    }
    let stale = |status: &Value| about(status, "LogDeliveryStale", "Pod/vault/lost").is_some();
    bed.site.until("nothing arrives of a pod whose node is lost", TOLD, stale).await?;
    bed.kubectl("delete pod lost -n vault --grace-period=0 --force").await?;
    let gap = |status: &Value, pod: &str| about(status, "LogDeliveryGap", &format!("Pod/vault/{pod}")).cloned();
    // That which was deleted by force had two seconds left, and ends with its last line where they are enough.
    let pods = ["crashed", "lost", "unforwarded"];
    let told = |status: &Value| pods.iter().all(|pod| gap(status, pod).is_some());
    let status = bed.site.until("what was lost is told", TOLD, told).await?;
    for pod in pods {
        let said = gap(&status, pod).unwrap_or_default()["message"].to_string();
        bed.say(&format!("{pod}: {said}"));
        // The last one was missed while it was there still, so it is known for how long.
        ensure!(pod != "lost" || said.contains("numbered lines are lost"), "{said}");
    }
    Ok(())
}

fn endless() -> String {
    pods::paced_until_told(1_000_000, 100, "echo $n;")
}

/// The application ends while the kubelet waits before it starts the forwarder, which was killed twice: it does not start it any more.
async fn ends_without_a_forwarder(bed: &Bed) -> Result<()> {
    let lines = BEFORE * 2;
    bed.apply(&pods::pod("unforwarded", &pods::paced(lines, 100, "echo $n;"))).await?;
    bed.until_arrived("unforwarded", 1, SOON).await?;
    bed.kill("unforwarded", "pcizone-forwarder").await?;
    bed.until_started_again("unforwarded", "1", SOON).await?;
    bed.until_arrived("unforwarded", BEFORE, SOON).await?;
    bed.kill("unforwarded", "pcizone-forwarder").await
}

/// How many lines a pod has told on its standard output that it has written.
async fn written(bed: &Bed, pod: &str) -> Result<u64> {
    Ok(bed.kubectl(&format!("logs {pod} -n vault -c app --tail=1")).await?.trim().parse()?)
}
