//! Asks a server on this machine, with a limit on time and on the length of the answer.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

const TIME_LIMIT: Duration = Duration::from_secs(30);
const LENGTH_LIMIT: usize = 64 << 20;
/// How much of an answer is shown in an error.
const SHOWN: usize = 500;

pub(super) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Http {
    pub(super) fn new(port: u16) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, port)
    }

    pub(super) fn at(address: Ipv4Addr, port: u16) -> Self {
        // A connection that was kept would fail the first question after the server was started again.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { client, url: format!("http://{address}:{port}") }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// `body` comes with its media type.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<(&str, Bytes)>) -> Result<Answer> {
        let about = format!("{method} {}{path}", self.url);
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some((kind, _)) = &body {
            request = request.header(CONTENT_TYPE, *kind);
        }
        let body = body.map(|(_, body)| body).unwrap_or_default();
        let request = request.body(Full::new(body)).with_context(|| format!("cannot write {about}"))?;
        let answer = async {
            let (head, body) = self.client.request(request).await?.into_parts();
            // It names its limit when the answer is longer.
            let body = Limited::new(body, LENGTH_LIMIT).collect().await.map_err(|error| anyhow!(error))?;
            anyhow::Ok(Answer { status: head.status, body: body.to_bytes() })
        };
        let answer =
            timeout(TIME_LIMIT, answer).await.with_context(|| format!("{about}: no answer in {TIME_LIMIT:?}"))?;
        answer.with_context(|| format!("{about} failed"))
    }

    /// The body of an answer that must be good.
    pub(super) async fn take(&self, method: Method, path: &str, body: Option<(&str, Bytes)>) -> Result<Bytes> {
        let Answer { status, body } = self.send(method, path, body).await?;
        if !status.is_success() {
            let said = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(&body));
            bail!("{}{path} answers {status}: {}", self.url, said.trim_end());
        }
        Ok(body)
    }
}
