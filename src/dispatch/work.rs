//! What realms are given to do, and what is kept of each dispatch until nothing is left of it.

use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::errors::DispatchError;
use super::standing::Post;
use crate::fleet::{Loan, ProcessId};
use crate::model::{BotId, EventId, QueuedEvent};
use crate::program::HookKind;
use crate::protocol::EVENT_FRAMES;

/// Requests and calls of one event that may be outstanding, as a multiple of what one realm lets through: an event that is
/// stopped goes on in another realm, and what was begun in the first is answered all the same.
const REALMS: u32 = 8;

/// An event on its way. The body of a large one, or of one that an earlier run left, is in the store alone: it is empty
/// here, and read when its turn has come.
#[derive(Debug)]
pub(super) struct QueuedRun {
    pub(super) event: QueuedEvent,
    /// With how many bytes it entered the queue.
    pub(super) bytes: usize,
    /// When it was committed, or read from the store at the start.
    pub(super) queued: Instant,
    /// When a realm first began with it, as far as is known.
    pub(super) begun: Option<Instant>,
    /// Its payload as it came, for its trace, unless that is large.
    pub(super) payload: Option<Box<RawValue>>,
    /// How often it has been dispatched.
    pub(super) runs: u32,
    /// How often something that it did could not be stored.
    pub(super) unstored: u32,
    /// How often its state could not be read.
    pub(super) tries: u32,
    /// How often its realm was killed by somebody else.
    pub(super) kills: u32,
    /// In how many realms it went on after a script was stopped, and what the last one left.
    pub(super) realms: u32,
    pub(super) resume: Bytes,
}

impl QueuedRun {
    pub(super) fn new(event: QueuedEvent, bytes: usize, queued: Instant) -> Self {
        let resume = Bytes::new();
        Self {
            event,
            bytes,
            queued,
            begun: None,
            payload: None,
            runs: 0,
            unstored: 0,
            tries: 0,
            kills: 0,
            realms: 0,
            resume,
        }
    }
}

/// Hooks that run without an event.
#[derive(Debug)]
pub(super) struct HookRun {
    pub(super) kind: HookKind,
    pub(super) bot: Option<BotId>,
    pub(super) args: serde_json::Map<String, serde_json::Value>,
    /// Who waits for them; nobody when they run again.
    pub(super) answer: Option<oneshot::Sender<Result<Box<RawValue>, DispatchError>>>,
    /// They were told to end, and run again then: their source has changed.
    pub(super) renew: bool,
    /// In how many realms they went on after a script was stopped, and what the last one left.
    pub(super) realms: u32,
    pub(super) resume: Bytes,
}

impl HookRun {
    /// Hooks of a post, for which nobody waits.
    pub(super) fn of(post: &Post, args: serde_json::Map<String, serde_json::Value>) -> Self {
        let (kind, bot) = post.clone();
        Self { kind, bot, args, answer: None, renew: false, realms: 0, resume: Bytes::new() }
    }

    /// The same again.
    pub(super) fn again(&self) -> Self {
        Self::of(&self.post(), self.args.clone())
    }

    pub(super) fn post(&self) -> Post {
        (self.kind, self.bot.clone())
    }

    pub(super) fn answer(&mut self, result: Result<Box<RawValue>, DispatchError>) {
        if let Some(answer) = self.answer.take() {
            // Who asked may have gone.
            let _ = answer.send(result);
        }
    }
}

/// What a dispatch is for.
#[derive(Debug)]
pub(super) enum Work {
    Event(QueuedRun),
    Hooks(HookRun),
}

/// One dispatch with its realm.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) work: Work,
    /// The realm that runs it: nobody else may speak for it.
    pub(super) realm: ProcessId,
    /// When the realm was reserved, and when it began with that, as far as is known.
    pub(super) since: Instant,
    pub(super) sent: Option<Instant>,
    /// What an earlier realm left, which it was sent with.
    pub(super) resume: Bytes,
    /// `Processed` came.
    pub(super) processed: bool,
    /// `Resume` came.
    pub(super) resumes: bool,
    pub(super) effects: u32,
    pub(super) log_lines: u32,
    /// Bytes of its effects and requests.
    pub(super) bytes: u64,
    /// Requests and calls without an answer, and how many there may be.
    pub(super) outstanding: u32,
    pub(super) most_outstanding: u32,
    /// Answers that its realm was sent.
    pub(super) answers: u32,
}

/// One request of a script.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) number: u32,
    pub(super) method: String,
    pub(super) args: Box<RawValue>,
    /// Its bytes, until it is answered.
    pub(super) loan: Loan,
}

impl Flight {
    pub(super) fn new(work: Work, realm: ProcessId, since: Instant, requests: u32) -> Self {
        Self {
            work,
            realm,
            since,
            sent: None,
            resume: Bytes::new(),
            processed: false,
            resumes: false,
            effects: 0,
            log_lines: 0,
            bytes: 0,
            outstanding: 0,
            most_outstanding: requests.saturating_mul(REALMS),
            answers: 0,
        }
    }

    /// Counts bytes that its realm sent; an error says that they are more than the realm itself lets through.
    pub(super) fn count_bytes(&mut self, bytes: usize, frame: u64) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let limit = frame.saturating_mul(EVENT_FRAMES);
        // What is no event lives as long as it likes.
        if matches!(self.work, Work::Event(_)) && self.bytes > limit {
            return Err(format!("more than {limit} bytes of one event"));
        }
        Ok(())
    }

    /// Counts a request or a call as outstanding. Fails when there are too many.
    pub(super) fn asks(&mut self) -> Result<(), String> {
        if self.outstanding >= self.most_outstanding {
            return Err(format!("more than {} requests outstanding", self.most_outstanding));
        }
        self.outstanding += 1;
        Ok(())
    }

    pub(super) fn bot(&self) -> Option<&BotId> {
        match &self.work {
            Work::Event(run) => Some(&run.event.key.bot),
            Work::Hooks(run) => run.bot.as_ref(),
        }
    }

    /// How many events in a row have led to it.
    pub(super) fn depth(&self) -> u32 {
        match &self.work {
            Work::Event(run) => run.event.depth,
            Work::Hooks(_) => 0,
        }
    }

    pub(super) fn event(&self) -> Option<EventId> {
        match &self.work {
            Work::Event(run) => Some(run.event.id),
            Work::Hooks(_) => None,
        }
    }

    /// What is counted of hooks without an event is counted by the second: they may run as long as the server.
    pub(super) fn begin_second(&mut self) {
        if matches!(self.work, Work::Hooks(_)) {
            (self.effects, self.log_lines) = (0, 0);
        }
    }
}
