//! How much may wait: counted from before an event is stored until its turn comes, so that a flood is refused with 503
//! and never reaches the store. Events are counted, and their bytes.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::config::DispatchSettings;
use crate::model::{BotId, ConversationKey};
use crate::shares;

/// Counts of what waits, by bot and by conversation.
#[derive(Debug)]
pub(super) struct Admission {
    counts: Mutex<Counted>,
    per_bot: usize,
    per_conversation: usize,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Counted {
    bots: HashMap<BotId, Counts>,
    /// Of all that wait.
    bytes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: usize,
    bytes: u64,
    conversations: HashMap<ConversationKey, usize>,
}

/// Which queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullQueue {
    /// The user's: `queue.perConversation`.
    Conversation,
    /// The bot's: `queue.perBot`.
    Bot,
    /// That of all bots together: `queue.bytes`.
    Bytes,
}

impl Admission {
    pub(super) fn new(settings: &DispatchSettings) -> Self {
        Self {
            counts: Mutex::default(),
            per_bot: settings.per_bot,
            per_conversation: settings.per_conversation,
            bytes: settings.queue_bytes,
        }
    }

    /// Whether nothing waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let counts = self.counts.lock();
        counts.bots.is_empty() && counts.bytes == 0
    }

    /// Counts one more of so many bytes, or says which queue is full and how many wait in it.
    pub(super) fn enter(&self, key: &ConversationKey, bytes: usize) -> Result<(), (FullQueue, usize)> {
        let mut counts = self.counts.lock();
        let counts = &mut *counts;
        let bot = counts.bots.entry(key.bot.clone()).or_default();
        // One alone is let in, however large.
        let (own, all) = (bot.bytes + bytes as u64, counts.bytes + bytes as u64);
        if counts.bytes > 0 && !shares::may_hold(own, all, self.bytes) {
            let full = (FullQueue::Bytes, usize::try_from(counts.bytes >> 20).unwrap_or(usize::MAX));
            counts.forget_idle(&key.bot);
            return Err(full);
        }
        if bot.waiting >= self.per_bot {
            return Err((FullQueue::Bot, bot.waiting));
        }
        match bot.conversations.get_mut(key) {
            Some(waiting) if *waiting >= self.per_conversation => return Err((FullQueue::Conversation, *waiting)),
            Some(waiting) => *waiting += 1,
            None => {
                bot.conversations.insert(key.clone(), 1);
            }
        }
        bot.waiting += 1;
        bot.bytes += bytes as u64;
        counts.bytes += bytes as u64;
        Ok(())
    }

    /// Counts one that is in the store already, whatever the limits: it was accepted by an earlier run.
    pub(super) fn enter_anyway(&self, key: &ConversationKey, bytes: usize) {
        let mut counts = self.counts.lock();
        counts.bytes += bytes as u64;
        let bot = counts.bots.entry(key.bot.clone()).or_default();
        bot.waiting += 1;
        bot.bytes += bytes as u64;
        *bot.conversations.entry(key.clone()).or_insert(0) += 1;
    }

    /// One waits no more: its turn has come, or it was not stored. `bytes` are those that it entered with.
    pub(super) fn leave(&self, key: &ConversationKey, bytes: usize) {
        let mut counts = self.counts.lock();
        counts.bytes = counts.bytes.saturating_sub(bytes as u64);
        let Some(bot) = counts.bots.get_mut(&key.bot) else { return };
        bot.waiting = bot.waiting.saturating_sub(1);
        bot.bytes = bot.bytes.saturating_sub(bytes as u64);
        if let Some(waiting) = bot.conversations.get_mut(key) {
            *waiting -= 1;
            if *waiting == 0 {
                bot.conversations.remove(key);
            }
        }
        counts.forget_idle(&key.bot);
    }
}

impl Counted {
    fn forget_idle(&mut self, bot: &BotId) {
        if self.bots.get(bot).is_some_and(|bot| bot.waiting == 0) {
            self.bots.remove(bot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    fn key(user: &str) -> ConversationKey {
        ConversationKey { bot: BotId::parse("a").unwrap(), channel: "web".into(), target: UserId::parse(user).unwrap() }
    }

    #[test]
    fn a_full_queue_refuses_and_opens_again_when_one_leaves() {
        let settings = DispatchSettings { per_bot: 3, per_conversation: 2, ..DispatchSettings::default() };
        let admission = Admission::new(&settings);
        admission.enter(&key("u"), 1).unwrap();
        admission.enter(&key("u"), 1).unwrap();
        assert_eq!(admission.enter(&key("u"), 1), Err((FullQueue::Conversation, 2)));
        admission.enter(&key("v"), 1).unwrap();
        assert_eq!(admission.enter(&key("v"), 1), Err((FullQueue::Bot, 3)));
        admission.leave(&key("u"), 1);
        admission.enter(&key("v"), 1).unwrap();
        admission.leave(&key("u"), 1);
        admission.leave(&key("v"), 1);
        admission.leave(&key("v"), 1);
        assert!(admission.counts.lock().bots.is_empty(), "nothing is kept of users who wait for nothing");
    }

    #[test]
    fn a_few_huge_events_fill_the_queue_like_many_small_ones() {
        let settings = DispatchSettings { queue_bytes: 10 << 20, ..DispatchSettings::default() };
        let admission = Admission::new(&settings);
        admission.enter(&key("u"), 20 << 20).unwrap();
        assert_eq!(admission.enter(&key("v"), 1), Err((FullQueue::Bytes, 20)));
        admission.leave(&key("u"), 20 << 20);
        admission.enter(&key("u"), 3 << 20).unwrap();
        admission.enter(&key("v"), 2 << 20).unwrap();
        assert_eq!(admission.enter(&key("w"), 1), Err((FullQueue::Bytes, 5)));
    }

    #[test]
    fn a_bot_that_fills_the_queue_with_bytes_leaves_half_of_it_to_others() {
        let settings = DispatchSettings { queue_bytes: 12 << 20, ..DispatchSettings::default() };
        let admission = Admission::new(&settings);
        while admission.enter(&key("u"), 1 << 20).is_ok() {}
        let calm = ConversationKey { bot: BotId::parse("b").unwrap(), ..key("u") };
        let held = (0..).take_while(|_| admission.enter(&calm, 1 << 20).is_ok()).count();
        assert_eq!(held, 3, "half of what the first has left");
        assert_eq!(admission.enter(&key("u"), 1), Err((FullQueue::Bytes, 9)));
    }

    #[test]
    fn what_was_stored_before_counts_but_is_never_refused() {
        let settings = DispatchSettings { per_bot: 1, per_conversation: 1, ..DispatchSettings::default() };
        let admission = Admission::new(&settings);
        admission.enter_anyway(&key("u"), 1);
        admission.enter_anyway(&key("u"), 1);
        assert!(admission.enter(&key("v"), 1).is_err());
    }
}
