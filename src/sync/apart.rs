//! Work on a thread of its own, where there are threads: rows go to the database while the next ones are folded.

use std::future::pending;
use std::panic::resume_unwind;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinSet;
use tracing::Instrument;

/// What the work comes to. It ends, as any future does, when this is dropped: at its next `await`.
pub(super) async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let has_threads =
        Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if !has_threads {
        return work.await;
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(work.in_current_span());
    match tasks.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is being shut down, and whoever waits here with it.
        Some(Err(_)) | None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_goes_on_while_this_thread_is_busy() {
        let done = Arc::new(AtomicBool::new(false));
        let tell = done.clone();
        let work = apart(async move {
            tokio::task::yield_now().await;
            tell.store(true, Ordering::SeqCst);
            thread::current().id()
        });
        let busy = async {
            // Not before the work was polled once: then it has begun.
            let until = std::time::Instant::now() + Duration::from_secs(20);
            while !done.load(Ordering::SeqCst) && std::time::Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            done.load(Ordering::SeqCst)
        };
        let (_, was_done) = futures_util::join!(work, busy);
        assert!(was_done);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_ends_when_nobody_waits_for_it() {
        struct Told(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.take().map(|tell| tell.send(()));
            }
        }
        let (tell, told) = tokio::sync::oneshot::channel();
        let held = Told(Some(tell));
        let work = apart(async move {
            pending::<()>().await;
            drop(held);
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err());
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("it ended").expect("it was dropped");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[should_panic(expected = "as it was")]
    async fn its_panic_is_the_callers() {
        apart(async { panic!("as it was") }).await
    }

    #[tokio::test]
    async fn without_threads_it_is_where_its_caller_is() {
        let here = thread::current().id();
        assert_eq!(apart(async { thread::current().id() }).await, here);
    }
}
