//! Clients that ask and read nothing: what waits for them has bounds, and others are answered.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

const BOT: (&str, &str) = ("bots/echo/bot.config.json", r#"{ "id": "echo", "name": "Echo" }"#);
/// Says more than the system keeps for a connection.
const MUCH: (&str, &str) = (
    "hooks/before_incoming_middleware/much.js",
    "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    bp.events.replyToEvent(event, [{ type: 'text', text: 'x'.repeat(6 << 20) }])",
);
const CONVERSE: &str = "/api/v1/bots/echo/converse/ada";
const HELLO: &str = r#"{"type":"text","text":"hello"}"#;

/// A server with room for three such answers.
async fn server() -> TestApp {
    let settings = json!({
        "httpServer": { "bodies": "20mb", "bodyLimit": "100kb", "stalled": "50ms" },
        "media": { "maxSize": "1mb" },
    });
    let web = ("config/channel-web.json", r#"{ "maxFileSize": "1mb" }"#);
    TestApp::start_with(&[BOT, MUCH, ("botpress.config.json", &settings.to_string()), web]).await
}

/// A client that has asked so many times, and for which the system keeps little.
async fn asks(app: &TestApp, times: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(app.client.address).await.unwrap();
    let one = format!(
        "POST {CONVERSE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{HELLO}",
        HELLO.len()
    );
    // What the server does not read any more is not sent.
    let _ =
        tokio::time::timeout(std::time::Duration::from_secs(1), stream.write_all(one.repeat(times).as_bytes())).await;
    stream
}

async fn dropped(app: &TestApp) -> u64 {
    let metrics = app.client.get("/metrics").await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("nudge_slow_clients_dropped "));
    line.unwrap().parse().unwrap()
}

async fn accepted(app: &TestApp) -> u64 {
    app.client.get("/status").await.json()["queue"]["accepted"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_read_nothing_are_dropped_where_others_need_the_room() {
    let app = server().await;
    let mut stuck = Vec::new();
    for _ in 0..6 {
        stuck.push(asks(&app, 1).await);
    }
    app.processed().await;
    // Whoever comes is answered once they have had their time.
    for _ in 0..4 {
        loop {
            let answer = app.client.post(CONVERSE, HELLO).await;
            if answer.status == 200 {
                assert!(answer.body.len() > 6 << 20);
                break;
            }
            assert!(
                answer.status == 503 && answer.body.contains("`httpServer.bodies`"),
                "{} {}",
                answer.status,
                answer.body
            );
        }
    }
    assert!(dropped(&app).await > 0);
    drop(stuck);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_read_are_not_dropped_while_there_is_room_however_slow_they_are() {
    let app = server().await;
    let slow = [asks(&app, 1).await, asks(&app, 1).await];
    app.processed().await;
    for _ in 0..5 {
        assert_eq!(app.client.post(CONVERSE, HELLO).await.status, 200);
    }
    assert_eq!(dropped(&app).await, 0);
    drop(slow);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_on_one_connection_are_not_begun_while_no_answer_is_read() {
    let app = server().await;
    let stuck = asks(&app, 1_000).await;
    while accepted(&app).await == 0 {}
    app.processed().await;
    for _ in 0..20 {
        assert_eq!(app.client.get("/status").await.status, 200);
    }
    // One whose answer waits, and one that may have been read already.
    assert!(accepted(&app).await <= 2, "{}", accepted(&app).await);
    drop(stuck);
    app.stop().await;
}
