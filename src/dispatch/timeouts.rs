//! The janitor of dialogs: finds sessions whose dialog has waited for its user for too long, and has the store put an event
//! of its own into the queue for each, behind what the user has sent.
//!
//! A hundred thousand dialogs may expire at once. Few of their time-outs are in the queue at a time, so that an event of a
//! user who is there never waits behind more than those; the rest follow as these are over.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::action::Control;
use super::stats::count;
use super::tally::Tally;
use super::{Dispatcher, Shared};
use crate::config::Settings;
use crate::model::{BotId, QueuedEvent};
use crate::store::{DueSession, Lifetimes, StoreError, TimedOut};

/// Sessions of one bot that are looked at, and written in one transaction.
const BATCH: usize = 200;

/// Bots in service, how long what they store lives, and their time-outs on the way.
#[derive(Debug)]
pub(super) struct Timeouts {
    state: Mutex<State>,
    /// Touched whenever one is over, or the bots change.
    changed: watch::Sender<()>,
    default: Lifetimes,
    /// As many may be in the queue at a time, of all bots that have any, but at least one of each: half of the events of a
    /// bot that may run at once, so that slow ones leave room.
    at_once: usize,
}

#[derive(Debug, Default)]
struct State {
    bots: HashSet<BotId>,
    lifetimes: HashMap<BotId, Lifetimes>,
    /// Time-outs that are queued or run, by bot.
    on_the_way: HashMap<BotId, usize>,
}

/// What came of a look at all that is due.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing is left.
    Done,
    /// More is due, and can be taken at once.
    More,
    /// More is due of these bots when there is room, each of which may have so many in the queue.
    Wait(Vec<BotId>, usize),
}

impl Timeouts {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { dialog, dispatch, .. } = settings;
        let default = Lifetimes { context: dialog.timeout_interval, session: dialog.session_timeout_interval };
        let at_once = dispatch.in_flight_per_bot / 2;
        Self { state: Mutex::default(), changed: watch::channel(()).0, default, at_once }
    }

    /// How many each of so many bots may have in the queue.
    fn share(&self, bots: usize) -> usize {
        (self.at_once / bots.max(1)).max(1)
    }

    /// These bots are in service from now on.
    pub(super) fn serve(&self, bots: &[BotId], lifetimes: &HashMap<BotId, Lifetimes>) {
        let mut state = self.state.lock();
        state.bots = bots.iter().cloned().collect();
        state.lifetimes.clone_from(lifetimes);
        drop(state);
        self.changed.send_replace(());
    }

    /// How long what the bot stores now lives.
    pub(super) fn lifetimes(&self, bot: &BotId) -> Lifetimes {
        self.state.lock().lifetimes.get(bot).copied().unwrap_or(self.default)
    }

    /// Whether none is queued or runs.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().on_the_way.is_empty()
    }

    /// A time-out of that bot is in the queue.
    pub(super) fn queued(&self, bot: &BotId) {
        *self.state.lock().on_the_way.entry(bot.clone()).or_insert(0) += 1;
    }

    /// A time-out of that bot is over.
    pub(super) fn over(&self, bot: &BotId) {
        let mut state = self.state.lock();
        if let Some(count) = state.on_the_way.get_mut(bot) {
            *count -= 1;
            if *count == 0 {
                state.on_the_way.remove(bot);
            }
        }
        drop(state);
        self.changed.send_replace(());
    }

    fn serves(&self, bot: &BotId) -> bool {
        self.state.lock().bots.contains(bot)
    }

    /// How many more of that bot may be queued.
    fn room(&self, bot: &BotId, share: usize) -> usize {
        share.saturating_sub(self.state.lock().on_the_way.get(bot).copied().unwrap_or(0))
    }

    /// Waits until half of the share of one of the bots is free, or it is none of ours any more.
    async fn wait_for_room(&self, bots: &[BotId], share: usize) {
        let mut changed = self.changed.subscribe();
        while !bots.iter().any(|bot| self.room(bot, share) * 2 >= share || !self.serves(bot)) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Dispatcher {
    /// Looks for dialogs to time out, at once and then each `every` of the clock, for as long as this is polled.
    pub async fn keep_timing_out(&self, every: Duration) {
        let Shared { clock, tally, .. } = &*self.0;
        let Tally { counters, timeouts, .. } = &**tally;
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        loop {
            let began = clock.now();
            let next = began.saturating_add(every);
            match self.time_out().await {
                Ok(Look::Done) => {
                    counters.janitor.store(began, Ordering::Relaxed);
                    clock.sleep_until(next).await;
                }
                Ok(Look::More) => {}
                // By then others may be due, whose bots have room.
                Ok(Look::Wait(bots, share)) => tokio::select! {
                    () = timeouts.wait_for_room(&bots, share) => {}
                    () = clock.sleep_until(next) => {}
                },
                Err(error) => {
                    tracing::warn!("dialogs that have expired could not be timed out: {error}");
                    clock.sleep_until(next).await;
                }
            }
        }
    }

    /// Puts time-outs into the queue, as far as there is room.
    async fn time_out(&self) -> Result<Look, StoreError> {
        let Shared { store, tally, .. } = &*self.0;
        let timeouts = &tally.timeouts;
        let due = store.beside(|store| store.due(BATCH)).await?;
        let (served, left): (Vec<_>, Vec<_>) = due.into_iter().partition(|(bot, _)| timeouts.serves(bot));
        let mut more = false;
        for (_, sessions) in left {
            // Nothing can run for a bot that is not in service. It may come back: until their own end its sessions stay.
            more |= store.delete_unserved(sessions).await? == BATCH;
        }
        let share = timeouts.share(served.len());
        let mut waiting = Vec::new();
        for (bot, sessions) in served {
            let full = sessions.len() == BATCH;
            let timed_out = self.queue_timeouts(sessions, timeouts.room(&bot, share)).await?;
            if timed_out > 0 {
                waiting.push(bot);
            } else {
                more |= full;
            }
        }
        Ok(match (more, waiting.is_empty()) {
            (true, _) => Look::More,
            (false, true) => Look::Done,
            (false, false) => Look::Wait(waiting, share),
        })
    }

    /// Gives how many more are due.
    async fn queue_timeouts(&self, sessions: Vec<DueSession>, room: usize) -> Result<usize, StoreError> {
        let shared = Arc::clone(&self.0);
        let (answer, receiver) = oneshot::channel();
        // On the writer's thread, so that these events stand among the others in the order of the commits.
        self.0.store.time_out(sessions, room, move |outcome| {
            let outcome = outcome.map(|TimedOut { queued, left }| {
                queued.into_iter().for_each(|event| shared.timeout_queued(event));
                left
            });
            // Who asked goes only when the server stops.
            let _ = answer.send(outcome);
        });
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Shared {
    fn timeout_queued(&self, event: QueuedEvent) {
        count(&self.tally.counters.accepted);
        count(&self.tally.counters.timeouts);
        let bytes = QueuedEvent::FRAME;
        self.tally.timeouts.queued(&event.key.bot);
        // It counts among what waits, and is never refused.
        self.tally.admission.enter_anyway(&event.key, bytes);
        self.tell(Control::Queued { event, bytes, at: Instant::now(), collector: None });
    }
}
