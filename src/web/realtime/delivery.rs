//! One task that tells visitors what was committed, each thing when its time has come.
//!
//! What typing holds back waits in a schedule. After a restart the messages among it are read back from the store.
//!
//! A visitor who has missed something hears nothing more until all of it may be seen. Then his connections begin anew: his
//! pages come back by themselves, and read it from the conversation (`?after=`).

use std::sync::Arc;

use crate::clock::Clock;
use crate::dispatch::{Notice, NoticeReceiver, Received};
use crate::model::{ConversationKey, UserId};
use crate::store::Ahead;

use super::client_events;
use super::handler::Handler;
use super::schedule::{CatchUps, MOST_BEHIND, Schedule};

/// The only channel of which somebody hears here.
const WEB: &str = "web";

/// Whether somebody hears of that conversation.
pub(super) fn hears(handler: &Handler, key: &ConversationKey) -> bool {
    &*key.channel == WEB && handler.rooms.has(&key.target)
}

/// Tells visitors of commits, for as long as the dispatcher lives. `ahead` is what an earlier run of the server left.
pub(super) async fn run(
    mut notices: NoticeReceiver,
    ahead: Vec<Ahead>,
    most: usize,
    handler: Arc<Handler>,
    clock: Clock,
) {
    let (mut schedule, mut behind) = (Schedule::new(most), CatchUps::new(MOST_BEHIND));
    for Ahead { key, deliver_at, message } in ahead {
        schedule.push(Notice::Stored { key, deliver_at, message: Arc::new(message) });
    }
    loop {
        while let Some(notice) = schedule.due(clock.now()) {
            tell(&handler, &mut behind, &notice);
        }
        while let Some(visitor) = behind.due(clock.now()) {
            restart(&handler, &visitor);
        }
        let received = match schedule.next().into_iter().chain(behind.next()).min() {
            Some(at) => tokio::select! {
                received = notices.recv() => received,
                () = clock.sleep_until(at) => continue,
            },
            None => notices.recv().await,
        };
        match received {
            Some(Received::Notice(notice)) if notice.at() <= clock.now() && !schedule.holds(clock.now()) => {
                tell(&handler, &mut behind, &notice);
            }
            Some(Received::Notice(notice)) => schedule.push(notice),
            Some(Received::Missed { visitor, until }) => {
                if !behind.add(visitor.clone(), until, clock.now()) {
                    restart(&handler, &visitor);
                }
            }
            None => return,
        }
    }
}

/// The connections of a visitor who has missed something begin anew.
fn restart(handler: &Handler, visitor: &UserId) {
    let connections = handler.rooms.restart(visitor);
    tracing::debug!(visitor = %visitor, connections, "a visitor who has missed something begins anew");
}

fn tell(handler: &Handler, behind: &mut CatchUps, notice: &Notice) {
    let key = notice.key();
    let visitor = &key.target;
    // Most visitors whose bot speaks are there; for those who are not, nothing is written.
    if !hears(handler, key) || behind.misses(visitor, notice.at()) {
        return;
    }
    let packet = match notice {
        Notice::Stored { message, .. } => client_events::message(&key.bot, visitor, message),
        Notice::Typing { thread, length, .. } => client_events::typing(&key.bot, visitor, thread.as_deref(), *length),
        Notice::Data { payload, .. } => Some(client_events::data(visitor, "guest.webchat.data", payload)),
    };
    if let Some(packet) = packet {
        handler.rooms.send(visitor, packet);
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
        handler: Arc<Handler>,
        engine: EngineIoService<Handler>,
        fixture: Fixture,
    }

    impl Hall {
        fn new() -> Self {
            let (fixture, settings) = (Fixture::new(), Settings::default());
            let (limits, (_, bots)) = (settings.realtime.clone(), watch::channel(Arc::default()));
            let services = Services::new(fixture.store.clone(), bots, Arc::new(settings)).unwrap();
            let handler = Arc::new(Handler::new(services.clone(), limits, fixture.clock.clone()));
            // Nobody is dropped because of his silence.
            let config = EngineIoConfig::builder().ping_interval(Duration::from_secs(3_600)).build();
            Self { engine: EngineIoService::with_config(Arc::clone(&handler), config), services, handler, fixture }
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
        let (notices, handler) = (Notices::default(), Arc::clone(&hall.handler));
        let receiver = notices.subscribe(1, move |key| hears(&handler, key));
        let delivery = run(receiver, Vec::new(), 10, Arc::clone(&hall.handler), hall.fixture.clock.clone());
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
        assert_eq!(hall.handler.rooms.visitors(), 2, "nobody else begins anew");
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
        assert_eq!(hall.handler.rooms.visitors(), 2);
        hall.fixture.clock.advance(Duration::from_millis(1));
        assert_eq!(hall.ask("GET", &page, "").await, CLOSED, "neither what was missed nor what came then is told");
        drop(notices);
        delivery.await.unwrap();
    }

    #[tokio::test]
    async fn while_the_clock_is_set_back_what_is_due_is_told_and_what_waits_is_told_when_the_time_has_passed() {
        let hall = Hall::new();
        let page = hall.join("u").await;
        let (notices, receiver) = (Notices::default(), Arc::clone(&hall.handler));
        let receiver = notices.subscribe(1 << 20, move |key| hears(&receiver, key));
        let clock = hall.fixture.clock.clone();
        let delivery = tokio::spawn(run(receiver, Vec::new(), 10, Arc::clone(&hall.handler), clock.clone()));
        let now = clock.now();
        notices.send(typing_to("u", now + 900, 1), now);
        clock.set(now - 5 * 86_400_000);
        notices.send(typing_to("u", clock.now(), 2), clock.now());
        assert!(hall.ask("GET", &page, "").await.contains("\"timeInMs\":2"));
        clock.advance(Duration::from_secs(1));
        assert!(hall.ask("GET", &page, "").await.contains("\"timeInMs\":1"));
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

    fn typing_to(visitor: &str, at: u64, length: u64) -> Notice {
        Notice::Typing { key: key(visitor), thread: None, length, at }
    }
}
