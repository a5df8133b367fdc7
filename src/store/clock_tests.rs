//! What is stored while somebody sets the machine's clock: it is seen, in the order of the commits, and waits for as long as it must.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::testing::*;
use super::{Attributes, ConversationTarget, Expiry, KvsFound, KvsPlace, KvsWrite, Lifetimes, Reply, Rules};
use crate::clock::Clock;
use crate::model::{QueuedEvent, StateChange};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// A second that really passes, and what a clock that is ahead of the machine's shows of it at least.
const SECOND: Duration = Duration::from_secs(1);

fn conversation(fixture: &Fixture) -> QueuedEvent {
    wait(|then| fixture.store.accept(draft("ann"), ConversationTarget::Recent, Some(message("hi")), then))
        .unwrap()
        .event
}

/// How a clock that was at `NOW` may have been set by the next start.
fn set(fixture: Fixture, wall: u64, restart: bool) -> Fixture {
    if restart {
        return fixture.reopen_with(Clock::manual(wall));
    }
    fixture.clock.set(wall);
    fixture
}

const WAYS: [(u64, bool); 10] = [
    (NOW - HOUR, false),
    (NOW - HOUR, true),
    (NOW - 5 * DAY, false),
    (NOW - 5 * DAY, true),
    (NOW - 1, true),
    (NOW + YEAR, true),
    (0, false),
    (0, true),
    (u64::MAX, false),
    (u64::MAX, true),
];

#[test]
fn replies_after_the_clock_was_set_are_seen_at_once_and_after_those_before() {
    for (wall, restart) in WAYS {
        let fixture = Fixture::new();
        let event = conversation(&fixture);
        replied(&fixture, &event, 0, "before");
        let fixture = set(fixture, wall, restart);
        let Reply::Stored(first) = replied(&fixture, &event, 1, "after") else { panic!("it is new") };
        assert_eq!(texts(&fixture, &event, 20), ["hi", "before", "after"], "{wall} {restart}");
        replied(&fixture, &event, 2, "later");
        if wall > NOW {
            // Nobody was heard for so long: a conversation of its own.
            continue;
        }
        let next = conversation(&fixture);
        assert!(next.id > event.id && next.thread == event.thread, "it goes on in the conversation");
        replied(&fixture, &next, 0, "last");
        let said = ["hi", "before", "after", "later", "hi", "last"];
        assert_eq!(texts(&fixture, &event, 20), said);
        let page = fixture.store.conversation_after((&event.key, 1), first.id, 20, 20, 1 << 20).unwrap().unwrap();
        let times: Vec<u64> = page.messages.iter().map(|message| message.sent_on.0).collect();
        assert!(times.is_sorted() && page.messages.len() >= 4, "{times:?}");
    }
}

#[test]
fn a_year_ahead_and_back_again_leaves_the_order_and_what_is_seen_as_they_are() {
    let mut random = StdRng::seed_from_u64(11);
    let (mut fixture, mut said) = (Fixture::new(), vec!["hi".to_owned()]);
    let event = conversation(&fixture);
    for number in 0..60 {
        let wall = match number % 6 {
            0 => NOW + YEAR,
            1 => NOW,
            2 => NOW - 5 * DAY,
            3 => NOW + 2 * YEAR,
            4 => random.random_range(0..3 * NOW),
            _ => fixture.clock.wall().saturating_sub(1),
        };
        fixture = set(fixture, wall, random.random());
        let text = format!("m{number}");
        replied(&fixture, &event, number, &text);
        said.push(text);
        assert_eq!(texts(&fixture, &event, 100), said, "after the clock was set to {wall}");
        fixture.clock.advance(Duration::from_millis(random.random_range(0..2_000)));
    }
}

#[test]
fn a_message_that_waits_is_seen_when_the_time_has_passed_whatever_the_clock_was_set_to() {
    for (wall, restart) in WAYS {
        let fixture = Fixture::new();
        let event = conversation(&fixture);
        let out = outgoing(&event, "later", NOW + 900);
        wait(|then| fixture.store.reply(event.id, 0, out, then)).unwrap();
        let fixture = set(fixture, wall, restart);
        if wall < NOW {
            assert_eq!(texts(&fixture, &event, 20), ["hi"], "{wall} {restart}");
            assert_eq!(fixture.store.undelivered(fixture.clock.now()).unwrap().len(), 1);
        }
        fixture.clock.advance(SECOND);
        assert_eq!(texts(&fixture, &event, 20), ["hi", "later"], "{wall} {restart}");
    }
}

#[test]
fn replies_of_events_long_ago_count_for_where_the_next_start_begins() {
    let fixture = Fixture::new();
    let event = conversation(&fixture);
    // Its script answers two hours later, and nothing else happens.
    fixture.clock.advance(Duration::from_millis(2 * HOUR));
    replied(&fixture, &event, 0, "late");
    let fixture = fixture.reopen_with(Clock::manual(NOW + HOUR));
    replied(&fixture, &event, 1, "after");
    assert_eq!(texts(&fixture, &event, 20), ["hi", "late", "after"]);
    // The same where there was never an event.
    let (fixture, clock) = (Fixture::new(), Clock::manual(NOW - HOUR));
    let out = |text: &str| outgoing(&QueuedEvent { thread: None, ..event.clone() }, text, 0);
    wait(|then| fixture.store.reply(event.id, 0, out("first"), then)).unwrap();
    let fixture = fixture.reopen_with(clock);
    wait(|then| fixture.store.reply(event.id, 1, out("second"), then)).unwrap();
    assert_eq!(texts(&fixture, &event, 20), ["first", "second"]);
}

#[test]
fn sessions_and_values_expire_when_their_time_has_passed_whatever_the_clock_was_set_to() {
    let change: fn() -> Option<StateChange> = || serde_json::from_str(r#"{"session":{"s":1},"context":{"c":1}}"#).ok();
    for (wall, restart) in WAYS.into_iter().filter(|(wall, _)| *wall < NOW) {
        let fixture = Fixture::new();
        let event = conversation(&fixture);
        let lifetimes = Lifetimes { context: 60_000, session: 120_000 };
        fixture.finish_with(&event, change(), lifetimes);
        let place = KvsPlace { bot: "my-bot".to_owned(), key: "k".to_owned() };
        let write = KvsWrite { place: place.clone(), owner: None, expiry: Expiry::After(60_000) };
        wait(|then| fixture.store.kvs_set(write, "1".to_owned(), then)).unwrap();
        let fixture = set(fixture, wall, restart);
        let get = || fixture.store.kvs_get(&place, 100).unwrap();
        fixture.clock.advance(Duration::from_secs(50));
        assert!(
            get() == KvsFound::Value("1".to_owned()) && fixture.store.due(10).unwrap().is_empty(),
            "{wall} {restart}"
        );
        fixture.clock.advance(Duration::from_secs(20));
        assert_eq!(get(), KvsFound::Nothing, "{wall} {restart}");
        assert_eq!(fixture.store.due(10).unwrap().len(), 1, "{wall} {restart}");
        fixture.clock.advance(Duration::from_secs(70));
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, "{}", "{wall} {restart}");
    }
}

#[test]
fn attributes_are_forgotten_when_their_time_has_passed_whatever_the_clock_was_set_to() {
    let rules = || Rules { retention: [("email".to_owned(), DAY)].into(), ..Rules::default() };
    for wall in [NOW - 5 * DAY, NOW - HOUR] {
        let fixture = Fixture::with_rules(rules());
        conversation(&fixture);
        let some: Attributes = serde_json::from_str(r#"{"email":"a@b.c"}"#).unwrap();
        wait(|then| fixture.store.update_attributes("web".into(), "ann".into(), some, then)).unwrap();
        fixture.clock.set(wall);
        let kept = || {
            fixture.store.forget_attributes().unwrap();
            let read = fixture.store.attributes("web", "ann");
            read.unwrap().unwrap().contains("email")
        };
        fixture.clock.advance(Duration::from_millis(DAY - HOUR));
        assert!(kept());
        fixture.clock.advance(Duration::from_millis(4 * HOUR));
        assert!(!kept());
    }
}
