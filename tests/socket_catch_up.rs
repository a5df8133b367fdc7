//! Messages to somebody who is not always there: nothing is lost, nothing comes twice.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;
#[path = "common/socket.rs"]
mod socket;

use std::time::Duration;

use app::{TestApp, written};
use nudge::clock::Clock;
use serde_json::{Value, json};
use socket::{Socket, Transport};

const BOT: (&str, &str) = ("bots/bot/bot.config.json", "{ \"id\": \"bot\", \"name\": \"Bot\" }");

/// Says numbers, one reply after the other.
const COUNT: &str = "
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
const { from, to, typing } = event.payload
if (typing) await bp.events.replyToEvent(event, [{ type: 'typing', value: typing }])
for (let n = from; n < to; n++) await bp.events.replyToEvent(event, [{ type: 'text', text: String(n) }])
";

const HOOK: &str = "hooks/before_incoming_middleware/h.js";

async fn count(app: &TestApp, user: &str, from: u32, to: u32) {
    let path = format!("/api/v1/bots/bot/mod/channel-web/events/{user}");
    let answer = app.client.post(&path, json!({ "type": "count", "from": from, "to": to }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A page: what it shows, each message once, in the order in which it learnt of them.
#[derive(Default)]
struct Page {
    ids: Vec<String>,
    texts: Vec<String>,
}

impl Page {
    fn show(&mut self, message: &Value) -> bool {
        let id = message["id"].as_str().unwrap().to_owned();
        let new = !self.ids.contains(&id);
        if new {
            self.ids.push(id);
            self.texts.push(message["message_text"].as_str().unwrap().to_owned());
        }
        new
    }

    /// Reads what it missed, as clients are told to: page by page, until nothing new comes.
    async fn catch_up(&mut self, app: &TestApp) {
        loop {
            let after = self.ids.last().cloned().unwrap_or_default();
            let path = format!("/api/v1/bots/bot/mod/channel-web/conversations/ann/1?after={after}");
            let answer = app.client.get(&path).await;
            if answer.status == 404 {
                return;
            }
            let mut new = false;
            for message in answer.json()["messages"].as_array().unwrap() {
                new |= self.show(message);
            }
            if !new {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_dropped_ten_times_shows_each_message_once_and_in_order() {
    for transport in [Transport::Websocket, Transport::Polling] {
        let app = TestApp::start_with(&[BOT, (HOOK, COUNT)]).await;
        let mut page = Page::default();
        for round in 0..10 {
            let mut socket = Socket::guest(app.client.address, transport, "ann").await;
            // Those that come while it reads what it missed wait in the socket.
            count(&app, "ann", round * 40, round * 40 + 20).await;
            page.catch_up(&app).await;
            let enough = page.texts.len() + 7;
            while page.texts.len() < enough.min(round as usize * 40 + 20) {
                let message = socket.event("guest.webchat.message").await;
                page.show(&message);
            }
            // Cut off in the middle of it, without a word; the bot goes on.
            drop(socket);
            count(&app, "ann", round * 40 + 20, round * 40 + 40).await;
        }
        app.processed().await;
        page.catch_up(&app).await;
        let expected: Vec<String> = (0..400).map(|n| n.to_string()).collect();
        assert_eq!(page.texts, expected, "{transport:?}");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_typing_holds_back_is_told_in_its_time_also_after_a_restart() {
    let clock = Clock::manual(1_800_000_000_000);
    let with_clock = |options: &mut nudge::app::Options| {
        options.production = true;
        options.clock = clock.clone();
    };
    let app = TestApp::serve(written(&[BOT, (HOOK, COUNT)]), with_clock).await;
    let mut first = Socket::guest(app.client.address, Transport::Websocket, "ann").await;
    let body = json!({ "type": "count", "from": 1, "to": 3, "typing": 5_000 }).to_string();
    assert_eq!(app.client.post("/api/v1/bots/bot/mod/channel-web/events/ann", body).await.status, 200);
    assert_eq!(first.event("guest.webchat.typing").await["timeInMs"], 5_000);
    app.processed().await;
    clock.advance(Duration::from_millis(4_999));
    first.quiet().await;
    drop(first);
    let again = TestApp::serve(app.stop_and_keep().await, with_clock).await;
    let mut second = Socket::guest(again.client.address, Transport::Websocket, "ann").await;
    second.quiet().await;
    clock.advance(Duration::from_millis(1));
    for text in ["1", "2"] {
        assert_eq!(second.event("guest.webchat.message").await["message_text"], text);
    }
    second.quiet().await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_messages_come_faster_than_they_are_told_nobody_else_begins_anew_and_none_is_lost() {
    // Room for two.
    let little = ("botpress.config.json", r#"{ "realtime": { "waiting": "1kb" } }"#);
    let app = TestApp::start_with(&[BOT, (HOOK, COUNT), little]).await;
    let mut other = Socket::guest(app.client.address, Transport::Websocket, "bob").await;
    let mut socket = Socket::guest(app.client.address, Transport::Websocket, "ann").await;
    let mut page = Page::default();
    let mut expected: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    count(&app, "ann", 0, 400).await;
    while page.texts.len() < expected.len() {
        match socket.recv().await {
            Some(packet) => {
                let event = packet.strip_prefix("42/guest,").map(|event| serde_json::from_str::<Value>(event).unwrap());
                if let Some(event) = event.filter(|event| event[1]["name"] == "guest.webchat.message") {
                    page.show(&event[1]["data"]);
                }
            }
            None => {
                socket = Socket::guest(app.client.address, Transport::Websocket, "ann").await;
                page.catch_up(&app).await;
            }
        }
    }
    assert_eq!(page.texts, expected);
    other.quiet().await;
    count(&app, "bob", 0, 1).await;
    expected.truncate(1);
    assert_eq!(other.event("guest.webchat.message").await["message_text"], *expected[0]);
    app.stop().await;
}
