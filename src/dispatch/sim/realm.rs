//! Realms that run scripts of the simulator.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use serde_json::value::RawValue;

use super::fleet::{Life, Output};
use super::plan::{Plan, Step, Trouble};
use super::world::{Happening, World};
use crate::fleet::{Fetch, Message, ProcessId};
use crate::model::{ConversationKey, EventId};
use crate::protocol::{Compiled, Effect, LogLine, Processed, Settled, Unfit};

/// What a realm is given to do.
pub(super) struct Work {
    pub(super) dispatch: u64,
    /// Nothing where it is hooks.
    pub(super) event: Option<EventId>,
    pub(super) key: Option<ConversationKey>,
    pub(super) plan: Arc<Plan>,
    /// How often the event was given to a realm, this time included.
    pub(super) run: u32,
    /// Where it is, and how many effects it has made.
    pub(super) at: usize,
    pub(super) number: u32,
    pub(super) processed: bool,
    /// The request that it waits for, and how many there were.
    pub(super) waits: Option<u32>,
    pub(super) requests: u32,
    /// Answers that it has taken in, and whether it has not waited since the last one.
    pub(super) answers: u32,
    pub(super) woken: bool,
    /// Hooks that stand, or are done at once.
    pub(super) stands: bool,
}

/// What is left of an event that goes on in another realm.
pub(super) fn left(at: usize, number: u32) -> Bytes {
    format!("{at} {number}").into()
}

/// The reverse.
pub(super) fn resumed(left: &[u8]) -> (usize, u32) {
    let text = std::str::from_utf8(left).unwrap();
    text.split_once(' ').map_or((0, 0), |(at, number)| (at.parse().unwrap(), number.parse().unwrap()))
}

impl World {
    pub(super) fn begin_work(&mut self, id: ProcessId, work: Box<Work>) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.work = Some(work);
        process.epoch += 1;
        self.go(id);
    }

    fn go(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get(&id) {
            let epoch = process.epoch;
            self.later(Duration::ZERO, Happening::Go(id, epoch));
        }
    }

    /// Goes on after a while in which it computes or sleeps.
    fn go_after(&mut self, id: ProcessId, pause: Duration, computes: bool) {
        let time = self.time;
        let Some(process) = self.processes.get_mut(&id) else { return };
        if computes {
            (process.computing, process.slice) = (Some(time), process.slice + 1);
        }
        let epoch = process.epoch;
        self.later(pause, Happening::Go(id, epoch));
    }

    pub(super) fn go_on(&mut self, id: ProcessId, epoch: u64) {
        let time = self.time;
        let Some(process) = self.processes.get_mut(&id) else { return };
        if process.epoch != epoch || process.life != Life::Alive || process.stuck {
            return;
        }
        if let Some(since) = process.computing.take() {
            process.used += time - since;
        }
        let Some(mut work) = process.work.take() else { return };
        let goes_on = self.advance(id, &mut work);
        if let Some(process) = self.processes.get_mut(&id)
            && process.life == Life::Alive
            && goes_on
        {
            process.work = Some(work);
        }
        self.take_next(id);
    }

    /// Does one thing; `false` where the work is over, or the process.
    fn advance(&mut self, id: ProcessId, work: &mut Work) -> bool {
        if work.event.is_none() {
            return self.hook(id, work);
        }
        if let Some((at, trouble, runs)) = work.plan.trouble
            && at == work.at
            && work.run <= runs
            && let Some(goes_on) = self.trouble(id, work, trouble)
        {
            return goes_on;
        }
        let (steps, plan) = (work.plan.steps.len(), Arc::clone(&work.plan));
        if work.at < steps {
            work.at += 1;
            self.do_step(id, work, &plan.steps[work.at - 1]);
            return true;
        }
        if !work.processed {
            work.processed = true;
            work.at += 1;
            let settled = plan.floating.is_empty();
            self.processed(id, work.dispatch, settled);
            if let Some(truth) = work.event.and_then(|event| self.truths.get_mut(&event)) {
                truth.realm = None;
            }
            if settled {
                return self.done(id, work, plan.unfit);
            }
            self.go(id);
            return true;
        }
        if let Some(step) = plan.floating.get(work.at - steps - 1) {
            work.at += 1;
            self.do_step(id, work, step);
            return true;
        }
        self.say(id, Message::Settled { dispatch: work.dispatch, settled: Settled::default() });
        self.done(id, work, plan.unfit)
    }

    fn processed(&mut self, id: ProcessId, dispatch: u64, settled: bool) {
        let processed = Processed { settled, ..Processed::default() };
        let body = Bytes::from(serde_json::to_vec(&processed).unwrap());
        let loan = self.loan();
        self.say(id, Message::Processed { dispatch, body, processed: Box::new(processed), loan });
    }

    /// The realm is free, and ends if it must not go on.
    fn done(&mut self, id: ProcessId, work: &Work, unfit: Option<Unfit>) -> bool {
        self.say(id, Message::Free { dispatch: work.dispatch, unfit });
        if unfit.is_some() {
            self.begin_no_more(id);
        }
        if unfit.is_some() && work.plan.lingers {
            if let Some(process) = self.processes.get_mut(&id) {
                process.stuck = true;
            }
        } else if unfit.is_some() {
            self.die(id, "exit status: 0");
        } else if work.plan.dies_idle {
            if let Some(process) = self.processes.get_mut(&id) {
                process.tainted = true;
            }
            self.die(id, "signal: 6");
        }
        false
    }

    fn do_step(&mut self, id: ProcessId, work: &mut Work, step: &Step) {
        let dispatch = work.dispatch;
        match step {
            Step::Reply => {
                let text = format!("{{\"text\":\"{} {}\"}}", work.event.unwrap(), work.number);
                self.effect(id, work, work.key.clone().unwrap(), "outgoing", text);
            }
            Step::Send(key, plan) => {
                work.requests += 1;
                work.waits = Some(work.requests);
                self.effect(id, work, key.clone(), "incoming", format!("{{\"plan\":{plan}}}"));
                return self.waits(id, work);
            }
            Step::Compute(pause) => return self.go_after(id, *pause, true),
            Step::Sleep(pause) => {
                self.waits(id, work);
                return self.go_after(id, *pause, false);
            }
            Step::Ask => {
                work.requests += 1;
                work.waits = Some(work.requests);
                let (args, loan) = (RawValue::from_string("[]".into()).unwrap(), self.loan());
                let (number, method) = (work.requests, "kvs.get".to_owned());
                self.say(id, Message::Request { dispatch, number, method, args, loan });
                return self.waits(id, work);
            }
            Step::Fetch { abandons } => {
                work.requests += 1;
                let (number, head) = (work.requests, RawValue::from_string("{}".into()).unwrap());
                let loan = self.loan();
                self.say(id, Message::Fetch(Fetch { dispatch, number, head, body: Bytes::new(), loan }));
                if !abandons {
                    work.waits = Some(number);
                    return self.waits(id, work);
                }
                self.say(id, Message::Abandon { dispatch, number });
            }
            Step::Acting(begins) => self.say(id, Message::Acting { dispatch, begins: *begins }),
            Step::Log => self.say(id, Message::Log { dispatch, line: Box::new(LogLine::default()) }),
        }
        self.go(id);
    }

    /// It computes no more until it is answered, or until a while is over.
    fn waits(&mut self, id: ProcessId, work: &mut Work) {
        work.woken = false;
        self.say(id, Message::Waiting { dispatch: work.dispatch, answers: work.answers });
    }

    fn effect(&mut self, id: ProcessId, work: &mut Work, key: ConversationKey, direction: &str, payload: String) {
        let effect = Effect {
            id: EventId(1),
            direction: direction.into(),
            kind: "text".into(),
            channel: key.channel.to_string(),
            target: key.target.to_string(),
            bot_id: key.bot.to_string(),
            thread_id: None,
            payload: RawValue::from_string(payload).unwrap(),
            preview: None,
            nlu: None,
            suggestions: None,
            incoming_event_id: None,
            ask: (direction == "incoming").then_some(work.requests),
        };
        let (dispatch, number, loan) = (work.dispatch, work.number, self.loan());
        work.number += 1;
        self.say(id, Message::Effect { dispatch, number, effect: Ok(Box::new(effect)), loan });
    }

    /// Something goes wrong; nothing where it cannot here, and whether the work goes on.
    fn trouble(&mut self, id: ProcessId, work: &mut Work, trouble: Trouble) -> Option<bool> {
        let (dispatch, event) = (work.dispatch, work.event.unwrap());
        self.note(|| format!("event {event} in realm {id}: {trouble:?}"));
        let truth = self.truths.get_mut(&event)?;
        let guilty = matches!(trouble, Trouble::Hang | Trouble::Dawdle | Trouble::Breach(_) | Trouble::Fat(_));
        truth.guilty |= guilty && !work.processed;
        match trouble {
            Trouble::Crash => self.die_of_itself(id, work, "signal: 6"),
            Trouble::Killed => self.die_of_itself(id, work, "signal: 9"),
            Trouble::Hang => {
                self.go_after(id, Duration::from_secs(100_000), true);
                return Some(true);
            }
            Trouble::Dawdle => {
                self.waits(id, work);
                return Some(true);
            }
            Trouble::Breach(kind) => {
                self.breach(id, work, kind);
                self.waits(id, work);
                return Some(true);
            }
            Trouble::Limit => {
                if work.processed {
                    return None;
                }
                let left = left(work.at, work.number);
                (truth.left, truth.again, truth.realm) = (Some(left.clone()), true, None);
                self.say(id, Message::Resume { dispatch, left });
                return Some(self.done(id, work, Some(Unfit::Limit)));
            }
            Trouble::Close => {
                self.die_of_itself(id, work, "");
                return Some(true);
            }
            Trouble::Fat(killed) => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.memory = 100 << 20;
                    process.fat_of = Some(event).filter(|_| !work.processed);
                }
                if killed {
                    self.die_of_itself(id, work, "signal: 9");
                    return Some(false);
                }
                self.waits(id, work);
                return Some(true);
            }
        }
        Some(false)
    }

    /// Its realm dies, or closes its socket and lives on: nobody but itself is to blame.
    fn die_of_itself(&mut self, id: ProcessId, work: &Work, how: &'static str) {
        if let Some(truth) = work.event.and_then(|event| self.truths.get_mut(&event))
            && !work.processed
        {
            match how {
                "signal: 9" => truth.since = self.time,
                _ => truth.deaths += 1,
            }
            if !how.is_empty() {
                (truth.again, truth.realm) = (true, None);
            }
        }
        if how.is_empty() {
            self.drop_socket(id);
        } else {
            self.die(id, how);
        }
    }

    /// It says what it must not.
    fn breach(&mut self, id: ProcessId, work: &Work, kind: u32) {
        let dispatch = work.dispatch;
        let other = self.processes.keys().copied().nth(self.rng.random_range(0..self.processes.len())).unwrap();
        if let Some(process) = self.processes.get_mut(&id) {
            process.tainted = true;
        }
        match kind {
            0 => self.utter(id, Output::Garbage),
            1 => self.say(id, Message::Loaded),
            2 => self.processed(id, dispatch + 1, true),
            3 => self.say(id, Message::Forked { child: other, result: Ok(1) }),
            4 => self.say(id, Message::Free { dispatch: dispatch + 1, unfit: None }),
            5 if !work.processed => self.say(id, Message::Free { dispatch, unfit: None }),
            6 if !work.processed => self.say(id, Message::Settled { dispatch, settled: Settled::default() }),
            7 => self.say(id, Message::Compiled(Compiled::default())),
            8 => self.say(id, Message::Reaped { child: other, how: "signal: 6".into(), grew: 1 << 40 }),
            _ => self.processed(id, dispatch + 1, false),
        }
    }

    fn hook(&mut self, id: ProcessId, work: &mut Work) -> bool {
        let dispatch = work.dispatch;
        if self.chance(0.1) {
            self.die(id, "signal: 6");
            return false;
        }
        if !work.processed {
            work.processed = true;
            self.processed(id, dispatch, !work.stands);
            if !work.stands {
                return self.done(id, work, Some(Unfit::Single));
            }
            self.waits(id, work);
            let pause = Duration::from_millis(self.rng.random_range(1..5_000));
            self.go_after(id, pause, false);
            return true;
        }
        if self.chance(0.3) {
            let settled = Settled { ended: true, ..Settled::default() };
            self.say(id, Message::Settled { dispatch, settled });
            return self.done(id, work, Some(Unfit::Limit));
        }
        true
    }

    pub(super) fn answered(&mut self, id: ProcessId, dispatch: u64, number: u32) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(work) = process.work.as_mut().filter(|work| work.dispatch == dispatch) else { return };
        work.answers += 1;
        if work.waits == Some(number) {
            (work.waits, work.woken) = (None, true);
            self.go(id);
        }
    }

    /// Only hooks are told to end.
    pub(super) fn cancelled(&mut self, id: ProcessId, dispatch: u64) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if let Some(work) = process.work.take_if(|work| work.dispatch == dispatch && work.event.is_none()) {
            if work.processed {
                self.say(id, Message::Settled { dispatch, settled: Settled::default() });
            } else {
                self.processed(id, dispatch, true);
            }
            self.done(id, &work, Some(Unfit::Single));
            self.take_next(id);
        }
    }
}
