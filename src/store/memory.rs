//! What the writer remembers of rows that it has written or seen, so that it does not look them up again.
//!
//! The writer alone writes, so nothing changes behind its back; each change of a remembered row goes through here. What an
//! operation noted whose changes are undone is forgotten: to know nothing is always right. All of it has a bound.

use std::sync::Arc;

use hashlink::LruCache;

use crate::model::{ConversationKey, EventId, SessionKey, apart};

/// Most rows of each kind.
const USERS: usize = 10_000;
const CONVERSATIONS: usize = 20_000;
const EVENTS: usize = 20_000;

/// Attributes of so many bytes are looked up each time.
const LONG_ATTRIBUTES: usize = 2_000;
/// Of an event that did more than that nothing is remembered.
const MOST_NUMBERS: usize = 64;

/// A user of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct UserName {
    pub(super) channel: Arc<str>,
    pub(super) user: Arc<str>,
}

impl UserName {
    /// Whose attributes an event of that conversation has: the bot's own ones of the user where bots are kept apart.
    pub(super) fn of(key: &ConversationKey, per_bot: bool) -> Self {
        let channel = match per_bot {
            true => apart::name_of(&key.bot, &key.channel).into(),
            false => Arc::clone(&key.channel),
        };
        Self { channel, user: key.target.shared() }
    }

    pub(super) fn new(channel: &str, user: &str) -> Self {
        Self { channel: channel.into(), user: user.into() }
    }
}

/// What makes an event different from one that somebody sends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin {
    /// It is the janitor's.
    pub(super) timeout: bool,
    /// Its session begins anew.
    pub(super) reset: bool,
}

/// An event in the queue, and the numbers of its effects.
#[derive(Debug, Default)]
pub(super) struct KnownEvent {
    pub(super) origin: Origin,
    /// Those of messages.
    pub(super) replies: Vec<u32>,
    /// Those that stand in `effects`.
    pub(super) others: Vec<u32>,
}

/// The rows.
pub(super) struct Memory {
    /// Users who exist, with their attributes where they are short.
    users: LruCache<UserName, Option<Arc<str>>>,
    /// Whose conversations are.
    owners: LruCache<i64, ConversationKey>,
    /// The conversation in which somebody was heard last, and when; with a thread, the one of that thread.
    recent: LruCache<SessionKey, (i64, u64)>,
    /// Events in the queue, with all that they have done.
    events: LruCache<EventId, KnownEvent>,
    /// What the transaction under way has noted, in order.
    noted: Vec<Noted>,
}

enum Noted {
    User(UserName),
    Owner(i64),
    Recent(SessionKey),
    Event(EventId),
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            users: LruCache::new(USERS),
            owners: LruCache::new(CONVERSATIONS),
            recent: LruCache::new(CONVERSATIONS),
            events: LruCache::new(EVENTS),
            noted: Vec::new(),
        }
    }
}

impl Memory {
    /// Attributes of a user who exists: `Some(None)` where they must be looked up.
    pub(super) fn user(&mut self, name: &UserName) -> Option<Option<Arc<str>>> {
        self.users.get(name).cloned()
    }

    /// The user exists and has these attributes, if they are known.
    pub(super) fn note_user(&mut self, name: UserName, attributes: Option<Arc<str>>) {
        let short = attributes.filter(|text| text.len() < LONG_ATTRIBUTES);
        self.noted.push(Noted::User(name.clone()));
        self.users.insert(name, short);
    }

    /// Whether that conversation is theirs, if it is known whose it is.
    pub(super) fn owns(&mut self, id: i64, key: &ConversationKey) -> Option<bool> {
        self.owners.get(&id).map(|owner| owner == key)
    }

    pub(super) fn note_owner(&mut self, id: i64, key: ConversationKey) {
        self.noted.push(Noted::Owner(id));
        self.owners.insert(id, key);
    }

    /// The conversation in which they were heard last, and when.
    pub(super) fn recent(&mut self, key: &SessionKey) -> Option<(i64, u64)> {
        self.recent.get(key).copied()
    }

    /// They were heard last in that conversation, or it is not known in which one.
    pub(super) fn note_recent(&mut self, key: &SessionKey, heard: Option<(i64, u64)>) {
        self.noted.push(Noted::Recent(key.clone()));
        match heard {
            Some(heard) => drop(self.recent.insert(key.clone(), heard)),
            None => drop(self.recent.remove(key)),
        }
    }

    /// The event was put into the queue just now.
    pub(super) fn note_event(&mut self, event: EventId, origin: Origin) {
        self.noted.push(Noted::Event(event));
        self.events.insert(event, KnownEvent { origin, ..KnownEvent::default() });
    }

    /// All that an event has done which is in the queue, if that is known.
    pub(super) fn event(&mut self, event: EventId) -> Option<&KnownEvent> {
        self.events.get(&event)
    }

    /// The event has taken a number.
    pub(super) fn note_number(&mut self, event: EventId, number: u32, reply: bool) {
        let Some(numbers) = self.events.get_mut(&event) else { return };
        if numbers.replies.len() + numbers.others.len() >= MOST_NUMBERS {
            self.events.remove(&event);
            return;
        }
        match reply {
            true => numbers.replies.push(number),
            false => numbers.others.push(number),
        }
        self.noted.push(Noted::Event(event));
    }

    /// The event has left the queue, or may do so without being told here.
    pub(super) fn forget_event(&mut self, event: EventId) {
        self.events.remove(&event);
    }

    /// How much was noted so far, for [`Memory::undo`].
    pub(super) fn mark(&self) -> usize {
        self.noted.len()
    }

    /// What was noted since `mark` is not so.
    pub(super) fn undo(&mut self, mark: usize) {
        for noted in self.noted.drain(mark.min(self.noted.len())..) {
            match noted {
                Noted::User(name) => drop(self.users.remove(&name)),
                Noted::Owner(id) => drop(self.owners.remove(&id)),
                Noted::Recent(key) => drop(self.recent.remove(&key)),
                Noted::Event(event) => drop(self.events.remove(&event)),
            }
        }
    }

    /// What was noted is committed.
    pub(super) fn committed(&mut self) {
        self.noted.clear();
    }
}
