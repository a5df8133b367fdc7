//! Which bots are in service, how long what they store lives, and how many of their time-outs are on the way.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::Settings;
use crate::model::BotId;
use crate::store::Lifetimes;

/// Sessions of one bot that are looked at, and written in one transaction.
pub(super) const BATCH: usize = 200;

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

impl Timeouts {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { dialog, dispatch, .. } = settings;
        let default = Lifetimes { context: dialog.timeout_interval, session: dialog.session_timeout_interval };
        let at_once = dispatch.in_flight_per_bot / 2;
        Self { state: Mutex::default(), changed: watch::channel(()).0, default, at_once }
    }

    /// How many each of so many bots may have in the queue.
    pub(super) fn share(&self, bots: usize) -> usize {
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

    pub(super) fn serves(&self, bot: &BotId) -> bool {
        self.state.lock().bots.contains(bot)
    }

    /// How many more of that bot may be queued.
    pub(super) fn room(&self, bot: &BotId, share: usize) -> usize {
        share.saturating_sub(self.state.lock().on_the_way.get(bot).copied().unwrap_or(0))
    }

    /// Waits until half of the share of one of the bots is free, or it is none of ours any more.
    pub(super) async fn wait_for_room(&self, bots: &[BotId], share: usize) {
        let mut changed = self.changed.subscribe();
        while !bots.iter().any(|bot| self.room(bot, share) * 2 >= share || !self.serves(bot)) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}
