//! What is told after each commit: one queue to one receiver, with room for so many bytes.
//!
//! Whoever sends is the store's writer: it never waits. What finds no room is left out, and in its place stands whose it
//! was, so that this visitor alone is told to catch up, and only after what was sent to him before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde_json::value::RawValue;
use tokio::sync::Notify;

use crate::model::{ConversationKey, SessionKey, UserId};
use crate::store::StoredMessage;
use crate::telemetry::seldom::Seldom;

/// What a notice takes beside its texts, in bytes.
const FRAME: usize = 300;
/// Places that an empty queue keeps.
const KEPT_PLACES: usize = 1_024;
/// Most visitors who may be noted as having missed something: some twenty megabytes of names.
const MOST_MISSED: usize = 100_000;

/// What the receiver is told, after it is committed and in the order of the commits.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A message is stored, of the user or of the bot.
    Stored {
        /// Bot, channel and user.
        key: ConversationKey,
        /// The message.
        message: Arc<StoredMessage>,
        /// From when on it may be seen, in milliseconds since the epoch; it may lie ahead.
        deliver_at: u64,
    },
    /// The bot shows that it types.
    Typing {
        /// Bot, channel and user.
        key: ConversationKey,
        /// The conversation, as text.
        thread: Option<Arc<str>>,
        /// How long, in milliseconds.
        length: u64,
        /// When it begins, in milliseconds since the epoch: after what is held already.
        at: u64,
    },
    /// A reply of type `data`: it is for the page that the chat is in, and is stored nowhere.
    Data {
        /// Bot, channel and user.
        key: ConversationKey,
        /// The whole payload.
        payload: Arc<RawValue>,
        /// When it is told, in milliseconds since the epoch: after what is held already.
        at: u64,
    },
}

impl Notice {
    /// Bot, channel and user.
    pub fn key(&self) -> &ConversationKey {
        let (Self::Stored { key, .. } | Self::Typing { key, .. } | Self::Data { key, .. }) = self;
        key
    }

    /// The conversation, by its thread where it says which one.
    pub fn session(&self) -> SessionKey {
        let thread = match self {
            Self::Typing { thread, .. } => thread.clone(),
            Self::Stored { .. } | Self::Data { .. } => None,
        };
        SessionKey { conversation: self.key().clone(), thread }
    }

    /// From when on it may be told, in milliseconds since the epoch.
    pub fn at(&self) -> u64 {
        match self {
            Self::Stored { deliver_at, .. } => *deliver_at,
            Self::Typing { at, .. } | Self::Data { at, .. } => *at,
        }
    }

    /// What it takes in memory, about, in bytes.
    pub fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let json = |json: &Option<Box<RawValue>>| json.as_ref().map_or(0, |json| json.get().len());
        FRAME
            + match self {
                Self::Stored { message, .. } => {
                    message.payload.get().len()
                        + message.full_name.len()
                        + text(&message.message_text)
                        + text(&message.avatar_url)
                        + json(&message.message_raw)
                        + json(&message.message_data)
                }
                Self::Typing { .. } => 0,
                Self::Data { payload, .. } => payload.get().len(),
            }
    }
}

/// What a receiver gets.
#[derive(Debug)]
pub enum Received {
    /// Something was committed.
    Notice(Notice),
    /// Notices for that visitor found no room and are not told any more.
    Missed {
        /// Whose they were.
        visitor: UserId,
        /// The last of them may be seen from then on, in milliseconds since the epoch; it may lie ahead.
        until: u64,
    },
}

/// Whether somebody would hear of that conversation now.
type Hears = Box<dyn Fn(&ConversationKey) -> bool + Send + Sync>;

/// The sending end.
#[derive(Default)]
pub struct Notices(RwLock<Option<Arc<Queue>>>);

/// The receiving end; there is one.
pub struct NoticeReceiver(Arc<Queue>);

struct Queue {
    /// Room for so many bytes.
    room: usize,
    hears: Hears,
    waiting: Mutex<Waiting>,
    /// Something waits where nothing did, or nothing will any more.
    woken: Notify,
    /// That some were not even noted as missed.
    dropped: Seldom,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// What the entries take.
    bytes: usize,
    /// The visitors of whom an entry says that they have missed something, and until when it concerns them.
    missed: HashMap<UserId, u64>,
    /// One end is gone.
    closed: bool,
}

enum Entry {
    Notice(Notice),
    Missed(UserId),
}

impl Notices {
    /// The receiving end of what is sent from now on: `room` bytes of it may wait. `hears` says whether anybody would hear
    /// of a conversation now. A receiver that was there before gets nothing more.
    pub fn subscribe(
        &self,
        room: usize,
        hears: impl Fn(&ConversationKey) -> bool + Send + Sync + 'static,
    ) -> NoticeReceiver {
        let queue = Arc::new(Queue {
            room,
            hears: Box::new(hears),
            waiting: Mutex::default(),
            woken: Notify::new(),
            dropped: Seldom::new(),
        });
        if let Some(before) = self.0.write().replace(Arc::clone(&queue)) {
            before.close();
        }
        NoticeReceiver(queue)
    }

    /// Tells the receiver, if there is one; `now` in milliseconds since the epoch. Never waits.
    pub fn send(&self, notice: Notice, now: u64) {
        if let Some(queue) = &*self.0.read() {
            queue.push(notice, now);
        }
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        if let Some(queue) = self.0.get_mut() {
            queue.close();
        }
    }
}

impl Queue {
    fn push(&self, notice: Notice, now: u64) {
        // Whoever is not there now may be when something comes that lies ahead; of what may be seen already, such a one
        // reads in the conversation.
        if notice.at() <= now && !(self.hears)(notice.key()) {
            return;
        }
        let bytes = notice.bytes();
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return;
        }
        let first = waiting.entries.is_empty();
        if let Some(until) = waiting.missed.get_mut(&notice.key().target) {
            *until = (*until).max(notice.at());
        } else if first || waiting.bytes + bytes <= self.room {
            waiting.bytes += bytes;
            waiting.entries.push_back(Entry::Notice(notice));
        } else if waiting.missed.len() >= MOST_MISSED {
            drop(waiting);
            if let Some(times) = self.dropped.happens(now) {
                tracing::warn!(
                    times,
                    "more than {MOST_MISSED} visitors have missed messages (`realtime.waiting`) and are not told yet: others find \
                     theirs when they read their conversation again (said once a minute)"
                );
            }
            return;
        } else {
            let visitor = &notice.key().target;
            waiting.missed.insert(visitor.clone(), notice.at());
            // There is one for each visitor at most, however much they miss.
            waiting.entries.push_back(Entry::Missed(visitor.clone()));
        }
        drop(waiting);
        if first {
            self.woken.notify_one();
        }
    }

    fn close(&self) {
        self.waiting.lock().closed = true;
        self.woken.notify_one();
    }
}

impl NoticeReceiver {
    /// What comes next; `None` when the dispatcher is gone. May be given up and called again: nothing is lost.
    pub async fn recv(&mut self) -> Option<Received> {
        // A receiver for which there is always something lets others go on, too.
        tokio::task::coop::consume_budget().await;
        loop {
            if let Some(received) = self.try_recv() {
                return Some(received);
            }
            if self.0.waiting.lock().closed {
                return self.try_recv();
            }
            self.0.woken.notified().await;
        }
    }

    /// What is there already.
    pub fn try_recv(&mut self) -> Option<Received> {
        let mut waiting = self.0.waiting.lock();
        let received = match waiting.entries.pop_front()? {
            Entry::Notice(notice) => {
                waiting.bytes -= notice.bytes();
                Received::Notice(notice)
            }
            Entry::Missed(visitor) => {
                let until = waiting.missed.remove(&visitor).unwrap_or(0);
                Received::Missed { visitor, until }
            }
        };
        if waiting.entries.is_empty() && waiting.entries.capacity() > KEPT_PLACES {
            waiting.entries = VecDeque::new();
            waiting.missed = HashMap::new();
        }
        Some(received)
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

impl Drop for NoticeReceiver {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.closed = true;
        waiting.entries = VecDeque::new();
    }
}

impl std::fmt::Debug for NoticeReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.0.waiting.lock();
        f.debug_struct("NoticeReceiver")
            .field("entries", &waiting.entries.len())
            .field("bytes", &waiting.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BotId;

    fn typing(visitor: &str, length: u64, at: u64) -> Notice {
        let (bot, target) = (BotId::parse("a").unwrap(), UserId::parse(visitor).unwrap());
        Notice::Typing { key: ConversationKey { bot, channel: "web".into(), target }, thread: None, length, at }
    }

    /// All that is there, in short.
    fn all(receiver: &mut NoticeReceiver) -> Vec<String> {
        let received = std::iter::from_fn(|| receiver.try_recv());
        let short = received.map(|received| match received {
            Received::Notice(Notice::Typing { key, length, .. }) => format!("{} {length}", key.target),
            Received::Notice(other) => format!("{other:?}"),
            Received::Missed { visitor, until } => format!("{visitor} misses until {until}"),
        });
        short.collect()
    }

    #[test]
    fn of_visitors_who_miss_something_no_more_are_noted_than_there_may_be() {
        let notices = Notices::default();
        let mut receiver = notices.subscribe(1, |_| true);
        for visitor in 0..=MOST_MISSED {
            notices.send(typing(&format!("v{visitor}"), 1, 5), 0);
        }
        let noted = || notices.0.read().as_ref().unwrap().waiting.lock().entries.len();
        assert_eq!(noted(), MOST_MISSED + 1);
        notices.send(typing("late", 1, 5), 0);
        notices.send(typing("v1", 1, 7), 0);
        assert_eq!(noted(), MOST_MISSED + 1);
        assert_eq!(receiver.try_recv().map(|received| matches!(received, Received::Notice(_))), Some(true));
        let missed = receiver.try_recv();
        assert!(
            matches!(&missed, Some(Received::Missed { visitor, until: 7 }) if visitor.as_str() == "v1"),
            "{missed:?}"
        );
        notices.send(typing("early", 1, 5), 0);
        assert_eq!(noted(), MOST_MISSED, "there is room again");
    }

    #[test]
    fn only_those_whose_notice_finds_no_room_miss_it_and_hear_what_was_sent_before() {
        let notices = Notices::default();
        let mut receiver = notices.subscribe(3 * FRAME, |_| true);
        for (visitor, length, at) in
            [("ann", 1, 0), ("bob", 2, 0), ("ann", 3, 0), ("ann", 4, 7), ("ann", 5, 3), ("cid", 6, 0)]
        {
            notices.send(typing(visitor, length, at), 0);
        }
        assert_eq!(receiver.try_recv().map(|received| matches!(received, Received::Notice(_))), Some(true));
        // There is room again, but not for one who has missed something that was before it.
        notices.send(typing("ann", 7, 0), 0);
        notices.send(typing("bob", 8, 0), 0);
        let told = ["bob 2", "ann 3", "ann misses until 7", "cid misses until 0", "bob 8"];
        assert_eq!(all(&mut receiver), told);
        notices.send(typing("ann", 9, 0), 0);
        assert_eq!(all(&mut receiver), ["ann 9"], "whoever was told to catch up hears what comes then");
    }

    #[test]
    fn one_alone_may_be_of_any_size() {
        let notices = Notices::default();
        let mut receiver = notices.subscribe(1, |_| true);
        for length in [1, 2] {
            notices.send(typing("ann", length, 0), 0);
            assert_eq!(all(&mut receiver), [format!("ann {length}")]);
        }
    }

    #[test]
    fn what_nobody_hears_costs_nothing_unless_it_lies_ahead() {
        let notices = Notices::default();
        notices.send(typing("ann", 1, 0), 0);
        let mut receiver = notices.subscribe(10 * FRAME, |key| key.target.as_str() == "bob");
        for (visitor, length, at) in [("ann", 2, 100), ("bob", 3, 100), ("ann", 4, 101)] {
            notices.send(typing(visitor, length, at), 100);
        }
        assert_eq!(all(&mut receiver), ["bob 3", "ann 4"]);
    }

    #[tokio::test]
    async fn a_receiver_waits_and_ends_with_the_dispatcher() {
        let notices = Notices::default();
        let mut before = notices.subscribe(FRAME, |_| true);
        let mut receiver = notices.subscribe(FRAME, |_| true);
        assert!(before.recv().await.is_none(), "there is one receiver");
        let told = tokio::spawn(async move {
            let first = receiver.recv().await;
            (first.is_some(), receiver.recv().await.is_some(), receiver.recv().await.is_none())
        });
        tokio::task::yield_now().await;
        notices.send(typing("ann", 1, 0), 0);
        tokio::task::yield_now().await;
        notices.send(typing("ann", 2, 0), 0);
        drop(notices);
        assert_eq!(told.await.unwrap(), (true, true, true));
    }
}
