//! A provider between the program and a node: hands on what it is asked, and changes what it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use alloy::transports::http::reqwest;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// Changes an answer object: sees method and parameters.
type Change = Box<dyn FnMut(&str, &Value, &mut Value) + Send>;

#[derive(Clone)]
struct Shared {
    upstream: String,
    client: reqwest::Client,
    change: Arc<Mutex<Option<Change>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// The provider; gone when dropped, with every connection to it.
pub struct Proxy {
    address: SocketAddr,
    shared: Shared,
    /// Its own, since axum's connections outlive the task that accepts them, but not their runtime.
    runtime: Option<Runtime>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Proxy {
    /// Stands before a node.
    pub async fn before(upstream: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let (change, asked) = (Arc::default(), Arc::default());
        let shared = Shared { upstream: upstream.to_owned(), client, change, asked };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        listener.set_nonblocking(true).expect("a socket can be waited for");
        let app = Router::new().fallback(serve).with_state(shared.clone());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, app).await.expect("it serves");
        });
        Self { address, shared, runtime: Some(runtime) }
    }

    /// Where it is; with canaries for user, password and key.
    pub fn url(&self) -> String {
        format!("http://canaryuser:canarypw@{}/canarypath/?key=canarykey", self.address)
    }

    /// Tells it to change answers.
    pub fn change(&self, change: impl FnMut(&str, &Value, &mut Value) + Send + 'static) {
        *self.shared.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(change));
    }

    /// How often it was asked.
    pub fn asked(&self, method: &str) -> usize {
        let asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|other| *other == method).count()
    }
}

async fn serve(State(shared): State<Shared>, body: String) -> impl IntoResponse {
    let request: Value = serde_json::from_str(&body).expect("requests are JSON");
    let asked = shared.client.post(&shared.upstream).header("content-type", "application/json").body(body);
    let answer = match asked.send().await {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    let Ok(mut answer) = serde_json::from_str::<Value>(&answer) else { return answer };
    let calls = request.as_array().cloned().unwrap_or_else(|| vec![request.clone()]);
    let one_by_one = match &mut answer {
        Value::Array(answers) => answers.iter_mut().collect(),
        one => vec![one],
    };
    let mut change = shared.change.lock().unwrap_or_else(PoisonError::into_inner);
    for answer in one_by_one {
        let Some(call) = calls.iter().find(|call| call["id"] == answer["id"]) else { continue };
        let method = call["method"].as_str().unwrap_or_default();
        shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(method.to_owned());
        if let Some(change) = change.as_mut() {
            change(method, &call["params"], answer);
        }
    }
    json!(answer).to_string()
}
