//! JSON-RPC over one WebSocket, on alloy's pubsub service.
//!
//! The service would reconnect by itself and ask everything again, which for an answer above the byte cap
//! goes on for ever. So its reconnecting is switched off: a broken connection fails what was in flight, and
//! the next question connects anew, spaced by the callers' delays.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use alloy::pubsub::{ConnectionHandle, PubSubConnect, RawSubscription};
use alloy::rpc::client::{ClientBuilder, RpcClient};
use alloy::transports::ws::{WebSocketConfig, WsBackend, WsConnect};
use alloy::transports::{RpcError, TransportError, TransportErrorKind, TransportResult};
use futures_util::future::join_all;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::classify::{Reply, RpcFault};
use super::exchange::{Answer, Call, Fault};
use super::secret_url::SecretUrl;

/// How often a silent connection is tried; gone when no answer came by the next time.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A node behind a WebSocket URL. Clones share the connection.
#[derive(Clone)]
pub(super) struct WsLink {
    inner: Arc<Inner>,
}

struct Inner {
    url: SecretUrl,
    limit: Duration,
    bytes_max: usize,
    connection: Mutex<Connection>,
}

#[derive(Default)]
struct Connection {
    client: Option<RpcClient>,
    /// Counts connections, so that a late failure does not close a newer one.
    generation: u64,
}

/// Connects once and never again by itself; and as alloy would, but that a request does not wait until the one before was
/// acknowledged (Nagle's algorithm), which costs a round trip wherever two are sent at once.
#[derive(Clone)]
struct ConnectOnce(WsConnect);

impl PubSubConnect for ConnectOnce {
    fn is_local(&self) -> bool {
        self.0.is_local()
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        // Whoever was first decides; any provider will do.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let request = self.0.clone().into_client_request().map_err(TransportErrorKind::custom)?;
        let connected = connect_async_with_config(request, self.0.config().copied(), true).await;
        let (socket, _) = connected.map_err(TransportErrorKind::custom)?;
        let (handle, interface) = ConnectionHandle::new();
        WsBackend::from_socket(socket, interface, KEEPALIVE).spawn();
        Ok(handle)
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Err(TransportErrorKind::non_retryable_str("the connection to the node broke"))
    }
}

impl WsLink {
    /// A link that connects when first used.
    pub fn new(url: SecretUrl, limit: Duration, bytes_max: usize) -> Self {
        let inner = Inner { url, limit, bytes_max, connection: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Asks one question.
    pub async fn single(&self, call: &Call) -> Answer {
        let (client, generation) = self.client().await?;
        self.ask(&client, generation, call).await
    }

    /// Asks several questions over one connection, hence of one backend.
    pub async fn batch(&self, calls: &[Call]) -> Vec<Answer> {
        match self.client().await {
            Ok((client, generation)) => {
                join_all(calls.iter().map(|call| self.ask(&client, generation, call))).await
            }
            Err(fault) => vec![Err(fault); calls.len()],
        }
    }

    /// Subscribes to new heads; with it the connection's generation, for [`Self::close`].
    pub async fn subscribe(&self) -> Result<(RawSubscription, u64), Fault> {
        let (client, generation) = self.client().await?;
        let call = Call { method: "eth_subscribe", params: json!(["newHeads"]) };
        let alias = self.ask(&client, generation, &call).await?;
        let alias: B256 =
            serde_json::from_str(alias.get()).map_err(|error| Fault::broken(error.to_string()))?;
        let service =
            client.pubsub_frontend().ok_or_else(|| Fault::broken("no subscriptions over this link"))?;
        let subscription = service.get_subscription(alias).await.map_err(|error| self.fault(&error))?;
        Ok((subscription, generation))
    }

    /// Drops a connection that is silent or broken, unless a newer one has taken its place.
    pub async fn close(&self, generation: u64) {
        let mut connection = self.inner.connection.lock().await;
        if connection.generation == generation {
            connection.client = None;
        }
    }

    async fn client(&self) -> Result<(RpcClient, u64), Fault> {
        let mut connection = self.inner.connection.lock().await;
        if let Some(client) = &connection.client {
            return Ok((client.clone(), connection.generation));
        }
        let client = self.connect().await?;
        connection.client = Some(client.clone());
        connection.generation += 1;
        Ok((client, connection.generation))
    }

    async fn connect(&self) -> Result<RpcClient, Fault> {
        let inner = &self.inner;
        let config = WebSocketConfig::default()
            .max_message_size(Some(inner.bytes_max))
            .max_frame_size(Some(inner.bytes_max));
        let connect = ConnectOnce(WsConnect::new(inner.url.expose().as_str()).with_config(config));
        match timeout(inner.limit, ClientBuilder::default().pubsub(connect)).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(Fault { broken: false, ..self.fault(&error) }),
            // A node that is not reached is none that is slow: fewer blocks would not help.
            Err(_) => Err(Fault::new(RpcFault::Transport, "no WebSocket connection within the time limit")),
        }
    }

    async fn ask(&self, client: &RpcClient, generation: u64, call: &Call) -> Answer {
        let answer = client.request::<_, Box<RawValue>>(call.method, call.params.clone());
        match timeout(self.inner.limit, answer).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                if !error.is_error_resp() {
                    self.close(generation).await;
                }
                Err(self.fault(&error))
            }
            Err(_) => {
                // A half-open connection looks the same as a slow node; a new one costs little.
                self.close(generation).await;
                Err(Fault::unanswered("no answer within the time limit"))
            }
        }
    }

    fn fault(&self, error: &TransportError) -> Fault {
        if let RpcError::ErrorResp(error) = error {
            let data = error.data.as_ref().map(|data| data.get());
            let reply = Reply { code: Some(error.code), message: &error.message, data, ..Reply::default() };
            return Fault::said(reply, &self.inner.url);
        }
        let text = error.to_string();
        let reply = Reply { message: &text, status: handshake_status(&text), ..Reply::default() };
        let mut fault = Fault::said(reply, &self.inner.url);
        if fault.kind == RpcFault::Unknown {
            fault.kind = RpcFault::Transport;
        }
        fault.reverted = false;
        fault.broken = true;
        fault
    }
}

/// The HTTP status of a refused handshake, which reaches us only as text.
fn handshake_status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("HTTP error: ")?;
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that speaks no TLS, so that the handshake fails; without a provider it would not begin.
    #[tokio::test]
    async fn an_encrypted_connection_has_its_provider() {
        use tokio::io::AsyncWriteExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("wss://{}/", listener.local_addr().expect("an address"));
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody connects");
            stream.write_all(b"this is no TLS\n").await.expect("it is sent");
            stream
        });
        let link = WsLink::new(url.parse().expect("a URL"), Duration::from_secs(10), 1 << 20);
        let answer = link.single(&Call { method: "eth_chainId", params: json!([]) }).await;
        let fault = answer.expect_err("no TLS, no answer");
        assert!(fault.text.contains("corrupt message"), "{}", fault.text);
        drop(served.await);
    }

    #[test]
    fn a_refused_handshake_tells_its_status() {
        assert_eq!(handshake_status("HTTP error: 429 Too Many Requests"), Some(429));
        assert_eq!(handshake_status("connection refused"), None);
        assert_eq!(handshake_status("HTTP error: 4"), None);
    }
}
