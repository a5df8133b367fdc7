//! What the server bears of its callers: connections, slow bodies, memory for bodies, conversations. Each limit is a setting.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHANNEL: &str = "/api/v1/bots/quiet/mod/channel-web";
const BOT: (&str, &str) = ("bots/quiet/bot.config.json", r#"{ "id": "quiet", "name": "Quiet" }"#);

async fn start(main: &str) -> TestApp {
    TestApp::start_with(&[BOT, ("botpress.config.json", main)]).await
}

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.client.address).await.unwrap()
}

/// Everything the server says until it closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A connection that is reset has ended, too.
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{more}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_has_one_deadline_for_all_of_it() {
    let app = start(r#"{ "httpServer": { "bodyTimeout": "1s" } }"#).await;
    for framing in ["content-length: 5000", "transfer-encoding: chunked"] {
        let mut stream = connect(&app).await;
        stream.write_all(head(&format!("{CHANNEL}/events/u1"), framing).as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut answer = vec![0; 4_096];
        // A byte each tenth of a second never pauses for long, and never ends.
        let answered = loop {
            tokio::select! {
                read = reader.read(&mut answer) => break read.unwrap(),
                () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {
                    let piece: &[u8] = if framing.starts_with('t') { b"1\r\n \r\n" } else { b" " };
                    writer.write_all(piece).await.unwrap();
                }
            }
        };
        let text = String::from_utf8_lossy(&answer[..answered]).into_owned();
        assert!(text.starts_with("HTTP/1.1 408") && text.contains("request.timeout"), "{framing}: {text}");
    }
    assert_eq!(app.client.get("/status").await.json()["queue"]["accepted"], 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed_and_make_room_for_those_who_wait() {
    let app = start(r#"{ "httpServer": { "connections": 20, "headerTimeout": "1s" } }"#).await;
    let mut idle = Vec::new();
    for _ in 0..60 {
        let mut stream = connect(&app).await;
        stream.write_all(b"GET /status HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        idle.push(stream);
    }
    // All are answered and closed in the end, though only twenty were ever open at once.
    for mut stream in idle {
        let said = rest(&mut stream).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 200"), "{said}");
    }
    assert_eq!(app.client.get("/status").await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_at_once_are_refused_beyond_their_memory_and_small_ones_get_through() {
    // There is room for the largest body that may come, files among it.
    let main = r#"{ "httpServer": { "bodies": "1mb", "bodyLimit": "1mb" }, "media": { "maxSize": "100kb" } }"#;
    let web = ("config/channel-web.json", r#"{ "maxFileSize": "100kb" }"#);
    let app = TestApp::start_with(&[BOT, ("botpress.config.json", main), web]).await;
    let path = format!("{CHANNEL}/events/u1");
    let large = format!("{{\"type\":\"x\",\"payload\":\"{}\"}}", "x".repeat(900_000));
    // The first is held: all but its last byte is there.
    let hold = async || {
        let mut held = connect(&app).await;
        held.write_all(head(&path, &format!("content-length: {}", large.len())).as_bytes()).await.unwrap();
        held.write_all(&large.as_bytes()[..large.len() - 1]).await.unwrap();
        held
    };
    let mut held = hold().await;
    let refused = loop {
        let answer = app.client.post(&path, large.as_bytes()).await;
        if answer.status != 200 {
            break answer;
        }
        // That one was read first, and the one that was to be held may have been refused for it.
        if held.try_read(&mut [0; 1_024]).is_ok() {
            held = hold().await;
        }
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.body);
    assert!(refused.json()["message"].as_str().unwrap().contains("httpServer.bodies"), "{}", refused.body);
    assert_eq!(app.client.post(&path, r#"{"type":"x"}"#).await.status, 200);
    held.write_all(b"}").await.unwrap();
    let mut answer = [0; 15];
    held.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    assert_eq!(app.client.post(&path, large).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_its_way_counts_as_a_large_body_and_has_a_deadline_of_its_own() {
    let main = r#"{ "httpServer": { "bodies": "1mb", "bodyLimit": "1mb", "bodyTimeout": "1m", "uploadTimeout": "1s" },
        "media": { "maxSize": "900kb" } }"#;
    let web = ("config/channel-web.json", r#"{ "maxFileSize": "900kb" }"#);
    let app = TestApp::start_with(&[BOT, ("botpress.config.json", main), web]).await;
    let id = app.client.post(&format!("{CHANNEL}/conversations/u1/new"), "").await.json()["convoId"].clone();
    let path = format!("{CHANNEL}/messages/u1/files?conversationId={id}");
    let content = vec![b'x'; 800 << 10];
    let file = ("a.txt", "text/plain", &content[..]);
    let form = "content-type: multipart/form-data; boundary=X";
    let announced = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{form}\r\ncontent-length: 800000\r\n\r\n");
    // Of each all but the end is there; only one of them has its memory.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&app).await;
        stream.write_all(announced.as_bytes()).await.unwrap();
        // The server may refuse it before all is sent.
        let _ = stream.write_all(&content[..799_999]).await;
        held.push(stream);
    }
    let mut said = Vec::new();
    for stream in &mut held {
        let mut answer = vec![0; 4_096];
        let read = stream.read(&mut answer).await.unwrap_or(0);
        said.push(String::from_utf8_lossy(&answer[..read]).into_owned());
    }
    drop(held);
    said.sort();
    assert!(said[0].starts_with("HTTP/1.1 408") && said[0].contains("request.timeout"), "{said:?}");
    assert!(said[1].starts_with("HTTP/1.1 503") && said[1].contains("httpServer.bodies"), "{said:?}");
    assert_eq!(app.client.post_file(&path, &[], file).await.status, 200);
    assert_eq!(app.client.get("/status").await.json()["queue"]["accepted"], 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn converse_takes_less_than_the_web_channel() {
    let app = start(r#"{ "converse": { "bodyLimit": "10kb" } }"#).await;
    let body = format!(r#"{{"type":"text","text":"a","metadata":{{"x":"{}"}}}}"#, "x".repeat(10_240));
    let answer = app.client.post("/api/v1/bots/quiet/converse/u1", body.as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["type"]), (413, &"entity.too.large".into()));
    assert_eq!(app.client.post(&format!("{CHANNEL}/messages/u1"), body).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_listed_begun_and_shown_up_to_their_limits() {
    let web = r#"{ "maxConversations": 4, "maxConversationsListed": 3, "maxHistorySize": "3kb" }"#;
    let app = TestApp::start_with(&[BOT, ("config/channel-web.json", web)]).await;
    let path = format!("{CHANNEL}/conversations/u1");
    for id in 1..=4 {
        let made = app.client.post(&format!("{path}/new"), "").await;
        assert_eq!((made.status, &made.json()["convoId"]), (200, &id.into()));
    }
    let refused = app.client.post(&format!("{path}/new"), "").await;
    let expected = (429, "A user can have 4 conversations at most (`maxConversations`)");
    assert_eq!((refused.status, refused.body.as_str()), expected);
    let listed = app.client.get(&path).await.json();
    let ids: Vec<_> =
        listed["conversations"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [4, 3, 2]);
    for number in 0..5 {
        let body = format!(r#"{{"type":"text","text":"{number}","x":"{}"}}"#, "x".repeat(1_000));
        assert_eq!(app.client.post(&format!("{CHANNEL}/messages/u1?conversationId=1"), body).await.status, 200);
    }
    let shown = app.client.get(&format!("{path}/1")).await.json();
    let texts: Vec<_> = shown["messages"].as_array().unwrap().iter().map(|one| one["message_text"].clone()).collect();
    assert_eq!(texts, ["3", "4"], "the last ones, as many as fit");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_taken_up_to_its_limit_and_not_a_read_further() {
    let app = start(r#"{ "httpServer": { "headLimit": "32kb" } }"#).await;
    for (size, status) in [(30_000, 200), (33_000, 431), (40_000, 431), (60_000, 431)] {
        let mut stream = connect(&app).await;
        let head = format!("GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(size));
        // The server may have refused it before all is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = rest(&mut stream).await;
        let refused_without_a_word = status == 431 && answer.is_empty();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) || refused_without_a_word, "{size}: {answer}");
    }
    app.stop().await;
}
