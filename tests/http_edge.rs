//! The edge of the server, byte by byte: heads that break the rules, two requests in one, websockets that are none, and names that are
//! not the server's.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use app::TestApp;

const BOT: (&str, &str) = ("bots/echo/bot.config.json", r#"{ "id": "echo", "name": "Echo" }"#);
/// Breaks, so that there is a problem to be told.
const BROKEN: (&str, &str) = ("hooks/before_incoming_middleware/broken.js", "if (");
const STYLE: (&str, &str) = ("assets/style.css", "fine");

/// All that the server answers to bytes as they are, until it closes the connection.
fn raw(app: &TestApp, request: &str) -> String {
    let mut stream = TcpStream::connect(app.client.address).unwrap();
    // It may have closed before all was sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect()
}

/// With `%` for the end of a line.
fn lines(text: &str) -> String {
    text.replace('%', "\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_in_development_is_told_to_names_of_the_server_only() {
    let main =
        r#"{ "httpServer": { "allowedHosts": ["dev.example.org"], "externalUrl": "https://bots.example.org" } }"#;
    let files = [BOT, BROKEN, ("botpress.config.json", main)];
    let app = TestApp::start_in_development(&files).await;
    let ask =
        |path: &str, host: &str| raw(&app, &lines(&format!("GET {path} HTTP/1.1%Host: {host}%Connection: close%%")));
    let own = ["/", "/start.css", "/examples/proactive-onload", "/api/v1/traces/1", "/api/v1/bots/echo/traces/ada"];
    let port = app.client.address.port();
    for path in own {
        let there = statuses(&ask(path, "localhost"))[0].to_owned();
        assert_ne!(there, "403", "{path}");
        for host in ["127.0.0.1", "[::1]:80", "LOCALHOST.:1", "x.localhost", "dev.example.org:3000", "bots.example.org"]
        {
            assert_eq!(statuses(&ask(path, host)), [there.as_str()], "{path} {host}");
        }
        for host in
            ["evil.example", "192.168.0.99", "localhost.evil.example:3000", "evil@localhost", "", "localhost, evil"]
        {
            let answer = ask(path, host);
            assert_eq!(statuses(&answer), ["403"], "{path} {host}: {answer}");
            assert!(
                answer.contains("allowedHosts") && answer.contains(&format!("http://localhost:{port}")),
                "{answer}"
            );
        }
    }
    for (host, told) in [("localhost", true), ("dev.example.org", true), ("evil.example", false)] {
        let answer = ask("/status", host);
        assert_eq!((statuses(&answer)[0], answer.contains("broken.js")), ("200", told), "{host}: {answer}");
    }
    let target = raw(&app, &lines("GET http://evil.example/ HTTP/1.1%Host: localhost%Connection: close%%"));
    assert_eq!(statuses(&target), ["403"], "{target}");
    let said = "GET / HTTP/1.1%Host: evil.example%X-Forwarded-Host: localhost%Connection: close%%";
    assert_eq!(statuses(&raw(&app, &lines(said))), ["403"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_the_public_answers_by_any_name() {
    let app = TestApp::start_in_development(&[BOT, STYLE]).await;
    let post = r#"POST /api/v1/bots/echo/converse/ada HTTP/1.1%Host: evil.example%Content-Type: application/json%Content-Length: 28%Connection: close%%{"type":"text","text":"hello"}"#;
    for request in [
        "GET /assets/style.css HTTP/1.1%Host: evil.example%Connection: close%%",
        "GET /assets/modules/channel-web/inject.js HTTP/1.1%Host: 8.8.8.8%Connection: close%%",
        "GET /lite/echo/ HTTP/1.1%Host: evil.example:80%Connection: close%%",
        "GET /api/v1/bots/echo/mod/channel-web/botInfo HTTP/1.1%Host: evil.example%Connection: close%%",
        "GET /socket.io/?EIO=3&transport=polling HTTP/1.1%Host: evil.example%Connection: close%%",
        "GET /status HTTP/1.1%Host: evil.example%Connection: close%%",
        post,
    ] {
        let request = lines(&request.replace("Length: 28", "Length: 30"));
        assert_eq!(statuses(&raw(&app, &request)), ["200"], "{request}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_a_proxy_may_read_otherwise_is_refused_and_the_connection_closed() {
    let app = TestApp::start_with(&[BOT]).await;
    let next = "GET /status HTTP/1.1%Host: x%Connection: close%%";
    for head in [
        "GET /status HTTP/1.1\nHost: x\n\n",
        "GET /status HTTP/1.1%Host: x\n%",
        "GET /status HTTP/1.1%Host: x%\n",
        "GET /status HTTP/1.1\nHost: x%%",
        "\nGET /status HTTP/1.1%Host: x%%",
        "GET /status HTTP/1.1%Host: x%X-A: b\n c%%",
        "GET /status HTTP/1.1%Host: x%X-A: b% c%%",
        "GET /status HTTP/1.1%Host : x%%",
        "GET /status HTTP/1.1%Host: x%X A: b%%",
        "GET /status HTTP/1.1%Host: x%Host: x%%",
        "GET /status HTTP/1.1%Host: x%Host: y%%",
        "GET /status HTTP/1.1%%",
        "GET /status HTTP/1.1%Host: x%Content-Length: 0%Content-Length: 0%%",
        "GET /status HTTP/1.1%Host: x%Content-Length: 0, 0%%",
        "GET /status HTTP/1.1%Host: x%Content-Length: -1%%",
        "GET /status HTTP/1.1%Host: x%Content-Length: 0x0%%",
        "GET /status HTTP/1.1%Host: x%Content-Length: 0%Transfer-Encoding: chunked%%0%%",
        "GET /status HTTP/1.1%Host: x%Transfer-Encoding: chunked%Content-Length: 0%%0%%",
        "GET /status HTTP/1.1%Host: x%Transfer-Encoding: identity%%",
        "GET /status HTTP/1.1%Host: x%Transfer-Encoding: chunked, chunked%%0%%",
        "GET /status HTTP/1.1%Host: x%Transfer-Encoding: chunked%Transfer-Encoding: chunked%%0%%",
        "GET /status HTTP/1.1%Host: x%Transfer-Encoding:%%",
        "GET /status HTTP/1.1%Host: x%Transfer-Encoding : chunked%%0%%",
        "GET /status HTTP/1.1%Host: x%X-A: \0%%",
    ] {
        let answer = raw(&app, &lines(&format!("{head}{next}")));
        assert_eq!(statuses(&answer), ["400"], "{head:?}: {answer}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_keep_the_rules_follow_each_other_on_a_connection() {
    let app = TestApp::start_with(&[BOT]).await;
    let converse = "POST /api/v1/bots/echo/converse/ada HTTP/1.1%Host: x%Content-Type: application/json%";
    let text = "{\n\"type\":\"text\",\n\n\"text\":\"hello\"}\n";
    let with_length = format!("{converse}Content-Length: {}%%{text}", text.len());
    let get = "GET /status HTTP/1.1%Host: x%%";
    let last = "GET /status HTTP/1.1%Host: x%Connection: close%%";
    let answer = raw(&app, &lines(&format!("%%{get}{with_length}{get}{with_length}{last}")));
    assert_eq!(statuses(&answer), ["200"; 5], "{answer}");
    // After a body without a length nothing is read as a head.
    let chunked = format!("{converse}Transfer-Encoding: chunked%%{:x}%{text}%0%%{get}", text.len());
    let answer = raw(&app, &lines(&chunked));
    assert_eq!(statuses(&answer), ["200"], "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    let asked =
        "GET /status HTTP/1.1%Host: x%Upgrade: h2c%Connection: Upgrade, HTTP2-Settings%HTTP2-Settings: AAMAAABk%%";
    let answer = raw(&app, &lines(&format!("{asked}{last}")));
    assert_eq!(statuses(&answer), ["200"; 2], "{answer}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_break_the_rules_end_the_request_and_nothing_of_it_is_taken() {
    let app = TestApp::start_with(&[BOT]).await;
    let head = "POST /api/v1/bots/echo/mod/channel-web/messages/ada HTTP/1.1%Host: x%Content-Type: application/json%Transfer-Encoding: chunked%%";
    let body = r#"{"type":"text","text":"hi"}"#;
    let size = format!("{:x}", body.len());
    let extension = "x".repeat(1 << 20);
    for chunks in [
        format!("{size}\n{body}\n0\n\n"),
        format!("0x{size}%{body}%0%%"),
        format!("-{size}%{body}%0%%"),
        format!("ffffffffffffffffff%{body}%0%%"),
        format!("%{body}%0%%"),
        format!("{size};{extension}%{body}%0%%"),
        format!("{size}%{body}0%%"),
    ] {
        let answer = raw(&app, &lines(&format!("{head}{chunks}GET /status HTTP/1.1%Host: x%%")));
        let found = statuses(&answer);
        assert!(
            found.len() <= 1 && found.iter().all(|status| status.starts_with('4')),
            "{:.80}: {answer:.300}",
            chunks
        );
    }
    let trailers = format!("{head}{size}%{body}%0%X-Trailer: a%Content-Length: 7%%GET /status HTTP/1.1%Host: x%%");
    assert_eq!(statuses(&raw(&app, &lines(&trailers))), ["200"]);
    app.processed().await;
    let list = app.client.get("/api/v1/bots/echo/mod/channel-web/conversations/ada").await.json();
    let id = &list["conversations"][0]["id"];
    let one = app.client.get(&format!("/api/v1/bots/echo/mod/channel-web/conversations/ada/{id}")).await.json();
    assert_eq!(one["messages"].as_array().map_or(0, Vec::len), 1, "{one}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_asked_for_by_the_rules_or_refused() {
    let app = TestApp::start_with(&[BOT]).await;
    let ask = |change: &dyn Fn(String) -> String| {
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1%Host: x%Upgrade: websocket%Connection: Upgrade%Sec-WebSocket-Version: 13%Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==%%";
        raw_head(&app, &lines(&change(request.to_owned())))
    };
    let fine = ask(&|request| request);
    assert!(fine.starts_with("HTTP/1.1 101") && fine.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{fine}");
    let extensions = "Key: dGhlIHNhbXBsZSBub25jZQ==%Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99%Sec-WebSocket-Protocol: chat, evil%%";
    let offered = ask(&|request| request.replace("Key: dGhlIHNhbXBsZSBub25jZQ==%%", extensions)).to_lowercase();
    assert!(offered.starts_with("http/1.1 101"), "{offered}");
    assert!(!offered.contains("sec-websocket-extensions") && !offered.contains("sec-websocket-protocol"), "{offered}");
    for version in ["99", "12", "8", "", "13, 8"] {
        let answer = ask(&|request| request.replace("Version: 13", &format!("Version: {version}"))).to_lowercase();
        assert!(answer.starts_with("http/1.1 426"), "{version}: {answer}");
        assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
    }
    for (from, to) in [
        ("Upgrade: websocket%", ""),
        ("Upgrade: websocket%", "Upgrade: h2c%"),
        ("Connection: Upgrade%", ""),
        ("Connection: Upgrade%", "Connection: keep-alive%"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==%", ""),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ==%Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        ("GET ", "POST "),
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        let answer = ask(&|request| request.replace(from, to));
        assert_eq!(answer.split(' ').nth(1), Some("400"), "{from} {to}: {answer}");
    }
    let count = app.client.get("/status").await.json()["realtime"]["connections"].clone();
    assert!(count.as_u64().is_some_and(|count| count <= 2), "{count}");
    app.stop().await;
}

/// The first head that the server answers.
fn raw_head(app: &TestApp, request: &str) -> String {
    let mut stream = TcpStream::connect(app.client.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        answer.push(byte[0]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
