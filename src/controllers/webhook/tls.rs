//! Connections of the API server, each with the certificate that is served just then.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::serve::Listener;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::certificates::Certificates;
use crate::controllers::error::Error;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at once.
const HANDSHAKES: usize = 64;

/// The certificate that is served.
#[derive(Debug, Default)]
pub(super) struct Served(RwLock<Option<Arc<CertifiedKey>>>);

impl Served {
    /// Serves another one from now on.
    pub(super) fn set(&self, certificates: &Certificates) -> Result<(), Error> {
        let failed = |what: &str| Error::Certificate(format!("the Secret holds {what} that cannot be read"));
        let pair = &certificates.current;
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
        let certificate = certificate.map_err(|_| failed("a certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).map_err(|_| failed("a key"))?;
        let key = ring::sign::any_supported_type(&key).map_err(|_| failed("a key"))?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate], key));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(certified);
        Ok(())
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How connections are secured.
pub(super) fn configuration(served: Arc<Served>) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|error| Error::Certificate(error.to_string()))?;
    Ok(Arc::new(builder.with_no_client_auth().with_cert_resolver(served)))
}

/// Hands out connections whose handshake is done, so that a slow client holds up no other.
pub(super) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: io::Result<SocketAddr>,
    /// Ends with the listener.
    _accepting: JoinSet<()>,
}

impl TlsListener {
    /// Accepts from now on.
    pub(super) fn new(listener: TcpListener, configuration: Arc<ServerConfig>) -> Self {
        let (done, ready) = mpsc::channel(HANDSHAKES);
        let address = listener.local_addr();
        let acceptor = TlsAcceptor::from(configuration);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut handshakes = JoinSet::new();
            loop {
                while handshakes.len() >= HANDSHAKES {
                    handshakes.join_next().await;
                }
                let Ok((stream, from)) = listener.accept().await else {
                    // Such as too many open files.
                    sleep(HANDSHAKE).await;
                    continue;
                };
                let (acceptor, done) = (acceptor.clone(), done.clone());
                handshakes.spawn(async move {
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        // Fails only when the listener is gone.
                        let _ = done.send((stream, from)).await;
                    }
                });
                while handshakes.try_join_next().is_some() {}
            }
        });
        TlsListener { ready, address, _accepting: accepting }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The task that accepts ends only with this.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.address.as_ref().copied().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }
}
