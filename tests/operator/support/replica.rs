//! A running operator, and what it serves.

use std::{net::SocketAddr, path::PathBuf};

use kube::Config;
use pcizone::{
    api::names,
    controllers::{self, Address, Settings},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::{PATIENCE, ask};

/// A running operator. It has a runtime of its own, as a process would: with its end everything that it started ends.
pub struct Operator {
    /// Its name, as it stands in the Lease.
    pub identity: String,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), controllers::Error>>,
    _runtime: OwnRuntime,
}

struct OwnRuntime(Option<Runtime>);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Operator {
    pub fn start(config: Config, identity: String) -> Self {
        Self::start_in(names::OPERATOR_NAMESPACE, config, identity)
    }

    /// One whose webhook listens here and tells the API server that it listens there.
    pub fn start_listening(config: Config, identity: String, here: SocketAddr, there: SocketAddr) -> Self {
        Self::begin(names::OPERATOR_NAMESPACE, config, identity, PathBuf::new(), Some((here, there)))
    }

    /// One that shows log stores what is in this folder.
    pub fn start_showing(config: Config, identity: String, log_stores: PathBuf) -> Self {
        Self::begin(names::OPERATOR_NAMESPACE, config, identity, log_stores, None)
    }

    /// One that lives, with its Lease, in this namespace.
    pub fn start_in(namespace: &str, config: Config, identity: String) -> Self {
        Self::begin(namespace, config, identity, PathBuf::new(), None)
    }

    fn begin(
        namespace: &str,
        config: Config,
        identity: String,
        log_stores: PathBuf,
        webhook: Option<(SocketAddr, SocketAddr)>,
    ) -> Self {
        // Nobody listens there unless the API server is an old one.
        let (here, there) = webhook.unwrap_or_else(|| {
            let free = free_address();
            (free, free)
        });
        let namespace = namespace.to_string();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let name = identity.clone();
        let task = runtime.spawn(async move {
            let settings = Settings {
                canary: None,
                config,
                namespace,
                identity: name,
                listener: TcpListener::from_std(listener).unwrap(),
                webhook: Some((here, Address::Url(format!("https://{there}")))),
                log_stores,
            };
            let shutdown = async move {
                let _ = stopped.await;
            };
            controllers::run(settings, shutdown).await
        });
        Operator { identity, address, stop, task, _runtime: OwnRuntime(Some(runtime)) }
    }

    /// Asks it to end and waits until it has.
    pub async fn end(self) {
        let _ = self.stop.send(());
        timeout(PATIENCE, self.task).await.expect("the operator ends").unwrap().expect("the operator ends well");
    }

    /// Status code and body of a page.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(PATIENCE, exchange).await.expect("an answer in time").expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
        (code, body.to_string())
    }

    /// Waits until a page is as wanted.
    pub async fn until_page(&self, what: &str, path: &str, is: impl Fn(u16, &str) -> bool) -> String {
        ask(what, async || {
            let (code, body) = self.get(path).await;
            if is(code, &body) { Ok(body) } else { Err(format!("{path}: {code} {body}")) }
        })
        .await
    }

    /// The sum of the series that start so, such as `pcizone_writes_total`. Nothing counted yet is 0.
    pub async fn metric(&self, series: &str) -> u64 {
        sum(&self.get("/metrics").await.1, series)
    }

    /// Waits until a sum is as wanted.
    pub async fn until_metric(&self, series: &str, is: impl Fn(u64) -> bool) {
        let what = format!("{} counts {series}", self.identity);
        self.until_page(&what, "/metrics", |_, text| is(sum(text, series))).await;
    }

    /// Does something and waits until the replica has counted on since: it has looked.
    pub async fn looks_after(&self, series: &str, act: impl Future) {
        let before = self.metric(series).await;
        act.await;
        self.until_metric(series, |now| now > before).await;
    }

    pub async fn until_leading(&self) {
        self.until_metric("pcizone_leading", |value| value == 1).await;
    }

    /// Waits until it knows the cluster.
    pub async fn until_synced(&self) {
        self.until_page("it is ready", "/readyz", |code, _| code == 200).await;
    }
}

/// A port of the loopback where nobody listens.
pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap()
}

fn sum(text: &str, series: &str) -> u64 {
    let values = text.lines().filter(|line| line.starts_with(series)).filter_map(|line| line.rsplit(' ').next());
    values.map(|value| value.parse::<u64>().expect("a number")).sum()
}
