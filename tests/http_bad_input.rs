//! What callers get wrong, over a real connection: a clear error, nothing stored, nothing crashed.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use app::{TestApp, fixture};
use client::Answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHANNEL: &str = "/api/v1/bots/my-bot/mod/channel-web";

async fn start() -> TestApp {
    TestApp::start(&fixture("golden/workspace")).await
}

/// What `/status` has counted as accepted.
async fn accepted(app: &TestApp) -> u64 {
    app.client.get("/status").await.json()["queue"]["accepted"].as_u64().unwrap()
}

fn code(answer: &Answer) -> String {
    let json = answer.json();
    format!("{} {} {}", answer.status, json["errorCode"].as_str().unwrap(), json["type"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_taken_are_refused_and_nothing_is_stored() {
    let app = start().await;
    let deep = format!("{{\"type\":\"x\",\"payload\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let large = format!("{{\"type\":\"x\",\"payload\":\"{}\"}}", "x".repeat(10 << 20));
    for path in
        [format!("{CHANNEL}/events/u1"), format!("{CHANNEL}/messages/u1"), "/api/v1/bots/my-bot/converse/u1".into()]
    {
        let post = async |body: &[u8]| app.client.post(&path, body).await;
        for bad in ["{", "nonsense", "\"text\"", "null", "{\"type\":\"text\",}", "{} {}", "[1", " "] {
            let answer = post(bad.as_bytes()).await;
            assert_eq!(code(&answer), "400 BP_000 entity.parse.failed", "{path} {bad}");
            assert_eq!(answer.json()["message"], "Unexpected error");
        }
        let answer = post(b"{\"type\":\"text\",\"text\":\"\xff\xfe\"}").await;
        assert_eq!(code(&answer), "400 BP_0040 BadRequestError");
        assert_eq!(answer.json()["message"], "Bad Request: the body is not valid UTF-8 (byte 23)");
        let answer = post(deep.as_bytes()).await;
        assert_eq!(code(&answer), "400 BP_0040 BadRequestError");
        assert!(answer.json()["message"].as_str().unwrap().contains("nested deeper"));
        assert_eq!(code(&post(large.as_bytes()).await), "413 BP_000 entity.too.large");
        let answer = post(b"[{\"type\":\"text\",\"text\":\"a\"}]").await;
        assert_eq!((answer.status, answer.body.as_str()), (400, "\"value\" must be an object"), "{path}");
        let answer = post(b"{\"type\":{\"a\":1},\"text\":\"a\"}").await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
    }
    assert_eq!(accepted(&app).await, 0);
    let list = app.client.get(&format!("{CHANNEL}/conversations/u1")).await.json();
    assert_eq!(list["conversations"].as_array().unwrap().len(), 0);
    let fine = app.client.post("/api/v1/bots/my-bot/converse/u1", r#"{"type":"text","text":"hi"}"#).await;
    assert_eq!(fine.status, 200, "{}", fine.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_exist_and_ids_that_cannot_be_are_told_apart() {
    let app = start().await;
    for bot in ["nobot", "..%2f..", "__proto__", "a%20b", "%ff"] {
        let path = format!("/api/v1/bots/{bot}/mod/channel-web/events/u1");
        let answer = app.client.post(&path, r#"{"type":"x"}"#).await;
        assert!([400, 404].contains(&answer.status), "{bot}: {} {}", answer.status, answer.body);
    }
    let long = "x".repeat(201);
    for user in ["!!!", "%20", "%00", "a%0Ab", "%ff", long.as_str()] {
        for (method, path) in [
            ("POST", format!("{CHANNEL}/events/{user}")),
            ("POST", format!("{CHANNEL}/messages/{user}")),
            ("POST", format!("{CHANNEL}/conversations/{user}/new")),
            ("GET", format!("{CHANNEL}/conversations/{user}")),
            ("GET", format!("{CHANNEL}/conversations/{user}/1")),
            ("POST", format!("/api/v1/bots/my-bot/converse/{user}")),
        ] {
            let body = br#"{"type":"text","text":"hi"}"#.to_vec();
            let answer = app.client.send(method, &path, &[("content-type", "application/json")], body).await;
            let expected = (400, "text/html; charset=utf-8", "`userId` is required and must be valid");
            assert_eq!((answer.status, answer.content_type(), answer.body.as_str()), expected, "{method} {path}");
        }
    }
    assert_eq!(accepted(&app).await, 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_such_as_proto_are_ordinary_data() {
    let app = start().await;
    let body = r#"{"type":"text","text":"hi","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}"#;
    let answer = app.client.post(&format!("{CHANNEL}/messages/__proto__"), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.processed().await;
    let list = app.client.get(&format!("{CHANNEL}/conversations/__proto__")).await.json();
    let id = &list["conversations"][0]["id"];
    let conversation = app.client.get(&format!("{CHANNEL}/conversations/__proto__/{id}")).await.json();
    let messages = conversation["messages"].as_array().unwrap();
    assert_eq!(messages[0]["payload"].to_string(), body);
    assert_eq!(messages[1]["message_text"], "Hello there!");
    let other = app.client.post("/api/v1/bots/my-bot/converse/constructor", r#"{"text":"hi"}"#).await;
    assert_eq!(other.body, r#"{"responses":[{"type":"text","markdown":true,"text":"Hello there!"}]}"#);
    let refused = app.client.post("/api/v1/bots/my-bot/converse/u", r#"{"text":"hi","__proto__":{}}"#).await;
    assert_eq!((refused.status, refused.body.as_str()), (400, "\"__proto__\" is not allowed"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_and_an_unknown_content_type_are_read_as_the_reference_says() {
    let app = start().await;
    let path = format!("{CHANNEL}/messages/u1");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = app.client.send("POST", &path, &form, b"type=text&text=hi+there".to_vec()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
    let answer = app.client.send("POST", &path, &form, b"type=text&text=%ff".to_vec()).await;
    assert_eq!(answer.status, 400);
    let plain = [("content-type", "text/plain")];
    let answer = app.client.send("POST", &path, &plain, b"{\"type\":\"text\",\"text\":\"hi\"}".to_vec()).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "`type` is required and must be valid"));
    let latin = [("content-type", "application/json; charset=iso-8859-1")];
    let answer = app.client.send("POST", &path, &latin, b"{\"type\":\"text\",\"text\":\"hi\"}".to_vec()).await;
    assert_eq!(code(&answer), "415 BP_000 charset.unsupported");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_may_ask_from_any_page_and_nothing_tells_what_runs_here() {
    let app = start().await;
    let headers = [
        ("origin", "http://x.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = app.client.send("OPTIONS", &format!("{CHANNEL}/events/u1"), &headers, Vec::new()).await;
    assert!((200..300).contains(&answer.status));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-headers"), "content-type");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    let answer = app.client.send("GET", "/nope", &[("origin", "http://x.example")], Vec::new()).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (404, "*"));
    for name in ["x-powered-by", "server"] {
        assert_eq!(answer.header(name), "");
    }
    let answer = app.client.get("/api/v1/traces/1").await;
    assert_eq!(answer.status, 404, "traces are for development");
    let metrics = app.client.get("/metrics").await;
    assert!(metrics.body.contains("# TYPE nudge_accepted_total counter\nnudge_accepted_total 0\n"), "{}", metrics.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_head_never_ends_is_dropped() {
    let app = start().await;
    let mut slow = TcpStream::connect(app.client.address).await.unwrap();
    slow.write_all(b"POST /status HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    // The server closes the connection: reading ends, with or without a word of it.
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
    let mut noise = TcpStream::connect(app.client.address).await.unwrap();
    noise.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = noise.read_to_end(&mut rest).await;
    assert_eq!(app.client.get("/status").await.status, 200);
    app.stop().await;
}
