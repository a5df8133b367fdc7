//! One task that tells visitors what was committed, each thing when its time has come.
//!
//! What typing holds back waits in one queue, in the order of time and, at one time, in that of the commits. After a
//! restart the messages among it are read back from the store.
//!
//! A visitor who has missed something hears nothing more until all of it may be seen. Then his connections begin anew: his
//! pages come back by themselves, and read it from the conversation (`?after=`).

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use crate::clock::Clock;
use crate::dispatch::{Notice, NoticeReceiver, Received};
use crate::model::{ConversationKey, UserId};
use crate::store::Ahead;

use super::desk::Desk;
use super::told;

/// The only channel of which somebody hears here.
const WEB: &str = "web";
/// What is held back counts once for each of so many bytes.
const PIECE: usize = 1 << 10;

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
    /// Pieces of all that is held.
    pieces: usize,
    /// More than that are delivered before their time, rather than kept or lost.
    most: usize,
}

/// Visitors who have missed something, and when they can read all of it.
#[derive(Default)]
struct Behind {
    until: HashMap<UserId, u64>,
    order: BTreeSet<(u64, UserId)>,
}

/// Whether somebody hears of that conversation.
pub(super) fn hears(desk: &Desk, key: &ConversationKey) -> bool {
    &*key.channel == WEB && desk.rooms.has(&key.target)
}

/// Tells visitors of commits, for as long as the dispatcher lives. `ahead` is what an earlier run of the server left.
pub(super) async fn run(mut notices: NoticeReceiver, ahead: Vec<Ahead>, most: usize, desk: Arc<Desk>, clock: Clock) {
    let (mut queue, mut behind) = (Queue::new(most), Behind::default());
    for Ahead { key, deliver_at, message } in ahead {
        queue.push(Notice::Stored { key, deliver_at, message: Arc::new(message) });
    }
    loop {
        while let Some(notice) = queue.due(clock.now()) {
            tell(&desk, &behind, &notice);
        }
        while let Some(visitor) = behind.due(clock.now()) {
            let connections = desk.rooms.restart(&visitor);
            tracing::debug!(visitor = %visitor, connections, "a visitor who has missed something begins anew");
        }
        let received = match queue.next().into_iter().chain(behind.next()).min() {
            Some(at) => tokio::select! {
                received = notices.recv() => received,
                () = clock.sleep_until(at) => continue,
            },
            None => notices.recv().await,
        };
        match received {
            Some(Received::Notice(notice)) if notice.at() <= clock.now() && !queue.holds(clock.now()) => {
                tell(&desk, &behind, &notice);
            }
            Some(Received::Notice(notice)) => queue.push(notice),
            Some(Received::Missed { visitor, until }) => behind.add(visitor, until),
            None => return,
        }
    }
}

fn tell(desk: &Desk, behind: &Behind, notice: &Notice) {
    let key = notice.key();
    let visitor = &key.target;
    // Most visitors whose bot speaks are there; for those who are not, nothing is written.
    if !hears(desk, key) || behind.has(visitor) {
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
    fn new(most: usize) -> Self {
        Self { held: BinaryHeap::new(), number: 0, pieces: 0, most }
    }

    fn push(&mut self, notice: Notice) {
        self.number += 1;
        self.pieces += pieces(&notice);
        self.held.push(Reverse(Held { at: notice.at(), number: self.number, notice }));
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

impl Behind {
    fn add(&mut self, visitor: UserId, until: u64) {
        if self.until.is_empty() {
            tracing::warn!(
                "messages come faster than they can be told (`realtime.waiting`): visitors who miss one begin anew and read it \
                 in their conversation; said again when this has passed and comes back"
            );
        }
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

    fn has(&self, visitor: &UserId) -> bool {
        self.until.contains_key(visitor)
    }

    /// When the next one can read what he has missed.
    fn next(&self) -> Option<u64> {
        self.order.first().map(|(until, _)| *until)
    }

    /// Who can at `now`, one after the other.
    fn due(&mut self, now: u64) -> Option<UserId> {
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
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use engineioxide::config::EngineIoConfig;
    use engineioxide::service::EngineIoService;
    use http_body_util::BodyExt as _;
    use tokio::sync::watch;
    use tower::Service as _;

    use super::*;
    use crate::config::Settings;
    use crate::dispatch::Notices;
    use crate::model::BotId;
    use crate::services::Services;
    use crate::store::testing::Fixture;

    /// Visitors who poll, without a network.
    struct Hall {
        services: Services,
        desk: Arc<Desk>,
        engine: EngineIoService<Desk>,
        fixture: Fixture,
    }

    impl Hall {
        fn new() -> Self {
            let (fixture, settings) = (Fixture::new(), Settings::default());
            let (limits, (_, bots)) = (settings.realtime.clone(), watch::channel(Arc::default()));
            let services = Services::new(fixture.store.clone(), bots, Arc::new(settings)).unwrap();
            let desk = Arc::new(Desk::new(services.clone(), limits, fixture.clock.clone()));
            // Nobody is dropped because of his silence.
            let config = EngineIoConfig::builder().ping_interval(Duration::from_secs(3_600)).build();
            Self { engine: EngineIoService::with_config(Arc::clone(&desk), config), services, desk, fixture }
        }

        async fn ask(&self, method: &str, sid: &str, body: &str) -> String {
            let address = format!("/engine.io/?EIO=3&transport=polling{sid}");
            let request = Request::builder().method(method).uri(address).body(Body::from(body.to_owned())).unwrap();
            let Ok(answer) = self.engine.clone().call(request).await;
            String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
        }

        /// A page of a visitor; what it polls with.
        async fn join(&self, visitor: &str) -> String {
            let opened = self.ask("GET", "", "").await;
            let sid = format!("&sid={}", opened.split('"').nth(3).unwrap());
            let packet = format!("40/guest?visitorId={visitor},");
            assert_eq!(self.ask("POST", &sid, &format!("{}:{packet}", packet.len())).await, "ok");
            assert_eq!(self.ask("GET", &sid, "").await, "9:40/guest,");
            sid
        }
    }

    /// Notices with room for one, and their delivery.
    fn deliver(hall: &Hall) -> (Notices, tokio::task::JoinHandle<()>) {
        let (notices, desk) = (Notices::default(), Arc::clone(&hall.desk));
        let receiver = notices.subscribe(1, move |key| hears(&desk, key));
        let delivery = run(receiver, Vec::new(), 10, Arc::clone(&hall.desk), hall.fixture.clock.clone());
        (notices, tokio::spawn(delivery))
    }

    /// The packet by which Engine.IO closes.
    const CLOSED: &str = "1:1";

    #[tokio::test]
    async fn only_the_pages_of_those_who_missed_a_message_begin_anew_and_hear_what_comes_then() {
        let hall = Hall::new();
        let (late, early, other) = (hall.join("late").await, hall.join("early").await, hall.join("other").await);
        let (notices, delivery) = deliver(&hall);
        let now = hall.fixture.clock.now();
        for (visitor, length) in [("nobody", 1), ("early", 2), ("late", 3), ("nobody", 4), ("late", 5)] {
            notices.send(typing_to(visitor, now, length), now);
        }
        assert_eq!(hall.ask("GET", &late, "").await, CLOSED);
        let heard = hall.ask("GET", &early, "").await;
        assert!(heard.contains("\"timeInMs\":2"), "{heard}");
        assert_eq!(hall.desk.rooms.visitors(), 2, "nobody else begins anew");
        let late = hall.join("late").await;
        for (visitor, page) in [("late", &late), ("early", &early), ("other", &other)] {
            notices.send(typing_to(visitor, now, 6), now);
            let heard = hall.ask("GET", page, "").await;
            assert!(heard.contains("guest.webchat.typing") && heard.contains("\"timeInMs\":6"), "{heard}");
        }
        drop(notices);
        delivery.await.unwrap();
    }

    #[tokio::test]
    async fn who_missed_what_lies_ahead_hears_no_more_until_it_may_be_read_and_then_begins_anew() {
        let hall = Hall::new();
        let (page, other) = (hall.join("u").await, hall.join("other").await);
        let (notices, delivery) = deliver(&hall);
        let now = hall.fixture.clock.now();
        for notice in [typing_to("other", now, 1), typing_to("u", now + 500, 2), typing_to("u", now + 1_000, 3)] {
            notices.send(notice, now);
        }
        assert!(hall.ask("GET", &other, "").await.contains("\"timeInMs\":1"));
        for (visitor, length) in [("u", 4), ("other", 5)] {
            notices.send(typing_to(visitor, now, length), now);
            tokio::task::yield_now().await;
        }
        assert!(hall.ask("GET", &other, "").await.contains("\"timeInMs\":5"));
        hall.fixture.clock.advance(Duration::from_millis(999));
        notices.send(typing_to("other", now, 6), now);
        assert!(hall.ask("GET", &other, "").await.contains("\"timeInMs\":6"));
        assert_eq!(hall.desk.rooms.visitors(), 2);
        hall.fixture.clock.advance(Duration::from_millis(1));
        assert_eq!(hall.ask("GET", &page, "").await, CLOSED, "neither what was missed nor what came then is told");
        drop(notices);
        delivery.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_waits_for_the_end_of_a_token_whose_administrator_has_left() {
        let hall = Hall::new();
        let sid = hall.join("u").await;
        let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = alive();
        let token = hall.services.tokens().make(None, None, 3_600).unwrap();
        for packet in [format!("40/admin?token={token},"), "41/admin,".into()] {
            assert_eq!(hall.ask("POST", &sid, &format!("{}:{packet}", packet.len())).await, "ok");
        }
        assert_eq!(hall.ask("GET", &sid, "").await, "9:40/admin,");
        while alive() > before {
            tokio::task::yield_now().await;
        }
    }

    fn key(visitor: &str) -> ConversationKey {
        let (bot, target) = (BotId::parse("a").unwrap(), UserId::parse(visitor).unwrap());
        ConversationKey { bot, channel: WEB.into(), target }
    }

    fn typing(at: u64, length: u64) -> Notice {
        typing_to("u", at, length)
    }

    fn typing_to(visitor: &str, at: u64, length: u64) -> Notice {
        Notice::Typing { key: key(visitor), thread: None, length, at }
    }

    fn lengths(queue: &mut Queue, now: u64) -> Vec<u64> {
        let due = std::iter::from_fn(|| queue.due(now));
        due.map(|notice| if let Notice::Typing { length, .. } = notice { length } else { 0 }).collect()
    }

    #[test]
    fn what_lies_ahead_comes_in_order_of_time_and_then_of_the_commits() {
        let mut queue = Queue::new(100);
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
    fn what_is_large_counts_for_more_of_what_may_lie_ahead() {
        let mut queue = Queue::new(3);
        let payload: Arc<_> = serde_json::value::to_raw_value(&"x".repeat(2 * PIECE)).unwrap().into();
        for at in [300, 200] {
            queue.push(Notice::Data { key: key("u"), payload: Arc::clone(&payload), at });
        }
        assert_eq!(queue.due(0).map(|notice| notice.at()), Some(200));
        assert!(queue.due(0).is_none());
    }

    #[test]
    fn whoever_misses_more_is_behind_until_the_last_of_it() {
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        let mut behind = Behind::default();
        for (visitor, until) in [(&ann, 5), (&bob, 6), (&ann, 9), (&ann, 7)] {
            behind.add(visitor.clone(), until);
        }
        assert_eq!((behind.next(), behind.due(5)), (Some(6), None));
        assert_eq!(
            (behind.due(8), behind.due(8), behind.has(&ann), behind.has(&bob)),
            (Some(bob.clone()), None, true, false)
        );
        assert_eq!((behind.due(9), behind.next(), behind.has(&ann)), (Some(ann.clone()), None, false));
    }

    #[test]
    fn more_than_may_lie_ahead_is_delivered_early_and_in_order() {
        let mut queue = Queue::new(2);
        for (at, length) in [(300, 1), (200, 2), (400, 3), (500, 4)] {
            queue.push(typing(at, length));
        }
        assert_eq!(lengths(&mut queue, 0), [2, 1]);
        assert_eq!(lengths(&mut queue, 1_000), [3, 4]);
    }
}
