//! Whose turn it is: one event at a time of each conversation, round robin over bots, a moment each, then over their users.
//!
//! Pure bookkeeping, no time and no I/O: the dispatcher puts in what is committed and takes out what may run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::model::{BotId, ConversationKey};

/// Waiting work by conversation, handed out fairly. `T` is what waits.
#[derive(Debug)]
pub(super) struct Turns<T> {
    bots: BTreeMap<BotId, Bot<T>>,
    /// Bots with a conversation that is ready, the one whose turn it is first. A bot stands here at most once.
    ring: VecDeque<BotId>,
    /// Only these bots get turns; the events of others wait until their bot is mounted.
    mounted: BTreeSet<BotId>,
    /// What runs now: taken and not yet given back by [`Turns::left`].
    in_flight: usize,
    waiting: usize,
    limits: Limits,
}

/// For so long a bot's events are begun one after the other while others wait: its realm is warm, and those of others are
/// not. Then it is the next bot's turn.
const TURN: Duration = Duration::from_millis(2);

/// How much may run at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of all bots together.
    pub in_flight: usize,
    /// Of one bot while others wait.
    pub per_bot: usize,
}

#[derive(Debug)]
struct Bot<T> {
    conversations: BTreeMap<ConversationKey, Line<T>>,
    /// Conversations that have work and whose turn is free, in the order they became so.
    ready: VecDeque<ConversationKey>,
    in_flight: usize,
    in_ring: bool,
    /// Since when its events are taken before those of others.
    turn: Option<Instant>,
}

#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<T>,
    /// One of its events has the turn.
    busy: bool,
}

impl<T> Turns<T> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            bots: BTreeMap::new(),
            ring: VecDeque::new(),
            mounted: BTreeSet::new(),
            in_flight: 0,
            waiting: 0,
            limits,
        }
    }

    /// How many bots have something that may begin.
    pub(super) fn ready_bots(&self) -> usize {
        self.ring.len()
    }

    /// Whose turn it is.
    pub(super) fn front(&self) -> Option<&BotId> {
        self.ring.front()
    }

    /// How many wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many were taken and have not left.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Says which bots may run; what waits for another stays where it is.
    pub(super) fn mount(&mut self, bots: impl IntoIterator<Item = BotId>) {
        self.mounted = bots.into_iter().collect();
        let names: Vec<BotId> = self.bots.keys().cloned().collect();
        for name in names {
            self.enter_ring(&name);
        }
    }

    /// Puts work at the end of its conversation's queue.
    pub(super) fn push(&mut self, key: ConversationKey, item: T) {
        self.waiting += 1;
        let bot = self.bots.entry(key.bot.clone()).or_insert_with(|| Bot {
            conversations: BTreeMap::new(),
            ready: VecDeque::new(),
            in_flight: 0,
            in_ring: false,
            turn: None,
        });
        let conversation = bot
            .conversations
            .entry(key.clone())
            .or_insert_with(|| Line { waiting: VecDeque::with_capacity(1), busy: false });
        conversation.waiting.push_back(item);
        if !conversation.busy && conversation.waiting.len() == 1 {
            let name = key.bot.clone();
            bot.ready.push_back(key);
            self.enter_ring(&name);
        }
    }

    /// The next work that may run, with its conversation's turn. It counts as in flight until [`Turns::left`].
    ///
    /// A bot over its share waits while another bot is ready. With no other ready it may go on, but the last part of
    /// the whole is kept free for a bot that comes later.
    /// `may` says which bots have a realm for it; it is asked of one after the other.
    pub(super) fn take(&mut self, now: Instant, mut may: impl FnMut(&BotId) -> bool) -> Option<T> {
        if self.in_flight >= self.limits.in_flight {
            return None;
        }
        let reserve = self.limits.per_bot.min(self.limits.in_flight / 4);
        let alone = self.in_flight < self.limits.in_flight - reserve;
        let (mut over, mut at) = (None, None);
        for (index, name) in self.ring.iter().enumerate() {
            let within = self.bots.get(name).is_some_and(|bot| bot.in_flight < self.limits.per_bot);
            if within && may(name) {
                at = Some(index);
                break;
            }
            if !within && over.is_none() && alone {
                over = Some(index);
            }
        }
        let at = at.or_else(|| over.filter(|index| self.ring.get(*index).is_some_and(&mut may)))?;
        let name = self.ring.remove(at)?;
        let bot = self.bots.get_mut(&name)?;
        bot.in_ring = false;
        let key = bot.ready.pop_front()?;
        let conversation = bot.conversations.get_mut(&key)?;
        let item = conversation.waiting.pop_front()?;
        conversation.busy = true;
        bot.in_flight += 1;
        self.in_flight += 1;
        self.waiting -= 1;
        let stays = now.saturating_duration_since(*bot.turn.get_or_insert(now)) < TURN;
        if !stays || bot.ready.is_empty() {
            bot.turn = None;
        }
        self.enter_ring(&name);
        if stays && self.ring.back() == Some(&name) {
            self.ring.rotate_right(1);
        }
        Some(item)
    }

    /// The conversation's turn is free: its event is processed.
    pub(super) fn release(&mut self, key: &ConversationKey) {
        let Some(bot) = self.bots.get_mut(&key.bot) else { return };
        let Some(conversation) = bot.conversations.get_mut(key) else { return };
        conversation.busy = false;
        if conversation.waiting.is_empty() {
            bot.conversations.remove(key);
            self.forget_idle(&key.bot);
        } else {
            bot.ready.push_back(key.clone());
            self.enter_ring(&key.bot);
        }
    }

    /// One of the bot's events left its worker: nothing of it is left there.
    pub(super) fn left(&mut self, bot: &BotId) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(entry) = self.bots.get_mut(bot) {
            entry.in_flight = entry.in_flight.saturating_sub(1);
            self.forget_idle(bot);
        }
    }

    /// An event that had left its worker is to run again; its conversation's turn was not given back.
    pub(super) fn back(&mut self, bot: &BotId) {
        self.in_flight += 1;
        if let Some(entry) = self.bots.get_mut(bot) {
            entry.in_flight += 1;
        }
    }

    /// Whether the events of that bot get turns.
    pub(super) fn is_mounted(&self, bot: &BotId) -> bool {
        self.mounted.contains(bot)
    }

    /// An event that has the turn of its conversation waits again, before all others of it.
    pub(super) fn give_back(&mut self, key: &ConversationKey, item: T) {
        if let Some(conversation) = self.bots.get_mut(&key.bot).and_then(|bot| bot.conversations.get_mut(key)) {
            conversation.waiting.push_front(item);
            self.waiting += 1;
        }
        self.left(&key.bot);
        self.release(key);
    }

    fn enter_ring(&mut self, name: &BotId) {
        if let Some(bot) = self.bots.get_mut(name)
            && !bot.in_ring
            && !bot.ready.is_empty()
            && self.mounted.contains(name)
        {
            bot.in_ring = true;
            self.ring.push_back(name.clone());
        } else if !self.mounted.contains(name) && self.bots.get(name).is_some_and(|bot| bot.in_ring) {
            self.ring.retain(|other| other != name);
            if let Some(bot) = self.bots.get_mut(name) {
                bot.in_ring = false;
            }
        }
    }

    fn forget_idle(&mut self, name: &BotId) {
        if self.bots.get(name).is_some_and(|bot| bot.conversations.is_empty() && bot.in_flight == 0) {
            self.bots.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    fn key(bot: &str, user: &str) -> ConversationKey {
        ConversationKey { bot: BotId::parse(bot).unwrap(), channel: "web".into(), target: UserId::parse(user).unwrap() }
    }

    fn turns(in_flight: usize, per_bot: usize) -> Turns<&'static str> {
        let mut turns = Turns::new(Limits { in_flight, per_bot });
        turns.mount(["a", "b", "c"].map(|name| BotId::parse(name).unwrap()));
        turns
    }

    fn take_all(turns: &mut Turns<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| turns.take(Instant::now(), |_| true)).collect()
    }

    #[test]
    fn events_of_one_conversation_run_one_at_a_time_and_in_order() {
        let mut turns = turns(10, 10);
        for item in ["1", "2", "3"] {
            turns.push(key("a", "u"), item);
        }
        for item in ["1", "2", "3"] {
            assert_eq!(take_all(&mut turns), [item]);
            turns.left(&BotId::parse("a").unwrap());
            assert_eq!(turns.take(Instant::now(), |_| true), None, "the turn is held until the event is processed");
            turns.release(&key("a", "u"));
        }
        assert_eq!((turns.take(Instant::now(), |_| true), turns.waiting(), turns.in_flight()), (None, 0, 0));
        assert!(turns.bots.is_empty(), "nothing is kept of a bot that is idle");
    }

    #[test]
    fn bots_take_turns_of_a_few_events_and_then_their_users() {
        let mut turns = turns(20, 20);
        for user in ["1", "2", "3", "4"] {
            turns.push(key("a", user), "a");
            turns.push(key("b", user), "b");
        }
        let start = Instant::now();
        let mut take = |ms: u64| turns.take(start + Duration::from_millis(ms), |_| true).unwrap();
        assert_eq!([0, 1, 2, 2, 3, 4, 5, 5].map(&mut take), ["a", "a", "a", "b", "b", "b", "a", "b"]);
        let mut turns = self::turns(10, 10);
        for (user, item) in [("u", "a-u1"), ("u", "a-u2"), ("v", "a-v1"), ("w", "a-w1")] {
            turns.push(key("a", user), item);
        }
        turns.push(key("b", "u"), "b-u1");
        turns.push(key("b", "v"), "b-v1");
        assert_eq!(take_all(&mut turns), ["a-u1", "a-v1", "a-w1", "b-u1", "b-v1"]);
        turns.release(&key("a", "u"));
        assert_eq!(take_all(&mut turns), ["a-u2"]);
    }

    #[test]
    fn a_user_who_sends_much_does_not_hold_back_the_bots_other_users() {
        let mut turns = turns(1, 1);
        for item in ["u1", "u2", "u3"] {
            turns.push(key("a", "u"), item);
        }
        turns.push(key("a", "v"), "v1");
        let mut order = Vec::new();
        while let Some(item) = turns.take(Instant::now(), |_| true) {
            order.push(item);
            turns.release(&key("a", if item.starts_with('u') { "u" } else { "v" }));
            turns.left(&BotId::parse("a").unwrap());
        }
        assert_eq!(order, ["u1", "v1", "u2", "u3"]);
    }

    #[test]
    fn a_bot_over_its_share_leaves_room_for_another() {
        let mut turns = turns(8, 2);
        for user in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
            turns.push(key("a", user), "a");
        }
        assert_eq!(take_all(&mut turns).len(), 6, "alone it may take all but the reserve");
        turns.push(key("b", "1"), "b");
        turns.push(key("b", "2"), "b");
        turns.push(key("b", "3"), "b");
        assert_eq!(take_all(&mut turns), ["b", "b"]);
        turns.left(&BotId::parse("a").unwrap());
        turns.left(&BotId::parse("b").unwrap());
        assert_eq!(take_all(&mut turns), ["b"], "b is within its share, a is not");
    }

    #[test]
    fn an_event_that_is_given_back_is_the_first_of_its_conversation_and_waits_for_its_bot() {
        let mut turns = turns(10, 10);
        let key = key("a", "u");
        turns.push(key.clone(), "1");
        turns.push(key.clone(), "2");
        let taken = turns.take(Instant::now(), |_| true).unwrap();
        assert_eq!((taken, turns.in_flight(), turns.waiting()), ("1", 1, 1));
        turns.mount([]);
        turns.give_back(&key, taken);
        assert_eq!((turns.in_flight(), turns.waiting()), (0, 2));
        assert_eq!(turns.take(Instant::now(), |_| true), None);
        turns.mount([key.bot.clone()]);
        assert_eq!(turns.take(Instant::now(), |_| true), Some("1"));
        assert_eq!(turns.take(Instant::now(), |_| true), None, "its conversation is at work");
    }

    #[test]
    fn events_of_a_bot_that_is_not_mounted_wait_until_it_is() {
        let mut turns = turns(8, 8);
        turns.push(key("d", "u"), "d");
        turns.push(key("a", "u"), "a");
        turns.mount([BotId::parse("d").unwrap()]);
        assert_eq!(take_all(&mut turns), ["d"]);
        turns.mount([BotId::parse("a").unwrap()]);
        assert_eq!(take_all(&mut turns), ["a"]);
    }
}
