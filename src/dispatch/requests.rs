//! Requests of scripts: each dispatch has one task that begins them in the order of the calls.
//!
//! The bot is taken from the dispatch, never from what the realm says. What is begun in order takes effect in order; answers come
//! as they are ready. A call begins in a turn of its bot (`services`), and those behind it wait.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::action::Control;
use super::content;
use super::shared::Shared;
use super::work::Ask;
use crate::fleet::Out;
use crate::protocol::{Frame, FrameKind};
use crate::services::{Begun, Caller};

/// The requests of one dispatch. What was begun takes effect when this is dropped; what waits to be begun as well, unless
/// [`Asks::stop`] is called.
#[derive(Debug)]
pub(super) struct Asks {
    sender: mpsc::UnboundedSender<Ask>,
    task: AbortHandle,
}

impl Asks {
    /// The requests of a dispatch, on whose behalf they are made.
    pub(super) fn new(shared: &Arc<Shared>, dispatch: u64, caller: Caller, out: Out) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let answering = Arc::new(Answering { shared: Arc::clone(shared), caller, dispatch, out });
        let task = shared.runtime.spawn(async move {
            while let Some(ask) = receiver.recv().await {
                // Answers that the realm does not take in keep it waiting, and nobody else.
                answering.out.unwritten.room().await;
                answering.begin(ask).await;
            }
        });
        Self { sender, task: task.abort_handle() }
    }

    /// One more.
    pub(super) fn ask(&self, ask: Ask) {
        // The task lives as long as the sender.
        let _ = self.sender.send(ask);
    }

    /// Requests that nobody has begun with are dropped: the event is over, or will ask again.
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

struct Answering {
    shared: Arc<Shared>,
    caller: Caller,
    dispatch: u64,
    out: Out,
}

impl Answering {
    /// Begins the call. What is answered at once needs no task of its own.
    async fn begin(self: &Arc<Self>, ask: Ask) {
        let Ask { number, method, args, loan } = ask;
        let services = &self.shared.services;
        if method == content::METHOD {
            if let Err(refused) = self.shared.services.admit_content(&self.caller, &args) {
                return self.answer(number, &method, Err(refused));
            }
            let images = self.shared.images.read().clone();
            let content =
                || images.map_or_else(|| "null".into(), |images| content::content_of(images.program(), &args));
            let content = services.in_turn(&self.caller, content).await;
            return self.answer(number, &method, Ok(content));
        }
        match services.begin(&self.caller, &method, &args).await {
            Begun::Answered(result) => self.answer(number, &method, result.map_err(|error| error.to_string())),
            Begun::Pending(pending) => {
                let answering = Arc::clone(self);
                tokio::spawn(async move {
                    let result = pending.answer().await.map_err(|error| error.to_string());
                    answering.answer(number, &method, result);
                    drop(loan);
                });
            }
        }
    }

    fn answer(&self, number: u32, method: &str, result: Result<String, String>) {
        let body = result_body(method, result, self.shared.tally.settings.scripts.frame);
        let frame = Frame { kind: FrameKind::Result, dispatch: self.dispatch, number, body };
        self.shared.tell(Control::Answered(frame));
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
