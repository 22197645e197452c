//! What the proxy says in the API server's place.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame};
use serde_json::json;

pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, Error>>;

/// A watch that says that its version is too old.
pub(super) const EXPIRED: &[u8] =
    b"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\
      \"message\":\"too old resource version: 1 (2)\",\"reason\":\"Expired\",\"code\":410}}\n";

/// A `Status` with this code.
pub(super) fn status(code: u16) -> Result<Reply, Error> {
    let reason = match code {
        403 => "Forbidden",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the fault proxy says so", "reason": reason, "code": code,
    });
    let reply = Response::builder().status(StatusCode::from_u16(code)?).header("Content-Type", "application/json");
    Ok(reply.body(full(status.to_string()))?)
}

/// Text and `Retry-After`, without a `Status`.
pub(super) fn busy(code: u16, seconds: u32) -> Result<Reply, Error> {
    let reply = Response::builder().status(StatusCode::from_u16(code)?).header("Retry-After", seconds);
    Ok(reply.header("Content-Type", "text/plain").body(full("Too many requests, please try again later.\n".into()))?)
}

/// A watch that begins and is too old at once.
pub(super) fn expired() -> Result<Reply, Error> {
    let reply = Response::builder().header("Content-Type", "application/json");
    Ok(reply.body(full(String::from_utf8_lossy(EXPIRED).into_owned()))?)
}

fn full(text: String) -> UnsyncBoxBody<Bytes, Error> {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

pin_project_lite::pin_project! {
    /// A body that breaks off after so many bytes.
    pub(super) struct Truncated<B> {
        #[pin]
        pub(super) body: B,
        pub(super) left: usize,
    }
}

impl<B: Body<Data = Bytes>> Body for Truncated<B>
where
    Error: From<B::Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.project();
        if *this.left == 0 {
            return Poll::Ready(Some(Err("truncated on purpose".into())));
        }
        this.body.poll_frame(cx).map(|frame| {
            let frame = match frame? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error.into())),
            };
            Some(Ok(frame.map_data(|mut data| {
                data.truncate(*this.left);
                *this.left -= data.len();
                data
            })))
        })
    }
}
