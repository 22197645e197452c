//! Real stores and forwarders: what arrives, what a store says when it is asked, and what a forwarder owes when it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    ops::RangeInclusive,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use testbed::{Collector, OpenSearch, Rsyslog, VictoriaLogs, open_search_or_skip, rsyslog_or_skip};

const LIMIT: Duration = Duration::from_secs(40);

/// Tails a file from its beginning, keeps its place and what is not sent yet in the storage, and tries again for ever.
fn config(log: &Path, store: &VictoriaLogs) -> String {
    format!(
        "\
extensions:
  file_storage: {{directory: '${{env:STORAGE}}'}}
  health_check: {{endpoint: '127.0.0.1:${{env:HEALTH_PORT}}'}}
receivers:
  file_log: {{include: ['{}'], start_at: beginning, storage: file_storage}}
exporters:
  otlp_http:
    logs_endpoint: {}
    sending_queue: {{storage: file_storage}}
    retry_on_failure: {{initial_interval: 200ms, max_interval: 1s, max_elapsed_time: 0}}
service:
  extensions: [file_storage, health_check]
  pipelines: {{logs: {{receivers: [file_log], exporters: [otlp_http]}}}}
  telemetry:
    metrics:
      readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: '${{env:METRICS_PORT}}'}}}}}}}}]
",
        log.display(),
        store.otlp_logs_url(),
    )
}

fn append(log: &mut File, numbers: RangeInclusive<u64>) -> Result<()> {
    let mut text = String::new();
    for number in numbers {
        writeln!(text, "line {number}")?;
    }
    Ok(log.write_all(text.as_bytes())?)
}

/// How often each number is there.
fn numbers(records: &[Value]) -> Result<BTreeMap<u64, u32>> {
    let mut numbers = BTreeMap::new();
    for record in records {
        let number = record.pointer("/_msg").and_then(|text| text.as_str()?.strip_prefix("line ")?.parse().ok());
        *numbers.entry(number.with_context(|| format!("no numbered line: {record}"))?).or_default() += 1;
    }
    Ok(numbers)
}

/// The numbers in a store.
async fn stored(store: &VictoriaLogs) -> Result<BTreeMap<u64, u32>> {
    numbers(&store.query("* | fields _msg").await?)
}

/// Waits until so many different lines are in the store.
async fn until_stored(store: &VictoriaLogs, lines: u64) -> Result<()> {
    let wanted = lines.to_string();
    let query = "* | stats count_uniq(_msg) as n";
    let found = |records: Vec<Value>| records.first().is_some_and(|record| record["n"] == *wanted).then_some(());
    store.query_until(LIMIT, (&format!("{lines} lines"), query), found).await
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_lines_arrive_once_each() -> Result<()> {
    const LINES: u64 = 25_000;

    let store = VictoriaLogs::start("400d").await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.log");
    append(&mut File::create(&path)?, 1..=LINES)?;
    let started = Instant::now();
    let mut collector = Collector::start(&config(&path, &store), &folder.path().join("storage")).await?;

    until_stored(&store, LINES).await?;
    println!("{LINES} lines arrived {:?} after the collector was started", started.elapsed());
    // It has nothing more to send after this: a line that it sends twice comes by then.
    collector.terminate().await?;

    assert_eq!(store.count("*").await?, LINES);
    assert!(stored(&store).await?.into_iter().eq((1..=LINES).map(|number| (number, 1))), "some are others");
    let said = store.metrics().await?;
    let retention =
        said.lines().find(|line| line.contains("\"retentionPeriod\"")).context("it does not say how long")?;
    ensure!(retention.contains("\"400d\""), "another retention: {retention}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_a_store_could_not_take_arrive_when_it_is_back() -> Result<()> {
    const LINES: u64 = 2_000;

    let mut store = VictoriaLogs::start("400d").await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.log");
    let mut log = File::create(&path)?;
    append(&mut log, 1..=LINES / 2)?;
    let collector = Collector::start(&config(&path, &store), &folder.path().join("storage")).await?;
    until_stored(&store, LINES / 2).await?;
    store.stop().await?;
    append(&mut log, LINES / 2 + 1..=LINES)?;
    let deadline = Instant::now() + LIMIT;
    while !fs::read_to_string(collector.log())?.contains("Exporting failed") {
        ensure!(Instant::now() < deadline, "the collector never missed the store; see {}", collector.log().display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.start_again().await?;

    until_stored(&store, LINES).await
}

/// Why a forwarder needs somebody beside it who lingers: it does not read to the end when it is asked to end. What it owes
/// is paid by the next one on the same storage, which a pod does not have.
#[tokio::test(flavor = "multi_thread")]
async fn the_tail_that_a_forwarder_owes_at_its_end_comes_after_a_restart_on_the_same_storage() -> Result<()> {
    const EARLY: u64 = 1_000;
    const LINES: u64 = 6_000;

    let store = VictoriaLogs::start("400d").await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.log");
    let mut log = File::create(&path)?;
    append(&mut log, 1..=EARLY)?;
    let mut collector = Collector::start(&config(&path, &store), &folder.path().join("storage")).await?;
    until_stored(&store, EARLY).await?;

    append(&mut log, EARLY + 1..=LINES)?;
    collector.terminate().await?;
    // How many is a matter of luck.
    let at_exit = stored(&store).await?;
    println!("at exit {} of the last {} lines were missing", LINES - at_exit.len() as u64, LINES - EARLY);

    collector.start_again().await?;
    until_stored(&store, LINES).await?;
    collector.terminate().await?;
    let in_the_end = stored(&store).await?;
    println!("after the restart {} were there twice", in_the_end.values().filter(|times| **times > 1).count());
    assert!(in_the_end.into_keys().eq(1..=LINES));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_a_bad_configuration_is_an_error_that_says_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Err(error) = Collector::start("receivers: {no_such: {}}\n", folder.path()).await else {
        anyhow::bail!("started with an unknown receiver");
    };
    let error = format!("{error:#}");
    ensure!(error.contains("no_such"), "{error}");
    Ok(())
}

/// Lets the store make a data stream of what comes under a name that begins with `logs-`.
async fn take_data_streams(store: &OpenSearch) -> Result<()> {
    let template = json!({
        "index_patterns": ["logs-*"],
        "data_stream": {},
        "template": { "settings": { "number_of_replicas": 0 } },
    });
    let (status, answer) = store.request(Method::PUT, "/_index_template/logs", template.to_string()).await?;
    ensure!(status == 200, "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn opensearch_tells_the_newest_record_and_knows_nothing_of_index_states() -> Result<()> {
    const RECORDS: u64 = 100;

    if !open_search_or_skip()? {
        return Ok(());
    }
    let started = Instant::now();
    let mut store = OpenSearch::start().await?;
    println!("ready after {:?}", started.elapsed());
    take_data_streams(&store).await?;

    let mut bulk = String::new();
    for number in 0..RECORDS {
        // The newest is in the middle.
        let second = (number + RECORDS / 2) % RECORDS;
        let time = format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
        writeln!(bulk, "{}\n{}", json!({ "create": {} }), json!({ "@timestamp": time, "number": number }))?;
    }
    let (status, answer) = store.request(Method::POST, "/logs-zone/_bulk?refresh=true", bulk).await?;
    ensure!(status == 200 && answer["errors"] == false, "{answer}");

    // A store that was away has what it took.
    store.stop().await?;
    ensure!(store.request(Method::GET, "/", "").await.is_err(), "it answers after its end");
    store.start_again().await?;

    let newest = json!({ "aggs": { "newest": { "max": { "field": "@timestamp" } } } });
    let (status, answer) = store.request(Method::POST, "/logs-zone/_search?size=0", newest.to_string()).await?;
    ensure!(status == 200, "{answer}");
    assert_eq!(answer.pointer("/hits/total/value"), Some(&json!(RECORDS)));
    let newest = answer.pointer("/aggregations/newest/value_as_string");
    assert_eq!(newest, Some(&json!("2026-01-01T00:01:39.000Z")), "{answer}");

    let (status, answer) = store.request(Method::GET, "/_plugins/_ism/explain/x", "").await?;
    println!("asked for index states it answers {status}: {answer}");
    assert_eq!(status, 400);
    let error = answer["error"].as_str().context("no error")?;
    ensure!(error.contains("no handler found for uri"), "{error}");
    Ok(())
}

/// The name of the file and the place in it are the name of the record, so that the store refuses what comes twice.
///
/// There is no queue but the action's, which is saved, and the store has more than a second to answer when rsyslog ends: by default
/// it loses lines on both ways.
fn rsyslog(log: &Path, store: &OpenSearch) -> Result<String> {
    let port = store.url().rsplit_once(':').context("no port")?.1;
    Ok(format!(
        r#"
module(load="imfile")
module(load="omelasticsearch")
template(name="record" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
template(name="id" type="string" string="%$!metadata!filename%:%$!metadata!fileoffset%")
ruleset(name="forward" queue.type="Direct") {{
  action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" searchIndex="logs-rsyslog" searchType=""
    bulkmode="on" writeoperation="create" template="record" bulkid="id" dynbulkid="on" action.resumeRetryCount="-1"
    queue.type="LinkedList" queue.filename="forward" queue.saveOnShutdown="on" queue.dequeueBatchSize="500"
    queue.timeoutActionCompletion="20000")
}}
input(type="imfile" file="{}" tag="app" addMetadata="on" ruleset="forward")
"#,
        log.display()
    ))
}

/// The numbered lines in a store.
async fn found(store: &OpenSearch) -> Result<BTreeSet<u64>> {
    store.request(Method::POST, "/logs-*/_refresh", "").await?;
    // 10,000 are the most that it gives at once.
    let (_, answer) = store.request(Method::GET, "/logs-*/_search?size=10000&_source=message", "").await?;
    // None as long as the data stream is not there, or not ready.
    let Some(hits) = answer.pointer("/hits/hits").and_then(Value::as_array) else { return Ok(BTreeSet::new()) };
    let number = |hit: &Value| hit.pointer("/_source/message")?.as_str()?.strip_prefix("line ")?.parse().ok();
    let numbers: BTreeSet<u64> = hits.iter().filter_map(number).collect();
    ensure!(numbers.len() == hits.len(), "{} records hold {} numbered lines", hits.len(), numbers.len());
    Ok(numbers)
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_sends_what_came_while_it_was_down() -> Result<()> {
    const EARLY: u64 = 1_000;
    const LINES: u64 = 6_000;

    if !open_search_or_skip()? || !rsyslog_or_skip()? {
        return Ok(());
    }
    let store = OpenSearch::start().await?;
    take_data_streams(&store).await?;
    let until_found = async |lines: u64| {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = found(&store).await?;
            if found.iter().copied().eq(1..=lines) {
                return anyhow::Ok(());
            }
            ensure!(Instant::now() < deadline, "not {lines} lines arrived, but {}", found.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.log");
    let mut log = File::create(&path)?;
    append(&mut log, 1..=EARLY)?;
    let mut forwarder = Rsyslog::start(&rsyslog(&path, &store)?, &folder.path().join("storage")).await?;
    until_found(EARLY).await?;

    // It ends with nothing to do. When it ends while it sends, it loses some lines now and then.
    forwarder.terminate().await?;
    append(&mut log, EARLY + 1..=LINES)?;
    forwarder.start_again().await?;
    until_found(LINES).await?;
    forwarder.terminate().await
}
