//! A store that keeps what the real one keeps: what was accepted, in order, what events did, each once, and their ends.
//! Operations are done in the order in which they come, some at a time; some fail.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::{oneshot, watch};

use super::super::action::{After, Batch, Effect};
use super::super::collect::Collector;
use super::super::outcome::Finishing;
use super::super::{ConverseError, Conversed};
use crate::model::{EventDraft, EventId, QueuedEvent};
use crate::store::Pending;

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Ended,
    SetAside,
}

/// What is to be done.
pub(super) enum Op {
    Accept {
        draft: EventDraft,
        bytes: usize,
        collector: Option<(Collector, oneshot::Receiver<Result<Conversed, ConverseError>>)>,
        timeout: bool,
    },
    Settle(Batch),
    SetAside(Finishing),
    CountDeath(EventId),
    Barrier(After),
}

/// An event that is not over, or is set aside.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) event: QueuedEvent,
    pub(super) aside: bool,
}

#[derive(Default)]
pub(super) struct Store {
    next: u64,
    pub(super) ops: VecDeque<Op>,
    pub(super) rows: BTreeMap<EventId, Row>,
    /// What events did, each with what it says.
    pub(super) effects: BTreeMap<(EventId, u32), String>,
    /// Events of which something could not be stored since their end was asked for last.
    pub(super) unstored: BTreeMap<EventId, bool>,
    /// The disk is full but for what is small, and what the store says of it.
    pub(super) full: bool,
    pub(super) trouble: bool,
    /// Of each end, how often it could not be stored.
    pub(super) refusals: BTreeMap<EventId, u32>,
}

impl Store {
    pub(super) fn enqueue(&mut self, draft: EventDraft, now: u64, timeout: bool) -> QueuedEvent {
        // Scripts choose ids too: those of the queue have room between them.
        self.next += 1;
        let mut event = draft.queued(EventId(self.next), now);
        event.timeout = timeout;
        self.rows.insert(event.id, Row { event: event.clone(), aside: false });
        event
    }

    /// What a server finds that starts.
    pub(super) fn pending(&self) -> Vec<Pending> {
        let open = self.rows.values().filter(|row| !row.aside);
        open.map(|Row { event, .. }| Pending {
            id: event.id,
            key: event.key.clone(),
            thread: event.thread.clone(),
            kind: event.kind.clone(),
            deaths: event.deaths,
            timeout: event.timeout,
            reset: event.reset,
            depth: event.depth,
            bytes: event.body.len(),
        })
        .collect()
    }
}

/// What an effect says, and its number.
pub(super) fn saying(effect: &Effect) -> (u32, String) {
    match effect {
        Effect::Reply { number, key, message, .. } => (*number, format!("{key:?} {}", message.payload.get())),
        Effect::FollowUp { number, key, draft, .. } => (*number, format!("{key:?} {}", draft.payload.get())),
    }
}

/// A caller who waits.
pub(super) fn caller() -> (Collector, oneshot::Receiver<Result<Conversed, ConverseError>>) {
    let (answer, receiver) = oneshot::channel();
    (Collector::new(answer, false, watch::channel(false).0), receiver)
}
