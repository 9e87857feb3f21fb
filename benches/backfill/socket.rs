//! The node over a WebSocket: the same answers, and each new head as it comes.

use std::sync::Arc;

use alloy::primitives::U64;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::node::Node;

/// The one subscription of a connection.
const SUBSCRIPTION: &str = "0x1";

/// Takes a WebSocket.
pub async fn upgrade(State(node): State<Arc<Node>>, request: WebSocketUpgrade) -> impl IntoResponse {
    request.on_upgrade(async move |socket| talk(&node, socket).await)
}

/// Answers until the other side is gone.
async fn talk(node: &Arc<Node>, mut socket: WebSocket) {
    let mut heads = node.heads();
    let mut subscribed = false;
    loop {
        let sent = tokio::select! {
            Ok(()) = heads.changed(), if subscribed => {
                let head = *heads.borrow_and_update();
                socket.send(Message::text(notice(head))).await
            }
            Some(Ok(message)) = socket.recv() => match message {
                Message::Text(asked) => match subscription(&asked) {
                    Some(answer) => {
                        subscribed = true;
                        socket.send(Message::text(answer)).await
                    }
                    None => socket.send(Message::text(node.exchange(asked.as_bytes()).await)).await,
                },
                Message::Close(_) => return,
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => Ok(()),
            },
            else => return,
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
