//! An event's way: a realm is reserved, what it begins with is read, it is sent; then what the realm says of it, to its end.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::action::{Action, After, Batch, Control};
use super::super::outcome::{FINISH_TRIES, Finishing, MOST_RUNS, payload_of, trace_of};
use super::super::stats::count;
use super::super::work::{Flight, QueuedRun, Work};
use super::{Machine, Now};
use crate::fleet::broken::{Rule, is_broken};
use crate::fleet::{Loan, Placement, ProcessId};
use crate::model::{BotId, EventId, StateChange};
use crate::protocol::{DispatchKind, Frame, FrameKind, LogLine, Processed, Settled, Unfit, WorkHead, event_work};
use crate::store::{Begun, StoreError};
use serde_json::value::RawValue;

/// How long an event waits when its state cannot be read.
const READ_PAUSE: Duration = Duration::from_millis(500);
/// So often it is tried again, before the event is set aside.
const READ_TRIES: u32 = 4;
/// How long it waits at first where something that it did could not be stored.
const STORE_PAUSE: Duration = Duration::from_millis(100);
/// The same where the disk or the database is at fault: a disk that is nearly full takes what is small, and is given time.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// How often an event may go on in another realm after a limit: each had to compute for a second, of ten in all.
const MOST_REALMS: u32 = 12;

/// A state without what is larger than it may be, and what is said of that. Each event of the user would begin with it.
fn within(state: StateChange, most: u64) -> (StateChange, Option<String>) {
    let parts = [&state.session, &state.temp, &state.context];
    let bytes: usize = parts.into_iter().flatten().map(|part| part.get().len()).sum();
    if bytes as u64 <= most {
        return (state, None);
    }
    let why = format!(
        "session, temp and context have {bytes} bytes together, at most {most} are stored (`dialog.maxState`): what the \
         event has changed of them is lost"
    );
    (StateChange { user: state.user, ..StateChange::default() }, Some(why))
}

impl Machine {
    /// An event's turn has come, and its bot has a realm for it: what it begins with is read meanwhile.
    pub(super) fn reserve(&mut self, now: Now, run: QueuedRun, place: Placement) {
        // What its scripts do elsewhere, a payment for example, they would do again for nothing.
        if run.unstored > 0 && !self.stores {
            return self.stuck.push(Control::Retry(run));
        }
        let until = run.begun.unwrap_or(now.at) + Duration::from_millis(self.tally.settings.scripts.event_waiting);
        let realm = match place {
            Placement::Behind(realm) => Some(realm),
            Placement::Own => self.fleet.run(now.at, &run.event.key.bot.shared(), Some(until)),
        };
        let Some(realm) = realm else { return self.again.push_front(run) };
        self.fleet.opens(realm);
        let event = run.event.clone();
        let dispatch = self.give(now, realm, Work::Event(run));
        self.actions.push(Action::Begin { dispatch, event });
    }

    /// A realm is to have that work: its number.
    pub(super) fn give(&mut self, now: Now, realm: ProcessId, work: Work) -> u64 {
        let dispatch = self.new_dispatch();
        let flight = Flight::new(work, realm, now.at, self.tally.settings.scripts.requests);
        self.flights.insert(dispatch, flight);
        let line = self.lines.entry(realm).or_default();
        line.push(dispatch);
        self.fleet.set_ahead(realm, line.len() - 1);
        dispatch
    }

    /// What an event begins with was read.
    pub(super) fn begun(&mut self, now: Now, dispatch: u64, begun: Result<Begun, StoreError>) {
        let Some(flight) = self.flights.get_mut(&dispatch) else { return };
        let Work::Event(run) = &mut flight.work else { return };
        let realm = flight.realm;
        let (text, state) = match begun {
            Ok(Begun::Ready(text, state)) => (text, state),
            other => return self.not_begun(now, dispatch, other.map(|begun| matches!(begun, Begun::Overtaken))),
        };
        let resume = std::mem::take(&mut run.resume);
        flight.resume.clone_from(&resume);
        let mut body = BytesMut::with_capacity(512 + text.len() + state.session.len() + state.user.len());
        let kind = if run.event.timeout { DispatchKind::Timeout } else { DispatchKind::Event };
        WorkHead::write(kind, &resume, &mut body);
        event_work(&text, &state, &mut body);
        if let Some(members) = self.collectors.begins(run.event.id) {
            // Into the object that `event_work` has closed.
            body.truncate(body.len() - 1);
            body.put_slice(members);
        }
        if !self.tally.settings.production && run.payload.is_none() {
            run.payload = payload_of(&text);
        }
        self.send_work(now, realm, dispatch, body.freeze());
    }

    /// The realm is sent what it was given.
    pub(super) fn send_work(&mut self, now: Now, realm: ProcessId, dispatch: u64, body: Bytes) {
        let number = self.lines.get_mut(&realm).map_or(0, |line| line.send(dispatch)).into();
        self.begins(now, realm);
        self.actions.push(Action::Send(realm, Frame { kind: FrameKind::Dispatch, dispatch, number, body }));
    }

    /// There is nothing to run, or it cannot be read: the realm is free again.
    fn not_begun(&mut self, now: Now, dispatch: u64, overtaken: Result<bool, StoreError>) {
        let Some(Flight { work: Work::Event(mut run), realm, .. }) = self.flights.remove(&dispatch) else { return };
        self.leaves_line(now, realm, dispatch);
        let (id, bot) = (run.event.id, run.event.key.bot.clone());
        match overtaken {
            Ok(true) => {
                tracing::debug!("time-out {id} has nothing to do: the user wrote meanwhile");
                self.turns.left(&bot);
                let lifetimes = self.tally.timeouts.lifetimes(&bot);
                self.actions.push(Action::End(Finishing::of(&run, lifetimes)));
            }
            Ok(false) => {
                tracing::error!("event {id} is no longer in the queue; it does not run");
                if run.event.timeout {
                    self.tally.timeouts.over(&bot);
                }
                self.turns.left(&bot);
                self.turns.release(&run.event.key);
                self.collectors.settle(id);
            }
            // Nothing of it runs, and its conversation must go on.
            Err(error) if run.tries >= READ_TRIES && !error.is_trouble() => {
                self.turns.left(&bot);
                let lifetimes = self.tally.timeouts.lifetimes(&bot);
                self.set_aside(Finishing::of(&run, lifetimes), format!("it and its state cannot be read: {error}"));
            }
            Err(error) => {
                // Of what nobody can read or store the store says it itself, once.
                if !error.is_trouble() {
                    tracing::error!("event {id} and its state cannot be read, it is tried again: {error}");
                }
                run.tries += 1;
                self.actions.push(Action::Later(READ_PAUSE * run.tries.min(10), Control::Retry(run)));
            }
        }
    }

    pub(super) fn processed(
        &mut self,
        now: Now,
        dispatch: u64,
        body: Bytes,
        processed: Processed,
        loan: Loan,
    ) -> Result<(), String> {
        let traced = !self.tally.settings.production;
        let Some(flight) = self.flights.get_mut(&dispatch) else { return Ok(()) };
        if std::mem::replace(&mut flight.processed, true) {
            return Err("it said twice that an event is processed".to_owned());
        }
        let (settles, flight_realm) = (processed.settled, flight.realm);
        match &mut flight.work {
            Work::Hooks(_) => self.hooks_processed(dispatch, processed),
            Work::Event(run) => {
                let sent = flight.sent.unwrap_or(now.at);
                let trace = traced.then(|| trace_of(run, sent, now.at, processed.errors, None, processed.trace));
                let event = run.event.id;
                let lifetimes = self.tally.timeouts.lifetimes(&run.event.key.bot);
                let most = self.tally.settings.stored.state;
                let state = processed.state.map(|state| within(state, most));
                let (state, too_large) = state.map_or((None, None), |(state, why)| (Some(state), why));
                if let Some(message) = too_large {
                    let line = LogLine { level: "error".into(), message, ..LogLine::default() };
                    let bot = Some(run.event.key.bot.to_string());
                    self.actions.push(Action::Log(LogLine { bot, ..line }, Some(event)));
                }
                let finishing =
                    Finishing { body: Some(body), _loan: Some(loan), settles, ..Finishing::of(run, lifetimes) };
                if processed.event.is_some() {
                    self.collectors.ended(event, processed.event);
                }
                if is_broken(Rule::TurnAfterCommit) {
                    self.turns.release(&finishing.session.conversation);
                }
                if is_broken(Rule::CallersAreAnsweredLast) {
                    self.collectors.settle(event);
                }
                if is_broken(Rule::IdleRealmsOnly) {
                    self.fleet.free(now.at, flight_realm, None);
                }
                let bot = Some(finishing.queued.key.bot.clone());
                let batch = self.batch_of(event);
                (batch.bot, batch.end) = (bot, Some((finishing, state)));
                if let Some(trace) = trace {
                    // Whoever sees the trace finds the state among what the store was given before.
                    self.submit();
                    self.actions.push(Action::Trace(trace));
                }
            }
        }
        if settles {
            self.leave(dispatch);
        }
        Ok(())
    }

    pub(super) fn settled(&mut self, now: Now, dispatch: u64, settled: Settled) -> Result<(), String> {
        let Some(flight) = self.flights.get(&dispatch) else { return Ok(()) };
        if !flight.processed {
            return Err("it said that an event has settled before it was processed".to_owned());
        }
        if let Work::Event(run) = &flight.work {
            let (event, bot) = (run.event.id, run.event.key.bot.clone());
            if let Some(steps) = settled.trace.filter(|_| !self.tally.settings.production) {
                self.actions.push(Action::TraceLate(event, steps));
            }
            self.answer_when_committed(bot, event);
        }
        if let Some(Flight { work: Work::Hooks(run), since, .. }) = self.leave(dispatch)
            && settled.ended
            && !run.renew
            && let Some(pause) = self.standing_fell(&run, now.at.saturating_duration_since(since))
        {
            let (bot, kind) = (run.bot.as_ref().map(tracing::field::display), run.kind.folder());
            tracing::warn!(bot, "{kind} hooks were ended by a limit; they run again in {} s", pause.as_secs());
        }
        Ok(())
    }

    /// The realm has nothing more to do.
    pub(super) fn free(
        &mut self,
        now: Now,
        realm: ProcessId,
        dispatch: u64,
        unfit: Option<Unfit>,
    ) -> Result<(), String> {
        self.fleet.took(now.at, realm);
        match self.flights.get(&dispatch) {
            Some(flight) if flight.resumes => self.go_on_elsewhere(dispatch)?,
            Some(_) => return Err("it is free before its event is over".to_owned()),
            None => {}
        }
        let Some(unfit) = unfit else {
            self.leaves_line(now, realm, dispatch);
            return Ok(());
        };
        self.tally.counters.retired(unfit);
        self.give_up_line(realm);
        self.fleet.free(now.at, realm, Some(unfit));
        Ok(())
    }

    /// A script was stopped: the event goes on without it in another realm.
    pub(super) fn resume(&mut self, dispatch: u64, left: Bytes) -> Result<(), String> {
        let Some(flight) = self.flights.get_mut(&dispatch) else { return Ok(()) };
        if flight.processed || flight.resumes {
            return Err("an event that is processed does not go on".to_owned());
        }
        flight.resumes = true;
        let left = if is_broken(Rule::ResumeKeepsWhatWasLeft) { Bytes::new() } else { left };
        match &mut flight.work {
            Work::Event(run) => run.resume = left,
            Work::Hooks(run) => run.resume = left,
        }
        Ok(())
    }

    fn go_on_elsewhere(&mut self, dispatch: u64) -> Result<(), String> {
        if let Some(flight) = self.flights.get_mut(&dispatch) {
            let realms = match &mut flight.work {
                Work::Event(run) => &mut run.realms,
                Work::Hooks(run) => &mut run.realms,
            };
            *realms += 1;
            // It ends with this realm.
            if *realms > MOST_REALMS {
                return Err(format!("what goes on in more than {MOST_REALMS} realms"));
            }
        }
        self.actions.push(Action::EndCalls { dispatch, asked: false });
        match self.flights.remove(&dispatch).map(|flight| flight.work) {
            Some(Work::Event(_)) if is_broken(Rule::ResumedGoOn) => {}
            Some(Work::Event(run)) => self.again.push_back(run),
            Some(Work::Hooks(run)) => self.hooks.push_front(run),
            None => {}
        }
        Ok(())
    }

    /// Nothing of the dispatch is left but its realm, which says itself when it is free.
    pub(super) fn leave(&mut self, dispatch: u64) -> Option<Flight> {
        let flight = self.flights.remove(&dispatch)?;
        self.actions.push(Action::EndCalls { dispatch, asked: false });
        count(&self.tally.counters.settled);
        match &flight.work {
            Work::Event(run) => self.turns.left(&run.event.key.bot),
            Work::Hooks(run) if run.renew => self.run_standing(&run.post()),
            Work::Hooks(_) => {}
        }
        Some(flight)
    }

    /// Who waits for the event's replies is answered once all that was submitted so far is committed.
    pub(super) fn answer_when_committed(&mut self, bot: BotId, event: EventId) {
        if self.collectors.waits(event) {
            self.submit();
            self.actions.push(Action::AfterCommits(Some(bot), After::Answer(event)));
        }
    }

    pub(super) fn finished(&mut self, mut finishing: Finishing, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                count(&self.tally.counters.processed);
                self.processed += 1;
            }
            Err(StoreError::Unstored { event, trouble })
                if finishing.body.is_some() && finishing.unstored + 1 < MOST_RUNS =>
            {
                return self.run_again(event, &finishing, trouble);
            }
            Err(StoreError::Unstored { trouble: true, .. }) if finishing.body.is_some() => {
                let why = format!("what it does could not be stored, {MOST_RUNS} times");
                return self.set_aside(finishing, why);
            }
            Err(error) if finishing.tries < FINISH_TRIES && !matches!(error, StoreError::Closed) => {
                // The store says that it cannot store.
                if !error.is_trouble() {
                    tracing::error!(
                        "the end of event {} could not be stored, it is tried again: {error}",
                        finishing.event
                    );
                }
                finishing.tries += 1;
                let pause = Duration::from_millis(50 << finishing.tries);
                // It was parsed once already.
                let parse = |body: &Bytes| serde_json::from_slice::<Processed>(body).ok();
                let state = finishing.body.as_ref().and_then(parse).and_then(|processed| processed.state);
                let state = state.map(|state| within(state, self.tally.settings.stored.state).0);
                let again = match finishing.aside {
                    None => Control::FinishAgain(finishing, state),
                    Some(_) => Control::FinishAgain(finishing, None),
                };
                self.actions.push(Action::Later(pause, again));
                return;
            }
            Err(error) if error.is_trouble() && finishing.aside.is_none() => {
                return self.set_aside(finishing, format!("its end could not be stored: {error}"));
            }
            Err(error) => tracing::error!(
                "the end of event {} could not be stored; it runs again after the next start: {error}",
                finishing.event
            ),
        }
        self.over(&finishing);
    }

    /// Some of what the event did could not be stored: it keeps its turn and runs again soon, like one whose realm died; but
    /// not before anything can be stored.
    fn run_again(&mut self, event: EventId, finishing: &Finishing, trouble: bool) {
        let unstored = finishing.unstored + 1;
        let pause = if trouble { TROUBLE_PAUSE } else { STORE_PAUSE } * (1 << unstored);
        match (trouble, unstored) {
            (false, _) => tracing::error!(
                "some of what event {event} did could not be stored: it runs again in {} ms",
                pause.as_millis()
            ),
            (true, 1) => tracing::warn!(
                "event {event} waits until something can be stored and runs again then, {MOST_RUNS} times in all at most"
            ),
            (true, _) => {}
        }
        count(&self.tally.counters.run_again);
        let queued = finishing.queued.clone();
        self.turns.back(&queued.key.bot);
        let run = QueuedRun { unstored, ..QueuedRun::new(queued, 0, finishing.queued_at) };
        self.actions.push(Action::Later(pause, Control::Retry(run)));
    }

    /// The disk or the database takes other things and not what this event does, or its end: others do not wait for it for ever.
    fn set_aside(&mut self, finishing: Finishing, why: String) {
        count(&self.tally.counters.set_aside);
        tracing::error!(bot = %finishing.queued.key.bot, "event {} is set aside: {why}", finishing.event);
        self.actions.push(Action::End(Finishing { aside: Some(why), body: None, tries: 0, ..finishing }));
    }

    /// The turn of the event's conversation is free.
    pub(super) fn over(&mut self, finishing: &Finishing) {
        self.turns.release(&finishing.session.conversation);
        if finishing.timeout {
            self.tally.timeouts.over(&finishing.session.conversation.bot);
        }
        if !is_broken(Rule::CallersAreAnswered) {
            self.collectors.over(finishing.event, finishing.settles);
        }
    }

    /// A request or a call of a dispatch is answered.
    pub(super) fn answered(&mut self, now: Now, frame: Frame) {
        let Some(flight) = self.flights.get_mut(&frame.dispatch) else { return };
        flight.outstanding = flight.outstanding.saturating_sub(1);
        flight.answers = flight.answers.wrapping_add(1);
        count(&self.tally.counters.requests);
        let realm = flight.realm;
        self.fleet.woken(now.at, realm);
        self.actions.push(Action::Send(realm, frame));
    }

    /// A call of another server is not waited for any more.
    pub(in crate::dispatch) fn abandoned(&mut self, dispatch: u64) {
        if let Some(flight) = self.flights.get_mut(&dispatch) {
            flight.outstanding = flight.outstanding.saturating_sub(1);
        }
    }

    /// The batch of an event, to which its effects and its end are added.
    pub(super) fn batch_of(&mut self, event: EventId) -> &mut Batch {
        if self.batch.as_ref().is_some_and(|batch| batch.event != event || batch.end.is_some()) {
            self.submit();
        }
        self.batch.get_or_insert_with(|| Batch { event, bot: None, hook: None, effects: Vec::new(), end: None })
    }

    /// Gives the store what was gathered.
    pub(super) fn submit(&mut self) {
        if let Some(mut batch) = self.batch.take() {
            if is_broken(Rule::EffectsFirst) {
                let (event, bot, end) = (batch.event, batch.bot.clone(), batch.end.take());
                self.actions.push(Action::Settle(Batch { event, bot, hook: None, effects: Vec::new(), end }));
            }
            self.actions.push(Action::Settle(batch));
        }
    }

    /// The result of hooks, or of one hook.
    pub(super) fn result_of(processed: Processed) -> Box<RawValue> {
        processed.event.or(processed.trace).unwrap_or_else(|| RawValue::NULL.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_as_many_bytes_as_configured_and_what_is_lost_of_a_larger_one_is_said() {
        let state = |bytes: usize| {
            let json = format!(r#"{{"session":"{}","temp":{{}},"user":{{"a":1}}}}"#, "x".repeat(bytes - 4));
            serde_json::from_str::<StateChange>(&json).unwrap()
        };
        let (kept, said) = within(state(100), 100);
        assert!(kept.session.is_some() && kept.temp.is_some() && said.is_none());
        let (kept, said) = within(state(101), 100);
        assert!(kept.session.is_none() && kept.temp.is_none() && kept.user.is_some());
        assert_eq!(
            said.unwrap(),
            "session, temp and context have 101 bytes together, at most 100 are stored (`dialog.maxState`): what the event \
             has changed of them is lost"
        );
    }
}
