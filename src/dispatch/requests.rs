//! Requests of scripts: each dispatch has one task that begins them in the order of the calls.
//!
//! The bot is taken from the dispatch, never from what the worker says. The services submit a call before they return, so
//! what is begun in order takes effect in order; answers come as they are ready.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;

use super::Shared;
use super::process::Out;
use super::stats::count;
use super::work::{Ask, Asks, Flight, Live, Work};
use crate::protocol::{Frame, FrameKind};
use crate::services::{Caller, Line, Services};

/// Realms that one event may go through, at most: each had to compute for a second to be given up, of five in all.
const REALMS: u32 = 8;

/// Hands a request to its dispatch's task. Fails when too many are outstanding.
pub(super) fn ask(shared: &Arc<Shared>, dispatch: u64, flight: &mut Flight, out: &Out, ask: Ask) -> Result<(), String> {
    reserve(shared, flight)?;
    if flight.asks.is_none() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let answering = Answering {
            shared: Arc::clone(shared),
            caller: caller(dispatch, flight),
            dispatch,
            live: Arc::clone(&flight.live),
            out: out.clone(),
        };
        let answering = Arc::new(answering);
        let task = tokio::spawn(async move {
            while let Some(ask) = receiver.recv().await {
                // Answers that the worker does not take in keep it waiting, and nobody else.
                answering.out.unwritten.room().await;
                answering.begin(ask).await;
            }
        });
        flight.asks = Some(Asks { sender, task: task.abort_handle() });
    }
    if let Some(asks) = &flight.asks {
        // The task lives as long as the sender.
        let _ = asks.sender.send(ask);
    }
    Ok(())
}

/// Counts a request as outstanding. Fails when there are too many.
pub(super) fn reserve(shared: &Shared, flight: &Flight) -> Result<(), String> {
    // The worker counts what is outstanding in one realm, and an event that overruns goes through several.
    let limit = shared.settings.scripts.requests.saturating_mul(REALMS);
    if flight.live.outstanding.fetch_add(1, Ordering::Relaxed) >= limit {
        return Err(format!("more than {limit} requests outstanding"));
    }
    Ok(())
}

pub(super) fn caller(dispatch: u64, flight: &Flight) -> Caller {
    let line = match &flight.work {
        Work::Event(job) => Line::Event(job.event.id),
        Work::Hooks(_) => Line::Hooks(dispatch),
    };
    Caller { bot: flight.bot().cloned(), line: Some(line) }
}

struct Answering {
    shared: Arc<Shared>,
    caller: Caller,
    dispatch: u64,
    live: Arc<Live>,
    out: Out,
}

impl Answering {
    /// Submits the call. What is answered at once needs no task of its own.
    async fn begin(self: &Arc<Self>, ask: Ask) {
        let Ask { number, method, args, loan } = ask;
        let place = match Services::reads(&method) {
            // It is never closed.
            true => Arc::clone(&self.out.reads).acquire_owned().await.ok(),
            false => None,
        };
        let mut call = Box::pin(self.shared.services.call(&self.caller, &method, &args));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => self.answer(number, &method, result.map_err(|error| error.to_string())),
            Poll::Pending => {
                let answering = Arc::clone(self);
                tokio::spawn(async move {
                    let result = call.await.map_err(|error| error.to_string());
                    answering.answer(number, &method, result);
                    drop((loan, place));
                });
            }
        }
    }

    fn answer(&self, number: u32, method: &str, result: Result<String, String>) {
        let body = result_body(method, result, self.shared.settings.scripts.frame);
        count(&self.shared.counters.requests);
        self.live.wake(self.shared.started);
        self.live.outstanding.fetch_sub(1, Ordering::Relaxed);
        self.out.send(Frame { kind: FrameKind::Result, dispatch: self.dispatch, number, body });
    }
}

/// `1` and the JSON, or `0` and the message as a JSON string.
pub(super) fn result_body(method: &str, result: Result<String, String>, limit: u64) -> Bytes {
    let (resolved, text) = match result {
        Ok(json) if json.len() as u64 >= limit => {
            (false, quoted(&format!("bp.{method}: the result has {} bytes, at most {limit} are allowed", json.len())))
        }
        Ok(json) => (true, json),
        Err(message) => (false, quoted(&message)),
    };
    let mut body = BytesMut::with_capacity(1 + text.len());
    body.put_u8(u8::from(resolved));
    body.put_slice(text.as_bytes());
    body.freeze()
}

fn quoted(text: &str) -> String {
    // A string always has JSON.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_says_whether_it_resolves() {
        assert_eq!(&result_body("kvs.get", Ok("{\"a\":1}".into()), 100)[..], b"\x01{\"a\":1}");
        assert_eq!(&result_body("kvs.get", Err("no \"key\"".into()), 100)[..], b"\x00\"no \\\"key\\\"\"");
    }

    #[test]
    fn a_result_too_large_for_the_wall_rejects() {
        let body = result_body("kvs.get", Ok("x".repeat(100)), 100);
        assert_eq!(body[0], 0);
        assert!(std::str::from_utf8(&body[1..]).unwrap().contains("bp.kvs.get: the result has 100 bytes"));
    }
}
