//! Takes connections and carries out what the script says of each request.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use http::{Uri, uri::PathAndQuery};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet, time::sleep};
use tokio_rustls::TlsAcceptor;

use super::{
    Fault, Shared,
    reply::{self, Error, Reply, Truncated},
    request::Request,
    watches,
};
use crate::pki::Identity;

/// Frames of one watch that wait for a slow client.
const FRAMES: usize = 16;

/// The way to the API server.
pub(super) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    url: Uri,
}

impl Upstream {
    /// `authority` is a certificate, PEM.
    pub(super) fn new(authority: &str, url: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).context("bad authority")?;
        roots.add(authority).context("the authority cannot be trusted")?;
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("no TLS version")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, url: url.parse().context("the API server's address is no URL")? })
    }

    async fn send(
        &self,
        mut request: http::Request<Incoming>,
        path: PathAndQuery,
    ) -> Result<http::Response<Incoming>, Error> {
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = Some(path);
        *request.uri_mut() = Uri::from_parts(parts)?;
        Ok(self.client.request(request).await?)
    }
}

pub(super) fn acceptor(identity: &Identity) -> Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).context("bad certificate")?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).context("bad key")?;
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("no TLS version")?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .context("the proxy cannot use its certificate")?;
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

/// Serves until aborted, and all connections with it.
pub(super) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
                connections.spawn(async move {
                    // A client that goes away is no matter of the proxy's.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// An error ends the connection.
async fn answer(request: http::Request<Incoming>, shared: Arc<Shared>) -> Result<Reply, Error> {
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed) + 1;
    let seen = Request::read(number, request.method(), request.uri());
    let script = Arc::clone(&shared.script.read().unwrap_or_else(PoisonError::into_inner));
    let fault = script(&seen);
    let strike = || shared.struck.send_modify(|struck| *struck += 1);
    let before = !matches!(fault, Fault::None | Fault::KillReply | Fault::HoldReply | Fault::Truncate(_));
    if before {
        strike();
    }
    match fault {
        Fault::None | Fault::KillReply | Fault::HoldReply | Fault::Truncate(_) => {}
        Fault::Kill => return Err("killed on purpose".into()),
        Fault::BlackHole => return std::future::pending().await,
        Fault::Delay(time) => sleep(time).await,
        Fault::Answer(code) => return reply::status(code),
        Fault::Busy(code, seconds) => return reply::busy(code, seconds),
        Fault::Expire => return reply::expired(),
    }
    let path = path(&seen, *shared.watch_seconds.read().unwrap_or_else(PoisonError::into_inner))?;
    // Before the request, so that no command is missed.
    let commands = shared.commands.subscribe();
    let reply = shared.upstream.send(request, path).await?;
    match fault {
        Fault::KillReply | Fault::HoldReply => {
            // Whole, so that the API server has done everything.
            reply.into_body().collect().await?;
            strike();
            if fault == Fault::KillReply { Err("killed on purpose".into()) } else { std::future::pending().await }
        }
        Fault::Truncate(left) => {
            strike();
            Ok(reply.map(|body| Truncated { body, left }.boxed_unsync()))
        }
        _ if seen.verb == "watch" && reply.status().is_success() => Ok(reply.map(|body| {
            let (sender, mut frames) = mpsc::channel(FRAMES);
            let open = Open::new(shared, seen.resource.clone());
            tokio::spawn(async move {
                watches::pass(seen.resource, body, sender, commands).await;
                drop(open);
            });
            let frames = futures::stream::poll_fn(move |cx| frames.poll_recv(cx)).boxed();
            StreamBody::new(frames).boxed_unsync()
        })),
        _ => Ok(reply.map(|body| body.map_err(Error::from).boxed_unsync())),
    }
}

/// Says that a watch is open, as long as it lives.
struct Open {
    shared: Arc<Shared>,
    resource: String,
}

impl Open {
    fn new(shared: Arc<Shared>, resource: String) -> Self {
        shared.watched.send_modify(|watched| watched.push(resource.clone()));
        Open { shared, resource }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.watched.send_modify(|watched| {
            if let Some(place) = watched.iter().position(|open| *open == self.resource) {
                watched.swap_remove(place);
            }
        });
    }
}

/// Path and query, with the length of a watch exchanged where that is asked for.
fn path(request: &Request, watch_seconds: Option<u32>) -> Result<PathAndQuery, Error> {
    let Some(seconds) = watch_seconds.filter(|_| request.verb == "watch") else { return Ok(request.uri.parse()?) };
    let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
    let kept = query.split('&').filter(|pair| !pair.starts_with("timeoutSeconds=")).map(str::to_owned);
    let query: Vec<String> = kept.chain([format!("timeoutSeconds={seconds}")]).collect();
    Ok(format!("{path}?{}", query.join("&")).parse()?)
}
