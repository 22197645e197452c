//! `pcizone retention` as people run it, against real stores and against stubs.
//!
//! A stub here is a server of this file that behaves badly on purpose, or that answers in the shape that a vendor publishes; nothing
//! that a stub shows was shown with the product. `VictoriaLogs` and `OpenSearch` are real.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::Value;
use tempfile::TempDir;
use testbed::{OpenSearch, VictoriaLogs, open_search_or_skip};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    process::Command,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

const SECRET: &str = "hunter2-tr0ub4dor-9f31c7";
/// Who waits longer waits in vain.
const LONG: Duration = Duration::from_secs(60);
/// What is told to take one second takes less than any limit of its own does, however busy this machine is.
const SOON: Duration = Duration::from_secs(9);
/// Metrics of `VictoriaLogs`, as far as they are read.
const METRICS: &str = "\
flag{name=\"retention.maxDiskSpaceUsageBytes\", value=\"0\", is_set=\"false\"} 1
flag{name=\"retentionPeriod\", value=\"400d\", is_set=\"true\"} 1
";

/// How a run ended. No run may tell the secret.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
    took: Duration,
}

impl Run {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It ended so, and says this.
    fn says(&self, code: i32, words: &[&str]) -> &Self {
        let told = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, code, "{self:?}");
        for words in words {
            assert!(told.contains(words), "{words:?} is not in {self:?}");
        }
        self
    }
}

async fn run(args: &[&str]) -> Run {
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcizone"));
    command.arg("retention").args(args).kill_on_drop(true);
    // A proxy that nobody is to use.
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let output = timeout(LONG, command.output()).await.expect("it ends").expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let run = Run {
        code: output.status.code().expect("a code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        took: begun.elapsed(),
    };
    assert!(!format!("{run:?}").contains(&SECRET[..8]), "the secret is told: {run:?}");
    run
}

/// What a stub does with a connection, once it has read the request.
#[derive(Clone)]
enum Behaviour {
    /// Sends this, and closes.
    Send(Vec<u8>),
    /// Sends what belongs to the request's line, and closes.
    Route(fn(&str) -> Vec<u8>),
    /// Sends this, and then nothing, but stays.
    Stall(Vec<u8>),
    /// Sends this, and then the same bytes for ever.
    Endless(Vec<u8>),
    /// Sends this, and then a byte now and then.
    Drip(Vec<u8>),
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A server of this file on loopback.
struct Stub {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    async fn plain(behaviour: Behaviour) -> Self {
        Stub::start(behaviour, None).await
    }

    async fn tls(behaviour: Behaviour, config: ServerConfig) -> Self {
        Stub::start(behaviour, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(behaviour: Behaviour, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (requests, sent) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicU64>::default());
        let (noted, counted) = (Arc::clone(&requests), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behaviour, acceptor) = (behaviour.clone(), acceptor.clone());
                let (noted, counted) = (Arc::clone(&noted), Arc::clone(&counted));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, behaviour, &noted, &counted).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, behaviour, &noted, &counted).await;
                            }
                        }
                    }
                });
            }
        });
        Stub { url, requests, sent, task }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Its address by another name of this machine.
    fn named(&self, name: &str) -> String {
        self.url.replace("127.0.0.1", name)
    }
}

async fn serve<S>(mut stream: S, behaviour: Behaviour, noted: &Mutex<Vec<String>>, sent: &AtomicU64)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // How TLS begins. A server without it complains.
            Ok(0x16) if request.is_empty() => {
                let _ = stream.write_all(&answer("400 Bad Request", "")).await;
                return;
            }
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let first = match &behaviour {
        Behaviour::Send(first) | Behaviour::Stall(first) | Behaviour::Endless(first) | Behaviour::Drip(first) => {
            first.clone()
        }
        Behaviour::Route(route) => route(request.lines().next().unwrap()),
    };
    noted.lock().unwrap().push(request);
    if stream.write_all(&first).await.is_err() {
        return;
    }
    let _ = stream.flush().await;
    match behaviour {
        Behaviour::Send(_) | Behaviour::Route(_) => {
            let _ = stream.shutdown().await;
        }
        // Whoever asked goes first.
        Behaviour::Stall(_) => drop(stream.read_u8().await),
        Behaviour::Endless(_) => {
            let more = vec![b'x'; 64 * 1024];
            while stream.write_all(&more).await.is_ok() {
                sent.fetch_add(more.len() as u64, Ordering::Relaxed);
            }
        }
        Behaviour::Drip(_) => {
            while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// An authority of a test, and files for the program.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        Authority::named("an authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { folder, issuer }
    }

    fn file(&self) -> String {
        path(&self.folder.path().join("ca.pem"))
    }

    /// A certificate and its key, PEM: for these names, and valid from and to so many days from now.
    fn sign(&self, names: &[&str], days: (i64, i64), usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let now = OffsetDateTime::now_utc();
        params.not_before = now + time::Duration::days(days.0);
        params.not_after = now + time::Duration::days(days.1);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn server(&self, names: &[&str], days: (i64, i64)) -> ServerConfig {
        let (certificate, key) = self.sign(names, days, ExtendedKeyUsagePurpose::ServerAuth);
        builder().with_no_client_auth().with_single_cert(chain(&certificate), private(&key)).unwrap()
    }

    /// One that takes clients with a certificate of this authority alone.
    fn demanding(&self) -> ServerConfig {
        let (certificate, key) = self.sign(&["127.0.0.1"], (-1, 1), ExtendedKeyUsagePurpose::ServerAuth);
        let mut roots = RootCertStore::empty();
        roots.add(chain(&self.issuer.pem()).remove(0)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder().with_client_cert_verifier(verifier).with_single_cert(chain(&certificate), private(&key)).unwrap()
    }
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}

fn private(pem: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn path(path: &Path) -> String {
    path.to_str().expect("a path of letters").to_string()
}

/// A file that only its owner reads.
fn file(folder: &TempDir, name: &str, content: &str) -> String {
    let at: PathBuf = folder.path().join(name);
    fs::write(&at, content).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o600)).unwrap();
    path(&at)
}

// Real stores.

#[tokio::test]
async fn a_real_victorialogs_that_keeps_400_days_is_kept() {
    let store = VictoriaLogs::start("400d").await.unwrap();
    let words = run(&["victorialogs", "--url", store.url()]).await;
    words.says(
        0,
        &[
            "kept: VictoriaLogs at http://127.0.0.1:",
            "400 days, 400 days at hand",
            "10.5.1",
            "200     /metrics",
            "not that all of them arrived",
            "could be forged",
        ],
    );
    let run = run(&["victorialogs", "--url", store.url(), "-o", "json"]).await;
    let told = run.says(0, &[]).json();
    assert_eq!(told["requirement"], "10.5.1");
    assert_eq!(told["store"]["product"], "VictoriaLogs");
    assert_eq!(told["verdict"]["result"], "Kept");
    assert_eq!((&told["verdict"]["days"], &told["verdict"]["searchableDays"]), (&400.into(), &400.into()));
    assert_eq!(told["asked"], serde_json::json!([{ "path": "/metrics", "status": 200 }]));
}

#[tokio::test]
async fn a_real_victorialogs_that_keeps_30_days_is_too_short() {
    let store = VictoriaLogs::start("30d").await.unwrap();
    let short = run(&["victorialogs", "--url", store.url(), "-o", "json"]).await;
    let told = short.says(1, &["retentionPeriod 30d is 30d"]).json();
    assert_eq!((&told["verdict"]["result"], &told["verdict"]["days"]), (&"TooShort".into(), &30.into()));
    // Whoever wants less than the standard gets it, and is told.
    let less = run(&["victorialogs", "--url", store.url(), "--days", "30", "--searchable-days", "30"]).await;
    less.says(0, &["wanted: 30 days", "Less was asked for than PCI DSS 10.5.1 wants"]);
}

#[tokio::test]
async fn a_real_opensearch_without_its_plugin_is_unproven_and_says_so() {
    if !open_search_or_skip().unwrap() {
        return;
    }
    let store = OpenSearch::start().await.unwrap();
    for (path, body) in [
        ("/_index_template/pci", r#"{"index_patterns":["logs-pci"],"data_stream":{}}"#),
        ("/_data_stream/logs-pci", ""),
        ("/plain", ""),
    ] {
        let (status, answer) = store.request(http::Method::PUT, path, body).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
    }
    for name in ["logs-pci", "plain"] {
        let run = run(&["opensearch", "--url", store.url(), "--name", name, "-o", "json"]).await;
        let told = run.says(2, &["without its Index State Management plugin"]).json();
        assert_eq!(told["verdict"]["result"], "Unproven");
        assert_eq!(told["store"]["name"], name);
        let asked = told["asked"].as_array().unwrap();
        assert!(
            asked.iter().any(|asked| asked["path"].as_str().unwrap().starts_with("/_plugins/_ism/explain/")),
            "{told}"
        );
    }
    let none = run(&["opensearch", "--url", store.url(), "--name", "none"]).await;
    none.says(2, &["no such index [none]"]);
}

// Who answers.

#[tokio::test]
async fn who_answers_is_checked_and_what_is_wrong_is_named() {
    let (good, other, anew) = (Authority::new(), Authority::named("another"), Authority::new());
    let metrics = || Behaviour::Send(answer("200 OK", METRICS));
    let year = (-1, 365);
    let right = Stub::tls(metrics(), good.server(&["localhost", "127.0.0.1"], year)).await;
    let kept = run(&["victorialogs", "--url", &right.url, "--ca-file", &good.file()]).await;
    kept.says(0, &["kept: VictoriaLogs at https://127.0.0.1:"]);
    assert!(!kept.stdout.contains("forged"), "{kept:?}");
    run(&["victorialogs", "--url", &right.named("localhost"), "--ca-file", &good.file()]).await.says(0, &[]);

    let elsewhere = Stub::tls(metrics(), good.server(&["logs.example.com"], year)).await;
    let expired = Stub::tls(metrics(), good.server(&["127.0.0.1"], (-30, -1))).await;
    let early = Stub::tls(metrics(), good.server(&["127.0.0.1"], (1, 30))).await;
    let plain = Stub::plain(metrics()).await;
    for (stub, url, authority, words) in [
        (&right, right.url.clone(), Some(&other), "an authority that is not trusted; give the right one by --ca-file"),
        (&right, right.url.clone(), Some(&anew), "the same name as one that is"),
        (&right, right.url.clone(), None, "--ca-file"),
        (&elsewhere, elsewhere.url.clone(), Some(&good), "its certificate is not for 127.0.0.1, but for"),
        (&elsewhere, elsewhere.url.clone(), Some(&good), "logs.example.com"),
        (&expired, expired.url.clone(), Some(&good), "its certificate has expired"),
        (&early, early.url.clone(), Some(&good), "its certificate is not valid yet"),
        (&plain, plain.url.replace("http", "https"), Some(&good), "does not speak TLS on this port"),
    ] {
        let before = stub.requests().len();
        let mut args = vec!["victorialogs", "--url", url.as_str()];
        let file = authority.map(Authority::file);
        args.extend(file.iter().flat_map(|file| ["--ca-file", file]));
        let failed = run(&args).await;
        // Where the system has no authorities at all, that is said instead.
        let code = if authority.is_none() && failed.code == 3 { 3 } else { 2 };
        failed.says(code, &[words]);
        assert_eq!(stub.requests().len(), before, "it was asked before it was known: {words}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_the_client_gets_it() {
    let (good, other) = (Authority::new(), Authority::new());
    let stub = Stub::tls(Behaviour::Send(answer("200 OK", METRICS)), good.demanding()).await;
    let folder = tempfile::tempdir().unwrap();
    let asked = ["victorialogs", "--url", &stub.url, "--ca-file", &good.file()];
    run(&asked).await.says(2, &["wants a certificate of the client"]);
    for (authority, code, words) in [(&good, 0, "kept"), (&other, 2, "refuses the certificate of the client")] {
        let (certificate, key) = authority.sign(&["reader"], (-1, 1), ExtendedKeyUsagePurpose::ClientAuth);
        let (certificate, key) = (file(&folder, "cert.pem", &certificate), file(&folder, "key.pem", &key));
        let with = [&asked[..], &["--client-cert-file", &certificate, "--client-key-file", &key]].concat();
        run(&with).await.says(code, &[words]);
    }
}

// Servers that behave badly.

#[tokio::test]
async fn a_bad_server_is_bounded_and_unproven_with_the_reason() {
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n".to_vec();
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let megabytes = answer("200 OK", &"x".repeat(10_000_000));
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nflag{".to_vec();
    for (name, behaviour, words) in [
        ("silent", Behaviour::Stall(Vec::new()), "no answer within 1 s"),
        ("stops in its head", Behaviour::Stall(head.clone()), "no answer within 1 s"),
        ("stops in its body", Behaviour::Stall(cut.clone()), "no answer within 1 s"),
        ("a head that drips", Behaviour::Drip(head.clone()), "no answer within 1 s"),
        ("a body that drips", Behaviour::Drip(chunked.clone()), "no answer within 1 s"),
        ("a head without end", Behaviour::Endless(head), "too long"),
        ("a body without end", Behaviour::Endless(endless), "longer than 1048576 bytes"),
        ("a chunk without end", Behaviour::Endless(chunked), "longer than 1048576 bytes"),
        ("10 MB", Behaviour::Send(megabytes), "longer than 1048576 bytes"),
        ("garbage", Behaviour::Send(b"\x00\x01\x02 nothing\r\n\r\n".to_vec()), "no HTTP"),
        ("TLS on a plain port", Behaviour::Send(b"\x15\x03\x01\x00\x02\x02\x16".to_vec()), "does it want https?"),
        ("closes at once", Behaviour::Send(Vec::new()), "closes the connection"),
        ("closes in the middle", Behaviour::Send(cut), "closes the connection before its answer is complete"),
        ("bytes", Behaviour::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe".to_vec()), "no text"),
        ("empty", Behaviour::Send(answer("200 OK", "")), "is empty"),
        ("a login", Behaviour::Send(answer("200 OK", "<html>log in</html>")), "not VictoriaLogs"),
        (
            "wrong credentials",
            Behaviour::Send(answer("401 Unauthorized", "who are you?")),
            "refuses the credentials (401)",
        ),
        ("no right", Behaviour::Send(answer("403 Forbidden", "no")), "see docs/retention.md for the right"),
        ("an error", Behaviour::Send(answer("500 Oh", "broken")), "status 500: “broken”"),
    ] {
        let stub = Stub::plain(behaviour).await;
        let run = run(&["victorialogs", "--url", &stub.url, "--timeout", "1"]).await;
        run.says(2, &["unproven: VictoriaLogs", words]);
        assert!(run.took < SOON, "{name}: {run:?}");
        // What the kernel holds, and no more.
        assert!(stub.sent.load(Ordering::Relaxed) < 64 << 20, "{name}");
    }
}

#[tokio::test]
async fn all_questions_together_end_in_time() {
    let stub = Stub::plain(Behaviour::Stall(Vec::new())).await;
    let run = run(&["elasticsearch", "--url", &stub.url, "--name", "logs", "--timeout", "1", "-o", "json"]).await;
    let told = run.says(2, &["the time of 1 s was over"]).json();
    assert!(run.took < SOON, "{run:?}");
    assert!(told["asked"].as_array().unwrap().len() > 1 && stub.requests().len() == 1, "{told}");
}

#[tokio::test]
async fn where_nobody_listens_it_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let refused = run(&["elasticsearch", "--url", &url, "--name", "logs"]).await;
    refused.says(2, &["refuses the connection; is it up, and is the port right?"]);
    let unknown = run(&[
        "elasticsearch",
        "--url",
        "https://logs.invalid",
        "--name",
        "logs",
        "--ca-file",
        &Authority::new().file(),
    ])
    .await;
    unknown.says(2, &["the name logs.invalid cannot be resolved"]);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", SECRET);
    let elsewhere = Stub::plain(Behaviour::Send(answer("200 OK", METRICS))).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let head = format!("HTTP/1.1 {status}\r\nLocation: {}/metrics\r\nContent-Length: 0\r\n\r\n", elsewhere.url);
        let stub = Stub::plain(Behaviour::Send(head.into_bytes())).await;
        let run = run(&["victorialogs", "--url", &stub.url, "--token-file", &token]).await;
        run.says(2, &["leads elsewhere", "give the address of the store itself"]);
        assert_eq!((stub.requests().len(), elsewhere.requests().len()), (1, 0));
    }
}

// Secrets.

#[tokio::test]
async fn each_secret_is_sent_in_its_form_and_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = file(&folder, "secret", &format!("{SECRET}\n"));
    for (args, header) in [
        (vec!["victorialogs", "--token-file"], format!("Bearer {SECRET}")),
        (vec!["elasticsearch", "--name", "logs", "--api-key-file"], format!("ApiKey {SECRET}")),
        (vec!["splunk", "--index", "pci", "--session-key-file"], format!("Splunk {SECRET}")),
        (
            vec!["graylog", "--index-set", "pci", "--access-token-file"],
            "Basic aHVudGVyMi10cjB1YjRkb3ItOWYzMWM3OnRva2Vu".to_string(),
        ),
        (
            vec!["loki", "--tenant", "pci", "--user", "reader", "--password-file"],
            "Basic cmVhZGVyOmh1bnRlcjItdHIwdWI0ZG9yLTlmMzFjNw==".to_string(),
        ),
    ] {
        for form in ["table", "json"] {
            // The server sends back what it was sent, as words of its error.
            let sent = header.split_once(' ').unwrap().1;
            let told = format!("wrong: {sent} {SECRET}");
            let stub = Stub::plain(Behaviour::Send(answer("401 Unauthorized", &told))).await;
            let all = [&args[..], &[&secret, "--url", &stub.url, "-o", form]].concat();
            let run = run(&all).await;
            run.says(2, &["(401)", "‹hidden›"]);
            assert!(!run.stdout.contains("cmVhZGVy") && !run.stdout.contains("aHVudGVy"), "{run:?}");
            assert!(!run.stderr.contains("warning"), "{run:?}");
            let request = &stub.requests()[0];
            assert!(request.contains(&format!("authorization: {header}\r\n")), "{request}");
        }
    }
    // Or as a name that is asked for next.
    let stub = Stub::plain(Behaviour::Route(|line| {
        if line.contains("_data_stream") {
            return answer("404 Not Found", r#"{"error":{"type":"index_not_found_exception"},"status":404}"#);
        }
        let entry = format!(r#"{{"indices":{{"logs":{{"index":"logs","managed":true,"policy":"{SECRET}"}}}}}}"#);
        answer("200 OK", if line.contains("explain") { &entry } else { "{}" })
    }))
    .await;
    let run =
        run(&["elasticsearch", "--name", "logs", "--url", &stub.url, "--api-key-file", &secret, "-o", "json"]).await;
    run.says(2, &["/_ilm/policy/‹hidden›"]);
}

#[tokio::test]
async fn a_loki_with_tenants_is_told_which_and_json_is_asked_for() {
    for (tenant, header) in [("pci", Some("x-scope-orgid: pci\r\n")), ("fake", None)] {
        let stub = Stub::plain(Behaviour::Send(answer("200 OK", "{}"))).await;
        run(&["loki", "--tenant", tenant, "--url", &stub.url]).await.says(2, &[]);
        for request in stub.requests() {
            let request = request.to_ascii_lowercase();
            assert_eq!(request.contains("x-scope-orgid"), header.is_some(), "{request}");
            assert!(header.is_none_or(|header| request.contains(header)), "{request}");
            assert!(request.contains("accept: application/json, */*;q=0.5\r\n"), "{request}");
        }
        assert_eq!(stub.requests().len(), 2);
    }
    let stub = Stub::plain(Behaviour::Send(answer("200 OK", "{}"))).await;
    for tenant in ["pci|dev", "..", "p\r\nx: y", "pçi", &"p".repeat(151)] {
        run(&["loki", "--tenant", tenant, "--url", &stub.url]).await.says(3, &["is not the name of one tenant"]);
    }
    assert_eq!(stub.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_that_everyone_can_read_is_told_and_a_file_without_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::plain(Behaviour::Send(answer("200 OK", METRICS))).await;
    let open = file(&folder, "open", SECRET);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let asked = run(&["victorialogs", "--url", &stub.url, "--token-file", &open]).await;
    asked.says(0, &["warning: ", "can be read by everyone on this machine (mode 644): chmod 600"]);
    for (content, words) in [("", "is empty"), ("two hunter2-tr0ub4dor words", "no header can carry")] {
        let file = file(&folder, "wrong", content);
        run(&["victorialogs", "--url", &stub.url, "--token-file", &file]).await.says(3, &[words, "wrong"]);
    }
    run(&["victorialogs", "--url", &stub.url, "--token-file", "/nowhere/token"])
        .await
        .says(3, &["cannot read /nowhere/token"]);
    assert_eq!(stub.requests().len(), 1);
}

// Arguments.

#[tokio::test]
async fn wrong_arguments_end_with_3_before_anything_is_asked() {
    let stub = Stub::plain(Behaviour::Send(answer("200 OK", METRICS))).await;
    let folder = tempfile::tempdir().unwrap();
    let (secret, garbage) = (file(&folder, "secret", SECRET), file(&folder, "garbage", "no PEM"));
    let with_user = stub.url.replace("://", &format!("://reader:{SECRET}@"));
    let url = stub.url.as_str();
    for (args, words) in [
        (vec![], "Usage"),
        (vec!["victorialogs"], "--url"),
        (vec!["s3", "--url", url], "unrecognized subcommand"),
        (vec!["victorialogs", "--url", "logs:9428"], "it has to be like https://"),
        (vec!["victorialogs", "--url", &with_user], "--password-file"),
        (vec!["victorialogs", "--url", "http://192.0.2.7:9428"], "--plaintext asks all the same"),
        (vec!["victorialogs", "--url", url, "--days", "30"], "--searchable-days 90 is more than --days 30"),
        (vec!["victorialogs", "--url", url, "--days", "0"], "--days"),
        (vec!["victorialogs", "--url", url, "--timeout", "0"], "--timeout"),
        (vec!["victorialogs", "--url", url, "--user", "reader"], "--password-file"),
        (vec!["victorialogs", "--url", url, "--ca-file", &garbage], "of no use"),
        (vec!["victorialogs", "--url", "https://127.0.0.1:1", "--ca-file", &garbage], "has no certificate in PEM"),
        (vec!["elasticsearch", "--url", url, "--name", "logs-*"], "name exactly one"),
        (
            vec!["elasticsearch", "--url", url, "--name", "l", "--api-key-file", &secret, "--token-file", &secret],
            "only one can be sent",
        ),
        (vec!["opensearch", "--url", url, "--name", "a,b"], "name exactly one"),
        (vec!["splunk", "--url", url, "--index", ".."], "cannot be asked for"),
    ] {
        run(&args).await.says(3, &[words]);
    }
    assert_eq!(stub.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn without_tls_beyond_this_machine_the_answer_is_no_proof() {
    // No address of this machine is sure to be none of loopback, so nobody answers.
    let asked = run(&["victorialogs", "--url", "http://192.0.2.7:9428", "--plaintext", "--timeout", "1"]).await;
    asked.says(2, &["Asked without TLS: the answer could be forged on its way"]);
    assert!(asked.took < SOON, "{asked:?}");
}
