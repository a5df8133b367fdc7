//! The store against a small model in memory: whatever is done in whatever order, both say the same, also after a restart.
//! `CASES=1000` tries so many orders.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::testing::*;
use super::{ConversationTarget, Expiry, KvsFound, KvsPlace, KvsWrite, Rules, StoreError};
use crate::config::StoreLimits;
use crate::model::{BotId, EventId, apart};

/// Orders that the ordinary test run tries.
const CASES: u32 = 16;

fn cases() -> ProptestConfig {
    let cases = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() }
}

/// What can be done with values.
#[derive(Debug, Clone)]
enum KvsStep {
    Set(KvsWrite, String),
    /// Puts a value behind the one that is there; nothing where there is none.
    Append(KvsWrite, String),
    /// In the place of what is there, or of something else.
    Replace(KvsWrite, String, bool),
    Delete(KvsPlace),
    DeletePrefix(String, Option<BotId>),
    Pass(u64),
    Restart,
}

/// A value and what else is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    value: String,
    expires_on: Option<u64>,
    owner: String,
}

/// The same as the store, in a map. A value whose time is over stays there until somebody takes its place, and counts.
#[derive(Debug, Default)]
struct KvsModel(BTreeMap<(String, String), Row>);

const LIMITS: StoreLimits = StoreLimits {
    value: 40,
    values_of_bot: 1_200,
    attributes: 0,
    users_listed: 0,
    state: 0,
    link_target: 0,
    links_of_bot: 0,
    link_lifetime: 0,
};

impl KvsModel {
    fn row(&self, place: &KvsPlace, now: u64) -> Option<&Row> {
        let row = self.0.get(&(place.bot.clone(), place.key.clone()));
        row.filter(|row| row.expires_on.is_none_or(|end| end > now))
    }

    fn bytes_of(&self, owner: &str) -> u64 {
        let rows = self.0.iter().filter(|(_, row)| row.owner == owner);
        rows.map(|((bot, key), row)| (bot.len() + key.len() + row.value.len()) as u64 + StoreLimits::VALUE).sum()
    }

    /// Whether it may be written; then it is.
    fn put(&mut self, write: &KvsWrite, value: String, now: u64) -> bool {
        let name = (write.place.bot.clone(), write.place.key.clone());
        let before = self.0.get(&name).cloned();
        let longer = before.as_ref().is_none_or(|before| value.len() > before.value.len());
        let same = before.as_ref().is_some_and(|before| value.len() == before.value.len());
        if value.len() as u64 > LIMITS.value && (longer || same) {
            return false;
        }
        let expires_on = match write.expiry {
            Expiry::Keep => self.row(&write.place, now).and_then(|row| row.expires_on),
            Expiry::Never => None,
            Expiry::After(ms) => Some(now + ms),
        };
        let owner = write.owner.as_ref().map_or_else(String::new, ToString::to_string);
        let another = before.as_ref().is_none_or(|before| before.owner != owner);
        self.0.insert(name.clone(), Row { value, expires_on, owner: owner.clone() });
        let fine = !(longer || another) || self.bytes_of(&owner) <= LIMITS.values_of_bot;
        if !fine {
            match before {
                Some(before) => self.0.insert(name, before),
                None => self.0.remove(&name),
            };
        }
        fine
    }
}

/// Names under which values stand: of bots, of none, and of a bot alone.
fn bots() -> Vec<String> {
    let a = BotId::parse("a").unwrap();
    vec!["a".into(), "b".into(), apart::name_of(&a, "a"), apart::name_of(&a, ""), String::new()]
}

/// Keys that begin alike, end where the range of characters does, and are looked at by the state's cache.
const KEYS: [&str; 8] = ["", "k", "ka", "kb", "k\u{10ffff}", "k\u{10ffff}x", "l", "global"];

fn place() -> impl Strategy<Value = KvsPlace> {
    (select(bots()), select(KEYS.to_vec())).prop_map(|(bot, key)| KvsPlace { bot, key: key.to_owned() })
}

fn write() -> impl Strategy<Value = KvsWrite> {
    let expiry = prop_oneof![Just(Expiry::Keep), Just(Expiry::Never), (0u64..2_000).prop_map(Expiry::After)];
    let owner = select(vec![None, BotId::parse("a").ok(), BotId::parse("b").ok()]);
    (place(), owner, expiry).prop_map(|(place, owner, expiry)| KvsWrite { place, owner, expiry })
}

fn kvs_step() -> impl Strategy<Value = KvsStep> {
    let value = || (0usize..50).prop_map(|length| format!("\"{}\"", "x".repeat(length)));
    let of = select(vec![None, BotId::parse("a").ok(), BotId::parse("b").ok()]);
    prop_oneof![
        6 => (write(), value()).prop_map(|(write, value)| KvsStep::Set(write, value)),
        3 => (write(), value()).prop_map(|(write, value)| KvsStep::Append(write, value)),
        2 => (write(), value(), any::<bool>()).prop_map(|(write, value, same)| KvsStep::Replace(write, value, same)),
        2 => place().prop_map(KvsStep::Delete),
        1 => (select(KEYS.to_vec()), of).prop_map(|(prefix, of)| KvsStep::DeletePrefix(prefix.to_owned(), of)),
        2 => (1u64..1_500).prop_map(KvsStep::Pass),
        1 => Just(KvsStep::Restart),
    ]
}

/// Whether a write was taken; it is refused only for what the limits say.
fn taken<T>(outcome: Result<T, StoreError>) -> Option<T> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(StoreError::Invalid(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn kvs_does(fixture: Fixture, model: &mut KvsModel, step: KvsStep) -> Fixture {
    let (store, now) = (&fixture.store, fixture.clock.now());
    match step {
        KvsStep::Set(write, value) => {
            let done = taken(wait(|then| store.kvs_set(write.clone(), value.clone(), then))).is_some();
            assert_eq!(done, model.put(&write, value, now));
        }
        KvsStep::Append(write, value) => {
            let behind = value.clone();
            let change = move |present: Option<String>| Ok((present.clone().map(|present| present + &behind), present));
            let seen = taken(wait(|then| store.kvs_update(write.clone(), change, then)));
            let present = model.row(&write.place, now).map(|row| row.value.clone());
            let put = present.as_ref().is_none_or(|present| model.put(&write, format!("{present}{value}"), now));
            assert_eq!(seen, put.then_some(present));
        }
        KvsStep::Replace(write, value, same) => {
            let there = model.row(&write.place, now).map(|row| row.value.clone());
            let present = there.clone().filter(|_| same).unwrap_or_else(|| "\"else\"".into());
            let done = taken(wait(|then| store.kvs_replace(write.clone(), present.clone(), value.clone(), then)));
            let expected =
                if there == Some(present) { model.put(&write, value, now).then_some(true) } else { Some(false) };
            assert_eq!(done, expected);
        }
        KvsStep::Delete(place) => {
            let there = model.row(&place, now).is_some();
            assert_eq!(wait(|then| store.kvs_delete(place.clone(), then)).unwrap(), there);
            model.0.remove(&(place.bot, place.key));
        }
        KvsStep::DeletePrefix(prefix, of) => {
            while wait(|then| store.kvs_delete_prefix(prefix.clone(), of.clone(), then)).unwrap() {}
            let own =
                |bot: &str| of.as_ref().is_none_or(|of| bot == of.as_str() || bot.starts_with(&apart::names_of(of)));
            model.0.retain(|(bot, key), _| !key.starts_with(&prefix) || !own(bot));
        }
        KvsStep::Pass(ms) => fixture.clock.advance(std::time::Duration::from_millis(ms)),
        KvsStep::Restart => {
            let rules = Rules { limits: LIMITS, ..Rules::default() };
            return fixture.reopen_with_rules(rules);
        }
    }
    fixture
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn values_are_those_of_the_model_whatever_is_done_in_whatever_order(steps in vec(kvs_step(), 1..40), most in 0u64..60) {
        let (mut fixture, mut model) = (Fixture::with_rules(Rules { limits: LIMITS, ..Rules::default() }), KvsModel::default());
        for step in steps {
            fixture = kvs_does(fixture, &mut model, step);
            let now = fixture.clock.now();
            for place in bots().into_iter().flat_map(|bot| KEYS.map(|key| KvsPlace { bot: bot.clone(), key: key.into() })) {
                let expected = match model.row(&place, now).map(|row| row.value.clone()) {
                    None => KvsFound::Nothing,
                    Some(value) if value.len() as u64 <= most => KvsFound::Value(value),
                    Some(value) => KvsFound::Longer(value.len() as u64),
                };
                prop_assert_eq!(fixture.store.kvs_get(&place, most).unwrap(), expected, "{:?}", place);
            }
        }
    }
}

/// What can be done with events. Which one is drawn from those that there are.
#[derive(Debug, Clone)]
enum QueueStep {
    Accept(&'static str, bool),
    Finish(Index),
    SetAside(Index),
    Retry(Index),
    Forget(Index),
    Death(Index),
    Restart,
}

/// An event that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    deaths: u32,
    reset: bool,
    /// Why it is set aside.
    aside: Option<String>,
}

fn queue_step() -> impl Strategy<Value = QueueStep> {
    let index = any::<Index>;
    prop_oneof![
        5 => (select(vec!["ann", "bob"]), any::<bool>()).prop_map(|(user, anew)| QueueStep::Accept(user, anew)),
        3 => index().prop_map(QueueStep::Finish),
        2 => index().prop_map(QueueStep::SetAside),
        1 => index().prop_map(QueueStep::Retry),
        1 => index().prop_map(QueueStep::Forget),
        2 => index().prop_map(QueueStep::Death),
        1 => Just(QueueStep::Restart),
    ]
}

/// The events of a run: those that are not over, and all ids ever given.
#[derive(Debug, Default)]
struct QueueModel {
    events: BTreeMap<EventId, Waiting>,
    ever: Vec<EventId>,
    conversations: BTreeMap<&'static str, i64>,
}

impl QueueModel {
    /// One of all events that ever were, over or not.
    fn any(&self, index: Index) -> Option<EventId> {
        (!self.ever.is_empty()).then(|| self.ever[index.index(self.ever.len())])
    }
}

fn queue_does(fixture: Fixture, model: &mut QueueModel, step: QueueStep) -> Fixture {
    let store = &fixture.store;
    match step {
        QueueStep::Accept(user, anew) => {
            let known = model.conversations.get(user).copied().filter(|_| anew);
            let accepted = fixture.accept(user, known.map_or(ConversationTarget::Recent, ConversationTarget::Anew));
            let id = accepted.event.id;
            assert!(model.ever.last().is_none_or(|last| id > *last), "ids only grow, also after a restart");
            model.ever.push(id);
            model.conversations.insert(user, accepted.conversation.unwrap());
            model.events.insert(id, Waiting { deaths: 0, reset: known.is_some(), aside: None });
        }
        QueueStep::Finish(index) => {
            let Some(id) = model.any(index) else { return fixture };
            let session = fixture.accept("eve", ConversationTarget::Recent).event;
            // Its own end goes the same way, so that the model need not know of it.
            fixture.finish(&session, None);
            model.ever.push(session.id);
            wait(|then| store.finish(id, session.session(), None, Default::default(), then)).unwrap();
            if model.events.get(&id).is_some_and(|event| event.aside.is_none()) {
                model.events.remove(&id);
            }
        }
        QueueStep::SetAside(index) => {
            let Some(id) = model.any(index) else { return fixture };
            let reason = format!("because of {id}, {}", model.events.len());
            wait(|then| store.set_aside(id, reason.clone(), then)).unwrap();
            if let Some(event) = model.events.get_mut(&id) {
                (event.aside, event.reset) = (Some(reason), false);
            }
        }
        QueueStep::Retry(index) => {
            let Some(id) = model.any(index) else { return fixture };
            let aside = model.events.get(&id).is_some_and(|event| event.aside.is_some());
            assert_eq!(block_on(store.retry_poisoned(id)).unwrap(), aside);
            if let Some(event) = model.events.get_mut(&id).filter(|_| aside) {
                (event.aside, event.deaths) = (None, 0);
            }
        }
        QueueStep::Forget(index) => {
            let Some(id) = model.any(index) else { return fixture };
            let aside = model.events.get(&id).is_some_and(|event| event.aside.is_some());
            assert_eq!(block_on(store.forget_poisoned(id)).unwrap(), aside);
            if aside {
                model.events.remove(&id);
            }
        }
        QueueStep::Death(index) => {
            let Some(id) = model.any(index) else { return fixture };
            store.count_death(id);
            wait(|then| store.barrier(move || then(())));
            if let Some(event) = model.events.get_mut(&id) {
                event.deaths += 1;
            }
        }
        QueueStep::Restart => return fixture.reopen(),
    }
    fixture
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn events_are_those_of_the_model_whatever_is_done_in_whatever_order(steps in vec(queue_step(), 1..40)) {
        let (mut fixture, mut model) = (Fixture::new(), QueueModel::default());
        for step in steps {
            fixture = queue_does(fixture, &mut model, step);
            let (pending, aside): (Vec<_>, Vec<_>) = model.events.iter().partition(|(_, event)| event.aside.is_none());
            let found = fixture.store.pending().unwrap();
            let found: Vec<_> = found.iter().map(|event| (event.id, event.deaths, event.reset)).collect();
            let expected: Vec<_> = pending.iter().map(|(id, event)| (**id, event.deaths, event.reset)).collect();
            prop_assert_eq!(found, expected);
            let found = fixture.store.poisoned().unwrap();
            let found: Vec<_> = found.into_iter().map(|event| (event.event.id, Some(event.reason))).collect();
            let expected: Vec<_> = aside.iter().map(|(id, event)| (**id, event.aside.clone())).collect();
            prop_assert_eq!(found, expected);
            for id in &model.ever {
                let queued = fixture.store.queued(*id).unwrap().is_some();
                prop_assert_eq!(queued, pending.iter().any(|(known, _)| *known == id), "event {}", id);
            }
        }
    }
}
