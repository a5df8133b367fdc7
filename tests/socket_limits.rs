//! What one client of `/socket.io` may take and send, and that others do not notice.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;
#[path = "common/socket.rs"]
mod socket;

use app::TestApp;
use futures_util::SinkExt as _;
use serde_json::json;
use socket::{Socket, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

const HOOK: &str = "
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
for (let i = 0; i < (event.payload.times || 1); i++) bp.events.replyToEvent(event, [{ type: 'text', text: event.payload.text }])
";

async fn server(realtime: serde_json::Value) -> TestApp {
    let config = json!({ "realtime": realtime }).to_string();
    TestApp::start_with(&[
        ("bots/bot/bot.config.json", "{ \"id\": \"bot\", \"name\": \"Bot\" }"),
        ("botpress.config.json", &config),
        ("hooks/before_incoming_middleware/h.js", HOOK),
    ])
    .await
}

async fn say(app: &TestApp, user: &str, text: &str, times: u32) {
    let path = format!("/api/v1/bots/bot/mod/channel-web/events/{user}");
    let answer = app.client.post(&path, json!({ "type": "say", "text": text, "times": times }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Waits until the server drops it.
async fn dropped(mut socket: Socket) {
    while socket.recv().await.is_some() {}
}

/// How many connections the server says it has.
async fn connections(app: &TestApp) -> u64 {
    app.client.get("/status").await.json()["realtime"]["connections"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_is_too_large_drops_its_client_and_nobody_else() {
    let app = server(json!({ "maxPacket": "2kb" })).await;
    let address = app.client.address;
    let mut other = Socket::guest(address, Transport::Websocket, "bob").await;
    for transport in [Transport::Websocket, Transport::Polling] {
        let mut fits = Socket::guest(address, transport, "ann").await;
        fits.send(&format!("42/guest,[\"event\",\"{}\"]", "x".repeat(2_000))).await;
        fits.quiet().await;
        fits.send(&format!("42/guest,[\"event\",\"{}\"]", "x".repeat(2_100))).await;
        dropped(fits).await;
    }
    say(&app, "bob", "still there", 1).await;
    assert_eq!(other.event("guest.webchat.message").await["message_text"], "still there");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_megabytes_of_junk_drop_who_sends_them_and_others_are_told_as_before() {
    let app = server(json!({})).await;
    let address = app.client.address;
    let mut other = Socket::guest(address, Transport::Websocket, "bob").await;
    for packet in [
        format!("42/guest,[\"event\",{{\"name\":\"guest.x\",\"data\":\"{}\"}}]", "x".repeat(50_000)),
        "x".repeat(50_000),
        format!("40/{}", "x".repeat(50_000)),
        "4".to_owned(),
    ] {
        let mut junk = Socket::guest(address, Transport::Websocket, "ann").await;
        for _ in 0..(2 << 20) / packet.len().max(100) {
            junk.send(&packet).await;
        }
        dropped(junk).await;
    }
    say(&app, "bob", "hi", 1).await;
    assert_eq!(other.event("guest.webchat.message").await["message_text"], "hi");
    while connections(&app).await != 1 {}
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_packets_drop_their_client() {
    let app = server(json!({})).await;
    let address = app.client.address;
    let stream = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket.send(Message::binary(vec![4, 1, 2, 3])).await.unwrap();
    while connections(&app).await != 0 {}
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_poll_is_dropped_when_too_much_waits_for_it() {
    let app = server(json!({ "buffered": "4kb" })).await;
    let address = app.client.address;
    let lazy = Socket::guest(address, Transport::Polling, "ann").await;
    let mut reading = Socket::guest(address, Transport::Websocket, "ann").await;
    for round in 0..20 {
        say(&app, "ann", &round.to_string(), 10).await;
        for _ in 0..10 {
            assert_eq!(reading.event("guest.webchat.message").await["message_text"], round.to_string());
        }
    }
    while connections(&app).await != 1 {}
    drop(lazy);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_too_much_waits_for_all_who_has_read_nothing_for_longest_is_dropped_and_readers_are_not() {
    let app = server(json!({ "allBuffered": "200kb" })).await;
    let address = app.client.address;
    let text = "x".repeat(4_000);
    let mut lazy = Vec::new();
    for user in ["l1", "l2", "l3", "l4"] {
        lazy.push(Socket::guest(address, Transport::Polling, user).await);
    }
    let mut reading = Socket::guest(address, Transport::Websocket, "ann").await;
    say(&app, "l1", &text, 5).await;
    app.processed().await;
    assert_eq!((connections(&app).await, slow(&app).await), (5, 0));
    for user in ["l1", "l2", "l3", "l4"] {
        say(&app, user, &text, 40).await;
        say(&app, "ann", &text, 3).await;
        for _ in 0..3 {
            assert_eq!(reading.event("guest.webchat.message").await["message_text"], text);
        }
    }
    while slow(&app).await < 4 {}
    while connections(&app).await != 1 {}
    say(&app, "ann", "still there", 1).await;
    assert_eq!(reading.event("guest.webchat.message").await["message_text"], "still there");
    drop(lazy);
    app.stop().await;
}

/// How many connections were dropped because too much waited for all.
async fn slow(app: &TestApp) -> u64 {
    let metrics = app.client.get("/metrics").await.body;
    metrics.lines().find_map(|line| line.strip_prefix("nudge_slow_sockets_dropped ")).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_is_not_dropped_by_a_bot_that_says_much_at_once() {
    let app = server(json!({})).await;
    let address = app.client.address;
    let mut sockets = [
        Socket::guest(address, Transport::Websocket, "ann").await,
        Socket::guest(address, Transport::Polling, "ann").await,
    ];
    say(&app, "ann", "hi", 500).await;
    app.processed().await;
    for socket in &mut sockets {
        for _ in 0..500 {
            assert_eq!(socket.event("guest.webchat.message").await["message_text"], "hi");
        }
        socket.quiet().await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_has_so_many_connections_and_the_server_too() {
    let app = server(json!({ "perVisitor": 2, "sockets": 4 })).await;
    let address = app.client.address;
    let first = Socket::guest(address, Transport::Websocket, "ann").await;
    let _second = Socket::guest(address, Transport::Polling, "ann").await;
    let mut third = Socket::open(address, Transport::Websocket, "").await;
    third.next().await;
    third.next().await;
    third.send("40/guest?visitorId=ann,").await;
    let refused = third.next().await;
    assert!(refused.contains("`realtime.perVisitor`") && refused.contains("too_many_connections"), "{refused}");
    third.send("40/guest?visitorId=bob,").await;
    assert_eq!(third.next().await, "40/guest,");
    let _fourth = Socket::guest(address, Transport::Websocket, "eve").await;
    let path = "/socket.io/?EIO=3&transport=polling";
    let fifth = app.client.send("GET", path, &[("origin", "http://page.example")], Vec::new()).await;
    assert_eq!((fifth.status, fifth.header("retry-after")), (503, "5"), "{}", fifth.body);
    assert_eq!(fifth.header("access-control-allow-origin"), "http://page.example");
    assert!(fifth.body.contains("BP_0053"), "{}", fifth.body);
    // A place that becomes free is given again.
    drop(first);
    while connections(&app).await != 3 {}
    Socket::guest(address, Transport::Websocket, "ann").await.quiet().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_by_whatever_transport_and_others_still_get_in() {
    let config = json!({ "realtime": { "socketsPerAddress": 2 }, "httpServer": { "trustedProxies": 1 } }).to_string();
    let app = TestApp::start_with(&[("botpress.config.json", &config)]).await;
    let address = app.client.address;
    let (polls, websocket) = ("/socket.io/?EIO=3&transport=polling", "/socket.io/?EIO=3&transport=websocket");
    // What the caller wrote itself stands before what the proxy added.
    let ann = [("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("origin", "http://page.example")];
    let first = Socket::websocket_with(address, websocket, &ann).await.unwrap();
    let polling = app.client.send("GET", polls, &ann, Vec::new()).await;
    assert_eq!(polling.status, 200, "{}", polling.body);
    let refused = app.client.send("GET", polls, &ann, Vec::new()).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (429, "http://page.example"));
    assert!(refused.body.contains("`realtime.socketsPerAddress`"), "{}", refused.body);
    assert_eq!(Socket::websocket_with(address, websocket, &ann).await.err(), Some(429));
    // The packets of those that it has are no new connections.
    let sid = polling.body.split('"').nth(3).unwrap();
    let goes_on = app.client.send("POST", &format!("{polls}&sid={sid}"), &ann, b"1:2".into()).await;
    assert_eq!(goes_on.status, 200, "{}", goes_on.body);
    // Another address, and this machine, of which no proxy says anything.
    assert!(Socket::websocket_with(address, websocket, &[("x-forwarded-for", "1.2.3.5")]).await.is_ok());
    let mut local = Vec::new();
    for _ in 0..5 {
        local.push(Socket::open(address, Transport::Websocket, "").await);
    }
    // A place that becomes free is given again.
    drop(first);
    while Socket::websocket_with(address, websocket, &ann).await.is_err() {}
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_says_of_its_address_is_not_believed_without_a_proxy() {
    let app = server(json!({ "socketsPerAddress": 1 })).await;
    let said = [("x-forwarded-for", "1.2.3.4")];
    for _ in 0..3 {
        let answer = app.client.send("GET", "/socket.io/?EIO=3&transport=polling", &said, Vec::new()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_count_among_the_open_connections_and_leave_some_to_requests() {
    let app = TestApp::start_with(&[
        ("bots/bot/bot.config.json", "{ \"id\": \"bot\", \"name\": \"Bot\" }"),
        ("botpress.config.json", "{ \"httpServer\": { \"connections\": 5 } }"),
    ])
    .await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(Socket::guest(app.client.address, Transport::Websocket, "ann").await);
    }
    let fifth = app.client.get("/socket.io/?EIO=3&transport=polling").await;
    assert_eq!(fifth.status, 503, "{}", fifth.body);
    assert_eq!(app.client.get("/status").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_joins_nothing_is_dropped() {
    let app = server(json!({ "joinTimeout": "100ms" })).await;
    let address = app.client.address;
    dropped(Socket::open(address, Transport::Websocket, "").await).await;
    dropped(Socket::open(address, Transport::Polling, "").await).await;
    while connections(&app).await != 0 {}
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_does_not_wait_for_those_who_poll() {
    let app = server(json!({})).await;
    let polling = Socket::guest(app.client.address, Transport::Polling, "ann").await;
    let _listening = Socket::guest(app.client.address, Transport::Websocket, "ann").await;
    let mut waiting = TcpStream::connect(app.client.address).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", polling.path());
    waiting.write_all(request.as_bytes()).await.unwrap();
    while connections(&app).await != 2 {}
    app.stop().await;
    // The packet by which Engine.IO closes, or that the server stops, whichever comes first; or nothing at all, if the
    // server had not come to read the request.
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    let told = answer.ends_with("\r\n\r\n1:1") || answer.starts_with("HTTP/1.1 503");
    assert!(answer.is_empty() || told, "{answer}");
}
