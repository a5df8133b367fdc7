//! Why something was not done, for those who asked for it.

use serde_json::value::RawValue;

use super::admission::FullQueue;
use crate::store::StoreError;

/// Why an event was not accepted: nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Too many wait already: 503 with Retry-After.
    #[error("{waiting} {}; try again in {retry_after} s", match queue { FullQueue::Conversation => "already wait for this user (queue.perConversation)", FullQueue::Bot => "already wait for this bot (queue.perBot)", FullQueue::Bytes => "MB of events wait already (queue.bytes)" })]
    Full {
        /// Which queue is full.
        queue: FullQueue,
        /// How many wait in it; of [`FullQueue::Bytes`], how many megabytes.
        waiting: usize,
        /// Seconds until there may be room.
        retry_after: u32,
    },
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is stopping: 503.
    #[error("the server is stopping; try again in a few seconds")]
    Stopping,
}

/// Why a caller of `/converse` got no replies.
#[derive(Debug, thiserror::Error)]
pub enum ConverseError {
    /// The event did not settle within `converse.timeout`. It goes on; its replies are stored and answer nobody.
    #[error("the bot did not answer within {0} ms (`converse.timeout`)")]
    TimedOut(u64),
    /// The event was not accepted.
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

/// The replies of one event.
#[derive(Debug, Default)]
pub struct Conversed {
    /// The payloads in order, typing included.
    pub responses: Vec<Box<RawValue>>,
    /// `{ nlu, suggestions, decision, state, credentials }` as the event ended, if it was asked for.
    pub event: Option<Box<RawValue>>,
}

/// Why the workers could not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DispatchError {
    /// A worker does not start, or does not lock itself in.
    #[error("script workers do not start: {0}")]
    Worker(String),
    /// The store could not be read at the start.
    #[error("the event queue cannot be read: {0}")]
    Store(String),
    /// The compiler overran or died, and no single file is to blame.
    #[error("the scripts could not be compiled: {why}{}", .file.as_ref().map(|file| format!(", in {file}")).unwrap_or_default())]
    Compiler {
        /// What happened.
        why: String,
        /// The file it was at, if known.
        file: Option<String>,
    },
    /// A hook without an event was ended: its worker was killed or died.
    #[error("the hook was ended: {0}")]
    Ended(String),
    /// The program cannot be sent.
    #[error("the workspace cannot be sent to the workers: {0}")]
    Program(String),
    /// The dispatcher has stopped.
    #[error("the server is stopping")]
    Stopping,
}
