//! Drives the dispatcher's state machine: hands it what comes, and does what it wants done. One thread with a runtime of its
//! own, on which the sockets of all processes are read as well, so that most of an event's way wakes nobody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::action::{Action, After, Asked, Batch, Control, Effect};
use super::errors::DispatchError;
use super::fetches::{self, Fetches};
use super::machine::follow_ups::sent;
use super::machine::{Machine, Now};
use super::notices::Notice;
use super::outcome::Finishing;
use super::requests::Asks;
use super::shared::Shared;
use super::stats::count;
use crate::config::stranger;
use crate::fleet::{FromProcess, Loan, Order, ProcessId, Processes};
use crate::model::channel::WEB;
use crate::model::{BotId, ConversationKey, EventId, QueuedEvent};
use crate::services::{Caller, Line};
use crate::store::{BatchEffect, Begun, EffectOutcome, EventBatch, EventEnd, FollowUp, Reply, StoreError};

/// Batches of frames that wait for the machine; more wait in the sockets.
const BATCHES: usize = 256;

/// More effects than that of one event are no single operation of the store, and neither are those of more bytes, the last one aside.
const MOST_EFFECTS: usize = 64;
const MOST_BYTES: usize = 512 << 10;

/// The machine and what it needs of the world.
struct Driver {
    shared: Arc<Shared>,
    machine: Machine,
    processes: Processes,
    /// Requests and calls of dispatches, once they made one.
    asks: HashMap<u64, Asks>,
    fetches: HashMap<u64, Fetches>,
}

/// Reads what is left in the queue and starts the dispatcher's thread.
pub(super) fn start(
    shared: Arc<Shared>,
    mut machine: Machine,
    mut control: mpsc::UnboundedReceiver<Control>,
) -> Result<(), DispatchError> {
    let left = |error: StoreError| DispatchError::Store(error.to_string());
    let undelivered = shared.store.undelivered(shared.clock.now()).map_err(left)?;
    let held = undelivered.into_iter().filter_map(|ahead| {
        let (bot, target) = (BotId::parse(&ahead.bot).ok()?, crate::model::UserId::parse(&ahead.user).ok()?);
        Some((ConversationKey { bot, channel: WEB.into(), target }, ahead.deliver_at))
    });
    let pending = shared.store.pending().map_err(left)?;
    let now = Now { at: Instant::now(), millis: shared.clock.now() };
    machine.take_up(now, held, pending);
    let (sink, mut frames) = mpsc::channel(BATCHES);
    let processes = Processes::new(Arc::clone(&shared.tally.settings), shared.command.clone(), sink);
    let processes = processes.map_err(|error| DispatchError::Worker(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| DispatchError::Worker(error.to_string()))?;
    let mut driver = Driver { shared, machine, processes, asks: HashMap::new(), fetches: HashMap::new() };
    let work = async move {
        // Nothing would run any more, and nobody would know: what is committed runs after the next start.
        let _guard = AbortOnPanic;
        let (mut controls, mut batches) = (Vec::new(), Vec::new());
        driver.machine.tick(driver.now());
        driver.carry_out();
        loop {
            let tick = driver.machine.next_tick(Instant::now());
            tokio::select! {
                biased;
                _ = frames.recv_many(&mut batches, 64) => {}
                _ = control.recv_many(&mut controls, 256) => {}
                () = tokio::time::sleep_until(tick.into()) => driver.machine.tick(driver.now()),
            }
            driver.step(&mut controls, &mut batches);
            if driver.machine.has_stopped() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("dispatch".into()).spawn(move || runtime.block_on(work));
    thread.map(drop).map_err(|error| DispatchError::Worker(error.to_string()))
}

/// Ends the server when its dispatcher panics.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                "the dispatcher has panicked: the server ends, and what it accepted runs after the next start"
            );
            std::process::abort();
        }
    }
}

impl Driver {
    fn now(&self) -> Now {
        Now { at: Instant::now(), millis: self.shared.clock.now() }
    }

    fn step(&mut self, controls: &mut Vec<Control>, batches: &mut Vec<FromProcess>) {
        self.machine.stores = self.shared.store.trouble().is_none();
        let now = self.now();
        for message in controls.drain(..) {
            self.machine.control(now, message);
        }
        for batch in batches.drain(..) {
            match batch {
                FromProcess::Messages(process, messages) => self.machine.said(now, process, messages),
                FromProcess::End(process, broken) => {
                    if let Some(slot) = self.machine.fleet.place(process) {
                        let (seen, begun) = self.processes.last_look(slot);
                        self.machine.fleet.was_at(process, seen);
                        self.machine.has_begun(process, begun);
                    }
                    self.machine.ended(now, process, broken);
                }
            }
        }
        self.machine.pump(now);
        self.carry_out();
    }

    /// Does what the machine wants done, and what follows at once.
    fn carry_out(&mut self) {
        loop {
            let (actions, orders) = (self.machine.take_actions(), self.machine.fleet.take_orders());
            if actions.is_empty() && orders.is_empty() {
                return;
            }
            // What zygotes load is known before they are told to; copies are there before they are sent anything.
            let (publishing, rest): (Vec<Action>, Vec<Action>) =
                actions.into_iter().partition(|action| matches!(action, Action::Publish(_) | Action::Forked(..)));
            publishing.into_iter().for_each(|action| self.act(action));
            orders.into_iter().for_each(|order| self.obey(order));
            rest.into_iter().for_each(|action| self.act(action));
            let now = self.now();
            self.machine.pump(now);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::StartRoot { root } => {
                if let Err(error) = self.processes.start_root(root) {
                    self.refused(root, &error.to_string());
                }
            }
            Order::Fork { zygote, child, become_ } => {
                if let Err(error) = self.processes.fork(zygote, child, become_) {
                    self.refused(child, &error.to_string());
                }
            }
            Order::LoadPackages { zygote } => self.processes.load_packages(zygote),
            Order::Load { zygote, bot, warm } => self.processes.load(zygote, &bot, warm),
            Order::Kill { process } => self.processes.kill(process),
            Order::Close { process } => self.processes.close(process),
            Order::Bury { zygote, child, pid } => self.processes.bury(zygote, child, pid),
            Order::LookAtClock { process, slot } => {
                if let Some((used, seen)) = self.processes.clock(process, slot) {
                    let now = self.now();
                    self.machine.fleet.clock(now.at, process, used, seen);
                }
            }
            Order::GiveWay { process } => self.processes.give_way(process),
            Order::LookIfStopped { process } => {
                let stopped = self.processes.is_stopped(process);
                self.machine.fleet.looked(self.now().at, process, stopped);
            }
            Order::LookAtMemory { process } => {
                let (bytes, stopped) = (self.processes.memory(process), self.processes.is_stopped(process));
                let now = self.now();
                self.machine.fleet.memory(now.at, process, bytes);
                self.machine.fleet.looked(now.at, process, stopped);
            }
        }
    }

    fn refused(&mut self, process: ProcessId, why: &str) {
        let now = self.now();
        self.machine.control(now, Control::Refused { process, why: why.to_owned() });
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Begin { dispatch, event } => self.begin(dispatch, event),
            Action::Settle(batch) => self.settle(batch),
            Action::End(finishing) => self.finish(finishing),
            Action::CountDeath(event) => self.shared.store.count_death(event),
            Action::AfterCommits(bot, after) => self.after_commits(bot.as_ref(), after),
            Action::Send(process, frame) => {
                if let Some(out) = self.processes.out(process) {
                    out.send(&frame);
                }
            }
            Action::TakeBack { realm, slot, below } => {
                // Of one that has ended meanwhile, what it had begun with is known already.
                if self.machine.fleet.is_busy(realm) && self.machine.fleet.place(realm) == Some(slot) {
                    let begun = self.processes.take_back(slot, below);
                    self.machine.taken_back(self.now(), realm, begun, below);
                }
            }
            Action::Ask { dispatch, realm, bot, event, ask } => {
                let Some(out) = self.processes.out(realm) else { return };
                let shared = &self.shared;
                let asks = self.asks.entry(dispatch);
                let caller = || caller(dispatch, bot, event);
                asks.or_insert_with(|| Asks::new(shared, dispatch, caller(), out.clone())).ask(ask);
            }
            Action::Fetch { realm, bot, event, fetch } => {
                let Some(out) = self.processes.out(realm) else { return };
                let dispatch = fetch.dispatch;
                let fetches = self.fetches.entry(dispatch).or_default();
                fetches::begin(&self.shared, fetches, &caller(dispatch, bot, event), out, fetch);
            }
            Action::Abandon { dispatch, number } => {
                // One that is over has been answered, or is about to be.
                if let Some(fetches) = self.fetches.get(&dispatch)
                    && fetches.end(number)
                {
                    self.machine.abandoned(dispatch);
                }
            }
            Action::EndCalls { dispatch, asked } => {
                self.fetches.remove(&dispatch);
                if let Some(asks) = self.asks.remove(&dispatch)
                    && asked
                {
                    asks.stop();
                }
            }
            Action::Later(pause, control) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    shared.tell(control);
                });
            }
            Action::Log(line, event) => self.shared.log(line, event),
            Action::Trace(trace) => self.shared.traces.push(trace),
            Action::TraceLate(event, steps) => self.shared.traces.late(event, steps),
            Action::Publish(images) => {
                *self.shared.images.write() = Some(Arc::clone(&images));
                self.processes.publish(images);
            }
            Action::Compile(process, request) => self.processes.compile(process, &request),
            Action::Forked(process, pid) => self.processes.forked(process, pid),
            Action::Forget(process) => self.processes.forget(process),
        }
    }

    /// Reads what an event begins with: from memory where it is there, else beside this thread.
    fn begin(&mut self, dispatch: u64, event: QueuedEvent) {
        if !event.timeout
            && !event.body.is_empty()
            && let Some(state) = self.shared.store.cached_state(&event.session())
        {
            let state = if event.reset { state.anew() } else { state };
            let begun = Ok(Begun::Ready(Arc::clone(&event.body), state));
            let now = self.now();
            return self.machine.control(now, Control::Begun { dispatch, begun });
        }
        let shared = Arc::clone(&self.shared);
        self.shared.store.begin(&event, move |begun| shared.tell(Control::Begun { dispatch, begun }));
    }

    fn after_commits(&self, bot: Option<&BotId>, after: After) {
        let shared = Arc::clone(&self.shared);
        if let After::NotifyKnown(notice, loan) = after {
            return self.notify_known(notice, loan);
        }
        self.shared.store.of(bot).barrier(move || match after {
            After::Answer(event) => shared.tell(Control::Answer(event)),
            After::Notify(notice, loan) | After::NotifyKnown(notice, loan) => {
                drop(loan);
                shared.notices.send(notice, shared.clock.now());
            }
            After::Stopped(answer) => {
                // Who stops the server may have gone.
                let _ = answer.send(());
            }
        });
    }

    /// Tells a visitor what is stored nowhere, where he is the bot's: what is stored, the store itself keeps from others.
    fn notify_known(&self, notice: Notice, loan: Option<Loan>) {
        let shared = Arc::clone(&self.shared);
        self.shared.store.of(Some(&notice.key().bot.clone())).when_known(notice.session(), move |known| {
            drop(loan);
            if known {
                return shared.notices.send(notice, shared.clock.now());
            }
            let ConversationKey { bot, target, .. } = notice.key();
            let why = stranger(bot.as_str(), target.as_str());
            tracing::error!(bot = %bot, "a reply that is for the moment alone is dropped: {why}");
        });
    }

    /// Gives the store what an event did: all at once, or a part after the other where it is so much that others would wait.
    fn settle(&self, mut batch: Batch) {
        loop {
            let part = first_part(batch.effects.iter().map(Effect::bytes));
            if part >= batch.effects.len() {
                break;
            }
            let rest = batch.effects.split_off(part);
            let effects = std::mem::replace(&mut batch.effects, rest);
            self.settle_part(Batch {
                event: batch.event,
                bot: batch.bot.clone(),
                hook: batch.hook,
                effects,
                end: None,
            });
        }
        self.settle_part(batch);
    }

    fn settle_part(&self, batch: Batch) {
        let Batch { event, bot, hook, effects, end } = batch;
        let (mut changes, mut tellings) = (Vec::with_capacity(effects.len()), Vec::with_capacity(effects.len()));
        for effect in effects {
            let (change, telling) = split(effect);
            changes.push(change);
            tellings.push(telling);
        }
        let (finishing, end) = match end {
            Some((finishing, state)) => {
                let end = EventEnd { session: finishing.session.clone(), state, lifetimes: finishing.lifetimes };
                (Some(finishing), Some(end))
            }
            None => (None, None),
        };
        let shared = Arc::clone(&self.shared);
        self.shared.store.of(bot.as_ref()).settle(EventBatch { event, effects: changes, end }, move |settlement| {
            for (telling, result) in tellings.into_iter().zip(settlement.effects) {
                told(&shared, (event, hook), telling, result);
            }
            if let (Some(finishing), Some(result)) = (finishing, settlement.end) {
                shared.tell(Control::Finished(finishing, result));
            }
        });
    }

    /// Submits the end of an event that leaves nothing else: its row goes, or is set aside for a reason.
    fn finish(&self, finishing: Finishing) {
        let Some(reason) = finishing.aside.clone() else {
            let event = finishing.event;
            let (bot, end) = (Some(finishing.queued.key.bot.clone()), Some((finishing, None)));
            return self.settle(Batch { event, bot, hook: None, effects: Vec::new(), end });
        };
        let shared = Arc::clone(&self.shared);
        let (event, store) = (finishing.event, self.shared.store.of(Some(&finishing.queued.key.bot)));
        store.set_aside(event, reason, move |result| shared.tell(Control::Finished(finishing, result)));
    }
}

/// How many effects of so many bytes each are the first operation of the store.
fn first_part(effects: impl Iterator<Item = usize>) -> usize {
    let mut all = 0;
    let fits = effects.take(MOST_EFFECTS).take_while(|bytes| {
        let fits = all < MOST_BYTES;
        all += bytes;
        fits
    });
    fits.count()
}

/// What is done when an effect is committed.
enum Telling {
    Reply { key: ConversationKey, copy: Option<Box<RawValue>>, _loan: Loan },
    FollowUp { key: ConversationKey, bytes: usize, asked: Option<Asked>, _loan: Loan },
}

fn split(effect: Effect) -> (BatchEffect, Telling) {
    match effect {
        Effect::Reply { number, key, message, copy, loan } => {
            (BatchEffect::Reply { number, message }, Telling::Reply { key, copy, _loan: loan })
        }
        Effect::FollowUp { number, key, draft, bytes, asked, loan } => {
            (BatchEffect::FollowUp { number, draft }, Telling::FollowUp { key, bytes, asked, _loan: loan })
        }
    }
}

fn caller(dispatch: u64, bot: Option<BotId>, event: Option<EventId>) -> Caller {
    Caller { bot, line: Some(event.map_or(Line::Hooks(dispatch), Line::Event)) }
}

/// An effect is committed, or could not be.
fn told(
    shared: &Shared,
    (event, hook): (EventId, Option<&'static str>),
    telling: Telling,
    result: Result<EffectOutcome, StoreError>,
) {
    if let Telling::FollowUp { asked: Some(asked), .. } = &telling {
        let stored = result.as_ref().map(drop).map_err(ToString::to_string);
        shared.tell(Control::Answered(sent(*asked, stored)));
    }
    match (telling, result) {
        (Telling::Reply { .. }, Ok(EffectOutcome::Reply(Reply::AlreadyStored))) => {}
        (Telling::Reply { key, copy, .. }, Ok(EffectOutcome::Reply(reply))) => {
            count(&shared.tally.counters.replies_committed);
            if let Reply::Stored(message) = reply {
                // The store may have put it off to the time of its commit.
                let deliver_at = message.sent_on.0;
                let notice = Notice::Stored { key, deliver_at, message: Arc::new(message) };
                shared.notices.send(notice, shared.clock.now());
            }
            if let Some(payload) = copy {
                shared.tell(Control::Replied { event, payload });
            }
        }
        (Telling::FollowUp { bytes, .. }, Ok(EffectOutcome::FollowUp(FollowUp::Queued(queued)))) => {
            count(&shared.tally.counters.follow_ups_committed);
            shared.tell(Control::Queued { event: queued, bytes, at: Instant::now(), collector: None });
        }
        (Telling::FollowUp { key, bytes, .. }, Ok(_)) => shared.tally.admission.leave(&key, bytes),
        (Telling::Reply { .. }, Ok(EffectOutcome::FollowUp(_))) => {}
        (Telling::Reply { key, .. }, Err(error)) => not_stored("a reply", &key, (event, hook), &error),
        (Telling::FollowUp { key, bytes, .. }, Err(error)) => {
            shared.tally.admission.leave(&key, bytes);
            not_stored("an event sent by a script", &key, (event, hook), &error);
        }
    }
}

fn not_stored(what: &str, key: &ConversationKey, of: (EventId, Option<&str>), error: &StoreError) {
    match of {
        // Nobody does it again.
        (_, Some(hook)) => {
            tracing::error!(bot = %key.bot, hook, "{what} of a {hook} hook could not be stored and is lost: {error}");
        }
        // The store says that it cannot store; the event runs again.
        _ if error.is_trouble() => {}
        (event, None) => tracing::error!(bot = %key.bot, "{what} of event {event} could not be stored: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_of_the_store_has_a_bounded_number_of_effects_and_bytes_the_last_one_aside() {
        assert_eq!(first_part(std::iter::empty()), 0);
        assert_eq!(first_part([1; MOST_EFFECTS].into_iter()), MOST_EFFECTS);
        assert_eq!(first_part([1; MOST_EFFECTS + 1].into_iter()), MOST_EFFECTS);
        assert_eq!(first_part([MOST_BYTES - 1, 1, 1].into_iter()), 2);
        assert_eq!(first_part([MOST_BYTES, 1].into_iter()), 1);
    }
}
