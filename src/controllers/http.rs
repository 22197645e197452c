//! `/metrics`, `/report`, `/livez` and `/readyz`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::stream;
use k8s_openapi::jiff::Timestamp;
use tokio::{net::TcpListener, sync::watch};

use super::{error::Error, hub::Hub, judge::Reported, metrics::Metrics};

/// Serves until the future is dropped.
pub async fn serve(
    listener: TcpListener,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    reported: watch::Receiver<Reported>,
) -> Result<(), Error> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(&hub))
        .route("/metrics", get(text).with_state((hub, metrics)))
        .route("/report", get(report).with_state(reported));
    axum::serve(listener, router).await.map_err(Error::Serve)
}

/// Red when any watch is not synced yet or was not heard lately: what is judged would be old.
async fn ready(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    let unready = hub.unready();
    if unready.is_empty() {
        (StatusCode::OK, "ok".to_string())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, unready.join("\n"))
    }
}

async fn text(State((hub, metrics)): State<(Arc<Hub>, Arc<Metrics>)>) -> impl IntoResponse {
    hub.note_silence(&metrics);
    hub.note_reports(&metrics);
    metrics.note_age(Timestamp::now());
    match metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text)
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            format!("cannot encode: {error}"),
        ),
    }
}

/// Everything that was found, sent piece by piece.
async fn report(State(reported): State<watch::Receiver<Reported>>) -> Response {
    let Some(report) = reported.borrow().clone() else {
        let message = "this replica has not judged yet; only the one that leads does\n";
        return (StatusCode::NOT_FOUND, message).into_response();
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    let body = Body::from_stream(stream::iter(report.json().map(Ok::<_, Infallible>)));
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::report::{Report, ZoneReport};

    #[tokio::test]
    async fn the_report_is_not_there_before_the_first_judgement() {
        let (tell, reported) = watch::channel(None);
        let read = || async {
            let answer = report(State(reported.clone())).await;
            let status = answer.status();
            (status, axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap())
        };
        assert_eq!(read().await.0, StatusCode::NOT_FOUND);

        let zone = ZoneReport { name: "cde".to_string(), unjudged: None, findings: Arc::from([]) };
        let judged_at = "2026-11-24T08:00:00Z".parse().unwrap();
        tell.send_replace(Some(Arc::new(Report { judged_at, zones: vec![zone] })));
        let (status, body) = read().await;
        assert_eq!(status, StatusCode::OK);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({ "judgedAt": "2026-11-24T08:00:00Z", "zones": [{ "name": "cde", "findings": [] }] }));

        tell.send_replace(None);
        assert_eq!(read().await.0, StatusCode::NOT_FOUND, "it does not lead any more");
    }
}
