//! A proxy between one client and the API server that fails on purpose.
//!
//! ```text
//!  operator ──TLS──▶ FaultProxy ──TLS──▶ kube-apiserver
//!                      │  script: Request ─▶ Fault      what happens to each request
//!                      └─ WatchFault                    what happens to watches that are open
//! ```
//!
//! The certificate is of the cluster's own authority and the credentials of the client pass through, so that only the
//! address differs from the API server. Nothing but what the script says is changed, except the length of watches when
//! that is asked for.

mod reply;
mod request;
mod server;
mod watches;

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::{Context as _, Result};
use kube::Config;
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
    task::AbortHandle,
};

pub use request::Request;
pub use watches::WatchFault;

use crate::{
    control_plane::ControlPlane,
    kubeconfig::{Credential, Kubeconfigs},
};
use server::Upstream;

/// Commands to open watches that a slow one may be behind by.
const COMMANDS: usize = 64;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It passes.
    None,
    /// The connection ends before the API server has the request.
    Kill,
    /// The API server has the request and answered; the connection ends without a word of the answer.
    KillReply,
    /// The API server never gets the request, and nothing is answered. The connection stays.
    BlackHole,
    /// The API server has the request and answered; nothing of it arrives. The connection stays.
    HoldReply,
    /// It passes so much later.
    Delay(std::time::Duration),
    /// The answer ends after so many bytes, and the connection with it.
    Truncate(usize),
    /// The API server never gets the request; the answer is a `Status` with this code.
    Answer(u16),
    /// The same with the header `Retry-After`, in seconds, and text instead of a `Status`, as API Priority and
    /// Fairness answers.
    Busy(u16, u32),
    /// The API server never gets the request for a watch; the stream begins, says that the version is too old, and
    /// ends.
    Expire,
}

type Script = Arc<dyn Fn(&Request) -> Fault + Send + Sync>;

/// What the connections of a proxy share.
struct Shared {
    script: RwLock<Script>,
    upstream: Upstream,
    struck: watch::Sender<usize>,
    commands: broadcast::Sender<(WatchFault, String)>,
    /// The resources that are watched now, once for each watch.
    watched: watch::Sender<Vec<String>>,
    watch_seconds: RwLock<Option<u32>>,
    numbers: std::sync::atomic::AtomicUsize,
}

/// A running proxy. Dropping it ends all its connections.
pub struct FaultProxy {
    shared: Arc<Shared>,
    url: String,
    kubeconfigs: Kubeconfigs,
    server: AbortHandle,
}

impl ControlPlane {
    /// Starts a proxy in front of the API server on a port of its own, on the runtime of the caller. At first
    /// everything passes.
    pub async fn fault_proxy(&self) -> Result<FaultProxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on 127.0.0.1")?;
        let port = listener.local_addr().context("the proxy's socket has no address")?.port();
        let url = format!("https://127.0.0.1:{port}");
        let authority = self.authority();
        let acceptor = server::acceptor(&authority.server(Ipv4Addr::LOCALHOST)?)?;
        let upstream = Upstream::new(&authority.certificate(), self.url())?;
        let folder = self.workdir().folder(&format!("proxy-{port}"))?;
        let shared = Arc::new(Shared {
            script: RwLock::new(Arc::new(|_| Fault::None)),
            upstream,
            struck: watch::Sender::new(0),
            commands: broadcast::Sender::new(COMMANDS),
            watched: watch::Sender::default(),
            watch_seconds: RwLock::new(None),
            numbers: std::sync::atomic::AtomicUsize::new(0),
        });
        let server = tokio::spawn(server::serve(listener, acceptor, Arc::clone(&shared))).abort_handle();
        let kubeconfigs = Kubeconfigs::new(folder, url.clone(), authority.certificate());
        Ok(FaultProxy { shared, url, kubeconfigs, server })
    }
}

impl FaultProxy {
    /// The same client, through the proxy.
    pub fn config(&self, config: &Config) -> Result<Config> {
        let mut config = config.clone();
        config.cluster_url = self.url.parse().context("the proxy's address is no URL")?;
        Ok(config)
    }

    /// Writes a kubeconfig file with a bearer token for the proxy. `user` only names the file.
    pub fn kubeconfig_for_token(&self, user: &str, token: &str) -> Result<PathBuf> {
        self.kubeconfigs.write(user, Credential::Token(token.to_owned()))
    }

    /// Decides about each request from now on, in the order in which they arrive. It must not block.
    pub fn script(&self, script: impl Fn(&Request) -> Fault + Send + Sync + 'static) {
        *self.shared.script.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Everything passes from now on. What is held already stays held.
    pub fn heal(&self) {
        self.script(|_| Fault::None);
    }

    /// Does this to the watches of a resource that are open now; an empty resource means all.
    pub fn strike_watches(&self, resource: &str, fault: WatchFault) {
        // Fails when no watch is open.
        let _ = self.shared.commands.send((fault, resource.to_owned()));
    }

    /// Waits until there is an open watch of a resource, such as one that can be struck.
    pub async fn until_watched(&self, resource: &str) {
        // The sender lives as long as the proxy.
        let _ = self.shared.watched.subscribe().wait_for(|open| open.iter().any(|open| open == resource)).await;
    }

    /// Has every watch that begins from now on end after so many seconds.
    pub fn shorten_watches(&self, seconds: u32) {
        *self.shared.watch_seconds.write().unwrap_or_else(PoisonError::into_inner) = Some(seconds);
    }

    /// How many requests met a fault so far. Those that are held count once they are held.
    pub fn struck(&self) -> usize {
        *self.shared.struck.borrow()
    }

    /// Waits until so many requests met a fault.
    pub async fn until_struck(&self, requests: usize) {
        // The sender lives as long as the proxy.
        let _ = self.shared.struck.subscribe().wait_for(|struck| *struck >= requests).await;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}
