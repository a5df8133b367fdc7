//! What the dispatcher's state machine wants done. The driver does it, and says how it went by a [`Control`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::collect::Collector;
use super::errors::DispatchError;
use super::notices::Notice;
use super::outcome::Finishing;
use super::standing::{Post, Sources};
use super::traces::Trace;
use super::work::{Ask, HookRun, QueuedRun};
use crate::fleet::LockedIn;
use crate::fleet::{Fetch, Loan, ProcessId};
use crate::model::{BotId, ConversationKey, EventDraft, EventId, QueuedEvent, StateChange};
use crate::program::{CompileRequest, Images};
use crate::protocol::{Compiled, Frame, LogLine};
use crate::store::{Begun, OutgoingMessage, StoreError};

/// What callers and completions tell the machine.
pub(super) enum Control {
    /// An event is committed.
    Queued {
        event: QueuedEvent,
        bytes: usize,
        at: std::time::Instant,
        collector: Option<Collector>,
    },
    /// What an event begins with was read, or could not be.
    Begun {
        dispatch: u64,
        begun: Result<Begun, StoreError>,
    },
    /// A reply is committed that somebody may wait for.
    Replied {
        event: EventId,
        payload: Box<RawValue>,
    },
    /// An event's end is committed, or could not be.
    Finished(Finishing, Result<(), StoreError>),
    /// Everything that a settled event did is committed.
    Answer(EventId),
    /// A request of a script, or a call of another server, is answered: with that frame.
    Answered(Frame),
    /// An event runs again that something kept from it.
    Retry(QueuedRun),
    /// The end of an event is stored again.
    FinishAgain(Finishing, Option<StateChange>),
    /// Answered when every bot runs what was published last.
    WhenInService(oneshot::Sender<()>),
    /// A program is there.
    Publish {
        images: Arc<Images>,
        sources: Sources,
    },
    Compile {
        request: CompileRequest,
        answer: oneshot::Sender<Result<Compiled, DispatchError>>,
    },
    RunHooks(HookRun),
    /// Hooks that fell are to stand again.
    RunStanding(Post),
    WhenReady(oneshot::Sender<Result<LockedIn, DispatchError>>),
    /// The root zygote could not be started, or a process could not be made.
    Refused {
        process: ProcessId,
        why: String,
    },
    Stop {
        limit: Duration,
        answer: oneshot::Sender<()>,
    },
}

/// What is to be done.
pub(super) enum Action {
    /// Read what an event begins with.
    Begin {
        dispatch: u64,
        event: QueuedEvent,
    },
    /// Store what an event did, in this order.
    Settle(Batch),
    /// Store that an event is over, or is set aside, and nothing else of it.
    End(Finishing),
    /// Store that a realm died on an event.
    CountDeath(EventId),
    /// When all is committed that was given to the store before: for that bot, or for all.
    AfterCommits(Option<BotId>, After),
    Send(ProcessId, Frame),
    /// Take back what a realm was sent before that number and has not begun with.
    TakeBack {
        realm: ProcessId,
        slot: u16,
        below: u16,
    },
    Ask {
        dispatch: u64,
        realm: ProcessId,
        bot: Option<BotId>,
        event: Option<EventId>,
        ask: Ask,
    },
    Fetch {
        realm: ProcessId,
        bot: Option<BotId>,
        event: Option<EventId>,
        fetch: Fetch,
    },
    /// A call of another server is not waited for any more.
    Abandon {
        dispatch: u64,
        number: u32,
    },
    /// What is under way for a dispatch is of no more use; requests that were begun take effect.
    EndCalls {
        dispatch: u64,
        /// Requests that nobody has begun with are dropped as well: the event is over, or will ask again.
        asked: bool,
    },
    Later(Duration, Control),
    Log(LogLine, Option<EventId>),
    Trace(Trace),
    TraceLate(EventId, Box<RawValue>),
    /// Zygotes load this from now on.
    Publish(Arc<Images>),
    Compile(ProcessId, CompileRequest),
    /// A copy has that number.
    Forked(ProcessId, u32),
    /// A process is gone for good.
    Forget(ProcessId),
}

/// What follows a commit.
pub(super) enum After {
    Answer(EventId),
    Notify(Notice, Option<Loan>),
    /// The same, if its visitor has a conversation with the bot.
    NotifyKnown(Notice, Option<Loan>),
    /// The server may end.
    Stopped(oneshot::Sender<()>),
}

/// What one look at a realm's socket found that its event did.
pub(super) struct Batch {
    pub(super) event: EventId,
    /// Whose event it is: the store does things for all bots in turns.
    pub(super) bot: Option<BotId>,
    /// The kind of the hooks, where those ran without an event: nothing of it is done again.
    pub(super) hook: Option<&'static str>,
    pub(super) effects: Vec<Effect>,
    pub(super) end: Option<(Finishing, Option<StateChange>)>,
}

/// One of its effects.
pub(super) enum Effect {
    Reply {
        number: u32,
        key: ConversationKey,
        message: OutgoingMessage,
        /// A caller waits for it.
        copy: Option<Box<RawValue>>,
        loan: Loan,
    },
    FollowUp {
        number: u32,
        key: ConversationKey,
        draft: EventDraft,
        bytes: usize,
        /// The script waits to hear that it is stored.
        asked: Option<Asked>,
        loan: Loan,
    },
}

impl Effect {
    /// Bytes of what it says, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Reply { message, .. } => message.payload.get().len(),
            Self::FollowUp { bytes, .. } => *bytes,
        }
    }
}

/// A request that a script waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) dispatch: u64,
    pub(super) number: u32,
}

impl Action {
    /// A frame without a body.
    pub(super) fn cancel(realm: ProcessId, dispatch: u64) -> Self {
        let kind = crate::protocol::FrameKind::Cancel;
        Self::Send(realm, Frame { kind, dispatch, number: 0, body: Bytes::new() })
    }
}
