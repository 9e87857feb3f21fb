//! Waiting for a new head: a subscription where there is a WebSocket, else polling. Never data, never an
//! error.
//!
//! A subscription can die without a sign. So the wait ends after the polling interval whatever it says, and a
//! subscription that stayed silent while the head moved is replaced, connection and all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Rpc;
use super::exchange::Link;
use super::websocket::WsLink;
use crate::retry::{Delays, Policy};

/// A number that no block has.
const NONE: u64 = u64::MAX;

/// What is known of the head.
#[derive(Debug)]
pub(super) struct Heads {
    /// The head that the last view delivered.
    pub(super) delivered: AtomicU64,
    /// The head for which the last wait ended early; rings once only.
    rung: AtomicU64,
}

impl Default for Heads {
    fn default() -> Self {
        Self { delivered: AtomicU64::new(NONE), rung: AtomicU64::new(NONE) }
    }
}

impl Heads {
    /// Whether a head of this number is news.
    fn is_news(&self, number: u64) -> bool {
        number != self.delivered.load(Ordering::Relaxed)
            && number != self.rung.swap(number, Ordering::Relaxed)
    }
}

/// The subscription's task, begun with the first wait and ended with the value.
#[derive(Default)]
pub(super) struct Doorbell {
    task: Mutex<Option<JoinHandle<()>>>,
    ring: Arc<Notify>,
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

impl Rpc {
    /// See [`crate::source::Source::wait_for_head`].
    pub(super) async fn next_head(&self) {
        match self.client.link() {
            Link::Ws(link) => {
                self.doorbell.listen(link, &self.heads, self.poll_interval);
                // The time limit is the watchdog: the caller looks for itself then.
                let _ = timeout(self.poll_interval, self.doorbell.ring.notified()).await;
            }
            Link::Http(_) => {
                let wait = async {
                    let polled = self.head_number().await;
                    if !polled.is_some_and(|number| self.heads.is_news(number)) {
                        sleep(self.poll_interval).await;
                    }
                };
                let _ = timeout(self.poll_interval, wait).await;
            }
        }
    }
}

impl Doorbell {
    /// Begins to listen, once.
    fn listen(&self, link: &WsLink, heads: &Arc<Heads>, poll_interval: Duration) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            let (link, ring, heads) = (link.clone(), self.ring.clone(), heads.clone());
            *task =
                Some(tokio::spawn(
                    async move { subscribe_for_ever(&link, &ring, &heads, poll_interval).await },
                ));
        }
    }
}

async fn subscribe_for_ever(link: &WsLink, ring: &Notify, heads: &Heads, poll_interval: Duration) {
    let mut delays =
        Delays::new(Policy { first: poll_interval.min(Policy::SUPERVISOR.longest), ..Policy::SUPERVISOR });
    loop {
        match link.subscribe().await {
            Ok((mut subscription, generation)) => {
                loop {
                    let before = heads.delivered.load(Ordering::Relaxed);
                    // Three intervals: the caller has polled at least once in them.
                    match timeout(poll_interval.saturating_mul(3), subscription.recv()).await {
                        Ok(Ok(_)) | Ok(Err(tokio::sync::broadcast::error::RecvError::Lagged(_))) => {
                            delays.reset();
                            ring.notify_one();
                        }
                        Ok(Err(tokio::sync::broadcast::error::RecvError::Closed)) => break,
                        // Silent although the head moved.
                        Err(_) if heads.delivered.load(Ordering::Relaxed) != before => break,
                        Err(_) => {}
                    }
                }
                tracing::debug!("the subscription to new heads broke or went silent; subscribing again");
                link.close(generation).await;
            }
            Err(fault) => {
                tracing::debug!(reason = %fault.text, "no subscription to new heads; polling meanwhile")
            }
        }
        sleep(delays.next(None).unwrap_or(poll_interval)).await;
    }
}
