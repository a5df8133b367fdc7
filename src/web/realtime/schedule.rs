//! What is told later: what typing holds back, and the visitors who have to catch up.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use crate::dispatch::Notice;
use crate::model::UserId;
use crate::telemetry::seldom::Seldom;

/// What is held back counts once for each of so many bytes.
const PIECE: usize = 1 << 10;
/// Most visitors who may be behind at a time: some twenty megabytes of names.
pub(super) const MOST_BEHIND: usize = 100_000;

/// Something whose time has not come.
struct Held {
    /// Milliseconds since the epoch.
    at: u64,
    /// Things of one time keep the order in which they came.
    number: u64,
    notice: Notice,
}

/// What lies ahead, in the order of time and, at one time, in that of the commits.
pub(super) struct Schedule {
    held: BinaryHeap<Reverse<Held>>,
    number: u64,
    /// Pieces of all that is held.
    pieces: usize,
    /// More than that are delivered before their time, rather than kept or lost.
    most: usize,
}

/// Visitors who have missed something, and when they can read all of it.
pub(super) struct CatchUps {
    until: HashMap<UserId, u64>,
    order: BTreeSet<(u64, UserId)>,
    /// No more than so many.
    most: usize,
    /// That there are some.
    said: Seldom,
    /// That there are too many.
    refused: Seldom,
}

impl Schedule {
    pub(super) fn new(most: usize) -> Self {
        Self { held: BinaryHeap::new(), number: 0, pieces: 0, most }
    }

    pub(super) fn push(&mut self, notice: Notice) {
        self.number += 1;
        self.pieces += pieces(&notice);
        self.held.push(Reverse(Held { at: notice.at(), number: self.number, notice }));
    }

    /// Whether something waits that must go first.
    pub(super) fn holds(&self, now: u64) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.held.peek().map(|Reverse(held)| held.at)
    }

    /// What is due at `now`, one after the other.
    pub(super) fn due(&mut self, now: u64) -> Option<Notice> {
        if !self.holds(now) && self.pieces <= self.most {
            return None;
        }
        let Reverse(held) = self.held.pop()?;
        self.pieces -= pieces(&held.notice);
        Some(held.notice)
    }
}

fn pieces(notice: &Notice) -> usize {
    notice.bytes().div_ceil(PIECE)
}

impl CatchUps {
    pub(super) fn new(most: usize) -> Self {
        Self { until: HashMap::new(), order: BTreeSet::new(), most, said: Seldom::new(), refused: Seldom::new() }
    }

    /// A visitor has missed something that may be seen from `until` on. `false` if too many have: this one is to begin anew at
    /// once, and reads what may be seen by then.
    pub(super) fn add(&mut self, visitor: UserId, until: u64, now: u64) -> bool {
        if self.said.happens(now).is_some() {
            tracing::warn!(
                "messages come faster than they can be told (`realtime.waiting`): visitors who miss one connect anew and read \
                 it in their conversation (said once a minute)"
            );
        }
        if self.until.len() >= self.most && !self.until.contains_key(&visitor) {
            if let Some(times) = self.refused.happens(now) {
                let most = self.most;
                tracing::warn!(
                    times,
                    "more than {most} visitors have missed messages that lie ahead of them: others connect anew at once, and find \
                     what still lies ahead when they read their conversation again (said once a minute)"
                );
            }
            return false;
        }
        self.extend(visitor, until);
        true
    }

    /// Whether a visitor is behind. Then he misses this, too: told now, it would stand before what he has missed.
    pub(super) fn misses(&mut self, visitor: &UserId, at: u64) -> bool {
        let behind = self.until.contains_key(visitor);
        if behind {
            self.extend(visitor.clone(), at);
        }
        behind
    }

    fn extend(&mut self, visitor: UserId, until: u64) {
        let before = self.until.get(&visitor).copied();
        if before.is_some_and(|before| before >= until) {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, visitor.clone()));
        }
        self.order.insert((until, visitor.clone()));
        self.until.insert(visitor, until);
    }

    /// When the next one can read what he has missed.
    pub(super) fn next(&self) -> Option<u64> {
        self.order.first().map(|(until, _)| *until)
    }

    /// Who can at `now`, one after the other.
    pub(super) fn due(&mut self, now: u64) -> Option<UserId> {
        let (_, visitor) = self.next().filter(|until| *until <= now).and_then(|_| self.order.pop_first())?;
        self.until.remove(&visitor);
        Some(visitor)
    }
}

impl Held {
    fn order(&self) -> (u64, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{BotId, ConversationKey};

    fn key() -> ConversationKey {
        ConversationKey { bot: BotId::parse("a").unwrap(), channel: "web".into(), target: UserId::parse("u").unwrap() }
    }

    fn typing(at: u64, length: u64) -> Notice {
        Notice::Typing { key: key(), thread: None, length, at }
    }

    fn lengths(schedule: &mut Schedule, now: u64) -> Vec<u64> {
        let due = std::iter::from_fn(|| schedule.due(now));
        due.map(|notice| if let Notice::Typing { length, .. } = notice { length } else { 0 }).collect()
    }

    #[test]
    fn what_lies_ahead_comes_in_order_of_time_and_then_of_the_commits() {
        let mut schedule = Schedule::new(100);
        for (at, length) in [(300, 1), (200, 2), (300, 3), (200, 4), (100, 5)] {
            schedule.push(typing(at, length));
        }
        assert_eq!(schedule.next(), Some(100));
        assert!(lengths(&mut schedule, 99).is_empty());
        assert_eq!(lengths(&mut schedule, 200), [5, 2, 4]);
        assert_eq!(lengths(&mut schedule, 300), [1, 3]);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn what_is_large_counts_for_more_of_what_may_lie_ahead() {
        let mut schedule = Schedule::new(3);
        let payload: Arc<_> = serde_json::value::to_raw_value(&"x".repeat(2 * PIECE)).unwrap().into();
        for at in [300, 200] {
            schedule.push(Notice::Data { key: key(), payload: Arc::clone(&payload), at });
        }
        assert_eq!(schedule.due(0).map(|notice| notice.at()), Some(200));
        assert!(schedule.due(0).is_none());
    }

    #[test]
    fn whoever_is_behind_misses_more_until_all_of_it_may_be_read() {
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        let mut behind = CatchUps::new(MOST_BEHIND);
        for (visitor, until) in [(&ann, 5), (&bob, 6), (&ann, 8), (&ann, 7)] {
            assert!(behind.add(visitor.clone(), until, 0));
        }
        assert!(behind.misses(&ann, 3));
        assert_eq!((behind.next(), behind.due(5)), (Some(6), None));
        assert_eq!((behind.due(7), behind.due(7)), (Some(bob.clone()), None));
        // Something of a full schedule that came before its time.
        assert!(behind.misses(&ann, 9) && !behind.misses(&bob, 9));
        assert_eq!((behind.due(8), behind.due(9), behind.next()), (None, Some(ann.clone()), None));
        assert!(!behind.misses(&ann, 9));
    }

    #[test]
    fn one_visitor_more_than_may_be_behind_begins_anew_at_once() {
        let visitor = |name: &str| UserId::parse(name).unwrap();
        let mut behind = CatchUps::new(2);
        assert!(behind.add(visitor("ann"), 5, 0) && behind.add(visitor("bob"), 5, 0));
        assert!(!behind.add(visitor("eve"), 5, 0) && !behind.misses(&visitor("eve"), 6));
        assert!(behind.add(visitor("ann"), 7, 0), "who is behind stays it");
        assert_eq!((behind.due(5), behind.due(5)), (Some(visitor("bob")), None));
        assert!(behind.add(visitor("eve"), 8, 5), "there is room again");
    }

    #[test]
    fn more_than_may_lie_ahead_is_delivered_early_and_in_order() {
        let mut schedule = Schedule::new(2);
        for (at, length) in [(300, 1), (200, 2), (400, 3), (500, 4)] {
            schedule.push(typing(at, length));
        }
        assert_eq!(lengths(&mut schedule, 0), [2, 1]);
        assert_eq!(lengths(&mut schedule, 1_000), [3, 4]);
    }
}
