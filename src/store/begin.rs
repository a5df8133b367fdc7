//! What an event begins with: its body and the state of its session, from memory or read on a thread made for that, so
//! that nobody who asks waits for the disk.

use std::sync::Arc;

use super::error::StoreError;
use super::handle::Store;
use super::queue;
use super::sessions::{StoredState, stored_state};
use crate::model::{QueuedEvent, SessionKey, StateSnapshot};

/// What an event begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The event as JSON, and its state. That of a reset has begun anew.
    Ready(Arc<str>, StateSnapshot),
    /// It is a time-out, and the session was stored or deleted since it was queued: it has nothing to do.
    Overtaken,
    /// It is no longer queued.
    Gone,
}

impl Store {
    /// The state in which an event of that session begins, as [`Store::restore`] would read it now, if it is in memory. It
    /// never waits. It is not for time-outs.
    pub fn cached_state(&self, session: &SessionKey) -> Option<StateSnapshot> {
        self.0.states.snapshot(session, self.now())
    }

    /// What the event begins with: its state, and its body where the event comes without it. `then` runs on a thread of
    /// the store that reads; it must be short.
    pub fn begin(&self, event: &QueuedEvent, then: impl FnOnce(Result<Begun, StoreError>) + Send + 'static) {
        let (event, states, clock) = (event.clone(), Arc::clone(&self.0.states), self.0.clock.clone());
        let health = self.0.health.clone();
        let per_bot = self.0.rules.per_bot;
        self.0.read_threads.run(Box::new(move |connection| {
            let session = event.session();
            let reading = states.reading(&session);
            let found = connection.ok_or(StoreError::Closed).and_then(|connection| {
                let body = match event.body.is_empty() {
                    false => Some(Arc::clone(&event.body)),
                    true => queue::find(connection, event.id)?.map(|stored| stored.body),
                };
                Ok((body, stored_state(connection, &session, per_bot)?))
            });
            match found {
                Err(error) => {
                    health.saw(&error, clock.now());
                    states.read(reading, None);
                    then(Err(error));
                }
                Ok((body, stored)) => {
                    let begun = begun(&event, body, &stored, clock.now());
                    states.read(reading, Some(stored.parts()));
                    then(Ok(begun));
                }
            }
        }));
    }
}

fn begun(event: &QueuedEvent, body: Option<Arc<str>>, stored: &StoredState, now: u64) -> Begun {
    let Some(body) = body else { return Begun::Gone };
    if event.timeout {
        return stored.of_timeout(event.id, now).map_or(Begun::Overtaken, |state| Begun::Ready(body, state));
    }
    let state = stored.at(now);
    Begun::Ready(body, if event.reset { state.anew() } else { state })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::super::testing::*;
    use super::super::{ConversationTarget, Expiry, KvsPlace, KvsWrite, Lifetimes, Rules};
    use super::*;
    use crate::model::{BotId, ConversationKey};

    fn begin(fixture: &Fixture, event: &QueuedEvent) -> Begun {
        wait(|then| fixture.store.begin(event, then)).unwrap()
    }

    fn change(json: &str) -> Option<crate::model::StateChange> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_event_begins_with_its_body_and_state_and_the_next_one_needs_no_disk() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        assert_eq!(fixture.store.cached_state(&event.session()), None);
        let kept_in_store = QueuedEvent { body: "".into(), ..event.clone() };
        let Begun::Ready(body, state) = begin(&fixture, &kept_in_store) else { panic!("it is queued") };
        assert_eq!((&body, &state), (&event.body, &StateSnapshot::default()));
        assert_eq!(fixture.store.cached_state(&event.session()), Some(StateSnapshot::default()));
        fixture.finish(&event, change(r#"{"session":{"s":1},"user":{"u":1}}"#));
        let state = fixture.store.cached_state(&event.session()).unwrap();
        assert_eq!((state.session.as_str(), state.user.as_str()), (r#"{"s":1}"#, r#"{"u":1}"#));
        assert_eq!(begin(&fixture, &kept_in_store), Begun::Gone);
        fixture.clock.advance(Duration::from_secs(30 * 60));
        assert_eq!(fixture.store.cached_state(&event.session()).unwrap().session, "{}");
        let reset = QueuedEvent { reset: true, ..fixture.accept("ann", ConversationTarget::Recent).event };
        let Begun::Ready(_, state) = begin(&fixture, &reset) else { panic!("it is queued") };
        assert_eq!((state.session.as_str(), state.user.as_str()), ("{}", r#"{"u":1}"#));
    }

    #[test]
    fn a_time_out_begins_with_what_has_expired_unless_its_user_wrote_meanwhile() {
        let fixture = Fixture::new();
        for user in ["ann", "bob"] {
            let event = fixture.accept(user, ConversationTarget::Nowhere).event;
            fixture.finish(&event, change(r#"{"session":{"s":1},"context":{"c":1}}"#));
        }
        fixture.clock.advance(Duration::from_secs(3_600));
        let due = fixture.store.due(10).unwrap().remove(0).1;
        let events = wait(|then| fixture.store.time_out(due, 10, then)).unwrap().queued;
        let Begun::Ready(_, state) = begin(&fixture, &events[0]) else { panic!("it is to run") };
        assert_eq!((state.session.as_str(), state.context.as_str()), (r#"{"s":1}"#, r#"{"c":1}"#));
        let next = fixture.accept("bob", ConversationTarget::Nowhere).event;
        fixture.finish(&next, change(r#"{"context":{"c":2}}"#));
        assert_eq!(begin(&fixture, &events[1]), Begun::Overtaken);
    }

    #[test]
    fn one_that_is_read_while_others_are_stored_is_never_kept_as_it_was() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        begin(&fixture, &event);
                    }
                });
            }
            for number in 0..120 {
                let next = fixture.accept("ann", ConversationTarget::Nowhere).event;
                let text = format!(r#"{{"n":{number}}}"#);
                fixture.finish(&next, change(&format!(r#"{{"session":{text},"user":{text}}}"#)));
                for _ in 0..20 {
                    let state = fixture.store.cached_state(&event.session());
                    let seen = state.map(|state| (state.session, state.user));
                    assert!(
                        seen.as_ref().is_none_or(|seen| *seen == (text.clone(), text.clone())),
                        "{number}: {seen:?}"
                    );
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    /// Sessions among which everything happens.
    fn sessions() -> Vec<SessionKey> {
        let mut all = Vec::new();
        for (bot, channel, user) in [("a", "web", "ann"), ("b", "web", "ann"), ("a", "api", "ann"), ("a", "web", "bob")]
        {
            let bot = BotId::parse(bot).unwrap();
            let conversation = ConversationKey { bot, channel: channel.into(), ..whose(user) };
            for thread in [None, Some("7".into())] {
                all.push(SessionKey { conversation: conversation.clone(), thread });
            }
        }
        all
    }

    /// A random operation that changes what states are read from, or reads one.
    fn step(fixture: &Fixture, random: &mut StdRng, sessions: &[SessionKey], open: &mut Vec<QueuedEvent>) {
        let store = &fixture.store;
        let session = &sessions[random.random_range(0..sessions.len())];
        let key = &session.conversation;
        let (channel, user) = (key.channel.to_string(), key.target.to_string());
        let place = |name: &str| KvsPlace { bot: key.bot.to_string(), key: name.into() };
        let text = format!(r#"{{"n":{}}}"#, random.random_range(0..1_000));
        match random.random_range(0..18) {
            0..4 => {
                let draft = crate::model::EventDraft { key: key.clone(), thread: session.thread.clone(), ..draft("x") };
                let event = wait(|then| store.accept(draft, ConversationTarget::Nowhere, None, then)).unwrap().event;
                let timeout = random.random_range(0..4) == 0;
                open.push(QueuedEvent { reset: timeout, ..event });
            }
            4..9 if !open.is_empty() => {
                let event = open.swap_remove(random.random_range(0..open.len()));
                let parts =
                    ["session", "temp", "context", "user"].into_iter().filter(|_| random.random_range(0..2) == 0);
                let parts: Vec<String> = parts.map(|part| format!(r#""{part}":{text}"#)).collect();
                let lifetimes = Lifetimes { context: 40, session: random.random_range(20..90) };
                let state = change(&format!("{{{}}}", parts.join(",")));
                store.finish(event.id, event.session(), state, lifetimes, drop);
            }
            9 if !open.is_empty() => {
                let event = open.swap_remove(0);
                store.set_aside(event.id, "killed".into(), drop);
            }
            10 => store.set_attributes(channel, user, serde_json::from_str(&text).unwrap(), drop),
            11 => {
                let large = if random.random_range(0..3) == 0 { "x".repeat(2 << 20) } else { "x".repeat(3_000) };
                let changed = serde_json::from_str(&format!(r#"{{"long":"{large}"}}"#)).unwrap();
                store.update_attributes(channel, user, changed, drop);
            }
            12 => {
                let expiry = [Expiry::Keep, Expiry::Never, Expiry::After(30)][random.random_range(0..3)];
                store.kvs_set(KvsWrite { place: place("global"), owner: None, expiry }, text, drop);
            }
            13 => match random.random_range(0..3) {
                0 => store.kvs_delete(place("global"), drop),
                1 => store.kvs_delete_prefix("glo".into(), None, drop),
                _ => {
                    let write = KvsWrite { place: place("other"), owner: None, expiry: Expiry::Keep };
                    store.kvs_set(write, text, drop);
                }
            },
            14 => {
                let bot = (random.random_range(0..2) == 0).then(|| key.bot.clone());
                store.delete_session(bot, channel, user, session.thread.clone(), drop);
            }
            15 => {
                for (_, due) in store.due(5).unwrap() {
                    match random.random_range(0..3) {
                        0 => drop(block_on(store.delete_unserved(due)).unwrap()),
                        _ => open.extend(wait(|then| store.time_out(due, 3, then)).unwrap().queued),
                    }
                }
                store.forget_expired().unwrap();
            }
            16 => {
                fixture.clock.advance(Duration::from_millis(random.random_range(0..30)));
                store.forget_attributes().unwrap();
            }
            _ => {
                let event = QueuedEvent { key: key.clone(), thread: session.thread.clone(), ..queued() };
                begin(fixture, &event);
            }
        }
    }

    fn queued() -> QueuedEvent {
        draft("x").queued(crate::model::EventId(1), 1)
    }

    #[test]
    fn what_is_kept_of_states_is_what_the_disk_has_whatever_happens() {
        let (mut hits, mut rules) = (0, Rules::default());
        rules.retention.insert("n".into(), 50);
        for seed in 0..3 {
            let (fixture, sessions) = (Fixture::with_rules(rules.clone()), sessions());
            let (mut random, mut open) = (StdRng::seed_from_u64(seed), Vec::new());
            for number in 0..800 {
                step(&fixture, &mut random, &sessions, &mut open);
                if random.random_range(0..4) > 0 {
                    continue;
                }
                wait(|then| fixture.store.barrier(move || then(())));
                for session in &sessions {
                    if let Some(kept) = fixture.store.cached_state(session) {
                        hits += 1;
                        let stored = fixture.store.restore(session).unwrap();
                        assert_eq!(kept, stored, "seed {seed}, step {number}, {session:?}");
                    }
                }
            }
        }
        assert!(hits > 1_000, "{hits} states were at hand: too few to say anything");
    }
}
