//! Whether numbered lines arrive, asked of a real `VictoriaLogs` and a real `OpenSearch` into which they came on the ways that these have.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test ends where something is not as expected")]

use std::{fmt::Write as _, fs, time::Duration};

use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use pcizone::{
    engine::{
        delivery::{self, Element, Question, Run, Runs},
        retention::{Answers, Store},
    },
    sinks::{Client, ask_all},
};
use serde_json::{Value, json};
use testbed::{Collector, OpenSearch, VictoriaLogs, open_search_or_skip};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Who waits longer waits in vain.
const LIMIT: Duration = Duration::from_secs(40);

/// The lines of some pods, and what a store has to say of them.
struct Case {
    since: Timestamp,
    until: Timestamp,
    lines: Vec<Value>,
    wanted: Vec<Run>,
}

fn line(zone: &str, pod: &str, run: &str, (seq, kind): (u64, &str), time: Timestamp) -> Value {
    json!({ "time": time.to_string(), "pcizone": kind, "zone": zone, "namespace": "vault", "pod": pod, "node": "pci-1", "run": run, "seq": seq })
}

impl Case {
    fn new() -> Self {
        // Whole milliseconds: that is as exact as OpenSearch reckons.
        let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
        let mut case =
            Case { since: now - SignedDuration::from_mins(15), until: now, lines: Vec::new(), wanted: Vec::new() };
        // One number is missing, and some came twice.
        case.pod("web-1", "r1", &[0, 1, 2, 3, 5, 6, 7, 7, 8, 8, 9], false, (0, 9, 9));
        // As many lines as numbers, and one of them is missing all the same.
        case.pod("web-1", "r2", &[0, 1, 2, 4, 4, 5], true, (0, 5, 5));
        // It began before the time that is asked about, and nothing is missing.
        case.pod("web-2", "r1", &(100..=160).collect::<Vec<_>>(), true, (100, 160, 61));
        case.pod("web-3", "r1", &[7], false, (7, 7, 1));
        // Others in their place add up to the same, and so do their squares.
        case.pod("web-4", "r1", &[0, 2, 2, 3, 3, 4, 7, 7], false, (0, 7, 5));
        case.pod("web-5", "r1", &(0..=800).collect::<Vec<_>>(), false, (0, 800, 801));
        for zone in ["dev", "cde-2", "CDE", "cd"] {
            for seq in 0..5 {
                case.lines.push(line(zone, "web-1", "r1", (seq, "heartbeat"), case.at(seq)));
            }
        }
        let early = case.since - SignedDuration::from_mins(5);
        case.lines.push(line("cde", "web-9", "r1", (1, "heartbeat"), early));
        case.lines.push(line("cde", "web-9", "r1", (2, "heartbeat"), case.until));
        for seq in 0..3 {
            let time = case.at(seq).to_string();
            case.lines.push(json!({ "time": time, "zone": "cde", "message": "GET /cards", "user": "kim", "seq": seq, "pod": "web-1" }));
        }
        case
    }

    fn at(&self, seq: u64) -> Timestamp {
        self.since + SignedDuration::from_secs(i64::try_from(seq).unwrap())
    }

    fn pod(&mut self, pod: &str, run: &str, numbers: &[u64], ended: bool, (first, last, count): (u64, u64, u64)) {
        for (n, seq) in numbers.iter().enumerate() {
            let kind = if ended && n + 1 == numbers.len() { "end" } else { "heartbeat" };
            self.lines.push(line("cde", pod, run, (*seq, kind), self.at(*seq)));
        }
        let text = |text: &str| text.to_string();
        let (namespace, node, newest) = (text("vault"), text("pci-1"), self.at(last));
        self.wanted.push(Run { namespace, pod: text(pod), node, run: text(run), first, last, count, newest, ended });
    }

    fn question(&self) -> Question<'_> {
        Question { zone: "cde", since: self.since, until: self.until }
    }

    /// What is asked of a store gives what was sent, and nothing else.
    async fn holds(&self, url: &str, store: &Store) {
        let found = runs(url, store, &self.question()).await.unwrap();
        assert!(!found.is_cut, "{found:?}");
        assert_eq!(found.runs, self.wanted);
        let missing: Vec<u64> = found.runs.iter().map(Run::missing).collect();
        assert_eq!(missing, [1, 1, 0, 0, 3, 0]);
        let nobody = Question { zone: "nobody", ..self.question() };
        assert_eq!(runs(url, store, &nobody).await, Ok(Runs::default()));
        let lacking = lacking(url, store, &self.question()).await.unwrap();
        assert_eq!(lacking, Some(vec![Element::Event, Element::Outcome, Element::Origin, Element::Object]));
        assert_eq!(self::lacking(url, store, &nobody).await, Ok(None));
    }
}

async fn ask(url: &str, requests: impl Fn(&Answers) -> Vec<String>) -> Answers {
    let client = Client::new(url.parse().unwrap(), None, None);
    ask_all(&client, requests, LIMIT).await.into_iter().collect()
}

async fn runs(url: &str, store: &Store, question: &Question<'_>) -> Result<Runs, String> {
    let answers = ask(url, |answers| delivery::requests(store, question, answers)).await;
    delivery::runs(store, question, &answers)
}

async fn lacking(url: &str, store: &Store, question: &Question<'_>) -> Result<Option<Vec<Element>>, String> {
    let answers = ask(url, |answers| delivery::sample_requests(store, question, answers)).await;
    delivery::lacking(store, question, &answers)
}

/// Sends what a store takes, and expects that it does.
async fn post(url: &str, path: &str, kind: &str, body: &str) {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
}

fn json_lines(lines: &[Value]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

/// For `_bulk`, with the time under the name that a data stream wants.
fn bulk(lines: &[Value]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let mut line = line.clone();
        line["@timestamp"] = line["time"].clone();
        writeln!(text, "{{\"create\":{{}}}}\n{line}").unwrap();
        text
    })
}

/// A line of each of so many pods.
fn pods(case: &Case, number: usize) -> Vec<Value> {
    (0..number).map(|n| line("many", &format!("web-{n}"), "r", (0, "start"), case.at(0))).collect()
}

#[tokio::test]
async fn what_victorialogs_took_as_json_lines_and_by_bulk_is_told() {
    for path in [
        "/insert/jsonline?_time_field=time&_msg_field=message",
        "/insert/elasticsearch/_bulk?_time_field=@timestamp&_msg_field=message",
    ] {
        let store = VictoriaLogs::start("400d").await.unwrap();
        let case = Case::new();
        let is_bulk = path.contains("bulk");
        let body = if is_bulk { bulk(&case.lines) } else { json_lines(&case.lines) };
        let kind = if is_bulk { "application/json" } else { "application/stream+json" };
        post(store.url(), path, kind, &body).await;
        // What was taken a moment ago is found once it is flushed.
        assert_eq!(store.count("*").await.unwrap(), case.lines.len() as u64);
        case.holds(store.url(), &Store::VictoriaLogs).await;
    }
}

#[tokio::test]
async fn what_a_collector_sends_to_victorialogs_is_told() {
    let store = VictoriaLogs::start("400d").await.unwrap();
    let case = Case::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("pcizone-heartbeat.log");
    fs::write(&log, json_lines(&case.lines)).unwrap();
    let config = format!(
        "\
extensions:
  file_storage: {{directory: '${{env:STORAGE}}'}}
  health_check: {{endpoint: '127.0.0.1:${{env:HEALTH_PORT}}'}}
receivers:
  file_log:
    include: ['{}']
    start_at: beginning
    operators:
    - {{type: json_parser, timestamp: {{parse_from: attributes.time, layout_type: gotime, layout: '2006-01-02T15:04:05.999999999Z07:00'}}}}
exporters:
  otlp_http: {{logs_endpoint: {}}}
service:
  extensions: [file_storage, health_check]
  pipelines: {{logs: {{receivers: [file_log], exporters: [otlp_http]}}}}
  telemetry:
    metrics:
      readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: '${{env:METRICS_PORT}}'}}}}}}}}]
",
        log.display(),
        store.otlp_logs_url(),
    );
    let _collector = Collector::start(&config, &folder.path().join("storage")).await.unwrap();
    let wanted = case.lines.len().to_string();
    let found = |records: Vec<Value>| records.first().is_some_and(|record| record["n"] == *wanted).then_some(());
    store.query_until(LIMIT, ("all lines", "* | stats count() as n"), found).await.unwrap();
    case.holds(store.url(), &Store::VictoriaLogs).await;
}

#[tokio::test]
async fn of_more_runs_than_are_asked_for_victorialogs_tells_some_and_that_it_does() {
    let case = Case::new();
    let question = Question { zone: "many", ..case.question() };
    for (number, told, is_cut) in [
        (251, 251, false),
        (delivery::RUNS - 1, delivery::RUNS - 1, false),
        (delivery::RUNS, delivery::RUNS, false),
        (delivery::RUNS + 1, delivery::RUNS, true),
    ] {
        let store = VictoriaLogs::start("400d").await.unwrap();
        take_lines(&store, &pods(&case, number)).await;
        let found = runs(store.url(), &Store::VictoriaLogs, &question).await.unwrap();
        assert_eq!((found.runs.len(), found.is_cut), (told, is_cut), "{number}");
    }
    // A line that has no node is in no run, and not forgotten.
    let store = VictoriaLogs::start("400d").await.unwrap();
    let mut lines = pods(&case, 2);
    lines[0].as_object_mut().unwrap().remove("node");
    take_lines(&store, &lines).await;
    let found = runs(store.url(), &Store::VictoriaLogs, &question).await.unwrap();
    assert_eq!((found.runs.len(), found.is_cut), (1, true));
}

async fn take_lines(store: &VictoriaLogs, lines: &[Value]) {
    let path = "/insert/jsonline?_time_field=time&_msg_field=message";
    post(store.url(), path, "application/stream+json", &json_lines(lines)).await;
    assert_eq!(store.count("*").await.unwrap(), lines.len() as u64);
}

/// Strings as they come are `text` with a `keyword` beside; templates for logs map them as `keyword`.
const TEMPLATES: [(&str, &str); 3] = [
    ("plain", "{}"),
    (
        "keywords",
        r#"{"mappings":{"dynamic_templates":[{"all":{"match_mapping_type":"string","mapping":{"type":"keyword","ignore_above":1024}}}]}}"#,
    ),
    (
        "words",
        r#"{"mappings":{"dynamic_templates":[{"all":{"match_mapping_type":"string","mapping":{"type":"text"}}}]}}"#,
    ),
];

async fn take(store: &OpenSearch, stream: &str, lines: &[Value]) {
    let path = format!("/{stream}/_bulk?refresh=true");
    let (status, answer) = store.request(Method::POST, &path, bulk(lines)).await.unwrap();
    assert!(status == 200 && answer["errors"] == false, "{answer}");
}

#[tokio::test]
async fn what_opensearch_took_is_told_however_texts_are_mapped() {
    if !open_search_or_skip().unwrap() {
        return;
    }
    let store = OpenSearch::start().await.unwrap();
    for (name, template) in TEMPLATES {
        let body = format!(r#"{{"index_patterns":["{name}*"],"data_stream":{{}},"template":{template}}}"#);
        let (status, answer) = store.request(Method::PUT, &format!("/_index_template/{name}"), body).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    let named = |name: &str| Store::OpenSearch { name: name.to_string() };
    let case = Case::new();
    for name in ["plain", "keywords"] {
        take(&store, name, &case.lines).await;
        case.holds(store.url(), &named(name)).await;
    }

    // A stream in which the mapping was changed: what is asked about is in the newer index alone, and then in both.
    let early = line("cde", "web-0", "r1", (1, "heartbeat"), case.since - SignedDuration::from_hours(48));
    take(&store, "plain-2", &[early]).await;
    let body = format!(r#"{{"index_patterns":["plain*"],"data_stream":{{}},"template":{}}}"#, TEMPLATES[1].1);
    store.request(Method::PUT, "/_index_template/plain", body).await.unwrap();
    let (status, answer) = store.request(Method::POST, "/plain-2/_rollover", "").await.unwrap();
    assert_eq!(status, 200, "{answer}");
    take(&store, "plain-2", &case.lines).await;
    case.holds(store.url(), &named("plain-2")).await;
    let both = Question { since: case.since - SignedDuration::from_hours(50), ..case.question() };
    let why = runs(store.url(), &named("plain-2"), &both).await.unwrap_err();
    assert!(why.contains("mapped as keyword and text"), "{why}");

    // What cannot be counted is not told as nothing.
    take(&store, "words", &case.lines).await;
    let why = runs(store.url(), &named("words"), &case.question()).await.unwrap_err();
    assert!(why.contains("is mapped as text and cannot be counted"), "{why}");
    let why = runs(store.url(), &named("nowhere"), &case.question()).await.unwrap_err();
    assert!(why.contains("no such index [nowhere]"), "{why}");

    // Nothing was sent yet.
    let (status, answer) = store.request(Method::PUT, "/_data_stream/plain-0", "").await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(runs(store.url(), &named("plain-0"), &case.question()).await, Ok(Runs::default()));
    assert_eq!(lacking(store.url(), &named("plain-0"), &case.question()).await, Ok(None));

    // Page by page, and beyond what is asked for.
    for (name, number, told, is_cut) in [
        ("keywords-2", 251, 251, false),
        ("keywords-3", delivery::RUNS - 1, delivery::RUNS - 1, false),
        ("keywords-4", delivery::RUNS + 1, delivery::RUNS, true),
    ] {
        take(&store, name, &pods(&case, number)).await;
        let question = Question { zone: "many", ..case.question() };
        let found = runs(store.url(), &named(name), &question).await.unwrap();
        assert_eq!((found.runs.len(), found.is_cut), (told, is_cut), "{name}");
    }

    // A line that has no node is in no run, and not forgotten.
    let mut lines = pods(&case, 2);
    lines[0].as_object_mut().unwrap().remove("node");
    take(&store, "keywords-5", &lines).await;
    let found = runs(store.url(), &named("keywords-5"), &Question { zone: "many", ..case.question() }).await.unwrap();
    assert_eq!((found.runs.len(), found.is_cut), (1, true));
}
