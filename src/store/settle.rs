//! What a batch of an event does to the store, as one operation: its replies, the events that it sends, and its end.
//!
//! All of it is done in one savepoint as a rule. Where anything of it fails, it is undone and done again one after the
//! other, each part in a savepoint of its own: what fails then fails alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::OptionalExtension;

use super::follow_ups::{self, FollowUp};
use super::messages::OutgoingMessage;
use super::replies::{self, PlacedReply, Reply};
use super::unstored::{self, Unstored};
use super::writer::Submitted;
use super::{Lifetimes, Store, StoreError, Tx, sessions, timeouts};
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
    /// It says something; see [`Store::reply`].
    Reply {
        /// Its number within the event.
        number: u32,
        /// The reply.
        message: OutgoingMessage,
    },
    /// It sends an event; see [`Store::follow_up`].
    FollowUp {
        /// Its number within the event.
        number: u32,
        /// The event that it sends.
        draft: EventDraft,
    },
}

/// How an event ends; see [`Store::finish`].
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

impl Store {
    /// Stores what a batch of an event does, in one transaction. `then` runs on the writer's thread.
    pub fn settle(&self, batch: EventBatch, then: impl FnOnce(Settlement) + Send + 'static) {
        let unstored = self.0.unstored.clone();
        self.0.writer.submit_boxed(Box::new(Settling { batch, outcome: None, unstored, then }));
    }

    /// Stores a reply, once for each (event, number).
    pub fn reply(
        &self,
        event: EventId,
        number: u32,
        message: OutgoingMessage,
        then: impl FnOnce(Result<Reply, StoreError>) + Send + 'static,
    ) {
        let effects = vec![BatchEffect::Reply { number, message }];
        self.settle(EventBatch { event, effects, end: None }, move |mut settlement| {
            then(match settlement.effects.pop() {
                Some(Ok(EffectOutcome::Reply(reply))) => Ok(reply),
                Some(Err(error)) => Err(error),
                _ => Err(StoreError::Closed),
            });
        });
    }

    /// Queues an event that a script of `event` sent, once for each (event, number).
    pub fn follow_up(
        &self,
        event: EventId,
        number: u32,
        draft: EventDraft,
        then: impl FnOnce(Result<FollowUp, StoreError>) + Send + 'static,
    ) {
        let effects = vec![BatchEffect::FollowUp { number, draft }];
        self.settle(EventBatch { event, effects, end: None }, move |mut settlement| {
            then(match settlement.effects.pop() {
                Some(Ok(EffectOutcome::FollowUp(sent))) => Ok(sent),
                Some(Err(error)) => Err(error),
                _ => Err(StoreError::Closed),
            });
        });
    }

    /// Ends an event, in one transaction: its state is written, if there is any to write, and it leaves the queue. For an
    /// event that is no longer queued (finished before, or set aside) nothing happens. The session lives from now on as
    /// long as `lifetimes` say. After a time-out nothing is left of the dialog, and after a reset nothing of the session, unless
    /// the state says otherwise.
    ///
    /// [`StoreError::Unstored`]: it is not over, since a reply or an event that it sent could not be stored.
    pub fn finish(
        &self,
        event: EventId,
        session: SessionKey,
        state: Option<StateChange>,
        lifetimes: Lifetimes,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let end = Some(EventEnd { session, state, lifetimes });
        self.settle(EventBatch { event, effects: Vec::new(), end }, move |settlement| {
            then(settlement.end.unwrap_or(Err(StoreError::Closed)));
        });
    }
}

/// A batch on its way.
struct Settling<Then> {
    batch: EventBatch,
    outcome: Option<Settlement>,
    unstored: Unstored,
    then: Then,
}

/// What an effect has come to, before its content is handed on.
enum Made {
    Reply(Option<PlacedReply>),
    FollowUp(FollowUp),
}

impl<Then: FnOnce(Settlement) + Send> Submitted for Settling<Then> {
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let before = self.unstored.take(self.batch.event);
        let mark = tx.mark();
        let attempt = catch_unwind(AssertUnwindSafe(|| all(tx, &self.batch, before)));
        if let Ok(Ok((made, end))) = attempt {
            let effects = self.batch.effects.drain(..).zip(made).map(|(effect, made)| Ok(outcome(effect, made)));
            self.outcome = Some(Settlement { effects: effects.collect(), end });
        } else if let Err(error) = tx.start_over(mark) {
            self.fail(error);
            return false;
        } else {
            let settlement = one_by_one(tx, &mut self.batch, before);
            let failed = settlement.effects.iter().any(|effect| effect.as_ref().is_err_and(unstored::matters));
            if failed && settlement.end.is_none() {
                self.unstored.note(self.batch.event);
            }
            self.outcome = Some(settlement);
        }
        if before && self.batch.end.is_none() {
            self.unstored.note(self.batch.event);
        }
        true
    }

    fn fail(&mut self, error: StoreError) {
        let error = error.shared();
        let (effects, end) = (self.batch.effects.len(), self.batch.end.is_some());
        let settlement = self.outcome.get_or_insert_with(|| Settlement {
            effects: (0..effects).map(|_| Err(error.again())).collect(),
            end: end.then(|| Err(error.again())),
        });
        for effect in settlement.effects.iter_mut().filter(|effect| effect.is_ok()) {
            *effect = Err(error.again());
        }
        // Whoever is told so at once is not told at the next end as well.
        let told = matches!(settlement.end, Some(Err(StoreError::Unstored(_))));
        if unstored::matters(&error) && !settlement.effects.is_empty() && !told {
            self.unstored.note(self.batch.event);
        }
        if let Some(end) = settlement.end.as_mut().filter(|end| end.is_ok()) {
            *end = Err(error);
        }
    }

    fn tell(mut self: Box<Self>) {
        if self.outcome.is_none() {
            self.fail(StoreError::Closed);
        }
        let Self { outcome, then, .. } = *self;
        if let Some(settlement) = outcome {
            then(settlement);
        }
    }
}

/// All of a batch; an error where anything of it fails.
fn all(
    tx: &Tx<'_>,
    batch: &EventBatch,
    before: bool,
) -> Result<(Vec<Made>, Option<Result<(), StoreError>>), StoreError> {
    let made = batch.effects.iter().map(|effect| make(tx, batch.event, effect)).collect::<Result<_, _>>()?;
    let end = match &batch.end {
        Some(_) if before => Some(Err(StoreError::Unstored(batch.event))),
        Some(end) => Some(Ok(finish(tx, batch.event, end)?)),
        None => None,
    };
    Ok((made, end))
}

/// The parts of a batch, each of which may fail alone. After an effect that could not be stored the event does not end.
fn one_by_one(tx: &Tx<'_>, batch: &mut EventBatch, before: bool) -> Settlement {
    let (event, mut failed) = (batch.event, before);
    let mut effects = Vec::with_capacity(batch.effects.len());
    for effect in batch.effects.drain(..) {
        let made = tx.part(|| make(tx, event, &effect)).map(|made| outcome(effect, made));
        failed |= made.as_ref().is_err_and(unstored::matters);
        effects.push(made);
    }
    let end = batch.end.as_ref().map(|end| match failed {
        true => Err(StoreError::Unstored(event)),
        false => tx.part(|| finish(tx, event, end)),
    });
    Settlement { effects, end }
}

fn make(tx: &Tx<'_>, event: EventId, effect: &BatchEffect) -> Result<Made, StoreError> {
    match effect {
        BatchEffect::Reply { number, message } => replies::place(tx, event, *number, message).map(Made::Reply),
        BatchEffect::FollowUp { number, draft } => follow_ups::send(tx, event, *number, draft).map(Made::FollowUp),
    }
}

fn outcome(effect: BatchEffect, made: Made) -> EffectOutcome {
    match (effect, made) {
        (BatchEffect::Reply { message, .. }, Made::Reply(Some(placed))) => {
            EffectOutcome::Reply(Reply::Stored(placed.with(message)))
        }
        (_, Made::Reply(_)) => EffectOutcome::Reply(Reply::AlreadyStored),
        (_, Made::FollowUp(sent)) => EffectOutcome::FollowUp(sent),
    }
}

fn finish(tx: &Tx<'_>, event: EventId, end: &EventEnd) -> Result<(), StoreError> {
    let sql = "DELETE FROM queue WHERE id = ? AND poison IS NULL RETURNING timeout, reset";
    let mut ending = tx.connection.prepare_cached(sql)?;
    let row = ending.query_row([event.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((timeout, reset)) = row else { return Ok(()) };
    follow_ups::forget(tx, event)?;
    if reset {
        sessions::delete(tx, &end.session)?;
    }
    match &end.state {
        Some(state) => sessions::write(tx, &end.session, state, end.lifetimes, timeout),
        None if timeout => timeouts::clear(tx, event, Some(end.lifetimes)),
        None => Ok(()),
    }
}
