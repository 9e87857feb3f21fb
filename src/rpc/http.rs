//! JSON-RPC over HTTP with what alloy's transport does not give: a cap on the bytes of an answer, the HTTP
//! status and `Retry-After` beside the error text, and batches whose answers are matched by id whatever
//! their order.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy::transports::http::reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use alloy::transports::http::reqwest::{self, Client, redirect};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::classify::{Reply, RpcFault, is_revert};
use super::exchange::{Answer, Call, Fault};
use super::script::{Script, ScriptedAnswer};
use super::secret_url::SecretUrl;

/// The longest wait for a connection, whatever the request's own limit.
const CONNECT_LONGEST: Duration = Duration::from_secs(10);

/// A node behind an HTTP URL.
pub(super) struct HttpLink {
    way: Way,
    url: SecretUrl,
    bytes_max: usize,
    next_id: AtomicU64,
}

/// What carries a request's body to the node and the answer's back.
enum Way {
    Http(Client),
    Script(Script),
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: &'a Value,
}

/// An answer as nodes write it: some send `"error": null` beside a result, or `"result": null` beside an
/// error.
#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: Value,
    #[serde(default, deserialize_with = "even_null")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<ResponseError>,
}

/// An error object; alloy's type for it is not among the features that we take.
#[derive(Deserialize)]
struct ResponseError {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

/// A result of `null` is a result.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl ResponseError {
    /// Whether it is about the batch that the request came in, and not what a contract said.
    fn names_batch(&self) -> bool {
        self.message.to_lowercase().contains("batch") && !is_revert(Some(self.code), &self.message)
    }
}

impl Response {
    /// The id as we wrote it; some nodes return it as text.
    fn number(&self) -> Option<u64> {
        self.id.as_u64().or_else(|| self.id.as_str()?.parse().ok())
    }
}

/// A body with the HTTP facts about it.
struct Body {
    bytes: Vec<u8>,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl HttpLink {
    /// A link that waits `timeout` for a whole answer of at most `bytes_max` bytes.
    pub fn new(url: SecretUrl, timeout: Duration, bytes_max: usize) -> Result<Self, Fault> {
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout.min(CONNECT_LONGEST))
            // A redirect would carry the request, and what its URL holds, to another host.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| Fault::new(RpcFault::Transport, format!("no HTTP client: {}", causes(error))))?;
        Ok(Self { way: Way::Http(client), url, bytes_max, next_id: AtomicU64::new(1) })
    }

    /// A link whose answers a script makes up.
    pub fn scripted(url: SecretUrl, script: Script, bytes_max: usize) -> Self {
        Self { way: Way::Script(script), url, bytes_max, next_id: AtomicU64::new(1) }
    }

    /// Asks one question.
    pub async fn single(&self, call: &Call) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = self.post(&request(id, call)).await?;
        let response: Response = match serde_json::from_slice(&body.bytes) {
            Ok(response) => response,
            Err(_) => return Err(self.not_json_rpc(&body)),
        };
        if response.number() != Some(id) && response.error.is_none() {
            return Err(Fault::broken("the answer bears another id than the request"));
        }
        self.payload(response, &body)
    }

    /// Asks several questions in one HTTP request.
    pub async fn batch(&self, calls: &[Call]) -> Result<Vec<Answer>, Fault> {
        let first = self.next_id.fetch_add(calls.len() as u64, Ordering::Relaxed);
        let requests: Vec<_> = (first..).zip(calls).map(|(id, call)| request(id, call)).collect();
        let body = self.post(&requests).await?;
        let responses: Vec<Response> = match serde_json::from_slice(&body.bytes) {
            Ok(responses) => responses,
            Err(_) => return Err(self.refused_whole(&body)),
        };
        self.matched(first, calls.len(), responses, &body)
    }

    /// Puts answers in the order of the questions.
    ///
    /// An error is the answer to the request whose id it bears, whatever its words: they may be a contract's. It stands for
    /// the whole batch where it bears no id of it, or where nothing else came and it speaks of the batch.
    fn matched(
        &self,
        first: u64,
        count: usize,
        all: Vec<Response>,
        body: &Body,
    ) -> Result<Vec<Answer>, Fault> {
        let ids = first..first + count as u64;
        // Geth answers an oversize batch with one error, which bears the first id, and nothing for the other requests;
        // others say it once for each.
        let names_batch =
            |response: &Response| response.error.as_ref().is_some_and(ResponseError::names_batch);
        let is_refused = count > 1 && !all.is_empty() && all.iter().all(names_batch);
        let mut by_id = HashMap::with_capacity(all.len());
        for response in all {
            let id = match response.number() {
                // A result that nobody asked for takes no answer's place: what is lacking is told below.
                Some(id) if !is_refused && (ids.contains(&id) || response.error.is_none()) => id,
                _ => return Err(self.refusal(response, body)),
            };
            if by_id.insert(id, response).is_some() {
                return Err(Fault::broken("two answers of a batch bear one id"));
            }
        }
        let mut answers = Vec::with_capacity(count);
        for id in (first..).take(count) {
            let response = by_id.remove(&id).ok_or_else(|| {
                Fault::broken(format!(
                    "the batch of {count} requests lacks the answer to number {}",
                    id - first
                ))
            })?;
            answers.push(self.payload(response, body));
        }
        Ok(answers)
    }

    async fn post(&self, body: &impl Serialize) -> Result<Body, Fault> {
        let text = serde_json::to_vec(body).map_err(|error| {
            Fault::new(RpcFault::Unsupported, format!("cannot write the request: {error}"))
        })?;
        let client = match &self.way {
            Way::Http(client) => client,
            Way::Script(script) => return self.scripted_body(script(&text)),
        };
        let response = client
            .post(self.url.expose().clone())
            .header(CONTENT_TYPE, "application/json")
            .body(text)
            .send()
            .await
            .map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let retry_after = wanted_wait(response.headers());
        let bytes = self.read(response).await?;
        Ok(Body { bytes, status: (status != 200).then_some(status), retry_after })
    }

    fn scripted_body(&self, answer: ScriptedAnswer) -> Result<Body, Fault> {
        let ScriptedAnswer { status, retry_after, body } = answer;
        if body.len() > self.bytes_max {
            return Err(self.oversize());
        }
        Ok(Body { bytes: body, status: (status != 200).then_some(status), retry_after })
    }

    /// Reads the body as it comes and stops at the cap.
    async fn read(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Fault> {
        let announced = response.content_length().unwrap_or(0);
        if announced > self.bytes_max as u64 {
            return Err(self.oversize());
        }
        let mut bytes = Vec::with_capacity(announced as usize);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broke_off(error))? {
            if bytes.len() + chunk.len() > self.bytes_max {
                return Err(self.oversize());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn oversize(&self) -> Fault {
        Fault::new(
            RpcFault::Size { suggested: None },
            format!("the answer is larger than response_bytes_max = {} bytes", self.bytes_max),
        )
    }

    fn failed(&self, error: reqwest::Error) -> Fault {
        // A node that is not reached is none that is slow: fewer blocks would not help.
        let unanswered = error.is_timeout() && !error.is_connect();
        let text = self.url.redact(&causes(error));
        if unanswered { Fault::unanswered(text) } else { Fault::new(RpcFault::Transport, text) }
    }

    fn broke_off(&self, error: reqwest::Error) -> Fault {
        Fault { broken: true, ..self.failed(error) }
    }

    fn payload(&self, response: Response, body: &Body) -> Answer {
        match (response.error, response.result) {
            (Some(error), _) => {
                let reply = Reply {
                    code: Some(error.code),
                    message: &error.message,
                    data: error.data.as_ref().map(|data| data.get()),
                    status: body.status,
                    retry_after: body.retry_after,
                };
                Err(Fault::said(reply, &self.url))
            }
            (None, Some(result)) => Ok(result),
            (None, None) => Err(Fault::broken("an answer with neither result nor error")),
        }
    }

    /// An answer that stands for a whole batch.
    fn refusal(&self, response: Response, body: &Body) -> Fault {
        match self.payload(response, body) {
            // What stands for all requests is no contract's word.
            Err(fault) => Fault { reverted: false, ..fault },
            Ok(_) => Fault::broken("a result that belongs to no request of the batch"),
        }
    }

    /// A batch that was answered with one object, or with something else.
    fn refused_whole(&self, body: &Body) -> Fault {
        match serde_json::from_slice::<Response>(&body.bytes) {
            Ok(response) => self.refusal(response, body),
            Err(_) => self.not_json_rpc(body),
        }
    }

    /// A page of a proxy, a bare error text, or half an answer.
    fn not_json_rpc(&self, body: &Body) -> Fault {
        let text = String::from_utf8_lossy(&body.bytes);
        let reply =
            Reply { message: &text, status: body.status, retry_after: body.retry_after, ..Reply::default() };
        let mut fault = Fault::said(reply, &self.url);
        if body.status.is_none() {
            // With status 200 the text may be half a result, in which any wording can stand.
            if !matches!(fault.kind, RpcFault::Rate { .. } | RpcFault::Billing | RpcFault::Auth)
                || is_json(&text)
            {
                fault.kind = RpcFault::Transport;
            }
            fault.broken = true;
        }
        fault.reverted = false;
        fault.text = format!("not a JSON-RPC answer: {}", fault.text);
        fault
    }
}

fn request(id: u64, call: &Call) -> Request<'_> {
    Request { jsonrpc: "2.0", id, method: call.method, params: &call.params }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// `Retry-After`, in seconds or as a date.
fn wanted_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    (date.to_utc() - chrono::Utc::now()).to_std().ok()
}

/// The error and its causes, without the URL.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What a batch of two calls comes to, whose ids are 1 and 2, where the node says `body`.
    async fn batch_of_two(body: &str) -> Result<Vec<Answer>, Fault> {
        let said = ScriptedAnswer { status: 200, retry_after: None, body: body.as_bytes().to_vec() };
        let script: Script = Arc::new(move |_: &[u8]| said.clone());
        let link = HttpLink::scripted("http://node.example/".parse().expect("a URL"), script, 1 << 20);
        let call = Call { method: "eth_call", params: Value::Array(Vec::new()) };
        link.batch(&[call.clone(), call]).await
    }

    #[tokio::test]
    async fn an_error_with_a_requests_id_is_its_answer_whatever_its_words() {
        for error in [
            r#"{"code":3,"message":"execution reverted: batch is closed"}"#,
            r#"{"code":-32000,"message":"no such batch"}"#,
        ] {
            let body = format!(r#"[{{"id":2,"error":{error}}},{{"id":1,"result":"0x"}}]"#);
            let answers = batch_of_two(&body).await.expect("an answer for each");
            assert!(answers[0].is_ok() && answers[1].is_err(), "{error}: {answers:?}");
        }
    }

    #[tokio::test]
    async fn an_error_of_no_request_or_in_the_place_of_all_is_the_batchs() {
        for body in [
            r#"[{"id":1,"error":{"code":-32600,"message":"batch too large"}}]"#,
            r#"[{"id":null,"error":{"code":-32600,"message":"batch too large"}},{"id":1,"result":"0x"}]"#,
            r#"[{"id":77,"error":{"code":-32600,"message":"batch too large"}},{"id":1,"result":"0x"}]"#,
            r#"[{"id":1,"error":{"code":31,"message":"batch too large"}},{"id":2,"error":{"code":31,"message":"batch too large"}}]"#,
        ] {
            let fault = batch_of_two(body).await.expect_err(body);
            assert!(fault.text.contains("batch too large") && !fault.broken, "{body}: {fault:?}");
        }
    }

    #[tokio::test]
    async fn a_contracts_words_are_never_all_calls_answer() {
        let alone = r#"[{"id":1,"error":{"code":3,"message":"execution reverted: batch is closed"}}]"#;
        let fault = batch_of_two(alone).await.expect_err("the second answer is lacking");
        assert!(fault.broken && fault.text.contains("lacks the answer"), "{fault:?}");
        let nobodys = r#"[{"id":null,"error":{"code":3,"message":"execution reverted"}}]"#;
        let fault = batch_of_two(nobodys).await.expect_err("nobody's answer");
        assert!(!fault.reverted, "{fault:?}");
    }

    #[test]
    fn retry_after_in_both_forms() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header value"));
            wanted_wait(&headers)
        };
        assert_eq!(wait("3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), None, "a date gone by asks for no wait");
        let later = chrono::Utc::now() + chrono::TimeDelta::seconds(60);
        let wish = wait(&later.to_rfc2822()).expect("a date to come");
        assert!((58..=60).contains(&wish.as_secs()), "{wish:?}");
    }
}
