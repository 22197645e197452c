//! `/metrics`, `/livez` and `/readyz`.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get};
use tokio::net::TcpListener;

use super::{error::Error, hub::Hub, metrics::Metrics};

/// Serves until the future is dropped.
pub async fn serve(listener: TcpListener, hub: Arc<Hub>, metrics: Arc<Metrics>) -> Result<(), Error> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(&hub))
        .route("/metrics", get(text).with_state((hub, metrics)));
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
