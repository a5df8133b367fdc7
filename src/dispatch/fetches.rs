//! Calls of other servers: each runs by itself beside all others, and ends when its script does not wait for it any more,
//! or when nothing is left of its dispatch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::core::Core;
use super::process::Fetch;
use super::requests::{caller, reserve};
use super::stats::count;
use crate::protocol::frame::write_head;
use crate::protocol::{Frame, FrameKind};
use crate::services::{FetchFailed, Fetched};

/// The calls that are under way for one dispatch, by request. They end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Fetches(Arc<Mutex<HashMap<u32, AbortHandle>>>);

impl Drop for Fetches {
    fn drop(&mut self) {
        for (_, call) in self.0.lock().drain() {
            call.abort();
        }
    }
}

impl Fetches {
    /// Runs a call; it is under way until `call` is over.
    pub(super) fn begin(&self, number: u32, call: impl Future<Output = ()> + Send + 'static) {
        let all = Arc::clone(&self.0);
        // Held until the call is among the others: it may be over before that.
        let mut under_way = self.0.lock();
        let task = tokio::spawn(async move {
            call.await;
            all.lock().remove(&number);
        });
        // No worker of ours uses a number twice.
        if let Some(other) = under_way.insert(number, task.abort_handle()) {
            other.abort();
        }
    }

    /// Ends a call; whether it was under way.
    pub(super) fn end(&self, number: u32) -> bool {
        let call = self.0.lock().remove(&number);
        call.inspect(AbortHandle::abort).is_some()
    }
}

impl Core {
    /// Begins a call of a script. An error is a breach of the protocol, as for every message.
    pub(super) fn fetch(&mut self, worker: u32, asked: Fetch) -> Result<(), (Option<u64>, String)> {
        let Fetch { dispatch, number, head, body, loan } = asked;
        let Some(out) = self.pool.out(worker) else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let flight = self.flight(worker, dispatch)?;
        let breach = |why| (Some(dispatch), why);
        flight.count_bytes(head.get().len() + body.len(), shared.settings.scripts.frame).map_err(breach)?;
        reserve(&shared, flight).map_err(breach)?;
        let call = shared.services.fetch(&caller(dispatch, flight), &head, body);
        // Calls that take long must not keep the worker waiting: their bytes have limits of their own.
        drop(loan);
        let live = Arc::clone(&flight.live);
        flight.fetches.begin(number, async move {
            let mut result = call.await;
            // An answer that the worker does not take in waits here, and keeps its place among those that are held.
            out.unwritten.room().await;
            count(&shared.counters.requests);
            live.wake(shared.started);
            live.outstanding.fetch_sub(1, Ordering::Relaxed);
            let held = result.as_mut().ok().and_then(|fetched| fetched.held.take());
            let (kind, body) = answer(result);
            out.send(Frame { kind, dispatch, number, body });
            drop(held);
        });
        Ok(())
    }

    /// A script does not wait for that call any more.
    pub(super) fn abandon(&mut self, worker: u32, dispatch: u64, number: u32) -> Result<(), (Option<u64>, String)> {
        let flight = self.flight(worker, dispatch)?;
        // One that is over has been answered, and counted then.
        if flight.fetches.end(number) {
            flight.live.outstanding.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What the worker is told of a call that is over.
pub(super) fn answer(result: Result<Fetched, FetchFailed>) -> (FrameKind, Bytes) {
    match result {
        Ok(fetched) => (FrameKind::Fetched, write_head(&fetched.head, &fetched.body).freeze()),
        Err(failed) => (FrameKind::Result, rejection(&failed)),
    }
}

fn rejection(failed: &FetchFailed) -> Bytes {
    // Two texts always have JSON.
    let text = serde_json::to_vec(failed).unwrap_or_default();
    [&[0][..], &text].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_call_ends_when_it_is_abandoned_and_all_end_with_their_dispatch() {
        let fetches = Fetches::default();
        let begin = |number| {
            let (alive, dropped) = oneshot::channel::<()>();
            fetches.begin(number, async move {
                let _alive = alive;
                std::future::pending::<()>().await;
            });
            dropped
        };
        let (first, second) = (begin(1), begin(2));
        assert!(fetches.end(1) && !fetches.end(1) && !fetches.end(7));
        assert!(first.await.is_err());
        drop(fetches);
        assert!(second.await.is_err());
    }

    #[tokio::test]
    async fn a_call_that_is_over_is_forgotten() {
        let fetches = Fetches::default();
        fetches.begin(1, async {});
        while !fetches.0.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(!fetches.end(1));
    }
}
