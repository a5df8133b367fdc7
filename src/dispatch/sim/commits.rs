//! What the store does with what it was given, and when: reads, commits in their order, some of which fail.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;

use super::super::action::{Batch, Control, Effect};
use super::super::machine::follow_ups::sent;
use super::super::outcome::MOST_RUNS;
use super::plan::Step;
use super::store::{Op, Outcome, Row, saying};
use super::world::{Happening, Truth, World};
use crate::model::{EventId, StateSnapshot};
use crate::protocol::{Frame, FrameKind};
use crate::store::{Begun, StoreError};

/// So often the store tries whether it can write.
const LOOK: Duration = Duration::from_secs(5);

/// What a full disk says.
fn full() -> StoreError {
    StoreError::full_disk()
}

impl World {
    /// What an event begins with was read.
    pub(super) fn begun(&mut self, dispatch: u64, event: EventId) {
        let begun = if self.chance(self.weather.refusals) {
            Err(StoreError::Invalid("the disk cannot be read".into()))
        } else {
            match self.store.rows.get(&event) {
                Some(Row { event, aside: false }) if event.timeout && event.id.0.is_multiple_of(2) => {
                    Ok(Begun::Overtaken)
                }
                Some(Row { event, aside: false }) => {
                    Ok(Begun::Ready(Arc::clone(&event.body), StateSnapshot::default()))
                }
                _ => Ok(Begun::Gone),
            }
        };
        if matches!(begun, Ok(Begun::Gone)) && self.machine.flights.contains_key(&dispatch) {
            self.wrong(format!("event {event} is to begin, which is over"));
        }
        let now = self.now();
        self.machine.control(now, Control::Begun { dispatch, begun });
    }

    /// A request or a call is answered.
    pub(super) fn answer(&mut self, dispatch: u64, number: u32, fetch: bool) {
        if fetch && !self.fetches.remove(&(dispatch, number)) {
            return;
        }
        let frame = Frame { kind: FrameKind::Result, dispatch, number, body: Bytes::new() };
        let now = self.now();
        self.machine.control(now, Control::Answered(frame));
    }

    pub(super) fn give(&mut self, op: Op) {
        self.store.ops.push_back(op);
        if !self.committing {
            self.committing = true;
            let pause = self.lag();
            self.later(pause, Happening::Commit);
        }
    }

    /// The store does some of what it was given.
    pub(super) fn commit(&mut self) {
        let most = self.store.ops.len().min(self.rng.random_range(1..9));
        for _ in 0..most {
            if let Some(op) = self.store.ops.pop_front() {
                self.perform(op);
            }
        }
        self.committing = !self.store.ops.is_empty();
        if self.committing {
            let pause = self.lag();
            self.later(pause, Happening::Commit);
        }
    }

    fn perform(&mut self, op: Op) {
        let millis = self.now().millis;
        match op {
            Op::Accept { draft, bytes, collector, timeout } => {
                if self.refuses() || self.chance(self.weather.refusals) {
                    if !timeout {
                        self.tally.admission.leave(&draft.key, bytes);
                    }
                    return;
                }
                if timeout {
                    self.tally.timeouts.queued(&draft.key.bot);
                    self.tally.admission.enter_anyway(&draft.key, bytes);
                }
                let (collector, caller) = collector.unzip();
                let event = self.store.enqueue(draft, millis, timeout);
                self.accepted(&event, timeout);
                if let Some(truth) = self.truths.get_mut(&event.id) {
                    truth.caller = caller;
                }
                self.tell(Control::Queued { event, bytes, at: self.now().at, collector });
            }
            Op::Settle(batch) => self.store_batch(batch),
            Op::SetAside(finishing) => {
                if self.chance(self.weather.refusals) {
                    return self
                        .tell(Control::Finished(finishing, Err(StoreError::Invalid("the disk is full".into()))));
                }
                if self.refuses() {
                    return self.tell(Control::Finished(finishing, Err(full())));
                }
                if let Some(row) = self.store.rows.get_mut(&finishing.event) {
                    row.aside = true;
                }
                self.over(finishing.event, Outcome::SetAside);
                self.tell(Control::Finished(finishing, Ok(())));
            }
            Op::CountDeath(event) => {
                if let Some(row) = self.store.rows.get_mut(&event) {
                    row.event.deaths += 1;
                }
            }
            Op::Barrier(after) => self.barrier(after),
        }
    }

    pub(super) fn tell(&mut self, control: Control) {
        self.later(Duration::ZERO, Happening::Tell(control));
    }

    /// The disk refuses something, or takes it; whether it refuses.
    fn refuses(&mut self) -> bool {
        let refused = self.store.full && self.rng.random_bool(0.7);
        if refused && !self.store.trouble {
            self.later(LOOK, Happening::Look);
        }
        self.store.trouble = refused;
        refused
    }

    /// What the store tries where nobody else does.
    pub(super) fn look(&mut self) {
        if self.store.trouble {
            self.store.trouble = false;
            self.refuses();
        }
    }

    fn store_batch(&mut self, batch: Batch) {
        let Batch { event, effects, end, .. } = batch;
        for effect in effects {
            let (number, says) = saying(&effect);
            let trouble = self.refuses();
            let refused = trouble || self.chance(self.weather.refusals);
            let stored = !refused && !self.store.effects.contains_key(&(event, number));
            if refused {
                self.store.unstored.insert(event, trouble);
            } else if stored {
                self.store.effects.insert((event, number), says);
            }
            if let Effect::FollowUp { asked: Some(asked), .. } = &effect {
                let result = if refused { Err("the disk is full".to_owned()) } else { Ok(()) };
                self.tell(Control::Answered(sent(*asked, result)));
            }
            match effect {
                Effect::Reply { copy: Some(payload), .. } if stored => self.tell(Control::Replied { event, payload }),
                Effect::Reply { .. } => {}
                Effect::FollowUp { draft, bytes, .. } if stored => {
                    let millis = self.now().millis;
                    let event = self.store.enqueue(draft, millis, false);
                    self.accepted(&event, false);
                    self.tell(Control::Queued { event, bytes, at: self.now().at, collector: None });
                }
                Effect::FollowUp { key, bytes, .. } => self.tally.admission.leave(&key, bytes),
            }
        }
        let Some((finishing, _)) = end else { return };
        if let Some(trouble) = self.store.unstored.remove(&event) {
            if let Some(truth) = self.truths.get_mut(&event) {
                (truth.again, truth.unstored) = (true, truth.unstored + 1);
                if truth.unstored > MOST_RUNS {
                    self.wrong(format!("event {event} runs again and again: nothing that it does can be stored"));
                }
            }
            return self.tell(Control::Finished(finishing, Err(StoreError::Unstored { event, trouble })));
        }
        if self.refuses() {
            if let Some(truth) = self.truths.get_mut(&event) {
                truth.ends_refused += 1;
            }
            return self.tell(Control::Finished(finishing, Err(full())));
        }
        let refusals = self.store.refusals.entry(event).or_default();
        if *refusals < 3 && !self.calm && self.weather.refusals > 0.0 && self.rng.random_bool(self.weather.refusals) {
            *refusals += 1;
            return self.tell(Control::Finished(finishing, Err(StoreError::Invalid("the disk is full".into()))));
        }
        if self.store.rows.remove(&event).is_none() {
            self.wrong(format!("event {event} ends twice"));
        }
        self.over(event, if finishing.body.is_some() { Outcome::Done } else { Outcome::Ended });
        self.tell(Control::Finished(finishing, Ok(())));
    }

    fn accepted(&mut self, event: &crate::model::QueuedEvent, timeout: bool) {
        #[derive(serde::Deserialize)]
        struct Body {
            payload: Payload,
        }
        #[derive(serde::Deserialize)]
        struct Payload {
            plan: usize,
        }
        let body: Body = serde_json::from_str(&event.body).unwrap();
        let truth = Truth {
            key: event.key.clone(),
            plan: Arc::clone(&self.plans[body.payload.plan]),
            runs: 0,
            realm: None,
            left: None,
            sent_with: None,
            deaths: 0,
            counted: 0,
            too_large: false,
            guilty: false,
            again: false,
            unstored: 0,
            ends_refused: 0,
            outcome: None,
            last: None,
            caller: None,
            since: self.time,
            timeout,
            depth: event.depth,
            passed: 0,
        };
        if event.depth > self.tally.settings.dispatch.follow_up_depth {
            self.wrong(format!("{} events in a row have led to event {}", event.depth, event.id));
        }
        self.note(|| format!("event {} is accepted: {:?}", event.id, truth.plan));
        self.truths.insert(event.id, truth);
        self.open += 1;
        self.waiting.insert(event.id);
    }

    /// The end of an event is stored.
    fn over(&mut self, event: EventId, outcome: Outcome) {
        self.note(|| format!("event {event} is over: {outcome:?}"));
        let Some(truth) = self.truths.get_mut(&event) else { return };
        self.open -= 1;
        if let Some(before) = truth.outcome.replace(outcome) {
            return self.wrong(format!("event {event} ends twice: {before:?}, {outcome:?}"));
        }
        let truth = &self.truths[&event];
        if outcome == Outcome::Done {
            let missing = |(number, step): &(u32, &Step)| {
                let sends = truth.depth < self.tally.settings.dispatch.follow_up_depth;
                let kept = !matches!(step, Step::Send(key, _) if key.bot != truth.key.bot || !sends);
                kept && !self.store.effects.contains_key(&(event, *number))
            };
            let missing = truth.plan.effects().find(missing).map(|(number, _)| number);
            if let Some(missing) = missing {
                self.wrong(format!("event {event} is done without its effect {missing}"));
            }
        }
    }
}
