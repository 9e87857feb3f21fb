//! Asking one provider: batches, the number of requests in flight, retries, pauses and metrics.
//!
//! Every error is classified before anything is tried again, and only what may pass is.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::classify::RpcFault;
use super::exchange::{Answer, Call, Fault, Link, tellable};
use super::pause::{Pace, Pause};
use super::secret_url::SecretUrl;
use crate::retry::{Delays, Policy};
use crate::source::{SourceError, Traffic};

/// Requests by provider, method and outcome. An answer that is well formed but contradicts itself or the
/// question counts once more, as `inconsistent`.
pub const REQUESTS_TOTAL: &str = "asset_indexer_rpc_requests_total";
/// Seconds from sending to the whole answer, by provider and method; a batch counts once for each of its
/// methods.
pub const REQUEST_DURATION: &str = "asset_indexer_rpc_request_duration_seconds";
/// Errors that no known text, code or status explains, by provider; their text is in the log.
pub const UNCLASSIFIED_ERRORS: &str = "asset_indexer_rpc_unclassified_errors_total";

/// A judgement on the answers to one group of calls.
pub(super) enum Verdict<T> {
    /// They can be used.
    Done(T),
    /// They cannot; asking again may help.
    Again(Fault),
    /// They cannot, and asking again is of no use.
    Failed(Fault),
}

impl<T> Verdict<T> {
    /// The judgement on a failed call: again where it may pass.
    pub fn fault(fault: Fault) -> Self {
        if fault.is_passing() { Self::Again(fault) } else { Self::Failed(fault) }
    }
}

/// One provider.
pub(super) struct Client {
    link: Link,
    alias: String,
    /// Whose secrets no text may hold.
    url: SecretUrl,
    retry: Policy,
    in_flight: Semaphore,
    in_flight_max: usize,
    batch_max: AtomicUsize,
    /// The node refuses batches: ask one by one.
    one_by_one: AtomicBool,
    pause: Pause,
    pace: Option<Pace>,
    requests: AtomicU64,
    takes_batches: AtomicBool,
}

impl Client {
    /// A client over `link`, which leads to `url`.
    pub fn new(
        link: Link,
        (alias, url): (String, SecretUrl),
        retry: Policy,
        in_flight_max: usize,
        batch_max: usize,
    ) -> Self {
        let in_flight_max = in_flight_max.max(1);
        Self {
            link,
            alias,
            url,
            retry,
            in_flight: Semaphore::new(in_flight_max),
            in_flight_max,
            batch_max: AtomicUsize::new(batch_max.max(1)),
            one_by_one: AtomicBool::new(false),
            pause: Pause::default(),
            pace: None,
            requests: AtomicU64::new(0),
            takes_batches: AtomicBool::new(false),
        }
    }

    /// Sets how many requests may be sent in a second.
    pub fn set_pace(&mut self, per_second: u64) {
        self.pace = Some(Pace::new(per_second));
    }

    /// What was asked so far.
    pub fn traffic(&self) -> Traffic {
        let batches =
            match (self.takes_batches.load(Ordering::Relaxed), self.one_by_one.load(Ordering::Relaxed)) {
                (_, true) => Some(false),
                (true, false) => Some(true),
                (false, false) => None,
            };
        Traffic { requests: self.requests.load(Ordering::Relaxed), batches }
    }

    /// The provider's alias.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// Where the provider is.
    pub fn url(&self) -> &SecretUrl {
        &self.url
    }

    /// The way to the provider.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Sets how retries are spaced and when they end.
    pub fn set_retry(&mut self, retry: Policy) {
        self.retry = retry;
    }

    /// How many requests may be in flight at once.
    pub fn in_flight_max(&self) -> usize {
        self.in_flight_max
    }

    /// Asks these calls together until `judge` is content or the tries end.
    ///
    /// `judge` sees the answers in the order of the calls, and the number of the try, from one.
    pub async fn until<T>(
        &self,
        calls: &[Call],
        mut judge: impl FnMut(Vec<Answer>, u32) -> Verdict<T> + Send,
    ) -> Result<T, Fault> {
        let mut delays = Delays::new(self.retry);
        loop {
            let answers = self.attempt(calls).await;
            let fault = match judge(answers, delays.tries()) {
                Verdict::Done(value) => return Ok(value),
                Verdict::Failed(fault) => return Err(self.told(fault)),
                Verdict::Again(fault) => self.told(fault),
            };
            match delays.next(fault.retry_after()) {
                Some(delay) => {
                    let method = calls[0].method;
                    tracing::debug!(provider = %self.alias, method, reason = %fault.text, "asking again");
                    sleep(delay).await;
                }
                None => return Err(fault),
            }
        }
    }

    /// Asks one call once.
    pub async fn once(&self, call: &Call) -> Answer {
        let mut answers = self.attempt(std::slice::from_ref(call)).await;
        answers.pop().unwrap_or_else(|| Err(Fault::broken("no answer")))
    }

    /// Asks one call until it is answered or the tries end.
    pub async fn one(&self, call: Call) -> Answer {
        let judge = |answers: Vec<Answer>, _| match answers.into_iter().next() {
            Some(Ok(result)) => Verdict::Done(result),
            Some(Err(fault)) => Verdict::fault(fault),
            None => Verdict::Failed(Fault::broken("no answer")),
        };
        self.until(std::slice::from_ref(&call), judge).await
    }

    /// Asks calls that don't depend on each other, in batches; answers stand in the order of the calls.
    pub async fn each(&self, calls: Vec<Call>) -> Vec<Answer> {
        let size = self.batch_max.load(Ordering::Relaxed);
        let batches: Vec<Vec<Call>> = calls.chunks(size).map(<[Call]>::to_vec).collect();
        let answers = batches.into_iter().map(|batch| self.batch_until(batch));
        stream::iter(answers).buffered(self.in_flight_max).concat().await
    }

    /// One batch: what failed in passing is asked again, and an answer that is too large in two halves.
    async fn batch_until(&self, calls: Vec<Call>) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = vec![None; calls.len()];
        let mut delays = Delays::new(self.retry);
        let mut open: Vec<usize> = (0..calls.len()).collect();
        let mut width = calls.len();
        while !open.is_empty() {
            let mut wait: Option<Duration> = None;
            let mut again = Vec::new();
            for group in open.chunks(width.max(1)) {
                let asked: Vec<Call> = group.iter().map(|&index| calls[index].clone()).collect();
                for (&index, answer) in group.iter().zip(self.attempt(&asked).await) {
                    let retry = match &answer {
                        Err(fault) if fault.reverted => false,
                        Err(Fault { kind: RpcFault::Size { .. }, .. }) if group.len() > 1 => true,
                        Err(fault) if fault.is_passing() => {
                            wait =
                                Some(wait.unwrap_or_default().max(fault.retry_after().unwrap_or_default()));
                            true
                        }
                        _ => false,
                    };
                    if retry {
                        again.push(index);
                    }
                    answers[index] = Some(answer);
                }
            }
            open = again;
            match wait {
                Some(asked) => match delays.next(Some(asked)) {
                    Some(delay) => sleep(delay).await,
                    None => break,
                },
                // Only answers that were too large are left: ask for fewer at once.
                None => width = (width / 2).max(1),
            }
        }
        let missing = || Err(Fault::broken("no answer"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect()
    }

    /// Asks once. A failure of the whole exchange is the answer to every call; so is a pause that is not waited for.
    async fn attempt(&self, calls: &[Call]) -> Vec<Answer> {
        let Ok(_permit) = self.in_flight.acquire().await else {
            return vec![Err(Fault::broken("the client is closed")); calls.len()];
        };
        let left = self.pause.left();
        if self.retry.is_too_long(left) {
            // It is kept, and meanwhile another is asked.
            let text = format!("it asked for a pause, of which {} s are left", left.as_secs());
            return vec![Err(Fault::new(RpcFault::Rate { retry_after: Some(left) }, text)); calls.len()];
        }
        self.pause.over().await;
        if let Some(pace) = &self.pace {
            pace.admit(calls.len()).await;
        }
        self.requests.fetch_add(calls.len() as u64, Ordering::Relaxed);
        let began = Instant::now();
        let answers = self.exchange(calls).await;
        self.record(calls, &answers, began.elapsed());
        answers
    }

    async fn exchange(&self, calls: &[Call]) -> Vec<Answer> {
        if calls.len() == 1 || self.one_by_one.load(Ordering::Relaxed) {
            return self.singly(calls).await;
        }
        match self.link.batch(calls).await {
            Ok(answers) => {
                self.takes_batches.store(true, Ordering::Relaxed);
                answers
            }
            Err(fault) if refuses_batches(&fault) => {
                let answers = self.singly(calls).await;
                if answers.iter().any(|answer| answer.is_ok()) {
                    self.shrink_batches(calls.len(), &fault);
                }
                answers
            }
            Err(fault) => vec![Err(fault); calls.len()],
        }
    }

    async fn singly(&self, calls: &[Call]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            answers.push(self.link.single(call).await);
        }
        answers
    }

    /// The node refused a batch whose requests it answers one by one: smaller batches from now on, at last
    /// none.
    fn shrink_batches(&self, refused: usize, fault: &Fault) {
        let smaller = refused / 2;
        if refused > 2 && fault.text.to_lowercase().contains("batch") {
            self.batch_max.fetch_min(smaller, Ordering::Relaxed);
            let reason = &fault.text;
            tracing::warn!(provider = %self.alias, batch_size_max = smaller, %reason, "smaller batches");
        } else if !self.one_by_one.swap(true, Ordering::Relaxed) {
            tracing::warn!(provider = %self.alias, reason = %fault.text, "no batches");
        }
    }

    fn record(&self, calls: &[Call], answers: &[Answer], took: Duration) {
        let mut methods: Vec<&'static str> = calls.iter().map(|call| call.method).collect();
        for (method, answer) in methods.iter().zip(answers) {
            let outcome = answer.as_ref().map_or_else(outcome, |_| "ok");
            self.count(method, outcome);
            let Err(fault) = answer else { continue };
            match &fault.kind {
                RpcFault::Rate { retry_after } => self.pause.at_least(*retry_after),
                RpcFault::Unknown if !fault.reverted => {
                    let (code, text) = (fault.code, &fault.text);
                    tracing::warn!(provider = %self.alias, %method, ?code, %text, "unknown error");
                    metrics::counter!(UNCLASSIFIED_ERRORS, "provider" => self.alias.clone()).increment(1);
                }
                _ => {}
            }
        }
        methods.sort_unstable();
        methods.dedup();
        for method in methods {
            metrics::histogram!(REQUEST_DURATION, "provider" => self.alias.clone(), "method" => method)
                .record(took.as_secs_f64());
        }
    }

    fn count(&self, method: &'static str, outcome: &'static str) {
        metrics::counter!(REQUESTS_TOTAL,
            "provider" => self.alias.clone(), "method" => method, "outcome" => outcome)
        .increment(1);
    }

    /// A judge's words quote what could not be read, of any length.
    fn told(&self, fault: Fault) -> Fault {
        Fault { text: tellable(&fault.text, &self.url), ..fault }
    }

    /// A contradiction, counted. `reason` may quote the node.
    pub fn inconsistent(&self, method: &'static str, reason: impl AsRef<str>) -> SourceError {
        self.count(method, "inconsistent");
        let reason = tellable(reason.as_ref(), &self.url);
        SourceError::Inconsistent { provider: self.alias.clone(), method, reason }
    }

    /// What a fault is to the caller. `block` is the first block of the request, where it has one.
    pub fn error(&self, method: &'static str, block: Option<u64>, fault: Fault) -> SourceError {
        let provider = self.alias.clone();
        let reason = fault.text;
        match (fault.kind, block) {
            (RpcFault::Pruned, Some(block)) => SourceError::Pruned { provider, method, block, reason },
            (RpcFault::Size { .. }, _) => {
                let reason =
                    format!("{reason}; raise response_bytes_max, or use a provider with a larger limit");
                SourceError::Refused { provider, method, reason }
            }
            (
                RpcFault::Billing
                | RpcFault::Auth
                | RpcFault::Unsupported
                | RpcFault::Range { .. }
                | RpcFault::Addresses
                | RpcFault::Pruned,
                _,
            ) => SourceError::Refused { provider, method, reason },
            (
                RpcFault::Rate { .. }
                | RpcFault::Missing
                | RpcFault::Timeout
                | RpcFault::Transport
                | RpcFault::Unknown,
                _,
            ) => SourceError::Unavailable { provider, method, reason },
        }
    }
}

fn outcome(fault: &Fault) -> &'static str {
    match fault.kind {
        RpcFault::Rate { .. } => "rate_limited",
        RpcFault::Timeout => "timeout",
        RpcFault::Unsupported => "unsupported",
        _ => "error",
    }
}

/// Whether the error of a whole exchange is about the batch itself, so that single requests may work. Never asked of an
/// answer that bears one request's id: its words may be a contract's.
fn refuses_batches(fault: &Fault) -> bool {
    if fault.broken {
        return false;
    }
    if fault.text.to_lowercase().contains("batch") {
        return true;
    }
    let odd = matches!(fault.kind, RpcFault::Unknown | RpcFault::Unsupported);
    odd && (matches!(fault.code, Some(-32700 | -32600 | -32601)) || matches!(fault.status, Some(400..=499)))
}
