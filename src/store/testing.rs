//! What the store's tests share: a store in a folder of its own, at a time that stands still.

use std::path::PathBuf;

use serde_json::value::RawValue;

use super::{Accepted, OutgoingMessage, Place, Store, UserMessage};
use crate::clock::Clock;
use crate::model::{BotId, ConversationKey, EventDraft, QueuedEvent, StateChange, UserId};

/// 2026-11-22T06:48:19.736Z, as in the recorded exchanges.
pub(crate) const NOW: u64 = 1_795_330_099_736;

/// A completion.
pub(crate) type Then<T> = Box<dyn FnOnce(T) + Send>;

/// A store in a folder of its own.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_clock(Clock::manual(NOW))
    }

    pub(crate) fn with_clock(clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data.db"), clock.clone()).unwrap();
        Self { store, clock, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    /// Closes the store and opens the same file again.
    pub(crate) fn reopen(self) -> Self {
        let clock = self.clock.clone();
        self.reopen_with(clock)
    }

    pub(crate) fn reopen_with(self, clock: Clock) -> Self {
        let Self { store, folder, .. } = self;
        drop(store);
        let store = Store::open(&folder.path().join("data.db"), clock.clone()).unwrap();
        Self { store, clock, folder }
    }

    pub(crate) fn accept(&self, user: &str, place: Place) -> Accepted {
        wait(|then| self.store.accept(draft(user), place, None, then)).unwrap()
    }

    pub(crate) fn finish(&self, event: &QueuedEvent, state: Option<StateChange>) {
        wait(|then| self.store.finish(event.id, event.session(), state, then)).unwrap();
    }
}

/// Starts something and waits for its completion.
pub(crate) fn wait<T: Send + 'static>(start: impl FnOnce(Then<T>)) -> T {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    start(Box::new(move |outcome| {
        let _ = sender.send(outcome);
    }));
    receiver.recv().unwrap()
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn names(user: &str) -> (BotId, UserId) {
    (BotId::parse("my-bot").unwrap(), UserId::parse(user).unwrap())
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

pub(crate) fn draft(user: &str) -> EventDraft {
    let (bot, target) = names(user);
    EventDraft {
        key: ConversationKey { bot, channel: "web".into(), target },
        thread: None,
        kind: "proactive-trigger".into(),
        payload: raw(r#"{"text":"fake message"}"#),
        preview: None,
        nlu: None,
        credentials: None,
        suggestions: None,
    }
}

pub(crate) fn message(text: &str) -> UserMessage {
    UserMessage {
        message_type: "text".into(),
        message_text: Some(text.to_owned()),
        payload: raw(&format!(r#"{{"type":"text","text":"{text}"}}"#)),
        raw: None,
        data: None,
    }
}

pub(crate) fn outgoing(event: &QueuedEvent, text: &str, at: u64) -> OutgoingMessage {
    OutgoingMessage {
        session: event.session(),
        payload: raw(&format!(r#"{{"type":"text","text":"{text}"}}"#)),
        message_type: "text".into(),
        message_text: Some(text.to_owned()),
        deliver_at: at,
        sent_on: at,
    }
}
