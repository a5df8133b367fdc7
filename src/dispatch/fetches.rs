//! Calls of other servers: each runs by itself beside all others, and ends when its script does not wait for it any more,
//! or when nothing is left of its dispatch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::task::AbortHandle;

use super::Shared;
use super::process::Out;
use super::requests::{caller, reserve};
use super::stats::count;
use super::work::Flight;
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

/// Begins a call of a script. Fails when too many requests are outstanding.
pub(super) fn fetch(
    shared: &Arc<Shared>,
    dispatch: u64,
    flight: &Flight,
    out: &Out,
    number: u32,
    (head, body): (Box<RawValue>, Bytes),
) -> Result<(), String> {
    reserve(shared, flight)?;
    let call = shared.services.fetch(&caller(dispatch, flight), &head, body);
    let (shared, live, out) = (Arc::clone(shared), Arc::clone(&flight.live), out.clone());
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
pub(super) fn abandon(flight: &Flight, number: u32) {
    // One that is over has been answered, and counted then.
    if flight.fetches.end(number) {
        flight.live.outstanding.fetch_sub(1, Ordering::Relaxed);
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
