//! A batch of an event as an operation of the writer.
//!
//! All of it is done at once as a rule. Where anything of it fails, it is undone and done again one after the other, each
//! part in a savepoint of its own: what fails then fails alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::batch::{BatchEffect, EffectOutcome, EventBatch, EventEnd, Settlement};
use super::error::StoreError;
use super::follow_ups::{self, FollowUp};
use super::memory::Origin;
use super::operations::{COST, Submitted};
use super::replies::{self, PlacedReply};
use super::tx::Tx;
use super::unstored::{self, Unstored};
use super::{queue, sessions, timeouts};
use crate::model::EventId;

/// A batch on its way.
pub(super) struct Settling<Then> {
    batch: EventBatch,
    /// What its parts have come to, where all went well.
    made: Option<AllMade>,
    outcome: Option<Settlement>,
    unstored: Unstored,
    cost: u64,
    then: Then,
}

/// What an effect has come to, before its content is handed on.
enum Made {
    Reply(PlacedReply),
    FollowUp(FollowUp),
}

/// What all effects have come to, and the end.
type AllMade = (Vec<Made>, Option<Result<(), StoreError>>);

impl<Then> Settling<Then> {
    pub(super) fn new(batch: EventBatch, unstored: Unstored, then: Then) -> Self {
        let effects: u64 = batch.effects.iter().map(|effect| COST + bytes_of(effect)).sum();
        Self { batch, made: None, outcome: None, unstored, cost: COST + effects, then }
    }

    /// What is made becomes the outcome.
    fn conclude(&mut self) {
        if let Some((made, end)) = self.made.take() {
            let effects = self.batch.effects.drain(..).zip(made).map(|(effect, made)| Ok(outcome(effect, made)));
            self.outcome = Some(Settlement { effects: effects.collect(), end });
        }
    }
}

/// Bytes of an effect, about.
fn bytes_of(effect: &BatchEffect) -> u64 {
    let payload = match effect {
        BatchEffect::Reply { message, .. } => &message.payload,
        BatchEffect::FollowUp { draft, .. } => &draft.payload,
    };
    payload.get().len() as u64
}

impl<Then: FnOnce(Settlement) + Send> Submitted for Settling<Then> {
    fn cost(&self) -> u64 {
        self.cost
    }

    fn attempt(&mut self, tx: &Tx<'_>) -> bool {
        let before = self.unstored.of(self.batch.event);
        self.made = all(tx, &self.batch, before).ok();
        self.made.is_some()
    }

    fn repeats(&self) -> bool {
        true
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        self.made = None;
        let (event, mark) = (self.batch.event, tx.mark());
        if catch_unwind(AssertUnwindSafe(|| self.attempt(tx))).unwrap_or(false) {
            return true;
        }
        if let Err(error) = tx.start_over(mark) {
            self.fail(error);
            return false;
        }
        let settlement = one_by_one(tx, &mut self.batch, self.unstored.of(event));
        let mut failed = settlement.effects.iter().filter_map(|effect| effect.as_ref().err());
        if let Some(error) = failed.find(|error| unstored::matters(error)) {
            self.unstored.note(event, error);
        }
        self.outcome = Some(settlement);
        true
    }

    fn fail(&mut self, error: StoreError) {
        self.conclude();
        let error = error.shared();
        let (effects, end) = (self.batch.effects.len(), self.batch.end.is_some());
        let settlement = self.outcome.get_or_insert_with(|| Settlement {
            effects: (0..effects).map(|_| Err(error.again())).collect(),
            end: end.then(|| Err(error.again())),
        });
        for effect in settlement.effects.iter_mut().filter(|effect| effect.is_ok()) {
            *effect = Err(error.again());
        }
        if unstored::matters(&error) && !settlement.effects.is_empty() {
            self.unstored.note(self.batch.event, &error);
        }
        if let Some(end) = settlement.end.as_mut().filter(|end| end.is_ok()) {
            *end = Err(error);
        }
    }

    fn error(&self) -> Option<&StoreError> {
        let outcome = self.outcome.as_ref()?;
        let effects = outcome.effects.iter().filter_map(|effect| effect.as_ref().err());
        effects.chain(outcome.end.as_ref().and_then(|end| end.as_ref().err())).next()
    }

    fn tell(mut self: Box<Self>) {
        self.conclude();
        if self.outcome.is_none() {
            self.fail(StoreError::Closed);
        }
        let Self { outcome, then, unstored, batch, .. } = *self;
        if let Some(settlement) = outcome {
            // Whoever is told so knows that the event is to run again.
            if matches!(settlement.end, Some(Err(StoreError::Unstored { .. }))) {
                unstored.told(batch.event);
            }
            then(settlement);
        }
    }
}

/// All of a batch; an error where anything of it fails.
fn all(tx: &Tx<'_>, batch: &EventBatch, before: Option<StoreError>) -> Result<AllMade, StoreError> {
    let made = batch.effects.iter().map(|effect| make(tx, batch.event, effect)).collect::<Result<_, _>>()?;
    let end = match (&batch.end, before) {
        (Some(_), Some(unstored)) => Some(Err(unstored)),
        (Some(end), None) => Some(Ok(finish(tx, batch.event, end)?)),
        (None, _) => None,
    };
    Ok((made, end))
}

/// The parts of a batch, each of which may fail alone. After an effect that could not be stored the event does not end.
fn one_by_one(tx: &Tx<'_>, batch: &mut EventBatch, before: Option<StoreError>) -> Settlement {
    let (event, mut failed) = (batch.event, before);
    let mut effects = Vec::with_capacity(batch.effects.len());
    for effect in batch.effects.drain(..) {
        let made = tx.part(|| make(tx, event, &effect)).map(|made| outcome(effect, made));
        if let Some(error) = made.as_ref().err().filter(|error| unstored::matters(error)) {
            failed.get_or_insert(StoreError::Unstored { event, trouble: error.is_trouble() });
        }
        effects.push(made);
    }
    let end = batch.end.as_ref().map(|end| match failed {
        Some(unstored) => Err(unstored),
        None => tx.part(|| finish(tx, event, end)),
    });
    Settlement { effects, end }
}

fn make(tx: &Tx<'_>, event: EventId, effect: &BatchEffect) -> Result<Made, StoreError> {
    match effect {
        BatchEffect::Reply { number, message } => replies::place(tx, event, *number, message).map(Made::Reply),
        BatchEffect::FollowUp { number, draft } => follow_ups::send(tx, event, *number, draft).map(Made::FollowUp),
    }
}

/// What became of an effect, with its content.
fn outcome(effect: BatchEffect, made: Made) -> EffectOutcome {
    match (effect, made) {
        (BatchEffect::Reply { message, .. }, Made::Reply(placed)) => EffectOutcome::Reply(placed.with(message)),
        (_, Made::FollowUp(sent)) => EffectOutcome::FollowUp(sent),
        // No effect that was sent becomes a reply.
        (BatchEffect::FollowUp { .. }, Made::Reply(_)) => EffectOutcome::FollowUp(FollowUp::AlreadyQueued),
    }
}

fn finish(tx: &Tx<'_>, event: EventId, end: &EventEnd) -> Result<(), StoreError> {
    let known = tx.memory().event(event).map(|known| known.origin);
    let Some(Origin { timeout, reset }) = (match known {
        Some(origin) => Some(origin),
        None => queue::origin(tx, event)?,
    }) else {
        return Ok(());
    };
    if !queue::remove(tx, event)? {
        return Ok(());
    }
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
