//! The board over HTTP: `/live`, `/ready`, `/status` and `/metrics`; nothing is written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use super::{Board, ObserveError};

#[derive(Clone)]
struct Shared {
    board: Arc<Board>,
    metrics: PrometheusHandle,
}

/// Serves until cancelled. Returns the address bound (port 0 asks for any) once it listens.
///
/// # Errors
/// [`ObserveError::Bind`].
pub async fn serve(
    address: SocketAddr,
    board: Arc<Board>,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Result<SocketAddr, ObserveError> {
    let bind = |error: std::io::Error| ObserveError::Bind { address, reason: error.to_string() };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(bind)?;
    let bound = listener.local_addr().map_err(bind)?;
    let upkeep = metrics.clone();
    let router = Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(render))
        .with_state(Shared { board, metrics });
    let stopped = stop.clone();
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    tokio::spawn(async move {
        while tokio::time::timeout(Duration::from_secs(5), stop.cancelled()).await.is_err() {
            upkeep.run_upkeep();
        }
    });
    Ok(bound)
}

async fn live(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.board.is_live() {
        (StatusCode::OK, "live\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the loop stands still\n")
    }
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    let code = if shared.board.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(shared.board.status()))
}

async fn status(State(shared): State<Shared>) -> impl IntoResponse {
    Json(shared.board.status())
}

async fn render(State(shared): State<Shared>) -> String {
    shared.metrics.render()
}
