//! The node over a WebSocket: the same answers, and each new head as it comes.

use std::sync::Arc;

use alloy::primitives::U64;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::node::Node;

/// The one subscription of a connection.
const SUBSCRIPTION: &str = "0x1";

/// Takes a WebSocket.
pub async fn upgrade(State(node): State<Arc<Node>>, request: WebSocketUpgrade) -> impl IntoResponse {
    request.on_upgrade(async move |socket| talk(&node, socket).await)
}

/// Answers until the other side is gone; what takes long does not keep the others.
async fn talk(node: &Arc<Node>, mut socket: WebSocket) {
    let (out, mut answers) = mpsc::unbounded_channel();
    let mut heads = node.heads();
    let mut subscribed = false;
    loop {
        let sent = tokio::select! {
            Ok(()) = heads.changed(), if subscribed => {
                let head = *heads.borrow_and_update();
                socket.send(Message::text(notice(head))).await
            }
            Some(answer) = answers.recv() => socket.send(Message::text(answer)).await,
            message = socket.recv() => match message {
                Some(Ok(Message::Text(asked))) => match subscription(&asked) {
                    Some(answer) => {
                        subscribed = true;
                        socket.send(Message::text(answer)).await
                    }
                    None => {
                        let (node, out) = (node.clone(), out.clone());
                        tokio::spawn(async move { out.send(node.exchange(asked.as_bytes()).await) });
                        Ok(())
                    }
                },
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The answer to a request for new heads.
fn subscription(asked: &str) -> Option<String> {
    let request: Value = serde_json::from_str(asked).ok()?;
    (request["method"] == "eth_subscribe" && request["params"] == json!(["newHeads"]))
        .then(|| json!({"jsonrpc": "2.0", "id": request["id"], "result": SUBSCRIPTION}).to_string())
}

/// What tells of a new head. Whoever is told asks for the block all the same.
fn notice(head: u64) -> String {
    let params = json!({"subscription": SUBSCRIPTION, "result": {"number": U64::from(head)}});
    json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}).to_string()
}
