//! Runs a future to its end on this thread, by asking again and again: no runtime, no clock, the same order every time.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls without an answer after which nothing is waited for any more: somebody waits for what never comes.
const POLLS_MAX: u64 = 10_000_000;

/// Runs a future whose every wait ends by being asked again.
///
/// # Panics
/// When it waits for ever.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS_MAX {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the simulation waits for what never comes");
}

/// Stack of a thread that runs scenarios: futures of unoptimized builds are large.
const STACK: usize = 256 << 20;

/// Runs the same work on some threads, and waits for all.
///
/// # Panics
/// When a thread cannot be made, or panics.
pub fn on_threads(threads: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let thread = std::thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, &work).expect("a thread can be made");
        }
    });
}
