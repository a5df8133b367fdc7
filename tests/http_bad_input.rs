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
            ("POST", format!("{CHANNEL}/conversations/{user}/1/reset")),
            ("POST", format!("{CHANNEL}/conversations/{user}/1/reference/a=b")),
            ("GET", format!("{CHANNEL}/conversations/{user}/1/download/txt")),
            ("POST", format!("{CHANNEL}/messages/{user}/files?conversationId=1")),
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

/// Does with what it hears whatever a script may do: logs, flags, keeps, asks, replies, throws.
const BUSY: (&str, &str) = (
    "hooks/after_incoming_middleware/busy.js",
    r"
    const said = event.payload.text === undefined ? event.type : event.payload.text
    console.log('heard', said, event.payload)
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
    const before = { session: event.state.session.said, user: event.state.user }
    event.state.session.said = said
    event.state.user[said] = event.payload
    await bp.kvs.set(event.botId, 'key ' + said, { said })
    const kept = await bp.kvs.get(event.botId, 'key ' + said)
    const all = { said, kept, before, payload: event.payload }
    bp.events.replyToEvent(event, [{ type: 'text', text: String(said), all, [said]: said }])
    await bp.events.sendEvent(bp.IO.Event({ ...event, type: 'custom', direction: 'outgoing', payload: all, preview: said }))
    throw new Error(said)",
);

/// Sends each body as a message and gives what the conversation shows at the end; no worker may have died of it.
async fn through_a_busy_script(paths: &[&str], bodies: &[&str]) -> Vec<serde_json::Value> {
    let bot = ("bots/my-bot/bot.config.json", r#"{ "id": "my-bot", "name": "B" }"#);
    let app = TestApp::start_with(&[bot, BUSY]).await;
    let mut shown = Vec::new();
    for path in paths {
        for (number, body) in bodies.iter().enumerate() {
            let user = format!("u{number}");
            let answer = app.client.post(&format!("{CHANNEL}/{path}/{user}"), body.as_bytes()).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, "OK"), "{path} {body}");
            app.processed().await;
            // What was kept of it is there for the next, whose script works as well.
            let again = app.client.post(&format!("{CHANNEL}/messages/{user}"), r#"{"type":"text","text":"ask"}"#).await;
            assert_eq!(again.status, 200);
            app.processed().await;
            let list = app.client.get(&format!("{CHANNEL}/conversations/{user}")).await.json();
            let id = &list["conversations"][0]["id"];
            let whole = app.client.get(&format!("{CHANNEL}/conversations/{user}/{id}")).await;
            assert_eq!(whole.status, 200, "{path} {body}: {}", whole.body);
            shown.push(whole.body.into());
        }
    }
    let queue = app.client.get("/status").await.json()["queue"].take();
    for never in
        ["realmsKilled", "realmsCrashed", "zygotesDied", "endedByKill", "runAgain", "setAside", "waiting", "inFlight"]
    {
        assert_eq!(queue[never], 0, "{never}: {queue}");
    }
    app.stop().await;
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_utf_8_cannot_say_and_nul_travel_to_scripts_and_back() {
    let bodies = [
        r#"{"type":"text","text":"a\ud800b"}"#,
        r#"{"type":"text","text":"\udfff\ud800"}"#,
        r#"{"type":"text","text":"a\u0000b\u001b[31m"}"#,
        r#"{"type":"text","text":"x","\ud800":"\udc00","\u0000":"\u0000"}"#,
        r#"{"type":"text","text":"__proto__","__proto__":{"\ud800":1}}"#,
        r#"{"type":"text","text":"first","text":"last","type":"text"}"#,
    ];
    let shown = through_a_busy_script(&["messages", "events"], &bodies).await;
    for (body, conversation) in bodies.iter().zip(&shown) {
        let conversation = conversation.as_str().unwrap();
        assert!(conversation.contains(body), "the payload is kept as it was written: {body} {conversation}");
        // The script's replies as well, not only the visitor's messages; the second one knows of the first.
        assert!(conversation.matches(r#""full_name":"Bot""#).count() >= 2, "{body}: {conversation}");
        assert!(conversation.contains(r#""before":{"session":""#), "{body}: {conversation}");
    }
    assert!(shown[0].as_str().unwrap().contains("\"message_text\":\"a\u{fffd}b\""), "{}", shown[0]);
    assert!(shown[5].as_str().unwrap().contains(r#""message_text":"last""#), "{}", shown[5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_too_large_for_anyone_are_kept_as_they_were_written() {
    let bodies = [
        r#"{"type":"text","text":"n","n":1e999,"m":-1e999}"#,
        r#"{"type":"text","text":"n","n":123456789012345678901234567890,"z":-0,"e":1E-400}"#,
        r#"{"type":"text","text":"n","timezone":1e999,"language":7}"#,
        r#"{"type":"visit","text":"n","timezone":1e999,"language":"\ud800"}"#,
    ];
    let shown = through_a_busy_script(&["messages"], &bodies).await;
    for (body, conversation) in bodies.iter().zip(&shown).take(3) {
        assert!(conversation.as_str().unwrap().contains(body), "{body}: {conversation}");
    }
    let app = start().await;
    let answer = app.client.post("/api/v1/bots/my-bot/converse/u1", r#"{"text":"hi","metadata":{"n":1e999}}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_conversation_numbers_at_their_ends_are_refused_clearly() {
    let app = start().await;
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(201));
    for bad in [long.as_str(), r#"{"type":"a\ud800"}"#, r#"{"type":""}"#, r#"{"type":7}"#] {
        let answer = app.client.post(&format!("{CHANNEL}/events/u1"), bad).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, "`type` is required and must be valid"), "{bad}");
    }
    for id in ["9223372036854775808", "9223372036854775807", "-1", "0", "1e3", "1.0", "99999999999999999999999", "0x1"]
    {
        let path = format!("{CHANNEL}/messages/u1?conversationId={id}");
        let answer = app.client.post(&path, r#"{"type":"text","text":"hi"}"#).await;
        let expected = format!("Conversation \"{id}\" not found - BP_CONV_NOT_FOUND");
        assert_eq!((answer.status, &answer.body), (404, &expected));
        let answer = app.client.get(&format!("{CHANNEL}/conversations/u1/{id}")).await;
        assert_eq!((answer.status, &answer.body), (404, &expected));
    }
    assert_eq!(accepted(&app).await, 0);
    app.stop().await;
}

/// Sends bytes on a connection of their own and gives everything that comes back until it is closed.
async fn raw(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.client.address).await.unwrap();
    // The server may have answered and closed before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_mean_two_things_or_never_end_are_refused_and_the_server_goes_on() {
    let app = start().await;
    let post = format!("POST {CHANNEL}/events/u1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    let body = r#"{"type":"x"}"#;
    let smuggled = "0\r\n\r\nGET /status HTTP/1.1\r\nhost: x\r\n\r\n";
    // Each is closed by the server; at most one answer is no refusal.
    for (what, bytes) in [
        ("two lengths", format!("{post}content-length: 12\r\ncontent-length: 5\r\n\r\n{body}")),
        ("negative length", format!("{post}content-length: -1\r\n\r\n{body}")),
        ("plus length", format!("{post}content-length: +12\r\n\r\n{body}")),
        ("huge length", format!("{post}content-length: 99999999999999999999999\r\n\r\n{body}")),
        ("odd encoding", format!("{post}transfer-encoding: xchunked\r\n\r\n{smuggled}")),
        ("bad chunk", format!("{post}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{body}\r\n")),
        ("no chunk", format!("{post}transfer-encoding: chunked\r\n\r\nzz\r\n{body}")),
        ("long name", format!("{post}{}: 1\r\n\r\n", "x".repeat(100_000))),
        ("long value", format!("{post}x: {}\r\n\r\n", "x".repeat(100_000))),
        ("many headers", format!("{post}{}\r\n", "x: 1\r\n".repeat(1_000))),
        ("long path", format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000))),
        ("space in name", format!("{post}x y: 1\r\n\r\n")),
        ("folded", format!("{post}x: 1\r\n content-length: 5\r\n\r\n")),
        ("no version", "GET /status\r\n\r\n".into()),
        ("http/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("nul", "GET /sta\0tus HTTP/1.1\r\nhost: x\r\n\r\n".into()),
    ] {
        let answer = raw(&app, bytes.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
        assert!(!answer.contains("HTTP/1.1 2"), "{what}: {answer}");
    }
    // Both lengths: whatever wins, what follows is not taken for a request of its own.
    let both = format!("{post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{smuggled}");
    let answer = raw(&app, both.as_bytes()).await;
    assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{answer}");
    let before = accepted(&app).await;
    assert!(before <= 1);
    let pipelined = format!("{post}content-length: 12\r\n\r\n{body}").repeat(3);
    let answer = raw(&app, format!("{pipelined}GET /nope HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 404").count(), 1, "{answer}");
    assert_eq!(accepted(&app).await, before + 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_arrives_although_nobody_reads_the_body() {
    let app = start().await;
    let body = "x".repeat(8 << 20);
    // Refused by their paths and heads, and by what is announced.
    let web = "mod/channel-web";
    let calls = ["events/%00", "messages/u1/files?conversationId=99", "nothing"].map(|path| format!("{web}/{path}"));
    let calls = calls.into_iter().chain(["converse/u1".into()]).map(|path| {
        let head = format!("POST /api/v1/bots/my-bot/{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
        (path, format!("{head}content-length: {}\r\n\r\n{body}", body.len()))
    });
    for ((path, call), status) in calls.zip([400, 404, 404, 413]) {
        let mut stream = TcpStream::connect(app.client.address).await.unwrap();
        stream.write_all(call.as_bytes()).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        // The connection goes on: the rest of the body is no request.
        stream.write_all(b"GET /nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(answers.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{path}: {answers}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_without_end_asked_for_or_packed_are_refused() {
    let app = start().await;
    let post = format!("POST {CHANNEL}/events/u1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    let asking = format!("{post}expect: 100-continue\r\ncontent-length: 1000000\r\n\r\n");
    let answer = raw(&app, asking.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "refused before it is sent: {answer}");
    let asking = format!("{post}expect: 100-continue\r\ncontent-length: 12\r\n\r\n{{\"type\":\"x\"}}");
    let answer = raw(&app, asking.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 100") && answer.contains("HTTP/1.1 200"), "{answer}");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(32);
    let mut stream = TcpStream::connect(app.client.address).await.unwrap();
    stream.write_all(format!("{post}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let mut sent = 0usize;
    while stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += chunk.len();
        assert!(sent < 1 << 30, "the server reads for ever");
    }
    for encoding in ["gzip", "deflate", "br", "gzip, identity"] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let answer = app.client.send("POST", &format!("{CHANNEL}/events/u1"), &headers, vec![0x1f, 0x8b, 8]).await;
        assert_eq!(code(&answer), "415 BP_000 encoding.unsupported");
    }
    assert_eq!(accepted(&app).await, 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_on_every_route_and_odd_paths_have_an_answer() {
    let app = start().await;
    let routes = [
        format!("{CHANNEL}/botInfo"),
        format!("{CHANNEL}/events/u"),
        format!("{CHANNEL}/conversations/u/1"),
        "/status".into(),
        "/s/x".into(),
        "/s/%ff".into(),
        "/s/%0d%0aset-cookie:%20x".into(),
        "/api/v1/traces/%ff".into(),
        "/%2e%2e/%2e%2e/etc/passwd".into(),
        "/..//../%00".into(),
        "//status".into(),
        "/api/v1/bots/%2e%2e/converse/%2e%2e".into(),
        format!("/api/v1/bots/my-bot/converse/{}", "%41".repeat(3_000)),
    ];
    for path in &routes {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let answer = app.client.send(method, path, &[], Vec::new()).await;
            assert!(answer.status < 500, "{method} {path}: {} {}", answer.status, answer.body);
            assert!(!answer.headers.contains_key("set-cookie"), "{method} {path}");
            if method == "HEAD" {
                assert_eq!(answer.body, "", "{path}");
            } else if answer.status >= 400 {
                assert!(!answer.body.is_empty(), "{method} {path}: an error without a word");
            }
        }
    }
    for bytes in [
        "CONNECT x:80 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ] {
        let answer = raw(&app, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let whole = raw(&app, b"GET http://other/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(whole.starts_with("HTTP/1.1 200"), "{whole}");
    assert_eq!(accepted(&app).await, 1, "the one POST to /events");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_link_with_line_ends_in_it_never_becomes_a_header() {
    let link = (
        "hooks/after_server_start/links.js",
        r"
        bp.http.createShortLink('split', 'http://x.example/a\r\nset-cookie: a=b\r\n\r\n<script>')
        bp.http.createShortLink('accent', 'http://x.example/é 日', { q: 'a\r\nb' })",
    );
    let bot = ("bots/my-bot/bot.config.json", r#"{ "id": "my-bot", "name": "B" }"#);
    let app = TestApp::start_with(&[bot, link]).await;
    let follow = async |name: &str| loop {
        // The hook runs beside the start.
        let answer = app.client.get(&format!("/s/{name}?x=%0d%0ay")).await;
        if answer.status != 404 {
            break answer;
        }
    };
    let answer = follow("accent").await;
    assert_eq!(answer.status, 302, "{}", answer.body);
    assert!(answer.header("location").starts_with("http://x.example/%C3%A9%20%E6%97%A5"), "{:?}", answer.headers);
    assert!(answer.header("location").contains("x=%0d%0ay"), "{:?}", answer.headers);
    let split = app.client.get("/s/split").await;
    assert!([302, 404].contains(&split.status), "{} {}", split.status, split.body);
    assert!(!split.headers.contains_key("set-cookie"));
    app.stop().await;
}
