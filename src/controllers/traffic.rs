//! What passes between us and the API server: how long each watch has been silent, when the lease was last
//! renewed, and how many requests were made.
//!
//! A layer below the kube client, because only here every answer is seen: a quiet cluster and a dead
//! connection look the same from above. It also ends calls that hang; the client has no timeout of its own.

use std::{
    cell::Cell,
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Method, Request, Response, header::RETRY_AFTER};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower::{BoxError, Layer, Service};

use super::metrics::Metrics;
use crate::engine::intake::Kind;

/// No answer may begin later than this after its request.
const ANSWER: Duration = Duration::from_secs(30);
/// No answer about the lease may begin later: a dead connection must not cost the lead.
const LEASE_ANSWER: Duration = Duration::from_secs(3);
/// How an error begins in the body of a watch. It says that the API server is there, but nothing about objects.
const WATCH_ERROR: &[u8] = br#"{"type":"ERROR""#;
/// No answer may pause for longer than this. Watches end every [`super::hub::WATCH_SECONDS`] seconds, so a
/// longer pause is a dead connection.
const PAUSE: Duration = Duration::from_secs(60);

tokio::task_local! {
    /// How long the API server asked to wait when it answered the call of this task.
    static ASKED_TO_WAIT: Cell<Option<Duration>>;
}

/// Makes a call; also says how long its answer asked to wait. API Priority and Fairness says it in the header alone,
/// and the client keeps no header of a refusal.
pub async fn with_retry_after<T>(call: impl Future<Output = T>) -> (T, Option<Duration>) {
    ASKED_TO_WAIT
        .scope(Cell::default(), async {
            let answer = call.await;
            (answer, ASKED_TO_WAIT.with(Cell::take))
        })
        .await
}

/// `Retry-After` in seconds; the date form is not used by API servers.
fn note_retry_after(headers: &HeaderMap) {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    if let Some(seconds) = seconds {
        // Fails for calls that nobody asks about, such as watches.
        let _ = ASKED_TO_WAIT.try_with(|wait| wait.set(Some(Duration::from_secs(seconds))));
    }
}

/// What was heard from the API server.
#[derive(Debug, Default)]
pub struct Traffic {
    heard: Mutex<BTreeMap<String, Instant>>,
    renewed: Mutex<Option<Instant>>,
}

impl Traffic {
    /// How long ago the watch of a kind of objects was heard. Answers to other requests do not count: they come
    /// also while a watch is stuck.
    pub fn silence(&self, resource: &str) -> Option<Duration> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(resource).map(Instant::elapsed)
    }

    /// How long ago our lease was last renewed.
    pub fn since_renewal(&self) -> Option<Duration> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    fn hear(&self, resource: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match heard.get_mut(resource) {
            Some(at) => *at = Instant::now(),
            None => {
                heard.insert(resource.to_string(), Instant::now());
            }
        }
    }

    /// `asked` is when the request was sent: the lease runs from then, not from the answer.
    fn renew(&self, asked: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
    }
}

/// Puts the listening in front of a client's service.
#[derive(Clone)]
pub struct TrafficLayer {
    /// Where it is noted.
    pub traffic: Arc<Traffic>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl<S> Layer<S> for TrafficLayer {
    type Service = Listener<S>;

    fn layer(&self, inner: S) -> Listener<S> {
        Listener { inner, layer: self.clone() }
    }
}

/// A service that listens.
pub struct Listener<S> {
    inner: S,
    layer: TrafficLayer,
}

impl<S, Req, Res> Service<Request<Req>> for Listener<S>
where
    S: Service<Request<Req>, Response = Response<Res>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Heard<Res>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Req>) -> Self::Future {
        let method = request.method().clone();
        let resource = resource(request.uri().path()).to_string();
        let watches = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
        let limit = if resource == "leases" { LEASE_ANSWER } else { ANSWER };
        let asked = Instant::now();
        let answer = self.inner.call(request);
        let TrafficLayer { traffic, metrics } = self.layer.clone();
        async move {
            let answer = match timeout(limit, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {} s", limit.as_secs()).into()),
            };
            let code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
            metrics.count_request(&method, &resource, code);
            let answer = answer?;
            note_retry_after(answer.headers());
            let hears = watches && answer.status().is_success();
            if hears {
                traffic.hear(&resource);
            } else if answer.status().is_success() && method != Method::GET && resource == "leases" {
                traffic.renew(asked);
            }
            let listener = hears.then_some((traffic, resource));
            Ok(answer.map(|body| Heard { body, listener, pause: Box::pin(sleep(PAUSE)) }))
        }
        .boxed()
    }
}

/// The plural of the kind that a path is about, with the group where the kind is not built in.
fn resource(path: &str) -> &str {
    let mut parts = path.trim_matches('/').split('/');
    // /api/v1/… or /apis/GROUP/VERSION/…
    let group = if parts.next() == Some("api") { "" } else { parts.next().unwrap_or_default() };
    let mut rest = parts.skip(1);
    let plural = match (rest.next(), rest.next(), rest.next()) {
        (Some("namespaces"), Some(_), Some(resource)) if resource != "status" => resource,
        (Some(resource), _, _) => resource,
        _ => "",
    };
    let brought = Kind::ALL.iter().find(|kind| kind.is_optional() && kind.group() == group && kind.plural() == plural);
    brought.map_or(plural, |kind| kind.resource())
}

pin_project_lite::pin_project! {
    /// A body that notes when something of it arrives, and ends when nothing does.
    pub struct Heard<B> {
        #[pin]
        body: B,
        listener: Option<(Arc<Traffic>, String)>,
        pause: Pin<Box<Sleep>>,
    }
}

impl<B> Body for Heard<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        match this.body.poll_frame(cx) {
            Poll::Ready(frame) => {
                if let (Some(Ok(frame)), Some((traffic, resource))) = (&frame, this.listener.as_ref())
                    && !frame.data_ref().is_some_and(|data| data.chunk().starts_with(WATCH_ERROR))
                {
                    traffic.hear(resource);
                }
                this.pause.as_mut().reset(Instant::now() + PAUSE);
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => match this.pause.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(format!("nothing heard for {} s", PAUSE.as_secs()).into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn finds_the_resource_in_a_path() {
        for (path, wanted) in [
            ("/api/v1/namespaces", "namespaces"),
            ("/api/v1/namespaces/vault", "namespaces"),
            ("/api/v1/nodes/n1", "nodes"),
            ("/apis/networking.k8s.io/v1/networkpolicies", "networkpolicies"),
            ("/apis/networking.k8s.io/v1/namespaces/vault/networkpolicies/pcizone-baseline", "networkpolicies"),
            ("/apis/pcizone.dev/v1alpha1/pcizones/a/status", "pcizones"),
            ("/apis/coordination.k8s.io/v1/namespaces/pcizone-system/leases/pcizone", "leases"),
            (
                "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
                "clusternetworkpolicies.policy.networking.k8s.io",
            ),
            ("/apis/projectcalico.org/v3/networkpolicies", "networkpolicies.projectcalico.org"),
            ("/version", ""),
        ] {
            assert_eq!(resource(path), wanted, "{path}");
        }
    }
}
