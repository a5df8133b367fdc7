//! Realtime beyond what was recorded: whom a message reaches, what scripts tell pages, what clients may not do.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;
#[path = "common/socket.rs"]
mod socket;

use std::time::Duration;

use app::TestApp;
use nudge::clock::Clock;
use serde_json::{Value, json};
use socket::{Socket, Transport};

/// A bot whose hook does what the page's event says.
const HOOK: &str = "
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
const { type, payload } = event
if (type === 'say') bp.events.replyToEvent(event, [{ type: 'text', text: payload.text }])
if (type === 'data') bp.events.replyToEvent(event, [{ type: 'typing', value: 500 }, { type: 'data', n: 1 }, { type: 'text', text: 'after' }])
if (type === 'tell') bp.realtime.sendPayload(bp.RealTimePayload.forVisitor(payload.visitor, 'webchat.Data', { n: payload.n, __room: 'visitor:eve' }))
if (type === 'raw') bp.realtime.sendPayload(new bp.RealTimePayload(payload.name, payload.data))
if (type === 'admins') bp.realtime.sendPayload(bp.RealTimePayload.forAdmins('Notifications.new', { n: payload.n }))
if (type === 'who') {
  const visitor = await bp.realtime.getVisitorIdFromGuestSocketId(payload.socket)
  await bp.events.replyToEvent(event, [{ type: 'text', text: String(visitor) }])
}
";

const BOT: &str = "{ \"id\": \"bot\", \"name\": \"Bot\" }";

async fn server(config: &str, channel_web: &str) -> TestApp {
    TestApp::start_with(&[
        ("bots/bot/bot.config.json", BOT),
        ("bots/other/bot.config.json", "{ \"id\": \"other\", \"name\": \"Other\" }"),
        ("botpress.config.json", config),
        ("config/channel-web.json", channel_web),
        ("hooks/before_incoming_middleware/h.js", HOOK),
    ])
    .await
}

async fn send(app: &TestApp, user: &str, event: Value) {
    let path = format!("/api/v1/bots/bot/mod/channel-web/events/{user}");
    let answer = app.client.post(&path, event.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A visitor with a secret, and the query that proves it.
async fn issued(app: &TestApp) -> (String, String) {
    let answer = app.client.post("/api/v1/bots/bot/mod/channel-web/visitors", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("visitorId"), text("secret"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_every_page_of_its_visitor_and_nobody_else() {
    let app = server("{}", "{}").await;
    let address = app.client.address;
    let mut first = Socket::guest(address, Transport::Websocket, "ann").await;
    let mut second = Socket::guest(address, Transport::Polling, "ann").await;
    let mut other = Socket::guest(address, Transport::Websocket, "bob").await;
    let mut polling = Socket::guest(address, Transport::Polling, "bob").await;
    let mut nobody = Socket::guest(address, Transport::Websocket, "").await;
    send(&app, "ann", json!({ "type": "say", "text": "hi Ann" })).await;
    for page in [&mut first, &mut second] {
        let data = page.event("guest.webchat.message").await;
        assert_eq!((&data["message_text"], &data["__room"]), (&"hi Ann".into(), &"visitor:ann".into()));
        assert_eq!(data["botId"], "bot");
    }
    for silent in [&mut other, &mut polling, &mut nobody, &mut first, &mut second] {
        silent.quiet().await;
    }
    // A page that has left hears nothing more, and may come back as somebody else.
    first.send("41/guest,").await;
    first.send("40/guest?visitorId=bob,").await;
    assert_eq!(first.next().await, "40/guest,");
    send(&app, "ann", json!({ "type": "say", "text": "again" })).await;
    assert_eq!(second.event("guest.webchat.message").await["message_text"], "again");
    first.quiet().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_with_a_secret_is_joined_by_those_who_know_it() {
    let app = server("{}", "{}").await;
    let address = app.client.address;
    let (id, secret) = issued(&app).await;
    let (_, others) = issued(&app).await;
    let refused = async |query: &str| {
        let mut socket = Socket::open(address, Transport::Websocket, query).await;
        socket.next().await;
        socket.next().await;
        socket
    };
    for (query, code) in [
        (format!("visitorId={id}"), "visitor_secret_required"),
        (format!("visitorId={id}&visitorSecret={others}"), "visitor_secret_invalid"),
        ("visitorId=%21%21%21".to_owned(), "invalid_visitor"),
    ] {
        let mut socket = refused("").await;
        socket.send(&format!("40/guest?{query},")).await;
        let packet = socket.next().await;
        let error: Value = serde_json::from_str(packet.strip_prefix("44/guest,").unwrap()).unwrap();
        assert_eq!(error["code"], code, "{packet}");
    }
    let mut in_packet = refused("").await;
    in_packet.send(&format!("40/guest?visitorId={id}&visitorSecret={secret},")).await;
    assert_eq!(in_packet.next().await, "40/guest,");
    let mut in_address = refused(&format!("&visitorId={id}&visitorSecret={secret}")).await;
    in_address.send("40/guest,").await;
    assert_eq!(in_address.next().await, "40/guest,");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_clients_are_answered_in_their_protocol() {
    let app = server("{}", "{}").await;
    let address = app.client.address;
    let (id, secret) = issued(&app).await;
    let mut socket = Socket::websocket(address, "/socket.io/?EIO=4&transport=websocket").await;
    assert!(socket.next().await.starts_with("0{\"sid\":"));
    socket.send("40/nope,").await;
    assert_eq!(socket.next().await, "44/nope,{\"message\":\"Invalid namespace\"}");
    socket.send("40/admin,").await;
    let error = "{\"message\":\"No Authorization header was found\",\"data\":{\"code\":\"credentials_required\",\"type\":\"UnauthorizedError\"}}";
    assert_eq!(socket.next().await, format!("44/admin,{error}"));
    socket.send(&format!("40/guest,{}", json!({ "visitorId": id, "visitorSecret": secret }))).await;
    assert!(socket.next().await.starts_with("40/guest,{\"sid\":\""));
    socket.send("40").await;
    assert!(socket.next().await.starts_with("40{\"sid\":\""));
    let path = format!("/api/v1/bots/bot/mod/channel-web/events/{id}");
    let headers = [("content-type", "application/json"), ("x-visitor-secret", secret.as_str())];
    let sent = app.client.send("POST", &path, &headers, b"{\"type\":\"say\",\"text\":\"x\"}".to_vec()).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert_eq!(socket.event("guest.webchat.message").await["message_text"], "x");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_for_the_page_and_is_kept_nowhere() {
    let app = server("{}", "{}").await;
    let mut page = Socket::guest(app.client.address, Transport::Websocket, "ann").await;
    send(&app, "ann", json!({ "type": "data" })).await;
    assert_eq!(page.event("guest.webchat.typing").await["timeInMs"], 500);
    assert_eq!(page.event("guest.webchat.data").await, json!({ "type": "data", "n": 1, "__room": "visitor:ann" }));
    assert_eq!(page.event("guest.webchat.message").await["message_text"], "after");
    let history = app.client.get("/api/v1/bots/bot/mod/channel-web/conversations/ann/1").await.json();
    assert_eq!(history["messages"].as_array().unwrap().len(), 1, "{history}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_tell_pages_and_administrators() {
    let app = server("{}", "{}").await;
    let address = app.client.address;
    let (all, one) = (app.token(&[]), app.token(&["--bot", "other"]));
    let mut page = Socket::guest(address, Transport::Websocket, "ann").await;
    let mut eve = Socket::guest(address, Transport::Websocket, "eve").await;
    let admin = async |query: String, packet: &str| {
        let mut socket = Socket::open(address, Transport::Websocket, &query).await;
        socket.next().await;
        socket.next().await;
        socket.send(packet).await;
        assert_eq!(socket.next().await, "40/admin,");
        socket
    };
    let mut everywhere = admin(String::new(), &format!("40/admin?token={all},")).await;
    let mut elsewhere = admin(format!("&token={one}"), "40/admin,").await;
    // Whatever room the script writes, it goes to the visitor it names.
    send(&app, "someone", json!({ "type": "tell", "visitor": "ann", "n": 7 })).await;
    let data = page.event("guest.webchat.data").await;
    assert_eq!(data, json!({ "n": 7, "__room": "visitor:ann" }));
    send(&app, "someone", json!({ "type": "raw", "name": "guest.Mine", "data": { "__room": "visitor:ann" } })).await;
    assert_eq!(page.event("guest.mine").await, json!({ "__room": "visitor:ann" }));
    // To nobody: refused, and not sent to everybody.
    send(&app, "someone", json!({ "type": "raw", "name": "guest.mine", "data": { "__room": "guests" } })).await;
    send(&app, "someone", json!({ "type": "admins", "n": 3 })).await;
    let told = "42/admin,[\"event\",{\"name\":\"notifications.new\",\"data\":{\"n\":3}}]";
    assert_eq!(everywhere.next().await, told);
    app.processed().await;
    for silent in [&mut elsewhere, &mut page, &mut eve] {
        silent.quiet().await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_hears_nothing_any_more_when_the_token_has_ended() {
    let clock = Clock::manual(Clock::system().now());
    let folder = app::written(&[("bots/bot/bot.config.json", BOT)]);
    let app = TestApp::serve(folder, |options| options.clock = clock.clone()).await;
    let token = app.token(&["--expires", "1h"]);
    let mut admin = Socket::open(app.client.address, Transport::Websocket, &format!("&token={token}")).await;
    admin.next().await;
    admin.next().await;
    admin.send("40/admin,").await;
    assert_eq!(admin.next().await, "40/admin,");
    clock.advance(Duration::from_secs(3_590));
    admin.quiet().await;
    // The token was made a little later than the clock stood still.
    clock.advance(Duration::from_secs(600));
    while admin.recv().await.is_some() {}
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_start_and_mount_tell_pages_too() {
    let tell = |name: &str| {
        format!("setInterval(() => bp.realtime.sendPayload(bp.RealTimePayload.forVisitor('ann', '{name}', {{}})), 20)")
    };
    let app = TestApp::start_with(&[
        ("bots/bot/bot.config.json", BOT),
        ("hooks/after_server_start/h.js", &tell("started")),
        ("hooks/after_bot_mount/h.js", &tell("mounted")),
    ])
    .await;
    let mut page = Socket::guest(app.client.address, Transport::Websocket, "ann").await;
    let (mut started, mut mounted) = (false, false);
    while !(started && mounted) {
        let packet = page.next().await;
        assert!(packet.contains("\"__room\":\"visitor:ann\""), "{packet}");
        started |= packet.contains("guest.started");
        mounted |= packet.contains("guest.mounted");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_visitor_of_a_socket_is_known_to_scripts() {
    let app = server("{}", "{}").await;
    let mut page = Socket::open(app.client.address, Transport::Websocket, "").await;
    let open = page.next().await;
    let sid = open.split('"').nth(3).unwrap().to_owned();
    page.next().await;
    page.send("40/guest?visitorId=ann,").await;
    page.next().await;
    for (socket, visitor) in [(format!("/guest#{sid}"), "ann"), (sid, "ann"), ("nobody".to_owned(), "undefined")] {
        send(&app, "ann", json!({ "type": "who", "socket": socket })).await;
        assert_eq!(page.event("guest.webchat.message").await["message_text"], visitor);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_emit_reaches_nobody() {
    let app = server("{}", "{}").await;
    let address = app.client.address;
    let token = app.token(&[]);
    let mut bob = Socket::guest(address, Transport::Websocket, "bob").await;
    let mut admin = Socket::open(address, Transport::Websocket, &format!("&token={token}")).await;
    admin.next().await;
    admin.next().await;
    admin.send("40/admin,").await;
    assert_eq!(admin.next().await, "40/admin,");
    let mut ann = Socket::guest(address, Transport::Websocket, "ann").await;
    for packet in [
        "42/guest,[\"event\",{\"name\":\"guest.webchat.message\",\"data\":{\"__room\":\"visitor:bob\"}}]",
        "42/admin,[\"event\",{\"name\":\"notifications.new\",\"data\":{}}]",
        "42/guest,[\"join\",\"visitor:bob\"]",
        "40/guest?visitorId=bob,",
        "42/guest,[",
        "4",
        "49",
        "41/nope,",
    ] {
        ann.send(packet).await;
    }
    ann.quiet().await;
    send(&app, "bob", json!({ "type": "say", "text": "for Bob" })).await;
    assert_eq!(bob.event("guest.webchat.message").await["message_text"], "for Bob");
    for silent in [&mut ann, &mut bob, &mut admin] {
        silent.quiet().await;
    }
    app.stop().await;
}
