//! `OpenSearch`: one node on this machine alone, from the jars of its core. Plug-ins that are published otherwise, such as those
//! for index states and for security, are not in it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{daemon::Daemon, http::Http, or_skip, run};
use crate::{
    assets::{cache_dir, hexadecimal, lock, short_digest},
    control_plane::on_a_thread,
    packages::install_packages,
    port::Port,
    process::{Process, Program},
    progress::say,
    workdir::Workdir,
};

/// What names the jars.
const POM: &str = include_str!("../../opensearch/pom.xml");
/// What the jars must be, in the format of `sha256sum`: Maven pins versions only.
const DIGESTS: &str = include_str!("../../opensearch/jars.sha256");
/// What starts the node. The jars bring a program for that, which takes few ports and does not say why it fails.
const NODE: &str = include_str!("../../opensearch/OpenSearchNode.java");
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const TOOLS: [&str; 3] = ["java", "javac", "mvn"];
const PACKAGES: [&str; 2] = ["default-jdk-headless", "maven"];

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Transport has a port too, which a lone node does not need; any does. A disk that is nearly full must not make the node refuse
/// what a test writes.
const SETTINGS: &str = "\
network.host: 127.0.0.1
transport.port: 0
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
";
const LOGGING: &str = "\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1.} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
";

/// A running node. Dropping it ends it and removes its data.
pub struct OpenSearch {
    daemon: Daemon,
    http: Http,
    _port: Port,
    // Last, since the process uses it.
    _workdir: Workdir,
}

impl OpenSearch {
    /// Starts a node and waits until it takes requests, a minute at most (and a download on the first run).
    pub async fn start() -> Result<Self> {
        let jars = on_a_thread(fetch).await.context("cannot get OpenSearch")?;
        let workdir = Workdir::create()?;
        let config = workdir.folder("config")?;
        for (name, text) in [("opensearch.yml", SETTINGS), ("log4j2.properties", LOGGING)] {
            fs::write(config.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        let scratch = workdir.folder("scratch")?;
        let port = Port::reserve_for_reuse()?;
        let mut args: Vec<String> = ["-Xms128m", "-Xmx512m"].map(str::to_owned).to_vec();
        // It is ready sooner so, and lives too short for better code to pay.
        args.extend(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(str::to_owned));
        args.extend([
            "-Djava.net.preferIPv4Stack=true".to_owned(),
            format!("-Djava.io.tmpdir={}", scratch.display()),
            "-cp".to_owned(),
            class_path(&jars),
            "OpenSearchNode".to_owned(),
            workdir.path().display().to_string(),
            port.number().to_string(),
        ]);
        let program = Program {
            name: "opensearch".to_owned(),
            path: tool("java").context("there is no java")?,
            args,
            env: Vec::new(),
            folder: workdir.path().to_owned(),
            log: workdir.path().join("opensearch.log"),
        };
        let http = Http::new(port.number());
        let mut store = Self { daemon: Daemon::new(program), http, _port: port, _workdir: workdir };
        store.start_again().await?;
        Ok(store)
    }

    /// Its address. It stays the same when it is started again.
    pub fn url(&self) -> &str {
        self.http.url()
    }

    /// Sends JSON, or lines of JSON, and gives the status and what is answered, 64 MB at most.
    pub async fn request(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<(u16, Value)> {
        let body: Bytes = body.into();
        let body = (!body.is_empty()).then_some(("application/json", body));
        let answer = self.http.send(method, path, body).await?;
        let value = serde_json::from_slice(&answer.body);
        Ok((answer.status.as_u16(), value.with_context(|| format!("OpenSearch does not answer {path} in JSON"))?))
    }

    /// Ends it in an orderly way. Its port stays reserved and refuses connections.
    pub async fn stop(&mut self) -> Result<()> {
        self.daemon.stop(STOP_LIMIT).await.map(drop)
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// Starts it again on the same port with the same data, and waits until it takes requests.
    pub async fn start_again(&mut self) -> Result<()> {
        let http = &self.http;
        // Answered once the node leads its cluster and has its data back.
        let path = "/_cluster/health?wait_for_status=yellow&timeout=1s";
        self.daemon.start(START_LIMIT, || async { http.take(Method::GET, path, None).await.map(drop) }).await
    }

    /// The process, to pause or to measure it.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.daemon.process()
    }
}

/// Whether `OpenSearch` can run here: it needs a JDK and Maven, or root on Debian to install them. When it can not, this says to
/// stderr what is missing, and fails where `PCIZONE_REQUIRE_STORES` is set.
pub fn open_search_or_skip() -> Result<bool> {
    or_skip("OpenSearch", install())
}

/// Installs the tools that are missing.
fn install() -> Result<()> {
    let is_complete = || TOOLS.iter().all(|name| tool(name).is_some());
    if !is_complete() {
        install_packages(&PACKAGES, "OpenSearch needs a JDK, and Maven to get it")?;
        ensure!(is_complete(), "{} are still not all on the PATH", TOOLS.join(", "));
    }
    Ok(())
}

/// Where a tool is: in the JDK that the user chose, or on the PATH.
fn tool(name: &str) -> Option<PathBuf> {
    let chosen = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()).map(|home| Path::new(&home).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = chosen.into_iter().chain(std::env::split_paths(&path));
    folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
}

fn class_path(jars: &Path) -> String {
    format!("{0}:{0}/*", jars.display())
}

/// The folder with the jars and the program. The first time they are downloaded, by Maven, from where it is configured to.
pub(super) fn fetch() -> Result<PathBuf> {
    install()?;
    let cache = cache_dir(&short_digest([POM, DIGESTS, NODE]))?;
    let _lock = lock(&cache, "gets OpenSearch")?;
    let jars = cache.join("opensearch");
    if jars.is_dir() {
        return Ok(jars);
    }
    let started = Instant::now();
    say("fetching OpenSearch, 53 MB, once per machine: up to 1 min");
    let partial = cache.join("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    let fetched = partial.join("jars");
    download(&partial, &fetched)?;
    fs::rename(&fetched, &jars).with_context(|| format!("cannot move OpenSearch to {}", jars.display()))?;
    fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    say(&format!("fetched OpenSearch in {} s", started.elapsed().as_secs()));
    Ok(jars)
}

fn download(scratch: &Path, jars: &Path) -> Result<()> {
    fs::create_dir_all(jars).with_context(|| format!("cannot create {}", jars.display()))?;
    let write = |name: &str, text: &str| {
        let path = scratch.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display())).map(|()| path)
    };
    let pom = write("pom.xml", POM)?;
    let mut maven = Command::new(tool("mvn").context("there is no mvn")?);
    maven
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(pom)
        // A repository of its own, which goes again: the jars would lie on the disk twice.
        .arg(format!("-Dmaven.repo.local={}", scratch.join("repository").display()))
        // By default it waits half an hour for each.
        .args(["-Dmaven.wagon.rto=60000", "-Daether.connector.requestTimeout=60000"])
        .args([COPY, "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", jars.display()));
    run(maven)?;
    verify(&digests(jars)?)?;

    let node = write("OpenSearchNode.java", NODE)?;
    let mut compiler = Command::new(tool("javac").context("there is no javac")?);
    compiler.arg("-d").arg(jars).args(["-cp", &class_path(jars)]).arg(node);
    run(compiler)
}

/// The name and the digest of each file.
fn digests(folder: &Path) -> Result<BTreeMap<String, String>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut digests = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let bytes = fs::read(entry.path()).with_context(cannot)?;
        let digest = hexadecimal(&Sha256::digest(bytes));
        digests.insert(entry.file_name().to_string_lossy().into_owned(), digest);
    }
    Ok(digests)
}

/// Refuses jars that are not the pinned ones, all of them and nothing else.
fn verify(found: &BTreeMap<String, String>) -> Result<()> {
    let pinned = DIGESTS.lines().filter_map(|line| line.split_once("  "));
    let pinned: BTreeMap<String, String> = pinned.map(|(digest, name)| (name.to_owned(), digest.to_owned())).collect();
    let names = pinned.keys().chain(found.keys().filter(|name| !pinned.contains_key(*name)));
    let wrong: Vec<&str> = names.filter(|name| pinned.get(*name) != found.get(*name)).map(String::as_str).collect();
    if !wrong.is_empty() {
        bail!(
            "Maven did not get the jars that jars.sha256 pins; these are missing, changed or more: {}",
            wrong.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_jars_than_the_pinned_ones_are_refused() {
        let pinned = || DIGESTS.lines().filter_map(|line| line.split_once("  ")).map(|(digest, name)| (name, digest));
        let mut jars: BTreeMap<String, String> =
            pinned().map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
        assert_eq!(jars.len(), 95);
        verify(&jars).unwrap();

        jars.insert("more.jar".to_owned(), String::new());
        jars.insert("lucene-core-9.12.1.jar".to_owned(), "00".to_owned());
        jars.remove("jna-5.13.0.jar");
        let error = verify(&jars).unwrap_err().to_string();
        assert!(error.ends_with(": jna-5.13.0.jar, lucene-core-9.12.1.jar, more.jar"), "{error}");
    }
}
