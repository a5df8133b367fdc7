//! One task that tells visitors what was committed, each thing when its time has come.
//!
//! What typing holds back waits in one queue, in the order of time and, at one time, in that of the commits. After a
//! restart the messages among it are read back from the store.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use engineioxide::DisconnectReason;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::clock::Clock;
use crate::dispatch::Notice;
use crate::store::Ahead;

use super::desk::Desk;
use super::told;

/// The only channel of which somebody hears here.
const WEB: &str = "web";

/// Something whose time has not come.
struct Held {
    /// Milliseconds since the epoch.
    at: u64,
    /// Things of one time keep the order in which they came.
    number: u64,
    notice: Notice,
}

/// What lies ahead.
struct Queue {
    held: BinaryHeap<Reverse<Held>>,
    number: u64,
    /// More than that are delivered before their time, rather than kept or lost.
    most: usize,
}

/// Tells visitors of commits, for as long as the dispatcher lives. `ahead` is what an earlier run of the server left.
pub(super) async fn run(mut notices: Receiver<Notice>, ahead: Vec<Ahead>, most: usize, desk: Arc<Desk>, clock: Clock) {
    let mut queue = Queue { held: BinaryHeap::new(), number: 0, most };
    for Ahead { key, deliver_at, message } in ahead {
        queue.push(Notice::Stored { key, deliver_at, message: Arc::new(message) });
    }
    loop {
        while let Some(notice) = queue.due(clock.now()) {
            tell(&desk, &notice);
        }
        let told = match queue.next() {
            Some(at) => tokio::select! {
                told = notices.recv() => told,
                () = clock.sleep_until(at) => continue,
            },
            None => notices.recv().await,
        };
        match told {
            Ok(notice) if at(&notice) <= clock.now() && !queue.holds(clock.now()) => tell(&desk, &notice),
            Ok(notice) => queue.push(notice),
            // Commits came faster than they can be told, and whose is not known. Nothing may be lost silently: every
            // visitor is dropped, comes back by itself, and reads what it missed from its conversation (`?after=`).
            Err(RecvError::Lagged(missed)) => {
                let guests = desk.rooms.guests();
                tracing::warn!("{missed} messages came too fast to be told: {} connections begin anew", guests.len());
                for connection in guests {
                    connection.close(DisconnectReason::TransportError);
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// When a visitor may see it, in milliseconds since the epoch.
fn at(notice: &Notice) -> u64 {
    match notice {
        Notice::Stored { deliver_at, .. } => *deliver_at,
        Notice::Typing { at, .. } | Notice::Data { at, .. } => *at,
    }
}

fn tell(desk: &Desk, notice: &Notice) {
    let (Notice::Stored { key, .. } | Notice::Typing { key, .. } | Notice::Data { key, .. }) = notice;
    let visitor = &key.target;
    // Most visitors whose bot speaks are there; for those who are not, nothing is written.
    if &*key.channel != WEB || !desk.rooms.has(visitor) {
        return;
    }
    let packet = match notice {
        Notice::Stored { message, .. } => told::message(&key.bot, visitor, message),
        Notice::Typing { thread, length, .. } => told::typing(&key.bot, visitor, thread.as_deref(), *length),
        Notice::Data { payload, .. } => Some(told::data(visitor, "guest.webchat.data", payload)),
    };
    if let Some(packet) = packet {
        desk.rooms.send(visitor, packet);
    }
}

impl Queue {
    fn push(&mut self, notice: Notice) {
        self.number += 1;
        self.held.push(Reverse(Held { at: at(&notice), number: self.number, notice }));
    }

    /// Whether something waits that must go first.
    fn holds(&self, now: u64) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    /// When the next thing is due.
    fn next(&self) -> Option<u64> {
        self.held.peek().map(|Reverse(held)| held.at)
    }

    /// What is due at `now`, one after the other.
    fn due(&mut self, now: u64) -> Option<Notice> {
        let due = self.next().is_some_and(|at| at <= now) || self.held.len() > self.most;
        if due { self.held.pop().map(|Reverse(held)| held.notice) } else { None }
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
    use super::*;
    use crate::model::{BotId, ConversationKey, UserId};

    fn typing(at: u64, length: u64) -> Notice {
        let (bot, target) = (BotId::parse("a").unwrap(), UserId::parse("u").unwrap());
        Notice::Typing { key: ConversationKey { bot, channel: WEB.into(), target }, thread: None, length, at }
    }

    fn lengths(queue: &mut Queue, now: u64) -> Vec<u64> {
        let due = std::iter::from_fn(|| queue.due(now));
        due.map(|notice| if let Notice::Typing { length, .. } = notice { length } else { 0 }).collect()
    }

    #[test]
    fn what_lies_ahead_comes_in_order_of_time_and_then_of_the_commits() {
        let mut queue = Queue { held: BinaryHeap::new(), number: 0, most: 100 };
        for (at, length) in [(300, 1), (200, 2), (300, 3), (200, 4), (100, 5)] {
            queue.push(typing(at, length));
        }
        assert_eq!(queue.next(), Some(100));
        assert!(lengths(&mut queue, 99).is_empty());
        assert_eq!(lengths(&mut queue, 200), [5, 2, 4]);
        assert_eq!(lengths(&mut queue, 300), [1, 3]);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn more_than_may_lie_ahead_is_delivered_early_and_in_order() {
        let mut queue = Queue { held: BinaryHeap::new(), number: 0, most: 2 };
        for (at, length) in [(300, 1), (200, 2), (400, 3), (500, 4)] {
            queue.push(typing(at, length));
        }
        assert_eq!(lengths(&mut queue, 0), [2, 1]);
        assert_eq!(lengths(&mut queue, 1_000), [3, 4]);
    }
}
