//! Calls of other servers: each runs by itself beside all others, and ends when its script does not wait for it any more,
//! or when nothing is left of its dispatch.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::action::Control;
use super::shared::Shared;
use crate::fleet::{Fetch, Out};
use crate::protocol::frame::write_head;
use crate::protocol::{Frame, FrameKind};
use crate::services::{Caller, FetchFailed, Fetched};

/// The calls that are under way for one dispatch, by request. They end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Fetches(Arc<Mutex<HashMap<u32, AbortHandle>>>);

impl Drop for Fetches {
    fn drop(&mut self) {
        for (_, call) in self.0.lock().drain() {
            call.abort();
        }
    }
}

impl Fetches {
    /// Runs a call; it is under way until `call` is over.
    pub(crate) fn begin(&self, runtime: &Handle, number: u32, call: impl Future<Output = ()> + Send + 'static) {
        let all = Arc::clone(&self.0);
        // Held until the call is among the others: it may be over before that.
        let mut under_way = self.0.lock();
        let task = runtime.spawn(async move {
            call.await;
            all.lock().remove(&number);
        });
        // No realm of ours uses a number twice.
        if let Some(other) = under_way.insert(number, task.abort_handle()) {
            other.abort();
        }
    }

    /// Ends a call; whether it was under way.
    pub(crate) fn end(&self, number: u32) -> bool {
        let call = self.0.lock().remove(&number);
        call.inspect(AbortHandle::abort).is_some()
    }
}

/// Runs a call of a script; its answer goes the way of all answers.
pub(super) fn begin(shared: &Arc<Shared>, fetches: &Fetches, caller: &Caller, out: &Out, asked: Fetch) {
    let Fetch { dispatch, number, head, body, loan } = asked;
    let call = shared.services.fetch(caller, &head, body);
    // Calls that take long must not keep the realm waiting: their bytes have limits of their own.
    drop(loan);
    let (shared, out) = (Arc::clone(shared), out.clone());
    fetches.begin(&shared.runtime.clone(), number, async move {
        let mut result = call.await;
        // An answer that the realm does not take in waits here, and keeps its place among those that are held.
        out.unwritten.room().await;
        let held = result.as_mut().ok().and_then(|fetched| fetched.held.take());
        let (kind, body) = answer(result);
        shared.tell(Control::Answered(Frame { kind, dispatch, number, body }));
        drop(held);
    });
}

/// What the realm is told of a call that is over.
pub(crate) fn answer(result: Result<Fetched, FetchFailed>) -> (FrameKind, Bytes) {
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
            fetches.begin(&Handle::current(), number, async move {
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
        fetches.begin(&Handle::current(), 1, async {});
        while !fetches.0.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(!fetches.end(1));
    }
}
