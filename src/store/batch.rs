//! What an event does to the store, as one batch, and what became of it.

use super::error::StoreError;
use super::follow_ups::FollowUp;
use super::messages::OutgoingMessage;
use super::replies::Reply;
use super::sessions::Lifetimes;
use crate::model::{EventDraft, EventId, SessionKey, StateChange};

/// Some of what an event does, in order, and perhaps its end.
#[derive(Debug)]
pub struct EventBatch {
    /// The event.
    pub event: EventId,
    /// What it does. Each number is stored once for an event, however often it runs.
    pub effects: Vec<BatchEffect>,
    /// Its end, after all that.
    pub end: Option<EventEnd>,
}

/// Something that an event does.
#[derive(Debug)]
pub enum BatchEffect {
    /// It says something; see [`super::Store::reply`].
    Reply {
        /// Its number within the event.
        number: u32,
        /// The reply.
        message: OutgoingMessage,
    },
    /// It sends an event; see [`super::Store::follow_up`].
    FollowUp {
        /// Its number within the event.
        number: u32,
        /// The event that it sends.
        draft: EventDraft,
    },
}

/// How an event ends; see [`super::Store::finish`].
#[derive(Debug)]
pub struct EventEnd {
    /// Its session.
    pub session: SessionKey,
    /// What it leaves, if anything.
    pub state: Option<StateChange>,
    /// How long its session lives from now on.
    pub lifetimes: Lifetimes,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Settlement {
    /// What became of each effect, in order.
    pub effects: Vec<Result<EffectOutcome, StoreError>>,
    /// What became of the end, if there was one in the batch. [`StoreError::Unstored`]: the event is not over, since
    /// something that it did could not be stored.
    pub end: Option<Result<(), StoreError>>,
}

/// What became of an effect.
#[derive(Debug)]
pub enum EffectOutcome {
    /// Of a reply.
    Reply(Reply),
    /// Of an event that was sent.
    FollowUp(FollowUp),
}
