//! Events on the server side: what came in, and the same with an id in the queue.
//!
//! The server never looks into a payload: it is JSON text from the request to the realm.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{ConversationKey, EventId, SessionKey};

/// An incoming event before it has an id.
#[derive(Debug, Clone)]
pub struct EventDraft {
    /// Bot, channel and user.
    pub key: ConversationKey,
    /// The channel's conversation, where it has threads.
    pub thread: Option<Arc<str>>,
    /// `event.type`.
    pub kind: Arc<str>,
    /// `event.payload`, the channel's own object.
    pub payload: Box<RawValue>,
    /// `event.preview`, where the caller knows better than the payload does.
    pub preview: Option<String>,
    /// What the caller gives of `event.nlu`, laid over the defaults.
    pub nlu: Option<Box<RawValue>>,
    /// `event.credentials`, from a verified external token.
    pub credentials: Option<Box<RawValue>>,
    /// `event.suggestions`, for events made by scripts.
    pub suggestions: Option<Box<RawValue>>,
    /// How many events in a row have led to it, each sent by a script of the one before; 0 for one that came from outside.
    pub depth: u32,
}

/// An event in the durable queue.
#[derive(Debug, Clone)]
pub struct QueuedEvent {
    /// Its id, larger than that of every event accepted before.
    pub id: EventId,
    /// Bot, channel and user: the conversation whose turn it waits for.
    pub key: ConversationKey,
    /// The channel's conversation, where it has threads.
    pub thread: Option<Arc<str>>,
    /// `event.type`, for logs and traces.
    pub kind: Arc<str>,
    /// The event as JSON text: the fields scripts see, less what the realm adds (flags, defaults, state).
    pub body: Arc<str>,
    /// How often a worker died while running it (see dispatch: one retry alone, then set aside).
    pub deaths: u32,
    /// Made because its session's dialog has timed out; an event of type `timeout` that somebody sent is none of those.
    pub timeout: bool,
    /// It makes its session begin anew; an event of type `session_reset` that somebody sent does not.
    pub reset: bool,
    /// How many events in a row have led to it (see [`EventDraft::depth`]).
    pub depth: u32,
}

impl QueuedEvent {
    /// Bytes of an event beside its own.
    pub const FRAME: usize = 300;

    /// Where its state is kept.
    pub fn session(&self) -> SessionKey {
        SessionKey { conversation: self.key.clone(), thread: self.thread.clone() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    id: EventId,
    #[serde(rename = "type")]
    kind: &'a str,
    channel: &'a str,
    target: &'a str,
    bot_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_id: Option<&'a str>,
    direction: &'static str,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nlu: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<&'a RawValue>,
    /// Milliseconds since the epoch; the realm makes a `Date` of it.
    created_on: u64,
}

impl EventDraft {
    /// About how many bytes it holds in memory and in the queue.
    pub fn bytes(&self) -> usize {
        let raw = |part: &Option<Box<RawValue>>| part.as_deref().map_or(0, |raw| raw.get().len());
        let parts = [&self.nlu, &self.credentials, &self.suggestions].into_iter().map(raw).sum::<usize>();
        let preview = self.preview.as_deref().map_or(0, str::len);
        QueuedEvent::FRAME + self.payload.get().len() + self.kind.len() + preview + parts
    }

    /// The event with its id, written out as JSON. `now` is in milliseconds since the epoch.
    pub fn queued(&self, id: EventId, now: u64) -> QueuedEvent {
        let wire = Wire {
            id,
            kind: &self.kind,
            channel: &self.key.channel,
            target: self.key.target.as_str(),
            bot_id: self.key.bot.as_str(),
            thread_id: self.thread.as_deref(),
            direction: "incoming",
            payload: &self.payload,
            preview: self.preview.as_deref(),
            nlu: self.nlu.as_deref(),
            credentials: self.credentials.as_deref(),
            suggestions: self.suggestions.as_deref(),
            created_on: now,
        };
        // Serialising strings and raw JSON into memory cannot fail.
        let body = serde_json::to_string(&wire).unwrap_or_default();
        QueuedEvent {
            id,
            key: self.key.clone(),
            thread: self.thread.clone(),
            kind: Arc::clone(&self.kind),
            body: body.into(),
            deaths: 0,
            timeout: false,
            reset: false,
            depth: self.depth,
        }
    }
}
