//! What must hold: when an event is sent to a realm, when something of it is given to the store and stored, after each step,
//! and when all is quiet.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot::error::TryRecvError;

use super::super::action::{Batch, Control};
use super::super::outcome::{FINISH_TRIES, Finishing, MOST_RUNS};
use super::super::standing::KINDS;
use super::super::work::Work as Given;
use super::super::{AcceptError, ConverseError};
use super::fleet::{Life, Process};
use super::plan::{Plan, Step};
use super::realm::{Work, resumed};
use super::store::{Op, saying};
use super::world::{BOTS, World};
use crate::fleet::ProcessId;
use crate::model::{ConversationKey, EventId};
use crate::protocol::{Frame, FrameKind, WorkHead};

/// As many events may be sent to realms before one of the calm bot that could run is: its bot takes turns with two others, of
/// 2 ms each, and it with three users.
const MOST_PASSED: u32 = 120;

impl World {
    /// The machine sends a frame.
    pub(super) fn send(&mut self, realm: ProcessId, frame: Frame) {
        let dispatch = frame.dispatch;
        match frame.kind {
            FrameKind::Dispatch => {
                let Some(flight) = self.machine.flights.get(&dispatch) else { return };
                let (head, _) = WorkHead::read(frame.body).unwrap();
                let work = match &flight.work {
                    Given::Event(run) => {
                        let event = run.event.id;
                        self.sent(event, realm, &head.resume)
                    }
                    Given::Hooks(run) => hooks(KINDS.contains(&run.kind)),
                };
                if self.processes.get(&realm).is_some_and(|process| process.begins_no_more) {
                    // It has said so, though not everybody has heard it.
                    return work.event.map_or((), |event| self.unsend(event));
                }
                let lives = |id| self.processes.get(&id).is_some_and(|process| process.hears());
                let work = Box::new(Work { dispatch, ..work });
                if lives(realm) {
                    self.input(realm, super::fleet::Input::Work(work, frame.number as u16))
                } else if let Some(event) = work.event {
                    self.unsend(event);
                }
            }
            FrameKind::Cancel => self.input(realm, super::fleet::Input::Cancel(dispatch)),
            _ => self.input(realm, super::fleet::Input::Answer(dispatch, frame.number)),
        }
    }

    /// An event is sent to a realm.
    fn sent(&mut self, event: EventId, realm: ProcessId, resume: &Bytes) -> Work {
        self.note(|| format!("event {event} is sent to realm {realm}"));
        let Some(truth) = self.truths.get(&event) else {
            self.wrong(format!("event {event} runs, which nobody accepted"));
            return hooks(false);
        };
        let before = self.truths.range(..event).find(|(_, other)| other.key == truth.key && other.outcome.is_none());
        let mut faults = Vec::new();
        if let Some((before, _)) = before {
            faults.push(format!("event {event} runs before {before} is over, of the same conversation"));
        }
        if let Some(other) = truth.realm {
            faults.push(format!("event {event} runs in realm {realm} while it runs in {other}"));
        }
        if let Some(outcome) = truth.outcome {
            faults.push(format!("event {event} runs though it is over: {outcome:?}"));
        }
        if truth.too_large {
            faults.push(format!("event {event} runs again though its realm held too much"));
        }
        if truth.runs > 0 && !truth.again {
            faults.push(format!("event {event} runs again for no reason"));
        }
        if truth.left.as_deref().unwrap_or_default() != &**resume {
            faults.push(format!("event {event} goes on with {resume:?}, its last realm left {:?}", truth.left));
        }
        for fault in faults {
            self.wrong(fault);
        }
        self.pass(event);
        let Some(truth) = self.truths.get_mut(&event) else { return hooks(false) };
        truth.runs += 1;
        truth.sent_with = truth.left.take();
        (truth.realm, truth.again, truth.last) = (Some(realm), false, None);
        let (at, number) = resumed(resume);
        let (plan, key) = (Arc::clone(&truth.plan), Some(truth.key.clone()));
        Work { event: Some(event), key, plan, run: truth.runs, at, number, ..hooks(false) }
    }

    /// Others are not sent for ever before those of a calm bot.
    fn pass(&mut self, event: EventId) {
        let stable = self.weather.faults == 0.0 && self.weather.upheavals == 0.0;
        let (mut late, mut seen) = (None, Vec::new());
        for (id, truth) in self.truths.iter_mut().filter(|(_, truth)| truth.outcome.is_none()) {
            if truth.key.bot.as_str() != BOTS[0] || seen.contains(&truth.key) {
                continue;
            }
            // The first of its conversation that is not over.
            seen.push(truth.key.clone());
            if *id != event && truth.runs == 0 {
                truth.passed += 1;
                late = late.or((truth.passed > MOST_PASSED).then_some(*id));
            }
        }
        if let Some(late) = late.filter(|_| stable) {
            self.wrong(format!("event {late} of a calm bot does not get its turn"));
        }
    }

    /// What an event begins with is to be read.
    pub(super) fn check_room(&mut self, event: EventId) {
        if self.store.trouble && self.truths.get(&event).is_some_and(|truth| truth.unstored > 0) {
            self.wrong(format!("event {event} runs again while nothing can be stored"));
        }
    }

    /// An event was taken back before its realm had begun with it.
    pub(super) fn unsend(&mut self, event: EventId) {
        if let Some(truth) = self.truths.get_mut(&event) {
            (truth.realm, truth.again, truth.runs) = (None, true, truth.runs - 1);
            truth.left = truth.sent_with.take();
        }
    }

    /// The machine gives the store what an event did.
    pub(super) fn settle(&mut self, batch: Batch) {
        let event = batch.event;
        let mut faults = Vec::new();
        if let Some(truth) = self.truths.get_mut(&event) {
            for effect in &batch.effects {
                let (number, says) = saying(effect);
                if truth.last.is_some_and(|last| last >= number) {
                    faults.push(format!("effect {number} of event {event} comes after {:?}", truth.last));
                }
                truth.last = Some(number);
                let expected = expected(event, &truth.key, &truth.plan, number);
                if expected.as_deref() != Some(&says) {
                    faults.push(format!("effect {number} of event {event} says {says}, not {expected:?}"));
                }
            }
        }
        for fault in faults {
            self.wrong(fault);
        }
        self.give(Op::Settle(batch));
    }

    /// The machine ends an event, or sets it aside.
    pub(super) fn end(&mut self, finishing: Finishing) {
        let event = finishing.event;
        let overdue = self.tally.settings.scripts.event_waiting;
        if let Some(truth) = self.truths.get(&event) {
            let late = self.time > truth.since + Duration::from_millis(overdue);
            let overtaken = truth.timeout && event.0.is_multiple_of(2);
            let full = truth.unstored >= MOST_RUNS || truth.ends_refused > FINISH_TRIES;
            let fair = match &finishing.aside {
                None => truth.guilty || late || overtaken,
                // However often others have killed it.
                Some(_) => truth.guilty || truth.deaths >= 2 || full,
            };
            if !fair {
                self.wrong(format!("event {event} is ended, innocent as it is: {:?}", finishing.aside));
            }
        }
        if finishing.aside.is_some() {
            self.give(Op::SetAside(finishing));
        } else {
            let (bot, end) = (Some(finishing.queued.key.bot.clone()), Some((finishing, None)));
            self.give(Op::Settle(Batch { event, bot, hook: None, effects: Vec::new(), end }));
        }
    }

    pub(super) fn count_death(&mut self, event: EventId) {
        if let Some(truth) = self.truths.get_mut(&event) {
            truth.counted += 1;
            if truth.counted > truth.deaths && !truth.guilty {
                self.wrong(format!("a death is counted for event {event}, of which it is innocent"));
            }
        }
        self.give(Op::CountDeath(event));
    }

    /// After each step.
    pub(super) fn check(&mut self) {
        if let Err(why) = self.machine.fleet.audit() {
            self.wrong(why);
        }
        let machine = &self.machine;
        let knows = |realm, id| machine.lines.get(&realm).is_some_and(|line| line.has(id));
        let lost = machine.flights.iter().find(|(id, flight)| !knows(flight.realm, **id));
        let lost = lost.map(|(id, flight)| format!("dispatch {id} has realm {}, which does not know it", flight.realm));
        let events = machine.flights.values().filter(|flight| matches!(flight.work, Given::Event(_))).count();
        let stuck = machine.stuck.iter().filter(|stuck| matches!(stuck, Control::Retry(_))).count();
        let (counted, is) = (machine.turns.in_flight(), events + machine.again.len() + self.retries + stuck);
        if let Some(lost) = lost {
            self.wrong(lost);
        }
        if counted != is {
            self.wrong(format!("{counted} events are counted in flight, there are {is}"));
        }
        let hangs = self.processes.iter().find(|(_, process)| process.hangs(self.time)).map(|(id, _)| *id);
        if let Some(realm) = hangs {
            self.wrong(format!("realm {realm} computes for ever and is not killed"));
        }
        let asleep = |id| self.machine.fleet.is_asleep(id);
        let overlooked = self.processes.iter().find(|(id, process)| process.computes_on_an_answer() && asleep(**id));
        if let Some(realm) = overlooked.map(|(id, _)| *id) {
            self.wrong(format!("realm {realm} computes on an answer and counts as waiting"));
        }
        let waiting: Vec<EventId> = self.waiting.iter().copied().collect();
        for event in waiting {
            self.check_caller(event);
        }
    }

    fn check_caller(&mut self, event: EventId) {
        let Some(truth) = self.truths.get_mut(&event) else { return };
        let Some(caller) = &mut truth.caller else {
            self.waiting.remove(&event);
            return;
        };
        let answer = match caller.try_recv() {
            Err(TryRecvError::Empty) => return,
            answer => answer,
        };
        truth.caller = None;
        self.waiting.remove(&event);
        let over = self.truths[&event].outcome.is_some();
        match answer {
            Ok(Ok(conversed)) => {
                let said: Vec<&str> = conversed.responses.iter().map(|raw| raw.get()).collect();
                let stored = self.store.effects.range((event, 0)..=(event, u32::MAX));
                let mut stored: Vec<&str> = stored
                    .filter_map(|(_, says)| says.split_once(" {\"text\"").map(|(key, _)| &says[key.len() + 1..]))
                    .collect();
                let mut sorted = said.clone();
                if self.weather.refusals > 0.0 {
                    // What was refused comes later than what follows it.
                    sorted.sort_unstable();
                    stored.sort_unstable();
                }
                if sorted != stored || !over {
                    let why =
                        format!("who asked with event {event} is told {said:?}, stored are {stored:?}, over: {over}");
                    self.wrong(why);
                }
            }
            Ok(Err(ConverseError::Accept(AcceptError::Stopping))) if self.machine.stop.is_some() => {}
            other => self.wrong(format!("who asked with event {event} is told {:?}", other.map(|_| "an error"))),
        }
    }

    /// Dead children of a zygote that lives, which nobody has buried.
    pub(super) fn zombies(&self) -> Vec<ProcessId> {
        let lives = |id: &ProcessId| self.processes.get(id).is_some_and(Process::lives);
        let zombie = |process: &Process| matches!(process.life, Life::Dead(_)) && process.become_.is_some();
        let all = self.processes.iter().filter(|(_, process)| zombie(process) && lives(&process.parent));
        all.map(|(id, _)| *id).collect()
    }

    /// Nothing is left to be done.
    pub(super) fn check_end(&mut self) {
        let mut faults = Vec::new();
        let machine = &self.machine;
        let stands = |work: &Given| matches!(work, Given::Hooks(run) if KINDS.contains(&run.kind));
        for flight in machine.flights.values().filter(|flight| !stands(&flight.work)) {
            faults.push(format!("realm {} still has work: {:?}", flight.realm, flight.event()));
        }
        if machine.turns.waiting() > 0 || machine.again.len() > 0 || !machine.stuck.is_empty() {
            faults.push("events still wait".into());
        }
        if !self.tally.timeouts.is_empty() {
            faults.push("time-outs still count as queued".into());
        }
        if !self.tally.admission.is_empty() {
            faults.push("something still counts among what waits".into());
        }
        let busy = machine.fleet.busy();
        if let Some(realm) = busy.iter().find(|realm| machine.lines.get(realm).is_none_or(|line| line.head().is_none()))
        {
            faults.push(format!("realm {realm} is busy with nothing"));
        }
        let given: usize = machine.lines.values().map(|line| line.len()).sum();
        if given != machine.flights.len() {
            faults.push(format!("realms were given {given} dispatches, there are {}", machine.flights.len()));
        }
        if machine.fleet.realms() > machine.flights.len() {
            faults.push(format!("{} realms are kept for {}", machine.fleet.realms(), machine.flights.len()));
        }
        if machine.fleet.running() > 0 {
            faults.push(format!("{} realms run", machine.fleet.running()));
        }
        for post in machine.standing.keys() {
            let runs = |work: &Given| matches!(work, Given::Hooks(run) if run.post() == *post);
            if !machine.flights.values().any(|flight| runs(&flight.work)) {
                faults.push(format!("{post:?} does not stand"));
            }
        }
        if let Some(zombie) = self.zombies().first() {
            faults.push(format!("process {zombie} is dead and not buried"));
        }
        let known = machine.fleet.processes();
        if let Some((lost, _)) = self.processes.iter().find(|(id, process)| process.lives() && !known.contains(id)) {
            faults.push(format!("process {lost} lives on, and nobody knows it"));
        }
        if self.compiles.iter_mut().any(|answer| answer.try_recv().is_err_and(|error| error == TryRecvError::Empty)) {
            faults.push("a candidate is not compiled".into());
        }
        if self.hooks.iter_mut().any(|answer| answer.try_recv().is_err_and(|error| error == TryRecvError::Empty)) {
            faults.push("who asked for hooks is not answered".into());
        }
        if let Some((event, _)) = self.truths.iter().find(|(_, truth)| truth.caller.is_some()) {
            faults.push(format!("who asked with event {event} is not answered"));
        }
        for fault in faults {
            self.wrong(fault);
        }
    }
}

/// Work of hooks.
fn hooks(stands: bool) -> Work {
    Work {
        dispatch: 0,
        event: None,
        key: None,
        plan: Arc::default(),
        run: 0,
        at: 0,
        number: 0,
        processed: false,
        waits: None,
        requests: 0,
        answers: 0,
        woken: false,
        stands,
    }
}

/// What an effect of an event must say.
fn expected(event: EventId, key: &ConversationKey, plan: &Plan, number: u32) -> Option<String> {
    let steps = plan.steps.iter().chain(&plan.floating);
    let mut effects = steps.filter(|step| matches!(step, Step::Reply | Step::Send(..)));
    Some(match effects.nth(number as usize)? {
        Step::Send(to, plan) => format!("{to:?} {{\"plan\":{plan}}}"),
        _ => format!("{key:?} {{\"text\":\"{event} {number}\"}}"),
    })
}
