//! One question, one answer: bounded in bytes and time, over a connection of its own that checks who answers. It follows no redirect
//! and no proxy of the environment, so the secret goes where the address says and nowhere else.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{Address, Authentication, address::is_link_local, tls};
use crate::engine::{
    retention::{Answer, BODY, Verdict},
    shown::bounded,
};

/// How long it may take until a connection stands, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take from its first byte asked to its last one read.
const ANSWER: Duration = Duration::from_secs(15);
/// Addresses of a name that are tried.
const ADDRESSES: usize = 4;
/// Bytes of the head of an answer, and its lines.
const HEAD: usize = 64 * 1024;
const HEAD_LINES: usize = 100;
/// Characters of a system's own words.
const SHOWN: usize = 120;
/// Graylog tells tables as CSV unless it is asked for JSON, and others have answers that are none.
const FORMS: &str = "application/json, */*;q=0.5";
/// Names the tenant of a Loki that has several.
const TENANT: &str = "X-Scope-OrgID";
/// The longest name of a tenant, in bytes.
const TENANT_NAME: usize = 150;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection came about, so another question would come no further.
    #[error("{0}")]
    Unreachable(String),
    /// The server was reached, but gave no answer to this question.
    #[error("{0}")]
    Unanswered(String),
}

/// A client for one store.
pub struct Client {
    address: Address,
    tls: Option<TlsConnector>,
    authentication: Option<Authentication>,
    tenant: Option<HeaderValue>,
}

impl Client {
    /// A client. Without TLS only for an address that has none.
    pub fn new(address: Address, tls: Option<TlsConnector>, authentication: Option<Authentication>) -> Self {
        Client { address, tls, authentication, tenant: None }
    }

    /// The same client for one tenant of a Loki. A name that Loki does not take, or takes for several tenants, is refused.
    pub fn of_tenant(self, name: &str) -> Result<Self, String> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"!-_.*'()".contains(&b);
        let is_name = !matches!(name, "" | "." | "..") && name.len() <= TENANT_NAME && name.bytes().all(is_plain);
        let value = HeaderValue::from_str(name).ok().filter(|_| is_name);
        let value = value.ok_or_else(|| format!("“{}” is not the name of one tenant of Loki", bounded(name, SHOWN)))?;
        Ok(Client { tenant: Some(value), ..self })
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A text without the secret.
    pub fn hide(&self, text: &str) -> String {
        self.authentication.as_ref().map_or_else(|| text.to_string(), |authentication| authentication.hide(text))
    }

    /// A verdict without the secret: a server may send back what it was sent.
    pub fn hide_in(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Kept { days, searchable_days, note } => {
                Verdict::Kept { days, searchable_days, note: note.map(|note| self.hide(&note)) }
            }
            Verdict::TooShort { days, why } => Verdict::TooShort { days, why: self.hide(&why) },
            Verdict::SearchableTooShort { days, why } => Verdict::SearchableTooShort { days, why: self.hide(&why) },
            Verdict::Unproven(why) => Verdict::Unproven(self.hide(&why)),
        }
    }

    /// Asks for a path, until a moment at the latest.
    pub async fn get(&self, path: &str, deadline: Instant) -> Result<Answer, Failure> {
        let unanswered = |_| Failure::Unanswered("its path cannot be asked for".to_string());
        let target: Uri = self.address.path(path).parse().map_err(unanswered)?;
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(target)
            .header(header::HOST, self.address.authority())
            .header(header::USER_AGENT, concat!("pcizone/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, FORMS)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONNECTION, "close");
        if let Some(authentication) = &self.authentication {
            request = request.header(header::AUTHORIZATION, authentication.header());
        }
        if let Some(tenant) = &self.tenant {
            request = request.header(TENANT, tenant);
        }
        let cannot = |_| Failure::Unanswered("its path cannot be asked for".to_string());
        let request = request.body(Full::default()).map_err(cannot)?;
        self.send(request, deadline).await
    }

    async fn send(&self, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Answer, Failure> {
        let address = &self.address;
        let at = |why: String| Failure::Unreachable(format!("{address}: {why}"));
        let limit = deadline.min(Instant::now() + CONNECT);
        let stream = self.connect(limit).await.map_err(at)?;
        let limit = deadline.min(Instant::now() + ANSWER);
        let Some(connector) = &self.tls else {
            return within(limit, exchange(stream, request, address)).await.map_err(Failure::Unanswered);
        };
        let name = ServerName::try_from(address.host().to_string());
        let name = name.map_err(|_| at("no certificate can be for this name".to_string()))?;
        let handshake = async { connector.connect(name, stream).await.map_err(|error| told(&error, address)) };
        let stream = within(limit, handshake).await.map_err(at)?;
        within(limit, exchange(stream, request, address)).await.map_err(Failure::Unanswered)
    }

    /// The first address of the name that takes a connection.
    async fn connect(&self, limit: Instant) -> Result<TcpStream, String> {
        let (host, port) = (self.address.host(), self.address.port());
        let resolved = async {
            let found = lookup_host((host, port)).await;
            let found = found.map_err(|error| {
                bounded(
                    &format!("the name {host} cannot be resolved ({error}); is it right, and is DNS up?"),
                    SHOWN * 2,
                )
            })?;
            Ok(found.take(ADDRESSES).collect::<Vec<SocketAddr>>())
        };
        let addresses = within(limit, resolved).await?;
        // A name of a zone's author must not lead to what is only this machine's own.
        if !self.address.is_link_local() && addresses.iter().any(|address| is_link_local(address.ip())) {
            return Err(format!("the name {host} leads to an address that is no log store's"));
        }
        // What is said to be this machine has to be it, where nothing else keeps an answer from being forged.
        let is_elsewhere = |address: &SocketAddr| !address.ip().is_loopback();
        if self.tls.is_none() && self.address.is_loopback() && addresses.iter().any(is_elsewhere) {
            return Err(format!("the name {host} is not this machine here; ask by https"));
        }
        let mut why = format!("the name {host} has no address");
        for (tried, address) in addresses.iter().enumerate() {
            // A share of the time for each, so that one that is silent does not use it up.
            let left = limit.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let connected = async { TcpStream::connect(address).await.map_err(|error| refused(&error, *address)) };
            match within(Instant::now() + share, connected).await {
                Ok(stream) => return Ok(stream),
                Err(words) => why = words,
            }
        }
        Err(why)
    }
}

async fn within<T>(limit: Instant, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let begun = Instant::now();
    timeout_at(limit, work).await.unwrap_or_else(|_| {
        let waited = limit.saturating_duration_since(begun).as_secs_f64();
        Err(format!("no answer within {waited:.0} s; is it up, and does a firewall let this through?"))
    })
}

fn refused(error: &io::Error, address: SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{address} refuses the connection; is it up, and is the port right?")
        }
        _ => bounded(&format!("no connection to {address}: {error}"), SHOWN * 2),
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, address: &Address) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let words = |error: hyper::Error| told(&error, address);
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD).max_headers(HEAD_LINES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(words)?;
    let ask = async {
        let (head, body) = sender.send_request(request).await.map_err(words)?.into_parts();
        let bytes = read(body).await.map_err(words)?;
        answer(head.status, bytes)
    };
    // The connection drives the exchange, and may be over while some of the answer still lies here.
    tokio::pin!(ask);
    tokio::select! {
        answer = &mut ask => answer,
        _ = connection => ask.await,
    }
}

/// As much as is read, and a byte more where there is more.
async fn read(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = (BODY + 1).saturating_sub(bytes.len());
        bytes.extend(data.iter().take(room));
        if bytes.len() > BODY {
            break;
        }
    }
    Ok(bytes)
}

fn answer(status: StatusCode, bytes: Vec<u8>) -> Result<Answer, String> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // What is cut off may end within a character, and the words of an error are for people alone.
        Err(error) if error.as_bytes().len() > BODY || status != StatusCode::OK => {
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }
        Err(_) => return Err("its answer is no text, but bytes; is another service on this port?".to_string()),
    };
    Ok(Answer::Body { status: status.as_u16(), text })
}

/// What went wrong on a connection, in words: what TLS says of it first, since that is the cause.
fn told(error: &(dyn Error + 'static), address: &Address) -> String {
    let causes = || std::iter::successors(Some(error), |error| (*error).source());
    // An error of the system carries that of TLS within, and not as its source.
    let within = |error: &'_ (dyn Error + 'static)| {
        let system = error.downcast_ref::<io::Error>()?;
        system.get_ref()?.downcast_ref::<rustls::Error>().cloned()
    };
    if let Some(error) =
        causes().find_map(|error| error.downcast_ref::<rustls::Error>().cloned().or_else(|| within(error)))
    {
        return tls::words(&error, address.host());
    }
    let hyper = causes().find_map(|error| error.downcast_ref::<hyper::Error>());
    if hyper.is_some_and(hyper::Error::is_parse_too_large) {
        return "the head of its answer is too long".to_string();
    }
    if hyper.is_some_and(hyper::Error::is_parse) {
        let ask = if address.is_tls() { "is another service on this port?" } else { "does it want https?" };
        return format!("what it sends is no HTTP; {ask}");
    }
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    let system = causes().find_map(|error| error.downcast_ref::<io::Error>());
    if hyper.is_some_and(hyper::Error::is_incomplete_message)
        || system.is_some_and(|error| kinds.contains(&error.kind()))
    {
        return "it closes the connection before its answer is complete".to_string();
    }
    let words: Vec<String> = causes().map(ToString::to_string).collect();
    bounded(&words.join(": "), SHOWN * 2)
}
