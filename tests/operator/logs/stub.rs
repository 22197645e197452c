//! Servers of this file on loopback. A stub behaves badly on purpose, and notes what it was asked; a front speaks TLS and leads to a real
//! store behind it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Duration, sleep},
};
use tokio_rustls::TlsAcceptor;

/// Bytes of what is far too much.
const MUCH: usize = 10 << 20;

/// What a stub does once it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes the connection and never answers.
    Silent,
    /// A byte a second.
    Drip,
    /// Bytes that are no HTTP.
    Noise,
    /// An answer whose body is bytes and no text.
    Bytes,
    /// An answer whose body is text and nothing that the store would say.
    Prose,
    /// 10 MB of JSON.
    Much,
    /// 10 MB of headers.
    Headers,
    /// Leads to another address, over and over.
    Elsewhere(String),
    /// Closes at once.
    Close,
    /// Refuses, and tells the credentials that it was shown.
    Refuse,
    /// Says that it keeps records for so long, and knows no line.
    Keep(&'static str),
}

/// A server on loopback.
pub struct Stub {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::begin(Act::Stub(behaviour), None).await
    }

    /// The same by TLS, with a certificate of this authority.
    pub async fn tls(behaviour: Behaviour, authority: &Authority) -> Self {
        Self::begin(Act::Stub(behaviour), Some(authority.acceptor())).await
    }

    /// TLS before a real server.
    pub async fn front(of: &str, authority: &Authority) -> Self {
        let host = of.strip_prefix("http://").unwrap().to_string();
        Self::begin(Act::Lead(host), Some(authority.acceptor())).await
    }

    async fn begin(act: Act, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (noted, counted) = (Arc::clone(&requests), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (act, acceptor, noted) = (act.clone(), acceptor.clone(), Arc::clone(&noted));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, act, &noted).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, act, &noted).await;
                            }
                        }
                    }
                });
            }
        });
        Stub { url, requests, connections, task }
    }

    /// What it was asked, with the headers.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How often somebody came.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
enum Act {
    Stub(Behaviour),
    Lead(String),
}

async fn serve<S>(mut stream: S, act: Act, noted: &Mutex<Vec<String>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let behaviour = match act {
        Act::Lead(host) => {
            let mut there = TcpStream::connect(host).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut there).await;
            return;
        }
        Act::Stub(behaviour) => behaviour,
    };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    noted.lock().unwrap().push(request.clone());
    // Whoever asked may go at any time.
    let _ = behave(&mut stream, behaviour, &request).await;
    let _ = stream.shutdown().await;
}

async fn behave<S>(stream: &mut S, behaviour: Behaviour, request: &str) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    match behaviour {
        Behaviour::Silent => drop(stream.read_u8().await),
        Behaviour::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await?;
            loop {
                stream.write_all(b"{").await?;
                stream.flush().await?;
                sleep(Duration::from_secs(1)).await;
            }
        }
        Behaviour::Noise => stream.write_all(&[0x00, 0xff, 0x1b, b'[', b'2', b'J', 0x07, b'\n'].repeat(100)).await?,
        Behaviour::Bytes => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 800\r\n\r\n").await?;
            stream.write_all(&[0x00, 0xff, 0x1b, b'[', b'2', b'J', 0x07, b'\n'].repeat(100)).await?;
        }
        Behaviour::Prose => stream.write_all(&answer("200 OK", "<html>\u{1b}[2J\u{202e}Sign in")).await?,
        Behaviour::Much => {
            let start = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n{{\"runs\":\"");
            stream.write_all(start.as_bytes()).await?;
            let more = vec![b'1'; 64 << 10];
            for _ in 0..MUCH / more.len() {
                stream.write_all(&more).await?;
            }
        }
        Behaviour::Headers => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            let line = format!("x-more: {}\r\n", "y".repeat(1000));
            for _ in 0..MUCH / line.len() {
                stream.write_all(line.as_bytes()).await?;
            }
        }
        Behaviour::Elsewhere(to) => {
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        Behaviour::Close => {}
        Behaviour::Refuse => {
            let shown = request.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
            let shown = shown.unwrap_or_default();
            // Also where it is cut in the middle.
            let padding = if request.contains("metrics") { "x".repeat(80) } else { String::new() };
            stream.write_all(&answer("401 Unauthorized", &format!("{padding}no: {shown}"))).await?;
        }
        Behaviour::Keep(days) => {
            let flags = format!(
                "flag{{name=\"retentionPeriod\", value=\"{days}\", is_set=\"true\"}} 1\nflag{{name=\"retention.maxDiskSpaceUsageBytes\", value=\"0\", is_set=\"false\"}} 1\n"
            );
            let body = if request.contains("metrics") {
                flags
            } else if request.contains("runs") {
                "{\"runs\":\"0\"}\n".to_string()
            } else {
                String::new()
            };
            stream.write_all(&answer("200 OK", &body)).await?;
        }
    }
    Ok(())
}

/// An authority of a test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap()))
    }
}
