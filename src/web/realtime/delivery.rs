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
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use engineioxide::config::EngineIoConfig;
    use engineioxide::service::EngineIoService;
    use http_body_util::BodyExt as _;
    use tokio::sync::{broadcast, watch};
    use tower::Service as _;

    use super::*;
    use crate::config::Settings;
    use crate::model::{BotId, ConversationKey, UserId};
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

    #[tokio::test]
    async fn when_commits_come_faster_than_they_can_be_told_pages_begin_anew_and_hear_what_comes_then() {
        let hall = Hall::new();
        let pages = [hall.join("u").await, hall.join("other").await];
        let (told, notices) = broadcast::channel(1);
        // Whose the first one was is not known any more.
        for length in [1, 2] {
            told.send(Notice::Typing { key: key("nobody"), thread: None, length, at: 0 }).unwrap();
        }
        let delivery = tokio::spawn(run(notices, Vec::new(), 10, Arc::clone(&hall.desk), hall.fixture.clock.clone()));
        // The packet by which Engine.IO closes.
        let ended = tokio::join!(hall.ask("GET", &pages[0], ""), hall.ask("GET", &pages[1], ""));
        assert_eq!(ended, ("1:1".to_owned(), "1:1".to_owned()));
        while hall.desk.connections() != 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hall.desk.rooms.visitors(), 0);
        let page = hall.join("u").await;
        told.send(typing(0, 3)).unwrap();
        let heard = hall.ask("GET", &page, "").await;
        assert!(heard.contains("guest.webchat.typing") && heard.contains("\"timeInMs\":3"), "{heard}");
        drop(told);
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
        Notice::Typing { key: key("u"), thread: None, length, at }
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
