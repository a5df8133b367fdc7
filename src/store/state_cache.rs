//! The state of sessions as it was committed last, in memory, so that most events begin without a look at the disk.
//!
//! What `restore` reads is kept in three parts, each under its own key: a session, a user's attributes, a bot's variables.
//! The writer tells of every change, before it is committed (from then on the part is unknown) and after it (the part is what
//! it was changed to, where that is at hand). A read from the disk fills what is unknown, unless it changed meanwhile. So
//! what is here is what is committed, or it is not here.

use std::collections::HashMap;
use std::sync::Arc;

use hashlink::LruCache;
use parking_lot::Mutex;

use super::memory::UserName;
use crate::model::{BotId, SessionKey, StateSnapshot};

/// An empty object.
const EMPTY: &str = "{}";
/// Bytes of an entry beside its texts.
const FRAME: usize = 300;

/// What a part is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum PartKey {
    Session(SessionKey),
    User(UserName),
    Bot(BotId),
}

/// The texts of a session that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionTexts {
    pub(super) session: Arc<str>,
    pub(super) temp: Arc<str>,
    pub(super) context: Arc<str>,
    /// From then on it counts as absent.
    pub(super) expires_on: u64,
}

/// A bot's variables and when they expire, if they do; none if there are none.
pub(super) type Variables = Option<(Arc<str>, Option<u64>)>;

/// A part of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatePart {
    /// Of a session; none if there is no such session.
    Session(Option<SessionTexts>),
    /// A user's attributes, empty if there is no such user.
    User(Arc<str>),
    /// A bot's variables.
    Bot(Variables),
}

/// What the writer changes.
#[derive(Debug, Clone)]
pub(super) enum StateChanged {
    /// That part; what it is now, if that is known.
    Part(PartKey, Option<StatePart>),
    /// The variables of bots, of whichever.
    AllBots,
}

/// The parts.
pub(super) struct StateCache {
    parts: Mutex<CachedParts>,
    /// Each bot has attributes of its own for a user.
    per_bot: bool,
}

struct CachedParts {
    entries: LruCache<PartKey, StatePart>,
    bytes: usize,
    most: usize,
    /// CachedParts that are being read from the disk, each by the latest reading.
    reading: HashMap<PartKey, u64>,
    last_reading: u64,
}

/// The permit of a reading to fill what it has read.
pub(super) struct Reading {
    number: u64,
    keys: [PartKey; 3],
}

impl StateCache {
    /// A cache of at most about so many bytes.
    pub(super) fn new(most: usize, per_bot: bool) -> Self {
        let entries = LruCache::new_unbounded();
        let parts = CachedParts { entries, bytes: 0, most, reading: HashMap::new(), last_reading: 0 };
        Self { parts: Mutex::new(parts), per_bot }
    }

    /// The state in which an event of that session begins at `now`, if all parts of it are here.
    pub(super) fn snapshot(&self, session: &SessionKey, now: u64) -> Option<StateSnapshot> {
        let mut parts = self.parts.lock();
        let [session, user, bot] = keys(session, self.per_bot);
        // Asked for in the order in which they are missing most often.
        let StatePart::Session(session) = parts.entries.get(&session)?.clone() else { return None };
        let StatePart::User(user) = parts.entries.get(&user)?.clone() else { return None };
        let StatePart::Bot(bot) = parts.entries.get(&bot)?.clone() else { return None };
        drop(parts);
        Some(snapshot(now, &user, session.as_ref(), bot.as_ref()))
    }

    /// These changes are about to be committed: until they are, nothing is known of what they change.
    pub(super) fn unsure(&self, changes: &[StateChanged]) {
        if changes.is_empty() {
            return;
        }
        let mut parts = self.parts.lock();
        for change in changes {
            parts.forget(change);
        }
    }

    /// They are committed.
    pub(super) fn committed(&self, changes: impl Iterator<Item = StateChanged>) {
        let mut parts = self.parts.lock();
        for change in changes {
            parts.forget(&change);
            if let StateChanged::Part(key, Some(part)) = change {
                parts.insert(key, part);
            }
        }
    }

    /// A state is about to be read from the disk.
    pub(super) fn reading(&self, session: &SessionKey) -> Reading {
        let mut parts = self.parts.lock();
        parts.last_reading += 1;
        let reading = Reading { number: parts.last_reading, keys: keys(session, self.per_bot) };
        for key in &reading.keys {
            parts.reading.insert(key.clone(), reading.number);
        }
        reading
    }

    /// It was read; what changed meanwhile is left unknown.
    pub(super) fn read(&self, reading: Reading, found: Option<[StatePart; 3]>) {
        let mut parts = self.parts.lock();
        let mut found = found.into_iter().flatten();
        for key in reading.keys {
            let part = found.next();
            if parts.reading.get(&key) == Some(&reading.number) {
                parts.reading.remove(&key);
                if let Some(part) = part {
                    parts.insert(key, part);
                }
            }
        }
    }
}

/// The state in which an event begins at `now`: what has expired counts as absent.
pub(super) fn snapshot(
    now: u64,
    user: &str,
    session: Option<&SessionTexts>,
    bot: Option<&(Arc<str>, Option<u64>)>,
) -> StateSnapshot {
    let session = session.filter(|session| session.expires_on > now);
    let part = |text: fn(&SessionTexts) -> &str| session.map_or(EMPTY, text).to_owned();
    let bot = bot.filter(|(_, expires_on)| expires_on.is_none_or(|expires_on| expires_on > now));
    StateSnapshot {
        user: user.to_owned(),
        session: part(|texts| &texts.session),
        temp: part(|texts| &texts.temp),
        context: part(|texts| &texts.context),
        bot: bot.map_or(EMPTY, |(text, _)| text).to_owned(),
    }
}

fn keys(session: &SessionKey, per_bot: bool) -> [PartKey; 3] {
    let key = &session.conversation;
    [PartKey::Session(session.clone()), PartKey::User(UserName::of(key, per_bot)), PartKey::Bot(key.bot.clone())]
}

impl CachedParts {
    fn insert(&mut self, key: PartKey, part: StatePart) {
        let bytes = bytes(&part);
        // One that is very large would drive out many.
        if bytes > self.most / 16 {
            self.remove(&key);
            return;
        }
        self.remove(&key);
        self.entries.insert(key, part);
        self.bytes += bytes;
        while self.bytes > self.most
            && let Some((_, oldest)) = self.entries.remove_lru()
        {
            self.bytes -= self::bytes(&oldest);
        }
    }

    fn remove(&mut self, key: &PartKey) {
        if let Some(part) = self.entries.remove(key) {
            self.bytes -= bytes(&part);
        }
    }

    /// What is changed is not known any more, nor is what is being read of it.
    fn forget(&mut self, change: &StateChanged) {
        match change {
            StateChanged::Part(key, _) => {
                self.remove(key);
                self.reading.remove(key);
            }
            StateChanged::AllBots => {
                self.reading.retain(|key, _| !matches!(key, PartKey::Bot(_)));
                let bots = self.entries.iter().map(|(key, _)| key).filter(|key| matches!(key, PartKey::Bot(_)));
                let bots: Vec<PartKey> = bots.cloned().collect();
                bots.iter().for_each(|bot| self.remove(bot));
            }
        }
    }
}

fn bytes(part: &StatePart) -> usize {
    FRAME
        + match part {
            StatePart::Session(None) | StatePart::Bot(None) => 0,
            StatePart::Session(Some(texts)) => texts.session.len() + texts.temp.len() + texts.context.len(),
            StatePart::User(text) | StatePart::Bot(Some((text, _))) => text.len(),
        }
}

#[cfg(test)]
mod tests {
    use super::super::testing::whose;
    use super::*;

    fn session(user: &str) -> SessionKey {
        SessionKey { conversation: whose(user), thread: None }
    }

    fn fill(cache: &StateCache, user: &str, text: &str) {
        let reading = cache.reading(&session(user));
        cache.read(reading, Some([StatePart::Session(None), StatePart::User(text.into()), StatePart::Bot(None)]));
    }

    #[test]
    fn it_has_a_bound_and_what_was_not_asked_for_longest_goes_first() {
        let cache = StateCache::new(20_000, false);
        let text = "x".repeat(700);
        for user in 0..20 {
            fill(&cache, &format!("user-{user}"), &text);
            assert!(cache.snapshot(&session("user-0"), 0).is_some(), "after {user}");
        }
        assert!(cache.snapshot(&session("user-2"), 0).is_none());
        assert!(cache.snapshot(&session("user-19"), 0).is_some());
        assert!(cache.parts.lock().bytes <= 20_000);
        fill(&cache, "large", &"x".repeat(1_300));
        assert!(cache.snapshot(&session("large"), 0).is_none(), "one must not drive out many");
        cache.committed([StateChanged::AllBots].into_iter());
        assert!(cache.snapshot(&session("user-19"), 0).is_none());
    }

    #[test]
    fn what_changes_while_it_is_read_is_not_filled_in() {
        let cache = StateCache::new(20_000, false);
        let reading = cache.reading(&session("ann"));
        cache.unsure(&[StateChanged::Part(PartKey::Session(session("ann")), None)]);
        cache.read(reading, Some([StatePart::Session(None), StatePart::User("{}".into()), StatePart::Bot(None)]));
        assert!(cache.snapshot(&session("ann"), 0).is_none());
        fill(&cache, "ann", "{}");
        assert_eq!(cache.snapshot(&session("ann"), 0), Some(StateSnapshot::default()));
        assert!(cache.parts.lock().reading.is_empty());
    }
}
